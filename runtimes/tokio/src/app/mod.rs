//! What an application works with: a server, its namespaces and their sockets.
//!
//! Handles ([`Io`], [`Namespace`], [`Socket`]) give commands to the machine; `tables` is told its
//! events. Nothing of an application runs under the machine's lock: what a client causes is put
//! into the `inbox` of its socket, and a task that lives only as long as there is something to do
//! runs the handlers (`job`). Middleware runs in a task of its own for each client (`connecting`).
//! Answers to acks go past the inbox to whoever waits for them (`ack`).

mod ack;
mod admitting;
mod answers;
mod arguments;
mod broadcast;
mod builder;
mod connecting;
mod data;
mod dynamic;
mod emitter;
mod error;
mod extensions;
mod handler;
mod handshake;
mod inbox;
mod io;
mod job;
mod line;
mod link;
mod namespace;
mod namespace_state;
mod outcome;
mod outgoing;
mod packet;
mod pattern;
mod recovery;
mod room_events;
mod rooms;
mod server_side;
mod setup;
mod socket;
mod tables;
mod tasks;
#[cfg(test)]
mod tests;

pub use self::{
    ack::{AckFuture, BroadcastAck, BroadcastAckFuture, BroadcastWithAck, EmitWithAck},
    answers::BroadcastAnswers,
    arguments::Arguments,
    broadcast::Broadcast,
    builder::IoBuilder,
    connecting::{Connecting, Refusal},
    emitter::Emitter,
    error::{AckError, Cause, Disconnected, EmitError, Error, HandlerError},
    handler::{EventHandler, SyncEventHandler},
    handshake::Handshake,
    io::{Io, IoService},
    namespace::Namespace,
    outcome::{Ack, AsTheyCame, Decoded, Finish, FromArgs, Reply, Respond, Tried},
    pattern::{Candidate, Pattern},
    recovery::SessionStore,
    room_events::{RoomChange, RoomEvent},
    rooms::Rooms,
    server_side::{ServerSideAck, ServerSideWithAck},
    socket::{Pressure, Socket},
    tables::Tables,
};
pub use socketio_proto::socket::{
    Args, ArgsError, Binary, Config, Data, DisconnectReason, EncodeError, FindSession, Found,
    ImportError, Missed, NamespaceError, RecoveryConfig, Sent, SocketId, StoreSession,
};
