//! What peers and applications say: numbered messages, plain or inside Socket.IO packets.

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::edge::Message;

use crate::ledger::LifeId;

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

/// The layer above Engine.IO, as a peer speaks it: a script with as much state as it needs.
pub trait Script: std::fmt::Debug {
    /// What is said as soon as the session is open.
    fn opened(&mut self) -> Vec<Message>;

    /// Takes a message.
    fn hear(&mut self, message: &Message) -> Heard;

    /// Whether numbered messages may be said now.
    fn may_speak(&self) -> bool;

    /// One numbered message: what [`write()`] wrote, as the messages of one packet.
    fn say(&mut self, text: String, is_binary: bool) -> Vec<Message>;
}

/// Engine.IO alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Script for Plain {
    fn opened(&mut self) -> Vec<Message> {
        Vec::new()
    }

    fn hear(&mut self, message: &Message) -> Heard {
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
    fn opened(&mut self) -> Vec<Message> {
        vec![Message::Text(ByteString::from_static("0"))]
    }

    fn hear(&mut self, message: &Message) -> Heard {
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
