//! Request targets.

use socketio_proto::engine::target::{
    Eio, MAX_PARAMETERS, MAX_SESSION_ID, MAX_TARGET, Query, TargetError, TransportName, claims,
    parse,
};

use super::input;

/// A request target.
pub fn target(input: &[u8]) {
    let target = input::text(input);
    for path in ["/socket.io/", "/", ""] {
        let head = target.as_bytes().get(..path.len());
        assert_eq!(claims(target, path), head == Some(path.as_bytes()));
    }
    let parsed = parse(target);
    assert_eq!(parsed, model(target), "{target:?}");
    match parsed {
        Ok(query) => assert_survives(&query),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A query that is written with every byte as an escape is read as the same.
fn assert_survives(query: &Query<'_>) {
    let mut target = String::from("/socket.io/?");
    let mut push = |name: &str, value: &str| {
        use core::fmt::Write as _;

        for (text, end) in [(name, '='), (value, '&')] {
            for byte in text.bytes() {
                write!(target, "%{byte:02x}").unwrap();
            }
            target.push(end);
        }
    };
    match query.eio {
        Eio::Absent => {}
        Eio::Other => push("EIO", "5"),
        Eio::V3 => push("EIO", "3"),
        Eio::V4 => push("EIO", "4"),
    }
    if query.base64 {
        push("b64", "1");
    }
    if let Some(jsonp) = &query.jsonp {
        push("j", jsonp);
    }
    if let Some(sid) = &query.sid {
        push("sid", sid);
    }
    match query.transport {
        None => {}
        Some(TransportName::Polling) => push("transport", "polling"),
        Some(TransportName::WebSocket) => push("transport", "websocket"),
        Some(TransportName::WebTransport) => push("transport", "webtransport"),
    }
    if target.len() <= MAX_TARGET {
        assert_eq!(parse(&target).as_ref(), Ok(query), "{target}");
    }
}

fn model(target: &str) -> Result<Query<'static>, TargetError> {
    let (len, limit) = (target.len(), MAX_TARGET);
    if len > limit {
        return Err(TargetError::TooLong { len, limit });
    }
    let before_fragment = target.split('#').next().unwrap();
    let (_, raw) = before_fragment.split_once('?').unwrap_or_default();
    let parameters: Vec<&str> = raw.split('&').filter(|it| !it.is_empty()).collect();
    let (count, limit) = (parameters.len(), MAX_PARAMETERS);
    if count > limit {
        return Err(TargetError::TooManyParameters { count, limit });
    }
    let last = |wanted: &str| {
        let mut named = parameters.iter().rev().filter_map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (decode(name) == wanted).then(|| decode(value))
        });
        named.next()
    };
    let mut query = Query::default();
    query.base64 = last("b64").is_some_and(|value| !value.is_empty());
    query.eio = match last("EIO").as_deref() {
        None => Eio::Absent,
        Some("3") => Eio::V3,
        Some("4") => Eio::V4,
        Some(_) => Eio::Other,
    };
    query.jsonp = last("j").map(Into::into);
    query.sid = last("sid").filter(|sid| !sid.is_empty()).map(Into::into);
    query.transport = match last("transport").as_deref() {
        Some("polling") => Some(TransportName::Polling),
        Some("websocket") => Some(TransportName::WebSocket),
        Some("webtransport") => Some(TransportName::WebTransport),
        _ => None,
    };
    let (len, limit) = (query.sid.as_deref().unwrap_or("").len(), MAX_SESSION_ID);
    if len > limit {
        return Err(TargetError::SessionIdTooLong { len, limit });
    }
    Ok(query)
}

fn decode(raw: &str) -> String {
    let raw = raw.as_bytes();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < raw.len() {
        let escaped = raw.get(at + 1..at + 3).and_then(|digits| {
            let digits = core::str::from_utf8(digits).ok()?;
            let are_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            are_hex.then(|| u8::from_str_radix(digits, 16).unwrap())
        });
        match (raw[at], escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
