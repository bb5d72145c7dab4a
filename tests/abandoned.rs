//! Whatever happens, and wherever it stops: every session ends by a deadline, nothing is left to
//! wait for, and a repeated run repeats.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests fail loudly"
)]

mod support;

use std::time::Duration;

use socketio_proto::{
    edge::{End, Lost, Machine},
    socket::{AcceptError, Config, Event, Options, Packet, Server, To, Wait},
    time::UnixTime,
};
use support::{Driver, sid_of};

/// A small generator, so that a failure names the seed that repeats it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }

    /// One of the newest: the others are mostly gone.
    fn recent(&mut self, count: usize) -> usize {
        count - 1 - self.roll(count.min(3))
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }
}

const TEXTS: &[&str] = &[
    "2probe",
    "2probe",
    "5",
    "3",
    "40",
    "40",
    "40",
    "430[]",
    "1",
    "2",
    "x",
    "40/admin,{}",
    "40/nowhere",
    "41",
    "41/admin,",
    r#"42["a",1]"#,
    r#"421["a"]"#,
    r#"42/admin,["a"]"#,
    r#"452-["a",{"_placeholder":true,"num":0}]"#,
    "430[]",
    "42{}",
];

/// What a polite client has said on a WebSocket so far.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    Connect,
    Probe,
    Upgrade,
}

/// What a polite client says once it is connected.
const POLITE: &[&str] = &[
    "3",
    r#"42["a",1]"#,
    r#"421["a"]"#,
    "430[]",
    "431[]",
    "40/nowhere",
    r#"451-["a",{"_placeholder":true,"num":0}]"#,
];

struct Run {
    driver: Driver<Server>,
    dice: Dice,
    sids: Vec<String>,
    requests: usize,
    transports: usize,
    said: Vec<Said>,
    joined: Vec<bool>,
    upgrading: Vec<usize>,
    bodies: Vec<usize>,
    /// Emits that asked for answers.
    asked: usize,
    /// CONNECTs that were accepted or refused.
    decided: usize,
    lines: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let config = Config::builder()
            .engine(|engine| {
                engine
                    .ping_interval(Duration::from_millis(300))
                    .ping_timeout(Duration::from_millis(200))
                    .upgrade_timeout(Duration::from_millis(100))
            })
            .connect_timeout(Duration::from_secs(1))
            .decision_timeout(Duration::from_millis(150))
            .build()
            .unwrap();
        let mut server = Server::new(config, [3; 32], UnixTime::default());
        server.add_namespace("/admin").unwrap();
        Self {
            driver: Driver::new(server, "/socket.io/", |event| format!("{event:?}")),
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            sids: Vec::new(),
            requests: 0,
            transports: 0,
            said: Vec::new(),
            joined: Vec::new(),
            upgrading: Vec::new(),
            bodies: Vec::new(),
            asked: 0,
            decided: 0,
            lines: Vec::new(),
        }
    }

    fn drain(&mut self) {
        loop {
            let lines = self.driver.take();
            if lines.is_empty() {
                return;
            }
            self.note(lines);
        }
    }

    fn note(&mut self, lines: Vec<String>) {
        for line in lines {
            if line.contains("\"sid\"") && line.contains("upgrades") {
                self.sids.push(sid_of(&line));
            }
            if let Some((request, _)) = line.split_once(" becomes ") {
                self.transports += 1;
                let request: usize = request[1..].parse().unwrap();
                let is_probe = self.upgrading.contains(&request);
                self.said
                    .push(if is_probe { Said::Probe } else { Said::Nothing });
                self.joined.push(false);
                if self.dice.roll(5) > 0 {
                    self.driver.open(self.transports - 1);
                }
            }
            if line.starts_with("Connecting(") && self.dice.roll(4) > 0 {
                self.decide();
            }
            if let Some((transport, text)) = line
                .strip_prefix("write t")
                .and_then(|rest| rest.split_once(": "))
                && text.contains("40{")
            {
                self.joined[transport.parse::<usize>().unwrap()] = true;
            }
            if let Some(request) = line.strip_prefix("read body of r") {
                self.bodies.push(request.parse().unwrap());
            }
            self.lines.push(line);
        }
    }

    fn request(&mut self) {
        let sid = match self.sids.len() {
            0 => String::new(),
            count => format!("&sid={}", self.sids[self.dice.recent(count)]),
        };
        match self.dice.roll(6) {
            0 if self.dice.roll(2) == 0 => self.driver.get("EIO=4&transport=polling"),
            0 | 1 => self.driver.websocket("EIO=4&transport=websocket"),
            2 | 3 => self.driver.get(&format!("EIO=4&transport=polling{sid}")),
            4 => self.driver.post(&format!("EIO=4&transport=polling{sid}")),
            _ => {
                self.upgrading.push(self.requests);
                self.driver
                    .websocket(&format!("EIO=4&transport=websocket{sid}"))
            }
        };
        self.requests += 1;
    }

    fn step(&mut self) {
        match self.dice.roll(12) {
            0 | 1 => self.request(),
            2 => {
                if let Some(request) = self.bodies.pop() {
                    let (one, two) = (*self.dice.pick(TEXTS), *self.dice.pick(TEXTS));
                    self.driver
                        .body(request, format!("{one}\u{1e}{two}").as_bytes());
                }
            }
            3..=6 if self.transports > 0 => self.transport(),
            7 if self.requests > 0 => {
                let request = self.dice.recent(self.requests);
                let end = *self.dice.pick(&[End::Sent, End::Sent, End::Gone]);
                self.driver.end(request, end);
            }
            8 | 9 => self.application(),
            10 if self.dice.roll(3) == 0 => {
                let millis = *self.dice.pick(&[1, 20, 100, 250]);
                self.driver.sleep(millis);
            }
            _ => {}
        }
        self.drain();
    }

    fn transport(&mut self) {
        let transport = self.dice.recent(self.transports);
        match self.dice.roll(8) {
            0 => self.driver.open(transport),
            1 | 2 => self.driver.sent(transport),
            3 if self.dice.roll(8) == 0 => self.driver.binary(transport, &[1]),
            4 if self.dice.roll(4) == 0 => {
                self.driver.lost(transport, Lost::Closed { code: 1006 });
            }
            _ if self.dice.roll(8) == 0 => {
                let text = *self.dice.pick(TEXTS);
                self.driver.text(transport, text);
            }
            _ => self.polite(transport),
        }
    }

    fn polite(&mut self, transport: usize) {
        let (text, next) = match self.said[transport] {
            Said::Nothing => ("40", Said::Connect),
            Said::Probe => ("2probe", Said::Upgrade),
            Said::Upgrade => ("5", Said::Nothing),
            Said::Connect if !self.joined[transport] => return,
            Said::Connect => (*self.dice.pick(POLITE), Said::Connect),
        };
        self.said[transport] = next;
        self.driver.text(transport, text);
        if text.starts_with("451-") {
            self.driver.binary(transport, &[1]);
        }
    }

    /// Decides the last CONNECT.
    fn decide(&mut self) {
        let last = self
            .driver
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Connecting(connecting) => Some(connecting.pending),
                _ => None,
            });
        let (server, now) = (&mut self.driver.machine, self.driver.now);
        if let Some(pending) = last {
            let done = if self.dice.roll(4) == 0 {
                server
                    .refuse(now, pending, "no", None)
                    .map_err(AcceptError::from)
            } else {
                server.accept(now, pending, &["room"]).map(|_| ())
            };
            self.decided += usize::from(done.is_ok());
        }
    }

    /// The application decides, emits, and disconnects.
    fn application(&mut self) {
        let now = self.driver.now;
        let root = self.driver.machine.namespace("/").unwrap();
        let to = To::Group {
            namespace: root,
            rooms: &[],
            except: &[],
            without: None,
        };
        let server = &mut self.driver.machine;
        match self.dice.roll(6) {
            0 | 1 => self.decide(),
            2 => {
                let packet = Packet::event("e", &(1,)).unwrap();
                server.emit(now, to, packet, Options::new()).unwrap();
            }
            3 => {
                self.asked += 1;
                let wait = Wait::AtMost(Duration::from_millis(70));
                let packet = Packet::event("q", &()).unwrap();
                server
                    .emit(now, to, packet, Options::new().ack(wait))
                    .unwrap();
            }
            4 => {
                if let Some(&socket) = server.members(to).first()
                    && self.dice.roll(4) == 0
                {
                    let close = self.dice.roll(2) == 0;
                    server.disconnect(now, To::Socket(socket), close);
                }
            }
            _ => {}
        }
    }

    /// Nobody does anything any more; time passes.
    fn abandon(&mut self) {
        for request in 0..self.requests {
            self.driver.end(request, End::Gone);
        }
        for _ in 0..200 {
            self.driver.sleep(50);
            self.drain();
        }
        assert_eq!(
            self.driver.machine.sessions(),
            0,
            "the heartbeat ends them all"
        );
        // The longest deadline, that of an orderly close over polling, names nobody any more.
        self.driver.sleep(30_000);
        self.drain();
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut run = Run::new(seed);
    for _ in 0..300 {
        run.step();
    }
    run.abandon();
    let server = &run.driver.machine;
    assert_eq!(server.sessions(), 0, "seed {seed}");
    assert_eq!(server.poll_timeout(), None, "seed {seed}");
    let count = |prefix: &str| {
        let lines = run.lines.iter();
        lines.filter(|line| line.starts_with(prefix)).count()
    };
    assert_eq!(
        count("SessionOpened"),
        count("SessionClosed"),
        "seed {seed}"
    );
    assert_eq!(count("AckDone"), run.asked, "seed {seed}");
    assert_eq!(
        count("Connecting"),
        run.decided + count("Withdrawn"),
        "seed {seed}"
    );
    run.lines
}

#[test]
fn every_session_ends_by_a_deadline_and_a_run_repeats() {
    for seed in 1..=300 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
