//! The cookie that tells a load balancer where a session lives.

use alloc::string::String;
use core::{fmt::Write as _, time::Duration};

use bytestring::ByteString;
use thiserror::Error;

use super::cors::is_token;

/// A cookie that holds the session id (Engine.IO reference, "Cookie").
///
/// It goes with the first answer of a session that opens by polling and with no other, and never
/// with a WebSocket handshake. The server does not read it: it serves load balancers that send the
/// requests of one session to one server. The session id is a credential, so scripts of the page do
/// not see the cookie by default.
///
/// [`Cookie::default`] is what the reference sends for `cookie: true`:
///
/// ```text
/// Set-Cookie: io=<sid>; Path=/; HttpOnly; SameSite=Lax
/// ```
///
/// Names and values are checked by [`ConfigBuilder::build`](super::ConfigBuilder::build); none can
/// end the header or begin another attribute. Browsers drop a cookie with `SameSite=None` or
/// `Partitioned` that lacks `Secure`; that is not checked here.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Cookie {
    name: String,
    max_age: Option<Duration>,
    domain: Option<String>,
    path: Option<String>,
    expires: Option<String>,
    http_only: bool,
    secure: bool,
    partitioned: bool,
    priority: Option<Priority>,
    same_site: Option<SameSite>,
}

/// Which requests that another site causes carry the cookie.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SameSite {
    /// Those that lead the visitor to this site.
    Lax,
    /// All; it needs [`Cookie::secure`].
    None,
    /// None of them.
    Strict,
}

/// How soon a browser drops the cookie when it has too many.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Priority {
    /// Late.
    High,
    /// Early.
    Low,
    /// In between.
    Medium,
}

impl Default for Cookie {
    fn default() -> Self {
        Self::new("io")
    }
}

impl Cookie {
    /// A cookie of this name, with `Path=/`, `HttpOnly` and `SameSite=Lax`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            max_age: None,
            domain: None,
            path: Some("/".into()),
            expires: None,
            http_only: true,
            secure: false,
            partitioned: false,
            priority: None,
            same_site: Some(SameSite::Lax),
        }
    }

    /// After how many whole seconds the browser forgets it. Default: with its session.
    pub fn max_age(mut self, span: Duration) -> Self {
        self.max_age = Some(span);
        self
    }

    /// The domain whose hosts get it, too. Default: this host alone.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The path below which it is sent, or `None` for the path of the request. Default `/`.
    pub fn path<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.path = path.into().map(Into::into);
        self
    }

    /// When the browser forgets it, as finished text such as `Wed, 21 Oct 2026 07:28:00 GMT`: the
    /// machine knows no calendar. It is the same for every session.
    pub fn expires(mut self, date: impl Into<String>) -> Self {
        self.expires = Some(date.into());
        self
    }

    /// Whether it is hidden from scripts. Default true.
    pub fn http_only(mut self, hidden: bool) -> Self {
        self.http_only = hidden;
        self
    }

    /// Whether it is sent through TLS only. Default false.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether browsers keep one for each site that embeds this one. Default false.
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// How soon a browser drops it. Not said by default.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Which requests that another site causes carry it, or `None` to leave that to the browser.
    /// Default `Lax`.
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), CookieError> {
        let is_text = |text: &Option<String>| text.as_deref().is_none_or(is_attribute);
        if !is_token(&self.name) {
            Err(CookieError::Name)
        } else if !is_text(&self.domain) {
            Err(CookieError::Domain)
        } else if !is_text(&self.path) {
            Err(CookieError::Path)
        } else if !is_text(&self.expires) {
            Err(CookieError::Expires)
        } else {
            Ok(())
        }
    }

    /// The value of `Set-Cookie` for a session, its attributes in the reference's order.
    pub(crate) fn header(&self, sid: &str) -> ByteString {
        let mut value = String::with_capacity(96);
        value.push_str(&self.name);
        value.push('=');
        value.push_str(sid);
        if let Some(span) = self.max_age {
            // Writing to a string does not fail.
            _ = write!(value, "; Max-Age={}", span.as_secs());
        }
        let priority = self.priority.map(Priority::as_str);
        let same_site = self.same_site.map(SameSite::as_str);
        for (attribute, text) in [
            ("; Domain=", self.domain.as_deref()),
            ("; Path=", self.path.as_deref()),
            ("; Expires=", self.expires.as_deref()),
            ("; HttpOnly", self.http_only.then_some("")),
            ("; Secure", self.secure.then_some("")),
            ("; Partitioned", self.partitioned.then_some("")),
            ("; Priority=", priority),
            ("; SameSite=", same_site),
        ] {
            if let Some(text) = text {
                value.push_str(attribute);
                value.push_str(text);
            }
        }
        value.into()
    }
}

impl Priority {
    const fn as_str(self) -> &'static str {
        match self {
            Self::High => "High",
            Self::Low => "Low",
            Self::Medium => "Medium",
        }
    }
}

impl SameSite {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::None => "None",
            Self::Strict => "Strict",
        }
    }
}

/// A value of an attribute: visible ASCII and spaces, without what begins the next attribute.
fn is_attribute(text: &str) -> bool {
    let is_plain = |byte| matches!(byte, 0x20..=0x7e) && byte != b';';
    !text.is_empty() && text.bytes().all(is_plain)
}

/// A setting of a [`Cookie`] that would not be read as what it is.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CookieError {
    /// The domain is empty, or has characters other than spaces and visible ASCII without semicolon.
    #[error("the domain of the cookie is empty or has characters that it cannot have")]
    Domain,
    /// The date is empty, or has characters other than spaces and visible ASCII without semicolon.
    #[error("the date of the cookie is empty or has characters that it cannot have")]
    Expires,
    /// The name is not a token (RFC 6265, 4.1.1).
    #[error("the name of the cookie is not a token")]
    Name,
    /// The path is empty, or has characters other than spaces and visible ASCII without semicolon.
    #[error("the path of the cookie is empty or has characters that it cannot have")]
    Path,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_in_the_order_of_the_reference() {
        for (cookie, expected) in [
            (Cookie::default(), "io=ID; Path=/; HttpOnly; SameSite=Lax"),
            (
                Cookie::new("woot"),
                "woot=ID; Path=/; HttpOnly; SameSite=Lax",
            ),
            (
                Cookie::default().path("/custom"),
                "io=ID; Path=/custom; HttpOnly; SameSite=Lax",
            ),
            (
                Cookie::default().path(None),
                "io=ID; HttpOnly; SameSite=Lax",
            ),
            (
                Cookie::default().http_only(false),
                "io=ID; Path=/; SameSite=Lax",
            ),
            (
                Cookie::default().same_site(SameSite::Strict),
                "io=ID; Path=/; HttpOnly; SameSite=Strict",
            ),
            (
                Cookie::default().same_site(SameSite::None).secure(true),
                "io=ID; Path=/; HttpOnly; Secure; SameSite=None",
            ),
            (Cookie::default().same_site(None), "io=ID; Path=/; HttpOnly"),
            (
                Cookie::default()
                    .path(None)
                    .http_only(false)
                    .same_site(None),
                "io=ID",
            ),
            (
                Cookie::new("all")
                    .same_site(SameSite::Strict)
                    .priority(Priority::High)
                    .partitioned(true)
                    .secure(true)
                    .expires("Wed, 21 Oct 2026 07:28:00 GMT")
                    .path("/p")
                    .domain("example.com")
                    .max_age(Duration::from_millis(60_999)),
                "all=ID; Max-Age=60; Domain=example.com; Path=/p; \
                 Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly; Secure; Partitioned; \
                 Priority=High; SameSite=Strict",
            ),
        ] {
            assert_eq!(cookie.check(), Ok(()), "{expected}");
            assert_eq!(cookie.header("ID"), expected);
        }
        for (priority, text) in [(Priority::Low, "Low"), (Priority::Medium, "Medium")] {
            assert_eq!(priority.as_str(), text);
        }
    }

    #[test]
    fn nothing_can_end_the_header_or_begin_another_attribute() {
        for bad in [
            "",
            "a\r\nset-cookie: b=c",
            "a; HttpOnly",
            "a\0",
            "é",
            "a\tb",
            "a\x7f",
        ] {
            let cookie = Cookie::default();
            for (cookie, error) in [
                (Cookie::new(bad), CookieError::Name),
                (cookie.clone().domain(bad), CookieError::Domain),
                (cookie.clone().path(bad), CookieError::Path),
                (cookie.expires(bad), CookieError::Expires),
            ] {
                assert_eq!(cookie.check(), Err(error), "{bad:?}");
            }
        }
        for name in ["a b", "a=b", "a,b", "a\"b"] {
            assert_eq!(Cookie::new(name).check(), Err(CookieError::Name), "{name}");
        }
    }
}
