//! Socket.IO packets: this project beside `socketioxide-parser-common`.
//!
//! A row is a piece of work that both do; the README says what each does by the way.

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main,
    measurement::WallTime,
};
use parsers::inputs::{self, Auth, Chat};
use serde::{Serialize, de::DeserializeOwned};
use socketio_proto::{
    edge::Message,
    engine::Parser as _,
    socket::{Args, Assembler, Binary, Control, Data, Fragment, Json, Packet, Received, Sealed},
};
use socketioxide_core::{
    Str, Value,
    packet::{Packet as OtherPacket, PacketData},
    parser::{Parse as _, ParseConfig, ParseError, ParserState},
};
use socketioxide_parser_common::CommonParser;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const OURS: &str = "ours";
const OTHER: &str = "socketioxide";

/// So many results at once, of this size in bytes, as fit into the nearest caches.
fn batch(bytes: usize) -> BatchSize {
    let results = (64 * 1024 / bytes.max(1)).clamp(1, 500);
    BatchSize::NumIterations(results as u64)
}

/// One row: both read a text whose buffer somebody else holds too.
fn texts<A, B>(
    group: &mut Group<'_>,
    row: &str,
    text: &str,
    ours: impl Fn(ByteString) -> A,
    other: impl Fn(Str) -> B,
) {
    // Results may be typed values.
    let batch = batch(2 * text.len());
    let shared = ByteString::from(text);
    group.bench_function(BenchmarkId::new(row, OURS), |bencher| {
        bencher.iter_batched(|| shared.clone(), &ours, batch);
    });
    let shared = Str::copy_from_slice(text);
    group.bench_function(BenchmarkId::new(row, OTHER), |bencher| {
        bencher.iter_batched(|| shared.clone(), &other, batch);
    });
}

fn decode(text: ByteString) -> Received {
    match Json::default().parse(Message::Text(text)) {
        Ok(Fragment::Packet(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// The name and the checked arguments.
fn receive(text: ByteString) -> Args {
    let args = decode(text).into_args();
    black_box((args.name(), args.json()));
    args
}

fn decode_other(text: Str) -> OtherPacket {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    CommonParser.decode_str(&config, &state, text).unwrap()
}

fn value(packet: OtherPacket) -> Value {
    match packet.inner {
        PacketData::Event(value, _)
        | PacketData::EventAck(value, _)
        | PacketData::BinaryEvent(value, _)
        | PacketData::BinaryAck(value, _) => value,
        other => panic!("{other:?}"),
    }
}

/// The name and the arguments, which were read through for it.
fn receive_other(text: Str) -> Value {
    let value = value(decode_other(text));
    black_box(CommonParser.read_event(&value).unwrap());
    value
}

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a header");
    for packet in inputs::headers() {
        // Only these are packets for both.
        if !packet.text.starts_with('3') {
            texts(&mut group, packet.name, &packet.text, decode, decode_other);
        }
    }
    group.finish();
}

fn names(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an event to its name and arguments that are JSON");
    for packet in inputs::packets() {
        if packet.name.starts_with("event") {
            assert_eq!(
                receive(packet.text.as_str().into()).name(),
                CommonParser
                    .read_event(&value(decode_other(packet.text.clone().into())))
                    .unwrap(),
            );
            texts(
                &mut group,
                packet.name,
                &packet.text,
                receive,
                receive_other,
            );
        }
    }
    group.finish();
}

fn typed<T: DeserializeOwned + PartialEq + std::fmt::Debug>(group: &mut Group<'_>, row: &str) {
    let mut packets = inputs::packets().into_iter();
    let packet = packets.find(|packet| packet.name == row);
    let text = packet.unwrap().text;
    let is_event = text.starts_with('2');
    let ours = |text| receive(text).parse::<T>().unwrap();
    let other = |text| {
        let mut value = value(decode_other(text));
        if is_event {
            black_box(CommonParser.read_event(&value).unwrap());
        }
        let values: T = CommonParser.decode_value(&mut value, is_event).unwrap();
        values
    };
    assert_eq!(ours(text.as_str().into()), other(text.clone().into()));
    texts(group, row, &text, ours, other);
}

fn types(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a packet to its name and typed arguments");
    typed::<(String, u32)>(&mut group, inputs::EVENT_20);
    typed::<(Chat,)>(&mut group, inputs::EVENT_200);
    typed::<(Vec<Chat>,)>(&mut group, inputs::EVENT_10K);
    typed::<(Vec<Chat>,)>(&mut group, inputs::EVENT_100K);
    typed::<(String, u32, bool)>(&mut group, inputs::ANSWER);

    let mut packets = inputs::packets().into_iter();
    let connect = packets.find(|packet| packet.name == inputs::CONNECT);
    let text = connect.unwrap().text;
    let ours = |text| decode(text).into_data().unwrap().parse::<Auth>().unwrap();
    let other = |text| match decode_other(text).inner {
        PacketData::Connect(data) => {
            let auth: Auth = CommonParser.decode_default(data.as_ref()).unwrap();
            auth
        }
        other => panic!("{other:?}"),
    };
    texts(&mut group, inputs::CONNECT, &text, ours, other);
    group.finish();
}

fn binaries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a packet with attachments to its name");
    for packet in inputs::binary_packets() {
        let attachments = &packet.attachments;
        let ours = |text| {
            let mut assembler = Assembler::new();
            let mut push = |fragment| assembler.push(fragment).unwrap();
            let mut whole = push(Fragment::Packet(decode(text)));
            for bytes in attachments {
                whole = push(Fragment::Attachment(bytes.clone()));
            }
            let args = whole.unwrap().into_args();
            black_box(args.name());
            args
        };
        let other = |text: Str| {
            let (config, state) = (ParseConfig::default(), ParserState::default());
            let mut whole = CommonParser.decode_str(&config, &state, text);
            for bytes in attachments {
                assert!(matches!(whole, Err(ParseError::NeedsMoreBinaryData)));
                whole = CommonParser.decode_bin(&config, &state, bytes.clone());
            }
            let value = value(whole.unwrap());
            black_box(CommonParser.read_event(&value).unwrap());
            value
        };
        texts(&mut group, packet.name, &packet.text, ours, other);
    }
    group.finish();
}

/// One row: both write the same JSON; `ours` has the digit of Engine.IO before it.
fn row(group: &mut Group<'_>, row: &str, ours: impl Fn() -> Sealed, other: impl Fn() -> Value) {
    let (Value::Str(text, _), sealed) = (other(), ours()) else {
        panic!("bytes");
    };
    assert_eq!(sealed.text()[1..], *text.as_bytes(), "{row}");
    let batch = batch(text.len());
    group.bench_function(BenchmarkId::new(row, OURS), |bencher| {
        bencher.iter_batched(|| (), |()| ours(), batch);
    });
    group.bench_function(BenchmarkId::new(row, OTHER), |bencher| {
        bencher.iter_batched(|| (), |()| other(), batch);
    });
}

/// The values are tuples for both.
fn event_row<A: Serialize, B: Serialize>(
    group: &mut Group<'_>,
    name: &str,
    event: &str,
    ours: &A,
    other: &B,
) {
    row(
        group,
        name,
        || {
            let packet = Packet::event(black_box(event), black_box(ours)).unwrap();
            packet.seal("/", None).unwrap()
        },
        || {
            let value = CommonParser.encode_value(black_box(other), Some(black_box(event)));
            CommonParser.encode(OtherPacket::event("/", value.unwrap()))
        },
    );
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a packet from typed arguments");
    let small = inputs::SMALL_ARGS;
    event_row(&mut group, inputs::EVENT_20, "hello", &small, &small);
    let chat = (inputs::chat(),);
    event_row(&mut group, inputs::EVENT_200, "chat", &chat, &chat);
    for (name, size) in [(inputs::EVENT_10K, 10_000), (inputs::EVENT_100K, 100_000)] {
        let history = (inputs::history(size),);
        event_row(&mut group, name, "history", &history, &history);
    }
    row(
        &mut group,
        inputs::ANSWER,
        || {
            let packet = Packet::reply(black_box(&inputs::ACK_ARGS)).unwrap();
            packet.seal("/", Some(inputs::ACK)).unwrap()
        },
        || {
            let value = CommonParser.encode_value(black_box(&inputs::ACK_ARGS), None);
            let id = inputs::ACK.try_into().unwrap();
            CommonParser.encode(OtherPacket::ack("/", value.unwrap(), id))
        },
    );
    let auth = inputs::auth();
    row(
        &mut group,
        inputs::CONNECT,
        || {
            let data = Data::new(black_box(&auth)).unwrap();
            let connect = Control::Connect(Some(data));
            connect.seal(inputs::NAMESPACE).unwrap()
        },
        || {
            let value = CommonParser.encode_default(black_box(&auth)).unwrap();
            CommonParser.encode(OtherPacket::connect(inputs::NAMESPACE, Some(value)))
        },
    );
    for packet in inputs::binary_packets() {
        let other: Vec<Bytes> = packet.attachments;
        let ours: Vec<Binary> = other.iter().cloned().map(Binary).collect();
        let (ours, other) = (("cat.png", ours), ("cat.png", other));
        event_row(&mut group, packet.name, "upload", &ours, &other);
    }
    group.finish();
}

fn config() -> Criterion {
    Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
}

criterion_group! {
    name = benches;
    config = config();
    targets = headers, names, types, binaries, encode
}
criterion_main!(benches);
