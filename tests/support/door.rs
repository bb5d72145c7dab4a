//! Asks an Engine.IO server one request at a time and says what became of it.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by several test programs, which fail loudly"
)]

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, Frame, FrameKind, HeaderList, Headers, Machine as _, Message,
        Output, Request, RequestId, Response, ResponseKind, SessionKey, TransportId,
    },
    engine::{Codec, Config, Event, Raw, Refusal, Server},
    time::Instant,
};

pub const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
pub const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

/// A request's head.
#[derive(Clone)]
pub struct Head {
    pub carrier: Carrier,
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl Head {
    pub fn http(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            carrier: Carrier::Polling,
            method,
            target: target.into(),
            headers: Vec::new(),
        }
    }

    pub fn get(target: impl Into<String>) -> Self {
        Self::http("GET", target)
    }

    pub fn post(target: impl Into<String>) -> Self {
        Self::http("POST", target)
    }

    pub fn websocket(target: impl Into<String>) -> Self {
        Self {
            carrier: Carrier::WebSocket,
            ..Self::get(target)
        }
    }

    pub fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }
}

impl Headers for Head {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        headers.find_map(|(key, value)| (*key == name).then_some(&**value))
    }
}

/// What became of a request at once.
#[derive(Debug)]
pub enum Fate {
    Accepted {
        transport: TransportId,
        kind: ResponseKind,
        headers: HeaderList,
        limit: usize,
        codec: Codec<Raw>,
    },
    Answered(Response),
    Reads {
        limit: usize,
        codec: Codec<Raw>,
    },
    Waits,
}

#[derive(Debug)]
pub struct Asked {
    pub id: RequestId,
    pub fate: Fate,
    pub refusal: Option<Refusal>,
}

impl Asked {
    pub fn response(&self) -> &Response {
        match &self.fate {
            Fate::Answered(response) => response,
            fate => panic!("not answered: {fate:?}"),
        }
    }

    pub fn transport(&self) -> TransportId {
        match &self.fate {
            Fate::Accepted { transport, .. } => *transport,
            fate => panic!("not accepted: {fate:?}"),
        }
    }

    pub fn codec(&self) -> Codec<Raw> {
        match &self.fate {
            Fate::Accepted { codec, .. } | Fate::Reads { codec, .. } => *codec,
            fate => panic!("nothing to decode: {fate:?}"),
        }
    }

    /// The status and code of a refusal that has a code.
    pub fn refused(&self) -> (u16, u8) {
        let refusal = self.refusal.expect("the request is refused");
        (
            self.response().status,
            refusal.code().expect("it has a code"),
        )
    }
}

/// A server, and everything that it asked for.
pub struct Door {
    pub server: Server,
    pub now: Instant,
    pub events: Vec<Event>,
    pub answers: Vec<(RequestId, Response)>,
    pub closed: Vec<TransportId>,
    pub written: Vec<(TransportId, Vec<Frame>)>,
}

impl Door {
    pub fn new(config: Config) -> Self {
        Self {
            server: Server::new(config, [7; 32]),
            now: Instant::ORIGIN,
            events: Vec::new(),
            answers: Vec::new(),
            closed: Vec::new(),
            written: Vec::new(),
        }
    }

    pub fn by_default() -> Self {
        Self::new(Config::default())
    }

    pub fn ask(&mut self, head: &Head) -> Asked {
        let request = Request {
            carrier: head.carrier,
            method: head.method,
            target: &head.target,
            headers: head,
            peer: None,
        };
        let id = self.server.handle_request(self.now, &request);
        let mut asked = Asked {
            id,
            fate: Fate::Waits,
            refusal: None,
        };
        for output in self.drain() {
            match output {
                Output::OpenTransport {
                    request,
                    transport,
                    kind,
                    headers,
                    limit,
                    codec,
                } if request == id => {
                    asked.fate = Fate::Accepted {
                        transport,
                        kind,
                        headers,
                        limit,
                        codec,
                    };
                }
                Output::ReadBody {
                    request,
                    limit,
                    codec,
                } if request == id => asked.fate = Fate::Reads { limit, codec },
                Output::Respond { request, response } if request == id => {
                    asked.fate = Fate::Answered(*response);
                }
                output => self.file(output),
            }
        }
        asked.refusal = self.events.iter().find_map(|event| match event {
            Event::Refused { request, refusal } if *request == id => Some(*refusal),
            _ => None,
        });
        if let Fate::Answered(_) = asked.fate {
            self.server.handle_request_end(self.now, id, End::Sent);
            self.settle();
        }
        asked
    }

    fn drain(&mut self) -> Vec<Output<Event, Raw>> {
        std::iter::from_fn(|| self.server.poll_output()).collect()
    }

    fn file(&mut self, output: Output<Event, Raw>) {
        match output {
            Output::CloseTransport { transport, .. } => self.closed.push(transport),
            Output::Event(event) => self.events.push(event),
            Output::Respond { request, response } => {
                self.answers.push((request, *response));
                self.server.handle_request_end(self.now, request, End::Sent);
            }
            Output::Transmit { transport, batch } => {
                self.written
                    .push((transport, batch.into_frames().collect()));
                self.server.handle_transport_sent(self.now, transport);
            }
            output => panic!("unexpected: {output:?}"),
        }
    }

    /// Takes what the machine asks for and reports it done.
    pub fn settle(&mut self) {
        loop {
            let outputs = self.drain();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.file(output);
            }
        }
    }

    pub fn sleep(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.server.handle_timeout(self.now);
        self.settle();
    }

    /// The body of a request that is read.
    pub fn body(&mut self, asked: &Asked, body: impl Into<Bytes>) {
        let body = BodyRead::Complete(asked.codec().read_body(body.into()));
        self.server.handle_body(self.now, asked.id, body);
        self.settle();
    }

    /// The later answer to a request.
    pub fn answer(&self, asked: &Asked) -> &Response {
        let mut answers = self.answers.iter();
        let answer = answers.find(|(request, _)| *request == asked.id);
        &answer.expect("the request is answered").1
    }

    /// A data request with a body.
    pub fn post(&mut self, target: &str, body: &str) -> Response {
        let asked = self.ask(&Head::post(target));
        self.body(&asked, body.to_owned());
        self.answer(&asked).clone()
    }

    /// A data request whose body is sent if it is wanted.
    pub fn post_if_read(&mut self, target: &str, body: &str) {
        let asked = self.ask(&Head::post(target));
        if let Fate::Reads { .. } = asked.fate {
            self.body(&asked, body.to_owned());
        }
    }

    pub fn open_transport(&mut self, asked: &Asked) {
        self.server
            .handle_transport_open(self.now, asked.transport());
        self.settle();
    }

    pub fn text(&mut self, asked: &Asked, text: &str) {
        let message = Message::Text(ByteString::from(text));
        let inbound = asked.codec().read(message);
        self.server
            .handle_transport_read(self.now, asked.transport(), inbound);
        self.settle();
    }

    /// The texts that were written to a WebSocket, batch by batch.
    pub fn texts(&self, asked: &Asked) -> Vec<Vec<String>> {
        let batches = self.written.iter();
        batches
            .filter(|(transport, _)| *transport == asked.transport())
            .map(|(_, frames)| frames.iter().map(show).collect())
            .collect()
    }

    /// Opens a polling session; gives its target.
    pub fn open_polling(&mut self) -> String {
        let asked = self.ask(&Head::get(POLLING));
        let sid = sid_of(&asked.response().body);
        format!("{POLLING}&sid={sid}")
    }

    /// Opens a WebSocket session.
    pub fn open_websocket(&mut self) -> (Asked, String) {
        let asked = self.ask(&Head::websocket(WEBSOCKET));
        self.open_transport(&asked);
        let sid = self.sid(self.last_opened());
        (asked, sid)
    }

    pub fn last_opened(&self) -> SessionKey {
        let opened = self.events.iter().rev().find_map(|event| match event {
            Event::SessionOpened { session, .. } => Some(*session),
            _ => None,
        });
        opened.expect("a session opened")
    }

    pub fn sid(&self, session: SessionKey) -> String {
        self.server.session_id(session).unwrap().expose()
    }

    pub fn messages(&self) -> usize {
        let messages = self.events.iter();
        messages
            .filter(|event| matches!(event, Event::Message { .. }))
            .count()
    }
}

fn show(frame: &Frame) -> String {
    match frame.kind {
        FrameKind::Text => String::from_utf8(frame.payload.to_vec()).unwrap(),
        FrameKind::Binary => format!("{:?}", &*frame.payload),
    }
}

/// The session id in an open packet.
pub fn sid_of(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let sid = text.strip_prefix(r#"0{"sid":""#).unwrap();
    sid.split('"').next().unwrap().to_owned()
}

/// The target on the other transport.
pub fn on_websocket(target: &str) -> String {
    target.replace("transport=polling", "transport=websocket")
}

/// One line for each header.
pub fn lines<'a>(headers: impl IntoIterator<Item = (&'static str, &'a str)>) -> Vec<String> {
    let headers = headers.into_iter();
    headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

pub fn list(headers: &HeaderList) -> Vec<String> {
    lines(headers.iter().map(|(name, value)| (*name, &**value)))
}
