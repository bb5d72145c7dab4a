//! Socket.IO clients whose connections fail: whoever comes back in time misses nothing.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "recovery/mod.rs"]
mod setting;

use std::time::Duration;

use socketio_testkit::{
    application::{Duties, Hub},
    dice::Dice,
    host::HostHabits,
    ledger::Totals,
    runs,
    trace::Trace,
    world::{Scenario, World},
};

use self::setting::{PROMISED, scenario, server};

fn play(scenario: &Scenario, duties: Duties, seed: u64, trace: Trace) -> (Totals, Trace) {
    let mut dice = Dice::new(seed);
    let server = server(dice.seed(), seed % 4 < 2);
    let hub = Hub::new(duties, dice.fork());
    World::new(*scenario, server, hub, trace, dice)
        .promising(PROMISED)
        .run()
}

/// How large the large test is: whole where the compiler optimises.
const LARGE: (u32, Duration) = if cfg!(debug_assertions) {
    (150, Duration::from_secs(150))
} else {
    (1_000, Duration::from_secs(600))
};

#[test]
fn a_thousand_clients_are_served_for_ten_minutes() {
    let name = "a_thousand_clients_are_served_for_ten_minutes";
    let sum = runs::all(name, 1, |seed, trace| {
        let (clients, rough) = LARGE;
        let mut scenario = scenario(clients, rough);
        if seed.is_multiple_of(2) {
            scenario.host = HostHabits::rough();
        }
        scenario.habits.speaks_every = Duration::from_secs(6);
        let duties = Duties {
            acts_every: Duration::from_millis(100),
            rooms: clients / 40,
            ..Duties::lively(scenario.habits.rough_until)
        };
        play(&scenario, duties, seed, trace)
    });
    eprintln!("{sum:?}");
}

#[test]
fn events_are_delivered_under_jitter() {
    let name = "events_are_delivered_under_jitter";
    let sum = runs::all(name, 40, |seed, trace| {
        let mut scenario = scenario(20, Duration::from_secs(120));
        if seed.is_multiple_of(2) {
            scenario.host = HostHabits::rough();
        }
        let duties = Duties {
            rooms: 4,
            ..Duties::lively(scenario.habits.rough_until)
        };
        play(&scenario, duties, seed, trace)
    });
    eprintln!("{sum:?}");
}
