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
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let mut server = Server::new(config, [7; 32], UnixTime::default());
        let codec = first_codec(&mut server);
        Self {
            server,
            codec,
            now: Instant::ORIGIN,
        }
    }

    /// A client that is connected, accepted in `/` and idle.
    pub fn connect(&mut self) -> Client {
        self.connect_answered("40").0
    }

    /// The same with a CONNECT of the caller's choice, and the answer to it.
    pub fn connect_answered(&mut self, connect: &str) -> (Client, String) {
        let transport = self.open();
        let inbound = self.codec.read(Message::Text(ByteString::from(connect)));
        self.server
            .handle_transport_read(self.now, transport, inbound);
        let Some(Output::Event(Event::Connecting(connecting))) = self.server.poll_output() else {
            panic!("no CONNECT");
        };
        let socket = self
            .server
            .accept(self.now, connecting.pending, &[])
            .unwrap();
        let mut answer = String::new();
        while let Some(output) = self.server.poll_output() {
            if let Output::Transmit { transport, batch } = output {
                for frame in batch.into_frames() {
                    answer += &String::from_utf8_lossy(&frame.payload);
                }
                self.server.handle_transport_sent(self.now, transport);
            }
        }
        (Client { transport, socket }, answer)
    }

    /// A connection that is in no namespace.
    pub fn open(&mut self) -> TransportId {
        open(&mut self.server, self.now)
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
