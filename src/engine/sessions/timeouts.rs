//! Deadlines of sessions: what is due runs in proportion to itself, not to how many there are.

use core::time::Duration;

use super::{Asked, Attached, Pending, Sessions, Sink, lane::Closing};
use crate::{
    deadlines::earliest,
    edge::{RequestId, SessionKey},
    engine::{
        codec::Parser,
        heartbeat::{Beat, Heartbeat},
        outbox::Outgoing,
        reason::CloseReason,
        upgrade::Input,
    },
    key::Table,
    time::Instant,
};

/// How long inputs may go without a look at deadlines.
const MAX_QUIET: Duration = Duration::from_secs(1);

/// How many due deadlines one call may still run.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// For a call that only says that time has passed: more due work shows as a due
    /// `poll_timeout`.
    pub(crate) const fn of_one_call() -> Self {
        Self(1_024)
    }

    /// For any other input: no input passes a deadline that was due before it.
    pub(crate) const fn unlimited() -> Self {
        Self(usize::MAX)
    }

    /// Takes one, if there is one left.
    pub(crate) fn spend(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        left
    }
}

impl<P: Parser> Sessions<P> {
    /// When the next deadline is due: early if it counts no more, never late.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = &self.deadlines;
        earliest([
            due.pings.next(),
            due.pongs.next(),
            due.upgrades.next(),
            due.opens.next(),
            due.closes.next(),
            due.pauses.next(),
            due.delays.first().map(|&(until, _)| until),
            due.decisions.next(),
            due.bodies.next(),
            due.answers.next(),
            self.next_close(),
        ])
    }

    /// Until when no input needs to look for deadlines, after those due at `now` have run.
    ///
    /// Deadlines of constant length that are armed from now on cannot be due before the shortest
    /// of them has passed; whoever arms one of another length must take it into account. The
    /// bound also makes sure that queues are trimmed while inputs come in.
    pub(crate) fn quiet_until(&self, others: Option<Instant>) -> Instant {
        let horizon = self.now + self.shortest_deadline.min(MAX_QUIET);
        earliest([self.poll_timeout(), others, Some(horizon)]).unwrap_or(horizon)
    }

    /// Takes a layer's deadline of constant length into account.
    pub(crate) fn expect_deadline(&mut self, span: Duration) {
        self.shortest_deadline = self.shortest_deadline.min(span);
    }

    /// Runs what is due, within the budget.
    pub(crate) fn handle_timeout(&mut self, budget: &mut Budget, out: &mut impl Sink<P>) {
        self.trim();
        while budget.spend() {
            // Before its pong is missed: that may lie unread.
            if let Some(session) = self.pop_delayed() {
                self.end_delay(session, out);
                continue;
            }
            let due = &mut self.deadlines;
            let session = due
                .closes
                .pop_due(self.now)
                .or_else(|| due.pauses.pop_due(self.now))
                .or_else(|| due.upgrades.pop_due(self.now))
                .or_else(|| due.pongs.pop_due(self.now))
                .or_else(|| due.pings.pop_due(self.now));
            if let Some(session) = session {
                self.run_due(session, out);
            } else if let Some(request) = self.pop_request_due() {
                self.on_request_overdue(request, out);
            } else if let Some(request) = self.deadlines.decisions.pop_due(self.now) {
                self.on_undecided(request, out);
            } else if let Some(transport) = self.deadlines.opens.pop_due(self.now) {
                if let Some(&Attached::Accepted {
                    session: None, by, ..
                }) = self.transports.get(transport)
                    && by <= self.now
                {
                    self.close_transport(transport, true, out);
                }
            } else {
                break;
            }
        }
    }

    /// The next request whose body, or the taking of whose answer, is overdue.
    fn pop_request_due(&mut self) -> Option<RequestId> {
        let (now, due) = (self.now, &mut self.deadlines);
        due.bodies.pop_due(now).or_else(|| due.answers.pop_due(now))
    }

    /// Runs whatever is due for one session.
    fn run_due(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        let closing = self.lane(session).and_then(|lane| lane.closing);
        if let Some(Closing { reason, by }) = closing
            && by <= self.now
        {
            return self.expire(session, reason, out);
        }
        let Some(state) = self.sessions.get(session) else {
            return;
        };
        let paused = state.paused;
        // What is closing is not read, paused or not.
        if paused.is_some_and(|by| by <= self.now) && closing.is_none() {
            return self.expire(session, CloseReason::Unread, out);
        }
        let span = self.deadlines.pongs.span();
        let mut beat = state.heartbeat.due(self.now, span);
        if let (Some(Beat::DeclareGone), Heartbeat::Waiting { .. }) = (beat, state.heartbeat)
            && (state.is_stopped() || state.was_delayed(self.now, span / 2))
        {
            // Its pong may lie unread. It needs another ping, not to think the server gone.
            beat = Some(Beat::SendPing { ping_at: self.now });
        }
        if state.upgrade.is_overdue(self.now) && !self.holds_up_upgrade(session) {
            self.step_upgrade(session, Input::Stray, out);
        }
        match beat {
            Some(Beat::DeclareGone) => self.expire(session, CloseReason::PingTimeout, out),
            Some(Beat::SendPing { ping_at }) => self.ping(session, ping_at, out),
            None => {}
        }
    }

    /// Sends a ping and starts waiting, whether or not it can leave at once.
    ///
    /// A closing session is not pinged, but waits all the same: so it ends.
    fn ping(&mut self, session: SessionKey, ping_at: Instant, out: &mut impl Sink<P>) {
        let pongs = &mut self.deadlines.pongs;
        let pong_by = Heartbeat::pong_by(ping_at, self.now, pongs.span());
        let pong_by = pongs.arm_at(pong_by, session);
        if let Some(state) = self.sessions.get_mut(session) {
            state.received.on_ping(self.now);
            state.heartbeat = Heartbeat::Waiting { pong_by };
        }
        // A refusal has closed the session, or it is closing: nothing is left to do.
        _ = self.send(session, Outgoing::fixed("2"), false, out);
    }

    /// Forgets the deadlines of requests that have ended, as far as they come next: nearly all
    /// requests end long before their time.
    pub(super) fn skip_requests(&mut self) {
        let requests = &self.requests;
        let due = &mut self.deadlines;
        for fifo in [&mut due.bodies, &mut due.answers] {
            fifo.skip(|at, key| is_armed(requests, at, *key));
        }
    }

    /// Drops entries that no longer count before they outnumber what they belong to.
    fn trim(&mut self) {
        let (sessions, due) = (&self.sessions, &mut self.deadlines);
        let owners = sessions.len();
        for fifo in [&mut due.pings, &mut due.pongs] {
            if fifo.is_crowded(owners) {
                fifo.retain(|at, key| {
                    sessions
                        .get(*key)
                        .is_some_and(|session| session.heartbeat.is_armed_for(at))
                });
            }
        }
        if due.upgrades.is_crowded(owners) {
            due.upgrades.retain(|at, key| {
                let session = sessions.get(*key);
                session.is_some_and(|session| session.upgrade.is_armed_for(at))
            });
        }
        if due.pauses.is_crowded(owners) {
            due.pauses.retain(|at, key| {
                let session = sessions.get(*key);
                session.is_some_and(|session| session.paused == Some(at))
            });
        }
        if due.closes.is_crowded(owners) {
            let lanes = &self.lanes;
            due.closes.retain(|at, key| {
                let lane = lanes.get(key.index()).filter(|it| it.belongs_to(*key));
                lane.and_then(|lane| lane.closing)
                    .is_some_and(|it| it.by == at)
            });
        }
        let requests = &self.requests;
        for fifo in [&mut due.decisions, &mut due.bodies, &mut due.answers] {
            if fifo.is_crowded(requests.len()) {
                fifo.retain(|at, key| is_armed(requests, at, *key));
            }
        }
        let transports = &self.transports;
        if due.opens.is_crowded(transports.len()) {
            due.opens.retain(|at, key| {
                matches!(transports.get(*key), Some(Attached::Accepted { by, .. }) if *by == at)
            });
        }
    }
}

/// Whether this is the instant that counts for a request.
///
/// Several queues ask. One that still has an entry of an earlier stage, for the same instant, names
/// the request at the right time all the same.
fn is_armed(requests: &Table<RequestId, Asked>, at: Instant, request: RequestId) -> bool {
    match requests.get(request).map(|asked| asked.stage) {
        Some(
            Pending::Answered { by, .. } | Pending::Body { by, .. } | Pending::Deciding { by, .. },
        ) => by == at,
        _ => false,
    }
}
