//! What carriers carry: messages that come in, and batches of frames that go out.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

/// One message of a message-based carrier, as it came in. `Debug` shows its length only.
#[derive(Clone, Eq, PartialEq)]
pub enum Message {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// The bytes of its payload.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} B)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} B)", bytes.len()),
        }
    }
}

/// Whether a [`Frame`] is written as a text or as a binary message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameKind {
    /// A binary message.
    Binary,
    /// A text message; the payload is valid UTF-8 by construction and need not be checked again.
    Text,
}

/// One carrier message to write. `Debug` shows its length only.
#[derive(Clone, Eq, PartialEq)]
pub struct Frame {
    /// Whether to write it as text or as binary.
    pub kind: FrameKind,
    /// The finished payload of the message.
    pub payload: Bytes,
    /// Whether compressing it may pay off and is allowed by the application.
    pub compress: bool,
    /// Equal for all recipients of one broadcast, so that a caller may cache a compressed form.
    pub shared: Option<NonZeroU32>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} B)", self.kind, self.payload.len())
    }
}

/// Whole packets to write to one transport, in order.
///
/// At most one batch per transport is out at a time; reporting it sent asks for the next.
#[derive(Debug)]
pub struct Batch {
    pub(crate) first: Frame,
    pub(crate) rest: Vec<Frame>,
}

impl Batch {
    /// The frames in the order in which they must be written.
    pub fn into_frames(self) -> impl ExactSizeIterator<Item = Frame> {
        // `chain` is not exact in size; a `Vec` iterator behind one item is, through `Frames`.
        Frames {
            first: Some(self.first),
            rest: self.rest.into_iter(),
        }
    }
}

impl Batch {
    /// How many frames it has, and the bytes of their payloads.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let rest = self.rest.iter().map(|frame| frame.payload.len());
        (
            1 + self.rest.len(),
            rest.fold(self.first.payload.len(), |sum, len| sum + len),
        )
    }
}

struct Frames {
    first: Option<Frame>,
    rest: alloc::vec::IntoIter<Frame>,
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.first.take().or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.first.is_some()) + self.rest.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Frames {}

/// Collects the frames of a batch from an iterator, `None` if it is empty.
pub(crate) fn batch_of(frames: impl IntoIterator<Item = Frame>) -> Option<Batch> {
    let mut frames = frames.into_iter();
    let first = frames.next()?;
    Some(Batch {
        first,
        rest: frames.collect(),
    })
}
