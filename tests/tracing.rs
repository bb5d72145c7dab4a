//! What the feature `tracing` tells of a whole life, and what it must never tell.

#![cfg(feature = "tracing")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod support;

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use socketio_proto::{
    edge::{Carrier, End, Lost, Machine},
    engine::Overflow,
    socket::{Config, Data, Event, Options, Packet, PendingKey, Server, SocketKey, To},
    time::UnixTime,
};
use support::{Driver, HeaderMap, sid_of};
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};

/// Keeps everything that is told, each event as one line.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<String>>>);

impl Collector {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, " {value:?}").unwrap();
        } else {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "socketio_proto"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        panic!("there are no spans")
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        assert!(*metadata.level() >= Level::DEBUG, "debug or trace");
        let mut line = Line(metadata.level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

const SECRETS: [&str; 7] = [
    "TOKEN-of-auth",
    "MARKER-of-payload",
    "VALUE-of-header",
    "VALUE-of-query",
    "NAME-of-room",
    "REASON-of-refusal",
    "/NAME-of-namespace",
];

struct Life {
    driver: Driver<Server>,
    told: Collector,
    /// All that was told, for what must not be in it.
    all: Vec<String>,
    transports: usize,
    secrets: Vec<String>,
}

impl Life {
    fn new() -> Self {
        let config = Config::builder()
            .engine(|engine| {
                engine
                    .ping_interval(Duration::from_millis(300))
                    .ping_timeout(Duration::from_millis(200))
                    .upgrade_timeout(Duration::from_millis(100))
                    .max_queued(700)
                    .high_water(300)
                    .low_water(100)
                    .overflow(Overflow::DropOldest)
            })
            .decision_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let mut server = Server::new(config, [6; 32], UnixTime::default());
        server.add_namespace("/NAME-of-namespace").unwrap();
        Self {
            driver: Driver::new(server, "/socket.io/", |event| format!("{event:?}")),
            told: Collector::default(),
            all: Vec::new(),
            transports: 0,
            secrets: SECRETS.iter().map(|&secret| secret.to_owned()).collect(),
        }
    }

    /// The first words of what was told since the last time, with the reasons behind them.
    fn told(&mut self) -> Vec<String> {
        let lines = self.told.take();
        let told = lines.iter().map(|line| {
            let end = line.find(" session=").or_else(|| line.find(" request="));
            let end = end.or_else(|| line.find(" pending="));
            let end = end.or_else(|| line.find(" socket=")).unwrap_or(line.len());
            let mut told = line[..end].to_owned();
            for field in ["carrier=", "is_high=", "reason=", "why=", "packets="] {
                if let Some(at) = line[end..].find(field) {
                    let value = &line[end + at + field.len()..];
                    let value = value.split_once(' ').map_or(value, |(value, _)| value);
                    write!(told, ", {value}").unwrap();
                }
            }
            told
        });
        let told = told.collect();
        self.all.extend(lines);
        told
    }

    fn headers() -> HeaderMap {
        HeaderMap(vec![
            ("cookie", b"VALUE-of-header".to_vec()),
            ("authorization", b"VALUE-of-header".to_vec()),
        ])
    }

    fn polling(&mut self) -> String {
        self.driver.request(
            Carrier::Polling,
            "GET",
            "EIO=4&transport=polling&x=VALUE-of-query",
            &Self::headers(),
        );
        let lines = self.driver.run();
        let sid = sid_of(lines.iter().find(|line| line.contains("sid")).unwrap());
        self.secrets.push(sid.clone());
        format!("EIO=4&transport=polling&sid={sid}")
    }

    fn websocket(&mut self, query: &str) -> usize {
        self.driver
            .request(Carrier::WebSocket, "GET", query, &Self::headers());
        self.driver.run();
        self.transports += 1;
        self.driver.open(self.transports - 1);
        for line in self.driver.run() {
            if line.contains("\"sid\"") {
                self.secrets.push(sid_of(&line));
            }
        }
        self.transports - 1
    }

    fn pending(&self) -> PendingKey {
        let mut events = self.driver.events.iter().rev();
        let pending = events.find_map(|event| match event {
            Event::Connecting(connecting) => Some(connecting.pending),
            _ => None,
        });
        pending.unwrap()
    }
}

/// A polling client becomes a WebSocket, and asks for namespaces; the transport of its socket.
fn arrive(life: &mut Life) -> (usize, SocketKey) {
    let query = life.polling();
    assert_eq!(life.told(), ["DEBUG session opened, Polling"]);
    let t = life.websocket(&query.replace("polling", "websocket"));
    assert_eq!(life.told(), ["DEBUG upgrade begun"]);
    life.driver.text(t, "2probe");
    life.driver.text(t, "5");
    life.driver.run();
    assert_eq!(life.told(), ["DEBUG upgrade completed"]);

    // Its namespaces.
    let auth = r#"{"token":"TOKEN-of-auth"}"#;
    life.driver.text(t, &format!("40{auth}"));
    life.driver.run();
    assert_eq!(life.told(), ["DEBUG connect pending"]);
    let (pending, now) = (life.pending(), life.driver.now);
    let server = &mut life.driver.machine;
    let socket = server.accept(now, pending, &["NAME-of-room"]).unwrap();
    life.secrets.push(server.id_of(socket).unwrap().to_string());
    life.driver.run();
    assert_eq!(life.told(), ["DEBUG connect accepted"]);
    life.driver.text(t, &format!("40/NAME-of-namespace,{auth}"));
    life.driver.run();
    let pending = life.pending();
    let data = Data::new(&[("why", "REASON-of-refusal")].into_iter().collect::<Map>()).unwrap();
    let server = &mut life.driver.machine;
    server
        .refuse(now, pending, "REASON-of-refusal", Some(&data))
        .unwrap();
    life.driver.run();
    assert_eq!(
        life.told(),
        ["DEBUG connect pending", "DEBUG connect refused"]
    );
    life.driver.text(t, "40/NAME-of-namespace,");
    life.driver.text(t, "41/NAME-of-namespace,");
    life.driver.text(t, "40/NAME-of-namespace,");
    life.driver.run();
    life.driver.sleep(50);
    life.driver.run();
    assert_eq!(
        life.told(),
        [
            "DEBUG connect pending",
            "DEBUG connect withdrawn, Client(ClientLeft)",
            "DEBUG connect pending",
            "DEBUG connect withdrawn, TimedOut",
        ]
    );
    (t, socket)
}

/// It sends, takes little, and breaks a rule.
fn misbehave(life: &mut Life, t: usize, socket: SocketKey) {
    life.driver.text(t, r#"42["MARKER-of-payload",1]"#);
    life.driver.run();
    for _ in 0..5 {
        let text = "MARKER-of-payload".repeat(8);
        let packet = Packet::event("MARKER-of-payload", &(text,)).unwrap();
        let to = To::Socket(socket);
        let (server, now) = (&mut life.driver.machine, life.driver.now);
        server.emit(now, to, packet, Options::new()).unwrap();
    }
    life.driver.run();
    assert_eq!(
        life.told(),
        [
            "DEBUG pressure, true",
            "TRACE oldest packets dropped, 1",
            "DEBUG pressure, false",
        ]
    );

    // Which character it was is the client's.
    life.driver.text(t, "§MARKER-of-payload");
    life.driver.run();
    assert_eq!(
        life.told(),
        [
            "DEBUG session closed, ParseError(unknown-type)",
            "DEBUG socket disconnected, Connection(ParseError(unknown-type))",
        ]
    );
}

/// Upgrades fail, requests are refused, and all ends.
fn fail(life: &mut Life) {
    let query = life.polling();
    let t = life.websocket(&query.replace("polling", "websocket"));
    life.driver.lost(t, Lost::Failed);
    life.driver.request(
        Carrier::Polling,
        "GET",
        "EIO=4&transport=polling&sid=VALUE-of-query",
        &Life::headers(),
    );
    life.driver.run();
    let post = life.driver.post(&query);
    life.driver.run();
    life.driver.end(post, End::Gone);
    life.driver.run();
    assert_eq!(
        life.told(),
        [
            "DEBUG session opened, Polling",
            "DEBUG upgrade begun",
            "DEBUG upgrade failed",
            "DEBUG request refused, UnknownSession",
            "DEBUG session closed, TransportError(DataAborted)",
        ]
    );

    // A broken packet of the layer above, then the end of all.
    let t = life.websocket("EIO=4&transport=websocket&x=VALUE-of-query");
    life.driver.text(t, "40");
    life.driver.text(t, "4§MARKER-of-payload");
    life.driver.run();
    assert_eq!(
        life.told(),
        [
            "DEBUG session opened, WebSocket",
            "DEBUG connect pending",
            "DEBUG connect withdrawn, Client(ParseError(unknown-type))",
            "DEBUG session closed, ForcedClose",
        ]
    );
    life.websocket("EIO=4&transport=websocket");
    let now = life.driver.now;
    life.driver.machine.shutdown(now, Duration::ZERO);
    life.driver.get("EIO=4&transport=polling&x=VALUE-of-query");
    life.driver.run();
    assert_eq!(
        life.told(),
        [
            "DEBUG session opened, WebSocket",
            "DEBUG shutdown sessions=1",
            "DEBUG session closed, ServerShutdown",
            "DEBUG request refused, Unavailable(ShuttingDown)",
        ]
    );
}

type Map = std::collections::BTreeMap<&'static str, &'static str>;

#[test]
fn a_whole_life_is_told_by_its_keys_and_no_secret_is() {
    let mut life = Life::new();
    let collector = life.told.clone();
    with_default(collector, || {
        let (transport, socket) = arrive(&mut life);
        misbehave(&mut life, transport, socket);
        fail(&mut life);
    });
    assert!(life.secrets.len() >= SECRETS.len() + 4);
    for line in &life.all {
        for secret in &life.secrets {
            assert!(!line.contains(secret.as_str()), "{line} tells {secret}");
        }
        assert!(!line.contains('§'), "{line}");
    }
    assert!(life.all.len() > 25);
}
