//! A server on a free port, and clients that speak just enough.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socketio_proto::{
    edge::{Message, SessionKey},
    engine::{CloseReason, Config, Server},
};
use socketio_tokio::{EngineServer, Event, Forward, Service, serve};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tokio_websockets::{ClientBuilder, WebSocketStream};

pub(crate) const PATH: &str = "/engine.io/?EIO=4&transport=polling";

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: too late"))
}

/// An echo server that also says what happened.
pub(crate) struct Echo {
    pub(crate) server: EngineServer,
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Echo {
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_as(config, |service| service).await
    }

    /// Starts it with a service that is set up otherwise.
    pub(crate) async fn start_as(
        config: Config,
        set_up: impl FnOnce(Service<Server, Forward>) -> Service<Server, Forward>,
    ) -> Self {
        let (server, events) = EngineServer::new(config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(listener, set_up(server.service()))
            .grace(Duration::from_secs(2))
            .until(async { _ = stopped.await });
        Self {
            events: echo(server.clone(), events),
            server,
            address,
            stop: Some(stop),
            serving: tokio::spawn(serving.into_future()),
        }
    }

    pub(crate) async fn opened(&mut self) -> SessionKey {
        loop {
            if let Event::Opened { session, .. } = self.next().await {
                return session;
            }
        }
    }

    pub(crate) async fn closed(&mut self) -> CloseReason {
        loop {
            if let Event::Closed { reason, .. } = self.next().await {
                return reason;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        soon("an event", self.events.recv())
            .await
            .expect("the events go on")
    }

    /// Stops serving; waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        _ = self.stop.take().map(|stop| stop.send(()));
        soon("stopping", &mut self.serving).await.unwrap();
    }
}

/// Sends every message back; passes every event on.
pub(crate) fn echo(
    server: EngineServer,
    mut events: socketio_tokio::Events,
) -> mpsc::UnboundedReceiver<Event> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::Message { session, message } = &event {
                _ = server.send(*session, message.clone());
            }
            _ = sender.send(event);
        }
    });
    receiver
}

pub(crate) fn config() -> Config {
    Config::builder().max_payload(1_000).build().unwrap()
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// One connection that stays open.
pub(crate) struct Http(http1::SendRequest<Full<Bytes>>);

impl Http {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let (status, headers, body) = self.send_raw(request).await;
        Reply {
            status,
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Status, headers and body as they are on the wire.
    pub(crate) async fn send_raw(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> (u16, HeaderMap, Bytes) {
        let response = soon("a response", self.0.send_request(request))
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let body = soon("a body", body.collect()).await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, body)
    }

    pub(crate) async fn get(&mut self, target: &str) -> Reply {
        self.send(request("GET", target, "")).await
    }

    pub(crate) async fn post(&mut self, target: &str, body: impl Into<Bytes>) -> Reply {
        self.send(request("POST", target, body)).await
    }
}

pub(crate) fn request(method: &str, target: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "localhost")
        .body(Full::new(body.into()))
        .unwrap()
}

/// The session id in an open packet.
pub(crate) fn sid_of(open: &str) -> String {
    let (_, rest) = open.split_once(r#""sid":""#).expect("an open packet");
    rest.split('"').next().unwrap().to_owned()
}

/// Opens a session on polling; returns the target of its further requests.
pub(crate) async fn open_polling(http: &mut Http) -> String {
    let reply = http.get(PATH).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    format!("{PATH}&sid={}", sid_of(&reply.body))
}

pub(crate) struct Ws(pub(crate) WebSocketStream<tokio_websockets::MaybeTlsStream<TcpStream>>);

/// What a WebSocket client sees.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    Binary(Vec<u8>),
    Close(u16),
    Cut,
    Pong,
    Text(String),
}

impl Ws {
    pub(crate) async fn connect(address: SocketAddr, target: &str) -> Self {
        let uri = format!("ws://{address}{target}");
        let builder = ClientBuilder::new().uri(&uri).unwrap();
        let (socket, _) = soon("a WebSocket", builder.connect()).await.unwrap();
        Self(socket)
    }

    /// Opens a session; reads its open packet.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut ws = Self::connect(address, "/engine.io/?EIO=4&transport=websocket").await;
        match ws.read().await {
            Seen::Text(open) if open.starts_with("0{") => ws,
            other => panic!("no open packet: {other:?}"),
        }
    }

    pub(crate) async fn read(&mut self) -> Seen {
        let Some(Ok(message)) = soon("a message", self.0.next()).await else {
            return Seen::Cut;
        };
        if let Some((code, _)) = message.as_close() {
            Seen::Close(code.into())
        } else if message.is_pong() {
            Seen::Pong
        } else if let Some(text) = message.as_text() {
            Seen::Text(text.to_owned())
        } else {
            Seen::Binary(message.into_payload().to_vec())
        }
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.send(tokio_websockets::Message::text(text.into()))
            .await;
    }

    pub(crate) async fn send(&mut self, message: tokio_websockets::Message) {
        soon("sending", self.0.send(message)).await.unwrap();
    }
}

pub(crate) fn text(text: &str) -> Message {
    Message::Text(text.to_owned().into())
}
