//! The server that the interoperability tests run against; they say what each mode does
//! (`tests/interop/README.md`).
//!
//! Usage: `PORT=3000 interop_server app|load|engine|suite`

mod app;
mod engine;
mod load;
mod suite;
mod value;

use std::{convert::Infallible, env, process::ExitCode};

use axum::{Router, extract::Request, response::IntoResponse, serve::ListenerExt as _};
use socketio_tokio::{Error, IoService, serve};
use tokio::{net::TcpListener, runtime};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("interop_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let mode = env::args().nth(1).unwrap_or_default();
    refuse_what_is_missing(&mode)?;
    let port: u16 = number("PORT")?.ok_or("PORT is not set")?;
    let runtime = match &*mode {
        "load" => runtime::Builder::new_multi_thread()
            .worker_threads(number("WORKERS")?.unwrap_or(1))
            .enable_all()
            .build()?,
        // Tasks run in the order in which they are woken, as the callbacks of Node.js do.
        _ => runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        match &*mode {
            "app" => {
                let io = app::server(is_on("RECOVERY"))?;
                serve_alone(listener, io.service()).await
            }
            "load" => serve_alone(listener, load::server()?.service()).await,
            "engine" => serve_in_axum(listener, engine::server()?).await,
            "suite" => serve_in_axum(listener, suite::server()?.service()).await,
            _ => Err("the mode is one of app, load, engine and suite".into()),
        }
    })
}

/// The tests switch on what a server may not have yet: it must say so, and not run without it.
fn refuse_what_is_missing(mode: &str) -> Result<(), Error> {
    let missing: &[&str] = match mode {
        "app" => &["MSGPACK"],
        "suite" => &["EIO3", "MSGPACK"],
        "engine" => &["EIO3"],
        _ => &[],
    };
    match missing.iter().find(|name| is_on(name)) {
        Some(name) => Err(format!("{name}=1 is not implemented in mode {mode}").into()),
        None => Ok(()),
    }
}

fn is_on(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == "1")
}

fn number<N: std::str::FromStr<Err: Into<Error>>>(name: &str) -> Result<Option<N>, Error> {
    let value = env::var(name).ok();
    let number = value.map(|value| value.parse().map_err(Into::into));
    number.transpose()
}

/// The server that the library brings along.
async fn serve_alone(listener: TcpListener, service: IoService) -> Result<(), Error> {
    serve(listener, service).await;
    Ok(())
}

/// The server in axum.
async fn serve_in_axum<S>(listener: TcpListener, service: S) -> Result<(), Error>
where
    S: tower_service::Service<Request, Response: IntoResponse, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let listener = listener.tap_io(|stream| {
        // A socket that refuses still works.
        _ = stream.set_nodelay(true);
    });
    let router = Router::<()>::new().fallback_service(service);
    axum::serve(listener, router).await?;
    Ok(())
}
