//! What can be wrong with a packet, and where.

use thiserror::Error;

use super::PacketKind;

/// The peer's bytes are not a Socket.IO packet.
///
/// Each names the rule that is broken ([`rule`](Self::rule)) and where ([`offset`](Self::offset)).
/// Offsets count the bytes of the packet's text, the Engine.IO type not among them.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// An acknowledgement id is above 2^53 - 1.
    #[error("the acknowledgement id at byte {offset} is above {limit}")]
    AckIdTooLarge {
        /// The largest id.
        limit: u64,
        /// Where it begins.
        offset: usize,
    },
    /// A binary message came that no packet has announced.
    #[error("binary message while no attachment is awaited")]
    BinaryWhileIdle,
    /// A packet without even a type.
    #[error("empty packet")]
    Empty,
    /// A placeholder names none of the attachments.
    #[error("the placeholder before byte {offset} names none of {attachments} attachments")]
    IllegalAttachment {
        /// How many attachments the packet announces.
        attachments: usize,
        /// Where the placeholder ends.
        offset: usize,
    },
    /// Behind the type of a binary packet stands no count, or no `-` behind the count.
    #[error("illegal count of attachments at byte {offset}")]
    IllegalAttachmentCount {
        /// The first byte that does not belong there.
        offset: usize,
    },
    /// The first element of an event is neither a string nor a number, or there is none.
    #[error("illegal event name at byte {offset}")]
    IllegalEventName {
        /// Where the name had to begin.
        offset: usize,
    },
    /// The name of a namespace holds a control character.
    #[error("control character in the namespace at byte {offset}")]
    IllegalNamespace {
        /// Where it stands.
        offset: usize,
    },
    /// The payload is not what a packet of this kind holds (Socket.IO reference, section 1.4).
    #[error("illegal payload of {kind} at byte {offset}")]
    IllegalPayload {
        /// What the packet is.
        kind: PacketKind,
        /// Where the payload begins.
        offset: usize,
    },
    /// The payload is not JSON.
    #[error("invalid JSON at byte {offset}")]
    InvalidJson {
        /// Where it stops being JSON.
        offset: usize,
    },
    /// An event without a payload, and so without a name.
    #[error("event without payload, which had to begin at byte {offset}")]
    MissingPayload {
        /// Where the packet ends.
        offset: usize,
    },
    /// The name of a namespace is too long.
    #[error("the namespace at byte {offset} has {len} bytes, at most {limit} allowed")]
    NamespaceTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit, [`Limits::max_namespace`](super::Limits::max_namespace).
        limit: usize,
        /// Where it begins.
        offset: usize,
    },
    /// An event has a name that endpoints use for themselves.
    #[error("reserved event name at byte {offset}")]
    ReservedEventName {
        /// Where the name begins.
        offset: usize,
    },
    /// A text message came while attachments were awaited.
    #[error("text message while attachments are awaited")]
    TextWhileAssembling,
    /// The JSON is nested too deep.
    #[error("JSON nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// The limit, [`Limits::max_depth`](super::Limits::max_depth) or
        /// [`Limits::MAX_DEPTH`](super::Limits::MAX_DEPTH).
        limit: usize,
        /// Where the first container beyond it begins.
        offset: usize,
    },
    /// The text is too long to be addressed.
    #[error("packet of {len} bytes, at most {limit} can be read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest text.
        limit: usize,
    },
    /// A packet announces too many attachments.
    #[error("{announced} attachments announced at byte {offset}, at most {limit} allowed")]
    TooManyAttachments {
        /// How many it announces, or the largest `usize` if that is less.
        announced: usize,
        /// The limit, [`Limits::max_attachments`](super::Limits::max_attachments).
        limit: usize,
        /// Where the count begins.
        offset: usize,
    },
    /// A packet has more placeholders than its attachments account for.
    #[error("more than {limit} placeholders at byte {offset}")]
    TooManyPlaceholders {
        /// The limit: twice the number of attachments, or 16 if that is more.
        limit: usize,
        /// Where the first one beyond it ends.
        offset: usize,
    },
    /// The text does not begin with a digit from `0` to `6`.
    #[error("unknown packet type {0:?}")]
    UnknownType(char),
}

impl DecodeError {
    /// The rule that is broken, by the name that it has in the project's test vectors, in which only
    /// [`TooLong`](Self::TooLong) has no row: for statistics and logs.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::AckIdTooLarge { .. } => "ack-id-too-large",
            Self::BinaryWhileIdle => "binary-while-idle",
            Self::Empty => "empty",
            Self::IllegalAttachment { .. } => "illegal-attachment",
            Self::IllegalAttachmentCount { .. } => "illegal-attachment-count",
            Self::IllegalEventName { .. } => "illegal-event-name",
            Self::IllegalNamespace { .. } => "illegal-namespace",
            Self::IllegalPayload { .. } => "illegal-payload",
            Self::InvalidJson { .. } => "invalid-json",
            Self::MissingPayload { .. } => "missing-payload",
            Self::NamespaceTooLong { .. } => "namespace-too-long",
            Self::ReservedEventName { .. } => "reserved-event-name",
            Self::TextWhileAssembling => "text-while-assembling",
            Self::TooDeep { .. } => "too-deep",
            Self::TooLong { .. } => "too-long",
            Self::TooManyAttachments { .. } => "too-many-attachments",
            Self::TooManyPlaceholders { .. } => "too-many-placeholders",
            Self::UnknownType(_) => "unknown-type",
        }
    }

    /// The byte at which the rule is broken, counted in the packet's text; `None` if it is not
    /// about a place but about the message as a whole.
    pub const fn offset(&self) -> Option<usize> {
        match *self {
            Self::BinaryWhileIdle | Self::TextWhileAssembling | Self::TooLong { .. } => None,
            Self::Empty | Self::UnknownType(_) => Some(0),
            Self::AckIdTooLarge { offset, .. }
            | Self::IllegalAttachment { offset, .. }
            | Self::IllegalAttachmentCount { offset }
            | Self::IllegalEventName { offset }
            | Self::IllegalNamespace { offset }
            | Self::IllegalPayload { offset, .. }
            | Self::InvalidJson { offset }
            | Self::MissingPayload { offset }
            | Self::NamespaceTooLong { offset, .. }
            | Self::ReservedEventName { offset }
            | Self::TooDeep { offset, .. }
            | Self::TooManyAttachments { offset, .. }
            | Self::TooManyPlaceholders { offset, .. } => Some(offset),
        }
    }
}
