//! Frames as bytes (RFC 6455 section 5.2), written and read without any of the candidates.

use bytes::Bytes;

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;

pub const FIN: u8 = 0x80;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// The head of a masked frame that announces `len` bytes.
pub fn masked_head(first: u8, len: usize) -> Vec<u8> {
    let mut head = vec![first];
    match len {
        0..=125 => head.push(0x80 | len as u8),
        126..=0xffff => {
            head.push(0x80 | 126);
            head.extend((len as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend((len as u64).to_be_bytes());
        }
    }
    head.extend(MASK);
    head
}

/// A masked frame, as clients send it.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = masked_head(first, payload.len());
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// How long an unmasked frame is on the wire.
pub fn unmasked_len(payload: usize) -> usize {
    payload
        + match payload {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        }
}

/// Describes the unmasked frames that a server wrote.
pub fn describe(mut bytes: &[u8]) -> String {
    let mut frames = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        let len = usize::from(len & 0x7f);
        let Some((payload, rest)) = rest.split_at_checked(len) else {
            frames.push("partial frame".to_owned());
            break;
        };
        frames.push(match (first & 0x0f, payload) {
            (0x8, [high, low, ..]) => format!("close {}", u16::from_be_bytes([*high, *low])),
            (0x8, []) => "close, empty".to_owned(),
            (0xa, _) => format!("pong of {len} B"),
            (opcode, _) => format!("opcode {opcode} of {len} B"),
        });
        bytes = rest;
    }
    if frames.is_empty() {
        "nothing".to_owned()
    } else {
        frames.join(" + ")
    }
}

/// ASCII text of `len` bytes.
pub fn ascii(len: usize) -> Bytes {
    b"{\"event\":\"message\",\"n\":1234567} "
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}

/// Text of about `len` bytes with characters of three bytes.
pub fn japanese(len: usize) -> Bytes {
    "日本語のテキスト"
        .chars()
        .cycle()
        .take(len / 3)
        .collect::<String>()
        .into()
}
