//! How bytes become what a body needs. Any bytes are an input.

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{edge::Message, socket::Limits};

/// Stands between the parts of an input; no text holds it.
pub const SEPARATOR: u8 = 0xff;

/// The default limits, as [`limits`] reads them.
pub const DEFAULT_LIMITS: [u8; 3] = [10, 95, 191];

/// Takes limits from the front.
pub fn limits(input: &[u8]) -> Option<(Limits, &[u8])> {
    let (&[attachments, depth, namespace], rest) = input.split_first_chunk()?;
    let limits = Limits {
        max_attachments: usize::from(attachments),
        max_depth: spread(depth),
        max_namespace: spread(namespace),
    };
    Some((limits, rest))
}

/// Up to 63 each number, then every fourth: 95 is 128.
fn spread(byte: u8) -> usize {
    let number = usize::from(byte);
    number.checked_sub(63).map_or(number, |above| above * 4)
}

/// The longest front that is a text.
pub fn text(input: &[u8]) -> &str {
    match core::str::from_utf8(input) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&input[..error.valid_up_to()]).unwrap(),
    }
}

pub fn text_message(text: &str) -> Message {
    Message::Text(ByteString::from(text))
}

/// Messages of a connection; one that begins with `b` is binary.
pub fn messages(input: &[u8]) -> Vec<Message> {
    let parts = input.split(|&byte| byte == SEPARATOR);
    let message = |part: &[u8]| match part {
        [b'b', bytes @ ..] => Message::Binary(Bytes::copy_from_slice(bytes)),
        other => text_message(text(other)),
    };
    parts.map(message).collect()
}

/// Draws values from bytes; when they are used up, zeros.
pub struct Source<'a>(pub &'a [u8]);

impl Source<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    pub fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes.to_vec()
    }

    pub fn number<const LEN: usize>(&mut self) -> [u8; LEN] {
        core::array::from_fn(|_| self.byte())
    }

    pub fn text(&mut self) -> String {
        let len = usize::from(self.below(24));
        String::from_utf8_lossy(&self.bytes(len)).into_owned()
    }
}
