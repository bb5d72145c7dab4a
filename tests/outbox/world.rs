//! One client whose network takes as many bytes as the test says, and a model of what must wait
//! for it.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, FrameKind, Lost, Machine, Message, Output, Request, RequestId,
        SessionKey, TransportId,
    },
    engine::{CloseReason, Codec, Overflow, Statistics},
    socket::{
        Binary, Config, ConfigBuilder, EmitError, Event, Json, Options, Packet, Sent, Server,
        SocketKey, To,
    },
    time::{Instant, UnixTime},
};

use crate::support::{HeaderMap, sid_of};

pub const CAP: usize = 800;
pub const HIGH: usize = 500;
pub const LOW: usize = 200;
pub const BATCH: usize = 400;
/// The core's reserve for packets of the protocol.
const RESERVE: usize = 64 << 10;

/// A small queue with everything a test wants to run into.
pub fn small(policy: Overflow) -> ConfigBuilder {
    Config::builder().engine(|engine| {
        engine
            .max_queued(CAP)
            .high_water(HIGH)
            .low_water(LOW)
            .max_batch(BATCH)
            .max_poll(BATCH)
            .overflow(policy)
            .ping_interval(Duration::from_secs(1))
            .ping_timeout(Duration::from_secs(1))
    })
}

/// A packet that waits, as the model has it.
#[derive(Clone, Debug)]
struct Waiting {
    frames: Vec<Vec<u8>>,
    is_vital: bool,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.frames.iter().map(|frame| frame.len() + 64).sum()
    }

    fn bytes(&self) -> usize {
        self.frames.iter().map(Vec::len).sum()
    }
}

/// Whole packets and frames that went one way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    pub whole: usize,
    frames: u64,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, packet: &Waiting) {
        self.whole += 1;
        self.frames += packet.frames.len() as u64;
        self.bytes += packet.bytes() as u64;
    }
}

pub struct World {
    pub server: Server,
    pub now: Instant,
    pub session: SessionKey,
    pub socket: SocketKey,
    policy: Overflow,
    codec: Codec<Json>,
    sid: String,
    transport: Option<TransportId>,
    poll: Option<RequestId>,
    /// What was handed over and is not yet reported: its bytes.
    out: Option<usize>,
    // The model.
    queue: VecDeque<Waiting>,
    is_high: bool,
    pressures: Vec<(usize, bool)>,
    pub reason: Option<CloseReason>,
    expects_close: bool,
    emits: usize,
    pub accepted: Tally,
    pub handed: Tally,
    pub displaced: Tally,
    pub full: Tally,
    pub discarded: Tally,
    before: Statistics,
}

impl World {
    pub fn new(carrier: Carrier, policy: Overflow, config: &Config) -> Self {
        let mut server = Server::new(config.clone(), [5; 32], UnixTime::default());
        let now = Instant::ORIGIN;
        let mut codec = None;
        let mut transport = None;
        let mut sid = String::new();
        let mut session = None;
        let request = ask(&mut server, now, carrier, "GET", "");
        while let Some(output) = server.poll_output() {
            match output {
                Output::OpenTransport {
                    transport: opened,
                    codec: decodes,
                    ..
                } => {
                    (transport, codec) = (Some(opened), Some(decodes));
                    server.handle_transport_open(now, opened);
                }
                Output::Respond { response, .. } => {
                    sid = sid_of(std::str::from_utf8(&response.body).unwrap());
                    server.handle_request_end(now, request, End::Sent);
                }
                Output::Transmit { transport, .. } => server.handle_transport_sent(now, transport),
                Output::Event(Event::SessionOpened {
                    session: opened, ..
                }) => {
                    session = Some(opened);
                }
                output => panic!("{output:?}"),
            }
        }
        if carrier == Carrier::Polling {
            // Only a data request shows the codec.
            let post = ask(&mut server, now, carrier, "POST", &sid);
            let Some(Output::ReadBody { codec: decodes, .. }) = server.poll_output() else {
                panic!("no body is wanted");
            };
            let inbound = decodes.read_body(Bytes::from_static(b"40"));
            server.handle_body(now, post, BodyRead::Complete(inbound));
            server.handle_request_end(now, post, End::Sent);
            codec = Some(decodes);
        } else {
            let inbound = codec.unwrap().read(Message::Text("40".into()));
            server.handle_transport_read(now, transport.unwrap(), inbound);
        }
        let mut socket = None;
        while let Some(output) = server.poll_output() {
            match output {
                Output::Event(Event::Connecting(connecting)) => {
                    socket = Some(server.accept(now, connecting.pending, &[]).unwrap());
                }
                Output::Transmit { transport, .. } => server.handle_transport_sent(now, transport),
                _ => {}
            }
        }
        if carrier == Carrier::Polling {
            let poll = ask(&mut server, now, carrier, "GET", &sid);
            while server.poll_output().is_some() {}
            server.handle_request_end(now, poll, End::Sent);
        }
        Self {
            before: server.statistics(),
            server,
            now,
            session: session.unwrap(),
            socket: socket.unwrap(),
            policy,
            codec: codec.unwrap(),
            sid,
            transport,
            poll: None,
            out: None,
            queue: VecDeque::new(),
            is_high: false,
            pressures: Vec::new(),
            reason: None,
            expects_close: false,
            emits: 0,
            accepted: Tally::default(),
            handed: Tally::default(),
            displaced: Tally::default(),
            full: Tally::default(),
            discarded: Tally::default(),
        }
    }

    pub fn is_over(&self) -> bool {
        self.expects_close
    }

    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn queued(&self) -> usize {
        self.queue.iter().map(Waiting::cost).sum()
    }

    fn is_writable(&self) -> bool {
        match self.transport {
            Some(_) => self.out.is_none(),
            None => self.poll.is_some() && self.out.is_none(),
        }
    }

    /// Emits an event and checks what becomes of it.
    pub fn emit(&mut self, pad: usize, attachments: &[usize]) -> Result<Sent, EmitError> {
        let (id, pad) = (self.emits, "x".repeat(pad));
        self.emits += 1;
        let contents: Vec<Vec<u8>> = attachments.iter().map(|&n| vec![id as u8; n]).collect();
        let list: Vec<Binary> = contents
            .iter()
            .map(|it| Binary(it.clone().into()))
            .collect();
        let packet = Packet::event("e", &(id, &pad, list)).unwrap();
        let result = self
            .server
            .emit(self.now, To::Socket(self.socket), packet, Options::new());
        let kind = match contents.len() {
            0 => "42".to_owned(),
            count => format!("45{count}-"),
        };
        let places: Vec<String> = (0..contents.len())
            .map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#))
            .collect();
        let text = format!(r#"{kind}["e",{id},"{pad}",[{}]]"#, places.join(","));
        let mut frames = vec![text.into_bytes()];
        frames.extend(contents);
        let packet = Waiting {
            frames,
            is_vital: false,
        };
        if self.expects_close {
            assert_eq!(result, Err(EmitError::Stale));
            return result;
        }
        let (queued, limit) = (self.queued() + packet.cost(), CAP);
        match self.expect(packet) {
            Some(displaced) => {
                let sent = result.expect("the model says that it fits");
                assert_eq!((sent.queued, sent.dropped), (1, 0));
                assert_eq!(sent.displaced, displaced);
            }
            None => assert_eq!(result, Err(EmitError::QueueFull { queued, limit })),
        }
        self.check();
        result
    }

    /// The client asks for a namespace that does not exist; the answer must not be dropped.
    pub fn ask_for_a_refusal(&mut self) {
        if self.expects_close {
            return;
        }
        self.says("40/nowhere");
        let answer = br#"44/nowhere,{"message":"Invalid namespace"}"#;
        self.expect(Waiting {
            frames: vec![answer.to_vec()],
            is_vital: true,
        });
        self.check();
    }

    /// The client answers the last ping, and the next is due. Not while an answer to a poll is on
    /// its way: that has a time of its own.
    pub fn beat(&mut self) {
        if self.expects_close || (self.transport.is_none() && self.out.is_some()) {
            return;
        }
        self.says("3");
        self.check();
        self.now += Duration::from_secs(1);
        self.server.handle_timeout(self.now);
        self.expect(Waiting {
            frames: vec![b"2".to_vec()],
            is_vital: true,
        });
        self.check();
    }

    fn says(&mut self, text: &str) {
        if let Some(transport) = self.transport {
            let inbound = self.codec.read(Message::Text(ByteString::from(text)));
            self.server
                .handle_transport_read(self.now, transport, inbound);
        } else {
            let post = ask(
                &mut self.server,
                self.now,
                Carrier::Polling,
                "POST",
                &self.sid,
            );
            self.drain();
            let inbound = self
                .codec
                .read_body(Bytes::copy_from_slice(text.as_bytes()));
            let body = BodyRead::Complete(inbound);
            self.server.handle_body(self.now, post, body);
            self.server.handle_request_end(self.now, post, End::Sent);
        }
    }

    /// What the model says becomes of a packet: how many it displaces, or that it does not fit.
    fn expect(&mut self, packet: Waiting) -> Option<usize> {
        let goes_at_once = self.queue.is_empty() && self.is_writable();
        let mut displaced = 0;
        if !goes_at_once && !self.queue.is_empty() && self.queued() + packet.cost() > CAP {
            let mut queue = self.queue.clone();
            let mut dropped = Vec::new();
            let fits = match self.policy {
                Overflow::DropOldest => loop {
                    let sum: usize = queue.iter().map(Waiting::cost).sum();
                    if queue.is_empty() || sum + packet.cost() <= CAP {
                        break true;
                    }
                    let Some(oldest) = queue.iter().position(|it| !it.is_vital) else {
                        break false;
                    };
                    dropped.push(queue.remove(oldest).unwrap());
                },
                Overflow::Refuse if packet.is_vital => {
                    self.queued() + packet.cost() <= CAP + RESERVE
                }
                _ => false,
            };
            if !fits {
                self.full.add(&packet);
                if self.policy != Overflow::Refuse || packet.is_vital {
                    self.end();
                }
                return None;
            }
            displaced = dropped.len();
            for packet in &dropped {
                self.displaced.add(packet);
            }
            self.queue = queue;
        }
        self.accepted.add(&packet);
        self.queue.push_back(packet);
        if !goes_at_once {
            self.mark();
        }
        Some(displaced)
    }

    fn mark(&mut self) {
        let queued = self.queued();
        let is_high = queued > if self.is_high { LOW } else { HIGH };
        if is_high != self.is_high {
            self.is_high = is_high;
            self.pressures.push((queued, is_high));
        }
    }

    fn end(&mut self) {
        self.expects_close = true;
        for packet in std::mem::take(&mut self.queue) {
            self.discarded.add(&packet);
        }
        self.transport = None;
        self.out = None;
    }

    /// The network takes so many bytes and no more; then it stands still.
    ///
    /// What was handed over is reported written only if all of it was taken.
    pub fn read(&mut self, budget: &mut usize) {
        while !self.expects_close {
            if self.transport.is_none() && self.poll.is_none() {
                self.poll();
            }
            match self.out {
                Some(size) if size <= *budget => {
                    *budget -= size;
                    self.out = None;
                    match (self.transport, self.poll.take()) {
                        (Some(transport), _) => {
                            self.server.handle_transport_sent(self.now, transport);
                        }
                        (None, Some(poll)) => {
                            self.server.handle_request_end(self.now, poll, End::Sent);
                        }
                        (None, None) => unreachable!("something was handed over"),
                    }
                    self.check();
                }
                _ => return,
            }
        }
    }

    fn poll(&mut self) {
        let poll = ask(
            &mut self.server,
            self.now,
            Carrier::Polling,
            "GET",
            &self.sid,
        );
        self.poll = Some(poll);
        self.check();
    }

    /// The network breaks. Of a batch that was handed over nobody knows whether it arrived.
    pub fn lose(&mut self) {
        if self.expects_close {
            return;
        }
        if let Some(transport) = self.transport {
            self.end();
            self.server
                .handle_transport_lost(self.now, transport, Lost::Failed);
        } else {
            if self.poll.is_none() {
                self.poll();
            }
            let poll = self.poll.take().unwrap();
            self.end();
            self.server.handle_request_end(self.now, poll, End::Gone);
        }
        self.check();
    }

    /// Takes what the machine asks for, and compares it with the model and the statistics.
    fn check(&mut self) {
        self.drain();
        assert_eq!(self.pressures, [], "pressure that was not told");
        assert_eq!(self.reason.is_some(), self.expects_close);
        let queued = self.server.queued(self.session);
        let expected = (!self.expects_close).then(|| self.queued());
        assert_eq!(queued, expected);
        let now = self.server.statistics();
        assert_eq!(now.queued_bytes, self.queued());
        assert_eq!(
            now.sent_packets - self.before.sent_packets,
            self.handed.frames
        );
        for (count, tally) in [
            (now.dropped_overflow, self.displaced),
            (now.dropped_full, self.full),
            (now.dropped_closed, self.discarded),
        ] {
            assert_eq!((count.packets, count.bytes), (tally.frames, tally.bytes));
        }
        assert_eq!(now.dropped_volatile.packets, 0);
        assert_eq!(
            self.accepted.whole,
            self.handed.whole + self.displaced.whole + self.queue.len() + self.discarded.whole
        );
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Transmit { batch, transport } => {
                    assert_eq!(Some(transport), self.transport);
                    let frames: Vec<_> = batch
                        .into_frames()
                        .map(|frame| (frame.kind, frame.payload.to_vec()))
                        .collect();
                    self.out = Some(frames.iter().map(|(_, bytes)| bytes.len()).sum());
                    let sum: usize = frames.iter().map(|(_, bytes)| bytes.len() + 64).sum();
                    self.take(&frames, sum);
                }
                Output::Respond { request, response } if Some(request) == self.poll => {
                    assert_eq!(response.status, 200);
                    self.out = Some(response.body.len());
                    let packets = response.body.split(|&byte| byte == 0x1e);
                    let frames: Vec<_> = packets.map(decode).collect();
                    self.take(&frames, response.body.len());
                }
                Output::Event(event) => self.on_event(&event),
                _ => {}
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        assert!(self.reason.is_none(), "{event:?} after the close");
        match *event {
            Event::Pressure {
                session,
                queued,
                is_high,
            } => {
                assert_eq!(session, self.session);
                assert!(!self.pressures.is_empty(), "{queued} {is_high} untimely");
                assert_eq!(self.pressures.remove(0), (queued, is_high));
            }
            Event::SessionClosed { reason, .. } => self.reason = Some(reason),
            _ => {}
        }
    }

    /// Whole packets came out: those that have waited longest, in order.
    fn take(&mut self, frames: &[(FrameKind, Vec<u8>)], weight: usize) {
        let mut left = frames;
        let mut count = 0;
        while !left.is_empty() {
            let packet = self.queue.pop_front().expect("a packet that nobody sent");
            let (own, rest) = left.split_at_checked(packet.frames.len()).expect("parted");
            for (i, ((kind, bytes), expected)) in own.iter().zip(&packet.frames).enumerate() {
                assert_eq!(bytes, expected);
                assert_eq!(*kind == FrameKind::Binary, i > 0);
            }
            self.handed.add(&packet);
            left = rest;
            count += 1;
        }
        assert!(
            count == 1 || weight <= BATCH,
            "{count} packets weigh {weight}"
        );
        self.mark();
    }
}

fn decode(packet: &[u8]) -> (FrameKind, Vec<u8>) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    match packet {
        [b'b', text @ ..] => (FrameKind::Binary, STANDARD.decode(text).unwrap()),
        text => (FrameKind::Text, text.to_vec()),
    }
}

fn ask(server: &mut Server, now: Instant, carrier: Carrier, method: &str, sid: &str) -> RequestId {
    let transport = match carrier {
        Carrier::Polling => "polling",
        Carrier::WebSocket => "websocket",
    };
    let mut target = format!("/socket.io/?EIO=4&transport={transport}");
    if !sid.is_empty() {
        target += "&sid=";
        target += sid;
    }
    server.handle_request(
        now,
        &Request {
            carrier,
            method,
            target: &target,
            headers: &HeaderMap::default(),
            peer: None,
        },
    )
}
