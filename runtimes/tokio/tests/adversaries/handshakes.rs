//! What can be wrong with a request for a WebSocket, and right behind it.

use std::time::{Duration, Instant};

use socketio_proto::engine::CloseReason;

use crate::{support::*, wire::*};

#[tokio::test]
async fn cve_2022_21676_reserved_bits_right_behind_the_handshake_close_with_1002() {
    let target = Target::start(config()).await;
    for bits in [0x40, 0x20, 0x10, 0x70] {
        let mut raw = Raw::connect(target.address).await;
        let head = upgrade(WEBSOCKET, "");
        let wrong = frame_head(0x80 | bits | TEXT, 1);

        // In one write: the frame is there before the server's side of the WebSocket is.
        raw.write([head.as_bytes(), &wrong, b"x"].concat()).await;

        assert_eq!(raw.reply().await.status, 101);
        assert_eq!(raw.close_code().await, Some(1002), "{bits:#x}");
    }
    assert_eq!(target.closed(4).await, [failed(); 4]);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2022_21676_a_frame_behind_a_handshake_that_is_refused_is_dropped() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let head = upgrade("/engine.io/?EIO=3&transport=websocket", "");
    let wrong = frame_head(0xf0 | TEXT, 1);

    raw.write([head.as_bytes(), &wrong].concat()).await;

    assert_eq!(raw.reply().await.status, 400);
    raw.end().await;
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2022_41940_an_upgrade_off_the_path_that_is_reset_leaves_nothing_behind() {
    let target = Target::start(config()).await;
    for path in ["/elsewhere", "/engine.io", "/", "*", "/engine.io/../x"] {
        let mut raw = Raw::connect(target.address).await;
        raw.write(upgrade(path, "")).await;
        raw.reset();
        // The same, read to its end.
        let mut raw = Raw::connect(target.address).await;
        raw.write(upgrade(path, "")).await;
        let reply = raw.try_reply().await.unwrap();
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        raw.reset();
    }
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_handshake_that_is_reset_at_once_leaves_nothing_behind() {
    let target = Target::start(config()).await;
    for _ in 0..50 {
        let mut raw = Raw::connect(target.address).await;
        raw.write(upgrade(WEBSOCKET, "")).await;
        raw.reset();
    }
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2023_31125_an_unknown_transport_is_refused_before_the_101() {
    let target = Target::start(config()).await;
    let names = [
        "__proto__",
        "constructor",
        "toString",
        "",
        "webtransport",
        "WEBSOCKET",
    ];
    for name in names {
        let path = format!("/engine.io/?EIO=4&transport={name}");
        let mut raw = Raw::connect(target.address).await;
        raw.write(upgrade(&path, "")).await;
        let reply = raw.reply().await;
        assert_eq!(reply.status, 400, "{name}");
        assert_eq!(reply.body, "Transport unknown");
        raw.end().await;

        let mut raw = Raw::connect(target.address).await;
        raw.write(get(&path)).await;
        let reply = raw.reply().await;
        assert_eq!(reply.body, r#"{"code":0,"message":"Transport unknown"}"#);
    }
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2024_37890_a_handshake_with_more_headers_than_the_limit_is_refused_with_431() {
    let target = Target::start(config()).await;
    let lines = |count: usize| "x-y: z\r\n".repeat(count);
    // The reference cuts a head off here, and the line that asks for a WebSocket with it.
    let cut = format!(
        "GET {WEBSOCKET} HTTP/1.1\r\nhost: x\r\n{}connection: upgrade\r\nupgrade: websocket\r\n\r\n",
        lines(2_000)
    );
    for head in [upgrade(WEBSOCKET, &lines(96)), cut] {
        let mut raw = Raw::connect(target.address).await;
        raw.try_write(head).await;
        if let Some(reply) = raw.try_reply().await {
            assert_eq!(reply.status, 431, "{reply:?}");
        }
        raw.end().await;
    }

    // A hundred are served.
    let mut raw = Raw::connect(target.address).await;
    raw.write(upgrade(WEBSOCKET, &lines(95))).await;
    assert_eq!(raw.reply().await.status, 101);
    drop(raw);
    assert_eq!(target.reason().await, CloseReason::TransportClose);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2024_37890_a_handshake_without_an_upgrade_header_is_a_plain_request() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let head = upgrade(WEBSOCKET, "").replace("upgrade: websocket\r\n", "");
    raw.write(head).await;
    assert_eq!(raw.reply().await.status, 400);
    drop(raw);
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

/// What the answer to a handshake says about sub-protocols, and how long it took.
async fn protocols(target: &Target, offered: &str) -> (Reply, Duration) {
    let mut raw = Raw::connect(target.address).await;
    let begin = Instant::now();
    raw.write(upgrade(
        WEBSOCKET,
        &format!("sec-websocket-protocol: {offered}\r\n"),
    ))
    .await;
    (raw.reply().await, begin.elapsed())
}

#[tokio::test]
async fn cve_2021_32640_a_long_list_of_sub_protocols_is_read_in_linear_time() {
    let target = Target::start(config()).await;
    let lists = [
        "a,".repeat(25_000),
        " ".repeat(50_000),
        format!("a{}b", " ".repeat(50_000)),
        ",".repeat(50_000),
    ];
    for list in lists {
        let (reply, took) = protocols(&target, &list).await;
        assert_eq!(reply.status, 101);
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(reply.head.len() < 1_000, "{} B", reply.head.len());
    }
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_with_431_and_a_target_with_414_or_400() {
    let target = Target::start(config()).await;
    for (head, status) in [
        (
            upgrade(WEBSOCKET, &format!("x: {}\r\n", "y".repeat(2_000_000))),
            431,
        ),
        (get(&format!("{POLLING}&x={}", "y".repeat(8_192))), 400),
        (get(&format!("{POLLING}&x={}", "y".repeat(70_000))), 414),
    ] {
        let mut raw = Raw::connect(target.address).await;
        raw.try_write(head).await;
        if let Some(reply) = raw.try_reply().await {
            assert_eq!(reply.status, status);
        }
        drop(raw);
    }
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_handshake_with_a_body_is_refused_and_its_connection_ends() {
    let target = Target::start(config()).await;
    for body in [
        "content-length: 1000000\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        let mut raw = Raw::connect(target.address).await;
        raw.write(upgrade(WEBSOCKET, body)).await;
        assert_eq!(raw.reply().await.status, 400, "{body}");
        raw.end().await;
    }
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_handshake_that_is_refused_does_not_wait_for_its_body() {
    let target = Target::start(config()).await;
    for (path, status) in [("/elsewhere", 404), (POLLING, 400), ("/engine.io/", 400)] {
        let mut raw = Raw::connect(target.address).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
        raw.write(head).await;
        assert_eq!(raw.reply().await.status, status, "{path}");
        raw.end().await;
    }
    target.nothing_is_left().await;
}
