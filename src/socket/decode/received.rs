//! A packet that came in.

use alloc::{borrow::Cow, boxed::Box, sync::Arc};
use core::{fmt, ops::Range};

use bytes::Bytes;
use bytestring::ByteString;

use super::{DecodeError, Limits, PacketKind, header::Header};
use crate::socket::{
    args::{Args, Data, Extra, Span},
    de::Reader,
    encode::is_reserved,
    json::{self, Fault},
};

/// A packet as it came in, checked and not yet decoded.
///
/// Its attachments come behind it, in messages of their own: an
/// [`Assembler`](crate::socket::Assembler) brings them together.
#[derive(Clone)]
pub struct Received {
    text: ByteString,
    /// Empty for the main one if the text leaves it out.
    namespace: Span,
    /// Only an event has one.
    name: Span,
    /// The arguments of an event or an answer, the data of others; empty if there are none.
    content: Span,
    /// [`NO_ID`] if there is none.
    id: u64,
    announced: u32,
    kind: PacketKind,
    extra: Option<Box<Extra>>,
}

const NO_ID: u64 = u64::MAX;

impl Received {
    /// Reads the packet that begins at a byte of a text and ends with it.
    #[inline]
    pub(super) fn decode(
        text: ByteString,
        start: usize,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let packet = text.get(start..).unwrap_or_default();
        // Spans are small because every event keeps some.
        let limit = (u32::MAX as usize).saturating_sub(start);
        if packet.len() > limit {
            let len = packet.len();
            return Err(DecodeError::TooLong { len, limit });
        }
        let header = Header::decode(packet, limits)?;
        let payload = Payload::check(&header, packet, limits)?;
        // The text was just found to be short enough for its offsets to fit.
        let shift = u32::try_from(start).unwrap_or_default();
        Ok(Self {
            namespace: header
                .namespace
                .map(span)
                .unwrap_or_default()
                .shifted(shift),
            name: payload.name.shifted(shift),
            content: payload.content.shifted(shift),
            id: header.id.unwrap_or(NO_ID),
            announced: u32::try_from(header.attachments).unwrap_or(u32::MAX),
            kind: header.kind,
            extra: payload
                .escaped_name
                .map(|name| Box::new(Extra::of_name(name))),
            text,
        })
    }

    /// What it is.
    pub fn kind(&self) -> PacketKind {
        self.kind
    }

    /// The namespace it is for; `/` if it names none.
    pub fn namespace(&self) -> &str {
        match self.namespace.of(&self.text) {
            "" => "/",
            name => name,
        }
    }

    /// The acknowledgement id: an event asks for an answer with it, an answer without it is lost,
    /// and with other packets it means nothing.
    pub fn id(&self) -> Option<u64> {
        Some(self.id).filter(|&id| id != NO_ID)
    }

    /// How many attachments it announces.
    pub fn attachments(&self) -> usize {
        self.announced as usize
    }

    /// The arguments of an event or an answer; none if it came without. Shares the text.
    ///
    /// Placeholders of attachments that did not come yet are ordinary objects.
    pub fn into_args(self) -> Args {
        match self.kind {
            PacketKind::Event | PacketKind::Ack => {
                Args::new(self.text, self.name, self.content, self.extra)
            }
            _ => Args::none(),
        }
    }

    /// The data of a CONNECT or `CONNECT_ERROR`, if it came with some. Shares the text.
    pub fn into_data(self) -> Option<Data> {
        match self.kind {
            PacketKind::Connect | PacketKind::ConnectError if !self.content.is_empty() => {
                Some(Data::from_text(self.text, self.content))
            }
            _ => None,
        }
    }

    pub(in crate::socket) fn attach(&mut self, attachments: Arc<[Bytes]>) {
        self.extra.get_or_insert_default().attachments = Some(attachments);
    }
}

impl Eq for Received {}

impl PartialEq for Received {
    /// Compares what they say, the arguments as they are written, and not the buffers that they lie
    /// in.
    fn eq(&self, other: &Self) -> bool {
        let is_same_span = |own: Span, others: Span| {
            own.of(&self.text) == others.of(&other.text) && (own.end > 0) == (others.end > 0)
        };
        (self.kind, self.id, self.announced) == (other.kind, other.id, other.announced)
            && self.namespace() == other.namespace()
            && is_same_span(self.name, other.name)
            && is_same_span(self.content, other.content)
            && self.extra == other.extra
    }
}

impl fmt::Debug for Received {
    /// Leaves out the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("kind", &self.kind)
            .field("attachments", &self.attachments())
            .field("namespace", &self.namespace())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// What stands behind a header.
#[derive(Default)]
struct Payload {
    name: Span,
    /// The name, if it does not stand in the text as it is.
    escaped_name: Option<Box<str>>,
    content: Span,
}

impl Payload {
    /// Checks it (Socket.IO reference, section 1.4).
    #[inline]
    fn check(header: &Header, text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let (kind, offset) = (header.kind, header.payload);
        let json = text.get(offset..).unwrap_or_default();
        let Some(&first) = json.as_bytes().first() else {
            // An answer without arguments is written so too.
            return match kind {
                PacketKind::Event => Err(DecodeError::MissingPayload { offset }),
                _ => Ok(Self::default()),
            };
        };
        if kind == PacketKind::Disconnect {
            return Err(DecodeError::IllegalPayload { kind, offset });
        }
        if kind == PacketKind::Event && first == b'[' {
            return Self::check_event(header, text, json, limits);
        }
        let len = json::check(json, limits.depth(), header.attachments)
            .map_err(|fault| broken(fault, header, limits))?;
        if !kind.may_hold(first) {
            return Err(DecodeError::IllegalPayload { kind, offset });
        }
        // The brackets of an answer's list are not part of the arguments.
        let bracket = usize::from(kind == PacketKind::Ack);
        Ok(Self {
            content: span(offset + bracket..offset + len - bracket),
            ..Self::default()
        })
    }

    #[inline]
    fn check_event(
        header: &Header,
        text: &str,
        json: &str,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let start = header.payload;
        let event = json::check_event(json, limits.depth(), header.attachments)
            .map_err(|fault| broken(fault, header, limits))?;
        let arguments = start + event.arguments;
        let Some(name) = event.name else {
            return Err(DecodeError::IllegalEventName { offset: arguments });
        };
        let (name, escaped_name) = event_name(text, start + name.start..start + name.end)?;
        Ok(Self {
            name,
            escaped_name,
            content: span(arguments..start + event.len - "]".len()),
        })
    }
}

fn broken(fault: Fault, header: &Header, limits: &Limits) -> DecodeError {
    let start = header.payload;
    match fault {
        Fault::IllegalAttachment { offset } => DecodeError::IllegalAttachment {
            attachments: header.attachments,
            offset: start + offset,
        },
        Fault::Syntax { offset } => DecodeError::InvalidJson {
            offset: start + offset,
        },
        Fault::TooDeep { offset } => DecodeError::TooDeep {
            limit: limits.depth(),
            offset: start + offset,
        },
        Fault::TooManyPlaceholders { offset } => DecodeError::TooManyPlaceholders {
            limit: json::max_placeholders(header.attachments),
            offset: start + offset,
        },
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

/// The name of an event, and its text if that does not stand there as it is. A number's text is the
/// name, and what stands between the quotes of a string.
fn event_name(text: &str, element: Range<usize>) -> Result<(Span, Option<Box<str>>), DecodeError> {
    let offset = element.start;
    let raw = text.get(element.clone()).unwrap_or_default();
    let quoted = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    let Some(plain) = quoted else {
        return Ok((span(element), None));
    };
    let name = if plain.as_bytes().contains(&b'\\') {
        let name = Reader::new(raw).string();
        name.map_err(|_| DecodeError::IllegalEventName { offset })?
    } else {
        Cow::Borrowed(plain)
    };
    if is_reserved(&name) {
        return Err(DecodeError::ReservedEventName { offset });
    }
    Ok(match name {
        Cow::Borrowed(_) => (span(element.start + 1..element.end - 1), None),
        Cow::Owned(name) => (Span::default(), Some(name.into())),
    })
}

/// The text was found to be short enough for its offsets to fit.
fn span(range: Range<usize>) -> Span {
    Span::new(range.start, range.end)
}
