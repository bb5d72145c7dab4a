//! What the examples with a small page share: the command line, the page's files, and serving.

mod page;

use std::{env, ffi::OsString, future, path::PathBuf, process::ExitCode, time::Duration};

use socketio_tokio::{Error, Io, serve};
use tokio::{net::TcpListener, signal};

pub(crate) use page::{File, HTML, JAVASCRIPT};

const OPTIONS: &str = "\
  --port N             Listens on this port of 127.0.0.1, 0 for any free one. Default 3000.
  --client-folder DIR  Takes the official JavaScript client from this folder, which has
                       socket.io.min.js in it, such as node_modules/socket.io-client/dist.
                       Without it the page asks the public CDN, and where that is out of
                       reach, it uses a small client of its own.
  --help               Prints this.";

/// How many connections may be open, so that a crowd cannot take all of the process's files.
const MAX_CONNECTIONS: usize = 800;

/// How long a connection may be without a request, so that idle ones do not keep others out.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long closing may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(3);

/// An example: what it is called, and its page.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// What it is and how to try it, in a sentence or two.
    pub(crate) about: &'static str,
    pub(crate) files: &'static [File],
}

impl Example {
    /// Serves until Ctrl-C, as the command line wants it.
    #[allow(clippy::print_stderr, reason = "it is a program of the command line")]
    pub(crate) async fn run(&self, io: Io) -> ExitCode {
        match self.serve(&io).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    #[allow(
        clippy::print_stdout,
        reason = "whoever started it wants to know the address"
    )]
    async fn serve(&self, io: &Io) -> Result<(), Error> {
        let Some(options) = Options::parse(env::args_os().skip(1))? else {
            let Self { name, about, .. } = self;
            println!("{about}\n\nUsage: {name} [--port N] [--client-folder DIR]\n\n{OPTIONS}");
            return Ok(());
        };
        let router = page::router(self.files, options.client_folder.as_deref())?;
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let address = listener.local_addr()?;
        println!("{}: open http://{address} in two tabs", self.name);

        serve(listener, io.service().or(router))
            .max_connections(MAX_CONNECTIONS)
            .header_timeout(HEADER_TIMEOUT)
            .until(ctrl_c())
            .grace(GRACE)
            .await;
        Ok(())
    }
}

/// What the command line asks for.
struct Options {
    port: u16,
    client_folder: Option<PathBuf>,
}

impl Options {
    /// Reads the command line; `None` if it asks for help.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, Error> {
        let mut options = Self {
            port: 3000,
            client_folder: None,
        };
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--port") => {
                    let port = args.next().and_then(|port| port.to_str()?.parse().ok());
                    options.port = port.ok_or("--port needs a number up to 65535")?;
                }
                Some("--client-folder") => {
                    let folder = args.next().ok_or("--client-folder needs a folder")?;
                    options.client_folder = Some(folder.into());
                }
                Some("--help" | "-h") => return Ok(None),
                _ => return Err(format!("{} is unknown: see --help", arg.display()).into()),
            }
        }
        Ok(Some(options))
    }
}

/// Resolves when Ctrl-C is pressed; never where that cannot be noticed.
async fn ctrl_c() {
    if signal::ctrl_c().await.is_err() {
        future::pending::<()>().await;
    }
}
