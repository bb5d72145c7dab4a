//! An application for Socket.IO whose clients come and go, and are owed what they missed.

mod emitting;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use socketio_proto::{
    edge::SessionKey,
    engine,
    socket::{
        AckKey, Args, Connecting, DisconnectReason, Event, Found, LookupKey, Missed, PendingKey,
        Recovery, SocketId, SocketKey, To,
    },
    time::Instant,
};

use super::{Application, Commands};
use crate::{
    client::NAMESPACES,
    delivery::Room,
    dice::Dice,
    ledger::{Cause, LifeId},
    speech,
    world::Scene,
};

/// How a hub behaves.
#[derive(Clone, Copy, Debug)]
pub struct Duties {
    /// How often it does something.
    pub acts_every: Duration,
    /// How many rooms there are, all at once in each namespace.
    pub rooms: u32,
    /// The longest padding of an event.
    pub padding: usize,
    /// How often, in a thousand, it decides later about a CONNECT.
    pub hesitates: u32,
    /// How often, in a thousand, it refuses one.
    pub refuses: u32,
    /// How often, in a thousand acts, it sends somebody away.
    pub kicks: u32,
    /// Whether whoever comes back moves on to other rooms.
    pub wanders: bool,
    /// How often, in a thousand acts, an event goes to everybody.
    pub broadcasts: u32,
    /// From then on nobody is refused or sent away.
    pub calm_from: Instant,
    /// From then on it says nothing.
    pub quiet_from: Instant,
}

impl Duties {
    /// All that an application does, until an instant; a little later it is quiet.
    pub fn lively(calm_from: Instant) -> Self {
        Self {
            acts_every: Duration::from_millis(200),
            rooms: 20,
            padding: 200,
            hesitates: 250,
            refuses: 20,
            kicks: 15,
            wanders: true,
            broadcasts: 120,
            calm_from,
            quiet_from: calm_from + Duration::from_secs(30),
        }
    }
}

/// Lets clients into rooms, and emits numbered events: to one, to rooms, to all, kept and volatile,
/// with attachments, with and without an answer asked for.
#[derive(Debug)]
pub struct Hub {
    duties: Duties,
    dice: Dice,
    lives: BTreeMap<SessionKey, LifeId>,
    waiting: Vec<(PendingKey, SessionKey, &'static str)>,
    sockets: Vec<SocketKey>,
    members: BTreeMap<SocketKey, Member>,
    // Which socket a member has now.
    current: BTreeMap<String, SocketKey>,
    // The sessions that are kept outside of the machine, and for how long; what is looked for there,
    // and found a little later.
    store: BTreeMap<String, (Bytes, Instant)>,
    lookups: Vec<(LookupKey, String)>,
    // What it keeps with each member.
    notes: BTreeMap<String, Bytes>,
    acks: BTreeSet<AckKey>,
    number: u32,
}

#[derive(Clone, Debug)]
struct Member {
    public: SocketId,
    id: String,
    namespace: &'static str,
    session: SessionKey,
    life: LifeId,
}

impl Hub {
    /// Makes one.
    pub fn new(duties: Duties, dice: Dice) -> Self {
        Self {
            duties,
            dice,
            lives: BTreeMap::new(),
            waiting: Vec::new(),
            sockets: Vec::new(),
            members: BTreeMap::new(),
            current: BTreeMap::new(),
            store: BTreeMap::new(),
            lookups: Vec::new(),
            notes: BTreeMap::new(),
            acks: BTreeSet::new(),
            number: 0,
        }
    }

    fn room(&mut self) -> Room {
        let rooms = usize::try_from(self.duties.rooms).unwrap_or(usize::MAX);
        Room::Numbered(u32::try_from(self.dice.below(rooms)).unwrap_or_default())
    }

    fn is_calm(&self, now: Instant) -> bool {
        now >= self.duties.calm_from
    }

    fn connecting<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        connecting: &Connecting,
        scene: &mut Scene<'_>,
    ) {
        let name: &str = &connecting.namespace;
        let Some(&namespace) = NAMESPACES.iter().find(|it| **it == name) else {
            scene.trace.fail(format_args!("somebody enters {name}"));
        };
        let (pending, session) = (connecting.pending, connecting.session);
        if !self.is_calm(now) && self.dice.per_mille(self.duties.refuses) {
            let done = machine.sockets().refuse(now, pending, "not now", None);
            scene.note(format_args!("app refuses {pending:?}: {done:?}"));
        } else if self.dice.per_mille(self.duties.hesitates) {
            self.waiting.push((pending, session, namespace));
        } else {
            let it = (pending, session, namespace);
            let socket = self.accept(now, machine, it, scene);
            Self::check_promise(machine, socket, &connecting.recovery, scene);
        }
    }

    /// Compares what acceptance did with what the machine said that it would do.
    fn check_promise<M: Commands>(
        machine: &mut M,
        socket: Option<SocketKey>,
        recovery: &Recovery,
        scene: &mut Scene<'_>,
    ) {
        let Some(id) = socket.and_then(|it| machine.sockets().id_of(it)) else {
            return;
        };
        let promised = match recovery {
            Recovery::Restored { id, .. } => Some(*id),
            Recovery::Failed | Recovery::None => None,
        };
        let is_kept = scene.ledger.deliveries.is_back(&id.to_string());
        if promised.map_or(is_kept, |promised| promised != id) {
            scene
                .trace
                .fail(format_args!("{id} is somebody else than {recovery:?}"));
        }
    }

    fn accept<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        (pending, session, namespace): (PendingKey, SessionKey, &'static str),
        scene: &mut Scene<'_>,
    ) -> Option<SocketKey> {
        let &life = self.lives.get(&session)?;
        let accepted = machine.accept(now, pending);
        scene.note(format_args!("app accepts life {}: {accepted:?}", life.0));
        // Its client may be gone, or what it came back to, which ends its connection.
        let Some(socket) = accepted else {
            scene.ledger.note(life, Cause::ApplicationClosed);
            return None;
        };
        let public = machine.sockets().id_of(socket)?;
        let id = public.to_string();
        if scene.ledger.deliveries.knows(&id) {
            if let Some(old) = self.current.get(&id).and_then(|it| self.members.get(it)) {
                scene.note(format_args!("{id} takes over from life {}", old.life.0));
                scene.ledger.closing(old.life, now);
            }
            let deliveries = &mut scene.ledger.deliveries;
            let restored = deliveries.restored(&id, namespace, life, self.number);
            scene.hold(restored);
        } else {
            let accepted = scene.ledger.deliveries.accepted(&id, namespace, &[]);
            scene.hold(accepted);
        }
        let member = Member {
            public,
            id: id.clone(),
            namespace,
            session,
            life,
        };
        let member_id = id.clone();
        self.current.insert(id, socket);
        self.members.insert(socket, member);
        self.sockets.push(socket);
        self.check_rooms(machine, socket, None, scene);
        self.check_note(machine, socket, scene);
        let is_new = !scene.ledger.deliveries.is_back(&member_id);
        if !self.is_calm(now) && (is_new || self.duties.wanders) {
            for _ in 0..self.dice.below(4) {
                self.move_one(machine, socket, scene);
            }
        }
        if self.dice.per_mille(500) && now < self.duties.quiet_from {
            self.emit_to_one(now, machine, socket, scene);
        }
        Some(socket)
    }

    /// Looks for a session in the store.
    fn find<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        (lookup, pid): (LookupKey, String),
        scene: &mut Scene<'_>,
    ) {
        let stored = self.store.remove(&pid);
        let found = stored.clone().filter(|&(_, by)| now <= by);
        let found = found.map(|(session, _)| Found {
            session,
            missed: Missed::FromLog,
        });
        scene.note(format_args!("app finds {lookup:?}: {}", found.is_some()));
        if machine.sockets().session_found(now, lookup, found).is_err() {
            // Its client is gone, and may come again.
            self.store.extend(stored.map(|it| (pid, it)));
        }
    }

    /// Compares the rooms of a socket with those that it should be in.
    fn check_rooms<M: Commands>(
        &self,
        machine: &mut M,
        socket: SocketKey,
        told: Option<&[bytestring::ByteString]>,
        scene: &mut Scene<'_>,
    ) {
        let Some(member) = self.members.get(&socket) else {
            return;
        };
        let rooms = match told {
            Some(rooms) => rooms.to_vec(),
            None => machine.sockets().rooms_of(socket),
        };
        let rooms: BTreeSet<Room> = rooms.iter().map(|it| Room::from_name(it)).collect();
        let expected = scene.ledger.deliveries.rooms(&member.id);
        if rooms != expected {
            let id = &member.id;
            scene
                .trace
                .fail(format_args!("{id} is in {rooms:?} instead of {expected:?}"));
        }
    }

    /// Compares what is kept with a socket, and sometimes keeps something else.
    fn check_note<M: Commands>(
        &mut self,
        machine: &mut M,
        socket: SocketKey,
        scene: &mut Scene<'_>,
    ) {
        let Some(id) = self.members.get(&socket).map(|it| it.id.clone()) else {
            return;
        };
        let expected = self.notes.get(&id).cloned().unwrap_or_default();
        let server = machine.sockets();
        // It may be gone, which the application is about to learn.
        let Ok(kept) = server.data_of(socket) else {
            return;
        };
        if kept != expected {
            scene
                .trace
                .fail(format_args!("{id} has {kept:?} instead of {expected:?}"));
        }
        if self.dice.per_mille(500) {
            let note = Bytes::from(format!("as of {}", self.number));
            if server.set_data(socket, note.clone()).is_ok() {
                self.notes.insert(id, note);
            }
        }
    }

    /// Lets a socket join a room, or leave it.
    fn move_one<M: Commands>(&mut self, machine: &mut M, socket: SocketKey, scene: &mut Scene<'_>) {
        self.check_note(machine, socket, scene);
        let room = self.room();
        let Some(id) = self.members.get(&socket).map(|it| it.id.clone()) else {
            return;
        };
        let is_in = scene.ledger.deliveries.rooms(&id).contains(&room);
        let name = room.to_string();
        let done = if is_in {
            machine.leave(socket, &name)
        } else {
            machine.join(socket, &name)
        };
        scene.note(format_args!("app moves {id}, {name}: {is_in} {done}"));
        // It may be gone, which the application is about to learn.
        match (done, is_in) {
            (true, true) => scene.ledger.deliveries.left(&id, &room),
            (true, false) => scene.ledger.deliveries.joined(&id, room),
            (false, _) => {}
        }
    }

    fn kick<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        socket: SocketKey,
        scene: &mut Scene<'_>,
    ) {
        // It may be lost by a deadline that is due: then there is nobody to send away.
        while machine.poll_timeout().is_some_and(|due| due <= now) {
            machine.handle_timeout(now);
        }
        let server = machine.sockets();
        let Some(session) = server.session_of(socket) else {
            return;
        };
        let closes = self.dice.per_mille(500);
        let gone = if closes {
            server.sockets_of(session)
        } else {
            vec![socket]
        };
        for socket in gone {
            if let Some(member) = self.members.get(&socket) {
                scene.note(format_args!("app sends {} away", member.id));
                scene.ledger.deliveries.over(&member.id);
                // What it says meanwhile is not heard.
                scene.ledger.note(member.life, Cause::Reckless);
                if closes {
                    scene.ledger.closing(member.life, now);
                }
            }
        }
        server.disconnect(now, To::Socket(socket), closes);
    }

    fn disconnected<M: Commands>(
        &mut self,
        machine: &mut M,
        socket: SocketKey,
        reason: DisconnectReason,
        rooms: &[bytestring::ByteString],
        scene: &mut Scene<'_>,
    ) {
        let Some(member) = self.members.get(&socket).cloned() else {
            scene
                .trace
                .fail(format_args!("{socket:?} is gone, but was not there"));
        };
        // Its client may be here again by another connection.
        let is_current = self.current.get(&member.id) == Some(&socket);
        if is_current {
            self.check_rooms(machine, socket, Some(rooms), scene);
            self.current.remove(&member.id);
        }
        self.members.remove(&socket);
        self.sockets.retain(|it| *it != socket);
        if !is_current {
            return;
        }
        let now = scene.network.now();
        if may_come_back(reason) {
            scene.ledger.deliveries.gone(&member.id, now);
        } else {
            scene.ledger.deliveries.over(&member.id);
        }
    }

    fn heard(&mut self, socket: SocketKey, args: &Args, scene: &mut Scene<'_>) {
        let Some(life) = self.members.get(&socket).map(|it| it.life) else {
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
    }
}

/// Whether a session is kept behind such an end.
fn may_come_back(reason: DisconnectReason) -> bool {
    !matches!(
        reason,
        DisconnectReason::ClientLeft
            | DisconnectReason::Connection(engine::CloseReason::ParseError(_))
            | DisconnectReason::ParseError(_)
            | DisconnectReason::ServerKicked
            | DisconnectReason::Violation(_)
    )
}

impl<M: Commands> Application<M> for Hub {
    fn on_event(
        &mut self,
        now: Instant,
        machine: &mut M,
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
                let left = self.members.values().find(|it| it.session == session);
                if let Some(member) = left.filter(|_| scene.is_small) {
                    let id = &member.id;
                    scene
                        .trace
                        .fail(format_args!("{id} is there without a connection"));
                }
            }
            Event::Connecting(connecting) => self.connecting(now, machine, &connecting, scene),
            Event::Disconnected {
                socket,
                reason,
                rooms,
            } => self.disconnected(machine, socket, reason, &rooms, scene),
            Event::FindSession(find) => {
                let it = (find.lookup, find.pid.expose());
                if self.dice.per_mille(self.duties.hesitates) {
                    self.lookups.push(it);
                } else {
                    self.find(now, machine, it, scene);
                }
            }
            Event::Packet { socket, args, .. } => self.heard(socket, &args, scene),
            Event::StoreSession(it) => {
                let by = now + it.keep;
                self.store.insert(it.pid.expose(), (it.session, by));
            }
            Event::AckDone { ack, .. } if !self.acks.remove(&ack) => scene
                .trace
                .fail(format_args!("{ack:?} is over, but did not wait")),
            _ => {}
        }
    }

    fn on_wake(
        &mut self,
        now: Instant,
        machine: &mut M,
        scene: &mut Scene<'_>,
    ) -> Option<Duration> {
        let count = self.dice.below(self.waiting.len() + 1);
        let waiting: Vec<_> = self.waiting.drain(..count).collect();
        for it in waiting {
            self.accept(now, machine, it, scene);
        }
        let count = self.dice.below(self.lookups.len() + 1);
        let lookups: Vec<_> = self.lookups.drain(..count).collect();
        for it in lookups {
            self.find(now, machine, it, scene);
        }
        let is_quiet = now >= self.duties.quiet_from;
        if is_quiet && self.waiting.is_empty() && self.lookups.is_empty() {
            // Whoever still comes in has to be answered.
            return Some(Duration::from_millis(500));
        }
        if let Some(&socket) = self.dice.pick(&self.sockets).filter(|_| !is_quiet) {
            if !self.is_calm(now) && self.dice.per_mille(self.duties.kicks) {
                self.kick(now, machine, socket, scene);
            } else {
                match self.dice.below(4) {
                    0 => self.emit_to_one(now, machine, socket, scene),
                    1 => self.move_one(machine, socket, scene),
                    _ => self.emit_to_group(now, machine, socket, scene),
                }
            }
        }
        Some(self.dice.span((Duration::ZERO, self.duties.acts_every * 2)))
    }
}
