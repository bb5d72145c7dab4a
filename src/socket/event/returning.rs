//! What is told of clients that come back to a session that they lost.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;

use super::{LookupKey, SocketId};
use crate::{random::PrivateId, socket::Packet};

/// Whether a client comes back to a session that it lost (Socket.IO reference, "Connection state
/// recovery").
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// It wants to, but the session is gone, or what it missed is: it becomes a new socket.
    Failed,
    /// It does not say so, or recovery is off.
    None,
    /// It does: on acceptance it is sent what it missed and is the socket that it was. Before, it
    /// gets nothing; refused, nothing at all.
    Restored {
        /// The public id, which stays.
        id: SocketId,
        /// What the application kept with the socket.
        data: Bytes,
        /// The rooms that it will be in again, its own among them.
        rooms: Box<[ByteString]>,
        /// How many events it has missed so far.
        missed: usize,
    },
}

/// A client wants to come back to a session that is kept outside.
#[derive(Clone, Debug)]
pub struct FindSession {
    /// Answer to this.
    pub lookup: LookupKey,
    /// The name of the namespace.
    pub namespace: ByteString,
    /// Which session: the key that it was stored under.
    pub pid: PrivateId,
    /// What the client received last, if anything.
    pub offset: Option<ByteString>,
}

/// A session to be kept outside until its client comes back, or its time is over.
#[derive(Clone)]
pub struct StoreSession {
    /// The key to find it by.
    pub pid: PrivateId,
    /// The session. Only servers of this protocol can read it.
    pub session: Bytes,
    /// How long to keep it.
    pub keep: Duration,
}

impl fmt::Debug for StoreSession {
    /// Leaves out the session, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSession")
            .field("len", &self.session.len())
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// A session that was kept outside. Whoever gives it must not give it again: it can be restored
/// once. One that is not used in the end comes back by [`Event::StoreSession`](super::Event::StoreSession).
#[derive(Clone)]
pub struct Found {
    /// As it was stored.
    pub session: Bytes,
    /// What the client has missed.
    pub missed: Missed,
}

impl fmt::Debug for Found {
    /// Leaves out the session, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("len", &self.session.len())
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

/// The events that a client missed.
#[derive(Clone, Debug)]
pub enum Missed {
    /// Those that this server has kept itself.
    FromLog,
    /// These, each with its offset, in order.
    Packets(Vec<(Packet, ByteString)>),
}
