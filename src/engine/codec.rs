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
    /// It is what [`parse`](Self::parse) makes of the message cut off from the text. A parser that
    /// takes the text as it is saves the cut, which has to make the buffer a shared one.
    fn parse_from(&self, text: ByteString, start: usize) -> Self::Payload {
        let message = text.slice_ref(text.get(start..).unwrap_or_default());
        self.parse(Message::Text(message))
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Codec<P> {
    pub(crate) max_packets: usize,
    pub(crate) parser: P,
}

impl<P: Parser> Codec<P> {
    /// Reads one message of a WebSocket (Engine.IO protocol v4, "Packet encoding", "WebSocket").
    pub fn read(self, message: Message) -> Inbound<P> {
        let mut inbound = Inbound::default();
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

        let mut inbound = Inbound::default();
        let mut packets = Packets::new(body, self.max_packets);
        while let Some(packet) = packets.next() {
            if inbound.rest.len() == FEW {
                inbound.rest.reserve_exact(packets.most_left() + 1);
            }
            inbound.push(&self.parser, packet);
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
}

impl<P: Parser> Inbound<P> {
    /// The rule that ended the reading, if one was broken.
    pub fn broken(&self) -> Option<&DecodeError> {
        self.broken.as_ref()
    }

    fn push(&mut self, parser: &P, packet: Result<Packet, DecodeError>) {
        match packet {
            Ok(packet) => {
                let packet = packet.map(|message| parser.parse(message));
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
        Self {
            first: None,
            rest: Vec::new(),
            broken: None,
        }
    }
}
