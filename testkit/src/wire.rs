//! What peers and a server exchange, above bytes and below Engine.IO: HTTP and WebSocket.

use bytes::Bytes;
use socketio_proto::edge::{Carrier, Message};

use crate::{ledger::LifeId, network::Load};

/// One item on a connection. A connection carries one request, and the WebSocket it may become.
#[derive(Clone, Debug)]
pub enum Wire {
    /// The answer to a request.
    Answer {
        /// The status code.
        status: u16,
        /// The whole body.
        body: Bytes,
    },
    /// A part of a request's body.
    Body {
        /// The bytes.
        bytes: Bytes,
        /// Whether it is the last part.
        is_last: bool,
    },
    /// A WebSocket close frame.
    CloseFrame {
        /// The status code; 1005 for none.
        code: u16,
    },
    /// A WebSocket message.
    Frame(Message),
    /// The head of a request.
    Head(Head),
    /// 101: the connection is a WebSocket from now on.
    Switch,
}

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Head {
    /// Whether it asks to become a WebSocket.
    pub carrier: Carrier,
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// The media type of its body.
    pub content_type: Option<&'static str>,
    /// Which life it belongs to. It is not on the wire: the model knows who is who.
    pub life: LifeId,
}

impl Load for Wire {
    fn bytes(&self) -> usize {
        // About what heads and frames take in earnest.
        match self {
            Self::Answer { body, .. } => 150 + body.len(),
            Self::Body { bytes, .. } => bytes.len(),
            Self::CloseFrame { .. } => 4,
            Self::Frame(Message::Text(text)) => 6 + text.len(),
            Self::Frame(Message::Binary(bytes)) => 6 + bytes.len(),
            Self::Head(head) => 150 + head.target.len(),
            Self::Switch => 130,
        }
    }
}
