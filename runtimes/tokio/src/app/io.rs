//! A whole Socket.IO server.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use socketio_proto::{
    edge::Machine,
    engine::Statistics,
    socket::{NamespaceError, Sent, Server},
};

use super::{
    Arguments, Broadcast, Candidate, EmitError, IoBuilder, Namespace, Pattern, Rooms, Socket,
    connecting::announce,
    link::Link,
    pattern::{Allows, PatternState},
    tables::Tables,
};
use crate::service::Service;

/// A server as a `tower` service.
pub type IoService = Service<Server, Tables>;

/// A Socket.IO server.
///
/// It is a handle: a clone is the same server. What sends from it directly goes to the namespace
/// `/`, as in JavaScript.
///
/// # From JavaScript
///
/// A server, and what it does for each client:
///
/// ```
/// use socketio_tokio::{DisconnectReason, Error, Io, Socket, serve};
///
/// # async fn example() -> Result<(), Error> {
/// // const io = new Server();
/// let io = Io::new();
///
/// io.of("/")
///     // io.on("connection", (socket) => { …
///     .on_connect(|socket: Socket| async move {
///         // socket.join("lobby");
///         socket.join("lobby")?;
///         // socket.emit("hello", "world");
///         socket.emit("hello", ("world",))?;
///         // socket.broadcast.emit("joined", socket.id);
///         socket.broadcast().emit("joined", (socket.id().as_str(),))?;
///         Ok::<(), Error>(())
///     })
///     // socket.on("chat", (room, text) => { socket.to(room).emit("chat", text); });
///     .on("chat", |socket: Socket, (room, text): (String, String)| async move {
///         socket.to(&room).emit("chat", (text,))
///     })
///     // socket.on("disconnect", (reason) => { … });
///     .on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
///         println!("{} left: {}", socket.id(), reason.as_str());
///     });
///
/// // io.listen(3000);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// serve(listener, io.service()).await;
/// # Ok(())
/// # }
/// ```
///
/// Authentication, with what the client sent along and with a header:
///
/// ```
/// use serde::Deserialize;
/// use serde_json::json;
/// use socketio_tokio::{Connecting, Io, Refusal};
///
/// #[derive(Deserialize)]
/// struct Auth {
///     token: String,
/// }
///
/// struct User(String);
///
/// # fn example(io: Io) {
/// // io.use((socket, next) => {
/// //   const agent = socket.handshake.headers["user-agent"];
/// //   const { token } = socket.handshake.auth;
/// //   if (agent && token === "secret") { socket.data.user = "alice"; next(); }
/// //   else {
/// //     const error = new Error("unauthorized");
/// //     error.data = { retry: false };
/// //     next(error);
/// //   }
/// // });
/// io.of("/").middleware(|client: Connecting| async move {
///     let has_agent = client.headers().contains_key("user-agent");
///     match client.auth::<Auth>() {
///         Ok(auth) if has_agent && auth.token == "secret" => {
///             client.insert(User("alice".to_owned()));
///             Ok(())
///         }
///         _ => Err(Refusal::new("unauthorized").data(&json!({ "retry": false }))),
///     }
/// });
/// # }
/// ```
///
/// Acknowledgements, both ways:
///
/// ```
/// use std::time::Duration;
///
/// use socketio_tokio::{Ack, Error, Io, Socket};
///
/// # async fn example(io: Io, socket: Socket) -> Result<(), Error> {
/// let second = Duration::from_secs(1);
///
/// // socket.on("sum", (a, b, callback) => { callback(a + b); });
/// io.of("/").on("sum", |_: Socket, (a, b): (i64, i64)| async move { Ack((a + b,)) });
///
/// // const answer = await socket.timeout(1000).emitWithAck("question", 1);
/// let answer = socket.timeout(second).emit_with_ack("question", (1,)).await?;
/// let (text,): (String,) = answer.parse()?;
///
/// // const answers = await io.to("room").timeout(1000).emitWithAck("question");
/// let all = io.to("room").timeout(second).emit_with_ack("question", ()).await?;
/// println!("{} answered, {} did not", all.answers.len(), all.missing);
/// # Ok(())
/// # }
/// ```
///
/// Rooms, and the rest of the cheat sheet:
///
/// ```
/// # use socketio_tokio::{Error, Io, Socket};
/// # fn example(io: Io, socket: Socket) -> Result<(), Error> {
/// // io.emit("hello");
/// io.emit("hello", ())?;
/// // io.to("room1").to("room2").except("room3").emit("hello", 1, "2", { 3: true });
/// io.to("room1").to("room2").except("room3").emit("hello", (1, "2", [3]))?;
/// // io.of("/admin").to("room1").emit("hello");
/// io.of("/admin").to("room1").emit("hello", ())?;
/// // io.to(socketId).emit("hey");
/// io.to(&socket.id()).emit("hey", ())?;
/// // io.in("room1").socketsJoin(["room2", "room3"]);
/// io.to("room1").join(["room2", "room3"]);
/// // io.in("room1").disconnectSockets(true);
/// io.to("room1").disconnect(true);
/// // const sockets = await io.in("room1").fetchSockets();
/// let sockets = io.to("room1").sockets();
///
/// // socket.volatile.emit("position", 1);
/// socket.volatile().emit("position", (1,))?;
/// // socket.to(["room1", "room2"]).except("room3").emit("hello");
/// socket.to(["room1", "room2"]).except("room3").emit("hello", ())?;
/// // socket.leave("room1");
/// socket.leave("room1")?;
/// // socket.rooms, socket.id, socket.connected
/// let known = (socket.rooms(), socket.id(), socket.is_connected());
/// // socket.disconnect();
/// socket.disconnect(false);
/// # Ok(())
/// # }
/// ```
///
/// # What is different from Node.js
///
/// | | Node.js | here |
/// | --- | --- | --- |
/// | arguments | `emit("event", value)` | a tuple: `emit("event", (value,))`, see [`Arguments`](crate::Arguments) |
/// | lists | `emit("event", [1, 2])` is one argument | `emit("event", [1, 2])` is two, `([1, 2],)` is one |
/// | types | whatever came | decoded into types, surplus arguments are ignored; what does not fit is told to [`on_error`](Namespace::on_error), and no handler sees it |
/// | errors and panics of handlers | an unhandled rejection ends the process | told to [`on_error`](Namespace::on_error); the next event is handled as usual |
/// | handlers of one socket | may overlap | one after the other: one that waits lets the socket's next events wait, too; where they should not, it spawns a task for the rest |
/// | `emitWithAck` | sends at once | sends when it is awaited; `into_future()` sends at once |
/// | sending to a socket that is gone | silence | an error; and waiting for its answer ends at once |
/// | `socket.onAny` | sees an event at once | [`on_any`](Namespace::on_any) sees it when it is its turn; [`fallback`](Namespace::fallback) sees and answers events that have no handler of their own |
/// | `socket.onAnyOutgoing` | runs before the packet is written | [`on_any_outgoing`](Namespace::on_any_outgoing) runs when it has been handed over, before the emit returns |
/// | `socket.use` | may change the event | [`filter`](Namespace::filter) lets it pass or not; one that waits lets the socket's next events wait, too |
/// | `serverSideEmit` | reaches the other servers | reaches all, this one included: [`server_side_emit`](Namespace::server_side_emit) |
/// | bytes | a `Buffer` | [`Binary`](crate::Binary); `vec![0u8]` is a list of numbers, as serde has it |
/// | values of any shape | hold buffers, too | `serde_json::Value` cannot hold attachments: forward [`Args`](crate::Args) as they came, or ask for [`Binary`](crate::Binary) |
/// | `of(/regex/)`, `of(function)` | one method | [`of_pattern`](Self::of_pattern) asks about the name, [`of_dynamic`](Self::of_dynamic) about the client |
/// | `connectionStateRecovery` | needs an event first; a client that looks connected cannot come back | a client comes back without one, too, and takes its old connection over; `socket.data` is [`set_data`](crate::Socket::set_data): see [`IoBuilder::recovery`] |
/// | events of rooms | `adapter.on("join-room", …)` | [`on_room`](Namespace::on_room) |
/// | dynamic namespaces | stay, unless `cleanupEmptyChildNamespaces` is set | go with their last client, unless [`keep_empty_namespaces`](socketio_proto::socket::ConfigBuilder::keep_empty_namespaces) is set |
///
/// # Runtimes and threads
///
/// Handlers run as tasks on the tokio runtime of whatever causes them: usually the one that serves
/// the client. Commands such as [`emit`](Self::emit) may be given on any thread, with or without a
/// runtime.
///
/// # Dropping
///
/// `Io`, [`Namespace`], [`Socket`], services, and the futures that wait for answers are handles: any
/// of them keeps the server open. A connection does not.
///
/// | what is dropped | what happens |
/// | --- | --- |
/// | the last handle | the server closes as by [`shutdown`](Self::shutdown): WebSockets and polls are told, clients are disconnected, handlers of that run, and its memory ends with them. A client between two polls finds nobody when it comes back |
/// | a handle that a handler keeps of its own server | is dropped with the server, so never: the server stays open until a shutdown, and in memory after it. [`Socket::io`] and [`Socket::namespace`] need not be kept |
/// | the HTTP server, for example [`Serve`](crate::Serve) | its connections with it, requests included; but WebSockets go on as long as there is a handle |
/// | the future of a request, or the body of a response before its end | what hyper does when a connection breaks: the connection of a client that polled or sent closes, and nothing of a handshake is left |
/// | the future of an answer | it is not waited for any more; the client may answer or not |
/// | [`Reply`](crate::Reply) | the client gets no answer |
/// | the future of [`Socket::closed`], of a shutdown | somebody waits no more; the shutdown goes on, but nothing is cut off at the end of its grace |
/// | a handler's future, because its runtime went down | it is over; the events behind it are handled when the next comes |
/// | a middleware's future, likewise | the client is refused after [`decision_timeout`], 45 s |
///
/// [`decision_timeout`]: socketio_proto::socket::ConfigBuilder::decision_timeout
///
/// # Behind axum
///
/// The service goes into a router. [`Handshake::address`](crate::Handshake::address) is known if a
/// layer says it:
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::{Router, extract::{ConnectInfo, Request}, middleware::map_request};
/// use socketio_tokio::{Io, Peer};
///
/// async fn with_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
///     request.extensions_mut().insert(Peer(peer));
///     request
/// }
///
/// # async fn example(io: Io, listener: tokio::net::TcpListener) -> std::io::Result<()> {
/// let app = Router::new().fallback_service(io.service()).layer(map_request(with_peer));
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
#[derive(Clone)]
pub struct Io {
    pub(super) link: Link,
    root: Namespace,
}

impl Io {
    /// Makes a server with the default settings.
    ///
    /// # Panics
    ///
    /// As [`IoBuilder::build`].
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Makes a server with other settings.
    pub fn builder() -> IoBuilder {
        IoBuilder::default()
    }

    pub(super) fn from_link(link: &Link) -> Self {
        // It is asked for by every handler that needs the server: by one lock, once it is there.
        let root = existing(link, "/").map_or_else(|| of(link, "/"), Ok);
        Self {
            link: link.clone(),
            root: root.expect("the namespace that is always there"),
        }
    }

    /// A namespace, which exists from now on. A missing leading slash is added, and the empty name
    /// is `/`.
    ///
    /// Add it before the server is served: clients of a server that runs already can enter from
    /// this call on, before the middleware that is added next is there.
    ///
    /// # Panics
    ///
    /// When no client could name it: see [`try_of`](Self::try_of).
    pub fn of(&self, name: &str) -> Namespace {
        self.try_of(name).expect("a name of a namespace")
    }

    /// As [`of`](Self::of), for names that may be wrong.
    ///
    /// # Errors
    ///
    /// When the name has a comma or control characters, or is too long.
    pub fn try_of(&self, name: &str) -> Result<Namespace, NamespaceError> {
        of(&self.link, name)
    }

    /// A namespace that exists, by its exact name. Unlike [`of`](Self::of) this makes none, and leaves
    /// a dynamic one free to go.
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        existing(&self.link, name)
    }

    /// Makes namespaces on demand: whatever names the function allows. It is told a name with its
    /// leading slash.
    ///
    /// A client that asks for a namespace that does not exist is let in by the first pattern that
    /// allows it, in the order of registration; names given to [`of`](Self::of) go first. Without
    /// one it is refused: `Invalid namespace`. A namespace that `of` makes is made of the first
    /// pattern that allows its name, too.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// use socketio_tokio::Socket;
    ///
    /// // io.of(/^\/room-/).on("connection", (socket) => {
    /// //   socket.nsp.emit("hello", socket.nsp.name);
    /// // });
    /// let rooms = io.of_pattern(|name| name.starts_with("/room-")).on_connect(|socket: Socket| async move {
    ///     let room = socket.namespace();
    ///     room.emit("hello", (room.name(),))
    /// });
    /// # }
    /// ```
    pub fn of_pattern(&self, allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Pattern {
        self.add_pattern(Allows::Name(Box::new(allows)))
    }

    /// Makes namespaces on demand for clients that the function allows, which may take its time. It
    /// is dropped if the client goes away, or after the configured decision timeout, 45 s; a panic
    /// refuses the client.
    ///
    /// It is asked for every client of a namespace that does not exist, and not about those of one
    /// that does: [middleware](Pattern::middleware) decides about each. Otherwise as
    /// [`of_pattern`](Self::of_pattern); `of` asks it nothing.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// use socketio_tokio::Candidate;
    ///
    /// # async fn exists(_: &str) -> bool { true }
    /// // io.of((name, auth, next) => { exists(name).then((found) => next(null, found)); });
    /// let tenants = io.of_dynamic(|client: Candidate| async move { exists(client.name()).await });
    /// # }
    /// ```
    pub fn of_dynamic<F, Fut>(&self, allows: F) -> Pattern
    where
        F: Fn(Candidate) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let allows = move |client| Box::pin(allows(client)) as _;
        self.add_pattern(Allows::Client(Box::new(allows)))
    }

    fn add_pattern(&self, allows: Allows) -> Pattern {
        let state = Arc::new(PatternState::new(allows));
        let added = Arc::clone(&state);
        self.link
            .with(|_, tables, _| tables.dynamic.add_pattern(added));
        Pattern::new(self.link.clone(), state)
    }

    /// Adds a function that is told of each new namespace, before a client is in it: the
    /// reference's `new_namespace`. What it adds to the namespace concerns all of its clients.
    ///
    /// Of a dynamic namespace it is told when the first client is allowed into it, whose middleware
    /// may still refuse it; nothing can be sent there before it is accepted. The function must not
    /// block; a panic in it is ignored.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) {
    /// // io.on("new_namespace", (namespace) => { console.log(namespace.name); });
    /// io.on_namespace(|namespace| println!("{}", namespace.name()));
    /// # }
    /// ```
    pub fn on_namespace<F>(&self, listener: F)
    where
        F: Fn(Namespace) + Send + Sync + 'static,
    {
        let listener = Arc::new(listener);
        self.link
            .with(|_, tables, _| tables.dynamic.add_listener(listener));
    }

    /// The server as a `tower` service: for [`serve`](crate::serve), hyper, or axum.
    pub fn service(&self) -> IoService {
        Service::new(self.link.0.clone())
    }

    /// Everybody in `/`. See [`Namespace::everyone`].
    pub fn everyone(&self) -> Broadcast<'_> {
        self.root.everyone()
    }

    /// The members of these rooms of `/`. See [`Namespace::to`].
    pub fn to<'a>(&'a self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.root.to(rooms)
    }

    /// Everybody in `/` but the members of these rooms. See [`Namespace::except`].
    pub fn except<'a>(&'a self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.root.except(rooms)
    }

    /// Everybody in `/` to whom the next event can leave at once.
    pub fn volatile(&self) -> Broadcast<'_> {
        self.root.volatile()
    }

    /// Everybody in `/`; the next answers are waited for at most this long.
    pub fn timeout(&self, span: Duration) -> Broadcast<'_> {
        self.root.timeout(span)
    }

    /// Sends an event to everybody in `/`. See [`Namespace::emit`].
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<Sent, EmitError> {
        self.root.emit(event, args)
    }

    /// A socket of `/` by its public id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.root.socket(id)
    }

    /// Refuses new clients, disconnects all that there are with the reason
    /// [`ServerShutdown`](crate::DisconnectReason::ServerShutdown), and waits until they were told
    /// and every handler has ended, but no longer than `grace`; connections that are left then are
    /// dropped. Says whether nothing was left.
    ///
    /// Called by a handler it would wait for itself: spawn a task there.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.link.0.shutdown(grace).await
    }

    /// As [`shutdown`](Self::shutdown), with the disconnections spread evenly over a time, so that
    /// clients do not all come back at once, here or elsewhere. The grace comes on top of
    /// it.
    ///
    /// [`Serve::until`](crate::Serve::until) does it by itself. Under another HTTP server call it
    /// before that one stops to accept connections: a client that polls may need one to fetch what
    /// waits for it.
    pub async fn drain(&self, spread: Duration, grace: Duration) -> bool {
        self.link.0.drain(spread, grace).await
    }

    /// Counters and gauges of all connections and requests, of all namespaces together, as they are
    /// now. It is cheap to ask.
    pub fn statistics(&self) -> Statistics {
        self.link.with(|server, _, _| server.statistics())
    }

    /// The sockets of `/`, as they are now.
    pub fn sockets(&self) -> Vec<Socket> {
        self.root.sockets()
    }
}

fn existing(link: &Link, name: &str) -> Option<Namespace> {
    let state = link.with(|server, tables, _| {
        let key = server.namespace(name)?;
        tables.namespaces.get(key).cloned()
    });
    Some(Namespace::new(link.clone(), state?))
}

fn of(link: &Link, name: &str) -> Result<Namespace, NamespaceError> {
    // As the machine does it.
    let name = if name.starts_with('/') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("/{name}"))
    };
    let (is_new, patterns, listeners) = link.with(|server, tables, _| {
        let is_new = server.namespace(&name).is_none();
        (
            is_new,
            tables.dynamic.patterns(),
            tables.dynamic.listeners(),
        )
    });
    let pattern = is_new
        .then(|| patterns.iter().find(|pattern| pattern.matches(&name)))
        .flatten();
    let state = link.with(|server, tables, _| tables.name_namespace(server, &name, pattern))?;
    announce(link, &state, &listeners);
    Ok(Namespace::new(link.clone(), state))
}

impl Default for Io {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}
