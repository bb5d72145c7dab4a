use std::time::Duration;

use futures_util::SinkExt;
use socketio_proto::engine::{CloseReason, Config, TransportError};
use socketio_tokio::Event;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_websockets::{CloseCode, Message};

use crate::support::*;

#[tokio::test]
async fn text_and_binary_come_back_in_order() {
    let echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;

    for i in 0..100 {
        ws.text(format!("4{i}")).await;
        ws.send(Message::binary(vec![i])).await;
    }

    for i in 0..100 {
        assert_eq!(ws.read().await, Seen::Text(format!("4{i}")));
        assert_eq!(ws.read().await, Seen::Binary(vec![i]));
    }
}

#[tokio::test]
async fn a_session_moves_from_polling_to_a_websocket() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let poll_target = target.clone();
    let poll = tokio::spawn(async move { http.get(&poll_target).await.body });
    tokio::time::sleep(Duration::from_millis(20)).await;

    let mut ws = Ws::connect(echo.address, &target.replace("polling", "websocket")).await;
    ws.text("2probe").await;
    assert_eq!(ws.read().await, Seen::Text("3probe".into()));
    assert_eq!(soon("the poll", poll).await.unwrap(), "6");
    ws.text("5").await;
    ws.text("4over").await;

    assert_eq!(ws.read().await, Seen::Text("4over".into()));
    while !matches!(echo.next().await, Event::Upgraded { .. }) {}
}

#[tokio::test]
async fn a_message_above_the_limit_is_answered_with_1009() {
    for fragments in [1, 4] {
        let mut echo = Echo::start(config()).await;
        let mut ws = Ws::open(echo.address).await;
        let text = format!("4{}", "x".repeat(1_000));
        if fragments == 1 {
            ws.text(text).await;
        } else {
            send_in_pieces(&mut ws, &text).await;
        }

        assert_eq!(ws.read().await, Seen::Close(1009));
        let reason = CloseReason::TransportError(TransportError::TooBig);
        assert_eq!(echo.closed().await, reason);
    }
}

/// Writes a text in masked fragments of 251 bytes, below the client's WebSocket crate.
async fn send_in_pieces(ws: &mut Ws, text: &str) {
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(251).collect();
    let mut wire = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        let last = i + 1 == pieces.len();
        wire.push(u8::from(i == 0) | if last { 0x80 } else { 0 });
        wire.push(0xfe); // Masked, with a length of 16 bits.
        wire.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
        wire.extend([0; 4]);
        wire.extend(*piece);
    }
    ws.0.get_mut().write_all(&wire).await.unwrap();
}

#[tokio::test]
async fn the_peers_close_and_a_cut_are_told_apart_from_errors() {
    let mut echo = Echo::start(config()).await;

    let mut ws = Ws::open(echo.address).await;
    ws.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), ""))
        .await;
    assert_eq!(ws.read().await, Seen::Close(1000));
    assert_eq!(echo.closed().await, CloseReason::TransportClose);

    drop(Ws::open(echo.address).await);
    assert_eq!(echo.closed().await, CloseReason::TransportClose);

    let mut ws = Ws::open(echo.address).await;
    let raw = ws.0.get_mut();
    // A continuation of nothing.
    let broken = [0x80, 0x80, 0, 0, 0, 0];
    raw.write_all(&broken).await.unwrap();
    assert_eq!(ws.read().await, Seen::Close(1002));
    let reason = CloseReason::TransportError(TransportError::Failed);
    assert_eq!(echo.closed().await, reason);
}

#[tokio::test]
async fn the_server_closes_without_a_status_code_after_what_waits() {
    let mut echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;
    let session = echo.opened().await;

    for i in 0..50 {
        echo.server.send_text(session, format!("{i}")).unwrap();
    }
    echo.server.close(session);

    for i in 0..50 {
        assert_eq!(ws.read().await, Seen::Text(format!("4{i}")));
    }
    assert_eq!(ws.read().await, Seen::Close(1005));
    assert_eq!(ws.read().await, Seen::Cut);
    assert_eq!(echo.closed().await, CloseReason::ForcedClose);
}

#[tokio::test]
async fn reading_goes_on_while_a_write_is_stuck() {
    let mut echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;
    let session = echo.opened().await;
    // More than the kernel's buffers take.
    let big = "x".repeat(1 << 20);
    for _ in 0..20 {
        echo.server.send_text(session, big.clone()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(echo.server.queued(session).unwrap() > 0, "it is stuck");

    ws.text("4in").await;

    while !matches!(echo.next().await, Event::Message { .. }) {}
    for _ in 0..20 {
        let Seen::Text(read) = ws.read().await else {
            panic!("no text")
        };
        assert_eq!(read.len(), big.len() + 1);
    }
    assert_eq!(ws.read().await, Seen::Text("4in".into()));
}

#[tokio::test]
async fn pings_are_answered_also_when_nothing_else_is_written() {
    let echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;

    for _ in 0..200 {
        ws.send(Message::ping("")).await;
    }
    for _ in 0..200 {
        assert_eq!(ws.read().await, Seen::Pong);
    }
}

#[tokio::test]
async fn a_bad_handshake_is_refused_and_leaves_nothing_behind() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let mut request = request("GET", "/engine.io/?EIO=4&transport=websocket", "");
    let headers = request.headers_mut();
    headers.insert("connection", "Upgrade".parse().unwrap());
    headers.insert("upgrade", "websocket".parse().unwrap());
    headers.insert("sec-websocket-version", "13".parse().unwrap());

    let reply = http.send(request).await;

    assert_eq!(reply.status, 400);
    assert_eq!(reply.body, "Missing or invalid Sec-WebSocket-Key header");
    assert!(echo.server.shutdown(Duration::from_secs(1)).await);
    assert!(soon("the end", echo.events.recv()).await.is_none());
}

#[tokio::test]
async fn a_message_that_comes_with_the_handshake_is_not_lost() {
    let echo = Echo::start(config()).await;
    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\n\
        connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let message = [0x81, 0x83, 0, 0, 0, 0, b'4', b'h', b'i'];
    let wire = [head.as_bytes(), &message].concat();
    raw.write_all(&wire).await.unwrap();

    let mut read = Vec::new();
    while !read.ends_with(b"\x81\x034hi") {
        let more = soon("the echo", raw.read_buf(&mut read)).await.unwrap();
        assert_ne!(more, 0, "{}", String::from_utf8_lossy(&read));
    }
    assert!(read.starts_with(b"HTTP/1.1 101"));
}

#[tokio::test]
async fn a_websocket_for_an_unknown_session_is_refused_before_101() {
    let echo = Echo::start(config()).await;
    let uri = format!(
        "ws://{}/engine.io/?EIO=4&transport=websocket&sid=nobody",
        echo.address
    );
    let builder = tokio_websockets::ClientBuilder::new().uri(&uri).unwrap();

    assert!(soon("an answer", builder.connect()).await.is_err());
}

/// Sends two binary messages in one write; says how far apart in memory they were received.
async fn distance(echo: &mut Echo, ws: &mut Ws, length: usize) -> usize {
    for _ in 0..2 {
        let message = Message::binary(vec![7; length]);
        soon("queueing", ws.0.feed(message)).await.unwrap();
    }
    soon("sending", ws.0.flush()).await.unwrap();
    let mut received = Vec::new();
    while received.len() < 2 {
        if let Event::Message { message, .. } = echo.next().await {
            let socketio_proto::edge::Message::Binary(bytes) = message else {
                panic!("not what was sent");
            };
            received.push(bytes);
        }
    }
    let [first, second] = [0, 1].map(|i: usize| received[i].as_ptr().addr());
    first.abs_diff(second)
}

#[tokio::test]
async fn a_small_message_does_not_keep_the_buffer_alive_that_it_came_in() {
    // Messages in one buffer are as far apart as their frames: no allocator does that, because the
    // lengths are odd.
    let (small, large) = (1_001, 1_501);
    let (small_frame, large_frame) = (small + 8, large + 8);
    let config = Config::builder().max_payload(20_000);
    let mut echo = Echo::start(config.build().unwrap()).await;
    let mut ws = Ws::open(echo.address).await;

    assert_ne!(distance(&mut echo, &mut ws, small).await, small_frame);
    // Larger ones are not copied, …
    assert_eq!(distance(&mut echo, &mut ws, large).await, large_frame);
    // … unless the buffer may be much larger, too.
    distance(&mut echo, &mut ws, 20_000).await;
    assert_ne!(distance(&mut echo, &mut ws, large).await, large_frame);
}
