//! From the machine's responses to HTTP's.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use socketio_proto::edge::Response;

use crate::{body::Body, ticket::Ticket};

/// Writes the machine's answer; its body reports the end of the request.
pub(crate) fn build(answer: Response, ticket: Ticket) -> http::Response<Body> {
    let mut response = http::Response::new(Body::default());
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    add_headers(response.headers_mut(), answer.headers());
    *response.body_mut() = Body::new(answer.body, ticket);
    response
}

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
