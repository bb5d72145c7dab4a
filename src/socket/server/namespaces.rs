//! The namespaces of a server. Static ones exist for ever.

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
}

impl Namespace {
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
}

impl Namespaces {
    /// Begins with the namespace `/`.
    pub(super) fn new(keys: HashKeys, rooms: &mut Rooms) -> Self {
        let mut namespaces = Self {
            table: Table::new(),
            names: LookUp::with_hasher(keys),
        };
        namespaces.insert(ByteString::from_static("/"), rooms);
        namespaces
    }

    pub(super) fn add(
        &mut self,
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
        Ok(match self.find(&name) {
            Some(key) => key,
            None => self.insert(name, rooms),
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<NamespaceKey> {
        self.names.get(name).copied()
    }

    pub(super) fn get(&self, key: NamespaceKey) -> Option<&Namespace> {
        self.table.get(key)
    }

    pub(super) fn get_mut(&mut self, key: NamespaceKey) -> Option<&mut Namespace> {
        self.table.get_mut(key)
    }

    fn insert(&mut self, name: ByteString, rooms: &mut Rooms) -> NamespaceKey {
        let namespace = Namespace {
            name: name.clone(),
            everyone: rooms.add_unnamed(),
            next_ack: 0,
        };
        let key = self.table.insert(Mark(u64::MAX), namespace);
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

        assert_eq!(namespaces.add("", 512, &mut rooms), Ok(root));
        let admin = namespaces.add("admin", 512, &mut rooms).unwrap();
        assert_eq!(namespaces.add("/admin", 512, &mut rooms), Ok(admin));
        assert_eq!(
            namespaces.add("/a,b", 512, &mut rooms),
            Err(NamespaceError::Comma)
        );
        assert_eq!(
            namespaces.add("/a\n", 512, &mut rooms),
            Err(NamespaceError::Control)
        );
        assert_eq!(
            namespaces.add("/abc", 3, &mut rooms),
            Err(NamespaceError::TooLong { len: 4, limit: 3 })
        );
    }
}
