//! Request targets: the path that a server claims, and the query parameters that it reads.
//!
//! Reading is total: any text is a target. What is missing or unknown is a value, and only a
//! passed limit is an error.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use nom::{
    IResult, Parser as _,
    branch::alt,
    bytes::complete::{tag, take},
    combinator::{map_opt, value},
    multi::fold_many0,
    number::complete::u8 as any_byte,
    sequence::preceded,
};
use thiserror::Error;

/// The longest request target that is read, in bytes.
pub const MAX_TARGET: usize = 8 * 1024;
/// The most query parameters that are read.
pub const MAX_PARAMETERS: usize = 64;
/// The longest session id that is looked up, in bytes.
pub const MAX_SESSION_ID: usize = 64;

/// The query parameters that Engine.IO gives a meaning (Engine.IO reference, "Query parameters").
///
/// Names and values are percent-decoded, `+` is a space, invalid UTF-8 is replaced, and the last
/// of equal names wins. Other parameters are the application's.
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Query<'a> {
    /// `b64`: the client cannot receive binary data; any value but the empty one says so.
    pub base64: bool,
    /// `EIO`: the protocol revision.
    pub eio: Eio,
    /// `j`: the client polls by JSONP. The value is its index as it came, possibly empty.
    pub jsonp: Option<Cow<'a, str>>,
    /// `sid`: the session id, a credential. An empty one counts as none.
    pub sid: Option<Cow<'a, str>>,
    /// `transport`; none if it is absent or unknown, there is no default.
    pub transport: Option<TransportName>,
}

/// The protocol revision that a request asks for.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Eio {
    /// The parameter is absent.
    #[default]
    Absent,
    /// Neither `3` nor `4`, the empty value included.
    Other,
    /// Exactly `3`.
    V3,
    /// Exactly `4`.
    V4,
}

/// A transport by its name on the wire, which is lower-case and exact.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TransportName {
    /// `polling`.
    Polling,
    /// `websocket`.
    WebSocket,
    /// `webtransport`.
    WebTransport,
}

/// A request target passes a limit.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TargetError {
    /// The session id is too long.
    #[error("the session id has {len} bytes, at most {limit} allowed")]
    SessionIdTooLong {
        /// Its length in bytes, decoded.
        len: usize,
        /// The longest that is looked up.
        limit: usize,
    },
    /// The whole target is too long.
    #[error("the request target has {len} bytes, at most {limit} allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is read.
        limit: usize,
    },
    /// There are too many query parameters.
    #[error("{count} query parameters, at most {limit} allowed")]
    TooManyParameters {
        /// How many there are.
        count: usize,
        /// The most that are read.
        limit: usize,
    },
}

/// Whether a request belongs to the server of an effective path, such as `/engine.io/`.
///
/// The raw target has to start with the path: nothing is decoded, normalized or folded in case
/// (Engine.IO reference, "Path matching").
pub fn claims(target: &str, path: &str) -> bool {
    target.starts_with(path)
}

/// Reads the query of a request target.
///
/// # Errors
///
/// A [`TargetError`] if the target, the number of its parameters or the session id passes a limit.
pub fn parse(target: &str) -> Result<Query<'_>, TargetError> {
    check(target.len(), MAX_TARGET, |len, limit| {
        TargetError::TooLong { len, limit }
    })?;
    let raw = raw_query(target);
    check(parameters(raw).count(), MAX_PARAMETERS, |count, limit| {
        TargetError::TooManyParameters { count, limit }
    })?;
    let query = parameters(raw).fold(Query::default(), Query::with);
    let sid = query.sid.as_deref().unwrap_or_default();
    check(sid.len(), MAX_SESSION_ID, |len, limit| {
        TargetError::SessionIdTooLong { len, limit }
    })?;
    Ok(query)
}

impl<'a> Query<'a> {
    fn with(mut self, (name, value): (&'a str, &'a str)) -> Self {
        match &*decode(name) {
            "EIO" => self.eio = Eio::from_value(&decode(value)),
            "b64" => self.base64 = !value.is_empty(),
            "j" => self.jsonp = Some(decode(value)),
            "sid" => self.sid = Some(decode(value)).filter(|sid| !sid.is_empty()),
            "transport" => self.transport = TransportName::from_value(&decode(value)),
            _ => {}
        }
        self
    }
}

impl fmt::Debug for Query<'_> {
    /// Says whether there is a session id, not which: it is a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("base64", &self.base64)
            .field("eio", &self.eio)
            .field("jsonp", &self.jsonp)
            .field("sid", &self.sid.as_ref().map(|_| format_args!("redacted")))
            .field("transport", &self.transport)
            .finish()
    }
}

impl Eio {
    fn from_value(value: &str) -> Self {
        match value {
            "3" => Self::V3,
            "4" => Self::V4,
            _ => Self::Other,
        }
    }
}

impl TransportName {
    /// The transport of this name, if there is one.
    fn from_value(value: &str) -> Option<Self> {
        match value {
            "polling" => Some(Self::Polling),
            "websocket" => Some(Self::WebSocket),
            "webtransport" => Some(Self::WebTransport),
            _ => None,
        }
    }
}

fn check(
    seen: usize,
    limit: usize,
    error: impl FnOnce(usize, usize) -> TargetError,
) -> Result<(), TargetError> {
    if seen > limit {
        Err(error(seen, limit))
    } else {
        Ok(())
    }
}

/// What stands between the first `?` and a fragment, which has no place in a request target but
/// is cut off by the reference.
fn raw_query(target: &str) -> &str {
    let target = target.split_once('#').map_or(target, |(head, _)| head);
    target.split_once('?').map_or("", |(_, query)| query)
}

/// The parameters of a query, undecoded. Empty ones are none; one without `=` has an empty value.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
}

/// Decodes a name or value of the media type `application/x-www-form-urlencoded` (WHATWG URL
/// standard, 5.1): an incomplete escape stands for itself.
fn decode(raw: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let collect = |mut bytes: Vec<u8>, byte| {
        bytes.push(byte);
        bytes
    };
    let start = || Vec::with_capacity(raw.len());
    let decoded: IResult<_, _, ()> = fold_many0(unit, start, collect).parse(raw.as_bytes());
    let bytes = decoded.map(|(_, bytes)| bytes).unwrap_or_default();
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// `unit = "%" hex hex / "+" / any byte`
fn unit(input: &[u8]) -> IResult<&[u8], u8, ()> {
    let escape = preceded(tag("%"), map_opt(take(2_usize), hex_byte));
    alt((escape, value(b' ', tag("+")), any_byte)).parse(input)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0, |byte, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        u8::try_from(digit).ok().map(|digit| byte << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    fn sid(target: &str) -> Option<String> {
        parse(target).unwrap().sid.map(Cow::into_owned)
    }

    #[test]
    fn a_path_is_claimed_raw_and_as_a_prefix() {
        for (target, claimed) in [
            ("/engine.io/", true),
            ("/engine.io/?EIO=4", true),
            ("/engine.io/foo/bar?x", true),
            ("/engine.io", false),
            ("/engine.io?EIO=4", false),
            ("/Engine.io/", false),
            ("/%65ngine.io/", false),
            ("//engine.io/", false),
            ("/x/../engine.io/", false),
            ("", false),
        ] {
            assert_eq!(claims(target, "/engine.io/"), claimed, "{target}");
        }
        // Without a trailing slash in the path.
        assert!(claims("/engine.iox", "/engine.io"));
    }

    #[test]
    fn the_query_of_an_official_client_is_read() {
        let query = parse("/socket.io/?EIO=4&transport=polling&t=PxR1&sid=Ab_-9&b64=1").unwrap();
        let expected = Query {
            base64: true,
            eio: Eio::V4,
            jsonp: None,
            sid: Some("Ab_-9".into()),
            transport: Some(TransportName::Polling),
        };
        assert_eq!(query, expected);
        assert!(matches!(query.sid, Some(Cow::Borrowed(_))));
    }

    #[test]
    fn a_revision_is_an_exact_digit() {
        for (target, eio) in [
            ("/", Eio::Absent),
            ("/?eio=4", Eio::Absent),
            ("/?EIO", Eio::Other),
            ("/?EIO=", Eio::Other),
            ("/?EIO=3", Eio::V3),
            ("/?EIO=4", Eio::V4),
            ("/?EIO=%34", Eio::V4),
            ("/?EIO=04", Eio::Other),
            ("/?EIO=+4", Eio::Other),
            ("/?EIO=4&EIO=abc", Eio::Other),
        ] {
            assert_eq!(parse(target).unwrap().eio, eio, "{target}");
        }
    }

    #[test]
    fn a_transport_is_one_of_three_names() {
        for (value, transport) in [
            ("polling", Some(TransportName::Polling)),
            ("websocket", Some(TransportName::WebSocket)),
            ("webtransport", Some(TransportName::WebTransport)),
            ("WebSocket", None),
            ("", None),
            ("tobi", None),
            ("__proto__", None),
            ("constructor", None),
        ] {
            let target = format!("/?transport={value}");
            assert_eq!(parse(&target).unwrap().transport, transport, "{value}");
        }
    }

    #[test]
    fn values_are_decoded_and_the_last_one_wins() {
        for (target, expected) in [
            ("/?sid=a+b%20c", Some("a b c")),
            ("/?sid=%C3%A9", Some("é")),
            ("/?sid=%c3", Some("\u{fffd}")),
            ("/?sid=é+", Some("é ")),
            ("/?sid=%", Some("%")),
            ("/?sid=%4", Some("%4")),
            ("/?sid=%zz%41", Some("%zzA")),
            ("/?sid=%%41", Some("%A")),
            ("/?sid=a=b", Some("a=b")),
            ("/?sid=a?b", Some("a?b")),
            ("/?%73id=a", Some("a")),
            ("/?sid=a&sid=b", Some("b")),
            ("/?sid=a&sid=", None),
            ("/?sid", None),
            ("/?sid=a#b", Some("a")),
            ("/#?sid=a", None),
        ] {
            assert_eq!(sid(target).as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn base64_is_asked_for_by_any_value_and_jsonp_by_the_name_alone() {
        for (target, base64, jsonp) in [
            ("/", false, None),
            ("/?b64=&j=", false, Some("")),
            ("/?b64=0&j", true, Some("")),
            ("/?b64=1&j=1%5D", true, Some("1]")),
        ] {
            let query = parse(target).unwrap();
            assert_eq!(query.base64, base64, "{target}");
            assert_eq!(query.jsonp.as_deref(), jsonp, "{target}");
        }
    }

    #[test]
    fn any_text_is_a_target() {
        for target in [
            "",
            "/",
            "//",
            "?",
            "??",
            "?=&&",
            "&",
            "/?%",
            "/?%=%&+=+",
            "#",
            "?#",
            "é?é",
        ] {
            let query = parse(target).unwrap();
            assert_eq!(query, Query::default(), "{target}");
        }
    }

    #[test]
    fn each_limit_is_exact_and_named_by_its_error() {
        let target = |len: usize| format!("/?{}", "x".repeat(len - 2));
        assert!(parse(&target(MAX_TARGET)).is_ok());
        assert_eq!(
            parse(&target(MAX_TARGET + 1)),
            Err(TargetError::TooLong {
                len: 8_193,
                limit: 8_192
            })
        );

        let target = |count: usize| format!("/?{}", "a=1&&".repeat(count));
        assert!(parse(&target(MAX_PARAMETERS)).is_ok());
        assert_eq!(
            parse(&target(MAX_PARAMETERS + 1)),
            Err(TargetError::TooManyParameters {
                count: 65,
                limit: 64
            })
        );

        // Counted as decoded.
        let target = |len: usize| format!("/?sid={}", "%41".repeat(len));
        assert_eq!(sid(&target(MAX_SESSION_ID)), Some("A".repeat(64)));
        assert_eq!(
            parse(&target(MAX_SESSION_ID + 1)),
            Err(TargetError::SessionIdTooLong { len: 65, limit: 64 })
        );
    }

    #[test]
    fn every_prefix_of_a_target_is_read() {
        let target = "/engine.io/?EIO=4&transport=%70olling&sid=%C3%A9+&j=é&b64=1#x";
        for (end, _) in target.char_indices() {
            let _ = parse(&target[..end]).unwrap();
        }
    }

    #[test]
    fn a_session_id_is_not_printed() {
        let printed = format!("{:?}", parse("/?sid=secret").unwrap());
        assert!(!printed.contains("secret"), "{printed}");
        let error = TargetError::SessionIdTooLong { len: 65, limit: 64 };
        assert_eq!(
            error.to_string(),
            "the session id has 65 bytes, at most 64 allowed"
        );
    }
}
