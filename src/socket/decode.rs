//! Socket.IO packets as they come in, revision 5 of the protocol, JSON payloads.
//!
//! ```text
//! packet    = type [ count "-" ] [ namespace [ "," ] ] [ id ] [ payload ]
//! type      = "0" / "1" / "2" / "3" / "4" / "5" / "6"
//! count     = "0" / ( "1".."9" *DIGIT )      ; behind the types 5 and 6 only
//! namespace = "/" *( any character but "," )
//! id        = 1*DIGIT                        ; at most 2^53 - 1
//! payload   = JSON text                      ; begins without white space
//! ```
//!
//! It is the strict reading of Socket.IO reference, section 1.3: the reference decoder also takes
//! white space and other JavaScript numbers where digits belong, which no client sends. One thing
//! is read that it refuses: a binary packet of no attachments, which some clients send, is an
//! ordinary one (section 8.3, row 9).

mod error;
mod header;
mod received;

use core::fmt;

use bytes::Bytes;
use bytestring::ByteString;

pub(crate) use self::header::MAX_ACK_ID;
pub use self::{error::DecodeError, received::Received};
use crate::{edge::Message, engine::Parser};

/// What one packet of a peer may grow to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most attachments of one packet, 10 by default as in the reference.
    pub max_attachments: usize,
    /// The deepest nesting of JSON containers, 128 by default; the reference has no limit.
    ///
    /// More than [`MAX_DEPTH`](Self::MAX_DEPTH) counts as that. What nests deeper than 128 can be
    /// forwarded, but not encoded anew, and peers with default settings refuse it.
    pub max_depth: usize,
    /// The longest name of a namespace in bytes, 512 by default; the reference has no limit.
    pub max_namespace: usize,
}

impl Limits {
    /// The deepest nesting that can be allowed: decoding into types takes stack for every level.
    pub const MAX_DEPTH: usize = 512;

    fn depth(&self) -> usize {
        self.max_depth.min(Self::MAX_DEPTH)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attachments: 10,
            max_depth: 128,
            max_namespace: 512,
        }
    }
}

/// What a packet is. Whether it has attachments is not part of that.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PacketKind {
    /// `0`: asks to join a namespace, or confirms it.
    Connect,
    /// `1`: leaves a namespace.
    Disconnect,
    /// `2` or `5`: a named event.
    Event,
    /// `3` or `6`: the answer to an event.
    Ack,
    /// `4`: a namespace cannot be joined.
    ConnectError,
}

impl fmt::Display for PacketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT",
            Self::Disconnect => "DISCONNECT",
            Self::Event => "EVENT",
            Self::Ack => "ACK",
            Self::ConnectError => "CONNECT_ERROR",
        })
    }
}

/// What one message holds. `Debug` leaves out contents.
#[derive(Clone, Eq, PartialEq)]
pub enum Fragment {
    /// One of the attachments that an earlier packet announced.
    Attachment(Bytes),
    /// A packet, whole but for its attachments.
    Packet(Received),
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attachment(bytes) => write!(f, "Attachment({} B)", bytes.len()),
            Self::Packet(received) => f.debug_tuple("Packet").field(received).finish(),
        }
    }
}

/// Reads the messages of peers whose payloads are JSON.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Json {
    /// What one packet may grow to.
    pub limits: Limits,
}

/// It knows nothing of earlier messages: whether an attachment or a packet may come now is for an
/// [`Assembler`](super::Assembler) to say.
impl Parser for Json {
    type Payload = Result<Fragment, DecodeError>;

    fn parse(&self, message: Message) -> Self::Payload {
        match message {
            Message::Binary(bytes) => Ok(Fragment::Attachment(bytes)),
            Message::Text(text) => self.parse_from(text, 0),
        }
    }

    fn parse_from(&self, text: ByteString, start: usize) -> Self::Payload {
        Received::decode(text, start, &self.limits).map(Fragment::Packet)
    }

    /// A message that is no packet ends the connection.
    fn is_last(&self, payload: &Self::Payload) -> bool {
        payload.is_err()
    }
}

#[cfg(test)]
mod tests;
