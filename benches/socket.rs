//! What the Socket.IO layer costs beyond one echo and one broadcast: answers of many, rooms, and what
//! recovery adds.

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
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use socketio_proto::{
    edge::{FrameKind, Lost, Machine, Message, Output},
    socket::{Config, Event, Options, Packet, Recovery, RecoveryConfig, To, Wait},
};
use support::World;

fn recovering() -> World {
    let config = Config::builder().recovery(RecoveryConfig::new());
    World::with(config.build().unwrap())
}

fn everybody(world: &World) -> To<'static> {
    To::Group {
        namespace: world.server.namespace("/").unwrap(),
        rooms: &[],
        except: &[],
        without: None,
    }
}

/// A question to 1 000 sockets, and all their answers.
fn broadcast_with_ack(criterion: &mut Criterion) {
    let mut world = World::new();
    let clients: Vec<_> = (0..1_000).map(|_| world.connect()).collect();
    let to = everybody(&world);
    let mut id = 0;
    let mut group = criterion.benchmark_group("broadcast with answers of 1 000");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("emit, written, answered, done", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let answers: Vec<_> = clients
                    .iter()
                    .map(|_| {
                        let answer = ByteString::from(format!("43{id}[true]"));
                        world.codec.read(Message::Text(answer))
                    })
                    .collect();
                id += 1;
                let packet = Packet::event("ask", &("hello",)).unwrap();
                let wait = Wait::AtMost(Duration::from_secs(1));
                let start = std::time::Instant::now();
                let (server, now) = (&mut world.server, world.now);
                let done = server.emit(now, to, packet, Options::new().ack(wait));
                assert_eq!(done.unwrap().queued, 1_000);
                world.settle();
                for (client, answer) in clients.iter().zip(answers) {
                    world
                        .server
                        .handle_transport_read(world.now, client.transport, answer);
                }
                // 1 000 answers, and that it is done.
                assert_eq!(world.settle(), 1_001);
                spent += start.elapsed();
            }
            spent
        });
    });
    group.finish();
}

/// A socket joins a room and leaves it again, among few and many others.
fn join_and_leave(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join a room and leave it");
    for others in [0, 10_000] {
        let mut world = World::new();
        for _ in 0..others {
            let client = world.connect();
            world.server.join(client.socket, &["r"]).unwrap();
        }
        let client = world.connect();
        group.bench_function(format!("with {others} others in it"), |bencher| {
            bencher.iter(|| {
                world.server.join(client.socket, &["r"]).unwrap();
                world.server.leave(client.socket, "r").unwrap();
            });
        });
    }
    group.finish();
}

/// A client comes back and is sent 1 000 events that it missed, with 100 000 events of others kept
/// beside them.
fn restore(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a client comes back to 1 000 events");
    group.throughput(Throughput::Elements(1_000));
    group.sample_size(20);
    for others in [0, 100_000] {
        let mut world = recovering();
        let other = world.connect();
        world.server.join(other.socket, &["theirs"]).unwrap();
        let client = world.connect_answered("40");
        let (mut client, pid) = (client.0, member(&client.1, "pid"));
        let namespace = world.server.namespace("/").unwrap();
        let rooms = ["theirs"];
        for _ in 0..others {
            let to = To::Group {
                namespace,
                rooms: &rooms,
                except: &[],
                without: None,
            };
            let packet = Packet::event("theirs", &("hello", 17)).unwrap();
            world
                .server
                .emit(world.now, to, packet, Options::new())
                .unwrap();
            world.settle();
        }
        world
            .server
            .handle_transport_lost(world.now, client.transport, Lost::Failed);
        world.settle();
        for _ in 0..1_000 {
            let packet = Packet::event("missed", &("hello", 17)).unwrap();
            let to = everybody(&world);
            world
                .server
                .emit(world.now, to, packet, Options::new())
                .unwrap();
        }
        world.settle();
        group.bench_function(format!("beside {others} of others"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let connect = format!("40{{\"pid\":\"{pid}\"}}");
                    let transport = world.open();
                    let inbound = world.codec.read(Message::Text(connect.into()));
                    let start = std::time::Instant::now();
                    let (server, now) = (&mut world.server, world.now);
                    server.handle_transport_read(now, transport, inbound);
                    let Some(Output::Event(Event::Connecting(asks))) = server.poll_output() else {
                        panic!("nobody asks");
                    };
                    assert!(matches!(
                        asks.recovery,
                        Recovery::Restored { missed: 1_000, .. }
                    ));
                    client.socket = server.accept(now, asks.pending, &[]).unwrap();
                    let frames = world.count_frames();
                    spent += start.elapsed();
                    assert_eq!(frames, 1_001);
                    world
                        .server
                        .handle_transport_lost(world.now, transport, Lost::Failed);
                    world.settle();
                }
                spent
            });
        });
    }
    group.finish();
}

/// What recovery adds to one event for one socket, and to one for 10 000: an offset, and a place in
/// the log.
fn keeping(criterion: &mut Criterion) {
    for (name, clients) in [("one socket", 1), ("10 000 sockets", 10_000)] {
        let mut group = criterion.benchmark_group(format!("an event for {name}"));
        group.throughput(Throughput::Elements(clients));
        group.sample_size(30);
        for (with, mut world) in [("without", World::new()), ("with", recovering())] {
            let mut to = everybody(&world);
            for _ in 0..clients {
                let client = world.connect();
                if clients == 1 {
                    to = To::Socket(client.socket);
                }
            }
            group.bench_function(format!("{with} recovery"), |bencher| {
                bencher.iter(|| {
                    let packet = Packet::event("b", &("hello", 17)).unwrap();
                    let sent = world
                        .server
                        .emit(world.now, to, packet, Options::new())
                        .unwrap();
                    black_box(sent);
                    world.settle()
                });
            });
        }
        group.finish();
    }
}

fn member(text: &str, name: &str) -> String {
    let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
    text[start..start + 20].to_owned()
}

impl World {
    /// Takes what there is and reports every batch as written, and says how many frames that was.
    fn count_frames(&mut self) -> usize {
        let mut frames = 0;
        while let Some(output) = self.server.poll_output() {
            if let Output::Transmit { transport, batch } = output {
                let texts = batch.into_frames();
                frames += texts.filter(|it| it.kind == FrameKind::Text).count();
                self.server.handle_transport_sent(self.now, transport);
            }
        }
        frames
    }
}

criterion_group!(
    benches,
    broadcast_with_ack,
    join_and_leave,
    restore,
    keeping
);
criterion_main!(benches);
