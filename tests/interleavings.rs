//! Every order of a bounded set of inputs, on the Engine.IO server and, in `socket`, on the
//! Socket.IO server.
//!
//! The invariants are the promises: order, at most once, whole packets, one batch out, each request
//! answered once or ended, `CloseTransport` last, no stall, nothing left behind, one end of each
//! session. They are checked after every input, and each state is left in five ways: by silence, by
//! silence with a network that goes on, and by a good client with three ideas about its upgrade.
//!
//! `INTERLEAVINGS=large` tries more inputs; `INTERLEAVINGS_STATES`, `INTERLEAVINGS_DEPTH` and
//! `INTERLEAVINGS_SECONDS` bound each search: the states it visits, the inputs of a script, its time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    clippy::struct_excessive_bools,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "tests fail loudly"
)]

#[path = "interleavings/endings.rs"]
mod endings;
#[path = "interleavings/explore.rs"]
mod explore;
#[path = "interleavings/form.rs"]
mod form;
#[path = "interleavings/model.rs"]
mod model;
#[path = "interleavings/socket/mod.rs"]
mod socket;
#[path = "interleavings/world.rs"]
mod world;

use std::{env, time::Duration};

use explore::{Bounds, explore};
use model::{Budget, Orders, Scene};

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn is_large() -> bool {
    env::var("INTERLEAVINGS").is_ok_and(|size| size == "large")
}

/// Tries all orders, or fails with the shortest script that breaks a promise.
fn try_all<M: explore::Model>(
    name: &str,
    small: impl IntoIterator<Item = (String, M)>,
    large: impl IntoIterator<Item = (String, M)>,
) {
    let orders: Vec<_> = if is_large() {
        large.into_iter().collect()
    } else {
        small.into_iter().collect()
    };
    let bounds = Bounds {
        depth: number("INTERLEAVINGS_DEPTH", 100),
        states: number("INTERLEAVINGS_STATES", 100_000_000),
        time: Duration::from_secs(number("INTERLEAVINGS_SECONDS", 3_600) as u64),
    };
    for (scene, model) in orders {
        match explore(&model, bounds) {
            Ok(report) => println!("{name}, from {scene}: {report}"),
            Err(fault) => panic!("{name}, from {scene}: {fault}"),
        }
    }
}

fn try_scenes(name: &str, scenes: &[Scene], small: Budget, large: Budget) {
    let orders = |budget| {
        let scenes = scenes.iter();
        scenes.map(move |&scene| (format!("{scene:?}"), Orders { scene, budget }))
    };
    try_all(name, orders(small), orders(large));
}

#[test]
fn polls_data_requests_and_aborts_in_any_order() {
    let small = Budget {
        gets: 2,
        posts: 1,
        sends: 1,
        gone: 1,
        bad: 1,
        waits: 1,
        ..Budget::default()
    };
    let large = Budget {
        gets: 3,
        posts: 2,
        sends: 2,
        waits: 3,
        pauses: 1,
        late: 1,
        ..small
    };
    try_scenes("polling", &[Scene::Polling], small, large);
}

#[test]
fn an_upgrade_amid_polls_data_requests_and_messages_in_any_order() {
    let small = Budget {
        gets: 1,
        upgrades: 1,
        says: 1,
        sends: 1,
        lost: 1,
        waits: 1,
        ..Budget::default()
    };
    let large = Budget {
        gets: 2,
        posts: 1,
        upgrades: 2,
        sends: 2,
        waits: 3,
        bad: 1,
        pauses: 1,
        late: 1,
        ..small
    };
    try_scenes("upgrade", &[Scene::PollPending], small, large);
}

/// Without a probe, with polls and data requests that should have ended before, and with packets
/// that do not belong there.
#[test]
fn an_upgrade_against_the_rules_in_any_order() {
    let small = Budget {
        gets: 1,
        posts: 1,
        sends: 1,
        bad: 1,
        ..Budget::default()
    };
    let large = Budget {
        gets: 2,
        upgrades: 1,
        says: 1,
        sends: 2,
        bad: 2,
        waits: 1,
        ..small
    };
    try_scenes("bad upgrade", &[Scene::Attached], small, large);
}

#[test]
fn pauses_and_outputs_that_are_taken_late_in_any_order() {
    let small = Budget {
        gets: 1,
        posts: 1,
        sends: 1,
        gone: 1,
        pauses: 1,
        late: 2,
        ..Budget::default()
    };
    let large = Budget {
        gets: 2,
        says: 1,
        sends: 2,
        closes: 1,
        lost: 1,
        waits: 2,
        late: 3,
        ..small
    };
    try_scenes("late", &[Scene::PollPending], small, large);
    let small = Budget { late: 0, ..small };
    try_scenes("pauses", &[Scene::Probed], small, large);
}

#[test]
fn a_close_in_every_phase_of_an_upgrade_in_any_order() {
    let small = Budget {
        gets: 1,
        sends: 1,
        closes: 1,
        waits: 1,
        ..Budget::default()
    };
    let large = Budget {
        gets: 2,
        posts: 1,
        says: 1,
        sends: 2,
        closes: 2,
        waits: 2,
        gone: 1,
        lost: 1,
        pauses: 1,
        late: 1,
        ..small
    };
    let scenes = [
        Scene::Polling,
        Scene::PollPending,
        Scene::Attached,
        Scene::Probed,
        Scene::Upgraded,
        Scene::WebSocket,
    ];
    try_scenes("close", &scenes, small, large);
}
