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
    target.is_as_before().await;
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
    target.is_as_before().await;
}
