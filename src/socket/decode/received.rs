//! A packet that came in.

use alloc::{borrow::Cow, sync::Arc};
use core::{fmt, ops::Range};

use bytes::Bytes;
use bytestring::ByteString;

use super::{DecodeError, Limits, PacketKind, header::Header};
use crate::socket::{
    args::{Args, Data, Name, Span},
    de::Reader,
    encode::is_reserved,
    json::{self, Fault},
};

/// A packet as it came in, checked and not yet decoded.
///
/// Its attachments come behind it, in messages of their own: an
/// [`Assembler`](crate::socket::Assembler) brings them together.
#[derive(Clone, Eq, PartialEq)]
pub struct Received {
    text: ByteString,
    kind: PacketKind,
    announced: usize,
    attachments: Option<Arc<[Bytes]>>,
    /// Empty for the main one if the text leaves it out.
    namespace: Span,
    id: Option<u64>,
    /// Empty if there is none.
    payload: Span,
    /// Only an event has one.
    name: Name,
}

impl Received {
    pub(super) fn decode(text: ByteString, limits: &Limits) -> Result<Self, DecodeError> {
        // Spans are small because every event keeps some.
        if u32::try_from(text.len()).is_err() {
            return Err(DecodeError::TooLong {
                len: text.len(),
                limit: u32::MAX as usize,
            });
        }
        let header = Header::decode(&text, limits)?;
        let payload = check_payload(&header, &text, limits)?;
        let name = match &payload {
            Some(array) if header.kind == PacketKind::Event => event_name(&text, array)?,
            _ => Name::None,
        };
        Ok(Self {
            kind: header.kind,
            announced: header.attachments,
            attachments: None,
            namespace: header.namespace.map(span).unwrap_or_default(),
            id: header.id,
            payload: payload.map(span).unwrap_or_default(),
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
        match self.namespace.of(&self.text) {
            "" => "/",
            name => name,
        }
    }

    /// The acknowledgement id: an event asks for an answer with it, an answer without it is lost,
    /// and with other packets it means nothing.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// How many attachments it announces.
    pub fn attachments(&self) -> usize {
        self.announced
    }

    /// The arguments of an event or an answer; none if it came without. Shares the text.
    ///
    /// Placeholders of attachments that did not come yet are ordinary objects.
    pub fn into_args(self) -> Args {
        match self.kind {
            PacketKind::Event | PacketKind::Ack if !self.payload.is_empty() => {
                Args::new(self.text, self.payload, self.name, self.attachments)
            }
            _ => Args::none(self.attachments),
        }
    }

    /// The data of a CONNECT or `CONNECT_ERROR`, if it came with some. Shares the text.
    pub fn into_data(self) -> Option<Data> {
        match self.kind {
            PacketKind::Connect | PacketKind::ConnectError if !self.payload.is_empty() => {
                Some(Data::from_text(self.text, self.payload))
            }
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn has_no_payload(&self) -> bool {
        self.payload.is_empty()
    }

    pub(in crate::socket) fn attach(&mut self, attachments: Arc<[Bytes]>) {
        self.attachments = Some(attachments);
    }
}

impl fmt::Debug for Received {
    /// Leaves out the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("kind", &self.kind)
            .field("attachments", &self.announced)
            .field("namespace", &self.namespace())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Checks the payload (Socket.IO reference, section 1.4) and finds its JSON value.
fn check_payload(
    header: &Header,
    text: &str,
    limits: &Limits,
) -> Result<Option<Range<usize>>, DecodeError> {
    let (kind, offset) = (header.kind, header.payload);
    let json = text.get(offset..).unwrap_or_default();
    let Some(&first) = json.as_bytes().first() else {
        // An answer without arguments is written so too.
        return match kind {
            PacketKind::Event => Err(DecodeError::MissingPayload { offset }),
            _ => Ok(None),
        };
    };
    if kind == PacketKind::Disconnect {
        return Err(DecodeError::IllegalPayload { kind, offset });
    }
    let len = json::check(json, limits.depth(), header.attachments)
        .map_err(|fault| broken(fault, header, limits))?;
    if !kind.may_hold(first) {
        return Err(DecodeError::IllegalPayload { kind, offset });
    }
    Ok(Some(offset..offset + len))
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

/// Finds the name of an event, the first element of a checked array.
fn event_name(text: &str, array: &Range<usize>) -> Result<Name, DecodeError> {
    let mut reader = Reader::new(text.get(array.clone()).unwrap_or_default());
    reader.take(b'[');
    let first = reader.peek();
    let offset = array.start + reader.at();
    let name = match first {
        Some(b'"') => reader.string(),
        Some(b'-' | b'0'..=b'9') => reader.word().map(Cow::Borrowed),
        _ => return Err(DecodeError::IllegalEventName { offset }),
    };
    let name = name.map_err(|_| DecodeError::IllegalEventName { offset })?;
    if is_reserved(&name) {
        return Err(DecodeError::ReservedEventName { offset });
    }
    Ok(match name {
        Cow::Borrowed(name) => {
            let start = offset + usize::from(first == Some(b'"'));
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
