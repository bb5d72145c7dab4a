//! Replays what the official decoder makes of lists of frames, beside what this one makes of them.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::*;
use crate::socket::{Args, attachments::Assembler};

const VECTORS: &str = include_str!("../../../tests/data/socketio-parser-cases.json");

/// Rows whose outcome is another one here, and why.
struct Difference {
    why: &'static str,
    /// What is wrong with the first frame here, in the reference's words; `None` if nothing is.
    first: Option<&'static str>,
    rows: &'static [&'static str],
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "a placeholder is checked with the text that holds it, not with the last attachment",
        first: Some("illegal attachments"),
        rows: &[
            "binary event num string",
            "binary event num numeric string",
            "binary event num out of range",
            "binary event num negative",
            "binary event num missing",
            "binary event num null",
            "illegal attachment leaves reconstruction pending",
        ],
    },
    Difference {
        why: "an index is a whole number",
        first: Some("illegal attachments"),
        rows: &["binary event num fractional"],
    },
    Difference {
        why: "an event has a name",
        first: Some("invalid payload"),
        rows: &[
            "event without payload",
            "event without payload, namespace",
            "event without payload, with ack id",
            "event number payload (read as ack id)",
            "event namespace without comma swallows payload",
            "event namespace then ack id only",
            "binary event without payload",
            "binary event namespace without comma swallows payload",
        ],
    },
    Difference {
        why: "an id that JavaScript would round is refused",
        first: Some("invalid payload"),
        rows: &[
            "event ack id, 2^53+1 is rounded",
            "event ack id, 2^64",
            "event ack id, 25 digits",
            "event ack id, 400 digits is Infinity",
        ],
    },
    Difference {
        why: "the digits of an id are ASCII digits",
        first: Some("invalid payload"),
        rows: &[
            "event space is read as ack id 0",
            "event newline is read as ack id 0",
            "event no-break space is read as ack id 0",
            "event digits with inner space give NaN ack id",
            "event digits with trailing space",
            "event BOM before payload is read as ack id 0",
        ],
    },
    Difference {
        why: "the digits of a count are ASCII digits, the first one not 0",
        first: Some("Illegal attachments"),
        rows: &[
            "binary event count 1.0",
            "binary event count 1e0",
            "binary event count 0x1",
            "binary event count +1",
            "binary event count with space",
            "binary event count 01",
            "binary event 1e1 attachments header",
        ],
    },
    Difference {
        why: "a type is an ASCII digit",
        first: Some("unknown packet type NaN"),
        rows: &[
            "empty frame is a root CONNECT",
            "single space is a root CONNECT",
            "tab is a root CONNECT",
            "BOM first is type 0, then '2' is the ack id",
        ],
    },
    Difference {
        why: "no attachments make an ordinary packet",
        first: None,
        rows: &[
            "binary event zero attachments",
            "binary event zero attachments then text",
            "binary event zero attachments then binary",
            "binary ack zero attachments",
        ],
    },
    Difference {
        why: "half a surrogate pair is kept as text, and decoded as U+FFFD: text is Unicode",
        first: None,
        rows: &["event lone surrogate escape"],
    },
    Difference {
        why: "a number beyond those of `serde_json` is kept as text, and no `Value` when decoded",
        first: None,
        rows: &["event number overflow"],
    },
];

/// What came out of a list of frames.
#[derive(Debug, PartialEq)]
struct Outcome {
    packets: Vec<Value>,
    /// The frame and the reference's text for the error.
    errors: Vec<(usize, String)>,
    pending: bool,
}

#[test]
fn every_list_of_frames_gives_what_the_reference_gives_or_differs_for_a_reason() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let rows = vectors["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 202);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let (ours, theirs) = (replay(&row["frames"]), expected(row));
        let Some(difference) = difference(name) else {
            assert!(
                is_same(&ours, &theirs),
                "{name}: {ours:#?} is not {theirs:#?}"
            );
            continue;
        };
        assert!(
            !is_same(&ours, &theirs),
            "{name}: not true that {}",
            difference.why
        );
        let first = ours.errors.iter().find(|(frame, _)| *frame == 0);
        assert_eq!(first.map(|(_, text)| &**text), difference.first, "{name}");
    }
}

#[test]
fn every_difference_is_about_one_row() {
    let listed: Vec<_> = DIFFERENCES
        .iter()
        .flat_map(|difference| difference.rows)
        .collect();
    for &name in &listed {
        assert_eq!(
            listed.iter().filter(|other| **other == name).count(),
            1,
            "{name}"
        );
        let key = format!("\"name\":\"{name}\"");
        assert_eq!(VECTORS.matches(&key).count(), 1, "{name}");
    }
}

fn difference(name: &str) -> Option<&'static Difference> {
    DIFFERENCES
        .iter()
        .find(|difference| difference.rows.contains(&name))
}

fn expected(row: &Value) -> Outcome {
    let errors = match (&row["errors"], &row["error"]) {
        (Value::Array(errors), _) => errors
            .iter()
            .map(|error| (&error["frame"], &error["message"]))
            .collect(),
        (_, Value::Null) => Vec::new(),
        (_, error) => Vec::from([(&row["error_frame"], error)]),
    };
    let packets = match (&row["packets"], &row["packet"]) {
        (Value::Array(packets), _) => packets.clone(),
        (_, Value::Null) => Vec::new(),
        (_, packet) => Vec::from([packet.clone()]),
    };
    let error = |(frame, message): (&Value, &Value)| {
        let frame = usize::try_from(frame.as_u64().unwrap()).unwrap();
        (frame, message.as_str().unwrap().to_string())
    };
    Outcome {
        packets,
        errors: errors.into_iter().map(error).collect(),
        pending: row["pending"] == true,
    }
}

/// Goes through frames as the reference decoder does, which goes on behind an error.
fn replay(frames: &Value) -> Outcome {
    let mut outcome = Outcome {
        packets: Vec::new(),
        errors: Vec::new(),
        pending: false,
    };
    let mut assembler = Assembler::new();
    for (i, frame) in frames.as_array().unwrap().iter().enumerate() {
        match take(&mut assembler, message(frame)) {
            Ok(packet) => outcome.packets.extend(packet),
            Err(error) => outcome.errors.push((i, reference_text(error))),
        }
    }
    // The rows say so only where nothing else happened.
    outcome.pending = assembler.is_waiting() && outcome.errors.is_empty();
    outcome
}

fn take(assembler: &mut Assembler, message: Message) -> Result<Option<Value>, DecodeError> {
    let fragment = Json::default().parse(message)?;
    Ok(assembler.push(fragment)?.map(describe))
}

fn message(frame: &Value) -> Message {
    match frame {
        Value::String(text) => Message::Text(text.as_str().into()),
        other => {
            let bytes = STANDARD.decode(other["base64"].as_str().unwrap());
            Message::Binary(bytes.unwrap().into())
        }
    }
}

/// A packet in the words of the rows.
fn describe(packet: Received) -> Value {
    let mut described = json!({
        "type": packet.kind() as u8,
        "nsp": packet.namespace(),
    });
    if let Some(id) = packet.id() {
        described["id"] = id.into();
    }
    let kind = packet.kind();
    let data = match kind {
        _ if !packet.has_payload() => None,
        PacketKind::Event | PacketKind::Ack => Some(describe_args(&packet.into_args(), kind)),
        _ => packet.into_data().map(|data| data.parse().unwrap()),
    };
    if let Some(data) = data {
        described["data"] = data;
    }
    described
}

fn describe_args(args: &Args, kind: PacketKind) -> Value {
    let mut values: Vec<Value> = args
        .parse()
        .unwrap_or_else(|error| Vec::from([json!({ "$error": error.to_string() })]));
    for value in &mut values {
        fill_in(value, args.attachments());
    }
    if kind == PacketKind::Event {
        values.insert(0, args.name().into());
    }
    values.into()
}

/// Puts attachments in the places of placeholders.
fn fill_in(value: &mut Value, attachments: &[Bytes]) {
    match value {
        Value::Object(members)
            if !attachments.is_empty() && members.get("_placeholder") == Some(&json!(true)) =>
        {
            // However it is written, `-0` included.
            let index = members["num"].as_f64().unwrap();
            let index = (0..attachments.len()).find(|i| json!(i).as_f64().unwrap() >= index);
            *value = json!({ "$binary": STANDARD.encode(&attachments[index.unwrap()]) });
        }
        Value::Object(members) => members
            .iter_mut()
            .for_each(|(_, member)| fill_in(member, attachments)),
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| fill_in(element, attachments)),
        _ => {}
    }
}

/// Compares as JavaScript would: numbers are doubles.
fn is_same(ours: &Outcome, theirs: &Outcome) -> bool {
    ours.errors == theirs.errors
        && ours.pending == theirs.pending
        && ours.packets.len() == theirs.packets.len()
        && ours
            .packets
            .iter()
            .zip(&theirs.packets)
            .all(|(ours, theirs)| is_same_value(ours, &named(theirs.clone())))
}

/// Writes the name of an event as text, which may be a number in the rows.
fn named(mut packet: Value) -> Value {
    if packet["type"] == 2
        && let Some(Value::Array(data)) = packet.get_mut("data")
        && let Some(name) = data.first_mut()
        && name.is_number()
    {
        *name = name.to_string().into();
    }
    packet
}

fn is_same_value(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_same_value(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| {
                    theirs
                        .get(name)
                        .is_some_and(|theirs| is_same_value(ours, theirs))
                })
        }
        _ => ours == theirs,
    }
}

/// The text that the reference has for an error (Socket.IO reference, section 1.5).
fn reference_text(error: DecodeError) -> String {
    let text = match error {
        DecodeError::BinaryWhileIdle => "got binary data when not reconstructing a packet",
        DecodeError::IllegalAttachment { .. } => "illegal attachments",
        DecodeError::IllegalAttachmentCount { .. } => "Illegal attachments",
        DecodeError::TextWhileAssembling => "got plaintext data when reconstructing a packet",
        DecodeError::TooManyAttachments { .. } => "too many attachments",
        DecodeError::UnknownType(digit) if digit.is_ascii_digit() => {
            return format!("unknown packet type {digit}");
        }
        DecodeError::Empty | DecodeError::UnknownType(_) => "unknown packet type NaN",
        _ => "invalid payload",
    };
    text.into()
}
