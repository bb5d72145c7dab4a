//! An application for Socket.IO.

use std::{collections::BTreeMap, time::Duration};

use socketio_proto::{
    edge::SessionKey,
    socket::{Binary, EmitError, Event, Options, Packet, PendingKey, Server, SocketKey, To},
    time::Instant,
};

use super::{Application, Manners};
use crate::{
    dice::Dice,
    ledger::{Cause, LifeId},
    speech,
    world::Scene,
};

/// Accepts whoever connects, now or a little later; then emits numbered events and answers some.
#[derive(Debug)]
pub struct Events {
    manners: Manners,
    dice: Dice,
    lives: BTreeMap<SessionKey, LifeId>,
    waiting: Vec<(PendingKey, LifeId)>,
    sockets: Vec<(SocketKey, LifeId)>,
}

impl Events {
    /// Makes one.
    pub fn new(manners: Manners, dice: Dice) -> Self {
        Self {
            manners,
            dice,
            lives: BTreeMap::new(),
            waiting: Vec::new(),
            sockets: Vec::new(),
        }
    }

    fn accept(
        &mut self,
        now: Instant,
        server: &mut Server,
        pending: PendingKey,
        life: LifeId,
        scene: &mut Scene<'_>,
    ) {
        let accepted = server.accept(now, pending, &[]);
        scene.note(format_args!("app accepts life {}: {accepted:?}", life.0));
        if let Ok(socket) = accepted {
            self.sockets.push((socket, life));
        }
    }

    fn emit(
        &mut self,
        now: Instant,
        server: &mut Server,
        socket: SocketKey,
        life: LifeId,
        scene: &mut Scene<'_>,
    ) {
        let padding = self.dice.below(self.manners.padding);
        let text = speech::write(life, scene.ledger.next_down(life), padding);
        let packet = if self.dice.per_mille(200) {
            Packet::event("m", &(Binary::from(text.into_bytes()),))
        } else {
            Packet::event("m", &(text,))
        };
        let Ok(packet) = packet else {
            scene.trace.fail(format_args!("an event cannot be encoded"));
        };
        let sent = server.emit(now, To::Socket(socket), packet, Options::new());
        scene.note(format_args!("app emits to life {}: {sent:?}", life.0));
        match sent {
            Ok(sent) if sent.queued == 1 => scene.ledger.said_down(life),
            // Its connection is closing.
            Ok(_) | Err(EmitError::Stale) => {}
            Err(EmitError::QueueFull { .. }) => scene.ledger.note(life, Cause::Flooded),
            Err(error) => scene
                .trace
                .fail(format_args!("an event was refused: {error}")),
        }
    }

    fn life_of(&self, socket: SocketKey) -> Option<LifeId> {
        let found = self.sockets.iter().find(|(it, _)| *it == socket);
        found.map(|&(_, life)| life)
    }
}

impl Application<Server> for Events {
    fn on_event(
        &mut self,
        now: Instant,
        machine: &mut Server,
        event: Event,
        life: Option<LifeId>,
        scene: &mut Scene<'_>,
    ) {
        match event {
            Event::SessionOpened { session, .. } => {
                self.lives.extend(life.map(|life| (session, life)));
            }
            Event::SessionClosed { session, .. } => {
                self.lives.remove(&session);
            }
            Event::Connecting(connecting) => {
                if let Some(life) = life {
                    if self.dice.per_mille(700) {
                        self.accept(now, machine, connecting.pending, life, scene);
                    } else {
                        self.waiting.push((connecting.pending, life));
                    }
                }
            }
            Event::Disconnected { socket, .. } => {
                if self.life_of(socket).is_none() {
                    scene
                        .trace
                        .fail(format_args!("{socket:?} is gone, but was not there"));
                }
                self.sockets.retain(|(it, _)| *it != socket);
            }
            Event::Packet { socket, args, .. } => {
                let Some(life) = self.life_of(socket) else {
                    scene
                        .trace
                        .fail(format_args!("{socket:?} emits, but is not there"));
                };
                let bytes = args.binary(0).map(|binary| binary.as_ref().to_vec());
                let text = match bytes {
                    Some(bytes) => String::from_utf8(bytes).ok(),
                    None => args.get::<String>(0).ok(),
                };
                let Some((of, number)) = text.as_deref().and_then(speech::read) else {
                    scene
                        .trace
                        .fail(format_args!("life {}: an event is garbled", life.0));
                };
                let heard = scene.ledger.heard_up(life, of, number);
                scene.hold(heard);
                if self.dice.per_mille(self.manners.answers) {
                    self.emit(now, machine, socket, life, scene);
                }
            }
            _ => {}
        }
    }

    fn on_wake(
        &mut self,
        now: Instant,
        machine: &mut Server,
        scene: &mut Scene<'_>,
    ) -> Option<Duration> {
        for (pending, life) in std::mem::take(&mut self.waiting) {
            self.accept(now, machine, pending, life, scene);
        }
        if let Some(&(socket, life)) = self.dice.pick(&self.sockets) {
            if self.dice.per_mille(self.manners.closes) {
                scene.note(format_args!("app disconnects life {}", life.0));
                scene.ledger.closing(life, now);
                machine.disconnect(now, To::Socket(socket), true);
            } else {
                self.emit(now, machine, socket, life, scene);
            }
        }
        let every = self.manners.acts_every;
        Some(self.dice.span((Duration::ZERO, every * 2)))
    }
}
