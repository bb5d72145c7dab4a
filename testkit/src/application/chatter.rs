//! An application for Engine.IO alone.

use std::{collections::BTreeMap, time::Duration};

use socketio_proto::{
    edge::{Admission, Machine, RequestId, SessionKey},
    engine::{Event, SendError, Server},
    time::Instant,
};

use super::{Application, Manners};
use crate::{
    dice::Dice,
    ledger::{Cause, LifeId},
    snippet::{r, s},
    speech,
    world::Scene,
};

/// A machine that is, or wraps, an Engine.IO server.
pub trait Sends {
    /// The server.
    fn server(&mut self) -> &mut Server;
}

impl Sends for Server {
    fn server(&mut self) -> &mut Server {
        self
    }
}

/// Sends numbered messages to random sessions, answers some, closes some.
#[derive(Debug)]
pub struct Chatter {
    manners: Manners,
    dice: Dice,
    sessions: Vec<SessionKey>,
    lives: BTreeMap<SessionKey, Life>,
    paused: Vec<SessionKey>,
    undecided: Vec<RequestId>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    id: LifeId,
    place: usize,
    is_closing: bool,
    pauses: u32,
}

/// How often the application pauses one session: at every end of a pause the client has a while for
/// its pong, so whoever pauses for ever keeps a session whose client is gone.
const MOST_PAUSES: u32 = 4;

impl Chatter {
    /// Makes one.
    pub fn new(manners: Manners, dice: Dice) -> Self {
        Self {
            manners,
            dice,
            sessions: Vec::new(),
            lives: BTreeMap::new(),
            paused: Vec::new(),
            undecided: Vec::new(),
        }
    }

    fn send(
        &mut self,
        now: Instant,
        server: &mut Server,
        session: SessionKey,
        padding: usize,
        scene: &mut Scene<'_>,
    ) {
        let Some(life) = self.lives.get(&session).copied() else {
            return;
        };
        let number = scene.ledger.next_down(life.id);
        let is_binary = self.dice.per_mille(200);
        let message = speech::plain(speech::write(life.id, number, padding), is_binary);
        let sent = server.send(now, session, message);
        scene.note(format_args!(
            "app sends {} of life {}: {sent:?}",
            s(session),
            life.id.0
        ));
        match sent {
            Ok(sent) => {
                if sent.displaced > 0 {
                    scene.ledger.note(life.id, Cause::Displaced);
                }
                scene.ledger.said_down(life.id);
            }
            // It may have closed, which the application is about to learn.
            Err(SendError::Closed) => {
                let is_closing = life.is_closing || scene.ledger.has(life.id, Cause::Shutdown);
                if !is_closing && server.queued(session).is_some() {
                    scene
                        .trace
                        .fail(format_args!("an open session takes no message"));
                }
            }
            Err(SendError::QueueFull { .. }) => scene.ledger.note(life.id, Cause::Flooded),
            Err(error) => scene
                .trace
                .fail(format_args!("a message was refused: {error}")),
        }
    }

    fn close(
        &mut self,
        now: Instant,
        server: &mut Server,
        session: SessionKey,
        scene: &mut Scene<'_>,
    ) {
        if let Some(life) = self.lives.get_mut(&session) {
            life.is_closing = true;
            scene.note(format_args!(
                "app closes {} of life {}",
                s(session),
                life.id.0
            ));
            scene.ledger.closing(life.id, now);
            server.close(now, session);
        }
    }

    fn decide(
        &mut self,
        now: Instant,
        server: &mut Server,
        request: RequestId,
        scene: &mut Scene<'_>,
    ) {
        let is_denied = self.dice.per_mille(self.manners.hesitates / 4);
        let admission = if is_denied {
            Admission::Deny {
                message: "not today".into(),
            }
        } else {
            Admission::Allow
        };
        // Its client may be gone.
        let done = server.admit(now, request, admission).is_ok();
        scene.note(format_args!(
            "app decides {}: {is_denied} {done}",
            r(request)
        ));
    }

    fn pause(
        &mut self,
        now: Instant,
        server: &mut Server,
        session: SessionKey,
        scene: &mut Scene<'_>,
    ) {
        let life = self.lives.get_mut(&session);
        let is_tired = life.is_some_and(|life| {
            life.pauses += 1;
            life.pauses > MOST_PAUSES
        });
        if is_tired {
            return;
        }
        let done = server.set_reading(now, session, true).is_ok();
        if let Some(life) = self.lives.get(&session) {
            scene.ledger.paused(life.id, true, now);
        }
        scene.note(format_args!("app pauses {}: {done}", s(session)));
        // Some are forgotten.
        if self.dice.per_mille(800) {
            self.paused.push(session);
        }
    }

    fn resume(&mut self, now: Instant, server: &mut Server, scene: &mut Scene<'_>) {
        let at = self.dice.below(self.paused.len() * 8);
        if at < self.paused.len() {
            let session = self.paused.swap_remove(at);
            let done = server.set_reading(now, session, false).is_ok();
            if let Some(life) = self.lives.get(&session) {
                scene.ledger.paused(life.id, false, now);
            }
            scene.note(format_args!("app resumes {}: {done}", s(session)));
        }
    }

    fn forget(&mut self, session: SessionKey) {
        if let Some(life) = self.lives.remove(&session) {
            self.sessions.swap_remove(life.place);
            if let Some(moved) = self.sessions.get(life.place)
                && let Some(it) = self.lives.get_mut(moved)
            {
                it.place = life.place;
            }
        }
    }
}

impl<M> Application<M> for Chatter
where
    M: crate::subject::Subject<Event = Event> + Sends,
{
    fn on_event(
        &mut self,
        now: Instant,
        machine: &mut M,
        event: Event,
        life: Option<LifeId>,
        scene: &mut Scene<'_>,
    ) {
        let server = machine.server();
        match event {
            Event::Handshake { request } => {
                if !self.dice.per_mille(self.manners.hesitates) {
                    self.decide(now, server, request, scene);
                } else if self.dice.per_mille(700) {
                    self.undecided.push(request);
                }
            }
            Event::SessionOpened { session, .. } => {
                let Some(id) = life else {
                    return;
                };
                let place = self.sessions.len();
                self.sessions.push(session);
                let is_closing = false;
                self.lives.insert(
                    session,
                    Life {
                        id,
                        place,
                        is_closing,
                        pauses: 0,
                    },
                );
                // What is said first goes right behind the handshake.
                for _ in 0..self.dice.below(4) {
                    self.send(now, server, session, 10, scene);
                }
            }
            Event::Message { session, message } => {
                let (Some(id), Some((of, number))) = (life, speech::read_plain(&message)) else {
                    // Garbage that happens to be a message.
                    return;
                };
                let heard = scene.ledger.heard_up(id, of, number);
                scene.hold(heard);
                if self.dice.per_mille(self.manners.answers) {
                    let padding = self.dice.below(self.manners.padding);
                    self.send(now, server, session, padding, scene);
                }
                if self.dice.per_mille(self.manners.closes) {
                    self.close(now, server, session, scene);
                }
            }
            Event::SessionClosed { session, .. } => self.forget(session),
            _ => {}
        }
    }

    fn on_wake(
        &mut self,
        now: Instant,
        machine: &mut M,
        scene: &mut Scene<'_>,
    ) -> Option<Duration> {
        let server = machine.server();
        for request in std::mem::take(&mut self.undecided) {
            self.decide(now, server, request, scene);
        }
        self.resume(now, server, scene);
        if let Some(&session) = self.dice.pick(&self.sessions) {
            if self.dice.per_mille(self.manners.closes) {
                // What was said before an orderly end still arrives.
                for _ in 0..self.dice.below(8) {
                    self.send(now, server, session, 900, scene);
                }
                self.close(now, server, session, scene);
            } else if self.dice.per_mille(self.manners.floods) {
                // A ping waits behind all of it.
                if let Some(life) = self.lives.get(&session) {
                    scene.ledger.note(life.id, Cause::Silent);
                }
                for _ in 0..40 {
                    self.send(now, server, session, 4_000, scene);
                }
            } else if self.dice.per_mille(self.manners.pauses) {
                self.pause(now, server, session, scene);
            } else {
                let padding = self.dice.below(self.manners.padding);
                self.send(now, server, session, padding, scene);
            }
        }
        let every = self.manners.acts_every;
        Some(self.dice.span((Duration::ZERO, every * 2)))
    }
}
