//! A Socket.IO server, its caller, clients and an application: what they know of each other, and what
//! the server has to do next. All of it is predicted, so an output too few is found like one too many.

mod application;
mod clients;
mod forms;
mod lives;
mod outputs;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use socketio_proto::{
    edge::Machine as _,
    engine::CloseReason,
    socket::{AckOutcome, DisconnectReason, Violation, Wait, Withdrawal},
    time::Instant,
};

use super::bench::{
    ACK_TIMEOUT, Answer, Bench, CONNECT_TIMEOUT, Call, DECISION_TIMEOUT, MAX_DISCONNECTION, NAMES,
    PING_INTERVAL, PING_TIMEOUT, Seen, Settings, Whom,
};
use crate::world::{Check, hold};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    Offered,
    Open,
    /// The machine closed it, or it was reported lost.
    Over,
}

/// What the server holds of a connection in a namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Joined(usize),
    /// The server took it out of it a moment ago.
    Left,
    Pending(usize),
}

/// What the client believes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    Out,
    Asked,
    In,
}

/// A packet that has to leave, or may be dropped.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Due {
    text: String,
    /// What follows the text is the machine's choice: an offset, or the secret of a life.
    choice: Option<Choice>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    /// Of this event.
    Offset(usize),
    /// Of this life.
    Secret(usize),
}

/// What a client may come back to: a socket, and those that replace it.
struct Life {
    pid: Option<String>,
    state: LifeState,
    /// When it was lost last.
    lost: Option<Instant>,
    namespace: usize,
    /// Its public id.
    id: String,
    /// The events that it has to get, in order.
    log: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LifeState {
    Live(usize),
    Away,
    /// On its way from one connection to another.
    Moving,
    Gone,
}

/// What a client keeps of its life in a namespace.
#[derive(Clone, Default)]
pub struct Kept {
    life: Option<usize>,
    offset: Option<String>,
    /// How many events of its life it got.
    got: usize,
    /// What came before the answer to its CONNECT.
    early: Vec<String>,
}

pub struct Conn {
    pub client: usize,
    pub phase: Phase,
    /// A batch is out; what it holds.
    pub batch: Option<Vec<String>>,
    /// What has to leave, in order.
    due: VecDeque<Due>,
    /// What is on its way to the client, in order.
    pub wire: VecDeque<String>,
    /// In the order of joining.
    members: Vec<(usize, Standing)>,
    /// Namespaces that the server took it out of, and until when it may not know.
    left: Vec<(usize, Instant)>,
    pub view: [View; 2],
    /// Acknowledgements that the client was asked for and did not give: namespace and id.
    pub owes: Vec<(usize, u64)>,
    /// The server has begun to close it, or has lost it.
    is_closing: bool,
    pub is_closed: bool,
    idle_by: Option<Instant>,
    ping_at: Instant,
    /// A ping is out, or waits to leave.
    pong_by: Option<Instant>,
}

pub struct Pending {
    pub conn: usize,
    pub namespace: usize,
    by: Instant,
    pub is_over: bool,
    /// The life that its client wants to go on with, and how much of it the client has.
    claim: Option<(usize, usize)>,
}

pub struct Socket {
    pub conn: usize,
    pub namespace: usize,
    id: String,
    rooms: Vec<String>,
    pub is_alive: bool,
    /// The answers it owes.
    owes: BTreeMap<u64, usize>,
    life: usize,
}

pub struct Ack {
    id: u64,
    open: BTreeSet<usize>,
    answered: usize,
    missing: usize,
    deadline: Option<Instant>,
    is_single: bool,
    pub is_over: bool,
}

pub struct Question {
    pub socket: usize,
    id: u64,
    pub is_answered: bool,
}

pub struct World {
    pub settings: Settings,
    pub bench: Bench,
    pub now: Instant,
    pub history: Vec<(Instant, Call)>,
    pub conns: Vec<Conn>,
    pub pendings: Vec<Pending>,
    pub sockets: Vec<Socket>,
    pub acks: Vec<Ack>,
    pub questions: Vec<Question>,
    lives: Vec<Life>,
    /// By client and namespace.
    pub kept: [[Kept; 2]; 2],
    /// The offsets of events, as far as they are known.
    offsets: BTreeMap<usize, String>,
    next_ack: [u64; 2],
    /// Numbers of events, either way.
    emitted: usize,
    said: usize,
    /// The events that have to come, in order.
    expected: VecDeque<Seen>,
    /// Deadlines may be due.
    is_waiting: bool,
    /// Nobody can come back to the dynamic namespace any more: its end has to be told.
    is_ending: bool,
    pub is_shut_down: bool,
    /// Batches are reported as written when the script says so.
    pub is_slow: bool,
    /// Clients hear what is on the wire when the script says so.
    pub is_crossing: bool,
    log: Option<Vec<String>>,
}

impl World {
    pub fn new(settings: Settings, has_log: bool) -> Self {
        Self {
            settings,
            bench: Bench::new(settings),
            now: Instant::ORIGIN,
            history: Vec::new(),
            conns: Vec::new(),
            pendings: Vec::new(),
            sockets: Vec::new(),
            acks: Vec::new(),
            questions: Vec::new(),
            lives: Vec::new(),
            kept: Default::default(),
            offsets: BTreeMap::new(),
            next_ack: [0; 2],
            emitted: 0,
            said: 0,
            expected: VecDeque::new(),
            is_waiting: false,
            is_ending: false,
            is_shut_down: false,
            is_slow: false,
            is_crossing: false,
            log: has_log.then(Vec::new),
        }
    }

    pub fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    fn call(&mut self, call: &Call) -> Answer {
        self.history.push((self.now, call.clone()));
        let answer = self.bench.call(self.now, call);
        self.note(|| format!("{call:?}: {answer:?}"));
        answer
    }

    /// A command that has to succeed, or to be refused.
    fn command(&mut self, call: &Call, succeeds: bool) -> Check {
        let answer = self.call(call);
        let done = matches!(answer, Answer::Done(_));
        hold!(done == succeeds, "{call:?} is answered by {answer:?}");
        Ok(())
    }

    // Time.

    /// Moves the clock.
    pub fn wait_until(&mut self, instant: Instant) -> Check {
        self.now = self.now.max(instant);
        for life in self.lives.iter().filter(|it| it.state == LifeState::Away) {
            // Positions ascend strictly, so that one may lie a few microseconds ahead of the time.
            let until = life.lost.map_or(self.now, |lost| lost + MAX_DISCONNECTION);
            if until <= self.now {
                self.now = self.now.max(until + Duration::from_micros(10));
            }
        }
        self.is_waiting = true;
        let now = self.now;
        self.note(|| format!("it is {now:?}"));
        let existed = self.exists(1);
        for life in &mut self.lives {
            let is_old = life
                .lost
                .is_some_and(|lost| lost + MAX_DISCONNECTION <= now);
            if life.state == LifeState::Away && is_old {
                life.state = LifeState::Gone;
            }
        }
        self.is_ending = existed && !self.exists(1);
        for it in &mut self.conns {
            if !it.is_closed && it.ping_at <= now && it.pong_by.is_none() {
                let gone = it.ping_at + PING_TIMEOUT;
                // Who is pinged late has half of the time at least; much too late, it is gone.
                let by = gone.max(now + PING_TIMEOUT / 2);
                it.pong_by = Some(if gone <= now { gone } else { by });
            }
        }
        for _ in 0..20 {
            self.call(&Call::Timeout);
            if self.bench.server.poll_timeout().is_none_or(|due| due > now) {
                break;
            }
        }
        let done = self.take();
        self.is_waiting = false;
        done
    }

    /// Time passes in which clients answer pings, and nothing else happens: longer than a packet
    /// that crossed a disconnection is waited for.
    pub fn idle(&mut self) -> Check {
        let modes = (self.is_slow, self.is_crossing);
        self.settle_network()?;
        for _ in 0..5 {
            self.wait_until(self.now + (PING_INTERVAL + PING_TIMEOUT) / 5)?;
        }
        (self.is_slow, self.is_crossing) = modes;
        Ok(())
    }

    /// All that is on its way arrives.
    pub fn settle_network(&mut self) -> Check {
        (self.is_slow, self.is_crossing) = (false, false);
        self.take()
    }

    // What the server has to do.

    /// A packet has to leave, unless the connection is gone.
    fn owe(&mut self, conn: usize, text: String) {
        self.push_due(conn, Due { text, choice: None });
    }

    /// A packet whose end is the machine's choice.
    fn owe_more(&mut self, conn: usize, text: String, choice: Choice) {
        let choice = Some(choice);
        self.push_due(conn, Due { text, choice });
    }

    fn push_due(&mut self, conn: usize, due: Due) {
        let it = &mut self.conns[conn];
        if it.phase != Phase::Over {
            it.due.push_back(due);
        }
    }

    fn expect(&mut self, seen: Seen) {
        self.expected.push_back(seen);
    }

    /// A socket ends, and with it the wait for its answers.
    fn end_socket(&mut self, socket: usize, reason: DisconnectReason) {
        let it = &mut self.sockets[socket];
        it.is_alive = false;
        let life = &mut self.lives[it.life];
        if life.state == LifeState::Live(socket) {
            life.lost = Some(self.now);
            let is_kept = self.settings.has_recovery && reason.is_recoverable();
            life.state = if is_kept {
                LifeState::Away
            } else {
                LifeState::Gone
            };
        }
        let (conn, namespace) = (it.conn, it.namespace);
        let (rooms, owes) = (it.rooms.clone(), std::mem::take(&mut it.owes));
        self.conns[conn].set(namespace, None);
        self.expect(Seen::Disconnected {
            socket,
            reason,
            rooms,
        });
        for ack in owes.into_values() {
            let it = &mut self.acks[ack];
            it.open.remove(&socket);
            it.missing += 1;
            self.settle(ack);
        }
        if namespace == 1 && !self.exists(1) {
            self.expect(Seen::NamespaceClosed { namespace });
        }
    }

    pub fn has_members(&self, namespace: usize) -> bool {
        let mut sockets = self.sockets.iter();
        sockets.any(|it| it.is_alive && it.namespace == namespace)
    }

    /// Whether a namespace exists: a dynamic one does while somebody is in it or away from it.
    pub fn exists(&self, namespace: usize) -> bool {
        let mut lives = self.lives.iter();
        let is_missed = lives.any(|it| it.state == LifeState::Away && it.namespace == namespace);
        let is_fixed = namespace == 0 || !self.settings.is_dynamic;
        is_fixed || is_missed || self.has_members(namespace)
    }

    /// An ack is over when nobody is left who could answer.
    fn settle(&mut self, ack: usize) {
        let it = &mut self.acks[ack];
        if it.is_over || !it.open.is_empty() {
            return;
        }
        it.is_over = true;
        let outcome = if it.is_single && it.answered == 0 {
            AckOutcome::Disconnected
        } else {
            AckOutcome::Complete
        };
        let missing = it.missing;
        self.expect(Seen::AckDone {
            ack,
            outcome,
            missing,
        });
    }

    /// Nobody waits for an ack any more.
    fn forget(&mut self, ack: usize) {
        let it = &mut self.acks[ack];
        it.is_over = true;
        let (id, open) = (it.id, std::mem::take(&mut it.open));
        for socket in open {
            self.sockets[socket].owes.remove(&id);
        }
    }

    /// Everything on a connection ends, in the order of joining, and it closes.
    fn clear(&mut self, conn: usize, reason: DisconnectReason) {
        if self.conns[conn].is_closing {
            return;
        }
        self.conns[conn].is_closing = true;
        for (_, standing) in std::mem::take(&mut self.conns[conn].members) {
            match standing {
                Standing::Joined(socket) => self.end_socket(socket, reason),
                Standing::Left => {}
                Standing::Pending(pending) => {
                    let reason = Withdrawal::Client(reason);
                    self.pendings[pending].is_over = true;
                    self.expect(Seen::Withdrawn { pending, reason });
                }
            }
        }
        self.conns[conn].idle_by = None;
    }

    fn violate(&mut self, conn: usize, rule: Violation) {
        self.clear(conn, DisconnectReason::Violation(rule));
    }
}

impl Conn {
    fn standing(&self, namespace: usize, now: Instant) -> Option<Standing> {
        let mut members = self.members.iter();
        let member = members.find_map(|&(key, standing)| (key == namespace).then_some(standing));
        let mut left = self.left.iter();
        let has_left = left.any(|&(key, until)| key == namespace && until > now);
        member.or(has_left.then_some(Standing::Left))
    }

    fn set(&mut self, namespace: usize, standing: Option<Standing>) {
        self.members.retain(|&(key, _)| key != namespace);
        self.members.extend(standing.map(|it| (namespace, it)));
    }

    /// Its last namespace may be gone.
    fn leave(&mut self, now: Instant) {
        let mut members = self.members.iter();
        let is_joined = members.any(|(_, it)| matches!(it, Standing::Joined(_)));
        if self.idle_by.is_none() && !is_joined {
            self.idle_by = Some(now + CONNECT_TIMEOUT);
        }
    }

    /// What is sent to it now has to wait.
    fn is_stuck(&self) -> bool {
        self.batch.is_some() || !self.due.is_empty()
    }
}

/// What stands between the type of a packet and its id or payload.
pub fn before(namespace: usize) -> &'static str {
    ["", "/b,", "/no,"][namespace]
}

/// A packet without its payload.
fn kind_of(text: &str) -> &str {
    text.split(['[', '{']).next().unwrap_or(text)
}
