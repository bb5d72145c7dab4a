//! One life of a peer: from its first request to the end of its session, as it sees it.

use std::{collections::VecDeque, time::Duration};

use socketio_proto::{
    edge::{Carrier, Message},
    engine::packet::Packet,
    time::Instant,
};

use super::plan::{Carriers, Farewell, Habits, Misdeed, Plan};
use crate::{
    dice::Dice,
    ledger::{Cause, LifeId},
    network::{ConnectionId, Event, Fate, NodeId},
    snippet::Text,
    speech::{self, Heard, Script},
    wire::Wire,
    world::Scene,
};

/// The purposes of a peer's wakes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u64)]
pub(super) enum Kind {
    Birth,
    Farewell,
    Heartbeat,
    Mischief,
    Speak,
    Upgrade,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Handshake,
    /// Its answer matters to nobody.
    Other,
    Poll,
    Post,
    /// A WebSocket that carries the session, or is to open it.
    Main,
    Probe,
}

/// Where the upgrade stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Upgrade {
    None,
    Probing,
    /// `3probe` came: polling comes to rest, then `5` is sent.
    Pausing,
}

/// How long a peer waits for its session, as the official client does.
const OPENS_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: LifeId,
    pub(super) node: NodeId,
    pub(super) server: NodeId,
    pub(super) habits: Habits,
    pub(super) plan: Plan,
    pub(super) retires_at: Instant,
    pub(super) script: Box<dyn Script>,
    pub(super) dice: Dice,
    pub(super) sid: Option<String>,
    pub(super) roles: Vec<(ConnectionId, Role)>,
    pub(super) upgrade: Upgrade,
    pub(super) queue: VecDeque<Packet>,
    // What a ping may be late before the server is taken for dead.
    pub(super) patience: Duration,
    pub(super) last_ping: Instant,
    pub(super) is_mute: bool,
    pub(super) polls: bool,
    pub(super) end: End,
}

/// How far it has come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    None,
    /// It has said that it closes.
    Said,
    Over,
}

impl Life {
    pub(super) fn begin(
        ends: (NodeId, NodeId),
        habits: Habits,
        retires_at: Instant,
        script: Box<dyn Script>,
        mut dice: Dice,
        scene: &mut Scene<'_>,
    ) -> Self {
        let id = scene.ledger.begin();
        let now = scene.network.now();
        let plan = habits.plan(now, &mut dice);
        scene.note(format_args!(
            "peer {} begins life {}: {plan:?}",
            ends.0.0, id.0
        ));
        let mut life = Self {
            id,
            node: ends.0,
            server: ends.1,
            habits,
            plan,
            retires_at,
            script,
            dice,
            sid: None,
            roles: Vec::new(),
            upgrade: Upgrade::None,
            queue: VecDeque::new(),
            patience: OPENS_WITHIN,
            last_ping: now,
            is_mute: false,
            polls: true,
            end: End::None,
        };
        life.wake(OPENS_WITHIN, Kind::Heartbeat, scene);
        if plan.misdeed == Some(Misdeed::SlowReader) {
            scene.ledger.note(id, Cause::Silent);
        }
        if let Some((span, _)) = plan.lasts {
            life.wake(span, Kind::Farewell, scene);
        }
        if plan.carriers == Carriers::WebSocket {
            life.request(Role::Main, Carrier::WebSocket, "GET", None, scene);
        } else {
            life.request(Role::Handshake, Carrier::Polling, "GET", None, scene);
        }
        life
    }

    pub(super) fn is_over(&self) -> bool {
        self.end == End::Over
    }

    pub(super) fn handle(&mut self, event: Event<Wire>, scene: &mut Scene<'_>) {
        match event {
            Event::Arrived { connection, item } => {
                if let Some(role) = self.role_of(connection) {
                    self.arrived(connection, role, item, scene);
                }
            }
            Event::Ended { connection, .. } => {
                if let Some(role) = self.role_of(connection) {
                    self.release(connection);
                    self.lost(role, scene);
                }
            }
            Event::Taken { .. } => {}
            Event::Woke { token } => self.woke(token, scene),
        }
    }

    pub(super) fn woke(&mut self, token: u64, scene: &mut Scene<'_>) {
        if token >> 8 != u64::from(self.id.0) {
            return;
        }
        match token & 0xff {
            kind if kind == Kind::Farewell as u64 => self.farewell(scene),
            kind if kind == Kind::Heartbeat as u64 => self.watch(scene),
            kind if kind == Kind::Mischief as u64 => self.misbehave(scene),
            kind if kind == Kind::Speak as u64 => self.speak(scene),
            _ => self.begin_upgrade(scene),
        }
    }

    pub(super) fn wake(&self, after: Duration, kind: Kind, scene: &mut Scene<'_>) {
        let token = u64::from(self.id.0) << 8 | kind as u64;
        scene
            .network
            .wake(self.node, scene.network.now() + after, token);
    }

    pub(super) fn hear(&mut self, message: &Message, scene: &mut Scene<'_>) {
        match self.script.hear(message, scene) {
            Heard::Numbered(life, number) => {
                let heard = scene.ledger.heard_down(self.id, life, number);
                scene.hold(heard);
            }
            Heard::Other => {}
            Heard::Strange => scene.trace.fail(format_args!(
                "life {} cannot make sense of {}",
                self.id.0,
                Text(message)
            )),
        }
        let replies = self.script.replies();
        if !replies.is_empty() {
            self.queue.extend(replies.into_iter().map(Packet::Message));
            if self.has(Role::Main).is_some() {
                self.go_on(scene);
            }
        }
        if self.script.gives_up() && scene.network.now() < self.habits.rough_until {
            let farewell = if self.dice.per_mille(500) {
                Farewell::Cut
            } else {
                Farewell::Vanish
            };
            self.part(farewell, scene);
        }
    }

    pub(super) fn open(&mut self, data: &str, scene: &mut Scene<'_>) {
        let field = |name: &str| {
            let (_, rest) = data.split_once(&format!("\"{name}\":"))?;
            rest.split([',', '}']).next()
        };
        let millis = |name| {
            field(name)
                .and_then(|text| text.parse().ok())
                .map(Duration::from_millis)
        };
        let sid = field("sid").map(|text| text.trim_matches('"').to_owned());
        let (Some(sid), Some(interval), Some(timeout)) =
            (sid, millis("pingInterval"), millis("pingTimeout"))
        else {
            scene.trace.fail(format_args!(
                "life {}: a handshake without sid or spans",
                self.id.0
            ));
        };
        if self.sid.replace(sid).is_some() {
            scene
                .trace
                .fail(format_args!("life {} was opened twice", self.id.0));
        }
        self.patience = interval + timeout;
        self.last_ping = scene.network.now();
        self.wake(self.patience, Kind::Heartbeat, scene);
        let first = self.script.opened(self.id, scene);
        self.queue.extend(first.into_iter().map(Packet::Message));
        self.plan_speech(scene);
        if self.plan.misdeed.is_some() {
            let after = self.dice.span((Duration::ZERO, Duration::from_secs(20)));
            self.wake(after, Kind::Mischief, scene);
        }
        if self.plan.carriers == Carriers::Upgrade && data.contains("\"websocket\"") {
            let after = self.dice.span((Duration::ZERO, Duration::from_millis(500)));
            self.wake(after, Kind::Upgrade, scene);
        }
        self.go_on(scene);
    }

    pub(super) fn begin_upgrade(&mut self, scene: &mut Scene<'_>) {
        if self.upgrade == Upgrade::None && self.has(Role::Main).is_none() {
            self.upgrade = Upgrade::Probing;
            self.request(Role::Probe, Carrier::WebSocket, "GET", None, scene);
        }
    }

    /// The client's own side of the heartbeat: without pings the server is gone.
    pub(super) fn watch(&mut self, scene: &mut Scene<'_>) {
        let silence = scene
            .network
            .now()
            .saturating_duration_since(self.last_ping);
        if silence >= self.patience {
            scene.note(format_args!("life {} hears no ping", self.id.0));
            self.end(scene);
        } else {
            self.wake(
                self.patience.saturating_sub(silence),
                Kind::Heartbeat,
                scene,
            );
        }
    }

    pub(super) fn plan_speech(&mut self, scene: &mut Scene<'_>) {
        let after = self
            .dice
            .span((Duration::ZERO, self.habits.speaks_every * 2));
        self.wake(after, Kind::Speak, scene);
    }

    pub(super) fn speak(&mut self, scene: &mut Scene<'_>) {
        // Shortly before the end it is quiet, so that what it said can arrive.
        if scene.network.now() > self.retires_at || self.end == End::Said {
            return;
        }
        let said = self.script.act(scene);
        self.queue.extend(said.into_iter().map(Packet::Message));
        if self.script.may_speak() {
            for _ in 0..=self.dice.below(3) {
                self.say(scene);
            }
        }
        self.go_on(scene);
        self.plan_speech(scene);
    }

    pub(super) fn say(&mut self, scene: &mut Scene<'_>) {
        let number = scene.ledger.say_up(self.id);
        let text = speech::write(self.id, number, self.dice.below(self.habits.padding));
        let is_binary = self.dice.per_mille(200);
        let said = self.script.say(text, is_binary);
        self.queue.extend(said.into_iter().map(Packet::Message));
    }

    pub(super) fn farewell(&mut self, scene: &mut Scene<'_>) {
        if let Some((_, farewell)) = self.plan.lasts
            && scene.network.now() < self.habits.rough_until
        {
            self.part(farewell, scene);
        }
    }

    pub(super) fn part(&mut self, farewell: Farewell, scene: &mut Scene<'_>) {
        scene.note(format_args!(
            "life {} says goodbye: {farewell:?}",
            self.id.0
        ));
        let fate = match farewell {
            Farewell::Close if self.sid.is_some() => {
                scene.ledger.note(self.id, Cause::PeerClosed);
                self.end = End::Said;
                self.queue.push_back(Packet::Close);
                return self.go_on(scene);
            }
            Farewell::Close | Farewell::Cut => Fate::Cut,
            Farewell::Vanish => Fate::Vanish {
                takes: self.dice.per_mille(500),
            },
        };
        scene.ledger.note(self.id, Cause::Lost);
        for (connection, _) in self.roles.drain(..) {
            scene.network.strike(connection, fate);
        }
        self.end = End::Over;
    }

    pub(super) fn end_in_order(&mut self, scene: &mut Scene<'_>) {
        let ended = scene.ledger.ended_in_order(self.id);
        scene.hold(ended);
        self.end(scene);
    }

    /// The life is over for the peer: it drops whatever it has open.
    pub(super) fn end(&mut self, scene: &mut Scene<'_>) {
        scene.note(format_args!("life {} is over", self.id.0));
        if !self.roles.is_empty() {
            scene.ledger.note(self.id, Cause::Lost);
        }
        for (connection, _) in self.roles.drain(..) {
            scene.network.abort(connection, self.node);
        }
        self.end = End::Over;
    }

    /// The life is over; its script goes on to the next.
    pub(super) fn into_script(mut self) -> Box<dyn Script> {
        self.script.ended(self.last_ping);
        self.script
    }

    pub(super) fn path(&self) -> &'static str {
        self.habits.path
    }
}
