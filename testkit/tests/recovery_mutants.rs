//! The harness sees what recovery can do wrong: on the wire, and in what commands do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

#[path = "recovery/mod.rs"]
mod setting;

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use bytes::Bytes;
use socketio_proto::{
    edge::{
        Admission, BodyRead, Carrier, End, Lost, Machine, Output, Request, RequestId, SessionKey,
        Stale, TransportId,
    },
    engine::{Inbound, Statistics},
    socket::{
        EmitError, Event, Json, Options, Packet, PendingKey, RecoveryConfig, Sent, Server,
        SocketKey, To,
    },
    time::Instant,
};
use socketio_testkit::{
    application::{Commands, Duties, Hub},
    client::{Client, Ways},
    dice::Dice,
    network::NodeId,
    peer::{Carriers, Farewell},
    subject::{Observed, Subject},
    trace::Trace,
    wiretap::Wiretap,
    world::World,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    // On the wire.
    AnswersBeforeReplay,
    ForgetsPositionOfVolatile,
    ForgetsSession,
    LosesReplay,
    MixesNamespaces,
    OffsetTooNew,
    OffsetTooOld,
    RepeatsReplay,
    ReplaysToRefused,
    SessionIsReusable,
    // In commands.
    ForgetsData,
    JoinsLate,
    KeepsRoom,
    KeepsVolatile,
    SendsToSender,
    None,
}

/// A client's place in one namespace, as it shows on the wire.
#[derive(Debug, Default)]
struct Place {
    answer: Option<String>,
    is_asking: bool,
    has_left: bool,
    offsets: VecDeque<String>,
    last_event: Option<String>,
    held: Vec<String>,
}

#[derive(Debug)]
struct Tap {
    fault: Fault,
    count: usize,
    places: BTreeMap<(NodeId, bool), Place>,
    newest: BTreeMap<bool, String>,
}

/// A text of Socket.IO: its type, whether it is of the second namespace, and the rest.
fn split(text: &str) -> Option<(char, bool, &str)> {
    let kind = text.chars().next()?;
    let rest = text.get(1..)?;
    match rest.strip_prefix("/b,") {
        Some(rest) => Some((kind, true, rest)),
        None => Some((kind, false, rest)),
    }
}

fn joined(kind: char, is_second: bool, rest: &str) -> String {
    let namespace = if is_second { "/b," } else { "" };
    format!("4{kind}{namespace}{rest}")
}

/// The last argument of an event, if it is a string.
fn last_text(list: &str) -> Option<&str> {
    list.strip_suffix("\"]")?.rsplit('"').next()
}

impl Tap {
    fn strikes(&mut self) -> bool {
        self.count += 1;
        self.count.is_multiple_of(5)
    }

    fn event(&mut self, key: (NodeId, bool), rest: &str) -> Vec<String> {
        let text = joined('2', key.1, rest);
        let strikes = self.strikes();
        let place = self.places.entry(key).or_default();
        // Behind a DISCONNECT anything may come that was under way.
        let is_replay = place.is_asking && !place.has_left;
        if let Some(offset) = last_text(rest).filter(|_| !rest.starts_with("[\"v")) {
            place.offsets.push_back(offset.to_owned());
            if place.offsets.len() > 2 {
                place.offsets.pop_front();
            }
            self.newest.insert(key.1, offset.to_owned());
        }
        place.last_event = Some(text.clone());
        match self.fault {
            Fault::AnswersBeforeReplay if is_replay => {
                place.held.push(text);
                Vec::new()
            }
            Fault::LosesReplay if is_replay && strikes => Vec::new(),
            Fault::RepeatsReplay if is_replay && strikes => vec![text.clone(), text],
            Fault::MixesNamespaces if strikes => vec![joined('2', !key.1, rest)],
            Fault::ForgetsPositionOfVolatile if rest.starts_with("[\"v") => {
                let (event, _) = rest.rsplit_once(',').unwrap_or((rest, ""));
                vec![joined('2', key.1, &format!("{event}]"))]
            }
            _ => vec![text],
        }
    }
}

impl Wiretap for Tap {
    fn down(&mut self, peer: NodeId, text: &str) -> Vec<String> {
        let Some((kind, is_second, rest)) = text.strip_prefix('4').and_then(split) else {
            return vec![text.to_owned()];
        };
        let key = (peer, is_second);
        match kind {
            '0' => {
                let fault = self.fault;
                let place = self.places.entry(key).or_default();
                place.is_asking = false;
                let old = place.answer.clone().filter(|_| place.has_left);
                let mut answer = joined('0', is_second, rest);
                if let Some(old) = old.filter(|_| fault == Fault::SessionIsReusable) {
                    answer = joined('0', is_second, &old);
                }
                place.has_left = false;
                place.answer = Some(rest.to_owned());
                let mut texts = vec![answer];
                texts.append(&mut place.held);
                texts
            }
            '2' if rest.starts_with('[') => self.event(key, rest),
            '4' if self.fault == Fault::ReplaysToRefused => {
                let place = self.places.entry(key).or_default();
                let mut texts: Vec<String> = place.last_event.iter().cloned().collect();
                texts.push(text.to_owned());
                texts
            }
            _ => vec![text.to_owned()],
        }
    }

    fn up(&mut self, peer: NodeId, text: &str) -> String {
        let Some((kind, is_second, rest)) = text.strip_prefix('4').and_then(split) else {
            return text.to_owned();
        };
        let newest = self.newest.get(&is_second).cloned();
        let place = self.places.entry((peer, is_second)).or_default();
        match kind {
            '0' => {
                place.is_asking = true;
                place.held.clear();
                let offset = last_offset(rest);
                let other = match self.fault {
                    Fault::OffsetTooNew => newest,
                    Fault::OffsetTooOld => place.offsets.front().cloned(),
                    Fault::ForgetsSession => return joined('0', is_second, ""),
                    _ => None,
                };
                match (offset, other) {
                    (Some(offset), Some(other)) => text.replace(offset, &other),
                    _ => text.to_owned(),
                }
            }
            '1' => {
                place.has_left = true;
                text.to_owned()
            }
            _ => text.to_owned(),
        }
    }
}

fn last_offset(auth: &str) -> Option<&str> {
    auth.split_once("\"offset\":\"")?.1.split('"').next()
}

/// A server whose commands do something else now and then.
#[derive(Debug)]
struct Mutant {
    server: Server,
    fault: Fault,
    count: usize,
    late: Vec<(SocketKey, String)>,
}

impl Mutant {
    fn strikes(&mut self, fault: Fault) -> bool {
        self.count += usize::from(self.fault == fault);
        self.fault == fault && self.count.is_multiple_of(7)
    }
}

impl Commands for Mutant {
    fn sockets(&mut self) -> &mut Server {
        &mut self.server
    }

    fn accept(&mut self, now: Instant, pending: PendingKey) -> Option<SocketKey> {
        let socket = self.server.accept(now, pending, &[]).ok()?;
        if self.fault == Fault::ForgetsData {
            _ = self.server.set_data(socket, Bytes::new());
        }
        Some(socket)
    }

    fn emit(
        &mut self,
        now: Instant,
        to: To<'_>,
        packet: Packet,
        mut options: Options,
    ) -> Result<Sent, EmitError> {
        for (socket, room) in std::mem::take(&mut self.late) {
            _ = self.server.join(socket, &[&room]);
        }
        if self.fault == Fault::KeepsVolatile {
            options.volatile = false;
        }
        let to = match to {
            To::Group {
                namespace,
                rooms,
                except,
                without: Some(_),
            } if self.strikes(Fault::SendsToSender) => To::Group {
                namespace,
                rooms,
                except,
                without: None,
            },
            to => to,
        };
        let sent = self.server.emit(now, to, packet, options);
        if self.fault == Fault::JoinsLate {
            for (socket, room) in std::mem::take(&mut self.late) {
                _ = self.server.join(socket, &[&room]);
            }
        }
        sent
    }

    fn join(&mut self, socket: SocketKey, room: &str) -> bool {
        if self.strikes(Fault::JoinsLate) && self.server.id_of(socket).is_some() {
            self.late.push((socket, room.to_owned()));
            return true;
        }
        self.server.join(socket, &[room]).is_ok()
    }

    fn leave(&mut self, socket: SocketKey, room: &str) -> bool {
        if self.strikes(Fault::KeepsRoom) {
            return self.server.id_of(socket).is_some();
        }
        self.server.leave(socket, room).is_ok()
    }
}

impl Machine for Mutant {
    type Parser = Json;
    type Event = Event;

    fn claims(&self, target: &str) -> bool {
        self.server.claims(target)
    }

    fn handle_request(&mut self, now: Instant, request: &Request<'_>) -> RequestId {
        self.server.handle_request(now, request)
    }

    fn handle_body(&mut self, now: Instant, request: RequestId, body: BodyRead<Json>) {
        self.server.handle_body(now, request, body);
    }

    fn handle_body_progress(&mut self, now: Instant, request: RequestId, received: usize) {
        self.server.handle_body_progress(now, request, received);
    }

    fn handle_request_end(&mut self, now: Instant, request: RequestId, end: End) {
        self.server.handle_request_end(now, request, end);
    }

    fn handle_transport_open(&mut self, now: Instant, transport: TransportId) {
        self.server.handle_transport_open(now, transport);
    }

    fn handle_transport_read(&mut self, now: Instant, id: TransportId, inbound: Inbound<Json>) {
        self.server.handle_transport_read(now, id, inbound);
    }

    fn handle_transport_sent(&mut self, now: Instant, transport: TransportId) {
        self.server.handle_transport_sent(now, transport);
    }

    fn handle_transport_lost(&mut self, now: Instant, transport: TransportId, lost: Lost) {
        self.server.handle_transport_lost(now, transport, lost);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    fn poll_output(&mut self) -> Option<Output<Event, Json>> {
        self.server.poll_output()
    }

    fn admit(&mut self, now: Instant, request: RequestId, it: Admission) -> Result<(), Stale> {
        self.server.admit(now, request, it)
    }

    fn set_reading(&mut self, now: Instant, it: SessionKey, paused: bool) -> Result<(), Stale> {
        self.server.set_reading(now, it, paused)
    }

    fn shutdown(&mut self, now: Instant, spread: Duration) {
        self.server.shutdown(now, spread);
    }

    fn statistics(&self) -> Statistics {
        Machine::statistics(&self.server)
    }

    fn sessions(&self) -> usize {
        self.server.sessions()
    }
}

impl Subject for Mutant {
    fn observe(event: &Event) -> Observed {
        Server::observe(event)
    }

    fn queued(&self, session: SessionKey) -> Option<usize> {
        self.server.queued(session)
    }

    fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.server.carrier(session)
    }
}

fn play(fault: Fault, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut scenario = setting::scenario(20, Duration::from_secs(60));
    scenario.habits.carriers = &[Carriers::WebSocket];
    scenario.habits.misdeeds = 0;
    scenario.habits.lasts = Some(Duration::from_secs(20));
    scenario.habits.farewells = &[Farewell::Cut, Farewell::Vanish];
    scenario.script = |dice| {
        let two_seats = 1_000;
        Box::new(Client::new(
            Ways {
                two_seats,
                leaves: 50,
                ..Ways::restless()
            },
            dice,
        ))
    };
    let duties = Duties {
        rooms: 3,
        kicks: 0,
        refuses: 50,
        ..Duties::lively(scenario.habits.rough_until)
    };
    let mutant = Mutant {
        server: setting::server(dice.seed(), RecoveryConfig::new(), false),
        fault,
        count: 0,
        late: Vec::new(),
    };
    let tap = Tap {
        fault,
        count: 0,
        places: BTreeMap::new(),
        newest: BTreeMap::new(),
    };
    let hub = Hub::new(duties, dice.fork());
    let trace = Trace::new(format!("{fault:?}, seed {seed}"), "cargo test");
    World::new(scenario, mutant, hub, trace, dice)
        .promising(setting::PROMISED)
        .tapped(Box::new(tap))
        .run();
}

/// What the harness says about a fault, within a few seeds.
fn verdict(fault: Fault) -> Option<String> {
    (1..=5).find_map(|seed| {
        let run = AssertUnwindSafe(|| play(fault, seed));
        let panic = catch_unwind(run).err()?;
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        text.lines().next().map(str::to_owned)
    })
}

#[test]
fn a_server_that_breaks_a_promise_of_recovery_is_caught() {
    for (fault, says) in [
        (
            Fault::AnswersBeforeReplay,
            "is told that it is back, but not of",
        ),
        (Fault::ForgetsPositionOfVolatile, "its position is wrong"),
        (Fault::ForgetsData, "instead of"),
        (Fault::ForgetsSession, "was forgotten after"),
        (Fault::JoinsLate, " heard "),
        (Fault::KeepsRoom, "not being addressed"),
        (Fault::KeepsVolatile, "its position is wrong"),
        (Fault::LosesReplay, "sent before"),
        (Fault::MixesNamespaces, "not being addressed"),
        (Fault::OffsetTooNew, "but not of"),
        (Fault::OffsetTooOld, "twice"),
        (Fault::RepeatsReplay, "twice"),
        (Fault::ReplaysToRefused, "was refused, but told"),
        (Fault::SendsToSender, "not being addressed"),
        (Fault::SessionIsReusable, "is back, but"),
    ] {
        let verdict = verdict(fault);
        let verdict = verdict.unwrap_or_else(|| panic!("{fault:?} was not caught"));
        assert!(verdict.contains(says), "{fault:?}: {verdict}");
    }
}

#[test]
fn a_server_without_a_fault_is_not() {
    assert_eq!(verdict(Fault::None), None);
}
