//! What a server tells of itself: numbers for Prometheus, and whether it is well.

mod families;

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use socketio_proto::{
    edge::Machine,
    engine,
    socket::{self, Server},
};
use tokio::time::timeout;

use self::families::{of_engine, of_health, of_socket, text};
use crate::{
    Io,
    body::Body,
    driver::{Drivable, Driver, Handler, Shared},
    engine::EngineServer,
    response,
    serve::{Drain, sealed::Sealed},
};

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a server serves.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Health {
    /// It lets clients in.
    Serving,
    /// It closes: no new clients, and those that are there are being told.
    Draining,
    /// Nobody is served any more: it has closed, or was stopped by a panic of its own.
    Stopped,
}

impl Health {
    /// Whether it lets clients in.
    pub const fn is_serving(self) -> bool {
        matches!(self, Self::Serving)
    }

    /// `ok`, `draining` or `stopped`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "ok",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// What a health check is answered: 200 while it serves, otherwise 503.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Serving => StatusCode::OK,
            Self::Draining | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Answers `/metrics` with the numbers of a server, in the text format of Prometheus, and `/healthz`
/// with its [`Health`]: 200 and `ok`, or 503.
///
/// It is a `tower` service; made by [`Io::monitor`] and [`EngineServer::monitor`]. Whoever can ask it
/// learns how busy a server is, no more: numbers have no names of clients, namespaces or rooms. Still
/// it is nowhere unless it is put there:
///
/// ```no_run
/// use std::net::SocketAddr;
///
/// use axum::Router;
/// use socketio_tokio::{Io, serve};
/// use tokio::net::TcpListener;
///
/// # async fn example(io: Io) -> std::io::Result<()> {
/// // On a port of its own, which is not public. With the same signal and the same spans as the
/// // server's, it says 503 while that closes, and ends with it.
/// let listener = TcpListener::bind("127.0.0.1:9090").await?;
/// tokio::spawn(serve(listener, io.monitor()).until(async { _ = tokio::signal::ctrl_c().await }).into_future());
///
/// // Beside the server, on its port.
/// let listener = TcpListener::bind("0.0.0.0:3000").await?;
/// serve(listener, io.service().or(io.monitor())).await;
///
/// // In a router of axum.
/// let app: Router = Router::new()
///     .route_service("/healthz", io.monitor())
///     .fallback_service(io.service());
/// # Ok(())
/// # }
/// ```
///
/// Other paths are answered with 404, methods other than GET and HEAD with 405. It is no handle: it
/// keeps no server open, and says 503 of one that is gone. Asking takes the server's lock for as long
/// as it takes to copy some dozens of numbers, whatever the number of clients.
///
/// # Metrics
///
/// Names, labels and their meaning are kept as they are from version to version; new ones may come.
/// Counters begin at 0 with the server.
///
/// | name | labels | |
/// | --- | --- | --- |
/// | `engineio_serving` | | 1, or 0 while the server closes and afterwards |
/// | `engineio_sessions` | `transport` | open sessions: `polling`, `websocket` |
/// | `engineio_requests` | | requests under way, polls that wait included |
/// | `engineio_transports` | | WebSockets, those of upgrades included |
/// | `engineio_pending_handshakes` | | handshakes that wait for the application |
/// | `engineio_delayed_sessions` | | sessions that are not read because of their rates |
/// | `engineio_body_bytes` | | bytes of bodies that are being read |
/// | `engineio_queued_bytes` | | bytes that wait for clients, 64 added for each packet |
/// | `engineio_sessions_opened_total` | | |
/// | `engineio_sessions_closed_total` | `reason` | the fields of [`Closed`](engine::Closed) |
/// | `engineio_received_packets_total`, `engineio_received_bytes_total` | | from clients |
/// | `engineio_sent_packets_total`, `engineio_sent_bytes_total` | | to clients |
/// | `engineio_upgrades_begun_total` | | |
/// | `engineio_upgrades_total` | `outcome` | ended upgrades: `completed`, `failed` |
/// | `engineio_requests_refused_total` | `reason` | the fields of [`Refused`](engine::Refused) |
/// | `engineio_session_delays_total` | | how often a session was not read because of its rates |
/// | `engineio_dropped_packets_total`, `engineio_dropped_bytes_total` | `cause` | for clients: `volatile` ones, `overflow` (the oldest made room), `full` queues, `closed` sessions |
/// | `engineio_stale_inputs_total` | | |
/// | `socketio_sockets` | | connected sockets |
/// | `socketio_pending_connects` | | clients that wait to enter a namespace |
/// | `socketio_namespaces` | `kind` | `static`, `dynamic` |
/// | `socketio_rooms` | | without those named after their sockets |
/// | `socketio_pending_acks` | | answers that are waited for |
/// | `socketio_connects_total` | `outcome` | `accepted`, `refused`, `withdrawn` |
/// | `socketio_disconnects_total` | | |
/// | `socketio_received_events_total`, `socketio_received_acks_total` | | from clients |
/// | `socketio_emits_total` | | events sent, however many sockets each went to |
/// | `socketio_deliveries_total` | `outcome` | the same for each socket: `queued`, `dropped` |
/// | `socketio_recovery_sessions`, `socketio_recovery_events`, `socketio_recovery_bytes` | | what is kept for clients that may come back |
/// | `socketio_recovery_lost_total` | | clients lost that might come back |
/// | `socketio_recovery_attempts_total` | `outcome` | clients that came back: `restored`, `failed` |
/// | `socketio_recovery_cut_total` | `kind` | what went before its age: `events`, `sessions` |
#[derive(Clone)]
pub struct Monitor {
    source: Arc<dyn Source>,
    metrics: Arc<str>,
    health: Arc<str>,
}

impl Monitor {
    /// Watches the machine of a driver: what is known of its sessions and requests.
    pub fn new<M: Drivable, H: Handler<M>>(driver: &Driver<M, H>) -> Self {
        Self::of(driver, of_machine)
    }

    fn of<M: Drivable, H: Handler<M>>(driver: &Driver<M, H>, numbers: fn(&M) -> Numbers) -> Self {
        let shared = Arc::downgrade(driver.shared());
        Self {
            source: Arc::new(Watched { shared, numbers }),
            metrics: "/metrics".into(),
            health: "/healthz".into(),
        }
    }

    /// Answers this path with the metrics, instead of `/metrics`.
    #[must_use]
    pub fn metrics_path(mut self, path: &str) -> Self {
        self.metrics = path.into();
        self
    }

    /// Answers this path with the health, instead of `/healthz`.
    #[must_use]
    pub fn health_path(mut self, path: &str) -> Self {
        self.health = path.into();
        self
    }

    /// The metrics as text; none once the server is gone.
    pub fn metrics_text(&self) -> Option<String> {
        self.source.read().map(|reading| reading.text())
    }

    /// Whether the server serves.
    pub fn health(&self) -> Health {
        let reading = self.source.read();
        reading.map_or(Health::Stopped, |reading| reading.health)
    }

    /// Answers a request.
    pub fn handle<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path();
        let is_metrics = path == &*self.metrics;
        if !is_metrics && path != &*self.health {
            return response::empty(StatusCode::NOT_FOUND);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = response::empty(StatusCode::METHOD_NOT_ALLOWED);
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allow);
            return response;
        }
        if !is_metrics {
            let health = self.health();
            return answer(health.status(), "text/plain", health.as_str().to_owned());
        }
        match self.metrics_text() {
            Some(text) => answer(StatusCode::OK, CONTENT_TYPE, text),
            None => response::empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::unwatched(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let now_only = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, now_only);
    response
}

impl<B> tower_service::Service<Request<B>> for Monitor {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.handle(&request)))
    }
}

impl Sealed for Monitor {}

impl Drain for Monitor {
    /// Waits for the end of the server, which something else brings about.
    fn drain(
        &self,
        spread: Duration,
        grace: Duration,
    ) -> impl Future<Output = bool> + Send + 'static {
        let over = self.source.over();
        async move {
            let in_time = timeout(spread.saturating_add(grace), over).await;
            in_time.is_ok()
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("metrics", &self.metrics)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

impl Io {
    /// The numbers of the server as text: see [`Monitor`].
    pub fn metrics_text(&self) -> String {
        read(self.service().driver(), of_server).text()
    }

    /// Whether the server serves.
    pub fn health(&self) -> Health {
        read(self.service().driver(), of_server).health
    }

    /// A service that tells the numbers of the server, and whether it serves.
    pub fn monitor(&self) -> Monitor {
        Monitor::of(self.service().driver(), of_server)
    }
}

impl EngineServer {
    /// The numbers of the server as text: see [`Monitor`].
    pub fn metrics_text(&self) -> String {
        read(self.service().driver(), of_machine).text()
    }

    /// Whether the server serves.
    pub fn health(&self) -> Health {
        read(self.service().driver(), of_machine).health
    }

    /// A service that tells the numbers of the server, and whether it serves.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.service().driver())
    }
}

/// What machines count. Copying it is all that is done under the lock.
struct Numbers {
    engine: engine::Statistics,
    socket: Option<socket::Statistics>,
}

fn of_machine<M: Machine>(machine: &M) -> Numbers {
    Numbers {
        engine: machine.statistics(),
        socket: None,
    }
}

fn of_server(server: &Server) -> Numbers {
    Numbers {
        engine: server.statistics(),
        socket: Some(server.socket_statistics()),
    }
}

/// What was found of a server.
struct Reading {
    health: Health,
    numbers: Numbers,
}

impl Reading {
    fn text(&self) -> String {
        let mut families = vec![of_health(self.health)];
        families.extend(of_engine(&self.numbers.engine));
        families.extend(self.numbers.socket.iter().flat_map(of_socket));
        text(&families)
    }
}

fn read<M: Drivable, H: Handler<M>>(driver: &Driver<M, H>, numbers: fn(&M) -> Numbers) -> Reading {
    read_shared(driver.shared(), numbers)
}

fn read_shared<M: Drivable, H: Handler<M>>(
    shared: &Shared<M, H>,
    numbers: fn(&M) -> Numbers,
) -> Reading {
    shared.look(|state, is_stopped| Reading {
        health: match state.draining {
            _ if is_stopped => Health::Stopped,
            true if state.is_idle() => Health::Stopped,
            true => Health::Draining,
            false => Health::Serving,
        },
        numbers: numbers(&state.machine),
    })
}

/// A server that is watched, of any kind.
trait Source: Send + Sync {
    /// What is found of it; nothing once it is gone.
    fn read(&self) -> Option<Reading>;

    /// Waits until it serves nobody any more.
    fn over(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

struct Watched<M: Drivable, H: Handler<M>> {
    shared: Weak<Shared<M, H>>,
    numbers: fn(&M) -> Numbers,
}

impl<M: Drivable, H: Handler<M>> Source for Watched<M, H> {
    fn read(&self) -> Option<Reading> {
        let shared = self.shared.upgrade()?;
        Some(read_shared(&shared, self.numbers))
    }

    fn over(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let shared = self.shared.upgrade();
        Box::pin(async move {
            if let Some(shared) = shared {
                shared.until_over().await;
            }
        })
    }
}
