//! What the layer above asks for, and what it is told that no output shows.

use alloc::{format, string::String, vec::Vec};

use bytes::Bytes;

use super::{Budget, Fate, Link, Sessions};
use crate::{
    edge::{Carrier, Headers, Message, Output, Request, SessionKey},
    engine::{CloseReason, Config, Event, Raw, outbox::Outgoing},
    outputs::Outputs,
    time::Instant,
};

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

struct World {
    sessions: Sessions<Raw>,
    out: Outputs<Event, Raw>,
}

impl World {
    fn new() -> Self {
        Self {
            sessions: Sessions::new(Config::default(), Raw, [1; 32]),
            out: Outputs::new(),
        }
    }

    fn request(&mut self, carrier: Carrier, method: &str, query: &str) {
        let target = format!("/engine.io/?EIO=4&{query}");
        let head = Request {
            carrier,
            method,
            target: &target,
            headers: &NoHeaders,
            peer: None,
        };
        self.sessions.handle_request(&head, &mut self.out);
    }

    /// A session over polling; its query from now on.
    fn poller(&mut self) -> (SessionKey, String) {
        self.request(Carrier::Polling, "GET", "transport=polling");
        let session = self.session();
        let id = self.sessions.id(session).unwrap();
        (session, format!("transport=polling&sid={}", id.as_str()))
    }

    /// A session over a WebSocket, whose handshake is still being written; or the probe of one.
    fn websocket(&mut self, query: &str) {
        let query = format!("transport=websocket{query}");
        self.request(Carrier::WebSocket, "GET", &query);
        while let Some(output) = self.out.pop() {
            if let Output::OpenTransport { transport, .. } = output {
                self.sessions
                    .handle_transport_open(transport, &mut self.out);
            }
        }
    }

    fn session(&self) -> SessionKey {
        self.sessions.keys().next().unwrap()
    }

    /// Whether the packet is held.
    fn send(&mut self, session: SessionKey) -> bool {
        let packet = Outgoing::text(Bytes::from_static(b"4hi"));
        let sent = self.sessions.send(session, packet, false, &mut self.out);
        matches!(sent.unwrap(), Fate::Queued { held: true, .. })
    }

    /// What was handed over to its WebSocket is written.
    fn sent(&mut self, session: SessionKey) {
        if let Link::WebSocket { transport, .. } = self.sessions.lane(session).unwrap().link {
            self.sessions
                .handle_transport_sent(transport, &mut self.out);
        }
    }

    /// Lets deadlines run at an instant.
    fn at(&mut self, millis: u64) {
        self.sessions.set_now(Instant::from_millis(millis));
        let mut budget = Budget::unlimited();
        self.sessions.handle_timeout(&mut budget, &mut self.out);
    }

    /// A pong arrives; when was sent what has certainly been received?
    fn pong(&mut self, session: SessionKey) -> u64 {
        let Link::WebSocket { transport, .. } = self.sessions.lane(session).unwrap().link else {
            return 0;
        };
        let inbound = self.sessions.codec().read(Message::Text("3".into()));
        let delivery = self.sessions.begin_message(transport, inbound);
        let mut delivery = delivery.unwrap();
        let message = self.sessions.next_message(&mut delivery, &mut self.out);
        assert!(message.is_none());
        let received = self.sessions.received(session).unwrap();
        received.as_micros() / 1_000
    }

    fn abort(&mut self, session: SessionKey) -> Vec<String> {
        while self.out.pop().is_some() {}
        let reason = CloseReason::ForcedClose;
        self.sessions.abort(session, reason, &mut self.out);
        let mut lines = Vec::new();
        while let Some(output) = self.out.pop() {
            lines.push(match output {
                Output::CloseTransport { abort, .. } => format!("close, abort: {abort}"),
                Output::Respond { response, .. } => {
                    let body = str::from_utf8(&response.body).unwrap();
                    format!("{} {body}", response.status)
                }
                Output::Event(Event::SessionClosed { reason, .. }) => format!("{reason:?}"),
                output => format!("{output:?}"),
            });
        }
        lines
    }
}

#[test]
fn an_aborted_websocket_is_cut_off_whether_or_not_it_was_busy() {
    for is_busy in [false, true] {
        let mut world = World::new();
        world.websocket("");
        let session = world.session();
        if is_busy {
            world.send(session);
        } else {
            world.sent(session);
        }
        assert_eq!(world.abort(session), ["close, abort: true", "ForcedClose"]);
        let stats = world.sessions.statistics();
        assert_eq!((stats.queued_bytes, stats.transports), (0, 0));
        assert_eq!(stats.dropped_closed.packets, u64::from(is_busy));
    }
}

#[test]
fn an_aborted_poller_has_its_requests_answered_and_its_probe_cut_off() {
    let mut world = World::new();
    let (session, query) = world.poller();
    world.request(Carrier::Polling, "POST", &query);
    world.websocket(&query.replace("transport=polling", ""));
    world.request(Carrier::Polling, "GET", &query);
    assert_eq!(
        world.abort(session),
        [
            "400 {\"code\":3,\"message\":\"Bad request\"}",
            "200 1",
            "close, abort: true",
            "ForcedClose"
        ]
    );
    assert_eq!(world.sessions.len(), 0);
    assert_eq!(world.sessions.statistics().transports, 0);
}

#[test]
fn a_packet_is_held_while_its_websocket_is_busy() {
    let mut world = World::new();
    world.websocket("");
    let session = world.session();
    assert!(world.send(session), "the handshake is being written");
    world.sent(session);
    assert!(world.send(session), "the first packet is being written");
    world.sent(session);
    world.sent(session);
    assert!(!world.send(session));
    assert!(world.send(session));
}

#[test]
fn a_packet_is_held_without_a_poll() {
    let mut world = World::new();
    let (session, query) = world.poller();
    world.request(Carrier::Polling, "GET", &query);
    assert!(!world.send(session));
    assert!(world.send(session));
}

#[test]
fn a_pong_says_nothing_of_what_was_sent_behind_its_own_ping() {
    let mut world = World::new();
    world.websocket("");
    let session = world.session();
    assert_eq!(world.pong(session), 0, "nobody asked for it");
    world.at(25_000);
    assert_eq!(world.pong(session), 25_000);
    assert_eq!(world.pong(session), 25_000);

    // A client that is not read is pinged again.
    world.at(50_000);
    let done = world.sessions.set_reading(session, true, &mut world.out);
    assert!(done.is_ok());
    world.at(70_000);
    let done = world.sessions.set_reading(session, false, &mut world.out);
    assert!(done.is_ok());
    assert_eq!(world.pong(session), 50_000);
    world.at(95_000);
    // This one answers the ping of 70 s, not that of 95 s.
    assert_eq!(world.pong(session), 50_000);
    world.at(100_000);
    assert_eq!(world.pong(session), 50_000);
    world.at(120_000);
    assert_eq!(world.pong(session), 120_000);
}
