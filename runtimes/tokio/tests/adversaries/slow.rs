//! Peers that take their time: in a head, in a body, in reading, in answering.

use std::time::{Duration, Instant};

use socketio_proto::engine::{CloseReason, TransportError};
use tokio::{io::AsyncReadExt, time::sleep};

use crate::{support::*, wire::*};

#[tokio::test]
async fn a_head_that_drips_is_cut_by_the_header_timeout() {
    let target = Target::start_with(config(), |serving| {
        serving.header_timeout(Duration::from_millis(300))
    })
    .await;
    let mut raw = Raw::connect(target.address).await;
    let begin = Instant::now();

    raw.write(format!("GET {POLLING} HTTP/1.1\r\n")).await;
    let mut dripped = 0;
    // A byte now and then does not begin the time anew.
    while begin.elapsed() < Duration::from_secs(5) && raw.try_write("x: y\r\n").await {
        dripped += 1;
        sleep(Duration::from_millis(20)).await;
    }

    assert!(dripped > 5, "it had {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(2));
    raw.end().await;
    assert_eq!(target.opened(), 0);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_by_the_header_timeout() {
    let target = Target::start_with(config(), |serving| {
        serving.header_timeout(Duration::from_millis(300))
    })
    .await;
    let mut silent = Raw::connect(target.address).await;
    // The silence between two requests counts alike.
    let mut idle = Raw::connect(target.address).await;
    idle.write(get("/elsewhere")).await;
    assert_eq!(idle.reply().await.status, 404);

    silent.end().await;
    idle.end().await;

    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_heartbeat_of_its_session() {
    for (head, drop) in [
        ("content-length: 9000", "x"),
        ("transfer-encoding: chunked", "1\r\nx\r\n"),
    ] {
        let target = Target::start(short()).await;
        let mut raw = Raw::connect(target.address).await;
        let session = raw.polling().await;
        let begin = Instant::now();

        raw.write(format!(
            "POST {session} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n"
        ))
        .await;
        while begin.elapsed() < Duration::from_secs(5) && raw.try_write(drop).await {
            sleep(Duration::from_millis(20)).await;
        }

        assert_eq!(target.reason().await, CloseReason::PingTimeout);
        assert!(begin.elapsed() < Duration::from_secs(3), "{head}");
        target.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_begin_ends_with_the_heartbeat_of_its_session() {
    let target = Target::start(short()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;

    raw.write(format!(
        "POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n"
    ))
    .await;

    assert_eq!(raw.reply().await.status, 400);
    raw.end().await;
    assert_eq!(target.reason().await, CloseReason::PingTimeout);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn bodies_that_drip_hold_no_more_than_the_limit_together() {
    let target = Target::start(config().max_body_bytes(20_000)).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect(target.address).await;
        let session = raw.polling().await;
        let head = format!("POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n");
        raw.write([head.as_bytes(), &[b'x'; 8_000]].concat()).await;
        slow.push(raw);
    }

    // One of them passes it.
    let full = CloseReason::TransportError(TransportError::BodiesFull);
    assert_eq!(target.reason().await, full);

    let mut statuses = Vec::new();
    for raw in &mut slow {
        raw.write([b'x'; 1_000]).await;
        statuses.push(raw.reply().await.status);
    }
    statuses.sort_unstable();
    // The others have sent what is no packet.
    assert_eq!(statuses, [400, 400, 503]);
    drop(slow);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_huge_length_without_a_body_is_refused_with_413_and_the_session_lives_on() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    for length in ["10001", "9223372036854775807"] {
        let mut other = Raw::connect(target.address).await;
        let begin = Instant::now();
        other
            .write(format!(
                "POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        assert_eq!(other.reply().await.status, 413);
        assert!(begin.elapsed() < Duration::from_secs(3));
        other.end().await;
    }

    drop(raw);
    target.leave(&session).await;
    assert_eq!(target.reason().await, CloseReason::TransportClose);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_chunked_body_without_an_end_is_refused_with_413_at_the_limit() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let mut other = Raw::connect(target.address).await;

    other
        .write(format!(
            "POST {session} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        ))
        .await;
    let chunk = "1\r\nx\r\n".repeat(1_000);
    for _ in 0..11 {
        other.write(&chunk).await;
    }

    assert_eq!(other.reply().await.status, 413);
    other.end().await;
    drop(raw);
    target.leave(&session).await;
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_poll_with_a_body_that_never_comes_ends_with_the_heartbeat_of_its_session() {
    let target = Target::start(short()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;

    raw.write(format!(
        "GET {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    ))
    .await;

    // The ping ends the poll; the body that is missing ends the connection.
    assert_eq!(raw.reply().await.body, "2");
    raw.end().await;
    assert_eq!(target.reason().await, CloseReason::PingTimeout);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_websocket_that_never_pongs_ends_with_its_heartbeat() {
    let target = Target::start(short()).await;
    let mut raw = Raw::session(target.address).await;

    assert_eq!(raw.frame().await, Some((TEXT, b"2".to_vec())));
    assert_eq!(raw.close_code().await, Some(1005));
    raw.write(frame(CLOSE, "")).await;
    raw.end().await;
    drop(raw);

    assert_eq!(target.reason().await, CloseReason::PingTimeout);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_a_close_frame_is_dropped_after_30_s() {
    let target = Target::start(short()).await;
    let mut raw = Raw::session(target.address).await;
    assert_eq!(raw.close_code().await, Some(1005));
    assert_eq!(target.reason().await, CloseReason::PingTimeout);

    // From here on only the glue's timers count, and they need not be waited for.
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    assert_eq!(raw.stream.read(&mut [0; 1]).await.unwrap(), 0);
    let waited = begin.elapsed();
    tokio::time::resume();

    assert!((29..32).contains(&waited.as_secs()), "{waited:?}");
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_session_that_never_polls_ends_with_its_heartbeat() {
    let target = Target::start(short()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;

    assert_eq!(target.reason().await, CloseReason::PingTimeout);

    raw.write(get(&session)).await;
    assert_eq!(raw.reply().await.status, 400);
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_session_that_posts_pongs_and_never_polls_is_bounded_by_its_queue() {
    let config = config()
        .ping_interval(Duration::from_millis(40))
        .ping_timeout(Duration::from_secs(5))
        .max_queued(1_000);
    let target = Target::start(config).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;

    // Each pong brings the next ping into the queue, counted with 65 B.
    let mut pongs = 0;
    while target.opened() > 0 {
        raw.write(post(&session, "3")).await;
        if raw.reply().await.status != 200 {
            break;
        }
        pongs += 1;
        sleep(Duration::from_millis(10)).await;
    }

    assert!(pongs >= 15, "{pongs} pongs");
    let reason = target.reason().await;
    assert!(
        matches!(reason, CloseReason::QueueFull { limit: 1_000, .. }),
        "{reason:?}"
    );
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_session_that_posts_and_never_polls_is_bounded_by_its_queue() {
    let target = Target::start(config().max_queued(50_000)).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let message = format!("4{}", "x".repeat(9_000));

    // Everything comes back, and nobody fetches it.
    for _ in 0..6 {
        raw.write(post(&session, &message)).await;
        raw.reply().await;
    }

    let reason = target.reason().await;
    assert!(
        matches!(reason, CloseReason::QueueFull { limit: 50_000, .. }),
        "{reason:?}"
    );
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_websocket_that_never_reads_its_echoes_is_bounded_by_its_queue() {
    let target = Target::start_with(config().max_queued(1 << 20), |serving| {
        serving.write_timeout(Duration::from_millis(500))
    })
    .await;
    let mut raw = Raw::connect_narrow(target.address).await;
    raw.become_websocket(WEBSOCKET).await;
    let message = frame(BINARY, [7; 10_000]);

    // Kernels buffer a few megabytes before the server's queue grows.
    for _ in 0..4_000 {
        if !raw.try_write(&message).await {
            break;
        }
    }

    let reason = target.reason().await;
    assert!(
        matches!(reason, CloseReason::QueueFull { .. }) || reason == CloseReason::TransportClose,
        "{reason:?}"
    );
    // Its connection takes nothing any more: the write timeout drops it.
    target.nothing_is_left().await;
}

/// More than the kernel's buffers take on the way to a peer that reads nothing.
const FLOOD: usize = 12 << 20;

/// Makes a session whose answer to the next poll is far larger than the kernel's buffers.
async fn full_session(target: &Target, raw: &mut Raw) -> String {
    let session = raw.polling().await;
    let key = target.last_opened().await;
    target.server.send_binary(key, vec![7; FLOOD]).unwrap();
    session
}

#[tokio::test]
async fn a_poll_whose_answer_is_not_read_is_cut_by_the_write_timeout() {
    let target = Target::start_with(short(), |serving| {
        serving.write_timeout(Duration::from_millis(300))
    })
    .await;
    let mut raw = Raw::connect_narrow(target.address).await;
    let session = full_session(&target, &mut raw).await;

    raw.write(get(&session)).await;

    // How much of an answer hyper takes decides whether the session waits for the next poll.
    let reason = target.reason().await;
    assert!(
        matches!(
            reason,
            CloseReason::PingTimeout
                | CloseReason::TransportError(
                    TransportError::PollAborted | TransportError::ResponseTimeout
                )
        ),
        "{reason:?}"
    );
    target.nothing_is_left().await;
    drop(raw);
}

#[tokio::test]
async fn a_poll_whose_answer_is_read_in_drips_is_cut_by_the_write_timeout() {
    let target = Target::start_with(short(), |serving| {
        serving.write_timeout(Duration::from_secs(2))
    })
    .await;
    let mut raw = Raw::connect_narrow(target.address).await;
    let session = full_session(&target, &mut raw).await;
    raw.write(get(&session)).await;

    let dripping = async {
        // All of it would take minutes. A kernel takes more only when much of its buffer is free, so
        // this is no progress within the timeout.
        let mut drop = vec![0; 16 << 10];
        while matches!(raw.stream.read(&mut drop).await, Ok(1..)) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = target.nothing_is_left() => {}
        () = dripping => panic!("its answer came to an end"),
    }
}

#[tokio::test]
async fn a_poll_whose_answer_is_read_slowly_ends_with_the_heartbeats_spans() {
    let target = Target::start(short()).await;
    let mut raw = Raw::connect_narrow(target.address).await;
    let session = full_session(&target, &mut raw).await;
    raw.write(get(&session)).await;

    let dripping = async {
        // All of it would take a minute, never without progress.
        let mut drop = vec![0; 64 << 10];
        while matches!(raw.stream.read(&mut drop).await, Ok(1..)) {
            sleep(Duration::from_millis(20)).await;
        }
        // The kernel still writes what it had when the connection ended.
        sleep(Duration::from_secs(60)).await;
    };
    tokio::select! {
        () = target.nothing_is_left() => {}
        () = dripping => {}
    }
}

#[tokio::test]
async fn a_poll_of_a_half_closed_socket_is_aborted() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    raw.write(get(&session)).await;
    sleep(Duration::from_millis(50)).await;

    raw.half_close().await;

    raw.end().await;
    let aborted = CloseReason::TransportError(TransportError::PollAborted);
    assert_eq!(target.reason().await, aborted);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn half_closed_sockets_leave_nothing_behind_wherever_they_stopped() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let beginnings = [
        String::new(),
        "GET".into(),
        format!("GET {POLLING} HTTP/1.1\r\nhost: x\r\n"),
        format!("POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n4a"),
    ];
    for beginning in beginnings {
        let mut other = Raw::connect(target.address).await;
        other.write(&beginning).await;
        other.half_close().await;
        other.end().await;
    }
    let aborted = CloseReason::TransportError(TransportError::DataAborted);
    assert_eq!(target.reason().await, aborted);

    let mut websocket = Raw::session(target.address).await;
    // In the middle of a frame.
    websocket.write(frame_head(0x80 | TEXT, 100)).await;
    websocket.half_close().await;
    websocket.end().await;

    assert_eq!(target.closed(2).await[1], CloseReason::TransportClose);
    drop(raw);
    target.nothing_is_left().await;
}
