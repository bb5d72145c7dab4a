//! Events that were sent, in case they have to be sent again.
//!
//! There is one log for the whole server, and an index of it by who the events were for: a socket, a
//! namespace, a room. All are in the order of sending, so that dropping the oldest event takes the
//! first entry of each, and a restored socket walks no more than its own.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::hash::{Hash, Hasher};

use bytestring::ByteString;
use hashbrown::Equivalent;

use super::{
    position::Position,
    session::{Membership, Session},
};
use crate::{
    engine::outbox::Outgoing,
    random::{HashKeys, LookUp, PrivateId},
    socket::SocketId,
};

/// The log. Entries have numbers, which never repeat.
#[derive(Debug)]
pub(in crate::socket) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    // Each list ascends, and holds no entry that was dropped.
    groups: LookUp<Address, VecDeque<u64>>,
    singles: LookUp<PrivateId, VecDeque<u64>>,
    /// The position of the entry that was dropped last, or where the log began.
    floor: Position,
    // Invariant: the sum of the costs of `entries`.
    bytes: usize,
}

/// An event that was sent.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) position: Position,
    pub(super) audience: Audience,
    /// None once nobody can ask for it any more.
    pub(super) packet: Option<Outgoing>,
    cost: usize,
}

/// Whom an event was for.
#[derive(Clone, Debug)]
pub(in crate::socket) enum Audience {
    Single(PrivateId),
    Group(Box<Group>),
}

/// Members of a namespace.
#[derive(Clone, Debug)]
pub(in crate::socket) struct Group {
    pub(in crate::socket) namespace: ByteString,
    /// Everybody if there is none.
    pub(in crate::socket) rooms: Vec<ByteString>,
    pub(in crate::socket) except: Vec<ByteString>,
    pub(in crate::socket) without: Option<SocketId>,
}

/// A room of a namespace; without a room, the whole.
#[derive(Debug, Eq, PartialEq)]
struct Address {
    namespace: ByteString,
    room: Option<ByteString>,
}

struct AddressRef<'a> {
    namespace: &'a str,
    room: Option<&'a str>,
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&*self.namespace, self.room.as_deref()).hash(state);
    }
}

impl Hash for AddressRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.namespace, self.room).hash(state);
    }
}

impl Equivalent<Address> for AddressRef<'_> {
    fn equivalent(&self, key: &Address) -> bool {
        self.namespace == &*key.namespace && self.room == key.room.as_deref()
    }
}

impl Group {
    fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        let whole = self.rooms.is_empty().then_some(None);
        let rooms = self.rooms.iter().cloned().map(Some);
        // The names are shared: they count once, with the event.
        whole.into_iter().chain(rooms).map(|room| Address {
            namespace: self.namespace.clone(),
            room,
        })
    }
}

impl Audience {
    fn cost(&self) -> usize {
        let Self::Group(group) = self else {
            return 0;
        };
        let names = group.rooms.iter().chain(&group.except);
        let names: usize = names.map(|it| it.len() + size_of::<ByteString>()).sum();
        size_of::<Group>() + names
    }
}

impl Log {
    pub(super) fn new(groups: HashKeys, singles: HashKeys, floor: Position) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            groups: LookUp::with_hasher(groups),
            singles: LookUp::with_hasher(singles),
            floor,
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> + Clone {
        self.entries.iter()
    }

    /// Where the oldest entry is.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.entries.front().map(|entry| entry.position)
    }

    /// Adds an event behind all others.
    pub(super) fn push(&mut self, position: Position, audience: Audience, mut packet: Outgoing) {
        // Whoever caches what is made of a broadcast has nothing to gain from one that is repeated.
        packet.frame.shared = None;
        let number = self.first + self.entries.len() as u64;
        let mut lists = 1;
        match &audience {
            Audience::Single(pid) => self.singles.entry(*pid).or_default().push_back(number),
            Audience::Group(group) => {
                lists = 0;
                for address in group.addresses() {
                    lists += 1;
                    match self.groups.get_mut(&address) {
                        // A room may be named twice.
                        Some(list) if list.back() == Some(&number) => {}
                        Some(list) => list.push_back(number),
                        None => {
                            let list = VecDeque::from([number]);
                            self.groups.insert(address, list);
                        }
                    }
                }
            }
        }
        let cost = size_of::<Entry>() + audience.cost() + packet.cost() + lists * LIST_COST;
        self.bytes += cost;
        self.entries.push_back(Entry {
            position,
            audience,
            packet: Some(packet),
            cost,
        });
    }

    /// Drops the oldest entry, and says where it was.
    pub(super) fn pop(&mut self) -> Option<Position> {
        let entry = self.entries.pop_front()?;
        let number = self.first;
        self.first += 1;
        self.bytes -= entry.cost;
        self.floor = entry.position;
        match &entry.audience {
            Audience::Single(pid) => {
                if let Some(list) = self.singles.get_mut(pid) {
                    take_first(list, number);
                    if list.is_empty() {
                        self.singles.remove(pid);
                    }
                }
            }
            Audience::Group(group) => {
                for address in group.addresses() {
                    if let Some(list) = self.groups.get_mut(&address) {
                        take_first(list, number);
                        if list.is_empty() {
                            self.groups.remove(&address);
                        }
                    }
                }
            }
        }
        self.give_back_room();
        Some(entry.position)
    }

    /// Nobody can ask any more for what was sent to one socket. Its places stay until they are the
    /// oldest, without what was sent.
    pub(super) fn forget(&mut self, pid: &PrivateId) {
        for number in self.singles.remove(pid).into_iter().flatten() {
            if let Some(entry) = entry_at(&mut self.entries, self.first, number)
                && let Some(packet) = entry.packet.take()
            {
                let cost = packet.cost();
                entry.cost -= cost;
                self.bytes -= cost;
            }
        }
    }

    /// The numbers of the events behind a position that were for a session, in order. The cost is
    /// that of what is found, and a step for each of its rooms.
    pub(super) fn missed(&self, session: &Session, start: Position) -> Vec<u64> {
        let mut numbers = Vec::new();
        let forever = None;
        if let Some(list) = self.singles.get(&session.pid) {
            self.collect(list, start, forever, &mut numbers);
        }
        let whole = AddressRef {
            namespace: &session.namespace,
            room: None,
        };
        if let Some(list) = self.groups.get(&whole) {
            self.collect(list, start.max(session.accepted), forever, &mut numbers);
        }
        for room in &session.rooms {
            let address = AddressRef {
                namespace: &session.namespace,
                room: Some(&room.room),
            };
            if let Some(list) = self.groups.get(&address) {
                self.collect(list, start.max(room.from), room.until, &mut numbers);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let rooms = ByRoom::new(&session.rooms);
        numbers.retain(|&number| {
            let entry = self.entry(number);
            entry.is_some_and(|entry| is_for(entry, session, &rooms))
        });
        numbers
    }

    /// The event of a number.
    pub(super) fn packet(&self, number: u64) -> Option<&Outgoing> {
        self.entry(number)?.packet.as_ref()
    }

    /// Goes on from where another log ended.
    pub(super) fn set_floor(&mut self, floor: Position) {
        self.floor = floor;
    }

    fn collect(
        &self,
        list: &VecDeque<u64>,
        from: Position,
        until: Option<Position>,
        numbers: &mut Vec<u64>,
    ) {
        let position = |number: u64| self.entry(number).map(|entry| entry.position);
        let start = list.partition_point(|&number| position(number) <= Some(from));
        let behind = list.range(start..).copied();
        numbers.extend(behind.take_while(|&number| {
            until.is_none_or(|until| position(number).is_some_and(|at| at <= until))
        }));
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(index)
    }

    /// What a burst took is given back once it is over.
    fn give_back_room(&mut self) {
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        if self.groups.len() < self.groups.capacity() / 8 {
            self.groups.shrink_to(self.groups.len() * 2);
        }
        if self.singles.len() < self.singles.capacity() / 8 {
            self.singles.shrink_to(self.singles.len() * 2);
        }
    }
}

/// What an entry in a list costs, the list's own share included.
const LIST_COST: usize = 64;

fn entry_at(entries: &mut VecDeque<Entry>, first: u64, number: u64) -> Option<&mut Entry> {
    let index = usize::try_from(number.checked_sub(first)?).ok()?;
    entries.get_mut(index)
}

fn take_first(list: &mut VecDeque<u64>, number: u64) {
    if list.front() == Some(&number) {
        list.pop_front();
        if list.len() < list.capacity() / 4 {
            list.shrink_to(list.len() * 2);
        }
    }
}

/// Whether an event was for a session that was where it was sent to.
fn is_for(entry: &Entry, session: &Session, rooms: &ByRoom<'_>) -> bool {
    match &entry.audience {
        Audience::Single(_) => entry.packet.is_some(),
        Audience::Group(group) => {
            group.without != Some(session.id)
                && !group
                    .except
                    .iter()
                    .any(|room| rooms.covers(room, entry.position))
        }
    }
}

/// A session's rooms, to look them up.
struct ByRoom<'a>(Vec<&'a Membership>);

impl<'a> ByRoom<'a> {
    fn new(rooms: &'a [Membership]) -> Self {
        let mut rooms: Vec<_> = rooms.iter().collect();
        rooms.sort_unstable();
        Self(rooms)
    }

    /// Whether the session was in a room when something was sent.
    fn covers(&self, room: &str, position: Position) -> bool {
        let start = self.0.partition_point(|it| &*it.room < room);
        let mut same = self.0.iter().skip(start).take_while(|it| &*it.room == room);
        same.any(|it| it.covers(position))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::random::Random;

    #[test]
    fn the_index_copies_no_names() {
        let mut random = Random::new([0; 32]);
        let mut log = Log::new(random.hash_keys(), random.hash_keys(), 0);
        let group = Group {
            namespace: ByteString::from("/namespace"),
            rooms: Vec::from([ByteString::from("room")]),
            except: Vec::new(),
            without: None,
        };
        let names = [group.namespace.as_ptr(), group.rooms[0].as_ptr()];
        let packet = Outgoing::text(Bytes::from_static(b"42[]"));
        log.push(1, Audience::Group(Box::new(group)), packet);
        let address = log.groups.keys().next().unwrap();
        let room = address.room.as_ref().unwrap();
        assert_eq!([address.namespace.as_ptr(), room.as_ptr()], names);
    }
}
