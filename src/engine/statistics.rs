//! What a server has done, and what it holds: plain numbers.

use super::{
    check::{Refusal, Unavailable},
    outbox::Weight,
    reason::CloseReason,
};

/// Counters and gauges of one server, as they are now.
///
/// Gauges go up and down and are zero once every session has ended, every request was ended and
/// every transport is gone. Counters only grow, from the server's beginning on. A *packet* here is
/// one of Engine.IO: a Socket.IO event with two attachments is three.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Gauge, sessions: those on long-polling. Up when one opens there, down when it closes or
    /// moves to a WebSocket.
    pub polling_sessions: usize,
    /// Gauge, sessions: those on a WebSocket. Up when one opens or moves there, down when it
    /// closes.
    pub websocket_sessions: usize,
    /// Gauge, requests: those known. Up with
    /// [`handle_request`](crate::edge::Machine::handle_request), down when the end is reported or
    /// the request has become a transport that opened, was lost or was closed, and with
    /// [`AbortRequest`](crate::edge::Output::AbortRequest).
    pub requests: usize,
    /// Gauge, transports: those known. Up with
    /// [`OpenTransport`](crate::edge::Output::OpenTransport), down with
    /// [`CloseTransport`](crate::edge::Output::CloseTransport) or when the transport is lost.
    pub transports: usize,
    /// Gauge, requests: handshakes that wait for the application. Up with `Handshake`, the event,
    /// down when it is admitted, refused or gone.
    pub handshakes: usize,
    /// Gauge, sessions: those that are not read because of their rates
    /// ([`OverRate::Delay`](super::OverRate::Delay)).
    pub delayed_sessions: usize,
    /// Gauge, bytes: what the bodies that are being read hold, as far as
    /// [`handle_body_progress`](crate::edge::Machine::handle_body_progress) has said. Down when a
    /// body is complete, given up or gone.
    pub body_bytes: usize,
    /// Gauge, bytes: what waits in the queues of all sessions, each packet counted with 64 bytes
    /// added as in [`queued`](super::Server::queued). Not what was handed over to be written.
    pub queued_bytes: usize,

    /// Counter, sessions: opened.
    pub opened: u64,
    /// Counters, sessions: closed, by the kind of reason.
    pub closed: Closed,

    /// Counter, packets: those of messages and bodies that reached a session, whether or not the
    /// session still took them. What breaks a rule is no packet.
    pub received_packets: u64,
    /// Counter, bytes: the payloads of those messages, and those bodies, as they came.
    pub received_bytes: u64,
    /// Counter, times: how often a session has stopped being read because of its rates.
    pub delays: u64,
    /// Counter, packets: handed over to be written, the handshake and the protocol's own included.
    pub sent_packets: u64,
    /// Counter, bytes: the payloads of messages, and bodies of handshakes and polls, that were
    /// handed over; before any compression.
    pub sent_bytes: u64,

    /// Counter, upgrades: those whose WebSocket was accepted.
    pub upgrades_begun: u64,
    /// Counter, upgrades: those that moved their session.
    pub upgrades_completed: u64,
    /// Counter, upgrades: those that ended without: the WebSocket was lost, broke the order of an
    /// upgrade or took too long, or the session closed. An upgrade that was begun is one of
    /// completed, failed and under way.
    pub upgrades_failed: u64,

    /// Counters, requests: refused, by the kind of refusal.
    pub refused: Refused,

    /// Counters: volatile packets that were dropped because something waited or the carrier was
    /// not writable.
    pub dropped_volatile: Dropped,
    /// Counters: packets that had waited and were dropped by
    /// [`Overflow::DropOldest`](super::Overflow::DropOldest).
    pub dropped_overflow: Dropped,
    /// Counters: packets that were refused because the queue was full, by
    /// [`Overflow::Refuse`](super::Overflow::Refuse), or by closing the session.
    pub dropped_full: Dropped,
    /// Counters: packets that still waited when their session closed.
    pub dropped_closed: Dropped,

    /// Counter, inputs: those that named a request or transport which the server has forgotten.
    /// They are harmless: both sides may end a name at the same time.
    pub stale_inputs: u64,
}

/// Sessions that closed, by the kind of [`CloseReason`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Closed {
    /// [`CloseReason::ForcedClose`].
    pub forced_close: u64,
    /// [`CloseReason::ParseError`].
    pub parse_error: u64,
    /// [`CloseReason::PingTimeout`].
    pub ping_timeout: u64,
    /// [`CloseReason::QueueFull`].
    pub queue_full: u64,
    /// [`CloseReason::RateExceeded`].
    pub rate_exceeded: u64,
    /// [`CloseReason::ServerShutdown`].
    pub server_shutdown: u64,
    /// [`CloseReason::TransportClose`].
    pub transport_close: u64,
    /// [`CloseReason::TransportError`].
    pub transport_error: u64,
    /// [`CloseReason::Unread`].
    pub unread: u64,
}

/// Requests that were refused, by the kind of [`Refusal`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// [`Refusal::BadHandshakeMethod`].
    pub bad_handshake_method: u64,
    /// [`Refusal::BadRequest`].
    pub bad_request: u64,
    /// [`Unavailable::Bodies`].
    pub bodies: u64,
    /// [`Unavailable::Connects`].
    pub connects: u64,
    /// [`Refusal::ForeignOrigin`].
    pub foreign_origin: u64,
    /// [`Refusal::Forbidden`].
    pub forbidden: u64,
    /// [`Unavailable::Handshakes`].
    pub handshakes: u64,
    /// [`Unavailable::Sessions`].
    pub sessions: u64,
    /// [`Unavailable::ShuttingDown`].
    pub shutting_down: u64,
    /// Data requests whose body passed
    /// [`max_payload`](super::ConfigBuilder::max_payload): 413.
    pub too_large: u64,
    /// [`Refusal::Undecided`].
    pub undecided: u64,
    /// [`Refusal::UnknownSession`].
    pub unknown_session: u64,
    /// [`Refusal::UnknownTransport`].
    pub unknown_transport: u64,
    /// [`Refusal::UnsupportedRevision`].
    pub unsupported_revision: u64,
}

/// Packets that were dropped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Dropped {
    /// How many.
    pub packets: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
}

impl Statistics {
    /// All sessions: the gauges by carrier together.
    pub const fn sessions(&self) -> usize {
        self.polling_sessions + self.websocket_sessions
    }

    pub(crate) fn received(&mut self, packets: usize, bytes: usize) {
        self.received_packets += packets as u64;
        self.received_bytes += bytes as u64;
    }

    pub(crate) fn sent(&mut self, packets: usize, bytes: usize) {
        self.sent_packets += packets as u64;
        self.sent_bytes += bytes as u64;
    }
}

impl Closed {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.forced_close
            + self.parse_error
            + self.ping_timeout
            + self.queue_full
            + self.rate_exceeded
            + self.server_shutdown
            + self.transport_close
            + self.transport_error
            + self.unread
    }

    pub(crate) fn count(&mut self, reason: CloseReason) {
        *match reason {
            CloseReason::ForcedClose => &mut self.forced_close,
            CloseReason::ParseError(_) => &mut self.parse_error,
            CloseReason::PingTimeout => &mut self.ping_timeout,
            CloseReason::QueueFull { .. } => &mut self.queue_full,
            CloseReason::RateExceeded => &mut self.rate_exceeded,
            CloseReason::ServerShutdown => &mut self.server_shutdown,
            CloseReason::TransportClose => &mut self.transport_close,
            CloseReason::TransportError(_) => &mut self.transport_error,
            CloseReason::Unread => &mut self.unread,
        } += 1;
    }
}

impl Refused {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.bad_handshake_method
            + self.bad_request
            + self.bodies
            + self.connects
            + self.foreign_origin
            + self.forbidden
            + self.handshakes
            + self.sessions
            + self.shutting_down
            + self.too_large
            + self.undecided
            + self.unknown_session
            + self.unknown_transport
            + self.unsupported_revision
    }

    pub(crate) fn count(&mut self, refusal: Refusal) {
        *match refusal {
            Refusal::BadHandshakeMethod => &mut self.bad_handshake_method,
            Refusal::BadRequest(_) => &mut self.bad_request,
            Refusal::ForeignOrigin => &mut self.foreign_origin,
            Refusal::Forbidden => &mut self.forbidden,
            Refusal::Unavailable(Unavailable::Bodies { .. }) => &mut self.bodies,
            Refusal::Unavailable(Unavailable::Connects { .. }) => &mut self.connects,
            Refusal::Unavailable(Unavailable::Handshakes { .. }) => &mut self.handshakes,
            Refusal::Unavailable(Unavailable::Sessions { .. }) => &mut self.sessions,
            Refusal::Unavailable(Unavailable::ShuttingDown) => &mut self.shutting_down,
            Refusal::Undecided => &mut self.undecided,
            Refusal::UnknownSession => &mut self.unknown_session,
            Refusal::UnknownTransport => &mut self.unknown_transport,
            Refusal::UnsupportedRevision => &mut self.unsupported_revision,
        } += 1;
    }
}

impl Dropped {
    pub(crate) fn count(&mut self, weight: Weight) {
        self.packets += weight.packets as u64;
        self.bytes += weight.bytes as u64;
    }
}
