//! From the machine's responses to HTTP's.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use socketio_proto::edge::{Response, ResponseKind};

#[cfg(feature = "compression")]
use crate::compression::{Compression, Encoder};
use crate::{body::Body, request::RequestInfo, ticket::Ticket};

/// What an application does to the headers of answers.
pub(crate) type Hook = Arc<dyn Fn(ResponseKind, &RequestInfo, &mut HeaderMap) + Send + Sync>;

/// What is done to the machine's answers.
#[derive(Clone, Default)]
pub(crate) struct Style {
    #[cfg(feature = "compression")]
    pub(crate) compression: Option<Compression>,
    pub(crate) hook: Option<Hook>,
}

impl Style {
    /// What will be done to the answer of a request.
    pub(crate) fn of(&self, request: &RequestInfo) -> Finish {
        let hook = self.hook.as_ref();
        Finish {
            #[cfg(feature = "compression")]
            encoder: self
                .compression
                .as_ref()
                .map(|compression| compression.of(request.headers())),
            hook: hook.map(|hook| (Arc::clone(hook), request.clone())),
        }
    }
}

/// What is done to the answer of one request.
pub(crate) struct Finish {
    #[cfg(feature = "compression")]
    encoder: Option<Encoder>,
    hook: Option<(Hook, RequestInfo)>,
}

impl Finish {
    /// Writes the machine's answer; its body reports the end of the request.
    #[cfg_attr(
        not(feature = "compression"),
        allow(clippy::unused_async, reason = "compressing may take a while")
    )]
    pub(crate) async fn respond(self, answer: Response, ticket: Ticket) -> http::Response<Body> {
        let mut response = http::Response::new(Body::default());
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        add_headers(response.headers_mut(), answer.headers());
        #[cfg(feature = "compression")]
        let answer = {
            let mut answer = answer;
            if let Some(encoder) = &self.encoder {
                encoder.encode(&mut answer, response.headers_mut()).await;
            }
            answer
        };
        let is_success = matches!(
            answer.kind,
            ResponseKind::Data | ResponseKind::Handshake | ResponseKind::Poll
        );
        if is_success {
            self.run_hook(answer.kind, response.headers_mut());
        }
        *response.body_mut() = Body::new(answer.body, ticket);
        response
    }

    /// Finishes the response that accepts a WebSocket.
    pub(crate) fn accept(&self, kind: ResponseKind, response: &mut http::Response<Body>) {
        if self.hook.is_none() {
            return;
        }
        let headers = response.headers_mut();
        let protocol = PROTOCOL_HEADERS.map(|name| (headers.remove(&name), name));
        self.run_hook(kind, headers);
        // Nothing that a hook adds may break the handshake.
        for (value, name) in protocol {
            headers.remove(&name);
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }

    fn run_hook(&self, kind: ResponseKind, headers: &mut HeaderMap) {
        if let Some((hook, request)) = &self.hook {
            hook(kind, request, headers);
            // Where a response ends is the HTTP library's: it would believe what a hook says.
            headers.remove(header::CONTENT_LENGTH);
            headers.remove(header::TRANSFER_ENCODING);
        }
    }
}

/// What makes the response to a WebSocket handshake one (RFC 6455, 4.2.2).
const PROTOCOL_HEADERS: [HeaderName; 4] = [
    header::CONNECTION,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::UPGRADE,
];

/// An answer that is not the machine's.
pub(crate) fn empty(status: StatusCode) -> http::Response<Body> {
    let mut response = http::Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// Adds headers. One that HTTP does not allow is left out: the machine makes none.
pub(crate) fn add_headers<'a>(
    headers: &mut HeaderMap,
    list: impl IntoIterator<Item = (&'static str, &'a str)>,
) {
    for (name, value) in list {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value);
        match (name, value) {
            (Ok(name), Ok(value)) => _ = headers.append(name, value),
            _ => debug_assert!(false, "the machine made a header that HTTP does not allow"),
        }
    }
}
