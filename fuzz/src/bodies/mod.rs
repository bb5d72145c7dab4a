//! What holds for any input. Each target's body panics if it does not.
//!
//! Bodies compare with models: the same rules written down once more, as plainly as possible and
//! without regard to time and memory.

pub mod any;
pub mod args;
pub mod data;
pub mod engine;
pub mod frames;
pub mod input;
pub mod json;
pub mod keys;
pub mod packet;
pub mod snapshot;
pub mod target;
pub mod typed;
pub mod values;

/// One body.
pub type Body = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Body)] = &[
    ("engine_packet", engine::packet),
    ("engine_payload", engine::payload),
    ("engine_target", target::target),
    ("socket_args", args::args),
    ("socket_data", data::data),
    ("socket_frames", frames::frames),
    ("socket_keys", keys::keys),
    ("socket_packet", packet::packet),
    ("socket_snapshot", snapshot::snapshot),
    ("socket_values", values::values),
];
