//! A whole simulation: one server machine, many peers, one network, one seed.

use std::{fmt, time::Duration};

use socketio_proto::time::Instant;

use crate::{
    application::Application,
    dice::Dice,
    host::{Host, HostHabits, Spans},
    ledger::{Broken, Ledger, Totals},
    network::{Network, NodeId},
    peer::{Habits, MakeScript, Peer},
    subject::Subject,
    trace::Trace,
    wire::Wire,
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
            Peer::new(NodeId(node), SERVER, habits, script, retires_at, dice.fork())
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
        }
    }

    /// Plays it to the end, and checks what must hold then.
    pub fn run(mut self) -> (Totals, Trace) {
        self.with(|host, _, scene| host.start(scene));
        for at in 0..self.peers.len() {
            let within = self.scenario.begins;
            let (mut scene, peers) = self.scene();
            if let Some(peer) = peers.get_mut(at) {
                peer.start(within, &mut scene);
            }
        }
        // Between two looks many peers act.
        let step = (self.scenario.lasts / 64).max(Duration::from_millis(1));
        let ends_at = Instant::ORIGIN + self.scenario.lasts;
        while self.network.now() < ends_at {
            let by = (self.network.now() + step).min(ends_at);
            self.play_until(by);
            self.with(|host, _, scene| host.check(scene));
        }
        self.play_until(ends_at + QUIET);
        self.wind_down();
        let totals = self.ledger.finish(self.scenario.is_calm);
        let (mut scene, _) = self.scene();
        let totals = scene.hold(totals);
        scene.note(format_args!("{totals:?}"));
        (totals, self.trace)
    }

    /// Everything stops: nothing may be left of it.
    fn wind_down(&mut self) {
        self.host.calm_down();
        let longest = self.host.longest_deadline();
        if self.scenario.shuts_down {
            self.with(|host, application, scene| host.shut_down(application, scene));
            self.play_until(self.network.now() + longest);
        }
        let (mut scene, _) = self.scene();
        scene.note(format_args!("all links are cut"));
        self.network.cut_all();
        self.ledger.note_all(crate::ledger::Cause::Lost);
        self.play_until(self.network.now() + longest * 2);
        self.with(|host, _, scene| host.check_over(scene));
    }

    fn play_until(&mut self, by: Instant) {
        while let Some((node, event)) = self.network.next_by(by) {
            let mut scene = Scene {
                network: &mut self.network,
                ledger: &mut self.ledger,
                trace: &mut self.trace,
                is_small: self.scenario.peers <= 50,
            };
            if node == SERVER {
                self.host.handle(event, &mut self.application, &mut scene);
            } else if let Some(peer) = self.peers.get_mut(node.0 as usize - 1) {
                peer.handle(event, &mut scene);
            }
        }
    }

    fn scene(&mut self) -> (Scene<'_>, &mut Vec<Peer>) {
        let scene = Scene {
            network: &mut self.network,
            ledger: &mut self.ledger,
            trace: &mut self.trace,
            is_small: self.scenario.peers <= 50,
        };
        (scene, &mut self.peers)
    }

    fn with(&mut self, act: impl FnOnce(&mut Host<M>, &mut A, &mut Scene<'_>)) {
        let mut scene = Scene {
            network: &mut self.network,
            ledger: &mut self.ledger,
            trace: &mut self.trace,
            is_small: self.scenario.peers <= 50,
        };
        act(&mut self.host, &mut self.application, &mut scene);
    }
}
