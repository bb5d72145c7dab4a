//! Clients that come back to a session that they lost (Socket.IO reference, "Restoring").
//!
//! What a claim gives happens at acceptance, and only then: whoever is refused gets nothing. A
//! session is consumed by one restore. Whether a claim holds was found out before, in `claiming`.

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;
use bytestring::ByteString;

use super::{Server, claiming::Return, emitting::outgoing};
use crate::{
    edge::SessionKey,
    engine::{CloseReason, outbox::Outgoing},
    socket::{
        AcceptError, ImportError, Packet, encode,
        event::{DisconnectReason, NamespaceKey, PendingKey, SocketKey},
        recovery::{Claim, Past, Position, Session, Trail},
    },
    time::Instant,
    trace::tell,
};

impl Server {
    /// Lets a client in as the socket that it was: it is sent what it missed, then the answer.
    ///
    /// What was promised may be gone since, or have grown too large. Then the connection ends: a
    /// client that was let in without being looked at must not become a new socket.
    pub(super) fn restore(
        &mut self,
        pending: PendingKey,
        session: SessionKey,
        namespace: NamespaceKey,
        returns: Return,
    ) -> Result<SocketKey, AcceptError> {
        let claim = returns.claim();
        self.untell(pending, claim);
        let Some((kept, packets)) = self.take_over(session, returns) else {
            let reason = DisconnectReason::Connection(CloseReason::ForcedClose);
            self.fail(session, reason);
            return Err(AcceptError::Stale);
        };
        for packet in packets {
            if self
                .sessions
                .send(session, packet, false, &mut self.out)
                .is_err()
            {
                // The connection is closing, which withdraws the CONNECT.
                self.put_session(kept);
                return Err(AcceptError::Stale);
            }
        }
        let (id, pid) = (kept.id, kept.pid);
        let had = kept.start(claim.offset).unwrap_or(kept.received);
        let answer = encode::connect_answer(self.name_of(namespace), id.as_str(), Some(&pid));
        if self.send_control(session, answer).is_err() {
            self.put_session(kept);
            return Err(AcceptError::Stale);
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.count_restored();
        }
        tell!(debug, "session restored", pending = pending);
        Ok(self.revive(session, namespace, *kept, had))
    }

    /// Takes a session from where it is, and what its client missed, all of which fits behind what
    /// waits for its new connection. A socket that still looks connected loses its connection: the
    /// client is here now.
    fn take_over(
        &mut self,
        session: SessionKey,
        returns: Return,
    ) -> Option<(Box<Session>, Vec<Outgoing>)> {
        let (claim, found) = match returns {
            Return::Here(claim) => (claim, None),
            Return::Found {
                claim,
                session,
                packets,
            } => (claim, Some((session, packets))),
            Return::Sought { .. } => return None,
        };
        let live = self.keeper.as_ref()?.live.get(&claim.pid).copied();
        if let Some(socket) = live {
            let kept = self.view(socket)?;
            let packets = self.replay(session, &kept, claim)?;
            let old = self.session_of(socket)?;
            // What this socket keeps is the new one's from now on.
            self.keeper.as_mut()?.live.remove(&claim.pid);
            self.clear_connection(old, DisconnectReason::TakenOver);
            let forced = CloseReason::ForcedClose;
            self.sessions.abort(old, forced, &mut self.out);
            return Some((kept, packets));
        }
        let Some((kept, packets)) = found else {
            let kept = self.keeper.as_ref()?.session(&claim.pid)?;
            let packets = self.replay(session, kept, claim)?;
            return Some((self.keeper.as_mut()?.take(&claim.pid)?, packets));
        };
        let packets = match packets {
            None => self.replay(session, &kept, claim),
            packets => packets.filter(|it| self.is_room_for(session, cost_of(it))),
        };
        let Some(packets) = packets else {
            self.put_session(kept);
            return None;
        };
        Some((kept, packets))
    }

    /// What a client missed.
    fn replay(&self, session: SessionKey, kept: &Session, claim: Claim) -> Option<Vec<Outgoing>> {
        let keeper = self.keeper.as_ref()?;
        let replay = keeper.missed(kept, claim)?;
        if !self.is_room_for(session, replay.cost) {
            return None;
        }
        let events = replay.events.iter();
        Some(
            events
                .filter_map(|&number| keeper.event(number).cloned())
                .collect(),
        )
    }

    /// Whether so much fits behind what waits for a connection. A replay that is begun and cannot
    /// end would be worse than none: no policy of a full queue may take a part of it.
    fn is_room_for(&self, session: SessionKey, cost: usize) -> bool {
        let queued = self.sessions.queued(session).unwrap_or_default();
        queued.saturating_add(cost) <= self.config.engine.max_queued
    }

    /// Makes the socket that a client had.
    fn revive(
        &mut self,
        session: SessionKey,
        namespace: NamespaceKey,
        kept: Session,
        had: Position,
    ) -> SocketKey {
        let (here, past): (Vec<_>, Vec<_>) = kept
            .rooms
            .into_iter()
            .partition(|room| room.until.is_none());
        let is_own = |room: &str| room == kept.id.as_str();
        let own = here.iter().find(|room| is_own(&room.room));
        let trail = Trail {
            pid: kept.pid,
            accepted: kept.accepted,
            since: self.now,
            had,
            own_room: own.map_or(0, |room| room.from),
            past: Past::restored(past, kept.floor),
        };
        let socket = self.add_socket(kept.id, session, namespace, Some(Box::new(trail)));
        for room in &here {
            self.enter_room(socket, &room.room, room.from);
        }
        if !kept.data.is_empty()
            && let Some(state) = self.sockets.get_mut(socket)
        {
            state.data = Some(Box::new(kept.data));
        }
        socket
    }

    /// All that is kept for clients that are away, for [`import`](Self::import) after a restart.
    ///
    /// Clients that are connected are not in it, and neither is what is sent to those that are away
    /// afterwards: [shut the server down](crate::edge::Machine::shutdown) first. The bytes hold
    /// secrets and what was sent; their size is bounded by [`RecoveryConfig::max_bytes`].
    ///
    /// [`RecoveryConfig::max_bytes`]: crate::socket::RecoveryConfig::max_bytes
    pub fn export(&mut self, now: Instant) -> Bytes {
        self.advance(now);
        self.settle();
        let keeper = self.keeper.as_ref();
        keeper.map_or_else(Bytes::new, |keeper| keeper.export())
    }

    /// Takes over what an earlier run of the server has [exported](Self::export), and says how many
    /// sessions that was. Ages count by the wall clock; what is too old goes at once.
    ///
    /// # Errors
    ///
    /// Says why nothing was taken over.
    pub fn import(&mut self, now: Instant, saved: &[u8]) -> Result<usize, ImportError> {
        self.advance(now);
        let keeper = self.keeper.as_mut().ok_or(ImportError::Off)?;
        let done = if keeper.live.is_empty() {
            keeper.import(self.now, saved)
        } else {
            Err(ImportError::InUse)
        };
        self.quiet_until = self.now;
        self.settle();
        done
    }
}

/// Events that a store outside has kept, as they are sent.
pub(super) fn encode_all(packets: Vec<(Packet, ByteString)>, namespace: &str) -> Vec<Outgoing> {
    let packets = packets.into_iter().map(|(mut packet, offset)| {
        packet.push_argument(&offset);
        outgoing(packet.finish(namespace, None))
    });
    packets.collect()
}

/// What packets count for while they wait.
pub(super) fn cost_of(packets: &[Outgoing]) -> usize {
    packets.iter().map(Outgoing::cost).sum()
}
