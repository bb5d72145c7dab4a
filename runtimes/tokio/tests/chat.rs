//! The units of the chat example: `cargo test` builds examples without running their tests.
#![allow(dead_code, reason = "the example uses all of it")]

#[path = "../examples/chat/answer.rs"]
mod answer;
#[path = "../examples/chat/message.rs"]
mod message;
#[path = "../examples/chat/page.rs"]
mod page;
#[path = "../examples/chat/state.rs"]
mod state;
