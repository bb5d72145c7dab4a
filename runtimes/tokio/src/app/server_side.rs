//! Events from server to server.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use socketio_proto::socket::{Args, EncodeError, Packet};
use tokio::sync::oneshot;

use super::{
    Arguments, EmitError, EventHandler, Namespace, Reply,
    handler::boxed_server_side,
    job::{catch, print_error},
    namespace_state::NamespaceState,
    setup::OnServerSide,
};

/// Names that the reference uses on its servers (Socket.IO reference, "Utility operations on one
/// node"), besides those that no event may have.
const RESERVED: [&str; 2] = ["connection", "new_namespace"];

/// How many handlers may run at a time.
const MOST: usize = 1_024;

impl Namespace {
    /// Sends an event to the servers of this namespace: each runs its handler,
    /// [`on_server_side`](Self::on_server_side), **this one included**.
    ///
    /// A server is always alone for now, so that it reaches this one. Node.js leaves the server that
    /// sends out, and on one server does nothing. Here all servers do the same whoever sends, so
    /// that what works on one works on several; where the sender should not act, the arguments say
    /// who sent.
    ///
    /// ```
    /// # fn example(io: socketio_tokio::Io) -> Result<(), socketio_tokio::Error> {
    /// use socketio_tokio::Namespace;
    ///
    /// io.of("/").on_server_side("reload", |root: Namespace, (what,): (String,)| async move {
    ///     root.emit("reloaded", (what,))
    /// });
    /// // io.serverSideEmit("reload", "settings");
    /// io.of("/").server_side_emit("reload", ("settings",))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded, its name may be reserved, and when 1 024 handlers of such
    /// events run already in this namespace.
    pub fn server_side_emit(&self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        self.run_server_side(encode(event, &args)?, None)
    }

    /// Sends an event to the servers of this namespace, this one included, and waits for an answer
    /// of each, at most 5 s: [`ServerSideAck`].
    ///
    /// ```
    /// # async fn example(io: socketio_tokio::Io) -> Result<(), socketio_tokio::Error> {
    /// use socketio_tokio::{Ack, Namespace};
    ///
    /// io.of("/").on_server_side("count", |root: Namespace| async move { Ack((root.len(),)) });
    /// // const counts = await io.serverSideEmitWithAck("count");
    /// let counts = io.of("/").server_side_emit_with_ack("count", ()).await?;
    /// for answer in &counts.answers {
    ///     let (count,): (usize,) = answer.parse()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`server_side_emit`](Self::server_side_emit), once it is awaited. Missing answers are no
    /// error.
    pub fn server_side_emit_with_ack(
        &self,
        event: &str,
        args: impl Arguments,
    ) -> ServerSideWithAck<'_> {
        ServerSideWithAck {
            namespace: self,
            event: encode(event, &args),
            timeout: Duration::from_secs(5),
        }
    }

    /// Sets the handler of an event that servers send; an earlier one of the same event is replaced.
    /// It takes what a handler of [`on`](Self::on) takes, with the namespace in the place of the
    /// socket, and answers likewise.
    ///
    /// Clients cannot cause it. Handlers run each in a task of its own, at the same time; the tasks
    /// take the events in the order in which they were sent. There is no socket that [`on_error`](Self::on_error) could be told of: errors and
    /// panics leave the event without an answer, and are printed by debug builds.
    ///
    /// # Panics
    ///
    /// When the name is reserved, as [`server_side_emit`](Self::server_side_emit) finds it.
    #[allow(clippy::return_self_not_must_use, reason = "as for all handlers")]
    pub fn on_server_side<M>(self, event: &str, handler: impl EventHandler<M, Self>) -> Self {
        check(event);
        self.change(|setup| setup.set_on_server_side(event, boxed_server_side(handler)))
    }

    fn run_server_side(
        &self,
        event: Args,
        answer: Option<oneshot::Sender<Args>>,
    ) -> Result<(), EmitError> {
        let setup = self.state.setup();
        let Some(handler) = setup.on_server_side.get(event.name()) else {
            return Ok(());
        };
        let busy = Busy::begin(&self.state).ok_or(EmitError::TooManyHandlers { limit: MOST })?;
        let turn = Turn::queue(
            &self.state,
            Job {
                handler: Arc::clone(handler),
                event,
                reply: Reply::to_server(answer),
            },
        );
        let namespace = self.clone();
        let task = async move {
            let _busy = busy;
            let Some(job) = turn.take() else {
                return;
            };
            let Job {
                handler,
                event,
                reply,
            } = job;
            let name = event.clone();
            let done = catch(async { handler(namespace.clone(), event, reply).await }).await;
            print_error(&namespace, name.name(), done);
        };
        self.link.with(|_, tables, _| tables.spawn(task));
        Ok(())
    }
}

/// An event that waits for its task.
struct Job {
    handler: OnServerSide,
    event: Args,
    reply: Reply,
}

/// Events whose tasks have not begun, the oldest first.
#[derive(Default)]
pub(super) struct Turns(Mutex<VecDeque<Job>>);

impl Turns {
    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

/// The right of a task to an event: to the oldest, since a runtime does not begin tasks in the order
/// in which they were spawned. Dropped, it takes one away, so that there are as many as tasks.
struct Turn(Option<Arc<NamespaceState>>);

impl Turn {
    fn queue(namespace: &Arc<NamespaceState>, job: Job) -> Self {
        namespace.turns.jobs().push_back(job);
        Self(Some(Arc::clone(namespace)))
    }

    fn take(mut self) -> Option<Job> {
        self.take_oldest()
    }

    fn take_oldest(&mut self) -> Option<Job> {
        self.0.take()?.turns.jobs().pop_front()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.take_oldest());
    }
}

/// One more handler runs.
struct Busy(Arc<NamespaceState>);

impl Busy {
    fn begin(namespace: &Arc<NamespaceState>) -> Option<Self> {
        let before = namespace.busy.fetch_add(1, Ordering::Relaxed);
        let busy = Self(Arc::clone(namespace));
        (before < MOST).then_some(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An event for servers that asks for answers. It is sent when this is awaited.
#[derive(Debug)]
#[must_use = "the event is sent when this is awaited"]
pub struct ServerSideWithAck<'a> {
    namespace: &'a Namespace,
    event: Result<Args, EncodeError>,
    timeout: Duration,
}

impl ServerSideWithAck<'_> {
    /// Waits at most this long for the answers.
    pub fn timeout(mut self, span: Duration) -> Self {
        self.timeout = span;
        self
    }

    async fn ask(self) -> Result<ServerSideAck, EmitError> {
        let (sender, answer) = oneshot::channel();
        self.namespace.run_server_side(self.event?, Some(sender))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        let timed_out = answer.is_err();
        let answers: Vec<Args> = answer.ok().and_then(Result::ok).into_iter().collect();
        Ok(ServerSideAck {
            missing: usize::from(answers.is_empty()),
            answers,
            timed_out,
        })
    }
}

impl<'a> IntoFuture for ServerSideWithAck<'a> {
    type Output = Result<ServerSideAck, EmitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

/// What came of asking servers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerSideAck {
    /// The answers in the order in which they came, one of each server at most.
    pub answers: Vec<Args>,
    /// How many servers did not answer: in time, because their handler failed or did not want to, or
    /// because they have none.
    pub missing: usize,
    /// Whether time was over.
    pub timed_out: bool,
}

fn encode(event: &str, args: &impl Arguments) -> Result<Args, EncodeError> {
    if RESERVED.contains(&event) {
        return Err(EncodeError::ReservedName);
    }
    Ok(Packet::event(event, args)?.to_args())
}

/// Fails early for an event that cannot be sent.
pub(super) fn check(event: &str) {
    let is_reserved = RESERVED.contains(&event) || socketio_proto::socket::is_reserved(event);
    assert!(!is_reserved, "servers cannot emit {event:?}");
}
