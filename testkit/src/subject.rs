//! What the host needs to know of a machine's events.

use std::fmt;

use socketio_proto::{
    edge::{Carrier, Machine, RequestId, SessionKey},
    engine::{self, CloseReason},
    socket,
};

/// A server machine whose promises can be checked.
pub trait Subject: Machine<Event: fmt::Debug> {
    /// What an event says about sessions and requests.
    fn observe(event: &Self::Event) -> Observed;

    /// Bytes that wait for a client.
    fn queued(&self, session: SessionKey) -> Option<usize>;

    /// What carries a session now.
    fn carrier(&self, session: SessionKey) -> Option<Carrier>;
}

/// What an event says about a session or request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Observed {
    /// A session closed.
    Closed {
        /// The session.
        session: SessionKey,
        /// Why.
        reason: CloseReason,
    },
    /// A handshake waits for the application.
    Handshake {
        /// The request.
        request: RequestId,
    },
    /// A session opened.
    Opened {
        /// The session.
        session: SessionKey,
        /// The request that opened it.
        request: RequestId,
    },
    /// Nothing about either.
    Other,
    /// A request was refused.
    Refused {
        /// The request.
        request: RequestId,
    },
    /// Something of an open session.
    Within {
        /// The session.
        session: SessionKey,
    },
}

impl Subject for engine::Server {
    fn observe(event: &engine::Event) -> Observed {
        match *event {
            engine::Event::Message { session, .. }
            | engine::Event::Pressure { session, .. }
            | engine::Event::Upgraded { session, .. } => Observed::Within { session },
            engine::Event::Handshake { request } => Observed::Handshake { request },
            engine::Event::Refused { request, .. } => Observed::Refused { request },
            engine::Event::SessionClosed { session, reason } => {
                Observed::Closed { session, reason }
            }
            engine::Event::SessionOpened { session, request } => {
                Observed::Opened { session, request }
            }
            _ => Observed::Other,
        }
    }

    fn queued(&self, session: SessionKey) -> Option<usize> {
        self.queued(session)
    }

    fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.carrier(session)
    }
}

impl Subject for socket::Server {
    fn observe(event: &socket::Event) -> Observed {
        match event {
            socket::Event::Connecting(connecting) => Observed::Within {
                session: connecting.session,
            },
            &socket::Event::Handshake { request } => Observed::Handshake { request },
            &socket::Event::Refused { request, .. } => Observed::Refused { request },
            &socket::Event::SessionClosed { session, reason } => {
                Observed::Closed { session, reason }
            }
            &socket::Event::SessionOpened { session, request } => {
                Observed::Opened { session, request }
            }
            &socket::Event::Pressure { session, .. } | &socket::Event::Upgraded { session, .. } => {
                Observed::Within { session }
            }
            _ => Observed::Other,
        }
    }

    fn queued(&self, session: SessionKey) -> Option<usize> {
        self.queued(session)
    }

    fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.carrier(session)
    }
}
