//! Polling bodies, revision 4: packets in their text form, joined by the record separator.
//!
//! There is no escape for the separator (Engine.IO protocol v4, "Packet encoding", "HTTP
//! long-polling"): a text that contains U+001E cannot be carried by long-polling and has to be
//! refused before it is sent.

use alloc::vec::Vec;
use core::iter::FusedIterator;

use bytes::Bytes;
use bytestring::ByteString;
use thiserror::Error;

use super::{
    base64,
    packet::{DecodeError, Packet},
};
use crate::{
    edge::{Frame, FrameKind},
    window::{Sought, Window},
};

/// Stands between two packets of a body.
pub(crate) const SEPARATOR: u8 = 0x1e;

struct Separator;

impl Sought for Separator {
    fn is(byte: u8) -> bool {
        byte == SEPARATOR
    }
}

/// Decodes a body, packet by packet; the first error is the last item.
///
/// A text shares the body's buffer if it is half of it or more, or if the body has no more than
/// 256 B; other texts are copied, so that what is kept of a body does not keep all of it alive. The
/// body must be UTF-8, where the reference replaces what is not; an empty body or part, and every
/// packet beyond the maximum, is an error.
pub fn decode(
    body: Bytes,
    max_packets: usize,
) -> impl FusedIterator<Item = Result<Packet, DecodeError>> {
    Packets::new(body, max_packets)
}

/// Packets cannot be a polling body.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A body holds one packet at least.
    #[error("a body without packets")]
    Empty,
    /// A text holds the separator: the receiver would read two packets.
    #[error("packet {packet} holds the separator, U+001E")]
    Separator {
        /// Which packet, counted from 0.
        packet: usize,
    },
}

/// Encodes packets as one body: for those who use the codec without a machine, which does it
/// itself.
///
/// # Errors
///
/// When there is no packet, and when the text of one holds the separator.
pub fn encode(packets: impl IntoIterator<Item = Packet>) -> Result<Bytes, EncodeError> {
    let frames: Vec<Frame> = packets.into_iter().map(frame).collect();
    if frames.is_empty() {
        return Err(EncodeError::Empty);
    }
    let is_split = |frame: &Frame| {
        frame.kind == FrameKind::Text && memchr::memchr(SEPARATOR, &frame.payload).is_some()
    };
    match frames.iter().position(is_split) {
        Some(packet) => Err(EncodeError::Separator { packet }),
        None => Ok(join(&frames)),
    }
}

fn frame(packet: Packet) -> Frame {
    let (kind, payload) = packet.encode();
    Frame {
        kind,
        payload,
        compress: false,
        shared: None,
    }
}

/// Joins frames in their WebSocket form to one body.
///
/// A single text is shared. Everything else is written into one buffer of its exact size.
pub(crate) fn join(frames: &[Frame]) -> Bytes {
    if let [frame] = frames
        && frame.kind == FrameKind::Text
    {
        return frame.payload.clone();
    }
    let separators = frames.len().saturating_sub(1);
    let packets: usize = frames.iter().map(encoded_len).sum();
    let mut body = Vec::with_capacity(packets + separators);
    for (i, frame) in frames.iter().enumerate() {
        if i > 0 {
            body.push(SEPARATOR);
        }
        push(&mut body, frame);
    }
    body.into()
}

/// The length of a frame in its text form, without a separator.
pub(crate) fn encoded_len(frame: &Frame) -> usize {
    match frame.kind {
        FrameKind::Binary => "b".len() + base64::encoded_len(frame.payload.len()),
        FrameKind::Text => frame.payload.len(),
    }
}

fn push(body: &mut Vec<u8>, frame: &Frame) {
    match frame.kind {
        FrameKind::Binary => {
            body.push(b'b');
            base64::encode_to(body, &frame.payload);
        }
        FrameKind::Text => body.extend_from_slice(&frame.payload),
    }
}

/// The packets of a body, each when it is asked for.
pub(super) struct Packets {
    body: ByteString,
    separators: Window<Separator>,
    /// Where the next packet begins, if there is one.
    start: Option<usize>,
    /// What is wrong with the body as a whole.
    broken: Option<DecodeError>,
    read: usize,
    limit: usize,
}

impl Packets {
    pub(super) fn new(body: Bytes, limit: usize) -> Self {
        let (body, broken) = match ByteString::try_from(body) {
            Ok(body) => (body, None),
            Err(error) => {
                let offset = error.valid_up_to();
                (ByteString::new(), Some(DecodeError::NotUtf8 { offset }))
            }
        };
        Self {
            separators: Window::new(body.as_bytes()),
            body,
            start: broken.is_none().then_some(0),
            broken,
            read: 0,
            limit,
        }
    }

    /// How many more packets there are at most. Looks through what is left of the body.
    pub(super) fn most_left(&self) -> usize {
        let Some(start) = self.start else {
            return 0;
        };
        let rest = self.body.get(start..).unwrap_or_default();
        let separators = memchr::memchr_iter(SEPARATOR, rest.as_bytes()).count();
        (separators + 1).min(self.limit - self.read)
    }

    /// Takes the packet that begins at a byte, and finds out what follows it.
    fn take(&mut self, start: usize) -> Result<Packet, DecodeError> {
        if self.read == self.limit {
            return Err(self.too_many());
        }
        self.read += 1;
        let end = self.separators.find(self.body.as_bytes(), start);
        let packet = self.body.get(start..end).unwrap_or_default();
        let packet = Packet::decode_text(&self.body, packet)?;
        self.start = (end < self.body.len()).then_some(end + 1);
        Ok(packet)
    }

    fn too_many(&self) -> DecodeError {
        DecodeError::TooManyPackets {
            count: memchr::memchr_iter(SEPARATOR, self.body.as_bytes()).count() + 1,
            limit: self.limit,
        }
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.start.take() {
            Some(start) => Some(self.take(start)),
            None => self.broken.take().map(Err),
        }
    }
}

impl FusedIterator for Packets {}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::edge::Message;

    fn text(text: &'static str) -> Packet {
        Packet::Message(Message::Text(ByteString::from_static(text)))
    }

    fn binary(bytes: &'static [u8]) -> Packet {
        Packet::Message(Message::Binary(Bytes::from_static(bytes)))
    }

    fn decode_all(body: &'static [u8]) -> Vec<Result<Packet, DecodeError>> {
        decode(Bytes::from_static(body), 65_536).collect()
    }

    /// Packets and the body that holds them, to be read in both directions.
    fn table() -> Vec<(Vec<Packet>, &'static str)> {
        let probe = || ByteString::from_static("probe");
        vec![
            (vec![text("")], "4"),
            (vec![text("€")], "4€"),
            (vec![binary(b"")], "b"),
            (vec![binary(b"\x01\x02\x03\x04")], "bAQIDBA=="),
            (
                vec![text("hello"), Packet::Ping("".into()), text("world")],
                "4hello\x1e2\x1e4world",
            ),
            (
                vec![text("hello"), binary(b"\x01\x02\x03\x04")],
                "4hello\x1ebAQIDBA==",
            ),
            (
                vec![
                    binary(b"\x01"),
                    binary(b"\x01\x02"),
                    binary(b"\x01\x02\x03"),
                ],
                "bAQ==\x1ebAQI=\x1ebAQID",
            ),
            (
                vec![
                    Packet::Open("".into()),
                    Packet::Close,
                    Packet::Ping(probe()),
                    Packet::Pong(probe()),
                    text("test"),
                ],
                "0\x1e1\x1e2probe\x1e3probe\x1e4test",
            ),
            (vec![Packet::Noop, Packet::Close], "6\x1e1"),
        ]
    }

    #[test]
    fn packets_and_bodies_translate_into_each_other() {
        for (packets, body) in table() {
            let frames: Vec<_> = packets.iter().cloned().map(frame).collect();
            assert_eq!(join(&frames), body);
            let decoded: Result<Vec<_>, _> = decode_all(body.as_bytes()).into_iter().collect();
            assert_eq!(decoded, Ok(packets));
        }
    }

    #[test]
    fn the_announced_length_is_the_written_one() {
        for size in 0..10 {
            let bytes = Bytes::from(vec![0xff; size]);
            let frame = frame(Packet::Message(Message::Binary(bytes)));
            let len = encoded_len(&frame);
            assert_eq!(join(&[frame]).len(), len);
        }
        assert_eq!(encoded_len(&frame(text("é"))), 3);
        assert!(join(&[]).is_empty());
    }

    #[test]
    fn packets_that_make_no_body_are_refused() {
        assert_eq!(encode([]), Err(EncodeError::Empty));
        let packets = [binary(b"\x1e"), text("a"), text("a\x1e4b"), text("\x1e")];
        let refused = EncodeError::Separator { packet: 2 };
        assert_eq!(encode(packets), Err(refused));
        let body = encode([binary(b"\x1e"), text("a")]);
        assert_eq!(body, Ok(Bytes::from_static(b"bHg==\x1e4a")));
    }

    #[test]
    fn a_single_text_is_shared() {
        let frames = [frame(text("hello"))];
        assert_eq!(join(&frames).as_ptr(), frames[0].payload.as_ptr());
    }

    #[test]
    fn texts_share_the_body() {
        let body = Bytes::from_static(b"4hello\x1e4world");
        let start = body.as_ptr();
        for (packet, offset) in decode(body, 2).zip([1, 8]) {
            let Ok(Packet::Message(Message::Text(text))) = packet else {
                panic!("not a text message");
            };
            assert_eq!(text.as_bytes().as_ptr(), start.wrapping_add(offset));
        }
    }

    #[test]
    fn a_small_text_does_not_keep_a_large_body_alive() {
        let within = |body: &Bytes, text: &ByteString| {
            body.as_ptr_range().contains(&text.as_bytes().as_ptr())
        };
        // The first text and whether it shares the body.
        for (first, second, shares) in [
            (1, 252, true),
            (1, 253, false),
            (1, 100_000, false),
            (5_003, 5_000, true),
            (5_002, 5_000, true),
            (5_001, 5_000, false),
            (100_000, 1, true),
        ] {
            let body = [vec![b'x'; first + 1], vec![b'y'; second + 1]];
            let mut body = body.join(&SEPARATOR);
            body[0] = b'4';
            body[first + 2] = b'4';
            let body = Bytes::from(body);
            let texts: Vec<_> = decode(body.clone(), 2)
                .map(|packet| match packet {
                    Ok(Packet::Message(Message::Text(text))) => text,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(texts[0].len(), first);
            assert_eq!(texts[1].len(), second);
            assert_eq!(within(&body, &texts[0]), shares, "{first} {second}");
            if !shares {
                // Most of the body is shared.
                assert!(second < body.len() / 2 || within(&body, &texts[1]));
            }
        }
    }

    #[test]
    fn reading_ends_with_the_first_broken_packet() {
        for (body, good, error) in [
            (b"".as_slice(), 0, DecodeError::Empty),
            (b"\x1e4a", 0, DecodeError::Empty),
            (b"4a\x1e", 1, DecodeError::Empty),
            (b"4a\x1e\x1e4b", 1, DecodeError::Empty),
            (b"4a\x1eabc\x1e4b", 1, DecodeError::UnknownType('a')),
            (
                b"4a\x1ebA?\x1e4b",
                1,
                DecodeError::InvalidBase64 { offset: 2 },
            ),
        ] {
            let mut packets = decode_all(body);
            assert_eq!(packets.pop(), Some(Err(error)), "{body:?}");
            assert_eq!(packets, vec![Ok(text("a")); good], "{body:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_utf8_holds_no_packet() {
        for (body, offset) in [
            (b"4\xff".as_slice(), 1),
            (b"4a\x1e4b\xc3", 5),
            (b"4\xed\xa0\x80", 1),
        ] {
            let error = DecodeError::NotUtf8 { offset };
            assert_eq!(decode_all(body), [Err(error)], "{body:?}");
        }
    }

    #[test]
    fn packets_beyond_the_maximum_are_not_read() {
        let body = Bytes::from_static(b"4a\x1e4a\x1e4a");
        assert!(decode(body.clone(), 3).all(|packet| packet == Ok(text("a"))));
        let error = DecodeError::TooManyPackets { count: 3, limit: 2 };
        let packets: Vec<_> = decode(body, 2).collect();
        assert_eq!(packets, [Ok(text("a")), Ok(text("a")), Err(error)]);
        assert_eq!(
            error.to_string(),
            "3 packets in one body, at most 2 allowed"
        );
    }

    #[test]
    fn every_prefix_of_a_body_is_read_or_refused() {
        let body = "4hello\x1ebAQIDBA==\x1e2probe\x1e4é😀".as_bytes();
        for end in 0..body.len() {
            let packets = decode_all(&body[..end]);
            let broken = packets.iter().position(Result::is_err);
            assert!(broken.is_none_or(|at| at + 1 == packets.len()));
        }
    }
}
