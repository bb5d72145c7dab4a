//! A machine, its application, and a network without delay.

use std::collections::HashMap;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Map, Value, json};
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, FrameKind, Headers, Lost, Machine, Message, Output, Request,
        RequestId, TransportId,
    },
    engine::Codec,
    time::Instant,
};

use super::{
    pattern::Ids,
    rows::{Step, hex, unhex},
};

/// The application above a machine.
pub trait Application: Sized {
    type Machine: Machine;

    /// A server with these settings below the named application.
    fn start(config: &Map<String, Value>, name: Option<&str>) -> (Self::Machine, Self);

    /// An event, and what shows of it.
    fn told(
        &mut self,
        machine: &mut Self::Machine,
        now: Instant,
        event: <Self::Machine as Machine>::Event,
    ) -> Option<Value>;

    /// A step that is the application's.
    fn act(&mut self, machine: &mut Self::Machine, now: Instant, step: &Step)
    -> Result<(), String>;
}

type CodecOf<A> = Codec<<<A as Application>::Machine as Machine>::Parser>;

pub struct World<A: Application> {
    machine: A::Machine,
    application: A,
    path: String,
    now: Instant,
    pub ids: Ids,
    requests: HashMap<String, RequestId>,
    transports: HashMap<String, TransportId>,
    bodies: HashMap<RequestId, Vec<u8>>,
    reading: HashMap<RequestId, (usize, CodecOf<A>)>,
    codecs: HashMap<TransportId, (usize, CodecOf<A>)>,
}

/// Headers of a request.
pub struct HeaderMap(Vec<(String, Vec<u8>)>);

impl HeaderMap {
    /// A value is a text, or an object with bytes as `hex`.
    pub fn new(headers: &Map<String, Value>) -> Self {
        let bytes = |value: &Value| match value {
            Value::String(text) => text.clone().into_bytes(),
            value => unhex(value["hex"].as_str().unwrap()),
        };
        let headers = headers.iter();
        Self(
            headers
                .map(|(name, value)| (name.clone(), bytes(value)))
                .collect(),
        )
    }
}

impl Headers for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.0.iter();
        headers.find_map(|(key, value)| (key == name).then_some(&**value))
    }
}

impl<A: Application> World<A> {
    pub fn new(machine: A::Machine, application: A, path: &str) -> Self {
        Self {
            machine,
            application,
            path: path.to_owned(),
            now: Instant::ORIGIN,
            ids: Ids::default(),
            requests: HashMap::new(),
            transports: HashMap::new(),
            bodies: HashMap::new(),
            reading: HashMap::new(),
            codecs: HashMap::new(),
        }
    }

    /// Runs every deadline before an instant. What shows then was to be written down as a step.
    pub fn pass_time(&mut self, at: u64) -> Vec<Value> {
        let at = Instant::from_millis(at);
        assert!(at >= self.now, "steps go backwards");
        let mut seen = Vec::new();
        while let Some(due) = self.machine.poll_timeout().filter(|&due| due < at) {
            self.now = due;
            self.machine.handle_timeout(due);
            self.drain(&mut seen);
        }
        self.now = at;
        seen
    }

    /// One step: deadlines that are due come first.
    pub fn act(&mut self, step: &Step) -> Result<Vec<Value>, String> {
        let mut seen = Vec::new();
        self.machine.handle_timeout(self.now);
        self.drain(&mut seen);
        let name = &*step.name;
        match &*step.input {
            "wait" => {}
            "request" => self.request(Carrier::Polling, step, &mut seen)?,
            "websocket" => self.request(Carrier::WebSocket, step, &mut seen)?,
            "body" => {
                let id = known(&self.requests, name)?;
                self.bodies.insert(id, self.payload(step)?);
                self.read_body(id);
            }
            "send" => self.receive(step, &mut seen)?,
            "close" => self.lose(name, Lost::Closed { code: 1005 })?,
            // The end of a connection without a close frame (RFC 6455, 7.1.5).
            "lose" => self.lose(name, Lost::Closed { code: 1006 })?,
            _ => self.application.act(&mut self.machine, self.now, step)?,
        }
        self.drain(&mut seen);
        Ok(seen)
    }

    fn request(
        &mut self,
        carrier: Carrier,
        step: &Step,
        seen: &mut Vec<Value>,
    ) -> Result<(), String> {
        let target = format!("{}?{}", self.path, self.ids.fill(&step.query)?);
        let method = match carrier {
            Carrier::WebSocket => "GET",
            Carrier::Polling => &step.method,
        };
        let request = Request {
            carrier,
            method,
            target: &target,
            headers: &HeaderMap::new(&step.headers),
            peer: None,
        };
        let id = self.machine.handle_request(self.now, &request);
        self.requests.insert(step.name.clone(), id);
        self.drain(seen);
        if step.body.is_some() || step.hex.is_some() {
            self.bodies.insert(id, self.payload(step)?);
            self.read_body(id);
        }
        Ok(())
    }

    fn payload(&self, step: &Step) -> Result<Vec<u8>, String> {
        match (&step.body, &step.hex) {
            (Some(body), None) => Ok(self.ids.fill(body)?.into_bytes()),
            (None, Some(hex)) => Ok(unhex(hex)),
            _ => Err("one of body and hex".to_owned()),
        }
    }

    /// Reports a body that is there, if the machine asked for it.
    fn read_body(&mut self, id: RequestId) {
        let Some((limit, codec)) = self.reading.remove(&id) else {
            return;
        };
        let Some(body) = self.bodies.remove(&id) else {
            self.reading.insert(id, (limit, codec));
            return;
        };
        let body = if body.len() > limit {
            BodyRead::TooLarge
        } else {
            BodyRead::Complete(codec.read_body(Bytes::from(body)))
        };
        self.machine.handle_body(self.now, id, body);
    }

    fn receive(&mut self, step: &Step, seen: &mut Vec<Value>) -> Result<(), String> {
        let id = known(&self.transports, &step.name)?;
        let (limit, codec) = self.codecs[&id];
        let (message, len) = match (&step.text, &step.hex) {
            (Some(text), None) => {
                let text = ByteString::from(self.ids.fill(text)?);
                (Message::Text(text.clone()), text.len())
            }
            (None, Some(hex)) => (Message::Binary(Bytes::from(unhex(hex))), hex.len() / 2),
            _ => return Err("one of text and hex".to_owned()),
        };
        if len > limit {
            // The carrier closes by itself (RFC 6455, 7.4.1, code 1009).
            seen.push(json!({"see": "closed", "name": step.name}));
            self.machine
                .handle_transport_lost(self.now, id, Lost::TooBig);
        } else {
            self.machine
                .handle_transport_read(self.now, id, codec.read(message));
        }
        Ok(())
    }

    fn lose(&mut self, name: &str, lost: Lost) -> Result<(), String> {
        if let Some(&transport) = self.transports.get(name) {
            self.machine
                .handle_transport_lost(self.now, transport, lost);
        } else {
            let request = known(&self.requests, name)?;
            self.machine
                .handle_request_end(self.now, request, End::Gone);
        }
        Ok(())
    }

    /// Does what the machine asks for, at once, until it asks for nothing.
    fn drain(&mut self, seen: &mut Vec<Value>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::AbortRequest { .. } | Output::SetReading { .. } => {
                    unreachable!("no conversation is that slow, and none pauses");
                }
                Output::CloseTransport { transport, .. } => {
                    let name = name_of(&self.transports, transport);
                    seen.push(json!({"see": "closed", "name": name}));
                }
                Output::Event(event) => {
                    let now = self.now;
                    let shown = self.application.told(&mut self.machine, now, event);
                    seen.extend(shown.map(|mut shown| {
                        shown["see"] = json!("app");
                        shown
                    }));
                }
                Output::OpenTransport {
                    request,
                    transport,
                    limit,
                    codec,
                    ..
                } => {
                    let name = name_of(&self.requests, request);
                    self.requests.remove(&name);
                    seen.push(json!({"see": "accepted", "name": name}));
                    self.transports.insert(name, transport);
                    self.codecs.insert(transport, (limit, codec));
                    self.machine.handle_transport_open(self.now, transport);
                }
                Output::ReadBody {
                    request,
                    limit,
                    codec,
                } => {
                    self.reading.insert(request, (limit, codec));
                    self.read_body(request);
                }
                Output::Respond { request, response } => {
                    seen.push(json!({
                        "see": "answer",
                        "name": name_of(&self.requests, request),
                        "status": response.status,
                        "body": String::from_utf8_lossy(&response.body),
                    }));
                    self.machine
                        .handle_request_end(self.now, request, End::Sent);
                }
                Output::Transmit { transport, batch } => {
                    let name = name_of(&self.transports, transport);
                    seen.extend(batch.into_frames().map(|frame| match frame.kind {
                        FrameKind::Text => {
                            let text = String::from_utf8_lossy(&frame.payload);
                            json!({"see": "message", "name": name, "text": text})
                        }
                        FrameKind::Binary => {
                            json!({"see": "message", "name": name, "hex": hex(&frame.payload)})
                        }
                    }));
                    self.machine.handle_transport_sent(self.now, transport);
                }
            }
        }
    }
}

fn known<T: Copy>(names: &HashMap<String, T>, name: &str) -> Result<T, String> {
    let id = names.get(name);
    id.copied()
        .ok_or_else(|| format!("nothing is called {name}"))
}

fn name_of<T: Copy + PartialEq>(names: &HashMap<String, T>, id: T) -> String {
    let mut names = names.iter();
    let name = names.find_map(|(name, known)| (*known == id).then_some(name));
    name.cloned().unwrap()
}
