//! An Engine.IO server, its caller, one client and one application: what they know of each other,
//! and what has to hold after everything that happens.

mod outputs;

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, Headers, Lost, Machine, Message, Output, Request, RequestId,
        SessionKey, TransportId,
    },
    engine::{Codec, Config, Raw, SendError, Server},
    time::Instant,
};

use crate::form::{self, Names};

pub type Check = Result<(), String>;

pub const PING_INTERVAL: Duration = Duration::from_millis(300);
pub const PING_TIMEOUT: Duration = Duration::from_millis(200);
const UPGRADE_TIMEOUT: Duration = Duration::from_millis(100);
const PAUSE_TIMEOUT: Duration = Duration::from_millis(350);
const MAX_BODY_BYTES: usize = 100;

/// Fails with what was expected.
macro_rules! hold {
    ($condition:expr, $($what:tt)*) => {
        if !$condition {
            return Err(format!($($what)*));
        }
    };
}
pub(crate) use hold;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Open,
    Poll,
    Post,
    WebSocket,
}

/// What the caller knows of a request.
#[derive(Debug)]
pub struct Req {
    pub id: RequestId,
    pub kind: Kind,
    /// The machine asked for its body, which was not given yet.
    pub wants_body: bool,
    /// The message in the body that was given.
    said: Option<usize>,
    pub is_answered: bool,
    /// The answer holds packets: when it is lost, the session is.
    has_packets: bool,
    /// The caller has said how it ended.
    pub is_ended: bool,
    /// It ended while outputs that may name it were not taken yet.
    is_crossed: bool,
    /// It became a transport.
    pub is_transport: bool,
}

impl Req {
    /// Nothing will happen to it any more.
    fn is_over(&self) -> bool {
        self.is_transport || (self.is_ended && !self.is_crossed)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The handshake is being answered.
    Offered,
    Open,
    /// The machine closed it, or it was reported lost.
    Over,
}

/// What the caller and the client know of a WebSocket.
#[derive(Debug)]
pub struct Tr {
    pub id: TransportId,
    request: usize,
    /// When the machine was told what it answered by accepting it.
    since: Instant,
    pub phase: Phase,
    /// A batch is out.
    pub is_busy: bool,
    /// The client has asked with a probe.
    pub has_probed: bool,
    /// The client has sent its `5`.
    pub has_committed: bool,
    /// The machine has said that it carries the session.
    pub is_main: bool,
    /// The machine wants it not to be read.
    is_unread: bool,
    /// The machine has closed it.
    is_closed: bool,
    /// It was lost while outputs that may name it were not taken yet.
    is_crossed: bool,
    /// It opened while outputs that may name it were not taken yet: if the machine had forgotten it
    /// by then, it says so by closing it once more.
    may_close_again: bool,
}

impl Tr {
    fn is_over(&self) -> bool {
        self.phase == Phase::Over && !self.is_crossed
    }
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

pub struct World {
    pub server: Server,
    pub now: Instant,
    /// The last instant that the machine was told.
    told: Instant,
    codec: Option<Codec<Raw>>,
    pub session: Option<SessionKey>,
    sid: String,
    pub is_closed: bool,
    is_upgraded: bool,
    /// The application wants it closed.
    pub is_closing: bool,
    /// The application wants it not to be read.
    pub is_paused: bool,
    pub requests: Vec<Req>,
    pub transports: Vec<Tr>,
    /// Messages that the application sent, and those that came out, in order.
    pub sent: usize,
    pub came: usize,
    /// Messages that the client sent, and those that the application was told of.
    said: usize,
    heard: usize,
    /// Pings that the client got and did not answer.
    pub pings: usize,
    /// Outputs were left in the queue.
    pub is_late: bool,
    /// Packets were lost: the session has to end.
    is_doomed: bool,
    log: Option<Vec<String>>,
}

impl World {
    pub fn new(has_log: bool) -> Self {
        let config = Config::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_TIMEOUT)
            .upgrade_timeout(UPGRADE_TIMEOUT)
            .pause_timeout(PAUSE_TIMEOUT)
            .max_body_bytes(MAX_BODY_BYTES)
            .build()
            .unwrap();
        Self {
            server: Server::new(config, [9; 32]),
            now: Instant::ORIGIN,
            told: Instant::ORIGIN,
            codec: None,
            session: None,
            sid: String::new(),
            is_closed: false,
            is_upgraded: false,
            is_closing: false,
            is_paused: false,
            requests: Vec::new(),
            transports: Vec::new(),
            sent: 0,
            came: 0,
            said: 0,
            heard: 0,
            pings: 0,
            is_late: false,
            is_doomed: false,
            log: has_log.then(Vec::new),
        }
    }

    /// What it is equal to: the machine's form, and what its surroundings know.
    pub fn form(&self) -> String {
        let mut names = Names::default();
        let mut known = String::new();
        let mut live = 0;
        for request in &self.requests {
            let mut name = "gone".to_owned();
            if !request.is_over() {
                live += 1;
                name = format!("r{live}");
                let said = request.said.map(|number| number < self.heard);
                _ = write!(known, "{name}{:?}{said:?}", RequestForm(request));
            }
            names.add(&request.id, name);
        }
        for transport in &self.transports {
            let mut name = "gone".to_owned();
            if !transport.is_over() {
                live += 1;
                name = format!("t{live}");
                _ = write!(known, "{name}{:?}", TransportForm(transport));
            }
            names.add(&transport.id, name);
        }
        if let Some(session) = self.session {
            let name = if self.is_closed { "gone" } else { "s" };
            names.add(&session, name.to_owned());
        }
        _ = write!(
            known,
            "{:?}",
            (
                (self.is_closed, self.is_upgraded, self.is_closing),
                (self.sent - self.came, self.pings),
                (self.is_late, self.is_doomed, self.is_paused),
                self.now.saturating_duration_since(self.told),
            )
        );
        known + &form::form(&self.server, self.now, &mut names)
    }

    /// The machine alone, nobody known.
    pub fn bare_form(&self) -> String {
        form::form(&self.server, self.now, &mut Names::default())
    }

    pub fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    pub fn is_open(&self) -> bool {
        self.session.is_some() && !self.is_closed
    }

    /// Whether an input of now may cross outputs that the caller does not know: they were not taken,
    /// or deadlines that are due run first.
    fn is_crossing(&self) -> bool {
        self.is_late || self.now > self.told
    }

    /// The poll that waits for an answer, as far as the caller knows.
    pub fn has_poll(&self) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|it| it.kind == Kind::Poll && !it.is_answered && !it.is_ended)
    }

    pub fn has_post(&self) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|it| it.kind == Kind::Post && !it.is_answered && !it.is_ended)
    }

    /// The WebSocket that carries the session.
    pub fn main(&self) -> Option<usize> {
        let mut transports = self.transports.iter();
        transports.position(|it| it.is_main && it.phase == Phase::Open)
    }

    // What the outside does.

    pub fn request(&mut self, kind: Kind) -> usize {
        let (carrier, name) = match kind {
            Kind::WebSocket => (Carrier::WebSocket, "websocket"),
            Kind::Open | Kind::Poll | Kind::Post => (Carrier::Polling, "polling"),
        };
        let mut target = format!("/engine.io/?EIO=4&transport={name}");
        if self.session.is_some() {
            target = target + "&sid=" + &self.sid;
        }
        let id = self.server.handle_request(
            self.now,
            &Request {
                carrier,
                method: if kind == Kind::Post { "POST" } else { "GET" },
                target: &target,
                headers: &NoHeaders,
                peer: None,
            },
        );
        self.told = self.now;
        let index = self.requests.len();
        self.requests.push(Req {
            id,
            kind,
            wants_body: false,
            said: None,
            is_answered: false,
            has_packets: false,
            is_ended: false,
            is_crossed: false,
            is_transport: false,
        });
        self.note(|| format!("{kind:?} is r{index}"));
        index
    }

    pub fn end(&mut self, request: usize, end: End) {
        let is_late = self.is_crossing();
        let it = &mut self.requests[request];
        it.is_ended = true;
        it.wants_body = false;
        it.is_crossed = is_late;
        let is_waiting = it.kind == Kind::Poll && !it.is_answered && !is_late;
        if end == End::Gone && (it.has_packets || is_waiting) {
            self.is_doomed = true;
        }
        let id = it.id;
        self.told = self.now;
        self.server.handle_request_end(self.now, id, end);
    }

    /// A body with a message of the client between what comes first and what comes then.
    pub fn body(&mut self, request: usize, before: &str, has_message: bool, behind: &str) {
        let mut body = before.to_owned();
        if has_message {
            body = format!("{body}4c{}", self.said);
            self.requests[request].said = Some(self.said);
            self.said += 1;
        }
        body += behind;
        self.requests[request].wants_body = false;
        let inbound = self.codec.unwrap().read_body(Bytes::from(body));
        let id = self.requests[request].id;
        self.told = self.now;
        self.server
            .handle_body(self.now, id, BodyRead::Complete(inbound));
    }

    pub fn body_too_large(&mut self, request: usize) {
        self.requests[request].wants_body = false;
        let id = self.requests[request].id;
        self.told = self.now;
        self.server.handle_body(self.now, id, BodyRead::TooLarge);
    }

    pub fn open(&mut self, transport: usize) {
        self.transports[transport].may_close_again = self.is_crossing();
        self.transports[transport].phase = Phase::Open;
        self.told = self.now;
        self.server
            .handle_transport_open(self.now, self.transports[transport].id);
    }

    pub fn read(&mut self, transport: usize, text: &str) {
        let it = &mut self.transports[transport];
        match text {
            "2probe" => it.has_probed = true,
            "5" => it.has_committed = true,
            _ => {}
        }
        let message = Message::Text(ByteString::from(text));
        let (id, inbound) = (it.id, self.codec.unwrap().read(message));
        self.told = self.now;
        self.server.handle_transport_read(self.now, id, inbound);
    }

    /// The client's next message on a WebSocket; says whether it must be heard.
    pub fn say(&mut self, transport: usize) -> Option<usize> {
        let must = self.is_open()
            && !self.is_crossing()
            && !self.is_closing
            && self.transports[transport].is_main;
        let number = self.said;
        self.said += 1;
        self.read(transport, &format!("4c{number}"));
        must.then_some(number)
    }

    pub fn written(&mut self, transport: usize) {
        self.transports[transport].is_busy = false;
        self.told = self.now;
        self.server
            .handle_transport_sent(self.now, self.transports[transport].id);
    }

    pub fn lose(&mut self, transport: usize, lost: Lost) {
        let is_late = self.is_crossing();
        let it = &mut self.transports[transport];
        it.phase = Phase::Over;
        it.is_crossed = is_late;
        let is_main = it.is_main;
        let id = it.id;
        self.is_doomed |= is_main;
        self.told = self.now;
        self.server.handle_transport_lost(self.now, id, lost);
    }

    pub fn send(&mut self) -> Check {
        let Some(session) = self.session else {
            return Ok(());
        };
        let message = Message::Text(ByteString::from(format!("s{}", self.sent)));
        self.told = self.now;
        match self.server.send(self.now, session, message) {
            Ok(_) => {
                hold!(!self.is_closed, "a closed session takes a message");
                hold!(!self.is_closing, "a closing session takes a message");
                self.sent += 1;
            }
            Err(SendError::Closed) => {
                let is_over = self.is_closed || self.is_closing || self.server.sessions() == 0;
                hold!(is_over, "an open session takes no message");
            }
            Err(error) => return Err(format!("sending fails: {error}")),
        }
        Ok(())
    }

    pub fn close(&mut self) {
        if let Some(session) = self.session {
            self.is_closing = true;
            self.told = self.now;
            self.server.close(self.now, session);
        }
    }

    pub fn shutdown(&mut self) {
        self.is_closing = true;
        self.told = self.now;
        self.server.shutdown(self.now, Duration::ZERO);
    }

    /// The pause lets a data request wait, and with it whatever the client does after that.
    pub fn is_held_up(&self) -> bool {
        let mut requests = self.requests.iter();
        self.is_paused
            && requests.any(|it| {
                it.kind == Kind::Post && !it.is_answered && !it.is_ended && !it.wants_body
            })
    }

    pub fn set_reading(&mut self, paused: bool) -> Check {
        let Some(session) = self.session else {
            return Ok(());
        };
        if !paused && self.is_held_up() {
            // The time of an upgrade begins anew.
            let probing = self.transports.iter_mut().filter(|it| it.has_probed);
            probing.for_each(|it| it.since = self.now);
        }
        self.told = self.now;
        let done = self.server.set_reading(self.now, session, paused);
        let is_gone = self.server.sessions() == 0;
        hold!(done.is_err() == is_gone, "set_reading says {done:?}");
        self.is_paused = paused;
        Ok(())
    }

    /// A part of a body is there.
    pub fn body_progress(&mut self, request: usize, received: usize) {
        let id = self.requests[request].id;
        self.told = self.now;
        self.server.handle_body_progress(self.now, id, received);
    }

    /// Moves the clock; the machine is told, or the next input brings it along.
    pub fn wait_until(&mut self, instant: Instant, tells: bool) {
        self.now = self.now.max(instant);
        if tells {
            self.told = self.now;
            self.server.handle_timeout(self.now);
        }
        let now = self.now;
        self.note(|| format!("it is {now:?}"));
    }

    /// Whether the application was told of a message of the client.
    pub fn has_heard(&self, number: usize) -> bool {
        number < self.heard
    }

    /// Says of everything that is over all that a late caller could say: nothing may follow.
    pub fn say_what_is_stale(&mut self) -> Check {
        let before = self.bare_form();
        for it in &self.requests {
            let becoming = self.transports.iter().any(|transport| {
                transport.phase == Phase::Offered && self.requests[transport.request].id == it.id
            });
            if !it.is_over() || becoming {
                continue;
            }
            if let Some(codec) = self.codec {
                let body = BodyRead::Complete(codec.read_body(Bytes::from_static(b"4x\x1e1")));
                self.server.handle_body(self.now, it.id, body);
            }
            self.server.handle_request_end(self.now, it.id, End::Gone);
            self.server.handle_request_end(self.now, it.id, End::Sent);
        }
        let mut reopened = 0;
        for it in self.transports.iter().filter(|it| it.is_over()) {
            let codec = self.codec.unwrap();
            for text in ["2probe", "5", "4x", "1"] {
                let inbound = codec.read(Message::Text(ByteString::from(text)));
                self.server.handle_transport_read(self.now, it.id, inbound);
            }
            self.server.handle_transport_sent(self.now, it.id);
            self.server
                .handle_transport_lost(self.now, it.id, Lost::Failed);
            self.server.handle_transport_open(self.now, it.id);
            reopened += 1;
        }
        while let Some(output) = self.server.poll_output() {
            let is_close = matches!(output, Output::CloseTransport { abort: true, .. });
            hold!(is_close, "a stale name causes {output:?}");
            reopened -= 1;
        }
        hold!(reopened == 0, "a transport opens late and is not closed");
        hold!(before == self.bare_form(), "a stale name has an effect");
        Ok(())
    }
}

struct RequestForm<'a>(&'a Req);

impl std::fmt::Debug for RequestForm<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let it = self.0;
        let flags = (it.wants_body, it.is_answered, it.has_packets, it.is_ended);
        (it.kind, flags).fmt(f)
    }
}

struct TransportForm<'a>(&'a Tr);

impl std::fmt::Debug for TransportForm<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let it = self.0;
        let said = (it.has_probed, it.has_committed);
        let flags = (it.is_busy, said, it.is_main, it.is_unread);
        (it.phase, it.is_closed, flags).fmt(f)
    }
}
