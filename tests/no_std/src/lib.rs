//! Both server machines in a static library without `std`.
//!
//! It has a panic handler of its own. A dependency of the core that brings `std` brings another
//! one, and the build fails with `found duplicate lang item panic_impl`. The feature
//! `std-by-a-dependency` does just that. `main.c` links the library and calls it.

#![no_std]

extern crate alloc;

mod allocator;

use alloc::{format, string::String, vec::Vec};
use core::{panic::PanicInfo, str};

use bytestring::ByteString;
#[cfg(feature = "std-by-a-dependency")]
use serde as _;
use socketio_proto::{
    edge::{
        BodyRead, Carrier, End, Headers, Machine, Message, Output, Request, RequestId, Response,
    },
    engine::{self, Codec},
    socket::{self, Args, Options, Packet, To},
    time::{Instant, UnixTime},
};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: `abort` of the C library has no preconditions.
    unsafe { abort() }
}

/// Opens a session of an Engine.IO server by long-polling, sends a message to the client, and gives
/// the length of the body that carries it, or zero.
#[unsafe(no_mangle)]
pub extern "C" fn engine_server_answers_a_poll() -> usize {
    let server = engine::Server::new(engine::Config::default(), [1; 32]);
    let mut caller = Caller::new(server, "/engine.io/");
    let Some(sid) = caller.open_session() else {
        return 0;
    };
    let Some(session) = caller.events.iter().find_map(|event| match event {
        engine::Event::SessionOpened { session, .. } => Some(*session),
        _ => None,
    }) else {
        return 0;
    };
    let message = Message::Text(ByteString::from_static("hello"));
    if caller.machine.send(caller.now, session, message).is_err() {
        return 0;
    }
    caller.request("GET", &sid);
    caller.take_answer().map_or(0, |answer| answer.body.len())
}

/// Connects a client to a Socket.IO server by long-polling, answers its event, and gives how many
/// bytes of Socket.IO packets the client received, or zero.
#[unsafe(no_mangle)]
pub extern "C" fn socket_server_answers_an_event() -> usize {
    let config = socket::Config::default();
    let server = socket::Server::new(config, [2; 32], UnixTime::default());
    let mut caller = Caller::new(server, "/socket.io/");
    let Some(sid) = caller.open_session() else {
        return 0;
    };
    caller.post(&sid, "40");
    while let Some(event) = caller.events.pop() {
        if let socket::Event::Connecting(connecting) = event {
            let pending = connecting.pending;
            _ = caller.machine.accept(caller.now, pending, &["room"]);
        }
    }
    caller.post(&sid, "42[\"echo\",1,\"two\"]");
    let mut echoed = false;
    while let Some(event) = caller.events.pop() {
        if let socket::Event::Packet { socket, args, .. } = event {
            echoed |= echo(&mut caller.machine, caller.now, socket, &args);
        }
    }
    caller.request("GET", &sid);
    let answer = caller.take_answer().filter(|_| echoed);
    answer.map_or(0, |answer| answer.body.len())
}

fn echo(server: &mut socket::Server, now: Instant, to: socket::SocketKey, args: &Args) -> bool {
    let Ok((number, text)) = args.parse::<(u8, String)>() else {
        return false;
    };
    let Ok(packet) = Packet::event(args.name(), &(number, text)) else {
        return false;
    };
    let sent = server.emit(now, To::Socket(to), packet, Options::new());
    sent.is_ok()
}

/// The caller's side: what a runtime does, for one request at a time.
struct Caller<M: Machine> {
    machine: M,
    path: &'static str,
    now: Instant,
    events: Vec<M::Event>,
    answer: Option<Response>,
    body: Option<(RequestId, Codec<M::Parser>)>,
}

impl<M: Machine> Caller<M> {
    fn new(machine: M, path: &'static str) -> Self {
        Self {
            machine,
            path,
            now: Instant::ORIGIN,
            events: Vec::new(),
            answer: None,
            body: None,
        }
    }

    fn open_session(&mut self) -> Option<String> {
        self.request("GET", "");
        let answer = self.take_answer()?;
        let text = str::from_utf8(&answer.body).ok()?;
        let sid = text.split("\"sid\":\"").nth(1)?.split('"').next()?;
        Some(String::from(sid))
    }

    fn request(&mut self, method: &str, sid: &str) {
        let path = self.path;
        let target = if sid.is_empty() {
            format!("{path}?EIO=4&transport=polling")
        } else {
            format!("{path}?EIO=4&transport=polling&sid={sid}")
        };
        let request = Request {
            carrier: Carrier::Polling,
            method,
            target: &target,
            headers: &NoHeaders,
            peer: None,
        };
        self.machine.handle_request(self.now, &request);
        self.drain();
    }

    fn post(&mut self, sid: &str, body: &'static str) {
        self.request("POST", sid);
        if let Some((request, codec)) = self.body.take() {
            let inbound = codec.read_body(body.into());
            self.machine
                .handle_body(self.now, request, BodyRead::Complete(inbound));
            self.drain();
        }
    }

    fn take_answer(&mut self) -> Option<Response> {
        self.drain();
        self.answer.take()
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                // Nobody asks for a WebSocket here.
                Output::AbortRequest { .. }
                | Output::CloseTransport { .. }
                | Output::OpenTransport { .. }
                | Output::SetReading { .. }
                | Output::Transmit { .. } => {}
                Output::Event(event) => self.events.push(event),
                Output::ReadBody { request, codec, .. } => self.body = Some((request, codec)),
                Output::Respond { request, response } => {
                    self.answer = Some(*response);
                    self.machine
                        .handle_request_end(self.now, request, End::Sent);
                }
            }
        }
        if self.machine.poll_timeout().is_some() {
            // Early, which is harmless.
            self.machine.handle_timeout(self.now);
        }
    }
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }
}
