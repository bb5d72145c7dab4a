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
            AcceptError, Connecting, DisconnectReason, Event, NamespaceKey, PendingKey, SocketId,
            SocketKey, Violation, Withdrawal,
        },
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
        // Not a slice of what was received: it may live long.
        let known = known.and_then(|namespace| self.namespaces.get(namespace));
        let name = known.map_or_else(|| ByteString::from(name), |it| it.name.clone());
        self.ask(session, name, received.into_data().unwrap_or_default());
        Ok(())
    }

    /// Asks the application.
    fn ask(&mut self, session: SessionKey, name: ByteString, auth: Data) {
        let by = self.now + self.config.decision_timeout;
        let taken = self.out.outputs.taken();
        let namespace = self
            .namespaces
            .wait_for(taken, name.clone(), &mut self.rooms);
        let pending = self.pending.insert(
            taken,
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
            connection.forget_left(&name);
            connection.set(namespace, Member::Pending(pending));
        }
        let known = self.namespaces.open(namespace).map(|_| namespace);
        self.out.tell(Event::Connecting(Box::new(Connecting {
            pending,
            session,
            namespace: name,
            known,
            auth,
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
        let id = SocketId(self.sessions.random.id());
        let answer = encode::connect_answer(self.name_of(namespace), id.as_str());
        // A client that takes no more is closing, which withdraws the CONNECT.
        self.send_control(session, answer)
            .map_err(|_| AcceptError::Stale)?;
        self.pending.remove(pending);
        if let Some(name) = self.namespaces.begin(namespace) {
            self.out.tell(Event::NamespaceOpened { namespace, name });
        }
        let socket = self.add_socket(id, session, namespace);
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

    fn add_socket(
        &mut self,
        id: SocketId,
        session: SessionKey,
        namespace: NamespaceKey,
    ) -> SocketKey {
        let stamp = self.stamp();
        let socket = self.sockets.insert(
            self.out.outputs.taken(),
            Socket {
                id,
                session,
                namespace,
                in_own_room: false,
                acks: BTreeMap::new(),
                data: None,
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
            self.rooms
                .enter(member_of(socket), namespace.everyone, stamp);
        }
        if let Some(connection) = self.connection_mut(session) {
            connection.set(namespace, Member::Joined(socket));
        }
        self.join_room(socket, id.as_str());
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
        self.counters.refused += 1;
        let answer = encode::connect_error(self.name_of(namespace), message, data);
        self.send_protocol(session, answer);
        self.namespaces.wait_no_more(namespace, &mut self.rooms);
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
        let Some(Pending {
            session, namespace, ..
        }) = self.pending.remove(pending)
        else {
            return;
        };
        if let Some(connection) = self.connection_mut(session) {
            connection.remove(namespace);
        }
        self.counters.withdrawn += 1;
        self.namespaces.wait_no_more(namespace, &mut self.rooms);
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
}
