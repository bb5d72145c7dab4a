//! What crosses the edge between a server machine and its caller, whichever layer is outermost.

mod frames;

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, net::IpAddr, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use thiserror::Error;

use crate::{
    engine::{Codec, Inbound, Parser, Statistics},
    key::keys,
    time::Instant,
};

pub(crate) use self::frames::batch_of;
pub use self::frames::{Batch, Frame, FrameKind, Message};

keys! {
    /// Names one HTTP request, from [`handle_request`] until its end is reported, it becomes a
    /// transport, or the machine gives it up by [`Output::AbortRequest`].
    ///
    /// [`handle_request`]: Machine::handle_request
    RequestId,
    /// Names one WebSocket, from [`Output::OpenTransport`] to [`Output::CloseTransport`].
    TransportId,
    /// Names one Engine.IO session.
    SessionKey,
}

/// A request's headers, by name. Values are bytes: they need not be UTF-8.
pub trait Headers {
    /// The first value of the header with this lower-case name.
    fn get(&self, name: &str) -> Option<&[u8]>;
}

/// What carries a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Carrier {
    /// Plain HTTP: long-polling.
    Polling,
    /// An HTTP request that asks to become a WebSocket, or the WebSocket it became.
    WebSocket,
}

/// The head of an HTTP request under the server's path.
pub struct Request<'a> {
    /// Whether it asks to become a WebSocket.
    pub carrier: Carrier,
    /// The method, in upper case as on the wire.
    pub method: &'a str,
    /// The request target as on the wire: path and query.
    pub target: &'a str,
    /// Its headers.
    pub headers: &'a dyn Headers,
    /// The peer's address, where the caller knows it.
    pub peer: Option<IpAddr>,
}

impl fmt::Debug for Request<'_> {
    /// Leaves out the query, which holds the session id, and the headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("carrier", &self.carrier)
            .field("method", &self.method)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// What the application decides about a handshake that waits for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Admission {
    /// The session may open.
    Allow,
    /// It may not.
    Deny {
        /// Told to the client with the answer (Engine.IO reference, "Error codes", code 4).
        message: ByteString,
    },
}

/// What a command names is gone, or was decided before.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("it is gone, or was decided before")]
pub struct Stale;

/// How a request ended for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The response was handed to the network whole.
    Sent,
    /// The peer went away first, or the response could not be written.
    Gone,
}

/// Why a transport ended without the machine asking for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lost {
    /// The peer closed it in order; 1005 stands for "no status code" (RFC 6455, 7.1.5).
    Closed {
        /// The status code of the peer's close frame.
        code: u16,
    },
    /// Reading or writing failed, or the peer broke the carrier's protocol.
    Failed,
    /// The request was accepted but never became a WebSocket.
    NotOpened,
    /// The peer sent a message above the limit.
    TooBig,
}

/// The body of a data request.
#[derive(Debug)]
pub enum BodyRead<P: Parser> {
    /// All of it, decoded.
    Complete(Inbound<P>),
    /// It passed the limit; the rest was not read.
    TooLarge,
}

/// What a response is, for callers that add headers or compress.
///
/// The reference's hook for initial headers concerns `Handshake`, the one for headers `Data`,
/// `Handshake`, `Poll` and `Upgrade` (Engine.IO reference, "Response headers of successful
/// responses").
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ResponseKind {
    /// A data request was processed.
    Data,
    /// The first response of a session, be it the answer to a poll or the 101 of a WebSocket.
    Handshake,
    /// A poll was answered.
    Poll,
    /// A browser asked what pages of other origins may do; the answer has no body.
    Preflight,
    /// The request was refused.
    Refused,
    /// The 101 of a WebSocket that takes a session over.
    Upgrade,
}

/// Headers of a response beyond those that its kind implies.
pub type HeaderList = Vec<(&'static str, ByteString)>;

/// The answer to a request. `Debug` shows the length of its body only.
#[derive(Clone, Eq, PartialEq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// What it is.
    pub kind: ResponseKind,
    /// Whether it may be compressed.
    pub compress: bool,
    /// The media type of the body; none if the body is empty.
    pub content_type: Option<&'static str>,
    /// Further headers.
    pub headers: HeaderList,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({}, {} B)", self.kind, self.status, self.body.len())
    }
}

impl Response {
    /// An answer without a body, a refusal for now.
    pub(crate) const fn empty(status: u16) -> Self {
        Self {
            status,
            kind: ResponseKind::Refused,
            compress: false,
            content_type: None,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// All headers to write, except `Content-Length`, in order.
    ///
    /// Answers of a live session carry `cache-control: no-store` (Engine.IO reference, "Response
    /// headers of successful responses").
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let content_type = self.content_type.map(|value| ("content-type", value));
        let cache = match self.kind {
            ResponseKind::Data | ResponseKind::Handshake | ResponseKind::Poll => {
                Some(("cache-control", "no-store"))
            }
            ResponseKind::Preflight | ResponseKind::Refused | ResponseKind::Upgrade => None,
        };
        content_type.into_iter().chain(cache).chain(
            self.headers
                .iter()
                .map(|(name, value)| (*name, value.as_ref())),
        )
    }
}

/// What the caller must do or know, in order.
///
/// It is exhaustive on purpose: a new duty breaks the caller's build. An output may name a request
/// or transport that the caller has meanwhile reported gone; it is then dropped.
#[derive(Debug)]
#[must_use]
pub enum Output<E, P: Parser> {
    /// Drop the connection of a request: its answer was not taken in time. It is the last output
    /// that names the request; the machine has forgotten it.
    AbortRequest {
        /// The request.
        request: RequestId,
    },
    /// Close a transport. It is the last output that names it; the machine has forgotten it. Only
    /// who reports after that that it has opened is told once more.
    CloseTransport {
        /// The transport.
        transport: TransportId,
        /// Whether to drop what is not yet written instead of flushing it first.
        abort: bool,
    },
    /// Tell the application.
    Event(E),
    /// Accept a WebSocket: answer 101. The request has become the transport and ends no more.
    ///
    /// File the transport now, not when it has opened, then report that it opened or was lost.
    OpenTransport {
        /// The request that becomes the transport.
        request: RequestId,
        /// Its new name.
        transport: TransportId,
        /// `Handshake` if it opens a session, `Upgrade` if it takes one over.
        kind: ResponseKind,
        /// Headers to add to the 101 response.
        headers: HeaderList,
        /// The largest message to accept, in bytes.
        limit: usize,
        /// Decodes what the transport reads.
        codec: Codec<P>,
    },
    /// Read the body of a request, decode it with the codec and report it.
    ReadBody {
        /// The request.
        request: RequestId,
        /// The largest body to accept, in bytes.
        limit: usize,
        /// Decodes the body.
        codec: Codec<P>,
    },
    /// Answer a request. It may come before the body was read: reading stops.
    Respond {
        /// The request.
        request: RequestId,
        /// The answer.
        response: Box<Response>,
    },
    /// Stop reading a WebSocket's messages, or go on. Its control frames may wait as well.
    ///
    /// What was read already may still be reported. A transport is read from its opening on.
    SetReading {
        /// Whether to stop.
        paused: bool,
        /// The transport.
        transport: TransportId,
    },
    /// Write a batch to a transport, then report it sent.
    Transmit {
        /// The transport.
        transport: TransportId,
        /// What to write.
        batch: Batch,
    },
}

/// The contract that every server machine keeps, so that one runtime serves them all.
///
/// Inputs never fail because of what a peer sent. Everything that an input or command causes is in
/// the queue when the call returns; taking it late, or after several inputs, is always correct.
/// `now` may not descend; an earlier instant is taken as the latest one seen. Deadlines that are
/// due run before the input that carries the time.
///
/// ```text
///   requests, bodies, messages ──▶ handle_* ─┐
///   time                       ──▶ handle_timeout ─▶ machine ─▶ poll_output ──▶ respond, transmit,
///   the application            ──▶ commands ─┘                │                 open, close, events
///                                                             └▶ poll_timeout ─▶ when to come back
/// ```
pub trait Machine {
    /// The layer above Engine.IO, as far as reading messages is concerned.
    type Parser: Parser;
    /// What the application is told.
    type Event;

    /// Whether a request target lies under the path of this server, so that a router can ask
    /// before it hands the request over.
    fn claims(&self, target: &str) -> bool;

    /// A request came in. Its id ends by one [`handle_request_end`](Self::handle_request_end),
    /// becomes a transport, or is given up by [`Output::AbortRequest`].
    fn handle_request(&mut self, now: Instant, request: &Request<'_>) -> RequestId;

    /// The body that [`Output::ReadBody`] asked for was read.
    fn handle_body(&mut self, now: Instant, request: RequestId, body: BodyRead<Self::Parser>);

    /// `received` bytes of a body that is not complete are there so far.
    ///
    /// The machine adds them up over all requests. Beyond
    /// [`max_body_bytes`](crate::engine::ConfigBuilder::max_body_bytes) it gives up those bodies that
    /// it has waited for longest: with [`Output::Respond`], upon which reading stops. A caller that
    /// keeps what it reads reports every piece but the last; who does not keep it need not report.
    fn handle_body_progress(&mut self, now: Instant, request: RequestId, received: usize);

    /// A request ended. [`End::Gone`] before the answer aborts it; after the answer it means that
    /// the answer is lost.
    fn handle_request_end(&mut self, now: Instant, request: RequestId, end: End);

    /// The transport that [`Output::OpenTransport`] asked for is open. If the machine has
    /// forgotten it, it answers with [`Output::CloseTransport`].
    fn handle_transport_open(&mut self, now: Instant, transport: TransportId);

    /// A transport read a message, decoded with its codec.
    fn handle_transport_read(
        &mut self,
        now: Instant,
        transport: TransportId,
        inbound: Inbound<Self::Parser>,
    );

    /// The batch of [`Output::Transmit`] was written whole.
    fn handle_transport_sent(&mut self, now: Instant, transport: TransportId);

    /// A transport ended, or never opened.
    fn handle_transport_lost(&mut self, now: Instant, transport: TransportId, lost: Lost);

    /// Time has passed. Calling it early, late or twice is harmless; it does a bounded amount of
    /// work, and if more is due, [`poll_timeout`](Self::poll_timeout) is due already.
    fn handle_timeout(&mut self, now: Instant);

    /// When to call [`handle_timeout`](Self::handle_timeout): maybe early, never late; `None` for
    /// never.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Takes the next thing to do or know.
    fn poll_output(&mut self) -> Option<Output<Self::Event, Self::Parser>>;

    /// Decides about a handshake that waits for the application, as it does with
    /// [`ask_admission`](crate::engine::ConfigBuilder::ask_admission) alone.
    ///
    /// # Errors
    ///
    /// [`Stale`] if its client went away, its time is over, or it was decided before.
    fn admit(
        &mut self,
        now: Instant,
        request: RequestId,
        admission: Admission,
    ) -> Result<(), Stale>;

    /// Stops taking what the client of a session sends, or goes on; for an application that has
    /// too much to do.
    ///
    /// What the caller has read already still comes. Then a WebSocket is not read, and a data
    /// request waits with its body unread. Pings go on, but a client that is not listened to is
    /// not declared gone, nor blamed for what it has to send in time. A session that is not taken
    /// up again within [`pause_timeout`](crate::engine::ConfigBuilder::pause_timeout) closes. One
    /// that is has half of `ping_timeout` at least for its pong.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the session is gone.
    fn set_reading(&mut self, now: Instant, session: SessionKey, paused: bool)
    -> Result<(), Stale>;

    /// Refuses new sessions from now on and closes all that there are, in order: what waits for
    /// their clients is still delivered.
    ///
    /// The closes are spread evenly over a time, so that clients do not all come back at once
    /// elsewhere; a zero span closes all now. Called again, it spreads those that are left anew.
    fn shutdown(&mut self, now: Instant, spread: Duration);

    /// How many sessions there are.
    fn sessions(&self) -> usize;

    /// What the server has done and what it holds, as plain numbers. It is cheap to ask.
    fn statistics(&self) -> Statistics;
}
