//! Clients on their way into namespaces (Socket.IO reference, "CONNECT procedure").
//!
//! A pending CONNECT ends in exactly one of accepted, refused and withdrawn.

use alloc::boxed::Box;

use bytes::Bytes;

use super::{Pending, Server, Socket, connection::Member, incoming::violation, namespaces::scope};
use crate::{
    edge::{SessionKey, Stale},
    engine::{SendError, outbox::Outgoing, sessions::Fate},
    socket::{
        Data,
        decode::Received,
        encode,
        event::{
            Connecting, DisconnectReason, Event, NamespaceKey, PendingKey, SocketId, SocketKey,
            Violation, Withdrawal,
        },
    },
    time::Instant,
    trace::{Safe, tell},
};

impl Server {
    pub(super) fn on_connect(
        &mut self,
        session: SessionKey,
        received: Received,
    ) -> Result<(), DisconnectReason> {
        let Some(namespace) = self.namespaces.find(received.namespace()) else {
            let answer = encode::connect_error(received.namespace(), "Invalid namespace", None);
            self.send_protocol(session, answer);
            return Ok(());
        };
        let Some(connection) = self.connection(session) else {
            return Ok(());
        };
        if let Some(Member::Joined(_) | Member::Pending(_)) = connection.member(namespace) {
            return Err(violation(Violation::ConnectedTwice));
        }
        if connection.len() >= self.config.max_namespaces {
            let answer = encode::connect_error(received.namespace(), "too many namespaces", None);
            self.send_protocol(session, answer);
            return Ok(());
        }
        self.ask(session, namespace, received.into_data().unwrap_or_default());
        Ok(())
    }

    /// Asks the application.
    fn ask(&mut self, session: SessionKey, namespace: NamespaceKey, auth: Data) {
        let by = self.now + self.config.decision_timeout;
        let pending = self.pending.insert(
            self.out.outputs.taken(),
            Pending {
                session,
                namespace,
                by,
            },
        );
        self.deadlines.decisions.arm(self.now, pending);
        tell!(
            debug,
            "connect pending",
            session = session,
            pending = pending,
            namespace = namespace
        );
        if let Some(connection) = self.connection_mut(session) {
            connection.set(namespace, Member::Pending(pending));
        }
        self.out.tell(Event::Connecting(Box::new(Connecting {
            pending,
            session,
            namespace,
            auth,
        })));
    }

    /// Lets a client in: it gets its answer, joins the given rooms, and is a socket from now on.
    ///
    /// Whatever is emitted to it afterwards follows the answer.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the CONNECT was withdrawn or decided before.
    pub fn accept(
        &mut self,
        now: Instant,
        pending: PendingKey,
        rooms: &[&str],
    ) -> Result<SocketKey, Stale> {
        self.advance(now);
        let &Pending {
            session, namespace, ..
        } = self.pending.get(pending).ok_or(Stale)?;
        let id = SocketId(self.sessions.random.id());
        let answer = encode::connect_answer(self.name_of(namespace), id.as_str());
        if self.send_control(session, answer).is_err() {
            // The client takes no more: its connection closed, which withdraws the CONNECT.
            self.settle();
            return Err(Stale);
        }
        self.pending.remove(pending);
        let socket = self.add_socket(id, session, namespace);
        tell!(
            debug,
            "connect accepted",
            pending = pending,
            socket = socket
        );
        for room in rooms {
            self.join_room(socket, member_of(socket), namespace, room);
        }
        self.settle();
        Ok(socket)
    }

    fn add_socket(
        &mut self,
        id: SocketId,
        session: SessionKey,
        namespace: NamespaceKey,
    ) -> SocketKey {
        let socket = self.sockets.insert(
            self.out.outputs.taken(),
            Socket {
                id,
                session,
                namespace,
                in_own_room: true,
                acks: alloc::collections::BTreeMap::new(),
            },
        );
        self.ids.insert(id, socket);
        let index = socket.index();
        if self.routes.len() <= index {
            self.routes.resize(index + 1, None);
        }
        if let Some(route) = self.routes.get_mut(index) {
            *route = Some(session);
        }
        if let Some(namespace) = self.namespaces.get(namespace) {
            self.rooms.enter(member_of(socket), namespace.everyone);
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
            session, namespace, ..
        } = self.pending.remove(pending).ok_or(Stale)?;
        if let Some(connection) = self.connection_mut(session) {
            connection.remove(namespace);
        }
        let answer = encode::connect_error(self.name_of(namespace), message, data);
        self.send_protocol(session, answer);
        Ok(())
    }

    /// Ends a pending CONNECT that nobody waits for any more.
    pub(super) fn withdraw(&mut self, pending: PendingKey, reason: Withdrawal) {
        tell!(
            debug,
            "connect withdrawn",
            pending = pending,
            reason = Safe(reason)
        );
        self.out.tell(Event::Withdrawn { pending, reason });
        self.pending.remove(pending);
    }

    fn name_of(&self, namespace: NamespaceKey) -> &str {
        let namespace = self.namespaces.get(namespace);
        namespace.map_or("/", |namespace| &namespace.name)
    }

    fn send_control(&mut self, session: SessionKey, text: Bytes) -> Result<Fate, SendError> {
        let packet = Outgoing::vital(text);
        self.sessions.send(session, packet, false, &mut self.out)
    }

    /// Sends a packet of the protocol itself. A connection that takes no more is closing: its
    /// notice says so.
    pub(super) fn send_protocol(&mut self, session: SessionKey, text: Bytes) {
        _ = self.send_control(session, text);
    }

    /// Puts a socket into rooms; being in one already is no error.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the socket is gone.
    pub fn join(&mut self, socket: SocketKey, rooms: &[&str]) -> Result<(), Stale> {
        let namespace = self.sockets.get(socket).ok_or(Stale)?.namespace;
        for room in rooms {
            self.join_room(socket, member_of(socket), namespace, room);
        }
        Ok(())
    }

    fn join_room(&mut self, socket: SocketKey, member: u32, namespace: NamespaceKey, room: &str) {
        if let Some(socket) = self.sockets.get_mut(socket)
            && socket.id.as_str() == room
        {
            socket.in_own_room = true;
            return;
        }
        self.rooms.join(member, scope(namespace), room);
    }

    /// Takes a socket out of a room; not being in it is no error.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the socket is gone.
    pub fn leave(&mut self, socket: SocketKey, room: &str) -> Result<(), Stale> {
        let state = self.sockets.get_mut(socket).ok_or(Stale)?;
        if state.id.as_str() == room {
            state.in_own_room = false;
            return Ok(());
        }
        if let Some(room) = self.rooms.find(scope(state.namespace), room) {
            self.rooms.leave(member_of(socket), room);
        }
        Ok(())
    }
}

/// A socket in the index of rooms.
pub(super) fn member_of(socket: SocketKey) -> u32 {
    u32::try_from(socket.index()).expect("an index of a key fits")
}
