//! What happened to sessions, counted and traced: one place for each transition.

use super::{Link, Notice, Sessions, Sink};
use crate::{
    edge::{Carrier, RequestId, SessionKey},
    engine::{
        check::Refusal, codec::Parser, outbox::Displaced, reason::CloseReason,
        statistics::Statistics,
    },
    time::Instant,
    trace::{Safe, tell},
};

impl<P: Parser> Sessions<P> {
    /// Counters and gauges as they are now.
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            requests: self.requests.len(),
            transports: self.transports.len(),
            handshakes: self.deciding,
            body_bytes: self.body_bytes,
            delayed_sessions: self.deadlines.delays.len(),
            ..self.stats
        }
    }

    /// A session has opened.
    pub(super) fn count_open(&mut self, session: SessionKey, link: Link) {
        self.stats.opened += 1;
        let carrier = if let Link::WebSocket { .. } = link {
            self.stats.websocket_sessions += 1;
            Carrier::WebSocket
        } else {
            self.stats.polling_sessions += 1;
            Carrier::Polling
        };
        tell!(
            debug,
            "session opened",
            session = session,
            carrier = carrier
        );
    }

    /// A session is about to end: whatever waits in it is lost, and so is a pending upgrade.
    pub(super) fn count_end(&mut self, session: SessionKey, reason: CloseReason) {
        let Some(lane) = self.lane(session) else {
            return;
        };
        let (link, queued) = (lane.link, lane.outbox.queued());
        let left = lane.outbox.weight();
        match link {
            Link::Polling { .. } => self.stats.polling_sessions -= 1,
            Link::WebSocket { .. } => self.stats.websocket_sessions -= 1,
            Link::Closed => {}
        }
        self.stats.queued_bytes -= queued;
        self.stats.dropped_closed.count(left);
        self.stats.closed.count(reason);
        let state = self.sessions.get(session);
        if state.is_some_and(|state| state.upgrade.transport().is_some()) {
            self.count_upgrade_failed(session);
        }
        tell!(
            debug,
            "session closed",
            session = session,
            reason = Safe(reason)
        );
    }

    /// A client is not read because of its rates.
    pub(super) fn count_delay(&mut self, session: SessionKey, until: Instant) {
        let delay = until.saturating_duration_since(self.now);
        tell!(trace, "session delayed", session = session, delay = delay);
        self.stats.delays += 1;
    }

    /// The server has begun to shut down.
    pub(super) fn count_shutdown(&self) {
        tell!(debug, "shutdown", sessions = self.len());
    }

    /// A WebSocket was accepted that wants to take over a session.
    pub(super) fn count_upgrade_begun(&mut self, session: SessionKey) {
        tell!(debug, "upgrade begun", session = session);
        self.stats.upgrades_begun += 1;
    }

    /// A WebSocket has taken over a session.
    pub(super) fn count_upgrade(&mut self, session: SessionKey) {
        tell!(debug, "upgrade completed", session = session);
        self.stats.upgrades_completed += 1;
        self.stats.polling_sessions -= 1;
        self.stats.websocket_sessions += 1;
    }

    /// An upgrade has ended without that.
    pub(super) fn count_upgrade_failed(&mut self, session: SessionKey) {
        tell!(debug, "upgrade failed", session = session);
        self.stats.upgrades_failed += 1;
    }

    /// A request was refused.
    pub(super) fn count_refusal(&mut self, request: RequestId, refusal: Refusal) {
        tell!(debug, "request refused", request = request, why = refusal);
        self.stats.refused.count(refusal);
    }

    /// A body was larger than it may be.
    pub(super) fn count_too_large(&mut self, request: RequestId) {
        tell!(
            debug,
            "request refused",
            request = request,
            why = "too large"
        );
        self.stats.refused.too_large += 1;
    }

    /// Room was made in the queue of a session.
    pub(super) fn count_displaced(&mut self, session: SessionKey, displaced: Displaced) {
        let Displaced { whole, weight } = displaced;
        if whole > 0 {
            tell!(
                trace,
                "oldest packets dropped",
                session = session,
                packets = whole,
                bytes = weight.bytes
            );
            self.stats.dropped_overflow.count(weight);
        }
    }

    /// The queue of a session has changed from so many bytes to what it is now.
    pub(super) fn count_queue(
        &mut self,
        session: SessionKey,
        before: usize,
        out: &mut impl Sink<P>,
    ) {
        let (low, high) = (self.config.low_water, self.config.high_water);
        let Some(lane) = self.lane_mut(session) else {
            return;
        };
        let queued = lane.outbox.queued();
        let mark = if lane.is_high { low } else { high };
        let is_high = queued > mark;
        let has_changed = is_high != lane.is_high;
        lane.is_high = is_high;
        // The sum over all sessions holds what this one had.
        self.stats.queued_bytes = self.stats.queued_bytes - before + queued;
        if has_changed {
            tell!(
                debug,
                "pressure",
                session = session,
                queued = queued,
                is_high = is_high
            );
            out.notice(Notice::Pressure {
                session,
                queued,
                is_high,
            });
        }
    }
}
