//! An Engine.IO server on a virtual network: whatever happens to its peers, it keeps its promises.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::time::Duration;

use socketio_proto::engine::{Config, Overflow, Server};
use socketio_testkit::{
    application::{Chatter, Manners},
    dice::Dice,
    host::{HostHabits, Spans},
    ledger::Totals,
    peer::Habits,
    runs,
    speech::Plain,
    trace::Trace,
    world::{Scenario, World},
};

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(4);

fn config(spans: &Spans, seed: u64) -> Config {
    let overflow = match seed % 5 {
        0 => Overflow::DropOldest,
        1 => Overflow::Refuse,
        _ => Overflow::Close,
    };
    Config::builder()
        .ping_interval(spans.ping_interval)
        .ping_timeout(spans.ping_timeout)
        .upgrade_timeout(spans.upgrade_timeout)
        .max_payload(100_000)
        .max_queued(128 << 10)
        .high_water(32 << 10)
        .low_water(8 << 10)
        .overflow(overflow)
        .max_batch(if seed.is_multiple_of(3) {
            2_000
        } else {
            256 << 10
        })
        .max_poll(if seed % 3 == 1 { 2_000 } else { 1 << 20 })
        .close_timeout(spans.close_timeout)
        .ask_admission(true)
        .admission_timeout(spans.admission_timeout)
        .pause_timeout(spans.pause_timeout)
        .max_body_bytes(400_000)
        .build()
        .unwrap()
}

fn scenario() -> Scenario {
    Scenario {
        peers: 20,
        habits: Habits::rough(),
        script: |_| Box::new(Plain),
        host: HostHabits::rough(),
        spans: Spans {
            ping_interval: INTERVAL,
            ping_timeout: TIMEOUT,
            upgrade_timeout: Duration::from_secs(3),
            close_timeout: Duration::from_secs(30),
            admission_timeout: Duration::from_secs(2),
            pause_timeout: Duration::from_secs(12),
            longest: Duration::from_secs(30),
        },
        lasts: Duration::from_secs(30),
        begins: Duration::from_secs(5),
        shuts_down: false,
        is_calm: false,
    }
}

fn play(scenario: &Scenario, manners: Manners, seed: u64, trace: Trace) -> (Totals, Trace) {
    let mut dice = Dice::new(seed);
    let server = Server::new(config(&scenario.spans, seed), dice.seed());
    let application = Chatter::new(manners, dice.fork());
    World::new(*scenario, server, application, trace, dice).run()
}

#[test]
fn promises_are_kept_on_a_bad_network() {
    let name = "promises_are_kept_on_a_bad_network";
    let sum = runs::all(name, 500, |seed, trace| {
        let mut scenario = scenario();
        scenario.shuts_down = seed.is_multiple_of(3);
        if seed % 4 == 2 {
            scenario.host = HostHabits::exact();
        }
        if seed % 4 == 1 {
            // A heartbeat that lets other deadlines come first.
            scenario.spans.ping_interval = Duration::from_secs(25);
            scenario.spans.ping_timeout = Duration::from_secs(20);
            scenario.spans.longest = Duration::from_secs(45);
            scenario.lasts = Duration::from_secs(60);
            scenario.habits.speaks_every = Duration::from_secs(6);
            scenario.host = HostHabits::exact();
        }
        play(&scenario, Manners::lively(), seed, trace)
    });
    // All of it happened, and often.
    let least = [sum.opened, sum.orderly * 4, sum.down / 8, sum.up / 8];
    let happened = least.iter().all(|&count| count * 2 > sum.lives);
    assert!(happened || !runs::are_many(), "{sum:?}");
}

#[test]
fn nothing_is_lost_where_nothing_goes_wrong() {
    let name = "nothing_is_lost_where_nothing_goes_wrong";
    let sum = runs::all(name, 20, |seed, trace| {
        let scenario = Scenario {
            habits: Habits::honest(),
            host: HostHabits::exact(),
            shuts_down: true,
            is_calm: true,
            ..scenario()
        };
        play(&scenario, Manners::calm(), seed, trace)
    });
    // A pong may cross the close, and be answered that there is no such session.
    assert!(sum.orderly * 10 > sum.lives * 9, "{sum:?}");
}

#[test]
fn thousands_of_peers_are_served_for_minutes() {
    let name = "thousands_of_peers_are_served_for_minutes";
    let totals = runs::twice(name, 1, |seed, trace| {
        let mut habits = Habits::rough();
        habits.speaks_every = Duration::from_secs(60);
        habits.misdeeds = 100;
        habits.lasts = Some(Duration::from_secs(900));
        let scenario = Scenario {
            peers: 2_000,
            habits,
            lasts: Duration::from_secs(600),
            begins: Duration::from_secs(30),
            ..scenario()
        };
        play(&scenario, Manners::lively(), seed, trace)
    });
    // Each had a session, and most said and heard something.
    assert!(totals.opened > 2_000, "{totals:?}");
    assert!(totals.down > 10_000 && totals.up > 10_000, "{totals:?}");
}
