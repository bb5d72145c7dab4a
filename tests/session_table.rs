//! Every state of an Engine.IO session with every input: what the machine does, and where the
//! session stands afterwards.
//!
//! The table is `tests/data/session_table.txt`; it is reviewed like code. `UPDATE_TABLES=1` writes
//! it anew.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod support;

use std::{env, fmt::Write as _, fs, path::Path, time::Duration};

use bytestring::ByteString;
use socketio_proto::{
    edge::{Carrier, End, Lost, Machine, Message, SessionKey},
    engine::{Config, Event, Server},
};
use support::{Driver, HeaderMap, sid_of};

struct Scene {
    driver: Driver<Server>,
    sid: String,
    session: SessionKey,
    /// What happened before the input that a row is about.
    before: Vec<String>,
}

fn print(event: &Event) -> String {
    match event {
        Event::Message { message, .. } => match message {
            Message::Text(text) => format!("message {text:?}"),
            Message::Binary(bytes) => format!("message <{}>", support::hex(bytes)),
        },
        Event::Refused { refusal, .. } => format!("refused: {refusal}"),
        Event::SessionClosed { reason, .. } => format!("closed: {} ({reason})", reason.as_str()),
        Event::SessionOpened { .. } => "opened".to_owned(),
        Event::Upgraded { .. } => "upgraded".to_owned(),
        event => format!("{event:?}"),
    }
}

/// Interval 300 ms, timeout 200 ms, upgrade timeout 100 ms.
fn server() -> Server {
    let config = Config::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .upgrade_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    Server::new(config, [1; 32])
}

impl Scene {
    /// `r0` opened a session.
    fn polling() -> Self {
        let mut driver = Driver::new(server(), "/engine.io/", print);
        driver.get("EIO=4&transport=polling");
        let lines = driver.run();
        Self::named(driver, &lines)
    }

    /// `r0` became `t0`.
    fn websocket() -> Self {
        let mut driver = Driver::new(server(), "/engine.io/", print);
        driver.websocket("EIO=4&transport=websocket");
        driver.run();
        driver.open(0);
        let lines = driver.run();
        Self::named(driver, &lines)
    }

    fn named(driver: Driver<Server>, lines: &[String]) -> Self {
        let sid = sid_of(lines.iter().find(|line| line.contains("sid")).unwrap());
        let session = driver
            .events
            .iter()
            .find_map(|event| match event {
                Event::SessionOpened { session, .. } => Some(*session),
                _ => None,
            })
            .unwrap();
        Self {
            driver,
            sid,
            session,
            before: Vec::new(),
        }
    }

    fn get(&mut self) -> usize {
        let query = format!("EIO=4&transport=polling&sid={}", self.sid);
        self.driver.get(&query)
    }

    fn post(&mut self) -> usize {
        let query = format!("EIO=4&transport=polling&sid={}", self.sid);
        self.driver.post(&query)
    }

    /// Posts a body if the machine wants it.
    fn post_body(&mut self, body: &str) {
        let request = self.post();
        let lines = self.driver.take();
        if lines == [format!("read body of r{request}")] {
            self.driver.body(request, body.as_bytes());
        } else {
            self.before = lines;
        }
    }

    fn upgrade(&mut self) -> usize {
        let query = format!("EIO=4&transport=websocket&sid={}", self.sid);
        self.driver.websocket(&query)
    }

    fn send(&mut self, text: &str) {
        let message = Message::Text(ByteString::from(text));
        let now = self.driver.now;
        if let Err(error) = self.driver.machine.send(now, self.session, message) {
            self.before.push(format!("send fails: {error}"));
        }
    }

    fn set_reading(&mut self, paused: bool) {
        let now = self.driver.now;
        let machine = &mut self.driver.machine;
        if machine.set_reading(now, self.session, paused).is_err() {
            self.before.push("it is stale".to_owned());
        }
    }

    fn close(&mut self) {
        self.driver.machine.close(self.driver.now, self.session);
    }

    /// The WebSocket of the session, or the one that is being probed.
    const WS: usize = 0;

    fn outcome(&mut self) -> String {
        let mut lines = std::mem::take(&mut self.before);
        lines.extend(self.driver.take());
        let machine = &self.driver.machine;
        let after = match machine.carrier(self.session) {
            None => "gone".to_owned(),
            Some(carrier) => format!(
                "{}, {} B wait",
                match carrier {
                    Carrier::Polling => "polling",
                    Carrier::WebSocket => "websocket",
                },
                machine.queued(self.session).unwrap()
            ),
        };
        if lines.is_empty() {
            lines.push("nothing".to_owned());
        }
        lines.push(format!("= {after}"));
        lines.join("\n        ")
    }
}

type Build = fn() -> Scene;

/// Every state a session can rest in. `r…` and `t…` name requests and transports in the order in
/// which they came.
const STATES: &[(&str, Build)] = &[
    ("polling, no poll", Scene::polling),
    ("polling, no poll, packets wait", || {
        let mut scene = Scene::polling();
        scene.send("a");
        scene.send("b");
        scene
    }),
    ("polling, poll pending", || {
        let mut scene = Scene::polling();
        scene.get();
        scene
    }),
    ("polling, body being read", || {
        let mut scene = Scene::polling();
        scene.post();
        scene.driver.run();
        scene
    }),
    ("polling, answer with packets not yet written", || {
        let mut scene = Scene::polling();
        scene.send("a");
        scene.get();
        scene.driver.take();
        scene
    }),
    ("polling, ping unanswered", || {
        let mut scene = Scene::polling();
        scene.driver.sleep(300);
        scene.get();
        scene.driver.run();
        scene
    }),
    ("polling, WebSocket accepted", || {
        let mut scene = Scene::polling();
        scene.upgrade();
        scene.driver.run();
        scene
    }),
    ("polling with poll pending, WebSocket attached", || {
        let mut scene = Scene::polling();
        scene.upgrade();
        scene.driver.run();
        scene.driver.open(Scene::WS);
        scene.get();
        scene
    }),
    ("polling, WebSocket probed", || {
        let mut scene = Scene::polling();
        scene.upgrade();
        scene.driver.run();
        scene.driver.open(Scene::WS);
        scene.driver.text(Scene::WS, "2probe");
        scene.driver.run();
        scene
    }),
    ("polling, closing", || {
        let mut scene = Scene::polling();
        scene.send("last");
        scene.close();
        scene
    }),
    ("polling, closing, WebSocket probed", || {
        let mut scene = Scene::polling();
        scene.upgrade();
        scene.driver.run();
        scene.driver.open(Scene::WS);
        scene.driver.text(Scene::WS, "2probe");
        scene.driver.run();
        scene.send("last");
        scene.close();
        scene
    }),
    ("websocket, idle", Scene::websocket),
    ("websocket, batch out", || {
        let mut scene = Scene::websocket();
        scene.send("a");
        scene.send("b");
        scene.driver.take();
        scene
    }),
    ("websocket, ping unanswered", || {
        let mut scene = Scene::websocket();
        scene.driver.sleep(300);
        scene.driver.run();
        scene
    }),
    ("websocket, closing, batch out", || {
        let mut scene = Scene::websocket();
        scene.send("a");
        scene.send("last");
        scene.close();
        scene.driver.take();
        scene
    }),
    ("upgraded websocket, idle", || {
        let mut scene = Scene::polling();
        scene.upgrade();
        scene.driver.run();
        scene.driver.open(Scene::WS);
        scene.driver.text(Scene::WS, "2probe");
        scene.driver.run();
        scene.driver.text(Scene::WS, "5");
        scene.driver.run();
        scene
    }),
    ("polling, paused, data request waits", || {
        let mut scene = Scene::polling();
        scene.set_reading(true);
        scene.post();
        scene
    }),
    ("websocket, paused", || {
        let mut scene = Scene::websocket();
        scene.set_reading(true);
        scene.driver.run();
        scene
    }),
    ("closed", || {
        let mut scene = Scene::polling();
        scene.post_body("1");
        scene.driver.run();
        scene
    }),
];

type Act = fn(&mut Scene);

/// Everything that can happen. Inputs on a WebSocket are left out where there is none.
const INPUTS: &[(&str, Act)] = &[
    ("GET", |scene| _ = scene.get()),
    ("POST 4hi", |scene| scene.post_body("4hi")),
    ("POST 1", |scene| scene.post_body("1")),
    ("POST 2", |scene| scene.post_body("2")),
    ("POST 3", |scene| scene.post_body("3")),
    ("POST 0␞5␞6", |scene| {
        scene.post_body("0{}\u{1e}5\u{1e}6");
    }),
    ("POST 4hi␞x", |scene| scene.post_body("4hi\u{1e}x")),
    ("POST 1␞4late", |scene| scene.post_body("1\u{1e}4late")),
    ("POST too large", |scene| {
        let request = scene.post();
        scene.before = scene.driver.take();
        scene.driver.body_too_large(request);
    }),
    ("POST octet-stream", |scene| {
        let query = format!("EIO=4&transport=polling&sid={}", scene.sid);
        let headers = HeaderMap(vec![("content-type", b"application/octet-stream".to_vec())]);
        scene
            .driver
            .request(Carrier::Polling, "POST", &query, &headers);
    }),
    ("application pauses reading", |scene| {
        scene.set_reading(true);
    }),
    ("application resumes reading", |scene| {
        scene.set_reading(false);
    }),
    ("PUT", |scene| {
        let query = format!("EIO=4&transport=polling&sid={}", scene.sid);
        let headers = HeaderMap::default();
        scene
            .driver
            .request(Carrier::Polling, "PUT", &query, &headers);
    }),
    ("GET of another revision", |scene| {
        let query = format!("EIO=3&transport=polling&sid={}", scene.sid);
        scene.driver.get(&query);
    }),
    ("WebSocket handshake", |scene| _ = scene.upgrade()),
    ("last request gone", |scene| {
        let last = scene.driver.last_request();
        scene.driver.end(last, End::Gone);
    }),
    ("last request sent", |scene| {
        let last = scene.driver.last_request();
        scene.driver.end(last, End::Sent);
    }),
    ("t0 open", |scene| scene.driver.open(Scene::WS)),
    ("t0 4hi", |scene| scene.driver.text(Scene::WS, "4hi")),
    ("t0 <01>", |scene| scene.driver.binary(Scene::WS, &[1])),
    ("t0 1", |scene| scene.driver.text(Scene::WS, "1")),
    ("t0 2", |scene| scene.driver.text(Scene::WS, "2")),
    ("t0 2probe", |scene| scene.driver.text(Scene::WS, "2probe")),
    ("t0 3", |scene| scene.driver.text(Scene::WS, "3")),
    ("t0 5", |scene| scene.driver.text(Scene::WS, "5")),
    ("t0 6", |scene| scene.driver.text(Scene::WS, "6")),
    ("t0 x", |scene| scene.driver.text(Scene::WS, "x")),
    ("t0 sent", |scene| scene.driver.sent(Scene::WS)),
    ("t0 closed by the peer", |scene| {
        scene.driver.lost(Scene::WS, Lost::Closed { code: 1005 });
    }),
    ("t0 failed", |scene| {
        scene.driver.lost(Scene::WS, Lost::Failed);
    }),
    ("t0 too big", |scene| {
        scene.driver.lost(Scene::WS, Lost::TooBig);
    }),
    ("t0 not opened", |scene| {
        scene.driver.lost(Scene::WS, Lost::NotOpened);
    }),
    ("send", |scene| scene.send("new")),
    ("close", Scene::close),
    ("100 ms pass", |scene| scene.driver.sleep(100)),
    ("300 ms pass", |scene| scene.driver.sleep(300)),
    ("200 ms pass after the next ping", |scene| {
        scene.driver.sleep(300);
        scene.before = scene.driver.take();
        scene.before.push("-- 200 ms later".to_owned());
        scene.driver.sleep(200);
    }),
];

#[test]
fn every_state_with_every_input() {
    let mut table = String::new();
    for (state, build) in STATES {
        writeln!(table, "{state}").unwrap();
        for (input, act) in INPUTS {
            let mut scene = build();
            if input.starts_with("t0") && !scene.driver.has_transports() {
                continue;
            }
            scene.driver.take();
            act(&mut scene);
            writeln!(table, "    {input}\n        {}", scene.outcome()).unwrap();
        }
        table.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/session_table.txt");
    if env::var_os("UPDATE_TABLES").is_some() {
        fs::write(&path, &table).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (number, (got, want)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, want, "line {} of the table", number + 1);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}
