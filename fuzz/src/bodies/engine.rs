//! Engine.IO packets and polling bodies.

use bytes::Bytes;
use socketio_proto::{
    edge::{FrameKind, Message},
    engine::{
        packet::{DecodeError, Packet},
        payload,
    },
};

use super::input;

/// Between packets of a body.
const SEPARATOR: char = '\u{1e}';
const RULES: [&str; 5] = [
    "empty",
    "invalid-base64",
    "not-utf8",
    "too-many-packets",
    "unknown-type",
];

/// One message of a WebSocket, as text and as bytes.
pub fn packet(input: &[u8]) {
    let bytes = Message::Binary(Bytes::copy_from_slice(input));
    assert_eq!(
        Packet::decode(bytes.clone()),
        Ok(Packet::Message(bytes.clone()))
    );
    assert_survives(Packet::Message(bytes));

    let text = input::text(input);
    let decoded = Packet::decode(input::text_message(text));
    assert_eq!(decoded.clone().ok(), model(text), "{text:?}");
    match decoded {
        Ok(packet) => assert_survives(packet),
        Err(error) => assert_error(&error, text),
    }
}

/// A body: the first byte is the most packets that are read.
pub fn payload(input: &[u8]) {
    let Some((&limit, body)) = input.split_first() else {
        return;
    };
    let limit = usize::from(limit);
    let decoded: Vec<_> = payload::decode(Bytes::copy_from_slice(body), limit).collect();
    assert_eq!(decoded, model_of_body(body, limit));

    let (last, before) = decoded.split_last().expect("no body is empty");
    assert!(before.iter().all(Result::is_ok));
    if let Err(error) = last {
        assert!(RULES.contains(&error.rule()) && !error.to_string().is_empty());
    }
    let packets: Vec<Packet> = decoded.into_iter().map_while(Result::ok).collect();
    assert!(packets.len() <= limit);
    if packets.is_empty() {
        assert_eq!(payload::encode(packets), Err(payload::EncodeError::Empty));
        return;
    }
    // However packets are spread over bodies, they arrive.
    for len in [1, 2, packets.len()] {
        let arrived = packets.chunks(len).flat_map(|chunk| {
            let body = payload::encode(chunk.to_vec()).expect("what was split has no separator");
            let again = payload::encode(decode_all(body.clone())).unwrap();
            assert_eq!(body, again);
            decode_all(body)
        });
        assert!(arrived.eq(packets.iter().cloned()), "{packets:?}");
    }
}

fn decode_all(body: Bytes) -> Vec<Packet> {
    payload::decode(body, usize::MAX)
        .collect::<Result<_, _>>()
        .expect("what was encoded")
}

/// Encoding and decoding give the same packet, on either carrier.
fn assert_survives(packet: Packet) {
    let (kind, bytes) = packet.clone().encode();
    let message = match kind {
        FrameKind::Binary => Message::Binary(bytes.clone()),
        FrameKind::Text => Message::Text(bytes.clone().try_into().expect("a text is UTF-8")),
    };
    assert_eq!(Packet::decode(message), Ok(packet.clone()));
    let is_split = kind == FrameKind::Text && input::text(&bytes).contains(SEPARATOR);
    match payload::encode([Packet::Noop, packet.clone()]) {
        Ok(body) => {
            assert!(!is_split);
            assert_eq!(decode_all(body), [Packet::Noop, packet]);
        }
        Err(error) => {
            assert!(is_split);
            assert_eq!(error, payload::EncodeError::Separator { packet: 1 });
        }
    }
}

fn assert_error(error: &DecodeError, text: &str) {
    assert!(RULES.contains(&error.rule()) && !error.to_string().is_empty());
    let offset = error.offset().expect("it is about a place");
    assert!(text.is_char_boundary(offset), "{error} in {text:?}");
}

/// What a text is.
fn model(text: &str) -> Option<Packet> {
    let kind = text.chars().next()?;
    let data = &text[kind.len_utf8()..];
    Some(match kind {
        '0' => Packet::Open(data.into()),
        '1' => Packet::Close,
        '2' => Packet::Ping(data.into()),
        '3' => Packet::Pong(data.into()),
        '4' => Packet::Message(input::text_message(data)),
        '5' => Packet::Upgrade,
        '6' => Packet::Noop,
        'b' => Packet::Message(Message::Binary(base64(data)?.into())),
        _ => return None,
    })
}

/// Bit by bit. Padding may be missing or incomplete, but stands only where it may.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let may_pad = match digits.len() % 4 {
        0 => 0,
        1 => return None,
        2 => 2,
        _ => 1,
    };
    if padding > may_pad {
        return None;
    }
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in digits.chars() {
        let value = match digit {
            'A'..='Z' => u32::from(digit) - 65,
            'a'..='z' => u32::from(digit) - 97 + 26,
            '0'..='9' => u32::from(digit) - 48 + 52,
            '+' => 62,
            '/' => 63,
            _ => return None,
        };
        bits = bits << 6 | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    Some(bytes)
}

fn model_of_body(body: &[u8], limit: usize) -> Vec<Result<Packet, DecodeError>> {
    let text = match core::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let offset = error.valid_up_to();
            return vec![Err(DecodeError::NotUtf8 { offset })];
        }
    };
    let parts: Vec<&str> = text.split(SEPARATOR).collect();
    let mut packets = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let packet = if place < limit {
            Packet::decode(input::text_message(part))
        } else {
            let count = parts.len();
            Err(DecodeError::TooManyPackets { count, limit })
        };
        let is_last = packet.is_err();
        packets.push(packet);
        if is_last {
            break;
        }
    }
    packets
}
