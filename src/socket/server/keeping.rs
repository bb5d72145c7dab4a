//! What is kept of events and sockets, in case a client loses its connection (Socket.IO reference,
//! "What is stored").

use alloc::{boxed::Box, vec::Vec};

use bytestring::ByteString;

use super::{Server, Socket, claiming::Return, namespaces::scope, rooming::member_of};
use crate::{
    engine::outbox::Outgoing,
    random::PrivateId,
    rooms::Stamp,
    socket::{
        Packet,
        event::{
            DisconnectReason, Event, NamespaceKey, Options, SocketKey, StoreSession, To, Wait,
        },
        recovery::{
            Audience, Group, Membership, Offset, Past, Position, Session, Trail, write_session,
        },
    },
};

impl Server {
    /// Gives an event its offset, if it gets one; then its position, if it is to be kept (Socket.IO
    /// reference, "What is stored").
    ///
    /// One that may be lost is not kept. But the official client takes any text at the end of an
    /// event for an offset: so that one gets the offset of what was sent before it.
    pub(super) fn stamp_event(
        &mut self,
        packet: &mut Packet,
        options: Options,
    ) -> Option<Position> {
        let keeper = self.keeper.as_mut()?;
        if options.ack != Wait::No {
            // The last argument is a function to the client.
            return None;
        }
        if options.volatile {
            if packet.ends_with_text() {
                packet.push_argument(Offset::new(keeper.position()).as_str());
            }
            return None;
        }
        let position = keeper.take_position(self.now);
        packet.push_argument(Offset::new(position).as_str());
        Some(position)
    }

    /// Keeps an event that was sent.
    pub(super) fn keep_event(&mut self, position: Position, to: To<'_>, packet: Outgoing) {
        let Some(audience) = self.audience(to) else {
            return;
        };
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(position, audience, packet);
        }
    }

    fn audience(&self, to: To<'_>) -> Option<Audience> {
        match to {
            To::Socket(socket) => {
                let trail = self.sockets.get(socket)?.trail.as_ref()?;
                Some(Audience::Single(trail.pid))
            }
            To::Group {
                namespace,
                rooms,
                except,
                without,
            } => {
                let group = Group {
                    namespace: self.namespaces.get(namespace)?.name.clone(),
                    rooms: self.shared_names(namespace, rooms),
                    except: self.shared_names(namespace, except),
                    without,
                };
                Some(Audience::Group(Box::new(group)))
            }
        }
    }

    /// Names of rooms, shared with the rooms that there are.
    fn shared_names(&self, namespace: NamespaceKey, rooms: &[&str]) -> Vec<ByteString> {
        let names = rooms.iter().map(|&room| {
            let key = self.rooms.find(scope(namespace), room);
            let name = key.and_then(|key| self.rooms.name(key)).cloned();
            name.unwrap_or_else(|| ByteString::from(room))
        });
        names.collect()
    }

    /// What a membership that begins now is marked with: the position of the last event.
    pub(super) fn stamp(&self) -> Stamp {
        self.keeper.as_ref().map_or(0, |keeper| keeper.position())
    }

    /// A new socket may be lost, and come back by a new secret.
    pub(super) fn begin_trail(&mut self) -> Option<Box<Trail>> {
        let accepted = self.keeper.as_ref()?.position();
        let pid = PrivateId(self.sessions.random.id());
        Some(Box::new(Trail {
            pid,
            accepted,
            since: self.now,
            had: accepted,
            own_room: accepted,
            past: Past::default(),
        }))
    }

    /// Remembers a room that a socket leaves, as long as events that were sent to it may be missing.
    pub(super) fn note_past_room(&mut self, socket: SocketKey, room: ByteString, from: Position) {
        let Some(until) = self.keeper.as_ref().map(|keeper| keeper.position()) else {
            return;
        };
        let state = self.sockets.get(socket);
        let trail = state.and_then(|state| Some((state, state.trail.as_deref()?)));
        let received = trail.map_or(0, |(state, trail)| self.received_by(state, trail));
        if let Some(socket) = self.sockets.get_mut(socket)
            && let Some(trail) = &mut socket.trail
        {
            trail.past.add(room, from, until, received);
        }
    }

    /// Up to which position a client has certainly received all that was for its socket: what was
    /// sent before a ping that it has answered, if that was sent since the socket is there.
    fn received_by(&self, state: &Socket, trail: &Trail) -> Position {
        let open = self.sessions.received(state.session);
        let closed = || Some(self.connection(state.session)?.received);
        let before = open.or_else(closed);
        match (&self.keeper, before) {
            (Some(keeper), Some(before)) if before > trail.since => {
                keeper.received(before).max(trail.had)
            }
            _ => trail.had,
        }
    }

    /// A socket as it would come back now.
    pub(super) fn view(&self, socket: SocketKey) -> Option<Box<Session>> {
        let keeper = self.keeper.as_ref()?;
        let state = self.sockets.get(socket)?;
        let trail = state.trail.as_ref()?;
        Some(Box::new(Session {
            pid: trail.pid,
            id: state.id,
            namespace: self.namespaces.get(state.namespace)?.name.clone(),
            data: state.data.as_deref().cloned().unwrap_or_default(),
            accepted: trail.accepted,
            received: self.received_by(state, trail),
            lost: keeper.position(),
            rooms: self.memberships(socket, state, trail),
            floor: trail.past.floor(),
        }))
    }

    fn memberships(&self, socket: SocketKey, state: &Socket, trail: &Trail) -> Vec<Membership> {
        let member = member_of(socket);
        let own = state.in_own_room.then(|| Membership {
            room: ByteString::from(state.id.as_str()),
            from: trail.own_room,
            until: None,
        });
        let rooms = self.rooms.rooms_of(member).filter_map(|room| {
            Some(Membership {
                room: self.rooms.name(room)?.clone(),
                from: self.rooms.stamp(member, room)?,
                until: None,
            })
        });
        let past = trail.past.rooms().cloned();
        own.into_iter().chain(rooms).chain(past).collect()
    }

    /// A socket ends: its client may come back to it, or what was sent to it is forgotten.
    pub(super) fn keep_socket(&mut self, socket: SocketKey, reason: DisconnectReason) {
        let Some(pid) = self.pid_of(socket) else {
            return;
        };
        let session = if reason.is_recoverable() {
            self.view(socket)
        } else {
            None
        };
        let now = self.now;
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        // One that was taken over is another socket's by now.
        if keeper.live.get(&pid) != Some(&socket) {
            return;
        }
        keeper.live.remove(&pid);
        let Some(mut session) = session else {
            keeper.forget(&pid);
            return;
        };
        session.lost = keeper.take_position(now);
        keeper.count_lost();
        self.put_session(session);
    }

    /// Keeps a session here, or has it kept outside.
    pub(super) fn put_session(&mut self, session: Box<Session>) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        if !keeper.config.is_external {
            keeper.put(session);
            return;
        }
        // It is promised to one that waits: it stays until that is decided.
        if let Some(&pending) = keeper.told.get(&session.pid)
            && let Some(pending) = self.pending.get_mut(pending)
            && let Some(returns) = &mut pending.returns
            && let Return::Here(claim) = **returns
        {
            **returns = Return::Found {
                claim,
                session,
                packets: None,
            };
            return;
        }
        let keep = keeper.time_left(&session, self.now);
        let store = StoreSession {
            pid: session.pid,
            session: write_session(&session),
            keep,
        };
        self.out.tell(Event::StoreSession(Box::new(store)));
    }

    fn pid_of(&self, socket: SocketKey) -> Option<PrivateId> {
        let trail = self.sockets.get(socket)?.trail.as_ref()?;
        Some(trail.pid)
    }
}
