//! A client that says exactly what a test tells it to.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use socketio_tokio::Io;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Serves on a free port, until the test's runtime ends.
pub(crate) async fn serve(io: &Io) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(socketio_tokio::serve(listener, io.service()).into_future());
    port
}

pub(crate) struct Client {
    stream: WebSocketStream<TcpStream>,
    /// The id of the socket in `/`, after [`Client::join`].
    pub(crate) id: String,
}

impl Client {
    /// Opens a connection.
    pub(crate) async fn open(port: u16) -> Self {
        Self::open_with(port, "").await
    }

    /// Opens a connection with a longer query.
    pub(crate) async fn open_with(port: u16, query: &str) -> Self {
        let target = format!("/socket.io/?EIO=4&transport=websocket{query}");
        let uri = format!("ws://127.0.0.1:{port}{target}").parse().unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let builder = ClientBuilder::from_uri(uri);
        let opening = builder.connect_on(stream);
        let (stream, _) = timeout(LIMIT, opening).await.unwrap().unwrap();
        let id = String::new();
        let mut client = Self { stream, id };
        assert!(client.read().await.starts_with("0{"));
        client
    }

    /// Opens a connection and enters `/`.
    pub(crate) async fn join(port: u16) -> Self {
        let mut client = Self::open(port).await;
        client.send("40").await;
        let answer = client.read().await;
        let id = answer.strip_prefix(r#"40{"sid":""#);
        client.id = id.and_then(|id| id.strip_suffix(r#""}"#)).unwrap().into();
        client
    }

    pub(crate) async fn send(&mut self, text: &str) {
        let message = Message::text(text.to_owned());
        timeout(LIMIT, self.stream.send(message))
            .await
            .unwrap()
            .unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let message = Message::binary(bytes.to_vec());
        timeout(LIMIT, self.stream.send(message))
            .await
            .unwrap()
            .unwrap();
    }

    /// The next text message.
    pub(crate) async fn read(&mut self) -> String {
        let message = self.message().await.expect("the connection is open");
        message.as_text().expect("a text message").to_owned()
    }

    /// The next binary message.
    pub(crate) async fn read_bytes(&mut self) -> Vec<u8> {
        let message = self.message().await.expect("the connection is open");
        assert!(message.is_binary());
        message.as_payload().to_vec()
    }

    /// Emits an event with an ack id and waits for the answer. Events that come before it are lost.
    pub(crate) async fn call(&mut self, event: &str, answer: &str) {
        self.send(&format!("42999{event}")).await;
        let answer = format!("43999{answer}");
        while self.read().await != answer {}
    }

    /// The names of the next events.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        while names.len() < count {
            let message = self.read().await;
            let name = message.strip_prefix(r#"42[""#);
            let name = name.and_then(|name| name.split('"').next());
            names.extend(name.map(str::to_owned));
        }
        names
    }

    /// Reads until the connection has closed.
    pub(crate) async fn closed(&mut self) {
        while self.message().await.is_some() {}
    }

    /// The next message, `None` once the connection has closed.
    async fn message(&mut self) -> Option<Message> {
        loop {
            let next = timeout(LIMIT, self.stream.next()).await.unwrap()?;
            match next {
                Ok(message) if message.is_close() => {
                    // Answers it.
                    _ = timeout(LIMIT, self.stream.close()).await.unwrap();
                }
                next => return next.ok(),
            }
        }
    }
}
