//! Engine.IO packets: this project beside `rust_engineio`, and base64 beside `base64-simd`.

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main,
    measurement::WallTime,
};
use parsers::inputs;
use rust_engineio::{Packet as OtherPacket, PacketId};
use socketio_proto::{
    edge::Message,
    engine::{packet::Packet, payload},
};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const OURS: &str = "ours";
const OTHER: &str = "rust_engineio";
const BATCH: BatchSize = BatchSize::NumIterations(500);

fn decode(text: ByteString) -> Packet {
    Packet::decode(Message::Text(text)).unwrap()
}

fn decode_other(bytes: Bytes) -> OtherPacket {
    OtherPacket::try_from(bytes).unwrap()
}

fn texts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a message");
    for packet in inputs::packets() {
        if ![inputs::EVENT_20, inputs::EVENT_200, inputs::EVENT_10K].contains(&packet.name) {
            continue;
        }
        let text = ByteString::from(format!("4{}", packet.text));
        let bytes = text.as_bytes().clone();
        read(&mut group, packet.name, text, bytes);
    }
    group.finish();

    let mut group = criterion.benchmark_group("write a message");
    for packet in inputs::packets() {
        if ![inputs::EVENT_20, inputs::EVENT_200, inputs::EVENT_10K].contains(&packet.name) {
            continue;
        }
        let ours = Packet::Message(Message::Text(packet.text.as_str().into()));
        let other = OtherPacket::new(PacketId::Message, packet.text.clone());
        assert_eq!(ours.clone().encode().1, Bytes::from(other.clone()));
        // So many results at once as fit into the nearest caches.
        let results = (64 * 1024 / packet.text.len()).clamp(1, 500);
        let batch = BatchSize::NumIterations(results as u64);
        group.bench_function(BenchmarkId::new(packet.name, OURS), |bencher| {
            bencher.iter_batched(|| ours.clone(), Packet::encode, batch);
        });
        group.bench_function(BenchmarkId::new(packet.name, OTHER), |bencher| {
            bencher.iter_batched(|| other.clone(), Bytes::from, batch);
        });
    }
    group.finish();
}

fn read(group: &mut Group<'_>, row: &str, text: ByteString, bytes: Bytes) {
    group.bench_function(BenchmarkId::new(row, OURS), |bencher| {
        bencher.iter_batched(|| text.clone(), decode, BATCH);
    });
    group.bench_function(BenchmarkId::new(row, OTHER), |bencher| {
        bencher.iter_batched(|| bytes.clone(), decode_other, BATCH);
    });
}

fn base64(criterion: &mut Criterion) {
    let data = inputs::binary(inputs::BASE64_BYTES);
    let binary = Packet::Message(Message::Binary(data.clone()));
    let body = payload::encode([binary.clone()]).unwrap();
    let text = ByteString::try_from(body.clone()).unwrap();
    let other = OtherPacket::new(PacketId::MessageBinary, data.clone());
    assert_eq!(Bytes::from(other.clone()), body);
    assert_eq!(decode(text.clone()), binary);
    assert_eq!(decode_other(body.clone()), other);
    let base64 = body.slice(1..);
    assert_eq!(simd().decode_to_vec(&base64).unwrap(), data);

    let mut group = criterion.benchmark_group("base64 of 64 kB");
    let row = "read";
    group.bench_function(BenchmarkId::new(row, OURS), |bencher| {
        bencher.iter(|| decode(black_box(&text).clone()));
    });
    group.bench_function(BenchmarkId::new(row, OTHER), |bencher| {
        bencher.iter(|| decode_other(black_box(&body).clone()));
    });
    group.bench_function(BenchmarkId::new(row, "base64-simd"), |bencher| {
        bencher.iter(|| simd().decode_to_vec(black_box(&base64)).unwrap());
    });
    let row = "write";
    group.bench_function(BenchmarkId::new(row, OURS), |bencher| {
        bencher.iter(|| payload::encode([black_box(&binary).clone()]).unwrap());
    });
    group.bench_function(BenchmarkId::new(row, OTHER), |bencher| {
        bencher.iter(|| Bytes::from(black_box(&other).clone()));
    });
    group.bench_function(BenchmarkId::new(row, "base64-simd"), |bencher| {
        bencher.iter(|| simd().encode_to_string(black_box(&data)));
    });
    group.finish();
}

fn simd() -> &'static base64_simd::Base64 {
    &base64_simd::STANDARD
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
    targets = texts, base64
}
criterion_main!(benches);
