//! What an application installed for one namespace.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use socketio_proto::socket::{Args, DisconnectReason, is_reserved};

use super::{
    Cause, Connecting, HandlerError, Namespace, Refusal, Reply, RoomEvent, Socket, outcome::Finish,
    socket::Pressure,
};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler that runs: what became of it is known at its end.
pub(crate) type Running = Boxed<Result<(), Cause>>;

/// A middleware that runs.
pub(crate) type Judging = Boxed<Result<(), Refusal>>;

pub(crate) type Middleware = Arc<dyn Fn(Connecting) -> Judging + Send + Sync>;
pub(crate) type OnConnect = Arc<dyn Fn(Socket) -> Running + Send + Sync>;
pub(crate) type OnDisconnect = Arc<dyn Fn(Socket, DisconnectReason) -> Running + Send + Sync>;
pub(crate) type OnPressure = Arc<dyn Fn(Socket, Pressure) -> Running + Send + Sync>;
pub(crate) type Filter = Arc<dyn Fn(Socket, Args) -> Running + Send + Sync>;
pub(crate) type OnAny = Arc<dyn Fn(&Socket, &Args) + Send + Sync>;
pub(crate) type OnServerSide = Arc<dyn Fn(Namespace, Args, Reply) -> Running + Send + Sync>;
pub(crate) type OnNamespace = Arc<dyn Fn(Namespace) + Send + Sync>;
pub(crate) type OnRoom = Arc<dyn Fn(RoomEvent) + Send + Sync>;
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
    pub(crate) on_any: Vec<OnAny>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) on_event: HashMap<Box<str>, OnEvent>,
    pub(crate) fallback: Option<OnEvent>,
    pub(crate) on_disconnect: Vec<OnDisconnect>,
    pub(crate) on_pressure: Vec<OnPressure>,
    pub(crate) on_any_outgoing: Vec<OnAny>,
    pub(crate) on_server_side: HashMap<Box<str>, OnServerSide>,
    pub(crate) on_room: Vec<OnRoom>,
    pub(crate) on_error: Vec<OnError>,
}

impl Setup {
    /// The handler of an event, or the one for events without a handler.
    pub(crate) fn handler(&self, event: &str) -> Option<&OnEvent> {
        self.on_event.get(event).or(self.fallback.as_ref())
    }

    /// Whether anybody wants to know of an event.
    pub(crate) fn is_interested(&self, event: &str) -> bool {
        !self.on_any.is_empty() || !self.filters.is_empty() || self.handler(event).is_some()
    }
}

/// What is installed now: it is replaced as a whole, so that whoever took it keeps it.
#[derive(Debug, Default)]
pub(crate) struct Installed(RwLock<Arc<Setup>>);

impl Installed {
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        Self(RwLock::new(setup))
    }

    pub(crate) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces it by a changed copy, which is returned; what is dropped, is dropped without the
    /// lock.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Setup)) -> Arc<Setup> {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Setup::clone(&place);
        change(&mut changed);
        let changed = Arc::new(changed);
        let old = std::mem::replace(&mut *place, Arc::clone(&changed));
        drop(place);
        drop(old);
        changed
    }
}

/// How it is added to.
impl Setup {
    pub(crate) fn add_middleware<F, Fut>(&mut self, middleware: F)
    where
        F: Fn(Connecting) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        let middleware = move |client| Box::pin(middleware(client)) as _;
        self.middleware.push(Arc::new(middleware));
    }

    pub(crate) fn add_on_connect<F, Fut>(&mut self, handler: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.on_connect.push(Arc::new(move |socket| {
            let running = handler(socket);
            Box::pin(async move { running.await.finish() })
        }));
    }

    pub(crate) fn add_on_disconnect<F, Fut>(&mut self, handler: F)
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.on_disconnect.push(Arc::new(move |socket, reason| {
            let running = handler(socket, reason);
            Box::pin(async move { running.await.finish() })
        }));
    }

    pub(crate) fn add_on_pressure<F, Fut>(&mut self, handler: F)
    where
        F: Fn(Socket, Pressure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.on_pressure.push(Arc::new(move |socket, pressure| {
            let running = handler(socket, pressure);
            Box::pin(async move { running.await.finish() })
        }));
    }

    pub(crate) fn add_filter<F, Fut>(&mut self, filter: F)
    where
        F: Fn(Socket, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.filters.push(Arc::new(move |socket, args| {
            let running = filter(socket, args);
            Box::pin(async move { running.await.finish() })
        }));
    }

    pub(crate) fn set_on_event(&mut self, event: &str, handler: OnEvent) {
        self.on_event.insert(event.into(), handler);
    }

    pub(crate) fn set_on_server_side(&mut self, event: &str, handler: OnServerSide) {
        self.on_server_side.insert(event.into(), handler);
    }
}

/// Fails early for an event that no client can emit.
pub(crate) fn check_event(event: &str) {
    assert!(!is_reserved(event), "clients cannot emit {event:?}");
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("middleware", &self.middleware.len())
            .field("events", &self.on_event.keys())
            .finish_non_exhaustive()
    }
}
