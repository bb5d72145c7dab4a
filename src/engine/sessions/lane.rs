//! What sending to one session needs, kept dense so that a broadcast touches little else.

use crate::{
    edge::{RequestId, SessionKey, TransportId},
    engine::{outbox::Outbox, reason::CloseReason},
    time::Instant,
};

/// One session's way out.
#[derive(Debug)]
pub(super) struct Lane {
    owner: SessionKey,
    pub(super) link: Link,
    pub(super) closing: Option<Closing>,
    pub(super) outbox: Outbox,
    /// Whether the last word on its pressure was that it is high.
    pub(super) is_high: bool,
}

/// What carries a session's packets, and whether it takes some now.
///
/// A pending poll and an idle WebSocket are the same thing: writable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Link {
    /// The session is gone.
    Closed,
    /// Long-polling; packets leave when a poll is pending.
    Polling { poll: Option<RequestId> },
    /// A WebSocket; packets leave when no batch is out.
    WebSocket { transport: TransportId, busy: bool },
}

/// An orderly close: what waits is still delivered, nothing new is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Closing {
    pub(super) reason: CloseReason,
    /// When it ends without having been completed.
    pub(super) by: Instant,
}

impl Lane {
    pub(super) fn new(owner: SessionKey, link: Link) -> Self {
        Self {
            owner,
            link,
            closing: None,
            outbox: Outbox::default(),
            is_high: false,
        }
    }

    pub(super) fn belongs_to(&self, session: SessionKey) -> bool {
        self.owner == session && self.link != Link::Closed
    }

    /// Whether the carrier takes packets now.
    pub(super) fn is_writable(&self) -> bool {
        match self.link {
            Link::Closed => false,
            Link::Polling { poll } => poll.is_some(),
            Link::WebSocket { busy, .. } => !busy,
        }
    }

    /// The pending poll, which is then pending no more.
    pub(super) fn take_poll(&mut self) -> Option<RequestId> {
        match &mut self.link {
            Link::Polling { poll } => poll.take(),
            Link::Closed | Link::WebSocket { .. } => None,
        }
    }

    /// Ends it; whatever waits is dropped.
    pub(super) fn shut(&mut self) -> Link {
        self.outbox.clear();
        self.closing = None;
        core::mem::replace(&mut self.link, Link::Closed)
    }
}
