//! Somebody on the line, who changes what WebSockets carry: to see that a harness sees it.

use std::{collections::BTreeMap, fmt};

use socketio_proto::edge::Message;

use crate::{
    network::{ConnectionId, Event, NodeId},
    wire::Wire,
};

/// Changes texts on WebSockets, just before they are heard.
pub trait Wiretap: fmt::Debug {
    /// One for a peer: what it hears instead.
    fn down(&mut self, peer: NodeId, text: &str) -> Vec<String>;

    /// One of a peer: what the server hears instead.
    fn up(&mut self, peer: NodeId, text: &str) -> String;
}

/// A wiretap and what it has to know.
#[derive(Debug)]
pub(crate) struct Line {
    tap: Box<dyn Wiretap>,
    // The server speaks first.
    peers: BTreeMap<ConnectionId, NodeId>,
}

impl Line {
    pub(crate) fn new(tap: Box<dyn Wiretap>) -> Self {
        let peers = BTreeMap::new();
        Self { tap, peers }
    }

    /// What a node is told instead of an event.
    pub(crate) fn pass(
        &mut self,
        node: NodeId,
        server: NodeId,
        event: Event<Wire>,
    ) -> Vec<Event<Wire>> {
        let Event::Arrived {
            connection,
            item: Wire::Frame(Message::Text(text)),
        } = event
        else {
            return vec![event];
        };
        let texts = if node == server {
            match self.peers.get(&connection) {
                Some(&peer) => vec![self.tap.up(peer, &text)],
                None => vec![text.to_string()],
            }
        } else {
            self.peers.insert(connection, node);
            self.tap.down(node, &text)
        };
        let events = texts.into_iter().map(|text| Event::Arrived {
            connection,
            item: Wire::Frame(Message::Text(text.into())),
        });
        events.collect()
    }
}
