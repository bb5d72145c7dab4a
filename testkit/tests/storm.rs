//! A storm: all clients lose their connections at once and come back within seconds, while events go
//! on. All find their sessions, nothing is missing, and the server holds no more than before.
//!
//! `STORM_CLIENTS=10000` says how many; by default it is that many in a release build, fewer in
//! others.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "recovery/mod.rs"]
mod setting;

use std::{env, time::Duration};

use allocation_counter::measure;
use socketio_proto::{
    socket::{RecoveryConfig, RecoveryStatistics},
    time::Instant,
};
use socketio_testkit::{
    application::{Duties, Hub},
    client::{Client, Ways},
    dice::Dice,
    ledger::Totals,
    peer::{Farewell, Habits},
    trace::Trace,
    world::{Scenario, World},
};

use self::setting::{PROMISED, server};

/// From the beginning of one storm to the next: the half-open connections of the last are gone.
const SPELL: u64 = 30;

const fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn clients() -> u32 {
    let given = env::var("STORM_CLIENTS")
        .ok()
        .and_then(|it| it.parse().ok());
    given.unwrap_or(if cfg!(debug_assertions) {
        1_000
    } else {
        10_000
    })
}

/// Plays some storms to the end; what happened, and how many bytes and allocations the server still
/// holds when everybody is gone for good.
fn play(clients: u32, storms: u64) -> (Totals, i64, i64) {
    let seed = 1;
    let mut dice = Dice::new(seed);
    let over = 20 + storms * SPELL;
    let honest = setting::scenario(clients, Duration::from_secs(over));
    let scenario = Scenario {
        habits: Habits {
            misdeeds: 0,
            faults: 0,
            lasts: None,
            speaks_every: Duration::from_secs(60),
            ..honest.habits
        },
        script: |dice| Box::new(Client::new(Ways::patient(), dice)),
        lasts: Duration::from_secs(over + 20),
        ..honest
    };
    let duties = Duties {
        acts_every: Duration::from_millis(200),
        rooms: 100,
        hesitates: 50,
        refuses: 0,
        kicks: 0,
        // Rooms take memory: who comes back is where it was.
        wanders: false,
        broadcasts: 600,
        ..Duties::lively(at(over))
    };
    let duties = Duties {
        quiet_from: at(over + 5),
        ..duties
    };
    let title = format!("{storms} storms of {clients}");
    let trace = Trace::new(title, "cargo test -p socketio-testkit --test storm");
    let hub = Hub::new(duties, dice.fork());
    let server = server(dice.seed(), RecoveryConfig::new(), false);
    let mut world = World::new(scenario, server, hub, trace, dice).promising(PROMISED);
    world.start();
    for storm in 0..storms {
        world.play_until(at(20 + storm * SPELL));
        // The server notices one half of the losses at once, the other by its heartbeat.
        world.fail_all(|number| match number % 2 {
            0 => Farewell::Cut,
            _ => Farewell::Vanish,
        });
    }
    world.play_until(at(over + 20));
    world.check_whole();
    let (totals, trace, server) = world.finish_with_machine();
    drop(trace);
    let RecoveryStatistics {
        sessions,
        events,
        bytes,
        restored,
        failed,
        cut_events,
        cut_sessions,
        ..
    } = server.socket_statistics().recovery;
    assert_eq!((sessions, events, bytes), (0, 0, 0), "their time is over");
    assert_eq!((failed, cut_events, cut_sessions), (0, 0, 0));
    assert_eq!(restored, storms * u64::from(clients));
    let freed = measure(|| drop(server));
    (totals, -freed.bytes_current, -freed.count_current)
}

#[test]
fn everybody_recovers_from_a_storm_and_nothing_is_kept() {
    let clients = clients();
    let runs = [0, 1, 3].map(|storms| play(clients, storms));
    for (storms, (totals, bytes, allocations)) in [0, 1, 3].into_iter().zip(&runs) {
        eprintln!("{clients} clients, {storms} storms: {bytes} B in {allocations}, {totals:?}");
        let back = storms * clients as usize;
        assert_eq!((totals.recovered, totals.anew), (back, 0));
        // Much was said while they were away.
        assert!(totals.replayed >= back / 2, "{totals:?}");
    }
    // Tables and queues keep room for the largest crowd there was, and each place of a socket for the
    // rooms that one was in there: chance decides a little about that, the number of storms nothing.
    let [
        _,
        (_, bytes, allocations),
        (_, more_bytes, more_allocations),
    ] = runs;
    assert!(
        more_allocations <= allocations * 21 / 20,
        "{more_allocations} allocations are held"
    );
    assert!(more_bytes <= bytes * 5 / 4, "{more_bytes} B are held");
}
