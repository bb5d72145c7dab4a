//! Engine.IO packets and polling bodies.

use bytes::Bytes;
use proptest::prelude::*;
use socketio_proto::{
    edge::{FrameKind, Message},
    engine::{
        packet::{DecodeError, Packet},
        payload,
    },
};

use crate::text;

fn packets() -> impl Strategy<Value = Packet> {
    let text = || text().prop_map(|it| it.replace('\u{1e}', ""));
    prop_oneof![
        1 => text().prop_map(|it| Packet::Open(it.into())),
        1 => Just(Packet::Close),
        1 => prop_oneof![Just("probe".to_owned()), text()].prop_map(|it| Packet::Ping(it.into())),
        1 => prop_oneof![Just("probe".to_owned()), text()].prop_map(|it| Packet::Pong(it.into())),
        4 => text().prop_map(|it| Packet::Message(Message::Text(it.into()))),
        4 => any::<Vec<u8>>().prop_map(|it| Packet::Message(Message::Binary(it.into()))),
        1 => Just(Packet::Upgrade),
        1 => Just(Packet::Noop),
    ]
}

fn lists() -> impl Strategy<Value = Vec<Packet>> {
    prop::collection::vec(packets(), 1..12)
}

fn decode(body: Bytes) -> Vec<Result<Packet, DecodeError>> {
    payload::decode(body, 64).collect()
}

fn all(packets: Vec<Packet>) -> Vec<Result<Packet, DecodeError>> {
    packets.into_iter().map(Ok).collect()
}

/// Base64 as `btoa` writes it.
fn base64(bytes: &[u8]) -> String {
    let packet = Packet::Message(Message::Binary(Bytes::copy_from_slice(bytes)));
    let body = payload::encode([packet]).unwrap();
    let text = core::str::from_utf8(&body).unwrap();
    text.strip_prefix('b').unwrap().to_owned()
}

proptest! {
    #[test]
    fn a_packet_arrives_as_it_was_sent_on_a_websocket(packet in packets()) {
        let message = match packet.clone().encode() {
            (FrameKind::Binary, bytes) => Message::Binary(bytes),
            (FrameKind::Text, bytes) => Message::Text(bytes.try_into().unwrap()),
        };
        prop_assert_eq!(Packet::decode(message), Ok(packet));
    }

    #[test]
    fn packets_arrive_however_they_are_spread_over_bodies(
        packets in lists(), lengths in prop::collection::vec(1..5_usize, 12)
    ) {
        let mut arrived = Vec::new();
        let mut rest = &packets[..];
        for length in lengths {
            let (now, later) = rest.split_at(length.min(rest.len()));
            if !now.is_empty() {
                arrived.extend(decode(payload::encode(now.to_vec()).unwrap()));
            }
            rest = later;
        }
        prop_assert_eq!(arrived, all(packets));
    }

    #[test]
    fn a_body_as_we_write_it_is_written_again(packets in lists()) {
        let body = payload::encode(packets).unwrap();
        let again: Result<Vec<Packet>, _> = decode(body.clone()).into_iter().collect();
        prop_assert_eq!(payload::encode(again.unwrap()), Ok(body));
    }

    #[test]
    fn every_front_of_a_body_gives_fronts_of_its_packets(packets in lists()) {
        let body = payload::encode(packets.clone()).unwrap();
        for end in 0..body.len() {
            let front = decode(body.slice(..end));
            let (last, whole) = front.split_last().unwrap();
            prop_assert!(last.as_ref().err().and_then(DecodeError::offset).is_none_or(|it| it <= end));
            let is_utf8 = core::str::from_utf8(&body[..end]).is_ok();
            prop_assert_eq!(is_utf8, !matches!(last, Err(DecodeError::NotUtf8 { .. })));
            // All but the last one, which may be cut.
            let are_same = whole.iter().zip(&packets).all(|(a, b)| a.as_ref() == Ok(b));
            prop_assert!(are_same && whole.len() < packets.len());
        }
    }

    #[test]
    fn bytes_of_any_length_are_read_with_and_without_padding(bytes: Vec<u8>) {
        let padded = base64(&bytes);
        let (bare, len) = (padded.trim_end_matches('='), bytes.len());
        prop_assert_eq!(padded.len(), len.div_ceil(3) * 4);
        prop_assert_eq!(padded.len() - bare.len(), (3 - len % 3) % 3);
        let packet = Packet::Message(Message::Binary(bytes.into()));
        for text in [&padded, bare] {
            let read = Packet::decode(Message::Text(format!("b{text}").into()));
            prop_assert_eq!(read, Ok(packet.clone()));
        }
        // One character too few is what no encoder writes; one of none is nothing.
        if let Some(short) = bare.get(..bare.len().wrapping_sub(1)).filter(|it| it.len() % 4 == 1) {
            let read = Packet::decode(Message::Text(format!("b{short}").into()));
            prop_assert_eq!(read, Err(DecodeError::InvalidBase64 { offset: short.len() + 1 }));
        }
    }
}
