//! Many sessions.

use socketio_proto::engine::CloseReason;

use crate::{support::*, wire::*};

#[tokio::test]
async fn sessions_that_are_opened_and_left_end_with_their_heartbeat() {
    let target = Target::start(short()).await;
    let mut raw = Raw::connect(target.address).await;
    // All on one connection, at once.
    let flood = 500;
    raw.write(get(POLLING).repeat(flood)).await;
    for _ in 0..flood {
        assert_eq!(raw.reply().await.status, 200);
    }
    assert_eq!(target.opened(), flood);

    let reasons = target.closed(flood).await;

    assert!(
        reasons
            .iter()
            .all(|reason| *reason == CloseReason::PingTimeout)
    );
    drop(raw);
    target.nothing_is_left().await;
}

#[tokio::test]
async fn websockets_that_are_opened_and_cut_end_at_once() {
    let target = Target::start(config()).await;
    for _ in 0..200 {
        drop(Raw::session(target.address).await);
    }

    let reasons = target.closed(200).await;

    assert!(
        reasons
            .iter()
            .all(|reason| *reason == CloseReason::TransportClose)
    );
    target.nothing_is_left().await;
}

#[tokio::test]
async fn sessions_beyond_the_limit_are_refused_with_503_until_others_end() {
    // One of them is the client's beside.
    let target = Target::start(config().max_sessions(11)).await;
    let mut raw = Raw::connect(target.address).await;
    let mut opened = Vec::new();
    for _ in 0..10 {
        opened.push(raw.polling().await);
    }

    for _ in 0..200 {
        raw.write(get(POLLING)).await;
        assert_eq!(raw.reply().await.status, 503);
    }
    let mut refused = Raw::connect(target.address).await;
    refused.write(upgrade(WEBSOCKET, "")).await;
    assert_eq!(refused.reply().await.status, 503);

    target.leave(&opened[0]).await;
    opened[0] = raw.polling().await;
    for session in opened {
        target.leave(&session).await;
    }
    drop((raw, refused));
    target.nothing_is_left().await;
}
