//! What reading and writing packets costs, each beside its floor in the same run.
//!
//! A floor is work that cannot be left out, or that others do for the same input:
//!
//! - `copy`: one copy of the bytes into a buffer that is there already;
//! - `UTF-8`: one check that they are UTF-8;
//! - `skip`: one pass of `serde_json` that keeps nothing, over the same JSON;
//! - `serde_json`: the same value, from the same JSON or to it.
//!
//! What is ours is called `ours`. Making the input and freeing the result are not measured. A text
//! is `shared` if others hold its buffer too, as with most WebSocket libraries, and `from a Vec` if
//! it is the only owner of a vector. `bench/report.py` makes a table of a run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "benchmarks fail loudly"
)]

#[path = "support/inputs.rs"]
mod inputs;

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use criterion::{
    BatchSize, Bencher, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group,
    criterion_main, measurement::WallTime,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use socketio_proto::{
    edge::Message,
    engine::{Parser as _, packet, payload},
    socket::{Args, Assembler, Binary, Control, Data, Fragment, Json, Packet, Received, Sealed},
};

use self::inputs::{Chat, Placeholder};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// So many inputs or results at once as fit into the nearest caches.
fn batch(bytes: usize) -> BatchSize {
    const CACHE: usize = 64 * 1024;
    let inputs = (CACHE / bytes.max(1)).clamp(1, 500);
    BatchSize::NumIterations(inputs as u64)
}

/// Measures without freeing the results, which are of about this size.
fn make<T>(bencher: &mut Bencher<'_, WallTime>, bytes: usize, mut make: impl FnMut() -> T) {
    bencher.iter_batched(|| (), |()| make(), batch(bytes));
}

fn decode_packet(text: ByteString) -> Received {
    match Json::default().parse(Message::Text(text)) {
        Ok(Fragment::Packet(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// What a router does with an event: whose it is, its name, and its arguments as checked JSON.
fn receive(text: ByteString) -> Args {
    let packet = decode_packet(text);
    black_box((packet.kind(), packet.namespace(), packet.id()));
    let args = packet.into_args();
    black_box((args.name(), args.json()));
    args
}

/// The same for the message of a WebSocket.
fn receive_message(text: ByteString) -> Args {
    match packet::Packet::decode(Message::Text(text)) {
        Ok(packet::Packet::Message(Message::Text(text))) => receive(text),
        other => panic!("{other:?}"),
    }
}

/// The rows of one text: shared and from a vector.
fn ours<T>(group: &mut Group<'_>, row: &str, text: &str, read: impl Fn(ByteString) -> T) {
    let shared = ByteString::from(text);
    group.bench_function(BenchmarkId::new(row, "ours, shared"), |bencher| {
        let input = || shared.clone();
        bencher.iter_batched(input, &read, BatchSize::NumIterations(500));
    });
    group.bench_function(BenchmarkId::new(row, "ours, from a Vec"), |bencher| {
        let input = || ByteString::from(text.to_owned());
        bencher.iter_batched(input, &read, batch(text.len()));
    });
}

fn floor_copy(group: &mut Group<'_>, row: &str, bytes: &[u8]) {
    let mut copy = Vec::with_capacity(bytes.len());
    group.bench_function(BenchmarkId::new(row, "copy"), |bencher| {
        bencher.iter(|| {
            copy.clear();
            copy.extend_from_slice(black_box(bytes));
            black_box(copy.as_slice());
        });
    });
}

fn floor_utf8(group: &mut Group<'_>, row: &str, bytes: &[u8]) {
    group.bench_function(BenchmarkId::new(row, "UTF-8"), |bencher| {
        bencher.iter(|| std::str::from_utf8(black_box(bytes)).is_ok());
    });
}

fn floor_skip(group: &mut Group<'_>, row: &str, json: &str) {
    group.bench_function(BenchmarkId::new(row, "skip"), |bencher| {
        bencher.iter(|| serde_json::from_str::<IgnoredAny>(black_box(json)).unwrap());
    });
}

/// A packet to its name and checked arguments.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for packet in inputs::packets() {
        let (row, text) = (packet.name, packet.text.as_str());
        group.throughput(Throughput::Bytes(text.len() as u64));
        match row {
            inputs::CONNECT => ours(&mut group, row, text, |text| {
                let packet = decode_packet(text);
                black_box(packet.namespace());
                packet.into_data().unwrap()
            }),
            _ => ours(&mut group, row, text, receive),
        }
        #[cfg(socketio_proto_bench)]
        if packet.json().starts_with('[') && row != inputs::ANSWER {
            group.bench_function(BenchmarkId::new(row, "ours, the scan alone"), |bencher| {
                bencher
                    .iter(|| socketio_proto::socket::scan_event(black_box(packet.json())).unwrap());
            });
        }
        floor_copy(&mut group, row, text.as_bytes());
        floor_utf8(&mut group, row, text.as_bytes());
        floor_skip(&mut group, row, packet.json());
    }
    group.finish();
}

/// A message of a WebSocket through both layers.
fn decode_both_layers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode both layers");
    for packet in inputs::packets() {
        let row = packet.name;
        if ![inputs::EVENT_20, inputs::EVENT_200, inputs::EVENT_10K].contains(&row) {
            continue;
        }
        let text = format!("4{}", packet.text);
        group.throughput(Throughput::Bytes(text.len() as u64));
        ours(&mut group, row, &text, receive_message);
        floor_skip(&mut group, row, packet.json());
    }
    group.finish();
}

/// Packets without a payload.
fn decode_header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode header");
    // What measuring adds to every such row: to take a text and to keep a result.
    ours(&mut group, "nothing, only measured", "", |text| text);
    for packet in inputs::headers() {
        ours(&mut group, packet.name, &packet.text, |text| {
            let packet = decode_packet(text);
            black_box((packet.kind(), packet.namespace(), packet.id()));
            packet
        });
        floor_copy(&mut group, packet.name, packet.text.as_bytes());
    }
    group.finish();
}

/// A header and its attachments to arguments.
fn decode_binary(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode binary");
    for packet in inputs::binary_packets() {
        let row = packet.name;
        let attachments = &packet.attachments;
        ours(&mut group, row, &packet.text, |text| {
            let mut assembler = Assembler::new();
            let mut whole = assembler
                .push(Fragment::Packet(decode_packet(text)))
                .unwrap();
            for bytes in attachments {
                let message = Message::Binary(bytes.clone());
                let fragment = Json::default().parse(message).unwrap();
                whole = assembler.push(fragment).unwrap();
            }
            whole.unwrap().into_args()
        });
        floor_skip(&mut group, row, packet.json());
        floor_copy(&mut group, row, &attachments.concat());
    }
    group.finish();
}

/// Checked arguments to the types of an application.
fn parse(criterion: &mut Criterion) {
    fn row<'a, T: Deserialize<'a>>(group: &mut Group<'_>, row: &str, args: &'a Args) {
        group.throughput(Throughput::Bytes(args.json().len() as u64));
        // What a `Value` takes, about.
        let values = 8 * args.json().len();
        group.bench_function(BenchmarkId::new(row, "ours"), |bencher| {
            make(bencher, values, || black_box(args).parse::<(T,)>().unwrap());
        });
        group.bench_function(BenchmarkId::new(row, "serde_json"), |bencher| {
            let json = args.json();
            make(bencher, values, || {
                serde_json::from_str::<T>(black_box(json)).unwrap()
            });
        });
        floor_skip(group, row, args.json());
    }

    let mut group = criterion.benchmark_group("parse");
    let args = |text: String| receive(text.into());
    let chat = args(inputs::event("chat", &inputs::chat()));
    let history = args(inputs::event("history", &inputs::history(10_000)));
    row::<Chat>(&mut group, "chat of event 200 B", &chat);
    row::<serde_json::Value>(&mut group, "chat of event 200 B as Value", &chat);
    row::<Vec<Chat>>(&mut group, "chats of event 10 kB", &history);
    row::<serde_json::Value>(&mut group, "chats of event 10 kB as Value", &history);
    group.finish();
}

/// One packet to the messages that carry it.
fn encode_row<T: Serialize>(
    group: &mut Group<'_>,
    row: &str,
    encode: impl Fn() -> Sealed,
    same_json: &T,
) {
    let sealed = encode();
    let len = sealed.text().len();
    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function(BenchmarkId::new(row, "ours"), |bencher| {
        make(bencher, len, &encode);
    });
    group.bench_function(BenchmarkId::new(row, "serde_json"), |bencher| {
        make(bencher, len, || {
            serde_json::to_string(black_box(same_json)).unwrap()
        });
    });
    floor_copy(group, row, sealed.text());
}

fn event(name: &str, args: &impl Serialize) -> Sealed {
    let packet = Packet::event(black_box(name), black_box(args)).unwrap();
    packet.seal("/", None).unwrap()
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");

    let small = &inputs::SMALL_ARGS;
    let same = ("hello", small.0, small.1);
    encode_row(
        &mut group,
        inputs::EVENT_20,
        || event("hello", small),
        &same,
    );

    let chat = (inputs::chat(),);
    let same = ("chat", &chat.0);
    encode_row(
        &mut group,
        inputs::EVENT_200,
        || event("chat", &chat),
        &same,
    );

    for (row, size) in [(inputs::EVENT_10K, 10_000), (inputs::EVENT_100K, 100_000)] {
        let history = (inputs::history(size),);
        let same = ("history", &history.0);
        encode_row(&mut group, row, || event("history", &history), &same);
    }

    let namespaced = || {
        let packet = Packet::event("chat", black_box(&chat)).unwrap();
        packet.seal(inputs::NAMESPACE, Some(inputs::ACK)).unwrap()
    };
    encode_row(&mut group, inputs::NAMESPACED, namespaced, &same);

    let answer = || {
        let packet = Packet::reply(black_box(&inputs::ACK_ARGS)).unwrap();
        packet.seal("/", Some(inputs::ACK)).unwrap()
    };
    encode_row(&mut group, inputs::ANSWER, answer, &inputs::ACK_ARGS);

    let auth = inputs::auth();
    let connect = || {
        let data = Data::new(black_box(&auth)).unwrap();
        let connect = Control::Connect(Some(data));
        connect.seal(inputs::NAMESPACE).unwrap()
    };
    encode_row(&mut group, inputs::CONNECT, connect, &auth);

    for packet in inputs::binary_packets() {
        let binaries: Vec<Binary> = packet.attachments.into_iter().map(Binary).collect();
        let places: Vec<Placeholder> = (0..binaries.len()).map(Placeholder::new).collect();
        let args = ("cat.png", binaries);
        let same = ("upload", "cat.png", places);
        encode_row(&mut group, packet.name, || event("upload", &args), &same);
    }
    group.finish();
}

/// Received arguments to a packet, without decoding them.
fn forward(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forward");
    for packet in inputs::packets() {
        if !packet.name.starts_with("event ") {
            continue;
        }
        let args = receive(packet.text.into());
        let encode = || {
            let packet = Packet::forward(args.name(), black_box(&args)).unwrap();
            packet.seal("/", None).unwrap()
        };
        let len = encode().text().len();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new(packet.name, "ours"), |bencher| {
            make(bencher, len, encode);
        });
        floor_copy(&mut group, packet.name, encode().text());
    }
    group.finish();
}

fn read_body(body: Bytes, read: impl Fn(packet::Packet)) {
    for packet in payload::decode(body, 65_536) {
        read(packet.unwrap());
    }
}

/// Polling bodies: the 100 small packets count as 100 elements.
fn polling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("polling");

    let row = "read a body of small packets";
    let body = inputs::body();
    let shared = Bytes::from(body.clone());
    group.throughput(Throughput::Elements(inputs::PACKETS as u64));
    group.bench_function(BenchmarkId::new(row, "ours, shared"), |bencher| {
        bencher.iter(|| read_body(shared.clone(), |packet| drop(black_box(packet))));
    });
    group.bench_function(BenchmarkId::new(row, "ours, from a Vec"), |bencher| {
        let input = || Bytes::from(body.clone());
        let read = |body| read_body(body, |packet| drop(black_box(packet)));
        bencher.iter_batched(input, read, batch(body.len()));
    });
    floor_copy(&mut group, row, body.as_bytes());
    floor_utf8(&mut group, row, body.as_bytes());

    let row = "read a body of small packets, both layers";
    group.bench_function(BenchmarkId::new(row, "ours, shared"), |bencher| {
        let read = |packet| {
            let packet::Packet::Message(Message::Text(text)) = packet else {
                panic!("{packet:?}");
            };
            black_box(receive(text));
        };
        bencher.iter(|| read_body(shared.clone(), read));
    });
    group.bench_function(BenchmarkId::new(row, "skip"), |bencher| {
        let json = &inputs::SMALL[1..];
        bencher.iter(|| {
            for _ in 0..inputs::PACKETS {
                serde_json::from_str::<IgnoredAny>(black_box(json)).unwrap();
            }
        });
    });

    let row = "write a body of small packets";
    let text = ByteString::from(inputs::SMALL);
    let packets = || vec![packet::Packet::Message(Message::Text(text.clone())); inputs::PACKETS];
    let write = |packets: Vec<packet::Packet>| payload::encode(packets).unwrap();
    assert_eq!(write(packets()), body);
    group.bench_function(BenchmarkId::new(row, "ours"), |bencher| {
        bencher.iter_batched(packets, write, BatchSize::NumIterations(20));
    });
    floor_copy(&mut group, row, body.as_bytes());

    let binary = packet::Packet::Message(Message::Binary(inputs::binary(inputs::BASE64_BYTES)));
    let body = payload::encode([binary.clone()]).unwrap();
    group.throughput(Throughput::Bytes(inputs::BASE64_BYTES as u64));
    let row = "read 64 kB of base64";
    group.bench_function(BenchmarkId::new(row, "ours"), |bencher| {
        bencher.iter(|| read_body(body.clone(), |packet| drop(black_box(packet))));
    });
    floor_copy(&mut group, row, &body);
    floor_utf8(&mut group, row, &body);
    let row = "write 64 kB as base64";
    group.bench_function(BenchmarkId::new(row, "ours"), |bencher| {
        bencher.iter(|| payload::encode([black_box(binary.clone())]).unwrap());
    });
    floor_copy(&mut group, row, &body);
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
    targets =
        decode,
        decode_both_layers,
        decode_header,
        decode_binary,
        parse,
        encode,
        forward,
        polling
}
criterion_main!(benches);
