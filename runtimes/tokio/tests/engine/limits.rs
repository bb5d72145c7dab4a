//! Slow, silent and old-fashioned peers, and limits that are none.

use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::BodyExt;
use socketio_tokio::{EngineServer, Event, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_websockets::{ClientBuilder, Message};

use crate::support::*;

#[tokio::test]
async fn reading_goes_on_after_a_write_that_was_stuck_behind_many_pings() {
    let mut echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;
    let session = echo.opened().await;
    // More than the kernel's buffers take.
    let big = "x".repeat(20 << 20);
    echo.server.send_text(session, big).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..64 {
        ws.send(Message::ping("")).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    ws.text("4in").await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    // The first text is too large for the client's WebSocket crate, so it reads bytes.
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 20];
        let raw = ws.0.get_mut();
        while raw.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    });

    while !matches!(echo.next().await, Event::Message { .. }) {}
    reading.abort();
}

#[tokio::test]
async fn a_slow_reader_gets_all_that_was_sent_before_an_orderly_close() {
    let (server, mut events) = EngineServer::new(config()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, server.service()).into_future());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let uri = format!("ws://{address}/engine.io/?EIO=4&transport=websocket");
    let builder = ClientBuilder::new().uri(&uri).unwrap();
    let (mut ws, _) = builder.connect_on(stream).await.unwrap();
    ws.next().await.unwrap().unwrap();
    let Some(Event::Opened { session, .. }) = events.next().await else {
        panic!("no session");
    };
    let size = 1_500_000;
    server.send_text(session, "x".repeat(size)).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.close(session);

    // Neither a pause nor a word in between costs the rest.
    let mut raw = ws.into_inner();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let pong = [0x81, 0x81, 0, 0, 0, 0, b'3'];
    raw.write_all(&pong).await.unwrap();
    let mut total = 0;
    let mut buffer = vec![0; 64 << 10];
    while total < size {
        let more = soon("more", raw.read(&mut buffer)).await.unwrap();
        assert_ne!(more, 0, "cut after {total} of {size}");
        total += more;
    }
}

#[tokio::test]
async fn a_websocket_over_http_1_0_is_refused_as_a_plain_request() {
    let echo = Echo::start(config()).await;
    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.0\r\nhost: x\r\n\
        connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    raw.write_all(head.as_bytes()).await.unwrap();

    let mut answer = String::new();
    soon("the answer", raw.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.0 400"), "{answer}");
}

#[tokio::test]
async fn a_limit_may_be_longer_than_any_time() {
    let (server, _events) = EngineServer::new(config()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = serve(listener, server.service())
        .header_timeout(Duration::MAX)
        .write_timeout(Duration::MAX)
        .grace(Duration::MAX)
        .until(async { _ = stopped.await });
    let serving = tokio::spawn(serving.into_future());

    let mut ws = Ws::open(address).await;
    stop.send(()).unwrap();

    assert_eq!(ws.read().await, Seen::Close(1005));
    drop(ws);
    soon("the end", serving).await.unwrap();
}

#[tokio::test]
async fn large_messages_that_come_at_once_arrive_in_order() {
    let config = socketio_proto::engine::Config::builder().max_payload(1 << 20);
    let mut echo = Echo::start(config.build().unwrap()).await;
    let mut ws = Ws::open(echo.address).await;
    for i in 0..8 {
        let text = format!("4{i}{}", "x".repeat(900_000));
        ws.text(text).await;
    }
    for i in 0..8 {
        let message = loop {
            if let Event::Message { message, .. } = echo.next().await {
                break message;
            }
        };
        let socketio_proto::edge::Message::Text(text) = message else {
            panic!("no text")
        };
        assert!(text.starts_with(&i.to_string()));
    }
}

#[tokio::test]
async fn beyond_the_cap_connections_wait_until_one_has_ended() {
    let (server, _events) = EngineServer::new(config()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        serve(listener, server.service())
            .max_connections(2)
            .into_future(),
    );
    // A WebSocket's connection counts, though hyper has given it away.
    let websocket = Ws::open(address).await;
    let mut http = Http::connect(address).await;
    open_polling(&mut http).await;

    // The system connects it, but nobody accepts it.
    let mut third = Http::connect(address).await;
    let mut opening = std::pin::pin!(open_polling(&mut third));
    let waiting = tokio::time::timeout(Duration::from_millis(200), &mut opening);
    assert!(waiting.await.is_err(), "two are open");

    drop(websocket);
    soon("the place of the WebSocket", opening).await;
    let mut fourth = Http::connect(address).await;
    let mut opening = std::pin::pin!(open_polling(&mut fourth));
    let waiting = tokio::time::timeout(Duration::from_millis(200), &mut opening);
    assert!(waiting.await.is_err(), "two are open again");

    drop(http);
    soon("the place of the plain connection", opening).await;
}

#[tokio::test]
async fn a_client_whose_messages_nobody_wants_any_more_is_read() {
    let (server, events) = EngineServer::builder().mark(100).build().unwrap();
    let service = server.service();
    let ask = async |method, target: &str, body: String| {
        let handling = service.handle(request(method, target, body));
        let response = soon("a response", handling).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let target = format!(
        "{PATH}&sid={}",
        sid_of(&ask("GET", PATH, String::new()).await)
    );
    let message = format!("4{}", "x".repeat(200));

    // Its session is paused from now on.
    assert_eq!(ask("POST", &target, message.clone()).await, "ok");
    drop(events);

    for _ in 0..3 {
        assert_eq!(ask("POST", &target, message.clone()).await, "ok");
    }
}
