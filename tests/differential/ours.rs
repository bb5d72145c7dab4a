//! What this crate makes of an input, in the words of the oracle.

use bytes::Bytes;
use socketio_proto::{
    edge::{FrameKind, Message},
    engine::{Parser as _, packet, payload},
    socket::{
        Args, ArgsError, Assembler, Control, Data, DecodeError, EncodeError, Json, Limits,
        Packet as Outgoing, PacketKind, Received, SealError, Sealed,
    },
};

use crate::{
    oracle::{BROKEN, EnginePacket, Frame, Packet, Step},
    tree::Tree,
    value::{Text, Value},
};

/// What a decoder of ours makes of one frame, and what else there is to say about it.
#[derive(Clone, Debug)]
pub struct Read {
    pub step: Step<DecodeError>,
    /// Whether attachments were awaited before.
    pub was_waiting: bool,
    /// Whether a number is beyond an `f64`, so that an untyped value cannot be had.
    pub overflows: bool,
    /// The arguments of an event or an answer.
    pub args: Option<Args>,
}

pub fn message(frame: &Frame) -> Message {
    match frame {
        Frame::Bytes(bytes) => Message::Binary(bytes.clone()),
        Frame::Text(text) => Message::Text(text.as_str().into()),
    }
}

/// Goes through frames as the official decoder does, which goes on behind an error.
pub fn decode(frames: &[Frame], limits: Limits) -> Vec<Read> {
    let mut assembler = Assembler::new();
    let json = Json { limits };
    let mut read = |frame| {
        let was_waiting = assembler.is_waiting();
        let step = json
            .parse(message(frame))
            .and_then(|fragment| assembler.push(fragment));
        let (mut overflows, mut args) = (false, None);
        let step = match step {
            Ok(None) => Step::Waiting,
            Ok(Some(received)) => {
                let packet;
                (packet, overflows, args) = describe(received);
                Step::Packet(packet)
            }
            Err(error) => Step::Refused(error),
        };
        Read {
            step,
            was_waiting,
            overflows,
            args,
        }
    };
    frames.iter().map(&mut read).collect()
}

#[expect(clippy::cast_precision_loss, reason = "ids are at most 2^53 - 1")]
fn describe(received: Received) -> (Packet, bool, Option<Args>) {
    let kind = received.kind();
    let namespace = received.namespace().into();
    let id = received
        .id()
        .map_or(Value::Undefined, |id| Value::Number(id as f64));
    let (mut args, mut overflows, mut data) = (None, false, Value::Undefined);
    match kind {
        PacketKind::Event | PacketKind::Ack => {
            let read = received.into_args();
            (data, overflows) = arguments(&read);
            if kind == PacketKind::Event
                && let Value::List(elements) = &mut data
            {
                elements.insert(0, Value::text(read.name()));
            }
            args = Some(read);
        }
        _ => {
            if let Some(read) = received.into_data() {
                let text = || read.json().to_owned();
                (data, overflows) = value_or_tree(read.parse(), text, &[]);
            }
        }
    }
    let packet = Packet {
        kind: kind as u8,
        namespace,
        id,
        data,
    };
    (packet, overflows, args)
}

fn arguments(args: &Args) -> (Value, bool) {
    let text = || format!("[{}]", args.json());
    value_or_tree(args.parse(), text, args.attachments())
}

/// A number beyond an `f64` is an error for our types and infinity for JavaScript: then it is read
/// from the text.
fn value_or_tree(
    value: Result<Value, ArgsError>,
    text: impl Fn() -> String,
    attachments: &[Bytes],
) -> (Value, bool) {
    match value {
        Ok(value) => (value, false),
        Err(error) if error.to_string().ends_with("number out of range") => {
            let tree = Tree::parse(&text()).expect("it was found to be JSON");
            assert!(tree.overflows(), "{error}, but every number is in range");
            (tree.value(attachments), true)
        }
        Err(error) => (Value::text(&format!("error: {error}")), false),
    }
}

/// Encodes a packet. Its data is a list for events, the name first, and for answers.
pub fn encode(packet: &Packet) -> Result<Vec<Frame>, String> {
    let namespace = packet.namespace.mended();
    let data = match &packet.data {
        Value::Undefined => None,
        data => Some(data),
    };
    let sealed = match (packet.kind, data) {
        (2, Some(Value::List(elements))) => {
            let (name, args) = elements.split_first().expect("an event has a name");
            let Value::Text(name) = name else {
                panic!("the name of an event is a text");
            };
            let packet_of_ours = Outgoing::event(&name.mended(), args).map_err(rule)?;
            packet_of_ours.seal(&namespace, id(packet))
        }
        (3, Some(Value::List(args))) => {
            let packet_of_ours = Outgoing::reply(args).map_err(rule)?;
            packet_of_ours.seal(&namespace, id(packet))
        }
        (kind, data) => {
            let data = data.map(Data::new).transpose().map_err(rule)?;
            let control = match (kind, data) {
                (0, data) => Control::Connect(data),
                (1, None) => Control::Disconnect,
                (4, Some(data)) => Control::ConnectError(data),
                other => panic!("no such packet: {other:?}"),
            };
            control.seal(&namespace)
        }
    };
    sealed.map(|sealed| frames(&sealed)).map_err(seal_rule)
}

/// Answers with arguments as they came.
pub fn forward(args: &Args) -> Vec<Frame> {
    let reply = Outgoing::reply_forward(args).expect("what came can be sent");
    frames(&reply.seal("/", Some(7)).expect("the header can be written"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "generated ids are whole"
)]
fn id(packet: &Packet) -> Option<u64> {
    match packet.id {
        Value::Number(id) => Some(id as u64),
        _ => None,
    }
}

/// The frames as the layer below gives them to the official decoder.
fn frames(sealed: &Sealed) -> Vec<Frame> {
    let text = str::from_utf8(sealed.text()).expect("it is UTF-8");
    let text = text.strip_prefix('4').expect("it is a message");
    let text = Frame::Text(text.to_owned());
    let attachments = sealed.attachments().iter().cloned().map(Frame::Bytes);
    [text].into_iter().chain(attachments).collect()
}

fn rule(error: EncodeError) -> String {
    match error {
        EncodeError::BinaryInData => "binary in data".into(),
        EncodeError::ReservedName => "reserved name".into(),
        EncodeError::TooDeep { .. } => "too deep".into(),
        EncodeError::TooManyAttachments { .. } => "too many attachments".into(),
        other => other.to_string(),
    }
}

fn seal_rule(error: SealError) -> String {
    match error {
        SealError::IdTooLarge { .. } => "id too large".into(),
        SealError::IllegalData => "illegal data".into(),
        SealError::IllegalNamespace => "illegal namespace".into(),
        SealError::MissingId => "missing id".into(),
        other => other.to_string(),
    }
}

pub type EngineRead = Result<EnginePacket, packet::DecodeError>;

pub fn decode_message(frame: &Frame) -> EngineRead {
    packet::Packet::decode(message(frame)).map(describe_engine)
}

pub fn decode_body(body: Bytes, max_packets: usize) -> Vec<EngineRead> {
    let packets = payload::decode(body, max_packets);
    packets.map(|packet| packet.map(describe_engine)).collect()
}

fn describe_engine(packet: packet::Packet) -> EnginePacket {
    use packet::Packet::{Close, Message as M, Noop, Open, Ping, Pong, Upgrade};

    let (kind, data) = match packet {
        Open(data) => (0, Value::text(&data)),
        Close => (1, Value::Undefined),
        Ping(data) => (2, Value::text(&data)),
        Pong(data) => (3, Value::text(&data)),
        M(Message::Text(text)) => (4, Value::text(&text)),
        M(Message::Binary(bytes)) => (4, Value::Bytes(bytes)),
        Upgrade => (5, Value::Undefined),
        Noop => (6, Value::Undefined),
    };
    EnginePacket { kind, data }
}

fn engine_packet(packet: &EnginePacket) -> packet::Packet {
    use packet::Packet::{Close, Message as M, Noop, Open, Ping, Pong, Upgrade};

    let text = || match &packet.data {
        Value::Text(Text::Whole(text)) => text.as_str().into(),
        other => panic!("{other:?} is no text"),
    };
    match (packet.kind, &packet.data) {
        (0, _) => Open(text()),
        (1, _) => Close,
        (2, _) => Ping(text()),
        (3, _) => Pong(text()),
        (4, Value::Bytes(bytes)) => M(Message::Binary(bytes.clone())),
        (4, _) => M(Message::Text(text())),
        (5, _) => Upgrade,
        (6, _) => Noop,
        (BROKEN.., _) => panic!("a broken packet is not encoded"),
    }
}

pub fn encode_message(packet: &EnginePacket) -> Frame {
    match engine_packet(packet).encode() {
        (FrameKind::Binary, bytes) => Frame::Bytes(bytes),
        (FrameKind::Text, bytes) => {
            let text = String::from_utf8(bytes.into()).expect("it is UTF-8");
            Frame::Text(text)
        }
    }
}

pub fn encode_body(packets: &[EnginePacket]) -> Result<Bytes, payload::EncodeError> {
    payload::encode(packets.iter().map(engine_packet))
}
