//! The examples from practice: their units, and their servers over loopback, spoken to by a bare
//! WebSocket client. Their pages are tested in a browser, see `browser.rs`.
//!
//! Everything waits for messages, never for time to pass.
#![allow(
    clippy::duplicate_mod,
    reason = "each example is a program of its own, and they share a module"
)]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

#[path = "app/client.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod client;
#[path = "../examples/editor/main.rs"]
#[allow(dead_code, reason = "nothing here is the main function")]
mod editor;
#[path = "../examples/files/main.rs"]
#[allow(dead_code, reason = "nothing here is the main function")]
mod files;
#[path = "../examples/private/main.rs"]
#[allow(dead_code, reason = "nothing here is the main function")]
mod private;
#[path = "../examples/room/main.rs"]
#[allow(dead_code, reason = "nothing here is the main function")]
mod room;

mod examples {
    mod editor;
    mod files;
    mod private;
    mod room;
}
