//! Engine.IO: the layer that carries messages over long-polling and WebSocket.
//!
//! [`Server`] is a whole Engine.IO server as one state machine, usable without Socket.IO.

mod base64;
pub(crate) mod check;
mod codec;
mod config;
mod cookie;
mod cors;
mod heartbeat;
mod origins;
pub(crate) mod outbox;
mod overflow;
pub mod packet;
pub mod payload;
mod rate;
mod reason;
mod server;
pub(crate) mod sessions;
mod statistics;
pub mod target;
mod upgrade;

pub use self::{
    check::{BadRequest, Refusal, Unavailable},
    codec::{Codec, Inbound, Parser, Raw},
    config::{Config, ConfigBuilder, ConfigError},
    cookie::{Cookie, CookieError, Priority, SameSite},
    cors::{Cors, CorsError},
    origins::{OriginError, Origins},
    overflow::Overflow,
    rate::{OverRate, Rate},
    reason::{CloseReason, TransportError},
    server::{Event, Sent, Server},
    sessions::SendError,
    statistics::{Closed, Dropped, Refused, Statistics},
};
pub use crate::random::SessionId;
