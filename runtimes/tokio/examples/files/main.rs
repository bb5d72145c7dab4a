//! Files that are sent in chunks, with progress, and that go on after a lost connection.
//!
//! ```text
//! cargo run --release -p socketio-tokio --example files
//! ```
//!
//! It shows events with attachments and acknowledgements in both directions: whoever sends has a few
//! chunks on their way, so neither side has to keep much, and whoever receives says after a lost
//! connection where to go on. At the end the hash is checked.
//!
//! [`shelf`] is what the server keeps, with all limits; [`download`] is the sending of a file;
//! [`server`] is the Socket.IO part. On the page's side `page/transfer.js` sends and receives, and
//! `page/files.js` shows it.

mod download;
mod server;
mod shelf;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use socketio_tokio::Io;

use support::{Example, File, HTML, JAVASCRIPT};

const FILES: &[File] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/files.js", JAVASCRIPT, include_str!("page/files.js")),
    ("/transfer.js", JAVASCRIPT, include_str!("page/transfer.js")),
];

#[tokio::main]
async fn main() -> ExitCode {
    let example = Example {
        name: "files",
        about: "A shelf for files of up to 16 MiB. Open it in two tabs of a browser.",
        files: FILES,
    };
    example.run(server()).await
}

/// The server with its handlers.
pub(crate) fn server() -> Io {
    let io = Io::new();
    server::install(&io);
    io
}
