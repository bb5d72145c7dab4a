//! A namespace: what its clients may do, and sending to all of them.

use std::{fmt, sync::Arc, time::Duration};

use socketio_proto::socket::{Args, DisconnectReason, Sent};

use super::{
    Arguments, Broadcast, BroadcastWithAck, Connecting, EmitError, EventHandler, HandlerError, Io,
    Pressure, Refusal, Rooms, Socket, SyncEventHandler, handler,
    link::Link,
    namespace_state::NamespaceState,
    outcome::Finish,
    packet::Flags,
    setup::{Setup, check_event},
};

/// A namespace of a server.
///
/// It is a handle: a clone is the same namespace. One that was made on demand, by a
/// [`Pattern`](super::Pattern), is gone with its last client: sending to it is an error then, and a
/// namespace that is made under the same name later is another. Handlers that are added concern clients that
/// connect from then on; a client that is here keeps those it came with.
///
/// Handlers of one socket run one after the other, in the order of what happened: first those of
/// its connection, then those of its events as they came, at last those of its disconnection.
/// Handlers of different sockets run at the same time. Answers that a handler waits for do not
/// stand in this line, so it may await its own client.
///
/// A handler that keeps an [`Io`](super::Io) or `Namespace` keeps the whole server alive with it;
/// use [`Socket::namespace`] and [`Socket::io`] instead.
#[derive(Clone)]
pub struct Namespace {
    pub(super) link: Link,
    pub(super) state: Arc<NamespaceState>,
}

#[allow(
    clippy::return_self_not_must_use,
    reason = "the server keeps what was added; the handle is returned for the next call"
)]
impl Namespace {
    pub(super) fn new(link: Link, state: Arc<NamespaceState>) -> Self {
        Self { link, state }
    }

    /// The server. It keeps that alive, as every handle does: inside handlers, take it from here.
    pub fn io(&self) -> Io {
        Io::from_link(&self.link)
    }

    /// Its name, with the leading slash.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Adds a function that decides whether a client may come in.
    ///
    /// Such functions run before the client is accepted, in the order in which they were added,
    /// and the first refusal ends it: the client's `connect_error` event gets the message and the
    /// data. One that takes longer than the configured decision timeout, 45 s, or whose client goes
    /// away, is dropped at its next `.await`. One that panics refuses the client with `internal
    /// error`.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// use socketio_tokio::{Connecting, Refusal};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Auth { token: String }
    ///
    /// // io.use((socket, next) => {
    /// //   if (isValid(socket.handshake.auth.token)) { next(); }
    /// //   else { next(new Error("invalid credentials")); }
    /// // });
    /// io.of("/").middleware(|client: Connecting| async move {
    ///     match client.auth::<Auth>() {
    ///         Ok(auth) if auth.token == "secret" => Ok(()),
    ///         _ => Err(Refusal::new("invalid credentials")),
    ///     }
    /// });
    /// # }
    /// ```
    pub fn middleware<F, Fut>(self, middleware: F) -> Self
    where
        F: Fn(Connecting) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.change(|setup| setup.add_middleware(middleware))
    }

    /// Adds a handler of connections. It runs before every other handler of the socket, and again for
    /// a client that comes back: see [`Socket::recovered`].
    ///
    /// The client is accepted by then, so that events to the whole namespace, and to rooms that
    /// middleware [joined](Connecting::join), may reach it before what the handler sends. Who wants to
    /// send something first, such as a history, sends such events to a room, and joins it in the
    /// handler behind that.
    pub fn on_connect<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_on_connect(handler))
    }

    /// Sets the handler of an event; an earlier one of the same event is replaced.
    ///
    /// The client's arguments are decoded into the types that the handler takes. If they do not
    /// fit, the handler is not called, [`on_error`](Self::on_error) gets the reason, and a client that
    /// asked for an answer gets none. To answer it take a `Result` of the arguments with
    /// [`ArgsError`](super::ArgsError), or [`Args`] as they came.
    ///
    /// An answer, [`Ack`](super::Ack), is sent when the handler has returned; a handler that answers
    /// before it does something else, or under a lock of its own, takes a [`Reply`](super::Reply).
    /// The socket's next event waits for the handler, so that one that sends a lot, or asks other
    /// services, spawns a task for that. No emit runs a handler, so that one may emit under a
    /// lock of its own; but [`on_any_outgoing`](Self::on_any_outgoing) and [`on_room`](Self::on_room)
    /// are told within, and must not take that lock.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// use socketio_tokio::{Ack, Args, Reply, Socket};
    ///
    /// io.of("/")
    ///     // socket.on("chat", (room, text) => socket.to(room).emit("chat", text));
    ///     .on("chat", |socket: Socket, (room, text): (String, String)| async move {
    ///         socket.to(&room).emit("chat", (text,))
    ///     })
    ///     // socket.on("sum", (a, b, callback) => callback(a + b));
    ///     .on("sum", |_: Socket, (a, b): (i64, i64)| async move { Ack((a + b,)) })
    ///     // socket.on("later", (...args) => { const callback = args.pop(); … });
    ///     .on("later", |_: Socket, args: Args, reply: Reply| async move {
    ///         tokio::spawn(async move { reply.send(args) });
    ///     });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the name is one that clients cannot emit, such as `connect` and `disconnect`.
    pub fn on<M>(self, event: &str, handler: impl EventHandler<M>) -> Self {
        check_event(event);
        self.change(|setup| setup.set_on_event(event, handler::boxed(handler)))
    }

    /// Sets the handler of an event to a function that has nothing to wait for; an earlier one of
    /// the same event is replaced. It is a little faster than [`on`](Self::on), and must not
    /// block.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// use socketio_tokio::Socket;
    ///
    /// io.of("/").on_sync("move", |socket: &Socket, (x, y): (f64, f64)| {
    ///     socket.broadcast().volatile().emit("moved", (x, y))
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`on`](Self::on).
    pub fn on_sync<M>(self, event: &str, handler: impl SyncEventHandler<M>) -> Self {
        check_event(event);
        self.change(|setup| setup.set_on_event(event, handler::boxed_sync(handler)))
    }

    /// Sets the handler of events that have none of their own. Without it they are ignored.
    ///
    /// Which event it is, says [`Args::name`](crate::Args::name).
    pub fn fallback<M>(self, handler: impl EventHandler<M>) -> Self {
        let handler = handler::boxed(handler);
        self.change(|setup| setup.fallback = Some(handler))
    }

    /// Adds a function that sees every event of a client, with or without a handler, when it is its
    /// turn: before the [filters](Self::filter) and the handler. It must not block.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// // socket.onAny((event, ...args) => { console.log(event, args); });
    /// io.of("/").on_any(|socket, args| println!("{}: {} {}", socket.id(), args.name(), args.json()));
    /// # }
    /// ```
    pub fn on_any<F>(self, listener: F) -> Self
    where
        F: Fn(&Socket, &Args) + Send + Sync + 'static,
    {
        self.change(|setup| setup.on_any.push(Arc::new(listener)))
    }

    /// Adds a function that sees every event that is sent to a client: for each client once, also
    /// if it is sent to many. Answers are no events.
    ///
    /// It is called outside of all locks before the emit returns, on the thread that emits; if
    /// several do, then one event after the other, in the order in which they are sent, on one of
    /// these threads. It must not block. An event counts whether it then reaches the client or is
    /// dropped; what the function itself emits is shown after it has returned.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// // socket.onAnyOutgoing((event, ...args) => { console.log(event, args); });
    /// io.of("/").on_any_outgoing(|socket, args| println!("{}: {}", socket.id(), args.name()));
    /// # }
    /// ```
    pub fn on_any_outgoing<F>(self, listener: F) -> Self
    where
        F: Fn(&Socket, &Args) + Send + Sync + 'static,
    {
        self.change(|setup| setup.on_any_outgoing.push(Arc::new(listener)))
    }

    /// Adds a function that decides whether a client's event is handled.
    ///
    /// Such functions run before the handler, in the order in which they were added, for every
    /// event, and may wait, as handlers do. The first error ends it: no handler sees the event, the
    /// client gets no answer, and [`on_error`](Self::on_error) gets the error. A panic is an error,
    /// too.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// use socketio_tokio::{Args, Socket};
    ///
    /// struct Admin;
    ///
    /// // socket.use(([event, ...args], next) => {
    /// //   if (event.startsWith("admin:") && !socket.data.admin) { next(new Error("forbidden")); }
    /// //   else { next(); }
    /// // });
    /// io.of("/").filter(|socket: Socket, event: Args| async move {
    ///     if event.name().starts_with("admin:") && socket.get::<Admin>().is_none() {
    ///         return Err("forbidden");
    ///     }
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn filter<F, Fut>(self, filter: F) -> Self
    where
        F: Fn(Socket, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_filter(filter))
    }

    /// Adds a handler of disconnections. It runs after every other handler of the socket.
    ///
    /// [`Socket::rooms`] still says which rooms it was in; for others it is in none of them any more,
    /// so that [`to(room).sockets()`](Broadcast::sockets) tells who is left.
    pub fn on_disconnect<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_on_disconnect(handler))
    }

    /// Adds a handler of back-pressure: it is told when more waits for the client of a socket than
    /// [`high_water`] of the configuration, 1 MiB, and when no more than [`low_water`], 256 KiB, does
    /// again. The two take turns, the first is high.
    ///
    /// What counts is what waits on the whole connection, so all of its sockets are told. It runs
    /// between the socket's other handlers, when it is its turn: [`Socket::queued`] says how it is
    /// then. If too much waits for the handlers already, it is left out.
    ///
    /// [`high_water`]: socketio_proto::engine::ConfigBuilder::high_water
    /// [`low_water`]: socketio_proto::engine::ConfigBuilder::low_water
    pub fn on_pressure<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Socket, Pressure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_on_pressure(handler))
    }

    /// Adds a function that is told what went wrong in the handlers of a socket: a client sent
    /// arguments of other types, a handler returned an error or panicked. The next event is
    /// handled as usual.
    ///
    /// It runs between the socket's handlers and must not block. While there is none, such errors
    /// are printed by debug builds and ignored by release builds.
    pub fn on_error<F>(self, handler: F) -> Self
    where
        F: Fn(&Socket, &HandlerError) + Send + Sync + 'static,
    {
        self.change(|setup| setup.on_error.push(Arc::new(handler)))
    }

    /// Everybody in it: the start of a chain.
    pub fn everyone(&self) -> Broadcast<'_> {
        Broadcast::new(&self.link, &self.state, None, Flags::default())
    }

    /// The members of these rooms.
    pub fn to<'a>(&'a self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.everyone().to(rooms)
    }

    /// Everybody but the members of these rooms.
    pub fn except<'a>(&'a self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.everyone().except(rooms)
    }

    /// Everybody to whom the next event can leave at once.
    pub fn volatile(&self) -> Broadcast<'_> {
        self.everyone().volatile()
    }

    /// Everybody; the next answers are waited for at most this long.
    pub fn timeout(&self, span: Duration) -> Broadcast<'_> {
        self.everyone().timeout(span)
    }

    /// Sends an event to everybody in it. See [`Broadcast::emit`].
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<Sent, EmitError> {
        self.everyone().emit(event, args)
    }

    /// Sends an event to everybody in it and waits for the answers. See
    /// [`Broadcast::emit_with_ack`].
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded.
    pub fn emit_with_ack(&self, event: &str, args: impl Arguments) -> BroadcastWithAck<'_> {
        self.everyone().emit_with_ack(event, args)
    }

    /// How many sockets it has now.
    pub fn len(&self) -> usize {
        self.link.with(|server, _, _| {
            let key = self.state.key();
            key.map_or(0, |key| server.count(key))
        })
    }

    /// Whether it has no sockets now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A socket by its public id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let state = self.link.with(|server, tables, _| {
            let key = server.socket(self.state.key()?, id)?;
            tables.sockets.get(key).cloned()
        });
        Some(Socket::new(self.link.clone(), state?))
    }

    /// Its sockets, as they are now.
    pub fn sockets(&self) -> Vec<Socket> {
        self.everyone().sockets()
    }

    pub(super) fn change(self, change: impl FnOnce(&mut Setup)) -> Self {
        self.state.change(change);
        self
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Namespace").field(&self.name()).finish()
    }
}
