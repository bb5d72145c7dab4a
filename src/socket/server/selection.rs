//! Whom a broadcast goes to.

use alloc::vec::Vec;
use core::mem;

use super::{Broadcasts, Server, namespaces::scope, rooming::member_of};
use crate::{
    rooms::Member,
    socket::event::{NamespaceKey, SocketId, SocketKey, To},
};

impl Server {
    /// Finds the targets of a broadcast, each once, in order (Socket.IO reference, "Target
    /// computation"). The list is scratch space: give it back.
    pub(super) fn select(
        &mut self,
        namespace: NamespaceKey,
        rooms: &[&str],
        except: &[&str],
        without: Option<SocketId>,
    ) -> Vec<Member> {
        // One that is gone is not there to be left out.
        let without = without.and_then(|id| self.ids.get(&id).copied());
        let mut targets = mem::take(&mut self.broadcasts.targets);
        targets.clear();
        let Some(everyone) = self.namespaces.get(namespace).map(|it| it.everyone) else {
            return targets;
        };
        // Within one room, and nobody left out, no member can be met twice.
        let may_repeat = rooms.len() > 1 || !except.is_empty() || without.is_some();
        if may_repeat {
            self.broadcasts.begin_selection(self.routes.len());
            self.exclude(namespace, except, without);
        }
        if rooms.is_empty() {
            for member in self.rooms.members(everyone) {
                if !may_repeat || self.broadcasts.meet(member) {
                    targets.push(member);
                }
            }
        }
        for &room in rooms {
            let owner = self.owner_of(namespace, room).map(member_of);
            let room = self.rooms.find(scope(namespace), room);
            let members = room.into_iter().flat_map(|room| self.rooms.members(room));
            for member in owner.into_iter().chain(members) {
                if !may_repeat || self.broadcasts.meet(member) {
                    targets.push(member);
                }
            }
        }
        targets
    }

    /// The sockets that an emit would go to now, in its order.
    pub fn members(&mut self, to: To<'_>) -> Vec<SocketKey> {
        match to {
            To::Socket(socket) => {
                let socket = self.sockets.contains(socket).then_some(socket);
                socket.into_iter().collect()
            }
            To::Group {
                namespace,
                rooms,
                except,
                without,
            } => {
                let targets = self.select(namespace, rooms, except, without);
                let keys = targets.iter().filter_map(|&member| {
                    let index = usize::try_from(member).ok()?;
                    self.sockets.key_at(index)
                });
                let keys = keys.collect();
                self.broadcasts.targets = targets;
                keys
            }
        }
    }

    /// Marks those who are left out as met.
    fn exclude(&mut self, namespace: NamespaceKey, except: &[&str], without: Option<SocketKey>) {
        if let Some(without) = without {
            self.broadcasts.meet(member_of(without));
        }
        for &room in except {
            if let Some(owner) = self.owner_of(namespace, room) {
                self.broadcasts.meet(member_of(owner));
            }
            if let Some(room) = self.rooms.find(scope(namespace), room) {
                for member in self.rooms.members(room) {
                    self.broadcasts.meet(member);
                }
            }
        }
    }

    /// The socket whose own room has this name.
    fn owner_of(&self, namespace: NamespaceKey, room: &str) -> Option<SocketKey> {
        let key = *self.ids.get(&SocketId::from_text(room)?)?;
        let socket = self.sockets.get(key)?;
        (socket.namespace == namespace && socket.in_own_room).then_some(key)
    }
}

impl Broadcasts {
    fn begin_selection(&mut self, sockets: usize) {
        self.stamps.resize(sockets, 0);
        self.stamp = self.stamp.checked_add(1).unwrap_or_else(|| {
            self.stamps.fill(0);
            1
        });
    }

    /// Marks a socket; `false` if this selection has met it before.
    fn meet(&mut self, member: Member) -> bool {
        match self.stamps.get_mut(member as usize) {
            Some(stamp) if *stamp != self.stamp => {
                *stamp = self.stamp;
                true
            }
            Some(_) | None => false,
        }
    }
}
