//! The machine as a `tower` service: under hyper, in axum, beside other services.

use std::{
    convert::Infallible,
    fmt, future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::Either;
use pin_project_lite::pin_project;
use socketio_proto::edge::{BodyRead, Carrier, ResponseKind};
use tokio::sync::oneshot::error::RecvError;

#[cfg(feature = "compression")]
use crate::compression::Compression;
use crate::{
    body::{self, Body, Unread},
    driver::{Begun, Drivable, Driver, Handler, NotBegun},
    files::ClientFiles,
    request::{Hangup, RequestInfo, target},
    response::{self, Style},
    state::{Answer, Decide, Directive, ReadBody},
    websocket,
};

/// Serves a machine's requests over HTTP, long-polling and WebSockets alike.
///
/// It is a [`tower_service::Service`]. It needs a server that supports upgrades and drops a
/// request's future when its client has gone, as hyper's does over HTTP/1.1: an aborted poll is
/// then noticed at once, unless the client sent another request behind it on the same connection.
///
/// - Alone: [`serve`](crate::serve), or hyper with `hyper_util::service::TowerToHyperService`.
///   Requests under other paths are answered with 404.
/// - Before another service: [`or`](Self::or).
/// - In axum: `Router::route_service("/socket.io/", service)`, or `fallback_service`. With
///   `nest_service`, which takes the path away, or where the application is mounted under another
///   prefix, use [`any_path`](Self::any_path).
///
/// A message of a WebSocket that is kept keeps at most 16 times its length of what was received
/// alive: one that may be a smaller part of its buffer is copied out of it.
///
/// A [`Peer`](crate::Peer) in a request's extensions tells the client's address.
pub struct Service<M: Drivable, H: Handler<M>> {
    driver: Driver<M, H>,
    any_path: bool,
    files: Option<ClientFiles>,
    style: Style,
}

impl<M: Drivable, H: Handler<M>> Service<M, H> {
    /// Serves the requests of a driver's machine.
    pub fn new(driver: Driver<M, H>) -> Self {
        Self {
            driver,
            any_path: false,
            files: None,
            style: Style::default(),
        }
    }

    /// Takes every request, whatever its path: for a place behind a router that has matched the
    /// path already and may have changed it.
    #[must_use]
    pub fn any_path(mut self) -> Self {
        self.any_path = true;
        self
    }

    /// Serves the official JavaScript client to browsers, under the server's path:
    /// `/socket.io/socket.io.min.js` and its like.
    ///
    /// They come without CORS headers: a page of another origin can load them as scripts, but not as
    /// modules. A router before it has to let their paths through, as `fallback_service` and `nest_service`
    /// of axum do. With [`any_path`](Self::any_path) the file's name alone decides.
    ///
    /// ```no_run
    /// use axum::Router;
    /// use socketio_tokio::{ClientFiles, Io};
    ///
    /// # fn example(io: Io) -> std::io::Result<()> {
    /// let files = ClientFiles::load("node_modules/socket.io/client-dist")?;
    /// let app: Router = Router::new().fallback_service(io.service().client_files(files));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client_files(mut self, files: ClientFiles) -> Self {
        self.files = Some(files);
        self
    }

    /// Compresses what polls are answered, for clients that ask for it.
    ///
    /// ```
    /// use socketio_tokio::{Compression, Io};
    ///
    /// # let io = Io::new();
    /// let service = io.service().compression(Compression::new().threshold(2_048));
    /// ```
    #[cfg(feature = "compression")]
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.style.compression = Some(compression);
        self
    }

    /// Has the headers of every successful answer changed by a hook, last of all: of accepted data
    /// requests, of polls, and of the 101 of every WebSocket. Neither refusals nor answers to CORS
    /// preflights come by. A hook that is set replaces an earlier one.
    ///
    /// [`ResponseKind::Handshake`] is the first response of a session, be it the answer to a request
    /// or a 101; with it the hook stands for the reference's event `initial_headers`, and with any
    /// kind for `headers`.
    ///
    /// The headers that make a 101 response one, and those that say where a body ends, are added
    /// behind the hook's, whatever it does. Others are its own: it must not change
    /// `Content-Encoding`.
    ///
    /// It runs while the client waits, without any lock; if it panics, the connection is dropped.
    ///
    /// ```
    /// use http::{HeaderValue, header::SET_COOKIE};
    /// use socketio_tokio::{Io, ResponseKind};
    ///
    /// # let io = Io::new();
    /// let service = io.service().on_response(|kind, _request, headers| {
    ///     if kind == ResponseKind::Handshake {
    ///         headers.append(SET_COOKIE, HeaderValue::from_static("seen=yes; SameSite=Strict"));
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_response(
        mut self,
        hook: impl Fn(ResponseKind, &RequestInfo, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.style.hook = Some(Arc::new(hook));
        self
    }

    /// Passes requests that the machine does not claim to another service.
    pub fn or<S>(self, other: S) -> Or<M, H, S> {
        Or { own: self, other }
    }

    /// The driver.
    pub fn driver(&self) -> &Driver<M, H> {
        &self.driver
    }

    /// Handles one request. Unlike through `tower`, it needs no `&mut`.
    pub fn handle<B>(&self, request: http::Request<B>) -> ResponseFuture
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        if let Some(response) = self.client_file(&request) {
            return ResponseFuture(Box::pin(future::ready(response)));
        }
        let future = handle(self.clone(), request);
        ResponseFuture(Box::pin(future))
    }

    fn client_file<B>(&self, request: &http::Request<B>) -> Option<http::Response<Body>> {
        let files = self.files.as_ref()?;
        if websocket::handshake::is_wanted(request.version(), request.headers()) {
            return None;
        }
        files.answer(request, |folder| self.any_path || self.is_own(folder))
    }

    /// Whether a path that ends with a slash is the machine's, and not only under it.
    fn is_own(&self, folder: &str) -> bool {
        let before = folder.strip_suffix('/').and_then(|path| {
            let (above, _) = path.split_at(path.rfind('/')? + 1);
            Some(above)
        });
        self.driver.claims(folder) && !before.is_some_and(|above| self.driver.claims(above))
    }
}

impl<M: Drivable, H: Handler<M>, B> tower_service::Service<http::Request<B>> for Service<M, H>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> ResponseFuture {
        self.handle(request)
    }
}

impl<M: Drivable, H: Handler<M>> Clone for Service<M, H> {
    fn clone(&self) -> Self {
        Self {
            driver: self.driver.clone(),
            any_path: self.any_path,
            files: self.files.clone(),
            style: self.style.clone(),
        }
    }
}

impl<M: Drivable, H: Handler<M>> fmt::Debug for Service<M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("any_path", &self.any_path)
            .finish_non_exhaustive()
    }
}

/// The response that a [`Service`] is going to give. Dropping it aborts the request.
pub struct ResponseFuture(Pin<Box<dyn Future<Output = http::Response<Body>> + Send>>);

impl Future for ResponseFuture {
    type Output = Result<http::Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Has one request from its head to its answer.
///
/// Wherever it is dropped, what it holds reports that the request is gone.
async fn handle<M: Drivable, H: Handler<M>, B>(
    service: Service<M, H>,
    mut request: http::Request<B>,
) -> http::Response<Body>
where
    B: http_body::Body<Data = Bytes>,
{
    let upgrade = websocket::handshake::is_wanted(request.version(), request.headers())
        .then(|| hyper::upgrade::on(&mut request));
    let carrier = match upgrade {
        Some(_) => Carrier::WebSocket,
        None => Carrier::Polling,
    };
    let (mut head, body) = request.into_parts();
    let hangup = Hangup::take(&mut head);
    let waits = head.headers.contains_key(http::header::EXPECT);
    let info = RequestInfo::new(head);
    let finish = service.style.of(&info);
    // Only a handshake is looked at again; nothing else keeps the head from being moved on.
    let handshake = upgrade.map(|upgrade| (upgrade, info.clone()));
    let begun = service
        .driver
        .begin(carrier, info, hangup, service.any_path);
    // A client that waits does not keep the server open.
    drop(service);
    let mut begun = match begun {
        Ok(begun) => begun,
        Err(NotBegun::NotClaimed) => return response::empty(StatusCode::NOT_FOUND),
        Err(NotBegun::Stopped) => return response::empty(StatusCode::SERVICE_UNAVAILABLE),
    };
    let mut directive = (&mut begun.directive).await;
    while let Ok(Directive::Decide(order)) = directive {
        directive = decide(&begun, order).await;
    }
    let answer = match directive {
        Ok(Directive::Answer(answer)) => {
            // A client that waits for a word has sent nothing, and is not to be asked to.
            if answer.refuses_size() && !waits {
                body::pass_over(body).await;
            }
            Some(answer)
        }
        Ok(Directive::Read(order)) if expects_refusal(&body, waits, order.limit) => {
            begun.body(BodyRead::TooLarge);
            order.answer.await.ok()
        }
        Ok(Directive::Read(order)) => read_body(&begun, body, order).await,
        Ok(Directive::Decide(_)) | Err(_) => None,
    };
    match (answer, handshake) {
        (Some(Answer::Respond(answer)), _) => finish.respond(*answer, begun.ticket).await,
        (Some(Answer::Accept(accept)), Some((upgrade, info))) => {
            let mut response = websocket::accept(begun, &accept, info.headers(), upgrade);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                finish.accept(accept.kind, &mut response);
            }
            response
        }
        (Some(Answer::Accept(_)), None) => {
            debug_assert!(false, "only a WebSocket handshake is accepted as one");
            response::empty(StatusCode::BAD_REQUEST)
        }
        // The server was shut down, or the body's connection broke: dropping the ticket says so.
        (None, _) => response::empty(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// Has the application decide about a handshake. The machine answers without it if it takes too
/// long.
async fn decide<M: Drivable, H: Handler<M>>(
    begun: &Begun<M, H>,
    order: Decide<M::Parser>,
) -> Result<Directive<M::Parser>, RecvError> {
    let Decide { decision, mut next } = order;
    let admission = tokio::select! {
        biased;
        next = &mut next => return next,
        admission = decision => admission,
    };
    begun.admit(admission);
    next.await
}

/// Whether a client waits for a word before it sends a body that is too large: then it need not
/// send it at all.
fn expects_refusal<B: http_body::Body>(body: &B, waits: bool, limit: usize) -> bool {
    waits && body.size_hint().lower() > limit as u64
}

/// Reads and reports a body, and waits for the answer; stops reading if that comes first.
async fn read_body<M: Drivable, H: Handler<M>, B>(
    begun: &Begun<M, H>,
    body: B,
    order: ReadBody<M::Parser>,
) -> Option<Answer<M::Parser>>
where
    B: http_body::Body<Data = Bytes>,
{
    let mut answer = order.answer;
    let body = tokio::select! {
        biased;
        answer = &mut answer => return answer.ok(),
        body = body::read(body, order.limit, |received| {
            begun.body_progress(received);
        }) => body,
    };
    let body = match body {
        // Decoded here, so without the lock.
        Ok(body) => BodyRead::Complete(order.codec.read_body(body)),
        Err(Unread::TooLarge) => BodyRead::TooLarge,
        Err(Unread::Broken) => return None,
    };
    begun.body(body);
    answer.await.ok()
}

/// A [`Service`] before another service, which gets the requests that the machine does not claim.
pub struct Or<M: Drivable, H: Handler<M>, S> {
    own: Service<M, H>,
    other: S,
}

impl<M: Drivable, H: Handler<M>, S> Or<M, H, S> {
    /// The driver.
    pub fn driver(&self) -> &Driver<M, H> {
        self.own.driver()
    }
}

impl<M: Drivable, H: Handler<M>, S: Clone> Clone for Or<M, H, S> {
    fn clone(&self) -> Self {
        Self {
            own: self.own.clone(),
            other: self.other.clone(),
        }
    }
}

impl<M: Drivable, H: Handler<M>, S> fmt::Debug for Or<M, H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Or")
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl<M: Drivable, H: Handler<M>, S, B, R> tower_service::Service<http::Request<B>> for Or<M, H, S>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    S: tower_service::Service<http::Request<B>, Response = http::Response<R>>,
{
    type Response = http::Response<Either<Body, R>>;
    type Error = S::Error;
    type Future = OrFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.other.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if self.own.any_path || self.own.driver.claims(target(request.uri())) {
            let future = self.own.handle(request);
            OrFuture::Own { future }
        } else {
            let future = self.other.call(request);
            OrFuture::Other { future }
        }
    }
}

pin_project! {
    /// The response that an [`Or`] is going to give.
    #[project = OrProjection]
    #[derive(Debug)]
    #[allow(missing_docs, reason = "the macro passes no documentation on to fields")]
    pub enum OrFuture<F> {
        /// Of the [`Service`].
        Own { #[pin] future: ResponseFuture },
        /// Of the other service.
        Other { #[pin] future: F },
    }
}

impl<F, R, E> Future for OrFuture<F>
where
    F: Future<Output = Result<http::Response<R>, E>>,
{
    type Output = Result<http::Response<Either<Body, R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            OrProjection::Own { future } => match ready!(future.poll(cx)) {
                Ok(response) => Ok(response.map(Either::Left)),
                Err(never) => match never {},
            },
            OrProjection::Other { future } => {
                ready!(future.poll(cx)).map(|response| response.map(Either::Right))
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use http_body_util::{BodyExt, Empty};
    use socketio_proto::{
        edge::SessionKey,
        engine::{Config, Event, Server},
    };

    use super::*;
    use crate::{
        clock::{Clock, seed},
        driver::Context,
    };

    pub(crate) const PATH: &str = "/engine.io/?EIO=4&transport=polling";

    /// Keeps the session that was opened last.
    #[derive(Default)]
    pub(crate) struct Keep(pub(crate) Option<SessionKey>);

    impl Handler<Server> for Keep {
        fn on_event(&mut self, event: Event, _: &mut Context<'_, Server>) {
            if let Event::SessionOpened { session, .. } = event {
                self.0 = Some(session);
            }
        }
    }

    /// Engine.IO, without a network around it.
    pub(crate) fn engine(clock: Clock) -> Service<Server, Keep> {
        let server = Server::new(Config::default(), seed().unwrap());
        Service::new(Driver::new(server, Keep::default(), clock))
    }

    /// The body that a request is answered with.
    pub(crate) async fn get(
        service: &Service<Server, Keep>,
        target: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Bytes {
        let mut request = http::Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).unwrap();
        let response = service.handle(request).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    }

    /// The session id in an open packet.
    pub(crate) fn sid_of(open: &[u8]) -> String {
        let open = str::from_utf8(open).unwrap();
        open.split('"').nth(3).unwrap().to_owned()
    }
}
