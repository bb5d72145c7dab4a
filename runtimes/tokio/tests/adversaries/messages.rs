//! What a WebSocket peer can send: too much, too small, too often, or what is no frame.

use std::time::Duration;

use socketio_proto::engine::{CloseReason, TransportError};
use tokio::time::sleep;

use crate::{support::*, wire::*};

fn too_big() -> CloseReason {
    CloseReason::TransportError(TransportError::TooBig)
}

#[tokio::test]
async fn cve_2016_10542_a_message_above_the_limit_in_one_frame_closes_with_1009() {
    let target = Target::start(config()).await;
    let mut raw = Raw::session(target.address).await;

    raw.try_write(frame(BINARY, [7; 10_001])).await;

    assert_eq!(raw.close_code().await, Some(1009));
    assert_eq!(target.reason().await, too_big());
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2016_10542_a_message_above_the_limit_in_fragments_closes_with_1009() {
    let target = Target::start(config()).await;
    let mut raw = Raw::session(target.address).await;

    raw.write(part(BINARY, [7; 4_000])).await;
    raw.write(part(CONTINUATION, [7; 4_000])).await;
    // It need not end.
    raw.write(part(CONTINUATION, [7; 4_000])).await;

    assert_eq!(raw.close_code().await, Some(1009));
    assert_eq!(target.reason().await, too_big());
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2016_10542_a_message_above_the_limit_is_refused_by_its_announced_length_alone() {
    let target = Target::start(config()).await;
    for (number, length) in [10_001, 1 << 20, usize::MAX >> 1, usize::MAX]
        .into_iter()
        .enumerate()
    {
        let mut raw = Raw::session(target.address).await;

        raw.write(frame_head(0x80 | BINARY, length)).await;

        assert_eq!(raw.close_code().await, Some(1009), "{length}");
        assert_eq!(target.closed(number + 1).await[number], too_big());
    }
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2026_48779_tiny_fragments_of_one_message_are_bounded_by_its_size() {
    let target = Target::start(config()).await;
    let mut raw = Raw::session(target.address).await;
    let mut wire = part(TEXT, "4");
    for _ in 0..9_998 {
        wire.extend(part(CONTINUATION, "x"));
    }
    raw.write(&wire).await;
    raw.write(frame(CONTINUATION, "x")).await;

    // As many as the limit has bytes: that is a message.
    let (_, echo) = raw.frame().await.unwrap();
    assert_eq!(echo.len(), 10_000);

    raw.write(&wire).await;
    raw.write(part(CONTINUATION, "xx")).await;

    // More are not.
    assert_eq!(raw.close_code().await, Some(1009));
    assert_eq!(target.reason().await, too_big());
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn cve_2026_48779_empty_fragments_without_an_end_do_not_outlive_the_heartbeat() {
    let target = Target::start(short()).await;
    let mut raw = Raw::session(target.address).await;
    raw.write(part(BINARY, "")).await;
    let wire = part(CONTINUATION, "").repeat(1_000);

    // They fill no memory and make no message, whatever their number; a pong cannot come between.
    while raw.try_write(&wire).await && target.is_open() {
        sleep(Duration::from_millis(1)).await;
    }

    assert_eq!(target.reason().await, CloseReason::PingTimeout);
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn many_tiny_frames_are_answered_one_by_one() {
    let target = Target::start(config()).await;
    let mut raw = Raw::session(target.address).await;
    let wire = frame(TEXT, "4").repeat(5_000);
    raw.write(&wire).await;

    for _ in 0..5_000 {
        assert_eq!(raw.frame().await, Some((TEXT, b"4".to_vec())));
    }

    drop(raw);
    assert_eq!(target.reason().await, CloseReason::TransportClose);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn pongs_that_nobody_asked_for_change_nothing_and_do_not_postpone_the_ping() {
    let target = Target::start(short()).await;
    let mut raw = Raw::session(target.address).await;
    let wire = frame(TEXT, "3").repeat(5_000);
    raw.write(&wire).await;

    // The heartbeat goes on at its pace, and wants its own answer.
    assert_eq!(raw.frame().await, Some((TEXT, b"2".to_vec())));
    assert_eq!(raw.close_code().await, Some(1005));

    drop(raw);
    assert_eq!(target.reason().await, CloseReason::PingTimeout);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn pongs_in_a_body_are_bounded_by_the_number_of_packets() {
    let target = Target::start(config().max_packets(100)).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let pongs = |count| vec!["3"; count].join("\u{1e}");

    raw.write(post(&session, &pongs(100))).await;
    assert_eq!(raw.reply().await.status, 200);
    raw.write(post(&session, &pongs(101))).await;
    assert_eq!(raw.reply().await.status, 400);

    assert!(matches!(target.reason().await, CloseReason::ParseError(_)));
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn websocket_pings_are_answered_one_by_one() {
    let target = Target::start(config()).await;
    let mut raw = Raw::session(target.address).await;
    let wire = frame(PING, "are you there").repeat(5_000);
    raw.write(&wire).await;

    for _ in 0..5_000 {
        assert_eq!(raw.frame().await, Some((PONG, b"are you there".to_vec())));
    }

    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_flood_of_pings_whose_answers_are_not_read_is_cut_by_the_write_timeout() {
    let target = Target::start_with(config(), |serving| {
        serving.write_timeout(Duration::from_millis(500))
    })
    .await;
    let mut raw = Raw::connect_narrow(target.address).await;
    raw.become_websocket(WEBSOCKET).await;
    let wire = frame(PING, [7; 125]).repeat(1_000);

    // The server stops reading when answers wait, so the kernel stops taking.
    let mut flooded = 0;
    while raw.try_write(&wire).await {
        flooded += wire.len();
        assert!(flooded < 1 << 30, "it goes on for ever");
    }

    assert_eq!(target.reason().await, CloseReason::TransportClose);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn what_is_no_frame_closes_with_1002() {
    let target = Target::start(config()).await;
    let mut unmasked = frame(TEXT, "4");
    unmasked[1] &= 0x7f;
    let wrong = [
        frame_head(0x80 | 0x40 | TEXT, 1), // A reserved bit.
        frame_head(0x80 | 3, 1),           // A reserved opcode.
        part(PING, ""),                    // A control frame in fragments.
        frame_head(0x80 | PING, 126),      // A long control frame.
        frame(CONTINUATION, ""),           // A continuation of nothing.
        [part(TEXT, "4"), frame(TEXT, "4")].concat(),
        unmasked[..2].to_vec(),
    ];
    for (number, wire) in wrong.iter().enumerate() {
        let mut raw = Raw::session(target.address).await;
        raw.write(wire).await;
        assert_eq!(raw.close_code().await, Some(1002), "{wire:x?}");
        assert_eq!(target.closed(number + 1).await[number], failed());
    }
    target.nothing_is_left().await;
}

#[tokio::test]
async fn empty_fragments_after_the_close_are_not_read_for_ever() {
    let target = Target::start(config()).await;
    let mut raw = Raw::session(target.address).await;
    let session = target.last_opened().await;
    raw.write(part(TEXT, "")).await;

    target.server.close(session);
    // No message, so no end of one; four megabytes of it are enough, long before the 30 s in
    // which a close frame may come.
    let fragments = part(CONTINUATION, "").repeat(10_000);
    let flood = async { while raw.try_write(&fragments).await {} };
    soon("the end", flood).await;
    target.nothing_is_left().await;
}
