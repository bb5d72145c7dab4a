//! Deadlines of this layer.

use super::{Server, connection::Connection, incoming::violation};
use crate::{
    deadlines::earliest,
    edge::SessionKey,
    engine::sessions::Budget,
    socket::event::{AckOutcome, Event, LookupKey, PendingKey, Violation, Withdrawal},
    time::Instant,
    trace::{Safe, tell},
};

impl Server {
    /// When the next deadline of this layer is due.
    pub(super) fn own_deadline(&self) -> Option<Instant> {
        earliest([
            self.deadlines.idle.next(),
            self.deadlines.decisions.next(),
            self.deadlines.silence.next(),
            self.acks.next_deadline(),
            self.keeper
                .as_ref()
                .and_then(|keeper| keeper.next_deadline()),
        ])
    }

    /// Runs what is due in this layer, within the budget.
    pub(super) fn run_own_deadlines(&mut self, budget: &mut Budget) {
        self.trim_deadlines();
        let now = self.now;
        while budget.spend() {
            if let Some(ack) = self.acks.next_due(now) {
                // It is there: it was just found.
                _ = self.end_ack(ack, Some(AckOutcome::TimedOut));
            } else if let Some(session) = self.deadlines.silence.pop_due(now) {
                self.on_silence(session);
            } else if let Some(pending) = self.deadlines.decisions.pop_due(now) {
                self.on_undecided(pending);
            } else if let Some(session) = self.deadlines.idle.pop_due(now) {
                self.on_idle(session);
            } else if let Some(lookup) = self.due_lookup() {
                // Without an answer there is no session. It may have been answered before.
                _ = self.end_lookup(lookup, None);
            } else if !self.expire_kept() {
                break;
            }
            self.settle();
        }
    }

    fn due_lookup(&mut self) -> Option<LookupKey> {
        self.keeper.as_mut()?.lookups_due.pop_due(self.now)
    }

    /// Drops one thing that was kept for long enough.
    fn expire_kept(&mut self) -> bool {
        let now = self.now;
        self.keeper
            .as_mut()
            .is_some_and(|keeper| keeper.expire_one(now))
    }

    fn on_silence(&mut self, session: SessionKey) {
        let is_due = self
            .connection(session)
            .and_then(Connection::silence)
            .is_some_and(|by| by <= self.now);
        if is_due && !self.sessions.is_paused(session) {
            self.fail(session, violation(Violation::AttachmentsMissing));
        }
    }

    fn on_undecided(&mut self, pending: PendingKey) {
        let now = self.now;
        if self.pending.get(pending).is_some_and(|it| it.by <= now) {
            let reason = Withdrawal::TimedOut;
            tell!(
                debug,
                "connect withdrawn",
                pending = pending,
                reason = Safe(reason)
            );
            self.out.tell(Event::Withdrawn { pending, reason });
            _ = self.turn_away(pending, "timeout", None);
        }
    }

    fn on_idle(&mut self, session: SessionKey) {
        let now = self.now;
        let is_due = self
            .connection(session)
            .and_then(|connection| connection.idle_by)
            .is_some_and(|by| by <= now);
        if is_due && !self.sessions.is_paused(session) {
            self.fail(session, violation(Violation::NoNamespace));
        }
    }

    /// A connection is read again. What its client had to send in time may lie unread, so that
    /// nothing was due meanwhile: its time begins anew.
    pub(super) fn on_resumed(&mut self, session: SessionKey) {
        let Some(connection) = self.connection(session) else {
            return;
        };
        let (is_waiting, is_idle) = (connection.silence().is_some(), connection.idle_by.is_some());
        if is_waiting {
            self.arm_silence(session);
        }
        if is_idle {
            let idle_by = self.deadlines.idle.arm(self.now, session);
            if let Some(connection) = self.connection_mut(session) {
                connection.idle_by = Some(idle_by);
            }
        }
    }

    /// Drops entries that no longer count before they outnumber what they belong to.
    fn trim_deadlines(&mut self) {
        let sessions = self.sessions.len();
        let connections = &self.connections;
        let find = |key: &SessionKey| {
            let connection = connections.get(key.index())?;
            connection.belongs_to(*key).then_some(connection)
        };
        let due = &mut self.deadlines;
        if due.idle.is_crowded(sessions) {
            due.idle
                .retain(|at, key| find(key).is_some_and(|it| it.idle_by == Some(at)));
        }
        if due.silence.is_crowded(sessions) {
            due.silence
                .retain(|at, key| find(key).and_then(Connection::silence) == Some(at));
        }
        let pending = &self.pending;
        if let Some(keeper) = &mut self.keeper {
            let keeper = &mut **keeper;
            if keeper.lookups_due.is_crowded(keeper.lookups.len()) {
                let lookups = &keeper.lookups;
                keeper
                    .lookups_due
                    .retain(|_, lookup| lookups.contains(*lookup));
            }
        }
        if due.decisions.is_crowded(pending.len()) {
            due.decisions.retain(|_, key| pending.contains(*key));
        }
    }
}
