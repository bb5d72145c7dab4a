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
pub use self::plan::{Carriers, Habits, Misdeed};
use crate::{
    dice::Dice,
    network::{Event, NodeId},
    speech::Script,
    wire::Wire,
    world::Scene,
};

/// Makes the script of a life.
pub type MakeScript = fn() -> Box<dyn Script>;

/// A client on the network.
#[derive(Debug)]
pub struct Peer {
    node: NodeId,
    server: NodeId,
    habits: Habits,
    dice: Dice,
    script: MakeScript,
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
        dice: Dice,
    ) -> Self {
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
        if self.life.as_ref().is_some_and(Life::is_over) {
            self.life = None;
            self.start(self.habits.rests, scene);
        }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) {
        if self.life.is_some() || scene.network.now() > self.retires_at {
            return;
        }
        let (dice, script) = (self.dice.fork(), (self.script)());
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
