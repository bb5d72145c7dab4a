//! Replays `spec-vectors` through the public interface, in both directions.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may"
)]

mod engine;
mod node;
mod rows;
mod socket;
