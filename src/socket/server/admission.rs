//! Clients on their way into namespaces (Socket.IO reference, "CONNECT procedure").
//!
//! A pending CONNECT ends in exactly one of accepted, refused and withdrawn.

use alloc::{boxed::Box, collections::BTreeMap};

use bytes::Bytes;
use bytestring::ByteString;

use super::{Pending, Server, Socket, connection::Member, incoming::violation, rooming::member_of};
use crate::{
    edge::{SessionKey, Stale},
    engine::{SendError, outbox::Outgoing, sessions::Fate},
    socket::{
        Data,
        decode::Received,
        encode,
        event::{
            AcceptError, Connecting, DisconnectReason, Event, NamespaceKey, PendingKey, Recovery,
            SocketId, SocketKey, Violation, Withdrawal,
        },
        recovery::Trail,
    },
    time::Instant,
    trace::{Safe, tell},
};

/// What a client is told that would be one too many in a namespace of its own.
const TOO_MANY: &str = "too many namespaces";

impl Server {
    pub(super) fn on_connect(
        &mut self,
        session: SessionKey,
        received: Received,
    ) -> Result<(), DisconnectReason> {
        let name = received.namespace();
        let Some(connection) = self.connection(session) else {
            return Ok(());
        };
        let known = self.namespaces.find(name);
        if known.is_some_and(|namespace| connection.member(namespace).is_some()) {
            return Err(violation(Violation::ConnectedTwice));
        }
        let is_open = known.is_some_and(|namespace| self.namespaces.open(namespace).is_some());
        let refusal = if !is_open && !self.config.dynamic.ask {
            Some("Invalid namespace")
        } else if connection.len() >= self.config.max_namespaces
            || (!is_open && self.namespaces.dynamic() >= self.config.dynamic.most)
        {
            Some(TOO_MANY)
        } else {
            None
        };
        if let Some(message) = refusal {
            let answer = encode::connect_error(name, message, None);
            self.counters.refused += 1;
            self.send_protocol(session, answer);
            return Ok(());
        }
        let name = ByteString::from(name);
        self.begin(session, &name, received.into_data().unwrap_or_default());
        Ok(())
    }

    /// A client waits: it is found out whether it comes back, then the application is asked.
    fn begin(&mut self, session: SessionKey, name: &str, auth: Data) {
        let taken = self.out.outputs.taken();
        let namespace = self.namespaces.wait_for(taken, name, &mut self.rooms);
        let pending = self.pending.insert(
            taken,
            Pending {
                session,
                namespace,
                by: Instant::MAX,
                returns: None,
            },
        );
        tell!(
            debug,
            "connect pending",
            session = session,
            pending = pending,
            namespace = namespace
        );
        if let Some(connection) = self.connection_mut(session) {
            connection.forget_left(name);
            connection.set(namespace, Member::Pending(pending));
        }
        self.find_out(pending, auth);
    }

    /// Asks the application.
    pub(super) fn ask(&mut self, pending: PendingKey, auth: Data, recovery: Recovery) {
        let by = self.now + self.config.decision_timeout;
        let Some(state) = self.pending.get_mut(pending) else {
            return;
        };
        state.by = by;
        let (session, namespace) = (state.session, state.namespace);
        self.deadlines.decisions.arm(self.now, pending);
        let Some(record) = self.namespaces.get(namespace) else {
            return;
        };
        let known = record.is_open().then_some(namespace);
        let namespace = record.name.clone();
        self.out.tell(Event::Connecting(Box::new(Connecting {
            pending,
            session,
            namespace,
            known,
            auth,
            recovery,
        })));
    }

    /// Lets a client in: it gets its answer, joins the given rooms, and is a socket from now on. If
    /// its namespace does not exist, it does from now on.
    ///
    /// Whatever is emitted to it afterwards follows the answer.
    ///
    /// # Errors
    ///
    /// [`AcceptError::Stale`] if the CONNECT was withdrawn or decided before;
    /// [`AcceptError::TooManyNamespaces`] if it would make one dynamic namespace too many: then the
    /// client was refused.
    pub fn accept(
        &mut self,
        now: Instant,
        pending: PendingKey,
        rooms: &[&str],
    ) -> Result<SocketKey, AcceptError> {
        self.advance(now);
        let socket = self.let_in(pending, rooms);
        self.settle();
        socket
    }

    fn let_in(&mut self, pending: PendingKey, rooms: &[&str]) -> Result<SocketKey, AcceptError> {
        let &Pending {
            session, namespace, ..
        } = self.pending.get(pending).ok_or(AcceptError::Stale)?;
        let limit = self.config.dynamic.most;
        if self.namespaces.open(namespace).is_none() && self.namespaces.dynamic() >= limit {
            // It is there: it was just found.
            _ = self.turn_away(pending, TOO_MANY, None);
            return Err(AcceptError::TooManyNamespaces { limit });
        }
        let returns = self
            .pending
            .get_mut(pending)
            .and_then(|it| it.returns.take());
        let socket = match returns {
            Some(returns) => self.restore(pending, session, namespace, *returns)?,
            None => self.add_new(session, namespace)?,
        };
        self.pending.remove(pending);
        self.namespaces.wait_no_more(namespace, &mut self.rooms);
        self.counters.accepted += 1;
        tell!(
            debug,
            "connect accepted",
            pending = pending,
            socket = socket
        );
        for room in rooms {
            self.join_room(socket, room);
        }
        Ok(socket)
    }

    /// Makes a socket that was none before.
    fn add_new(
        &mut self,
        session: SessionKey,
        namespace: NamespaceKey,
    ) -> Result<SocketKey, AcceptError> {
        let id = SocketId(self.sessions.random.id());
        let trail = self.begin_trail();
        let pid = trail.as_ref().map(|trail| trail.pid);
        let name = self.name_of(namespace);
        let answer = encode::connect_answer(name, id.as_str(), pid.as_ref());
        // A client that takes no more is closing, which withdraws the CONNECT.
        self.send_control(session, answer)
            .map_err(|_| AcceptError::Stale)?;
        let socket = self.add_socket(id, session, namespace, trail);
        self.join_room(socket, id.as_str());
        Ok(socket)
    }

    /// Makes a socket; its namespace exists from now on.
    pub(super) fn add_socket(
        &mut self,
        id: SocketId,
        session: SessionKey,
        namespace: NamespaceKey,
        trail: Option<Box<Trail>>,
    ) -> SocketKey {
        if let Some(name) = self.namespaces.begin(namespace) {
            self.out.tell(Event::NamespaceOpened { namespace, name });
        }
        let stamp = self.stamp();
        let pid = trail.as_ref().map(|trail| trail.pid);
        let socket = self.sockets.insert(
            self.out.outputs.taken(),
            Socket {
                id,
                session,
                namespace,
                in_own_room: false,
                acks: BTreeMap::new(),
                data: None,
                trail,
            },
        );
        if let (Some(keeper), Some(pid)) = (&mut self.keeper, pid) {
            keeper.live.insert(pid, socket);
        }
        self.ids.insert(id, socket);
        let index = socket.index();
        if self.routes.len() <= index {
            self.routes.resize(index + 1, None);
        }
        if let Some(route) = self.routes.get_mut(index) {
            *route = Some(session);
        }
        if let Some(namespace) = self.namespaces.get(namespace) {
            self.rooms
                .enter(member_of(socket), namespace.everyone, stamp);
        }
        if let Some(connection) = self.connection_mut(session) {
            connection.set(namespace, Member::Joined(socket));
        }
        socket
    }

    /// Turns a client away with a message, and data for its error handler. It may ask again.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the CONNECT was withdrawn or decided before.
    pub fn refuse(
        &mut self,
        now: Instant,
        pending: PendingKey,
        message: &str,
        data: Option<&Data>,
    ) -> Result<(), Stale> {
        self.advance(now);
        let done = self.turn_away(pending, message, data);
        if done.is_ok() {
            tell!(debug, "connect refused", pending = pending);
        }
        self.settle();
        done
    }

    pub(super) fn turn_away(
        &mut self,
        pending: PendingKey,
        message: &str,
        data: Option<&Data>,
    ) -> Result<(), Stale> {
        let Pending {
            session,
            namespace,
            returns,
            ..
        } = self.pending.remove(pending).ok_or(Stale)?;
        self.give_up(pending, returns);
        if let Some(connection) = self.connection_mut(session) {
            connection.remove(namespace);
        }
        self.counters.refused += 1;
        let answer = encode::connect_error(self.name_of(namespace), message, data);
        self.send_protocol(session, answer);
        self.namespaces.wait_no_more(namespace, &mut self.rooms);
        Ok(())
    }

    /// Ends a pending CONNECT that nobody waits for any more.
    pub(super) fn withdraw(&mut self, pending: PendingKey, reason: Withdrawal) {
        let Some(state) = self.pending.get_mut(pending) else {
            return;
        };
        let (session, namespace) = (state.session, state.namespace);
        let returns = state.returns.take();
        if self.give_up(pending, returns) {
            tell!(
                debug,
                "connect withdrawn",
                pending = pending,
                reason = Safe(reason)
            );
            self.out.tell(Event::Withdrawn { pending, reason });
        }
        self.pending.remove(pending);
        if let Some(connection) = self.connection_mut(session) {
            connection.remove(namespace);
        }
        self.counters.withdrawn += 1;
        self.namespaces.wait_no_more(namespace, &mut self.rooms);
    }

    pub(super) fn name_of(&self, namespace: NamespaceKey) -> &str {
        let namespace = self.namespaces.get(namespace);
        namespace.map_or("/", |namespace| &namespace.name)
    }

    pub(super) fn send_control(
        &mut self,
        session: SessionKey,
        text: Bytes,
    ) -> Result<Fate, SendError> {
        let packet = Outgoing::vital(text);
        self.sessions.send(session, packet, false, &mut self.out)
    }

    /// Sends a packet of the protocol itself. A connection that takes no more is closing: its
    /// notice says so.
    pub(super) fn send_protocol(&mut self, session: SessionKey, text: Bytes) {
        _ = self.send_control(session, text);
    }
}
