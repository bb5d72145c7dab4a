//! A ready-made HTTP server around a service, for who has none.

use std::{
    fmt, future, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    driver::{Drivable, Handler},
    request::{Hangup, Peer},
    service::{Or, Service},
    stall::Stall,
};

/// Longer than any server runs: 30 years. A time that far away can still be computed.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The most that is buffered of one connection in either direction. A request's head has to fit;
/// of a large answer so much may be taken without having gone.
const MAX_BUFFER: usize = 64 << 10;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves HTTP/1.1 on a listener: a [`Service`], or one before another service ([`Or`]).
///
/// Awaiting it serves forever, or [`until`](Serve::until) a signal. A request's head may have 64 KiB
/// and 100 headers; more is answered with 431.
///
/// Dropping its future ends the listener and all connections at once, but for WebSockets: those end
/// with the last handle of their server.
///
/// ```no_run
/// # use socketio_tokio::{EngineServer, serve, Event};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (server, _events) = EngineServer::new(Default::default())?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// serve(listener, server.service())
///     .until(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
///     .await;
/// # Ok(())
/// # }
/// ```
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve {
        listener,
        service,
        places: None,
        header_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_secs(60),
        spread: Duration::ZERO,
        grace: Duration::from_secs(10),
        until: Box::pin(future::pending()),
    }
}

/// An HTTP server, made by [`serve`].
#[must_use = "it serves when it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    /// One permit for every connection that may still be opened; none if there is no limit.
    places: Option<Arc<Semaphore>>,
    header_timeout: Duration,
    write_timeout: Duration,
    spread: Duration,
    grace: Duration,
    until: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<S> Serve<S> {
    /// How many connections may be open at once, those of WebSockets and of other services counted.
    /// No limit by default: then the operating system's for open files is the one.
    ///
    /// Beyond it no connection is accepted until one has ended. New ones wait in the listener's
    /// backlog, which is bounded by the operating system; their clients see a server that does not
    /// answer yet. Connections that do nothing would keep others out: the
    /// [`header_timeout`](Self::header_timeout) ends those without a request, and the heartbeat
    /// those with a session.
    ///
    /// # Panics
    ///
    /// If the number is zero.
    pub fn max_connections(mut self, number: usize) -> Self {
        assert!(number > 0, "nobody could be served");
        let number = number.min(Semaphore::MAX_PERMITS);
        self.places = Some(Arc::new(Semaphore::new(number)));
        self
    }

    /// How long a client may take to send a request's head, and how long a connection between
    /// two requests is kept; then it is closed. Default 30 s.
    pub fn header_timeout(mut self, span: Duration) -> Self {
        self.header_timeout = span.min(FAR);
        self
    }

    /// How long a client may take none of what is written to it; then its connection, also a
    /// WebSocket, is dropped. Default 60 s.
    pub fn write_timeout(mut self, span: Duration) -> Self {
        self.write_timeout = span.min(FAR);
        self
    }

    /// Over how long the closes of sessions are spread once the signal came, so that clients do not
    /// all come back at once, here or elsewhere. Default none: all are closed at once.
    pub fn spread(mut self, span: Duration) -> Self {
        self.spread = span.min(FAR);
        self
    }

    /// How long closing may take once the signal came, besides the [spread](Self::spread); what is
    /// left then is dropped. A client that polls and does not come back to fetch its close takes
    /// all of it. Default 10 s.
    pub fn grace(mut self, span: Duration) -> Self {
        self.grace = span.min(FAR);
        self
    }

    /// Serves until a signal: then new sessions are refused with 503, those that there are are closed
    /// in order, the handler [finishes](Handler::finished), responses are finished, and serving ends.
    /// All of that takes no longer than the [spread](Self::spread) and the [grace](Self::grace).
    ///
    /// Connections are accepted until the last session has closed, because a client that polls may
    /// need one to fetch what waits for it.
    pub fn until(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Box::pin(signal);
        self
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("places", &self.places)
            .field("header_timeout", &self.header_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("spread", &self.spread)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// A service whose sessions can be closed in order.
///
/// It is sealed: [`Service`] and [`Or`] are the ones, and, with the feature `metrics`, the monitor.
pub trait Drain: sealed::Sealed {
    /// Closes all sessions; see [`Driver::drain`](crate::Driver::drain).
    fn drain(
        &self,
        spread: Duration,
        grace: Duration,
    ) -> impl Future<Output = bool> + Send + 'static;
}

pub(crate) mod sealed {
    use super::{Drivable, Handler, Or, Service};

    pub trait Sealed {}

    impl<M: Drivable, H: Handler<M>> Sealed for Service<M, H> {}
    impl<M: Drivable, H: Handler<M>, S> Sealed for Or<M, H, S> {}
}

impl<M: Drivable, H: Handler<M>> Drain for Service<M, H> {
    fn drain(
        &self,
        spread: Duration,
        grace: Duration,
    ) -> impl Future<Output = bool> + Send + 'static {
        let driver = self.driver().clone();
        async move { driver.drain(spread, grace).await }
    }
}

impl<M: Drivable, H: Handler<M>, S> Drain for Or<M, H, S> {
    fn drain(
        &self,
        spread: Duration,
        grace: Duration,
    ) -> impl Future<Output = bool> + Send + 'static {
        let driver = self.driver().clone();
        async move { driver.drain(spread, grace).await }
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: tower_service::Service<http::Request<Incoming>, Response = http::Response<B>>
        + Drain
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<S, B> Serve<S>
where
    S: tower_service::Service<http::Request<Incoming>, Response = http::Response<B>>
        + Drain
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    async fn run(self) {
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_BUFFER)
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout);
        // Dropping it, also with this future, drops every connection that is not a WebSocket.
        let mut connections = JoinSet::new();
        let (finish, finishing) = watch::channel(());
        let mut signal = self.until;
        let mut deadline = None;
        let deadline = loop {
            tokio::select! {
                (stream, peer, place) = accept(&self.listener, self.places.as_ref()) => {
                    let hangup = Hangup::default();
                    let service = WithPeer {
                        service: self.service.clone(),
                        peer,
                        hangup: hangup.clone(),
                    };
                    let service = TowerToHyperService::new(service);
                    let stream = TokioIo::new(Stall::new(stream, self.write_timeout).in_place(place));
                    let connection = http.serve_connection(stream, service);
                    connections.spawn(until(finishing.clone(), hangup, connection.with_upgrades()));
                }
                Some(_) = connections.join_next() => {}
                () = &mut signal => match deadline {
                    // The signal came; from now on it is the end of all sessions that is awaited.
                    None => {
                        deadline = Some(Instant::now() + self.spread + self.grace);
                        let drain = self.service.drain(self.spread, self.grace);
                        signal = Box::pin(async { _ = drain.await });
                    }
                    Some(deadline) => break deadline,
                },
            }
        };
        drop(self.listener);
        _ = finish.send(());
        let all = async { while connections.join_next().await.is_some() {} };
        _ = timeout_at(deadline, all).await;
    }
}

/// Accepts a connection once there is a place for it. It goes on after errors: those of one
/// connection, and those, such as too many open files, that pass.
async fn accept(
    listener: &TcpListener,
    places: Option<&Arc<Semaphore>>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let place = match places {
        // Nobody closes the semaphore.
        Some(places) => Arc::clone(places).acquire_owned().await.ok(),
        None => None,
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Packets are small and wait for no others. A socket that refuses still works.
                _ = stream.set_nodelay(true);
                return (stream, peer, place);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Has one connection; when it is told to, finishes the request that is under way and no more.
async fn until<S, B>(
    mut finishing: watch::Receiver<()>,
    hangup: Hangup,
    connection: http1::UpgradeableConnection<TokioIo<Stall<TcpStream>>, S>,
) where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Error: Into<BoxError>> + 'static,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = hangup.hung_up() => return,
        _ = finishing.changed() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        // What went wrong concerns this client only, and its requests know.
        _ = connection => {}
        () = hangup.hung_up() => {}
    }
}

/// Tells a service the peer's address.
#[derive(Clone)]
struct WithPeer<S> {
    service: S,
    peer: SocketAddr,
    hangup: Hangup,
}

impl<S, B> tower_service::Service<http::Request<B>> for WithPeer<S>
where
    S: tower_service::Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> S::Future {
        request.extensions_mut().insert(Peer(self.peer));
        request.extensions_mut().insert(self.hangup.clone());
        self.service.call(request)
    }
}
