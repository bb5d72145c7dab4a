//! Engine.IO alone: sessions whose messages go to the application as they are.

use core::time::Duration;

use super::{
    check::Refusal,
    codec::{Inbound, Raw},
    config::Config,
    outbox::Outgoing,
    packet::Packet,
    payload,
    reason::CloseReason,
    sessions::{Budget, Delivery, Fate, Notice, SendError, Sessions, Sink},
    statistics::Statistics,
    target,
};
use crate::{
    edge::{
        Admission, BodyRead, Carrier, End, Frame, Lost, Machine, Message, Output, Request,
        RequestId, SessionKey, Stale, TransportId,
    },
    key::Mark,
    outputs::Outputs,
    random::SessionId,
    time::Instant,
};

/// What an Engine.IO application is told.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A client sent a message.
    Message {
        /// The session.
        session: SessionKey,
        /// What it sent.
        message: Message,
    },
    /// A client asks for a session, and the configuration wants the application to decide: to
    /// [`admit`](Machine::admit) it, then or later.
    Handshake {
        /// The request.
        request: RequestId,
    },
    /// More waits for a client than [`high_water`](super::ConfigBuilder::high_water), or no more
    /// than [`low_water`](super::ConfigBuilder::low_water) again. The two take turns, the first
    /// is high; the end of the session ends it.
    Pressure {
        /// The session.
        session: SessionKey,
        /// Bytes that waited then, each packet counted with 64 bytes added.
        queued: usize,
        /// Whether it is high now.
        is_high: bool,
    },
    /// A request was refused; the answer says so, too.
    Refused {
        /// The request.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// A session closed. It is the last event of the session.
    SessionClosed {
        /// The session.
        session: SessionKey,
        /// Why.
        reason: CloseReason,
    },
    /// A session opened. Move what you kept of the request to the session.
    SessionOpened {
        /// The session.
        session: SessionKey,
        /// The request that opened it.
        request: RequestId,
    },
    /// A session moved to another carrier.
    Upgraded {
        /// The session.
        session: SessionKey,
        /// What carries it now.
        carrier: Carrier,
    },
}

impl Event {
    /// What the application is told of it, if anything.
    fn of(notice: Notice) -> Option<Self> {
        Some(match notice {
            Notice::Closed {
                session, reason, ..
            } => Self::SessionClosed { session, reason },
            Notice::Handshake { request } => Self::Handshake { request },
            Notice::Opened { session, request } => Self::SessionOpened { session, request },
            Notice::Pressure {
                session,
                queued,
                is_high,
            } => Self::Pressure {
                session,
                queued,
                is_high,
            },
            Notice::Refused { request, refusal } => Self::Refused { request, refusal },
            Notice::Resumed { .. } => return None,
            Notice::Upgraded { session } => Self::Upgraded {
                session,
                carrier: Carrier::WebSocket,
            },
        })
    }
}

impl Sink<Raw> for Outputs<Event, Raw> {
    type Event = Event;

    fn push(&mut self, output: Output<Event, Raw>) {
        self.push(output);
    }

    fn notice(&mut self, notice: Notice) {
        if let Some(event) = Event::of(notice) {
            self.push(Output::Event(event));
        }
    }

    fn taken(&self) -> Mark {
        self.taken()
    }
}

/// What became of a message that was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sent {
    /// How many messages that had waited were dropped for it, by
    /// [`Overflow::DropOldest`](super::Overflow::DropOldest).
    pub displaced: usize,
}

/// An Engine.IO server: all sessions of one path, as one state machine.
///
/// It keeps the contract of [`Machine`].
#[derive(Debug)]
pub struct Server {
    sessions: Sessions<Raw>,
    out: Outputs<Event, Raw>,
    now: Instant,
    // No deadline lies before it, so inputs before it need not look.
    quiet_until: Instant,
}

impl Server {
    /// Makes a server. The seed must come from a cryptographic source: session ids are made of it.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            sessions: Sessions::new(config, Raw, seed),
            out: Outputs::new(),
            now: Instant::ORIGIN,
            quiet_until: Instant::ORIGIN,
        }
    }

    /// Sends a message to a client.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the session is gone or closing, [`SendError::QueueFull`] if too
    /// much waits for the client, which closes the session unless the configuration says
    /// [`Overflow::Refuse`](super::Overflow::Refuse), and [`SendError::Separator`] if the
    /// session is on long-polling and the text cannot be carried there.
    pub fn send(
        &mut self,
        now: Instant,
        session: SessionKey,
        message: Message,
    ) -> Result<Sent, SendError> {
        self.advance(now);
        if let Message::Text(text) = &message
            && self.sessions.carrier(session) == Some(Carrier::Polling)
            && memchr::memchr(payload::SEPARATOR, text.as_bytes()).is_some()
        {
            return Err(SendError::Separator);
        }
        let (kind, payload) = Packet::Message(message).encode();
        let packet = Outgoing {
            frame: Frame {
                kind,
                payload,
                compress: true,
                shared: None,
            },
            attachments: None,
            is_vital: false,
        };
        let sent = self.sessions.send(session, packet, false, &mut self.out);
        self.settle();
        sent.map(|fate| match fate {
            Fate::Queued { displaced, .. } => Sent { displaced },
            // Nothing volatile is sent here.
            Fate::Dropped => Sent { displaced: 0 },
        })
    }

    /// Closes a session in order: what waits is still delivered. A stale key is ignored.
    pub fn close(&mut self, now: Instant, session: SessionKey) {
        self.advance(now);
        let reason = CloseReason::ForcedClose;
        self.sessions.close(session, reason, &mut self.out);
        self.settle();
    }

    /// The session's id on the wire, a credential.
    pub fn session_id(&self, session: SessionKey) -> Option<SessionId> {
        self.sessions.id(session)
    }

    /// Bytes that wait for a client, each packet counted with 64 bytes added.
    pub fn queued(&self, session: SessionKey) -> Option<usize> {
        self.sessions.queued(session)
    }

    /// What carries a session now.
    pub fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        self.sessions.carrier(session)
    }

    /// Takes time from an input: deadlines that are due run first.
    fn advance(&mut self, now: Instant) {
        self.set_now(now);
        if self.now >= self.quiet_until {
            self.run_deadlines(Budget::unlimited());
        }
    }

    fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.sessions.set_now(self.now);
    }

    fn run_deadlines(&mut self, mut budget: Budget) {
        self.sessions.handle_timeout(&mut budget, &mut self.out);
        while budget.spend()
            && let Some(session) = self.sessions.next_to_close()
        {
            let reason = CloseReason::ServerShutdown;
            self.sessions.close(session, reason, &mut self.out);
        }
        self.quiet_until = self.sessions.quiet_until(None);
        self.settle();
    }

    /// All that an input causes is queued: names that were freed may rest.
    fn settle(&mut self) {
        self.sessions.rest(self.out.queued());
    }

    fn deliver(&mut self, mut delivery: Delivery<Raw>) {
        let session = delivery.session;
        while let Some(message) = self.sessions.next_message(&mut delivery, &mut self.out) {
            self.out
                .push(Output::Event(Event::Message { session, message }));
        }
        self.sessions.finish(&delivery, &mut self.out);
        self.settle();
    }
}

impl Machine for Server {
    type Parser = Raw;
    type Event = Event;

    fn claims(&self, target: &str) -> bool {
        target::claims(target, self.sessions.config().path())
    }

    fn handle_request(&mut self, now: Instant, request: &Request<'_>) -> RequestId {
        self.advance(now);
        let id = self.sessions.handle_request(request, &mut self.out);
        self.settle();
        id
    }

    fn handle_body(&mut self, now: Instant, request: RequestId, body: BodyRead<Raw>) {
        self.advance(now);
        let delivery = self.sessions.begin_body(request, body, &mut self.out);
        if let Some(delivery) = delivery {
            self.deliver(delivery);
        }
    }

    fn handle_body_progress(&mut self, now: Instant, request: RequestId, received: usize) {
        self.advance(now);
        self.sessions
            .handle_body_progress(request, received, &mut self.out);
        self.settle();
    }

    fn handle_request_end(&mut self, now: Instant, request: RequestId, end: End) {
        self.advance(now);
        self.sessions
            .handle_request_end(request, end, &mut self.out);
        self.settle();
    }

    fn handle_transport_open(&mut self, now: Instant, transport: TransportId) {
        self.advance(now);
        self.sessions
            .handle_transport_open(transport, &mut self.out);
        self.settle();
    }

    fn handle_transport_read(
        &mut self,
        now: Instant,
        transport: TransportId,
        inbound: Inbound<Raw>,
    ) {
        self.advance(now);
        let delivery = self.sessions.begin_message(transport, inbound);
        if let Some(delivery) = delivery {
            self.deliver(delivery);
        }
    }

    fn handle_transport_sent(&mut self, now: Instant, transport: TransportId) {
        self.advance(now);
        self.sessions
            .handle_transport_sent(transport, &mut self.out);
        self.settle();
    }

    fn handle_transport_lost(&mut self, now: Instant, transport: TransportId, lost: Lost) {
        self.advance(now);
        self.sessions
            .handle_transport_lost(transport, lost, &mut self.out);
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.set_now(now);
        if self.now >= self.quiet_until {
            self.run_deadlines(Budget::of_one_call());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.sessions.poll_timeout()
    }

    fn poll_output(&mut self) -> Option<Output<Event, Raw>> {
        self.out.pop()
    }

    fn admit(
        &mut self,
        now: Instant,
        request: RequestId,
        admission: Admission,
    ) -> Result<(), Stale> {
        self.advance(now);
        let done = self.sessions.admit(request, &admission, &mut self.out);
        self.settle();
        done
    }

    fn set_reading(
        &mut self,
        now: Instant,
        session: SessionKey,
        paused: bool,
    ) -> Result<(), Stale> {
        self.advance(now);
        let done = self.sessions.set_reading(session, paused, &mut self.out);
        self.settle();
        done
    }

    fn shutdown(&mut self, now: Instant, spread: Duration) {
        self.advance(now);
        self.sessions.begin_drain(spread, &mut self.out);
        self.settle();
        self.run_deadlines(Budget::unlimited());
    }

    fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn statistics(&self) -> Statistics {
        self.sessions.statistics()
    }
}
