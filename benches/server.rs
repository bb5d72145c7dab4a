//! What the core costs: one echo, one broadcast, one tick, one round of the heartbeat.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "benchmarks fail loudly"
)]

mod support;

use std::{hint::black_box, time::Duration};

use bytestring::ByteString;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use socketio_proto::{
    edge::{Machine, Message, Output, TransportId},
    socket::{Event, Options, Packet, To},
};
use support::World;

/// A message in, an event, an emit of its arguments, a batch out, the batch written.
fn echo(criterion: &mut Criterion) {
    let mut world = World::new();
    for _ in 0..1_000 {
        world.connect();
    }
    let client = world.connect();
    let small = r#"42["e",{"id":17,"text":"hello"}]"#.to_owned();
    let chat = format!(
        r#"42["e",{{"room":"lobby","from":"Ada","text":"{}"}}]"#,
        "x".repeat(140)
    );
    let mut group = criterion.benchmark_group("echo");
    for (name, text) in [("small", small), ("200 B chat", chat)] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || Message::Text(ByteString::from(text.as_str())),
                |message| {
                    let inbound = world.codec.read(message);
                    let (server, now) = (&mut world.server, world.now);
                    server.handle_transport_read(now, client.transport, inbound);
                    let Some(Output::Event(Event::Packet { socket, args, .. })) =
                        server.poll_output()
                    else {
                        panic!("no event");
                    };
                    let packet = Packet::forward("e", &args).unwrap();
                    server
                        .emit(now, To::Socket(socket), packet, Options::new())
                        .unwrap();
                    let Some(Output::Transmit { transport, batch }) = server.poll_output() else {
                        panic!("no batch");
                    };
                    black_box(batch);
                    server.handle_transport_sent(now, transport);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// One broadcast to a room: encode, select, deliver; each batch is taken and reported written.
fn broadcast(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broadcast to 10 000");
    group.throughput(Throughput::Elements(10_000));
    group.sample_size(30);
    for (name, sessions) in [("of 10 000 (warm)", 10_000), ("of 100 000 (cold)", 100_000)] {
        let mut world = World::new();
        let stride = sessions / 10_000;
        for index in 0..sessions {
            let client = world.connect();
            if index % stride == 0 {
                world.server.join(client.socket, &["r"]).unwrap();
            }
        }
        let namespace = world.server.namespace("/").unwrap();
        let to = To::Group {
            namespace,
            rooms: &["r"],
            except: &[],
            without: None,
        };
        group.bench_function(format!("{name}, emit"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let packet = Packet::event("b", &("hello", 17)).unwrap();
                    let start = std::time::Instant::now();
                    let result = world.server.emit(world.now, to, packet, Options::new());
                    spent += start.elapsed();
                    assert_eq!(result.unwrap().queued, 10_000);
                    world.settle();
                }
                spent
            });
        });
        group.bench_function(format!("{name}, emit, take and report sent"), |bencher| {
            bencher.iter(|| {
                let packet = Packet::event("b", &("hello", 17)).unwrap();
                let sent = world.server.emit(world.now, to, packet, Options::new());
                assert_eq!(sent.unwrap().queued, 10_000);
                assert_eq!(world.settle(), 10_000);
            });
        });
    }
    group.finish();
}

/// Time passes and nothing is due: it must not matter how many sessions there are.
fn idle_tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick with nothing due");
    for sessions in [100, 100_000] {
        let mut world = World::new();
        for _ in 0..sessions {
            world.connect();
        }
        group.bench_function(format!("{sessions} sessions"), |bencher| {
            bencher.iter(|| {
                world.server.handle_timeout(world.now);
                black_box(world.server.poll_timeout())
            });
        });
    }
    group.finish();
}

/// Pings are due, leave and are written, and the pongs come in: how much it costs for each session
/// that is due must not depend on how many others there are.
fn heartbeat(criterion: &mut Criterion) {
    const INTERVAL: Duration = Duration::from_secs(25);
    let mut group = criterion.benchmark_group("heartbeat round, each session that is due");
    group.sample_size(20);
    for (name, cohorts, each) in [
        ("1 000 sessions, all due", 1, 1_000),
        ("100 000 sessions, all due", 1, 100_000),
        ("100 000 sessions, 1 % due", 100, 1_000),
    ] {
        let mut world = World::new();
        let step = INTERVAL / cohorts;
        let cohorts: Vec<Vec<TransportId>> = (0..cohorts)
            .map(|_| {
                let cohort = (0..each).map(|_| world.connect().transport).collect();
                world.now += step;
                cohort
            })
            .collect();
        // Now the pings of the first cohort are due.
        let mut next = (0..cohorts.len()).cycle();
        group.throughput(Throughput::Elements(each));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let start = std::time::Instant::now();
                for _ in 0..rounds {
                    beat(&mut world, &cohorts[next.next().unwrap()]);
                    world.now += step;
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}

/// One round of the sessions that are due.
fn beat(world: &mut World, due: &[TransportId]) {
    let mut pings = 0;
    while world.server.poll_timeout() <= Some(world.now) {
        world.server.handle_timeout(world.now);
        pings += world.settle();
    }
    assert_eq!(pings, due.len());
    for &transport in due {
        let pong = world
            .codec
            .read(Message::Text(ByteString::from_static("3")));
        world
            .server
            .handle_transport_read(world.now, transport, pong);
    }
    assert_eq!(world.settle(), 0);
}

criterion_group!(benches, echo, broadcast, idle_tick, heartbeat);
criterion_main!(benches);
