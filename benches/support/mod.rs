//! Clients for benchmarks: connected over WebSocket, without a socket or a runtime.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "shared by benchmarks, which fail loudly"
)]

use bytestring::ByteString;
use socketio_proto::{
    edge::{Carrier, End, Headers, Machine, Message, Output, Request, RequestId, TransportId},
    engine::Codec,
    socket::{Config, Event, Json, Server, SocketKey},
    time::{Instant, UnixTime},
};

pub struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

#[derive(Clone, Copy)]
pub struct Client {
    pub transport: TransportId,
    pub socket: SocketKey,
}

pub struct World {
    pub server: Server,
    pub codec: Codec<Json>,
    pub now: Instant,
}

impl World {
    pub fn new() -> Self {
        let mut server = Server::new(Config::default(), [7; 32], UnixTime::default());
        let codec = first_codec(&mut server);
        Self {
            server,
            codec,
            now: Instant::ORIGIN,
        }
    }

    /// A client that is connected, accepted in `/` and idle.
    pub fn connect(&mut self) -> Client {
        let transport = open(&mut self.server, self.now);
        let inbound = self.codec.read(Message::Text(ByteString::from("40")));
        self.server
            .handle_transport_read(self.now, transport, inbound);
        let Some(Output::Event(Event::Connecting(connecting))) = self.server.poll_output() else {
            panic!("no CONNECT");
        };
        let socket = self
            .server
            .accept(self.now, connecting.pending, &[])
            .unwrap();
        self.settle();
        Client { transport, socket }
    }

    /// Reports every batch as written until nothing is left to do.
    pub fn settle(&mut self) -> usize {
        let mut outputs = 0;
        while let Some(output) = self.server.poll_output() {
            outputs += 1;
            if let Output::Transmit { transport, .. } = output {
                self.server.handle_transport_sent(self.now, transport);
            }
        }
        outputs
    }
}

fn request(server: &mut Server, now: Instant) -> RequestId {
    server.handle_request(
        now,
        &Request {
            carrier: Carrier::WebSocket,
            method: "GET",
            target: "/socket.io/?EIO=4&transport=websocket",
            headers: &NoHeaders,
            peer: None,
        },
    )
}

fn first_codec(server: &mut Server) -> Codec<Json> {
    let id = request(server, Instant::ORIGIN);
    let Some(Output::OpenTransport { codec, .. }) = server.poll_output() else {
        panic!("no WebSocket");
    };
    server.handle_request_end(Instant::ORIGIN, id, End::Gone);
    codec
}

fn open(server: &mut Server, now: Instant) -> TransportId {
    request(server, now);
    let Some(Output::OpenTransport { transport, .. }) = server.poll_output() else {
        panic!("no WebSocket");
    };
    server.handle_transport_open(now, transport);
    while let Some(output) = server.poll_output() {
        if let Output::Transmit { transport, .. } = output {
            server.handle_transport_sent(now, transport);
        }
    }
    transport
}
