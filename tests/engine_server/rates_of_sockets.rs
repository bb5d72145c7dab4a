//! Rates under Socket.IO: what a client owes that lies unread, and what buys it time.

use std::time::Duration;

use socketio_proto::{
    edge::Machine,
    engine::{ConfigBuilder, OverRate, Rate},
    socket::{self, Event},
    time::UnixTime,
};

use crate::support::{Driver, sid_of};

const POLLING: &str = "EIO=4&transport=polling";
const AWAITS: &str = r#"451-["a",{"_placeholder":true,"num":0},""#;

/// A Socket.IO server that delays, with a connection whose transport is `t0`.
fn sockets(
    rates: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    spans: impl FnOnce(socket::ConfigBuilder) -> socket::ConfigBuilder,
) -> Driver<socket::Server> {
    let config = socket::Config::builder().engine(|engine| {
        let engine = engine
            .ping_interval(Duration::from_millis(300))
            .ping_timeout(Duration::from_millis(200));
        rates(engine).over_rate(OverRate::Delay)
    });
    let config = spans(config).build().unwrap();
    let server = socket::Server::new(config, [2; 32], UnixTime::default());
    let mut world = Driver::new(server, "/socket.io/", |event| match event {
        Event::Packet { args, .. } => format!("event {}", args.json()),
        Event::SessionClosed { reason, .. } => format!("closed: {}", reason.as_str()),
        Event::Disconnected { reason, .. } => format!("disconnected: {reason:?}"),
        event => format!("{event:?}"),
    });
    world.websocket("EIO=4&transport=websocket");
    world.run();
    world.open(0);
    world.run();
    world
}

/// Enters the namespace `/`.
fn enter(world: &mut Driver<socket::Server>) {
    world.text(0, "40");
    enter_pending(world);
}

fn enter_pending(world: &mut Driver<socket::Server>) {
    world.run();
    if let Some(Event::Connecting(connecting)) = world.events.last() {
        let pending = connecting.pending;
        let accepted = world.machine.accept(world.now, pending, &[]);
        assert!(accepted.is_ok());
    }
    world.run();
}

/// Lets time pass. Pings are answered as soon as the client is read.
fn pass(world: &mut Driver<socket::Server>, millis: u64) -> Vec<String> {
    let (mut seen, mut owes_pong) = (Vec::new(), true);
    for _ in 0..millis / 10 {
        let was_read = world.machine.statistics().delayed_sessions == 0;
        world.sleep(10);
        let lines = world.run();
        owes_pong |= lines.contains(&"write t0: 2".to_owned());
        seen.extend(lines);
        if owes_pong && was_read {
            world.text(0, "3");
            owes_pong = false;
        }
    }
    seen.retain(|line| line != "write t0: 2");
    seen
}

/// 100 bytes per second, 100 at once.
fn few_bytes(config: ConfigBuilder) -> ConfigBuilder {
    config.byte_rate(Rate::new(100, 100))
}

/// What begins so and fills up to a length.
fn filled(text: &str, length: usize, end: &str) -> String {
    let filling = "x".repeat(length - text.len() - end.len());
    format!("{text}{filling}{end}")
}

#[test]
fn an_attachment_that_lies_unread_for_a_debt_is_not_missing() {
    let mut world = sockets(few_bytes, |config| config);
    enter(&mut world);
    // Nothing may be missing for longer than 500: the debt is paid after more.
    world.text(0, &filled(AWAITS, 398, "\"]"));
    assert_eq!(world.run(), ["pause t0"]);
    assert_eq!(pass(&mut world, 2_990), [""; 0]);
    assert_eq!(pass(&mut world, 10), ["resume t0"]);
    assert_eq!(pass(&mut world, 490), [""; 0]);
    world.binary(0, b"b");
    let lines = world.run();
    assert!(lines[0].starts_with("event "), "{lines:?}");
}

#[test]
fn an_attachment_that_does_not_come_after_the_delay_is_missing() {
    let mut world = sockets(few_bytes, |config| config);
    enter(&mut world);
    world.text(0, &filled(AWAITS, 398, "\"]"));
    world.run();
    assert_eq!(pass(&mut world, 3_000), ["resume t0"]);
    assert_eq!(pass(&mut world, 490), [""; 0]);
    assert_eq!(
        pass(&mut world, 10),
        [
            "disconnected: Violation(AttachmentsMissing)",
            "close t0",
            "closed: forced close"
        ]
    );
}

#[test]
fn packets_that_say_nothing_buy_no_time_for_an_attachment() {
    let rates = |config: ConfigBuilder| config.packet_rate(Rate::new(100, 30));
    let mut world = sockets(rates, |config| config);
    enter(&mut world);
    world.text(0, r#"451-["a",{"_placeholder":true,"num":0}]"#);
    world.run();
    let mut closed = None;
    for at in 0..2_000 {
        // As many as are read: the client is in debt all the time.
        if world.machine.statistics().delayed_sessions == 0 {
            world.text(0, "6");
        }
        world.sleep(1);
        if world.run().iter().any(|line| line.starts_with("closed")) {
            closed = Some(at);
            break;
        }
    }
    assert_eq!(closed, Some(499));
}

#[test]
fn a_connect_that_lies_unread_for_a_debt_is_not_late() {
    let idle = |config: socket::ConfigBuilder| config.connect_timeout(Duration::from_secs(1));
    let mut world = sockets(few_bytes, idle);
    // This one has the wrong name, and the right one may lie behind it. What says nothing, before or
    // behind, changes nothing.
    world.text(0, &filled("6", 101, ""));
    assert_eq!(world.run(), ["pause t0"]);
    world.text(0, &filled("40/none,{\"a\":\"", 200, "\"}"));
    world.text(0, &filled("6", 99, ""));
    world.run();
    assert_eq!(pass(&mut world, 3_000), ["resume t0"]);
    assert_eq!(pass(&mut world, 990), [""; 0]);
    assert_eq!(pass(&mut world, 10), ["close t0", "closed: forced close"]);

    // What says nothing buys no time.
    let mut world = sockets(few_bytes, idle);
    world.text(0, &filled("6", 400, ""));
    assert_eq!(world.run(), ["pause t0"]);
    assert_eq!(pass(&mut world, 990), [""; 0]);
    assert_eq!(pass(&mut world, 10), ["close t0", "closed: forced close"]);
}

#[test]
fn events_of_one_body_are_delivered_up_to_the_rate_at_which_their_connection_closes() {
    let config = socket::Config::builder().engine(|engine| engine.packet_rate(Rate::new(1, 4)));
    let config = config.build().unwrap();
    let server = socket::Server::new(config, [2; 32], UnixTime::default());
    let mut world = Driver::new(server, "/socket.io/", |event| match event {
        Event::Packet { args, .. } => format!("event {}", args.json()),
        Event::Disconnected { reason, .. } => format!("disconnected: {reason:?}"),
        event => format!("{event:?}"),
    });
    world.get(POLLING);
    let query = format!("{POLLING}&sid={}", sid_of(&world.run()[0]));
    let body = world.post(&query);
    world.run();
    world.body(body, b"40");
    enter_pending(&mut world);
    let body = world.post(&query);
    world.run();
    world.body(
        body,
        "42[\"a\"]\u{1e}451-[\"b\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAAAA\u{1e}42[\"c\"]"
            .as_bytes(),
    );
    let lines = world.run();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines[0].starts_with("event "));
    assert!(
        lines[1].starts_with("event "),
        "one attachment is one packet"
    );
    assert_eq!(lines[3], "disconnected: Connection(RateExceeded)");
}
