//! Sessions whose clients are away, by the secret that these come back with.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use bytestring::ByteString;

use super::{position::Position, session::Session};
use crate::random::{HashKeys, LookUp, PrivateId};

/// The sessions that were lost, and how many bytes they hold.
#[derive(Debug)]
pub(in crate::socket) struct Away {
    sessions: LookUp<PrivateId, Box<Session>>,
    // Invariant: when each of `sessions` was lost; no two at one position.
    order: BTreeMap<Position, PrivateId>,
    // Invariant: the sum of the costs of `sessions`.
    bytes: usize,
    // Invariant: how many of `sessions` are of each namespace, where there is one.
    crowds: LookUp<ByteString, usize>,
    /// Namespaces of which there is none any more, since they were asked for last.
    deserted: Vec<ByteString>,
}

impl Away {
    pub(super) fn new(sessions: HashKeys, crowds: HashKeys) -> Self {
        Self {
            sessions: LookUp::with_hasher(sessions),
            order: BTreeMap::new(),
            bytes: 0,
            crowds: LookUp::with_hasher(crowds),
            deserted: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// When the one was lost that was lost first.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.order.keys().next().copied()
    }

    /// Adds a session; one of the same name is replaced.
    pub(super) fn insert(&mut self, mut session: Box<Session>) {
        self.remove(&session.pid);
        // One that was taken and comes back may meet another at its place.
        while self.order.contains_key(&session.lost) {
            session.lost += 1;
        }
        self.bytes += session.cost();
        if let Some(crowd) = self.crowds.get_mut(&session.namespace) {
            *crowd += 1;
        } else {
            self.crowds.insert(session.namespace.clone(), 1);
        }
        self.order.insert(session.lost, session.pid);
        self.sessions.insert(session.pid, session);
    }

    pub(super) fn get(&self, pid: &PrivateId) -> Option<&Session> {
        self.sessions.get(pid).map(|session| &**session)
    }

    pub(super) fn remove(&mut self, pid: &PrivateId) -> Option<Box<Session>> {
        let session = self.sessions.remove(pid)?;
        self.bytes -= session.cost();
        self.order.remove(&session.lost);
        if let Some(crowd) = self.crowds.get_mut(&session.namespace) {
            *crowd -= 1;
            if *crowd == 0 {
                self.crowds.remove(&session.namespace);
                self.deserted.push(session.namespace.clone());
            }
        }
        if self.sessions.len() < self.sessions.capacity() / 8 {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
        Some(session)
    }

    /// Whether there are sessions of a namespace.
    pub(super) fn is_from(&self, namespace: &str) -> bool {
        self.crowds.contains_key(namespace)
    }

    /// A namespace of which there may be no session any more.
    pub(super) fn next_deserted(&mut self) -> Option<ByteString> {
        self.deserted.pop()
    }

    /// Removes the one that was lost first.
    pub(super) fn pop(&mut self) -> Option<Box<Session>> {
        let pid = *self.order.values().next()?;
        self.remove(&pid)
    }

    /// All of them, in the order in which they were lost.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.order.values().filter_map(|pid| self.get(pid))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{random::Random, socket::SocketId};

    fn session(name: u8, lost: Position) -> Box<Session> {
        Box::new(Session {
            pid: PrivateId([name; 20]),
            id: SocketId([name; 20]),
            namespace: ByteString::from_static("/"),
            data: Bytes::new(),
            accepted: 1,
            received: 1,
            lost,
            rooms: Vec::new(),
            floor: 0,
        })
    }

    #[test]
    fn sessions_that_were_lost_at_one_position_are_all_there_and_go_in_turn() {
        let mut random = Random::new([0; 32]);
        let mut away = Away::new(random.hash_keys(), random.hash_keys());
        for name in [b'a', b'b', b'c'] {
            away.insert(session(name, 7));
        }
        away.insert(session(b'a', 7));
        assert_eq!((away.len(), away.iter().count()), (3, 3));
        assert!(away.is_from("/"));
        let gone = [away.pop(), away.pop(), away.pop()];
        let names: Vec<u8> = gone
            .iter()
            .flatten()
            .map(|session| session.pid.0[0])
            .collect();
        assert_eq!(names, *b"abc");
        assert_eq!((away.len(), away.bytes(), away.oldest()), (0, 0, None));
        assert!(!away.is_from("/"));
        assert_eq!(away.next_deserted().as_deref(), Some("/"));
        assert_eq!(away.next_deserted(), None);
    }
}
