//! Upgrades that are not meant.

use std::time::{Duration, Instant};

use socketio_proto::engine::CloseReason;

use crate::{support::*, wire::*};

fn on_websocket(session: &str) -> String {
    session.replace("polling", "websocket")
}

#[tokio::test]
async fn half_an_upgrade_ends_with_its_timeout_and_the_session_goes_on() {
    // Nothing at all, and a probe without a commit.
    for probe in ["", "2probe"] {
        let config = config().upgrade_timeout(Duration::from_millis(300));
        let target = Target::start(config).await;
        let mut raw = Raw::connect(target.address).await;
        let session = raw.polling().await;
        let mut half = Raw::websocket(target.address, &on_websocket(&session)).await;
        let begin = Instant::now();
        if !probe.is_empty() {
            half.write(frame(TEXT, probe)).await;
            assert_eq!(half.frame().await, Some((TEXT, b"3probe".to_vec())));
        }

        assert_eq!(half.close_code().await, Some(1005));
        assert!(begin.elapsed() < Duration::from_secs(3));
        half.write(frame(CLOSE, "")).await;
        half.end().await;
        drop(half);

        raw.write(post(&session, "4x")).await;
        assert_eq!(raw.reply().await.status, 200);
        raw.write(get(&session)).await;
        assert_eq!(raw.reply().await.body, "4x");
        raw.write(post(&session, "1")).await;
        assert_eq!(raw.reply().await.status, 200);
        assert_eq!(target.reason().await, CloseReason::TransportClose);
        drop(raw);
        target.nothing_is_left().await;
    }
}

#[tokio::test]
async fn half_upgrades_of_a_session_are_one_at_a_time_and_eight_in_all() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let refused = async || {
        let mut other = Raw::connect(target.address).await;
        other.write(upgrade(&on_websocket(&session), "")).await;
        assert_eq!(other.reply().await.status, 400);
        other.end().await;
    };

    for _ in 0..8 {
        let mut half = Raw::websocket(target.address, &on_websocket(&session)).await;
        refused().await;
        // Anything but a probe ends it.
        half.write(frame(TEXT, "4x")).await;
        assert_eq!(half.close_code().await, Some(1005));
        drop(half);
    }
    for _ in 0..20 {
        refused().await;
    }

    drop(raw);
    target.leave(&session).await;
    target.nothing_is_left().await;
}

#[tokio::test]
async fn a_flood_of_probes_gets_one_answer() {
    let target = Target::start(config()).await;
    let mut raw = Raw::connect(target.address).await;
    let session = raw.polling().await;
    let mut probing = Raw::websocket(target.address, &on_websocket(&session)).await;

    probing.write(frame(TEXT, "2probe").repeat(5_000)).await;

    assert_eq!(probing.frame().await, Some((TEXT, b"3probe".to_vec())));
    assert_eq!(probing.frame().await, Some((CLOSE, vec![])));
    drop(probing);
    drop(raw);
    target.leave(&session).await;
    target.nothing_is_left().await;
}

#[tokio::test]
async fn upgrades_of_sessions_that_cannot_have_one_are_refused_before_the_101() {
    let target = Target::start(config()).await;
    let mut upgraded = Raw::connect(target.address).await;
    let session = upgraded.polling().await;
    let mut websocket = Raw::websocket(target.address, &on_websocket(&session)).await;
    websocket.write(frame(TEXT, "2probe")).await;
    websocket.frame().await.unwrap();
    websocket.write(frame(TEXT, "5")).await;
    websocket.write(frame(TEXT, "4x")).await;
    assert_eq!(websocket.frame().await, Some((TEXT, b"4x".to_vec())));

    for sid in ["nobody", "__proto__", &"x".repeat(65)] {
        let mut raw = Raw::connect(target.address).await;
        raw.write(upgrade(&format!("{WEBSOCKET}&sid={sid}"), ""))
            .await;
        assert_eq!(raw.reply().await.status, 400, "{sid}");
        raw.end().await;
    }
    let mut raw = Raw::connect(target.address).await;
    raw.write(upgrade(&on_websocket(&session), "")).await;
    assert_eq!(raw.reply().await.status, 400);

    drop((raw, upgraded, websocket));
    assert_eq!(target.reason().await, CloseReason::TransportClose);
    target.nothing_is_left().await;
}
