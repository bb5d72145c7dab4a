//! A whole simulation: one server machine, many peers, one network, one seed.

use std::{fmt, time::Duration};

use socketio_proto::time::Instant;

use crate::{
    application::Application,
    dice::Dice,
    host::{Host, HostHabits, Spans},
    ledger::{Broken, Cause, Ledger, Totals},
    network::{Event, Network, NodeId},
    peer::{Farewell, Habits, MakeScript, Peer},
    subject::Subject,
    trace::Trace,
    wire::Wire,
    wiretap::{Line, Wiretap},
};

/// What everybody on stage shares: the network with its clock, the model, and the record.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The network.
    pub network: &'a mut Network<Wire>,
    /// The model.
    pub ledger: &'a mut Ledger,
    /// The record.
    pub trace: &'a mut Trace,
    /// Whether the world is small enough to be looked at after every input.
    pub is_small: bool,
}

impl Scene<'_> {
    /// Adds a line to the record.
    pub fn note(&mut self, line: fmt::Arguments<'_>) {
        self.trace.line(self.network.now(), line);
    }

    /// Ends the run if a promise was broken.
    #[track_caller]
    pub fn hold<T>(&mut self, promise: Result<T, Broken>) -> T {
        match promise {
            Ok(value) => value,
            Err(broken) => self.trace.fail(format_args!("{broken}")),
        }
    }
}

/// What a simulation is made of, besides its machine and application.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// How many peers there are.
    pub peers: u32,
    /// How they behave.
    pub habits: Habits,
    /// What they speak above Engine.IO.
    pub script: MakeScript,
    /// How the machine is treated.
    pub host: HostHabits,
    /// The spans that the machine was configured with.
    pub spans: Spans,
    /// How long peers come and go.
    pub lasts: Duration,
    /// Within which span the first lives begin.
    pub begins: Duration,
    /// Whether the machine is told to shut down in the end, and peers see it; otherwise all links are
    /// cut.
    pub shuts_down: bool,
    /// Whether nothing goes wrong: then nothing may be lost.
    pub is_calm: bool,
}

const SERVER: NodeId = NodeId(0);

/// Up to how many peers everything is looked at after every input.
const SMALL: u32 = 50;

/// How long peers are quiet before the end.
const QUIET: Duration = Duration::from_secs(10);

/// A simulation under way.
#[derive(Debug)]
pub struct World<M: Subject, A> {
    network: Network<Wire>,
    host: Host<M>,
    application: A,
    peers: Vec<Peer>,
    ledger: Ledger,
    trace: Trace,
    scenario: Scenario,
    line: Option<Line>,
}

impl<M: Subject, A: Application<M>> World<M, A> {
    /// Sets the stage.
    pub fn new(
        scenario: Scenario,
        machine: M,
        application: A,
        trace: Trace,
        mut dice: Dice,
    ) -> Self {
        let retires_at = Instant::ORIGIN + scenario.lasts;
        let peers = (1..=scenario.peers).map(|node| {
            let (habits, script) = (scenario.habits, scenario.script);
            Peer::new(
                NodeId(node),
                SERVER,
                habits,
                script,
                retires_at,
                dice.fork(),
            )
        });
        let peers = peers.collect();
        Self {
            network: Network::new(dice.fork()),
            host: Host::new(machine, SERVER, scenario.host, scenario.spans, dice.fork()),
            application,
            peers,
            ledger: Ledger::default(),
            trace,
            scenario,
            line: None,
        }
    }

    /// Plays it to the end, and checks what must hold then.
    pub fn run(mut self) -> (Totals, Trace) {
        self.start();
        // Between two looks many peers act.
        let step = (self.scenario.lasts / 64).max(Duration::from_millis(1));
        let ends_at = Instant::ORIGIN + self.scenario.lasts;
        while self.network.now() < ends_at {
            self.play_until((self.network.now() + step).min(ends_at));
            self.with(|host, _, scene| host.check(scene));
        }
        self.play_until(ends_at + QUIET);
        self.check_whole();
        self.finish()
    }

    /// Nothing is missing that was kept for anybody: for when all are back and it is quiet.
    pub fn check_whole(&mut self) {
        self.with(|_, _, scene| {
            let whole = scene.ledger.deliveries.check_whole();
            scene.hold(whole);
        });
    }

    /// Somebody sits on the line.
    #[must_use]
    pub fn tapped(mut self, tap: Box<dyn Wiretap>) -> Self {
        self.line = Some(Line::new(tap));
        self
    }

    /// The machine keeps the session of whoever is back within a span.
    #[must_use]
    pub fn promising(mut self, kept_for: Duration) -> Self {
        self.ledger.deliveries.promise(kept_for);
        self
    }

    /// Lets everybody begin. For tests that play in steps; [`run`](Self::run) does all of it.
    pub fn start(&mut self) {
        let mut peers = std::mem::take(&mut self.peers);
        let within = self.scenario.begins;
        self.with(|host, _, scene| {
            host.start(scene);
            for peer in &mut peers {
                peer.start(within, scene);
            }
        });
        self.peers = peers;
    }

    /// Ends it, and checks what must hold then.
    pub fn finish(self) -> (Totals, Trace) {
        let (totals, trace, _) = self.finish_with_machine();
        (totals, trace)
    }

    /// The same, and gives the machine back, of which nothing may be left but room for more.
    pub fn finish_with_machine(mut self) -> (Totals, Trace, M) {
        self.wind_down();
        let totals = self.ledger.finish(self.scenario.is_calm);
        let totals = self.with(|_, _, scene| {
            let totals = scene.hold(totals);
            scene.note(format_args!("{totals:?}"));
            totals
        });
        (totals, self.trace, self.host.into_machine())
    }

    /// The machine shuts down, and another takes its place, made of it.
    pub fn restart(&mut self, next: impl FnOnce(&mut M, Instant) -> M) {
        self.with(Host::shut_down);
        let by = self.network.now() + self.host.longest_deadline() * 2;
        while self.host.machine().sessions() > 0 && self.network.now() < by {
            self.play_until(self.network.now() + Duration::from_millis(500));
        }
        self.with(|host, application, scene| host.replace(next, application, scene));
    }

    /// The connections of all peers fail at once; how, depends on the number of the peer.
    pub fn fail_all(&mut self, farewell: impl Fn(usize) -> Farewell) {
        let mut peers = std::mem::take(&mut self.peers);
        self.with(|_, _, scene| {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.fail(farewell(number), scene);
            }
        });
        self.peers = peers;
    }

    /// The host and its machine.
    pub fn host(&self) -> &Host<M> {
        &self.host
    }

    /// Everything stops: nothing may be left of it.
    fn wind_down(&mut self) {
        self.host.calm_down();
        let longest = self.host.longest_deadline();
        if self.scenario.shuts_down {
            self.with(Host::shut_down);
            let spread = self.scenario.spans.ping_interval;
            self.play_until(self.network.now() + spread + longest);
            self.with(|host, _, scene| {
                let left = host.machine().sessions();
                if left > 0 {
                    scene
                        .trace
                        .fail(format_args!("{left} sessions outlive the shutdown"));
                }
            });
        }
        self.with(|_, _, scene| {
            scene.note(format_args!("all links are cut"));
            scene.network.cut_all();
            scene.ledger.note_all(Cause::Lost);
        });
        self.play_until(self.network.now() + longest * 2);
        self.with(|host, _, scene| host.check_over(scene));
    }

    /// Lets everything happen until an instant.
    pub fn play_until(&mut self, by: Instant) {
        while let Some((node, event)) = self.network.next_by(by) {
            match &mut self.line {
                None => self.tell(node, event),
                Some(line) => {
                    for event in line.pass(node, SERVER, event) {
                        self.tell(node, event);
                    }
                }
            }
        }
    }

    fn tell(&mut self, node: NodeId, event: Event<Wire>) {
        let mut scene = Scene {
            network: &mut self.network,
            ledger: &mut self.ledger,
            trace: &mut self.trace,
            is_small: self.scenario.peers <= SMALL,
        };
        if node == SERVER {
            self.host.handle(event, &mut self.application, &mut scene);
        } else if let Some(peer) = self.peers.get_mut(node.0 as usize - 1) {
            peer.handle(event, &mut scene);
        }
    }

    /// Acts on the host from outside, as a test does.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Host<M>, &mut A, &mut Scene<'_>) -> T) -> T {
        let mut scene = Scene {
            network: &mut self.network,
            ledger: &mut self.ledger,
            trace: &mut self.trace,
            is_small: self.scenario.peers <= SMALL,
        };
        act(&mut self.host, &mut self.application, &mut scene)
    }
}
