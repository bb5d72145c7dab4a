//! Single Engine.IO packets, revision 4.
//!
//! | packet | text form | binary form |
//! | --- | --- | --- |
//! | any, with text or without data | a digit, then the text | - |
//! | a message of bytes | `b`, then base64 | the bytes alone |
//!
//! WebSocket carries both forms, long-polling the text form only (Engine.IO protocol v4, "Packet
//! encoding").

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use thiserror::Error;

use super::base64;
use crate::edge::{FrameKind, Message};

/// The type of a text message.
pub(crate) const MESSAGE: &str = "4";

/// One Engine.IO packet (Engine.IO protocol v4, "Packet encoding").
///
/// `M` is what a message holds: the carrier's [`Message`], or what the layer above made of it. `Debug`
/// shows the length of other data only.
#[derive(Clone, Eq, PartialEq)]
pub enum Packet<M = Message> {
    /// `0`: the handshake, JSON text.
    Open(ByteString),
    /// `1`: the transport is being closed.
    Close,
    /// `2`: heartbeat from the server, or a client's upgrade probe.
    Ping(ByteString),
    /// `3`: the answer to a ping.
    Pong(ByteString),
    /// `4`: application data; binary data is always a message.
    Message(M),
    /// `5`: commits an upgrade.
    Upgrade,
    /// `6`: ends a pending poll.
    Noop,
}

/// The peer's bytes are not an Engine.IO packet or payload.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A packet without even a type.
    #[error("empty packet")]
    Empty,
    /// Behind a `b` stands something else than base64.
    #[error("invalid base64 at byte {offset} of the packet")]
    InvalidBase64 {
        /// The first character outside the alphabet, padding included, or the end; counted from the `b`.
        offset: usize,
    },
    /// The body of a data request is not UTF-8.
    #[error("invalid UTF-8 at byte {offset} of the body")]
    NotUtf8 {
        /// Where the first invalid sequence begins.
        offset: usize,
    },
    /// A body holds too many packets.
    #[error("{count} packets in one body, at most {limit} allowed")]
    TooManyPackets {
        /// How many there are.
        count: usize,
        /// The most that are read.
        limit: usize,
    },
    /// A text starts neither with a digit from `0` to `6` nor with `b`.
    #[error("unknown packet type {0:?}")]
    UnknownType(char),
}

impl DecodeError {
    /// The rule that is broken, by the name that it has in the project's test vectors: for
    /// statistics and logs.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::InvalidBase64 { .. } => "invalid-base64",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::TooManyPackets { .. } => "too-many-packets",
            Self::UnknownType(_) => "unknown-type",
        }
    }

    /// The byte at which the rule is broken, counted in the packet, for
    /// [`NotUtf8`](Self::NotUtf8) in the body; `None` if it is not about a place.
    pub const fn offset(&self) -> Option<usize> {
        match *self {
            Self::Empty | Self::UnknownType(_) => Some(0),
            Self::InvalidBase64 { offset } | Self::NotUtf8 { offset } => Some(offset),
            Self::TooManyPackets { .. } => None,
        }
    }
}

impl Packet {
    /// Decodes one message of a WebSocket; its buffer is shared, not copied, except that base64 is
    /// decoded into a new one.
    ///
    /// Data behind the types that have none (`1`, `5`, `6`) is ignored, as by the reference. Unlike
    /// there, the message `4` is an empty text.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Empty`], [`DecodeError::InvalidBase64`] or [`DecodeError::UnknownType`]; a
    /// binary message is always a packet.
    pub fn decode(message: Message) -> Result<Self, DecodeError> {
        match message {
            Message::Binary(bytes) => Ok(Self::Message(Message::Binary(bytes))),
            Message::Text(text) => Self::decode_text(&text, &text),
        }
    }

    /// Decodes one packet in its text form: `packet`, which lies in `buffer` and shares it if it is
    /// most of it.
    pub(super) fn decode_text(buffer: &ByteString, packet: &str) -> Result<Self, DecodeError> {
        let kind = packet.as_bytes().first();
        let rest = packet.get(1..).unwrap_or_default();
        let data = || part_of(buffer, rest);
        Ok(match kind {
            Some(b'0') => Self::Open(data()),
            Some(b'1') => Self::Close,
            Some(b'2') => Self::Ping(data()),
            Some(b'3') => Self::Pong(data()),
            Some(b'4') => Self::Message(Message::Text(data())),
            Some(b'5') => Self::Upgrade,
            Some(b'6') => Self::Noop,
            Some(b'b') => Self::Message(Message::Binary(decode_base64(rest)?)),
            _ => {
                let first = packet.chars().next();
                return Err(first.map_or(DecodeError::Empty, DecodeError::UnknownType));
            }
        })
    }

    /// Encodes it as one message of a WebSocket.
    ///
    /// A text is written into one buffer of its exact size. Bytes are shared, and the constant
    /// packets of the protocol are not allocated at all.
    pub fn encode(self) -> (FrameKind, Bytes) {
        let text = match self {
            Self::Open(data) => tagged("0", &data),
            Self::Close => Bytes::from_static(b"1"),
            Self::Ping(data) if data == PROBE => Bytes::from_static(b"2probe"),
            Self::Ping(data) => tagged("2", &data),
            Self::Pong(data) if data == PROBE => Bytes::from_static(b"3probe"),
            Self::Pong(data) => tagged("3", &data),
            Self::Message(Message::Binary(bytes)) => return (FrameKind::Binary, bytes),
            Self::Message(Message::Text(text)) => tagged("4", &text),
            Self::Upgrade => Bytes::from_static(b"5"),
            Self::Noop => Bytes::from_static(b"6"),
        };
        (FrameKind::Text, text)
    }
}

impl<M> Packet<M> {
    /// Applies a function to the data of a message.
    pub fn map<N>(self, f: impl FnOnce(M) -> N) -> Packet<N> {
        match self {
            Self::Open(data) => Packet::Open(data),
            Self::Close => Packet::Close,
            Self::Ping(data) => Packet::Ping(data),
            Self::Pong(data) => Packet::Pong(data),
            Self::Message(data) => Packet::Message(f(data)),
            Self::Upgrade => Packet::Upgrade,
            Self::Noop => Packet::Noop,
        }
    }
}

impl<M: fmt::Debug> fmt::Debug for Packet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(data) => write!(f, "Open({} B)", data.len()),
            Self::Close => f.write_str("Close"),
            Self::Ping(data) => write!(f, "Ping({} B)", data.len()),
            Self::Pong(data) => write!(f, "Pong({} B)", data.len()),
            Self::Message(data) => f.debug_tuple("Message").field(data).finish(),
            Self::Upgrade => f.write_str("Upgrade"),
            Self::Noop => f.write_str("Noop"),
        }
    }
}

/// The data of the ping and pong that test a WebSocket before an upgrade.
const PROBE: &str = "probe";

fn tagged(digit: &'static str, data: &str) -> Bytes {
    if data.is_empty() {
        return Bytes::from_static(digit.as_bytes());
    }
    let mut text = Vec::with_capacity(digit.len() + data.len());
    text.extend_from_slice(digit.as_bytes());
    text.extend_from_slice(data.as_bytes());
    text.into()
}

/// A part of a buffer: shared if it is half of it or more, so that a small part that is kept does
/// not keep a large buffer alive. Small buffers are always shared. To copy a short text takes no
/// longer than to share it.
fn part_of(buffer: &ByteString, part: &str) -> ByteString {
    const SMALL: usize = 256;

    if buffer.len() <= SMALL || part.len() >= buffer.len() / 2 {
        buffer.slice_ref(part)
    } else {
        part.into()
    }
}

fn decode_base64(data: &str) -> Result<Bytes, DecodeError> {
    if data.is_empty() {
        return Ok(Bytes::new());
    }
    let decoded = base64::decode(data.as_bytes());
    decoded
        .map(Bytes::from)
        .map_err(|valid| DecodeError::InvalidBase64 {
            offset: "b".len() + valid,
        })
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    fn text(text: &'static str) -> Message {
        Message::Text(ByteString::from_static(text))
    }

    fn binary(bytes: &'static [u8]) -> Message {
        Message::Binary(Bytes::from_static(bytes))
    }

    fn decode(packet: &'static str) -> Result<Packet, DecodeError> {
        Packet::decode(text(packet))
    }

    /// Packets and their WebSocket form, to be read in both directions.
    fn table() -> Vec<(Packet, Message)> {
        vec![
            (Packet::Open("".into()), text("0")),
            (
                Packet::Open("{\"sid\":\"x\"}".into()),
                text("0{\"sid\":\"x\"}"),
            ),
            (Packet::Close, text("1")),
            (Packet::Ping("".into()), text("2")),
            (Packet::Ping("probe".into()), text("2probe")),
            (Packet::Ping("x".into()), text("2x")),
            (Packet::Pong("".into()), text("3")),
            (Packet::Pong("probe".into()), text("3probe")),
            (Packet::Pong("x".into()), text("3x")),
            (Packet::Message(text("")), text("4")),
            (Packet::Message(text("hello")), text("4hello")),
            (
                Packet::Message(text("b1:\u{1e}4é😀")),
                text("4b1:\u{1e}4é😀"),
            ),
            (Packet::Message(binary(b"")), binary(b"")),
            (
                Packet::Message(binary(b"\x01\x02\x03\x04")),
                binary(b"\x01\x02\x03\x04"),
            ),
            (Packet::Message(binary(b"4text")), binary(b"4text")),
            (Packet::Upgrade, text("5")),
            (Packet::Noop, text("6")),
        ]
    }

    #[test]
    fn packets_and_messages_translate_into_each_other() {
        for (packet, message) in table() {
            let encoded = match packet.clone().encode() {
                (FrameKind::Binary, bytes) => Message::Binary(bytes),
                (FrameKind::Text, bytes) => Message::Text(bytes.try_into().unwrap()),
            };
            assert_eq!(encoded, message);
            assert_eq!(Packet::decode(message), Ok(packet));
        }
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (packet, bytes) in [
            ("b", b"".as_slice()),
            ("bAQIDBA==", b"\x01\x02\x03\x04"),
            ("bAQIDBA", b"\x01\x02\x03\x04"),
            ("bAQ", b"\x01"),
            ("bAQI=", b"\x01\x02"),
            ("b+/+/", b"\xfb\xff\xbf"),
            // Bits left over are ignored, as by the reference.
            ("bAR==", b"\x01"),
        ] {
            let message = Message::Binary(Bytes::copy_from_slice(bytes));
            assert_eq!(decode(packet), Ok(Packet::Message(message)), "{packet}");
        }
    }

    #[test]
    fn anything_else_behind_a_b_names_the_place_where_it_breaks_off() {
        for (packet, offset) in [
            ("b!!!!", 1),
            ("bAQ!D", 3),
            // The alphabet for URLs is another one.
            ("bAQ-_", 3),
            ("bAQ ", 3),
            ("bA", 2),
            ("bAQID=AQ", 5),
            ("b====", 1),
            ("bé", 1),
        ] {
            assert_eq!(
                decode(packet),
                Err(DecodeError::InvalidBase64 { offset }),
                "{packet}"
            );
        }
    }

    #[test]
    fn a_text_without_a_known_type_is_refused() {
        assert_eq!(decode(""), Err(DecodeError::Empty));
        for (packet, kind) in [
            ("7", '7'),
            ("9x", '9'),
            ("a123", 'a'),
            ("B", 'B'),
            (" 4", ' '),
            ("{}", '{'),
            ("٣", '٣'),
            ("\0", '\0'),
        ] {
            assert_eq!(decode(packet), Err(DecodeError::UnknownType(kind)));
        }
        let error = DecodeError::UnknownType('\n');
        assert_eq!(error.to_string(), "unknown packet type '\\n'");
    }

    #[test]
    fn data_of_a_packet_that_has_none_is_ignored() {
        assert_eq!(decode("1x"), Ok(Packet::Close));
        assert_eq!(decode("5x"), Ok(Packet::Upgrade));
        assert_eq!(decode("6x"), Ok(Packet::Noop));
    }

    #[test]
    fn a_text_shares_the_buffer_of_its_message() {
        let message = ByteString::from("4hello");
        let start = message.as_bytes().as_ptr();
        let Ok(Packet::Message(Message::Text(text))) = Packet::decode(Message::Text(message))
        else {
            panic!("not a text message");
        };
        assert_eq!(text.as_bytes().as_ptr(), start.wrapping_add(1));
    }

    #[test]
    fn debug_shows_lengths_only() {
        for (packet, shown) in [
            ("0secret", "Open(6 B)"),
            ("2secret", "Ping(6 B)"),
            ("3secret", "Pong(6 B)"),
            ("4secret", "Message(Text(6 B))"),
            ("bc2VjcmV0", "Message(Binary(6 B))"),
            ("6secret", "Noop"),
        ] {
            assert_eq!(alloc::format!("{:?}", decode(packet).unwrap()), shown);
        }
    }

    #[test]
    fn every_prefix_of_a_packet_is_read_or_refused() {
        for packet in ["2probe", "4b1:\u{1e}é😀", "bAQIDBA==", "0{\"sid\":\"é\"}"] {
            for (end, _) in packet.char_indices() {
                let _ = decode(&packet[..end]);
            }
        }
    }
}
