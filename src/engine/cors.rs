//! Cross-origin resource sharing: what browsers have to be told before they show an answer to a page
//! of another origin.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use bytestring::ByteString;
use thiserror::Error;

use super::origins::{self, OriginError, Origins, header_text};
use crate::edge::{HeaderList, Request, Response, ResponseKind};

/// The longest `Access-Control-Request-Headers` that is echoed, in bytes.
const MAX_ECHO: usize = 8 * 1024;

/// The headers that let pages of other origins read the answers (Engine.IO reference, "CORS").
///
/// They go with every answer of the machine: handshakes, polls, data requests, refusals, and the
/// 101 of a WebSocket. A request with the method `OPTIONS`, whatever its query, is answered as
/// [`ResponseKind::Preflight`] before anything else is looked at. Without a `Cors` none of this
/// happens, as in the reference.
///
/// It tells browsers what a page may read, and refuses nothing: that is what [`Origins`] is for, in
/// [`ConfigBuilder::origins`](super::ConfigBuilder::origins). The same value serves both.
///
/// ```
/// use core::time::Duration;
/// use socketio_proto::engine::{Config, Cors, Origins};
///
/// let cors = Cors::matching(Origins::list(["https://example.com"]))
///     .credentials(true)
///     .max_age(Duration::from_secs(600));
/// let config = Config::builder().cors(cors).build()?;
/// # Ok::<_, socketio_proto::engine::ConfigError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Cors {
    origin: Allowed,
    credentials: bool,
    // Lists are joined by commas; an empty one has no header.
    exposed: ByteString,
    methods: ByteString,
    /// None: what the request asks for.
    headers: Option<ByteString>,
    max_age: Option<ByteString>,
    success: u16,
}

/// What `Access-Control-Allow-Origin` says.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Allowed {
    /// `*`.
    Any,
    /// This, whatever the request's origin.
    Constant(ByteString),
    /// The request's origin, if it is one of these.
    Matching(Origins),
}

impl Cors {
    /// Lets every origin read, by `*`. Browsers do not take that for requests with credentials.
    pub fn any() -> Self {
        Self::new(Allowed::Any)
    }

    /// Names one origin in every answer. [`ConfigBuilder::build`] checks how it is written.
    ///
    /// [`ConfigBuilder::build`]: super::ConfigBuilder::build
    pub fn constant(origin: impl Into<String>) -> Self {
        Self::new(Allowed::Constant(origin.into().into()))
    }

    /// Names the request's origin if it is one of these; otherwise no origin is named.
    pub fn matching(origins: Origins) -> Self {
        Self::new(Allowed::Matching(origins))
    }

    /// Names the request's origin, whichever it is. Together with
    /// [`credentials`](Self::credentials) any page may do all that its visitor may.
    pub fn mirror() -> Self {
        Self::matching(Origins::any())
    }

    fn new(origin: Allowed) -> Self {
        Self {
            origin,
            credentials: false,
            exposed: ByteString::new(),
            methods: ByteString::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"),
            headers: None,
            max_age: None,
            success: 204,
        }
    }

    /// Whether pages may send cookies and other credentials along. Default false.
    pub fn credentials(mut self, allowed: bool) -> Self {
        self.credentials = allowed;
        self
    }

    /// The headers of an answer that pages may read, besides those that browsers always show.
    /// Default none.
    pub fn exposed_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.exposed = join(names);
        self
    }

    /// The methods that a preflight allows. Default `GET,HEAD,PUT,PATCH,POST,DELETE`.
    pub fn methods(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.methods = join(names);
        self
    }

    /// The request headers that a preflight allows. Default: those that it asks for, echoed if they
    /// take no more than 8 KiB.
    pub fn allowed_headers(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.headers = Some(join(names));
        self
    }

    /// How long browsers may rely on a preflight, in whole seconds. Not said by default.
    pub fn max_age(mut self, span: Duration) -> Self {
        self.max_age = Some(format!("{}", span.as_secs()).into());
        self
    }

    /// The status of a preflight's answer. Default 204.
    pub fn success_status(mut self, status: u16) -> Self {
        self.success = status;
        self
    }

    pub(crate) fn check(&self) -> Result<(), CorsError> {
        match &self.origin {
            Allowed::Any => {}
            Allowed::Constant(origin) => origins::check(0, origin).map_err(CorsError::Origin)?,
            Allowed::Matching(origins) => origins.check().map_err(CorsError::Origin)?,
        }
        let headers = self.headers.as_deref().unwrap_or_default();
        for (list, error) in [
            (&*self.methods, CorsError::Method),
            (headers, CorsError::Header),
            (&*self.exposed, CorsError::Header),
        ] {
            if !list.is_empty() && !list.split(',').all(is_token) {
                return Err(error);
            }
        }
        match self.success {
            200..=299 => Ok(()),
            status => Err(CorsError::Status { status }),
        }
    }

    /// The answer to a preflight.
    pub(crate) fn preflight(&self, request: &Request<'_>) -> Response {
        Response {
            kind: ResponseKind::Preflight,
            headers: self.headers(request, true),
            ..Response::empty(self.success)
        }
    }

    /// The headers of the answer to a request.
    pub(crate) fn headers(&self, request: &Request<'_>, is_preflight: bool) -> HeaderList {
        let echoes = is_preflight && self.headers.is_none();
        let (origin, varies) = match &self.origin {
            Allowed::Any => (Some(ByteString::from_static("*")), false),
            Allowed::Constant(origin) => (Some(origin.clone()), true),
            Allowed::Matching(origins) => (origins.admitted(request).map(Into::into), true),
        };
        let mut list: HeaderList = Vec::with_capacity(if is_preflight { 7 } else { 4 });
        list.extend(origin.map(|origin| ("access-control-allow-origin", origin)));
        let vary = match (varies, echoes) {
            (false, false) => None,
            (false, true) => Some("Access-Control-Request-Headers"),
            (true, false) => Some("Origin"),
            (true, true) => Some("Origin, Access-Control-Request-Headers"),
        };
        list.extend(vary.map(|vary| ("vary", ByteString::from_static(vary))));
        if self.credentials {
            let value = ByteString::from_static("true");
            list.push(("access-control-allow-credentials", value));
        }
        if is_preflight {
            self.add_preflight(request, &mut list);
        }
        add(&mut list, "access-control-expose-headers", &self.exposed);
        list
    }

    fn add_preflight(&self, request: &Request<'_>, list: &mut HeaderList) {
        add(list, "access-control-allow-methods", &self.methods);
        let asked = || {
            let asked = request.headers.get("access-control-request-headers")?;
            header_text(asked, MAX_ECHO).map(ByteString::from)
        };
        let headers = self.headers.clone().or_else(asked);
        add(
            list,
            "access-control-allow-headers",
            &headers.unwrap_or_default(),
        );
        if let Some(age) = &self.max_age {
            add(list, "access-control-max-age", age);
        }
    }
}

/// A setting of a [`Cors`] that cannot work.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CorsError {
    /// An allowed or exposed header is no name of a header.
    #[error("a name of a header is not a token")]
    Header,
    /// An allowed method is no method.
    #[error("a method is not a token")]
    Method,
    /// An origin would never match.
    #[error("{0}")]
    Origin(OriginError),
    /// Browsers take a status between 200 and 299 for success only.
    #[error("the status of a preflight must be between 200 and 299, not {status}")]
    Status {
        /// The status.
        status: u16,
    },
}

fn join(names: impl IntoIterator<Item = impl AsRef<str>>) -> ByteString {
    let mut list = String::new();
    for name in names {
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(name.as_ref());
    }
    list.into()
}

fn add(list: &mut HeaderList, name: &'static str, value: &ByteString) {
    if !value.is_empty() {
        list.push((name, value.clone()));
    }
}

/// A token (RFC 9110, 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Carrier, Headers};

    struct Asked<'a> {
        origin: Option<&'a [u8]>,
        headers: Option<&'a [u8]>,
    }

    impl Headers for Asked<'_> {
        fn get(&self, name: &str) -> Option<&[u8]> {
            match name {
                "access-control-request-headers" => self.headers,
                "host" => Some(b"a"),
                "origin" => self.origin,
                _ => None,
            }
        }
    }

    /// One line for each header, in order.
    fn lines(cors: &Cors, asked: &Asked<'_>, is_preflight: bool) -> Vec<String> {
        assert_eq!(cors.check(), Ok(()));
        let request = Request {
            carrier: Carrier::Polling,
            method: "GET",
            target: "/",
            headers: asked,
            peer: None,
        };
        let headers = cors.headers(&request, is_preflight);
        headers
            .iter()
            .map(|(name, value)| {
                let name = name.strip_prefix("access-control-").unwrap_or(name);
                format!("{name}: {value}")
            })
            .collect()
    }

    fn from(origin: &str) -> Asked<'_> {
        Asked {
            origin: Some(origin.as_bytes()),
            headers: None,
        }
    }

    const NONE: Asked<'_> = Asked {
        origin: None,
        headers: None,
    };

    #[test]
    fn every_row_of_an_ordinary_answer() {
        let list = || Cors::matching(Origins::list(["http://a", "http://b"]));
        let any: &[&str] = &["allow-origin: *"];
        let vary: &[&str] = &["vary: Origin"];
        let a: &[&str] = &["allow-origin: http://a", "vary: Origin"];
        let b: &[&str] = &["allow-origin: http://b", "vary: Origin"];
        let null: &[&str] = &["allow-origin: null", "vary: Origin"];
        for (cors, asked, expected) in [
            (Cors::any(), NONE, any),
            (Cors::any(), from("http://a"), any),
            (Cors::mirror(), from("http://a"), a),
            (Cors::mirror(), from("null"), null),
            (Cors::mirror(), NONE, vary),
            (Cors::constant("http://a"), from("http://b"), a),
            (Cors::constant("http://a"), NONE, a),
            (list(), from("http://a"), a),
            (list(), from("http://b"), b),
            (list(), from("http://c"), vary),
            (list(), NONE, vary),
            (Cors::matching(Origins::same_host()), from("http://a"), a),
            (Cors::matching(Origins::same_host()), from("http://b"), vary),
        ] {
            assert_eq!(lines(&cors, &asked, false), expected, "{cors:?}");
        }
        let cors = Cors::any().credentials(true).exposed_headers(["a", "b"]);
        let expected = [
            "allow-origin: *",
            "allow-credentials: true",
            "expose-headers: a,b",
        ];
        assert_eq!(lines(&cors, &NONE, false), expected);
        let cors = Cors::any()
            .methods(["GET"])
            .allowed_headers(["x"])
            .max_age(Duration::from_secs(1));
        assert_eq!(lines(&cors, &NONE, false), any);
    }

    #[test]
    fn every_row_of_a_preflight() {
        let methods = "allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE";
        let asked = Asked {
            origin: Some(b"http://a"),
            headers: Some(b"x-one, x-two"),
        };
        let both = "vary: Origin, Access-Control-Request-Headers";
        let echo = "vary: Access-Control-Request-Headers";
        let headers = "allow-headers: x-one, x-two";
        for (cors, asked, expected) in [
            (
                Cors::any(),
                &asked,
                &["allow-origin: *", echo, methods, headers][..],
            ),
            (Cors::any(), &NONE, &["allow-origin: *", echo, methods]),
            (
                Cors::mirror(),
                &asked,
                &["allow-origin: http://a", both, methods, headers],
            ),
            (
                Cors::matching(Origins::list(["http://b"])),
                &asked,
                &[both, methods, headers],
            ),
            (
                Cors::constant("http://b")
                    .credentials(true)
                    .methods(["GET", "POST"])
                    .allowed_headers(["x-three", "x-four"])
                    .max_age(Duration::from_millis(86_400_999))
                    .exposed_headers(["x-five"]),
                &asked,
                &[
                    "allow-origin: http://b",
                    "vary: Origin",
                    "allow-credentials: true",
                    "allow-methods: GET,POST",
                    "allow-headers: x-three,x-four",
                    "max-age: 86400",
                    "expose-headers: x-five",
                ],
            ),
            // Empty lists have no headers, and an empty list of headers is not an echo.
            (
                Cors::any()
                    .methods([""; 0])
                    .allowed_headers([""; 0])
                    .max_age(Duration::ZERO),
                &asked,
                &["allow-origin: *", "max-age: 0"],
            ),
        ] {
            assert_eq!(lines(&cors, asked, true), expected, "{cors:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_header_is_not_reflected() {
        for bad in [
            &b"http://a\r\nset-cookie: x"[..],
            b"http://a\0",
            b"http://\xff",
            b"\xc3",
            "http://é".as_bytes(),
        ] {
            let asked = Asked {
                origin: Some(bad),
                headers: Some(bad),
            };
            let seen = lines(&Cors::mirror(), &asked, true);
            assert_eq!(seen.len(), 2, "{seen:?}");
            assert_eq!(seen[0], "vary: Origin, Access-Control-Request-Headers");
        }
        let long = [b'x'; MAX_ECHO + 1];
        for (len, count) in [(MAX_ECHO, 4), (MAX_ECHO + 1, 3)] {
            let asked = Asked {
                origin: None,
                headers: Some(&long[..len]),
            };
            assert_eq!(lines(&Cors::any(), &asked, true).len(), count);
        }
    }

    #[test]
    fn a_preflight_is_answered_by_an_empty_body() {
        let request = Request {
            carrier: Carrier::Polling,
            method: "OPTIONS",
            target: "/",
            headers: &NONE,
            peer: None,
        };
        for (cors, status) in [(Cors::any(), 204), (Cors::any().success_status(200), 200)] {
            let response = cors.preflight(&request);
            assert_eq!(response.status, status);
            assert_eq!(response.kind, ResponseKind::Preflight);
            assert!(response.body.is_empty() && response.content_type.is_none());
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let origin = OriginError::Path { index: 0 };
        for (cors, error) in [
            (Cors::constant("http://a/"), CorsError::Origin(origin)),
            (
                Cors::constant("*"),
                CorsError::Origin(OriginError::Malformed { index: 0 }),
            ),
            (
                Cors::matching(Origins::list(["http://a", "http://A"])),
                CorsError::Origin(OriginError::UpperCase { index: 1 }),
            ),
            (Cors::any().methods(["GET\r\nx: y"]), CorsError::Method),
            (Cors::any().methods(["GET", ""]), CorsError::Method),
            (Cors::any().allowed_headers(["a b"]), CorsError::Header),
            (Cors::any().exposed_headers(["é"]), CorsError::Header),
            (
                Cors::any().success_status(304),
                CorsError::Status { status: 304 },
            ),
        ] {
            assert_eq!(cors.check(), Err(error), "{cors:?}");
        }
    }
}
