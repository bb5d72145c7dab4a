//! Rates: of connects, and of what one client sends, where too much closes it.

use std::time::Duration;

use socketio_proto::{
    edge::{Admission, Machine, Message, SessionKey},
    engine::{Config, ConfigBuilder, Event, OverRate, Rate, Server},
};

use super::world::{World, lines, poller, socket, world};
use crate::support::Driver;

const POLLING: &str = "EIO=4&transport=polling";
const WEBSOCKET: &str = "EIO=4&transport=websocket";
pub(crate) const CLOSED: &str = "closed: forced close (the client sent more than its rates allow)";
const UNAVAILABLE: [&str; 2] = [
    "answer r0: 503 ",
    "refused: unavailable: sessions may open at 1 per second, 2 at once",
];

/// 10 packets per second, 3 at once.
pub(crate) fn few_packets(config: ConfigBuilder) -> ConfigBuilder {
    config.packet_rate(Rate::new(10, 3))
}

pub(crate) fn set_reading(world: &mut World, session: SessionKey, paused: bool) {
    let done = world.machine.set_reading(world.now, session, paused);
    done.unwrap();
}

pub(crate) fn micros(world: &mut World, micros: u64) {
    world.now += Duration::from_micros(micros);
    world.machine.handle_timeout(world.now);
}

/// What comes out, the names of requests left out.
fn refused(world: &mut World) -> Vec<String> {
    let mut lines = lines(world);
    for line in &mut lines {
        if line.starts_with("answer r") {
            let status = line.split(": ").nth(1).unwrap();
            *line = format!("answer r0: {status}");
        }
    }
    lines
}

#[test]
fn handshakes_beyond_the_rate_are_unavailable_until_it_allows_more() {
    let mut world = world(|config| {
        let config = config.ping_interval(Duration::from_secs(9));
        config.connect_rate(Rate::new(1, 2))
    });
    poller(&mut world);
    socket(&mut world, 0);
    for _ in 0..100 {
        world.get(POLLING);
        assert_eq!(refused(&mut world), UNAVAILABLE);
        world.websocket(WEBSOCKET);
        assert_eq!(refused(&mut world), UNAVAILABLE);
        micros(&mut world, 9_999);
    }
    // All that were refused took nothing: 100 µs are missing.
    micros(&mut world, 99);
    world.get(POLLING);
    assert_eq!(refused(&mut world), UNAVAILABLE);
    micros(&mut world, 1);
    poller(&mut world);
    world.get(POLLING);
    assert_eq!(refused(&mut world), UNAVAILABLE);
    let stats = world.machine.statistics();
    assert_eq!((stats.opened, stats.refused.connects), (3, 202));
    assert_eq!(stats.refused.total(), 202);
}

#[test]
fn only_what_opens_a_session_counts_as_a_connect() {
    let mut world = world(|config| config.connect_rate(Rate::new(1, 2)).max_sessions(1));
    world.get("EIO=4&transport=carrier-pigeon");
    world.get("EIO=3&transport=polling");
    world.run();
    let (session, query) = poller(&mut world);
    world.get(&query);
    world.post(&query);
    world.get(POLLING);
    world.run();
    let stats = world.machine.statistics();
    assert_eq!(stats.refused.sessions, 1, "there is no room for another");
    world.machine.close(world.now, session);
    world.run();
    poller(&mut world);
    assert_eq!(world.machine.statistics().opened, 2);
}

#[test]
fn the_application_is_not_asked_about_a_handshake_beyond_the_rate() {
    let mut world = world(|config| config.connect_rate(Rate::new(1, 2)).ask_admission(true));
    let mut asked = Vec::new();
    for _ in 0..4 {
        world.get(POLLING);
        assert_eq!(lines(&mut world), ["asked"], "nobody has come in yet");
        if let Some(Event::Handshake { request }) = world.events.last() {
            asked.push(*request);
        }
    }
    let mut decide = |admission: Admission| {
        let request = asked.remove(0);
        let done = world.machine.admit(world.now, request, admission);
        assert_eq!(done, Ok(()));
        refused(&mut world)
    };
    let message = "no".into();
    decide(Admission::Deny { message });
    assert_eq!(decide(Admission::Allow), ["answer r0: 200 0…", "opened"]);
    assert_eq!(decide(Admission::Allow), ["answer r0: 200 0…", "opened"]);
    // It was let in when there was nothing left.
    assert_eq!(decide(Admission::Allow), UNAVAILABLE);
    world.get(POLLING);
    assert_eq!(refused(&mut world), UNAVAILABLE);
}

#[test]
fn packets_beyond_the_rate_close_a_session_behind_those_that_fit() {
    let mut world = world(few_packets);
    socket(&mut world, 0);
    for text in ["4a", "4b", "4c"] {
        world.text(0, text);
    }
    let messages = ["message \"a\"", "message \"b\"", "message \"c\""];
    assert_eq!(lines(&mut world), messages);
    world.text(0, "4d");
    assert_eq!(lines(&mut world), ["close t0", CLOSED]);

    let (_, query) = poller(&mut world);
    let body = world.post(&query);
    world.get(&query);
    world.run();
    world.body(body, "4a\u{1e}4b\u{1e}4c\u{1e}4d\u{1e}4e".as_bytes());
    let mut expected = messages.to_vec();
    expected.extend([
        "answer r3: 200 1",
        CLOSED,
        "answer r2: 400 {\"code\":3,\"message\":\"Bad request\"}",
        "refused: bad request: the session closed",
    ]);
    assert_eq!(lines(&mut world), expected);
    let stats = world.machine.statistics();
    assert_eq!((stats.closed.rate_exceeded, stats.closed.total()), (2, 2));
    assert_eq!(world.machine.sessions(), 0);
}

#[test]
fn a_client_that_keeps_to_its_rate_goes_on_for_ever() {
    let mut world = world(|config| few_packets(config).ping_interval(Duration::from_secs(900)));
    socket(&mut world, 0);
    for _ in 0..3 {
        world.text(0, "4a");
    }
    for _ in 0..5_000 {
        micros(&mut world, 100_000);
        world.text(0, "4a");
    }
    assert_eq!(world.machine.sessions(), 1);
    micros(&mut world, 99_999);
    world.text(0, "4a");
    assert_eq!(world.machine.sessions(), 0);
}

#[test]
fn answers_to_pings_and_attachments_count_as_packets() {
    for last in ["3", "6", "4x"] {
        let mut world = world(|config| config.packet_rate(Rate::new(1, 3)));
        socket(&mut world, 0);
        world.sleep(300);
        world.text(0, "3");
        world.text(0, "4with two attachments");
        world.binary(0, b"one");
        assert_eq!(world.machine.sessions(), 1);
        world.text(0, last);
        assert_eq!(world.machine.sessions(), 0);
    }
}

#[test]
fn a_message_or_body_with_too_many_bytes_is_not_delivered() {
    let mut world = world(|config| config.byte_rate(Rate::new(10, 10)));
    socket(&mut world, 0);
    world.text(0, "4234567");
    world.binary(0, b"890");
    assert_eq!(
        lines(&mut world),
        ["message \"234567\"", "message <383930>"]
    );
    world.text(0, "4");
    assert_eq!(lines(&mut world), ["close t0", CLOSED]);

    // A body counts as it comes: five bytes with their separator, five more, one too many.
    let (_, query) = poller(&mut world);
    for body in ["4a\u{1e}4b", "4c\u{1e}4d"] {
        let request = world.post(&query);
        world.run();
        world.body(request, body.as_bytes());
        assert_eq!(lines(&mut world).len(), 3);
    }
    let request = world.post(&query);
    world.run();
    world.body(request, b"4");
    assert_eq!(lines(&mut world).first().unwrap(), CLOSED);
}

#[test]
fn a_body_that_breaks_a_rule_says_so_unless_it_was_too_much_before() {
    for (body, reason) in [
        ("4a\u{1e}4b\u{1e}x", "closed: parse error"),
        ("4a\u{1e}4b\u{1e}4c\u{1e}4d\u{1e}x", CLOSED),
    ] {
        let mut world = world(few_packets);
        let (_, query) = poller(&mut world);
        let request = world.post(&query);
        world.run();
        world.body(request, body.as_bytes());
        let lines = lines(&mut world);
        let closed = lines.iter().position(|line| line.starts_with(reason));
        let messages = lines.iter().position(|line| !line.starts_with("message"));
        assert!(closed.is_some() && closed == messages, "{lines:?}");
    }
}

#[test]
fn a_body_that_ends_its_session_before_it_is_too_much_is_answered_as_ever() {
    let mut world = world(few_packets);
    let (_, query) = poller(&mut world);
    let request = world.post(&query);
    world.run();
    world.body(request, "4a\u{1e}1\u{1e}4b\u{1e}4c\u{1e}4d".as_bytes());
    assert_eq!(
        lines(&mut world),
        [
            "message \"a\"",
            "closed: transport close (closed by the client)",
            "answer r1: 200 ok"
        ]
    );
}

#[test]
fn a_session_that_is_closing_keeps_to_its_rate_too() {
    let mut world = world(few_packets);
    let session = socket(&mut world, 0);
    let text = || Message::Text("hi".into());
    world.machine.send(world.now, session, text()).unwrap();
    world.machine.send(world.now, session, text()).unwrap();
    world.take();
    world.machine.close(world.now, session);
    for _ in 0..4 {
        world.text(0, "4a");
    }
    assert_eq!(lines(&mut world), ["close t0", CLOSED]);
}

#[test]
fn a_session_keeps_its_rate_across_an_upgrade() {
    let mut world = world(few_packets);
    let (_, query) = poller(&mut world);
    world.websocket(&query.replace("polling", "websocket"));
    world.run();
    world.open(0);
    world.text(0, "2probe");
    world.text(0, "5");
    world.text(0, "4a");
    world.text(0, "4b");
    assert_eq!(
        lines(&mut world),
        [
            "write t0: 3probe",
            "upgraded",
            "message \"a\"",
            "close t0",
            CLOSED
        ]
    );
}

#[test]
fn rates_that_nobody_reaches_change_nothing() {
    let most = Rate::new(u32::MAX, u32::MAX);
    let script = |change: fn(ConfigBuilder, Rate) -> ConfigBuilder| {
        let mut world = world(|config| change(config, most));
        let mut seen = Vec::new();
        let (session, query) = poller(&mut world);
        for round in 0..20 {
            let body = world.post(&query);
            world.get(&query);
            seen.extend(world.run());
            set_reading(&mut world, session, round % 3 == 0);
            let text = Message::Text("hi".into());
            world.machine.send(world.now, session, text).unwrap();
            if round % 3 == 0 {
                set_reading(&mut world, session, false);
            }
            world.body(body, "4a\u{1e}3\u{1e}4b".as_bytes());
            seen.extend(world.run());
            world.sleep(90);
        }
        world.websocket(&query.replace("polling", "websocket"));
        seen.extend(world.run());
        world.open(0);
        world.text(0, "2probe");
        world.text(0, "5");
        for _ in 0..20 {
            world.text(0, "4c");
            world.text(0, "3");
            world.sleep(90);
            seen.extend(world.run());
        }
        seen.push(format!("{:?}", world.machine.statistics()));
        seen.push(format!("{:?}", world.machine.poll_timeout()));
        seen
    };
    let without = script(|config, _| config);
    assert!(without.len() > 100);
    let all = |config: ConfigBuilder, rate| {
        let config = config.connect_rate(rate).packet_rate(rate);
        config.byte_rate(rate)
    };
    assert_eq!(script(all), without);
    let delaying = |config: ConfigBuilder, rate| {
        let config = config.packet_rate(rate).byte_rate(rate);
        config.over_rate(OverRate::Delay)
    };
    assert_eq!(script(delaying), without);
}

#[test]
fn a_policy_without_a_rate_changes_nothing() {
    let config = Config::builder().over_rate(OverRate::Delay).build();
    let mut world: World = Driver::new(
        Server::new(config.unwrap(), [1; 32]),
        "/engine.io/",
        |event| format!("{event:?}"),
    );
    socket(&mut world, 0);
    for _ in 0..1_000 {
        world.text(0, "4a");
    }
    assert_eq!(world.take().len(), 1_000);
    let stats = world.machine.statistics();
    assert_eq!((stats.delays, stats.delayed_sessions), (0, 0));
}
