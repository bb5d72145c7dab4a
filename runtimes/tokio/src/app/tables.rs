//! What is kept beside the machine, and what follows from its events.
//!
//! All of it runs under the lock of the driver, so it only moves things: no code of the application
//! runs here. What may run some is put off until the lock is free: the end of values that may hold
//! something of the application, the start of tasks (a runtime that goes down drops them at once),
//! and answers to whoever waits for them, because a waker can be anything.

use std::{pin::Pin, sync::Arc, task::Waker};

use bytestring::ByteString;
use socketio_proto::{
    edge::{Admission, Machine, SessionKey},
    socket::{
        AckKey, AckOutcome, Args, DisconnectReason, Event, NamespaceKey, PendingKey, ReplyToken,
        Server, SocketKey, To,
    },
    time::Instant,
};
use tokio::runtime::Handle;

use super::{
    Socket,
    ack::AckEntry,
    dynamic::{Dynamic, Waiting},
    inbox::{Full, Posted},
    job::{Job, drain},
    line::Line,
    link::{Link, WeakLink},
    namespace_state::NamespaceState,
    recovery::Recovering,
    socket::{Left, Pressure, SocketState},
    tasks::Tasks,
};
use crate::{
    driver::{Context, Handler},
    filter::Filter,
    later::Later,
    request::RequestInfo,
    slots::{Key, Slots},
};

/// What a server keeps of its connections and sockets beside the machine. It is opaque: an
/// [`Io`](super::Io) works with it.
#[derive(Debug)]
pub struct Tables {
    pub(super) limits: Unhandled,
    /// Whether the machine tells of rooms.
    pub(super) room_events: bool,
    pub(super) recovering: Recovering,
    /// Decides who may open a connection.
    filter: Option<Filter>,
    link: WeakLink,
    /// The runtime on which a connection opened last; without one there is nothing to run.
    runtime: Option<Handle>,
    /// What is to be done when the lock is free.
    pub(super) later: Later,
    /// What the application is told then, and whether something was added.
    line: Arc<Line>,
    is_told: bool,
    pub(super) tasks: Arc<Tasks>,
    pub(super) sessions: Slots<SessionKey, Connection>,
    pub(super) namespaces: Slots<NamespaceKey, Arc<NamespaceState>>,
    pub(super) dynamic: Dynamic,
    /// Clients on their way in, while the application decides.
    pub(super) pending: Slots<PendingKey, Waiting>,
    pub(super) sockets: Slots<SocketKey, Arc<SocketState>>,
    pub(super) acks: Slots<AckKey, AckEntry>,
}

/// How many bytes may wait for the handlers of one socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unhandled {
    /// Above it the client is not read.
    pub(super) mark: usize,
    /// Above it the connection closes.
    pub(super) most: usize,
}

/// What is kept of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) head: RequestInfo,
    /// How many of its sockets have too much to do. It is read while there are none.
    overfull: usize,
}

impl Tables {
    pub(super) fn new(
        limits: Unhandled,
        filter: Option<Filter>,
        room_events: bool,
        recovering: Recovering,
    ) -> Self {
        Self {
            limits,
            room_events,
            recovering,
            filter,
            link: WeakLink::default(),
            runtime: None,
            later: Later::default(),
            line: Arc::default(),
            is_told: false,
            tasks: Arc::default(),
            sessions: Slots::new(),
            namespaces: Slots::new(),
            dynamic: Dynamic::default(),
            pending: Slots::new(),
            sockets: Slots::new(),
            acks: Slots::new(),
        }
    }

    pub(super) fn set_link(&mut self, link: WeakLink) {
        self.link = link;
    }

    /// The way to the server, unless nobody uses it any more.
    pub(super) fn link(&self) -> Option<Link> {
        self.link.upgrade()
    }

    /// Tells the application something as soon as the lock is free, in the order of these calls.
    pub(super) fn tell(&mut self, telling: impl FnOnce() + Send + 'static) {
        self.line.push(telling);
        self.is_told = true;
    }

    fn on_acked(&mut self, ack: AckKey, from: SocketKey, args: Args) {
        match self.acks.remove(ack) {
            Some(AckEntry::Each(teller)) => {
                let from = self.sockets.get(from);
                let waker = from.and_then(|state| teller.answer(state.id, args));
                self.acks.insert(ack, AckEntry::Each(teller));
                self.wake(waker);
            }
            Some(AckEntry::Many {
                mut answers,
                sender,
            }) => {
                let from = self.sockets.get(from);
                answers.extend(from.map(|state| (state.id, args)));
                self.acks.insert(ack, AckEntry::Many { answers, sender });
            }
            Some(AckEntry::One(sender)) => {
                // Nobody may be waiting any more.
                self.later.run(move || drop(sender.send(Ok(args))));
            }
            None => {}
        }
    }

    fn on_ack_done(&mut self, ack: AckKey, outcome: AckOutcome, missing: usize) {
        if let Some(entry) = self.acks.remove(ack) {
            let waker = entry.end(outcome, missing);
            self.wake(waker);
            self.later.run(move || entry.on_done(outcome, missing));
        }
    }

    fn wake(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.later.run(move || waker.wake());
        }
    }

    fn on_disconnected(
        &mut self,
        socket: SocketKey,
        reason: DisconnectReason,
        rooms: Box<[ByteString]>,
    ) {
        let Some(state) = self.sockets.remove(socket) else {
            return;
        };
        // It is set here only, and a socket disconnects once.
        _ = state.left.set(Left { reason, rooms });
        // It always fits.
        _ = self.post(&state, Job::Disconnect);
        // A waker can be anything; and the task may end before this does.
        self.later.run(move || state.gone.notify_waiters());
    }

    /// A connection opened.
    fn on_opened(&mut self, session: SessionKey, head: RequestInfo) {
        if let Ok(runtime) = Handle::try_current() {
            self.later.drop(self.runtime.replace(runtime));
        }
        self.sessions
            .insert(session, Connection { head, overfull: 0 });
    }

    /// One of a connection's sockets has too much to do.
    fn read_no_more(&mut self, server: &mut Server, now: Instant, session: SessionKey) {
        if let Some(connection) = self.sessions.get_mut(session) {
            connection.overfull += 1;
            _ = server.set_reading(now, session, true);
        }
    }

    /// One of a connection's sockets has caught up.
    pub(super) fn read_on(&mut self, server: &mut Server, now: Instant, session: SessionKey) {
        if let Some(connection) = self.sessions.get_mut(session) {
            connection.overfull = connection.overfull.saturating_sub(1);
            if connection.overfull == 0 {
                _ = server.set_reading(now, session, false);
            }
        }
    }

    /// Gives a socket's task something to do, and starts one if there is none.
    pub(super) fn post(&mut self, state: &Arc<SocketState>, job: Job) -> Result<Posted, Full> {
        let posted = state.inbox.post(job, self.limits.most)?;
        if posted.starts
            && let Some(link) = self.link.upgrade()
        {
            self.spawn(drain(Socket::new(link, Arc::clone(state))));
        }
        Ok(posted)
    }

    /// Starts a task when the lock is free: on the runtime that this happens on, which lives. It
    /// counts from now on, so that nobody who asks in between finds nothing to wait for.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let running = self.tasks.begin();
        let runtime = Handle::try_current().ok().or_else(|| self.runtime.clone());
        self.later.run(move || {
            if let Some(runtime) = runtime {
                running.spawn(&runtime, task);
            }
        });
    }

    fn on_packet(
        &mut self,
        context: &mut Context<'_, Server>,
        socket: SocketKey,
        args: Args,
        reply: Option<ReplyToken>,
    ) {
        let Some(state) = self.sockets.get(socket) else {
            return;
        };
        let state = Arc::clone(state);
        if !state.guest.setup.is_interested(args.name()) {
            return;
        }
        match self.post(&state, Job::Event { args, reply }) {
            Ok(Posted { stops: false, .. }) => {}
            Ok(Posted { stops: true, .. }) => {
                self.read_no_more(context.machine, context.now, state.session);
            }
            // Its handlers are too slow for what it sends. What follows would be out of order.
            Err(Full) => context
                .machine
                .disconnect(context.now, To::Socket(socket), true),
        }
    }

    fn on_pressure(
        &mut self,
        context: &mut Context<'_, Server>,
        socket: SocketKey,
        pressure: Pressure,
    ) {
        let state = self.sockets.get(socket).map(Arc::clone);
        let Some(state) = state.filter(|state| !state.guest.setup.on_pressure.is_empty()) else {
            return;
        };
        if let Ok(Posted { stops: true, .. }) = self.post(&state, Job::Pressure(pressure)) {
            self.read_no_more(context.machine, context.now, state.session);
        }
    }
}

impl Handler<Server> for Tables {
    fn on_event(&mut self, event: Event, context: &mut Context<'_, Server>) {
        match event {
            Event::AckDone {
                ack,
                outcome,
                missing,
            } => {
                self.on_ack_done(ack, outcome, missing);
            }
            Event::Acked { ack, from, args } => self.on_acked(ack, from, args),
            Event::Connecting(connecting) => self.on_connecting(context, *connecting),
            Event::Disconnected {
                socket,
                reason,
                rooms,
            } => self.on_disconnected(socket, reason, rooms),
            Event::NamespaceClosed { namespace, .. } => {
                self.on_namespace_closed(context.machine, namespace);
            }
            Event::Packet {
                socket,
                args,
                reply,
            } => self.on_packet(context, socket, args, reply),
            Event::FindSession(wanted) => self.on_find_session(context, *wanted),
            Event::RecoveryCut => self.on_recovery_cut(),
            Event::StoreSession(session) => self.on_store_session(*session),
            Event::Handshake { request } => match &self.filter {
                Some(filter) => context.decide(request, filter),
                // Nobody is there to ask.
                None => {
                    _ = context
                        .machine
                        .admit(context.now, request, Admission::Allow);
                }
            },
            Event::Pressure {
                session,
                queued,
                is_high,
            } => {
                let pressure = Pressure { queued, is_high };
                for socket in context.machine.sockets_of(session) {
                    self.on_pressure(context, socket, pressure);
                }
            }
            Event::Room {
                namespace,
                room,
                change,
            } => self.on_room(namespace, room, change),
            Event::SessionClosed { session, .. } => {
                if let Some(connection) = self.sessions.remove(session) {
                    self.later.drop(connection);
                }
            }
            Event::SessionOpened { session, request } => {
                if let Some(head) = context.take_request(request) {
                    self.on_opened(session, head);
                }
            }
            Event::Withdrawn { pending, .. } => {
                if let Some(withdrawal) = self.wait_no_more(pending) {
                    self.later.run(move || withdrawal.withdraw());
                }
            }
            _ => {}
        }
    }

    fn take_later(&mut self) -> Later {
        if std::mem::take(&mut self.is_told) {
            let line = Arc::clone(&self.line);
            self.later.run(move || line.run());
        }
        std::mem::take(&mut self.later)
    }

    fn on_stop(&mut self) {
        // Who waits sees the other side gone. That wakes them: not under the lock.
        let acks = std::mem::replace(&mut self.acks, Slots::new());
        let pending = std::mem::replace(&mut self.pending, Slots::new());
        self.later.drop((acks, pending));
        for state in self.sockets.values_mut() {
            let reason = DisconnectReason::ServerShutdown;
            let rooms = Box::default();
            _ = state.left.set(Left { reason, rooms });
            let state = Arc::clone(state);
            self.later.run(move || state.gone.notify_waiters());
        }
    }

    fn finished(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let tasks = Arc::clone(&self.tasks);
        Box::pin(async move { tasks.finished().await })
    }
}

macro_rules! keys {
    ($($name:ident)*) => {$(
        impl Key for $name {
            fn index(self) -> usize {
                Self::index(self)
            }
        }
    )*};
}

keys!(AckKey NamespaceKey PendingKey SessionKey SocketKey);
