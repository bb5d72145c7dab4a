//! A pure two-way index of who is in which room: no clock, no bytes, no wire.
//!
//! Members and rooms are small numbers, so that delivering to a room walks a dense list. Both
//! directions keep the order of joining (Socket.IO reference, "Target computation").

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use bytestring::ByteString;
use hashbrown::Equivalent;

use crate::random::{HashKeys, LookUp};

/// A member: the index of a socket's key.
pub(crate) type Member = u32;

/// A room.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct RoomKey(u32);

/// Marks a place in a list whose owner has left; lists are compacted when half is gone.
const GONE: u32 = u32::MAX;

/// Who is in which room.
///
/// Room names belong to a scope (a namespace): the same name in two scopes is two rooms. A named
/// room exists while it has members.
#[derive(Debug)]
pub(crate) struct Rooms {
    names: LookUp<Name, RoomKey>,
    rooms: Vec<Room>,
    vacant: Vec<u32>,
    // Indexed by member; the rooms it is in, as far as they are not `GONE`.
    joined: Vec<List>,
    // Invariant: holds (r, m) exactly when `rooms[r]` lists `m` and `joined[m]` lists `r`.
    places: LookUp<(u32, Member), Place>,
}

/// One member in one room.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where `rooms[r]` lists the member.
    in_room: u32,
    /// Where `joined[m]` lists the room.
    in_joined: u32,
    stamp: Stamp,
}

/// A number that is kept with a membership, of no meaning here.
pub(crate) type Stamp = u64;

#[derive(Debug, Default)]
struct Room {
    name: Option<Name>,
    members: List,
}

/// Numbers in the order they were added, with gaps where some were removed.
#[derive(Debug, Default)]
struct List {
    entries: Vec<u32>,
    live: u32,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Name {
    scope: u32,
    name: ByteString,
}

struct NameRef<'a> {
    scope: u32,
    name: &'a str,
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scope, &*self.name).hash(state);
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scope, self.name).hash(state);
    }
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, key: &Name) -> bool {
        self.scope == key.scope && self.name == &*key.name
    }
}

impl Rooms {
    pub(crate) fn new(names: HashKeys, places: HashKeys) -> Self {
        Self {
            names: LookUp::with_hasher(names),
            rooms: Vec::new(),
            vacant: Vec::new(),
            joined: Vec::new(),
            places: LookUp::with_hasher(places),
        }
    }

    /// Makes a room without a name, which exists until it is removed.
    pub(crate) fn add_unnamed(&mut self) -> RoomKey {
        self.add(None)
    }

    /// Removes a room without a name in which nobody is.
    pub(crate) fn remove_unnamed(&mut self, key: RoomKey) {
        if let Some(room) = self.rooms.get_mut(key.0 as usize)
            && room.name.is_none()
            && room.members.live == 0
        {
            room.members.entries = Vec::new();
            self.vacant.push(key.0);
        }
    }

    /// How many rooms with names there are.
    pub(crate) fn named(&self) -> usize {
        self.names.len()
    }

    /// A named room, if somebody is in it.
    pub(crate) fn find(&self, scope: u32, name: &str) -> Option<RoomKey> {
        self.names.get(&NameRef { scope, name }).copied()
    }

    /// Puts a member into a named room, which it makes if need be; `false` if it was there.
    pub(crate) fn join(&mut self, member: Member, scope: u32, name: &str, stamp: Stamp) -> bool {
        let room = self.find(scope, name).unwrap_or_else(|| {
            let name = ByteString::from(name);
            self.add(Some(Name { scope, name }))
        });
        self.enter(member, room, stamp)
    }

    /// Puts a member into a room; `false`, and without effect, if it was there.
    pub(crate) fn enter(&mut self, member: Member, room: RoomKey, stamp: Stamp) -> bool {
        if self.places.contains_key(&(room.0, member)) {
            return false;
        }
        let index = member as usize;
        if self.joined.len() <= index {
            self.joined.resize_with(index + 1, List::default);
        }
        let (Some(place), Some(joined)) = (
            self.rooms.get_mut(room.0 as usize),
            self.joined.get_mut(index),
        ) else {
            return false;
        };
        let place = Place {
            in_room: place.members.push(member),
            in_joined: joined.push(room.0),
            stamp,
        };
        self.places.insert((room.0, member), place);
        true
    }

    /// The stamp of a membership.
    pub(crate) fn stamp(&self, member: Member, room: RoomKey) -> Option<Stamp> {
        self.places.get(&(room.0, member)).map(|place| place.stamp)
    }

    /// Takes a member out of a room; `false` if it was not there. An empty named room is deleted.
    pub(crate) fn leave(&mut self, member: Member, room: RoomKey) -> bool {
        let Some(place) = self.places.remove(&(room.0, member)) else {
            return false;
        };
        if let Some(joined) = self.joined.get_mut(member as usize) {
            joined.remove(place.in_joined);
        }
        if let Some(room) = self.rooms.get_mut(room.0 as usize) {
            room.members.remove(place.in_room);
        }
        self.compact_joined(member);
        self.compact_members(room);
        self.delete_if_empty(room);
        true
    }

    /// Takes a member out of all its rooms and gives the names of the named ones, in the order of
    /// joining.
    pub(crate) fn leave_all(&mut self, member: Member) -> Vec<ByteString> {
        let rooms: Vec<RoomKey> = self.rooms_of(member).collect();
        let names = rooms.iter().filter_map(|&room| self.name(room).cloned());
        let names = names.collect();
        for room in rooms {
            self.leave(member, room);
        }
        names
    }

    /// The rooms of a member in the order of joining.
    pub(crate) fn rooms_of(&self, member: Member) -> impl Iterator<Item = RoomKey> + '_ {
        let joined = self.joined.get(member as usize);
        joined.into_iter().flat_map(List::iter).map(RoomKey)
    }

    /// The members of a room in the order of joining.
    pub(crate) fn members(&self, room: RoomKey) -> impl Iterator<Item = Member> + '_ {
        let room = self.rooms.get(room.0 as usize);
        room.into_iter().flat_map(|room| room.members.iter())
    }

    /// How many members a room has.
    pub(crate) fn count(&self, room: RoomKey) -> usize {
        let room = self.rooms.get(room.0 as usize);
        room.map_or(0, |room| room.members.live as usize)
    }

    pub(crate) fn name(&self, room: RoomKey) -> Option<&ByteString> {
        let room = self.rooms.get(room.0 as usize)?;
        room.name.as_ref().map(|name| &name.name)
    }

    fn add(&mut self, name: Option<Name>) -> RoomKey {
        let room = Room {
            name: name.clone(),
            members: List::default(),
        };
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.rooms.push(Room::default());
            let last = self.rooms.len() - 1;
            u32::try_from(last).expect("fewer than 2^32 rooms fit in memory")
        });
        if let Some(place) = self.rooms.get_mut(index as usize) {
            *place = room;
        }
        let key = RoomKey(index);
        if let Some(name) = name {
            self.names.insert(name, key);
        }
        key
    }

    fn delete_if_empty(&mut self, key: RoomKey) {
        if let Some(room) = self.rooms.get_mut(key.0 as usize)
            && room.members.live == 0
        {
            room.members.entries = Vec::new();
            if let Some(name) = room.name.take() {
                self.names.remove(&name);
                self.vacant.push(key.0);
            }
        }
    }

    fn compact_members(&mut self, room: RoomKey) {
        let Some(place) = self.rooms.get_mut(room.0 as usize) else {
            return;
        };
        if place.members.is_sparse() {
            let places = &mut self.places;
            place.members.compact(|member, at| {
                if let Some(entry) = places.get_mut(&(room.0, member)) {
                    entry.in_room = at;
                }
            });
        }
    }

    fn compact_joined(&mut self, member: Member) {
        let Some(joined) = self.joined.get_mut(member as usize) else {
            return;
        };
        if joined.is_sparse() {
            let places = &mut self.places;
            joined.compact(|room, at| {
                if let Some(entry) = places.get_mut(&(room, member)) {
                    entry.in_joined = at;
                }
            });
        }
    }
}

impl List {
    fn push(&mut self, entry: u32) -> u32 {
        let at = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries fit in memory");
        self.entries.push(entry);
        self.live += 1;
        at
    }

    fn remove(&mut self, at: u32) {
        #[cfg(test)]
        work::add(1);
        if let Some(entry) = self.entries.get_mut(at as usize) {
            *entry = GONE;
            self.live -= 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        #[cfg(test)]
        work::add(self.entries.len());
        self.entries.iter().copied().filter(|&entry| entry != GONE)
    }

    /// Whether gaps outnumber entries enough to pay for a compaction.
    fn is_sparse(&self) -> bool {
        self.entries.len() > 8 && (self.live as usize) < self.entries.len() / 2
    }

    /// Closes the gaps and tells where each entry stands now.
    fn compact(&mut self, mut moved: impl FnMut(u32, u32)) {
        #[cfg(test)]
        work::add(self.entries.len());
        self.entries.retain(|&entry| entry != GONE);
        self.entries.shrink_to(self.entries.len() * 2);
        for (at, &entry) in (0..).zip(&self.entries) {
            moved(entry, at);
        }
    }
}

/// Counts steps over entries of lists, so that tests can tell what an operation costs.
#[cfg(test)]
mod work {
    use std::{cell::Cell, thread_local};

    thread_local!(static DONE: Cell<u64> = const { Cell::new(0) });

    pub(super) fn add(steps: usize) {
        DONE.set(DONE.get() + steps as u64);
    }

    pub(super) fn done() -> u64 {
        DONE.get()
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    fn rooms() -> Rooms {
        let mut random = Random::new([0; 32]);
        Rooms::new(random.hash_keys(), random.hash_keys())
    }

    #[test]
    fn a_room_exists_while_it_has_members() {
        let mut rooms = rooms();
        assert!(rooms.join(1, 0, "a", 0));
        assert!(!rooms.join(1, 0, "a", 0));
        let a = rooms.find(0, "a").unwrap();
        assert!(rooms.leave(1, a));
        assert!(!rooms.leave(1, a));
        assert_eq!(rooms.find(0, "a"), None);
    }

    #[test]
    fn the_same_name_in_two_scopes_is_two_rooms() {
        let mut rooms = rooms();
        rooms.join(1, 0, "a", 0);
        rooms.join(2, 7, "a", 0);
        let members: Vec<_> = rooms.members(rooms.find(7, "a").unwrap()).collect();
        assert_eq!(members, [2]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join(Member, u8),
        Leave(Member, u8),
        LeaveAll(Member),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..12u32, 0..6u8).prop_map(|(m, r)| Step::Join(m, r)),
            3 => (0..12u32, 0..6u8).prop_map(|(m, r)| Step::Leave(m, r)),
            1 => (0..12u32).prop_map(Step::LeaveAll),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_a_list_of_pairs(steps in steps()) {
            let mut rooms = rooms();
            let mut model: Vec<(Member, u8)> = Vec::new();
            for step in steps {
                match step {
                    Step::Join(m, r) => {
                        let is_new = !model.contains(&(m, r));
                        prop_assert_eq!(rooms.join(m, 0, &format!("{r}"), 0), is_new);
                        if is_new {
                            model.push((m, r));
                        }
                    }
                    Step::Leave(m, r) => {
                        let was_in = model.contains(&(m, r));
                        let left = rooms.find(0, &format!("{r}")).is_some_and(|key| rooms.leave(m, key));
                        prop_assert_eq!(left, was_in);
                        model.retain(|&pair| pair != (m, r));
                    }
                    Step::LeaveAll(m) => {
                        let names: Vec<_> = model.iter().filter(|p| p.0 == m).map(|p| format!("{}", p.1)).collect();
                        prop_assert_eq!(rooms.leave_all(m), names);
                        model.retain(|pair| pair.0 != m);
                    }
                }
                for r in 0..6u8 {
                    let expected: Vec<_> = model.iter().filter(|p| p.1 == r).map(|p| p.0).collect();
                    let key = rooms.find(0, &format!("{r}"));
                    let members: Vec<_> = key.into_iter().flat_map(|key| rooms.members(key)).collect();
                    prop_assert_eq!(&members, &expected);
                    prop_assert_eq!(key.map_or(0, |key| rooms.count(key)), expected.len());
                }
            }
        }
    }
}
