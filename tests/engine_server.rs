//! The Engine.IO server by topic: who is let in, what is bounded in time, pauses, and the end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod support;

mod engine_server {
    mod admission;
    mod bodies;
    mod draining;
    mod pausing;
    mod world;
}
