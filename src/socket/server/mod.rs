//! A whole Socket.IO server as one state machine.
//!
//! The parts: `incoming` goes through what clients send; `admission` lets them into namespaces;
//! `emitting` sends, `selection` finds to whom; `leaving` ends sockets and connections; `acking`
//! settles answers; `rooming` keeps rooms; `timeouts` runs deadlines; `looks` answers questions. For
//! clients that lose their connection, `keeping` keeps what `restoring` gives back; `claim` reads
//! what they say, `claiming` finds out whether it holds.

mod acking;
mod admission;
mod claim;
mod claiming;
mod connection;
mod emitting;
mod incoming;
mod keeping;
mod leaving;
mod looks;
mod namespaces;
mod restoring;
mod rooming;
mod selection;
mod timeouts;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use bytes::Bytes;

use self::{
    claiming::Return,
    connection::Connection,
    namespaces::{Namespace, Namespaces},
};
use super::{
    acks::Acks,
    config::{Config, NamespaceError},
    decode::Json,
    event::{AckKey, Event, NamespaceKey, PendingKey, SocketId, SocketKey},
    recovery::{Keeper, Trail},
    statistics::Counters,
};
use crate::{
    deadlines::{Fifo, earliest},
    edge::{
        Admission, BodyRead, Carrier, End, Lost, Machine, Output, Request, RequestId, SessionKey,
        Stale, TransportId,
    },
    engine::{
        Inbound, Statistics,
        sessions::{Budget, Notice, Sessions, Sink},
        target,
    },
    key::{Mark, Table},
    outputs::Outputs,
    random::LookUp,
    rooms::Rooms,
    time::{Instant, UnixTime},
};

/// A Socket.IO server: all connections of one path, as one state machine.
///
/// It keeps the contract of [`Machine`]. Its namespaces are `/` and those that were added.
#[derive(Debug)]
pub struct Server {
    sessions: Sessions<Json>,
    out: Outlet,
    now: Instant,
    // No deadline of any layer lies before it, so inputs before it need not look.
    quiet_until: Instant,
    origin: UnixTime,
    config: Config,
    namespaces: Namespaces,
    // Indexed like the sessions.
    connections: Vec<Connection>,
    sockets: Table<SocketKey, Socket>,
    // Indexed like `sockets`: what a broadcast needs of each. `None` where no socket is.
    routes: Vec<Option<SessionKey>>,
    ids: LookUp<SocketId, SocketKey>,
    pending: Table<PendingKey, Pending>,
    rooms: Rooms,
    acks: Acks,
    deadlines: Deadlines,
    broadcasts: Broadcasts,
    counters: Counters,
    /// None while recovery is off.
    keeper: Option<Box<Keeper>>,
}

#[derive(Debug)]
struct Deadlines {
    /// Connections without a namespace.
    idle: Fifo<SessionKey>,
    /// CONNECTs that wait for the application.
    decisions: Fifo<PendingKey>,
    /// Packets whose attachments are awaited.
    silence: Fifo<SessionKey>,
}

/// Scratch space of broadcasts, and the number of the last one.
#[derive(Debug, Default)]
struct Broadcasts {
    last: u32,
    targets: Vec<u32>,
    // Indexed like `sockets`: the last selection that has met each.
    stamps: Vec<u32>,
    stamp: u32,
}

/// One client's connection to one namespace.
#[derive(Debug)]
struct Socket {
    id: SocketId,
    session: SessionKey,
    namespace: NamespaceKey,
    /// Whether it is still in the room named after its id, which is no entry in the index.
    in_own_room: bool,
    /// The answers it owes, by their ids on the wire.
    acks: BTreeMap<u64, AckKey>,
    /// What the application keeps with it.
    data: Option<Box<Bytes>>,
    /// Set while recovery is on.
    trail: Option<Box<Trail>>,
}

/// A CONNECT that waits for the application.
#[derive(Debug)]
struct Pending {
    session: SessionKey,
    namespace: NamespaceKey,
    by: Instant,
    /// Set if the client comes back to a session.
    returns: Option<Box<Return>>,
}

/// The queue of outputs, and what the sessions have to tell this layer.
#[derive(Debug)]
struct Outlet {
    outputs: Outputs<Event, Json>,
    notices: VecDeque<Notice>,
}

impl Outlet {
    fn tell(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }
}

impl Sink<Json> for Outlet {
    type Event = Event;

    fn push(&mut self, output: Output<Event, Json>) {
        self.outputs.push(output);
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }

    fn taken(&self) -> Mark {
        self.outputs.taken()
    }
}

impl Server {
    /// Makes a server with the namespace `/`.
    ///
    /// The seed must come from a cryptographic source: session ids are made of it. `origin` is the
    /// wall-clock time at the origin of the caller's clock.
    pub fn new(config: Config, seed: [u8; 32], origin: UnixTime) -> Self {
        let parser = Json {
            limits: config.limits,
        };
        let engine = config.engine.clone();
        let silence = engine.ping_interval + engine.ping_timeout;
        // The pong that says what was received may have been slow, too.
        let unnoticed = silence.saturating_add(engine.ping_timeout);
        let mut sessions = Sessions::new(engine, parser, seed);
        for span in [config.connect_timeout, config.decision_timeout, silence] {
            sessions.expect_deadline(span);
        }
        if let Some(recovery) = &config.recovery {
            sessions.expect_deadline(recovery.max_disconnection);
            sessions.expect_deadline(recovery.lookup_timeout);
        }
        let mut keys = || sessions.random.hash_keys();
        let mut rooms = Rooms::new(keys(), keys());
        let recovery = config.recovery.clone();
        let keeper =
            recovery.map(|recovery| Box::new(Keeper::new(recovery, unnoticed, origin, &mut keys)));
        Self {
            namespaces: Namespaces::new(keys(), &mut rooms),
            ids: LookUp::with_hasher(keys()),
            rooms,
            deadlines: Deadlines {
                idle: Fifo::new(config.connect_timeout),
                decisions: Fifo::new(config.decision_timeout),
                silence: Fifo::new(silence),
            },
            sessions,
            out: Outlet {
                outputs: Outputs::new(),
                notices: VecDeque::new(),
            },
            now: Instant::ORIGIN,
            quiet_until: Instant::ORIGIN,
            origin,
            config,
            connections: Vec::new(),
            sockets: Table::new(),
            routes: Vec::new(),
            pending: Table::new(),
            acks: Acks::new(),
            broadcasts: Broadcasts::default(),
            counters: Counters::default(),
            keeper,
        }
    }

    /// Adds a namespace, which exists from now on; one that exists is returned as it is. A missing
    /// leading slash is added, the empty name is `/`.
    ///
    /// # Errors
    ///
    /// Says why no client could name it.
    pub fn add_namespace(&mut self, name: &str) -> Result<NamespaceKey, NamespaceError> {
        let limit = self.config.limits.max_namespace;
        let taken = self.out.outputs.taken();
        self.namespaces.add(taken, name, limit, &mut self.rooms)
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
        self.settle();
        while budget.spend()
            && let Some(session) = self.sessions.next_to_close()
        {
            self.shut_down(session);
        }
        self.run_own_deadlines(&mut budget);
        self.quiet_until = self.sessions.quiet_until(self.own_deadline());
    }

    /// Acts on what the sessions have to tell. Then all that an input causes is queued, and names
    /// that were freed may rest.
    fn settle(&mut self) {
        while let Some(notice) = self.out.notices.pop_front() {
            match notice {
                Notice::Closed {
                    session,
                    reason,
                    received,
                } => self.on_closed(session, reason, received),
                Notice::Handshake { request } => self.out.tell(Event::Handshake { request }),
                Notice::Opened { session, request } => self.on_opened(session, request),
                Notice::Pressure {
                    session,
                    queued,
                    is_high,
                } => self.out.tell(Event::Pressure {
                    session,
                    queued,
                    is_high,
                }),
                Notice::Refused { request, refusal } => {
                    self.out.tell(Event::Refused { request, refusal });
                }
                Notice::Resumed { session } => self.on_resumed(session),
                Notice::Upgraded { session } => {
                    let carrier = Carrier::WebSocket;
                    self.out.tell(Event::Upgraded { session, carrier });
                }
            }
        }
        self.end_deserted();
        if let Some(keeper) = &mut self.keeper
            && keeper.take_cut()
        {
            self.out.tell(Event::RecoveryCut);
        }
        let queued = self.out.outputs.queued();
        if let Some(keeper) = &mut self.keeper {
            keeper.lookups.rest(queued);
        }
        self.sessions.rest(queued);
        self.sockets.rest(queued);
        self.pending.rest(queued);
        self.acks.rest(queued);
        self.namespaces.rest(queued);
    }

    fn on_opened(&mut self, session: SessionKey, request: RequestId) {
        let idle_by = self.deadlines.idle.arm(self.now, session);
        let connection = Connection::new(session, idle_by);
        match self.connections.get_mut(session.index()) {
            Some(place) => *place = connection,
            // Indices are dense: a fresh one is the next.
            None => self.connections.push(connection),
        }
        self.out.tell(Event::SessionOpened { session, request });
    }

    fn connection(&self, session: SessionKey) -> Option<&Connection> {
        let connection = self.connections.get(session.index())?;
        connection.belongs_to(session).then_some(connection)
    }

    fn connection_mut(&mut self, session: SessionKey) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(session.index())?;
        connection.belongs_to(session).then_some(connection)
    }

    fn namespace_of(&self, socket: &Socket) -> Option<&Namespace> {
        self.namespaces.get(socket.namespace)
    }
}

impl Machine for Server {
    type Parser = Json;
    type Event = Event;

    fn claims(&self, target: &str) -> bool {
        target::claims(target, self.config.engine.path())
    }

    fn handle_request(&mut self, now: Instant, request: &Request<'_>) -> RequestId {
        self.advance(now);
        let id = self.sessions.handle_request(request, &mut self.out);
        self.settle();
        id
    }

    fn handle_body(&mut self, now: Instant, request: RequestId, body: BodyRead<Json>) {
        self.advance(now);
        let delivery = self.sessions.begin_body(request, body, &mut self.out);
        self.deliver_inbound(delivery);
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
        inbound: Inbound<Json>,
    ) {
        self.advance(now);
        let delivery = self.sessions.begin_message(transport, inbound);
        self.deliver_inbound(delivery);
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
        earliest([self.sessions.poll_timeout(), self.own_deadline()])
    }

    fn poll_output(&mut self) -> Option<Output<Event, Json>> {
        self.out.outputs.pop()
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
        let was_paused = self.sessions.is_paused(session);
        let done = self.sessions.set_reading(session, paused, &mut self.out);
        if was_paused && !paused {
            self.on_resumed(session);
        }
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
