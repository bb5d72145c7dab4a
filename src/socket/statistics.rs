//! What a Socket.IO server counts.

/// Counts and gauges of the Socket.IO layer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Sockets now.
    pub sockets: usize,
    /// CONNECTs that wait for the application now.
    pub pending: usize,
    /// Namespaces that were added; `/` is one.
    pub static_namespaces: usize,
    /// Namespaces now that were not added.
    pub dynamic_namespaces: usize,
    /// Rooms now; those named after their sockets do not count.
    pub rooms: usize,
    /// Answers, and sets of answers, that are waited for now.
    pub acks: usize,
    /// What happened so far.
    pub counters: Counters,
    /// What is kept for clients that lost their connection; all zero if recovery is off.
    pub recovery: RecoveryStatistics,
}

/// What is kept for clients that lost their connection, and what came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RecoveryStatistics {
    /// Clients that are away now, and may come back.
    pub sessions: usize,
    /// Events that are kept now.
    pub events: usize,
    /// Bytes that both take, with what keeping them costs.
    pub bytes: usize,
    /// How often a client was lost that may come back.
    pub lost: u64,
    /// How often one did.
    pub restored: u64,
    /// How often one came back to nothing.
    pub failed: u64,
    /// Events that went before their age, because of a limit.
    pub cut_events: u64,
    /// Sessions that went before their age, because of a limit.
    pub cut_sessions: u64,
}

/// What happened since a server was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// CONNECTs that were accepted.
    pub accepted: u64,
    /// CONNECTs that were refused: by the application, by a limit, or by time.
    pub refused: u64,
    /// CONNECTs that were taken back, or whose connection closed.
    pub withdrawn: u64,
    /// Sockets that are gone.
    pub disconnected: u64,
    /// Events that clients sent.
    pub events: u64,
    /// Answers that clients sent and that were waited for.
    pub acks: u64,
    /// Calls of [`emit`](super::Server::emit) that sent something, or would have to somebody.
    pub emits: u64,
    /// For how many sockets events were queued or sent at once.
    pub queued: u64,
    /// For how many sockets events were dropped.
    pub dropped: u64,
}
