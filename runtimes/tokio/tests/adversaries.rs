//! Hostile peers over loopback: what ends each, that nothing is left of it, and that another
//! client is served meanwhile. Everything is bounded in time.
//!
//! Memory is measured in a test of its own, `adversaries_memory`; what adversaries cost the others
//! is measured by the bench `adversaries`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]

#[path = "adversaries/handshakes.rs"]
mod handshakes;
#[path = "adversaries/http.rs"]
mod http;
#[path = "adversaries/messages.rs"]
mod messages;
#[path = "adversaries/sessions.rs"]
mod sessions;
#[path = "adversaries/slow.rs"]
mod slow;
#[path = "adversaries/support.rs"]
mod support;
#[path = "adversaries/upgrades.rs"]
mod upgrades;
#[path = "adversaries/wire.rs"]
mod wire;
