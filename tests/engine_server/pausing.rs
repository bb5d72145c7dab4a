use std::time::Duration;

use socketio_proto::edge::{Machine, Message, SessionKey, Stale};

use super::world::{World, lines, poller, socket, world};

fn pause(world: &mut World, session: SessionKey) {
    world.machine.set_reading(world.now, session, true).unwrap();
}

fn resume(world: &mut World, session: SessionKey) {
    world
        .machine
        .set_reading(world.now, session, false)
        .unwrap();
}

#[test]
fn a_paused_websocket_is_not_read_until_it_is_resumed() {
    let mut world = world(|config| config);
    let session = socket(&mut world, 0);
    pause(&mut world, session);
    pause(&mut world, session);
    assert_eq!(lines(&mut world), ["pause t0"]);
    // What was read already still comes.
    world.text(0, "4late");
    assert_eq!(lines(&mut world), ["message \"late\""]);
    resume(&mut world, session);
    resume(&mut world, session);
    assert_eq!(lines(&mut world), ["resume t0"]);
}

#[test]
fn a_paused_session_lets_its_data_request_wait_unread() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    let first = world.post(&query);
    world.run();
    pause(&mut world, session);
    world.body(first, b"4one");
    assert_eq!(
        lines(&mut world),
        ["message \"one\"", "answer r1: 200 ok"],
        "it had been read"
    );
    let second = world.post(&query);
    assert_eq!(lines(&mut world), [""; 0]);
    resume(&mut world, session);
    assert_eq!(lines(&mut world), ["read body of r2"]);
    world.body(second, b"4two");
    assert_eq!(lines(&mut world), ["message \"two\"", "answer r2: 200 ok"]);
}

#[test]
fn a_second_data_request_overlaps_one_that_waits() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    pause(&mut world, session);
    world.post(&query);
    world.post(&query);
    assert_eq!(
        lines(&mut world),
        [
            "answer r1: 400 {\"code\":3,\"message\":\"Bad request\"}",
            "closed: transport error (data request overlap from client)",
            "answer r2: 400 ",
            "refused: bad request: overlapping request"
        ]
    );
}

#[test]
fn polls_are_answered_during_a_pause() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    pause(&mut world, session);
    world.get(&query);
    let text = Message::Text("hi".into());
    world.machine.send(world.now, session, text).unwrap();
    assert_eq!(lines(&mut world), ["answer r1: 200 4hi"]);
}

#[test]
fn a_paused_client_is_pinged_and_not_declared_gone() {
    let mut world = world(|config| config);
    let session = socket(&mut world, 0);
    pause(&mut world, session);
    world.run();
    let mut pings = Vec::new();
    for at in (100..=2_000).step_by(100) {
        world.sleep(100);
        if lines(&mut world) == ["write t0: 2"] {
            pings.push(at);
        }
    }
    // A client waits interval and timeout for a ping: 500.
    assert_eq!(
        pings,
        [300, 500, 700, 900, 1_100, 1_300, 1_500, 1_700, 1_900]
    );
    // Its pong is found as soon as it is read.
    resume(&mut world, session);
    world.sleep(99);
    world.text(0, "3");
    assert_eq!(lines(&mut world), ["resume t0"]);
    world.sleep(299);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(lines(&mut world), ["write t0: 2"]);
}

#[test]
fn a_client_that_is_resumed_has_half_the_time_at_least_for_its_pong() {
    let mut world = world(|config| config);
    let session = socket(&mut world, 0);
    pause(&mut world, session);
    world.sleep(300);
    world.sleep(199);
    resume(&mut world, session);
    world.run();
    world.sleep(99);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(
        lines(&mut world),
        [
            "close t0",
            "closed: ping timeout (a ping was not answered in time)"
        ]
    );
}

#[test]
fn a_pause_that_never_ends_closes_the_session() {
    for polling in [true, false] {
        let mut world = world(|config| config.pause_timeout(Duration::from_secs(1)));
        let session = if polling {
            let (session, query) = poller(&mut world);
            pause(&mut world, session);
            world.post(&query);
            session
        } else {
            socket(&mut world, 0)
        };
        pause(&mut world, session);
        for _ in 0..10 {
            world.run();
            assert_eq!(world.machine.sessions(), 1);
            world.sleep(100);
        }
        let lines = lines(&mut world);
        assert_eq!(
            lines.last().unwrap(),
            "closed: forced close (the application stopped reading for too long)"
        );
        assert_eq!(world.machine.sessions(), 0);
        let late = world.machine.set_reading(world.now, session, false);
        assert_eq!(late, Err(Stale));
    }
}

#[test]
fn a_pause_holds_across_an_upgrade() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    pause(&mut world, session);
    let query = query.replace("polling", "websocket");
    world.websocket(&query);
    world.run();
    world.open(0);
    // The probing WebSocket is read: it carries no messages yet.
    world.text(0, "2probe");
    assert_eq!(lines(&mut world), ["write t0: 3probe"]);
    world.text(0, "5");
    assert_eq!(lines(&mut world), ["pause t0", "upgraded"]);
    resume(&mut world, session);
    assert_eq!(lines(&mut world), ["resume t0"]);
}

#[test]
fn a_data_request_that_waits_is_answered_when_its_session_closes() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    pause(&mut world, session);
    world.post(&query);
    world.get(&query);
    world.run();
    world.machine.close(world.now, session);
    assert_eq!(
        lines(&mut world),
        [
            "answer r1: 400 {\"code\":3,\"message\":\"Bad request\"}",
            "answer r2: 200 1",
            "closed: forced close (closed by the server)"
        ]
    );
}

#[test]
fn an_upgrade_waits_for_the_data_request_that_the_pause_holds_up() {
    let mut world = world(|config| config.pause_timeout(Duration::from_secs(60)));
    let (session, query) = poller(&mut world);
    pause(&mut world, session);
    let body = world.post(&query);
    world.websocket(&query.replace("polling", "websocket"));
    world.run();
    world.open(0);
    // Official clients commit when their data request was answered. One whose upgrade fails after
    // the probe polls no more.
    world.text(0, "2probe");
    assert_eq!(lines(&mut world), ["write t0: 3probe"]);
    world.sleep(200);
    assert_eq!(lines(&mut world), [""; 0]);
    resume(&mut world, session);
    assert_eq!(lines(&mut world), ["read body of r1"]);
    world.body(body, b"4hi");
    world.sleep(99);
    world.text(0, "5");
    assert_eq!(
        lines(&mut world),
        ["message \"hi\"", "answer r1: 200 ok", "upgraded"]
    );
}

#[test]
fn an_upgrade_that_the_pause_does_not_hold_up_has_its_time() {
    for (probes, posts) in [(false, true), (true, false)] {
        let mut world = world(|config| config);
        let (session, query) = poller(&mut world);
        pause(&mut world, session);
        if posts {
            world.post(&query);
        }
        world.websocket(&query.replace("polling", "websocket"));
        world.run();
        world.open(0);
        if probes {
            world.text(0, "2probe");
        }
        world.run();
        world.sleep(100);
        assert_eq!(lines(&mut world), ["close t0"]);
    }
}

#[test]
fn an_upgrade_that_is_not_gone_on_with_after_the_pause_has_its_time() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    pause(&mut world, session);
    world.post(&query);
    world.websocket(&query.replace("polling", "websocket"));
    world.run();
    world.open(0);
    world.text(0, "2probe");
    world.run();
    world.sleep(250);
    resume(&mut world, session);
    assert_eq!(lines(&mut world), ["read body of r1"]);
    world.sleep(99);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(lines(&mut world), ["close t0"]);
}

#[test]
fn a_session_that_closes_while_it_is_paused_keeps_its_reason_and_time() {
    let mut world = world(|config| {
        config
            .ping_interval(Duration::from_secs(10))
            .pause_timeout(Duration::from_secs(1))
            .close_timeout(Duration::from_secs(3))
    });
    let (session, _) = poller(&mut world);
    pause(&mut world, session);
    world.sleep(999);
    world.machine.close(world.now, session);
    world.sleep(2_999);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(
        lines(&mut world),
        ["closed: forced close (closed by the server)"]
    );
}
