//! Socket.IO packets as they come to a client: read by hand, and no more of them than a test needs.

/// A packet, without its attachments.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Packet<'a> {
    pub(super) kind: char,
    pub(super) attachments: usize,
    pub(super) namespace: &'a str,
    pub(super) id: Option<u64>,
    pub(super) payload: &'a str,
}

/// Reads the header of a packet.
pub(super) fn read(text: &str) -> Option<Packet<'_>> {
    let kind = text.chars().next()?;
    let mut rest = text.get(1..)?;
    let mut attachments = 0;
    if kind == '5' || kind == '6' {
        let (count, after) = rest.split_once('-')?;
        attachments = count.parse().ok()?;
        rest = after;
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, payload) = rest.split_at_checked(digits)?;
    let id = if digits == 0 { None } else { id.parse().ok() };
    Some(Packet {
        kind,
        attachments,
        namespace,
        id,
        payload,
    })
}

/// The members of a list. Its strings hold no quotes, no braces and no brackets.
pub(super) fn list(payload: &str) -> Option<Vec<&str>> {
    let inner = payload.strip_prefix('[')?.strip_suffix(']')?;
    let mut members = Vec::with_capacity(3);
    let (mut is_quoted, mut depth, mut start) = (false, 0_usize, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            b',' if !is_quoted && depth == 0 => {
                members.push(inner.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(inner.get(start..)?);
    Some(members)
}

/// The text of a string.
pub(super) fn text(member: &str) -> Option<&str> {
    member.strip_prefix('"')?.strip_suffix('"')
}

/// A member of an object, a string.
pub(super) fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = object.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_apart() {
        let packet = read(r#"51-/b,12["b",{"_placeholder":true,"num":0},"x"]"#).expect("it is one");
        let Packet {
            kind,
            attachments,
            namespace,
            id,
            payload,
        } = packet;
        assert_eq!((kind, attachments, namespace, id), ('5', 1, "/b", Some(12)));
        let members = list(payload).expect("it is a list");
        assert_eq!(
            members,
            [r#""b""#, r#"{"_placeholder":true,"num":0}"#, r#""x""#]
        );
        assert_eq!(text(members[2]), Some("x"));
        assert_eq!(
            read("1").map(|it| (it.kind, it.namespace)),
            Some(('1', "/"))
        );
        assert_eq!(read("1/b,").map(|it| it.namespace), Some("/b"));
        let packet = read(r#"0/b,{"sid":"s","pid":"p"}"#).expect("it is one");
        assert_eq!(field(packet.payload, "pid"), Some("p"));
    }
}
