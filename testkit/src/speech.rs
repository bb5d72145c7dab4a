//! What peers and applications say: numbered messages, plain or inside Socket.IO packets.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{edge::Message, time::Instant};

use crate::{dice::Dice, ledger::LifeId, world::Scene};

/// One numbered message: whose, which, and padding.
pub fn write(life: LifeId, number: u32, padding: usize) -> String {
    format!("{}:{number}:{}", life.0, "x".repeat(padding))
}

/// Reads what [`write()`] wrote.
pub fn read(text: &str) -> Option<(LifeId, u32)> {
    let mut parts = text.split(':');
    let life = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    Some((LifeId(life), number))
}

/// What a peer makes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// A numbered message.
    Numbered(LifeId, u32),
    /// Something else that belongs to the protocol.
    Other,
    /// What no server should send.
    Strange,
}

/// The layer above Engine.IO, as a peer speaks it: a script with as much state as it needs. It goes
/// through all lives of its peer, and remembers of them what it wants to.
pub trait Script: std::fmt::Debug {
    /// The session of a life is open: what is said first.
    fn opened(&mut self, life: LifeId, scene: &mut Scene<'_>) -> Vec<Message>;

    /// Takes a message.
    fn hear(&mut self, message: &Message, scene: &mut Scene<'_>) -> Heard;

    /// What it wants to say at once, because of what it heard.
    fn replies(&mut self) -> Vec<Message> {
        Vec::new()
    }

    /// Whether its connection fails just now, in the middle of what it hears.
    fn gives_up(&mut self) -> bool {
        false
    }

    /// What it says of its own accord, before a numbered message.
    fn act(&mut self, _scene: &mut Scene<'_>) -> Vec<Message> {
        Vec::new()
    }

    /// Whether numbered messages may be said now.
    fn may_speak(&self) -> bool;

    /// One numbered message: what [`write()`] wrote, as the messages of one packet.
    fn say(&mut self, text: String, is_binary: bool) -> Vec<Message>;

    /// The life is over, and nothing was heard of the server since an instant.
    fn ended(&mut self, _silent_since: Instant) {}

    /// How long until the next life; `most` is what its habits say, and `rough` how long the network
    /// is bad.
    fn rest(&mut self, most: Duration, _rough: Duration, dice: &mut Dice) -> Duration {
        dice.span((Duration::ZERO, most))
    }
}

/// Engine.IO alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Script for Plain {
    fn opened(&mut self, _life: LifeId, _scene: &mut Scene<'_>) -> Vec<Message> {
        Vec::new()
    }

    fn hear(&mut self, message: &Message, _scene: &mut Scene<'_>) -> Heard {
        read_plain(message).map_or(Heard::Strange, |(life, number)| {
            Heard::Numbered(life, number)
        })
    }

    fn may_speak(&self) -> bool {
        true
    }

    fn say(&mut self, text: String, is_binary: bool) -> Vec<Message> {
        vec![plain(text, is_binary)]
    }
}

/// A plain message.
pub fn plain(text: String, is_binary: bool) -> Message {
    if is_binary {
        Message::Binary(Bytes::from(text))
    } else {
        Message::Text(ByteString::from(text))
    }
}

/// Reads a plain message.
pub fn read_plain(message: &Message) -> Option<(LifeId, u32)> {
    match message {
        Message::Binary(bytes) => read(std::str::from_utf8(bytes).ok()?),
        Message::Text(text) => read(text),
    }
}

/// Socket.IO: connects to `/`, then says events `m` with one argument, a text or an attachment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Events {
    is_connected: bool,
    awaits_attachment: bool,
}

impl Script for Events {
    fn opened(&mut self, _life: LifeId, _scene: &mut Scene<'_>) -> Vec<Message> {
        *self = Self::default();
        vec![Message::Text(ByteString::from_static("0"))]
    }

    fn hear(&mut self, message: &Message, _scene: &mut Scene<'_>) -> Heard {
        let numbered = |read: Option<_>| {
            read.map_or(Heard::Strange, |(life, number)| {
                Heard::Numbered(life, number)
            })
        };
        match message {
            Message::Binary(bytes) if self.awaits_attachment => {
                self.awaits_attachment = false;
                numbered(std::str::from_utf8(bytes).ok().and_then(read))
            }
            // A packet and its attachments are one unit.
            _ if self.awaits_attachment => Heard::Strange,
            Message::Binary(_) => Heard::Strange,
            Message::Text(text) if text.starts_with("0{") => {
                self.is_connected = true;
                Heard::Other
            }
            Message::Text(text) if text.starts_with("51-[\"m\",") => {
                self.awaits_attachment = true;
                Heard::Other
            }
            Message::Text(text) => match text.strip_prefix("2[\"m\",\"") {
                Some(rest) => numbered(read(rest)),
                // The server disconnects it, or refuses it.
                None if text.starts_with('1') || text.starts_with("4{") => Heard::Other,
                None => Heard::Strange,
            },
        }
    }

    fn may_speak(&self) -> bool {
        self.is_connected
    }

    fn say(&mut self, text: String, is_binary: bool) -> Vec<Message> {
        if is_binary {
            let head = ByteString::from_static(r#"51-["m",{"_placeholder":true,"num":0}]"#);
            return vec![Message::Text(head), Message::Binary(Bytes::from(text))];
        }
        vec![Message::Text(format!(r#"2["m","{text}"]"#).into())]
    }
}
