//! Socket.IO clients whose connections fail: whoever comes back in time misses nothing.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "recovery/mod.rs"]
mod setting;

use std::time::Duration;

use socketio_proto::{
    socket::{RecoveryConfig, Server},
    time::Instant,
};
use socketio_testkit::{
    application::{Duties, Hub},
    dice::Dice,
    host::HostHabits,
    runs,
    trace::Trace,
    world::{Scenario, World},
};

use self::setting::{PROMISED, scenario, server};

/// A server, and how it is treated, that depend on the seed.
fn world(
    mut scenario: Scenario,
    duties: Duties,
    recovery: RecoveryConfig,
    seed: u64,
    trace: Trace,
) -> World<Server, Hub> {
    if seed.is_multiple_of(2) {
        scenario.host = HostHabits::rough();
    }
    let recovery = match seed % 3 {
        0 => recovery.external(),
        _ => recovery,
    };
    let mut dice = Dice::new(seed);
    let server = server(dice.seed(), recovery, seed % 4 < 2);
    let hub = Hub::new(duties, dice.fork());
    // A host that sleeps has a clock that is ahead of its clients' clocks.
    let promised = if scenario.host.is_exact() {
        PROMISED
    } else {
        Duration::from_secs(40)
    };
    World::new(scenario, server, hub, trace, dice).promising(promised)
}

fn few(rough: Duration) -> (Scenario, Duties) {
    let scenario = scenario(20, rough);
    let duties = Duties {
        rooms: 4,
        ..Duties::lively(scenario.habits.rough_until)
    };
    (scenario, duties)
}

#[test]
fn everything_is_delivered_under_jitter() {
    let name = "everything_is_delivered_under_jitter";
    let sum = runs::all(name, 40, |seed, trace| {
        let (scenario, duties) = few(Duration::from_secs(120));
        world(scenario, duties, RecoveryConfig::new(), seed, trace).run()
    });
    eprintln!("{sum:?}");
    // Most losses end well; the others are those who left, were sent away, or stayed away.
    let happened = sum.recovered > sum.anew && sum.replayed * 20 > sum.delivered;
    assert!(happened || !runs::are_many(), "{sum:?}");
}

/// How large the large run is: whole where the compiler optimises.
const LARGE: (u32, Duration) = if cfg!(debug_assertions) {
    (150, Duration::from_secs(150))
} else {
    (1_000, Duration::from_secs(600))
};

#[test]
fn a_thousand_clients_miss_nothing_in_ten_minutes() {
    let name = "a_thousand_clients_miss_nothing_in_ten_minutes";
    let sum = runs::all(name, 1, |seed, trace| {
        let (clients, rough) = LARGE;
        let mut scenario = scenario(clients, rough);
        scenario.habits.speaks_every = Duration::from_secs(6);
        let duties = Duties {
            acts_every: Duration::from_millis(100),
            rooms: clients / 40,
            ..Duties::lively(scenario.habits.rough_until)
        };
        world(scenario, duties, RecoveryConfig::new(), seed, trace).run()
    });
    eprintln!("{sum:?}");
    assert!(sum.recovered > LARGE.0 as usize, "{sum:?}");
}

#[test]
fn whoever_cannot_be_told_everything_is_new() {
    let name = "whoever_cannot_be_told_everything_is_new";
    let sum = runs::all(name, 20, |seed, trace| {
        let (scenario, duties) = few(Duration::from_secs(120));
        // A part of what a minute brings, and of those who are away.
        let recovery = RecoveryConfig::new()
            .max_bytes(20_000 + 10_000 * usize::try_from(seed % 5).unwrap())
            .max_sessions(3);
        world(scenario, duties, recovery, seed, trace)
            .promising(Duration::ZERO)
            .run()
    });
    eprintln!("{sum:?}");
    let happened = sum.recovered > 100 && sum.anew > 100;
    assert!(happened || !runs::are_many(), "{sum:?}");
}

#[test]
fn a_restart_loses_nothing() {
    let name = "a_restart_loses_nothing";
    let sum = runs::all(name, 10, |seed, trace| {
        let (mut scenario, duties) = few(Duration::from_secs(60));
        // The clock of a host that sleeps is another one behind a restart.
        scenario.host = HostHabits::exact();
        let ends_at = Instant::ORIGIN + scenario.lasts;
        let recovery = RecoveryConfig::new();
        let mut world = world(scenario, duties, recovery.clone(), seed, trace);
        world.start();
        world.play_until(Instant::from_millis(40_000));
        let mut second_seed = [0; 32];
        second_seed[..8].copy_from_slice(&seed.to_le_bytes());
        let recovery = match seed % 3 {
            0 => recovery.external(),
            _ => recovery,
        };
        world.restart(|old, now| {
            let saved = old.export(now);
            let mut next = server(second_seed, recovery, seed % 4 < 2);
            next.import(now, &saved).unwrap();
            next
        });
        world.play_until(ends_at + Duration::from_secs(10));
        world.check_whole();
        world.finish()
    });
    eprintln!("{sum:?}");
}
