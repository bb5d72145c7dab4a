//! What must hold between inputs, and when everything is over.

use std::time::Duration;

use socketio_proto::{
    edge::{Carrier, SessionKey},
    time::Instant,
};

use super::{Host, Queue, SessionSide, Stage};
use crate::{
    ledger::{Cause, LifeId},
    subject::Subject,
    world::Scene,
};

/// How many deadlines that no longer count a machine may still tell when all is over.
const MAX_EARLY: usize = 1_000;

impl<M: Subject> Host<M> {
    /// No session stalls: whoever can be written to is, and whoever is silent is gone in time.
    pub fn check(&mut self, scene: &mut Scene<'_>) {
        if self.machine.sessions() > 0 && self.machine.poll_timeout().is_none() {
            scene
                .trace
                .fail(format_args!("there are sessions, but no deadline"));
        }
        if self.queue != Queue::Empty {
            return;
        }
        if self.machine.sessions() != self.sessions.len() {
            scene.trace.fail(format_args!(
                "the machine counts {} sessions, its events {}",
                self.machine.sessions(),
                self.sessions.len()
            ));
        }
        let held = self.machine.statistics();
        let gauges = [
            ("sessions", held.sessions(), self.sessions.len()),
            ("requests", held.requests, self.requests.len()),
            ("transports", held.transports, self.transports.len()),
        ];
        for (what, counted, known) in gauges {
            if counted != known {
                scene.trace.fail(format_args!(
                    "the machine counts {counted} {what}, its caller knows {known}"
                ));
            }
        }
        for (request, side) in self.requests.iter() {
            let waits_for_nobody = match side.stage {
                Stage::Read => true,
                Stage::Reading { .. } | Stage::Waiting => {
                    scene.ledger.is_closed(side.life) || self.is_upgraded(side.life)
                }
                Stage::Accepted | Stage::Answered => false,
            };
            if waits_for_nobody {
                scene.trace.fail(format_args!(
                    "{request:?} of life {} is not answered: {:?}",
                    side.life.0, side.stage
                ));
            }
        }
        self.check_deadlines(scene);
        let now = scene.network.now() + self.ahead;
        let longest = self.longest_silence();
        for (session, side) in self.sessions.iter() {
            let silence = now.saturating_duration_since(side.heard_at);
            // Whoever is not listened to is not given up.
            let is_paused = scene.ledger.has(side.life, Cause::Paused);
            if silence > longest && !self.is_stopped && !is_paused {
                scene.trace.fail(format_args!(
                    "{session:?} of life {} lives on after {silence:?} of silence",
                    side.life.0
                ));
            }
            if self.machine.queued(session) > Some(0) && self.takes_more(session, side) {
                scene.trace.fail(format_args!(
                    "{session:?} of life {} stalls: packets wait, its carrier is ready",
                    side.life.0
                ));
            }
        }
    }

    /// Whether a session's carrier has nothing to do.
    fn takes_more(&self, session: SessionKey, side: &SessionSide) -> bool {
        match self.machine.carrier(session) {
            Some(Carrier::Polling) => self.requests.iter().any(|(_, request)| {
                request.life == side.life
                    && request.is_poll
                    && matches!(request.stage, Stage::Waiting)
            }),
            Some(Carrier::WebSocket) => {
                // Others than the one that carries it may still be closing or refused: if any is
                // busy, it may be that one.
                let mut all = self.transports.iter().map(|(_, it)| it);
                let mut own = all
                    .by_ref()
                    .filter(|it| it.life == side.life && it.is_open)
                    .peekable();
                own.peek().is_some() && own.all(|it| !it.is_busy)
            }
            None => false,
        }
    }

    /// Nothing that has a deadline of its own outlives it.
    fn check_deadlines(&self, scene: &mut Scene<'_>) {
        if self.is_stopped {
            return;
        }
        let now = scene.network.now() + self.ahead;
        let lateness = self.lateness();
        let is_over = |since: Instant, span: Duration| since + span + lateness < now;
        let request_span = self.spans.ping_interval + self.spans.ping_timeout;
        for (request, side) in self.requests.iter() {
            let span = match side.stage {
                Stage::Answered | Stage::Reading { .. } => request_span,
                // Only a handshake waits while there is no session.
                Stage::Waiting if !scene.ledger.has_opened(side.life) => {
                    self.spans.admission_timeout
                }
                Stage::Accepted | Stage::Read | Stage::Waiting => continue,
            };
            if is_over(side.since, span) {
                scene.trace.fail(format_args!(
                    "{request:?} of life {} takes too long: {:?}",
                    side.life.0, side.stage
                ));
            }
        }
        for (session, side) in self.sessions.iter() {
            let closing = scene.ledger.closing_since(side.life);
            // What is closing is not read anyway.
            let is_ending = |cause| scene.ledger.has(side.life, cause);
            let mut ends = [Cause::ApplicationClosed, Cause::Misdeed, Cause::Shutdown].into_iter();
            let paused = scene.ledger.paused_since(side.life);
            let paused = paused.filter(|_| !ends.any(is_ending));
            if paused.is_some_and(|since| is_over(since, self.spans.pause_timeout)) {
                scene.trace.fail(format_args!(
                    "{session:?} of life {} is not read for too long",
                    side.life.0
                ));
            }
            if closing.is_some_and(|since| is_over(since, self.spans.close_timeout)) {
                scene.trace.fail(format_args!(
                    "{session:?} of life {} takes too long to close",
                    side.life.0
                ));
            }
        }
        for (transport, side) in self.transports.iter() {
            // A pause may hold up an upgrade.
            let paused = scene.ledger.paused_since(side.life);
            let since = scene.ledger.resumed_at(side.life).unwrap_or(side.since);
            let since = since.max(side.since);
            if !self.is_upgraded(side.life)
                && paused.is_none()
                && is_over(since, self.spans.upgrade_timeout)
            {
                scene.trace.fail(format_args!(
                    "{transport:?} of life {} takes too long to carry a session",
                    side.life.0
                ));
            }
        }
    }

    /// One body of a session is read at a time.
    pub(super) fn check_one_body(&self, life: LifeId, scene: &mut Scene<'_>) {
        if !scene.is_small {
            return;
        }
        let of_life = self.requests.iter().filter(|(_, it)| it.life == life);
        let read = of_life.filter(|(_, it)| matches!(it.stage, Stage::Reading { .. }));
        if read.count() > 1 {
            scene.trace.fail(format_args!(
                "two bodies of life {} are read at once",
                life.0
            ));
        }
    }

    /// Whether a life's session is on a WebSocket.
    fn is_upgraded(&self, life: LifeId) -> bool {
        let session = self.by_life.get(&life);
        let carrier = session.and_then(|&session| self.machine.carrier(session));
        carrier == Some(Carrier::WebSocket)
    }

    /// How much later than due something may be noticed.
    fn lateness(&self) -> Duration {
        if self.was_exact {
            return Duration::ZERO;
        }
        let late = self.habits.timer_late + self.habits.drain_late + Duration::from_millis(200);
        (late + self.longest_stop) * 2
    }

    /// How long a session may live without a pong.
    fn longest_silence(&self) -> Duration {
        let spans = &self.spans;
        let exact = spans.ping_interval + spans.ping_timeout;
        if self.was_exact {
            return exact;
        }
        // A late ping leaves half the time at least; then its end may be noticed late.
        exact + spans.ping_timeout / 2 + self.lateness()
    }

    /// A session is given up for silence neither early nor late.
    pub(super) fn check_silence(
        &self,
        session: SessionKey,
        side: SessionSide,
        scene: &mut Scene<'_>,
    ) {
        let silence = self.latest.saturating_duration_since(side.heard_at);
        // What a closing session says does not count, nor can it be told what garbage says; and
        // who takes outputs late does not know what was heard before.
        let mut odd = [Cause::ApplicationClosed, Cause::Misdeed, Cause::Shutdown].into_iter();
        let is_clear = self.was_exact && !odd.any(|it| scene.ledger.has(side.life, it));
        let least = self.spans.ping_interval + self.spans.ping_timeout;
        let is_paused = scene.ledger.has(side.life, Cause::Paused);
        let is_late = silence > self.longest_silence() && !is_paused;
        if is_late || (is_clear && silence < least) {
            scene.trace.fail(format_args!(
                "{session:?} of life {} was given up after {silence:?} of silence",
                side.life.0
            ));
        }
    }

    /// Whether nothing is left to wait for.
    pub fn is_over(&self) -> bool {
        self.machine.sessions() == 0 && self.machine.poll_timeout().is_none()
    }

    /// Nothing is left of anything.
    pub fn check_over(&mut self, scene: &mut Scene<'_>) {
        let held = self.machine.statistics();
        if held.opened != held.closed.total() {
            scene.trace.fail(format_args!(
                "{} sessions opened, {} closed",
                held.opened,
                held.closed.total()
            ));
        }
        let left = [
            ("sessions in the statistics", held.sessions()),
            ("requests in the statistics", held.requests),
            ("transports in the statistics", held.transports),
            ("handshakes in the statistics", held.handshakes),
            ("bytes of bodies", held.body_bytes),
            ("bytes in queues", held.queued_bytes),
            ("sessions", self.machine.sessions()),
            ("sessions in events", self.sessions.len()),
            ("requests", self.requests.len()),
            ("transports", self.transports.len()),
            ("connections", self.uses.len()),
        ];
        for (what, count) in left {
            if count > 0 {
                scene.trace.fail(format_args!("{count} {what} are left"));
            }
        }
        // A deadline that no longer counts may still be told: early is allowed, for ever is not.
        for _ in 0..MAX_EARLY {
            match self.machine.poll_timeout() {
                Some(due) => self.machine.handle_timeout(due),
                None => return,
            }
        }
        let due = self.machine.poll_timeout();
        scene
            .trace
            .fail(format_args!("nothing is left, but {due:?} is waited for"));
    }

    /// The longest deadline that the machine may still hold.
    pub fn longest_deadline(&self) -> Duration {
        self.spans.longest
    }
}
