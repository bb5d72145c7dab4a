//! A chat with nicknames, rooms, a typing notice, history and pictures.
//!
//! ```text
//! cargo run --release -p socketio-tokio --example chat
//! ```
//!
//! [`server`] is the Socket.IO part: begin there. [`state`] is what the chat remembers, [`page`]
//! serves the files of the browser's side, and `page/PROTOCOL.md` describes the events between the
//! two.

mod answer;
mod message;
mod page;
mod server;
mod state;

use std::{env, ffi::OsString, future, io, path::PathBuf, process::ExitCode, time::Duration};

use socketio_tokio::{Error, Io, serve};
use tokio::{net::TcpListener, signal};

use page::Page;

const HELP: &str = "\
A chat. Open it in two tabs of a browser.

Usage: chat [--port N] [--client-folder DIR] [--no-cdn]

  --port N             Listens on this port of 127.0.0.1, 0 for any free one.
                       Without it on 3000 or the next one that is free.
  --client-folder DIR  Takes the official JavaScript client from this folder, which has
                       socket.io.min.js in it, such as node_modules/socket.io-client/dist.
  --no-cdn             Does not let the page ask the public CDN for the official client.
                       Where it can have none, the page uses a small client of its own.
  --help               Prints this.";

const FIRST_PORT: u16 = 3000;
const LAST_PORT: u16 = 3099;

/// How many connections may be open, so that a crowd cannot take all of the process's files: a
/// client has one or two. More wait for their turn.
const MAX_CONNECTIONS: usize = 800;

/// How long a connection may be without a request, so that idle ones do not keep others out.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long closing may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(
    clippy::print_stdout,
    reason = "whoever started it wants to know the address"
)]
async fn run() -> Result<(), Error> {
    let Some(options) = Options::parse(env::args_os().skip(1))? else {
        println!("{HELP}");
        return Ok(());
    };
    let page = Page::new(options.client_folder.as_deref(), options.is_cdn_allowed)?;
    let listener = listen(options.port).await?;
    println!("Chat: open http://{} in two tabs", listener.local_addr()?);
    println!("The page uses {}.", page.library());

    // The server takes the requests under `/socket.io/`, and an axum router all others. The other
    // way round is as good: `router.route_service("/socket.io/", io.service())`.
    let io = Io::new();
    server::install(&io);
    let service = io.service().or(page.router());
    serve(listener, service)
        .max_connections(MAX_CONNECTIONS)
        .header_timeout(HEADER_TIMEOUT)
        .until(ctrl_c())
        .grace(GRACE)
        .await;
    println!("Chat: closed");
    Ok(())
}

/// What the command line asks for.
struct Options {
    port: Option<u16>,
    client_folder: Option<PathBuf>,
    is_cdn_allowed: bool,
}

impl Options {
    /// Reads the command line; `None` if it asks for help.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, Error> {
        let mut options = Self {
            port: None,
            client_folder: None,
            is_cdn_allowed: true,
        };
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--port") => {
                    let port = args.next().and_then(|port| port.to_str()?.parse().ok());
                    options.port = Some(port.ok_or("--port needs a number up to 65535")?);
                }
                Some("--client-folder") => {
                    let folder = args.next().ok_or("--client-folder needs a folder")?;
                    options.client_folder = Some(folder.into());
                }
                Some("--no-cdn") => options.is_cdn_allowed = false,
                Some("--help" | "-h") => return Ok(None),
                _ => return Err(format!("{} is unknown: see --help", arg.display()).into()),
            }
        }
        Ok(Some(options))
    }
}

/// Listens on the port asked for, or on the first one that is free.
async fn listen(port: Option<u16>) -> Result<TcpListener, Error> {
    let ports = match port {
        Some(port) => port..=port,
        None => FIRST_PORT..=LAST_PORT,
    };
    for port in ports {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            listener => return Ok(listener?),
        }
    }
    Err("the port is taken; --port chooses another one".into())
}

/// Resolves when Ctrl-C is pressed; never where that cannot be noticed.
async fn ctrl_c() {
    if signal::ctrl_c().await.is_err() {
        future::pending::<()>().await;
    }
}
