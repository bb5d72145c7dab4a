//! What is kept of a socket, so that its client can come back to it.

use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;

use super::position::Position;
use crate::{random::PrivateId, socket::SocketId, time::Instant};

/// What a connected socket keeps for the day it is lost.
#[derive(Clone, Debug)]
pub(in crate::socket) struct Trail {
    pub(in crate::socket) pid: PrivateId,
    /// When it was accepted for the first time.
    pub(in crate::socket) accepted: Position,
    /// When it was accepted on the connection that it has. Pongs of before say nothing of it.
    pub(in crate::socket) since: Instant,
    /// Up to where its client had all of it then.
    pub(in crate::socket) had: Position,
    /// When it entered the room that is named after it.
    pub(in crate::socket) own_room: Position,
    pub(in crate::socket) past: Past,
}

/// Rooms that a socket has left, for as long as an event that was sent to them may be missing.
#[derive(Clone, Debug, Default)]
pub(in crate::socket) struct Past {
    left: Vec<Membership>,
    /// What was sent before it is not known any more to have been for this socket.
    floor: Position,
}

/// One socket in one room, for a while. Events behind `from` and not behind `until` were for it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::socket) struct Membership {
    pub(in crate::socket) room: ByteString,
    pub(in crate::socket) from: Position,
    /// None while it lasts.
    pub(in crate::socket) until: Option<Position>,
}

/// A socket that is lost, or may be: all that its client needs to go on.
#[derive(Clone, Debug)]
pub(in crate::socket) struct Session {
    pub(in crate::socket) pid: PrivateId,
    pub(in crate::socket) id: SocketId,
    pub(in crate::socket) namespace: ByteString,
    pub(in crate::socket) data: Bytes,
    pub(in crate::socket) accepted: Position,
    /// Its client has certainly received all that was sent before.
    pub(in crate::socket) received: Position,
    /// When it was lost.
    pub(in crate::socket) lost: Position,
    /// The rooms it is in, its own among them, in the order of joining; then those that it left.
    pub(in crate::socket) rooms: Vec<Membership>,
    pub(in crate::socket) floor: Position,
}

/// The most rooms that one socket is remembered to have left.
const MAX_PAST: usize = 64;

impl Past {
    /// What a restored socket remembers.
    pub(in crate::socket) fn restored(left: Vec<Membership>, floor: Position) -> Self {
        Self { left, floor }
    }

    pub(in crate::socket) fn rooms(&self) -> impl Iterator<Item = &Membership> {
        self.left.iter()
    }

    pub(in crate::socket) fn floor(&self) -> Position {
        self.floor
    }

    /// Adds a membership that ends now. `received` is known to have reached the client, so what
    /// ended before needs no memory.
    pub(in crate::socket) fn add(
        &mut self,
        room: ByteString,
        from: Position,
        until: Position,
        received: Position,
    ) {
        self.left.retain(|past| past.until > Some(received));
        if from >= until {
            // Nothing was sent to it meanwhile.
            return;
        }
        if self.left.len() >= MAX_PAST {
            let oldest = self.left.remove(0);
            self.floor = self.floor.max(oldest.until.unwrap_or_default());
        }
        let until = Some(until);
        self.left.push(Membership { room, from, until });
    }
}

impl Membership {
    pub(in crate::socket) fn covers(&self, position: Position) -> bool {
        self.from < position && self.until.is_none_or(|until| position <= until)
    }
}

impl Session {
    /// From where its client misses events, given what it says that it has; `None` if that cannot
    /// be told.
    pub(in crate::socket) fn start(&self, offset: Option<Position>) -> Option<Position> {
        // One without an offset has received nothing since it was accepted, or nothing that counts.
        let known = offset.unwrap_or(self.accepted);
        let start = known.max(self.accepted).max(self.received);
        (start >= self.floor).then_some(start)
    }

    /// The names of the rooms it is in, its own first.
    pub(in crate::socket) fn room_names(&self) -> impl Iterator<Item = &ByteString> {
        let rooms = self.rooms.iter();
        rooms
            .filter(|room| room.until.is_none())
            .map(|room| &room.room)
    }

    /// What keeping it costs, in bytes.
    pub(super) fn cost(&self) -> usize {
        let rooms = self.rooms.iter();
        let rooms: usize = rooms
            .map(|it| it.room.len() + size_of::<Membership>())
            .sum();
        // Its places in the indices are about as large as itself.
        2 * size_of::<Self>() + self.namespace.len() + self.data.len() + rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(rooms: &[(Position, Position)]) -> Past {
        let mut past = Past::default();
        for &(from, until) in rooms {
            past.add(ByteString::from_static("a"), from, until, 0);
        }
        past
    }

    #[test]
    fn a_membership_covers_what_was_sent_behind_its_beginning_up_to_its_end() {
        let room = &past(&[(10, 20)]).left[0];
        let covered: Vec<_> = (9..22).filter(|&at| room.covers(at)).collect();
        assert_eq!(covered, (11..=20).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_received_needs_no_memory() {
        let mut it = past(&[(1, 5), (2, 8)]);
        it.add(ByteString::from_static("b"), 8, 9, 5);
        let ends: Vec<_> = it.left.iter().map(|room| room.until).collect();
        assert_eq!(ends, [Some(8), Some(9)]);
    }

    #[test]
    fn a_forgotten_room_lifts_the_floor() {
        let mut it = past(&[(0, 0)]);
        assert!(it.left.is_empty(), "an empty membership is none");
        for at in 1..=MAX_PAST as u64 {
            it.add(ByteString::from_static("a"), at - 1, at, 0);
        }
        assert_eq!((it.left.len(), it.floor), (MAX_PAST, 0));
        it.add(ByteString::from_static("a"), 100, 101, 0);
        assert_eq!((it.left.len(), it.floor), (MAX_PAST, 1));
    }
}
