//! Who may open a session: decided by the application, in its own time.

use std::{
    future,
    sync::{Arc, Mutex},
    time::Duration,
};

use socketio_proto::engine::Config;
use socketio_tokio::{EngineServer, Event, Events, Io, RequestInfo, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::support::*;

async fn start<R>(
    allow: impl Fn(RequestInfo) -> R + Send + Sync + 'static,
) -> (EngineServer, Events, std::net::SocketAddr)
where
    R: Future<Output = Result<(), &'static str>> + Send + 'static,
{
    let (server, events) = EngineServer::builder()
        .config(config())
        .allow_request(allow)
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, server.service()).into_future());
    (server, events, address)
}

async fn key(request: RequestInfo) -> Result<(), &'static str> {
    tokio::task::yield_now().await;
    match request.headers().get("x-key") {
        Some(key) if key == "1" => Ok(()),
        _ => Err("no \"key\""),
    }
}

#[tokio::test]
async fn a_client_is_let_in_or_told_why_not() {
    let (_server, mut events, address) = start(key).await;
    let mut http = Http::connect(address).await;

    let refused = http.get(PATH).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body, r#"{"code":4,"message":"no \"key\""}"#);

    let mut with_key = request("GET", PATH, "");
    with_key.headers_mut().insert("x-key", "1".parse().unwrap());
    let allowed = http.send(with_key).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let opened = soon("an event", events.next()).await;
    assert!(matches!(opened, Some(Event::Opened { .. })), "{opened:?}");
    // What belongs to the session is not asked about.
    let session = format!("{PATH}&sid={}", sid_of(&allowed.body));
    assert_eq!(http.post(&session, "4hi").await.status, 200);
}

#[tokio::test]
async fn a_websocket_is_refused_before_the_101() {
    let (_server, _events, address) = start(key).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\
        Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nno \"key\""), "{answer}");
}

#[tokio::test]
async fn a_question_about_a_client_that_left_is_dropped() {
    struct Told(mpsc::UnboundedSender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            _ = self.0.send("dropped");
        }
    }
    let (sender, mut seen) = mpsc::unbounded_channel();
    let (server, _events, address) = start(move |_| {
        let told = Told(sender.clone());
        _ = sender.send("asked");
        async move {
            let _told = told;
            future::pending().await
        }
    })
    .await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(soon("a question", seen.recv()).await, Some("asked"));
    drop(stream);
    assert_eq!(soon("its end", seen.recv()).await, Some("dropped"));
    assert!(server.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_answer_that_panics_lets_nobody_in() {
    let (_server, _events, address) = start(async |_| panic!("on purpose")).await;
    let reply = Http::connect(address).await.get(PATH).await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.body, r#"{"code":4,"message":"Forbidden"}"#);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_refusal() {
    let config = Config::builder().admission_timeout(Duration::from_millis(100));
    let (server, _events) = EngineServer::builder()
        .config(config.build().unwrap())
        .allow_request(|_| future::pending::<Result<(), String>>())
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, server.service()).into_future());
    assert_eq!(Http::connect(address).await.get(PATH).await.status, 403);
}

#[tokio::test]
async fn without_anybody_to_ask_everybody_is_let_in() {
    let asking = Config::builder().ask_admission(true).build().unwrap();
    let (server, _events) = EngineServer::new(asking).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, server.service()).into_future());
    assert_eq!(Http::connect(address).await.get(PATH).await.status, 200);
}

#[tokio::test]
async fn a_socketio_server_asks_as_well() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let io = Io::builder().allow_request({
        let seen = Arc::clone(&seen);
        move |request: RequestInfo| {
            seen.lock().unwrap().push(request.uri().path().to_owned());
            async { Err("closed today") }
        }
    });
    let io = io.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, io.service()).into_future());
    let path = PATH.replace("engine", "socket");
    let reply = Http::connect(address).await.get(&path).await;
    assert_eq!(reply.body, r#"{"code":4,"message":"closed today"}"#);
    assert_eq!(*seen.lock().unwrap(), ["/socket.io/"]);
}
