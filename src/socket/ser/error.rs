//! Why a value cannot be sent.

use alloc::boxed::Box;
use core::{error, fmt};

use serde::ser;
use thiserror::Error;

use crate::socket::de::bounded;

/// Why a value cannot be sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Bytes where a packet cannot have attachments.
    #[error("binary outside of an event or an answer")]
    BinaryInData,
    /// The value's own serialization failed.
    #[error("{0}")]
    Custom(
        /// What it says, of limited length.
        Box<str>,
    ),
    /// A map has a key that cannot be a member's name.
    #[error("a map's key is neither a string nor a number")]
    KeyNotString,
    /// Arguments are always a list; a single one is given as `(value,)`.
    #[error("arguments are a list: a single one is given as a tuple of one")]
    NotArguments,
    /// Endpoints use the event's name for themselves, and refuse it when it comes in (Socket.IO
    /// reference, section 1.4).
    #[error("a reserved event name")]
    ReservedName,
    /// Lists and objects nest too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// How deep they may, the list of arguments, or the object around data, counted.
        limit: usize,
    },
    /// The JSON takes too many bytes to be addressed.
    #[error("{len} bytes of JSON, at most {limit} can be addressed")]
    TooLong {
        /// How many it takes.
        len: usize,
        /// The most there may be.
        limit: usize,
    },
    /// More attachments than receivers allow.
    #[error("{seen} attachments, at most {limit} allowed")]
    TooManyAttachments {
        /// How many are allowed.
        limit: usize,
        /// How many there are.
        seen: usize,
    },
}

/// An [`EncodeError`] on its way out: each value hands on one pointer, which costs nothing while
/// all is well.
#[derive(Debug)]
pub(in crate::socket) struct Failure(Box<EncodeError>);

impl error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<EncodeError> for Failure {
    #[cold]
    fn from(error: EncodeError) -> Self {
        Self(Box::new(error))
    }
}

impl From<Failure> for EncodeError {
    fn from(failure: Failure) -> Self {
        *failure.0
    }
}

impl ser::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        EncodeError::Custom(bounded(&message)).into()
    }
}
