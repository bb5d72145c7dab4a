//! Drives a machine by hand and prints what it asks for, so that tests read like transcripts.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by several test programs, which fail loudly"
)]

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, FrameKind, Headers, Lost, Machine, Message, Output, Request,
        RequestId, TransportId,
    },
    engine::Codec,
    time::Instant,
};

/// Headers of a request.
#[derive(Default)]
pub struct HeaderMap(pub Vec<(&'static str, Vec<u8>)>);

impl Headers for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.0.iter();
        headers.find_map(|(key, value)| (*key == name).then_some(&**value))
    }
}

/// What the caller keeps of a request or transport.
struct Side<P> {
    codec: Option<Codec<P>>,
}

/// A machine, a clock moved by hand, and short names for its requests and transports.
pub struct Driver<M: Machine> {
    pub machine: M,
    pub now: Instant,
    path: &'static str,
    requests: Vec<RequestId>,
    transports: Vec<TransportId>,
    request_codecs: HashMap<RequestId, Side<M::Parser>>,
    transport_codecs: HashMap<TransportId, Side<M::Parser>>,
    print: fn(&M::Event) -> String,
    pub events: Vec<M::Event>,
}

impl<M: Machine> Driver<M> {
    pub fn new(machine: M, path: &'static str, print: fn(&M::Event) -> String) -> Self {
        Self {
            machine,
            now: Instant::ORIGIN,
            path,
            requests: Vec::new(),
            transports: Vec::new(),
            request_codecs: HashMap::new(),
            transport_codecs: HashMap::new(),
            print,
            events: Vec::new(),
        }
    }

    pub fn sleep(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.machine.handle_timeout(self.now);
    }

    pub fn get(&mut self, query: &str) -> usize {
        self.request(Carrier::Polling, "GET", query, &HeaderMap::default())
    }

    pub fn post(&mut self, query: &str) -> usize {
        self.request(Carrier::Polling, "POST", query, &HeaderMap::default())
    }

    /// A WebSocket handshake; it becomes a transport if the machine says so.
    pub fn websocket(&mut self, query: &str) -> usize {
        self.request(Carrier::WebSocket, "GET", query, &HeaderMap::default())
    }

    pub fn request(
        &mut self,
        carrier: Carrier,
        method: &str,
        query: &str,
        headers: &HeaderMap,
    ) -> usize {
        let target = format!("{}?{query}", self.path);
        let id = self.machine.handle_request(
            self.now,
            &Request {
                carrier,
                method,
                target: &target,
                headers,
                peer: None,
            },
        );
        self.requests.push(id);
        self.requests.len() - 1
    }

    pub fn body(&mut self, request: usize, body: &[u8]) {
        let id = self.requests[request];
        let codec = self.request_codecs[&id].codec.unwrap();
        let inbound = codec.read_body(Bytes::copy_from_slice(body));
        self.machine
            .handle_body(self.now, id, BodyRead::Complete(inbound));
    }

    pub fn body_too_large(&mut self, request: usize) {
        let id = self.requests[request];
        self.machine.handle_body(self.now, id, BodyRead::TooLarge);
    }

    pub fn end(&mut self, request: usize, end: End) {
        self.machine
            .handle_request_end(self.now, self.requests[request], end);
    }

    pub fn open(&mut self, transport: usize) {
        self.machine
            .handle_transport_open(self.now, self.transports[transport]);
    }

    pub fn text(&mut self, transport: usize, text: &str) {
        self.read(transport, Message::Text(ByteString::from(text)));
    }

    pub fn binary(&mut self, transport: usize, bytes: &[u8]) {
        self.read(transport, Message::Binary(Bytes::copy_from_slice(bytes)));
    }

    fn read(&mut self, transport: usize, message: Message) {
        let id = self.transports[transport];
        let inbound = self.transport_codecs[&id].codec.unwrap().read(message);
        self.machine.handle_transport_read(self.now, id, inbound);
    }

    pub fn sent(&mut self, transport: usize) {
        self.machine
            .handle_transport_sent(self.now, self.transports[transport]);
    }

    pub fn lost(&mut self, transport: usize, lost: Lost) {
        self.machine
            .handle_transport_lost(self.now, self.transports[transport], lost);
    }

    pub fn request_id(&self, request: usize) -> RequestId {
        self.requests[request]
    }

    pub fn last_request(&self) -> usize {
        self.requests.len() - 1
    }

    pub fn has_transports(&self) -> bool {
        !self.transports.is_empty()
    }

    /// Everything the machine asks for, one line each.
    pub fn take(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            lines.push(self.line(output));
        }
        lines
    }

    /// Takes all outputs and reports every batch as written, until nothing moves.
    pub fn run(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut moved = Vec::new();
            while let Some(output) = self.machine.poll_output() {
                match &output {
                    Output::Transmit { transport, .. } => moved.push((None, Some(*transport))),
                    Output::Respond { request, .. } => moved.push((Some(*request), None)),
                    _ => {}
                }
                lines.push(self.line(output));
            }
            if moved.is_empty() {
                return lines;
            }
            for (request, transport) in moved {
                if let Some(request) = request {
                    self.machine
                        .handle_request_end(self.now, request, End::Sent);
                }
                if let Some(transport) = transport {
                    self.machine.handle_transport_sent(self.now, transport);
                }
            }
        }
    }

    fn line(&mut self, output: Output<M::Event, M::Parser>) -> String {
        match output {
            Output::AbortRequest { request } => format!("abort {}", self.request_name(request)),
            Output::SetReading { paused, transport } => {
                let what = if paused { "pause" } else { "resume" };
                format!("{what} {}", self.transport_name(transport))
            }
            Output::CloseTransport { transport, abort } => {
                let how = if abort { "abort" } else { "close" };
                format!("{how} {}", self.transport_name(transport))
            }
            Output::Event(event) => {
                let line = (self.print)(&event);
                self.events.push(event);
                line
            }
            Output::OpenTransport {
                request,
                transport,
                codec,
                ..
            } => {
                self.transports.push(transport);
                self.transport_codecs
                    .insert(transport, Side { codec: Some(codec) });
                let name = self.transport_name(transport);
                format!("{} becomes {name}", self.request_name(request))
            }
            Output::ReadBody { request, codec, .. } => {
                self.request_codecs
                    .insert(request, Side { codec: Some(codec) });
                format!("read body of {}", self.request_name(request))
            }
            Output::Respond { request, response } => format!(
                "answer {}: {} {}",
                self.request_name(request),
                response.status,
                show(&response.body)
            ),
            Output::Transmit { transport, batch } => {
                let frames: Vec<String> = batch
                    .into_frames()
                    .map(|frame| match frame.kind {
                        FrameKind::Text => show(&frame.payload),
                        FrameKind::Binary => format!("<{}>", hex(&frame.payload)),
                    })
                    .collect();
                format!(
                    "write {}: {}",
                    self.transport_name(transport),
                    frames.join(" ")
                )
            }
        }
    }

    fn request_name(&self, id: RequestId) -> String {
        let index = self.requests.iter().position(|&known| known == id);
        // An answer may come before `handle_request` has returned its name to us.
        format!("r{}", index.unwrap_or(self.requests.len()))
    }

    fn transport_name(&self, id: TransportId) -> String {
        let index = self.transports.iter().position(|&known| known == id);
        format!("t{}", index.unwrap())
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{1e}', "␞")
}

pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// The `sid` in an open packet.
pub fn sid_of(line: &str) -> String {
    let start = line.find("\"sid\":\"").unwrap() + 7;
    line[start..start + 20].to_owned()
}
