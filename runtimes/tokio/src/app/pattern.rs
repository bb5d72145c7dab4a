//! Namespaces that are made on demand.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytestring::ByteString;
use serde::Deserialize;
use socketio_proto::socket::{Args, ArgsError, DisconnectReason, Packet, Recovery, Sent};

use super::{
    Arguments, Connecting, EmitError, EventHandler, HandlerError, Handshake, Namespace, Pressure,
    Refusal, RoomEvent, Socket, SyncEventHandler,
    handler::{boxed, boxed_server_side, boxed_sync},
    link::Link,
    namespace_state::NamespaceState,
    outcome::Finish,
    server_side,
    setup::{Installed, Setup, check_event},
};

/// Namespaces that are made when a client asks for one that the pattern allows.
///
/// What is added here is copied to a namespace when it is made: middleware, handlers, filters and
/// listeners, each as [`Namespace`] describes it. What is added later concerns namespaces that are
/// made from then on.
///
/// A namespace is made with the first client that is allowed into it, and is gone with the last one,
/// those that wait for its middleware included. It stays if
/// [`keep_empty_namespaces`](socketio_proto::socket::ConfigBuilder::keep_empty_namespaces) is set,
/// or once [`Io::of`](super::Io::of) has named it. At most
/// [`max_dynamic_namespaces`](socketio_proto::socket::ConfigBuilder::max_dynamic_namespaces) exist
/// at a time, 10 000.
///
/// With [recovery](super::IoBuilder::recovery), a namespace stays as long as clients of it may come
/// back: what is sent to it meanwhile waits for them. Where a
/// [store outside](super::IoBuilder::session_store) keeps the sessions, the server does not know of
/// them: there, keep empty namespaces if nothing is to be missed.
#[derive(Clone)]
pub struct Pattern {
    link: Link,
    state: Arc<PatternState>,
}

/// What is kept of a pattern.
pub(crate) struct PatternState {
    allows: Allows,
    pub(super) installed: Installed,
    /// Those that exist.
    children: Mutex<BTreeMap<ByteString, Arc<NamespaceState>>>,
}

/// How a pattern decides.
pub(super) enum Allows {
    Client(Box<dyn Fn(Candidate) -> Deciding + Send + Sync>),
    Name(Box<dyn Fn(&str) -> bool + Send + Sync>),
}

type Deciding = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A client that asks for a namespace that does not exist.
#[derive(Clone)]
pub struct Candidate {
    pub(super) name: ByteString,
    pub(super) handshake: Arc<Handshake>,
    pub(super) recovery: Recovery,
}

impl Candidate {
    /// The name of the namespace, with the leading slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Decodes what the client sent along, its `auth` option; an empty object if nothing.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn auth<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        self.handshake.auth()
    }

    /// How it connected.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }
}

impl PatternState {
    pub(super) fn new(allows: Allows) -> Self {
        Self {
            allows,
            installed: Installed::default(),
            children: Mutex::default(),
        }
    }

    /// Whether it allows a name by itself, whoever asks.
    pub(super) fn matches(&self, name: &str) -> bool {
        match &self.allows {
            Allows::Client(_) => false,
            Allows::Name(matches) => matches(name),
        }
    }

    /// Whether it allows a client into a namespace.
    pub(super) async fn allows(&self, candidate: &Candidate) -> bool {
        match &self.allows {
            Allows::Client(decide) => decide(candidate.clone()).await,
            Allows::Name(matches) => matches(&candidate.name),
        }
    }

    /// A namespace that was made of it exists now. What is given is to be dropped without the lock.
    pub(super) fn add(&self, child: &Arc<NamespaceState>) -> Option<Arc<NamespaceState>> {
        let child = Arc::clone(child);
        self.children().insert(child.name.clone(), child)
    }

    /// It does not exist any more. What is given is to be dropped without the lock.
    pub(super) fn remove(&self, name: &str) -> Option<Arc<NamespaceState>> {
        self.children().remove(name)
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<ByteString, Arc<NamespaceState>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(
    clippy::return_self_not_must_use,
    reason = "the server keeps what was added; the handle is returned for the next call"
)]
impl Pattern {
    pub(super) fn new(link: Link, state: Arc<PatternState>) -> Self {
        Self { link, state }
    }

    /// The namespaces made of it that exist now, in the order of their names.
    pub fn namespaces(&self) -> Vec<Namespace> {
        let children = self.children().into_iter();
        children
            .map(|child| Namespace::new(self.link.clone(), child))
            .collect()
    }

    /// Sends an event to everybody in all of its namespaces. It is encoded once.
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<Sent, EmitError> {
        let packet = Packet::event(event, &args)?;
        let mut all = Sent::default();
        for namespace in self.namespaces() {
            // A packet for each: with recovery on, each gets an offset of its own.
            match namespace.everyone().emit_packet(packet.clone()) {
                Ok(sent) => {
                    all.queued += sent.queued;
                    all.dropped += sent.dropped;
                    all.displaced += sent.displaced;
                    all.held += sent.held;
                }
                // It is gone since: nobody was in it.
                Err(error) if error.is_disconnected() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// See [`Namespace::middleware`].
    pub fn middleware<F, Fut>(self, middleware: F) -> Self
    where
        F: Fn(Connecting) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.change(|setup| setup.add_middleware(middleware))
    }

    /// See [`Namespace::on_connect`].
    pub fn on_connect<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_on_connect(handler))
    }

    /// See [`Namespace::on`].
    ///
    /// # Panics
    ///
    /// As [`Namespace::on`].
    pub fn on<M>(self, event: &str, handler: impl EventHandler<M>) -> Self {
        check_event(event);
        self.change(|setup| setup.set_on_event(event, boxed(handler)))
    }

    /// See [`Namespace::on_sync`].
    ///
    /// # Panics
    ///
    /// As [`Namespace::on`].
    pub fn on_sync<M>(self, event: &str, handler: impl SyncEventHandler<M>) -> Self {
        check_event(event);
        self.change(|setup| setup.set_on_event(event, boxed_sync(handler)))
    }

    /// See [`Namespace::fallback`].
    pub fn fallback<M>(self, handler: impl EventHandler<M>) -> Self {
        self.change(|setup| setup.fallback = Some(boxed(handler)))
    }

    /// See [`Namespace::on_any`].
    pub fn on_any<F>(self, listener: F) -> Self
    where
        F: Fn(&Socket, &Args) + Send + Sync + 'static,
    {
        self.change(|setup| setup.on_any.push(Arc::new(listener)))
    }

    /// See [`Namespace::on_any_outgoing`].
    pub fn on_any_outgoing<F>(self, listener: F) -> Self
    where
        F: Fn(&Socket, &Args) + Send + Sync + 'static,
    {
        self.change(|setup| setup.on_any_outgoing.push(Arc::new(listener)))
    }

    /// See [`Namespace::filter`].
    pub fn filter<F, Fut>(self, filter: F) -> Self
    where
        F: Fn(Socket, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_filter(filter))
    }

    /// See [`Namespace::on_disconnect`].
    pub fn on_disconnect<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_on_disconnect(handler))
    }

    /// See [`Namespace::on_pressure`].
    pub fn on_pressure<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Socket, Pressure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Finish> + Send + 'static,
    {
        self.change(|setup| setup.add_on_pressure(handler))
    }

    /// See [`Namespace::on_room`].
    ///
    /// # Panics
    ///
    /// As [`Namespace::on_room`].
    pub fn on_room<F>(self, listener: F) -> Self
    where
        F: Fn(RoomEvent) + Send + Sync + 'static,
    {
        self.link.check_room_events();
        self.change(|setup| setup.on_room.push(Arc::new(listener)))
    }

    /// See [`Namespace::on_server_side`].
    ///
    /// # Panics
    ///
    /// As [`Namespace::on_server_side`].
    pub fn on_server_side<M>(self, event: &str, handler: impl EventHandler<M, Namespace>) -> Self {
        server_side::check(event);
        self.change(|setup| setup.set_on_server_side(event, boxed_server_side(handler)))
    }

    /// See [`Namespace::on_error`].
    pub fn on_error<F>(self, handler: F) -> Self
    where
        F: Fn(&Socket, &HandlerError) + Send + Sync + 'static,
    {
        self.change(|setup| setup.on_error.push(Arc::new(handler)))
    }

    fn change(self, change: impl FnOnce(&mut Setup)) -> Self {
        self.state.installed.change(change);
        self
    }

    fn children(&self) -> Vec<Arc<NamespaceState>> {
        self.state.children().values().cloned().collect()
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").finish_non_exhaustive()
    }
}

impl fmt::Debug for PatternState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternState").finish_non_exhaustive()
    }
}
