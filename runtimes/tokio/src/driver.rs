//! One machine behind one lock, shared by everything that talks to it.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use socketio_proto::{
    edge::{Admission, BodyRead, Carrier, End, Machine, RequestId},
    engine::Parser,
    time::Instant,
};
use tokio::sync::{Notify, oneshot};

use crate::{
    clock::Clock,
    filter::Filter,
    later::Later,
    owner::{Owner, Owners},
    request::{Hangup, RequestInfo, target},
    slots::Slots,
    state::{Directive, RequestSlot, State},
    ticket::{EndRequest, Ticket},
    timer,
};

/// A [`Machine`] that threads can share: every machine of `socketio-proto` is one.
pub trait Drivable:
    Machine<Parser: Parser<Payload: Send> + Send + Sync + 'static> + Send + 'static
{
}

impl<M> Drivable for M
where
    M: Machine + Send + 'static,
    M::Parser: Send + Sync + 'static,
    <M::Parser as Parser>::Payload: Send,
{
}

/// The upper half of a server: it is told what the machine tells an application.
pub trait Handler<M: Machine>: Send + 'static {
    /// The machine has told something.
    ///
    /// It is called with the machine's lock held, in the order of the events. So it may look things
    /// up and queue, but neither run application code, nor wait, nor enter the [`Driver`] again,
    /// which would deadlock. A panic here stops the whole server.
    fn on_event(&mut self, event: M::Event, context: &mut Context<'_, M>);

    /// Gives away what was collected to be done without the lock, besides [`Context::later`]. It is
    /// asked after every input and command, with the lock held.
    fn take_later(&mut self) -> Later {
        Later::default()
    }

    /// The machine or the handler has panicked: nothing will ever be told again. It is called with
    /// the lock held; whoever waits for the handler is to be let go. A panic here is ignored.
    fn on_stop(&mut self) {}

    /// Waits until what the handler has started has ended. A shutdown asks for it once nobody is
    /// served any more, and waits within its grace.
    fn finished(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// What a [`Handler`] can reach while it is told an event.
pub struct Context<'a, M: Machine> {
    /// The machine. Commands are welcome; what they cause follows in the same queue.
    pub machine: &'a mut M,
    /// The time of the input that caused the event.
    pub now: Instant,
    /// What is to be done when the lock is free.
    pub later: &'a mut Later,
    pub(crate) requests: &'a mut Slots<RequestId, RequestSlot<M::Parser>>,
}

impl<M: Machine> Context<'_, M> {
    /// What is kept of a request that an event names; `None` once it was taken or the request has
    /// ended.
    pub fn request(&mut self, request: RequestId) -> Option<&RequestInfo> {
        self.requests.get_mut(request)?.info.as_ref()
    }

    /// Takes what is kept of a request, to move it to the session that the request opened.
    pub fn take_request(&mut self, request: RequestId) -> Option<RequestInfo> {
        let info = self.requests.get_mut(request)?.info.take()?;
        Some(info.compact())
    }
}

impl<M: Drivable> Context<'_, M> {
    /// Has the application decide about a handshake: in the request's own future, which ends with
    /// the client. What it decides is told to the machine.
    pub(crate) fn decide(&mut self, request: RequestId, filter: &Filter) {
        if let Some(slot) = self.requests.get_mut(request)
            && let Some(info) = slot.info.clone()
        {
            slot.reply.decide(filter.ask(info), self.later);
        }
    }
}

impl<M: Machine> fmt::Debug for Context<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Drives a machine: the one place where inputs meet it, in one order, under one lock.
///
/// Cloning it is cheap. Every input takes the lock, calls the machine, and hands out all that
/// follows before the lock is released; so requests, transports and the handler see outputs in the
/// machine's order. Nothing waits while the lock is held, and bytes are read, decoded and written
/// outside it.
///
/// A background task runs deadlines. It starts on the tokio runtime of the first input that arms
/// one, and ends when nothing uses the driver any more, which also drops the machine. If its runtime
/// ends before, the next input on another starts it there.
///
/// With its last handle, those inside of [services](crate::Service) counted, what is left closes as
/// by a [`shutdown`](Self::shutdown): requests are answered, transports are closed, and the handler is
/// told. Then the machine is dropped.
///
/// If the machine or the handler panics, the driver is stopped: requests are answered with 503,
/// transports close, [`with`](Self::with) panics.
pub struct Driver<M: Drivable, H: Handler<M>> {
    owner: Arc<Owner<M, H>>,
}

/// What handles, requests and transports share. Only handles keep a server open: see [`Owner`].
pub(crate) struct Shared<M: Drivable, H: Handler<M>> {
    state: Mutex<State<M, H>>,
    clock: Clock,
    timer: Arc<Notify>,
    idle: Notify,
    pub(crate) owners: Owners<M, H>,
}

impl<M: Drivable, H: Handler<M>> Driver<M, H> {
    /// Begins to drive a machine. The clock's origin must be the one the machine was made with.
    pub fn new(machine: M, handler: H, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(machine, handler)),
            clock,
            timer: Arc::default(),
            idle: Notify::new(),
            owners: Owners::default(),
        });
        Self {
            owner: Owner::first(shared),
        }
    }

    /// Runs a command on the machine, then hands out what follows from it.
    ///
    /// It must not be called by the handler, nor run long: everybody waits for it.
    ///
    /// # Panics
    ///
    /// Panics if the machine or the handler has panicked before.
    pub fn with<R>(&self, command: impl FnOnce(&mut M, Instant) -> R) -> R {
        self.with_handler(|machine, _, now| command(machine, now))
    }

    /// Like [`with`](Self::with), with the handler: to change both in one critical section.
    ///
    /// # Panics
    ///
    /// Panics if the machine or the handler has panicked before.
    pub fn with_handler<R>(&self, command: impl FnOnce(&mut M, &mut H, Instant) -> R) -> R {
        self.shared()
            .enter(|state, now| command(&mut state.machine, &mut state.handler, now))
            .expect("neither the machine nor the handler has panicked")
    }

    /// Whether the machine claims a request target, path and query.
    pub fn claims(&self, target: &str) -> bool {
        self.shared()
            .state
            .lock()
            .is_ok_and(|state| state.machine.claims(target))
    }

    /// Refuses new sessions, closes all that there are, and waits until clients were told, every
    /// request and transport has ended, and the handler [has finished](Handler::finished), but no
    /// longer than `grace`; what is left then is dropped. Says whether nothing was left, as of a
    /// driver that is stopped.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.drain(Duration::ZERO, grace).await
    }

    /// As [`shutdown`](Self::shutdown), with the closes of the sessions spread evenly over a time, so
    /// that their clients do not all come back at once, here or elsewhere. The grace comes on top
    /// of it.
    pub async fn drain(&self, spread: Duration, grace: Duration) -> bool {
        self.shared().enter(|state, now| {
            state.draining = true;
            state.machine.shutdown(now, spread);
        });
        let span = spread.saturating_add(grace);
        let in_time = tokio::time::timeout(span, self.until_finished()).await;
        if in_time.is_err() {
            self.shared().enter(|state, _| state.abort());
        }
        in_time.is_ok()
    }

    /// Waits until nobody is served any more, and the handler has ended what it started.
    async fn until_finished(&self) {
        self.shared().until_idle().await;
        let finished = self.shared().enter(|state, _| state.handler.finished());
        if let Some(finished) = finished {
            finished.await;
        }
    }

    /// Hands a request over, unless the machine does not claim it.
    pub(crate) fn begin(
        &self,
        carrier: Carrier,
        info: RequestInfo,
        hangup: Option<Hangup>,
        any_path: bool,
    ) -> Result<Begun<M, H>, NotBegun> {
        let (sender, directive) = oneshot::channel();
        // Stays out here until it is filed, not to be dropped under the lock.
        let mut kept = Some(info);
        let request = self.shared().enter(|state, now| {
            let info = kept.as_ref()?;
            if !any_path && !state.machine.claims(target(info.uri())) {
                return None;
            }
            let request = info.with_head(carrier, |head| state.machine.handle_request(now, head));
            let slot = RequestSlot::new(kept.take(), hangup, sender);
            state.keep_request(request, slot);
            Some(request)
        });
        let request = request.ok_or(NotBegun::Stopped)?;
        let request = request.ok_or(NotBegun::NotClaimed)?;
        let shared = Arc::clone(self.shared());
        Ok(Begun {
            ticket: Ticket::new(Arc::<Shared<M, H>>::clone(&shared), request),
            shared,
            directive,
        })
    }

    /// Like [`with_handler`](Self::with_handler), but does nothing if the driver is stopped.
    pub(crate) fn try_with_handler<R>(
        &self,
        command: impl FnOnce(&mut M, &mut H, Instant) -> R,
    ) -> Option<R> {
        self.shared()
            .enter(|state, now| command(&mut state.machine, &mut state.handler, now))
    }

    /// The driver that shares this.
    pub(crate) fn of(shared: Arc<Shared<M, H>>) -> Self {
        Self {
            owner: Owner::of(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<M, H>> {
        self.owner.shared()
    }
}

impl<M: Drivable, H: Handler<M>> Clone for Driver<M, H> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<M: Drivable, H: Handler<M>> fmt::Debug for Driver<M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("clock", &self.shared().clock)
            .finish_non_exhaustive()
    }
}

/// A request that the machine knows. It is no handle: the server may close around it.
pub(crate) struct Begun<M: Drivable, H: Handler<M>> {
    pub(crate) shared: Arc<Shared<M, H>>,
    pub(crate) ticket: Ticket,
    pub(crate) directive: oneshot::Receiver<Directive<M::Parser>>,
}

impl<M: Drivable, H: Handler<M>> Begun<M, H> {
    /// Reports how much of its body is there so far.
    pub(crate) fn body_progress(&self, received: usize) {
        let request = self.ticket.request();
        self.shared.enter(|state, now| {
            state.machine.handle_body_progress(now, request, received);
        });
    }

    /// Reports its body.
    pub(crate) fn body(&self, body: BodyRead<M::Parser>) {
        let request = self.ticket.request();
        self.shared
            .enter(|state, now| state.machine.handle_body(now, request, body));
    }

    /// Tells the machine whether the client is let in, unless it went away.
    pub(crate) fn admit(&self, admission: Admission) {
        let request = self.ticket.request();
        self.shared.enter(|state, now| {
            _ = state.machine.admit(now, request, admission);
        });
    }
}

/// Why a request does not concern the machine.
pub(crate) enum NotBegun {
    /// It lies under another path.
    NotClaimed,
    /// The machine or its handler panicked.
    Stopped,
}

/// When the timer has to come back.
pub(crate) enum Tick {
    /// After this span.
    After(Duration),
    /// When there is a deadline.
    Never,
    /// The driver is stopped.
    Stopped,
}

impl<M: Drivable, H: Handler<M>> Shared<M, H> {
    /// The one way in: takes the lock, lets an input happen, hands out what follows.
    ///
    /// `None` if the machine or the handler has panicked before; nothing happens then.
    pub(crate) fn enter<R>(
        self: &Arc<Self>,
        input: impl FnOnce(&mut State<M, H>, Instant) -> R,
    ) -> Option<R> {
        // Outlives the lock, also if there is a panic.
        let mut unlocked = Unlocked::new(&self.idle);
        let mut lock = self.state.lock().ok()?;
        let mut stop = StopOnPanic {
            state: Some(&mut *lock),
            unlocked: &mut unlocked,
        };
        let state = stop.state.as_deref_mut()?;
        // Read under the lock, so that it does not descend from one input to the next.
        let now = self.clock.now();
        let result = input(state, now);
        state.drain(now);
        let wake_timer = state.arm_earlier();
        let starts_timer = wake_timer && !state.is_ticking();
        if starts_timer {
            // Not on a runtime, it does not start. The next input that is will start it.
            state.ticking = timer::start(Arc::downgrade(self), Arc::clone(&self.timer));
        }
        stop.unlocked.is_idle = state.draining && state.is_idle();
        stop.unlocked.later = [mem::take(&mut state.later), state.handler.take_later()];
        stop.state = None;
        drop(stop);
        drop(lock);
        drop(unlocked);
        if starts_timer {
            self.owners.note_runtime();
        }
        if wake_timer {
            self.timer.notify_one();
        }
        Some(result)
    }

    /// Nothing can reach the server any more: closes what is left, unless that is under way.
    pub(crate) fn close(self: &Arc<Self>) {
        self.enter(|state, now| {
            if !mem::replace(&mut state.draining, true) {
                state.machine.shutdown(now, Duration::ZERO);
            }
        });
    }

    /// Runs what is due; says when more will be.
    pub(crate) fn tick(self: &Arc<Self>) -> Tick {
        let tick = self.enter(|state, now| {
            state.machine.handle_timeout(now);
            state.drain(now);
            state.armed = state.machine.poll_timeout();
            match state.armed {
                Some(due) => Tick::After(due.saturating_duration_since(now)),
                None => Tick::Never,
            }
        });
        tick.unwrap_or(Tick::Stopped)
    }

    /// Looks at what there is; says also whether the machine or the handler has panicked.
    #[cfg(feature = "metrics")]
    pub(crate) fn look<R>(&self, look: impl FnOnce(&State<M, H>, bool) -> R) -> R {
        match self.state.lock() {
            Ok(state) => look(&state, false),
            // What it was when that happened.
            Err(poisoned) => look(poisoned.get_ref(), true),
        }
    }

    /// Waits until nobody is served any more, which something else brings about.
    #[cfg(feature = "metrics")]
    pub(crate) async fn until_over(&self) {
        loop {
            // From its making on it misses nothing.
            let change = self.idle.notified();
            if self.look(|state, is_stopped| is_stopped || state.draining && state.is_idle()) {
                return;
            }
            change.await;
        }
    }

    async fn until_idle(self: &Arc<Self>) {
        loop {
            let mut change = std::pin::pin!(self.idle.notified());
            // From here on no change is missed.
            change.as_mut().enable();
            if self.enter(|state, _| state.is_idle()).unwrap_or(true) {
                return;
            }
            change.await;
        }
    }
}

/// What follows as soon as the lock is free.
struct Unlocked<'a> {
    later: [Later; 2],
    /// Whether to tell those who wait for the end.
    is_idle: bool,
    idle: &'a Notify,
}

impl<'a> Unlocked<'a> {
    fn new(idle: &'a Notify) -> Self {
        Self {
            later: Default::default(),
            is_idle: false,
            idle,
        }
    }
}

impl Drop for Unlocked<'_> {
    fn drop(&mut self) {
        mem::take(&mut self.later)
            .into_iter()
            .for_each(Later::finish);
        if self.is_idle {
            self.idle.notify_waiters();
        }
    }
}

/// Lets go of everybody who waits, if the machine or the handler panics: nobody would serve them.
struct StopOnPanic<'a, 'b, M: Drivable, H: Handler<M>> {
    state: Option<&'a mut State<M, H>>,
    unlocked: &'a mut Unlocked<'b>,
}

impl<M: Drivable, H: Handler<M>> Drop for StopOnPanic<'_, '_, M, H> {
    fn drop(&mut self) {
        let Some(state) = &mut self.state else {
            return;
        };
        state.abort();
        // A panic that left this function, where one is under way, would abort the process.
        _ = catch_unwind(AssertUnwindSafe(|| state.handler.on_stop()));
        let later = catch_unwind(AssertUnwindSafe(|| state.handler.take_later()));
        self.unlocked.later = [mem::take(&mut state.later), later.unwrap_or_default()];
        self.unlocked.is_idle = true;
    }
}

impl<M: Drivable, H: Handler<M>> EndRequest for Shared<M, H> {
    fn end_request(self: Arc<Self>, request: RequestId, end: End) {
        self.enter(|state, now| state.end_request(now, request, end));
    }
}

impl<M: Drivable, H: Handler<M>> Drop for Shared<M, H> {
    fn drop(&mut self) {
        // The timer task finds nothing to drive and ends.
        self.timer.notify_one();
    }
}
