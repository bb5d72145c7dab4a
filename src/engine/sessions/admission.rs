//! Handshakes: which are let in, and when (Engine.IO reference, "Verification order", steps 8 to 12).

use alloc::vec;

use super::{Link, Notice, Pending, Sessions, Sink};
use crate::{
    edge::{Admission, Carrier, RequestId, Response, ResponseKind, Stale},
    engine::{
        check::{Refusal, Unavailable},
        codec::Parser,
        payload,
    },
};

impl<P: Parser> Sessions<P> {
    /// A request that asks for a session and has passed the checks.
    pub(super) fn on_handshake(
        &mut self,
        request: RequestId,
        carrier: Carrier,
        out: &mut impl Sink<P>,
    ) {
        if !self.config.ask_admission {
            return self.let_in(request, carrier, out);
        }
        let limit = self.config.max_handshakes;
        let lack = self
            .lacks()
            .or_else(|| (self.deciding >= limit).then_some(Unavailable::Handshakes { limit }));
        if let Some(lack) = lack {
            return self.refuse(request, Refusal::Unavailable(lack), carrier, out);
        }
        let by = self.deadlines.decisions.arm(self.now, request);
        self.set_stage(request, Pending::Deciding { carrier, by });
        out.notice(Notice::Handshake { request });
    }

    /// The application has decided about a handshake.
    pub(crate) fn admit(
        &mut self,
        request: RequestId,
        admission: &Admission,
        out: &mut impl Sink<P>,
    ) -> Result<(), Stale> {
        let Some(Pending::Deciding { carrier, .. }) = self.stage(request) else {
            return Err(Stale);
        };
        match admission {
            Admission::Allow => self.let_in(request, carrier, out),
            Admission::Deny { message } => {
                let refusal = Refusal::Forbidden;
                self.count_refusal(request, refusal);
                self.respond(
                    request,
                    None,
                    refusal.response_saying(carrier, message),
                    out,
                );
                out.notice(Notice::Refused { request, refusal });
            }
        }
        Ok(())
    }

    /// Refuses a handshake that the application did not decide about in time.
    pub(super) fn on_undecided(&mut self, request: RequestId, out: &mut impl Sink<P>) {
        if let Some(Pending::Deciding { carrier, by }) = self.stage(request)
            && by <= self.now
        {
            self.refuse(request, Refusal::Undecided, carrier, out);
        }
    }

    /// Refuses all handshakes that wait for the application.
    pub(super) fn refuse_undecided(&mut self, out: &mut impl Sink<P>) {
        let refusal = Refusal::Unavailable(Unavailable::ShuttingDown);
        let waiting: vec::Vec<_> = self.requests.keys().collect();
        for request in waiting {
            if let Some(Pending::Deciding { carrier, .. }) = self.stage(request) {
                self.refuse(request, refusal, carrier, out);
            }
        }
    }

    fn let_in(&mut self, request: RequestId, carrier: Carrier, out: &mut impl Sink<P>) {
        if let Some(lack) = self.lacks() {
            return self.refuse(request, Refusal::Unavailable(lack), carrier, out);
        }
        if let Some(connects) = &mut self.connects {
            // It is there: nothing lacked.
            _ = connects.take(self.now, 1);
        }
        match carrier {
            Carrier::Polling => self.open_polling(request, out),
            Carrier::WebSocket => self.accept_transport(request, None, out),
        }
    }

    /// What keeps a new session from being opened.
    fn lacks(&self) -> Option<Unavailable> {
        if !self.accepting {
            return Some(Unavailable::ShuttingDown);
        }
        if let Some(limit) = self.config.max_sessions
            && self.sessions.len() + self.opening >= limit
        {
            return Some(Unavailable::Sessions { limit });
        }
        let connects = self.connects?;
        let rate = connects.rate();
        (!connects.has_one(self.now)).then_some(Unavailable::Connects { rate })
    }

    fn open_polling(&mut self, request: RequestId, out: &mut impl Sink<P>) {
        let (session, open) = self.open(Link::Polling { poll: None }, out.taken());
        let cookie = self.config.cookie.as_ref().zip(self.id(session));
        let cookie = cookie.map(|(cookie, id)| ("set-cookie", cookie.header(id.as_str())));
        let response = Response {
            status: 200,
            kind: ResponseKind::Handshake,
            compress: true,
            content_type: Some("text/plain; charset=UTF-8"),
            headers: cookie.into_iter().collect(),
            body: match &self.initial {
                Some(initial) => payload::join(&[open, initial.clone()]),
                None => open.payload,
            },
        };
        let packets = 1 + usize::from(self.initial.is_some());
        self.stats.sent(packets, response.body.len());
        self.respond(request, Some(session), response, out);
        out.notice(Notice::Opened { session, request });
    }
}
