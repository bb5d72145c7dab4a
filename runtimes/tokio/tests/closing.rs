//! What ends, and what is dropped: sockets, requests, handlers, handles, and whole servers.
//!
//! Everything is over loopback or without a network, and bounded in time.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

#[path = "app/client.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod client;
#[path = "closing/crowd.rs"]
mod crowd;
#[path = "closing/dropping.rs"]
mod dropping;
#[path = "closing/everything.rs"]
mod everything;
#[cfg(feature = "metrics")]
#[path = "closing/metrics.rs"]
mod metrics;
#[path = "closing/poller.rs"]
mod poller;
#[cfg(unix)]
#[path = "closing/process.rs"]
mod process;
#[path = "closing/sockets.rs"]
mod sockets;
#[path = "engine/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
