//! One life of a peer: from its first request to the end of its session, as it sees it.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{Carrier, FrameKind, Message},
    engine::{packet::Packet, payload},
    time::Instant,
};

use super::plan::{Carriers, Farewell, Habits, Misdeed, Plan};
use crate::{
    dice::Dice,
    ledger::{Cause, LifeId},
    network::{ConnectionId, Event, Fate, NodeId},
    snippet::Snippet,
    speech::{self, Heard, Script},
    wire::{Head, Wire},
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

#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: LifeId,
    node: NodeId,
    server: NodeId,
    habits: Habits,
    pub(super) plan: Plan,
    retires_at: Instant,
    script: Box<dyn Script>,
    pub(super) dice: Dice,
    pub(super) sid: Option<String>,
    pub(super) roles: Vec<(ConnectionId, Role)>,
    pub(super) upgrade: Upgrade,
    queue: VecDeque<Packet>,
    // What a ping may be late before the server is taken for dead.
    patience: Duration,
    last_ping: Instant,
    pub(super) is_mute: bool,
    pub(super) polls: bool,
    end: End,
}

/// How far it has come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
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
        let plan = habits.plan(&mut dice);
        let now = scene.network.now();
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
            patience: Duration::MAX,
            last_ping: now,
            is_mute: false,
            polls: true,
            end: End::None,
        };
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

    fn woke(&mut self, token: u64, scene: &mut Scene<'_>) {
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

    pub(super) fn role_of(&self, connection: ConnectionId) -> Option<Role> {
        let found = self.roles.iter().find(|(it, _)| *it == connection);
        found.map(|&(_, role)| role)
    }

    pub(super) fn has(&self, role: Role) -> Option<ConnectionId> {
        let found = self.roles.iter().find(|(_, it)| *it == role);
        found.map(|&(connection, _)| connection)
    }

    fn release(&mut self, connection: ConnectionId) {
        self.roles.retain(|(it, _)| *it != connection);
    }

    /// Begins a request. The body, if there is one, is sent in parts.
    pub(super) fn request(
        &mut self,
        role: Role,
        carrier: Carrier,
        method: &'static str,
        body: Option<Bytes>,
        scene: &mut Scene<'_>,
    ) -> ConnectionId {
        let name = match carrier {
            Carrier::Polling => "polling",
            Carrier::WebSocket => "websocket",
        };
        let sid = self
            .sid
            .as_deref()
            .map(|sid| format!("&sid={sid}"))
            .unwrap_or_default();
        let target = format!("{}?EIO=4&transport={name}{sid}", self.habits.path);
        let head = Head {
            carrier,
            method,
            target,
            content_type: None,
            life: self.id,
        };
        self.send_request(role, head, body, scene)
    }

    pub(super) fn send_request(
        &mut self,
        role: Role,
        head: Head,
        body: Option<Bytes>,
        scene: &mut Scene<'_>,
    ) -> ConnectionId {
        let is_slow = self.plan.misdeed == Some(Misdeed::SlowReader);
        let link = self.habits.link(is_slow, &mut self.dice);
        if link.fate.is_some() {
            scene.ledger.note(self.id, Cause::Lost);
        }
        let connection = scene.network.connect(self.node, self.server, link);
        scene.note(format_args!(
            "life {} opens c{} {role:?}",
            self.id.0,
            connection.serial()
        ));
        self.roles.push((connection, role));
        scene.network.send(connection, self.node, Wire::Head(head));
        if let Some(mut bytes) = body {
            let parts = self.dice.below(3);
            for _ in 0..parts {
                let part = bytes.split_to(self.dice.below(bytes.len()));
                let is_last = false;
                scene.network.send(
                    connection,
                    self.node,
                    Wire::Body {
                        bytes: part,
                        is_last,
                    },
                );
            }
            let is_last = true;
            scene
                .network
                .send(connection, self.node, Wire::Body { bytes, is_last });
        }
        connection
    }

    fn arrived(&mut self, connection: ConnectionId, role: Role, item: Wire, scene: &mut Scene<'_>) {
        match item {
            Wire::Answer { status, body } => {
                scene.network.close(connection, self.node);
                self.release(connection);
                scene.note(format_args!(
                    "life {} {role:?}: {status} {}",
                    self.id.0,
                    Snippet(&body)
                ));
                self.answered(role, status, body, scene);
            }
            Wire::CloseFrame { .. } => {
                scene.note(format_args!("life {} {role:?} is closed", self.id.0));
                scene
                    .network
                    .send(connection, self.node, Wire::CloseFrame { code: 1000 });
                scene.network.close(connection, self.node);
                self.release(connection);
                if role == Role::Main {
                    self.end_in_order(scene);
                } else {
                    self.lost(role, scene);
                }
            }
            Wire::Frame(message) => {
                let packet = Packet::decode(message);
                match packet {
                    Ok(packet) => self.packet(role, packet, scene),
                    Err(error) => scene
                        .trace
                        .fail(format_args!("life {}: {error}", self.id.0)),
                }
            }
            Wire::Switch if role == Role::Probe => self.probe(connection, scene),
            Wire::Switch | Wire::Body { .. } | Wire::Head(_) => {}
        }
    }

    fn answered(&mut self, role: Role, status: u16, body: Bytes, scene: &mut Scene<'_>) {
        match (role, status) {
            (Role::Handshake | Role::Poll, 200) => {
                for packet in payload::decode(body, usize::MAX) {
                    match packet {
                        // Whatever is left of a body behind the end is not read.
                        _ if self.is_over() => return,
                        Ok(packet) => self.packet(role, packet, scene),
                        Err(error) => {
                            scene
                                .trace
                                .fail(format_args!("life {}: {error}", self.id.0));
                        }
                    }
                }
                self.go_on(scene);
            }
            (Role::Post, 200) if self.end == End::Said && self.queue.is_empty() => {
                self.end(scene);
            }
            (Role::Post, 200 | 413) => self.go_on(scene),
            (Role::Other, _) => {}
            (Role::Probe, _) => self.lost(Role::Probe, scene),
            // Refused: the session is gone, or never was.
            _ => self.end(scene),
        }
    }

    /// A connection is gone without an answer.
    fn lost(&mut self, role: Role, scene: &mut Scene<'_>) {
        match role {
            Role::Other => {}
            Role::Probe => {
                self.upgrade = Upgrade::None;
                self.go_on(scene);
            }
            Role::Handshake | Role::Poll | Role::Post | Role::Main => self.end(scene),
        }
    }

    /// Does whatever can be done next: sends what waits, polls, or commits an upgrade.
    pub(super) fn go_on(&mut self, scene: &mut Scene<'_>) {
        if self.is_over() || self.sid.is_none() {
            return;
        }
        if let Some(main) = self.has(Role::Main) {
            while let Some(packet) = self.queue.pop_front() {
                let (kind, bytes) = packet.encode();
                self.write(main, frame(kind, bytes), scene);
            }
            if self.end == End::Said {
                scene
                    .network
                    .send(main, self.node, Wire::CloseFrame { code: 1000 });
                scene.network.close(main, self.node);
                self.release(main);
                self.end(scene);
            }
            return;
        }
        let is_pausing = self.upgrade == Upgrade::Pausing;
        let (poll, post) = (self.has(Role::Poll), self.has(Role::Post));
        if !is_pausing && poll.is_none() && self.polls && self.end != End::Said {
            self.request(Role::Poll, Carrier::Polling, "GET", None, scene);
        }
        if !is_pausing && post.is_none() && !self.queue.is_empty() {
            let body = self.next_body();
            self.request(Role::Post, Carrier::Polling, "POST", Some(body), scene);
        }
        if is_pausing && poll.is_none() && post.is_none() && self.may_commit() {
            self.commit(scene);
        }
    }

    /// Some of what waits, as the body of a data request.
    pub(super) fn next_body(&mut self) -> Bytes {
        let count = 1 + self.dice.below(self.queue.len());
        let packets = self.queue.drain(..count.min(self.queue.len()));
        payload::encode(packets).unwrap_or_else(|_| Bytes::from_static(b"6"))
    }

    pub(super) fn write(
        &mut self,
        connection: ConnectionId,
        message: Message,
        scene: &mut Scene<'_>,
    ) {
        scene
            .network
            .send(connection, self.node, Wire::Frame(message));
    }

    /// Moves to the WebSocket.
    pub(super) fn commit(&mut self, scene: &mut Scene<'_>) {
        let Some(probe) = self.has(Role::Probe) else {
            return;
        };
        scene.note(format_args!("life {} commits", self.id.0));
        self.write(probe, Message::Text(ByteString::from_static("5")), scene);
        for (connection, role) in &mut self.roles {
            if *connection == probe {
                *role = Role::Main;
            }
        }
        self.upgrade = Upgrade::None;
        self.go_on(scene);
    }

    fn packet(&mut self, role: Role, packet: Packet, scene: &mut Scene<'_>) {
        if role == Role::Main {
            scene.note(format_args!("life {} hears {packet:?}", self.id.0));
        }
        match packet {
            Packet::Open(data) => self.open(&data, scene),
            Packet::Close => self.end_in_order(scene),
            Packet::Ping(_) => {
                self.last_ping = scene.network.now();
                if !self.is_mute {
                    self.queue.push_back(Packet::Pong(ByteString::new()));
                    if role == Role::Main {
                        self.go_on(scene);
                    }
                }
            }
            Packet::Pong(data) if role == Role::Probe && &*data == "probe" => {
                self.probed(scene);
            }
            Packet::Message(message) => self.hear(&message, scene),
            Packet::Noop | Packet::Pong(_) | Packet::Upgrade => {}
        }
    }

    fn hear(&mut self, message: &Message, scene: &mut Scene<'_>) {
        match self.script.hear(message) {
            Heard::Numbered(life, number) => {
                let heard = scene.ledger.heard_down(self.id, life, number);
                scene.hold(heard);
            }
            Heard::Other => {}
            Heard::Strange => scene.trace.fail(format_args!(
                "life {} cannot make sense of {message:?}",
                self.id.0
            )),
        }
    }

    fn open(&mut self, data: &str, scene: &mut Scene<'_>) {
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
        self.queue
            .extend(self.script.opened().into_iter().map(Packet::Message));
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

    fn begin_upgrade(&mut self, scene: &mut Scene<'_>) {
        if self.upgrade == Upgrade::None && self.has(Role::Main).is_none() {
            self.upgrade = Upgrade::Probing;
            self.request(Role::Probe, Carrier::WebSocket, "GET", None, scene);
        }
    }

    /// The client's own side of the heartbeat: without pings the server is gone.
    fn watch(&mut self, scene: &mut Scene<'_>) {
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

    fn plan_speech(&mut self, scene: &mut Scene<'_>) {
        let after = self
            .dice
            .span((Duration::ZERO, self.habits.speaks_every * 2));
        self.wake(after, Kind::Speak, scene);
    }

    fn speak(&mut self, scene: &mut Scene<'_>) {
        // Shortly before the end it is quiet, so that what it said can arrive.
        if scene.network.now() > self.retires_at || self.end == End::Said {
            return;
        }
        if self.script.may_speak() {
            for _ in 0..=self.dice.below(3) {
                self.say(scene);
            }
            self.go_on(scene);
        }
        self.plan_speech(scene);
    }

    pub(super) fn say(&mut self, scene: &mut Scene<'_>) {
        let number = scene.ledger.say_up(self.id);
        let text = speech::write(self.id, number, self.dice.below(self.habits.padding));
        let is_binary = self.dice.per_mille(200);
        let said = self.script.say(text, is_binary);
        self.queue.extend(said.into_iter().map(Packet::Message));
    }

    fn farewell(&mut self, scene: &mut Scene<'_>) {
        let Some((_, farewell)) = self.plan.lasts else {
            return;
        };
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

    fn end_in_order(&mut self, scene: &mut Scene<'_>) {
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

    pub(super) fn drop_connection(&mut self, connection: ConnectionId, scene: &mut Scene<'_>) {
        scene.ledger.note(self.id, Cause::Lost);
        scene.network.abort(connection, self.node);
        self.release(connection);
    }

    /// Sends a body part by hand.
    pub(super) fn send_part(
        &mut self,
        connection: ConnectionId,
        bytes: Bytes,
        scene: &mut Scene<'_>,
    ) {
        let is_last = false;
        scene
            .network
            .send(connection, self.node, Wire::Body { bytes, is_last });
    }

    pub(super) fn path(&self) -> &'static str {
        self.habits.path
    }
}

fn frame(kind: FrameKind, bytes: Bytes) -> Message {
    match kind {
        FrameKind::Binary => Message::Binary(bytes),
        FrameKind::Text => match bytes.try_into() {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Text(ByteString::new()),
        },
    }
}
