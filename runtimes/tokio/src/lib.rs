//! Engine.IO and Socket.IO servers on tokio, as a `tower` service for hyper and axum.
//!
//! The protocols live in [`socketio_proto`], as machines that do no I/O. This crate is the glue: it
//! reads and writes bytes, tells the time, and runs an application's handlers. Its lower half knows
//! no packet and no namespace; any [`Machine`](socketio_proto::edge::Machine) can be driven.
//!
//! ```text
//!   hyper, axum ──▶ Service ──▶ Driver: one lock around the machine ──▶ Handler ──▶ application
//!                     │           ▲            │
//!                     ▼           │            ▼
//!                 a task per WebSocket     timer task
//! ```
//!
//! - [`Io`] is Socket.IO, ready to use: start there.
//! - [`EngineServer`] is Engine.IO alone, ready to use.
//! - [`Driver`] shares a machine; [`Handler`] is told its events; [`Service`] serves its requests.
//! - [`serve`] is an HTTP server for who has none.
//!
//! What it leaves to its surroundings: TLS, and HTTP/2, over which there is no WebSocket here.
//! `permessage-deflate` is not negotiated on WebSockets, as in the reference by default; the marks
//! `compress` and `shared` of a machine's frames leave the place for it.
//!
//! # Features
//!
//! - `compression`: answers to polls can be compressed, once a service is told so.
//! - `metrics`: a server tells its numbers to Prometheus, and whether it is well, once a `Monitor` is
//!   put somewhere.
//! - `tracing`: transitions are told to the crate of that name, see `socketio_proto`.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")
)]

mod app;
mod backlog;
mod body;
mod clock;
#[cfg(feature = "compression")]
mod compression;
mod driver;
mod engine;
mod files;
mod filter;
mod later;
mod mailbox;
#[cfg(feature = "metrics")]
mod metrics;
mod owner;
mod request;
mod response;
mod serve;
mod service;
mod slots;
mod stall;
mod state;
mod ticket;
mod timer;
mod transport;
mod unwind;
mod websocket;

pub use socketio_proto::{
    self,
    edge::ResponseKind,
    engine::{ConfigError, Cookie, Cors, Origins, OverRate, Rate},
};

#[cfg(feature = "compression")]
pub use self::compression::Compression;
#[cfg(feature = "metrics")]
pub use self::metrics::{Health, Monitor};

pub use self::{
    app::{
        Ack, AckError, AckFuture, Args, ArgsError, Arguments, AsTheyCame, Binary, Broadcast,
        BroadcastAck, BroadcastAckFuture, BroadcastAnswers, BroadcastWithAck, Candidate, Cause,
        Config, Connecting, Data, Decoded, DisconnectReason, Disconnected, EmitError, EmitWithAck,
        Emitter, EncodeError, Error, EventHandler, FindSession, Finish, Found, FromArgs,
        HandlerError, Handshake, ImportError, Io, IoBuilder, IoService, Missed, Namespace,
        NamespaceError, Pattern, Pressure, RecoveryConfig, Refusal, Reply, Respond, RoomChange,
        RoomEvent, Rooms, Sent, ServerSideAck, ServerSideWithAck, SessionStore, Socket, SocketId,
        StoreSession, SyncEventHandler, Tables, Tried,
    },
    body::Body,
    clock::{Clock, EntropyError, seed},
    driver::{Context, Drivable, Driver, Handler},
    engine::{EngineBuilder, EngineServer, Event, Events, Forward},
    files::ClientFiles,
    later::Later,
    request::{Peer, RequestInfo},
    serve::{Drain, Serve, serve},
    service::{Or, OrFuture, ResponseFuture, Service},
};

/// Its example is compiled with the other tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are those of the pages for users.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/deploying.md")]
#[doc = include_str!("../../../docs/from-node.md")]
struct Pages;
