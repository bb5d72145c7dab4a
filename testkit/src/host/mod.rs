//! Drives one machine: what comes from the network goes in, what comes out goes to the network.
//!
//! While it does so it holds the machine to the rules of the edge: one batch per transport is out,
//! each request is answered or becomes a transport once, nothing names what has ended, an index
//! rests until the outputs of its last owner were taken, `poll_timeout` is never late. `inputs` and
//! `outputs` are the two directions, `names` the tables, `checks` what must hold between inputs.

mod checks;
mod inputs;
mod names;
mod outputs;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::BytesMut;
use socketio_proto::{
    edge::{RequestId, SessionKey, TransportId},
    engine::Codec,
    time::Instant,
};

use self::names::Register;
use crate::{
    application::Application,
    dice::Dice,
    ledger::{Cause, LifeId},
    network::{ConnectionId, Event, NodeId},
    subject::Subject,
    wire::Wire,
    world::Scene,
};

/// How a host treats its machine: all of it within the contract.
#[derive(Clone, Copy, Debug)]
pub struct HostHabits {
    /// How much later than asked its timer fires at most.
    pub timer_late: Duration,
    /// How often, in a thousand inputs, outputs stay in the queue for a while.
    pub drains_late: u32,
    /// How long they then stay at most.
    pub drain_late: Duration,
    /// How often, in a thousand inputs, it asks its machine for the time too early.
    pub asks_early: u32,
    /// How often, in a thousand inputs, the instant it gives lies before the last one.
    pub goes_back: u32,
    /// How often it stops for a while: nothing is read, and its timer is late.
    pub stops_every: Option<Duration>,
    /// How long it then stops at most. Half of the stops are a sleep: the clock moves on by as much
    /// once more, without anything having happened.
    pub stop: Duration,
}

impl HostHabits {
    /// Does everything at once.
    pub const fn exact() -> Self {
        Self {
            timer_late: Duration::ZERO,
            drains_late: 0,
            drain_late: Duration::ZERO,
            asks_early: 50,
            goes_back: 0,
            stops_every: None,
            stop: Duration::ZERO,
        }
    }

    /// Late, early, and busy with other things.
    pub const fn rough() -> Self {
        Self {
            timer_late: Duration::from_millis(80),
            drains_late: 200,
            drain_late: Duration::from_millis(50),
            asks_early: 50,
            goes_back: 20,
            stops_every: Some(Duration::from_secs(120)),
            stop: Duration::from_secs(30),
        }
    }

    /// Whether whatever is due is done then, not later.
    pub fn is_exact(&self) -> bool {
        self.timer_late.is_zero() && self.drains_late == 0 && self.stops_every.is_none()
    }
}

/// The spans that the machine was configured with.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// Between a pong and the next ping.
    pub ping_interval: Duration,
    /// Between a ping and its pong.
    pub ping_timeout: Duration,
    /// How long an upgrade, or the opening of a WebSocket, may take.
    pub upgrade_timeout: Duration,
    /// How long an orderly close may take.
    pub close_timeout: Duration,
    /// How long a handshake may wait for the application.
    pub admission_timeout: Duration,
    /// How long the application may stop reading a session.
    pub pause_timeout: Duration,
    /// The longest deadline of any kind.
    pub longest: Duration,
}

/// A machine on the network.
#[derive(Debug)]
pub struct Host<M: Subject> {
    machine: M,
    node: NodeId,
    habits: HostHabits,
    spans: Spans,
    dice: Dice,
    requests: Register<RequestId, RequestSide<M::Parser>>,
    transports: Register<TransportId, TransportSide<M::Parser>>,
    sessions: Register<SessionKey, SessionSide>,
    by_life: BTreeMap<LifeId, SessionKey>,
    // Transports whose opening was reported since the queue was empty.
    opened: Vec<TransportId>,
    uses: BTreeMap<ConnectionId, Use>,
    // How far the machine's clock is ahead of the network's.
    ahead: Duration,
    // The latest instant that the machine was told.
    latest: Instant,
    // When the timer fires, on the network's clock.
    armed: Option<Instant>,
    queue: Queue,
    is_stopped: bool,
    backlog: VecDeque<Event<Wire>>,
    // The longest time that it stood still.
    longest_stop: Duration,
    // Whether it did everything at once, always.
    was_exact: bool,
}

/// What is known of the machine's queue of outputs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Queue {
    Empty,
    /// Something may be in it.
    Full,
    /// The same, and it is left there for a while.
    Waits,
}

/// What a connection is used for.
#[derive(Clone, Copy, Debug)]
enum Use {
    Request(RequestId),
    Transport(TransportId),
}

#[derive(Debug)]
struct RequestSide<P: socketio_proto::engine::Parser> {
    connection: ConnectionId,
    life: LifeId,
    is_poll: bool,
    stage: Stage<P>,
    /// When the stage began.
    since: Instant,
    body: BytesMut,
    is_whole: bool,
}

#[derive(Debug)]
enum Stage<P: socketio_proto::engine::Parser> {
    /// It becomes a transport.
    Accepted,
    /// Its answer is being written.
    Answered,
    /// Its body was handed over.
    Read,
    /// Its body is being read.
    Reading { codec: Codec<P>, limit: usize },
    /// Nothing was said about it.
    Waiting,
}

#[derive(Debug)]
struct TransportSide<P: socketio_proto::engine::Parser> {
    connection: ConnectionId,
    request: RequestId,
    life: LifeId,
    codec: Codec<P>,
    limit: usize,
    is_open: bool,
    /// When it was given out.
    since: Instant,
    is_busy: bool,
    is_paused: bool,
    // What arrived before its opening was reported, or while it is not read.
    early: VecDeque<Event<Wire>>,
}

#[derive(Clone, Copy, Debug)]
struct SessionSide {
    life: LifeId,
    /// When the last pong that counts came, or it opened.
    heard_at: Instant,
    /// Whether a ping went out since.
    is_pinged: bool,
}

/// The purposes of a host's wakes.
mod token {
    pub(super) const APPLICATION: u64 = 0;
    pub(super) const DRAIN: u64 = 1;
    pub(super) const RESUME: u64 = 2;
    pub(super) const STOP: u64 = 3;
    pub(super) const TIMER: u64 = 4;
}

impl<M: Subject> Host<M> {
    /// Puts a machine on the network.
    pub fn new(machine: M, node: NodeId, habits: HostHabits, spans: Spans, dice: Dice) -> Self {
        Self {
            machine,
            node,
            habits,
            spans,
            dice,
            requests: Register::new(),
            transports: Register::new(),
            sessions: Register::new(),
            by_life: BTreeMap::new(),
            opened: Vec::new(),
            uses: BTreeMap::new(),
            ahead: Duration::ZERO,
            latest: Instant::ORIGIN,
            armed: None,
            queue: Queue::Empty,
            is_stopped: false,
            backlog: VecDeque::new(),
            longest_stop: Duration::ZERO,
            was_exact: habits.is_exact(),
        }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine alone.
    pub(crate) fn into_machine(self) -> M {
        self.machine
    }

    /// Puts another machine in its place, made of it. All connections are cut.
    pub(crate) fn replace(
        &mut self,
        next: impl FnOnce(&mut M, Instant) -> M,
        application: &mut impl Application<M>,
        scene: &mut Scene<'_>,
    ) {
        self.drain(application, scene);
        scene.note(format_args!("host begins anew"));
        scene.network.cut_all();
        scene.ledger.note_all(Cause::Lost);
        let now = self.tell_time(scene);
        self.machine = next(&mut self.machine, now);
        self.requests = Register::new();
        self.transports = Register::new();
        self.sessions = Register::new();
        self.by_life.clear();
        self.uses.clear();
        self.armed = None;
        self.touched();
        self.afterwards(application, scene);
    }

    /// Begins: the application is woken, and the host stops now and then.
    pub fn start(&mut self, scene: &mut Scene<'_>) {
        let now = scene.network.now();
        scene.network.wake(self.node, now, token::APPLICATION);
        self.plan_stop(scene);
    }

    /// Takes what the network tells it.
    pub fn handle(
        &mut self,
        event: Event<Wire>,
        application: &mut impl Application<M>,
        scene: &mut Scene<'_>,
    ) {
        if self.is_stopped
            && !matches!(
                event,
                Event::Woke {
                    token: token::RESUME
                }
            )
        {
            return self.backlog.push_back(event);
        }
        match event {
            Event::Woke { token } => self.woke(token, application, scene),
            event => {
                self.input(event, scene);
                self.afterwards(application, scene);
            }
        }
    }

    fn woke(&mut self, token: u64, application: &mut impl Application<M>, scene: &mut Scene<'_>) {
        match token {
            token::APPLICATION => {
                let now = self.tell_time(scene);
                self.touched();
                let next = application.on_wake(now, &mut self.machine, scene);
                if let Some(span) = next {
                    let at = scene.network.now() + span;
                    scene.network.wake(self.node, at, token::APPLICATION);
                }
            }
            token::DRAIN => {
                self.drain(application, scene);
            }
            token::RESUME => return self.resume(application, scene),
            token::STOP => return self.stop(scene),
            _ => self.timer(application, scene),
        }
        self.afterwards(application, scene);
    }

    /// What follows an input: outputs are taken, now or later, and the timer is set.
    fn afterwards(&mut self, application: &mut impl Application<M>, scene: &mut Scene<'_>) {
        if self.queue == Queue::Full {
            if self.dice.per_mille(self.habits.drains_late) {
                self.queue = Queue::Waits;
                let late = self.dice.span((Duration::ZERO, self.habits.drain_late));
                let at = scene.network.now() + late;
                scene.network.wake(self.node, at, token::DRAIN);
            } else {
                self.drain(application, scene);
            }
        }
        self.arm(scene);
    }

    /// The machine was given something to react to.
    fn touched(&mut self) {
        if self.queue == Queue::Empty {
            self.queue = Queue::Full;
        }
    }

    /// The time on the machine's clock, sometimes a little before the last one given.
    fn tell_time(&mut self, scene: &Scene<'_>) -> Instant {
        let now = scene.network.now() + self.ahead;
        self.latest = self.latest.max(now);
        if self.dice.per_mille(self.habits.goes_back) {
            let back = self.dice.below(10_000) as u64;
            return Instant::from_micros(now.as_micros().saturating_sub(back));
        }
        now
    }

    /// The timer fired, in time, late, or early.
    fn timer(&mut self, application: &mut impl Application<M>, scene: &mut Scene<'_>) {
        let net_now = scene.network.now();
        if self.armed.is_some_and(|at| at <= net_now) {
            self.armed = None;
        }
        let now = net_now + self.ahead;
        self.latest = self.latest.max(now);
        let is_early = self
            .machine
            .poll_timeout()
            .is_none_or(|due| due > self.latest);
        let is_empty = self.queue == Queue::Empty;
        self.machine.handle_timeout(now);
        if is_early && is_empty {
            if let Some(output) = self.machine.poll_output() {
                scene.trace.fail(format_args!(
                    "poll_timeout was late: before it came {output:?}"
                ));
            }
            return;
        }
        self.touched();
        let mut rounds = 0;
        while self.machine.poll_timeout().is_some_and(|due| due <= now) {
            rounds += 1;
            if rounds > 10_000 {
                scene
                    .trace
                    .fail(format_args!("handle_timeout does not come to an end"));
            }
            // A caller may take what there is in between.
            if self.queue == Queue::Full {
                self.drain(application, scene);
            }
            self.machine.handle_timeout(now);
            self.touched();
        }
    }

    /// Sets the timer, sometimes an early one besides.
    fn arm(&mut self, scene: &mut Scene<'_>) {
        let Some(due) = self.machine.poll_timeout() else {
            return;
        };
        let on_network = |at: Instant, ahead: Duration| {
            Instant::ORIGIN + at.saturating_duration_since(Instant::ORIGIN + ahead)
        };
        let at = on_network(due, self.ahead);
        if self.dice.per_mille(self.habits.asks_early) {
            let now = scene.network.now();
            let left = at.saturating_duration_since(now);
            let last = left.saturating_sub(Duration::from_micros(1));
            // A microsecond before is where lateness by rounding shows.
            let span = if self.dice.per_mille(500) {
                last
            } else {
                self.dice.span((Duration::ZERO, last))
            };
            scene.network.wake(self.node, now + span, token::TIMER);
        }
        let at = at + self.dice.span((Duration::ZERO, self.habits.timer_late));
        if self.armed.is_none_or(|armed| at < armed) {
            self.armed = Some(at);
            scene.network.wake(self.node, at, token::TIMER);
        }
    }

    fn plan_stop(&mut self, scene: &mut Scene<'_>) {
        if let Some(every) = self.habits.stops_every {
            let at = scene.network.now() + self.dice.span((Duration::ZERO, every * 2));
            scene.network.wake(self.node, at, token::STOP);
        }
    }

    fn stop(&mut self, scene: &mut Scene<'_>) {
        let span = self.dice.span((Duration::ZERO, self.habits.stop));
        scene.note(format_args!("host stops for {span:?}"));
        self.is_stopped = true;
        // Its peers, too, may take this for a dead connection.
        scene.ledger.note_all(Cause::Silent);
        let mut still = span;
        if self.dice.per_mille(500) {
            self.ahead += span;
            still += span;
        }
        self.longest_stop = self.longest_stop.max(still);
        scene
            .network
            .wake(self.node, scene.network.now() + span, token::RESUME);
    }

    fn resume(&mut self, application: &mut impl Application<M>, scene: &mut Scene<'_>) {
        scene.note(format_args!("host goes on"));
        self.is_stopped = false;
        self.plan_stop(scene);
        while let Some(event) = self.backlog.pop_front() {
            self.handle(event, application, scene);
        }
        self.arm(scene);
    }

    /// From now on it does everything at once.
    pub(crate) fn calm_down(&mut self) {
        let asks_early = self.habits.asks_early;
        self.habits = HostHabits {
            asks_early,
            ..HostHabits::exact()
        };
    }

    /// Tells the machine to shut down.
    pub fn shut_down(&mut self, application: &mut impl Application<M>, scene: &mut Scene<'_>) {
        scene.note(format_args!("host shuts down"));
        scene.ledger.note_all(Cause::Shutdown);
        let now = self.tell_time(scene);
        let spread = self.dice.span((Duration::ZERO, self.spans.ping_interval));
        self.machine.shutdown(now, spread);
        self.touched();
        self.afterwards(application, scene);
    }
}
