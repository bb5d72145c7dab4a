//! Packets on the way out.
//!
//! The text of a packet is the Engine.IO message type, the Socket.IO header and the JSON (Socket.IO
//! reference, section 1.2). The JSON is written first, by the application's thread and outside of
//! any lock; room is left before it, and the header is put there when the machine knows it.

mod control;
mod sealed;

use alloc::{boxed::Box, sync::Arc};
use core::fmt;

use bytes::Bytes;
use serde::Serialize;

pub(super) use self::control::{connect_answer, connect_error, disconnect};
pub use self::{
    control::Control,
    sealed::{SealError, Sealed},
};
use self::{
    control::spelled,
    sealed::{HEADROOM, ROOM, prepend},
};
use super::{
    args::{Args, Extra, Span},
    de::Reader,
    decode::MAX_ACK_ID,
    ser::{EncodeError, Encoded, Encoder, Failure, List, Text},
};

/// Room for what most events take, an offset for recovery included: a chat message of 200 B.
const BODY: usize = 288;

/// Names that endpoints use for themselves (Socket.IO reference, section 1.4).
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Whether endpoints use an event's name for themselves: no peer can emit it, and neither can we
/// (Socket.IO reference, section 1.4).
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// An event or an answer, encoded once and outside of any lock.
///
/// Arguments are a tuple, one element for each, or a list of equal values; a single value is
/// `(value,)` and none is `()`. Bytes at any depth become attachments: those of
/// [`Binary`](super::Binary) are shared, other types' are copied once. Received [`Args`] are
/// forwarded as they came.
///
/// It is sent by value, so that its buffer is finished in place; a clone copies the buffer.
///
/// As with every implementation of the protocol, an object that the application made itself with a
/// member `_placeholder` of `true` cannot be told from an attachment by the receiver, if the packet
/// has attachments.
#[derive(Clone)]
pub struct Packet {
    kind: Kind,
    /// Behind [`HEADROOM`] bytes the arguments as a JSON array, an event's name before them.
    text: Text,
    attachments: Option<Arc<[Bytes]>>,
}

/// What decides the type digit, together with the attachments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Event,
    Reply,
}

impl Packet {
    /// Encodes an event.
    ///
    /// ```
    /// # use socketio_proto::socket::{Binary, EncodeError, Packet};
    /// # fn example(image: Binary) -> Result<(), EncodeError> {
    /// Packet::event("ready", &())?;
    /// Packet::event("chat", &("hello",))?;
    /// Packet::event("picture", &("cat.png", image))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the name is reserved, and when the arguments are no list, nest deeper than 128 levels, have
    /// more than 10 attachments or cannot be JSON. These limits are those of receivers and not settings.
    pub fn event(name: &str, args: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        Self::encode(Kind::Event, begin_event(name)?, |list| args.serialize(list))
    }

    /// Gives received arguments to an event, without decoding them.
    ///
    /// They nest as deep as they came: beyond the depth that [`event`](Self::event) allows, if
    /// [`Limits::max_depth`](super::Limits::max_depth) was lifted.
    ///
    /// # Errors
    ///
    /// When the name is reserved, and when more attachments came than may be sent.
    pub fn forward(name: &str, args: &Args) -> Result<Self, EncodeError> {
        Self::encode(Kind::Event, begin_event(name)?, |list| list.forward(args))
    }

    /// Encodes the answer to an event.
    ///
    /// # Errors
    ///
    /// When the arguments are no list, nest deeper than 128 levels, have more than 10 attachments or
    /// cannot be JSON.
    pub fn reply(args: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        Self::encode(Kind::Reply, begin(), |list| args.serialize(list))
    }

    /// Answers an event with received arguments, without decoding them, as deep as they came.
    ///
    /// # Errors
    ///
    /// When more attachments came than may be sent.
    pub fn reply_forward(args: &Args) -> Result<Self, EncodeError> {
        Self::encode(Kind::Reply, begin(), |list| list.forward(args))
    }

    /// How many bytes the name, the arguments and the attachments take.
    pub fn size(&self) -> usize {
        let attachments = self.attachments.as_deref().unwrap_or_default();
        let attached: usize = attachments.iter().map(Bytes::len).sum();
        self.text.len().saturating_sub(HEADROOM) + attached
    }

    /// The name and the arguments as their receiver finds them; an answer has no name. Copies the
    /// text and shares the attachments.
    pub fn to_args(&self) -> Args {
        let text = self.text.clone().into_shared();
        let list = HEADROOM + "[".len()..text.len().saturating_sub("]".len());
        let mut reader = Reader::new(text.get(list.clone()).unwrap_or_default());
        let mut name = "";
        if self.kind == Kind::Event {
            // It was written as a string, with nothing around it.
            name = reader.skip().unwrap_or_default();
            reader.take(b',');
        }
        let arguments = Span::new(list.start + reader.at(), list.end);
        let unescaped = name.contains('\\').then(|| Reader::new(name).string());
        let name = match unescaped {
            Some(_) => Span::default(),
            None if name.is_empty() => Span::default(),
            None => Span::new(list.start + 1, list.start + name.len() - 1),
        };
        let mut extra = unescaped.map(|name| Extra::of_name(name.unwrap_or_default().into()));
        if let Some(attachments) = &self.attachments {
            let attachments = Some(Arc::clone(attachments));
            extra.get_or_insert_default().attachments = attachments;
        }
        Args::new(text, name, arguments, extra.map(Box::new))
    }

    /// Appends an argument, as servers with recovery do it with an event's offset (Socket.IO
    /// reference, section 5.2).
    pub(crate) fn push_argument(&mut self, argument: &str) {
        if !self.text.reopen() {
            self.text.push_str(",");
        }
        self.text.push_quoted(argument);
        self.text.push_str("]");
    }

    /// Puts the header before the arguments and finishes the packet: for those who use the codec
    /// without a machine, which does it itself.
    ///
    /// The id of an event asks for an answer, the id of an answer says to which event. How long a
    /// namespace's name may be is for the receiver to say: peers of this crate read 512 bytes by
    /// default.
    ///
    /// # Errors
    ///
    /// When the namespace or the id cannot stand in a header, and when an answer has no id.
    pub fn seal(self, namespace: &str, id: Option<u64>) -> Result<Sealed, SealError> {
        sealed::check_namespace(namespace)?;
        if self.kind == Kind::Reply && id.is_none() {
            return Err(SealError::MissingId);
        }
        if id.is_some_and(|id| id > MAX_ACK_ID) {
            return Err(SealError::IdTooLarge { limit: MAX_ACK_ID });
        }
        Ok(self.finish(namespace, id))
    }

    /// Whether the last of the name and the arguments is a text.
    pub(super) fn ends_with_text(&self) -> bool {
        let json = self.text.as_bytes().strip_suffix(b"]");
        let json = json.unwrap_or_default().trim_ascii_end();
        json.last() == Some(&b'"')
    }

    /// Puts the header before the arguments, in place if it fits there.
    ///
    /// The namespace is one of ours: it begins with a slash and has no comma. An answer needs an
    /// id, an event that awaits no answer has none.
    pub(crate) fn finish(self, namespace: &str, ack: Option<u64>) -> Sealed {
        let (namespace, comma) = spelled(namespace);
        let (mut count, mut id) = (itoa::Buffer::new(), itoa::Buffer::new());
        let id = ack.map_or("", |ack| id.format(ack));
        let text = self.text.into_bytes();
        let text = match (&self.attachments, self.kind) {
            (None, Kind::Event) => prepend(*b"42", &[namespace, comma, id], text),
            (None, Kind::Reply) => prepend(*b"43", &[namespace, comma, id], text),
            (Some(attachments), kind) => {
                let kind = match kind {
                    Kind::Event => b"45",
                    Kind::Reply => b"46",
                };
                let count = count.format(attachments.len());
                prepend(*kind, &[count, "-", namespace, comma, id], text)
            }
        };
        Sealed {
            text,
            attachments: self.attachments,
        }
    }

    fn encode(
        kind: Kind,
        mut encoder: Encoder,
        write: impl FnOnce(List<'_>) -> Result<(), Failure>,
    ) -> Result<Self, EncodeError> {
        write(List {
            encoder: &mut encoder,
            named: kind == Kind::Event,
        })?;
        let Encoded { text, attachments } = encoder.finish()?;
        Ok(Self {
            kind,
            text,
            attachments,
        })
    }
}

impl fmt::Debug for Packet {
    /// Leaves out the name, the arguments and the attachments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("kind", &self.kind)
            .field("size", &self.size())
            .field(
                "attachments",
                &self.attachments.as_deref().map_or(0, <[_]>::len),
            )
            .finish_non_exhaustive()
    }
}

fn begin() -> Encoder {
    let mut text = Text::with_capacity(HEADROOM + BODY);
    text.push_str(ROOM);
    text.push_str("[");
    Encoder::of_arguments(text)
}

fn begin_event(name: &str) -> Result<Encoder, EncodeError> {
    if is_reserved(name) {
        return Err(EncodeError::ReservedName);
    }
    Ok(begin().with_name(name))
}

#[cfg(test)]
mod tests;
