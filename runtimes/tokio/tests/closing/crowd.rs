//! Clients of many manners, on both transports.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, sync::Notify, task::JoinSet, time::sleep};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use super::support::request;

pub(crate) const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// How a client behaves.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub(crate) enum Manner {
    /// Does not answer what it is asked.
    Asked,
    /// Sends, and reads what comes.
    Busy,
    /// Is sent more than fits into any buffer, and reads once it is told to.
    Clogged,
    /// Waits in a middleware.
    Entering,
    /// Sends, and takes its time for every message or poll.
    Slow,
}

#[derive(Deserialize)]
pub(crate) struct Auth {
    pub(crate) manner: Manner,
}

/// What a client saw, from its own side.
pub(crate) struct Saw {
    pub(crate) client: usize,
    pub(crate) manner: Manner,
    /// When its connection closed.
    pub(crate) closed: Instant,
    /// Messages of the protocol: everything but what opens and closes the connection.
    pub(crate) messages: usize,
    /// Of a client that posts, its events whose request was answered.
    pub(crate) answered: Option<HashSet<usize>>,
}

/// What a client reads.
#[derive(Default)]
struct Reader {
    messages: usize,
    next_tick: Option<usize>,
    has_closed: bool,
}

impl Reader {
    /// Reads a packet of Engine.IO.
    fn take(&mut self, packet: &str) {
        assert!(!self.has_closed, "nothing comes behind the close: {packet}");
        if packet == "1" {
            self.has_closed = true;
            return;
        }
        if packet == "6" {
            return;
        }
        self.messages += 1;
        if let Some(tick) = packet.strip_prefix(r#"42["tick","#) {
            let number: usize = tick.split(',').next().unwrap().parse().unwrap();
            let expected = self.next_tick.replace(number + 1).unwrap_or(number);
            assert_eq!(number, expected, "no event is lost or comes twice");
        }
    }
}

/// What all clients have in common.
#[derive(Clone)]
pub(crate) struct Crowd {
    address: SocketAddr,
    /// Counts clients that are ready.
    ready: Arc<AtomicUsize>,
    /// Has those read that waited.
    read_now: Arc<Notify>,
    is_reading: Arc<AtomicBool>,
}

impl Crowd {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            ready: Arc::default(),
            read_now: Arc::default(),
            is_reading: Arc::default(),
        }
    }

    /// Has clients live, each from its opening to its end.
    pub(crate) fn start(&self, clients: Vec<(Manner, bool)>) -> JoinSet<Saw> {
        let mut running = JoinSet::new();
        for (client, (manner, on_websocket)) in clients.into_iter().enumerate() {
            let crowd = self.clone();
            running.spawn(async move {
                if on_websocket {
                    crowd.websocket(client, manner).await
                } else {
                    crowd.polling(client, manner).await
                }
            });
        }
        running
    }

    /// Asks for a namespace.
    pub(crate) fn enter(manner: Manner) -> String {
        match manner {
            Manner::Entering => "40/slow,".to_owned(),
            manner => format!(r#"40{{"manner":"{manner:?}"}}"#),
        }
    }

    fn is_ready(&self) {
        self.ready.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) async fn until_ready(&self, clients: usize) {
        while self.ready.load(Ordering::SeqCst) < clients {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_reading(&self) {
        let told = self.read_now.notified();
        if !self.is_reading.load(Ordering::SeqCst) {
            told.await;
        }
    }

    pub(crate) fn read_now(&self) {
        self.is_reading.store(true, Ordering::SeqCst);
        self.read_now.notify_waiters();
    }

    /// A client that was told to go comes back at once: it must not be let in.
    async fn comes_back(&self) {
        let mut http = Line::new(self.address);
        if let Some((status, _)) = http.send("GET", POLLING, "").await {
            assert_eq!(status, 503);
        }
    }

    /// Has one client on a WebSocket from its opening to its end.
    async fn websocket(self, client: usize, manner: Manner) -> Saw {
        let uri = format!("ws://{}/socket.io/?EIO=4&transport=websocket", self.address);
        let stream = TcpStream::connect(self.address).await.unwrap();
        let builder = ClientBuilder::new().uri(&uri).unwrap();
        let (mut socket, _) = builder.connect_on(stream).await.unwrap();
        assert!(
            socket
                .next()
                .await
                .unwrap()
                .unwrap()
                .as_text()
                .unwrap()
                .starts_with('0')
        );
        socket
            .send(Message::text(Self::enter(manner)))
            .await
            .unwrap();
        let mut reader = Reader::default();
        if manner != Manner::Entering {
            let answer = socket.next().await.unwrap().unwrap();
            assert!(answer.as_text().unwrap().starts_with("40{"));
            reader.take(answer.as_text().unwrap());
        }
        self.is_ready();
        let (sink, mut stream) = socket.split();
        let sending = matches!(manner, Manner::Busy | Manner::Slow);
        let sending = sending.then(|| tokio::spawn(send(sink, client)));
        if manner == Manner::Clogged {
            self.until_reading().await;
        }
        // The close frame, and not only the end of the connection: nothing was cut off.
        loop {
            let message = stream.next().await.unwrap().unwrap();
            if message.is_close() {
                break;
            }
            reader.take(message.as_text().unwrap());
            if manner == Manner::Slow {
                sleep(Duration::from_millis(8)).await;
            }
        }
        let closed = Instant::now();
        if let Some(sending) = sending {
            sending.abort();
        }
        drop(stream);
        self.comes_back().await;
        Saw {
            client,
            manner,
            closed,
            messages: reader.messages,
            answered: None,
        }
    }

    /// Has one client that polls from its opening to its end.
    async fn polling(self, client: usize, manner: Manner) -> Saw {
        let mut line = Line::new(self.address);
        let (status, open) = line.send("GET", POLLING, "").await.unwrap();
        assert_eq!(status, 200, "{open}");
        let target = format!("{POLLING}&sid={}", open.split('"').nth(3).unwrap());
        let (status, _) = line
            .send("POST", &target, &Self::enter(manner))
            .await
            .unwrap();
        assert_eq!(status, 200);
        self.is_ready();
        let has_closed = Arc::new(AtomicBool::new(false));
        let posting = matches!(manner, Manner::Busy | Manner::Slow);
        let posting = posting.then(|| {
            let line = Line::new(self.address);
            tokio::spawn(post(line, target.clone(), client, Arc::clone(&has_closed)))
        });
        let mut reader = Reader::default();
        while !reader.has_closed {
            let (status, body) = line.send("GET", &target, "").await.unwrap();
            assert_eq!(status, 200, "{body}");
            body.split('\u{1e}').for_each(|packet| reader.take(packet));
            if manner == Manner::Slow {
                sleep(Duration::from_millis(60)).await;
            }
        }
        let closed = Instant::now();
        has_closed.store(true, Ordering::SeqCst);
        let answered = match posting {
            Some(posting) => Some(posting.await.unwrap()),
            None => None,
        };
        self.comes_back().await;
        Saw {
            client,
            manner,
            closed,
            messages: reader.messages,
            answered,
        }
    }
}

async fn send(mut sink: SplitSink<WebSocketStream<TcpStream>, Message>, client: usize) {
    for number in 0.. {
        let event = format!(r#"42{number}["n",{client},{number}]"#);
        if sink.send(Message::text(event)).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(7)).await;
    }
}

async fn post(
    mut line: Line,
    target: String,
    client: usize,
    has_closed: Arc<AtomicBool>,
) -> HashSet<usize> {
    let mut answered = HashSet::new();
    for number in 0.. {
        let event = format!(r#"42{number}["n",{client},{number}]"#);
        if let Some((status, _)) = line.send("POST", &target, &event).await {
            // 400 once the session has closed.
            assert!(status == 200 || status == 400, "{status}");
            answered.insert(number);
        }
        if has_closed.load(Ordering::SeqCst) {
            break;
        }
        sleep(Duration::from_millis(3)).await;
    }
    answered
}

/// A connection for requests, which is opened again when it has ended.
pub(crate) struct Line {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Line {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            sender: None,
        }
    }

    /// Sends a request; `None` if it was not answered.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
    ) -> Option<(u16, String)> {
        let is_open = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !is_open {
            let stream = TcpStream::connect(self.address).await.ok()?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let request = request(method, target, body.to_owned());
        let response = self.sender.as_mut()?.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Some((head.status.as_u16(), body))
    }
}

/// 200 clients, each with its transport.
pub(crate) fn crowd() -> Vec<(Manner, bool)> {
    let mut clients = Vec::new();
    for (manner, websockets, polling) in [
        (Manner::Busy, 60, 60),
        (Manner::Slow, 15, 15),
        (Manner::Entering, 12, 12),
        (Manner::Asked, 12, 10),
        (Manner::Clogged, 4, 0),
    ] {
        clients.extend([(manner, true)].repeat(websockets));
        clients.extend([(manner, false)].repeat(polling));
    }
    // Manners and transports take turns.
    let count = clients.len();
    (0..count).map(|it| clients[it * 77 % count]).collect()
}
