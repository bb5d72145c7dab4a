//! Why a value cannot be sent.

use alloc::boxed::Box;
use core::fmt;

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
    /// More attachments than receivers allow.
    #[error("{seen} attachments, at most {limit} allowed")]
    TooManyAttachments {
        /// How many are allowed.
        limit: usize,
        /// How many there are.
        seen: usize,
    },
}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(bounded(&message))
    }
}
