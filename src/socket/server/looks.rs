//! Questions to a server. They change nothing.

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;
use bytestring::ByteString;

use super::{Server, connection::Connection, rooming::member_of};
use crate::{
    edge::{Carrier, SessionKey, Stale},
    random::SessionId,
    socket::{
        config::Config,
        event::{NamespaceKey, SocketId, SocketKey},
        statistics::Statistics,
    },
    time::{Instant, UnixTime},
};

impl Server {
    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The wall-clock time at the origin of the caller's clock, as given.
    pub fn origin(&self) -> UnixTime {
        self.origin
    }

    /// The latest instant that an input carried.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A namespace that exists, by its exact name.
    pub fn namespace(&self, name: &str) -> Option<NamespaceKey> {
        let namespace = self.namespaces.find(name)?;
        self.namespaces.open(namespace).map(|_| namespace)
    }

    /// The name of a namespace.
    pub fn namespace_name(&self, namespace: NamespaceKey) -> Option<&ByteString> {
        self.namespaces.open(namespace).map(|it| &it.name)
    }

    /// The sockets of a connection, in the order of joining.
    pub fn sockets_of(&self, session: SessionKey) -> Vec<SocketKey> {
        let connection = self.connection(session);
        connection.map(Connection::sockets).unwrap_or_default()
    }

    /// The connection of a socket.
    pub fn session_of(&self, socket: SocketKey) -> Option<SessionKey> {
        self.sockets.get(socket).map(|socket| socket.session)
    }

    /// The namespace of a socket.
    pub fn namespace_key_of(&self, socket: SocketKey) -> Option<NamespaceKey> {
        self.sockets.get(socket).map(|socket| socket.namespace)
    }

    /// The public id of a socket.
    pub fn id_of(&self, socket: SocketKey) -> Option<SocketId> {
        self.sockets.get(socket).map(|socket| socket.id)
    }

    /// A socket of a namespace by its public id.
    pub fn socket(&self, namespace: NamespaceKey, id: &str) -> Option<SocketKey> {
        let key = *self.ids.get(&SocketId::from_text(id)?)?;
        (self.sockets.get(key)?.namespace == namespace).then_some(key)
    }

    /// The rooms of a socket, its own first, the others in the order of joining.
    pub fn rooms_of(&self, socket: SocketKey) -> Vec<ByteString> {
        let Some(state) = self.sockets.get(socket) else {
            return Vec::new();
        };
        let own = state
            .in_own_room
            .then(|| ByteString::from(state.id.as_str()));
        let rooms = self.rooms.rooms_of(member_of(socket));
        let names = rooms.filter_map(|room| self.rooms.name(room).cloned());
        own.into_iter().chain(names).collect()
    }

    /// What the application keeps with a socket; empty if it never set it.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the socket is gone.
    pub fn data_of(&self, socket: SocketKey) -> Result<Bytes, Stale> {
        let socket = self.sockets.get(socket).ok_or(Stale)?;
        Ok(socket.data.as_deref().cloned().unwrap_or_default())
    }

    /// Counts and gauges of this layer; those of the connections are
    /// [`Machine::statistics`](crate::edge::Machine::statistics).
    pub fn socket_statistics(&self) -> Statistics {
        Statistics {
            sockets: self.sockets.len(),
            pending: self.pending.len(),
            static_namespaces: self.namespaces.fixed(),
            dynamic_namespaces: self.namespaces.dynamic(),
            rooms: self.rooms.named(),
            acks: self.acks.len(),
            counters: self.counters,
            recovery: self
                .keeper
                .as_ref()
                .map_or_else(Default::default, |keeper| keeper.statistics()),
        }
    }

    /// How many sockets are in a namespace.
    pub fn count(&self, namespace: NamespaceKey) -> usize {
        let namespace = self.namespaces.get(namespace);
        namespace.map_or(0, |it| self.rooms.count(it.everyone))
    }

    /// Bytes that wait for a client, each packet counted with 64 bytes added.
    pub fn queued(&self, session: SessionKey) -> Option<usize> {
        self.sessions.queued(session)
    }

    /// What carries a connection now.
    pub fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.sessions.carrier(session)
    }

    /// The connection's id on the wire, a credential.
    pub fn session_id(&self, session: SessionKey) -> Option<SessionId> {
        self.sessions.id(session)
    }

    /// Keeps bytes with a socket, in the place of those that it kept before. They are the
    /// application's: the server does not look at them.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the socket is gone.
    pub fn set_data(&mut self, socket: SocketKey, data: Bytes) -> Result<(), Stale> {
        let socket = self.sockets.get_mut(socket).ok_or(Stale)?;
        socket.data = (!data.is_empty()).then(|| Box::new(data));
        Ok(())
    }
}
