//! HTTP that is more, or something else, than one request after the other.

use std::time::Duration;

use socketio_proto::engine::{CloseReason, TransportError};
use tokio::net::TcpStream;

use crate::{support::*, wire::*};

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let rounds = 200;
    let mut wire = String::new();
    for i in 0..rounds {
        wire += &post(&session, &format!("4{i}"));
        wire += &get("/elsewhere");
    }

    raw.write(wire).await;

    for _ in 0..rounds {
        let reply = raw.reply().await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
        assert_eq!(raw.reply().await.status, 404);
    }
    drop(raw);
    target.leave(&session).await;
    target.nothing_is_left().await;
}

#[tokio::test]
async fn requests_behind_a_pending_poll_wait_for_it() {
    let target = Target::start(short()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;

    // On one connection a second poll overlaps nothing: it is not read before the first was
    // answered.
    raw.write(get(&session).repeat(3)).await;

    assert_eq!(raw.reply().await.body, "2");
    assert_eq!(raw.reply().await.status, 200);
    // The end of the session, which nothing answered the ping of, ended the second.
    assert_eq!(raw.reply().await.status, 400);
    assert_eq!(target.reason().await, CloseReason::PingTimeout);
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn overlapping_polls_close_the_session() {
    let target = Target::start(config()).await;
    let mut first = Raw::connect(target.address).await;
    let mut second = Raw::connect(target.address).await;
    let session = first.polling().await;

    first.write(get(&session)).await;
    second.write(get(&session)).await;

    // Whichever comes second is refused; the other ends with the session.
    let mut statuses = [first.reply().await.status, second.reply().await.status];
    statuses.sort_unstable();
    assert!(matches!(statuses, [200 | 400, 400]), "{statuses:?}");
    let overlap = CloseReason::TransportError(TransportError::PollOverlap);
    assert_eq!(target.reason().await, overlap);
    drop((first, second));
    target.nothing_is_left().await;
}

#[tokio::test]
async fn overlapping_posts_close_the_session() {
    let target = Target::start(config()).await;
    let mut first = Raw::connect(target.address).await;
    let session = first.polling().await;
    first
        .write(format!(
            "POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n"
        ))
        .await;
    // Its body is being waited for.
    assert_eq!(first.reply().await.status, 100);

    for _ in 0..20 {
        let mut other = Raw::connect(target.address).await;
        other.write(post(&session, "4x")).await;
        assert_eq!(other.reply().await.status, 400);
    }

    assert_eq!(first.reply().await.status, 400);
    let overlap = CloseReason::TransportError(TransportError::DataOverlap);
    assert_eq!(target.reason().await, overlap);
    drop(first);
    target.nothing_is_left().await;
}

/// Writes a message that two readers may divide differently; says what the server answered, as
/// far as it did.
async fn answers(target: &Target, wire: &str) -> Vec<u16> {
    let mut raw = Raw::connect(target.address).await;
    raw.write(wire).await;
    let mut answers = Vec::new();
    while let Some(reply) = raw.try_reply().await {
        answers.push(reply.status);
    }
    answers
}

/// A server that soon ends what stays open after its answers.
async fn impatient() -> Target {
    Target::start_with(config(), |serving| {
        serving.header_timeout(Duration::from_millis(200))
    })
    .await
}

#[tokio::test]
async fn a_length_beside_chunks_is_no_way_to_smuggle_a_request() {
    let target = impatient().await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let smuggled = get("/smuggled");
    let both = |first: &str, second: &str, body: &str| {
        format!("POST {session} HTTP/1.1\r\nhost: x\r\n{first}\r\n{second}\r\n\r\n{body}")
    };
    let length = |body: &str| format!("content-length: {}", body.len());
    // By the chunks the body ends at once, by the length it has the other request in it.
    let body = format!("0\r\n\r\n{smuggled}");
    let chunked = "transfer-encoding: chunked";
    for wire in [
        both(&length(&body), chunked, &body),
        both(chunked, &length(&body), &body),
    ] {
        let answers = answers(&target, &wire).await;
        assert!(
            !answers.contains(&404) && answers.len() <= 1,
            "{answers:?} to {wire}"
        );
    }
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn lengths_and_codings_that_are_ambiguous_are_refused_and_end_the_connection() {
    let target = impatient().await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let ambiguous = [
        "content-length: 1\r\ncontent-length: 2",
        "content-length: 1, 2",
        "content-length: +1",
        "content-length: -1",
        "content-length: 0x1",
        "content-length: 18446744073709551616",
        "content-length : 1",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
        "transfer-encoding: identity",
        "transfer-encoding:\u{b}chunked",
        " transfer-encoding: chunked",
        "transfer-encoding : chunked",
        "x: y\r\n transfer-encoding: chunked",
    ];
    for lines in ambiguous {
        let wire = format!(
            "POST {session} HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n0\r\n\r\n{}",
            get("/smuggled")
        );
        let answers = answers(&target, &wire).await;
        assert_eq!(answers, [400], "{lines}");
    }
    let old = format!(
        "POST {session} HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{}",
        get("/smuggled")
    );
    assert_eq!(answers(&target, &old).await, [400]);
    // A chunk whose length nobody can hold.
    let chunk = format!(
        "POST {session} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
         10000000000000001\r\nx\r\n0\r\n\r\n{}",
        get("/smuggled")
    );
    assert!(!answers(&target, &chunk).await.contains(&404));
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_flood_of_connects_that_say_nothing_ends_with_the_header_timeout() {
    let target = Target::start_with(config(), |serving| {
        serving.header_timeout(Duration::from_millis(500))
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..500 {
        silent.push(TcpStream::connect(target.address).await.unwrap());
    }
    // Others are still accepted.
    let mut raw = Raw::session(target.address).await;
    raw.write(frame(TEXT, "4x")).await;
    assert_eq!(raw.frame().await, Some((TEXT, b"4x".to_vec())));
    drop(raw);
    target.nothing_is_left().await;
    drop(silent);
}

#[tokio::test]
async fn a_flood_of_connects_that_are_reset_at_once_leaves_nothing_behind() {
    let target = Target::start(config()).await;
    for _ in 0..500 {
        Raw::connect(target.address).await.reset();
    }
    target.nothing_is_left().await;
}
