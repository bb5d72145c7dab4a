//! Connection state recovery (Socket.IO reference, section 5): what is kept so that a client that
//! lost its connection misses nothing.
//!
//! Events get positions, whose text is the offset that clients see. `log` keeps the events, `away`
//! the sessions whose clients are gone; `session` says what such a session is, and which events were
//! for it; `snapshot` makes bytes of both.

mod away;
mod log;
mod position;
mod session;
mod snapshot;
mod wire;

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use bytestring::ByteString;

use self::{
    away::Away,
    log::Log,
    position::{Positions, micros},
};
pub(super) use self::{
    log::{Audience, Group},
    position::{Offset, Position},
    session::{Membership, Past, Session, Trail},
    snapshot::{read_session, write_session},
};
use super::{
    config::RecoveryConfig,
    event::{LookupKey, PendingKey, SocketKey},
    statistics::RecoveryStatistics,
};
use crate::{
    deadlines::{Fifo, earliest},
    engine::outbox::Outgoing,
    key::Table,
    random::{HashKeys, LookUp, PrivateId},
    time::{Instant, UnixTime},
};

pub use self::snapshot::ImportError;

/// All that a server keeps for clients that lost their connections.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) config: RecoveryConfig,
    positions: Positions,
    log: Log,
    away: Away,
    /// The sockets that are connected, by the secrets of their clients.
    pub(super) live: LookUp<PrivateId, SocketKey>,
    /// The CONNECTs that were told of a session which is still here, although sessions are kept
    /// outside.
    pub(super) told: LookUp<PrivateId, PendingKey>,
    /// Searches in a store outside.
    pub(super) lookups: Table<LookupKey, PendingKey>,
    pub(super) lookups_due: Fifo<LookupKey>,
    // How long events are kept: they may have been lost before the loss was noticed.
    events_age: u64,
    sessions_age: u64,
    /// Where the imported events ended, and where ours began: nothing of ours lies between.
    imported: Option<(Position, Position)>,
    counters: Counters,
    cut: Cut,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    lost: u64,
    restored: u64,
    failed: u64,
    cut_events: u64,
    cut_sessions: u64,
}

/// Whether something went before its age.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cut {
    Never,
    Untold,
    Told,
}

/// A client that says which session it had, and what it has of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Claim {
    pub(super) pid: PrivateId,
    pub(super) offset: Option<Position>,
}

/// The events that a client missed, by their places in the log.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) events: Vec<u64>,
    /// What they count for while they wait.
    pub(super) cost: usize,
}

impl Keeper {
    /// Begins with nothing. A loss may be noticed so long after the client has received something
    /// for the last time as `unnoticed` says.
    pub(super) fn new(
        config: RecoveryConfig,
        unnoticed: Duration,
        origin: UnixTime,
        mut keys: impl FnMut() -> HashKeys,
    ) -> Self {
        let positions = Positions::new(origin, Instant::ORIGIN);
        let age = config.max_disconnection;
        Self {
            log: Log::new(keys(), keys(), positions.last()),
            away: Away::new(keys(), keys()),
            live: LookUp::with_hasher(keys()),
            told: LookUp::with_hasher(keys()),
            lookups: Table::new(),
            lookups_due: Fifo::new(config.lookup_timeout),
            events_age: micros(age.saturating_add(unnoticed)),
            sessions_age: micros(age),
            imported: None,
            counters: Counters::default(),
            cut: Cut::Never,
            positions,
            config,
        }
    }

    /// The position of the next event.
    pub(super) fn take_position(&mut self, now: Instant) -> Position {
        self.positions.take(now)
    }

    /// The position of the last event.
    pub(super) fn position(&self) -> Position {
        self.positions.last()
    }

    /// Before which position a client has all, that has all that was sent before an instant.
    pub(super) fn received(&self, before: Instant) -> Position {
        // An event of that instant may be at it, so it does not count.
        self.positions.at(before).saturating_sub(1)
    }

    /// Keeps an event that was sent.
    pub(super) fn keep(&mut self, position: Position, audience: Audience, packet: Outgoing) {
        self.log.push(position, audience, packet);
        self.enforce();
    }

    /// Nobody comes back to this session.
    pub(super) fn forget(&mut self, pid: &PrivateId) {
        self.live.remove(pid);
        self.log.forget(pid);
    }

    /// Keeps the session of a client that is away.
    pub(super) fn put(&mut self, session: Box<Session>) {
        self.away.insert(session);
        self.enforce();
    }

    /// How long a session has still to be kept.
    pub(super) fn time_left(&self, session: &Session, now: Instant) -> Duration {
        let until = session.lost.saturating_add(self.sessions_age);
        let left = Duration::from_micros(until.saturating_sub(self.positions.at(now)));
        left.min(self.config.max_disconnection)
    }

    pub(super) fn count_lost(&mut self) {
        self.counters.lost += 1;
    }

    pub(super) fn count_restored(&mut self) {
        self.counters.restored += 1;
    }

    pub(super) fn count_failed(&mut self) {
        self.counters.failed += 1;
    }

    /// The session of a client that is away.
    pub(super) fn session(&self, pid: &PrivateId) -> Option<&Session> {
        self.away.get(pid)
    }

    /// Takes the session of a client that is away: it can be restored once.
    pub(super) fn take(&mut self, pid: &PrivateId) -> Option<Box<Session>> {
        self.away.remove(pid)
    }

    /// Whether clients of a namespace are away.
    pub(super) fn is_missed(&self, namespace: &str) -> bool {
        self.away.is_from(namespace)
    }

    /// A namespace whose last client that was away is not any more.
    pub(super) fn next_deserted(&mut self) -> Option<ByteString> {
        self.away.next_deserted()
    }

    /// What a client misses; none if that is not known any more, or if the session is one of
    /// another namespace.
    pub(super) fn missed(&self, session: &Session, claim: Claim) -> Option<Replay> {
        // What was confirmed lies where the clock was, which may be behind the last event.
        if claim.offset > Some(self.position()) {
            return None;
        }
        let start = session.start(claim.offset)?;
        let is_known = self
            .imported
            .is_none_or(|(theirs, ours)| start <= theirs || start >= ours);
        if !is_known || start < self.log.floor() {
            return None;
        }
        let events = self.log.missed(session, start);
        let packets = events.iter().filter_map(|&number| self.log.packet(number));
        let cost = packets.map(Outgoing::cost).sum();
        Some(Replay { events, cost })
    }

    /// An event of the log.
    pub(super) fn event(&self, number: u64) -> Option<&Outgoing> {
        self.log.packet(number)
    }

    /// When the oldest of what is kept is too old, or a search has taken too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let event = self.log.oldest();
        let session = self.away.oldest();
        let due = |at: Option<Position>, age: u64| {
            at.map(|at| self.positions.instant_of(at.saturating_add(age)))
        };
        earliest([
            due(event, self.events_age),
            due(session, self.sessions_age),
            self.lookups_due.next(),
        ])
    }

    /// Drops one thing that is too old; `false` if there is none.
    pub(super) fn expire_one(&mut self, now: Instant) -> bool {
        let wall = self.positions.at(now);
        let is_old =
            |at: Option<Position>, age: u64| at.is_some_and(|at| at.saturating_add(age) <= wall);
        if is_old(self.away.oldest(), self.sessions_age) {
            if let Some(session) = self.away.pop() {
                self.log.forget(&session.pid);
            }
            return true;
        }
        is_old(self.log.oldest(), self.events_age) && self.log.pop().is_some()
    }

    /// Whether the application has to hear that something went before its age: once.
    pub(super) fn take_cut(&mut self) -> bool {
        let is_untold = self.cut == Cut::Untold;
        if is_untold {
            self.cut = Cut::Told;
        }
        is_untold
    }

    pub(super) fn statistics(&self) -> RecoveryStatistics {
        RecoveryStatistics {
            sessions: self.away.len(),
            events: self.log.len(),
            bytes: self.bytes(),
            lost: self.counters.lost,
            restored: self.counters.restored,
            failed: self.counters.failed,
            cut_events: self.counters.cut_events,
            cut_sessions: self.counters.cut_sessions,
        }
    }

    fn bytes(&self) -> usize {
        self.log.bytes() + self.away.bytes()
    }

    /// Drops the oldest of what is kept as long as it is too much.
    fn enforce(&mut self) {
        while self.bytes() > self.config.max_bytes || self.away.len() > self.config.max_sessions {
            let is_over = self.away.len() > self.config.max_sessions;
            let (event, session) = (self.log.oldest(), self.away.oldest());
            let is_session = is_over || event.is_none_or(|event| session < Some(event));
            if is_session && let Some(session) = self.away.pop() {
                self.log.forget(&session.pid);
                self.counters.cut_sessions += 1;
            } else if self.log.pop().is_some() {
                self.counters.cut_events += 1;
            } else {
                break;
            }
            if self.cut == Cut::Never {
                self.cut = Cut::Untold;
            }
        }
    }
}
