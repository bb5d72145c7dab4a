//! A plain text that several people edit at the same time.
//!
//! ```text
//! cargo run --release -p socketio-tokio --example editor
//! ```
//!
//! It shows operational transformation: a page applies what is typed at once and sends it as an
//! operation; the server brings all operations into one order, and whoever receives one that he did
//! not know of transforms his own against it. A page has one operation on its way at a time and
//! collects the next one meanwhile. After a lost connection it asks for what it missed, and finds
//! out whether its last operation arrived.
//!
//! [`operation`] is the algebra, without any input or output; [`document`] is the server's order of
//! operations, its limits and its memory; [`server`] is the Socket.IO part. On the page's side these
//! are `page/operation.js`, `page/client.js` and `page/editor.js`.

mod document;
mod operation;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use socketio_tokio::Io;

use support::{Example, File, HTML, JAVASCRIPT};

const FILES: &[File] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/client.js", JAVASCRIPT, include_str!("page/client.js")),
    ("/editor.js", JAVASCRIPT, include_str!("page/editor.js")),
    (
        "/operation.js",
        JAVASCRIPT,
        include_str!("page/operation.js"),
    ),
];

#[tokio::main]
async fn main() -> ExitCode {
    let example = Example {
        name: "editor",
        about: "A text that everybody edits. Open it in two tabs of a browser.",
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
