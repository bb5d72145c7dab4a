//! What is kept of a request's head.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, request::Parts};
use socketio_proto::edge::{Carrier, Headers, Request};
use tokio::sync::Notify;

/// The peer's address, as a request extension.
///
/// [`Serve`](crate::Serve) adds it to every request. Behind another front, add it in a middleware;
/// with axum, from its `ConnectInfo`; behind a proxy, from a header that the proxy is trusted for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Peer(pub SocketAddr);

/// Ends one connection from outside: a request extension that [`Serve`](crate::Serve) adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hangup(Arc<Notify>);

impl Hangup {
    pub(crate) fn hang_up(&self) {
        self.0.notify_one();
    }

    /// Takes what ends the connection that a request came on.
    pub(crate) fn take(head: &mut Parts) -> Option<Self> {
        head.extensions.remove()
    }

    /// Waits for the end.
    pub(crate) async fn hung_up(&self) {
        self.0.notified().await;
    }
}

/// The head of a request: what an application may want to know of the client later on.
///
/// Cloning it is cheap; it stays in memory as long as somebody keeps a clone.
#[derive(Clone)]
pub struct RequestInfo(Arc<Head>);

struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// Shared, never cloned: cloning what middlewares left would run code of theirs.
    extensions: Arc<Extensions>,
}

impl RequestInfo {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(Head {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            extensions: Arc::new(parts.extensions),
        }))
    }

    /// The same, in memory of its own size.
    ///
    /// Values and target are slices of the buffer that the HTTP library read them into. A session
    /// that keeps them would keep the whole buffer.
    pub(crate) fn compact(self) -> Self {
        let Self(head) = self;
        let size = head.headers.values().map(HeaderValue::len).sum();
        let mut buffer = BytesMut::with_capacity(size);
        let mut headers = HeaderMap::with_capacity(head.headers.len());
        for (name, value) in &head.headers {
            buffer.extend_from_slice(value.as_bytes());
            let text = buffer.split().freeze();
            // It was a value before.
            if let Ok(mut copy) = HeaderValue::from_maybe_shared(text) {
                copy.set_sensitive(value.is_sensitive());
                headers.append(name, copy);
            }
        }
        let uri = Bytes::from(head.uri.to_string());
        Self(Arc::new(Head {
            method: head.method.clone(),
            uri: Uri::from_maybe_shared(uri).unwrap_or_else(|_| head.uri.clone()),
            headers,
            extensions: Arc::clone(&head.extensions),
        }))
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The request target. Its query holds the session id, a credential.
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// What middlewares left with the request.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// The peer's address, if a [`Peer`] came with the request.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.extensions.get::<Peer>().map(|peer| peer.0)
    }

    /// The request as the machine wants to see it.
    pub(crate) fn with_head<R>(&self, carrier: Carrier, look: impl FnOnce(&Request<'_>) -> R) -> R {
        look(&Request {
            carrier,
            method: self.method().as_str(),
            target: target(self.uri()),
            headers: &HeaderView(self.headers()),
            peer: self.peer().map(|peer| peer.ip()),
        })
    }
}

impl fmt::Debug for RequestInfo {
    /// Leaves out query and headers, which hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInfo")
            .field("method", self.method())
            .field("path", &self.uri().path())
            .field("peer", &self.peer())
            .finish_non_exhaustive()
    }
}

/// Path and query, as on the wire.
pub(crate) fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

struct HeaderView<'a>(&'a HeaderMap);

impl Headers for HeaderView<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(HeaderValue::as_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_head_is_equal_and_shares_nothing_with_the_buffer() {
        let buffer = Bytes::from_static(b"one two");
        let value = |range| HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
        let request = http::Request::builder()
            .uri("/socket.io/?EIO=4&transport=polling")
            .header("x-list", value(0..3))
            .header("x-list", value(4..7))
            .header("host", "localhost")
            .extension(Peer(([127, 0, 0, 1], 80).into()));
        let info = RequestInfo::new(request.body(()).unwrap().into_parts().0);

        let compact = info.clone().compact();

        assert_eq!(compact.headers(), info.headers());
        assert_eq!(compact.uri(), info.uri());
        assert_eq!(compact.peer(), info.peer());
        let first = compact.headers()["x-list"].as_bytes().as_ptr();
        assert!(!buffer.as_ptr_range().contains(&first));
    }
}
