//! Nothing leaks: ten thousand sessions are abandoned in every kind of state, their deadlines pass, and
//! the machine holds what it held before, to the byte and the allocation.
//!
//! A first run grows tables, queues and maps to what so many sessions need, and these keep their
//! room; a second run of the same kind may not add anything. Nobody reports anything about what was
//! abandoned: no end of a request, no lost transport.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{
        Admission, BodyRead, Carrier, End, Headers, Machine, Message, Output, Request, RequestId,
        SessionKey, TransportId,
    },
    engine::{self, Codec},
    socket::{self, Options, Packet, PendingKey, SocketKey, To, Wait},
    time::{Instant, UnixTime},
};

/// How many sessions are abandoned in one run of all scripts, and of each by itself.
const SESSIONS: usize = 10_000;
const SESSIONS_OF_ONE_KIND: usize = 1_000;

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// A machine with what its caller has seen since it looked last.
struct Edge<M: Machine> {
    machine: M,
    path: &'static str,
    now: Instant,
    seen: Seen<M>,
}

struct Seen<M: Machine> {
    events: Vec<M::Event>,
    sid: String,
    codec: Option<Codec<M::Parser>>,
    opened: Option<TransportId>,
}

impl<M: Machine> Default for Seen<M> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            sid: String::new(),
            codec: None,
            opened: None,
        }
    }
}

impl<M: Machine> Edge<M> {
    fn new(machine: M, path: &'static str) -> Self {
        Self {
            machine,
            path,
            now: Instant::ORIGIN,
            seen: Seen::default(),
        }
    }

    fn look(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Event(event) => self.seen.events.push(event),
                Output::OpenTransport {
                    transport, codec, ..
                } => {
                    self.seen.opened = Some(transport);
                    self.seen.codec = Some(codec);
                }
                Output::ReadBody { codec, .. } => self.seen.codec = Some(codec),
                Output::Respond { response, .. } => {
                    let body = String::from_utf8_lossy(&response.body);
                    if let Some(rest) = body.strip_prefix("0{\"sid\":\"") {
                        rest[..20].clone_into(&mut self.seen.sid);
                    }
                }
                _ => {}
            }
        }
    }

    fn request(&mut self, carrier: Carrier, method: &str, sid: &str) -> RequestId {
        let name = match carrier {
            Carrier::Polling => "polling",
            Carrier::WebSocket => "websocket",
        };
        let mut target = format!("{}?EIO=4&transport={name}", self.path);
        if !sid.is_empty() {
            target += "&sid=";
            target += sid;
        }
        let request = Request {
            carrier,
            method,
            target: &target,
            headers: &NoHeaders,
            peer: None,
        };
        let id = self.machine.handle_request(self.now, &request);
        self.look();
        id
    }

    fn poll(&mut self, sid: &str) -> RequestId {
        self.request(Carrier::Polling, "GET", sid)
    }

    /// A data request, and its body if there is one.
    fn post(&mut self, sid: &str, body: Option<&str>) -> RequestId {
        let id = self.request(Carrier::Polling, "POST", sid);
        if let Some(body) = body {
            let codec = self.seen.codec.unwrap();
            let inbound = codec.read_body(Bytes::copy_from_slice(body.as_bytes()));
            self.machine
                .handle_body(self.now, id, BodyRead::Complete(inbound));
            self.look();
        }
        id
    }

    /// A WebSocket that was accepted.
    fn websocket(&mut self, sid: &str) -> TransportId {
        self.request(Carrier::WebSocket, "GET", sid);
        self.seen.opened.take().unwrap()
    }

    fn open(&mut self, transport: TransportId) {
        self.machine.handle_transport_open(self.now, transport);
        self.look();
    }

    fn read(&mut self, transport: TransportId, message: Message) {
        let inbound = self.seen.codec.unwrap().read(message);
        self.machine
            .handle_transport_read(self.now, transport, inbound);
        self.look();
    }

    fn text(&mut self, transport: TransportId, text: &str) {
        self.read(transport, Message::Text(ByteString::from(text)));
    }

    fn written(&mut self, transport: TransportId) {
        self.machine.handle_transport_sent(self.now, transport);
        self.look();
    }

    fn sent(&mut self, request: RequestId) {
        self.machine
            .handle_request_end(self.now, request, End::Sent);
        self.look();
    }

    /// Nobody does anything any more.
    fn let_time_pass(&mut self) {
        while let Some(due) = self.machine.poll_timeout() {
            self.now = self.now.max(due);
            self.machine.handle_timeout(self.now);
            self.look();
            self.seen.events.clear();
        }
        assert_eq!(self.machine.sessions(), 0);
        self.seen = Seen::default();
    }
}

type Script<M> = (&'static str, fn(&mut Edge<M>));

/// Abandons sessions in the states to which the scripts lead, in turn.
fn abandon<M: Machine>(edge: &mut Edge<M>, scripts: &[Script<M>], sessions: usize) {
    for index in 0..sessions {
        (scripts[index % scripts.len()].1)(edge);
        edge.seen.events.clear();
        // So that deadlines come at many times.
        if index % 64 == 0 {
            edge.now += Duration::from_millis(10);
        }
    }
    edge.let_time_pass();
}

/// A machine, warm by one run, and what it keeps.
fn warm<M: Machine>(
    new: &impl Fn() -> M,
    path: &'static str,
    scripts: &[Script<M>],
    sessions: usize,
) -> (Edge<M>, AllocationInfo) {
    let mut edge = None;
    let kept = measure(|| {
        let mut warm = Edge::new(new(), path);
        abandon(&mut warm, scripts, sessions);
        edge = Some(warm);
    });
    (edge.unwrap(), kept)
}

/// The warm machine keeps at most so much in all, and each kind of state by itself leaves nothing.
///
/// What is left is exactly nothing, in allocations and bytes, after one further run or after a few: queues
/// of deadlines give room back by halves, so that it can take some runs until their room is as before.
/// With a leak it never is.
#[track_caller]
fn assert_nothing_leaks<M: Machine>(
    new: impl Fn() -> M,
    path: &'static str,
    scripts: &[Script<M>],
) {
    for script in scripts {
        let (mut edge, _) = warm(&new, path, &[*script], SESSIONS_OF_ONE_KIND);
        let mut levels = vec![(0, 0)];
        let comes_back = (0..8).any(|_| {
            let run = measure(|| abandon(&mut edge, &[*script], SESSIONS_OF_ONE_KIND));
            let &(allocations, bytes) = levels.last().unwrap();
            let level = (allocations + run.count_current, bytes + run.bytes_current);
            let is_known = levels.contains(&level);
            levels.push(level);
            is_known
        });
        assert!(
            comes_back,
            "{}: allocations and bytes grow: {levels:?}",
            script.0
        );
    }
}

type Engine = Edge<engine::Server>;

fn engine() -> engine::Server {
    let config = engine::Config::builder().ask_admission(true).build();
    engine::Server::new(config.unwrap(), [5; 32])
}

impl Engine {
    fn admit(&mut self, request: RequestId) {
        self.machine
            .admit(self.now, request, Admission::Allow)
            .unwrap();
        self.look();
    }

    /// A session on long-polling, and its first request, whose answer is on its way.
    fn polling(&mut self) -> (SessionKey, String, RequestId) {
        let request = self.poll("");
        self.admit(request);
        let session = self.session();
        (session, self.seen.sid.clone(), request)
    }

    /// The same, and the answer has arrived.
    fn idle(&mut self) -> (SessionKey, String) {
        let (session, sid, request) = self.polling();
        self.sent(request);
        (session, sid)
    }

    /// A session on a WebSocket that takes the next batch.
    fn direct(&mut self) -> (SessionKey, TransportId) {
        let request = self.request(Carrier::WebSocket, "GET", "");
        self.admit(request);
        let transport = self.seen.opened.take().unwrap();
        self.open(transport);
        self.written(transport);
        (self.session(), transport)
    }

    /// A session whose WebSocket was probed, and the answer of the probe has arrived.
    fn probed(&mut self) -> (SessionKey, String, TransportId) {
        let (session, sid) = self.idle();
        let transport = self.websocket(&sid);
        self.open(transport);
        self.text(transport, "2probe");
        self.written(transport);
        (session, sid, transport)
    }

    fn session(&self) -> SessionKey {
        let mut events = self.seen.events.iter().rev();
        let session = events.find_map(|event| match event {
            engine::Event::SessionOpened { session, .. } => Some(*session),
            _ => None,
        });
        session.unwrap()
    }

    fn send(&mut self, session: SessionKey) {
        let message = Message::Text(ByteString::from("x".repeat(100)));
        self.machine.send(self.now, session, message).unwrap();
        self.look();
    }

    fn pause(&mut self, session: SessionKey) {
        self.machine.set_reading(self.now, session, true).unwrap();
        self.look();
    }
}

const ENGINE: &[Script<engine::Server>] = &[
    ("handshake undecided", |it| _ = it.poll("")),
    ("WebSocket handshake undecided", |it| {
        _ = it.request(Carrier::WebSocket, "GET", "");
    }),
    ("handshake denied, the answer on its way", |it| {
        let request = it.poll("");
        let message = ByteString::from_static("no");
        let deny = Admission::Deny { message };
        it.machine.admit(it.now, request, deny).unwrap();
        it.look();
    }),
    ("WebSocket that does not open", |it| {
        let request = it.request(Carrier::WebSocket, "GET", "");
        it.admit(request);
    }),
    ("handshake answered, the answer on its way", |it| {
        _ = it.polling();
    }),
    ("idle on long-polling", |it| _ = it.idle()),
    ("poll pending", |it| {
        let (_, sid) = it.idle();
        it.poll(&sid);
    }),
    ("poll answered, the answer on its way", |it| {
        let (session, sid) = it.idle();
        it.poll(&sid);
        it.send(session);
    }),
    ("messages wait on long-polling", |it| {
        let (session, _) = it.idle();
        for _ in 0..40 {
            it.send(session);
        }
    }),
    ("body awaited", |it| {
        let (_, sid) = it.idle();
        it.post(&sid, None);
    }),
    ("half a body", |it| {
        let (_, sid) = it.idle();
        let request = it.post(&sid, None);
        it.machine.handle_body_progress(it.now, request, 1_000);
        it.look();
    }),
    ("data request answered, the answer on its way", |it| {
        let (_, sid) = it.idle();
        it.post(&sid, Some("4hello\u{1e}4again"));
    }),
    ("data request that waits for a paused session", |it| {
        let (session, sid) = it.idle();
        it.pause(session);
        it.post(&sid, None);
    }),
    ("upgrade not opened", |it| {
        let (_, sid) = it.idle();
        it.poll(&sid);
        it.websocket(&sid);
    }),
    ("upgrade open and silent", |it| {
        let (_, sid) = it.idle();
        let transport = it.websocket(&sid);
        it.open(transport);
    }),
    ("probe answered, the answer on its way", |it| {
        let (session, sid) = it.idle();
        it.poll(&sid);
        let transport = it.websocket(&sid);
        it.open(transport);
        it.text(transport, "2probe");
        it.send(session);
    }),
    ("probed", |it| {
        let (session, ..) = it.probed();
        it.send(session);
    }),
    ("upgraded", |it| {
        let (.., transport) = it.probed();
        it.text(transport, "5");
    }),
    ("upgraded with a data request and a batch out", |it| {
        let (session, sid, transport) = it.probed();
        it.post(&sid, None);
        it.send(session);
        it.text(transport, "5");
        it.send(session);
    }),
    ("closing on long-polling", |it| {
        let (session, _) = it.idle();
        it.send(session);
        it.machine.close(it.now, session);
        it.look();
    }),
    ("closing amid an upgrade", |it| {
        let (session, ..) = it.probed();
        it.send(session);
        it.machine.close(it.now, session);
        it.look();
    }),
    ("WebSocket whose first batch is out", |it| {
        let request = it.request(Carrier::WebSocket, "GET", "");
        it.admit(request);
        let transport = it.seen.opened.take().unwrap();
        it.open(transport);
    }),
    ("idle on a WebSocket", |it| _ = it.direct()),
    ("messages wait behind a batch", |it| {
        let (session, _) = it.direct();
        for _ in 0..40 {
            it.send(session);
        }
    }),
    ("closing behind a batch", |it| {
        let (session, _) = it.direct();
        it.send(session);
        it.send(session);
        it.machine.close(it.now, session);
        it.look();
    }),
    ("paused on a WebSocket", |it| {
        let (session, _) = it.direct();
        it.pause(session);
    }),
    ("closed by the client", |it| {
        let (_, transport) = it.direct();
        it.text(transport, "1");
    }),
];

#[test]
fn engine_sessions_abandoned_in_one_state_leave_nothing() {
    assert_nothing_leaks(engine, "/engine.io/", ENGINE);
}

/// 27 kinds of sessions at once. The tables, queues and maps that stay are a few allocations, and
/// about 390 B for each of the most sessions that there were.
#[test]
fn engine_sessions_abandoned_in_all_states_leave_exactly_nothing() {
    let (mut edge, kept) = warm(&engine, "/engine.io/", ENGINE, SESSIONS);
    assert!(kept.count_current <= 32, "{kept:?}");
    assert!(kept.bytes_current <= 600 * 10_000, "{kept:?}");
    let run = measure(|| abandon(&mut edge, ENGINE, SESSIONS));
    assert_eq!((run.count_current, run.bytes_current), (0, 0));
}

type Socket = Edge<socket::Server>;

fn socket() -> socket::Server {
    let config = socket::Config::default();
    let mut server = socket::Server::new(config, [6; 32], UnixTime::default());
    server.add_namespace("/admin").unwrap();
    server
}

impl Socket {
    fn direct(&mut self) -> TransportId {
        let transport = self.websocket("");
        self.open(transport);
        self.written(transport);
        transport
    }

    /// Asks to enter a namespace.
    fn ask(&mut self, transport: TransportId, connect: &str) -> PendingKey {
        self.text(transport, connect);
        let mut events = self.seen.events.iter().rev();
        let pending = events.find_map(|event| match event {
            socket::Event::Connecting(connecting) => Some(connecting.pending),
            _ => None,
        });
        pending.unwrap()
    }

    fn connected(&mut self, rooms: &[&str]) -> (TransportId, SocketKey) {
        let transport = self.direct();
        let pending = self.ask(transport, r#"40{"token":"0123456789"}"#);
        let socket = self.machine.accept(self.now, pending, rooms).unwrap();
        self.look();
        self.written(transport);
        (transport, socket)
    }

    fn emit(&mut self, to: To<'_>, wait: Wait) {
        let packet = Packet::event("e", &("some text", [1, 2, 3])).unwrap();
        let options = Options::new().ack(wait);
        self.machine.emit(self.now, to, packet, options).unwrap();
        self.look();
    }
}

/// A name that no other room has.
fn fresh_room(socket: SocketKey) -> String {
    format!("a room with a long name {}", socket.index())
}

const SOCKET: &[Script<socket::Server>] = &[
    ("no CONNECT", |it| _ = it.direct()),
    ("CONNECT undecided", |it| {
        let transport = it.direct();
        it.ask(transport, r#"40{"token":"0123456789"}"#);
    }),
    ("two CONNECTs undecided", |it| {
        let transport = it.direct();
        it.ask(transport, "40");
        it.ask(transport, "40/admin,");
    }),
    ("CONNECT refused", |it| {
        let transport = it.direct();
        let pending = it.ask(transport, "40");
        it.machine.refuse(it.now, pending, "no", None).unwrap();
        it.look();
    }),
    ("CONNECT withdrawn", |it| {
        let transport = it.direct();
        it.ask(transport, "40");
        it.text(transport, "41");
    }),
    ("connected", |it| _ = it.connected(&[])),
    ("in rooms", |it| {
        let (_, socket) = it.connected(&["lobby", "a", "b"]);
        let room = fresh_room(socket);
        it.machine.join(socket, &[&room, "c"]).unwrap();
        it.machine.leave(socket, "a").unwrap();
    }),
    ("in two namespaces", |it| {
        let (transport, _) = it.connected(&["lobby"]);
        let pending = it.ask(transport, "40/admin,");
        it.machine.accept(it.now, pending, &["lobby"]).unwrap();
        it.look();
    }),
    ("acknowledgements outstanding", |it| {
        let (_, socket) = it.connected(&[]);
        for _ in 0..3 {
            it.emit(To::Socket(socket), Wait::Forever);
            it.emit(To::Socket(socket), Wait::AtMost(Duration::from_secs(3_600)));
            it.emit(To::Socket(socket), Wait::AtMost(Duration::from_secs(1)));
        }
    }),
    ("acknowledgements of a room outstanding", |it| {
        let (_, socket) = it.connected(&[]);
        let room = fresh_room(socket);
        it.machine.join(socket, &[&room]).unwrap();
        let namespace = it.machine.namespace("/").unwrap();
        let to = To::Group {
            namespace,
            rooms: &[&room],
            except: &[],
            without: None,
        };
        it.emit(to, Wait::Forever);
        it.emit(to, Wait::AtMost(Duration::from_secs(60)));
    }),
    ("an answer owed", |it| {
        let (transport, _) = it.connected(&[]);
        it.text(transport, r#"421["question"]"#);
    }),
    ("attachments half-way", |it| {
        let (transport, _) = it.connected(&[]);
        let places = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
        it.text(transport, &format!(r#"452-["e",{places}]"#));
        it.read(transport, Message::Binary(Bytes::from(vec![1; 1_000])));
    }),
    ("attachments that did not begin", |it| {
        let (transport, _) = it.connected(&[]);
        it.text(transport, r#"451-["e",{"_placeholder":true,"num":0}]"#);
    }),
    ("packets wait", |it| {
        let (_, socket) = it.connected(&[]);
        for _ in 0..40 {
            it.emit(To::Socket(socket), Wait::No);
        }
    }),
    ("left its last namespace", |it| {
        let (transport, _) = it.connected(&["lobby"]);
        it.text(transport, "41");
    }),
    ("disconnected by the server", |it| {
        let (_, socket) = it.connected(&["lobby"]);
        it.emit(To::Socket(socket), Wait::Forever);
        it.machine.disconnect(it.now, To::Socket(socket), false);
        it.look();
    }),
    ("being closed by the server", |it| {
        let (_, socket) = it.connected(&["lobby"]);
        it.emit(To::Socket(socket), Wait::Forever);
        it.machine.disconnect(it.now, To::Socket(socket), true);
        it.look();
    }),
    ("connected on long-polling", |it| {
        let request = it.poll("");
        it.sent(request);
        let sid = it.seen.sid.clone();
        it.post(&sid, Some("40"));
        let event = it.seen.events.iter().rev().find_map(|event| match event {
            socket::Event::Connecting(connecting) => Some(connecting.pending),
            _ => None,
        });
        it.machine
            .accept(it.now, event.unwrap(), &["lobby"])
            .unwrap();
        it.look();
        it.poll(&sid);
    }),
    ("paused", |it| {
        let (_, socket) = it.connected(&[]);
        let session = it.machine.session_of(socket).unwrap();
        it.machine.set_reading(it.now, session, true).unwrap();
        it.look();
    }),
];

#[test]
fn socket_connections_abandoned_in_one_state_leave_nothing() {
    assert_nothing_leaks(socket, "/socket.io/", SOCKET);
}

/// 19 kinds of connections at once. Here the index of rooms keeps a short list for each place of a
/// socket, whose length depends on who sat there last. So this is not exact: a leak of one
/// allocation in one of the kinds would be 526 of them in each run.
#[test]
fn socket_connections_abandoned_in_all_states_leave_nothing() {
    let (mut edge, kept) = warm(&socket, "/socket.io/", SOCKET, SESSIONS);
    assert!(kept.count_current <= 10_000, "{kept:?}");
    assert!(kept.bytes_current <= 1_500 * 10_000, "{kept:?}");
    let runs = measure(|| {
        for _ in 0..3 {
            abandon(&mut edge, SOCKET, SESSIONS);
        }
    });
    assert!(runs.count_current.abs() < 1_000, "{runs:?}");
    assert!(runs.bytes_current < 100 * 10_000, "{runs:?}");
}
