//! What waits for a client that takes little: whole packets, exact counts, water marks, and what
//! becomes of a packet that does not fit.

#![allow(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod support;
#[path = "outbox/world.rs"]
mod world;

use std::{fmt::Write as _, time::Duration};

use proptest::prelude::*;
use socketio_proto::{
    edge::{Carrier, End, Lost, Machine},
    engine::{self, CloseReason, Overflow},
    socket::{
        AckOutcome, Binary, Config, EmitError, Event, Options, Packet, Server, SocketKey, To, Wait,
    },
    time::UnixTime,
};
use support::{Driver, sid_of};
use world::{World, small};

const CARRIERS: [Carrier; 2] = [Carrier::Polling, Carrier::WebSocket];
const POLICIES: [Overflow; 3] = [Overflow::Close, Overflow::DropOldest, Overflow::Refuse];

/// How the network ends after it stood still.
#[derive(Clone, Copy, Debug)]
enum Ending {
    GoesOn,
    Lost,
}

/// A stream of packets of many shapes, of which the network takes the first `budget` bytes while
/// it is being sent. Returns how many bytes it would have taken.
fn stream(world: &mut World, budget: usize) -> usize {
    let mut left = budget;
    for round in 0..5 {
        world.read(&mut left);
        for i in 0..3 {
            let attachments: &[usize] = match (round + i) % 3 {
                0 => &[],
                1 => &[20],
                _ => &[5, 0, 30],
            };
            _ = world.emit(round * 7 + i, attachments);
        }
    }
    world.read(&mut left);
    budget - left
}

#[test]
fn a_network_that_stops_after_any_byte_gets_whole_packets_and_every_packet_is_counted() {
    for carrier in CARRIERS {
        for policy in POLICIES {
            let config = small(policy).build().unwrap();
            let all = stream(&mut World::new(carrier, policy, &config), usize::MAX);
            assert!(all > 600, "{all}");
            let mut seen = [false; 4];
            for budget in 0..=all {
                for ending in [Ending::GoesOn, Ending::Lost] {
                    let mut world = World::new(carrier, policy, &config);
                    stream(&mut world, budget);
                    seen[0] |= world.displaced.whole > 0;
                    seen[1] |= world.full.whole > 0;
                    seen[2] |= matches!(world.reason, Some(CloseReason::QueueFull { .. }));
                    match ending {
                        Ending::GoesOn => {
                            world.read(&mut usize::MAX.clone());
                            assert_eq!(world.waiting(), 0);
                        }
                        Ending::Lost => {
                            world.lose();
                            assert!(world.reason.is_some());
                        }
                    }
                    seen[3] |= world.discarded.whole > 0;
                    let sum = world.handed.whole + world.displaced.whole + world.discarded.whole;
                    assert_eq!(world.accepted.whole, sum);
                }
            }
            let expected = match policy {
                Overflow::DropOldest => [true, false, false, true],
                Overflow::Refuse => [false, true, false, true],
                _ => [false, true, true, true],
            };
            assert_eq!(seen, expected, "{carrier:?} {policy:?}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Beat,
    Emit(usize, Vec<usize>),
    Read(usize),
    Refusal,
}

fn step() -> impl Strategy<Value = Step> {
    let attachments = prop::collection::vec(0..150_usize, 0..4);
    prop_oneof![
        1 => Just(Step::Beat),
        8 => (0..300_usize, attachments).prop_map(|(pad, list)| Step::Emit(pad, list)),
        3 => (0..500_usize).prop_map(Step::Read),
        2 => Just(Step::Refusal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The world compares every step with a model and with the statistics.
    #[test]
    fn whatever_is_sent_and_read_the_queue_is_as_its_model(
        steps in prop::collection::vec(step(), 1..60),
        policy in prop::sample::select(&POLICIES),
        carrier in prop::sample::select(&CARRIERS),
        is_lost in any::<bool>(),
    ) {
        let config = small(policy).build().unwrap();
        let mut world = World::new(carrier, policy, &config);
        for step in steps {
            match step {
                Step::Beat => world.beat(),
                Step::Emit(pad, attachments) => _ = world.emit(pad, &attachments),
                Step::Read(mut bytes) => world.read(&mut bytes),
                Step::Refusal => world.ask_for_a_refusal(),
            }
        }
        if is_lost {
            world.lose();
        } else {
            world.read(&mut usize::MAX.clone());
            prop_assert_eq!(world.waiting(), 0);
        }
        prop_assert_eq!(world.is_over(), world.reason.is_some());
    }
}

#[test]
fn packets_of_the_protocol_outlive_every_event_that_is_dropped() {
    for carrier in CARRIERS {
        let config = small(Overflow::DropOldest).build().unwrap();
        let mut world = World::new(carrier, Overflow::DropOldest, &config);
        world.emit(0, &[]).unwrap();
        for _ in 0..3 {
            world.ask_for_a_refusal();
            world.beat();
            for _ in 0..4 {
                world.emit(100, &[10]).unwrap();
            }
        }
        assert!(world.displaced.whole >= 6);
        world.read(&mut usize::MAX.clone());
        assert_eq!(world.accepted.whole, 19);
        assert_eq!(world.handed.whole, 19 - world.displaced.whole);
    }
}

#[test]
fn a_queue_of_nothing_but_protocol_closes_when_nothing_may_be_dropped() {
    for policy in [Overflow::Close, Overflow::DropOldest] {
        let config = small(policy).build().unwrap();
        let mut world = World::new(Carrier::Polling, policy, &config);
        for _ in 0..20 {
            world.ask_for_a_refusal();
        }
        let reason = world.reason.unwrap();
        assert!(
            matches!(reason, CloseReason::QueueFull { .. }),
            "{policy:?}"
        );
        assert_eq!(reason.as_str(), "forced close");
    }
}

#[test]
fn where_new_packets_are_refused_the_protocol_may_pass_the_limit_but_not_for_ever() {
    let config = small(Overflow::Refuse).build().unwrap();
    let mut world = World::new(Carrier::WebSocket, Overflow::Refuse, &config);
    while world.emit(0, &[]).is_ok() {}
    world.beat();
    assert_eq!(world.reason, None, "the ping waits beyond the limit");
    assert!(world.emit(0, &[]).is_err());
    let mut refusals = 0;
    while world.reason.is_none() {
        world.ask_for_a_refusal();
        refusals += 1;
    }
    assert!((550..700).contains(&refusals), "{refusals}");
}

#[test]
fn a_packet_on_an_empty_queue_fits_whatever_its_size() {
    for carrier in CARRIERS {
        for policy in POLICIES {
            let config = small(policy).build().unwrap();
            let mut world = World::new(carrier, policy, &config);
            world.read(&mut 0);
            world.emit(0, &[]).unwrap();
            world.emit(5_000, &[5_000]).unwrap();
            assert_eq!(world.waiting(), 1);
            world.read(&mut usize::MAX.clone());
            assert_eq!((world.handed.whole, world.reason), (2, None));
        }
    }
}

/// A Socket.IO server with short names for what tests do with it.
struct App {
    driver: Driver<Server>,
    transports: usize,
}

fn print(event: &Event) -> String {
    match event {
        Event::AckDone {
            outcome, missing, ..
        } => format!("ack done: {outcome:?}, {missing} missing"),
        Event::Connecting(_) => "connecting".to_owned(),
        Event::Disconnected { reason, .. } => format!("disconnected: {}", reason.as_str()),
        Event::Packet { args, .. } => format!("event {} [{}]", args.name(), args.json()),
        Event::Pressure { is_high: true, .. } => "high".to_owned(),
        Event::Pressure { is_high: false, .. } => "low".to_owned(),
        Event::SessionClosed { reason, .. } => format!("closed: {reason}"),
        event => format!("{event:?}"),
    }
}

impl App {
    fn new(config: Config) -> Self {
        let server = Server::new(config, [2; 32], UnixTime::default());
        Self {
            driver: Driver::new(server, "/socket.io/", print),
            transports: 0,
        }
    }

    fn accept(&mut self) -> SocketKey {
        let pending = self
            .driver
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Connecting(connecting) => Some(connecting.pending),
                _ => None,
            });
        let (server, now) = (&mut self.driver.machine, self.driver.now);
        server.accept(now, pending.unwrap(), &["room"]).unwrap()
    }

    fn websocket(&mut self) -> (usize, SocketKey) {
        self.driver.websocket("EIO=4&transport=websocket");
        self.driver.run();
        let transport = self.transports;
        self.transports += 1;
        self.driver.open(transport);
        self.driver.run();
        self.driver.text(transport, "40");
        self.driver.run();
        let socket = self.accept();
        self.driver.run();
        (transport, socket)
    }

    /// A client on long-polling that has asked for its namespace, as its query.
    fn polling(&mut self) -> String {
        self.driver.get("EIO=4&transport=polling");
        let lines = self.driver.run();
        let sid = sid_of(lines.iter().find(|line| line.contains("sid")).unwrap());
        let query = format!("EIO=4&transport=polling&sid={sid}");
        self.post(&query, b"40");
        query
    }

    fn post(&mut self, query: &str, body: &[u8]) -> Vec<String> {
        let request = self.driver.post(query);
        self.driver.run();
        self.driver.body(request, body);
        self.driver.run()
    }

    /// The body of one poll's answer, and what else happened; `None` if nothing waits.
    fn poll(&mut self, query: &str) -> Option<(String, Vec<String>)> {
        let request = self.driver.get(query);
        let mut lines = self.driver.run();
        let prefix = format!("answer r{request}: 200 ");
        let at = lines.iter().position(|line| line.starts_with(&prefix))?;
        Some((lines.remove(at)[prefix.len()..].to_owned(), lines))
    }

    fn emit(&mut self, to: To<'_>, size: usize, options: Options) -> Result<EmitSent, EmitError> {
        let packet = Packet::event("e", &("x".repeat(size),)).unwrap();
        let (server, now) = (&mut self.driver.machine, self.driver.now);
        server.emit(now, to, packet, options)
    }

    fn room(&self) -> To<'static> {
        To::Group {
            namespace: self.driver.machine.namespace("/").unwrap(),
            rooms: &["room"],
            except: &[],
            without: None,
        }
    }
}

type EmitSent = socketio_proto::socket::Sent;

fn limited(policy: Overflow) -> Config {
    small(policy).build().unwrap()
}

#[test]
fn a_full_client_counts_as_dropped_and_missing_in_a_broadcast_and_stays() {
    let mut app = App::new(limited(Overflow::Refuse));
    let (slow, _) = app.websocket();
    let (_, quick) = app.websocket();
    // A batch is out to the slow one, and its queue is full.
    let Some(Event::Connecting(first)) = app
        .driver
        .events
        .iter()
        .find(|event| matches!(event, Event::Connecting(_)))
    else {
        panic!("nobody connected");
    };
    let slow_session = first.session;
    let slow_socket = app
        .driver
        .machine
        .members(app.room())
        .into_iter()
        .find(|&socket| socket != quick)
        .unwrap();
    app.emit(To::Socket(slow_socket), 0, Options::new())
        .unwrap();
    app.emit(To::Socket(slow_socket), 700, Options::new())
        .unwrap();
    app.driver.take();

    let wait = Options::new().ack(Wait::Forever);
    let sent = app.emit(app.room(), 100, wait).unwrap();
    assert_eq!((sent.queued, sent.dropped, sent.displaced), (1, 1, 0));
    app.driver.take();
    let quick_transport = app.transports - 1;
    app.driver.sent(quick_transport);
    app.driver.text(quick_transport, "430[]");
    let lines = app.driver.take();
    assert!(
        lines.contains(&"ack done: Complete, 1 missing".to_owned()),
        "{lines:?}"
    );
    let single = app.emit(To::Socket(slow_socket), 100, wait);
    assert!(matches!(single, Err(EmitError::QueueFull { .. })));
    assert_eq!(app.driver.machine.sessions(), 2);
    assert!(app.driver.machine.queued(slow_session).unwrap() > 700);
    // The refused emit waits for nothing: no ack is left over.
    app.driver.lost(slow, Lost::Failed);
    let lines = app.driver.take();
    assert!(
        !lines.iter().any(|line| line.starts_with("ack")),
        "{lines:?}"
    );
}

#[test]
fn an_ack_whose_packet_was_dropped_ends_once_by_its_time_or_with_the_socket() {
    for is_lost in [false, true] {
        let mut app = App::new(limited(Overflow::DropOldest));
        let (transport, socket) = app.websocket();
        let to = To::Socket(socket);
        app.emit(to, 0, Options::new()).unwrap();
        let wait = Wait::AtMost(Duration::from_millis(500));
        let sent = app.emit(to, 300, Options::new().ack(wait)).unwrap();
        assert!(sent.ack.is_some());
        let displacing = app.emit(to, 700, Options::new()).unwrap();
        assert_eq!(displacing.displaced, 1);
        app.driver.take();
        let expected = if is_lost {
            app.driver.lost(transport, Lost::Failed);
            AckOutcome::Disconnected
        } else {
            app.driver.sleep(500);
            AckOutcome::TimedOut
        };
        let mut lines = app.driver.take();
        app.driver.sleep(5_000);
        lines.extend(app.driver.take());
        let acks: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("ack"))
            .collect();
        assert_eq!(acks, [&format!("ack done: {expected:?}, 1 missing")]);
    }
}

#[test]
fn a_reply_that_does_not_fit_is_refused_and_the_socket_stays() {
    let mut app = App::new(limited(Overflow::Refuse));
    let (transport, socket) = app.websocket();
    app.emit(To::Socket(socket), 0, Options::new()).unwrap();
    app.emit(To::Socket(socket), 700, Options::new()).unwrap();
    app.driver.text(transport, r#"421["a"]"#);
    app.driver.take();
    let Some(Event::Packet { reply, .. }) = app.driver.events.pop() else {
        panic!("no event");
    };
    let (server, now) = (&mut app.driver.machine, app.driver.now);
    let answer = Packet::reply(&("x".repeat(100),)).unwrap();
    let answered = server.reply(now, reply.unwrap(), answer);
    assert!(matches!(answered, Err(EmitError::QueueFull { .. })));
    assert!(server.id_of(socket).is_some());
}

#[test]
fn volatile_packets_are_dropped_before_anything_else_is_touched() {
    let mut app = App::new(limited(Overflow::DropOldest));
    let (_, socket) = app.websocket();
    app.emit(To::Socket(socket), 0, Options::new()).unwrap();
    app.emit(To::Socket(socket), 500, Options::new()).unwrap();
    let volatile = Options::new().volatile();
    let sent = app.emit(To::Socket(socket), 600, volatile).unwrap();
    assert_eq!((sent.queued, sent.dropped, sent.displaced), (0, 1, 0));
    let statistics = app.driver.machine.statistics();
    assert_eq!(statistics.dropped_volatile.packets, 1);
    assert_eq!(statistics.dropped_volatile.bytes, 600 + 10);
    assert_eq!(statistics.dropped_overflow.packets, 0);
}

#[test]
fn pressure_is_told_in_its_place_among_the_outputs() {
    let mut app = App::new(limited(Overflow::Close));
    let (transport, socket) = app.websocket();
    for _ in 0..4 {
        app.emit(To::Socket(socket), 150, Options::new()).unwrap();
    }
    let heads = |lines: Vec<String>| -> Vec<String> {
        let words = lines
            .iter()
            .map(|line| line.split(' ').next().unwrap().to_owned());
        words.collect()
    };
    assert_eq!(heads(app.driver.take()), ["write", "high"]);
    app.driver.sent(transport);
    assert_eq!(heads(app.driver.take()), ["write"], "448 bytes wait");
    app.driver.sent(transport);
    assert_eq!(heads(app.driver.take()), ["write"], "224 bytes wait");
    app.driver.sent(transport);
    assert_eq!(heads(app.driver.take()), ["write", "low"]);
    for _ in 0..9 {
        _ = app.emit(To::Socket(socket), 150, Options::new());
    }
    let lines = heads(app.driver.take());
    assert_eq!(lines, ["high", "abort", "disconnected:", "closed:"]);
}

#[test]
fn marks_and_cap_are_exact() {
    let config = engine::Config::builder()
        .low_water(165)
        .high_water(330)
        .max_queued(400)
        .max_batch(1)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    let server = engine::Server::new(config, [3; 32]);
    let mut driver = Driver::new(server, "/engine.io/", |event| format!("{event:?}"));
    driver.websocket("EIO=4&transport=websocket");
    driver.take();
    driver.open(0);
    driver.take();
    let Some(&engine::Event::SessionOpened { session, .. }) = driver.events.first() else {
        panic!("no session");
    };
    let send = |driver: &mut Driver<engine::Server>, size: usize| {
        let message = socketio_proto::edge::Message::Text("x".repeat(size).into());
        let sent = driver.machine.send(driver.now, session, message);
        driver.take();
        sent.is_ok()
    };
    let pressures = |driver: &Driver<engine::Server>| driver.events.len() - 1;
    assert!(send(&mut driver, 100) && send(&mut driver, 100));
    assert_eq!(
        (driver.machine.queued(session), pressures(&driver)),
        (Some(330), 0)
    );
    assert!(!send(&mut driver, 6), "401 bytes");
    assert!(send(&mut driver, 5), "400 bytes");
    assert_eq!(pressures(&driver), 1);
    driver.sent(0);
    driver.take();
    assert_eq!(
        (driver.machine.queued(session), pressures(&driver)),
        (Some(235), 1)
    );
    driver.sent(0);
    driver.take();
    assert_eq!(
        (driver.machine.queued(session), pressures(&driver)),
        (Some(70), 2)
    );

    // Down to exactly the low mark.
    assert!(send(&mut driver, 36) && send(&mut driver, 100));
    assert_eq!(pressures(&driver), 3);
    driver.sent(0);
    driver.sent(0);
    driver.take();
    assert_eq!(
        (driver.machine.queued(session), pressures(&driver)),
        (Some(165), 4)
    );
}

#[test]
fn an_engine_server_tells_pressure_and_what_a_message_displaced() {
    let config = engine::Config::builder()
        .max_queued(500)
        .high_water(200)
        .low_water(100)
        .overflow(Overflow::DropOldest)
        .build()
        .unwrap();
    let server = engine::Server::new(config, [3; 32]);
    let mut driver = Driver::new(server, "/engine.io/", |event| format!("{event:?}"));
    driver.get("EIO=4&transport=polling");
    driver.run();
    let Some(&engine::Event::SessionOpened { session, .. }) = driver.events.first() else {
        panic!("no session");
    };
    let mut displaced = Vec::new();
    for size in [99, 99, 99, 299, 99] {
        let message = socketio_proto::edge::Message::Text("x".repeat(size).into());
        let sent = driver.machine.send(driver.now, session, message).unwrap();
        displaced.push(sent.displaced);
    }
    assert_eq!(displaced, [0, 0, 0, 3, 1]);
    driver.take();
    let told: Vec<_> = driver.events.iter().skip(1).cloned().collect();
    let pressure = |queued, is_high| engine::Event::Pressure {
        session,
        queued,
        is_high,
    };
    assert_eq!(told, [pressure(328, true)]);
}

#[test]
fn ten_thousand_buffered_emits_in_one_body_come_in_order() {
    let mut app = App::new(Config::default());
    let query = app.polling();
    app.accept();
    let mut body = String::new();
    for i in 0..10_000 {
        let separator = if i == 0 { "" } else { "\u{1e}" };
        write!(body, "{separator}42[\"e\",{i}]").unwrap();
    }
    let lines = app.post(&query, body.as_bytes());
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("event"))
        .collect();
    assert_eq!(events.len(), 10_000);
    for (i, event) in events.iter().enumerate() {
        assert_eq!(**event, format!("event e [{i}]"));
    }
    assert!(lines.last().unwrap().ends_with("200 ok"));
}

#[test]
fn ten_thousand_emits_reach_a_client_that_polls() {
    let mut app = App::new(Config::default());
    let query = app.polling();
    let socket = app.accept();
    for i in 0..10_000 {
        let packet = Packet::event("e", &(i,)).unwrap();
        let (server, now) = (&mut app.driver.machine, app.driver.now);
        server
            .emit(now, To::Socket(socket), packet, Options::new())
            .unwrap();
    }
    let mut packets = Vec::new();
    while let Some((body, _)) = app.poll(&query) {
        packets.extend(body.split('␞').map(str::to_owned));
    }
    assert!(packets.remove(0).starts_with("40{"));
    let expected: Vec<_> = (0..10_000).map(|i| format!("42[\"e\",{i}]")).collect();
    assert!(packets == expected);
}

#[test]
fn ten_attachments_of_700_kb_pass_both_ways_on_both_carriers() {
    const SIZE: usize = 700_000;
    let config = Config::default();
    for carrier in CARRIERS {
        let mut world = World::new(carrier, Overflow::Close, &config);
        world.read(&mut 0);
        // The first goes at once, the second has to wait.
        for _ in 0..2 {
            world.emit(0, &[SIZE; 10]).unwrap();
        }
        world.read(&mut usize::MAX.clone());
        assert_eq!((world.handed.whole, world.reason), (2, None));
    }

    let mut app = App::new(config);
    let (transport, _) = app.websocket();
    let places: Vec<_> = (0..10)
        .map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#))
        .collect();
    let header = format!("4510-[\"e\",{}]", places.join(","));
    app.driver.text(transport, &header);
    for i in 0..10 {
        app.driver.binary(transport, &vec![i; SIZE]);
    }
    app.driver.take();
    let query = app.polling();
    app.accept();
    app.post(&query, header.as_bytes());
    for i in 0..10_u8 {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let body = format!("b{}", STANDARD.encode(vec![i; SIZE]));
        app.post(&query, body.as_bytes());
    }
    let mut events = 0;
    for event in &app.driver.events {
        if let Event::Packet { args, .. } = event {
            events += 1;
            for i in 0..10_u8 {
                let Binary(bytes) = args.binary(i.into()).unwrap();
                assert!(bytes.len() == SIZE && bytes.iter().all(|&byte| byte == i));
            }
        }
    }
    assert_eq!(events, 2);
}

#[test]
fn twenty_megabytes_of_history_on_connect_are_delivered_and_pressure_is_told() {
    for carrier in CARRIERS {
        let mut app = App::new(Config::default());
        let (query, socket) = match carrier {
            Carrier::Polling => {
                let query = app.polling();
                (query, app.accept())
            }
            Carrier::WebSocket => {
                let (_, socket) = app.websocket();
                (String::new(), socket)
            }
        };
        for _ in 0..2_000 {
            let sent = app
                .emit(To::Socket(socket), 10_000, Options::new())
                .unwrap();
            assert_eq!((sent.queued, sent.displaced), (1, 0));
        }
        let mut lines = Vec::new();
        if carrier == Carrier::Polling {
            lines.extend(app.driver.run());
            while let Some((body, others)) = app.poll(&query) {
                assert!(body.len() < (1 << 20) + 1_000 * '␞'.len_utf8());
                lines.push(body);
                lines.extend(others);
            }
        } else {
            lines = app.driver.run();
        }
        let events: usize = lines
            .iter()
            .map(|line| line.matches("42[\"e\"").count())
            .sum();
        assert_eq!(events, 2_000);
        let told: Vec<_> = lines
            .iter()
            .filter(|line| ["high", "low"].contains(&&***line))
            .collect();
        assert_eq!(told, ["high", "low"]);
        assert_eq!(app.driver.machine.sessions(), 1);
        assert_eq!(app.driver.machine.statistics().queued_bytes, 0);
    }
}

#[test]
fn a_poll_whose_answer_is_lost_ends_the_session_with_what_waited() {
    let mut app = App::new(limited(Overflow::Close));
    let query = app.polling();
    let socket = app.accept();
    for _ in 0..4 {
        app.emit(To::Socket(socket), 100, Options::new()).unwrap();
    }
    let request = app.driver.get(&query);
    app.driver.take();
    app.driver.end(request, End::Gone);
    let lines = app.driver.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let statistics = app.driver.machine.statistics();
    assert_eq!(statistics.closed.transport_error, 1);
    assert!(statistics.dropped_closed.packets > 0);
    assert_eq!(statistics.queued_bytes, 0);
}
