//! Engine.IO and Socket.IO as pure state machines that do no I/O.
//!
//! A machine opens no socket, reads no clock, starts no thread and waits for nothing. The caller
//! tells it what happened and when, and does what it asks for:
//!
//! ```text
//!              your runtime: tokio, threads, a game loop, a simulator
//!   ┌────────────────────────────────────────────────────────────────────────┐
//!   │ HTTP requests, WebSocket messages, time          respond, write, close │
//!   └──────────────┬──────────────────────────────────────────▲──────────────┘
//!                  │ handle_*(now, …)                         │ poll_output()
//!   ┌──────────────▼──────────────────────────────────────────┴──────────────┐
//!   │ socket::Server   namespaces, rooms, broadcast, acknowledgements        │
//!   │   engine         request checks, sessions, polling, upgrade, heartbeat │
//!   └──────────────▲──────────────────────────────────────────┬──────────────┘
//!                  │ accept, emit, join, …                    │ events
//!   ┌──────────────┴──────────────────────────────────────────▼──────────────┐
//!   │                           your application                             │
//!   └────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! [`socket::Server`] is a Socket.IO server, [`engine::Server`] is Engine.IO alone. Both keep the
//! contract of [`edge::Machine`], so one runtime drives either. The crate `socketio-tokio` is such
//! a runtime, for hyper and axum.
//!
//! # A whole life
//!
//! A client that speaks WebSocket connects, emits `hello`, and gets an answer. The runtime is left
//! out: what it would read from and write to the network stands in the code.
//!
//! ```
//! use std::time::Duration;
//! use bytestring::ByteString;
//! use socketio_proto::{
//!     edge::{Carrier, Headers, Machine, Message, Output, Request},
//!     socket::{Config, Event, Options, Packet, Server, To},
//!     time::{Instant, UnixTime},
//! };
//!
//! struct NoHeaders;
//! impl Headers for NoHeaders {
//!     fn get(&self, _name: &str) -> Option<&[u8]> {
//!         None
//!     }
//! }
//!
//! // The seed is 32 bytes from the operating system, in earnest.
//! let mut server = Server::new(Config::default(), [0; 32], UnixTime::default());
//! let now = Instant::ORIGIN;
//!
//! // A request to become a WebSocket came in.
//! server.handle_request(now, &Request {
//!     carrier: Carrier::WebSocket,
//!     method: "GET",
//!     target: "/socket.io/?EIO=4&transport=websocket",
//!     headers: &NoHeaders,
//!     peer: None,
//! });
//! let Some(Output::OpenTransport { transport, codec, .. }) = server.poll_output() else {
//!     unreachable!("the request is as it should be");
//! };
//! // It was answered with 101. Then the client connects to the namespace `/` and emits.
//! server.handle_transport_open(now, transport);
//! let mut written = Vec::new();
//! for text in ["40", r#"42["hello","world"]"#] {
//!     // Decoding needs neither the machine nor its lock.
//!     let inbound = codec.read(Message::Text(ByteString::from(text)));
//!     server.handle_transport_read(now, transport, inbound);
//!     while let Some(output) = server.poll_output() {
//!         match output {
//!             Output::Event(Event::Connecting(connecting)) => {
//!                 server.accept(now, connecting.pending, &["lobby"])?;
//!             }
//!             Output::Event(Event::Packet { socket, args, .. }) => {
//!                 let (whom,): (String,) = args.parse()?;
//!                 let packet = Packet::event("hello", &(format!("back, {whom}"),))?;
//!                 server.emit(now, To::Socket(socket), packet, Options::new())?;
//!             }
//!             Output::Transmit { transport, batch } => {
//!                 written.extend(batch.into_frames().map(|frame| frame.payload));
//!                 server.handle_transport_sent(now, transport);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert!(written[0].starts_with(br#"0{"sid":""#));
//! assert!(written[1].starts_with(br#"40{"sid":""#));
//! assert_eq!(written[2], r#"42["hello","back, world"]"#);
//!
//! // Nobody has to count seconds: the machine says when it wants to be called next.
//! assert!(server.poll_timeout() <= Some(now + Duration::from_secs(25)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left to the caller
//!
//! HTTP, WebSocket framing, TLS, sockets, a clock that also counts while the host sleeps, 32 random
//! bytes, and the application's own code. Machines own their data and hold no locks: put one behind
//! a mutex, or run one per core or per game world.
//!
//! # Features
//!
//! - `std`: lets base64 find out which vector instructions the processor has, and use them. Nothing
//!   else changes. Off by default: the crate is `no_std` with `alloc`.
//!
//! - `tracing`: tells transitions to the crate `tracing`: sessions, upgrades, refusals, pressure,
//!   sockets. They are named by their keys; no payload, header, query, session id or name of a
//!   namespace is ever told. The target is `socketio_proto`, the level `debug` for what happens in
//!   the life of a session and `trace` for the rest. Off by default; it needs no `std`.
//!
//! The crate forbids unsafe code.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests fail loudly"
    )
)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod deadlines;
pub mod edge;
pub mod engine;
mod key;
mod outputs;
mod random;
mod rooms;
pub mod socket;
pub mod time;
mod trace;
mod window;
