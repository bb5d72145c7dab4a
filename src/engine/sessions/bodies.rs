//! Data requests: from their heads to the ends of their bodies (Engine.IO reference, "Data request
//! (POST)").

use super::{Pending, Sessions, Sink};
use crate::{
    edge::{Carrier, Output, Request, RequestId, Response, SessionKey},
    engine::{
        check::{BadRequest, Refusal, Unavailable},
        codec::Parser,
        reason::{CloseReason, TransportError},
    },
};

impl<P: Parser> Sessions<P> {
    /// A data request. One that announces too much is answered before anything of it is read; the
    /// session goes on, as if it had been read.
    pub(super) fn on_post(
        &mut self,
        request: RequestId,
        session: SessionKey,
        head: &Request<'_>,
        out: &mut impl Sink<P>,
    ) {
        let Some(state) = self.sessions.get_mut(session) else {
            return;
        };
        let fault = if state.data.is_some() {
            Some((TransportError::DataOverlap, BadRequest::Overlap))
        } else if head.headers.get("content-type") == Some(b"application/octet-stream") {
            Some((TransportError::InvalidContent, BadRequest::ContentType))
        } else {
            None
        };
        if let Some((error, answer)) = fault {
            self.close_now(session, CloseReason::TransportError(error), out);
            return self.refuse(request, Refusal::BadRequest(answer), Carrier::Polling, out);
        }
        if announces_more(head, self.config.max_payload) {
            self.count_too_large(request);
            return self.respond(request, None, Response::empty(413), out);
        }
        state.data = Some(request);
        if state.is_stopped() {
            self.set_stage(request, Pending::Parked { session });
        } else {
            self.read_body(request, session, out);
        }
    }

    /// Has the body of a data request read.
    pub(super) fn read_body(
        &mut self,
        request: RequestId,
        session: SessionKey,
        out: &mut impl Sink<P>,
    ) {
        let by = self.deadlines.bodies.arm(self.now, request);
        let body = Pending::Body {
            session,
            received: 0,
            by,
        };
        self.set_stage(request, body);
        out.push(Output::ReadBody {
            request,
            limit: self.config.max_payload,
            codec: self.codec(),
        });
    }

    /// Some of a body is there.
    pub(crate) fn handle_body_progress(
        &mut self,
        request: RequestId,
        received: usize,
        out: &mut impl Sink<P>,
    ) {
        let Some(Pending::Body { received: held, .. }) =
            self.requests.get_mut(request).map(|asked| &mut asked.stage)
        else {
            self.stats.stale_inputs += u64::from(!self.requests.contains(request));
            return;
        };
        // A body does not shrink, and no number that a caller may say makes the sum wrong.
        let more = received.saturating_sub(*held);
        let more = more.min(usize::MAX - self.body_bytes);
        self.body_bytes += more;
        *held += more;
        self.make_room_for_bodies(out);
    }

    /// Gives up the bodies that were waited for longest until the others fit. Who is quick does
    /// not pay for who is slow.
    fn make_room_for_bodies(&mut self, out: &mut impl Sink<P>) {
        let limit = self.config.max_body_bytes;
        while self.body_bytes > limit
            && let Some(request) = self.deadlines.bodies.take_first()
        {
            if let Some(Pending::Body { session, .. }) = self.stage(request) {
                let held = self.body_bytes;
                let refusal = Refusal::Unavailable(Unavailable::Bodies { held, limit });
                self.give_up_body(request, session, refusal, TransportError::BodiesFull, out);
            }
        }
    }

    /// A body has not come in time.
    pub(super) fn on_body_overdue(
        &mut self,
        request: RequestId,
        session: SessionKey,
        out: &mut impl Sink<P>,
    ) {
        let refusal = Refusal::BadRequest(BadRequest::BodyTimeout);
        self.give_up_body(request, session, refusal, TransportError::BodyTimeout, out);
    }

    /// Stops reading a body. Packets are lost with it, so the session ends.
    fn give_up_body(
        &mut self,
        request: RequestId,
        session: SessionKey,
        refusal: Refusal,
        error: TransportError,
        out: &mut impl Sink<P>,
    ) {
        if let Some(state) = self.sessions.get_mut(session) {
            state.data = None;
        }
        self.refuse(request, refusal, Carrier::Polling, out);
        self.close_now(session, CloseReason::TransportError(error), out);
    }
}

/// Whether a request announces a body above a limit.
///
/// A length that is no number, and one beside a transfer coding, says nothing here: they are the
/// business of the HTTP library (RFC 9112, 6.3). A number beyond all bounds is above any limit.
fn announces_more(head: &Request<'_>, limit: usize) -> bool {
    let length = head.headers.get("content-length").unwrap_or_default();
    let value = length.iter().try_fold(0_usize, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| usize::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    });
    value.is_some_and(|value| value > limit) && head.headers.get("transfer-encoding").is_none()
}
