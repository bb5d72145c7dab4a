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

use alloc::{borrow::Cow, sync::Arc};
use core::{fmt, ops::Range};

use bytes::Bytes;
use bytestring::ByteString;
use nom::{
    IResult, Parser as _,
    bytes::complete::{tag, take_till},
    character::complete::digit1,
    combinator::{opt, recognize},
    sequence::terminated,
};
use thiserror::Error;

use super::{
    args::{Args, Data, Name, Span},
    de::Reader,
    encode::is_reserved,
    json::{self, Fault},
};
use crate::{edge::Message, engine::Parser};

/// The largest acknowledgement id, 2^53 - 1: JavaScript rounds what is above.
pub(crate) const MAX_ACK_ID: u64 = (1 << 53) - 1;

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

/// The peer's bytes are not a Socket.IO packet.
///
/// Offsets count the bytes of the packet's text, the Engine.IO type not among them.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// An acknowledgement id is above 2^53 - 1.
    #[error("the acknowledgement id at byte {offset} is above {limit}")]
    AckIdTooLarge {
        /// Where it begins.
        offset: usize,
        /// The largest id.
        limit: u64,
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
    #[error("illegal count of attachments")]
    IllegalAttachmentCount,
    /// The first element of an event is neither a string nor a number, or there is none.
    #[error("illegal event name")]
    IllegalEventName,
    /// The name of a namespace holds a control character.
    #[error("control character in the namespace at byte {offset}")]
    IllegalNamespace {
        /// Where it stands.
        offset: usize,
    },
    /// The payload is not what a packet of this kind holds (Socket.IO reference, section 1.4).
    #[error("illegal payload of {0}")]
    IllegalPayload(PacketKind),
    /// The payload is not JSON.
    #[error("invalid JSON at byte {offset}")]
    InvalidJson {
        /// Where it stops being JSON.
        offset: usize,
    },
    /// An event without a payload, and so without a name.
    #[error("event without payload")]
    MissingPayload,
    /// The name of a namespace is too long.
    #[error("the namespace has {len} bytes, at most {limit} allowed")]
    NamespaceTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit, [`Limits::max_namespace`].
        limit: usize,
    },
    /// An event has a name that endpoints use for themselves.
    #[error("reserved event name")]
    ReservedEventName,
    /// A text message came while attachments were awaited.
    #[error("text message while attachments are awaited")]
    TextWhileAssembling,
    /// The JSON is nested too deep.
    #[error("JSON nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// The limit, [`Limits::max_depth`] or [`Limits::MAX_DEPTH`].
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
    #[error("{announced} attachments announced, at most {limit} allowed")]
    TooManyAttachments {
        /// How many it announces, or the largest `usize` if that is less.
        announced: usize,
        /// The limit, [`Limits::max_attachments`].
        limit: usize,
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

impl Parser for Json {
    type Payload = Result<Fragment, DecodeError>;

    fn parse(&self, message: Message) -> Self::Payload {
        decode(message, &self.limits)
    }
}

/// Reads one Engine.IO message.
///
/// It knows nothing of earlier messages: whether an attachment or a packet may come now is for the
/// caller to say ([`DecodeError::BinaryWhileIdle`], [`DecodeError::TextWhileAssembling`]).
pub(crate) fn decode(message: Message, limits: &Limits) -> Result<Fragment, DecodeError> {
    match message {
        Message::Binary(bytes) => Ok(Fragment::Attachment(bytes)),
        Message::Text(text) => Received::decode(text, limits).map(Fragment::Packet),
    }
}

/// A packet as it came in, checked and not yet decoded; its attachments come separately.
#[derive(Clone, Eq, PartialEq)]
pub struct Received {
    text: ByteString,
    kind: PacketKind,
    attachments: usize,
    namespace: Option<Span>,
    id: Option<u64>,
    payload: Option<Span>,
    /// Only an event has one.
    name: Name,
}

impl Received {
    fn decode(text: ByteString, limits: &Limits) -> Result<Self, DecodeError> {
        // Spans are small because every event keeps some.
        if u32::try_from(text.len()).is_err() {
            return Err(DecodeError::TooLong {
                len: text.len(),
                limit: u32::MAX as usize,
            });
        }
        let header = Header::decode(&text, limits)?;
        let payload = header.payload(&text, limits)?;
        let name = match &payload {
            Some(array) if header.kind == PacketKind::Event => event_name(&text, array)?,
            _ => Name::None,
        };
        Ok(Self {
            kind: header.kind,
            attachments: header.attachments,
            namespace: header.namespace.map(span),
            id: header.id,
            payload: payload.map(span),
            name,
            text,
        })
    }

    /// What it is.
    pub fn kind(&self) -> PacketKind {
        self.kind
    }

    /// The namespace it is for; `/` if it names none.
    pub fn namespace(&self) -> &str {
        let name = self.namespace.and_then(|name| {
            let range = name.start as usize..name.end as usize;
            self.text.get(range)
        });
        name.unwrap_or("/")
    }

    /// The acknowledgement id: an event asks for an answer with it, an answer without it is lost,
    /// and with other packets it means nothing.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// How many attachments follow it.
    pub fn attachments(&self) -> usize {
        self.attachments
    }

    /// The arguments of an event or an answer; none if it came without. Shares the text.
    ///
    /// `attachments` are as many as it [announces](Self::attachments).
    pub fn into_args(self, attachments: Option<Arc<[Bytes]>>) -> Args {
        match (self.kind, self.payload) {
            (PacketKind::Event | PacketKind::Ack, Some(array)) => {
                Args::new(self.text, array, self.name, attachments)
            }
            _ => Args::new(
                ByteString::from_static("[]"),
                span(0..2),
                Name::None,
                attachments,
            ),
        }
    }

    /// The data of a CONNECT or `CONNECT_ERROR`, if it came with some. Shares the text.
    pub fn into_data(self) -> Option<Data> {
        match self.kind {
            PacketKind::Connect | PacketKind::ConnectError => {
                let value = self.payload?;
                Some(Data::from_text(self.text, value))
            }
            PacketKind::Disconnect | PacketKind::Event | PacketKind::Ack => None,
        }
    }
}

impl fmt::Debug for Received {
    /// Leaves out the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("kind", &self.kind)
            .field("attachments", &self.attachments)
            .field("namespace", &self.namespace())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// All of a packet but its payload, which takes the rest of the text.
struct Header {
    kind: PacketKind,
    attachments: usize,
    namespace: Option<Range<usize>>,
    id: Option<u64>,
    payload: usize,
}

impl Header {
    fn decode(text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let mut characters = text.chars();
        let digit = characters.next().ok_or(DecodeError::Empty)?;
        let (kind, is_binary) = packet_kind(digit).ok_or(DecodeError::UnknownType(digit))?;
        let (rest, attachments) = if is_binary {
            decode_count(characters.as_str(), limits)?
        } else {
            (characters.as_str(), 0)
        };
        let start = text.len() - rest.len();
        let (payload, (namespace, digits)) = address(rest).unwrap_or((rest, (None, None)));
        let payload = text.len() - payload.len();
        let id = digits.map(|digits| decode_id(digits, payload - digits.len()));
        let namespace = namespace.map(|name| decode_namespace(name, start, limits));
        Ok(Self {
            kind,
            attachments,
            namespace: namespace.transpose()?,
            id: id.transpose()?,
            payload,
        })
    }

    /// Checks the payload (Socket.IO reference, section 1.4) and finds its JSON value.
    fn payload(&self, text: &str, limits: &Limits) -> Result<Option<Range<usize>>, DecodeError> {
        let json = text.get(self.payload..).unwrap_or_default();
        let Some(&first) = json.as_bytes().first() else {
            // An answer without arguments is written so too.
            return match self.kind {
                PacketKind::Event => Err(DecodeError::MissingPayload),
                _ => Ok(None),
            };
        };
        if self.kind == PacketKind::Disconnect {
            return Err(DecodeError::IllegalPayload(self.kind));
        }
        let len = json::check(json, limits.depth(), self.attachments)
            .map_err(|fault| self.error(fault, limits))?;
        if !self.kind.may_hold(first) {
            return Err(DecodeError::IllegalPayload(self.kind));
        }
        Ok(Some(self.payload..self.payload + len))
    }

    fn error(&self, fault: Fault, limits: &Limits) -> DecodeError {
        match fault {
            Fault::IllegalAttachment { offset } => DecodeError::IllegalAttachment {
                attachments: self.attachments,
                offset: self.payload + offset,
            },
            Fault::Syntax { offset } => DecodeError::InvalidJson {
                offset: self.payload + offset,
            },
            Fault::TooDeep { offset } => DecodeError::TooDeep {
                limit: limits.depth(),
                offset: self.payload + offset,
            },
            Fault::TooManyPlaceholders { offset } => DecodeError::TooManyPlaceholders {
                limit: json::max_placeholders(self.attachments),
                offset: self.payload + offset,
            },
        }
    }
}

impl PacketKind {
    /// Whether a payload may be the JSON value that begins with this byte.
    fn may_hold(self, first: u8) -> bool {
        match self {
            Self::Connect => first == b'{',
            Self::Disconnect => false,
            Self::Event | Self::Ack => first == b'[',
            Self::ConnectError => matches!(first, b'{' | b'"'),
        }
    }
}

/// What a type stands for, and whether a count of attachments follows it.
fn packet_kind(digit: char) -> Option<(PacketKind, bool)> {
    Some(match digit {
        '0' => (PacketKind::Connect, false),
        '1' => (PacketKind::Disconnect, false),
        '2' => (PacketKind::Event, false),
        '3' => (PacketKind::Ack, false),
        '4' => (PacketKind::ConnectError, false),
        '5' => (PacketKind::Event, true),
        '6' => (PacketKind::Ack, true),
        _ => return None,
    })
}

/// `count "-"`
fn count(input: &str) -> IResult<&str, &str, ()> {
    terminated(digit1, tag("-")).parse(input)
}

/// `[ namespace [ "," ] ] [ id ]`
fn address(input: &str) -> IResult<&str, (Option<&str>, Option<&str>), ()> {
    let name = recognize((tag("/"), take_till(|character| character == ',')));
    let namespace = terminated(name, opt(tag(",")));
    (opt(namespace), opt(digit1)).parse(input)
}

fn decode_count<'a>(text: &'a str, limits: &Limits) -> Result<(&'a str, usize), DecodeError> {
    let (rest, digits) = count(text).map_err(|_| DecodeError::IllegalAttachmentCount)?;
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(DecodeError::IllegalAttachmentCount);
    }
    // It is all digits: only a number too large for the type fails.
    let announced = digits.parse().unwrap_or(usize::MAX);
    let limit = limits.max_attachments;
    if announced > limit {
        return Err(DecodeError::TooManyAttachments { announced, limit });
    }
    Ok((rest, announced))
}

fn decode_namespace(
    name: &str,
    start: usize,
    limits: &Limits,
) -> Result<Range<usize>, DecodeError> {
    let (len, limit) = (name.len(), limits.max_namespace);
    if len > limit {
        return Err(DecodeError::NamespaceTooLong { len, limit });
    }
    if let Some(at) = name.find(char::is_control) {
        let offset = start + at;
        return Err(DecodeError::IllegalNamespace { offset });
    }
    Ok(start..start + len)
}

fn decode_id(digits: &str, offset: usize) -> Result<u64, DecodeError> {
    let id = digits.parse().ok().filter(|&id| id <= MAX_ACK_ID);
    id.ok_or(DecodeError::AckIdTooLarge {
        offset,
        limit: MAX_ACK_ID,
    })
}

/// Finds the name of an event, the first element of a checked array.
fn event_name(text: &str, array: &Range<usize>) -> Result<Name, DecodeError> {
    let mut reader = Reader::new(text.get(array.clone()).unwrap_or_default());
    reader.take(b'[');
    let first = reader.peek();
    let start = array.start + reader.at();
    let name = match first {
        Some(b'"') => reader.string(),
        Some(b'-' | b'0'..=b'9') => reader.word().map(Cow::Borrowed),
        _ => return Err(DecodeError::IllegalEventName),
    };
    let name = name.map_err(|_| DecodeError::IllegalEventName)?;
    if is_reserved(&name) {
        return Err(DecodeError::ReservedEventName);
    }
    Ok(match name {
        Cow::Borrowed(name) => {
            let start = start + usize::from(first == Some(b'"'));
            Name::Plain(span(start..start + name.len()))
        }
        Cow::Owned(name) => Name::Escaped(name.into_boxed_str()),
    })
}

/// The text was found to be short enough for its offsets to fit.
fn span(range: Range<usize>) -> Span {
    let fit = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    Span {
        start: fit(range.start),
        end: fit(range.end),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
