//! Why sessions close.

use thiserror::Error;

use super::packet::DecodeError;

/// Why a session closed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application closed it.
    #[error("closed by the server")]
    ForcedClose,
    /// More bytes waited for the client than the configuration allows.
    #[error("{queued} bytes waited for the client, at most {limit} may")]
    QueueFull {
        /// Bytes that waited, the packet that did not fit included.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// The client sent what is no packet.
    #[error("{0}")]
    ParseError(DecodeError),
    /// The client did not answer a ping in time.
    #[error("a ping was not answered in time")]
    PingTimeout,
    /// The client sent more packets or bytes than the configured rates allow.
    #[error("the client sent more than its rates allow")]
    RateExceeded,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ServerShutdown,
    /// The client closed it, or its network did.
    #[error("closed by the client")]
    TransportClose,
    /// The application did not go on reading in time what the client sends.
    #[error("the application stopped reading for too long")]
    Unread,
    /// The transport failed, or the client used it wrongly.
    #[error("{0}")]
    TransportError(TransportError),
}

/// What went wrong with a transport.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TransportError {
    /// The bodies that were being read held too many bytes together.
    #[error("too many bytes of bodies were being read")]
    BodiesFull,
    /// The body of a data request did not arrive in time.
    #[error("the body of a data request did not arrive in time")]
    BodyTimeout,
    /// A data request ended before its body did.
    #[error("data request connection closed prematurely")]
    DataAborted,
    /// A data request came while another was pending.
    #[error("data request overlap from client")]
    DataOverlap,
    /// The connection failed or broke the carrier's protocol.
    #[error("the connection failed")]
    Failed,
    /// A client sent a ping; only servers do since revision 4.
    #[error("invalid heartbeat direction")]
    HeartbeatDirection,
    /// A data request had the media type of revision 3 binary payloads.
    #[error("invalid content")]
    InvalidContent,
    /// A poll's connection ended before it was answered, or before the answer was written.
    #[error("poll connection closed prematurely")]
    PollAborted,
    /// A poll came while another was pending.
    #[error("overlap from client")]
    PollOverlap,
    /// The client did not take the answer to a poll in time.
    #[error("the answer to a poll was not taken in time")]
    ResponseTimeout,
    /// A message passed the size limit.
    #[error("message too big")]
    TooBig,
}

impl CloseReason {
    /// The reason as the reference implementation names it (Engine.IO reference, "Close reasons
    /// and descriptions (server)").
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ForcedClose
            | Self::QueueFull { .. }
            | Self::RateExceeded
            | Self::ServerShutdown
            | Self::Unread => "forced close",
            Self::ParseError(_) => "parse error",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose => "transport close",
            Self::TransportError(_) => "transport error",
        }
    }
}
