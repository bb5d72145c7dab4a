//! Engine.IO alone, for applications that do without Socket.IO.

use std::{fmt, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{Carrier, Message, SessionKey},
    engine::{self, CloseReason, Config, SendError, Server, SessionId},
};
use tokio::sync::mpsc;

use crate::{
    clock::{Clock, EntropyError, seed},
    driver::{Context, Driver, Handler},
    request::RequestInfo,
    service::Service,
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
#[derive(Clone, Debug)]
pub struct EngineServer {
    driver: Driver<Server, Forward>,
}

impl EngineServer {
    /// Makes a server, and the stream of what happens in it.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system has no random bytes to make session ids of.
    pub fn new(config: Config) -> Result<(Self, Events), EntropyError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let forward = Forward {
            sender: Some(sender),
            open: 0,
            is_closing: false,
        };
        let machine = Server::new(config, seed()?);
        let driver = Driver::new(machine, forward, Clock::start());
        Ok((Self { driver }, Events(receiver)))
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
            .with(|server, now| server.send(now, session, message))
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

    /// A session's id on the wire, a credential.
    pub fn session_id(&self, session: SessionKey) -> Option<SessionId> {
        self.driver.with(|server, _| server.session_id(session))
    }

    /// Bytes that wait for a session's client, each packet counted with 64 bytes added.
    pub fn queued(&self, session: SessionKey) -> Option<usize> {
        self.driver.with(|server, _| server.queued(session))
    }

    /// What carries a session now.
    pub fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.driver.with(|server, _| server.carrier(session))
    }

    /// Closes everything in order, in at most `grace`; see [`Driver::shutdown`]. The events end
    /// with the last session.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        let ended = self.driver.try_with_handler(|_, forward, _| {
            forward.is_closing = true;
            forward.end_if_over()
        });
        drop(ended);
        self.driver.shutdown(grace).await
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
/// They queue without a limit while nobody takes them: take them quickly, or limit what clients
/// may send. They are dropped once this is dropped.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// The next event; `None` after a [`shutdown`](EngineServer::shutdown) when the last session
    /// has closed, when nothing uses the server any more, or when it is stopped by a panic.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// Puts the machine's events into the [`Events`].
pub struct Forward {
    sender: Option<mpsc::UnboundedSender<Event>>,
    /// Sessions whose close was not told yet.
    open: usize,
    is_closing: bool,
}

impl Forward {
    /// Gives away the way to the [`Events`] after the last of them, to be dropped without the lock.
    fn end_if_over(&mut self) -> Option<mpsc::UnboundedSender<Event>> {
        self.sender.take_if(|_| self.is_closing && self.open == 0)
    }
}

impl Handler<Server> for Forward {
    fn on_event(&mut self, event: engine::Event, context: &mut Context<'_, Server>) {
        let event = match event {
            engine::Event::Message { session, message } => Event::Message { session, message },
            engine::Event::SessionClosed { session, reason } => {
                self.open = self.open.saturating_sub(1);
                Event::Closed { session, reason }
            }
            engine::Event::SessionOpened { session, request } => {
                self.open += 1;
                let Some(request) = context.take_request(request) else {
                    debug_assert!(false, "a request is kept until its session has opened");
                    return;
                };
                Event::Opened { session, request }
            }
            engine::Event::Upgraded { session, carrier } => Event::Upgraded { session, carrier },
            _ => return,
        };
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
