//! Packets of the reference's encoder, made by socket.io-parser 4.2.x: what a case asks for is built
//! with this crate and compared as JSON, as bytes in the header.

use super::*;
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Where this crate differs, and why.
const DIFFERENT: [(&str, &str); 3] = [
    (
        "event numeric name",
        "an event's name is a string on the way out",
    ),
    (
        "eleven attachments are encoded although a receiver rejects them",
        "refused to the sender",
    ),
    ("lone surrogate is escaped", "Rust's strings have none"),
];

/// What a server of this crate does not send.
const NOT_SENT: [&str; 8] = [
    "connect root",
    "connect namespace",
    "connect with payload",
    "connect reply with pid",
    "connect with empty payload",
    "connect_error empty",
    "error string (revision 4 peer)",
    "connect_error without payload",
];

#[derive(Deserialize)]
struct Case {
    protocol: u8,
    name: String,
    packet: Wanted,
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "type")]
    kind: u8,
    nsp: String,
    id: Option<u64>,
    #[serde(default)]
    data: Option<Special>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Frame {
    Text(String),
    Binary { base64: String },
}

/// A value of a case. What JSON has no form for is an object with a member that begins with `$`.
#[derive(Clone, Deserialize)]
struct Special(Value);

impl Special {
    fn member(&self, name: &str) -> Option<Self> {
        self.0.get(name).cloned().map(Self)
    }

    fn is_undefined(&self) -> bool {
        self.0.get("$undefined").is_some()
    }
}

impl Serialize for Special {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Array(elements) => {
                serializer.collect_seq(elements.iter().map(|element| Self(element.clone())))
            }
            Value::Object(_) if self.is_undefined() => serializer.serialize_none(),
            Value::Object(members) => match members.iter().next() {
                Some((key, value)) if key == "$binary" => bytes(value).serialize(serializer),
                Some((key, value)) if key == "$number" => {
                    let number: f64 = value.as_str().unwrap().parse().unwrap();
                    number.serialize(serializer)
                }
                Some((key, value)) if key == "$date" => match value.as_u64() {
                    Some(0) => "1970-01-01T00:00:00.000Z".serialize(serializer),
                    _ => "2001-09-09T01:46:40.000Z".serialize(serializer),
                },
                _ => {
                    let members = members
                        .iter()
                        .map(|(key, value)| (key, Self(value.clone())));
                    serializer.collect_map(members.filter(|(_, value)| !value.is_undefined()))
                }
            },
            other => other.serialize(serializer),
        }
    }
}

fn bytes(base64: &Value) -> Binary {
    BASE64_STANDARD
        .decode(base64.as_str().unwrap())
        .unwrap()
        .into()
}

/// What this crate sends for a case, if it has an operation for it.
fn encoded(wanted: &Wanted) -> Option<Result<Sealed, EncodeError>> {
    let control = |text| Sealed {
        text,
        attachments: None,
    };
    let nsp = wanted.nsp.as_str();
    Some(Ok(match (wanted.kind, &wanted.data) {
        (0, Some(data))
            if data.member("sid").is_some() && data.0.get("pid").is_none_or(Value::is_object) =>
        {
            control(connect_answer(nsp, data.0["sid"].as_str()?))
        }
        (1, None) => control(disconnect(nsp)),
        (2, Some(Special(Value::Array(data)))) => {
            let args: Vec<_> = data.iter().skip(1).cloned().map(Special).collect();
            let packet = Packet::event(data.first()?.as_str().unwrap_or_default(), &args);
            return Some(packet.map(|packet| packet.finish(nsp, wanted.id)));
        }
        (3, Some(data)) => {
            let packet = Packet::reply(data);
            return Some(packet.map(|packet| packet.finish(nsp, wanted.id)));
        }
        (4, Some(data)) if data.member("message").is_some() => {
            let details = data
                .member("data")
                .filter(|details| !details.is_undefined());
            let details = details.map(|details| Data::new(&details).unwrap());
            control(connect_error(
                nsp,
                data.0["message"].as_str()?,
                details.as_ref(),
            ))
        }
        _ => return None,
    }))
}

/// Parses with this crate: `serde_json` reads some numbers one off in the last digit.
fn parse<T: de::DeserializeOwned>(json: &str) -> T {
    answer(&format!("[{json}]"), &[]).get(0).unwrap()
}

/// The header, and what follows it as a value.
fn split(text: &str) -> (&str, Value) {
    let (header, json) = text.split_at(text.find(['[', '{', '"']).unwrap_or(text.len()));
    (
        header,
        if json.is_empty() {
            Value::Null
        } else {
            parse(json)
        },
    )
}

#[test]
fn packets_are_those_of_the_reference() {
    let cases = include_str!("../../../../tests/data/socketio-encode-cases.json");
    let cases: Vec<Case> = parse(cases);
    let mut left_out = Vec::new();
    for case in cases.iter().filter(|case| case.protocol == 5) {
        if DIFFERENT.iter().any(|(name, _)| *name == case.name) {
            continue;
        }
        let Some(sealed) = encoded(&case.packet) else {
            left_out.push(case.name.as_str());
            continue;
        };
        let sealed = sealed.unwrap();
        let text = core::str::from_utf8(&sealed.text).unwrap();
        let mut frames = case.frames.iter();
        let Some(Frame::Text(expected)) = frames.next() else {
            panic!("{}: the first frame is text", case.name);
        };

        assert_eq!(split(&text[1..]), split(expected), "{}", case.name);
        assert!(text.starts_with('4'), "{}", case.name);
        let attachments: Vec<Bytes> = frames
            .map(|frame| match frame {
                Frame::Binary { base64 } => BASE64_STANDARD.decode(base64).unwrap().into(),
                Frame::Text(text) => panic!("{}: {text}", case.name),
            })
            .collect();
        assert_eq!(
            sealed.attachments.as_deref().unwrap_or_default(),
            attachments,
            "{}",
            case.name
        );
    }
    assert_eq!(left_out, NOT_SENT);
}
