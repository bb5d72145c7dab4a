use std::time::Duration;

use socketio_proto::{
    edge::{Admission, Carrier, End, Machine, RequestId, Stale},
    engine::Event,
};

use super::world::{World, lines, poller, world};
use crate::support::HeaderMap;

const POLLING: &str = "EIO=4&transport=polling";
const WEBSOCKET: &str = "EIO=4&transport=websocket";

fn asking() -> World {
    world(|config| config.ask_admission(true))
}

fn asked(world: &World) -> Vec<RequestId> {
    let asked = world.events.iter().filter_map(|event| match event {
        Event::Handshake { request } => Some(*request),
        _ => None,
    });
    asked.collect()
}

fn decide(world: &mut World, admission: Admission) -> Result<(), Stale> {
    let request = *asked(world).last().unwrap();
    world.machine.admit(world.now, request, admission)
}

fn deny(message: &'static str) -> Admission {
    let message = message.into();
    Admission::Deny { message }
}

#[test]
fn a_handshake_waits_for_the_application_and_opens_when_it_says_so() {
    let mut world = asking();
    world.get(POLLING);
    assert_eq!(lines(&mut world), ["asked"]);
    world.sleep(9_999);
    assert_eq!(lines(&mut world), [""; 0]);

    assert_eq!(decide(&mut world, Admission::Allow), Ok(()));
    assert_eq!(lines(&mut world), ["answer r0: 200 0…", "opened"]);
    assert_eq!(decide(&mut world, Admission::Allow), Err(Stale));
    assert_eq!(world.machine.sessions(), 1);
}

#[test]
fn a_websocket_is_not_accepted_before_the_application_allows_it() {
    let mut world = asking();
    world.websocket(WEBSOCKET);
    assert_eq!(lines(&mut world), ["asked"]);
    decide(&mut world, Admission::Allow).unwrap();
    assert_eq!(lines(&mut world), ["r0 becomes t0"]);
    world.open(0);
    assert_eq!(lines(&mut world), ["write t0: 0…", "opened"]);
}

#[test]
fn a_client_that_is_not_admitted_is_told_why() {
    let mut world = asking();
    world.get(POLLING);
    world.run();
    decide(&mut world, deny("say \"please\"")).unwrap();
    assert_eq!(
        lines(&mut world),
        [
            r#"answer r0: 403 {"code":4,"message":"say \"please\""}"#,
            "refused: not admitted by the application"
        ]
    );

    world.websocket(WEBSOCKET);
    world.run();
    decide(&mut world, deny("no")).unwrap();
    assert_eq!(lines(&mut world)[0], "answer r1: 400 no");
    assert_eq!(world.machine.sessions(), 0);
}

#[test]
fn a_handshake_that_is_not_decided_in_time_is_refused() {
    let mut world = asking();
    world.get(POLLING);
    world.run();
    world.sleep(10_000);
    assert_eq!(
        lines(&mut world),
        [
            r#"answer r0: 403 {"code":4,"message":"Forbidden"}"#,
            "refused: the application did not decide in time"
        ]
    );
    assert_eq!(decide(&mut world, Admission::Allow), Err(Stale));
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_nothing() {
    for query in [POLLING, WEBSOCKET] {
        let mut world = asking();
        let carrier = match query {
            POLLING => Carrier::Polling,
            _ => Carrier::WebSocket,
        };
        world.request(carrier, "GET", query, &HeaderMap::default());
        world.run();
        world.end(0, End::Gone);
        assert_eq!(decide(&mut world, Admission::Allow), Err(Stale));
        assert_eq!(lines(&mut world), [""; 0]);
        assert_eq!(world.machine.sessions(), 0);
    }
}

#[test]
fn only_handshakes_are_asked_about() {
    let mut world = asking();
    world.get(POLLING);
    world.run();
    decide(&mut world, Admission::Allow).unwrap();
    let sid = crate::support::sid_of(&world.run()[0]);
    world.get(&format!("{POLLING}&sid={sid}"));
    let data = world.post(&format!("{POLLING}&sid={sid}"));
    world.websocket(&format!("{WEBSOCKET}&sid={sid}"));
    assert_eq!(lines(&mut world), ["read body of r2", "r3 becomes t0"]);
    world.body(data, b"4hi");
    assert_eq!(lines(&mut world), ["message \"hi\"", "answer r2: 200 ok"]);
    assert_eq!(asked(&world).len(), 1);
}

#[test]
fn handshakes_that_wait_are_counted() {
    let mut world = world(|config| config.ask_admission(true).max_handshakes(2));
    for _ in 0..3 {
        world.get(POLLING);
    }
    assert_eq!(
        lines(&mut world),
        [
            "asked",
            "asked",
            "answer r2: 503 ",
            "refused: unavailable: at most 2 handshakes may wait for the application"
        ]
    );
    // Whoever leaves, or is decided about, makes room.
    world.end(0, End::Gone);
    decide(&mut world, Admission::Allow).unwrap();
    world.run();
    world.get(POLLING);
    world.get(POLLING);
    assert_eq!(lines(&mut world), ["asked", "asked"]);
}

#[test]
fn sessions_are_counted_those_about_to_open_included() {
    let mut world = world(|config| config.max_sessions(2));
    poller(&mut world);
    world.websocket(WEBSOCKET);
    assert_eq!(lines(&mut world), ["r1 becomes t0"]);
    let full = [
        "answer r2: 503 ".to_owned(),
        "refused: unavailable: at most 2 sessions may be open".to_owned(),
    ];
    world.get(POLLING);
    assert_eq!(lines(&mut world), full);
    world.open(0);
    world.run();
    assert_eq!(world.machine.sessions(), 2);
    world.websocket(WEBSOCKET);
    assert!(lines(&mut world)[0].starts_with("answer r3: 503"));

    // Both ends of a session make room: its own, and of what was to open one.
    world.lost(0, socketio_proto::edge::Lost::Failed);
    world.run();
    world.websocket(WEBSOCKET);
    assert_eq!(lines(&mut world), ["r4 becomes t1"]);
    world.lost(1, socketio_proto::edge::Lost::NotOpened);
    world.websocket(WEBSOCKET);
    assert_eq!(lines(&mut world), ["r5 becomes t2"]);
    world.sleep(100);
    assert_eq!(lines(&mut world), ["abort t2"]);
    world.get(POLLING);
    assert_eq!(lines(&mut world)[0], "answer r6: 200 0…");
}

#[test]
fn admitting_one_too_many_is_refused_as_well() {
    let mut world = world(|config| config.ask_admission(true).max_sessions(1));
    world.get(POLLING);
    world.get(POLLING);
    world.run();
    for request in asked(&world) {
        world
            .machine
            .admit(world.now, request, Admission::Allow)
            .unwrap();
    }
    let lines = lines(&mut world);
    assert_eq!(lines[0], "answer r0: 200 0…");
    assert_eq!(lines[2], "answer r1: 503 ");
}

#[test]
fn a_shutdown_refuses_whoever_waits() {
    let mut world = asking();
    world.get(POLLING);
    world.websocket(WEBSOCKET);
    world.run();
    world.machine.shutdown(world.now, Duration::from_secs(60));
    let unavailable = "refused: unavailable: the server is shutting down";
    assert_eq!(
        lines(&mut world),
        [
            "answer r0: 503 ",
            unavailable,
            "answer r1: 503 ",
            unavailable
        ]
    );
    assert_eq!(decide(&mut world, Admission::Allow), Err(Stale));
}
