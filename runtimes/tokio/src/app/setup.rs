//! What an application installed for one namespace.

use std::{collections::HashMap, fmt, pin::Pin, sync::Arc};

use socketio_proto::socket::{Args, DisconnectReason};

use super::{Cause, Connecting, HandlerError, Refusal, Reply, Socket, socket::Pressure};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler that runs: what became of it is known at its end.
pub(crate) type Running = Boxed<Result<(), Cause>>;

/// A middleware that runs.
pub(crate) type Judging = Boxed<Result<(), Refusal>>;

pub(crate) type Middleware = Arc<dyn Fn(Connecting) -> Judging + Send + Sync>;
pub(crate) type OnConnect = Arc<dyn Fn(Socket) -> Running + Send + Sync>;
pub(crate) type OnDisconnect = Arc<dyn Fn(Socket, DisconnectReason) -> Running + Send + Sync>;
pub(crate) type OnPressure = Arc<dyn Fn(Socket, Pressure) -> Running + Send + Sync>;
pub(crate) type OnError = Arc<dyn Fn(&Socket, &HandlerError) + Send + Sync>;

type AsyncHandler = dyn Fn(Socket, Args, Reply) -> Running + Send + Sync;
type SyncHandler = dyn Fn(&Socket, Args, Reply) -> Result<(), Cause> + Send + Sync;

/// The handler of an event.
#[derive(Clone)]
pub(crate) enum OnEvent {
    Async(Arc<AsyncHandler>),
    Sync(Arc<SyncHandler>),
}

/// Everything that was installed for one namespace.
///
/// Connecting clients take the latest one and keep it, so that no lock is needed to look a handler
/// up and a socket's handlers never change under it.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) middleware: Vec<Middleware>,
    pub(crate) on_connect: Vec<OnConnect>,
    pub(crate) on_event: HashMap<Box<str>, OnEvent>,
    pub(crate) fallback: Option<OnEvent>,
    pub(crate) on_disconnect: Vec<OnDisconnect>,
    pub(crate) on_pressure: Vec<OnPressure>,
    pub(crate) on_error: Vec<OnError>,
}

impl Setup {
    /// The handler of an event, or the one for events without a handler.
    pub(crate) fn handler(&self, event: &str) -> Option<&OnEvent> {
        self.on_event.get(event).or(self.fallback.as_ref())
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("middleware", &self.middleware.len())
            .field("events", &self.on_event.keys())
            .finish_non_exhaustive()
    }
}
