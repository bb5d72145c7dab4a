//! A Socket.IO server, its caller, clients and an application: what they know of each other, and what
//! the server has to do next. All of it is predicted, so an output too few is found like one too many.

mod clients;
mod outputs;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
    time::Duration,
};

use socketio_proto::{
    edge::{Machine as _, TransportId},
    engine::CloseReason,
    socket::{AckOutcome, DisconnectReason, Violation, Wait, Withdrawal},
    time::Instant,
};

use super::bench::{
    ACK_TIMEOUT, Answer, Bench, CONNECT_TIMEOUT, Call, DECISION_TIMEOUT, MAX_DISCONNECTION, NAMES,
    PING_INTERVAL, PING_TIMEOUT, Seen, Settings, Whom,
};
use crate::{
    form::{self, Names},
    world::{Check, hold},
};

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

    // The application.

    pub fn accept(&mut self, pending: usize) -> Check {
        let it = &self.pendings[pending];
        let (conn, namespace, is_over) = (it.conn, it.namespace, it.is_over);
        let answer = self.call(&Call::Accept {
            pending,
            room: Some("room"),
        });
        if is_over {
            hold!(matches!(answer, Answer::Refused(_)), "it is accepted again");
            return self.take();
        }
        let claim = self.pendings[pending].claim;
        if claim.is_some_and(|(life, _)| self.lives[life].state == LifeState::Gone) {
            // What was promised cannot be kept.
            hold!(matches!(answer, Answer::Refused(_)), "{answer:?}");
            let reason = CloseReason::ForcedClose;
            self.clear(conn, DisconnectReason::Connection(reason));
            return self.take();
        }
        let socket = self.sockets.len();
        hold!(
            answer == Answer::Done(Some(socket)),
            "accepting is answered by {answer:?}"
        );
        if let Some((life, _)) = claim {
            self.take_over(life);
        }
        self.pendings[pending].is_over = true;
        if self.settings.is_dynamic && namespace == 1 && !self.has_members(1) {
            self.expect(Seen::NamespaceOpened { namespace });
        }
        let key = self.bench.sockets[socket];
        let id = self.bench.server.id_of(key).map(|id| id.to_string());
        let id = id.ok_or("an accepted socket has no id")?;
        let life = self.begin_life(claim, conn, namespace, &id)?;
        self.lives[life].state = LifeState::Live(socket);
        self.sockets.push(Socket {
            conn,
            namespace,
            rooms: vec![id.clone(), "room".to_owned()],
            id,
            is_alive: true,
            owes: BTreeMap::new(),
            life,
        });
        let it = &mut self.conns[conn];
        it.set(namespace, Some(Standing::Joined(socket)));
        it.idle_by = None;
        self.take()
    }

    /// A client comes back: its old connection, if there is one, closes.
    fn take_over(&mut self, life: usize) {
        let state = std::mem::replace(&mut self.lives[life].state, LifeState::Away);
        if let LifeState::Live(socket) = state {
            let old = self.sockets[socket].conn;
            self.clear(old, DisconnectReason::TakenOver);
            self.conns[old].due.clear();
        }
    }

    /// A socket begins a life, or goes on with one: then what was missed comes first.
    fn begin_life(
        &mut self,
        claim: Option<(usize, usize)>,
        conn: usize,
        namespace: usize,
        id: &str,
    ) -> Result<usize, String> {
        let before = before(namespace);
        let answer = format!("40{before}{{\"sid\":\"{id}\"");
        if let Some((life, from)) = claim {
            hold!(self.lives[life].id == id, "a life goes on with another id");
            for number in self.lives[life].log[from..].to_vec() {
                self.owe_event(conn, namespace, number);
            }
            match self.lives[life].pid.clone() {
                Some(pid) => self.owe(conn, format!("{answer},\"pid\":\"{pid}\"}}")),
                None => self.owe_more(conn, format!("{answer},\"pid\":\""), Choice::Secret(life)),
            }
            return Ok(life);
        }
        let life = self.lives.len();
        self.lives.push(Life {
            pid: None,
            state: LifeState::Gone,
            lost: None,
            namespace,
            id: id.to_owned(),
            log: Vec::new(),
        });
        if self.settings.has_recovery {
            self.owe_more(conn, format!("{answer},\"pid\":\""), Choice::Secret(life));
        } else {
            self.owe(conn, format!("{answer}}}"));
        }
        Ok(life)
    }

    /// An event that is kept.
    fn owe_event(&mut self, conn: usize, namespace: usize, number: usize) {
        let text = format!("42{}[\"s\",{number},\"", before(namespace));
        self.owe_more(conn, text, Choice::Offset(number));
    }

    pub fn refuse(&mut self, pending: usize) -> Check {
        let it = &self.pendings[pending];
        let (conn, namespace, is_over) = (it.conn, it.namespace, it.is_over);
        self.command(&Call::Refuse(pending), !is_over)?;
        if !is_over {
            self.pendings[pending].is_over = true;
            self.conns[conn].set(namespace, None);
            self.owe(
                conn,
                format!("44{}{{\"message\":\"no\"}}", before(namespace)),
            );
        }
        self.take()
    }

    pub fn emit(&mut self, whom: Whom, volatile: bool, ack: Wait) -> Check {
        let number = self.emitted;
        self.emitted += 1;
        let namespace = match whom {
            Whom::All(namespace) => namespace,
            Whom::Socket(socket) => self.sockets[socket].namespace,
        };
        let answer = self.call(&Call::Emit {
            whom,
            number,
            volatile,
            ack,
        });
        let targets = self.targets(whom);
        if let (Whom::Socket(socket), []) = (whom, &*targets) {
            let refused = matches!(answer, Answer::Refused(_));
            hold!(refused, "socket {socket} is gone, and {answer:?}");
            return self.take();
        }
        let id = (ack != Wait::No).then(|| {
            let next = &mut self.next_ack[namespace];
            *next += 1;
            *next - 1
        });
        let id_text = id.map(|id| id.to_string()).unwrap_or_default();
        let text = format!("42{}{id_text}[\"s\",{number}]", before(namespace));
        let is_kept = self.settings.has_recovery && !volatile && ack == Wait::No;
        let mut reached = BTreeSet::new();
        for &socket in &targets {
            let conn = self.sockets[socket].conn;
            if volatile && self.conns[conn].is_stuck() {
                continue;
            }
            reached.insert(socket);
            if is_kept {
                self.owe_event(conn, namespace, number);
            } else {
                self.owe(conn, text.clone());
            }
        }
        for life in self.lives.iter_mut().filter(|_| is_kept) {
            let is_meant = match whom {
                Whom::All(namespace) => life.namespace == namespace,
                Whom::Socket(socket) => life.state == LifeState::Live(socket),
            };
            if is_meant && life.state != LifeState::Gone {
                life.log.push(number);
            }
        }
        let dropped = targets.len() - reached.len();
        let is_single = matches!(whom, Whom::Socket(_));
        let has_ack = id.is_some() && !(is_single && reached.is_empty());
        let expected = Answer::Sent {
            queued: reached.len(),
            dropped,
            ack: has_ack.then_some(self.acks.len()),
        };
        hold!(answer == expected, "{answer:?} and not {expected:?}");
        if let (Some(id), true) = (id, has_ack) {
            let ack_index = self.acks.len();
            for &socket in &reached {
                self.sockets[socket].owes.insert(id, ack_index);
            }
            self.acks.push(Ack {
                id,
                open: reached,
                answered: 0,
                missing: dropped,
                deadline: match ack {
                    Wait::AtMost(span) => Some(self.now + span),
                    _ => None,
                },
                is_single,
                is_over: false,
            });
            self.settle(ack_index);
        }
        self.take()
    }

    pub fn ask(&mut self, whom: Whom) -> Check {
        self.emit(whom, false, Wait::AtMost(ACK_TIMEOUT))
    }

    pub fn cancel(&mut self, ack: usize) -> Check {
        self.command(&Call::Cancel(ack), !self.acks[ack].is_over)?;
        self.forget(ack);
        self.take()
    }

    pub fn reply(&mut self, question: usize) -> Check {
        let number = self.emitted;
        self.emitted += 1;
        let it = &mut self.questions[question];
        it.is_answered = true;
        let (socket, id) = (it.socket, it.id);
        let is_alive = self.sockets[socket].is_alive;
        self.command(&Call::Reply { question, number }, is_alive)?;
        if is_alive {
            let socket = &self.sockets[socket];
            let text = format!("43{}{id}[{number}]", before(socket.namespace));
            self.owe(socket.conn, text);
        }
        self.take()
    }

    pub fn kick(&mut self, whom: Whom, close: bool) -> Check {
        for socket in self.targets(whom) {
            if !self.sockets[socket].is_alive {
                continue;
            }
            let conn = self.sockets[socket].conn;
            if !close {
                self.kick_one(socket);
                continue;
            }
            let members = self.conns[conn].members.clone();
            for (_, standing) in members {
                if let Standing::Joined(socket) = standing {
                    self.kick_one(socket);
                }
            }
            self.clear(conn, DisconnectReason::ServerKicked);
        }
        self.call(&Call::Disconnect { whom, close });
        self.take()
    }

    fn kick_one(&mut self, socket: usize) {
        let it = &self.sockets[socket];
        let (conn, namespace) = (it.conn, it.namespace);
        self.owe(conn, format!("41{}", before(namespace)));
        self.end_socket(socket, DisconnectReason::ServerKicked);
        let it = &mut self.conns[conn];
        it.left.retain(|&(other, _)| other != namespace);
        it.left
            .push((namespace, self.now + (PING_INTERVAL + PING_TIMEOUT)));
        it.leave(self.now);
    }

    pub fn shut_down(&mut self) -> Check {
        self.is_shut_down = true;
        for conn in 0..self.conns.len() {
            self.clear(conn, DisconnectReason::ServerShutdown);
        }
        self.call(&Call::Shutdown);
        self.take()
    }

    /// The sockets that an emit goes to.
    fn targets(&self, whom: Whom) -> Vec<usize> {
        let sockets = self.sockets.iter().enumerate();
        let sockets = sockets.filter(|&(index, it)| {
            it.is_alive
                && match whom {
                    Whom::All(namespace) => it.namespace == namespace,
                    Whom::Socket(socket) => index == socket,
                }
        });
        sockets.map(|(index, _)| index).collect()
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
        for life in &mut self.lives {
            let is_old = life
                .lost
                .is_some_and(|lost| lost + MAX_DISCONNECTION <= now);
            if life.state == LifeState::Away && is_old {
                life.state = LifeState::Gone;
            }
        }
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

    /// Whether a client has a life to go on with.
    pub fn may_return(&self, client: usize, namespace: usize) -> bool {
        let life = self.kept[client][namespace].life;
        life.is_some_and(|life| self.lives[life].state != LifeState::Gone)
    }

    /// Who is connected has all events of its life.
    pub fn check_lives(&self) -> Check {
        for (conn, it) in self.conns.iter().enumerate() {
            for namespace in 0..2 {
                let kept = &self.kept[it.client][namespace];
                let is_in = it.view[namespace] == View::In && it.phase == Phase::Open;
                let Some(life) = kept.life.filter(|_| is_in && self.is_current(conn)) else {
                    continue;
                };
                let (got, sent) = (kept.got, self.lives[life].log.len());
                hold!(
                    got == sent,
                    "client {} has {got} events of {sent} in {}",
                    it.client,
                    NAMES[namespace]
                );
            }
        }
        Ok(())
    }

    pub fn has_kept(&self, client: usize, namespace: usize) -> bool {
        self.kept[client][namespace].life.is_some()
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
        if self.settings.is_dynamic && namespace == 1 && !self.has_members(1) {
            self.expect(Seen::NamespaceClosed { namespace });
        }
    }

    pub fn has_members(&self, namespace: usize) -> bool {
        let mut sockets = self.sockets.iter();
        sockets.any(|it| it.is_alive && it.namespace == namespace)
    }

    /// Ids begin anew in a namespace that is gone.
    fn forget_namespace(&mut self) {
        let mut pendings = self.pendings.iter();
        let is_awaited = pendings.any(|it| !it.is_over && it.namespace == 1);
        if self.settings.is_dynamic && !is_awaited && !self.has_members(1) {
            self.next_ack[1] = 0;
        }
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

    // Forms.

    /// What it is equal to: the machine's form, and what its surroundings know.
    pub fn form(&self) -> String {
        let mut names = Names::default();
        let mut known = format!("{}", self.is_shut_down);
        let mut live = 0;
        let mut name = |names: &mut Names, key: &dyn std::fmt::Debug, is_live: bool| {
            live += usize::from(is_live);
            let name = if is_live {
                format!("n{live}")
            } else {
                "gone".to_owned()
            };
            names.add(&key, name.clone());
            name
        };
        for (index, it) in self.conns.iter().enumerate() {
            let is_live = !it.is_closed || it.phase != Phase::Over;
            if let Some(session) = self.bench.sessions[index] {
                name(&mut names, &session, is_live);
            }
            if let Some((transport, _)) = self.bench.transports[index] {
                let transport: TransportId = transport;
                name(&mut names, &transport, is_live);
            }
            if is_live || !it.wire.is_empty() || self.is_current(index) {
                let texts = |texts: &mut dyn Iterator<Item = &String>| -> Vec<String> {
                    texts.map(|text| kind_of(text).to_owned()).collect()
                };
                let standing = it.members.iter().map(|(namespace, standing)| {
                    let standing = format!("{standing:?}");
                    (*namespace, standing[..4].to_owned())
                });
                let standing: Vec<_> = standing.collect();
                let batch = it.batch.as_ref().map(|it| texts(&mut it.iter()));
                let due = texts(&mut it.due.iter().map(|it| &it.text));
                let wire = texts(&mut it.wire.iter());
                let spans = [it.idle_by, it.pong_by, Some(it.ping_at)].map(|it| self.span(it));
                let left = it.left.iter().filter(|(_, until)| *until > self.now);
                let left = left.map(|&(namespace, until)| (namespace, self.span(Some(until))));
                _ = write!(known, "{:?}", left.collect::<Vec<_>>());
                let flags = (it.phase, it.is_closing, it.is_closed);
                _ = write!(
                    known,
                    "{:?}",
                    (
                        it.client, flags, batch, due, wire, standing, it.view, &it.owes, spans
                    )
                );
            }
        }
        for (index, key) in self.bench.pendings.iter().enumerate() {
            let it = &self.pendings[index];
            name(&mut names, key, !it.is_over);
            if !it.is_over {
                _ = write!(
                    known,
                    "{:?}",
                    (it.conn, it.namespace, self.span(Some(it.by)))
                );
            }
        }
        for (index, key) in self.bench.sockets.iter().enumerate() {
            name(&mut names, key, self.sockets[index].is_alive);
        }
        for (index, key) in self.bench.acks.iter().enumerate() {
            let it = &self.acks[index];
            name(&mut names, key, !it.is_over);
            if !it.is_over {
                let counts = (it.open.len(), it.answered, it.missing);
                _ = write!(known, "{:?}", (counts, self.span(it.deadline)));
            }
        }
        for it in &self.lives {
            let lost = it.lost.filter(|_| it.state == LifeState::Away);
            let lost = self.span(lost);
            let state = match it.state {
                LifeState::Live(socket) => format!("{}", self.sockets[socket].conn),
                state => format!("{state:?}"),
            };
            _ = write!(
                known,
                "{:?}",
                (it.namespace, state, it.log.len(), it.pid.is_some(), lost)
            );
        }
        for kept in self
            .kept
            .iter()
            .flatten()
            .filter(|_| self.settings.has_recovery)
        {
            _ = write!(known, "{:?}", (kept.life, kept.got, kept.early.len()));
        }
        for it in self.questions.iter().filter(|it| !it.is_answered) {
            let is_alive = self.sockets[it.socket].is_alive;
            let socket = is_alive.then_some(self.sockets[it.socket].namespace);
            _ = write!(known, "{:?}", (socket, it.id));
        }
        for (namespace, key) in self.bench.namespaces.iter().enumerate() {
            if let Some(key) = key {
                names.add(key, NAMES[namespace].to_owned());
            }
        }
        known + &form::form(&self.bench.server, self.now, &mut names)
    }

    fn span(&self, instant: Option<Instant>) -> Option<i128> {
        instant.map(|it| i128::from(it.as_micros()) - i128::from(self.now.as_micros()))
    }

    /// The machine alone, nobody known.
    pub fn bare_form(&self) -> String {
        let mut names = Names::default();
        for (namespace, key) in self.bench.namespaces.iter().enumerate() {
            if let Some(key) = key {
                names.add(key, NAMES[namespace].to_owned());
            }
        }
        form::form(&self.bench.server, self.now, &mut names)
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
