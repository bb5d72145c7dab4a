//! A virtual clock and network.

pub mod application;
pub mod dice;
pub mod host;
pub mod ledger;
pub mod network;
pub mod peer;
pub mod runs;
pub mod schedule;
mod snippet;
pub mod speech;
pub mod subject;
pub mod trace;
pub mod wire;
pub mod world;
