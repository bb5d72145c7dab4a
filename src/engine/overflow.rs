//! What happens when more waits for a client than may.

/// What to do with a packet that does not fit into what may wait for one client
/// ([`ConfigBuilder::max_queued`](super::ConfigBuilder::max_queued)).
///
/// A packet on an empty queue always fits, whatever its size. Packets that the protocol needs are
/// neither dropped nor refused: heartbeats, and in Socket.IO the answers to CONNECT and the
/// DISCONNECT.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Overflow {
    /// The session closes with [`CloseReason::QueueFull`](super::CloseReason::QueueFull).
    #[default]
    Close,
    /// The packets that have waited longest are dropped, whole, until the new one fits: events,
    /// and answers to the client's own events, too. If that cannot be, because what is left has to
    /// stay, or too much of it lies in front, the session closes as by [`Close`](Self::Close).
    DropOldest,
    /// The new packet is refused with [`SendError::QueueFull`](super::SendError::QueueFull), and
    /// the session stays. Packets that the protocol needs may pass the limit by 64 KiB; then the
    /// session closes as by [`Close`](Self::Close).
    Refuse,
}
