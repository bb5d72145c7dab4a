//! The ends of sessions (Engine.IO reference, "What is delivered and what is lost at close").

use super::{Lane, Link, Notice, Sessions, Sink, lane::Closing};
use crate::{
    edge::{Carrier, SessionKey},
    engine::{
        check::{BadRequest, Refusal},
        codec::Parser,
        reason::CloseReason,
    },
    time::Instant,
};

/// When a WebSocket is cut off instead of closed with what was handed over before.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Whatever it is doing.
    Always,
    /// If a batch is still out.
    IfBusy,
    Never,
}

impl<P: Parser> Sessions<P> {
    /// Closes a session in order: what waits is still delivered, nothing new is taken.
    ///
    /// On a WebSocket the close follows the last packet; on polling it answers a poll of its own, or
    /// goes with an upgrade that commits. The close timeout and the heartbeat bound the wait.
    pub(crate) fn close(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        out: &mut impl Sink<P>,
    ) {
        let Some(lane) = self.lane_mut(session) else {
            return;
        };
        if lane.closing.is_some() {
            return;
        }
        if let Link::Polling { poll: Some(_) } = lane.link {
            return self.close_now(session, reason, out);
        }
        let by = self.deadlines.closes.arm(self.now, session);
        if let Some(lane) = self.lane_mut(session) {
            lane.closing = Some(Closing { reason, by });
        }
        self.flush(session, out);
    }

    /// Ends an orderly close once nothing waits: the caller flushes what it was given.
    pub(super) fn finish_close(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        if let Some(lane) = self.lane(session)
            && let Some(closing) = lane.closing
            && lane.outbox.is_empty()
        {
            self.close_now(session, closing.reason, out);
        }
    }

    /// Ends a session at once; whatever waits is dropped.
    ///
    /// A pending data request is aborted, then a pending poll is answered, then the parent is told
    /// (Engine.IO reference, "Ordering rules that the core must guarantee").
    pub(crate) fn close_now(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        out: &mut impl Sink<P>,
    ) {
        self.end(session, reason, "1", Cut::Never, out);
    }

    /// Ends a session at once, and its WebSocket without another word: the peer at its other end
    /// counts no more. The rest is as in [`close_now`](Self::close_now).
    pub(crate) fn abort(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        out: &mut impl Sink<P>,
    ) {
        self.end(session, reason, "1", Cut::Always, out);
    }

    /// Ends a session whose client said so: its poll needs no close packet any more.
    pub(super) fn close_by_client(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        self.end(session, CloseReason::TransportClose, "6", Cut::Never, out);
    }

    /// Ends a session whose time is over. A batch that is still out will not be read by anybody.
    pub(super) fn expire(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        out: &mut impl Sink<P>,
    ) {
        self.end(session, reason, "1", Cut::IfBusy, out);
    }

    fn end(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        farewell: &'static str,
        cut: Cut,
        out: &mut impl Sink<P>,
    ) {
        self.forget_delay(session);
        self.count_end(session, reason);
        let Some(link) = self.lane_mut(session).map(Lane::shut) else {
            return;
        };
        self.abort_data(session, BadRequest::SessionClosed, out);
        match link {
            Link::Polling {
                poll: Some(request),
            } => self.end_poll(request, &[farewell], out),
            Link::WebSocket { transport, busy } => {
                // A peer that does not read would keep the flush waiting.
                let abort = match cut {
                    _ if matches!(reason, CloseReason::QueueFull { .. }) => true,
                    Cut::Always => true,
                    Cut::IfBusy => busy,
                    Cut::Never => false,
                };
                self.close_transport(transport, abort, out);
            }
            Link::Polling { poll: None } | Link::Closed => {}
        }
        if let Some(state) = self.sessions.get(session) {
            let (id, probe) = (state.id, state.upgrade.transport());
            self.ids.remove(&id);
            if let Some(transport) = probe {
                self.close_transport(transport, matches!(cut, Cut::Always), out);
            }
        }
        let received = self.received(session).unwrap_or_default();
        out.notice(Notice::Closed {
            session,
            reason,
            received,
        });
        self.sessions.remove(session);
    }

    /// The client has certainly received all that was sent to it before this instant.
    pub(crate) fn received(&self, session: SessionKey) -> Option<Instant> {
        let state = self.sessions.get(session)?;
        Some(state.received.before)
    }

    /// Answers a data request whose body is no longer wanted.
    pub(super) fn abort_data(
        &mut self,
        session: SessionKey,
        why: BadRequest,
        out: &mut impl Sink<P>,
    ) {
        let data = self.sessions.get_mut(session).and_then(|s| s.data.take());
        if let Some(request) = data {
            let refusal = Refusal::BadRequest(why);
            self.respond(request, None, refusal.response(Carrier::Polling), out);
        }
    }
}
