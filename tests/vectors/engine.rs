//! Packets and polling bodies of Engine.IO.

use serde::Deserialize;
use socketio_proto::{
    edge::{FrameKind, Message},
    engine::{
        packet::{DecodeError, Packet},
        payload,
    },
};

use crate::rows::{Form, Repeated, Row, read, unfold};

const DIALECT: &str = "engine.io/v4";
/// The most packets of a body that are read.
const MAX_PACKETS: usize = 65_536;

#[derive(Deserialize)]
struct PacketRow {
    id: String,
    input: Form,
    expect: PacketVerdict,
    #[serde(default)]
    canonical: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PacketVerdict {
    Packet(Wanted),
    Error(WantedError),
}

#[derive(Deserialize)]
struct PayloadRow {
    id: String,
    input: Form,
    expect: PayloadVerdict,
    #[serde(default)]
    canonical: bool,
}

#[derive(Deserialize)]
struct PayloadVerdict {
    packets: Vec<Repeated<Wanted>>,
    error: Option<WantedError>,
}

#[derive(Clone, Deserialize)]
struct Wanted {
    #[serde(rename = "type")]
    kind: String,
    data: Option<Form>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct WantedError {
    rule: String,
    offset: Option<usize>,
}

impl Row for PacketRow {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for PayloadRow {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Wanted {
    fn packet(&self) -> Packet {
        let text = || self.data.as_ref().unwrap().text().into();
        match self.kind.as_str() {
            "open" => Packet::Open(text()),
            "close" => Packet::Close,
            "ping" => Packet::Ping(text()),
            "pong" => Packet::Pong(text()),
            "message" => Packet::Message(self.data.as_ref().unwrap().message()),
            "upgrade" => Packet::Upgrade,
            "noop" => Packet::Noop,
            other => panic!("{other}"),
        }
    }
}

fn described(error: &DecodeError) -> WantedError {
    WantedError {
        rule: error.rule().into(),
        offset: error.offset(),
    }
}

#[test]
fn packets_are_read_and_written_as_the_vectors_say() {
    let mut canonical = 0;
    for row in read::<PacketRow>(DIALECT, "packets.json", 93) {
        let id = &row.id;
        let decoded = Packet::decode(row.input.message());
        match &row.expect {
            PacketVerdict::Packet(wanted) => assert_eq!(decoded, Ok(wanted.packet()), "{id}"),
            PacketVerdict::Error(error) => {
                assert_eq!(&described(&decoded.unwrap_err()), error, "{id}");
                continue;
            }
        }
        if row.canonical {
            canonical += 1;
            let written = match decoded.unwrap().encode() {
                (FrameKind::Binary, bytes) => Message::Binary(bytes),
                (FrameKind::Text, bytes) => Message::Text(bytes.try_into().unwrap()),
            };
            assert_eq!(written, row.input.message(), "{id}");
        }
    }
    assert_eq!(canonical, 33);
}

#[test]
fn bodies_are_read_and_written_as_the_vectors_say() {
    let mut canonical = 0;
    for row in read::<PayloadRow>(DIALECT, "payloads.json", 59) {
        let id = &row.id;
        let mut packets = Vec::new();
        let mut error = None;
        for packet in payload::decode(row.input.bytes(), MAX_PACKETS) {
            // Nothing follows an error.
            assert_eq!(error, None, "{id}");
            match packet {
                Ok(packet) => packets.push(packet),
                Err(refused) => error = Some(described(&refused)),
            }
        }
        let wanted: Vec<_> = unfold(&row.expect.packets)
            .iter()
            .map(Wanted::packet)
            .collect();
        assert!(packets == wanted, "{id}: {packets:?}");
        assert_eq!(error, row.expect.error, "{id}");
        if row.canonical {
            canonical += 1;
            assert!(payload::encode(packets) == Ok(row.input.bytes()), "{id}");
        }
    }
    assert_eq!(canonical, 26);
}
