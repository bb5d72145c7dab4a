//! What is kept beside the machine, and what follows from its events.
//!
//! All of it runs under the lock of the driver, so it only moves things and starts tasks: no code
//! of the application runs here, drops of its values included.

use std::sync::{Arc, OnceLock};

use socketio_proto::{
    edge::SessionKey,
    socket::{
        AckKey, Args, Connecting, DisconnectReason, Event, NamespaceKey, PendingKey, ReplyToken,
        Server, SocketKey, To,
    },
    time::Instant,
};
use tokio::{runtime::Handle, task::AbortHandle};

use super::{
    Socket,
    ack::AckEntry,
    connecting::admit,
    handshake::Guest,
    inbox::{Full, Inbox, Posted},
    job::{Job, drain},
    link::WeakLink,
    namespace::NamespaceState,
    socket::{Left, SocketState},
    tasks::Tasks,
};
use crate::{
    driver::{Context, Handler},
    request::RequestInfo,
    slots::{Key, Slots},
};

/// What a server keeps of its connections and sockets beside the machine. It is opaque: an
/// [`Io`](super::Io) works with it.
#[derive(Debug)]
pub struct Tables {
    /// The most bytes that may wait for the handlers of one socket.
    max_unhandled: usize,
    link: WeakLink,
    /// Known once a connection opened; without one there is nothing to run.
    runtime: Option<Handle>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) sessions: Slots<SessionKey, RequestInfo>,
    pub(super) namespaces: Slots<NamespaceKey, Arc<NamespaceState>>,
    /// The middleware that runs for each client on its way in.
    pub(super) pending: Slots<PendingKey, AbortHandle>,
    pub(super) sockets: Slots<SocketKey, Arc<SocketState>>,
    pub(super) acks: Slots<AckKey, AckEntry>,
}

impl Tables {
    pub(super) fn new(max_unhandled: usize) -> Self {
        Self {
            max_unhandled,
            link: WeakLink::default(),
            runtime: None,
            tasks: Arc::default(),
            sessions: Slots::new(),
            namespaces: Slots::new(),
            pending: Slots::new(),
            sockets: Slots::new(),
            acks: Slots::new(),
        }
    }

    pub(super) fn set_link(&mut self, link: WeakLink) {
        self.link = link;
    }

    /// Makes a client a socket, with its handlers in place before anything else can happen to it.
    pub(super) fn accept(
        &mut self,
        server: &mut Server,
        now: Instant,
        pending: PendingKey,
        guest: &Arc<Guest>,
    ) {
        self.decided(pending);
        let rooms = guest.take_reserved();
        let rooms: Vec<&str> = rooms.iter().map(|room| &**room).collect();
        let Ok(key) = server.accept(now, pending, &rooms) else {
            // The client went away first.
            return;
        };
        let Some(id) = server.id_of(key) else {
            return;
        };
        let state = Arc::new(SocketState {
            key,
            id,
            guest: Arc::clone(guest),
            inbox: Inbox::default(),
            left: OnceLock::new(),
        });
        self.sockets.insert(key, Arc::clone(&state));
        if !guest.setup.on_connect.is_empty() {
            // It always fits.
            _ = self.post(&state, Job::Connect);
        }
    }

    /// The application has decided on a client: its middleware ends by itself.
    pub(super) fn decided(&mut self, pending: PendingKey) {
        self.pending.remove(pending);
    }

    fn on_connecting(&mut self, context: &mut Context<'_, Server>, connecting: Connecting) {
        let Connecting {
            pending,
            session,
            namespace,
            auth,
        } = connecting;
        // Every namespace was added to both, and every connection was opened before.
        let namespace = self.namespaces.get(namespace);
        let Some((namespace, head)) = namespace.zip(self.sessions.get(session)) else {
            debug_assert!(false, "a client connects to what is known");
            return;
        };
        let setup = namespace.setup();
        let guest = Arc::new(Guest::new(head.clone(), auth, Arc::clone(namespace), setup));
        if guest.setup.middleware.is_empty() {
            self.accept(context.machine, context.now, pending, &guest);
            return;
        }
        let Some((link, runtime)) = self.link.upgrade().zip(self.runtime.as_ref()) else {
            return;
        };
        let task = self.tasks.spawn(runtime, admit(link, pending, guest));
        self.pending.insert(pending, task);
    }

    fn on_disconnected(
        &mut self,
        socket: SocketKey,
        reason: DisconnectReason,
        rooms: Box<[bytestring::ByteString]>,
    ) {
        let Some(state) = self.sockets.remove(socket) else {
            return;
        };
        // It is set here only, and a socket disconnects once.
        _ = state.left.set(Left { reason, rooms });
        // It always fits, and is there even without a handler: its task drops what the application
        // keeps with the socket.
        _ = self.post(&state, Job::Disconnect);
    }

    /// A connection opened.
    fn on_opened(&mut self, session: SessionKey, head: RequestInfo) {
        if self.runtime.is_none() {
            self.runtime = Handle::try_current().ok();
        }
        self.sessions.insert(session, head);
    }

    /// Gives a socket's task something to do, and starts one if there is none.
    fn post(&self, state: &Arc<SocketState>, job: Job) -> Result<(), Full> {
        if state.inbox.post(job, self.max_unhandled)? == Posted::Queued {
            return Ok(());
        }
        if let Some((link, runtime)) = self.link.upgrade().zip(self.runtime.as_ref()) {
            let socket = Socket::new(link, Arc::clone(state));
            self.tasks.spawn(runtime, drain(socket));
        }
        Ok(())
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
        if state.guest.setup.handler(args.name()).is_none() {
            return;
        }
        if self.post(state, Job::Event { args, reply }).is_err() {
            // Its handlers are too slow for what it sends. What follows would be out of order.
            context
                .machine
                .disconnect(context.now, To::Socket(socket), true);
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
                if let Some(entry) = self.acks.remove(ack) {
                    entry.on_done(outcome, missing);
                }
            }
            Event::Acked { ack, from, args } => {
                let from = self.sockets.get(from).map(|state| state.id);
                let entry = self.acks.remove(ack);
                if let Some(entry) = entry.and_then(|entry| entry.on_answer(from, args)) {
                    self.acks.insert(ack, entry);
                }
            }
            Event::Connecting(connecting) => self.on_connecting(context, *connecting),
            Event::Disconnected {
                socket,
                reason,
                rooms,
            } => self.on_disconnected(socket, reason, rooms),
            Event::Packet {
                socket,
                args,
                reply,
            } => self.on_packet(context, socket, args, reply),
            Event::SessionClosed { session, .. } => {
                self.sessions.remove(session);
            }
            Event::SessionOpened { session, request } => {
                if let Some(head) = context.take_request(request) {
                    self.on_opened(session, head);
                }
            }
            Event::Withdrawn { pending, .. } => {
                if let Some(task) = self.pending.remove(pending) {
                    task.abort();
                }
            }
            _ => {}
        }
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
