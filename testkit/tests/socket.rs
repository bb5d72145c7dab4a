//! A Socket.IO server on the same network: its peers connect to `/` and emit numbered events, some
//! with an attachment.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::time::Duration;

use socketio_proto::{
    socket::{Config, Server},
    time::UnixTime,
};
use socketio_testkit::{
    application::{Events, Manners},
    dice::Dice,
    host::{HostHabits, Spans},
    ledger::Totals,
    peer::Habits,
    runs, speech,
    trace::Trace,
    world::{Scenario, World},
};

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(4);

fn scenario(habits: Habits) -> Scenario {
    Scenario {
        peers: 20,
        habits: Habits {
            path: "/socket.io/",
            ..habits
        },
        script: |_| Box::new(speech::Events::default()),
        host: HostHabits::exact(),
        spans: Spans {
            ping_interval: INTERVAL,
            ping_timeout: TIMEOUT,
            upgrade_timeout: Duration::from_secs(3),
            close_timeout: Duration::from_secs(30),
            admission_timeout: Duration::from_secs(2),
            pause_timeout: Duration::from_secs(12),
            longest: Duration::from_secs(45),
        },
        lasts: Duration::from_secs(30),
        begins: Duration::from_secs(5),
        shuts_down: false,
        is_calm: false,
    }
}

fn play(scenario: &Scenario, manners: Manners, seed: u64, trace: Trace) -> (Totals, Trace) {
    let mut dice = Dice::new(seed);
    let config = Config::builder()
        .engine(|engine| {
            engine
                .ping_interval(INTERVAL)
                .ping_timeout(TIMEOUT)
                .upgrade_timeout(Duration::from_secs(3))
                .max_payload(100_000)
                .max_queued(128 << 10)
                .pause_timeout(Duration::from_secs(12))
        })
        .build()
        .unwrap();
    let server = Server::new(config, dice.seed(), UnixTime::default());
    let application = Events::new(manners, dice.fork());
    World::new(*scenario, server, application, trace, dice).run()
}

#[test]
fn events_keep_their_order_on_a_bad_network() {
    let name = "events_keep_their_order_on_a_bad_network";
    let sum = runs::all(name, 60, |seed, trace| {
        let mut scenario = scenario(Habits::rough());
        scenario.shuts_down = seed.is_multiple_of(3);
        if seed.is_multiple_of(2) {
            scenario.host = HostHabits::rough();
        }
        play(&scenario, Manners::lively(), seed, trace)
    });
    let least = [sum.opened, sum.orderly * 4, sum.down / 8, sum.up / 8];
    let happened = least.iter().all(|&count| count * 2 > sum.lives);
    assert!(happened || !runs::are_many(), "{sum:?}");
}

#[test]
fn no_event_is_lost_where_nothing_goes_wrong() {
    let name = "no_event_is_lost_where_nothing_goes_wrong";
    let sum = runs::all(name, 10, |seed, trace| {
        let scenario = Scenario {
            shuts_down: true,
            is_calm: true,
            ..scenario(Habits::honest())
        };
        play(&scenario, Manners::calm(), seed, trace)
    });
    // A pong may cross the close, and be answered that there is no such session.
    assert!(sum.orderly * 10 > sum.lives * 9, "{sum:?}");
}
