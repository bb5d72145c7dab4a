//! The checks that a request passes before it concerns a session, in the reference's order.

use alloc::{format, vec};

use bytestring::ByteString;
use serde_json::Value;
use thiserror::Error;

use super::{
    config::Config,
    rate::Rate,
    target::{self, Eio, Query, TargetError, TransportName},
};
use crate::edge::{Carrier, Request, Response, ResponseKind, SessionKey};

/// What a request that passed the checks wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    /// A new session.
    Open,
    /// To fetch what waits for a session.
    Poll(SessionKey),
    /// To deliver packets of a session.
    Post(SessionKey),
    /// To move a session to a WebSocket.
    Upgrade(SessionKey),
}

/// What the checks need to know of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    pub(crate) session: SessionKey,
    pub(crate) carrier: Carrier,
}

/// Why a request was refused (Engine.IO reference, "Error codes").
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Code 2: a request without a session id is not a GET.
    #[error("a session must be opened with GET")]
    BadHandshakeMethod,
    /// Code 3: the request contradicts itself or its session.
    #[error("bad request: {0}")]
    BadRequest(BadRequest),
    /// Code 4: the `Origin` header names an origin that is not served.
    #[error("the origin is not served")]
    ForeignOrigin,
    /// Code 4: the application does not admit the client.
    #[error("not admitted by the application")]
    Forbidden,
    /// Code 4: the application did not decide in time.
    #[error("the application did not decide in time")]
    Undecided,
    /// Status 503, without a code or body: the server has no room for it now.
    #[error("unavailable: {0}")]
    Unavailable(Unavailable),
    /// Code 0: the `transport` parameter names no transport that is served.
    #[error("unknown transport")]
    UnknownTransport,
    /// Code 1: the `sid` parameter names no session.
    #[error("unknown session id")]
    UnknownSession,
    /// Code 5: the `EIO` parameter names no revision that is served.
    #[error("unsupported protocol revision")]
    UnsupportedRevision,
}

/// What a server has no room for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The bodies that are being read hold too many bytes together.
    #[error("{held} bytes of bodies are being read, at most {limit} may be")]
    Bodies {
        /// Bytes that are held.
        held: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many sessions open in too short a time.
    #[error("sessions may open at {rate}")]
    Connects {
        /// The rate.
        rate: Rate,
    },
    /// Too many handshakes wait for the application.
    #[error("at most {limit} handshakes may wait for the application")]
    Handshakes {
        /// The limit.
        limit: usize,
    },
    /// There are too many sessions.
    #[error("at most {limit} sessions may be open")]
    Sessions {
        /// The limit.
        limit: usize,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// What is wrong with a bad request.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum BadRequest {
    /// The body did not arrive in time; answered by 408.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// A body of this media type cannot hold revision 4 packets.
    #[error("the media type application/octet-stream belongs to revision 3")]
    ContentType,
    /// The `Origin` header holds control characters.
    #[error("invalid origin header")]
    InvalidOrigin,
    /// The body is no list of packets.
    #[error("malformed payload")]
    MalformedPayload,
    /// A live session is asked with a method that means nothing to it.
    #[error("method not supported for a session")]
    Method,
    /// A second request of its kind while one is pending.
    #[error("overlapping request")]
    Overlap,
    /// The session speaks another revision than the request.
    #[error("the session speaks another revision")]
    RevisionMismatch,
    /// The session closed while the request was pending.
    #[error("the session closed")]
    SessionClosed,
    /// The request target passes a limit.
    #[error("{0}")]
    Target(TargetError),
    /// The session is on another transport than the request.
    #[error("the session is on another transport")]
    TransportMismatch,
    /// The session cannot be upgraded now: it is being upgraded, was upgraded, tried too often, or
    /// is closing; or upgrades are not allowed at all.
    #[error("the session cannot be upgraded")]
    UpgradeRefused,
    /// `transport=websocket` without a WebSocket handshake, or the other way round.
    #[error("a WebSocket handshake belongs to the transport websocket")]
    WebSocketHandshake,
}

impl Refusal {
    /// The code, which the answer to a plain request has in its JSON; none with status 503. Like that
    /// one, the answers to [`BadRequest::BodyTimeout`], [`BadRequest::ContentType`] and
    /// [`BadRequest::Overlap`] have no body.
    pub const fn code(self) -> Option<u8> {
        Some(match self {
            Self::UnknownTransport => 0,
            Self::UnknownSession => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest(_) => 3,
            Self::ForeignOrigin | Self::Forbidden | Self::Undecided => 4,
            Self::UnsupportedRevision => 5,
            Self::Unavailable(_) => return None,
        })
    }

    /// The message in the answer's body: fixed text, nothing of the request is reflected. If the
    /// application refused, its own message is sent instead.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSession => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest(_) => "Bad request",
            Self::ForeignOrigin | Self::Forbidden | Self::Undecided => "Forbidden",
            Self::Unavailable(_) => "Service unavailable",
            Self::UnsupportedRevision => "Unsupported protocol version",
        }
    }

    /// The answer to the refused request: JSON over HTTP, plain text to a WebSocket handshake, and
    /// nothing where a request was wrong for what else the session was doing.
    pub(crate) fn response(self, carrier: Carrier) -> Response {
        self.response_saying(carrier, self.message())
    }

    /// The same with a message of the application's.
    pub(crate) fn response_saying(self, carrier: Carrier, message: &str) -> Response {
        let Some(code) = self.code_in_body() else {
            return Response::empty(self.status());
        };
        let (status, content_type, headers, body) = match carrier {
            Carrier::Polling => (
                self.status(),
                "application/json",
                vec![],
                format!(r#"{{"code":{code},"message":{}}}"#, Value::from(message)),
            ),
            // Whatever the code (Engine.IO reference, "Error codes").
            Carrier::WebSocket => (
                400,
                "text/html",
                vec![("connection", ByteString::from_static("close"))],
                message.into(),
            ),
        };
        Response {
            status,
            kind: ResponseKind::Refused,
            compress: false,
            content_type: Some(content_type),
            headers,
            body: body.into(),
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::BadRequest(BadRequest::BodyTimeout) => 408,
            Self::ForeignOrigin | Self::Forbidden | Self::Undecided => 403,
            Self::Unavailable(_) => 503,
            _ => 400,
        }
    }

    /// The code in the body of the answer, if that has one.
    const fn code_in_body(self) -> Option<u8> {
        match self {
            Self::BadRequest(
                BadRequest::BodyTimeout | BadRequest::ContentType | BadRequest::Overlap,
            ) => None,
            _ => self.code(),
        }
    }
}

/// Judges a request's head (Engine.IO reference, "Verification order").
pub(crate) fn check(
    config: &Config,
    request: &Request<'_>,
    find: impl FnOnce(&str) -> Option<Known>,
) -> Result<Wish, Refusal> {
    let query = target::parse(request.target)
        .map_err(|error| Refusal::BadRequest(BadRequest::Target(error)))?;
    let transport = served(config, query.transport).ok_or(Refusal::UnknownTransport)?;
    if !has_valid_origin(request) {
        return Err(Refusal::BadRequest(BadRequest::InvalidOrigin));
    }
    if config.origins.refuse(request) {
        return Err(Refusal::ForeignOrigin);
    }
    match query.sid.as_deref() {
        Some(sid) => {
            let known = find(sid).ok_or(Refusal::UnknownSession)?;
            check_known(request, &query, transport, known)
        }
        None => check_new(request, &query, transport),
    }
}

fn served(config: &Config, transport: Option<TransportName>) -> Option<Carrier> {
    match transport? {
        TransportName::Polling => config.polling.then_some(Carrier::Polling),
        TransportName::WebSocket => config.websocket.then_some(Carrier::WebSocket),
        TransportName::WebTransport => None,
    }
}

fn has_valid_origin(request: &Request<'_>) -> bool {
    let origin = request.headers.get("origin").unwrap_or_default();
    origin
        .iter()
        .all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..))
}

fn check_known(
    request: &Request<'_>,
    query: &Query<'_>,
    transport: Carrier,
    known: Known,
) -> Result<Wish, Refusal> {
    let bad = |reason| Err(Refusal::BadRequest(reason));
    // The revision is fixed when a session opens; no request changes it.
    if query.eio != Eio::V4 {
        return bad(BadRequest::RevisionMismatch);
    }
    match (request.carrier, transport, known.carrier) {
        (Carrier::WebSocket, Carrier::WebSocket, Carrier::Polling) if request.method == "GET" => {
            Ok(Wish::Upgrade(known.session))
        }
        (Carrier::WebSocket, Carrier::WebSocket, _) => bad(BadRequest::UpgradeRefused),
        (Carrier::Polling, Carrier::Polling, Carrier::Polling) => match request.method {
            "GET" => Ok(Wish::Poll(known.session)),
            "POST" => Ok(Wish::Post(known.session)),
            _ => bad(BadRequest::Method),
        },
        (Carrier::WebSocket, Carrier::Polling, _)
        | (Carrier::Polling, Carrier::WebSocket, Carrier::WebSocket) => {
            bad(BadRequest::WebSocketHandshake)
        }
        (Carrier::Polling, _, _) => bad(BadRequest::TransportMismatch),
    }
}

fn check_new(
    request: &Request<'_>,
    query: &Query<'_>,
    transport: Carrier,
) -> Result<Wish, Refusal> {
    if request.method != "GET" {
        return Err(Refusal::BadHandshakeMethod);
    }
    if request.carrier != transport {
        return Err(Refusal::BadRequest(BadRequest::WebSocketHandshake));
    }
    match query.eio {
        Eio::V4 => Ok(Wish::Open),
        _ => Err(Refusal::UnsupportedRevision),
    }
}
