//! Socket.IO: namespaces, events, acknowledgements and rooms over Engine.IO.
//!
//! [`Server`] is a whole Socket.IO server as one state machine. [`Packet`] is an event on its way
//! out, [`Args`] are the arguments of one that came in.

mod acks;
mod args;
mod attachments;
mod config;
mod de;
mod decode;
mod encode;
mod event;
mod json;
mod recovery;
mod ser;
mod server;
mod statistics;

/// Scans an event's array and nothing else, for `benches/codec.rs`: not part of any interface.
#[cfg(socketio_proto_bench)]
#[doc(hidden)]
pub fn scan_event(json: &str) -> Option<usize> {
    json::check_event(json, Limits::default().max_depth, 0)
        .ok()
        .map(|event| event.len)
}

pub use self::{
    args::{Arg, Args, ArgsError, ArgsIter, Binary, Data},
    attachments::Assembler,
    config::{Config, ConfigBuilder, NamespaceError, RecoveryConfig},
    decode::{DecodeError, Fragment, Json, Limits, PacketKind, Received},
    encode::{Control, Packet, SealError, Sealed, is_reserved},
    event::{
        AcceptError, AckKey, AckOutcome, Connecting, DisconnectReason, EmitError, Event,
        FindSession, Found, LookupKey, Missed, NamespaceKey, Options, PendingKey, Recovery,
        ReplyToken, RoomChange, Sent, SocketId, SocketKey, StoreSession, To, Violation, Wait,
        Withdrawal,
    },
    recovery::ImportError,
    ser::EncodeError,
    server::Server,
    statistics::{Counters, RecoveryStatistics, Statistics},
};
pub use crate::{edge::Stale, random::PrivateId};
