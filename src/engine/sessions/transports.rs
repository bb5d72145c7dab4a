//! WebSockets: direct sessions, probes, and what carries a session after an upgrade.

use super::{Attached, Link, Notice, Session, Sessions, Sink};
use crate::{
    edge::{Batch, Lost, Output, RequestId, SessionKey, TransportId},
    engine::{
        check::BadRequest,
        codec::Parser,
        outbox::{Outgoing, Weight},
        reason::{CloseReason, TransportError},
        upgrade::{Action, Input},
    },
};

impl<P: Parser> Sessions<P> {
    /// The handshake of a WebSocket is done.
    pub(crate) fn handle_transport_open(&mut self, transport: TransportId, out: &mut impl Sink<P>) {
        match self.transports.get(transport).copied() {
            Some(Attached::Accepted {
                request, session, ..
            }) => match session {
                // The server began to shut down while the client was being answered.
                None if !self.accepting => self.close_transport(transport, false, out),
                None => self.open_websocket(transport, request, out),
                Some(session) => self.begin_probe(transport, session, request),
            },
            // Opened twice: the caller's mistake, and harmless.
            Some(Attached::Main { .. } | Attached::Probe { .. }) => {}
            None => {
                self.stats.stale_inputs += 1;
                out.push(Output::CloseTransport {
                    transport,
                    abort: true,
                });
            }
        }
    }

    fn open_websocket(
        &mut self,
        transport: TransportId,
        request: RequestId,
        out: &mut impl Sink<P>,
    ) {
        let link = Link::WebSocket {
            transport,
            busy: true,
        };
        let (session, open) = self.open(link, out.taken());
        self.opening -= 1;
        if let Some(attached) = self.transports.get_mut(transport) {
            *attached = Attached::Main { session };
        }
        let batch = Batch {
            first: open,
            rest: self.initial.iter().cloned().collect(),
        };
        let (packets, bytes) = batch.weight();
        self.stats.sent(packets, bytes);
        out.push(Output::Transmit { transport, batch });
        out.notice(Notice::Opened { session, request });
        self.forget_request(request);
    }

    fn begin_probe(&mut self, transport: TransportId, session: SessionKey, request: RequestId) {
        self.forget_request(request);
        if let Some(attached) = self.transports.get_mut(transport) {
            *attached = Attached::Probe {
                session,
                busy: false,
            };
        }
    }

    /// A batch was written whole.
    pub(crate) fn handle_transport_sent(&mut self, transport: TransportId, out: &mut impl Sink<P>) {
        match self.transports.get_mut(transport) {
            Some(Attached::Probe { busy, .. }) => *busy = false,
            Some(&mut Attached::Main { session }) => {
                if let Some(lane) = self.lane_mut(session) {
                    if let Link::WebSocket { busy, .. } = &mut lane.link {
                        *busy = false;
                    }
                    self.flush(session, out);
                }
            }
            Some(Attached::Accepted { .. }) => {}
            None => self.stats.stale_inputs += 1,
        }
    }

    /// A transport ended without being asked to.
    pub(crate) fn handle_transport_lost(
        &mut self,
        transport: TransportId,
        lost: Lost,
        out: &mut impl Sink<P>,
    ) {
        let Some(attached) = self.transports.remove(transport) else {
            self.stats.stale_inputs += 1;
            return;
        };
        match attached {
            Attached::Accepted {
                request, session, ..
            } => {
                self.forget_request(request);
                match session {
                    None => self.opening -= 1,
                    Some(session) => self.step_upgrade(session, Input::Stray, out),
                }
            }
            Attached::Probe { session, .. } => self.step_upgrade(session, Input::Stray, out),
            Attached::Main { session } => {
                let reason = match lost {
                    Lost::Closed { .. } => CloseReason::TransportClose,
                    Lost::Failed | Lost::NotOpened => {
                        CloseReason::TransportError(TransportError::Failed)
                    }
                    Lost::TooBig => CloseReason::TransportError(TransportError::TooBig),
                };
                self.close_now(session, reason, out);
            }
        }
    }

    /// Moves a session's upgrade on, and does what follows.
    pub(super) fn step_upgrade(
        &mut self,
        session: SessionKey,
        input: Input,
        out: &mut impl Sink<P>,
    ) {
        let Some(state) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(transport) = state.upgrade.transport() else {
            return;
        };
        let (next, action) = state.upgrade.step(input);
        state.upgrade = next;
        match action {
            Action::AnswerProbe => self.answer_probe(session, transport, out),
            Action::Drop => {
                self.count_upgrade_failed(session);
                self.close_transport(transport, false, out);
            }
            Action::Ignore => {}
            Action::Switch => self.switch(session, transport, out),
        }
    }

    /// Answers the probe, then ends the pending poll so that the client can pause polling at once.
    fn answer_probe(
        &mut self,
        session: SessionKey,
        transport: TransportId,
        out: &mut impl Sink<P>,
    ) {
        if let Some(Attached::Probe { busy, .. }) = self.transports.get_mut(transport) {
            *busy = true;
            let packet = Outgoing::fixed("3probe");
            let Weight { packets, bytes } = packet.weight();
            self.stats.sent(packets, bytes);
            let batch = packet.into_batch();
            out.push(Output::Transmit { transport, batch });
        }
        self.settle_poll(session, out);
    }

    /// The WebSocket takes over: what waits leaves through it from now on.
    fn switch(&mut self, session: SessionKey, transport: TransportId, out: &mut impl Sink<P>) {
        let busy = match self.transports.get_mut(transport) {
            Some(attached) => {
                let busy = matches!(attached, Attached::Probe { busy: true, .. });
                *attached = Attached::Main { session };
                busy
            }
            None => return,
        };
        let Some(lane) = self.lane_mut(session) else {
            return;
        };
        let poll = lane.take_poll();
        lane.link = Link::WebSocket { transport, busy };
        // A correct client has neither pending: it paused before it committed.
        if let Some(request) = poll {
            self.end_poll(request, &["6"], out);
        }
        self.abort_data(session, BadRequest::TransportMismatch, out);
        self.count_upgrade(session);
        let state = self.sessions.get(session);
        if state.is_some_and(Session::is_stopped) {
            self.tell_reading(session, true, out);
        }
        out.notice(Notice::Upgraded { session });
        self.flush(session, out);
    }

    /// Closes a transport and forgets it.
    pub(super) fn close_transport(
        &mut self,
        transport: TransportId,
        abort: bool,
        out: &mut impl Sink<P>,
    ) {
        let Some(attached) = self.transports.get(transport).copied() else {
            return;
        };
        out.push(Output::CloseTransport { transport, abort });
        self.transports.remove(transport);
        if let Attached::Accepted {
            request, session, ..
        } = attached
        {
            self.opening -= usize::from(session.is_none());
            self.forget_request(request);
        }
    }
}
