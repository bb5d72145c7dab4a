//! The crates that are compared, behind one trait.

mod fastwebsockets;
mod tokio_websockets;
mod tungstenite;
mod yawc;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::{
    fastwebsockets::FastWebSockets, tokio_websockets::TokioWebSockets, tungstenite::Tungstenite,
    yawc::Yawc,
};

pub trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// How many bytes a candidate that queues may hold before it writes without being asked to flush.
const QUEUE: usize = 128 * 1024;

/// What a server received, with text as the cheapest owned bytes the crate can give in safe code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Received {
    Binary(Bytes),
    Close,
    End,
    Error(String),
    Ping,
    Pong,
    Text(Bytes),
}

/// A WebSocket crate in the server's role, over a transport whose handshake is done.
pub trait Candidate {
    const NAME: &'static str;

    type Socket<S: Io>;

    /// A socket that refuses messages over `max_message` bytes, or at that number if the crate's limit is
    /// exclusive.
    async fn server<S: Io>(io: S, max_message: usize) -> Self::Socket<S>;

    /// Queues a text message if the crate can queue, and writes it otherwise.
    async fn feed<S: Io>(socket: &mut Self::Socket<S>, text: &Bytes) -> Result<(), String>;

    async fn flush<S: Io>(socket: &mut Self::Socket<S>) -> Result<(), String>;

    async fn receive<S: Io>(socket: &mut Self::Socket<S>) -> Received;

    /// Sends a close frame with a code, or an empty one.
    async fn close<S: Io>(socket: &mut Self::Socket<S>, code: Option<u16>) -> Result<(), String>;

    /// Receives a message if that needs no waiting, and drops the future otherwise.
    fn receive_ready<S: Io>(socket: &mut Self::Socket<S>) -> Option<Received> {
        Self::receive(socket).now_or_never()
    }

    /// Whether a read that was given up half-way can be started again.
    ///
    /// [`crate::conformance`] tests it; the echo server needs to know it beforehand.
    const RESUMES: bool = true;
}
