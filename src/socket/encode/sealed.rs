//! A finished packet, and how its header gets before its arguments.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, iter};

use bytes::{Buf as _, Bytes};
use bytestring::ByteString;
use thiserror::Error;

use crate::{edge::Message, engine};

/// What stands in the place of the header until then: room for `451-`, a namespace of up to 17 bytes,
/// its comma and an id of up to ten digits.
pub(super) const ROOM: &str = "                                ";
pub(super) const HEADROOM: usize = ROOM.len();

/// Spare room of a finished text that is not worth a copy.
pub(super) const SPARE: usize = 128;

/// A finished packet: a text and its attachments, to be sent in this order and with nothing else
/// between them.
#[derive(Clone, Eq, PartialEq)]
pub struct Sealed {
    pub(crate) text: Bytes,
    pub(crate) attachments: Option<Arc<[Bytes]>>,
}

impl Sealed {
    /// The text as a message of a WebSocket: UTF-8, with the Engine.IO type `4` before it.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The binary messages of a WebSocket that follow it.
    pub fn attachments(&self) -> &[Bytes] {
        self.attachments.as_deref().unwrap_or_default()
    }

    /// The same as packets of Engine.IO, for other carriers: a polling body is made of them by
    /// [`payload::encode`](crate::engine::payload::encode).
    #[expect(clippy::missing_panics_doc, reason = "the text is UTF-8")]
    pub fn into_packets(self) -> impl Iterator<Item = engine::packet::Packet> {
        let mut text = self.text;
        text.advance(engine::packet::MESSAGE.len());
        let text = ByteString::try_from(text).expect("only whole texts are put into it");
        let attachments = self.attachments;
        let count = attachments
            .as_ref()
            .map_or(0, |attachments| attachments.len());
        let attachment = move |i: usize| attachments.as_ref()?.get(i).cloned().map(Message::Binary);
        iter::once(Message::Text(text))
            .chain((0..count).filter_map(attachment))
            .map(engine::packet::Packet::Message)
    }
}

impl fmt::Debug for Sealed {
    /// Leaves out the text and what the attachments hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("len", &self.text.len())
            .field("attachments", &self.attachments().len())
            .finish_non_exhaustive()
    }
}

/// A packet cannot have this header.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SealError {
    /// The acknowledgement id is too large for JavaScript.
    #[error("an acknowledgement id is at most {limit}")]
    IdTooLarge {
        /// The largest id, 2^53 - 1.
        limit: u64,
    },
    /// The data is none for a packet of this kind (Socket.IO reference, section 1.4).
    #[error("the data of a CONNECT is an object, that of its refusal an object or a string")]
    IllegalData,
    /// The name of a namespace begins with a slash and holds neither a comma nor control characters.
    #[error("this cannot be the name of a namespace")]
    IllegalNamespace,
    /// An answer says by its id what it answers.
    #[error("an answer needs an acknowledgement id")]
    MissingId,
}

pub(super) fn check_namespace(name: &str) -> Result<(), SealError> {
    let is_legal = name.starts_with('/')
        && !name.contains(|character: char| character == ',' || character.is_control());
    is_legal.then_some(()).ok_or(SealError::IllegalNamespace)
}

/// Puts a header, the two types and what follows them, before the text that stands behind the
/// [`HEADROOM`].
///
/// The text is moved to the end of its buffer: then the buffer has no room behind it, and `Bytes`
/// takes it over without an allocation of its own, which it would need to remember that room. A text
/// that leaves much of its buffer unused, or has too long a header, is copied into one that fits.
#[inline]
pub(super) fn prepend(types: [u8; 2], address: &[&str], mut text: Vec<u8>) -> Bytes {
    let length = address
        .iter()
        .fold(types.len(), |sum, piece| sum + piece.len());
    let spare = text.capacity() - text.len();
    let end = HEADROOM + spare;
    if spare > SPARE || length > end {
        return copied(types, address, length, &text);
    }
    let (len, start) = (text.len(), end - length);
    text.resize(len + spare, b' ');
    text.copy_within(HEADROOM..len, end);
    let room = text.get_mut(start..end).unwrap_or_default();
    if let Some((place, mut rest)) = room.split_first_chunk_mut() {
        *place = types;
        // Most pieces have nothing to say.
        for piece in address.iter().filter(|piece| !piece.is_empty()) {
            let Some((place, after)) = rest.split_at_mut_checked(piece.len()) else {
                break;
            };
            place.copy_from_slice(piece.as_bytes());
            rest = after;
        }
    }
    let mut text = Bytes::from(text);
    text.advance(start);
    text
}

fn copied(types: [u8; 2], address: &[&str], length: usize, text: &[u8]) -> Bytes {
    let body = text.get(HEADROOM..).unwrap_or_default();
    let mut whole = Vec::with_capacity(length + body.len());
    whole.extend_from_slice(&types);
    for piece in address {
        if !piece.is_empty() {
            whole.extend_from_slice(piece.as_bytes());
        }
    }
    whole.extend_from_slice(body);
    whole.into()
}
