//! Every number of the statistics: when it changes, and that gauges say what there is.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use bytestring::ByteString;
use proptest::prelude::*;
use socketio_proto::{
    edge::{
        Admission, BodyRead, Carrier, End, Lost, Machine, Message, Output, Request, RequestId,
        SessionKey, TransportId,
    },
    engine::{Codec, Config, ConfigBuilder, Event, Origins, Overflow, Raw, Server, Statistics},
    time::Instant,
};
use support::{Driver, HeaderMap, sid_of};

struct Scene {
    driver: Driver<Server>,
    before: Statistics,
    query: String,
    session: SessionKey,
}

fn config() -> ConfigBuilder {
    Config::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .upgrade_timeout(Duration::from_millis(100))
        .max_queued(500)
}

impl Scene {
    fn empty(config: ConfigBuilder) -> Driver<Server> {
        let server = Server::new(config.build().unwrap(), [1; 32]);
        Driver::new(server, "/engine.io/", |event| format!("{event:?}"))
    }

    fn polling() -> Self {
        Self::polling_with(config())
    }

    fn polling_with(config: ConfigBuilder) -> Self {
        let mut driver = Self::empty(config);
        driver.get("EIO=4&transport=polling");
        let lines = driver.run();
        Self::of(driver, &lines)
    }

    fn websocket_with(config: ConfigBuilder) -> Self {
        let mut driver = Self::empty(config);
        driver.websocket("EIO=4&transport=websocket");
        driver.run();
        driver.open(0);
        let lines = driver.run();
        Self::of(driver, &lines)
    }

    fn websocket() -> Self {
        Self::websocket_with(config())
    }

    fn of(driver: Driver<Server>, lines: &[String]) -> Self {
        let sid = sid_of(lines.iter().find(|line| line.contains("sid")).unwrap());
        let session = driver.events.iter().find_map(|event| match event {
            Event::SessionOpened { session, .. } => Some(*session),
            _ => None,
        });
        Self {
            before: driver.machine.statistics(),
            query: format!("EIO=4&transport=polling&sid={sid}"),
            session: session.unwrap(),
            driver,
        }
    }

    /// A WebSocket that was accepted to take over, as its name.
    fn upgrading() -> Self {
        let mut scene = Self::polling();
        let query = scene.query.replace("polling", "websocket");
        scene.driver.websocket(&query);
        scene.driver.run();
        scene
    }

    fn send(&mut self, size: usize) -> bool {
        let message = Message::Text("x".repeat(size).into());
        let (server, now) = (&mut self.driver.machine, self.driver.now);
        server.send(now, self.session, message).is_ok()
    }

    fn now(&self) -> Statistics {
        self.driver.machine.statistics()
    }

    /// How much a counter has grown since the session opened.
    fn grown(&self, field: Field) -> u64 {
        field(&self.now()) - field(&self.before)
    }
}

/// So much of a body is there.
fn received(driver: &mut Driver<Server>, request: usize, bytes: usize) {
    let (id, now) = (driver.request_id(request), driver.now);
    driver.machine.handle_body_progress(now, id, bytes);
}

fn admit(driver: &mut Driver<Server>, request: usize, admission: Admission) {
    let (id, now) = (driver.request_id(request), driver.now);
    driver.machine.admit(now, id, admission).unwrap();
}

#[test]
fn a_server_that_did_nothing_counts_nothing() {
    let driver = Scene::empty(config());
    assert_eq!(driver.machine.statistics(), Statistics::default());
}

#[test]
fn sessions_are_told_apart_by_their_carrier() {
    let by_carrier = |scene: &Scene| {
        let now = scene.now();
        assert_eq!(now.sessions(), scene.driver.machine.sessions());
        (now.polling_sessions, now.websocket_sessions, now.opened)
    };
    let mut scene = Scene::upgrading();
    assert_eq!(by_carrier(&scene), (1, 0, 1));
    scene.driver.open(0);
    scene.driver.text(0, "2probe");
    scene.driver.run();
    assert_eq!(by_carrier(&scene), (1, 0, 1));
    scene.driver.text(0, "5");
    assert_eq!(by_carrier(&scene), (0, 1, 1));
    scene.driver.lost(0, Lost::Failed);
    assert_eq!(by_carrier(&scene), (0, 0, 1));
    assert_eq!(by_carrier(&Scene::websocket()), (0, 1, 1));
}

#[test]
fn requests_and_transports_count_while_they_are_known() {
    let mut driver = Scene::empty(config());
    let known = |driver: &Driver<Server>| {
        let now = driver.machine.statistics();
        (now.requests, now.transports)
    };
    let request = driver.get("EIO=4&transport=polling");
    assert_eq!(known(&driver), (1, 0));
    driver.end(request, End::Sent);
    assert_eq!(known(&driver), (0, 0));
    driver.websocket("EIO=4&transport=websocket");
    driver.take();
    assert_eq!(known(&driver), (1, 1), "not open yet");
    driver.open(0);
    assert_eq!(known(&driver), (0, 1));
    driver.lost(0, Lost::Failed);
    assert_eq!(known(&driver), (0, 0));
}

#[test]
fn handshakes_and_bodies_count_while_they_are_waited_for() {
    let mut driver = Scene::empty(config().ask_admission(true));
    let request = driver.get("EIO=4&transport=polling");
    assert_eq!(driver.machine.statistics().handshakes, 1);
    admit(&mut driver, request, Admission::Allow);
    assert_eq!(driver.machine.statistics().handshakes, 0);
    assert_eq!(driver.machine.statistics().polling_sessions, 1);

    let mut scene = Scene::polling();
    let query = scene.query.clone();
    let request = scene.driver.post(&query);
    scene.driver.run();
    received(&mut scene.driver, request, 100);
    assert_eq!(scene.now().body_bytes, 100);
    received(&mut scene.driver, request, 250);
    assert_eq!(scene.now().body_bytes, 250);
    scene.driver.body(request, b"4a");
    assert_eq!(scene.now().body_bytes, 0);
}

#[test]
fn queued_bytes_are_what_waits_for_all_sessions() {
    let mut scene = Scene::polling();
    assert!(scene.send(10) && scene.send(20));
    assert_eq!(scene.now().queued_bytes, 11 + 64 + 21 + 64);
    let queued = scene.driver.machine.queued(scene.session);
    assert_eq!(queued, Some(scene.now().queued_bytes));
    let query = scene.query.clone();
    scene.driver.get(&query);
    assert_eq!(scene.now().queued_bytes, 0, "handed over");
    scene.driver.run();
    assert!(scene.send(10));
    scene.driver.sleep(600);
    scene.driver.sleep(600);
    assert_eq!(scene.now().sessions(), 0);
    assert_eq!(scene.now().queued_bytes, 0, "gone with its session");
}

type Field = fn(&Statistics) -> u64;
/// What ends a session, and which counter must have grown by it.
type Ending = (fn() -> Scene, fn(&mut Scene), Field);

#[test]
fn sessions_that_close_are_told_apart_by_their_reason() {
    let ends: [Ending; 8] = [
        (
            Scene::polling,
            |it| {
                let (now, session) = (it.driver.now, it.session);
                it.driver.machine.close(now, session);
                let query = it.query.clone();
                it.driver.get(&query);
            },
            |it| it.closed.forced_close,
        ),
        (
            Scene::websocket,
            |it| it.driver.text(0, "x"),
            |it| it.closed.parse_error,
        ),
        (
            Scene::websocket,
            |it| {
                it.driver.sleep(300);
                it.driver.sleep(200);
            },
            |it| it.closed.ping_timeout,
        ),
        (
            Scene::polling,
            |it| while it.send(200) {},
            |it| it.closed.queue_full,
        ),
        (
            Scene::websocket,
            |it| {
                let now = it.driver.now;
                it.driver.machine.shutdown(now, Duration::ZERO);
            },
            |it| it.closed.server_shutdown,
        ),
        (
            Scene::websocket,
            |it| it.driver.text(0, "1"),
            |it| it.closed.transport_close,
        ),
        (
            Scene::websocket,
            |it| it.driver.lost(0, Lost::TooBig),
            |it| it.closed.transport_error,
        ),
        (
            || Scene::websocket_with(config().pause_timeout(Duration::from_millis(100))),
            |it| {
                let (now, session) = (it.driver.now, it.session);
                it.driver.machine.set_reading(now, session, true).unwrap();
                it.driver.sleep(100);
            },
            |it| it.closed.unread,
        ),
    ];
    for (i, (scene, end, field)) in ends.into_iter().enumerate() {
        let mut scene = scene();
        end(&mut scene);
        scene.driver.run();
        assert_eq!(scene.driver.machine.sessions(), 0, "end {i}");
        assert_eq!(scene.grown(field), 1, "end {i}");
        assert_eq!(scene.now().closed.total(), 1, "end {i}");
    }
}

#[test]
fn received_packets_and_bytes_are_those_that_reached_a_session() {
    let mut scene = Scene::polling();
    let query = scene.query.clone();
    let request = scene.driver.post(&query);
    scene.driver.run();
    scene
        .driver
        .body(request, "4a\u{1e}4bc\u{1e}bAA==".as_bytes());
    assert_eq!(scene.grown(|it| it.received_packets), 3);
    assert_eq!(scene.grown(|it| it.received_bytes), 2 + 1 + 3 + 1 + 5);

    let mut scene = Scene::websocket();
    scene.driver.text(0, "4hello");
    scene.driver.binary(0, &[1, 2, 3]);
    assert_eq!(scene.grown(|it| it.received_packets), 2);
    assert_eq!(scene.grown(|it| it.received_bytes), 6 + 3);
    scene.driver.text(0, "x");
    assert_eq!(scene.grown(|it| it.received_packets), 2, "no packet");
    assert_eq!(scene.grown(|it| it.received_bytes), 6 + 3 + 1);
    scene.driver.text(0, "4late");
    assert_eq!(scene.grown(|it| it.received_packets), 2, "no session");
}

#[test]
fn sent_packets_and_bytes_are_those_that_were_handed_over() {
    for (scene, handshake) in [(Scene::polling(), true), (Scene::websocket(), false)] {
        let now = scene.now();
        let upgrades = if handshake { r#""websocket""# } else { "" };
        let open = format!(
            r#"0{{"sid":"{}","upgrades":[{upgrades}],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}}"#,
            "x".repeat(20)
        );
        assert_eq!((now.sent_packets, now.sent_bytes), (1, open.len() as u64));
    }
    let greeting = || config().initial_message(Message::Text("hi".into()));
    for (plain, with, more) in [
        (Scene::polling(), Scene::polling_with(greeting()), 4),
        (Scene::websocket(), Scene::websocket_with(greeting()), 3),
    ] {
        let (plain, with) = (plain.now(), with.now());
        assert_eq!(with.sent_packets, plain.sent_packets + 1);
        assert_eq!(with.sent_bytes, plain.sent_bytes + more);
    }
    let mut scene = Scene::websocket();
    assert!(scene.send(5) && scene.send(6) && scene.send(7));
    assert_eq!(scene.grown(|it| it.sent_packets), 1, "the others wait");
    assert_eq!(scene.grown(|it| it.sent_bytes), 6);
    scene.driver.run();
    assert_eq!(scene.grown(|it| it.sent_packets), 3);
    assert_eq!(scene.grown(|it| it.sent_bytes), 6 + 7 + 8);

    let mut scene = Scene::polling();
    let query = scene.query.clone();
    assert!(scene.send(5) && scene.send(6));
    scene.driver.get(&query);
    assert_eq!(scene.grown(|it| it.sent_packets), 2);
    assert_eq!(scene.grown(|it| it.sent_bytes), 6 + 1 + 7, "a whole body");
    scene.driver.run();
    scene.driver.get(&query);
    assert!(scene.send(1));
    assert_eq!(scene.grown(|it| it.sent_packets), 3, "a poll was pending");
    assert_eq!(scene.grown(|it| it.sent_bytes), 14 + 2);
}

#[test]
fn an_upgrade_that_was_begun_is_completed_or_failed() {
    let upgrades = |scene: &Scene| {
        let now = scene.now();
        (
            now.upgrades_begun,
            now.upgrades_completed,
            now.upgrades_failed,
        )
    };
    let mut scene = Scene::upgrading();
    assert_eq!(upgrades(&scene), (1, 0, 0));
    scene.driver.open(0);
    scene.driver.text(0, "2probe");
    assert_eq!(scene.grown(|it| it.sent_packets), 1, "3probe");
    assert_eq!(scene.grown(|it| it.sent_bytes), 6);
    scene.driver.text(0, "5");
    scene.driver.run();
    assert_eq!(upgrades(&scene), (1, 1, 0));
    scene.driver.lost(0, Lost::Failed);
    assert_eq!(upgrades(&scene), (1, 1, 0), "it was over");

    let failures: [fn(&mut Scene); 5] = [
        |it| it.driver.lost(0, Lost::NotOpened),
        |it| {
            it.driver.open(0);
            it.driver.text(0, "4no probe");
        },
        |it| {
            it.driver.open(0);
            it.driver.lost(0, Lost::Failed);
        },
        |it| it.driver.sleep(100),
        |it| while it.send(200) {},
    ];
    for (i, fail) in failures.into_iter().enumerate() {
        let mut scene = Scene::upgrading();
        fail(&mut scene);
        assert_eq!(upgrades(&scene), (1, 0, 1), "failure {i}");
        scene.driver.run();
        assert_eq!(scene.now().transports, 0, "failure {i}");
    }
}

#[test]
fn refused_requests_are_told_apart_by_what_was_refused() {
    let refusals: [(&str, &str, Field); 5] = [
        ("POST", "EIO=4&transport=polling", |it| {
            it.refused.bad_handshake_method
        }),
        ("GET", "EIO=4&transport=websocket", |it| {
            it.refused.bad_request
        }),
        ("GET", "EIO=4&transport=polling&sid=nobody", |it| {
            it.refused.unknown_session
        }),
        ("GET", "EIO=4&transport=pigeon", |it| {
            it.refused.unknown_transport
        }),
        ("GET", "EIO=9&transport=polling", |it| {
            it.refused.unsupported_revision
        }),
    ];
    let sum = |now: &Statistics| now.refused.total();
    for (method, query, field) in refusals {
        let mut driver = Scene::empty(config());
        driver.request(Carrier::Polling, method, query, &HeaderMap::default());
        driver.run();
        let now = driver.machine.statistics();
        assert_eq!((field(&now), sum(&now)), (1, 1), "{query}");
    }
    let mut scene = Scene::polling();
    let query = scene.query.clone();
    let request = scene.driver.post(&query);
    scene.driver.run();
    scene.driver.body_too_large(request);
    assert_eq!((scene.now().refused.too_large, sum(&scene.now())), (1, 1));

    let mut driver = Scene::empty(config().origins(Origins::list(["https://a.example"])));
    let foreign = HeaderMap(vec![("origin", b"https://b.example".to_vec())]);
    driver.request(Carrier::Polling, "GET", "EIO=4&transport=polling", &foreign);
    let now = driver.machine.statistics();
    assert_eq!((now.refused.foreign_origin, sum(&now)), (1, 1));

    let mut scene = Scene::polling();
    let query = scene.query.clone();
    let long = HeaderMap(vec![("content-length", b"1000001".to_vec())]);
    scene
        .driver
        .request(Carrier::Polling, "POST", &query, &long);
    assert_eq!((scene.now().refused.too_large, sum(&scene.now())), (1, 1));

    let mut driver = Scene::empty(config().max_sessions(1));
    driver.get("EIO=4&transport=polling");
    driver.get("EIO=4&transport=polling");
    let now = driver.machine.statistics();
    assert_eq!((now.refused.sessions, sum(&now)), (1, 1));

    let mut scene = Scene::polling_with(config().max_body_bytes(10));
    let query = scene.query.clone();
    let request = scene.driver.post(&query);
    scene.driver.run();
    received(&mut scene.driver, request, 11);
    assert_eq!((scene.now().refused.bodies, sum(&scene.now())), (1, 1));

    let asking = config().ask_admission(true).max_handshakes(1);
    let mut driver = Scene::empty(asking.admission_timeout(Duration::from_millis(50)));
    let request = driver.get("EIO=4&transport=polling");
    driver.get("EIO=4&transport=polling");
    let now = driver.machine.statistics();
    assert_eq!((now.refused.handshakes, sum(&now)), (1, 1));
    let message = "no".into();
    admit(&mut driver, request, Admission::Deny { message });
    let now = driver.machine.statistics();
    assert_eq!((now.refused.forbidden, sum(&now)), (1, 2));
    driver.get("EIO=4&transport=polling");
    driver.sleep(50);
    let now = driver.machine.statistics();
    assert_eq!((now.refused.undecided, sum(&now)), (1, 3));

    let mut driver = Scene::empty(config());
    driver.machine.shutdown(Instant::ORIGIN, Duration::ZERO);
    driver.get("EIO=4&transport=polling");
    let now = driver.machine.statistics();
    assert_eq!((now.refused.shutting_down, sum(&now)), (1, 1));
}

#[test]
fn dropped_packets_are_told_apart_by_what_dropped_them() {
    // What waits, what is dropped of it for one more of 300 bytes, and what the close takes along.
    let wait = [100, 110];
    for (policy, overflow, full, closed) in [
        (Overflow::Close, (0, 0), (1, 301), (2, 212)),
        (Overflow::DropOldest, (2, 212), (0, 0), (1, 301)),
        (Overflow::Refuse, (0, 0), (1, 301), (2, 212)),
    ] {
        let mut scene = Scene::websocket_with(config().overflow(policy));
        scene.send(1);
        for size in wait {
            assert!(scene.send(size));
        }
        scene.send(300);
        let now = scene.now();
        let pair = |it: socketio_proto::engine::Dropped| (it.packets, it.bytes);
        assert_eq!(pair(now.dropped_overflow), overflow, "{policy:?}");
        assert_eq!(pair(now.dropped_full), full, "{policy:?}");
        scene.driver.lost(0, Lost::Failed);
        assert_eq!(pair(scene.now().dropped_closed), closed, "{policy:?}");
        assert_eq!(scene.now().dropped_volatile.packets, 0);
    }
}

#[test]
fn inputs_that_name_what_is_forgotten_are_stale() {
    let mut scene = Scene::websocket();
    let request = scene.driver.get("EIO=4&transport=pigeon");
    scene.driver.run();
    scene.driver.lost(0, Lost::Failed);
    assert_eq!(scene.now().stale_inputs, 0);
    scene.driver.lost(0, Lost::Failed);
    assert_eq!(scene.now().stale_inputs, 1);
    scene.driver.sent(0);
    assert_eq!(scene.now().stale_inputs, 2);
    scene.driver.text(0, "4late");
    assert_eq!(scene.now().stale_inputs, 3);
    scene.driver.open(0);
    assert_eq!(scene.now().stale_inputs, 4);
    scene.driver.end(request, End::Gone);
    assert_eq!(scene.now().stale_inputs, 5);
    received(&mut scene.driver, request, 1);
    assert_eq!(scene.now().stale_inputs, 6);

    let mut scene = Scene::polling();
    let query = scene.query.clone();
    let request = scene.driver.post(&query);
    scene.driver.run();
    scene.driver.end(request, End::Gone);
    scene.driver.body(request, b"4late");
    assert_eq!(scene.now().stale_inputs, 1);
}

/// A server, and by name everything that its outputs and the inputs say is there.
struct World {
    server: Server,
    now: Instant,
    codec: Option<Codec<Raw>>,
    sessions: BTreeSet<SessionKey>,
    sids: Vec<String>,
    requests: BTreeSet<RequestId>,
    /// With the request that is becoming each.
    transports: BTreeMap<TransportId, Option<RequestId>>,
    /// Those whose batch is out.
    busy: Vec<TransportId>,
    opened: u64,
    closed: u64,
}

impl World {
    fn new(policy: Overflow) -> Self {
        let config = config().overflow(policy).max_queued(1_000);
        Self {
            server: Server::new(config.build().unwrap(), [4; 32]),
            now: Instant::ORIGIN,
            codec: None,
            sessions: BTreeSet::new(),
            sids: Vec::new(),
            requests: BTreeSet::new(),
            transports: BTreeMap::new(),
            busy: Vec::new(),
            opened: 0,
            closed: 0,
        }
    }

    fn request(&mut self, carrier: Carrier, method: &str, sid: usize) {
        let transport = match carrier {
            Carrier::Polling => "polling",
            Carrier::WebSocket => "websocket",
        };
        let mut target = format!("/engine.io/?EIO=4&transport={transport}");
        if let Some(sid) = self.sids.get(sid) {
            target += "&sid=";
            target += sid;
        }
        let id = self.server.handle_request(
            self.now,
            &Request {
                carrier,
                method,
                target: &target,
                headers: &HeaderMap::default(),
                peer: None,
            },
        );
        self.requests.insert(id);
    }

    fn lost(&mut self, transport: TransportId) {
        self.server
            .handle_transport_lost(self.now, transport, Lost::Failed);
        if let Some(Some(request)) = self.transports.remove(&transport) {
            self.requests.remove(&request);
        }
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        let transport = |at: usize| {
            let count = self.transports.len().max(1);
            self.transports.keys().nth(at % count).copied()
        };
        let becoming = |request: &RequestId| {
            self.transports
                .iter()
                .find_map(|(&key, it)| (it.as_ref() == Some(request)).then_some(key))
        };
        match *step {
            Step::Ask(carrier, is_post, sid) => {
                self.request(carrier, if is_post { "POST" } else { "GET" }, sid);
            }
            Step::Body(at) => {
                let request = self.requests.iter().nth(at).copied();
                if let (Some(request), Some(codec)) = (request, self.codec) {
                    let inbound = codec.read_body(Bytes::from_static(b"4a\x1e3"));
                    let body = BodyRead::Complete(inbound);
                    self.server.handle_body(now, request, body);
                }
            }
            Step::Close(at) => {
                if let Some(&session) = self.sessions.iter().nth(at) {
                    self.server.close(now, session);
                }
            }
            Step::End(at, end) => {
                if let Some(&request) = self.requests.iter().nth(at) {
                    match becoming(&request) {
                        // Its transport ends it.
                        Some(transport) if end == End::Gone => self.lost(transport),
                        Some(_) => {}
                        None => {
                            self.server.handle_request_end(now, request, end);
                            self.requests.remove(&request);
                        }
                    }
                }
            }
            Step::Lose(at) => {
                if let Some(transport) = transport(at) {
                    self.lost(transport);
                }
            }
            Step::Open(at) => {
                if let Some(transport) = transport(at) {
                    if let Some(Some(request)) = self.transports.insert(transport, None) {
                        self.requests.remove(&request);
                    }
                    self.server.handle_transport_open(now, transport);
                }
            }
            Step::Read(at, text) => {
                if let (Some(transport), Some(codec)) = (transport(at), self.codec) {
                    let inbound = codec.read(Message::Text(ByteString::from_static(text)));
                    self.server.handle_transport_read(now, transport, inbound);
                }
            }
            Step::Send(at, size) => {
                if let Some(&session) = self.sessions.iter().nth(at) {
                    let message = Message::Binary(vec![0; size].into());
                    _ = self.server.send(now, session, message);
                }
            }
            Step::Sent => {
                for transport in std::mem::take(&mut self.busy) {
                    self.server.handle_transport_sent(now, transport);
                }
            }
            Step::Sleep(millis) => {
                self.now += Duration::from_millis(millis);
                self.server.handle_timeout(self.now);
            }
        }
        self.drain();
        self.check();
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::CloseTransport { transport, .. } => {
                    if let Some(Some(request)) = self.transports.remove(&transport) {
                        self.requests.remove(&request);
                    }
                }
                Output::Event(Event::SessionOpened { session, .. }) => {
                    self.opened += 1;
                    self.sessions.insert(session);
                }
                Output::Event(Event::SessionClosed { session, .. }) => {
                    self.closed += 1;
                    self.sessions.remove(&session);
                }
                Output::Event(_) | Output::SetReading { .. } => {}
                Output::OpenTransport {
                    request,
                    transport,
                    codec,
                    ..
                } => {
                    self.codec = Some(codec);
                    self.transports.insert(transport, Some(request));
                }
                Output::ReadBody { codec, .. } => self.codec = Some(codec),
                Output::Respond { response, .. } => {
                    let body = String::from_utf8_lossy(&response.body);
                    if body.contains("\"sid\"") {
                        self.sids.push(sid_of(&body));
                    }
                }
                Output::Transmit { transport, .. } => self.busy.push(transport),
                Output::AbortRequest { request } => {
                    self.requests.remove(&request);
                }
            }
        }
    }

    /// Gauges are what looking over everything says.
    fn check(&self) {
        let now = self.server.statistics();
        let on = |carrier| {
            let sessions = self.sessions.iter();
            sessions
                .filter(|&&session| self.server.carrier(session) == Some(carrier))
                .count()
        };
        let queued = self.sessions.iter();
        let queued: usize = queued.map(|&it| self.server.queued(it).unwrap()).sum();
        assert_eq!(now.polling_sessions, on(Carrier::Polling));
        assert_eq!(now.websocket_sessions, on(Carrier::WebSocket));
        assert_eq!(now.queued_bytes, queued);
        assert_eq!(now.requests, self.requests.len());
        assert_eq!(now.transports, self.transports.len());
        assert_eq!(now.opened, self.opened);
        assert_eq!(now.closed.total(), self.closed);
        let over = now.upgrades_completed + now.upgrades_failed;
        assert!(now.upgrades_begun >= over);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Carrier, bool, usize),
    Body(usize),
    Close(usize),
    End(usize, End),
    Lose(usize),
    Open(usize),
    Read(usize, &'static str),
    Send(usize, usize),
    Sent,
    Sleep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let carrier = prop::sample::select(&[Carrier::Polling, Carrier::WebSocket]);
    let end = prop::sample::select(&[End::Sent, End::Sent, End::Gone]);
    let text = prop::sample::select(&["2probe", "5", "3", "4hello", "1", "x"]);
    let at = 0..4_usize;
    prop_oneof![
        6 => (carrier, any::<bool>(), at.clone()).prop_map(|(a, b, c)| Step::Ask(a, b, c)),
        3 => at.clone().prop_map(Step::Body),
        1 => at.clone().prop_map(Step::Close),
        4 => (at.clone(), end).prop_map(|(a, b)| Step::End(a, b)),
        1 => at.clone().prop_map(Step::Lose),
        4 => at.clone().prop_map(Step::Open),
        4 => (at.clone(), text).prop_map(|(a, b)| Step::Read(a, b)),
        6 => (at, 0..400_usize).prop_map(|(a, b)| Step::Send(a, b)),
        3 => Just(Step::Sent),
        1 => (0..250_u64).prop_map(Step::Sleep),
    ]
}

proptest! {
    #[test]
    fn gauges_say_what_there_is_and_return_to_zero(
        steps in prop::collection::vec(step(), 1..80),
        policy in prop::sample::select(&[Overflow::Close, Overflow::DropOldest, Overflow::Refuse]),
    ) {
        let mut world = World::new(policy);
        for step in &steps {
            world.step(step);
        }
        for _ in 0..10 {
            while let Some(&request) = world.requests.iter().next() {
                let before = world.requests.len();
                world.step(&Step::End(0, End::Gone));
                prop_assert!(world.requests.len() < before, "{request:?}");
            }
            world.step(&Step::Sleep(500));
        }
        world.step(&Step::Sleep(30_000));
        while !world.transports.is_empty() {
            world.step(&Step::Lose(0));
        }
        let end = world.server.statistics();
        prop_assert_eq!(
            (end.sessions(), end.requests, end.transports, end.queued_bytes),
            (0, 0, 0, 0)
        );
        prop_assert_eq!(end.upgrades_begun, end.upgrades_completed + end.upgrades_failed);
        prop_assert_eq!(end.opened, end.closed.total());
    }
}
