//! What a Socket.IO application is told, and by which names.

mod returning;

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use bytestring::ByteString;
use thiserror::Error;

pub use self::returning::{FindSession, Found, Missed, Recovery, StoreSession};
use super::{Args, Data, DecodeError};
use crate::{
    edge::{Carrier, RequestId, SessionKey, Stale},
    engine::{self, Refusal},
    key::keys,
    random::{ID_LEN, id_text},
};

keys! {
    /// Names one answer, or set of answers, that the server waits for.
    AckKey,
    /// Names one search for a session in a store outside.
    LookupKey,
    /// Names one namespace.
    NamespaceKey,
    /// Names one CONNECT that waits for the application.
    PendingKey,
    /// Names one socket: one client's connection to one namespace.
    SocketKey,
}

/// The public id of a socket: random, unrelated to the session id, and safe to show to others.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SocketId(pub(crate) [u8; ID_LEN]);

impl SocketId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        id_text(&self.0)
    }

    /// Reads an id from text; `None` if it cannot be one.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketId({self})")
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a Socket.IO application is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Waiting for answers is over. It is the last event of its ack.
    AckDone {
        /// What was waited for.
        ack: AckKey,
        /// How it ended.
        outcome: AckOutcome,
        /// How many answers did not come.
        missing: usize,
    },
    /// A client answered an event.
    Acked {
        /// What it answers.
        ack: AckKey,
        /// Who answered.
        from: SocketKey,
        /// The answer.
        args: Args,
    },
    /// A client asks to enter a namespace; answer with [`accept`](super::Server::accept) or
    /// [`refuse`](super::Server::refuse), now or later.
    Connecting(Box<Connecting>),
    /// A socket is gone. It is the last event of the socket.
    Disconnected {
        /// The socket.
        socket: SocketKey,
        /// Why.
        reason: DisconnectReason,
        /// The rooms it was in, its own among them, in the order of joining.
        rooms: Box<[ByteString]>,
    },
    /// A client wants to come back to a session, and sessions are kept outside: see
    /// [`RecoveryConfig::external`]. Answer with [`session_found`](super::Server::session_found),
    /// now or later; without an answer in time it is none.
    ///
    /// [`RecoveryConfig::external`]: super::RecoveryConfig::external
    FindSession(Box<FindSession>),
    /// A dynamic namespace is gone: its last socket left, and nobody may come back to it. What
    /// belonged to it was told before.
    NamespaceClosed {
        /// The namespace.
        namespace: NamespaceKey,
        /// Its name.
        name: ByteString,
    },
    /// A dynamic namespace exists: its first socket was accepted. It precedes all that belongs to
    /// it.
    NamespaceOpened {
        /// The namespace.
        namespace: NamespaceKey,
        /// Its name.
        name: ByteString,
    },
    /// A client sent an event.
    Packet {
        /// The socket.
        socket: SocketKey,
        /// The event's name and arguments.
        args: Args,
        /// Set if the client asks for an answer.
        reply: Option<ReplyToken>,
    },
    /// A client asks for a session, and the configuration wants the application to decide: to
    /// [`admit`](crate::edge::Machine::admit) it, then or later.
    Handshake {
        /// The request.
        request: RequestId,
    },
    /// More waits for a client than [`high_water`], or no more than [`low_water`] again. The two
    /// take turns, the first is high; the end of the session ends it.
    ///
    /// [`high_water`]: engine::ConfigBuilder::high_water
    /// [`low_water`]: engine::ConfigBuilder::low_water
    Pressure {
        /// The session.
        session: SessionKey,
        /// Bytes that waited then, each packet counted with 64 bytes added.
        queued: usize,
        /// Whether it is high now.
        is_high: bool,
    },
    /// Something that was kept for recovery went before its age, because of a limit. It is told once:
    /// [`Statistics`](super::Statistics) count on.
    RecoveryCut,
    /// A request was refused; the answer says so, too.
    Refused {
        /// The request.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// A room changed, and the configuration wants to hear of it: see [`room_events`].
    ///
    /// The order is that of the reference (Socket.IO reference, "Adapter events"): created before
    /// the first is in it, deleted after the last left it. The end of a socket takes it out of all
    /// its rooms before it is told.
    ///
    /// [`room_events`]: super::ConfigBuilder::room_events
    Room {
        /// The namespace.
        namespace: NamespaceKey,
        /// The room's name.
        room: ByteString,
        /// What happened.
        change: RoomChange,
    },
    /// A connection closed; its sockets were reported gone before.
    SessionClosed {
        /// The session.
        session: SessionKey,
        /// Why.
        reason: engine::CloseReason,
    },
    /// A connection opened. Move what you kept of the request to the session.
    SessionOpened {
        /// The session.
        session: SessionKey,
        /// The request that opened it.
        request: RequestId,
    },
    /// A client may come back to a session, and sessions are kept outside: keep it.
    StoreSession(Box<StoreSession>),
    /// A connection moved to another carrier.
    Upgraded {
        /// The session.
        session: SessionKey,
        /// What carries it now.
        carrier: Carrier,
    },
    /// A pending CONNECT needs no answer any more.
    Withdrawn {
        /// What was pending.
        pending: PendingKey,
        /// Why.
        reason: Withdrawal,
    },
}

/// A client asks to enter a namespace.
#[derive(Debug)]
pub struct Connecting {
    /// Answer to this.
    pub pending: PendingKey,
    /// The connection.
    pub session: SessionKey,
    /// The name of the namespace.
    pub namespace: ByteString,
    /// The namespace, if it exists. Otherwise acceptance makes it: see
    /// [`ask_namespaces`](super::ConfigBuilder::ask_namespaces).
    pub known: Option<NamespaceKey>,
    /// What the client sent along; an empty object if nothing.
    pub auth: Data,
    /// What acceptance will restore.
    pub recovery: Recovery,
}

/// What happened to a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RoomChange {
    /// It exists from now on: somebody is about to join.
    Created,
    /// Nobody is in it any more.
    Deleted,
    /// A socket joined.
    Joined(SocketKey),
    /// A socket left.
    Left(SocketKey),
}

/// How waiting for answers ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AckOutcome {
    /// Nobody is left who could answer.
    Complete,
    /// The only socket asked is gone.
    Disconnected,
    /// The time is over.
    TimedOut,
}

/// Why a socket is gone.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client left the namespace.
    #[error("the client left the namespace")]
    ClientLeft,
    /// The connection closed.
    #[error("{0}")]
    Connection(engine::CloseReason),
    /// The client sent what is no packet.
    #[error("{0}")]
    ParseError(DecodeError),
    /// The server disconnected it.
    #[error("the server disconnected the client")]
    ServerKicked,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ServerShutdown,
    /// The client came back over another connection before this one was known to be lost.
    #[error("the client came back over another connection")]
    TakenOver,
    /// The client sent a packet at the wrong time.
    #[error("{0}")]
    Violation(Violation),
}

impl DisconnectReason {
    /// Whether the client may come back to the socket, if recovery is on: whoever left, was thrown
    /// out or broke a rule may not.
    pub const fn is_recoverable(self) -> bool {
        match self {
            Self::Connection(reason) => !matches!(reason, engine::CloseReason::ParseError(_)),
            Self::ServerShutdown | Self::TakenOver => true,
            Self::ClientLeft | Self::ParseError(_) | Self::ServerKicked | Self::Violation(_) => {
                false
            }
        }
    }

    /// The reason as the reference implementation names it (Socket.IO reference, "Server reason
    /// strings").
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientLeft => "client namespace disconnect",
            Self::Connection(reason) => reason.as_str(),
            Self::ParseError(_) | Self::TakenOver => "forced close",
            Self::ServerKicked => "server namespace disconnect",
            Self::ServerShutdown => "server shutting down",
            Self::Violation(_) => "forced server close",
        }
    }
}

/// A valid packet at the wrong time; it closes the connection.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// Attachments that were announced did not come in time.
    #[error("announced attachments did not come in time")]
    AttachmentsMissing,
    /// A CONNECT for a namespace that is joined or pending.
    #[error("connected twice to one namespace")]
    ConnectedTwice,
    /// A packet that only servers send.
    #[error("clients send no connect error")]
    ConnectError,
    /// An event or answer for a namespace that is not joined.
    #[error("packet for a namespace that is not joined")]
    NotJoined,
    /// Too long without any namespace.
    #[error("no namespace joined in time")]
    NoNamespace,
}

/// Why a pending CONNECT needs no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Withdrawal {
    /// The client took it back, or its connection closed.
    Client(DisconnectReason),
    /// The application did not answer in time; the client was refused.
    TimedOut,
}

/// The right to answer one event once. Dropping it costs nothing: an answer that the application
/// owes occupies no state.
#[derive(Debug)]
pub struct ReplyToken {
    pub(crate) socket: SocketKey,
    pub(crate) id: u64,
}

impl ReplyToken {
    /// Who asked.
    pub fn socket(&self) -> SocketKey {
        self.socket
    }
}

/// Whom to send to.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// Members of a namespace.
    Group {
        /// The namespace.
        namespace: NamespaceKey,
        /// In any of these rooms; everybody if none is named.
        rooms: &'a [&'a str],
        /// But in none of these.
        except: &'a [&'a str],
        /// And not this one. It is named by its public id, which stays when its client comes back:
        /// what it has sent to the others itself is not sent to it afterwards either.
        without: Option<SocketId>,
    },
    /// One socket.
    Socket(SocketKey),
}

/// How to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Whether to drop the packet where it cannot leave at once.
    pub volatile: bool,
    /// Whether compressing it is allowed.
    pub compress: bool,
    /// Whether it stays on this server, once several share their namespaces.
    pub local: bool,
    /// Whether to ask for answers.
    pub ack: Wait,
}

impl Options {
    /// A plain packet: kept until it can leave, no answer asked for.
    pub const fn new() -> Self {
        Self {
            volatile: false,
            compress: true,
            local: false,
            ack: Wait::No,
        }
    }

    /// Drops the packet where it cannot leave at once.
    #[must_use]
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Says whether compressing is allowed.
    #[must_use]
    pub const fn compress(mut self, allowed: bool) -> Self {
        self.compress = allowed;
        self
    }

    /// Keeps the packet on this server. A server is always alone for now, so that it has no effect.
    #[must_use]
    pub const fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Asks for answers.
    #[must_use]
    pub const fn ack(mut self, wait: Wait) -> Self {
        self.ack = wait;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether to wait for answers, and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// No answer is asked for.
    No,
    /// Until it is answered or nobody is left who could.
    Forever,
    /// At most this long.
    AtMost(core::time::Duration),
}

/// What became of an emit. The default is that of an emit to nobody.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sent {
    /// To how many sockets it is on its way. Clients that are away and may come back to it are not
    /// counted.
    pub queued: usize,
    /// For how many of these it waits: for a poll, for a batch that is being written, or behind
    /// other packets.
    pub held: usize,
    /// For how many it was dropped: volatile, or their connection took no more.
    pub dropped: usize,
    /// How many packets that had waited, for whichever sockets of the same connections, were
    /// dropped for it, by [`Overflow::DropOldest`](engine::Overflow::DropOldest). An answer that
    /// one of them asks for will not come: waiting for it ends by its time, or when its socket is
    /// gone.
    pub displaced: usize,
    /// Names the answers, if some are waited for.
    pub ack: Option<AckKey>,
}

/// A client was not let in.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AcceptError {
    /// The CONNECT was withdrawn, or decided before.
    #[error("the client does not wait any more")]
    Stale,
    /// It would be the first in a dynamic namespace, and there are too many already. The client was
    /// refused.
    #[error("there are {limit} dynamic namespaces already")]
    TooManyNamespaces {
        /// The limit.
        limit: usize,
    },
}

impl From<Stale> for AcceptError {
    fn from(_: Stale) -> Self {
        Self::Stale
    }
}

/// An emit failed; nothing was sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EmitError {
    /// Too much waits for the client. Its connection was closed, unless the configuration says
    /// [`Overflow::Refuse`](engine::Overflow::Refuse).
    #[error("{queued} bytes would wait for the client, at most {limit} may")]
    QueueFull {
        /// Bytes that would wait.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// The socket or namespace is gone.
    #[error("the socket is gone")]
    Stale,
    /// The socket owes too many answers.
    #[error("the socket owes {limit} answers already")]
    TooManyAcks {
        /// The limit.
        limit: usize,
    },
}

/// Names of rooms, on their way out of an index.
pub(crate) fn boxed_names(names: Vec<ByteString>) -> Box<[ByteString]> {
    names.into_boxed_slice()
}
