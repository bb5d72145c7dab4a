//! Decoding outside the machine: what a caller does with bytes before it takes a lock.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    packet::{self, DecodeError, Packet},
    payload::Packets,
};
use crate::edge::Message;

/// The layer above Engine.IO, as far as reading messages is concerned.
///
/// It is a small copyable value, so that messages are decoded and validated without the machine
/// and its lock. [`Raw`] leaves messages as they are.
pub trait Parser: Copy + fmt::Debug {
    /// What a message is read into. A message that breaks a rule is a value too: the machine
    /// decides what follows from it.
    type Payload: fmt::Debug;

    /// Reads one message. It is total: it neither fails nor panics.
    fn parse(&self, message: Message) -> Self::Payload;

    /// Reads the text message that begins at a byte of a text and ends with it.
    ///
    /// It is what [`parse`](Self::parse) makes of the message cut off from the text; of nothing, if no
    /// character begins there. A parser that takes the text as it is saves the cut, which has to make
    /// the buffer a shared one.
    fn parse_from(&self, text: ByteString, start: usize) -> Self::Payload {
        let message = text.slice_ref(text.get(start..).unwrap_or_default());
        self.parse(Message::Text(message))
    }

    /// Whether nothing behind this payload is read any more, because a rule was broken: the rest of
    /// its body is left out then.
    fn is_last(&self, payload: &Self::Payload) -> bool {
        let _ = payload;
        false
    }
}

/// Leaves messages as they are: Engine.IO alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Raw;

impl Parser for Raw {
    type Payload = Message;

    fn parse(&self, message: Message) -> Message {
        message
    }
}

/// Reads one peer's bytes without the machine: its limits, and the parser of the layer above.
///
/// A machine hands it out and takes what it read. Without a machine use
/// [`packet::Packet::decode`](Packet::decode) or [`payload::decode`](super::payload::decode), and the
/// [`Parser`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Codec<P> {
    pub(crate) max_packets: usize,
    pub(crate) parser: P,
}

impl<P: Parser> Codec<P> {
    /// Reads one message of a WebSocket (Engine.IO protocol v4, "Packet encoding", "WebSocket").
    pub fn read(self, message: Message) -> Inbound<P> {
        let mut inbound = Inbound::of(message.len());
        match message {
            // Nearly all texts are messages: they are not cut off from their type.
            Message::Text(text) if text.starts_with(packet::MESSAGE) => {
                let payload = self.parser.parse_from(text, packet::MESSAGE.len());
                inbound.first = Some(Packet::Message(payload));
            }
            message => inbound.push(&self.parser, Packet::decode(message)),
        }
        inbound
    }

    /// Reads the body of a data request (Engine.IO protocol v4, "Packet encoding", "HTTP
    /// long-polling").
    ///
    /// Reading stops at the first packet that breaks a rule; the packets before it count.
    pub fn read_body(self, body: Bytes) -> Inbound<P> {
        // So many packets have to be good before room is made for all that are left at once.
        const FEW: usize = 16;

        let mut inbound = Inbound::of(body.len());
        let mut packets = Packets::new(body, self.max_packets);
        while let Some(packet) = packets.next() {
            if inbound.rest.len() == FEW {
                inbound.rest.reserve_exact(packets.most_left() + 1);
            }
            inbound.push(&self.parser, packet);
            if inbound.ended {
                break;
            }
        }
        inbound
    }
}

/// What one message or body held: whole packets in order, and the rule that ended the reading.
#[derive(Debug)]
pub struct Inbound<P: Parser> {
    // A WebSocket message is one packet: it needs no list.
    pub(crate) first: Option<Packet<P::Payload>>,
    pub(crate) rest: Vec<Packet<P::Payload>>,
    pub(crate) broken: Option<DecodeError>,
    /// The length of the message or body.
    pub(crate) bytes: usize,
    /// Whether the layer above reads nothing behind this.
    ended: bool,
}

impl<P: Parser> Inbound<P> {
    /// The rule that ended the reading, if one was broken.
    pub fn broken(&self) -> Option<&DecodeError> {
        self.broken.as_ref()
    }

    /// Nothing of so many bytes.
    pub(crate) const fn of(bytes: usize) -> Self {
        Self {
            first: None,
            rest: Vec::new(),
            broken: None,
            bytes,
            ended: false,
        }
    }

    /// How many packets it holds.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(crate) fn packets(&self) -> impl Iterator<Item = &Packet<P::Payload>> {
        self.first.iter().chain(&self.rest)
    }

    /// Keeps so many packets.
    pub(crate) fn truncate(&mut self, packets: usize) {
        if packets == 0 {
            self.first = None;
        }
        self.rest.truncate(packets.saturating_sub(1));
    }

    fn push(&mut self, parser: &P, packet: Result<Packet, DecodeError>) {
        match packet {
            Ok(packet) => {
                let packet = packet.map(|message| parser.parse(message));
                if let Packet::Message(payload) = &packet {
                    self.ended = parser.is_last(payload);
                }
                if self.first.is_none() {
                    self.first = Some(packet);
                } else {
                    self.rest.push(packet);
                }
            }
            Err(error) => self.broken = Some(error),
        }
    }
}

impl<P: Parser> Default for Inbound<P> {
    fn default() -> Self {
        Self::of(0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::socket::Json;

    #[test]
    fn nothing_is_read_behind_a_message_that_ends_the_connection() {
        let codec = Codec {
            max_packets: 65_536,
            parser: Json::default(),
        };
        let body = String::from("40\u{1e}4\u{1e}") + &"42[\"a\"]\u{1e}".repeat(100) + "2";
        let inbound = codec.read_body(body.into());
        assert!(inbound.broken().is_none());
        assert_eq!(inbound.rest.len(), 1);
        assert!(matches!(inbound.rest[0], Packet::Message(Err(_))));
    }

    #[test]
    fn the_list_of_a_body_is_made_once_as_long_as_it_will_be() {
        let codec = Codec {
            max_packets: 1_000,
            parser: Raw,
        };
        for count in [1, 16, 17, 18, 100, 1_000] {
            let body = "2\u{1e}".repeat(count - 1) + "2";
            let inbound = codec.read_body(body.into());
            assert_eq!(inbound.rest.len(), count - 1);
            let room = inbound.rest.capacity();
            assert!(room <= count.max(16), "{room} for {count}");
        }
        let inbound = codec.read_body("2\u{1e}".repeat(5_000).into());
        assert!(inbound.broken().is_some());
        assert!(inbound.rest.capacity() <= 1_000);
    }
}
