//! Private messages between people who have a name and a token.
//!
//! ```text
//! cargo run --release -p socketio-tokio --example private
//! ```
//!
//! It shows how to know who a socket is: a token in the handshake, which a middleware looks up; how to
//! reach somebody in all browsers and tabs at once: a room for each name; presence that is right
//! whatever the order in which these come and go; messages that are kept for who is away, receipts for
//! those that were read, and connections that are recovered, so that a short loss loses nothing.
//!
//! [`accounts`] knows who may log in, [`mail`] keeps the messages, and [`server`] is the Socket.IO part.
//! All of it is in memory. Names are given to whoever asks first and are never free again; a real
//! service has its own way of handing out tokens.

mod accounts;
mod mail;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::{process::ExitCode, time::Duration};

use socketio_tokio::{Config, Error, Io, OverRate, Rate, RecoveryConfig};

use support::{Example, File, HTML, JAVASCRIPT};

const MAX_SESSIONS: u16 = 1_000;

/// How many browsers and tabs of one name there may be; one more is sent away.
pub(crate) const MAX_SOCKETS_OF_ONE: usize = 10;

const FILES: &[File] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/private.js", JAVASCRIPT, include_str!("page/private.js")),
];

#[tokio::main]
async fn main() -> ExitCode {
    let example = Example {
        name: "private",
        about: "Private messages. Open it in two browsers, or in one and a private window.",
        files: FILES,
    };
    match server() {
        Ok(io) => example.run(io).await,
        Err(error) => {
            eprintln!("private: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The server with its settings and handlers.
pub(crate) fn server() -> Result<Io, Error> {
    let config = Config::builder().engine(|engine| {
        engine
            // Nobody has to send more at once here.
            .max_payload(8 << 10)
            .max_queued(1 << 20)
            .max_sessions(MAX_SESSIONS.into())
            // All may come back at once after a restart, but not come and go all the time.
            .connect_rate(Rate::new(50, MAX_SESSIONS.into()))
            .packet_rate(Rate::new(20, 60))
            .over_rate(OverRate::Delay)
    });
    // Who is away longer than this, finds the messages in the mail.
    let recovery = RecoveryConfig::new()
        .max_disconnection(Duration::from_secs(60))
        .max_sessions(MAX_SESSIONS.into())
        .max_bytes(16 << 20);
    let builder = Io::builder().config(config.build()?).recovery(recovery);
    let io = builder.build();
    server::install(&io);
    Ok(io)
}
