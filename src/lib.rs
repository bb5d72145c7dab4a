//! Engine.IO and Socket.IO as pure state machines that do no I/O.
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests fail loudly"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod deadlines;
pub mod edge;
pub mod engine;
mod key;
mod outputs;
mod random;
mod rooms;
pub mod socket;
pub mod time;
