//! All Engine.IO sessions of one server, driven by the machine that owns the output queue.
//!
//! The parts: [`lane`] holds what sending needs, dense and apart; `requests` and `transports` are
//! the two carriers; `admission` opens sessions, `bodies` has data requests read; `reading` goes
//! through what a client sent, `pausing` stops that, `metering` counts it; `closing` ends sessions, `draining` all of
//! them; `timeouts` runs deadlines; `counting` keeps the statistics. None of them keeps a queue of
//! outputs: all write into the parent's [`Sink`].
//!
//! The parent says the time of each input with `set_now`, before that is handled.

mod admission;
mod bodies;
mod closing;
mod counting;
mod draining;
mod lane;
mod metering;
mod pausing;
mod reading;
mod requests;
mod sending;
#[cfg(test)]
mod tests;
mod timeouts;
mod transports;

use alloc::{boxed::Box, collections::BTreeSet, format, string::String, vec::Vec};
use core::{fmt, time::Duration};

pub use self::sending::SendError;
use self::{
    draining::Drain,
    lane::{Lane, Link},
    metering::Meter,
};
pub(crate) use self::{reading::Delivery, sending::Fate, timeouts::Budget};
use super::{
    check::Refusal,
    codec::{Codec, Parser},
    config::Config,
    heartbeat::Heartbeat,
    outbox::Outgoing,
    packet::Packet,
    rate::Bucket,
    reason::CloseReason,
    statistics::Statistics,
    upgrade::Upgrade,
};
use crate::{
    deadlines::Fifo,
    edge::{Carrier, Frame, HeaderList, Output, RequestId, SessionKey, TransportId},
    key::{Mark, Table},
    random::{LookUp, Random, SessionId},
    time::Instant,
};

/// Where the sessions write: the parent's queue of outputs, and what the parent wants to know.
pub(crate) trait Sink<P: Parser> {
    /// What the parent tells its application.
    type Event;

    /// Adds an output to the queue.
    fn push(&mut self, output: Output<Self::Event, P>);

    /// Tells the parent, which queues it at once or acts on it when the call has returned.
    fn notice(&mut self, notice: Notice);

    /// How many outputs the caller has taken.
    fn taken(&self) -> Mark;
}

/// What happened to a session or request, for the parent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notice {
    Closed {
        session: SessionKey,
        reason: CloseReason,
        /// The client has certainly received all that was sent before.
        received: Instant,
    },
    Handshake {
        request: RequestId,
    },
    Opened {
        session: SessionKey,
        request: RequestId,
    },
    Pressure {
        session: SessionKey,
        queued: usize,
        is_high: bool,
    },
    Refused {
        request: RequestId,
        refusal: Refusal,
    },
    /// A client is read again whose rates had it stopped; not told if the application has stopped it,
    /// too.
    Resumed {
        session: SessionKey,
    },
    Upgraded {
        session: SessionKey,
    },
}

/// All sessions of one server, with their requests and transports.
#[derive(Debug)]
pub(crate) struct Sessions<P> {
    config: Config,
    parser: P,
    // The handshake after its `sid` and `upgrades`: the same for all sessions.
    handshake_tail: String,
    // Goes along with the handshake.
    initial: Option<Frame>,
    // The time of the input that is at work.
    now: Instant,
    accepting: bool,
    // How many sessions may open now, if that is bounded.
    connects: Option<Bucket>,
    // What the sessions begin with, if their rates are bounded.
    fresh_meter: Option<Meter>,
    drain: Option<Drain>,
    pub(crate) random: Random,
    ids: LookUp<SessionId, SessionKey>,
    sessions: Table<SessionKey, Session>,
    // Indexed like `sessions`. Invariant: a session's lane names it as owner and is not closed.
    lanes: Vec<Lane>,
    requests: Table<RequestId, Asked>,
    // Invariant: how many requests are `Deciding`.
    deciding: usize,
    // Invariant: the sum of what requests that are `Body` have received.
    body_bytes: usize,
    transports: Table<TransportId, Attached>,
    // Invariant: how many transports are `Accepted` and will open a session.
    opening: usize,
    deadlines: Deadlines,
    // All but what the tables know: that is filled in when somebody asks.
    stats: Statistics,
    // The shortest span of any deadline of constant length, those of the layer above included.
    shortest_deadline: Duration,
}

#[derive(Debug)]
struct Deadlines {
    pings: Fifo<SessionKey>,
    pongs: Fifo<SessionKey>,
    pauses: Fifo<SessionKey>,
    upgrades: Fifo<SessionKey>,
    opens: Fifo<TransportId>,
    closes: Fifo<SessionKey>,
    /// Debts, whose lengths differ. Invariant: those of the sessions that are delayed.
    delays: BTreeSet<(Instant, SessionKey)>,
    /// Handshakes that wait for the application.
    decisions: Fifo<RequestId>,
    /// Bodies being read.
    bodies: Fifo<RequestId>,
    /// Answers being written.
    answers: Fifo<RequestId>,
}

/// What one session keeps besides its [`Lane`].
#[derive(Debug)]
struct Session {
    id: SessionId,
    heartbeat: Heartbeat,
    received: Received,
    upgrade: Upgrade,
    /// How many upgrades were begun.
    upgrades: u8,
    /// The data request whose body is being read, or waits to be.
    data: Option<RequestId>,
    /// When the application's pause is over at the latest.
    paused: Option<Instant>,
    /// What it has used of its rates. Invariant: empty if none is set.
    meter: Option<Box<Meter>>,
}

/// What the client has certainly received: packets come in order, and it answers pings in it.
#[derive(Clone, Copy, Debug)]
struct Received {
    /// All that was sent before this instant.
    before: Instant,
    /// When the ping was sent that the next pong answers; unknown if others were out then.
    asked: Option<Instant>,
    /// Pings that are not answered yet. There are several if the client was not read for a while.
    unanswered: u32,
}

impl Received {
    const fn nothing(now: Instant) -> Self {
        Self {
            before: now,
            asked: None,
            unanswered: 0,
        }
    }

    fn on_ping(&mut self, now: Instant) {
        if self.unanswered == 0 {
            self.asked = Some(now);
        }
        self.unanswered = self.unanswered.saturating_add(1);
    }

    fn on_pong(&mut self) {
        // One that nobody asked for says nothing.
        if self.unanswered > 0 {
            self.unanswered -= 1;
            self.before = self.asked.take().unwrap_or(self.before);
        }
    }
}

/// A request. `Debug` leaves out the headers.
struct Asked {
    stage: Pending,
    /// What its answer has to carry, decided by its head; empty without `Config::cors`.
    headers: HeaderList,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stage.fmt(f)
    }
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pending {
    /// It was answered; its end is awaited. `carries` names the session whose packets are lost if
    /// the answer does not arrive.
    Answered {
        carries: Option<SessionKey>,
        by: Instant,
    },
    /// Its body is being read.
    Body {
        session: SessionKey,
        received: usize,
        by: Instant,
    },
    /// It asks for a session, and waits for the application.
    Deciding { carrier: Carrier, by: Instant },
    /// It is being judged: only within one input.
    Fresh,
    /// It is a data request that is not read, because its session is paused.
    Parked { session: SessionKey },
    /// It waits for packets.
    Poll { session: SessionKey },
    /// It is becoming a WebSocket.
    Upgrading { transport: TransportId },
}

/// Where a transport stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Attached {
    /// It was accepted and has not opened; then it will belong to `session`, or open a new one.
    Accepted {
        request: RequestId,
        session: Option<SessionKey>,
        by: Instant,
    },
    /// It carries a session.
    Main { session: SessionKey },
    /// It is being probed. `busy` while its answer to the probe is being written.
    Probe { session: SessionKey, busy: bool },
}

impl<P: Parser> Sessions<P> {
    pub(crate) fn new(config: Config, parser: P, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let fresh_meter = Meter::new(&config);
        Self {
            handshake_tail: format!(
                r#""pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
                config.ping_interval.as_millis(),
                config.ping_timeout.as_millis(),
                config.max_payload
            ),
            initial: config.initial_message.clone().map(|message| {
                let (kind, payload) = Packet::Message(message).encode();
                Frame {
                    kind,
                    payload,
                    compress: true,
                    shared: None,
                }
            }),
            now: Instant::ORIGIN,
            accepting: true,
            connects: config.connect_rate.map(Bucket::full),
            fresh_meter,
            drain: None,
            ids: LookUp::with_hasher(random.hash_keys()),
            random,
            sessions: Table::new(),
            lanes: Vec::new(),
            requests: Table::new(),
            deciding: 0,
            body_bytes: 0,
            transports: Table::new(),
            opening: 0,
            deadlines: Deadlines {
                pings: Fifo::new(config.ping_interval),
                pongs: Fifo::new(config.ping_timeout),
                pauses: Fifo::new(config.pause_timeout),
                upgrades: Fifo::new(config.upgrade_timeout),
                opens: Fifo::new(config.upgrade_timeout),
                closes: Fifo::new(config.close_timeout),
                delays: BTreeSet::new(),
                decisions: Fifo::new(config.admission_timeout),
                bodies: Fifo::new(config.ping_interval + config.ping_timeout),
                answers: Fifo::new(config.ping_interval + config.ping_timeout),
            },
            stats: Statistics::default(),
            shortest_deadline: [
                // What a late ping leaves at least.
                config.ping_timeout / 2,
                config.upgrade_timeout,
                config.close_timeout,
                config.admission_timeout,
                config.pause_timeout,
            ]
            .into_iter()
            .chain(fresh_meter.and_then(|meter| meter.shortest_delay(&config)))
            .fold(config.ping_interval, Duration::min),
            parser,
            config,
        }
    }

    /// Takes the time of an input, before that is handled.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.sessions.keys()
    }

    pub(crate) fn id(&self, session: SessionKey) -> Option<SessionId> {
        self.sessions.get(session).map(|session| session.id)
    }

    /// What carries a session now.
    pub(crate) fn carrier(&self, session: SessionKey) -> Option<Carrier> {
        match self.lane(session)?.link {
            Link::Closed => None,
            Link::Polling { .. } => Some(Carrier::Polling),
            Link::WebSocket { .. } => Some(Carrier::WebSocket),
        }
    }

    /// Lets the names that were freed rest until the caller has taken `queued` outputs. To be
    /// called when all that an input causes is queued, the parent's events included.
    pub(crate) fn rest(&mut self, queued: Mark) {
        self.sessions.rest(queued);
        self.requests.rest(queued);
        self.transports.rest(queued);
    }

    fn codec(&self) -> Codec<P> {
        Codec {
            max_packets: self.config.max_packets,
            parser: self.parser,
        }
    }

    fn lane(&self, session: SessionKey) -> Option<&Lane> {
        let lane = self.lanes.get(session.index())?;
        lane.belongs_to(session).then_some(lane)
    }

    fn lane_mut(&mut self, session: SessionKey) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(session.index())?;
        lane.belongs_to(session).then_some(lane)
    }

    /// Opens a session (Engine.IO protocol v4, "Handshake"). The caller sends the open packet,
    /// which is returned, and the initial message before anything else.
    fn open(&mut self, link: Link, taken: Mark) -> (SessionKey, Frame) {
        let mut id = SessionId(self.random.id());
        while self.ids.contains_key(&id) {
            id = SessionId(self.random.id());
        }
        let upgrades = match link {
            Link::Polling { .. } if self.config.websocket && self.config.allow_upgrades => {
                r#"["websocket"]"#
            }
            _ => "[]",
        };
        let open = format!(
            r#"0{{"sid":"{}","upgrades":{upgrades},{}"#,
            id.as_str(),
            self.handshake_tail
        );
        let session = self.sessions.insert(
            taken,
            Session {
                id,
                heartbeat: Heartbeat::Resting { ping_at: self.now },
                received: Received::nothing(self.now),
                upgrade: Upgrade::Idle,
                upgrades: 0,
                data: None,
                paused: None,
                meter: None,
            },
        );
        self.rest_heartbeat(session);
        self.ids.insert(id, session);
        self.place_lane(session, link);
        self.count_open(session, link);
        (session, Outgoing::text(open.into()).frame)
    }

    fn place_lane(&mut self, session: SessionKey, link: Link) {
        let lane = Lane::new(session, link);
        match self.lanes.get_mut(session.index()) {
            Some(place) => *place = lane,
            // Indices are dense: a fresh one is the next.
            None => self.lanes.push(lane),
        }
    }
}
