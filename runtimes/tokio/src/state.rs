//! What the lock guards: the machine, its handler, and the way to everybody who waits for it.

use std::sync::{Arc, Weak};

use slab::Slab;
use socketio_proto::{
    edge::{
        End, HeaderList, Lost, Machine, Output, RequestId, Response, ResponseKind, TransportId,
    },
    engine::{Codec, Parser},
    time::Instant,
};
use tokio::sync::oneshot;

use crate::{
    driver::{Context, Drivable, Handler},
    filter::Decision,
    later::Later,
    mailbox::{Close, Mailbox},
    request::{Hangup, RequestInfo},
    slots::Slots,
};

pub(crate) struct State<M: Machine, H> {
    pub(crate) machine: M,
    pub(crate) handler: H,
    pub(crate) requests: Slots<RequestId, RequestSlot<M::Parser>>,
    // Invariant: how many of the requests were refused.
    refused: usize,
    // Only transports that the machine has not forgotten: whoever removes one here, reports it.
    pub(crate) transports: Slots<TransportId, Arc<Mailbox>>,
    /// Every task that has a transport, also one that only closes it.
    pub(crate) tasks: Slab<Arc<Mailbox>>,
    /// When the timer will run, as far as it knows.
    pub(crate) armed: Option<Instant>,
    /// Whether the timer runs: the other end is its.
    pub(crate) ticking: Weak<()>,
    /// Whether somebody waits until nothing is left.
    pub(crate) draining: bool,
    /// What is to be done when the lock is free.
    pub(crate) later: Later,
}

/// A request, from the machine's first sight of it until its end is reported.
pub(crate) struct RequestSlot<P: Parser> {
    /// What is kept of its head, until the handler takes it.
    pub(crate) info: Option<RequestInfo>,
    /// Ends its connection, if the front has one.
    pub(crate) hangup: Option<Hangup>,
    /// Whether its answer is a refusal: no shutdown waits for that.
    is_refused: bool,
    pub(crate) reply: Reply<P>,
}

/// Where a request stands: who waits for what.
pub(crate) enum Reply<P: Parser> {
    /// Nothing was decided.
    Open(oneshot::Sender<Directive<P>>),
    /// Its body is being read; the answer may come before that is done.
    Reading(oneshot::Sender<Answer<P>>),
    /// It was answered; its end is awaited.
    Answered,
    /// It is becoming this transport.
    Became(TransportId),
}

/// What the machine decides first of a request.
pub(crate) enum Directive<P: Parser> {
    Answer(Answer<P>),
    Decide(Decide<P>),
    Read(ReadBody<P>),
}

/// The order to find out whether the client is let in, and the directive that follows.
pub(crate) struct Decide<P: Parser> {
    pub(crate) decision: Decision,
    pub(crate) next: oneshot::Receiver<Directive<P>>,
}

/// The order to read a body, and the answer that follows.
pub(crate) struct ReadBody<P: Parser> {
    pub(crate) limit: usize,
    pub(crate) codec: Codec<P>,
    pub(crate) answer: oneshot::Receiver<Answer<P>>,
}

/// What the machine decides last of a request.
pub(crate) enum Answer<P: Parser> {
    Accept(Box<Accept<P>>),
    Respond(Box<Response>),
}

impl<P: Parser> Answer<P> {
    /// Whether it refuses a body for its announced size, which the client may be sending already.
    pub(crate) fn refuses_size(&self) -> bool {
        matches!(self, Self::Respond(response) if response.status == 413)
    }
}

/// The order to become a WebSocket.
pub(crate) struct Accept<P: Parser> {
    pub(crate) kind: ResponseKind,
    pub(crate) transport: TransportId,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) headers: HeaderList,
    pub(crate) limit: usize,
    pub(crate) codec: Codec<P>,
}

impl<P> Reply<P>
where
    P: Parser<Payload: Send> + Send + Sync + 'static,
{
    /// Sends the answer when the lock is free, because a waker can be anything; the request stands
    /// as `next` from now on.
    ///
    /// Nobody may receive it: then the request's future is being dropped, and its ticket reports
    /// that as soon as the lock is free.
    fn answer(&mut self, answer: Answer<P>, next: Self, later: &mut Later) {
        match std::mem::replace(self, next) {
            Self::Open(sender) => later.run(move || _ = sender.send(Directive::Answer(answer))),
            Self::Reading(sender) => later.run(move || _ = sender.send(answer)),
            Self::Answered | Self::Became(_) => debug_assert!(false, "a request is answered once"),
        }
    }

    /// Has somebody decide first, unless nobody is there to ask.
    pub(crate) fn decide(&mut self, decision: Decision, later: &mut Later) {
        let (sender, next) = oneshot::channel();
        match std::mem::replace(self, Self::Open(sender)) {
            Self::Open(first) => {
                let order = Directive::Decide(Decide { decision, next });
                later.run(move || _ = first.send(order));
            }
            earlier => {
                *self = earlier;
                later.drop(decision);
            }
        }
    }

    fn read(&mut self, limit: usize, codec: Codec<P>, later: &mut Later) {
        if let Self::Open(_) = self {
            let (sender, answer) = oneshot::channel();
            if let Self::Open(first) = std::mem::replace(self, Self::Reading(sender)) {
                let order = ReadBody {
                    limit,
                    codec,
                    answer,
                };
                later.run(move || _ = first.send(Directive::Read(order)));
            }
        }
    }

    /// Leaves whoever waits without an answer, when the lock is free.
    fn give_up(self, later: &mut Later) {
        if let Self::Open(_) | Self::Reading(_) = self {
            later.drop(self);
        }
    }
}

impl<P: Parser> RequestSlot<P> {
    /// A request that nothing was decided about.
    pub(crate) fn new(
        info: Option<RequestInfo>,
        hangup: Option<Hangup>,
        sender: oneshot::Sender<Directive<P>>,
    ) -> Self {
        Self {
            info,
            hangup,
            is_refused: false,
            reply: Reply::Open(sender),
        }
    }
}

impl<M: Drivable, H: Handler<M>> State<M, H> {
    pub(crate) fn new(machine: M, handler: H) -> Self {
        Self {
            machine,
            handler,
            requests: Slots::new(),
            refused: 0,
            transports: Slots::new(),
            tasks: Slab::new(),
            armed: None,
            ticking: Weak::new(),
            draining: false,
            later: Later::default(),
        }
    }

    /// Hands out all that the machine wants, in order.
    pub(crate) fn drain(&mut self, now: Instant) {
        while let Some(output) = self.machine.poll_output() {
            self.dispatch(now, output);
        }
    }

    /// Hands out one output. A request or transport that was reported gone is not found any more.
    fn dispatch(&mut self, now: Instant, output: Output<M::Event, M::Parser>) {
        match output {
            Output::AbortRequest { request } => self.abort_request(request),
            Output::CloseTransport { transport, abort } => {
                if let Some(mailbox) = self.transports.remove(transport) {
                    mailbox.close(if abort { Close::Abort } else { Close::Flush });
                }
            }
            Output::Event(event) => {
                let mut context = Context {
                    machine: &mut self.machine,
                    now,
                    later: &mut self.later,
                    requests: &mut self.requests,
                };
                self.handler.on_event(event, &mut context);
            }
            Output::OpenTransport {
                request,
                transport,
                headers,
                limit,
                codec,
                kind,
            } => {
                let mailbox = Arc::<Mailbox>::default();
                self.transports.insert(transport, Arc::clone(&mailbox));
                let accept = Accept {
                    kind,
                    transport,
                    mailbox,
                    headers,
                    limit,
                    codec,
                };
                let answer = Answer::Accept(Box::new(accept));
                self.answer(request, answer, Reply::Became(transport));
            }
            Output::ReadBody {
                request,
                limit,
                codec,
            } => {
                if let Some(slot) = self.requests.get_mut(request) {
                    slot.reply.read(limit, codec, &mut self.later);
                }
            }
            Output::Respond { request, response } => {
                if response.kind == ResponseKind::Refused {
                    self.note_refused(request);
                }
                self.answer(request, Answer::Respond(response), Reply::Answered);
            }
            Output::SetReading { paused, transport } => {
                if let Some(mailbox) = self.transports.get_mut(transport) {
                    mailbox.set_paused(paused);
                }
            }
            Output::Transmit { transport, batch } => {
                if let Some(mailbox) = self.transports.get_mut(transport) {
                    mailbox.write(batch);
                }
            }
        }
    }

    fn answer(&mut self, request: RequestId, answer: Answer<M::Parser>, next: Reply<M::Parser>) {
        if let Some(slot) = self.requests.get_mut(request) {
            slot.reply.answer(answer, next, &mut self.later);
        }
    }

    fn note_refused(&mut self, request: RequestId) {
        if let Some(slot) = self.requests.get_mut(request)
            && !std::mem::replace(&mut slot.is_refused, true)
        {
            self.refused += 1;
        }
    }

    /// Reports the end of a request, or that it never became what it was to become.
    pub(crate) fn end_request(&mut self, now: Instant, request: RequestId, end: End) {
        match self.forget_request(request) {
            Some(Reply::Became(transport)) => self.lose(now, transport, Lost::NotOpened),
            Some(reply) => {
                reply.give_up(&mut self.later);
                self.machine.handle_request_end(now, request, end);
            }
            // The machine forgot it when it gave up the transport that it was to become.
            None => {}
        }
    }

    /// Files a request that the machine knows.
    pub(crate) fn keep_request(&mut self, request: RequestId, slot: RequestSlot<M::Parser>) {
        if let Some(earlier) = self.requests.insert(request, slot) {
            self.refused -= usize::from(earlier.is_refused);
            self.later.drop(earlier.info);
        }
    }

    /// Removes a request. What was kept of its head is dropped when the lock is free: middlewares
    /// may have put anything into its extensions.
    pub(crate) fn forget_request(&mut self, request: RequestId) -> Option<Reply<M::Parser>> {
        let slot = self.requests.remove(request)?;
        self.refused -= usize::from(slot.is_refused);
        if let Some(info) = slot.info {
            self.later.drop(info);
        }
        Some(slot.reply)
    }

    /// Drops the connection of a request whose answer is not taken. The machine has forgotten it.
    fn abort_request(&mut self, request: RequestId) {
        let info = self.requests.get_mut(request);
        let hangup = info.and_then(|slot| slot.hangup.take());
        self.forget_request(request);
        if let Some(hangup) = hangup {
            // A waker may be anything.
            self.later.run(move || hangup.hang_up());
        }
    }

    /// Reports the end of a transport, unless the machine has forgotten it or knows.
    pub(crate) fn lose(&mut self, now: Instant, transport: TransportId, lost: Lost) {
        if self.transports.remove(transport).is_some() {
            self.machine.handle_transport_lost(now, transport, lost);
        }
    }

    /// Notes an earlier deadline than the one the timer knows; says whether there is one.
    pub(crate) fn arm_earlier(&mut self) -> bool {
        if !self.is_ticking() {
            // A timer that is gone knows nothing.
            self.armed = None;
        }
        let Some(due) = self.machine.poll_timeout() else {
            return false;
        };
        let is_earlier = self.armed.is_none_or(|armed| due < armed);
        if is_earlier {
            self.armed = Some(due);
        }
        is_earlier
    }

    /// Whether the timer runs. It ends with the runtime that it was started on.
    pub(crate) fn is_ticking(&self) -> bool {
        self.ticking.strong_count() > 0
    }

    /// Whether nobody is served any more. Whoever is being refused does not count: clients that
    /// come back all the time must not keep a server from ending.
    pub(crate) fn is_idle(&self) -> bool {
        self.machine.sessions() == 0 && self.requests.len() == self.refused && self.tasks.is_empty()
    }

    /// Drops every transport and leaves every request without an answer.
    pub(crate) fn abort(&mut self) {
        for mailbox in self.transports.values_mut() {
            mailbox.close(Close::Abort);
        }
        for (_, mailbox) in &self.tasks {
            mailbox.close(Close::Abort);
        }
        for slot in self.requests.values_mut() {
            if let Reply::Open(_) | Reply::Reading(_) = slot.reply {
                std::mem::replace(&mut slot.reply, Reply::Answered).give_up(&mut self.later);
            }
        }
    }
}
