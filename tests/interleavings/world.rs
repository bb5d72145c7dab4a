//! An Engine.IO server, its caller, one client and one application: what they know of each other,
//! and what has to hold after everything that happens.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, Frame, Headers, Lost, Machine, Message, Output, Request, RequestId,
        Response, ResponseKind, SessionKey, TransportId,
    },
    engine::{Codec, Config, Event, Raw, SendError, Server},
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

    pub fn set_reading(&mut self, paused: bool) -> Check {
        let Some(session) = self.session else {
            return Ok(());
        };
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

    // What the machine wants.

    /// Takes all outputs, and checks what holds whenever none are left.
    pub fn take(&mut self) -> Check {
        while let Some(output) = self.server.poll_output() {
            self.on_output(output)?;
        }
        self.is_late = false;
        for it in &mut self.requests {
            it.is_crossed = false;
        }
        for it in &mut self.transports {
            it.is_crossed = false;
            it.may_close_again = false;
        }
        self.check()
    }

    fn check(&self) -> Check {
        for (index, it) in self.transports.iter().enumerate() {
            let span = self.told.saturating_duration_since(it.since);
            hold!(
                it.is_main || it.phase == Phase::Over || span < UPGRADE_TIMEOUT,
                "t{index} is neither of use nor closed after {span:?}"
            );
        }
        let sessions = usize::from(self.is_open());
        hold!(
            self.server.sessions() == sessions,
            "{} sessions are left, {sessions} have not closed",
            self.server.sessions()
        );
        self.check_statistics()?;
        let due = self.server.poll_timeout();
        hold!(sessions == 0 || due.is_some(), "a session has no deadline");
        hold!(
            due.is_none_or(|due| due > self.told),
            "a deadline was passed over"
        );
        hold!(
            !self.is_doomed || self.is_closed,
            "packets are lost and the session goes on"
        );
        let Some(session) = self.session.filter(|_| !self.is_closed) else {
            hold!(!self.has_poll(), "a poll waits for a session that is gone");
            hold!(
                !self.has_post(),
                "a data request waits for a session that is gone"
            );
            return Ok(());
        };
        let carrier = self.server.carrier(session);
        let expected = if self.is_upgraded {
            Carrier::WebSocket
        } else {
            Carrier::Polling
        };
        hold!(
            carrier == Some(expected),
            "it is carried by {carrier:?} and not by {expected:?}"
        );
        let polls = self.requests.iter();
        let polls = polls.filter(|it| it.kind == Kind::Poll && !it.is_answered && !it.is_ended);
        hold!(polls.count() <= 1, "two polls wait");
        let main = self.main().map(|index| &self.transports[index]);
        let is_writable = if self.is_upgraded {
            hold!(main.is_some(), "an upgraded session has no WebSocket");
            hold!(
                !self.has_poll(),
                "a poll waits for a session on a WebSocket"
            );
            hold!(
                !self.has_post(),
                "a data request waits for a session on a WebSocket"
            );
            hold!(
                main.is_some_and(|it| it.is_unread == self.is_paused),
                "the WebSocket is read though the session is paused, or the other way round"
            );
            main.is_some_and(|it| !it.is_busy)
        } else {
            self.has_poll()
        };
        let queued = self.server.queued(session);
        hold!(
            !is_writable || queued == Some(0),
            "{queued:?} bytes wait though they could leave"
        );
        Ok(())
    }

    /// The gauges say what the caller knows.
    fn check_statistics(&self) -> Check {
        let counted = self.server.statistics();
        let live = |it: &Tr| it.phase != Phase::Over;
        let requests = self.requests.iter().enumerate();
        let requests = requests.filter(|(index, it)| {
            let becoming =
                |transport: &Tr| transport.request == *index && transport.phase == Phase::Offered;
            !it.is_ended && (!it.is_transport || self.transports.iter().any(becoming))
        });
        let known = (
            usize::from(self.is_open() && !self.is_upgraded),
            usize::from(self.is_open() && self.is_upgraded),
            requests.count(),
            self.transports.iter().filter(|it| live(it)).count(),
            self.session
                .and_then(|it| self.server.queued(it))
                .unwrap_or(0),
        );
        let gauges = (
            counted.polling_sessions,
            counted.websocket_sessions,
            counted.requests,
            counted.transports,
            counted.queued_bytes,
        );
        hold!(
            gauges == known,
            "the gauges are {gauges:?} and not {known:?}"
        );
        let (begun, done) = (counted.upgrades_begun, counted.upgrades_completed);
        let ended = done + counted.upgrades_failed;
        hold!(
            ended <= begun && (self.is_open() || ended == begun),
            "{begun} upgrades began, {ended} ended"
        );
        Ok(())
    }

    fn on_output(&mut self, output: Output<Event, Raw>) -> Check {
        match output {
            Output::AbortRequest { request } => {
                let index = self.named(request)?;
                self.note(|| format!("abort r{index}"));
                let it = &mut self.requests[index];
                hold!(it.is_answered, "r{index} is aborted before it is answered");
                it.is_ended = true;
                self.is_doomed |= it.has_packets;
                Ok(())
            }
            Output::SetReading { paused, transport } => {
                let index = self.named_transport(transport)?;
                self.note(|| format!("{} t{index}", if paused { "pause" } else { "resume" }));
                let it = &mut self.transports[index];
                hold!(
                    it.is_unread != paused,
                    "t{index} is paused or resumed twice"
                );
                it.is_unread = paused;
                Ok(())
            }
            Output::CloseTransport { transport, abort } => self.on_close(transport, abort),
            Output::Event(event) => self.on_event(event),
            Output::OpenTransport {
                request,
                transport,
                codec,
                ..
            } => self.on_open(request, transport, codec),
            Output::ReadBody { request, codec, .. } => {
                self.codec = Some(codec);
                let index = self.named(request)?;
                self.note(|| format!("read body of r{index}"));
                let it = &mut self.requests[index];
                hold!(it.kind == Kind::Post, "only data requests have a body");
                hold!(!it.is_answered, "the body of an answered request is wanted");
                hold!(
                    !it.wants_body && it.said.is_none(),
                    "a body is wanted again"
                );
                it.wants_body = !it.is_ended;
                Ok(())
            }
            Output::Respond { request, response } => self.on_response(request, &response),
            Output::Transmit { transport, batch } => {
                let frames: Vec<Frame> = batch.into_frames().collect();
                self.on_batch(transport, &frames)
            }
        }
    }

    /// The request with this key: the last one with its number, or the number was reused too early.
    fn named(&self, key: RequestId) -> Result<usize, String> {
        let mut requests = self.requests.iter();
        let last = requests.rposition(|it| it.id.index() == key.index());
        let index = last.filter(|&last| self.requests[last].id == key);
        let index = index.ok_or("an output names a request that is not known (any more)")?;
        let it = &self.requests[index];
        hold!(
            !it.is_ended || it.is_crossed,
            "an output names r{index}, which had ended"
        );
        hold!(
            !it.is_transport,
            "an output names r{index}, which is a transport"
        );
        Ok(index)
    }

    fn named_transport(&self, key: TransportId) -> Result<usize, String> {
        let mut transports = self.transports.iter();
        let last = transports.rposition(|it| it.id.index() == key.index());
        let index = last.filter(|&last| self.transports[last].id == key);
        let index = index.ok_or("an output names a transport that is not known (any more)")?;
        let it = &self.transports[index];
        hold!(
            !it.is_closed,
            "an output names t{index} after it was closed"
        );
        hold!(
            it.phase != Phase::Over || it.is_crossed,
            "an output names t{index}, which was lost"
        );
        Ok(index)
    }

    fn on_close(&mut self, transport: TransportId, abort: bool) -> Check {
        for it in &mut self.transports {
            if it.id == transport && it.is_closed && it.may_close_again && abort {
                it.may_close_again = false;
                return Ok(());
            }
        }
        let index = self.named_transport(transport)?;
        self.note(|| format!("{} t{index}", if abort { "abort" } else { "close" }));
        self.transports[index].is_closed = true;
        self.transports[index].phase = Phase::Over;
        Ok(())
    }

    fn on_open(&mut self, request: RequestId, transport: TransportId, codec: Codec<Raw>) -> Check {
        self.codec = Some(codec);
        let origin = self.named(request)?;
        let index = self.transports.len();
        self.note(|| format!("r{origin} becomes t{index}"));
        let it = &mut self.requests[origin];
        hold!(
            it.kind == Kind::WebSocket && !it.is_answered,
            "r{origin} cannot become a WebSocket"
        );
        // The caller has dropped it already: there is nothing to open.
        let phase = if it.is_ended {
            Phase::Over
        } else {
            Phase::Offered
        };
        it.is_transport = true;
        self.transports.push(Tr {
            id: transport,
            request: origin,
            since: self.told,
            phase,
            is_busy: false,
            has_probed: false,
            has_committed: false,
            is_main: false,
            is_unread: false,
            is_closed: false,
            is_crossed: phase == Phase::Over,
            may_close_again: false,
        });
        Ok(())
    }

    fn on_event(&mut self, event: Event) -> Check {
        if let Event::SessionOpened { session, .. } = event {
            self.note(|| "event: opened".to_owned());
            hold!(self.session.is_none(), "it opens twice");
            self.session = Some(session);
            if let Some(it) = self.transports.last_mut() {
                it.is_main = true;
                self.is_upgraded = true;
            }
            return Ok(());
        }
        if let Event::Refused { request, refusal } = event {
            let index = self.requests.iter().position(|it| it.id == request);
            self.note(|| format!("event: {index:?} refused: {refusal}"));
            hold!(index.is_some(), "an unknown request was refused");
            return Ok(());
        }
        hold!(
            !self.is_closed,
            "an event comes behind the end of its session: {event:?}"
        );
        let known = self.session;
        let check = |session| {
            hold!(known == Some(session), "an event names an unknown session");
            Ok(())
        };
        match event {
            Event::Message { session, message } => {
                check(session)?;
                let Message::Text(text) = message else {
                    return Err("a text has become binary".to_owned());
                };
                self.note(|| format!("event: message {text:?}"));
                let number = text.strip_prefix('c').and_then(|it| it.parse().ok());
                let number: usize = number.ok_or("a message was changed")?;
                hold!(
                    number >= self.heard,
                    "message {number} comes again, or out of order"
                );
                hold!(number < self.said, "message {number} was never sent");
                self.heard = number + 1;
            }
            Event::SessionClosed { session, reason } => {
                check(session)?;
                self.note(|| format!("event: closed: {} ({reason})", reason.as_str()));
                self.is_closed = true;
            }
            Event::Upgraded { session, carrier } => {
                check(session)?;
                self.note(|| "event: upgraded".to_owned());
                hold!(carrier == Carrier::WebSocket, "upgraded to {carrier:?}");
                hold!(!self.is_upgraded, "it is upgraded twice");
                self.is_upgraded = true;
                let mut transports = self.transports.iter_mut();
                let main = transports
                    .rfind(|it| it.has_committed && (it.phase == Phase::Open || it.is_crossed));
                main.ok_or("it is upgraded, and nobody asked for it")?
                    .is_main = true;
            }
            event => return Err(format!("an unknown event: {event:?}")),
        }
        Ok(())
    }

    fn on_response(&mut self, request: RequestId, response: &Response) -> Check {
        let index = self.named(request)?;
        let body = String::from_utf8_lossy(&response.body).into_owned();
        let status = response.status;
        self.note(|| format!("answer r{index}: {status} {}", body.replace('\u{1e}', "␞")));
        let it = &mut self.requests[index];
        hold!(!it.is_answered, "r{index} is answered twice");
        it.is_answered = true;
        it.wants_body = false;
        let (kind, said, is_ended) = (it.kind, it.said, it.is_ended);
        match (response.kind, kind) {
            (ResponseKind::Refused, _) => {
                hold!((400..600).contains(&status), "refused with {status}");
            }
            (ResponseKind::Handshake, Kind::Open) => {
                let sid = body.split('"').nth(3).ok_or("no sid")?;
                self.sid = sid.to_owned();
                self.requests[index].has_packets = true;
            }
            (ResponseKind::Poll, Kind::Poll) => {
                let before = (self.came, self.pings);
                for packet in body.split('\u{1e}') {
                    self.on_packet(packet, Carrier::Polling)?;
                }
                if before != (self.came, self.pings) {
                    self.requests[index].has_packets = true;
                    self.is_doomed |= is_ended;
                }
            }
            (ResponseKind::Data, Kind::Post) => {
                // What was said behind the application's close need not be heard.
                let is_heard = said.is_none_or(|number| number < self.heard);
                let is_over = self.is_closed || self.is_closing;
                hold!(
                    body == "ok" && (is_heard || is_over),
                    "r{index} is answered {body:?}, and its message was not heard"
                );
            }
            (answer, question) => return Err(format!("{question:?} is answered by {answer:?}")),
        }
        Ok(())
    }

    fn on_batch(&mut self, transport: TransportId, frames: &[Frame]) -> Check {
        let index = self.named_transport(transport)?;
        let payloads = frames.iter().map(|it| String::from_utf8_lossy(&it.payload));
        let payloads: Vec<String> = payloads.map(|it| it.into_owned()).collect();
        self.note(|| format!("write t{index}: {}", payloads.join(" ")));
        let it = &mut self.transports[index];
        hold!(!it.is_busy, "two batches are out on t{index}");
        hold!(!frames.is_empty(), "an empty batch");
        it.is_busy = it.phase == Phase::Open;
        if !it.is_main && payloads == ["3probe"] {
            hold!(it.has_probed, "a probe is answered that was not sent");
            return Ok(());
        }
        let is_direct = self.requests[it.request].kind == Kind::WebSocket && self.session.is_none();
        hold!(
            it.is_main || is_direct,
            "t{index} carries packets before the upgrade"
        );
        for payload in payloads {
            if payload.starts_with("0{") {
                self.sid = payload.split('"').nth(3).ok_or("no sid")?.to_owned();
                continue;
            }
            self.on_packet(&payload, Carrier::WebSocket)?;
        }
        Ok(())
    }

    /// A packet on its way to the client.
    fn on_packet(&mut self, packet: &str, carrier: Carrier) -> Check {
        let is_data = !matches!(packet, "1" | "6");
        hold!(
            !is_data || !self.is_closed,
            "{packet:?} behind the end of the session"
        );
        hold!(
            !is_data || self.is_upgraded == (carrier == Carrier::WebSocket),
            "{packet:?} leaves by {carrier:?}"
        );
        match packet {
            "1" | "6" => hold!(carrier == Carrier::Polling, "{packet:?} on a WebSocket"),
            "2" => self.pings += 1,
            _ => {
                let number = packet.strip_prefix("4s").and_then(|it| it.parse().ok());
                let number: usize = number.ok_or(format!("{packet:?} was not sent"))?;
                hold!(
                    number == self.came && number < self.sent,
                    "message {number} comes instead of message {}",
                    self.came
                );
                self.came += 1;
            }
        }
        Ok(())
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
