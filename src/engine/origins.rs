//! Which origins are served: the check that browsers leave to servers.

use alloc::{string::String, vec::Vec};
use core::str;

use thiserror::Error;

use crate::edge::Request;

/// The longest `Origin` header that matches anything, in bytes: a host name has no more than 253.
const MAX_ORIGIN: usize = 1_024;

/// The origins whose pages a server serves.
///
/// Browsers let a page of any origin open a WebSocket, and let it send requests whose answers it
/// may not read. So a server that trusts cookies or the network it stands in has to look at the
/// `Origin` header itself. The reference never does (Engine.IO reference, "Origin"); here
/// [`ConfigBuilder::origins`] is enforced for handshakes, upgrades, polls and data requests on every
/// carrier. What is refused is [`Refusal::ForeignOrigin`].
///
/// A request without an `Origin` header passes: it does not come from a page of another origin.
/// The header of a browser is compared as it came with the origins of the list, so these have to be
/// written as browsers do: scheme and host in lower case, no default port, no path
/// (`https://example.com`, `http://localhost:3000`, `null`). A header above 1 KiB matches nothing,
/// and one with control characters is a bad request whatever is served.
///
/// The same value serves [`Cors::matching`], which tells browsers the same:
///
/// ```
/// use socketio_proto::engine::{Config, Cors, Origins};
///
/// let origins = Origins::same_host().or(Origins::list(["https://example.com"]));
/// let config = Config::builder()
///     .cors(Cors::matching(origins.clone()).credentials(true))
///     .origins(origins)
///     .build()?;
/// # Ok::<_, socketio_proto::engine::ConfigError>(())
/// ```
///
/// [`ConfigBuilder::origins`]: super::ConfigBuilder::origins
/// [`Cors::matching`]: super::Cors::matching
/// [`Refusal::ForeignOrigin`]: super::Refusal::ForeignOrigin
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Origins {
    any: bool,
    same_host: bool,
    list: Vec<String>,
}

impl Origins {
    /// Every origin. The default.
    pub const fn any() -> Self {
        Self {
            any: true,
            same_host: false,
            list: Vec::new(),
        }
    }

    /// Origins of the schemes `http` and `https` whose host and port are those of the `Host` header.
    ///
    /// It needs a front that passes `Host` on as the browser sent it. It does not keep out a page
    /// that reaches the server under a name of its own (DNS rebinding); a list does.
    pub const fn same_host() -> Self {
        Self {
            any: false,
            same_host: true,
            list: Vec::new(),
        }
    }

    /// These origins; none of them is a pattern. [`ConfigBuilder::build`] checks how they are
    /// written.
    ///
    /// [`ConfigBuilder::build`]: super::ConfigBuilder::build
    pub fn list(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            any: false,
            same_host: false,
            list: origins.into_iter().map(Into::into).collect(),
        }
    }

    /// What either of two admits.
    pub fn or(mut self, other: Self) -> Self {
        self.any |= other.any;
        self.same_host |= other.same_host;
        self.list.extend(other.list);
        self
    }

    /// Says whether all of the list can match.
    pub(crate) fn check(&self) -> Result<(), OriginError> {
        let mut list = self.list.iter().enumerate();
        list.try_for_each(|(index, origin)| check(index, origin))
    }

    /// Whether a request comes from an origin that is not served.
    pub(crate) fn refuse(&self, request: &Request<'_>) -> bool {
        !self.any && request.headers.get("origin").is_some() && self.admitted(request).is_none()
    }

    /// The origin of a request, if it is admitted and can be said in a header.
    pub(crate) fn admitted<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let origin = header_text(request.headers.get("origin")?, MAX_ORIGIN)?;
        let is_admitted = self.any
            || self.list.iter().any(|listed| listed == origin)
            || (self.same_host && is_same_host(origin, request.headers.get("host")));
        is_admitted.then_some(origin)
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self::any()
    }
}

/// An origin of a list is not written as browsers write it, so it would never match.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OriginError {
    /// It names the default port of its scheme, which browsers leave out.
    #[error("origin {index} names the default port of its scheme")]
    DefaultPort {
        /// Which one, counted from 0.
        index: usize,
    },
    /// It is not `null` and has not the form `scheme://host` or `scheme://host:port` in ASCII.
    #[error("origin {index} is neither scheme://host nor scheme://host:port")]
    Malformed {
        /// Which one, counted from 0.
        index: usize,
    },
    /// It has a path, a query or a fragment, if only a slash at its end.
    #[error("origin {index} has a path")]
    Path {
        /// Which one, counted from 0.
        index: usize,
    },
    /// Its scheme or host has upper-case letters.
    #[error("origin {index} has upper-case letters")]
    UpperCase {
        /// Which one, counted from 0.
        index: usize,
    },
}

/// Checks that an origin is written as browsers do (WHATWG HTML standard, 7.1.1, "serialization of
/// an origin").
pub(crate) fn check(index: usize, origin: &str) -> Result<(), OriginError> {
    if origin == "null" {
        return Ok(());
    }
    let malformed = OriginError::Malformed { index };
    let (scheme, authority) = origin.split_once("://").ok_or(malformed)?;
    if authority.contains(['/', '?', '#']) {
        return Err(OriginError::Path { index });
    }
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(OriginError::UpperCase { index });
    }
    let (host, port) = split_port(authority);
    let is_web = default_port(scheme).is_some();
    // Pages from files have no host.
    let is_host = is_host(host) || (host.is_empty() && port.is_none() && !is_web);
    if !is_scheme(scheme) || !is_host || !port.is_none_or(is_port) {
        return Err(malformed);
    }
    if port.is_some() && port == default_port(scheme) {
        return Err(OriginError::DefaultPort { index });
    }
    Ok(())
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The last colon of an IPv6 address without a port stands in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_host(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let (host, others): (_, &[u8]) = match inner {
        Some(address) => (address, b":."),
        None => (host, b"-._"),
    };
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn is_port(port: &str) -> bool {
    !port.starts_with('0')
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

/// The default ports of the WHATWG URL standard, 4.2, "special scheme".
fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "ftp" => Some("21"),
        "http" | "ws" => Some("80"),
        "https" | "wss" => Some("443"),
        _ => None,
    }
}

fn is_same_host(origin: &str, host: Option<&[u8]>) -> bool {
    let Some(((scheme @ ("http" | "https"), authority), host)) = origin.split_once("://").zip(host)
    else {
        return false;
    };
    // A client may spell the default port out in `Host` (RFC 9110, 7.2); browsers do not.
    let host = default_port(scheme)
        .and_then(|port| host.strip_suffix(port.as_bytes())?.strip_suffix(b":"))
        .unwrap_or(host);
    let host = host.iter().map(u8::to_ascii_lowercase);
    !authority.is_empty() && host.eq(authority.bytes())
}

/// A header's value as text that can be written into another header: ASCII without control
/// characters but TAB, of a bounded length. Neither origins nor names of headers are anything else,
/// and HTTP libraries do not write it as text (RFC 9110, 5.5).
pub(crate) fn header_text(value: &[u8], limit: usize) -> Option<&str> {
    let text = str::from_utf8(value).ok()?;
    let is_safe = |byte| matches!(byte, b'\t' | 0x20..=0x7e);
    (text.len() <= limit && text.bytes().all(is_safe)).then_some(text)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::edge::{Carrier, Headers};

    struct Two<'a>(Option<&'a [u8]>, Option<&'a [u8]>);

    impl Headers for Two<'_> {
        fn get(&self, name: &str) -> Option<&[u8]> {
            match name {
                "host" => self.1,
                "origin" => self.0,
                _ => None,
            }
        }
    }

    fn refuses(origins: &Origins, origin: Option<&[u8]>, host: Option<&[u8]>) -> bool {
        origins.refuse(&Request {
            carrier: Carrier::Polling,
            method: "GET",
            target: "/",
            headers: &Two(origin, host),
            peer: None,
        })
    }

    #[test]
    fn without_an_origin_every_policy_lets_a_request_pass() {
        for origins in [
            Origins::any(),
            Origins::same_host(),
            Origins::list(["https://a"]),
            Origins::list(Vec::<String>::new()),
        ] {
            assert!(!refuses(&origins, None, Some(b"b")), "{origins:?}");
            assert!(!refuses(&origins, None, None), "{origins:?}");
        }
    }

    #[test]
    fn a_list_is_compared_exactly() {
        let origins = Origins::list(["https://example.com", "http://localhost:3000", "null"]);
        for (origin, refused) in [
            (&b"https://example.com"[..], false),
            (b"http://localhost:3000", false),
            (b"null", false),
            (b"http://example.com", true),
            (b"https://EXAMPLE.com", true),
            (b"https://example.com:443", true),
            (b"https://example.com/", true),
            (b"https://example.com.evil.org", true),
            (b"https://evil.example.com", true),
            (b"http://localhost", true),
            (b"https://example.com https://evil.org", true),
            (b"", true),
            (b"https://example.com\xff", true),
            (b"\xff", true),
        ] {
            let origin = Some(origin);
            assert_eq!(refuses(&origins, origin, None), refused, "{origin:?}");
        }
        assert!(!refuses(&Origins::any(), Some(b"\xff"), None));
    }

    #[test]
    fn the_same_host_is_that_of_the_host_header_with_its_port() {
        let origins = Origins::same_host();
        for (origin, host, refused) in [
            ("http://example.com", Some("example.com"), false),
            ("https://example.com", Some("example.com"), false),
            ("https://example.com", Some("Example.COM"), false),
            ("http://example.com", Some("example.com:80"), false),
            ("https://example.com", Some("example.com:443"), false),
            ("http://localhost:3000", Some("localhost:3000"), false),
            ("http://[::1]:3000", Some("[::1]:3000"), false),
            ("http://[::80]", Some("[::80]"), false),
            ("https://example.com", Some("example.com:80"), true),
            ("http://localhost:3000", Some("localhost:3001"), true),
            ("http://localhost:3000", Some("localhost"), true),
            ("http://localhost", Some("localhost:3000"), true),
            ("https://Example.com", Some("example.com"), true),
            ("https://example.com/", Some("example.com"), true),
            ("https://example.com.evil.org", Some("example.com"), true),
            ("https://evil.org", Some("example.com"), true),
            ("capacitor://localhost", Some("localhost"), true),
            ("example.com", Some("example.com"), true),
            ("null", Some("null"), true),
            ("http://", Some(""), true),
            ("http://", Some(":80"), true),
            ("https://example.com", None, true),
        ] {
            let host = host.map(str::as_bytes);
            let refuses = refuses(&origins, Some(origin.as_bytes()), host);
            assert_eq!(refuses, refused, "{origin} at {host:?}");
        }
    }

    #[test]
    fn what_either_admits_both_together_admit() {
        let listed = || Origins::list(["https://a"]);
        let both = Origins::same_host().or(listed());
        for (origin, refused) in [
            ("https://a", false),
            ("https://b", false),
            ("https://c", true),
        ] {
            let refuses = refuses(&both, Some(origin.as_bytes()), Some(b"b"));
            assert_eq!(refuses, refused, "{origin}");
        }
        assert_eq!(both, listed().or(Origins::same_host()));
        let any = listed().or(Origins::any());
        assert!(!refuses(&any, Some(b"https://z"), None));
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_named() {
        use OriginError::{DefaultPort, Malformed, Path, UpperCase};
        let index = 1;
        for (origin, expected) in [
            ("https://example.com", Ok(())),
            ("http://localhost:3000", Ok(())),
            ("http://192.168.0.1:8080", Ok(())),
            ("http://[::1]", Ok(())),
            ("http://[::1]:3000", Ok(())),
            ("https://xn--bcher-kva.example", Ok(())),
            ("http://a_b:65535", Ok(())),
            ("capacitor://localhost", Ok(())),
            ("chrome-extension://abcdef", Ok(())),
            ("file://", Ok(())),
            ("null", Ok(())),
            ("https://example.com:443", Err(DefaultPort { index })),
            ("http://[::1]:80", Err(DefaultPort { index })),
            ("ws://a:80", Err(DefaultPort { index })),
            ("https://example.com/", Err(Path { index })),
            ("https://a?b", Err(Path { index })),
            ("https://a#b", Err(Path { index })),
            ("HTTPS://example.com", Err(UpperCase { index })),
            ("https://Example.com", Err(UpperCase { index })),
            ("", Err(Malformed { index })),
            ("*", Err(Malformed { index })),
            ("example.com", Err(Malformed { index })),
            ("https://*.example.com", Err(Malformed { index })),
            ("https://bücher.example", Err(Malformed { index })),
            ("https://user@example.com", Err(Malformed { index })),
            ("https://", Err(Malformed { index })),
            ("https://:8080", Err(Malformed { index })),
            ("file://:1", Err(Malformed { index })),
            ("https://a:", Err(Malformed { index })),
            ("https://a:080", Err(Malformed { index })),
            ("https://a:+80", Err(Malformed { index })),
            ("https://a:65536", Err(Malformed { index })),
            ("https://::1", Err(Malformed { index })),
            ("https://[]", Err(Malformed { index })),
            ("://a", Err(Malformed { index })),
            ("1http://a", Err(Malformed { index })),
            ("https://a\r\nx: y", Err(Malformed { index })),
            ("https://a b", Err(Malformed { index })),
        ] {
            let origins = Origins::list(["https://first", origin]);
            assert_eq!(origins.check(), expected, "{origin:?}");
        }
    }

    #[test]
    fn text_that_cannot_be_a_header_is_not_one() {
        for (value, text) in [
            (&b"https://a"[..], Some("https://a")),
            (b"\ta ~", Some("\ta ~")),
            ("é".as_bytes(), None),
            (b"123456789", Some("123456789")),
            (b"1234567890", None),
            (b"a\r\nb", None),
            (b"a\0", None),
            (b"\x7f", None),
            (b"\xff", None),
        ] {
            assert_eq!(header_text(value, 9), text, "{value:?}");
        }
    }

    #[test]
    fn an_origin_matches_up_to_its_length() {
        for (len, admitted) in [(MAX_ORIGIN, true), (MAX_ORIGIN + 1, false)] {
            let origin = vec![b'a'; len];
            let headers = Two(Some(&origin), None);
            let request = Request {
                carrier: Carrier::Polling,
                method: "GET",
                target: "/",
                headers: &headers,
                peer: None,
            };
            assert_eq!(Origins::any().admitted(&request).is_some(), admitted);
        }
    }
}
