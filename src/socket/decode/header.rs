//! All of a packet but its payload.

use core::ops::Range;

use super::{DecodeError, Limits, PacketKind};

/// The largest acknowledgement id, 2^53 - 1: JavaScript rounds what is above.
pub(crate) const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// The beginning of a packet, up to its payload, which takes the rest of the text.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: PacketKind,
    pub(super) attachments: usize,
    /// Where its name stands; none is the main one.
    pub(super) namespace: Option<Range<usize>>,
    pub(super) id: Option<u64>,
    /// Where the payload begins.
    pub(super) payload: usize,
}

impl Header {
    pub(super) fn decode(text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let mut cursor = Cursor { text, at: 0 };
        let (kind, is_binary) = cursor.kind()?;
        let attachments = if is_binary { cursor.count(limits)? } else { 0 };
        let namespace = cursor.namespace();
        if let Some(name) = &namespace {
            check_namespace(text, name, limits)?;
        }
        Ok(Self {
            kind,
            attachments,
            namespace,
            id: cursor.id()?,
            payload: cursor.at,
        })
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// What the type stands for, and whether a count of attachments follows it.
    fn kind(&mut self) -> Result<(PacketKind, bool), DecodeError> {
        let kind = match self.peek() {
            Some(b'0') => (PacketKind::Connect, false),
            Some(b'1') => (PacketKind::Disconnect, false),
            Some(b'2') => (PacketKind::Event, false),
            Some(b'3') => (PacketKind::Ack, false),
            Some(b'4') => (PacketKind::ConnectError, false),
            Some(b'5') => (PacketKind::Event, true),
            Some(b'6') => (PacketKind::Ack, true),
            _ => {
                let first = self.text.chars().next();
                return Err(first.map_or(DecodeError::Empty, DecodeError::UnknownType));
            }
        };
        self.at += 1;
        Ok(kind)
    }

    /// `count "-"`
    fn count(&mut self, limits: &Limits) -> Result<usize, DecodeError> {
        let offset = self.at;
        // A zero stands alone.
        let digits = if self.take(b'0') { "0" } else { self.digits() };
        if digits.is_empty() || !self.take(b'-') {
            return Err(DecodeError::IllegalAttachmentCount { offset: self.at });
        }
        // It is all digits: only a number too large for the type fails.
        let announced = digits.parse().unwrap_or(usize::MAX);
        let limit = limits.max_attachments;
        if announced > limit {
            return Err(DecodeError::TooManyAttachments {
                announced,
                limit,
                offset,
            });
        }
        Ok(announced)
    }

    /// `[ namespace [ "," ] ]`
    fn namespace(&mut self) -> Option<Range<usize>> {
        if self.peek() != Some(b'/') {
            return None;
        }
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let len = memchr::memchr(b',', rest).unwrap_or(rest.len());
        self.at += len;
        let name = start..self.at;
        self.take(b',');
        Some(name)
    }

    /// `[ id ]`
    fn id(&mut self) -> Result<Option<u64>, DecodeError> {
        let offset = self.at;
        let digits = self.digits();
        if digits.is_empty() {
            return Ok(None);
        }
        let limit = MAX_ACK_ID;
        let id = digits.parse().ok().filter(|&id| id <= limit);
        id.map(Some)
            .ok_or(DecodeError::AckIdTooLarge { limit, offset })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> bool {
        let taken = self.peek() == Some(expected);
        self.at += usize::from(taken);
        taken
    }

    fn digits(&mut self) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }
}

fn check_namespace(text: &str, range: &Range<usize>, limits: &Limits) -> Result<(), DecodeError> {
    let (len, limit) = (range.len(), limits.max_namespace);
    let offset = range.start;
    if len > limit {
        return Err(DecodeError::NamespaceTooLong { len, limit, offset });
    }
    let name = text.get(range.clone()).unwrap_or_default();
    match name.find(char::is_control) {
        Some(at) => Err(DecodeError::IllegalNamespace {
            offset: offset + at,
        }),
        None => Ok(()),
    }
}
