//! The index beside a naive model, for a million operations; what it costs, and what it keeps.
//!
//! `ROOM_OPERATIONS` says how many operations, `ROOM_SEED` which.

use alloc::{format, string::String, vec, vec::Vec};
use std::env;

use allocation_counter::measure;

use super::*;
use crate::random::Random;

const MEMBERS: u32 = 60;
const SCOPES: u32 = 3;
const NAMES: u32 = 12;

fn rooms() -> Rooms {
    let mut random = Random::new([0; 32]);
    Rooms::new(random.hash_keys(), random.hash_keys())
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A small generator of its own: what it gives never changes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = self.0 >> 32;
        u32::try_from((high * u64::from(limit)) >> 32).unwrap()
    }
}

/// A room of the model: a name in a scope, or one of those without a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    Named { scope: u32, name: u32 },
    Unnamed(u32),
}

/// Two lists of lists, each in the order of joining; with each membership its stamp.
struct Model {
    members: Vec<Vec<Member>>,
    joined: Vec<Vec<(Which, Stamp)>>,
}

impl Model {
    fn new() -> Self {
        Self {
            members: vec![Vec::new(); ((SCOPES * NAMES) + SCOPES) as usize],
            joined: vec![Vec::new(); MEMBERS as usize],
        }
    }

    fn place(which: Which) -> usize {
        let place = match which {
            Which::Named { scope, name } => scope * NAMES + name,
            Which::Unnamed(scope) => SCOPES * NAMES + scope,
        };
        place as usize
    }

    fn join(&mut self, member: Member, which: Which, stamp: Stamp) -> bool {
        let members = &mut self.members[Self::place(which)];
        if members.contains(&member) {
            return false;
        }
        members.push(member);
        self.joined[member as usize].push((which, stamp));
        true
    }

    fn leave(&mut self, member: Member, which: Which) -> bool {
        let members = &mut self.members[Self::place(which)];
        let was_in = members.contains(&member);
        members.retain(|&other| other != member);
        self.joined[member as usize].retain(|&(other, _)| other != which);
        was_in
    }

    fn leave_all(&mut self, member: Member) -> Vec<Which> {
        let joined = core::mem::take(&mut self.joined[member as usize]);
        for &(which, _) in &joined {
            self.members[Self::place(which)].retain(|&other| other != member);
        }
        joined.into_iter().map(|(which, _)| which).collect()
    }
}

/// The index, the model, and the keys of the rooms without a name.
struct Pair {
    index: Rooms,
    unnamed: Vec<RoomKey>,
    model: Model,
    names: Vec<String>,
}

impl Pair {
    fn new() -> Self {
        let mut index = rooms();
        Self {
            unnamed: (0..SCOPES).map(|_| index.add_unnamed()).collect(),
            index,
            model: Model::new(),
            names: (0..NAMES).map(|name| format!("room {name}")).collect(),
        }
    }

    fn key(&self, which: Which) -> Option<RoomKey> {
        match which {
            Which::Named { scope, name } => self.index.find(scope, &self.names[name as usize]),
            Which::Unnamed(scope) => Some(self.unnamed[scope as usize]),
        }
    }

    fn name(&self, which: Which) -> Option<&str> {
        match which {
            Which::Named { name, .. } => Some(&self.names[name as usize]),
            Which::Unnamed(_) => None,
        }
    }

    fn join(&mut self, member: Member, which: Which, stamp: Stamp) {
        let is_new = match which {
            Which::Named { scope, name } => {
                let name = &self.names[name as usize];
                self.index.join(member, scope, name, stamp)
            }
            Which::Unnamed(scope) => self
                .index
                .enter(member, self.unnamed[scope as usize], stamp),
        };
        assert_eq!(is_new, self.model.join(member, which, stamp), "{which:?}");
        self.check_room(which);
        self.check_member(member);
    }

    fn leave(&mut self, member: Member, which: Which) {
        let key = self.key(which);
        let was_in = key.is_some_and(|key| self.index.leave(member, key));
        assert_eq!(was_in, self.model.leave(member, which), "{which:?}");
        self.check_room(which);
        self.check_member(member);
    }

    fn leave_all(&mut self, member: Member) {
        let left = self.model.leave_all(member);
        let names = left.iter().filter_map(|&which| self.name(which));
        let names: Vec<ByteString> = names.map(ByteString::from).collect();
        assert_eq!(self.index.leave_all(member), names);
        for which in left {
            self.check_room(which);
        }
        self.check_member(member);
    }

    /// Members in their order, their number, the name; and no named room without members.
    fn check_room(&self, which: Which) {
        let expected = &self.model.members[Model::place(which)];
        let Some(key) = self.key(which) else {
            assert!(expected.is_empty(), "{which:?} is gone");
            return;
        };
        assert!(
            !expected.is_empty() || matches!(which, Which::Unnamed(_)),
            "{which:?} exists without members"
        );
        assert!(self.index.members(key).eq(expected.iter().copied()));
        assert_eq!(self.index.count(key), expected.len());
        assert_eq!(self.index.name(key).map(|name| &**name), self.name(which));
    }

    /// The rooms of a member, in the order in which it joined them, with the stamps.
    fn check_member(&self, member: Member) {
        let expected = self.model.joined[member as usize].iter();
        let expected = expected.map(|&(which, stamp)| (self.key(which).unwrap(), Some(stamp)));
        let rooms = self.index.rooms_of(member);
        let stamped = rooms.map(|room| (room, self.index.stamp(member, room)));
        assert!(stamped.eq(expected));
    }

    fn check_all(&self) {
        for scope in 0..SCOPES {
            for name in 0..NAMES {
                self.check_room(Which::Named { scope, name });
            }
            self.check_room(Which::Unnamed(scope));
        }
        (0..MEMBERS).for_each(|member| self.check_member(member));
        // Nothing is held beside what was asked for.
        let pairs: usize = self.model.joined.iter().map(Vec::len).sum();
        assert_eq!(self.index.places.len(), pairs);
        let named = self.model.members[..(SCOPES * NAMES) as usize].iter();
        let named = named.filter(|members| !members.is_empty()).count();
        assert_eq!(self.index.names.len(), named);
        let all = named + SCOPES as usize;
        assert_eq!(self.index.rooms.len() - self.index.vacant.len(), all);
    }
}

#[test]
fn a_million_operations_agree_with_a_naive_model() {
    let operations = number("ROOM_OPERATIONS", 1_000_000);
    let mut dice = Dice(number("ROOM_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut pair = Pair::new();
    let mut emptied = 0;
    for step in 0..operations {
        // Crowds come and go, so that lists are compacted when they are long, and rooms end.
        let is_ebb = (step / 5_000) % 3 == 2;
        let member = dice.below(MEMBERS);
        let which = match dice.below(10) {
            0 => Which::Unnamed(dice.below(SCOPES)),
            _ => Which::Named {
                scope: dice.below(SCOPES),
                name: dice.below(NAMES),
            },
        };
        match dice.below(100) {
            0..3 if is_ebb => pair.leave_all(member),
            0..3 if step % 5 == 0 => pair.leave_all(member),
            3..40 if !is_ebb => pair.leave(member, which),
            3..90 if is_ebb => pair.leave(member, which),
            _ => pair.join(member, which, step),
        }
        emptied += u64::from(pair.index.names.is_empty());
        if step % 10_000 == 9_999 {
            pair.check_all();
        }
    }
    pair.check_all();
    (0..MEMBERS).for_each(|member| pair.leave_all(member));
    pair.check_all();
    assert!(pair.index.names.is_empty() && pair.index.places.is_empty());
    assert!(
        pair.index
            .rooms
            .iter()
            .all(|it| it.members.entries.is_empty())
    );
    // Whether the crowd ever was gone entirely is a matter of chance; that it grew is not.
    assert!(emptied < operations || operations == 0);
}

/// Puts `others` members into each of a thousand rooms, and so many into others of their own.
fn crowd(others: u32, elsewhere: u32) -> (Rooms, Vec<String>) {
    let mut index = rooms();
    let everyone = index.add_unnamed();
    let names: Vec<String> = (0..1_000).map(|room| format!("room {room}")).collect();
    for member in 1..=others {
        index.enter(member, everyone, 0);
        for name in &names {
            index.join(member, 0, name, 0);
        }
    }
    for member in 0..elsewhere {
        index.join(1_000_000 + member, 1, &format!("elsewhere {member}"), 0);
    }
    for name in &names {
        index.join(0, 0, name, 0);
    }
    (index, names)
}

#[test]
fn a_room_without_a_name_is_removed_when_nobody_is_in_it() {
    let mut index = rooms();
    let room = index.add_unnamed();
    index.enter(3, room, 0);
    index.remove_unnamed(room);
    assert_eq!(index.count(room), 1, "somebody is in it");
    index.leave(3, room);
    index.remove_unnamed(room);
    assert_eq!(index.add_unnamed(), room, "its place is free");
    index.join(1, 0, "a", 0);
    let named = index.find(0, "a").unwrap();
    index.remove_unnamed(named);
    assert_eq!(index.find(0, "a"), Some(named), "it has a name");
}

#[test]
fn leaving_a_thousand_rooms_costs_those_rooms_whatever_else_there_is() {
    let cost = |others, elsewhere| {
        let (mut index, names) = crowd(others, elsewhere);
        let mut left = Vec::new();
        let before = work::done();
        let memory = measure(|| left = index.leave_all(0));
        let steps = work::done() - before;
        assert!(left.iter().map(|name| &**name).eq(&names));
        (steps, memory.count_total)
    };
    let alone = cost(0, 0);
    // Its own list is walked, emptied and compacted; each room's loses one entry.
    assert!(alone.0 <= 8 * 1_000, "{alone:?}");
    // Lists grow and shrink by doubling, and a room of one gives its list back; no name is copied.
    assert!(alone.1 <= 4 * 12, "{alone:?}");
    for (others, elsewhere) in [(1, 0), (20, 0), (200, 0), (20, 50_000)] {
        let crowded = cost(others, elsewhere);
        assert!(
            crowded.0 <= alone.0 && crowded.1 <= alone.1,
            "{crowded:?} among {others} and {elsewhere}, {alone:?} alone"
        );
    }
}

#[test]
fn leaving_costs_the_same_in_a_room_of_ten_and_of_ten_thousand() {
    let cost = |size: u32| {
        let mut index = rooms();
        for member in 0..size {
            index.join(member, 0, "a", 0);
        }
        let room = index.find(0, "a").unwrap();
        let before = work::done();
        (0..size).for_each(|member| _ = index.leave(member, room));
        (work::done() - before).div_ceil(u64::from(size))
    };
    let (small, large) = (cost(10), cost(10_000));
    assert!(small <= 6 && large <= 6, "{small} and {large} steps");
}

#[test]
fn memory_of_a_crowd_that_left_is_used_again_and_bounded() {
    let mut index = rooms();
    let names: Vec<String> = (0..1_000)
        .map(|room| format!("a room, number {room}"))
        .collect();
    let mut round = || {
        measure(|| {
            for member in 0..1_000 {
                for name in names.iter().skip(member as usize % 50).step_by(50) {
                    index.join(member, 0, name, 0);
                }
            }
            for member in 0..1_000 {
                assert_eq!(index.leave_all(member).len(), 20);
            }
        })
    };
    let first = round();
    let kept = first.bytes_current.unsigned_abs();
    let memberships = 1_000 * 20;
    assert!(kept <= 56 * memberships, "{first:?}");
    // What is kept is room for so many. A list of a member keeps a few places, more or fewer by how
    // it was last compacted; then nothing grows.
    let growth: Vec<i64> = (0..9).map(|_| round().bytes_current).collect();
    let sum: i64 = growth.iter().sum();
    assert!(sum.unsigned_abs() <= 32 * 1_000, "{growth:?}");
    assert_eq!(growth[5..], [0; 4], "{growth:?}");
}
