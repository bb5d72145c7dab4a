//! The rates of one client: what its packets and bytes cost, and delays of a client in debt.
//!
//! With no rate set, nothing here runs.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Notice, Session, Sessions, Sink};
use crate::{
    edge::SessionKey,
    engine::{
        codec::{Inbound, Parser},
        config::Config,
        packet::Packet,
        rate::{Bucket, OverRate},
        reason::CloseReason,
    },
    time::Instant,
};

/// What one session has used of its rates. One that has sent nothing yet needs none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    packets: Option<Bucket>,
    bytes: Option<Bucket>,
    delay: Option<Delay>,
    /// When the last delay ended.
    resumed: Option<Instant>,
}

/// A client in debt is not read.
#[derive(Clone, Copy, Debug)]
struct Delay {
    until: Instant,
    /// Whether messages caused it. Nobody gets more time for what else it has to send by packets
    /// that say nothing.
    is_excused: bool,
}

/// What the rates say of one message or body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It fits, or no rate is set.
    Fits,
    /// It came, and the client is to be delayed.
    Owes { until: Instant, is_excused: bool },
    /// It came as far as it fits, and the session is to close.
    Over,
}

impl Meter {
    /// What every session begins with; `None` if no rate is set.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let (packets, bytes) = (config.packet_rate, config.byte_rate);
        (packets.is_some() || bytes.is_some()).then(|| Self {
            packets: packets.map(Bucket::full),
            bytes: bytes.map(Bucket::full),
            delay: None,
            resumed: None,
        })
    }

    /// The shortest delay that may come; `None` if none may.
    pub(super) fn shortest_delay(&self, config: &Config) -> Option<Duration> {
        if config.over_rate != OverRate::Delay {
            return None;
        }
        let buckets = self.packets.iter().chain(&self.bytes);
        buckets.map(|it| it.rate().shortest_delay()).min()
    }

    /// Takes what is there for so many bytes and packets, and says how many of the packets fit;
    /// `None` if the bytes do not.
    fn take(&mut self, now: Instant, packets: usize, bytes: usize) -> Option<usize> {
        if self.bytes.as_mut().is_some_and(|it| !it.take(now, bytes)) {
            return None;
        }
        let bucket = self.packets.as_mut();
        Some(bucket.map_or(packets, |it| it.take_up_to(now, packets)))
    }

    /// Takes so much, there or not, and says until when the client is to be delayed.
    fn owe(&mut self, now: Instant, packets: usize, bytes: usize) -> Option<Instant> {
        let packets = self.packets.as_mut().and_then(|it| it.owe(now, packets));
        let bytes = self.bytes.as_mut().and_then(|it| it.owe(now, bytes));
        packets.max(bytes)
    }
}

impl Session {
    /// Whether a client in debt is not read.
    pub(super) fn is_delayed(&self) -> bool {
        self.delay().is_some()
    }

    /// Whether a client is not read for what it had to say, so that what it owes may lie unread.
    pub(super) fn is_excused(&self) -> bool {
        self.delay().is_some_and(|delay| delay.is_excused)
    }

    /// Whether a delay has ended so lately that a pong may lie unread.
    pub(super) fn was_delayed(&self, now: Instant, patience: Duration) -> bool {
        let resumed = self.meter.as_ref().and_then(|meter| meter.resumed);
        resumed.is_some_and(|at| now < at + patience)
    }

    fn delay(&self) -> Option<Delay> {
        self.meter.as_ref().and_then(|meter| meter.delay)
    }
}

impl<P: Parser> Sessions<P> {
    /// Charges a session for a message or body, and cuts off what does not fit, where nothing may
    /// be owed.
    pub(super) fn charge(&mut self, session: SessionKey, inbound: &mut Inbound<P>) -> Verdict {
        let Some(fresh) = &self.fresh_meter else {
            return Verdict::Fits;
        };
        let (packets, bytes) = (inbound.len(), inbound.bytes);
        let (now, policy) = (self.now, self.config.over_rate);
        let Some(state) = self.sessions.get_mut(session) else {
            return Verdict::Fits;
        };
        let meter = state.meter.get_or_insert_with(|| Box::new(*fresh));
        match policy {
            OverRate::Close => {
                let fits = meter.take(now, packets, bytes);
                if fits == Some(packets) {
                    return Verdict::Fits;
                }
                inbound.truncate(fits.unwrap_or(0));
                Verdict::Over
            }
            OverRate::Delay => match meter.owe(now, packets, bytes) {
                None => Verdict::Fits,
                Some(until) if until > now + self.config.pause_timeout => Verdict::Over,
                Some(until) => Verdict::Owes {
                    until,
                    is_excused: inbound.packets().any(|it| matches!(it, Packet::Message(_))),
                },
            },
        }
    }

    /// Does what the rates say, when all that came was delivered.
    pub(super) fn enforce(
        &mut self,
        session: SessionKey,
        verdict: Verdict,
        out: &mut impl Sink<P>,
    ) {
        match verdict {
            Verdict::Fits => {}
            Verdict::Owes { until, is_excused } => self.delay(session, until, is_excused, out),
            Verdict::Over => self.close_now(session, CloseReason::RateExceeded, out),
        }
    }

    /// Stops reading a client until its debt is paid. What comes because it was read before may
    /// make that later.
    fn delay(
        &mut self,
        session: SessionKey,
        until: Instant,
        is_excused: bool,
        out: &mut impl Sink<P>,
    ) {
        let Some(state) = self.sessions.get_mut(session) else {
            return;
        };
        let was_stopped = state.is_stopped();
        let Some(meter) = &mut state.meter else {
            return;
        };
        let mut next = Delay { until, is_excused };
        let last = meter.delay;
        if let Some(last) = last {
            next.is_excused |= last.is_excused;
            self.deadlines.delays.remove(&(last.until, session));
        }
        meter.delay = Some(next);
        self.deadlines.delays.insert((until, session));
        if last.is_none() {
            self.count_delay(session, until);
        }
        if !was_stopped {
            self.tell_reading(session, true, out);
        }
    }

    /// Takes the next session whose debt is paid.
    pub(super) fn pop_delayed(&mut self) -> Option<SessionKey> {
        let delays = &mut self.deadlines.delays;
        let &(until, session) = delays.first()?;
        if until > self.now {
            return None;
        }
        delays.pop_first();
        Some(session)
    }

    /// Goes on reading a client whose debt is paid, unless the application has stopped it.
    pub(super) fn end_delay(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        let Some(state) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(meter) = &mut state.meter else {
            return;
        };
        let last = meter.delay.take();
        meter.resumed = Some(self.now);
        if state.is_stopped() {
            return;
        }
        self.tell_reading(session, false, out);
        self.take_up_data(session, out);
        if last.is_some_and(|delay| delay.is_excused) {
            out.notice(Notice::Resumed { session });
        }
    }

    /// Forgets the delay of a session that ends.
    pub(super) fn forget_delay(&mut self, session: SessionKey) {
        let delay = self.sessions.get(session).and_then(Session::delay);
        if let Some(Delay { until, .. }) = delay {
            self.deadlines.delays.remove(&(until, session));
        }
    }
}
