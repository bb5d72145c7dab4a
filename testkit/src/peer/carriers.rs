//! The carriers of a life: its requests, its WebSockets, and what comes back on them.

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{Carrier, FrameKind, Message},
    engine::{packet::Packet, payload},
};

use super::{
    life::{End, Life, Role, Upgrade},
    plan::Misdeed,
};
use crate::{
    ledger::Cause,
    network::ConnectionId,
    snippet::Snippet,
    wire::{Head, Wire},
    world::Scene,
};

impl Life {
    pub(super) fn role_of(&self, connection: ConnectionId) -> Option<Role> {
        let found = self.roles.iter().find(|(it, _)| *it == connection);
        found.map(|&(_, role)| role)
    }

    pub(super) fn has(&self, role: Role) -> Option<ConnectionId> {
        let found = self.roles.iter().find(|(_, it)| *it == role);
        found.map(|&(connection, _)| connection)
    }

    pub(super) fn release(&mut self, connection: ConnectionId) {
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
        let now = scene.network.now();
        let mut link = self.habits.link(now, is_slow, &mut self.dice);
        if self.plan.misdeed == Some(Misdeed::DeadHandshake) && head.carrier == Carrier::WebSocket {
            link = self.dead_link(link, scene);
        }
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

    pub(super) fn arrived(
        &mut self,
        connection: ConnectionId,
        role: Role,
        item: Wire,
        scene: &mut Scene<'_>,
    ) {
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

    pub(super) fn answered(&mut self, role: Role, status: u16, body: Bytes, scene: &mut Scene<'_>) {
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
    pub(super) fn lost(&mut self, role: Role, scene: &mut Scene<'_>) {
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

    pub(super) fn packet(&mut self, role: Role, packet: Packet, scene: &mut Scene<'_>) {
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
