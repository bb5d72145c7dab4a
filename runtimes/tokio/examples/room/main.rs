//! A public room with rate limits and moderators.
//!
//! ```text
//! MODERATOR_TOKEN=secret cargo run --release -p socketio-tokio --example room
//! ```
//!
//! Without the variable it makes a token and prints it. Who enters it on the page, is a moderator.
//!
//! It shows how to keep a room usable in which nobody has an account: a token bucket for each member
//! and a slow mode, moderators who are known by a token in the handshake and can mute, kick and ban,
//! and limits for everything that is kept. How fast clients may connect and send at all, the server
//! itself is told.
//!
//! [`bucket`] measures how fast somebody is, [`sanctions`] knows who may not speak or come in,
//! [`state`] is the room, and [`server`] the Socket.IO part. What holds for all packets of all clients
//! stands in the settings: see [`server()`].

mod bucket;
mod sanctions;
mod server;
mod state;
#[path = "../support/mod.rs"]
mod support;

use std::{env, fmt::Write as _, process::ExitCode};

use socketio_tokio::{
    Config, Error, Io, seed,
    socketio_proto::engine::{OverRate, Rate},
};

use support::{Example, File, HTML, JAVASCRIPT};

/// Connections of members, and of those who are about to be refused.
const MAX_SESSIONS: u16 = 2 * state::MEMBERS_LIMIT;

const FILES: &[File] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/room.js", JAVASCRIPT, include_str!("page/room.js")),
];

#[tokio::main]
async fn main() -> ExitCode {
    let example = Example {
        name: "room",
        about: "A public room. Open it in two tabs of a browser.",
        files: FILES,
    };
    match moderator_token().and_then(|token| server(&token)) {
        Ok(io) => example.run(io).await,
        Err(error) => {
            eprintln!("room: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The server with its settings and handlers.
pub(crate) fn server(token: &str) -> Result<Io, Error> {
    let config = Config::builder().engine(|engine| {
        engine
            // Nobody has to send more at once here.
            .max_payload(16 << 10)
            // Who does not take the messages of a room, is not worth more memory.
            .max_queued(256 << 10)
            .high_water(128 << 10)
            .low_water(32 << 10)
            .max_sessions(MAX_SESSIONS.into())
            // All may come back at once after a restart, but not come and go all the time.
            .connect_rate(Rate::new(50, MAX_SESSIONS.into()))
            // Before any handler runs, and for packets of every kind: who sends more than a person
            // does, is read more slowly.
            .packet_rate(Rate::new(20, 60))
            .over_rate(OverRate::Delay)
    });
    let io = Io::builder().config(config.build()?).build();
    server::install(&io, token);
    Ok(io)
}

/// The token from the environment, or a new one.
#[allow(clippy::print_stdout, reason = "whoever started it needs the token")]
fn moderator_token() -> Result<String, Error> {
    if let Ok(token) = env::var("MODERATOR_TOKEN") {
        return Ok(token);
    }
    let mut token = String::new();
    for byte in seed()?.iter().take(8) {
        write!(token, "{byte:02x}")?;
    }
    println!("room: the moderators' token is {token}");
    Ok(token)
}
