//! One client in one namespace.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytestring::ByteString;
use socketio_proto::{
    edge::SessionKey,
    socket::{DisconnectReason, Sent, SocketId, SocketKey, To},
};
use tokio::sync::Notify;

use super::{
    Arguments, Broadcast, Disconnected, EmitError, EmitWithAck, Emitter, Handshake, Io, Namespace,
    Rooms, handshake::Guest, inbox::Inbox, link::Link, packet::Flags,
};

/// One client in one namespace.
///
/// It is a handle: a clone is the same socket, two are equal if they are the same, and it may
/// outlive the client's connection. Sending then fails.
#[derive(Clone)]
pub struct Socket {
    link: Link,
    state: Arc<SocketState>,
}

/// How much waits for a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pressure {
    /// Bytes that waited then, each packet counted with 64 bytes added.
    pub queued: usize,
    /// Whether that is above `high_water` of the configuration; otherwise it is down at `low_water`
    /// again.
    pub is_high: bool,
}

/// What is kept of a socket beside the machine.
#[derive(Debug)]
pub(crate) struct SocketState {
    pub(crate) key: SocketKey,
    pub(crate) session: SessionKey,
    pub(crate) id: SocketId,
    pub(crate) guest: Arc<Guest>,
    pub(crate) inbox: Inbox,
    /// Set once it is gone.
    pub(crate) left: OnceLock<Left>,
    /// Tells those who wait for that.
    pub(crate) gone: Notify,
}

/// How a socket went.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) reason: DisconnectReason,
    pub(crate) rooms: Box<[ByteString]>,
}

impl Socket {
    pub(super) fn new(link: Link, state: Arc<SocketState>) -> Self {
        Self { link, state }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn state(&self) -> &Arc<SocketState> {
        &self.state
    }

    pub(super) fn as_target(&self) -> To<'static> {
        To::Socket(self.state.key)
    }

    pub(super) fn broadcast_with(&self, flags: Flags) -> Broadcast<'_> {
        let namespace = &self.state.guest.namespace;
        Broadcast::new(&self.link, namespace, Some(self.state.id), flags)
    }

    /// Its handlers have caught up: what the client sends is wanted again.
    pub(super) fn read_on(&self) {
        let session = self.state.session;
        self.link
            .try_with(|server, tables, now| tables.read_on(server, now, session));
    }

    /// The public id: random, unrelated to the connection's secrets, and safe to show to others.
    pub fn id(&self) -> SocketId {
        self.state.id
    }

    /// The namespace.
    pub fn namespace(&self) -> Namespace {
        Namespace::new(self.link.clone(), Arc::clone(&self.state.guest.namespace))
    }

    /// The server.
    pub fn io(&self) -> Io {
        Io::from_link(&self.link)
    }

    /// How the client connected.
    pub fn handshake(&self) -> &Handshake {
        &self.state.guest.handshake
    }

    /// Whether the client has come back to a connection that it lost: the socket has the id, the
    /// rooms and the [`data`](Self::data) that it had, and the client was sent what it missed. See
    /// [`IoBuilder::recovery`](super::IoBuilder::recovery).
    pub fn recovered(&self) -> bool {
        self.state.guest.is_recovered
    }

    /// Bytes that wait for the client on its connection, each packet counted with 64 bytes added.
    /// 0 once it is gone.
    pub fn queued(&self) -> usize {
        let session = self.state.session;
        let queued = self.link.with(|server, _, _| server.queued(session));
        queued.unwrap_or_default()
    }

    /// Whether the client is still here. It may be gone in the next moment.
    pub fn is_connected(&self) -> bool {
        self.state.left.get().is_none()
    }

    /// Why the client is gone, once it is.
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.state.left.get().map(|left| left.reason)
    }

    /// Waits until the client is gone; says why. At once if it is gone already.
    ///
    /// Any number of tasks may wait, on any runtime; one that stops waiting leaves nothing behind.
    /// Handlers of the disconnection may still run. If the server is stopped by a panic, the reason
    /// is [`ServerShutdown`](DisconnectReason::ServerShutdown).
    ///
    /// ```
    /// # async fn example(socket: socketio_tokio::Socket) {
    /// use std::time::Duration;
    ///
    /// // Every second, as long as the client is here.
    /// let mut clock = tokio::time::interval(Duration::from_secs(1));
    /// let reason = loop {
    ///     tokio::select! {
    ///         reason = socket.closed() => break reason,
    ///         _ = clock.tick() => { _ = socket.volatile().emit("tick", ()); }
    ///     }
    /// };
    /// println!("left: {}", reason.as_str());
    /// # }
    /// ```
    pub async fn closed(&self) -> DisconnectReason {
        loop {
            // From its making on it misses nothing.
            let gone = self.state.gone.notified();
            if let Some(reason) = self.disconnect_reason() {
                return reason;
            }
            gone.await;
        }
    }

    /// Sends an event to the client.
    ///
    /// [`Arguments`] are a tuple, one element for each: a single one is `(value,)`, none is `()`. Or
    /// they are a list, each element an argument: a list as one argument is `(list,)`. Bytes at any
    /// depth travel as attachments: use [`Binary`](crate::Binary). Received [`Args`](crate::Args) are
    /// forwarded as they came. The event waits for a client that cannot take it at once, up to
    /// [`max_queued`] bytes, 32 MiB.
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded, when the socket is gone, and when too much waits for the
    /// client already, which closes its connection unless [`overflow`] of the configuration says
    /// something else.
    ///
    /// [`max_queued`]: socketio_proto::engine::ConfigBuilder::max_queued
    /// [`overflow`]: socketio_proto::engine::ConfigBuilder::overflow
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<Sent, EmitError> {
        Emitter::new(self).emit(event, args)
    }

    /// Sends an event to the client and waits for its answer.
    ///
    /// ```
    /// # async fn example(socket: socketio_tokio::Socket) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// // const answer = await socket.timeout(5000).emitWithAck("question", 1);
    /// let answer = socket.emit_with_ack("question", (1,)).timeout(Duration::from_secs(5)).await?;
    /// let (text,): (String,) = answer.parse()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is sent when it is awaited, and not before; `into_future()` sends it at once and gives the
    /// answer, to be waited for later. So some of many can be on their way at a time:
    ///
    /// ```
    /// # async fn example(
    /// #     socket: socketio_tokio::Socket,
    /// #     chunks: Vec<u32>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::collections::VecDeque;
    ///
    /// let mut window = VecDeque::new();
    /// for chunk in chunks {
    ///     window.push_back(socket.emit_with_ack("chunk", (chunk,)).into_future());
    ///     if window.len() == 8
    ///         && let Some(oldest) = window.pop_front()
    ///     {
    ///         oldest.await?;
    ///     }
    /// }
    /// for rest in window {
    ///     rest.await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// An event that asks for an answer is not kept for a client that lost its connection: see
    /// [`IoBuilder::recovery`](super::IoBuilder::recovery).
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit), when the client owes too many answers, when the answer does not
    /// come in time, and when the client disconnects first.
    pub fn emit_with_ack(&self, event: &str, args: impl Arguments) -> EmitWithAck<'_> {
        Emitter::new(self).emit_with_ack(event, args)
    }

    /// Sends the next event only if it can leave at once.
    pub fn volatile(&self) -> Emitter<'_> {
        Emitter::new(self).volatile()
    }

    /// Says whether the next event may be compressed; it may by default.
    pub fn compress(&self, allowed: bool) -> Emitter<'_> {
        Emitter::new(self).compress(allowed)
    }

    /// Waits at most this long for the next answer.
    pub fn timeout(&self, span: Duration) -> Emitter<'_> {
        Emitter::new(self).timeout(span)
    }

    /// Sends to the members of these rooms, this socket left out.
    pub fn to<'a>(&'a self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.broadcast().to(rooms)
    }

    /// Sends to everybody in the namespace but this socket and the members of these rooms.
    pub fn except<'a>(&'a self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.broadcast().except(rooms)
    }

    /// Sends to everybody in the namespace but this socket.
    pub fn broadcast(&self) -> Broadcast<'_> {
        self.broadcast_with(Flags::default())
    }

    /// Joins rooms. Being in one already is no error.
    ///
    /// # Errors
    ///
    /// [`Disconnected`] if the socket is gone.
    pub fn join<'a>(&self, rooms: impl Rooms<'a>) -> Result<(), Disconnected> {
        let rooms = rooms.names();
        let join = self
            .link
            .with(|server, _, _| server.join(self.state.key, &rooms));
        Ok(join?)
    }

    /// Leaves rooms. Not being in one is no error.
    ///
    /// # Errors
    ///
    /// [`Disconnected`] if the socket is gone.
    pub fn leave<'a>(&self, rooms: impl Rooms<'a>) -> Result<(), Disconnected> {
        let rooms = rooms.names();
        let leave = self.link.with(|server, _, _| {
            let mut rooms = rooms.iter();
            rooms.try_for_each(|room| server.leave(self.state.key, room))
        });
        Ok(leave?)
    }

    /// The rooms it is in, the one named after its id first, the others in the order of joining.
    ///
    /// Once the socket is gone, the rooms it was in then, so that a handler of the disconnection
    /// can tell them.
    pub fn rooms(&self) -> Vec<String> {
        // Under the lock, so that it does not go in between.
        let rooms = self.link.with(|server, _, _| match self.state.left.get() {
            Some(left) => left.rooms.to_vec(),
            None => server.rooms_of(self.state.key),
        });
        rooms.into_iter().map(String::from).collect()
    }

    /// Disconnects the client from the namespace or, with `close`, closes its whole connection,
    /// which ends its sockets in other namespaces, too. A socket that is gone is left as it is.
    ///
    /// What was emitted before arrives first, also with `close`. What is sent after it does not: not
    /// even the [`Ack`](super::Ack) of the handler that called it. Official clients do not come back by
    /// themselves, and no recovery brings them back.
    pub fn disconnect(&self, close: bool) {
        let target = self.as_target();
        self.link
            .with(|server, _, now| server.disconnect(now, target, close));
    }

    /// Keeps a value of any type with the socket and gives the value of this type that was there.
    ///
    /// It stays in this process, and lives until the last handle of the socket is dropped, so that
    /// handlers of the disconnection have it, too. A client whose connection is recovered comes
    /// without it. What it shall have again is kept by [`set_data`](Self::set_data).
    ///
    /// ```
    /// # fn example(socket: socketio_tokio::Socket) {
    /// struct Username(String);
    ///
    /// // socket.data.username = "alice";
    /// socket.insert(Username("alice".to_owned()));
    /// let name = socket.get::<Username>();
    /// # }
    /// ```
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        self.state.guest.data.insert(value)
    }

    /// The value of this type that is kept with the socket.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.state.guest.data.get()
    }

    /// Takes the value of this type away from the socket.
    pub fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.state.guest.data.remove()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .field("namespace", &self.state.guest.namespace.name)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for Socket {}

impl Hash for Socket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}
