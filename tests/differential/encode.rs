//! Compares what both sides write, and lets only listed differences pass.

use bytes::Bytes;
use socketio_proto::socket::{Limits, is_reserved};

use crate::{
    differences::{HEADER, KIND_OF_DATA, MANY_ATTACHMENTS, PROTO, RESERVED, SEPARATOR, TOO_DEEP},
    judge::{Hits, is_same_step},
    oracle::{EnginePacket, Frame, Packet, Step},
    ours,
    value::{Allowed, Text, Value},
};

/// Why our encoder has to refuse a packet, and the difference that it comes under.
fn refusals(packet: &Packet) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let namespace = packet.namespace.mended();
    if !namespace.starts_with('/') || namespace.contains(|it: char| it == ',' || it.is_control()) {
        found.push(("illegal namespace", HEADER));
    }
    match (packet.kind, &packet.data) {
        (0 | 4, Value::Undefined) | (1, _) => {}
        (0 | 4, data) => {
            if data.attachments() > 0 {
                found.push(("binary in data", KIND_OF_DATA));
            }
            if data.depth() > 127 {
                found.push(("too deep", TOO_DEEP));
            }
            let is_text = matches!(data, Value::Text(_)) && packet.kind == 4;
            if !is_text && !matches!(data, Value::Object(_)) {
                found.push(("illegal data", KIND_OF_DATA));
            }
        }
        (kind, data) => {
            if let (2, Value::List(elements)) = (kind, data)
                && let Some(Value::Text(name)) = elements.first()
                && is_reserved(&name.mended())
            {
                found.push(("reserved name", RESERVED));
            }
            if data.depth() > 128 {
                found.push(("too deep", TOO_DEEP));
            }
            if data.attachments() > 10 {
                found.push(("too many attachments", MANY_ATTACHMENTS));
            }
            if matches!(packet.id, Value::Number(id) if id > 9_007_199_254_740_991.0) {
                found.push(("id too large", HEADER));
            }
            if kind == 3 && packet.id == Value::Undefined {
                found.push(("missing id", HEADER));
            }
        }
    }
    found
}

/// `theirs` is what the official encoder writes, `read` what the official decoder makes of that, and
/// `again` what it makes of what we write.
pub fn packet(
    packet: &Packet,
    theirs: &[Frame],
    read: &[Step<String>],
    again: &[Step<String>],
) -> Result<Hits, String> {
    let refusals = refusals(packet);
    let ours = ours::encode(packet);
    let expected = Step::Packet(Packet {
        data: packet.data.through_json(),
        ..packet.clone()
    });
    let difference = || {
        format!(
            "packet {packet:?}\n  ours   {ours:?}\n  again  {again:?}\n  theirs {theirs:?}\n  read   {read:?}"
        )
    };
    if let Err(error) = &ours {
        let refusal = refusals.iter().find(|refusal| refusal.0 == error);
        let (error, name) = refusal.ok_or_else(difference)?;
        // What we do not write for the receiver's sake, the receiver refuses or reads otherwise.
        let is_refused = |text| matches!(&read[0], Step::Refused(error) if error == text);
        let is_useless = match *error {
            "illegal data" => !is_same_read(&read[0], &expected),
            "reserved name" => is_refused("invalid payload"),
            "too many attachments" => is_refused("too many attachments"),
            _ => true,
        };
        if refusals.len() == 1 && !is_useless {
            return Err(difference());
        }
        return Ok(vec![name]);
    }
    if !refusals.is_empty() {
        return Err(difference());
    }
    let mut hits = Hits::new();
    // The frames before the last one are waited for.
    let is_read = |steps: &[Step<String>], expected: &Step<String>| {
        let (last, before) = steps.split_last().expect("a packet has a frame");
        before.iter().all(|step| *step == Step::Waiting) && is_same_read(last, expected)
    };
    if !is_read(again, &expected) {
        return Err(difference());
    }
    if !is_read(read, &expected) {
        let left = Step::Packet(Packet {
            data: without_proto(&packet.data.through_json()),
            ..packet.clone()
        });
        if packet.data.attachments() == 0 || !is_read(read, &left) {
            return Err(difference());
        }
        hits.push(PROTO);
    }
    let ours_of_theirs = ours::decode(theirs, Limits::default());
    let same = ours_of_theirs.iter().zip(read);
    if ours_of_theirs.len() == read.len()
        && same.fold(true, |same, (ours, theirs)| {
            is_same_step(ours, theirs, &mut hits) && same
        })
    {
        return Ok(hits);
    }
    Err(format!(
        "{}\n  ours of theirs {ours_of_theirs:?}",
        difference()
    ))
}

/// Key order does not count.
fn is_same_read(read: &Step<String>, expected: &Step<String>) -> bool {
    let (Step::Packet(read), Step::Packet(expected)) = (read, expected) else {
        return false;
    };
    let mut allowed = Allowed::default();
    read.kind == expected.kind
        && read.namespace == expected.namespace
        && read.id == expected.id
        && allowed.is_same(&expected.data, &read.data)
        && allowed == Allowed::default()
}

fn without_proto(value: &Value) -> Value {
    match value {
        Value::List(elements) => Value::List(elements.iter().map(without_proto).collect()),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|member| member.0 != Text::from("__proto__"))
                .map(|(name, member)| (name.clone(), without_proto(member)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn is_same_engine(read: &EnginePacket, sent: &EnginePacket) -> bool {
    let is_empty = sent.data == Value::text("") && read.data == Value::Undefined;
    read.kind == sent.kind && (is_empty || read.data == sent.data)
}

pub fn message(
    packet: &EnginePacket,
    theirs: &Value,
    again: &[EnginePacket],
) -> Result<Hits, String> {
    let frame = match theirs {
        Value::Bytes(bytes) => Frame::Bytes(bytes.clone()),
        Value::Text(text) => Frame::Text(text.mended()),
        other => panic!("{other:?} is no frame"),
    };
    let ours = ours::decode_message(&frame);
    let is_same = ours.as_ref() == Ok(packet)
        && again.len() == 1
        && is_same_engine(&again[0], packet)
        && ours::encode_message(packet) == frame;
    is_same
        .then(Hits::new)
        .ok_or_else(|| format!("{packet:?}\n  ours   {ours:?} of {frame:?}\n  theirs {again:?}"))
}

pub fn body(
    packets: &[EnginePacket],
    theirs: &Value,
    again: &[EnginePacket],
) -> Result<Hits, String> {
    let difference = || format!("{packets:?}\n  theirs {theirs:?}\n  again  {again:?}");
    let has_separator = |packet: &EnginePacket| matches!(&packet.data, Value::Text(text) if text.mended().contains('\u{1e}'));
    match ours::encode_body(packets) {
        // The official encoder has no answer for no packets.
        Err(_) if packets.is_empty() && *theirs == Value::Undefined => Ok(Hits::new()),
        Err(_) if packets.iter().any(has_separator) => Ok(vec![SEPARATOR]),
        Err(error) => Err(format!("{error}: {}", difference())),
        Ok(body) => {
            let Value::Text(text) = theirs else {
                return Err(difference());
            };
            let text = text.mended();
            let ours = ours::decode_body(Bytes::from(text.clone()), 65_536);
            let is_same = text.as_bytes() == body
                && again.len() == packets.len()
                && again
                    .iter()
                    .zip(packets)
                    .all(|(read, sent)| is_same_engine(read, sent))
                && ours
                    .iter()
                    .map(|read| read.as_ref().ok())
                    .eq(packets.iter().map(Some));
            is_same.then(Hits::new).ok_or_else(difference)
        }
    }
}
