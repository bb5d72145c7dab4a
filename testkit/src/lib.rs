//! A virtual clock and network: thousands of peers, ten minutes in seconds, one seed.
//!
//! Tests, benchmarks and fuzz targets put a machine into a [`world::World`] with scripted peers and
//! let things go wrong: delays, links that are cut or half open, requests that overtake each other,
//! slow readers, a host that is late or sleeps, and peers that do what no client should. All of it
//! follows from one seed.
//!
//! ```text
//!    peer::Peer ── speech::Script              application::Chatter, Events
//!    (polling, upgrade, heartbeat,                       │ commands, events
//!     or a misdeed)                                      ▼
//!        │  wire::Wire: heads, bodies,          host::Host ── any edge::Machine
//!        │  answers, WebSocket messages           │  checks the rules of the edge
//!        ▼                                        ▼
//!  ┌──────────────────────────── network::Network ───────────────────────────┐
//!  │ nodes, connections, delay, rate, fate   knows neither HTTP nor its ends │
//!  │ schedule::Schedule: what happens next, by time and then by sequence     │
//!  └─────────────────────────────────────────────────────────────────────────┘
//!        │ what was said and heard                │ what happened
//!        ▼                                        ▼
//!    ledger::Ledger: the model                trace::Trace: printed, compared
//! ```
//!
//! - [`schedule`] is the clock. Time is a value; it jumps from one happening to the next.
//! - [`network`] carries items between nodes over connections. Who sits at a node is not its business:
//!   client machines and a cluster's bus can be put beside the peers.
//! - [`host`] drives a machine as a runtime would, at its best or at its worst, and fails if the machine
//!   breaks a rule of the edge: two batches out at once, two answers to one request, a name after its
//!   end, an index that did not rest, a `poll_timeout` that is late, a deadline that passes unused.
//! - [`peer`] is an Engine.IO client. Its habits say which carriers it uses and how it misbehaves.
//! - [`application`] sits on top of the machine; [`speech`] is what both sides say to each other.
//! - [`client`] is a Socket.IO client that comes back after every loss; [`delivery`] is the model of what
//!   it was promised, and [`application::Hub`] the application that it talks to.
//! - [`ledger`] is the model: numbered messages arrive in order, once, and all of them if a session
//!   ended in order; a session that opened closes, for a reason that something explains.
//! - [`trace`] records a run. [`runs`] runs each seed twice and compares the traces byte for byte.
//!
//! A failure prints what was broken, the end of the trace, and the command that repeats it:
//!
//! ```text
//! the peer of life 6 heard message 1: one before it is missing
//! --- promises_are_kept_on_a_bad_network, seed 3: the last 160 of 2211 lines
//! 7.402113 host r3 answers Poll(200, 29 B) 46:1:xxxxxxxxxx␞46:2:xxxxxxxxxx
//! --- …; repeat: NETWORK_SEED=3 cargo test -p socketio-testkit promises_are_kept_on_a_bad_network
//! ```
//!
//! `NETWORK_TRACE=1` prints the whole trace, `NETWORK_SEEDS=5000` runs more seeds.
//!
//! # A test
//!
//! ```
//! use std::time::Duration;
//! use socketio_proto::engine::{Config, Server};
//! use socketio_testkit::{
//!     application::{Chatter, Manners},
//!     dice::Dice,
//!     host::{HostHabits, Spans},
//!     peer::Habits,
//!     runs,
//!     speech::Plain,
//!     world::{Scenario, World},
//! };
//!
//! let sum = runs::all("a_test", 3, |seed, trace| {
//!     let mut dice = Dice::new(seed);
//!     let server = Server::new(Config::default(), dice.seed());
//!     let application = Chatter::new(Manners::lively(), dice.fork());
//!     let scenario = Scenario {
//!         peers: 10,
//!         habits: Habits::rough(),
//!         script: |_| Box::new(Plain),
//!         host: HostHabits::rough(),
//!         spans: Spans {
//!             ping_interval: Duration::from_secs(25),
//!             ping_timeout: Duration::from_secs(20),
//!             upgrade_timeout: Duration::from_secs(10),
//!             close_timeout: Duration::from_secs(30),
//!             admission_timeout: Duration::from_secs(10),
//!             pause_timeout: Duration::from_secs(120),
//!             longest: Duration::from_secs(120),
//!         },
//!         lasts: Duration::from_secs(20),
//!         begins: Duration::from_secs(5),
//!         shuts_down: false,
//!         is_calm: false,
//!     };
//!     World::new(scenario, server, application, trace, dice).run()
//! });
//! assert!(sum.opened > 10);
//! ```

pub mod application;
pub mod client;
pub mod delivery;
pub mod dice;
pub mod host;
pub mod ledger;
pub mod network;
pub mod peer;
pub mod runs;
pub mod schedule;
mod snippet;
pub mod speech;
pub mod subject;
pub mod trace;
pub mod wire;
pub mod wiretap;
pub mod world;
