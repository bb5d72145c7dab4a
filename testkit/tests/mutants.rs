//! The harness sees what it is there to see: machines that break a promise are caught.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use socketio_proto::{
    edge::{
        Admission, BodyRead, Carrier, End, Lost, Machine, Output, Request, RequestId, ResponseKind,
        SessionKey, Stale, TransportId,
    },
    engine::{CloseReason, Config, Event, Inbound, Raw, Server, Statistics},
    time::Instant,
};
use socketio_testkit::{
    application::{Chatter, Manners, Sends},
    dice::Dice,
    host::{HostHabits, Spans},
    peer::Habits,
    speech::Plain,
    subject::{Observed, Subject},
    trace::Trace,
    world::{Scenario, World},
};

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(4);

/// What is wrong with a machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    AnswersTwice,
    ClosesTwice,
    DropsPacketOfPoll,
    ForgetsAnswer,
    ForgetsClose,
    ForgetsDeadlines,
    ForgetsSessionClosed,
    LosesMessage,
    None,
    PollTimeoutIsLate,
    RepeatsMessage,
    SwapsPacketsOfPoll,
    WrongReason,
}

/// A server with a fault that shows now and then.
#[derive(Debug)]
struct Mutant {
    server: Server,
    fault: Fault,
    count: usize,
    ready: VecDeque<Output<Event, Raw>>,
}

impl Mutant {
    /// Whether the fault shows this time.
    fn strikes(&mut self) -> bool {
        self.count += 1;
        self.count.is_multiple_of(7)
    }

    /// Whether an output is of the kind that the machine forgets.
    fn forgets(&self, output: &Output<Event, Raw>) -> bool {
        match (self.fault, output) {
            (Fault::ForgetsAnswer, Output::Respond { response, .. }) => {
                response.kind == ResponseKind::Data
            }
            (Fault::ForgetsClose, Output::CloseTransport { .. })
            | (Fault::ForgetsSessionClosed, Output::Event(Event::SessionClosed { .. }))
            | (Fault::LosesMessage, Output::Event(Event::Message { .. })) => true,
            _ => false,
        }
    }

    /// Puts an output into the queue, spoilt perhaps.
    fn spoil(&mut self, output: Output<Event, Raw>) {
        if self.forgets(&output) && self.strikes() {
            return;
        }
        match (self.fault, output) {
            (Fault::AnswersTwice, Output::Respond { request, response }) if self.strikes() => {
                let again = response.clone();
                self.ready.push_back(Output::Respond { request, response });
                self.ready.push_back(Output::Respond {
                    request,
                    response: again,
                });
            }
            (Fault::ClosesTwice, Output::CloseTransport { transport, abort }) => {
                for _ in 0..2 {
                    self.ready
                        .push_back(Output::CloseTransport { transport, abort });
                }
            }
            (
                Fault::DropsPacketOfPoll | Fault::SwapsPacketsOfPoll,
                Output::Respond {
                    request,
                    mut response,
                },
            ) if response.kind == ResponseKind::Poll => {
                let mut packets: Vec<&[u8]> = response.body.split(|&it| it == 0x1e).collect();
                if packets.len() > 1 && self.fault == Fault::DropsPacketOfPoll {
                    packets.remove(0);
                }
                if packets.len() > 1 && self.fault == Fault::SwapsPacketsOfPoll {
                    packets.swap(0, 1);
                }
                response.body = packets.join(&0x1e).into();
                self.ready.push_back(Output::Respond { request, response });
            }
            (Fault::RepeatsMessage, Output::Event(event @ Event::Message { .. }))
                if self.strikes() =>
            {
                self.ready.push_back(Output::Event(event.clone()));
                self.ready.push_back(Output::Event(event));
            }
            (Fault::WrongReason, Output::Event(Event::SessionClosed { session, .. })) => {
                let reason = CloseReason::ServerShutdown;
                let event = Event::SessionClosed { session, reason };
                self.ready.push_back(Output::Event(event));
            }
            (_, output) => self.ready.push_back(output),
        }
    }
}

impl Machine for Mutant {
    type Parser = Raw;
    type Event = Event;

    fn claims(&self, target: &str) -> bool {
        self.server.claims(target)
    }

    fn handle_request(&mut self, now: Instant, request: &Request<'_>) -> RequestId {
        self.server.handle_request(now, request)
    }

    fn handle_body(&mut self, now: Instant, request: RequestId, body: BodyRead<Raw>) {
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

    fn handle_transport_read(&mut self, now: Instant, id: TransportId, inbound: Inbound<Raw>) {
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
        let due = self.server.poll_timeout()?;
        match self.fault {
            Fault::ForgetsDeadlines => None,
            Fault::PollTimeoutIsLate => Some(due + Duration::from_millis(20)),
            _ => Some(due),
        }
    }

    fn poll_output(&mut self) -> Option<Output<Event, Raw>> {
        while let Some(output) = self.server.poll_output() {
            self.spoil(output);
        }
        self.ready.pop_front()
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
        self.server.statistics()
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

impl Sends for Mutant {
    fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

fn play(fault: Fault, seed: u64) {
    let mut dice = Dice::new(seed);
    let config = Config::builder()
        .ping_interval(INTERVAL)
        .ping_timeout(TIMEOUT)
        .upgrade_timeout(Duration::from_secs(3))
        .pause_timeout(Duration::from_secs(12))
        .build()
        .unwrap();
    let mutant = Mutant {
        server: Server::new(config, dice.seed()),
        fault,
        count: 0,
        ready: VecDeque::new(),
    };
    let scenario = Scenario {
        peers: 20,
        habits: Habits::rough(),
        script: |_| Box::new(Plain),
        host: HostHabits::exact(),
        spans: Spans {
            ping_interval: INTERVAL,
            ping_timeout: TIMEOUT,
            upgrade_timeout: Duration::from_secs(3),
            close_timeout: Duration::from_secs(30),
            admission_timeout: Duration::from_secs(2),
            pause_timeout: Duration::from_secs(12),
            longest: Duration::from_secs(30),
        },
        lasts: Duration::from_secs(30),
        begins: Duration::from_secs(5),
        shuts_down: false,
        is_calm: false,
    };
    let application = Chatter::new(Manners::lively(), dice.fork());
    let trace = Trace::new(format!("{fault:?}, seed {seed}"), "cargo test");
    World::new(scenario, mutant, application, trace, dice).run();
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
fn machines_that_break_a_promise_are_caught() {
    for (fault, says) in [
        (Fault::AnswersTwice, "was answered twice"),
        (Fault::ClosesTwice, "was named after its end"),
        (Fault::DropsPacketOfPoll, "one before it is missing"),
        (Fault::ForgetsAnswer, "is not answered"),
        (Fault::ForgetsClose, "its caller knows"),
        (Fault::ForgetsDeadlines, "no deadline"),
        (Fault::ForgetsSessionClosed, "its events"),
        (Fault::LosesMessage, "one before it is missing"),
        (Fault::PollTimeoutIsLate, "poll_timeout was late"),
        (Fault::RepeatsMessage, "it came twice"),
        (Fault::SwapsPacketsOfPoll, "one before it is missing"),
        (Fault::WrongReason, "closed for no reason"),
    ] {
        let verdict = verdict(fault);
        let verdict = verdict.unwrap_or_else(|| panic!("{fault:?} was not caught"));
        assert!(verdict.contains(says), "{fault:?}: {verdict}");
    }
}

#[test]
fn a_machine_without_a_fault_is_not() {
    assert_eq!(verdict(Fault::None), None);
}
