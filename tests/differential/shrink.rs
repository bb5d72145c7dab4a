//! Makes an input smaller as long as it still fails.

use bytes::Bytes;

use crate::{
    generate::Case,
    oracle::{Frame, Packet},
    value::Value,
};

/// How many inputs are tried.
const TRIES: usize = 5_000;

pub fn shrink(mut case: Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut tries = 0;
    'again: loop {
        for smaller in candidates(&case) {
            tries += 1;
            if tries > TRIES {
                return case;
            }
            if fails(&smaller) {
                case = smaller;
                continue 'again;
            }
        }
        return case;
    }
}

fn candidates(case: &Case) -> Vec<Case> {
    match case {
        Case::Body { body, max_packets } => smaller_bytes(body)
            .into_iter()
            .map(|body| Case::Body {
                body: body.into(),
                max_packets: *max_packets,
            })
            .collect(),
        Case::EncodeBody(packets) => without_one(packets)
            .into_iter()
            .map(Case::EncodeBody)
            .collect(),
        Case::EncodeMessage(_) => Vec::new(),
        Case::Encode(packet) => smaller_values(&packet.data)
            .into_iter()
            .filter(|data| has_form(packet, data))
            .map(|data| {
                Case::Encode(Packet {
                    data,
                    ..packet.clone()
                })
            })
            .collect(),
        Case::Frames(frames) => {
            let mut found = without_one(frames);
            for (at, frame) in frames.iter().enumerate() {
                for smaller in smaller_frames(frame) {
                    let mut frames = frames.clone();
                    frames[at] = smaller;
                    found.push(frames);
                }
            }
            found.into_iter().map(Case::Frames).collect()
        }
        Case::Message(frame) => smaller_frames(frame)
            .into_iter()
            .map(Case::Message)
            .collect(),
    }
}

/// Events keep their name.
fn has_form(packet: &Packet, data: &Value) -> bool {
    match (packet.kind, data) {
        (2, Value::List(elements)) => matches!(elements.first(), Some(Value::Text(_))),
        (3, Value::List(_)) => true,
        (kind, _) => kind != 2 && kind != 3,
    }
}

fn smaller_frames(frame: &Frame) -> Vec<Frame> {
    match frame {
        Frame::Bytes(bytes) if bytes.is_empty() => Vec::new(),
        Frame::Bytes(_) => vec![Frame::Bytes(Bytes::new())],
        Frame::Text(text) => smaller_bytes(text.as_bytes())
            .into_iter()
            .filter_map(|bytes| String::from_utf8(bytes).ok())
            .map(Frame::Text)
            .collect(),
    }
}

/// Without one stretch: long ones first.
fn smaller_bytes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut len = bytes.len();
    while len > 0 {
        for start in (0..=bytes.len() - len).step_by(len.div_ceil(2)) {
            found.push([&bytes[..start], &bytes[start + len..]].concat());
        }
        len /= 2;
    }
    found
}

fn without_one<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    let without = |at| {
        let mut rest = all.to_vec();
        rest.remove(at);
        rest
    };
    (0..all.len()).map(without).collect()
}

fn smaller_values(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::List(elements) => {
            found.extend(elements.iter().cloned());
            found.extend(without_one(elements).into_iter().map(Value::List));
            for (at, element) in elements.iter().enumerate() {
                for smaller in smaller_values(element) {
                    let mut elements = elements.clone();
                    elements[at] = smaller;
                    found.push(Value::List(elements));
                }
            }
        }
        Value::Object(members) => {
            found.extend(members.iter().map(|member| member.1.clone()));
            found.extend(without_one(members).into_iter().map(Value::Object));
            for (at, member) in members.iter().enumerate() {
                for smaller in smaller_values(&member.1) {
                    let mut members = members.clone();
                    members[at].1 = smaller;
                    found.push(Value::Object(members));
                }
            }
        }
        _ => {}
    }
    found
}
