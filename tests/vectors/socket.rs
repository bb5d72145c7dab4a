//! Packets of Socket.IO with their attachments.

use serde::Deserialize;
use socketio_proto::{
    edge::Message,
    engine::Parser as _,
    socket::{
        Args, Assembler, Control, Data, DecodeError, Json, Packet, PacketKind, Received, Sealed,
    },
};

use crate::{
    node::Node,
    rows::{Form, Repeated, Row, read, unfold},
};

const DIALECT: &str = "socket.io/v5";

#[derive(Deserialize)]
struct DecodeRow {
    id: String,
    frames: Vec<Form>,
    expect: DecodeVerdict,
    #[serde(default)]
    canonical: bool,
    #[serde(default)]
    needs: Vec<String>,
}

#[derive(Deserialize)]
struct DecodeVerdict {
    packets: Vec<Repeated<Wanted>>,
    #[serde(default)]
    pending: bool,
    error: Option<WantedError>,
}

#[derive(Deserialize)]
struct EncodeRow {
    id: String,
    packet: Wanted,
    expect: EncodeVerdict,
    #[serde(default)]
    needs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EncodeVerdict {
    Frames(Vec<Form>),
    Error { rule: String },
}

#[derive(Clone, Debug, Deserialize)]
struct Wanted {
    #[serde(rename = "type")]
    kind: String,
    namespace: Form,
    id: Option<u64>,
    data_json: Option<Form>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct WantedError {
    frame: usize,
    rule: String,
    offset: Option<usize>,
}

impl Row for DecodeRow {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for EncodeRow {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Wanted {
    fn data(&self) -> Option<Node> {
        let json = self.data_json.as_ref()?;
        Some(Node::parse(&json.text()))
    }
}

/// What comes out of frames: the packets, the frame that is refused, and whether attachments are
/// awaited.
fn decode(frames: &[Form]) -> (Vec<Received>, Option<(usize, DecodeError)>, bool) {
    let mut assembler = Assembler::new();
    let mut packets = Vec::new();
    for (i, frame) in frames.iter().enumerate() {
        let fragment = Json::default().parse(frame.message());
        match fragment.and_then(|fragment| assembler.push(fragment)) {
            Ok(packet) => packets.extend(packet),
            Err(error) => return (packets, Some((i, error)), false),
        }
    }
    (packets, None, assembler.is_waiting())
}

fn kind_name(kind: PacketKind) -> &'static str {
    match kind {
        PacketKind::Connect => "connect",
        PacketKind::Disconnect => "disconnect",
        PacketKind::Event => "event",
        PacketKind::Ack => "ack",
        PacketKind::ConnectError => "connect-error",
    }
}

fn assert_is(id: &str, packet: &Received, wanted: &Wanted) {
    assert_eq!(kind_name(packet.kind()), wanted.kind, "{id}");
    assert_eq!(packet.namespace(), wanted.namespace.text(), "{id}");
    assert_eq!(packet.id(), wanted.id, "{id}");
    let data = wanted.data();
    let packet = packet.clone();
    match packet.kind() {
        PacketKind::Connect | PacketKind::Disconnect | PacketKind::ConnectError => {
            let parsed = packet.into_data().map(|data| data.parse().unwrap());
            assert_eq!(parsed, data, "{id}");
        }
        PacketKind::Event => {
            let mut data = data.unwrap().into_list();
            let args = packet.into_args();
            match data.remove(0) {
                Node::Text(name) => assert_eq!(args.name(), name, "{id}"),
                // The name is the text of the number.
                number => assert_eq!(Node::parse(args.name()), number, "{id}"),
            }
            assert_args(id, &args, data);
        }
        PacketKind::Ack => {
            let args = packet.into_args();
            assert_eq!(args.name(), "", "{id}");
            // An answer without payload has no arguments.
            assert_args(id, &args, data.map(Node::into_list).unwrap_or_default());
        }
    }
}

fn assert_args(id: &str, args: &Args, wanted: Vec<Node>) {
    assert_eq!(args.len(), wanted.len(), "{id}");
    let wanted = Node::List(wanted);
    let json = Node::parse(&format!("[{}]", args.json()));
    if args.attachments().is_empty() {
        assert_eq!(json, wanted, "{id}");
    }
    if wanted.has_infinity() {
        // It is kept as text, and no double when it is decoded.
        assert!(args.parse::<Node>().is_err(), "{id}");
    } else {
        assert_eq!(args.parse::<Node>().as_ref(), Ok(&wanted), "{id}");
    }
}

/// Why a packet cannot be encoded, named as the vectors name it.
fn rule(error: &impl std::fmt::Debug) -> String {
    let variant = format!("{error:?}");
    let mut rule = String::new();
    for c in variant.chars().take_while(char::is_ascii_alphabetic) {
        if c.is_ascii_uppercase() && !rule.is_empty() {
            rule.push('-');
        }
        rule.push(c.to_ascii_lowercase());
    }
    rule
}

fn encode(wanted: &Wanted) -> Result<Sealed, String> {
    let namespace = wanted.namespace.text();
    let data = || {
        let data = wanted.data().map(|data| Data::new(&data));
        data.transpose().map_err(|error| rule(&error))
    };
    let control = match wanted.kind.as_str() {
        "connect" => Control::Connect(data()?),
        "connect-error" => Control::ConnectError(data()?.unwrap()),
        "disconnect" => Control::Disconnect,
        _ => return encode_args(wanted, &namespace),
    };
    control.seal(&namespace).map_err(|error| rule(&error))
}

fn encode_args(wanted: &Wanted, namespace: &str) -> Result<Sealed, String> {
    let mut args = wanted.data().unwrap().into_list();
    let packet = match wanted.kind.as_str() {
        "event" => match args.remove(0) {
            Node::Text(name) => Packet::event(&name, &args),
            other => panic!("{other:?}"),
        },
        _ => Packet::reply(&args),
    };
    let packet = packet.map_err(|error| rule(&error))?;
    packet
        .seal(namespace, wanted.id)
        .map_err(|error| rule(&error))
}

/// The frames of a packet; the Engine.IO type is not part of them.
fn frames(sealed: &Sealed) -> Vec<Message> {
    let text = sealed.text();
    assert!(text.starts_with(b"4"));
    let text = Message::Text(text.slice(1..).try_into().unwrap());
    let attachments = sealed.attachments().iter().cloned().map(Message::Binary);
    [text].into_iter().chain(attachments).collect()
}

fn messages(forms: &[Form]) -> Vec<Message> {
    forms.iter().map(Form::message).collect()
}

/// The text of a packet: messages show their length only.
fn shown(frames: &[Message]) -> Option<&str> {
    frames.iter().find_map(|frame| match frame {
        Message::Text(text) => Some(&**text),
        Message::Binary(_) => None,
    })
}

/// A text taken apart: what stands before the JSON, and the JSON.
fn split(frame: &Message) -> (&[u8], Option<Node>) {
    match frame {
        Message::Binary(bytes) => (bytes, None),
        Message::Text(text) => {
            let text: &str = text;
            let start = text.find(['[', '{', '"']).unwrap_or(text.len());
            let (header, json) = text.split_at(start);
            let json = (!json.is_empty()).then(|| Node::parse(json));
            (header.as_bytes(), json)
        }
    }
}

/// Gives a received packet to the encoder as it came, without decoding its payload.
fn forward(packet: Received) -> Sealed {
    let (namespace, id) = (packet.namespace().to_owned(), packet.id());
    let packet = match packet.kind() {
        PacketKind::Connect => {
            return Control::Connect(packet.into_data())
                .seal(&namespace)
                .unwrap();
        }
        PacketKind::ConnectError => {
            let data = packet.into_data().unwrap();
            return Control::ConnectError(data).seal(&namespace).unwrap();
        }
        PacketKind::Disconnect => return Control::Disconnect.seal(&namespace).unwrap(),
        PacketKind::Event => {
            let args = packet.into_args();
            Packet::forward(args.name(), &args)
        }
        PacketKind::Ack => Packet::reply_forward(&packet.into_args()),
    };
    packet.unwrap().seal(&namespace, id).unwrap()
}

#[test]
fn packets_are_read_as_the_vectors_say() {
    for row in read::<DecodeRow>(DIALECT, "packets.json", 568) {
        let id = &row.id;
        let (packets, error, pending) = decode(&row.frames);
        let error = error.map(|(frame, error)| WantedError {
            frame,
            rule: error.rule().into(),
            offset: error.offset(),
        });
        assert_eq!(error, row.expect.error, "{id}");
        assert_eq!(pending, row.expect.pending, "{id}");
        let wanted = unfold(&row.expect.packets);
        assert_eq!(packets.len(), wanted.len(), "{id}");
        for (packet, wanted) in packets.iter().zip(&wanted) {
            assert_is(id, packet, wanted);
        }
    }
}

/// Canonical rows whose value the library forwards, but does not build anew: `Data` leaves a level for
/// the object around it in a refusal.
const FORWARDED_ONLY: [&str; 1] = ["depth-128-connect"];

#[test]
fn packets_are_written_as_they_were_read() {
    let (mut written, mut skipped) = (0, 0);
    let rows = read::<DecodeRow>(DIALECT, "packets.json", 568);
    for row in rows.iter().filter(|row| row.canonical) {
        let id = &row.id;
        if !row.needs.is_empty() {
            skipped += 1;
            continue;
        }
        written += 1;
        let (packets, ..) = decode(&row.frames);
        let forwarded = packets.into_iter().map(forward);
        let forwarded: Vec<_> = forwarded.flat_map(|sealed| frames(&sealed)).collect();
        assert!(
            forwarded == messages(&row.frames),
            "{id}: {:?}",
            shown(&forwarded)
        );

        let wanted = unfold(&row.expect.packets);
        let encoded: Result<Vec<_>, _> = wanted.iter().map(encode).collect();
        if FORWARDED_ONLY.contains(&id.as_str()) {
            assert_eq!(encoded, Err("too-deep".into()), "{id}");
            continue;
        }
        let encoded = encoded.unwrap_or_else(|rule| panic!("{id}: {rule}"));
        let encoded: Vec<_> = encoded.iter().flat_map(frames).collect();
        assert!(
            encoded == messages(&row.frames),
            "{id}: {:?}",
            shown(&encoded)
        );
    }
    assert_eq!((written, skipped), (117, 24));
}

#[test]
fn packets_are_encoded_as_the_vectors_say() {
    let mut skipped = Vec::new();
    for row in read::<EncodeRow>(DIALECT, "encode.json", 81) {
        let id = &row.id;
        if !row.needs.is_empty() {
            skipped.push(row.id);
            continue;
        }
        match (encode(&row.packet), &row.expect) {
            (Err(rule), EncodeVerdict::Error { rule: wanted }) => assert_eq!(&rule, wanted, "{id}"),
            (Ok(sealed), EncodeVerdict::Frames(wanted)) => {
                let frames = frames(&sealed);
                let wanted = messages(wanted);
                // Numbers may be written in other ways.
                let is_same = frames.iter().map(split).eq(wanted.iter().map(split));
                assert!(is_same, "{id}: {:?}", shown(&frames));
            }
            (encoded, _) => panic!("{id}: {encoded:?}, which is not as it should be"),
        }
    }
    assert_eq!(
        skipped,
        [
            "event-numeric-name",
            "connect-error-without-payload",
            "lone-surrogate",
        ]
    );
}
