//! The Engine.IO server by topic: who is let in, what is bounded in time, rates, pauses, and the
//! end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod support;

mod engine_server {
    mod admission;
    mod bodies;
    mod delays;
    mod draining;
    mod pausing;
    mod rates;
    mod rates_of_sockets;
    mod world;
}
