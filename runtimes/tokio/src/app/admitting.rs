//! Clients on their way in, as the machine tells of them.

use std::sync::{Arc, OnceLock};

use socketio_proto::{
    socket::{Connecting, PendingKey, Server},
    time::Instant,
};
use tokio::sync::{Notify, oneshot};

use super::{
    Candidate, Handshake,
    connecting::{NO_NAMESPACE, Withdrawal, admit, judge, judge_new, judge_unknown},
    dynamic::Waiting,
    handshake::Guest,
    inbox::Inbox,
    job::Job,
    link::Link,
    socket::SocketState,
    tables::Tables,
};
use crate::driver::Context;

impl Tables {
    pub(super) fn on_connecting(
        &mut self,
        context: &mut Context<'_, Server>,
        connecting: Connecting,
    ) {
        let Connecting {
            pending,
            session,
            namespace: name,
            known,
            auth,
            recovery,
        } = connecting;
        // Every connection was opened before.
        let Some(connection) = self.sessions.get(session) else {
            debug_assert!(false, "a client connects on a connection");
            return;
        };
        let handshake = Arc::new(Handshake::new(connection.head.clone(), auth));
        let namespace = known.and_then(|namespace| self.namespaces.get(namespace));
        let candidate = Candidate {
            name,
            handshake,
            recovery,
        };
        let Some(namespace) = namespace.cloned() else {
            self.on_unknown(context, pending, candidate);
            return;
        };
        if !namespace.is_told() {
            // What the application adds to it until then concerns this client, too.
            let Some((link, withdrawn)) = self.begin_waiting(pending) else {
                self.later.drop(candidate);
                return;
            };
            self.wait_for(pending, &namespace);
            let judging = judge_new(link.clone(), candidate, namespace);
            self.spawn(admit(link, pending, judging, withdrawn));
            return;
        }
        let Candidate {
            handshake,
            recovery,
            ..
        } = candidate;
        let guest = Arc::new(Guest::new(handshake, namespace, recovery));
        if guest.setup.middleware.is_empty() || self.skips_middleware(&guest) {
            self.accept(context.machine, context.now, pending, guest);
            return;
        }
        let Some((link, withdrawn)) = self.begin_waiting(pending) else {
            self.later.drop(guest);
            return;
        };
        self.wait_for(pending, &guest.namespace);
        self.spawn(admit(link, pending, judge(guest, false), withdrawn));
    }

    /// Whether a client passed the middleware before, which is enough.
    pub(super) fn skips_middleware(&self, guest: &Guest) -> bool {
        guest.is_recovered && self.recovering.skip_middlewares
    }

    /// A client asks for a namespace that does not exist.
    fn on_unknown(
        &mut self,
        context: &mut Context<'_, Server>,
        pending: PendingKey,
        candidate: Candidate,
    ) {
        if self.dynamic.patterns.is_empty() {
            let Context { machine, now, .. } = context;
            // It waits: it has just asked.
            _ = machine.refuse(*now, pending, NO_NAMESPACE, None);
            self.later.drop(candidate);
            return;
        }
        let Some((link, withdrawn)) = self.begin_waiting(pending) else {
            self.later.drop(candidate);
            return;
        };
        let judging = judge_unknown(link.clone(), pending, candidate, self.dynamic.patterns());
        self.spawn(admit(link, pending, judging, withdrawn));
    }

    /// A client waits for the application, until it is told to stop.
    fn begin_waiting(&mut self, pending: PendingKey) -> Option<(Link, oneshot::Receiver<()>)> {
        let link = self.link()?;
        let (withdrawal, withdrawn) = Withdrawal::new();
        self.pending.insert(pending, Waiting::new(withdrawal));
        Some((link, withdrawn))
    }

    /// Makes a client a socket, with its handlers in place before anything else can happen to it.
    pub(super) fn accept(
        &mut self,
        server: &mut Server,
        now: Instant,
        pending: PendingKey,
        guest: Arc<Guest>,
    ) {
        let rooms = guest.take_reserved();
        let rooms: Vec<&str> = rooms.iter().map(|room| &**room).collect();
        let accepted = server.accept(now, pending, &rooms).ok();
        let accepted = accepted.and_then(|key| {
            let (id, session) = (server.id_of(key)?, server.session_of(key)?);
            Some((key, id, session, server.namespace_key_of(key)?))
        });
        let Some((key, id, session, namespace)) = accepted else {
            // The client went away first, or it would be in one namespace too many.
            self.decided(pending);
            self.later.drop(guest);
            return;
        };
        guest.settle_data(server, key);
        self.open(namespace, &guest.namespace);
        self.decided(pending);
        let state = Arc::new(SocketState {
            key,
            session,
            id,
            guest,
            inbox: Inbox::new(self.limits.mark),
            left: OnceLock::new(),
            gone: Notify::new(),
        });
        self.sockets.insert(key, Arc::clone(&state));
        if !state.guest.setup.on_connect.is_empty() {
            // It always fits.
            _ = self.post(&state, Job::Connect);
        }
    }

    /// The application has decided on a client: its middleware ends by itself.
    pub(super) fn decided(&mut self, pending: PendingKey) {
        if let Some(withdrawal) = self.wait_no_more(pending) {
            self.later.drop(withdrawal);
        }
    }
}
