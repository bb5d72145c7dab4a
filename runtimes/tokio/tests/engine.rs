//! The glue over loopback, with Engine.IO alone on top. Everything is bounded in time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]

#[path = "engine/admission.rs"]
mod admission;
#[path = "engine/beside.rs"]
mod beside;
#[cfg(feature = "compression")]
#[path = "engine/compressed.rs"]
mod compressed;
#[path = "engine/ending.rs"]
mod ending;
#[path = "engine/hook.rs"]
mod hook;
#[path = "engine/limits.rs"]
mod limits;
#[path = "engine/lock.rs"]
mod lock;
#[path = "engine/polling.rs"]
mod polling;
#[path = "engine/support.rs"]
mod support;
#[path = "engine/websocket.rs"]
mod websocket;
