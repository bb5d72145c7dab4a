//! The model: what was said and what must be heard, whatever happens in between.
//!
//! A *life* is one attempt of a peer to have a session, from its first request to its end. Both
//! sides number their messages; the ledger holds them to the promises: in order, at most once, and
//! all of them if the session ended in order. It also remembers what happened to each life, so that
//! a reason for closing can be judged.

use std::{collections::BTreeSet, fmt};

use socketio_proto::{
    engine::{CloseReason, TransportError},
    time::Instant,
};

use crate::delivery::Deliveries;

/// Names one life; numbers are given out once.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LifeId(pub u32);

/// What happened to a life, or what its peer or application did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Cause {
    /// The application closed it.
    ApplicationClosed = 1,
    /// The peer sent a close packet, or closed its WebSocket.
    PeerClosed = 1 << 1,
    /// One of its connections failed, was aborted or vanished.
    Lost = 1 << 2,
    /// The peer broke the protocol.
    Misdeed = 1 << 3,
    /// The peer does not answer pings in time, or cannot.
    Silent = 1 << 4,
    /// The server began to shut down.
    Shutdown = 1 << 5,
    /// More was sent than may wait.
    Flooded = 1 << 6,
    /// The peer did what mixes up its own messages, as sending two requests at once: that none
    /// comes twice is all it can expect.
    Reckless = 1 << 7,
    /// The application stopped reading what it sends.
    Paused = 1 << 8,
    /// What waited for its peer was dropped for what came later.
    Displaced = 1 << 9,
}

/// The record of one life.
#[derive(Clone, Debug, Default)]
struct Life {
    down: Stream,
    up: Stream,
    causes: u32,
    opened: Option<Instant>,
    closing: Option<Instant>,
    paused: Option<Instant>,
    resumed: Option<Instant>,
    closed: Option<CloseReason>,
    is_orderly: bool,
}

/// Numbered messages of one direction.
#[derive(Clone, Debug, Default)]
struct Stream {
    sent: u32,
    /// All below it were heard.
    heard: u32,
    /// What a reckless peer made arrive out of order.
    apart: BTreeSet<u32>,
}

/// What may be expected of the order of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    /// None comes twice.
    Any,
    /// Each is the next.
    Exact,
    /// Each is a later one.
    Gaps,
}

/// A promise that was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Totals, to see that a run did what it was meant to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Lives begun.
    pub lives: usize,
    /// Sessions opened.
    pub opened: usize,
    /// Sessions that both sides saw end in order.
    pub orderly: usize,
    /// Messages from the application that peers heard.
    pub down: usize,
    /// Messages of peers that the application heard.
    pub up: usize,
    /// Events that clients heard and that are kept for who is away.
    pub delivered: usize,
    /// Events that clients heard and that are not kept.
    pub fleeting: usize,
    /// Those that they missed first.
    pub replayed: usize,
    /// How often a client found its session again.
    pub recovered: usize,
    /// How often it did not.
    pub anew: usize,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.opened += other.opened;
        self.orderly += other.orderly;
        self.down += other.down;
        self.up += other.up;
        self.delivered += other.delivered;
        self.fleeting += other.fleeting;
        self.replayed += other.replayed;
        self.recovered += other.recovered;
        self.anew += other.anew;
    }
}

/// All lives of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    lives: Vec<Life>,
    /// What sockets were promised.
    pub deliveries: Deliveries,
}

impl Ledger {
    /// A peer begins a life.
    pub fn begin(&mut self) -> LifeId {
        let id = LifeId(u32::try_from(self.lives.len()).unwrap_or(u32::MAX));
        self.lives.push(Life::default());
        id
    }

    /// Notes what happened to a life.
    pub fn note(&mut self, id: LifeId, cause: Cause) {
        self.life(id).causes |= cause as u32;
    }

    /// Notes what happened to every life that has not ended.
    pub fn note_all(&mut self, cause: Cause) {
        for life in self.lives.iter_mut().filter(|life| life.closed.is_none()) {
            life.causes |= cause as u32;
        }
    }

    /// Whether something happened to a life.
    pub fn has(&self, id: LifeId, cause: Cause) -> bool {
        self.get(id).is_some_and(|life| life.has(cause))
    }

    /// The application closes the session of a life in order.
    pub fn closing(&mut self, id: LifeId, now: Instant) {
        self.note(id, Cause::ApplicationClosed);
        self.life(id).closing.get_or_insert(now);
    }

    /// The application stops reading the session of a life, or goes on.
    pub fn paused(&mut self, id: LifeId, is_paused: bool, now: Instant) {
        self.note(id, Cause::Paused);
        let life = self.life(id);
        life.paused = is_paused.then(|| life.paused.unwrap_or(now));
        life.resumed = (!is_paused).then_some(now).or(life.resumed);
    }

    /// When the application went on to read a session.
    pub fn resumed_at(&self, id: LifeId) -> Option<Instant> {
        self.get(id)?.resumed
    }

    /// Since when the application does not read a session.
    pub fn paused_since(&self, id: LifeId) -> Option<Instant> {
        self.get(id)?.paused
    }

    /// Since when a session is being closed by the application.
    pub fn closing_since(&self, id: LifeId) -> Option<Instant> {
        self.get(id)?.closing
    }

    /// Whether the session of a life has opened; it may have closed since.
    pub fn has_opened(&self, id: LifeId) -> bool {
        self.get(id).is_some_and(|life| life.opened.is_some())
    }

    /// Whether the session of a life has closed.
    pub fn is_closed(&self, id: LifeId) -> bool {
        self.get(id).is_some_and(|life| life.closed.is_some())
    }

    /// The session of a life opened.
    pub fn opened(&mut self, id: LifeId, now: Instant) -> Result<(), Broken> {
        let life = self.life(id);
        if life.opened.replace(now).is_some() {
            return Err(Broken(format!("life {} opened twice", id.0)));
        }
        Ok(())
    }

    /// The session of a life closed: the reason must be one that what happened explains.
    pub fn closed(&mut self, id: LifeId, reason: CloseReason) -> Result<(), Broken> {
        let life = self.life(id);
        if life.opened.is_none() || life.closed.replace(reason).is_some() {
            return Err(Broken(format!("life {} closed, but was not open", id.0)));
        }
        if !life.explains(reason) {
            let causes = life.causes;
            return Err(Broken(format!(
                "life {} closed for no reason: {reason:?}, causes {causes:#b}",
                id.0
            )));
        }
        self.settle(id)
    }

    /// The peer saw its session end in order.
    ///
    /// Where the server has not closed it, it has closed a WebSocket whose upgrade took too long,
    /// just when the peer committed to that: nobody is left to answer the session's pings.
    pub fn ended_in_order(&mut self, id: LifeId) -> Result<(), Broken> {
        let life = self.life(id);
        if life.closed.is_none() {
            self.note(id, Cause::Silent);
            return Ok(());
        }
        life.is_orderly = true;
        self.settle(id)
    }

    /// Where both saw an orderly end for the application's sake, nothing may be missing.
    fn settle(&mut self, id: LifeId) -> Result<(), Broken> {
        let life = self.life(id);
        let is_asked = matches!(
            life.closed,
            Some(CloseReason::ForcedClose | CloseReason::ServerShutdown)
        );
        if is_asked
            && life.is_orderly
            && !life.has(Cause::Reckless)
            && !life.has(Cause::Displaced)
            && life.down.heard != life.down.sent
        {
            let Stream { sent, heard, .. } = life.down;
            return Err(Broken(format!(
                "life {} ended in order, but its peer heard {heard} of {sent} messages",
                id.0
            )));
        }
        Ok(())
    }

    /// The number of the next message of the application to the peer, which it is about to send.
    pub fn next_down(&self, id: LifeId) -> u32 {
        self.get(id).map_or(0, |life| life.down.sent)
    }

    /// The machine took a message of the application.
    pub fn said_down(&mut self, id: LifeId) {
        self.life(id).down.sent += 1;
    }

    /// The peer says its next message; its number.
    pub fn say_up(&mut self, id: LifeId) -> u32 {
        let stream = &mut self.life(id).up;
        stream.sent += 1;
        stream.sent - 1
    }

    /// The peer heard a message of the application.
    pub fn heard_down(&mut self, id: LifeId, life: LifeId, number: u32) -> Result<(), Broken> {
        if life != id {
            return Err(Broken(format!(
                "life {} heard a message of life {}",
                id.0, life.0
            )));
        }
        let life = self.life(id);
        let order = match (life.has(Cause::Reckless), life.has(Cause::Displaced)) {
            (true, _) => Order::Any,
            (false, true) => Order::Gaps,
            (false, false) => Order::Exact,
        };
        life.down.hear(number, order).map_err(|why| {
            Broken(format!(
                "the peer of life {} heard message {number}: {why}",
                id.0
            ))
        })
    }

    /// The application heard a message of the peer.
    pub fn heard_up(&mut self, id: LifeId, life: LifeId, number: u32) -> Result<(), Broken> {
        if life != id {
            return Err(Broken(format!(
                "the session of life {} got a message of life {}",
                id.0, life.0
            )));
        }
        let life = self.life(id);
        if life.opened.is_none() || life.closed.is_some() {
            return Err(Broken(format!(
                "life {} got a message, but is not open",
                id.0
            )));
        }
        let order = if life.has(Cause::Reckless) {
            Order::Any
        } else {
            Order::Exact
        };
        life.up.hear(number, order).map_err(|why| {
            Broken(format!(
                "the application heard message {number} of life {}: {why}",
                id.0
            ))
        })
    }

    /// Checks what must hold when everything is over: every session that opened has closed, and
    /// where `is_calm`, nothing was lost.
    pub fn finish(&self, is_calm: bool) -> Result<Totals, Broken> {
        let mut totals = Totals {
            lives: self.lives.len(),
            ..Totals::default()
        };
        for (id, life) in self.lives.iter().enumerate() {
            if life.opened.is_some() && life.closed.is_none() {
                return Err(Broken(format!("the session of life {id} never closed")));
            }
            let is_whole = [&life.down, &life.up]
                .into_iter()
                .all(|it| it.heard == it.sent);
            if is_calm && !(life.opened.is_some() && is_whole) {
                return Err(Broken(format!(
                    "nothing went wrong with life {id}, but: {life:?}"
                )));
            }
            totals.opened += usize::from(life.opened.is_some());
            totals.orderly += usize::from(life.closed.is_some() && life.is_orderly);
            totals.down += life.down.count();
            totals.up += life.up.count();
        }
        self.deliveries.count(&mut totals);
        Ok(totals)
    }

    fn get(&self, id: LifeId) -> Option<&Life> {
        self.lives.get(id.0 as usize)
    }

    fn life(&mut self, id: LifeId) -> &mut Life {
        let index = id.0 as usize;
        if index >= self.lives.len() {
            self.lives.resize_with(index + 1, Life::default);
        }
        self.lives.get_mut(index).expect("it was just made")
    }
}

impl Stream {
    /// Takes a number, if it is one that may come now.
    fn hear(&mut self, number: u32, order: Order) -> Result<(), &'static str> {
        if number >= self.sent {
            return Err("it was never sent");
        }
        if number < self.heard {
            return Err("it came twice or out of order");
        }
        if order == Order::Exact && number > self.heard {
            return Err("one before it is missing");
        }
        if order != Order::Any {
            self.heard = number + 1;
        } else if !self.apart.insert(number) {
            return Err("it came twice");
        }
        Ok(())
    }
}

impl Stream {
    fn count(&self) -> usize {
        self.heard as usize + self.apart.len()
    }
}

impl Life {
    fn has(&self, cause: Cause) -> bool {
        self.causes & cause as u32 != 0
    }

    /// Whether what happened explains a reason.
    fn explains(&self, reason: CloseReason) -> bool {
        if reason == CloseReason::TransportError(TransportError::BodiesFull) {
            // It passed a limit that all share.
            return true;
        }
        match reason {
            // A layer above closes on garbage, too.
            CloseReason::ForcedClose => {
                self.has(Cause::ApplicationClosed) || self.has(Cause::Misdeed)
            }
            CloseReason::ServerShutdown => self.has(Cause::Shutdown),
            CloseReason::TransportClose => self.has(Cause::PeerClosed),
            CloseReason::QueueFull { .. } => self.has(Cause::Flooded),
            CloseReason::Unread => self.has(Cause::Paused),
            // A close of its own is not seen while nobody reads, and a clock that jumps ends it.
            CloseReason::PingTimeout if self.has(Cause::Paused) && self.has(Cause::PeerClosed) => {
                true
            }
            CloseReason::PingTimeout
            | CloseReason::TransportError(
                TransportError::BodyTimeout | TransportError::ResponseTimeout,
            ) => self.has(Cause::Silent) || self.has(Cause::Lost),
            CloseReason::TransportError(
                TransportError::Failed | TransportError::PollAborted | TransportError::DataAborted,
            ) => self.has(Cause::Lost),
            CloseReason::ParseError(_) | CloseReason::TransportError(_) => self.has(Cause::Misdeed),
            // Reasons that this model does not know yet explain themselves.
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (Ledger, LifeId) {
        let mut ledger = Ledger::default();
        let id = ledger.begin();
        ledger.opened(id, Instant::ORIGIN).expect("it opens once");
        (ledger, id)
    }

    #[test]
    fn messages_are_heard_in_order_and_once() {
        let (mut ledger, id) = open();
        for _ in 0..3 {
            ledger.said_down(id);
        }
        let mut hear = |number| ledger.heard_down(id, id, number).is_ok();
        assert!(!hear(1), "one is missing");
        assert!(hear(0));
        assert!(!hear(0), "twice");
        assert!(hear(1) && hear(2));
        assert!(!hear(3), "never sent");
        assert!(ledger.heard_down(id, LifeId(7), 0).is_err(), "another's");
    }

    #[test]
    fn a_reckless_peer_hears_nothing_twice_but_maybe_not_all_and_not_in_order() {
        let (mut ledger, id) = open();
        ledger.note(id, Cause::Reckless);
        for _ in 0..3 {
            ledger.say_up(id);
        }
        assert!(ledger.heard_up(id, id, 2).is_ok());
        assert!(ledger.heard_up(id, id, 0).is_ok());
        assert!(ledger.heard_up(id, id, 2).is_err());
    }

    #[test]
    fn an_orderly_end_is_a_whole_one() {
        let (mut ledger, id) = open();
        ledger.note(id, Cause::ApplicationClosed);
        ledger.said_down(id);
        assert!(ledger.closed(id, CloseReason::ForcedClose).is_ok());
        assert!(ledger.ended_in_order(id).is_err());
    }

    #[test]
    fn a_peer_that_saw_an_end_which_was_none_is_silent_from_then_on() {
        let (mut ledger, id) = open();
        assert!(ledger.ended_in_order(id).is_ok());
        assert!(ledger.closed(id, CloseReason::PingTimeout).is_ok());
    }

    #[test]
    fn a_reason_needs_a_cause() {
        let (mut ledger, id) = open();
        assert!(ledger.closed(id, CloseReason::PingTimeout).is_err());
        let (mut ledger, id) = open();
        ledger.note(id, Cause::Silent);
        assert!(ledger.closed(id, CloseReason::PingTimeout).is_ok());
        assert!(ledger.heard_up(id, id, 0).is_err(), "it is closed");
        assert!(ledger.finish(false).is_ok());
        let (ledger, _) = open();
        assert!(ledger.finish(false).is_err(), "it never closed");
    }
}
