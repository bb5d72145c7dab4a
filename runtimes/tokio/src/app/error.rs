//! What can go wrong for an application.

use std::fmt;

use socketio_proto::socket::{self, ArgsError, EncodeError, Stale};
use thiserror::Error as ThisError;

/// Any error. Handlers may return it, so that `?` works on every error in them.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// An event or answer was not sent.
#[derive(Clone, Debug, Eq, PartialEq, ThisError)]
#[non_exhaustive]
pub enum EmitError {
    /// Its name or its arguments cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The server did not take it.
    #[error(transparent)]
    Send(#[from] socket::EmitError),
    /// Too many handlers of servers' events run in the namespace.
    #[error("{limit} handlers of server-side events run already")]
    TooManyHandlers {
        /// The limit.
        limit: usize,
    },
}

impl EmitError {
    /// Whether the reason is that the socket is gone, which can happen at any time.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Send(socket::EmitError::Stale))
    }
}

impl From<Stale> for EmitError {
    fn from(_: Stale) -> Self {
        Self::Send(socket::EmitError::Stale)
    }
}

/// The socket is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ThisError)]
#[error("the socket is gone")]
pub struct Disconnected;

impl From<Stale> for Disconnected {
    fn from(_: Stale) -> Self {
        Self
    }
}

/// A client did not answer.
#[derive(Clone, Debug, Eq, PartialEq, ThisError)]
#[non_exhaustive]
pub enum AckError {
    /// The socket disconnected before it answered.
    #[error("the client disconnected before it answered")]
    Disconnected,
    /// The event was volatile, and could not leave at once.
    #[error("the volatile event was dropped")]
    Dropped,
    /// The event was not sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The answer did not come in time.
    #[error("the client did not answer in time")]
    TimedOut,
}

/// What went wrong in a handler; see [`Namespace::on_error`](super::Namespace::on_error).
#[derive(Debug)]
pub struct HandlerError {
    event: Box<str>,
    cause: Cause,
}

/// Why a handler failed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Cause {
    /// The client's arguments are not what the handler takes. The handler did not run.
    #[error(transparent)]
    Arguments(#[from] ArgsError),
    /// The handler returned this error.
    #[error(transparent)]
    Failed(Error),
    /// The handler panicked, with this message if it was text.
    #[error("panicked: {0}")]
    Panicked(Box<str>),
}

impl HandlerError {
    pub(super) fn new(event: &str, cause: Cause) -> Self {
        let event = event.into();
        Self { event, cause }
    }

    /// The event that was handled; `connect` or `disconnect` for the handlers of these.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Why the handler failed.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether the handler failed because the socket was gone by then, which can happen at any
    /// time and is seldom worth a line in a log.
    pub fn is_disconnected(&self) -> bool {
        let Cause::Failed(error) = &self.cause else {
            return false;
        };
        if let Some(error) = error.downcast_ref::<EmitError>() {
            return error.is_disconnected();
        }
        match error.downcast_ref::<AckError>() {
            Some(AckError::Disconnected) => true,
            Some(AckError::Emit(error)) => error.is_disconnected(),
            _ => error.is::<Disconnected>(),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handler of {:?}: {}", self.event, self.cause)
    }
}

impl std::error::Error for HandlerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Arguments(error) => Some(error),
            Cause::Failed(error) => Some(&**error),
            Cause::Panicked(_) => None,
        }
    }
}
