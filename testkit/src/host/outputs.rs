//! From the machine to the network and the application.

use socketio_proto::{
    edge::{
        Batch, FrameKind, Message, Output, RequestId, Response, ResponseKind, SessionKey,
        TransportId,
    },
    engine::{CloseReason, Codec},
};

use super::{Host, Queue, SessionSide, Stage, TransportSide, Use};
use crate::{
    application::Application,
    ledger::LifeId,
    snippet::{Snippet, Text, r, s, t},
    subject::{Observed, Subject},
    wire::Wire,
    world::Scene,
};

type OutputOf<M> = Output<
    <M as socketio_proto::edge::Machine>::Event,
    <M as socketio_proto::edge::Machine>::Parser,
>;

impl<M: Subject> Host<M> {
    /// Takes all outputs and acts on them.
    pub(super) fn drain(&mut self, application: &mut impl Application<M>, scene: &mut Scene<'_>) {
        while let Some(output) = self.machine.poll_output() {
            self.output(output, application, scene);
        }
        self.queue = Queue::Empty;
        self.requests.settle();
        self.transports.settle();
        self.sessions.settle();
        self.opened.clear();
        if scene.is_small {
            self.check(scene);
        }
    }

    fn output(
        &mut self,
        output: OutputOf<M>,
        application: &mut impl Application<M>,
        scene: &mut Scene<'_>,
    ) {
        match output {
            Output::AbortRequest { request } => self.abort(request, scene),
            Output::CloseTransport { transport, abort } => self.close(transport, abort, scene),
            Output::Event(event) => self.event(event, application, scene),
            Output::OpenTransport {
                request,
                transport,
                kind,
                limit,
                codec,
                ..
            } => self.open((request, transport), kind, limit, codec, scene),
            Output::ReadBody {
                request,
                limit,
                codec,
            } => {
                let Some(side) = scene.hold(self.requests.named(request)) else {
                    return;
                };
                if !matches!(side.stage, Stage::Waiting) {
                    scene
                        .trace
                        .fail(format_args!("{request:?}: its body is read too late"));
                }
                let life = side.life;
                side.stage = Stage::Reading { codec, limit };
                side.since = self.latest;
                self.check_one_body(life, scene);
                self.progress(request, scene);
                self.body(request, scene);
            }
            Output::Respond { request, response } => self.respond(request, *response, scene),
            Output::SetReading { transport, paused } => self.set_reading(transport, paused, scene),
            Output::Transmit { transport, batch } => self.transmit(transport, batch, scene),
        }
    }

    fn respond(&mut self, request: RequestId, response: Response, scene: &mut Scene<'_>) {
        let Some(side) = scene.hold(self.requests.named(request)) else {
            return;
        };
        if matches!(side.stage, Stage::Accepted | Stage::Answered) {
            scene
                .trace
                .fail(format_args!("{request:?} was answered twice"));
        }
        side.stage = Stage::Answered;
        side.since = self.latest;
        let (connection, life) = (side.connection, side.life);
        scene.note(format_args!(
            "host {} answers {response:?} {}",
            r(request),
            Snippet(&response.body)
        ));
        if response
            .body
            .split(|&byte| byte == 0x1e)
            .any(|packet| packet == b"2")
        {
            self.pinged(life);
        }
        let (status, body) = (response.status, response.body);
        scene
            .network
            .send_noted(connection, self.node, Wire::Answer { status, body });
    }

    fn pinged(&mut self, life: LifeId) {
        if let Some(&session) = self.by_life.get(&life)
            && let Some(side) = self.sessions.get_mut(session)
        {
            side.is_pinged = true;
        }
    }

    fn open(
        &mut self,
        (request, transport): (RequestId, TransportId),
        kind: ResponseKind,
        limit: usize,
        codec: Codec<M::Parser>,
        scene: &mut Scene<'_>,
    ) {
        let named = scene.hold(self.requests.named(request));
        // The name is given out, whether or not its request is still there.
        let (connection, life, is_there) = match named {
            Some(side) if matches!(side.stage, Stage::Waiting) => {
                side.stage = Stage::Accepted;
                (side.connection, side.life, true)
            }
            Some(_) => scene
                .trace
                .fail(format_args!("{request:?} is answered and accepted")),
            None => match self.requests.recent(request) {
                Some(side) => (side.connection, side.life, false),
                None => return,
            },
        };
        let side = TransportSide {
            connection,
            request,
            life,
            codec,
            limit,
            is_open: false,
            since: self.latest,
            is_busy: false,
            is_paused: false,
            early: std::collections::VecDeque::new(),
        };
        let is_upgrade = kind == ResponseKind::Upgrade;
        if is_upgrade != scene.ledger.has_opened(life) {
            scene.trace.fail(format_args!(
                "{transport:?} of life {} is of the wrong kind: {kind:?}",
                life.0
            ));
        }
        let added = self.transports.add(transport, side);
        scene.hold(added);
        scene.note(format_args!("host {} becomes {}", r(request), t(transport)));
        if is_there {
            self.uses.insert(connection, Use::Transport(transport));
            scene
                .network
                .send_noted(connection, self.node, Wire::Switch);
        } else {
            // The end of the request was reported, and ends the transport, too.
            self.transports.depart(transport);
        }
    }

    fn transmit(&mut self, transport: TransportId, batch: Batch, scene: &mut Scene<'_>) {
        let Some(side) = scene.hold(self.transports.named(transport)) else {
            return;
        };
        if side.is_busy {
            scene
                .trace
                .fail(format_args!("{transport:?} has two batches out"));
        }
        if !side.is_open {
            scene
                .trace
                .fail(format_args!("{transport:?} is written to, but not open"));
        }
        side.is_busy = true;
        let (connection, life) = (side.connection, side.life);
        let mut frames = batch.into_frames();
        while let Some(frame) = frames.next() {
            let is_ping = frame.kind == FrameKind::Text && frame.payload == "2";
            let message = match frame.kind {
                FrameKind::Binary => Message::Binary(frame.payload),
                FrameKind::Text => match frame.payload.try_into() {
                    Ok(text) => Message::Text(text),
                    Err(_) => scene
                        .trace
                        .fail(format_args!("{transport:?}: text is not UTF-8")),
                },
            };
            scene.note(format_args!(
                "host {} writes {}",
                t(transport),
                Text(&message)
            ));
            if is_ping {
                self.pinged(life);
            }
            let item = Wire::Frame(message);
            if frames.len() == 0 {
                scene.network.send_noted(connection, self.node, item);
            } else {
                scene.network.send(connection, self.node, item);
            }
        }
    }

    /// Its answer was not taken in time. It is the last output that names it.
    fn abort(&mut self, request: RequestId, scene: &mut Scene<'_>) {
        let named = scene.hold(self.requests.named(request));
        if named
            .as_ref()
            .is_some_and(|side| !matches!(side.stage, Stage::Answered))
        {
            scene
                .trace
                .fail(format_args!("{request:?} is aborted, but was not answered"));
        }
        let connection = named.map(|side| side.connection);
        scene.note(format_args!("host {} is aborted", r(request)));
        self.requests.end(request);
        if let Some(connection) = connection {
            self.uses.remove(&connection);
            scene.network.abort(connection, self.node);
        }
    }

    fn set_reading(&mut self, transport: TransportId, paused: bool, scene: &mut Scene<'_>) {
        scene.note(format_args!("host {} pauses: {paused}", t(transport)));
        if let Some(side) = scene.hold(self.transports.named(transport)) {
            side.is_paused = paused;
            self.read_on(transport, scene);
        }
    }

    fn close(&mut self, transport: TransportId, abort: bool, scene: &mut Scene<'_>) {
        let named = self.transports.named(transport);
        if abort && named.is_err() && self.opened.contains(&transport) {
            // It was closed when its opening was reported; that is answered by another close.
            return;
        }
        let named = scene.hold(named).map(|side| side.connection);
        scene.note(format_args!("host {} closes, abort: {abort}", t(transport)));
        // It is the last output that names it.
        let side = self.transports.end(transport);
        if let Some(side) = side
            && !side.is_open
        {
            self.requests.end(side.request);
        }
        let Some(connection) = named else {
            return;
        };
        self.uses.remove(&connection);
        if abort {
            scene.network.abort(connection, self.node);
        } else {
            scene
                .network
                .send(connection, self.node, Wire::CloseFrame { code: 1000 });
            scene.network.close(connection, self.node);
        }
    }

    fn event(
        &mut self,
        event: M::Event,
        application: &mut impl Application<M>,
        scene: &mut Scene<'_>,
    ) {
        scene.note(format_args!("host tells {event:?}"));
        let life = match M::observe(&event) {
            Observed::Closed { session, reason } => self.session_closed(session, reason, scene),
            Observed::Opened { session, request } => {
                Some(self.session_opened(session, request, scene))
            }
            Observed::Other => None,
            Observed::Handshake { request } | Observed::Refused { request } => {
                scene.hold(self.requests.named(request));
                None
            }
            Observed::Within { session } => scene
                .hold(self.sessions.named(session))
                .map(|side| side.life),
        };
        // The application's commands are given at the latest time that the machine was told.
        application.on_event(self.latest, &mut self.machine, event, life, scene);
    }

    fn session_opened(
        &mut self,
        session: SessionKey,
        request: RequestId,
        scene: &mut Scene<'_>,
    ) -> LifeId {
        let Some(life) = self.requests.recent(request).map(|side| side.life) else {
            scene.trace.fail(format_args!(
                "{session:?} was opened by {request:?}, which is no request"
            ));
        };
        let side = SessionSide {
            life,
            heard_at: self.latest,
            is_pinged: false,
        };
        let added = self.sessions.add(session, side);
        scene.hold(added);
        if self.by_life.insert(life, session).is_some() {
            scene
                .trace
                .fail(format_args!("{request:?} opened two sessions"));
        }
        let opened = scene.ledger.opened(life, self.latest);
        scene.hold(opened);
        life
    }

    fn session_closed(
        &mut self,
        session: SessionKey,
        reason: CloseReason,
        scene: &mut Scene<'_>,
    ) -> Option<LifeId> {
        let side = *scene.hold(self.sessions.named(session))?;
        if reason == CloseReason::PingTimeout {
            self.check_silence(session, side, scene);
        }
        self.sessions.end(session);
        self.by_life.remove(&side.life);
        scene.note(format_args!(
            "host {} of life {} is gone",
            s(session),
            side.life.0
        ));
        let closed = scene.ledger.closed(side.life, reason);
        scene.hold(closed);
        Some(side.life)
    }
}
