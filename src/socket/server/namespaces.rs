//! The namespaces of a server (Socket.IO reference, "Namespaces").
//!
//! Static ones exist for ever. A dynamic one exists from the first socket that is accepted in it to
//! the last one that leaves. While only CONNECTs wait for it, there is a record of it here, but
//! nobody sees it.

use bytestring::ByteString;

use crate::{
    key::{Mark, Table},
    random::{HashKeys, LookUp},
    rooms::{RoomKey, Rooms},
    socket::{config::NamespaceError, event::NamespaceKey},
};

/// One namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: ByteString,
    /// Everybody in it.
    pub(super) everyone: RoomKey,
    /// The next ack id. It is shared by all sockets, so that one packet asks them all.
    next_ack: u64,
    state: State,
    /// CONNECTs that wait for the application.
    waiting: usize,
}

/// Whether a namespace exists, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Somebody waits for it, nobody is in it.
    Closed,
    /// Somebody is in it.
    Dynamic,
    /// It was added.
    Static,
}

impl Namespace {
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// A fresh ack id (Socket.IO reference, "Acknowledgement of `socket.emit`").
    pub(super) fn take_ack_id(&mut self) -> u64 {
        let id = self.next_ack;
        // Ids must survive a round trip through a JavaScript number.
        self.next_ack = (id + 1) & ((1 << 53) - 1);
        id
    }
}

/// All namespaces, by key and by name.
#[derive(Debug)]
pub(super) struct Namespaces {
    table: Table<NamespaceKey, Namespace>,
    names: LookUp<ByteString, NamespaceKey>,
    // Invariant: how many of them are `State::Dynamic`.
    dynamic: usize,
    // Invariant: how many of them are `State::Static`.
    fixed: usize,
    /// Where the ack ids of a new namespace begin: a client must not answer those of one that had
    /// the same name.
    first_ack: u64,
}

impl Namespaces {
    /// Begins with the namespace `/`.
    pub(super) fn new(keys: HashKeys, rooms: &mut Rooms) -> Self {
        let mut namespaces = Self {
            table: Table::new(),
            names: LookUp::with_hasher(keys),
            dynamic: 0,
            fixed: 1,
            first_ack: 0,
        };
        let root = ByteString::from_static("/");
        namespaces.insert(Mark::default(), root, State::Static, rooms);
        namespaces
    }

    /// Adds a static namespace; a dynamic one becomes static.
    pub(super) fn add(
        &mut self,
        taken: Mark,
        name: &str,
        limit: usize,
        rooms: &mut Rooms,
    ) -> Result<NamespaceKey, NamespaceError> {
        if name.contains(',') {
            return Err(NamespaceError::Comma);
        }
        if name.chars().any(char::is_control) {
            return Err(NamespaceError::Control);
        }
        let name = with_slash(name);
        let len = name.len();
        if len > limit {
            return Err(NamespaceError::TooLong { len, limit });
        }
        let Some(key) = self.find(&name) else {
            self.fixed += 1;
            return Ok(self.insert(taken, name, State::Static, rooms));
        };
        if let Some(namespace) = self.table.get_mut(key) {
            match namespace.state {
                State::Static => return Ok(key),
                State::Dynamic => self.dynamic -= 1,
                State::Closed => {}
            }
            self.fixed += 1;
            namespace.state = State::Static;
        }
        Ok(key)
    }

    /// The record of a namespace, which need not exist.
    pub(super) fn find(&self, name: &str) -> Option<NamespaceKey> {
        self.names.get(name).copied()
    }

    pub(super) fn get(&self, key: NamespaceKey) -> Option<&Namespace> {
        self.table.get(key)
    }

    pub(super) fn get_mut(&mut self, key: NamespaceKey) -> Option<&mut Namespace> {
        self.table.get_mut(key)
    }

    /// A namespace that exists.
    pub(super) fn open(&self, key: NamespaceKey) -> Option<&Namespace> {
        self.get(key).filter(|namespace| namespace.is_open())
    }

    /// How many exist that were added.
    pub(super) fn fixed(&self) -> usize {
        self.fixed
    }

    /// How many exist that were not added.
    pub(super) fn dynamic(&self) -> usize {
        self.dynamic
    }

    /// A CONNECT waits for the namespace of this name, which gets a record if it has none.
    pub(super) fn wait_for(&mut self, taken: Mark, name: &str, rooms: &mut Rooms) -> NamespaceKey {
        let key = match self.find(name) {
            Some(key) => key,
            // A copy: it may live longer than what was received.
            None => self.insert(taken, ByteString::from(name), State::Closed, rooms),
        };
        if let Some(namespace) = self.table.get_mut(key) {
            namespace.waiting += 1;
        }
        key
    }

    /// A CONNECT waits no more. A record that nobody needs goes.
    pub(super) fn wait_no_more(&mut self, key: NamespaceKey, rooms: &mut Rooms) {
        if let Some(namespace) = self.table.get_mut(key) {
            namespace.waiting = namespace.waiting.saturating_sub(1);
            self.forget_if_unused(key, rooms);
        }
    }

    /// Makes a namespace exist, if it does not; then its name is given.
    pub(super) fn begin(&mut self, key: NamespaceKey) -> Option<ByteString> {
        let namespace = self.table.get_mut(key)?;
        if namespace.state != State::Closed {
            return None;
        }
        namespace.state = State::Dynamic;
        self.dynamic += 1;
        Some(namespace.name.clone())
    }

    /// Ends a dynamic namespace in which nobody is any more; then its name is given.
    pub(super) fn end_if_empty(
        &mut self,
        key: NamespaceKey,
        rooms: &mut Rooms,
    ) -> Option<ByteString> {
        let namespace = self.table.get_mut(key)?;
        if namespace.state != State::Dynamic || rooms.count(namespace.everyone) > 0 {
            return None;
        }
        namespace.state = State::Closed;
        self.dynamic -= 1;
        let name = namespace.name.clone();
        self.forget_if_unused(key, rooms);
        Some(name)
    }

    /// Lets the names that were freed rest until the caller has taken `queued` outputs.
    pub(super) fn rest(&mut self, queued: Mark) {
        self.table.rest(queued);
    }

    fn forget_if_unused(&mut self, key: NamespaceKey, rooms: &mut Rooms) {
        let namespace = self.table.get(key);
        if namespace.is_some_and(|it| it.state == State::Closed && it.waiting == 0)
            && let Some(namespace) = self.table.remove(key)
        {
            self.names.remove(&namespace.name);
            self.first_ack = self.first_ack.max(namespace.next_ack);
            rooms.remove_unnamed(namespace.everyone);
        }
    }

    fn insert(
        &mut self,
        taken: Mark,
        name: ByteString,
        state: State,
        rooms: &mut Rooms,
    ) -> NamespaceKey {
        let namespace = Namespace {
            name: name.clone(),
            everyone: rooms.add_unnamed(),
            next_ack: self.first_ack,
            state,
            waiting: 0,
        };
        let key = self.table.insert(taken, namespace);
        self.names.insert(name, key);
        key
    }
}

/// The scope of a namespace's room names.
pub(super) fn scope(key: NamespaceKey) -> u32 {
    u32::try_from(key.index()).expect("an index of a key fits")
}

/// A name as clients send it: with a leading slash.
fn with_slash(name: &str) -> ByteString {
    if name.starts_with('/') {
        ByteString::from(name)
    } else {
        ByteString::from(alloc::format!("/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn names_are_normalised_and_checked() {
        let mut random = Random::new([0; 32]);
        let mut rooms = Rooms::new(random.hash_keys(), random.hash_keys());
        let mut namespaces = Namespaces::new(random.hash_keys(), &mut rooms);
        let root = namespaces.find("/").unwrap();

        assert_eq!(
            namespaces.add(Mark::default(), "", 512, &mut rooms),
            Ok(root)
        );
        let admin = namespaces
            .add(Mark::default(), "admin", 512, &mut rooms)
            .unwrap();
        assert_eq!(
            namespaces.add(Mark::default(), "/admin", 512, &mut rooms),
            Ok(admin)
        );
        assert_eq!(
            namespaces.add(Mark::default(), "/a,b", 512, &mut rooms),
            Err(NamespaceError::Comma)
        );
        assert_eq!(
            namespaces.add(Mark::default(), "/a\n", 512, &mut rooms),
            Err(NamespaceError::Control)
        );
        assert_eq!(
            namespaces.add(Mark::default(), "/abc", 3, &mut rooms),
            Err(NamespaceError::TooLong { len: 4, limit: 3 })
        );
    }
}
