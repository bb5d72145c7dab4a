//! Sockets in rooms (Socket.IO reference, "Rooms").
//!
//! The room that is named after a socket's id is no entry in the index: it is a mark of the socket,
//! so that a million sockets do not need a million rooms.

use alloc::vec::Vec;
use core::mem;

use bytestring::ByteString;

use super::{Server, namespaces::scope};
use crate::{
    edge::Stale,
    rooms::{RoomKey, Stamp},
    socket::event::{Event, NamespaceKey, RoomChange, SocketKey, To},
};

impl Server {
    /// Puts a socket into rooms; being in one already is no error.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the socket is gone.
    pub fn join(&mut self, socket: SocketKey, rooms: &[&str]) -> Result<(), Stale> {
        if !self.sockets.contains(socket) {
            return Err(Stale);
        }
        for room in rooms {
            self.join_room(socket, room);
        }
        self.settle();
        Ok(())
    }

    /// Takes a socket out of a room; not being in it is no error.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the socket is gone.
    pub fn leave(&mut self, socket: SocketKey, room: &str) -> Result<(), Stale> {
        if !self.sockets.contains(socket) {
            return Err(Stale);
        }
        self.leave_room(socket, room);
        self.settle();
        Ok(())
    }

    /// Puts all of these sockets into rooms, and says how many they are: the reference's
    /// `socketsJoin`.
    pub fn join_all(&mut self, to: To<'_>, rooms: &[&str]) -> usize {
        let sockets = self.members(to);
        for &socket in &sockets {
            for room in rooms {
                self.join_room(socket, room);
            }
        }
        self.settle();
        sockets.len()
    }

    /// Takes all of these sockets out of rooms, and says how many they are: the reference's
    /// `socketsLeave`.
    pub fn leave_all(&mut self, to: To<'_>, rooms: &[&str]) -> usize {
        let sockets = self.members(to);
        for &socket in &sockets {
            for room in rooms {
                self.leave_room(socket, room);
            }
        }
        self.settle();
        sockets.len()
    }

    pub(super) fn join_room(&mut self, socket: SocketKey, room: &str) {
        self.enter_room(socket, room, self.stamp());
    }

    /// Puts a socket into a room, in which it is taken to be since `stamp`.
    pub(super) fn enter_room(&mut self, socket: SocketKey, room: &str, stamp: Stamp) {
        let Some(state) = self.sockets.get_mut(socket) else {
            return;
        };
        let namespace = state.namespace;
        if state.id.as_str() == room {
            if !mem::replace(&mut state.in_own_room, true) {
                if let Some(trail) = &mut state.trail {
                    trail.own_room = stamp;
                }
                if self.config.room_events {
                    self.tell_room(namespace, room, RoomChange::Created);
                    self.tell_room(namespace, room, RoomChange::Joined(socket));
                }
            }
            return;
        }
        let (member, scope) = (member_of(socket), scope(namespace));
        if !self.config.room_events {
            self.rooms.join(member, scope, room, stamp);
            return;
        }
        let is_new = self.rooms.find(scope, room).is_none();
        if self.rooms.join(member, scope, room, stamp) {
            if is_new {
                self.tell_room(namespace, room, RoomChange::Created);
            }
            self.tell_room(namespace, room, RoomChange::Joined(socket));
        }
    }

    fn leave_room(&mut self, socket: SocketKey, room: &str) {
        let Some(state) = self.sockets.get_mut(socket) else {
            return;
        };
        let namespace = state.namespace;
        if state.id.as_str() == room {
            if mem::take(&mut state.in_own_room) {
                if let Some(from) = state.trail.as_ref().map(|trail| trail.own_room) {
                    self.note_past_room(socket, ByteString::from(room), from);
                }
                self.tell_own_room_left(namespace, socket, room);
            }
        } else if let Some(key) = self.rooms.find(scope(namespace), room) {
            self.leave_named(namespace, socket, key, room);
        }
    }

    fn leave_named(
        &mut self,
        namespace: NamespaceKey,
        socket: SocketKey,
        key: RoomKey,
        room: &str,
    ) {
        let member = member_of(socket);
        if self.keeper.is_some()
            && let Some(from) = self.rooms.stamp(member, key)
            && let Some(name) = self.rooms.name(key).cloned()
        {
            self.note_past_room(socket, name, from);
        }
        if self.rooms.leave(member, key) && self.config.room_events {
            self.tell_room(namespace, room, RoomChange::Left(socket));
            if self.rooms.find(scope(namespace), room).is_none() {
                self.tell_room(namespace, room, RoomChange::Deleted);
            }
        }
    }

    /// Takes a socket out of all its rooms and says which they were, its own first.
    pub(super) fn take_rooms(&mut self, socket: SocketKey) -> Vec<ByteString> {
        let names = self.rooms_of(socket);
        if self.config.room_events {
            for name in &names {
                self.leave_room(socket, name);
            }
        }
        // What has no name is among them.
        self.rooms.leave_all(member_of(socket));
        names
    }

    fn tell_own_room_left(&mut self, namespace: NamespaceKey, socket: SocketKey, room: &str) {
        if self.config.room_events {
            self.tell_room(namespace, room, RoomChange::Left(socket));
            self.tell_room(namespace, room, RoomChange::Deleted);
        }
    }

    fn tell_room(&mut self, namespace: NamespaceKey, room: &str, change: RoomChange) {
        let room = ByteString::from(room);
        self.out.tell(Event::Room {
            namespace,
            room,
            change,
        });
    }
}

/// A socket in the index of rooms.
pub(super) fn member_of(socket: SocketKey) -> u32 {
    u32::try_from(socket.index()).expect("an index of a key fits")
}
