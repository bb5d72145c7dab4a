//! The HTTP side of a WebSocket: what asks for one, and what answers (RFC 6455, 4.2).

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use socketio_proto::edge::HeaderList;
use thiserror::Error;

use crate::body::Body;

/// Whether a request asks to become a WebSocket.
///
/// A request that asks to become something else, such as HTTP/2, is an ordinary request: it may be
/// answered without (RFC 9110, 7.8). So is one in HTTP/1.0, where `Upgrade` has to be ignored, and
/// one with a body: hyper would wait for its end before it hands the connection over, without a
/// limit.
pub(crate) fn is_wanted(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11
        && !has_body(headers)
        && has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket")
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// What is wrong with a WebSocket handshake (Engine.IO reference, "WebSocket mapping").
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum BadHandshake {
    #[error("Missing or invalid Sec-WebSocket-Key header")]
    Key,
    #[error("Missing or invalid Sec-WebSocket-Version header")]
    Version,
}

impl BadHandshake {
    pub(crate) fn response(self) -> http::Response<Body> {
        let mut response = http::Response::new(Body::unwatched(self.to_string()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/html");
        headers.insert(header::CONTENT_TYPE, text);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if self == Self::Version {
            let versions = HeaderValue::from_static("13, 8");
            headers.insert(header::SEC_WEBSOCKET_VERSION, versions);
        }
        response
    }
}

/// The response that accepts a WebSocket. Of the sub-protocols offered the first is selected, as
/// the reference does.
pub(crate) fn accept(
    request: &HeaderMap,
    more: &HeaderList,
) -> Result<http::Response<Body>, BadHandshake> {
    let key = request.get(header::SEC_WEBSOCKET_KEY);
    let key = key.filter(|key| is_key(key)).ok_or(BadHandshake::Key)?;
    let version = request.get(header::SEC_WEBSOCKET_VERSION);
    if !version.is_some_and(|version| version == "13" || version == "8") {
        return Err(BadHandshake::Version);
    }
    let mut response = http::Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    crate::response::add_headers(headers, more.iter().map(|(name, value)| (*name, &**value)));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_value(key));
    if let Some(protocol) = first_protocol(request) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

fn is_key(key: &HeaderValue) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.as_bytes().strip_suffix(b"==") {
        Some(key) => key.len() == 22 && key.iter().all(is_base64),
        None => false,
    }
}

fn accept_value(key: &HeaderValue) -> HeaderValue {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let value = BASE64_STANDARD.encode(hash.digest().bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).expect("base64 is visible ASCII")
}

fn first_protocol(request: &HeaderMap) -> Option<HeaderValue> {
    let offered = request.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next()?.trim();
    // A token (RFC 9110, 5.6.2).
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if first.is_empty() || !first.bytes().all(is_token) {
        return None;
    }
    HeaderValue::from_str(first).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn a_websocket_is_wanted_only_by_both_headers() {
        for (upgrade, connection, wanted) in [
            ("websocket", "Upgrade", true),
            ("WebSocket", "keep-alive, upgrade", true),
            ("h2c", "Upgrade, HTTP2-Settings", false),
            ("websocket", "keep-alive", false),
        ] {
            let headers = headers(&[("upgrade", upgrade), ("connection", connection)]);
            let is_wanted = |version| is_wanted(version, &headers);
            assert_eq!(
                is_wanted(Version::HTTP_11),
                wanted,
                "{upgrade} {connection}"
            );
            assert!(!is_wanted(Version::HTTP_10));
        }
    }

    #[test]
    fn a_request_with_a_body_wants_no_websocket() {
        for (name, value, wanted) in [
            ("content-length", "0", true),
            ("content-length", "1", false),
            ("transfer-encoding", "chunked", false),
        ] {
            let headers = headers(&[
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
                (name, value),
            ]);
            let is_wanted = is_wanted(Version::HTTP_11, &headers);
            assert_eq!(is_wanted, wanted, "{name}: {value}");
        }
    }

    #[test]
    fn the_key_is_answered_as_in_the_rfc() {
        let request = headers(&[
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, superchat"),
        ]);

        let response = accept(&request, &vec![]).unwrap();

        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let header = |name| response.headers().get(name).unwrap();
        assert_eq!(
            header(header::SEC_WEBSOCKET_ACCEPT),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(header(header::SEC_WEBSOCKET_PROTOCOL), "chat");
    }

    #[test]
    fn a_bad_key_and_a_bad_version_are_refused() {
        for (key, version, error) in [
            ("dGhlIHNhbXBsZSBub25jZQ", "13", BadHandshake::Key),
            ("dGhlIHNhbXBsZSBub25j!Q==", "13", BadHandshake::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "12", BadHandshake::Version),
        ] {
            let request = headers(&[
                ("sec-websocket-key", key),
                ("sec-websocket-version", version),
            ]);
            assert_eq!(accept(&request, &vec![]).err(), Some(error));
        }
    }
}
