//! What a client sent, packet by packet, so that the layer above acts between two of them.

use alloc::vec;
use core::{iter, option};

use super::{Attached, Pending, Sessions, Sink, metering::Verdict, requests};
use crate::{
    edge::{BodyRead, Carrier, RequestId, Response, SessionKey, TransportId},
    engine::{
        check::{BadRequest, Refusal},
        codec::{Inbound, Parser},
        heartbeat::Heartbeat,
        packet::{DecodeError, Packet},
        reason::{CloseReason, TransportError},
        upgrade::Input,
    },
};

/// Packets of one message or body on their way through a session.
#[derive(Debug)]
pub(crate) struct Delivery<P: Parser> {
    pub(crate) session: SessionKey,
    source: Source,
    packets: Packets<P::Payload>,
    broken: Option<DecodeError>,
    verdict: Verdict,
}

type Packets<M> = iter::Chain<option::IntoIter<Packet<M>>, vec::IntoIter<Packet<M>>>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Body(RequestId),
    Main,
    Probe,
}

impl<P: Parser> Delivery<P> {
    fn new(session: SessionKey, source: Source, verdict: Verdict, inbound: Inbound<P>) -> Self {
        Self {
            session,
            source,
            verdict,
            packets: inbound.first.into_iter().chain(inbound.rest),
            broken: inbound.broken,
        }
    }
}

impl<P: Parser> Sessions<P> {
    /// Begins with the body of a data request; `None` if nobody waits for it any more.
    pub(crate) fn begin_body(
        &mut self,
        request: RequestId,
        body: BodyRead<P>,
        out: &mut impl Sink<P>,
    ) -> Option<Delivery<P>> {
        let Some(pending) = self.stage(request) else {
            self.stats.stale_inputs += 1;
            return None;
        };
        let Pending::Body { session, .. } = pending else {
            return None;
        };
        self.sessions.get_mut(session)?.data = None;
        match body {
            BodyRead::Complete(mut inbound) => {
                self.stats.received(inbound.len(), inbound.bytes);
                let verdict = self.charge(session, &mut inbound);
                let source = Source::Body(request);
                Some(Delivery::new(session, source, verdict, inbound))
            }
            BodyRead::TooLarge => {
                self.count_too_large(request);
                self.respond(request, None, Response::empty(413), out);
                // So much was read at least.
                let mut unread = Inbound::of(self.config.max_payload);
                let verdict = self.charge(session, &mut unread);
                self.enforce(session, verdict, out);
                None
            }
        }
    }

    /// Begins with a message of a WebSocket; `None` if it is forgotten or not yet open.
    pub(crate) fn begin_message(
        &mut self,
        transport: TransportId,
        mut inbound: Inbound<P>,
    ) -> Option<Delivery<P>> {
        let Some(attached) = self.transports.get(transport) else {
            self.stats.stale_inputs += 1;
            return None;
        };
        let (session, source) = match *attached {
            Attached::Accepted { .. } => return None,
            Attached::Main { session } => (session, Source::Main),
            Attached::Probe { session, .. } => (session, Source::Probe),
        };
        self.stats.received(inbound.len(), inbound.bytes);
        let verdict = self.charge(session, &mut inbound);
        Some(Delivery::new(session, source, verdict, inbound))
    }

    /// Handles packets up to the next message and returns that.
    pub(crate) fn next_message(
        &mut self,
        delivery: &mut Delivery<P>,
        out: &mut impl Sink<P>,
    ) -> Option<P::Payload> {
        let session = delivery.session;
        loop {
            // Whatever follows the end of a session has no effect.
            let is_closing = self.lane(session)?.closing.is_some();
            let packet = delivery.packets.next()?;
            if delivery.source == Source::Probe {
                self.on_probe_packet(session, &packet, out);
                continue;
            }
            match packet {
                Packet::Close => self.close_by_client(session, out),
                _ if is_closing => {}
                Packet::Message(message) => return Some(message),
                Packet::Ping(_) => self.close_now(
                    session,
                    CloseReason::TransportError(TransportError::HeartbeatDirection),
                    out,
                ),
                Packet::Pong(_) => self.on_pong(session),
                Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
            }
        }
    }

    fn on_probe_packet(
        &mut self,
        session: SessionKey,
        packet: &Packet<P::Payload>,
        out: &mut impl Sink<P>,
    ) {
        let input = match packet {
            Packet::Ping(data) if &**data == "probe" => Input::Probe,
            Packet::Upgrade => Input::Commit,
            _ => Input::Stray,
        };
        self.step_upgrade(session, input, out);
    }

    fn on_pong(&mut self, session: SessionKey) {
        if let Some(state) = self.sessions.get_mut(session) {
            state.received.on_pong();
            if state.heartbeat.awaits_pong() {
                self.rest_heartbeat(session);
            }
        }
    }

    /// Starts the time to the next ping.
    pub(super) fn rest_heartbeat(&mut self, session: SessionKey) {
        let ping_at = self.deadlines.pings.arm(self.now, session);
        if let Some(state) = self.sessions.get_mut(session) {
            state.heartbeat = Heartbeat::Resting { ping_at };
        }
    }

    /// Ends with a message or body: a broken rule closes, a data request is answered, the rates have
    /// their say.
    pub(crate) fn finish(&mut self, delivery: &Delivery<P>, out: &mut impl Sink<P>) {
        let session = delivery.session;
        let is_open = self.lane(session).is_some();
        let is_over = is_open && delivery.verdict == Verdict::Over;
        if is_over {
            self.enforce(session, delivery.verdict, out);
        }
        match (delivery.source, delivery.broken.filter(|_| is_open)) {
            (Source::Body(request), _) if is_over => {
                let refusal = Refusal::BadRequest(BadRequest::SessionClosed);
                self.refuse(request, refusal, Carrier::Polling, out);
            }
            (Source::Probe, Some(_)) => self.step_upgrade(session, Input::Stray, out),
            (Source::Main, Some(error)) => {
                self.close_now(session, CloseReason::ParseError(error), out);
            }
            (Source::Body(request), Some(error)) => {
                self.close_now(session, CloseReason::ParseError(error), out);
                let refusal = Refusal::BadRequest(BadRequest::MalformedPayload);
                self.refuse(request, refusal, Carrier::Polling, out);
            }
            (Source::Body(request), None) => {
                self.respond(request, None, requests::ok_response(), out);
            }
            (Source::Main | Source::Probe, None) => {}
        }
        if !is_over {
            self.enforce(session, delivery.verdict, out);
        }
    }
}
