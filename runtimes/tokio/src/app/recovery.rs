//! Clients that come back to what they lost.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use socketio_proto::socket::{
    FindSession, Found, ImportError, PrivateId, RecoveryConfig, Server, StoreSession,
};
use tokio::sync::watch;

use super::{Io, IoBuilder, job::catch, tables::Tables};
use crate::{driver::Context, unwind::quietly};

/// A place outside of the server for the sessions of clients that are away, such as a database:
/// [`IoBuilder::session_store`].
///
/// The events that clients miss stay in the server, unless [`find`](Self::find) brings them along.
pub trait SessionStore: Send + Sync + 'static {
    /// Looks for a session by its [`pid`](FindSession::pid), and takes it out: it can be restored
    /// once. Nothing if there is none.
    fn find(&self, wanted: FindSession) -> impl Future<Output = Option<Found>> + Send;

    /// Keeps a session as long as it says. Until that is done, a client that asks for it waits.
    fn store(&self, session: StoreSession) -> impl Future<Output = ()> + Send;

    /// Takes a session back that was found, but whose client went away meanwhile, or waited for
    /// longer than [`timeout`](Self::timeout). By default it is lost: the client comes back as a new
    /// one.
    fn put_back(&self, pid: PrivateId, session: Bytes) -> impl Future<Output = ()> + Send {
        let _ = (pid, session);
        async {}
    }

    /// How long each of these may take; then it is dropped, and whoever waits for a session is let
    /// in without one. It stands in the place of [`RecoveryConfig::lookup_timeout`].
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The same for stores of any type.
trait AnyStore: Send + Sync + 'static {
    fn find(&self, wanted: FindSession) -> Boxed<'_, Option<Found>>;
    fn store(&self, session: StoreSession) -> Boxed<'_, ()>;
    fn put_back(&self, pid: PrivateId, session: Bytes) -> Boxed<'_, ()>;
}

impl<S: SessionStore> AnyStore for S {
    fn find(&self, wanted: FindSession) -> Boxed<'_, Option<Found>> {
        Box::pin(async move { SessionStore::find(self, wanted).await })
    }

    fn store(&self, session: StoreSession) -> Boxed<'_, ()> {
        Box::pin(async move { SessionStore::store(self, session).await })
    }

    fn put_back(&self, pid: PrivateId, session: Bytes) -> Boxed<'_, ()> {
        Box::pin(async move { SessionStore::put_back(self, pid, session).await })
    }
}

/// What an application wants of recovery.
#[derive(Clone)]
pub(super) struct Recovering {
    pub(super) config: Option<RecoveryConfig>,
    pub(super) skip_middlewares: bool,
    store: Option<Arc<dyn AnyStore>>,
    timeout: Duration,
    storing: Storing,
    on_cut: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Default for Recovering {
    fn default() -> Self {
        Self {
            config: None,
            skip_middlewares: true,
            store: None,
            timeout: Duration::ZERO,
            storing: Storing::default(),
            on_cut: None,
        }
    }
}

/// Sessions that are just being stored: who asks for one waits until that is done.
#[derive(Clone, Default)]
struct Storing(Arc<Mutex<HashMap<String, watch::Receiver<()>>>>);

/// A session is being stored, until this is dropped.
struct BeingStored {
    all: Storing,
    pid: String,
    _done: watch::Sender<()>,
}

impl Storing {
    fn begin(&self, pid: PrivateId) -> BeingStored {
        let (done, waiting) = watch::channel(());
        let pid = pid.expose();
        self.sessions().insert(pid.clone(), waiting);
        BeingStored {
            all: self.clone(),
            pid,
            _done: done,
        }
    }

    fn of(&self, pid: PrivateId) -> Option<watch::Receiver<()>> {
        self.sessions().get(&pid.expose()).cloned()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BeingStored {
    fn drop(&mut self) {
        self.all.sessions().remove(&self.pid);
    }
}

impl fmt::Debug for Recovering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovering")
            .field("config", &self.config)
            .field("skip_middlewares", &self.skip_middlewares)
            .finish_non_exhaustive()
    }
}

impl Recovering {
    /// The settings for the machine, if clients can come back.
    pub(super) fn config(&self) -> Option<RecoveryConfig> {
        if self.store.is_none() {
            return self.config.clone();
        }
        let config = self.config.clone().unwrap_or_default();
        Some(config.external().lookup_timeout(self.timeout))
    }
}

impl IoBuilder {
    /// Lets clients that lose their connection come back and miss nothing: they are the socket that
    /// they were, with its id, rooms and [`data`](super::Socket::data), and are sent what they
    /// missed. [`Socket::recovered`](super::Socket::recovered) says so.
    ///
    /// Each event to a client carries its offset as one more argument then, as the protocol wants
    /// it, and is kept for a while: see [`RecoveryConfig`] for how long, and how much. Events that ask
    /// for an answer, and volatile ones, are not kept; what has to arrive asks for none.
    ///
    /// Handlers of the connection run again for a client that comes back. One that was cut short when
    /// the connection was lost may have left something undone; `recovered` does not tell, and
    /// [`Socket::rooms`](super::Socket::rooms) does.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use socketio_tokio::{Io, RecoveryConfig, Socket};
    ///
    /// // const io = new Server({ connectionStateRecovery: {
    /// //   maxDisconnectionDuration: 120000, skipMiddlewares: true,
    /// // } });
    /// let recovery = RecoveryConfig::new().max_disconnection(Duration::from_secs(120));
    /// let io = Io::builder().recovery(recovery).skip_middlewares(true).build();
    ///
    /// // io.on("connection", (socket) => { if (!socket.recovered) { socket.join("lobby"); } });
    /// io.of("/").on_connect(|socket: Socket| async move {
    ///     if !socket.recovered() {
    ///         socket.join("lobby")?;
    ///     }
    ///     Ok::<(), socketio_tokio::Error>(())
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// When a span of the settings is zero.
    pub fn recovery(mut self, recovery: RecoveryConfig) -> Self {
        let checked = super::Config::default().with_recovery(recovery.clone());
        assert!(checked.is_ok(), "a span of recovery is zero");
        self.recovering.config = Some(recovery);
        self
    }

    /// Whether clients that come back are let in without [middleware](super::Namespace::middleware):
    /// they passed it before. All others go through it. Default true, as the reference's
    /// `skipMiddlewares`.
    ///
    /// A token that is revoked meanwhile still opens the door, until
    /// [`max_disconnection`](RecoveryConfig::max_disconnection) is over: turn it off where that
    /// matters, or check in the handler of the connection.
    ///
    /// A client that asks for a dynamic namespace which is gone meanwhile has to be allowed by a
    /// [`Pattern`](super::Pattern) anyway.
    pub fn skip_middlewares(mut self, skip: bool) -> Self {
        self.recovering.skip_middlewares = skip;
        self
    }

    /// Keeps the sessions of clients that are away outside of the server. It turns
    /// [recovery](Self::recovery) on, if that was not done.
    pub fn session_store(mut self, store: impl SessionStore) -> Self {
        self.recovering.timeout = store.timeout().max(Duration::from_millis(1));
        self.recovering.store = Some(Arc::new(store));
        self
    }

    /// Sets a function that is told when something that was kept for recovery goes before its age,
    /// because of a limit: once, the first time. It must not block; a panic in it is ignored.
    pub fn on_recovery_cut(mut self, told: impl Fn() + Send + Sync + 'static) -> Self {
        self.recovering.on_cut = Some(Arc::new(told));
        self
    }
}

impl Io {
    /// All that is kept for clients that are away, for [`import`](Self::import) into the server
    /// after a restart. [Shut the server down](Self::shutdown) first: clients that are connected are
    /// not in it. The bytes hold secrets of clients and what was sent to them.
    ///
    /// ```
    /// # async fn example(io: socketio_tokio::Io) -> Result<(), socketio_tokio::Error> {
    /// use std::time::Duration;
    ///
    /// io.shutdown(Duration::from_secs(10)).await;
    /// std::fs::write("sessions", io.export())?;
    /// // …and after the restart, before the new server is served:
    /// io.import(&std::fs::read("sessions")?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self) -> Bytes {
        self.link.with(|server, _, now| server.export(now))
    }

    /// Takes over what an earlier run of the server has [exported](Self::export); says how many
    /// clients can come back.
    ///
    /// # Errors
    ///
    /// Says why nothing was taken over.
    pub fn import(&self, saved: &[u8]) -> Result<usize, ImportError> {
        self.link.with(|server, _, now| server.import(now, saved))
    }
}

impl Tables {
    /// A client wants to come back to a session that is kept outside.
    pub(super) fn on_find_session(
        &mut self,
        context: &mut Context<'_, Server>,
        wanted: FindSession,
    ) {
        let (store, link) = (self.recovering.store.clone(), self.link());
        let Some((store, link)) = store.zip(link) else {
            // Nobody keeps any.
            _ = context
                .machine
                .session_found(context.now, wanted.lookup, None);
            return;
        };
        let timeout = self.recovering.timeout;
        let storing = self.recovering.storing.of(wanted.pid);
        self.spawn(async move {
            let lookup = wanted.lookup;
            let pid = wanted.pid;
            let find = catch(async {
                if let Some(mut storing) = storing {
                    // The end of it is the end of its sender.
                    _ = storing.changed().await;
                }
                store.find(wanted).await
            });
            let found = tokio::time::timeout(timeout, find).await;
            let found = found.ok().and_then(Result::ok).flatten();
            let session = found.as_ref().map(|found| found.session.clone());
            let told = link.try_with(|server, _, now| server.session_found(now, lookup, found));
            if let Some((session, Err(_))) = session.zip(told) {
                let back = catch(store.put_back(pid, session));
                _ = tokio::time::timeout(timeout, back).await;
            }
        });
    }

    /// A session is to be kept outside.
    pub(super) fn on_store_session(&mut self, session: StoreSession) {
        let Some(store) = self.recovering.store.clone() else {
            return;
        };
        let timeout = self.recovering.timeout;
        let storing = self.recovering.storing.begin(session.pid);
        self.spawn(async move {
            _ = tokio::time::timeout(timeout, catch(store.store(session))).await;
            drop(storing);
        });
    }

    pub(super) fn on_recovery_cut(&mut self) {
        if let Some(on_cut) = self.recovering.on_cut.clone() {
            self.tell(move || quietly(|| on_cut()));
        }
    }
}
