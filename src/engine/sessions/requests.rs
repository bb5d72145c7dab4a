//! HTTP requests: handshakes, polls, and data requests.

use alloc::vec;
use core::mem;

use super::{Asked, Attached, Link, Notice, Pending, Sessions, Sink};
use crate::{
    edge::{Carrier, End, Lost, Output, Request, RequestId, Response, ResponseKind, SessionKey},
    engine::{
        check::{BadRequest, Known, Refusal, Wish, check},
        codec::Parser,
        outbox::Outgoing,
        reason::{CloseReason, TransportError},
        upgrade::Upgrade,
    },
    random::SessionId,
};

impl<P: Parser> Sessions<P> {
    /// Judges a request and acts on it.
    pub(crate) fn handle_request(
        &mut self,
        head: &Request<'_>,
        out: &mut impl Sink<P>,
    ) -> RequestId {
        let (preflight, headers) = match &self.config.cors {
            Some(cors) if head.method == "OPTIONS" => (Some(cors.preflight(head)), vec![]),
            Some(cors) => (None, cors.headers(head, false)),
            None => (None, vec![]),
        };
        let stage = Pending::Fresh;
        let request = self.requests.insert(out.taken(), Asked { stage, headers });
        if let Some(response) = preflight {
            self.respond(request, None, response, out);
            return request;
        }
        let (ids, sessions, lanes) = (&self.ids, &self.sessions, &self.lanes);
        let wish = check(&self.config, head, |sid| {
            let session = *ids.get(&SessionId::from_wire(sid)?)?;
            let lane = lanes.get(session.index())?;
            sessions.get(session)?;
            Some(Known {
                session,
                carrier: match lane.link {
                    Link::WebSocket { .. } => Carrier::WebSocket,
                    Link::Polling { .. } | Link::Closed => Carrier::Polling,
                },
            })
        });
        match wish {
            Ok(wish) => self.grant(request, head, wish, out),
            Err(refusal) => self.refuse(request, refusal, head.carrier, out),
        }
        request
    }

    fn grant(
        &mut self,
        request: RequestId,
        head: &Request<'_>,
        wish: Wish,
        out: &mut impl Sink<P>,
    ) {
        match wish {
            Wish::Open => self.on_handshake(request, head.carrier, out),
            Wish::Poll(session) => self.on_poll(request, session, out),
            Wish::Post(session) => self.on_post(request, session, head, out),
            Wish::Upgrade(session) => self.on_upgrade(request, session, out),
        }
    }

    /// A poll (Engine.IO reference, "Poll request (GET)").
    fn on_poll(&mut self, request: RequestId, session: SessionKey, out: &mut impl Sink<P>) {
        let Some(lane) = self.lane_mut(session) else {
            return;
        };
        if matches!(lane.link, Link::Polling { poll: Some(_) }) {
            self.close_now(
                session,
                CloseReason::TransportError(TransportError::PollOverlap),
                out,
            );
            let overlap = Refusal::BadRequest(BadRequest::Overlap);
            return self.refuse(request, overlap, Carrier::Polling, out);
        }
        lane.link = Link::Polling {
            poll: Some(request),
        };
        self.set_stage(request, Pending::Poll { session });
        self.flush(session, out);
        self.settle_poll(session, out);
    }

    /// Answers a pending poll that must not wait: the session closes, or the client has to pause.
    pub(super) fn settle_poll(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        let pausing = self
            .sessions
            .get(session)
            .is_some_and(|session| session.upgrade.drains_polls());
        let Some(lane) = self.lane_mut(session) else {
            return;
        };
        let closing = lane.closing;
        if closing.is_none() && !pausing {
            return;
        }
        let Some(request) = lane.take_poll() else {
            return;
        };
        match closing {
            Some(closing) => {
                self.end_poll(request, &["6", "1"], out);
                self.close_now(session, closing.reason, out);
            }
            None => self.end_poll(request, &["6"], out),
        }
    }

    /// A WebSocket that wants to take over a session (Engine.IO protocol v4, "Upgrade").
    fn on_upgrade(&mut self, request: RequestId, session: SessionKey, out: &mut impl Sink<P>) {
        let (max, allowed) = (self.config.max_upgrades, self.config.allow_upgrades);
        let is_closing = self.lane(session).is_none_or(|lane| lane.closing.is_some());
        let Some(state) = self.sessions.get_mut(session) else {
            return;
        };
        if !allowed || is_closing || state.upgrade != Upgrade::Idle || state.upgrades >= max {
            let refusal = Refusal::BadRequest(BadRequest::UpgradeRefused);
            return self.refuse(request, refusal, Carrier::WebSocket, out);
        }
        state.upgrades += 1;
        self.count_upgrade_begun(session);
        self.accept_transport(request, Some(session), out);
    }

    pub(super) fn refuse(
        &mut self,
        request: RequestId,
        refusal: Refusal,
        carrier: Carrier,
        out: &mut impl Sink<P>,
    ) {
        self.count_refusal(request, refusal);
        self.respond(request, None, refusal.response(carrier), out);
        out.notice(Notice::Refused { request, refusal });
    }

    /// The caller's last word on a request.
    pub(crate) fn handle_request_end(
        &mut self,
        request: RequestId,
        end: End,
        out: &mut impl Sink<P>,
    ) {
        let Some(pending) = self.stage(request) else {
            self.stats.stale_inputs += 1;
            return;
        };
        if let Pending::Upgrading { transport } = pending {
            // The request became a transport: only its transport ends it.
            if end == End::Gone {
                self.handle_transport_lost(transport, Lost::NotOpened, out);
            }
            return;
        }
        self.forget_request(request);
        self.skip_requests();
        match (pending, end) {
            (
                Pending::Answered {
                    carries: Some(session),
                    ..
                },
                End::Gone,
            )
            | (Pending::Poll { session }, _) => {
                if let Some(lane) = self.lane_mut(session)
                    && lane.link
                        == (Link::Polling {
                            poll: Some(request),
                        })
                {
                    lane.take_poll();
                }
                let reason = CloseReason::TransportError(TransportError::PollAborted);
                self.close_now(session, reason, out);
            }
            (Pending::Body { session, .. } | Pending::Parked { session }, _) => {
                if let Some(state) = self.sessions.get_mut(session) {
                    state.data = None;
                }
                let reason = CloseReason::TransportError(TransportError::DataAborted);
                self.close_now(session, reason, out);
            }
            (
                Pending::Answered { .. }
                | Pending::Deciding { .. }
                | Pending::Fresh
                | Pending::Upgrading { .. },
                _,
            ) => {}
        }
    }

    /// A request ended, or its transport: its name rests.
    pub(super) fn forget_request(&mut self, request: RequestId) {
        if let Some(last) = self.requests.remove(request) {
            self.uncount(last.stage);
        }
    }

    /// Where a request stands.
    pub(super) fn stage(&self, request: RequestId) -> Option<Pending> {
        self.requests.get(request).map(|asked| asked.stage)
    }

    /// Moves a request on. All changes of what is counted go through here.
    pub(super) fn set_stage(&mut self, request: RequestId, next: Pending) {
        if let Some(asked) = self.requests.get_mut(request) {
            let last = mem::replace(&mut asked.stage, next);
            self.deciding += usize::from(matches!(next, Pending::Deciding { .. }));
            self.uncount(last);
        }
    }

    fn uncount(&mut self, last: Pending) {
        match last {
            Pending::Body { received, .. } => self.body_bytes -= received,
            Pending::Deciding { .. } => self.deciding -= 1,
            Pending::Answered { .. }
            | Pending::Fresh
            | Pending::Parked { .. }
            | Pending::Poll { .. }
            | Pending::Upgrading { .. } => {}
        }
    }

    /// A request whose time is over: its body did not come, or its answer was not taken.
    pub(super) fn on_request_overdue(&mut self, request: RequestId, out: &mut impl Sink<P>) {
        match self.stage(request) {
            Some(Pending::Body { session, by, .. }) if by <= self.now => {
                self.on_body_overdue(request, session, out);
            }
            Some(Pending::Answered { carries, by }) if by <= self.now => {
                out.push(Output::AbortRequest { request });
                self.forget_request(request);
                if let Some(session) = carries {
                    let reason = CloseReason::TransportError(TransportError::ResponseTimeout);
                    self.close_now(session, reason, out);
                }
            }
            _ => {}
        }
    }

    pub(super) fn accept_transport(
        &mut self,
        request: RequestId,
        session: Option<SessionKey>,
        out: &mut impl Sink<P>,
    ) {
        let by = self.now + self.config.upgrade_timeout;
        let accepted = Attached::Accepted {
            request,
            session,
            by,
        };
        let transport = self.transports.insert(out.taken(), accepted);
        self.set_stage(request, Pending::Upgrading { transport });
        let headers = self.requests.get_mut(request);
        let headers = headers.map(|asked| mem::take(&mut asked.headers));
        match session {
            None => {
                self.opening += 1;
                self.deadlines.opens.arm(self.now, transport);
            }
            Some(session) => {
                self.deadlines.upgrades.arm(self.now, session);
                if let Some(state) = self.sessions.get_mut(session) {
                    state.upgrade = Upgrade::Attached { transport, by };
                }
            }
        }
        out.push(Output::OpenTransport {
            request,
            transport,
            kind: match session {
                None => ResponseKind::Handshake,
                Some(_) => ResponseKind::Upgrade,
            },
            headers: headers.unwrap_or_default(),
            limit: self.config.max_payload,
            codec: self.codec(),
        });
    }
}

/// The answer to a data request that was processed.
pub(super) fn ok_response() -> Response {
    Response {
        status: 200,
        kind: ResponseKind::Data,
        compress: false,
        content_type: Some("text/html"),
        headers: vec![],
        body: Outgoing::fixed("ok").frame.payload,
    }
}
