//! What an idle connected client costs in the core, in live bytes of the allocator.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measuring program"
)]

mod support;

use std::time::Duration;

use peak_alloc::PeakAlloc;
use socketio_proto::edge::{Machine, Message, TransportId};
use support::World;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let counts: &[usize] = if is_bench {
        &[10_000, 100_000, 1_000_000]
    } else {
        &[100]
    };
    println!("clients    live bytes each    after a ping and pong round");
    for &clients in counts {
        let mut world = World::new();
        let before = ALLOCATOR.current_usage();
        let transports: Vec<TransportId> =
            (0..clients).map(|_| world.connect().transport).collect();
        let list = transports.capacity() * size_of::<TransportId>();
        let idle = ALLOCATOR.current_usage() - before - list;

        world.now += Duration::from_secs(25);
        while world
            .server
            .poll_timeout()
            .is_some_and(|due| due <= world.now)
        {
            world.server.handle_timeout(world.now);
            world.settle();
        }
        for &transport in &transports {
            let pong = world.codec.read(Message::Text("3".into()));
            world
                .server
                .handle_transport_read(world.now, transport, pong);
        }
        world.settle();
        let later = ALLOCATOR.current_usage() - before - list;
        println!(
            "{clients:>7}    {:>15.0}    {:>27.0}",
            idle as f64 / clients as f64,
            later as f64 / clients as f64
        );
    }
}
