//! A scripted Engine.IO client, on both carriers.
//!
//! A peer lives one life after the other. It behaves as the official client does, long-polling with
//! one request of each kind at a time, an upgrade with a probe and a pause, heartbeats both ways,
//! unless its plan has a misdeed in it. What it hears goes into the ledger, and the layer above
//! Engine.IO is a [`Script`].

mod carriers;
mod life;
mod mischief;
mod plan;

use std::time::Duration;

use socketio_proto::time::Instant;

use self::life::{Kind, Life};
pub use self::plan::{Carriers, Farewell, Habits, Misdeed};
use crate::{
    dice::Dice,
    network::{Event, NodeId},
    speech::Script,
    wire::Wire,
    world::Scene,
};

/// Makes the script of a peer.
pub type MakeScript = fn(Dice) -> Box<dyn Script>;

/// A client on the network.
#[derive(Debug)]
pub struct Peer {
    node: NodeId,
    server: NodeId,
    habits: Habits,
    dice: Dice,
    // The life has it while there is one.
    script: Option<Box<dyn Script>>,
    life: Option<Life>,
    // No life begins after it.
    retires_at: Instant,
}

impl Peer {
    /// Puts a peer on the network; [`Peer::start`] lets it begin.
    pub fn new(
        node: NodeId,
        server: NodeId,
        habits: Habits,
        script: MakeScript,
        retires_at: Instant,
        mut dice: Dice,
    ) -> Self {
        let script = Some(script(dice.fork()));
        Self {
            node,
            server,
            habits,
            dice,
            script,
            life: None,
            retires_at,
        }
    }

    /// Lets the first life begin within a span.
    pub fn start(&mut self, within: Duration, scene: &mut Scene<'_>) {
        let at = scene.network.now() + self.dice.span((Duration::ZERO, within));
        scene.network.wake(self.node, at, Kind::Birth as u64);
    }

    /// Takes what the network tells it.
    pub fn handle(&mut self, event: Event<Wire>, scene: &mut Scene<'_>) {
        match event {
            Event::Woke { token } if token == Kind::Birth as u64 => self.begin(scene),
            event => {
                if let Some(life) = &mut self.life {
                    life.handle(event, scene);
                }
            }
        }
        self.look(scene);
    }

    /// Its connections fail.
    pub fn fail(&mut self, farewell: Farewell, scene: &mut Scene<'_>) {
        if let Some(life) = &mut self.life {
            life.part(farewell, scene);
        }
        self.look(scene);
    }

    /// Behind a life the next one follows.
    fn look(&mut self, scene: &mut Scene<'_>) {
        if self.life.as_ref().is_some_and(Life::is_over) {
            self.script = self.life.take().map(Life::into_script);
            let now = scene.network.now();
            let rough = self.habits.rough_until.saturating_duration_since(now);
            let rests = match &mut self.script {
                Some(script) => script.rest(self.habits.rests, rough, &mut self.dice),
                None => self.habits.rests,
            };
            scene
                .network
                .wake(self.node, now + rests, Kind::Birth as u64);
        }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) {
        if self.life.is_some() || scene.network.now() > self.retires_at {
            return;
        }
        let Some(script) = self.script.take() else {
            return;
        };
        let dice = self.dice.fork();
        let ends = (self.node, self.server);
        self.life = Some(Life::begin(
            ends,
            self.habits,
            self.retires_at,
            script,
            dice,
            scene,
        ));
    }
}
