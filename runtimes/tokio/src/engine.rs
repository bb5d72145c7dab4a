//! Engine.IO alone, for applications that do without Socket.IO.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{Admission, Carrier, Machine, Message, SessionKey},
    engine::{self, CloseReason, Config, SendError, Server, SessionId, Statistics},
};
use tokio::sync::mpsc;

use crate::{
    backlog::{Backlog, OVERHEAD},
    clock::{Clock, EntropyError, seed},
    driver::{Context, Driver, Handler, Shared},
    filter::Filter,
    request::RequestInfo,
    service::Service,
    slots::Slots,
};

/// An Engine.IO server: sends to sessions and closes them. What they send comes out of the
/// [`Events`] that are made with it.
///
/// ```no_run
/// use socketio_tokio::{EngineServer, Event, serve};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (server, mut events) = EngineServer::new(Default::default())?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// tokio::spawn(serve(listener, server.service()).into_future());
/// while let Some(event) = events.next().await {
///     if let Event::Message { session, message } = event {
///         // An error means that the session is gone: its close is among the next events.
///         _ = server.send(session, message);
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// It is a handle, as its services are; with the last of them all sessions are closed as by a
/// [`shutdown`](Self::shutdown). The [`Events`] are none: they end when the server has.
#[derive(Clone, Debug)]
pub struct EngineServer {
    driver: Driver<Server, Forward>,
}

/// Builds an [`EngineServer`].
#[derive(Clone, Debug)]
#[must_use]
pub struct EngineBuilder {
    config: Config,
    mark: usize,
    filter: Option<Filter>,
}

impl EngineBuilder {
    /// The settings of the protocol: path, heartbeat, CORS, origins, cookie, limits.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Decides who may open a session; as
    /// [`IoBuilder::allow_request`](crate::IoBuilder::allow_request).
    pub fn allow_request<F, R, E>(mut self, allow: F) -> Self
    where
        F: Fn(RequestInfo) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<String>,
    {
        self.filter = Some(Filter::new(allow));
        self
    }

    /// How many bytes of one session's messages may wait in the [`Events`], each message counted
    /// with 64 bytes added, before its client is not read any more; it is read again once a
    /// quarter of that is left. Default 64 KiB: what one session sends waits in the same queue as what
    /// the others do.
    ///
    /// Such a pause lasts as long as `pause_timeout` of the configuration at most, 120 s; then the
    /// session closes.
    pub fn mark(mut self, bytes: usize) -> Self {
        self.mark = bytes;
        self
    }

    /// Makes the server, and the stream of what happens in it.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system has no random bytes to make session ids of.
    pub fn build(self) -> Result<(EngineServer, Events), EntropyError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let config = match self.filter {
            Some(_) => self.config.with_admission(),
            None => self.config,
        };
        let forward = Forward {
            sender: Some(sender),
            mark: self.mark,
            filter: self.filter,
            backlogs: Slots::new(),
            open: 0,
            is_closing: false,
        };
        let machine = Server::new(config, seed()?);
        let driver = Driver::new(machine, forward, Clock::start());
        let events = Events {
            receiver,
            server: Arc::downgrade(driver.shared()),
        };
        Ok((EngineServer { driver }, events))
    }
}

impl EngineServer {
    /// Makes a server, and the stream of what happens in it.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system has no random bytes to make session ids of.
    pub fn new(config: Config) -> Result<(Self, Events), EntropyError> {
        Self::builder().config(config).build()
    }

    /// Makes a server with other settings.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            config: Config::default(),
            mark: 64 << 10,
            filter: None,
        }
    }

    /// The server as a `tower` service.
    pub fn service(&self) -> Service<Server, Forward> {
        Service::new(self.driver.clone())
    }

    /// Sends a message to a session.
    ///
    /// # Errors
    ///
    /// As [`Server::send`].
    pub fn send(&self, session: SessionKey, message: Message) -> Result<(), SendError> {
        self.driver
            .with(|server, now| server.send(now, session, message).map(|_| ()))
    }

    /// Sends a text to a session.
    ///
    /// # Errors
    ///
    /// As [`Server::send`].
    pub fn send_text(
        &self,
        session: SessionKey,
        text: impl Into<ByteString>,
    ) -> Result<(), SendError> {
        self.send(session, Message::Text(text.into()))
    }

    /// Sends bytes to a session.
    ///
    /// # Errors
    ///
    /// As [`Server::send`].
    pub fn send_binary(
        &self,
        session: SessionKey,
        bytes: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        self.send(session, Message::Binary(bytes.into()))
    }

    /// Closes a session in order: what waits is still delivered. A session that is gone is
    /// ignored.
    pub fn close(&self, session: SessionKey) {
        self.driver.with(|server, now| server.close(now, session));
    }

    /// A session's id on the wire, a credential; none once the session is gone.
    pub fn session_id(&self, session: SessionKey) -> Option<SessionId> {
        self.driver.with(|server, _| server.session_id(session))
    }

    /// Bytes that wait for a session's client, each packet counted with 64 bytes added; none once the
    /// session is gone.
    pub fn queued(&self, session: SessionKey) -> Option<usize> {
        self.driver.with(|server, _| server.queued(session))
    }

    /// Counters and gauges, as they are now. It is cheap to ask.
    pub fn statistics(&self) -> Statistics {
        self.driver.with(|server, _| server.statistics())
    }

    /// What carries a session now; none once it is gone.
    pub fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.driver.with(|server, _| server.carrier(session))
    }

    /// Closes everything in order, in at most `grace`; see [`Driver::shutdown`]. The events end
    /// with the last session.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.drain(Duration::ZERO, grace).await
    }

    /// As [`shutdown`](Self::shutdown), with the closes spread evenly over a time, so that clients
    /// do not all come back at once, here or elsewhere. The grace comes on top of it.
    pub async fn drain(&self, spread: Duration, grace: Duration) -> bool {
        let ended = self.driver.try_with_handler(|_, forward, _| {
            forward.is_closing = true;
            forward.end_if_over()
        });
        drop(ended);
        self.driver.drain(spread, grace).await
    }
}

/// What happens in an [`EngineServer`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A session closed. It is the last event of the session.
    Closed {
        /// The session.
        session: SessionKey,
        /// Why.
        reason: CloseReason,
    },
    /// A client sent a message.
    Message {
        /// The session.
        session: SessionKey,
        /// What it sent.
        message: Message,
    },
    /// A session opened. It is the first event of the session.
    Opened {
        /// The session.
        session: SessionKey,
        /// The request that opened it.
        request: RequestInfo,
    },
    /// More waits for a client than `high_water` of the configuration, or no more than `low_water`
    /// again. The two take turns, the first is high.
    Pressure {
        /// The session.
        session: SessionKey,
        /// Bytes that waited then, each packet counted with 64 bytes added.
        queued: usize,
        /// Whether it is high now.
        is_high: bool,
    },
    /// A session moved to another carrier.
    Upgraded {
        /// The session.
        session: SessionKey,
        /// What carries it now.
        carrier: Carrier,
    },
}

/// The events of an [`EngineServer`], of all its sessions in one order.
///
/// While nobody takes them, messages queue up to a [mark](EngineBuilder::mark) per session; then
/// its client is not read any more. Other events are not counted: how many there are follows from
/// how many clients come and go. All are dropped once this is dropped, and every client is read.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::UnboundedReceiver<Envelope>,
    server: Weak<Shared<Server, Forward>>,
}

/// An event on its way.
#[derive(Debug)]
struct Envelope {
    event: Event,
    /// Where a message is counted while it waits.
    backlog: Option<SharedBacklog>,
}

type SharedBacklog = Arc<Mutex<Backlog>>;

fn lock(backlog: &SharedBacklog) -> MutexGuard<'_, Backlog> {
    // Nothing panics while it is held.
    backlog.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a message counts for.
fn size_of(message: &Message) -> usize {
    OVERHEAD
        + match message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
}

impl Events {
    /// The next event; `None` after a [`shutdown`](EngineServer::shutdown) when the last session
    /// has closed, when nothing uses the server any more, or when it is stopped by a panic.
    pub async fn next(&mut self) -> Option<Event> {
        let envelope = self.receiver.recv().await?;
        self.take(&envelope);
        Some(envelope.event)
    }

    /// An event waits no more.
    fn take(&self, Envelope { event, backlog }: &Envelope) {
        if let (Event::Message { session, message }, Some(backlog)) = (event, backlog)
            && lock(backlog).take(size_of(message))
        {
            self.read_on(*session, backlog);
        }
    }

    /// Little enough waits: what the client of a session sends is wanted again.
    fn read_on(&self, session: SessionKey, backlog: &SharedBacklog) {
        let Some(shared) = self.server.upgrade() else {
            return;
        };
        Driver::of(shared).try_with_handler(|server, _, now| {
            // More may have come in between.
            let is_over = lock(backlog).is_over();
            _ = server.set_reading(now, session, is_over);
        });
    }
}

impl Drop for Events {
    /// What nobody takes any more must not keep its client waiting.
    fn drop(&mut self) {
        if let Some(shared) = self.server.upgrade() {
            // From here on nothing is put in any more.
            drop(Driver::of(shared).try_with_handler(|_, forward, _| forward.sender.take()));
        }
        while let Ok(envelope) = self.receiver.try_recv() {
            self.take(&envelope);
        }
    }
}

/// Puts the machine's events into the [`Events`].
pub struct Forward {
    sender: Option<mpsc::UnboundedSender<Envelope>>,
    mark: usize,
    filter: Option<Filter>,
    /// What waits of each session.
    backlogs: Slots<SessionKey, SharedBacklog>,
    /// Sessions whose close was not told yet.
    open: usize,
    is_closing: bool,
}

impl Forward {
    /// Gives away the way to the [`Events`] after the last of them, to be dropped without the lock.
    fn end_if_over(&mut self) -> Option<mpsc::UnboundedSender<Envelope>> {
        self.sender.take_if(|_| self.is_closing && self.open == 0)
    }
}

impl Handler<Server> for Forward {
    fn on_event(&mut self, event: engine::Event, context: &mut Context<'_, Server>) {
        let mut backlog = None;
        let event = match event {
            engine::Event::Handshake { request } => {
                match &self.filter {
                    Some(filter) => context.decide(request, filter),
                    // Nobody is there to ask.
                    None => {
                        _ = context
                            .machine
                            .admit(context.now, request, Admission::Allow);
                    }
                }
                return;
            }
            engine::Event::Message { session, message } => {
                backlog = self.backlogs.get(session).map(Arc::clone);
                if let Some(backlog) = &backlog
                    && self.sender.is_some()
                    && lock(backlog).add(size_of(&message))
                {
                    _ = context.machine.set_reading(context.now, session, true);
                }
                Event::Message { session, message }
            }
            engine::Event::SessionClosed { session, reason } => {
                self.open = self.open.saturating_sub(1);
                self.backlogs.remove(session);
                Event::Closed { session, reason }
            }
            engine::Event::SessionOpened { session, request } => {
                self.open += 1;
                let backlog = Arc::new(Mutex::new(Backlog::new(self.mark)));
                self.backlogs.insert(session, backlog);
                let Some(request) = context.take_request(request) else {
                    debug_assert!(false, "a request is kept until its session has opened");
                    return;
                };
                Event::Opened { session, request }
            }
            engine::Event::Pressure {
                session,
                queued,
                is_high,
            } => Event::Pressure {
                session,
                queued,
                is_high,
            },
            engine::Event::Upgraded { session, carrier } => Event::Upgraded { session, carrier },
            _ => return,
        };
        let event = Envelope { event, backlog };
        // Whatever is not handed over may hold a request, whose extensions may be anything.
        match &self.sender {
            Some(sender) => {
                if let Err(unwanted) = sender.send(event) {
                    context.later.drop(unwanted);
                }
            }
            None => context.later.drop(event),
        }
        if let Some(sender) = self.end_if_over() {
            context.later.drop(sender);
        }
    }

    fn on_stop(&mut self) {
        self.sender = None;
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
