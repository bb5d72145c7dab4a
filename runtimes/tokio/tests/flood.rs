//! A client that sends faster than it is served is not read any more: what it sends stays with it,
//! and memory stays flat. Nothing is lost, and nothing comes out of order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use peak_alloc::PeakAlloc;
use socketio_proto::engine::Config;
use socketio_tokio::{EngineServer, Event, Io, Socket, serve};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, MutexGuard, Semaphore},
    time::timeout,
};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many messages of a kilobyte a flood has: far more than the kernel's buffers hold.
const FLOOD: usize = 48 << 10;

/// What a stalled flood may cost in memory, the client's own buffers included.
const FLAT: usize = 12 << 20;

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: too late"))
}

/// The tests measure the memory of one process: they take turns.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server whose handler waits for a permit per event, and what it has handled.
fn slow(permits: &Arc<Semaphore>) -> (Io, Arc<AtomicUsize>) {
    let io = Io::new();
    let handled = Arc::new(AtomicUsize::new(0));
    let (permits, count) = (Arc::clone(permits), Arc::clone(&handled));
    io.of("/").on("n", move |_: Socket, (number,): (usize,)| {
        let (permits, count) = (Arc::clone(&permits), Arc::clone(&count));
        async move {
            permits.acquire().await.unwrap().forget();
            assert_eq!(count.fetch_add(1, Ordering::SeqCst), number, "in order");
        }
    });
    (io, handled)
}

type Ws = WebSocketStream<TcpStream>;

async fn websocket(address: SocketAddr, path: &str) -> Ws {
    let uri = format!("ws://{address}{path}?EIO=4&transport=websocket");
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = ClientBuilder::new().uri(&uri).unwrap();
    let (mut ws, _) = builder.connect_on(stream).await.unwrap();
    assert!(ws.next().await.unwrap().unwrap().as_text().is_some());
    ws
}

/// Sends the flood in the background; says how much of it has gone.
fn flood(mut ws: Ws, message: impl Fn(usize) -> String + Send + 'static) -> Arc<AtomicUsize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        for number in 0..FLOOD {
            ws.send(Message::text(message(number))).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
        // It stays open, and answers pings.
        while ws.next().await.is_some() {}
    });
    sent
}

/// Waits until a count has stood still for a while.
async fn at_rest(count: &AtomicUsize) -> usize {
    let mut last = usize::MAX;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn until(count: &AtomicUsize, wanted: usize) {
    while count.load(Ordering::SeqCst) < wanted {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn event(number: usize) -> String {
    format!(r#"42["n",{number},"{}"]"#, "x".repeat(1_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_that_floods_a_slow_handler_is_not_read_and_loses_nothing() {
    let _turn = alone().await;
    let permits = Arc::new(Semaphore::new(0));
    let (io, handled) = slow(&permits);
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, io.service()).into_future());
    let mut ws = websocket(address, "/socket.io/").await;
    ws.send(Message::text("40")).await.unwrap();
    ws.next().await.unwrap().unwrap();

    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let sent = flood(ws, event);
    let stalled = soon("a stall", at_rest(&sent)).await;
    assert!(stalled < FLOOD, "all was taken");
    let grown = MEMORY.peak_usage().saturating_sub(before);
    assert!(grown < FLAT, "{grown} B for a flood that is held up");

    permits.add_permits(FLOOD);
    soon("the flood", until(&handled, FLOOD)).await;
    let grown = MEMORY.peak_usage().saturating_sub(before);
    assert!(grown < FLAT, "{grown} B for a flood that is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_nobody_takes_stop_the_reading_of_their_session_only() {
    let _turn = alone().await;
    let (server, mut events) = EngineServer::new(Config::default()).unwrap();
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, server.service()).into_future());

    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let ws = websocket(address, "/engine.io/").await;
    let sent = flood(ws, |number| format!("4{number} {}", "x".repeat(1_000)));
    let stalled = soon("a stall", at_rest(&sent)).await;
    assert!(stalled < FLOOD, "all was taken");
    let grown = MEMORY.peak_usage().saturating_sub(before);
    assert!(grown < FLAT, "{grown} B for a flood that is held up");

    // Another session is read all the same.
    let mut other = websocket(address, "/engine.io/").await;
    other.send(Message::text("4other")).await.unwrap();
    let mut next = 0;
    let mut heard = false;
    while next < FLOOD || !heard {
        let Some(Event::Message { message, .. }) = soon("an event", events.next()).await else {
            continue;
        };
        let socketio_proto::edge::Message::Text(text) = message else {
            panic!("only texts are sent");
        };
        if text == "other" {
            assert!(next < FLOOD, "it did not wait for the flood");
            heard = true;
        } else {
            let number = text.split(' ').next().unwrap().parse::<usize>().unwrap();
            assert_eq!(number, next, "in order");
            next += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_request_waits_until_the_handlers_have_caught_up() {
    let _turn = alone().await;
    let permits = Arc::new(Semaphore::new(0));
    let (io, handled) = slow(&permits);
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, io.service()).into_future());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut http, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async |method: &str, sid: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("/socket.io/?EIO=4&transport=polling{sid}"))
            .header("host", "localhost")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        http.ready().await.unwrap();
        let response = http.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let open = ask("GET", "", String::new()).await;
    let sid = format!("&sid={}", open.split('"').nth(3).unwrap());
    assert_eq!(ask("POST", &sid, "40".to_owned()).await, "ok");

    // The first stays below the mark, the second passes it.
    let body = |from: usize| {
        let events: Vec<String> = (from..from + 950).map(event).collect();
        events.join("\u{1e}")
    };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    assert_eq!(soon("the first", ask("POST", &sid, body(0))).await, "ok");
    assert_eq!(soon("the second", ask("POST", &sid, body(950))).await, "ok");
    let third = body(1_900);
    let mut third = std::pin::pin!(ask("POST", &sid, third));
    let early = timeout(Duration::from_millis(500), third.as_mut()).await;
    assert!(early.is_err(), "it was answered while nothing was handled");
    let grown = MEMORY.peak_usage().saturating_sub(before);
    assert!(grown < FLAT, "{grown} B");

    permits.add_permits(2_850);
    assert_eq!(soon("the third", third).await, "ok");
    soon("all", until(&handled, 2_850)).await;
}
