//! Inputs of any size that a peer could send to cost much, and well-formed ones of the same kind.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    reason = "shared by measuring programs, each of which uses a part"
)]

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};
use socketio_proto::{
    edge::Message,
    engine::{packet, payload},
    socket::Limits,
};

use super::inputs;

/// What a peer sends.
pub enum Input {
    /// A text message of Engine.IO, and the binary messages behind it.
    Messages(String, Vec<Bytes>),
    /// The body of a request.
    Body(Vec<u8>),
}

impl Input {
    pub fn len(&self) -> usize {
        match self {
            Self::Messages(text, attachments) => {
                text.len() + attachments.iter().map(Bytes::len).sum::<usize>()
            }
            Self::Body(body) => body.len(),
        }
    }
}

type Make = fn(usize) -> Input;

pub struct Hostile {
    pub name: &'static str,
    pub make: Make,
    /// What an ordinary peer sends that is made of the same kinds of token.
    pub ordinary: Make,
    pub limits: Limits,
}

fn text(text: String) -> Input {
    Input::Messages(text, Vec::new())
}

/// A beginning, as many repetitions as there is room for, an end.
fn fill(size: usize, begin: &str, unit: &str, end: &str) -> String {
    let count = size.saturating_sub(begin.len() + end.len()) / unit.len();
    let mut text = String::with_capacity(size);
    text.push_str(begin);
    text.push_str(&unit.repeat(count));
    text.push_str(end);
    text
}

/// An event whose one argument is an array of a repeated value.
fn array(size: usize, value: &str) -> Input {
    let unit = format!("{value},");
    text(fill(size, r#"2["e",["#, &unit, &format!("{value}]]")))
}

/// An event whose one argument is a string of a repeated unit.
fn string(size: usize, unit: &str) -> Input {
    text(fill(size, r#"2["e",""#, unit, r#""]"#))
}

/// With one attachment of one byte.
fn binary(size: usize, unit: &str, end: &str) -> Input {
    let begin = r#"51-["e",["#;
    let bytes = Bytes::from_static(b"x");
    Input::Messages(fill(size, begin, unit, end), vec![bytes])
}

fn chats(size: usize) -> Input {
    text(inputs::event("history", &inputs::history(size)))
}

/// Small values in small objects, as a game sends them.
fn positions(size: usize) -> Input {
    array(size, r#"{"x":1,"y":2,"on":true}"#)
}

fn numbers(size: usize) -> Input {
    array(size, "12.5,-7,1721912345,0.125")
}

/// JSON inside of a string of JSON.
fn nested_text(size: usize) -> Input {
    string(size, r#"{\"id\":17,\"text\":\"see \\\"it\\\"\"},"#)
}

/// As encoders write it that keep to ASCII.
fn ascii_only(size: usize) -> Input {
    string(size, r"\u304a\u306f\u3088\u3046 \ud83d\ude00 ")
}

fn placeholders(size: usize) -> Input {
    let unit = r#"{"x":1,"y":2,"on":true},"#;
    binary(size, unit, r#"{"_placeholder":true,"num":0}]]"#)
}

fn small_packets(size: usize) -> Input {
    let unit = format!("4{}\u{1e}", inputs::SMALL);
    Input::Body(fill(size, "", &unit, "2").into())
}

fn base64(size: usize) -> Input {
    let bytes = inputs::binary(size / 4 * 3);
    let packet = packet::Packet::Message(Message::Binary(bytes));
    Input::Body(payload::encode([packet]).unwrap().into())
}

fn spoiled(input: Input, byte: u8) -> Input {
    let Input::Body(mut body) = input else {
        return input;
    };
    *body.last_mut().unwrap() = byte;
    Input::Body(body)
}

/// Numbered members, each name once.
fn members(size: usize) -> Input {
    let mut json = String::from(r#"2["e",{""#);
    for number in 0.. {
        write!(json, r#"{number:06}":1"#).unwrap();
        if json.len() + 16 > size {
            break;
        }
        json.push_str(r#",""#);
    }
    json.push_str("}]");
    text(json)
}

fn tower(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// Every input, with what it is measured beside.
pub fn received() -> Vec<Hostile> {
    let parts = [
        nesting(),
        digits(),
        strings(),
        separation(),
        namespaces(),
        attachments(),
        bodies(),
    ];
    parts.into_iter().flatten().collect()
}

fn hostile(name: &'static str, ordinary: Make, make: Make) -> Hostile {
    Hostile {
        name,
        make,
        ordinary,
        limits: Limits::default(),
    }
}

/// Where the application allows as much depth as it can.
fn deep(name: &'static str, make: Make) -> Hostile {
    let mut case = hostile(name, positions, make);
    case.limits.max_depth = Limits::MAX_DEPTH;
    case
}

/// Where the application allows any namespace.
fn long_names(name: &'static str, make: Make) -> Hostile {
    let mut case = hostile(name, chats, make);
    case.limits.max_namespace = usize::MAX;
    case
}

fn nesting() -> Vec<Hostile> {
    vec![
        hostile("brackets that never end", positions, |n| {
            text(fill(n, r#"2["e","#, "[", ""))
        }),
        hostile("braces that never end", positions, |n| {
            text(fill(n, r#"2["e","#, r#"{"":"#, ""))
        }),
        hostile("towers of 126 arrays", positions, |n| {
            array(n, &tower("[", "]", 126))
        }),
        hostile("towers of 126 objects", positions, |n| {
            array(n, &tower(r#"{"":"#, "}", 126))
        }),
        deep("towers of 510 arrays, allowed", |n| {
            array(n, &tower("[", "]", 510))
        }),
        deep("towers of 510 objects, allowed", |n| {
            array(n, &tower(r#"{"":"#, "}", 510))
        }),
        hostile("empty arrays", positions, |n| array(n, "[]")),
        hostile("empty objects", positions, |n| array(n, "{}")),
        hostile("towers that end wrongly", positions, |n| {
            let unit = format!("{},", tower("[", "]", 126));
            text(fill(n, r#"2["e",["#, &unit, "1}]"))
        }),
    ]
}

fn digits() -> Vec<Hostile> {
    vec![
        hostile("an id of digits", numbers, |n| {
            text(fill(n, "2", "7", r#"["e"]"#))
        }),
        hostile("an id of zeros", numbers, |n| {
            text(fill(n, "2", "0", r#"1["e"]"#))
        }),
        hostile("a count of digits", numbers, |n| {
            text(fill(n, "5", "7", r#"-["e"]"#))
        }),
        hostile("a number of digits", numbers, |n| {
            text(fill(n, r#"2["e","#, "7", "]"))
        }),
        hostile("a fraction of digits", numbers, |n| {
            text(fill(n, r#"2["e",0."#, "7", "]"))
        }),
        hostile("a fraction of zeros", numbers, |n| {
            text(fill(n, r#"2["e",0."#, "0", "1]"))
        }),
        hostile("an exponent of digits", numbers, |n| {
            text(fill(n, r#"2["e",1e-"#, "7", "]"))
        }),
        hostile("a name that is a number of digits", numbers, |n| {
            text(fill(n, "2[", "7", "]"))
        }),
        hostile("numbers hard to round", numbers, |n| {
            array(n, "2.22507385850720113605740979670913197593481954635e-308")
        }),
        hostile("numbers of one digit", numbers, |n| array(n, "1")),
        hostile("half a million arguments", numbers, |n| {
            text(fill(n, r#"2["e""#, ",1", "]"))
        }),
    ]
}

fn strings() -> Vec<Hostile> {
    vec![
        hostile("a string that never ends", chats, |n| {
            text(fill(n, r#"2["e",""#, "x", ""))
        }),
        hostile("a string of one letter", chats, |n| string(n, "x")),
        hostile("a string of emoji", chats, |n| string(n, "😀")),
        hostile("empty strings", positions, |n| array(n, r#""""#)),
        hostile("quotes", positions, |n| {
            text(fill(n, r#"2["e","#, "\"", "]"))
        }),
        hostile("a string of escaped quotes", nested_text, |n| {
            string(n, r#"\""#)
        }),
        hostile("a string of escaped backslashes", nested_text, |n| {
            string(n, r"\\")
        }),
        hostile("strings of one escape", nested_text, |n| {
            array(n, r#""\n""#)
        }),
        hostile("a string of escaped letters", ascii_only, |n| {
            string(n, r"\u0041")
        }),
        hostile("a string of surrogate pairs", ascii_only, |n| {
            string(n, r"\ud83d\ude00")
        }),
        hostile("a string of halves of pairs", ascii_only, |n| {
            string(n, r"\ud83d")
        }),
        hostile("strings of half a pair", ascii_only, |n| {
            array(n, r#""\udc00""#)
        }),
        hostile("an escape that breaks off", ascii_only, |n| {
            text(fill(n, r#"2["e",""#, r"\u0041", r#"\u00"]"#))
        }),
        hostile("a control character at the end", chats, |n| {
            text(fill(n, r#"2["e",""#, "x", "\u{1}\"]"))
        }),
        hostile("a name of one letter", chats, |n| {
            text(fill(n, r#"2[""#, "x", r#""]"#))
        }),
        hostile("a name of escapes", nested_text, |n| {
            text(fill(n, r#"2[""#, r"\n", r#""]"#))
        }),
        hostile("a name of surrogate pairs", ascii_only, |n| {
            text(fill(n, r#"2[""#, r"\ud83d\ude00", r#""]"#))
        }),
    ]
}

/// Members, commas and white space.
fn separation() -> Vec<Hostile> {
    vec![
        hostile("one key again and again", members, |n| {
            text(fill(n, r#"2["e",{"a":1"#, r#","a":1"#, "}]"))
        }),
        hostile("the empty key again and again", members, |n| {
            text(fill(n, r#"2["e",{"":1"#, r#","":1"#, "}]"))
        }),
        hostile("an escaped key again and again", members, |n| {
            text(fill(n, r#"2["e",{"a":1"#, r#","\u0061":1"#, "}]"))
        }),
        hostile("commas", numbers, |n| {
            text(fill(n, r#"2["e",["#, ",", "]]"))
        }),
        hostile("a comma too many", numbers, |n| {
            text(fill(n, r#"2["e",["#, "1,", "]]"))
        }),
        hostile("white space in an array", positions, |n| {
            text(fill(n, r#"2["e","#, " ", "1]"))
        }),
        hostile("white space around every token", positions, |n| {
            array(n, " [ 1 , { \"\" : 2 } ] ")
        }),
        hostile("white space of all kinds", positions, |n| {
            text(fill(n, r#"2["e","#, " \n\t\r", "1]"))
        }),
        hostile("white space behind the payload", positions, |n| {
            text(fill(n, r#"2["e"]"#, "\n", ""))
        }),
        hostile("white space before the payload", positions, |n| {
            text(fill(n, "2", "\n", r#"["e"]"#))
        }),
    ]
}

fn namespaces() -> Vec<Hostile> {
    vec![
        hostile("a namespace", chats, |n| {
            text(fill(n, "2/", "a", r#",["e"]"#))
        }),
        hostile("a namespace that never ends", chats, |n| {
            text(fill(n, "0/", "a", ""))
        }),
        long_names("a namespace, allowed", |n| {
            text(fill(n, "2/", "a", r#",["e"]"#))
        }),
        long_names("a namespace of emoji, allowed", |n| {
            text(fill(n, "2/", "😀", r#",["e"]"#))
        }),
        long_names("a namespace with a control character at the end", |n| {
            text(fill(n, "2/", "é", "\u{85},[\"e\"]"))
        }),
    ]
}

fn attachments() -> Vec<Hostile> {
    vec![
        hostile("placeholders", placeholders, |n| {
            let end = r#"{"_placeholder":true,"num":0}]]"#;
            binary(n, r#"{"_placeholder":true,"num":0},"#, end)
        }),
        hostile("placeholders that are none", placeholders, |n| {
            binary(n, r#"{"_placeholder":false,"num":9},"#, "1]]")
        }),
        hostile("escaped keys of placeholders", placeholders, |n| {
            let unit = r#"{"\u005fplaceholder":false,"n\u0075m":0},"#;
            binary(n, unit, "1]]")
        }),
        hostile("one object of keys of placeholders", placeholders, |n| {
            let begin = r#"51-["e",{"_placeholder":true,"num":0"#;
            let unit = r#","_placeholder":true,"num":0"#;
            let bytes = Bytes::from_static(b"x");
            Input::Messages(fill(n, begin, unit, "}]"), vec![bytes])
        }),
        hostile("towers of objects with an attachment", placeholders, |n| {
            let unit = format!("{},", tower(r#"{"_placeholder":"#, "}", 126));
            binary(n, &unit, "1]]")
        }),
        hostile("a placeholder with a number of digits", numbers, |n| {
            let begin = r#"51-["e",{"_placeholder":true,"num":"#;
            let bytes = Bytes::from_static(b"x");
            Input::Messages(fill(n, begin, "0", "0}]"), vec![bytes])
        }),
        hostile("a placeholder with spelled-out zero", numbers, |n| {
            let begin = r#"51-["e",{"_placeholder":true,"num":0."#;
            let bytes = Bytes::from_static(b"x");
            Input::Messages(fill(n, begin, "0", "}]"), vec![bytes])
        }),
        hostile("ten attachments, each named twice", placeholders, |n| {
            let places: Vec<_> = (0..20)
                .map(|place| inputs::Placeholder::new(place / 2))
                .collect();
            let json = serde_json::to_string(&("e", places)).unwrap();
            let bytes = (0..10).map(|_| inputs::binary(n / 10)).collect();
            Input::Messages(format!("510-{json}"), bytes)
        }),
    ]
}

fn bodies() -> Vec<Hostile> {
    vec![
        hostile("separators", small_packets, |n| {
            Input::Body(fill(n, "", "\u{1e}", "").into())
        }),
        hostile("packets of one byte", small_packets, |n| {
            Input::Body(fill(n, "", "6\u{1e}", "6").into())
        }),
        hostile(
            "packets of one byte, as many as allowed",
            small_packets,
            |n| {
                let few = (n / 16).min(65_536) * 2;
                let packets = fill(few, "", "6\u{1e}", "4");
                Input::Body(fill(n, &packets, "x", "").into())
            },
        ),
        hostile("base64 packets of no bytes", small_packets, |n| {
            Input::Body(fill(n.min(131_000), "", "b\u{1e}", "b").into())
        }),
        hostile("base64 invalid at the end", base64, |n| {
            spoiled(base64(n), b'!')
        }),
        hostile("base64 of padding", base64, |n| {
            Input::Body(fill(n, "b", "=", "").into())
        }),
        hostile("a body that is not UTF-8 at the end", small_packets, |n| {
            spoiled(small_packets(n), 0xff)
        }),
        hostile("a body of emoji", small_packets, |n| {
            Input::Body(fill(n, "4", "😀", "").into())
        }),
    ]
}

pub struct Sent {
    pub name: &'static str,
    /// One argument that is written as about so many bytes.
    pub make: fn(usize) -> Value,
    pub ordinary: fn(usize) -> Value,
}

fn chat_values(size: usize) -> Value {
    serde_json::to_value(inputs::history(size)).unwrap()
}

fn number_values(size: usize) -> Value {
    Value::from(vec![12.5; size / 5])
}

/// What an application sends because a peer made it do so.
pub fn sent() -> Vec<Sent> {
    let sent = |name, ordinary, make| Sent {
        name,
        make,
        ordinary,
    };
    vec![
        sent("a string of one letter", chat_values, |n| {
            "x".repeat(n).into()
        }),
        sent("a string of quotes", chat_values, |n| {
            "\"".repeat(n / 2).into()
        }),
        sent("a string of backslashes", chat_values, |n| {
            "\\".repeat(n / 2).into()
        }),
        sent("a string of line feeds", chat_values, |n| {
            "\n".repeat(n / 2).into()
        }),
        sent("a string of control characters", chat_values, |n| {
            "\u{1}".repeat(n / 6).into()
        }),
        sent("letters and quotes in turn", chat_values, |n| {
            "x\"".repeat(n / 3).into()
        }),
        sent("a string of emoji", chat_values, |n| {
            "😀".repeat(n / 4).into()
        }),
        sent("strings of one quote", chat_values, |n| {
            vec!["\""; n / 5].into()
        }),
        sent("empty arrays", number_values, |n| {
            vec![json!([]); n / 3].into()
        }),
        sent("empty objects", number_values, |n| {
            vec![json!({}); n / 3].into()
        }),
        sent("arrays in arrays", number_values, |n| {
            let tower = (0..120).fold(json!(1), |inner, _| json!([inner]));
            vec![tower; n / 242].into()
        }),
        sent("large integers", number_values, |n| {
            vec![u64::MAX; n / 21].into()
        }),
        sent("long fractions", number_values, |n| {
            vec![-1.234_567_890_123_456_7e-300; n / 25].into()
        }),
        sent("one-digit numbers", number_values, |n| {
            vec![7; n / 2].into()
        }),
        sent("keys of escapes", chat_values, |n| {
            let members = (0..n / 24).map(|key| (format!("{key:06}\"\n\u{1}"), json!(1)));
            Value::Object(members.collect())
        }),
    ]
}
