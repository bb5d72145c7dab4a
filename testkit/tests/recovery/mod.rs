//! What tests of recovery have in common: a server that keeps sessions, and a bad network.

use std::time::Duration;

use socketio_proto::{
    socket::{Config, RecoveryConfig, Server},
    time::{Instant, UnixTime},
};
use socketio_testkit::{
    client::{Client, NAMESPACES, Ways},
    host::{HostHabits, Spans},
    peer::{Farewell, Habits, Misdeed},
    world::Scenario,
};

/// Who is back within this span finds its session. A server keeps it for 120 s from when it noticed
/// the loss, and that is not before the client heard of it last.
pub(crate) const PROMISED: Duration = Duration::from_secs(119);

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(4);

/// What does not break the protocol, but a connection.
const NEGLECTS: &[Misdeed] = &[
    Misdeed::DeadHandshake,
    Misdeed::HalfUpgrade,
    Misdeed::NeverPoll,
    Misdeed::NeverPong,
    Misdeed::SilentUpgrade,
    Misdeed::SlowReader,
];

pub(crate) fn scenario(peers: u32, rough: Duration) -> Scenario {
    Scenario {
        peers,
        habits: Habits {
            path: "/socket.io/",
            misdeeds: 60,
            kinds: NEGLECTS,
            faults: 10,
            farewells: &[
                Farewell::Cut,
                Farewell::Cut,
                Farewell::Vanish,
                Farewell::Vanish,
                Farewell::Close,
            ],
            rough_until: Instant::ORIGIN + rough,
            ..Habits::rough()
        },
        script: |dice| Box::new(Client::new(Ways::restless(), dice)),
        host: HostHabits::exact(),
        spans: Spans {
            ping_interval: INTERVAL,
            ping_timeout: TIMEOUT,
            upgrade_timeout: Duration::from_secs(3),
            close_timeout: Duration::from_secs(30),
            admission_timeout: Duration::from_secs(2),
            pause_timeout: Duration::from_secs(12),
            longest: Duration::from_secs(90),
        },
        lasts: rough + Duration::from_secs(80),
        begins: Duration::from_secs(5),
        shuts_down: false,
        is_calm: false,
    }
}

fn config() -> Config {
    let config = Config::builder().engine(|engine| {
        engine
            .ping_interval(INTERVAL)
            .ping_timeout(TIMEOUT)
            .upgrade_timeout(Duration::from_secs(3))
            .max_payload(100_000)
            .pause_timeout(Duration::from_secs(12))
    });
    config.build().unwrap()
}

/// A server whose second namespace is static, or exists while somebody is in it.
pub(crate) fn server(seed: [u8; 32], recovery: RecoveryConfig, is_dynamic: bool) -> Server {
    let mut config = config().with_recovery(recovery).unwrap();
    if is_dynamic {
        config = config.with_dynamic_namespaces();
    }
    let mut server = Server::new(config, seed, UnixTime::default());
    for name in NAMESPACES.into_iter().filter(|_| !is_dynamic) {
        server.add_namespace(name).unwrap();
    }
    server
}
