//! The ends of sockets and connections (Socket.IO reference, "Disconnection flows").

use alloc::vec::Vec;

use super::{
    Server,
    connection::{Connection, Member},
    incoming::{Standing, violation},
};
use crate::{
    edge::SessionKey,
    engine::CloseReason,
    socket::{
        decode::Received,
        encode,
        event::{
            DisconnectReason, Event, NamespaceKey, SocketKey, To, Violation, Withdrawal,
            boxed_names,
        },
    },
    time::Instant,
    trace::{Safe, tell},
};

impl Server {
    /// A client leaves a namespace, or takes its CONNECT back.
    pub(super) fn on_disconnect(
        &mut self,
        session: SessionKey,
        received: &Received,
    ) -> Result<(), DisconnectReason> {
        match self.standing(session, received.namespace()) {
            Standing::Joined(socket) => {
                self.remove_socket(socket, DisconnectReason::ClientLeft);
                self.arm_idle(session);
            }
            // It crossed the server's own disconnect packet.
            Standing::Left => {}
            Standing::Pending(pending) => {
                self.withdraw(pending, Withdrawal::Client(DisconnectReason::ClientLeft));
            }
            Standing::Stranger => return Err(violation(Violation::NotJoined)),
        }
        Ok(())
    }

    /// The connection under some sockets closed.
    pub(super) fn on_closed(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        received: Instant,
    ) {
        if let Some(connection) = self.connection_mut(session) {
            connection.received = received;
        }
        self.clear_connection(session, DisconnectReason::Connection(reason));
        if let Some(connection) = self.connection_mut(session) {
            connection.disown();
        }
        self.out.tell(Event::SessionClosed { session, reason });
    }

    /// Closes a connection whose client broke a rule: its sockets go at once, with the reason.
    pub(super) fn fail(&mut self, session: SessionKey, reason: DisconnectReason) {
        self.clear_connection(session, reason);
        let forced = CloseReason::ForcedClose;
        self.sessions.close(session, forced, &mut self.out);
    }

    /// Ends every socket and pending CONNECT of a connection, in the order of joining.
    pub(super) fn clear_connection(&mut self, session: SessionKey, reason: DisconnectReason) {
        let Some(connection) = self.connection_mut(session) else {
            return;
        };
        for (_, member) in connection.clear() {
            match member {
                Member::Joined(socket) => self.remove_socket(socket, reason),
                Member::Pending(pending) => self.withdraw(pending, Withdrawal::Client(reason)),
            }
        }
    }

    /// Disconnects sockets: each client is told. With `close`, their whole connections close, and
    /// every socket on them ends. Stale keys are ignored.
    pub fn disconnect(&mut self, now: Instant, to: To<'_>, close: bool) {
        self.advance(now);
        let sockets: Vec<SocketKey> = self.members(to);
        for socket in sockets {
            let Some(session) = self.session_of(socket) else {
                continue;
            };
            if close {
                self.kick_connection(session);
            } else {
                self.kick(socket);
            }
        }
        self.settle();
    }

    /// Disconnects every socket of a connection and closes it in order.
    fn kick_connection(&mut self, session: SessionKey) {
        let sockets = self.connection(session).map(Connection::sockets);
        for socket in sockets.unwrap_or_default() {
            self.kick(socket);
        }
        self.fail(session, DisconnectReason::ServerKicked);
    }

    fn kick(&mut self, socket: SocketKey) {
        let Some(state) = self.sockets.get(socket) else {
            return;
        };
        let session = state.session;
        if let Some(namespace) = self.namespace_of(state) {
            let name = namespace.name.clone();
            let packet = encode::disconnect(&name);
            self.send_protocol(session, packet);
            let (now, until) = (self.now, self.now + self.deadlines.silence.span());
            if let Some(connection) = self.connection_mut(session) {
                connection.note_left(name, until, now);
            }
        }
        self.remove_socket(socket, DisconnectReason::ServerKicked);
        self.arm_idle(session);
    }

    /// Ends every socket and pending CONNECT of a connection because the server stops, and closes
    /// it in order.
    pub(super) fn shut_down(&mut self, session: SessionKey) {
        self.clear_connection(session, DisconnectReason::ServerShutdown);
        let reason = CloseReason::ServerShutdown;
        self.sessions.close(session, reason, &mut self.out);
        self.settle();
    }

    /// Removes a socket, tells the application which rooms it was in, and settles what it owed.
    fn remove_socket(&mut self, socket: SocketKey, reason: DisconnectReason) {
        let Some(state) = self.sockets.get(socket) else {
            return;
        };
        let (session, namespace, id) = (state.session, state.namespace, state.id);
        self.keep_socket(socket, reason);
        let rooms = self.take_rooms(socket);
        tell!(
            debug,
            "socket disconnected",
            socket = socket,
            reason = Safe(reason)
        );
        self.out.tell(Event::Disconnected {
            socket,
            reason,
            rooms: boxed_names(rooms),
        });
        let Some(state) = self.sockets.remove(socket) else {
            return;
        };
        self.ids.remove(&id);
        if let Some(route) = self.routes.get_mut(socket.index()) {
            *route = None;
        }
        if let Some(connection) = self.connection_mut(session) {
            connection.remove(namespace);
        }
        self.release_acks(&state.acks);
        self.counters.disconnected += 1;
        self.end_if_empty(namespace);
    }

    /// Ends a dynamic namespace if nobody is in it, nor away from it.
    fn end_if_empty(&mut self, namespace: NamespaceKey) {
        let keeper = self.keeper.as_ref();
        let name = self.namespaces.get(namespace).map(|it| &it.name);
        let is_missed = keeper
            .zip(name)
            .is_some_and(|(keeper, name)| keeper.is_missed(name));
        if !self.config.dynamic.keep_empty
            && !is_missed
            && let Some(name) = self.namespaces.end_if_empty(namespace, &mut self.rooms)
        {
            self.out.tell(Event::NamespaceClosed { namespace, name });
        }
    }

    /// Ends the dynamic namespaces from which nobody is away any more.
    pub(super) fn end_deserted(&mut self) {
        while let Some(keeper) = &mut self.keeper
            && let Some(name) = keeper.next_deserted()
        {
            if let Some(namespace) = self.namespaces.find(&name) {
                self.end_if_empty(namespace);
            }
        }
    }

    /// A connection that is in no namespace any more must join one again in time.
    fn arm_idle(&mut self, session: SessionKey) {
        let Some(connection) = self.connection(session) else {
            return;
        };
        if connection.idle_by.is_some() || connection.is_joined_anywhere() {
            return;
        }
        let idle_by = self.deadlines.idle.arm(self.now, session);
        if let Some(connection) = self.connection_mut(session) {
            connection.idle_by = Some(idle_by);
        }
    }
}
