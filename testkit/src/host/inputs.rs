//! From the network into the machine.

use socketio_proto::edge::{
    BodyRead, Carrier, End, Headers, Lost, Message, Request, RequestId, TransportId,
};

use super::{Host, RequestSide, Stage, Use};
use crate::{
    ledger::LifeId,
    network::{ConnectionId, Ending, Event},
    snippet::{Snippet, Text, r, t},
    subject::Subject,
    wire::{Head, Wire},
    world::Scene,
};

struct ContentType(Option<&'static str>);

impl Headers for ContentType {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.filter(|_| name == "content-type").map(str::as_bytes)
    }
}

impl<M: Subject> Host<M> {
    pub(super) fn input(&mut self, event: Event<Wire>, scene: &mut Scene<'_>) {
        match event {
            Event::Arrived { connection, item } => self.arrived(connection, item, scene),
            Event::Ended { connection, ending } => self.ended(connection, ending, scene),
            Event::Taken { connection } => self.taken(connection, scene),
            Event::Woke { .. } => {}
        }
    }

    fn arrived(&mut self, connection: ConnectionId, item: Wire, scene: &mut Scene<'_>) {
        if let Wire::Head(head) = item {
            return self.request(connection, &head, scene);
        }
        match (self.uses.get(&connection).copied(), item) {
            (Some(Use::Request(request)), Wire::Body { bytes, is_last }) => {
                if let Some(side) = self.requests.get_mut(request) {
                    side.body.extend_from_slice(&bytes);
                    side.is_whole = is_last;
                    self.progress(request, scene);
                    self.body(request, scene);
                }
            }
            (Some(Use::Transport(transport)), item) => {
                if let Some(side) = self.transports.get_mut(transport) {
                    side.early.push_back(Event::Arrived { connection, item });
                    self.read_on(transport, scene);
                }
            }
            // The connection was given up meanwhile.
            _ => {}
        }
    }

    fn request(&mut self, connection: ConnectionId, head: &Head, scene: &mut Scene<'_>) {
        let now = self.tell_time(scene);
        let request = self.machine.handle_request(
            now,
            &Request {
                carrier: head.carrier,
                method: head.method,
                target: &head.target,
                headers: &ContentType(head.content_type),
                peer: None,
            },
        );
        self.touched();
        scene.note(format_args!(
            "host {} is {} {:?} of life {} on c{}",
            r(request),
            head.method,
            head.carrier,
            head.life.0,
            connection.serial()
        ));
        let side = RequestSide {
            connection,
            life: head.life,
            is_poll: head.carrier == Carrier::Polling && head.method == "GET",
            stage: Stage::Waiting,
            since: self.latest,
            body: bytes::BytesMut::new(),
            is_whole: false,
        };
        let added = self.requests.add(request, side);
        scene.hold(added);
        self.uses.insert(connection, Use::Request(request));
    }

    /// Reports how much of a body is there.
    pub(super) fn progress(&mut self, request: RequestId, scene: &mut Scene<'_>) {
        let Some(side) = self.requests.get(request) else {
            return;
        };
        if matches!(side.stage, Stage::Reading { .. }) && !side.is_whole {
            let received = side.body.len();
            let now = self.tell_time(scene);
            self.machine.handle_body_progress(now, request, received);
            self.touched();
        }
    }

    /// Hands a body over when it is wanted and there, or too large.
    pub(super) fn body(&mut self, request: RequestId, scene: &mut Scene<'_>) {
        let Some(side) = self.requests.get_mut(request) else {
            return;
        };
        let Stage::Reading { codec, limit } = side.stage else {
            return;
        };
        let is_too_large = side.body.len() > limit;
        if !is_too_large && !side.is_whole {
            return;
        }
        let bytes = side.body.split().freeze();
        scene.note(format_args!("host {} body {}", r(request), Snippet(&bytes)));
        let pongs = holds_pong(&bytes);
        let body = if is_too_large {
            BodyRead::TooLarge
        } else {
            BodyRead::Complete(codec.read_body(bytes))
        };
        side.stage = Stage::Read;
        let life = side.life;
        let now = self.tell_time(scene);
        if pongs && !is_too_large {
            self.heard_pong(life);
        }
        self.machine.handle_body(now, request, body);
        self.touched();
    }

    fn heard_pong(&mut self, life: LifeId) {
        let latest = self.latest;
        if let Some(&session) = self.by_life.get(&life)
            && let Some(side) = self.sessions.get_mut(session)
            && side.is_pinged
        {
            side.is_pinged = false;
            side.heard_at = latest;
        }
    }

    /// Reads what has arrived, unless it is not to be read now.
    pub(super) fn read_on(&mut self, transport: TransportId, scene: &mut Scene<'_>) {
        while let Some(side) = self.transports.get_mut(transport)
            && side.is_open
            && !side.is_paused
            && let Some(event) = side.early.pop_front()
        {
            match event {
                Event::Arrived { item, .. } => self.read(transport, item, scene),
                _ => self.lose(transport, Lost::Failed, scene),
            }
        }
    }

    fn read(&mut self, transport: TransportId, item: Wire, scene: &mut Scene<'_>) {
        let Some(side) = self.transports.get(transport) else {
            return;
        };
        match item {
            Wire::CloseFrame { code } => {
                let connection = side.connection;
                scene
                    .network
                    .send(connection, self.node, Wire::CloseFrame { code });
                scene.network.close(connection, self.node);
                self.lose(transport, Lost::Closed { code }, scene);
            }
            Wire::Frame(message) => {
                let length = match &message {
                    Message::Binary(bytes) => bytes.len(),
                    Message::Text(text) => text.len(),
                };
                if length > side.limit {
                    let connection = side.connection;
                    let close = Wire::CloseFrame { code: 1009 };
                    scene.network.send(connection, self.node, close);
                    scene.network.close(connection, self.node);
                    return self.lose(transport, Lost::TooBig, scene);
                }
                let is_pong = matches!(&message, Message::Text(text) if text.starts_with('3'));
                scene.note(format_args!(
                    "host {} reads {}",
                    t(transport),
                    Text(&message)
                ));
                let (life, inbound) = (side.life, side.codec.read(message));
                let now = self.tell_time(scene);
                if is_pong {
                    self.heard_pong(life);
                }
                self.machine.handle_transport_read(now, transport, inbound);
                self.touched();
            }
            // A peer does not send these on a WebSocket.
            Wire::Answer { .. } | Wire::Body { .. } | Wire::Head(_) | Wire::Switch => {}
        }
    }

    /// A connection ended: so did what it was used for.
    fn ended(&mut self, connection: ConnectionId, ending: Ending, scene: &mut Scene<'_>) {
        match self.uses.get(&connection).copied() {
            Some(Use::Request(request)) => self.end(request, End::Gone, scene),
            Some(Use::Transport(transport)) => {
                let Some(side) = self.transports.get_mut(transport) else {
                    return;
                };
                // An end in order is read behind what came before it.
                if ending == Ending::Closed && side.is_open {
                    side.early.push_back(Event::Ended { connection, ending });
                    return self.read_on(transport, scene);
                }
                let lost = if side.is_open {
                    Lost::Failed
                } else {
                    Lost::NotOpened
                };
                self.lose(transport, lost, scene);
            }
            None => {}
        }
    }

    fn end(&mut self, request: RequestId, end: End, scene: &mut Scene<'_>) {
        let Some(side) = self.requests.get(request) else {
            return;
        };
        scene.note(format_args!("host {} {end:?}", r(request)));
        self.uses.remove(&side.connection);
        self.requests.depart(request);
        let now = self.tell_time(scene);
        self.machine.handle_request_end(now, request, end);
        self.touched();
    }

    fn lose(&mut self, transport: TransportId, lost: Lost, scene: &mut Scene<'_>) {
        let Some(side) = self.transports.get(transport) else {
            return;
        };
        scene.note(format_args!("host {} {lost:?}", t(transport)));
        let (connection, request) = (side.connection, side.request);
        self.uses.remove(&connection);
        self.transports.depart(transport);
        self.requests.depart(request);
        let now = self.tell_time(scene);
        self.machine.handle_transport_lost(now, transport, lost);
        self.touched();
    }

    /// What was written was taken whole: an answer, a 101, or the last frame of a batch.
    fn taken(&mut self, connection: ConnectionId, scene: &mut Scene<'_>) {
        match self.uses.get(&connection).copied() {
            Some(Use::Request(request)) => {
                scene.network.close(connection, self.node);
                self.end(request, End::Sent, scene);
            }
            Some(Use::Transport(transport)) => self.transport_taken(transport, scene),
            None => {}
        }
    }

    fn transport_taken(&mut self, transport: TransportId, scene: &mut Scene<'_>) {
        let now = scene.network.now() + self.ahead;
        self.latest = self.latest.max(now);
        let Some(side) = self.transports.get_mut(transport) else {
            return;
        };
        if side.is_open {
            side.is_busy = false;
            scene.note(format_args!("host {} sent", t(transport)));
            self.machine.handle_transport_sent(now, transport);
            return self.touched();
        }
        side.is_open = true;
        let request = side.request;
        scene.note(format_args!("host {} open", t(transport)));
        self.requests.depart(request);
        self.opened.push(transport);
        self.machine.handle_transport_open(now, transport);
        self.touched();
        self.read_on(transport, scene);
    }
}

/// Whether a body holds a pong.
fn holds_pong(body: &[u8]) -> bool {
    body.split(|&byte| byte == 0x1e)
        .any(|packet| packet.first() == Some(&b'3'))
}
