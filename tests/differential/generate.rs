//! Inputs: valid ones of every kind, and what becomes of them and of the known rows by accident.

use bytes::Bytes;
use serde_json::Value as Row;

use crate::{
    oracle::{EnginePacket, Frame, Packet},
    rng::Rng,
    value::{Text, Value, insert},
};

/// What goes through both sides.
#[derive(Clone, Debug)]
pub enum Case {
    Body { body: Bytes, max_packets: usize },
    EncodeBody(Vec<EnginePacket>),
    EncodeMessage(EnginePacket),
    Encode(Packet),
    Frames(Vec<Frame>),
    Message(Frame),
}

/// Pieces that mean something to one of the parsers.
const TOKENS: [&str; 78] = [
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "9",
    "10",
    "11",
    "00",
    "01",
    "-",
    "-",
    ",",
    ",",
    "/",
    "/a,",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    "\\",
    "+",
    ".",
    "e",
    "E",
    "0x1",
    "1e0",
    "1.0",
    "-0",
    "0.5",
    "1e400",
    "-1e999",
    "1e-400",
    "9007199254740991",
    "9007199254740993",
    "123456789012345678901",
    "Infinity",
    "NaN",
    "true",
    "false",
    "null",
    " ",
    "\t",
    "\n",
    "\r",
    "\u{b}",
    "\u{c}",
    "\u{0}",
    "\u{1f}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}",
    "\u{3000}",
    "é",
    "😀",
    "\u{fffd}",
    "\\u0041",
    "\\ud83d",
    "\\ude00",
    "\\ud800x",
    "\\n",
    "\\/",
    "\"__proto__\":",
    "\"_placeholder\":true,",
    "\"num\":",
    "\"num\":0,",
    "{\"_placeholder\":true,\"num\":0}",
    "{\"_placeholder\":true,\"num\":0.5}",
    "{\"_placeholder\":true,\"num\":1}",
    "\"connect\"",
    "50-",
];

const NAMES: [&str; 10] = [
    "a",
    "message",
    "",
    "connect",
    "disconnecting",
    "connection",
    "é😀",
    "__proto__",
    "_placeholder",
    "a \"b\"\\c\n",
];

const KEYS: [&str; 14] = [
    "a",
    "b",
    "num",
    "_placeholder",
    "__proto__",
    "constructor",
    "toJSON",
    "hasOwnProperty",
    "2",
    "10",
    "",
    "é",
    "😀",
    "\u{2028}\"\\",
];

const TEXTS: [&str; 12] = [
    "",
    "x",
    "hello",
    "é",
    "€😀",
    "\"\\\u{8}\u{c}\n\r\t/",
    "\u{0}\u{1f}\u{7f}",
    "\u{2028}\u{2029}\u{feff}",
    "true",
    "{\"_placeholder\":true,\"num\":0}",
    "\u{fffd}",
    "a longer text, of more than a word: 12345678",
];

const NAMESPACES: [&str; 8] = [
    "/",
    "/admin",
    "/é😀",
    "/a?b=c&d",
    "/a/b c",
    "/\"x\"[1]",
    "/0",
    "//",
];

/// Makes cases; `known` are lists of frames to start from.
pub struct Generator {
    pub rng: Rng,
    known: Vec<Vec<Frame>>,
}

impl Generator {
    pub fn new(seed: u64, known: Vec<Vec<Frame>>) -> Self {
        let rng = Rng::new(seed);
        Self { rng, known }
    }

    pub fn case(&mut self) -> Case {
        match self.rng.below(20) {
            0..=11 => Case::Frames(self.frames()),
            12 => Case::Message(self.message()),
            13 | 14 => self.body(),
            15 => Case::EncodeMessage(self.engine_packet()),
            16 => {
                let count = self.rng.below(5);
                Case::EncodeBody((0..count).map(|_| self.engine_packet()).collect())
            }
            _ => Case::Encode(self.packet()),
        }
    }

    // Frames of Socket.IO.

    fn frames(&mut self) -> Vec<Frame> {
        let mut frames = match self.rng.below(10) {
            0..=3 => self.known_frames(),
            4..=8 => self.generated(),
            _ => {
                let mut frames = self.generated();
                frames.extend(self.known_frames());
                frames
            }
        };
        // Half of what is left alone is valid.
        if self.rng.one_in(4) {
            self.disorder(&mut frames);
        }
        let mutations = [0, 0, 0, 1, 1, 1, 2, 4][self.rng.below(8)];
        for _ in 0..mutations {
            let at = self.rng.below(frames.len().max(1));
            if let Some(Frame::Text(text)) = frames.get_mut(at) {
                let other = self.other_text();
                *text = self.mutated(text, &other);
            }
        }
        frames
    }

    fn known_frames(&mut self) -> Vec<Frame> {
        let at = self.rng.below(self.known.len());
        self.known[at].clone()
    }

    fn other_text(&mut self) -> String {
        match self.known_frames().into_iter().next() {
            Some(Frame::Text(text)) => text,
            _ => String::new(),
        }
    }

    /// A header, and its attachments, as a peer sends them, or nearly so.
    fn generated(&mut self) -> Vec<Frame> {
        let kind = self.rng.below(7);
        let is_binary = kind > 4;
        let attachments = match self.rng.below(8) {
            _ if !is_binary => 0,
            0 => 8 + self.rng.below(3),
            _ => 1 + self.rng.below(4),
        };
        let mut text = kind.to_string();
        if is_binary {
            let announced = match self.rng.below(30) {
                0 => 0,
                1 => attachments + 1,
                2 => 10,
                3 => 11,
                _ => attachments,
            };
            text += &format!("{announced}-");
        }
        text += &self.namespace_text();
        if self.rng.one_in(3) {
            text += &self.id_text();
        }
        match kind {
            1 => {}
            0 | 4 if self.rng.one_in(3) => {}
            4 if self.rng.one_in(2) => self.string(&mut text),
            0 | 4 => self.object(&mut text, 2, 0),
            _ => self.argument_list(&mut text, matches!(kind, 2 | 5), attachments),
        }
        let mut frames = vec![Frame::Text(text)];
        for _ in 0..attachments {
            let len = self.rng.below(5);
            frames.push(Frame::Bytes(self.rng.bytes(len).into()));
        }
        frames
    }

    fn namespace_text(&mut self) -> String {
        match self.rng.below(24) {
            0..=15 => String::new(),
            16..=21 => {
                let name = self.rng.pick(&NAMESPACES);
                let comma = if self.rng.one_in(10) { "" } else { "," };
                format!("{name}{comma}")
            }
            22 => {
                let len = 500 + self.rng.below(30);
                format!("/{},", "n".repeat(len))
            }
            _ => format!("/a{},", self.rng.pick(&TOKENS)),
        }
    }

    fn id_text(&mut self) -> String {
        match self.rng.below(24) {
            0..=17 => self.rng.below(100_000).to_string(),
            18 => "9007199254740991".into(),
            19 => "9007199254740992".into(),
            20 => (self.rng.next()).to_string(),
            21 => "0".repeat(1 + self.rng.below(5)) + "7",
            22 => "9".repeat(1 + self.rng.below(400)),
            _ => self
                .rng
                .pick(&[" ", "1 2", " 5", "5 ", "\u{a0}", "\u{feff}7", "\n"])
                .into(),
        }
    }

    fn argument_list(&mut self, text: &mut String, is_event: bool, attachments: usize) {
        text.push('[');
        if is_event {
            match self.rng.below(12) {
                0 => self.number(text),
                1 => self.value(text, 1, attachments),
                2..=4 => self.string(text),
                _ => {
                    let name = self.rng.pick(&NAMES);
                    *text += &serde_json::to_string(name).expect("a string is JSON");
                }
            }
        }
        let count = self.rng.below(4);
        for at in 0..count {
            if is_event || at > 0 {
                text.push(',');
            }
            if self.rng.one_in(40) {
                self.nest(text, attachments);
            } else {
                self.value(text, 3, attachments);
            }
        }
        if count > 0 && attachments > 0 && self.rng.one_in(if attachments > 4 { 3 } else { 30 }) {
            for _ in 0..self.rng.below(24) {
                *text += ",{\"_placeholder\":true,\"num\":0}";
            }
        }
        text.push(']');
    }

    /// Nests about as deep as is allowed.
    fn nest(&mut self, text: &mut String, attachments: usize) {
        let depth = match self.rng.below(8) {
            0 => 500 + self.rng.below(30),
            _ => 118 + self.rng.below(20),
        };
        let mut ends = String::new();
        for _ in 0..depth {
            if self.rng.one_in(2) {
                text.push('[');
                ends.push(']');
            } else {
                *text += "{\"a\":";
                ends.push('}');
            }
        }
        self.value(text, 0, attachments);
        text.extend(ends.chars().rev());
    }

    fn value(&mut self, text: &mut String, depth: usize, attachments: usize) {
        match self.rng.below(if depth == 0 { 8 } else { 12 }) {
            0 => *text += self.rng.pick(&["true", "false", "null"]),
            1 | 2 => self.number(text),
            3 | 4 => self.string(text),
            5..=7 if attachments > 0 => self.placeholder(text, attachments),
            5..=7 => *text += self.rng.pick(&["[]", "{}", "[ ]", "0", "\"\""]),
            8 | 9 => {
                text.push('[');
                for at in 0..self.rng.below(4) {
                    if at > 0 {
                        text.push(',');
                    }
                    self.space(text);
                    self.value(text, depth - 1, attachments);
                }
                text.push(']');
            }
            _ => self.object(text, depth - 1, attachments),
        }
    }

    fn object(&mut self, text: &mut String, depth: usize, attachments: usize) {
        text.push('{');
        self.space(text);
        for at in 0..self.rng.below(5) {
            if at > 0 {
                text.push(',');
            }
            self.key(text);
            self.space(text);
            text.push(':');
            self.value(text, depth, attachments);
            self.space(text);
        }
        text.push('}');
    }

    fn key(&mut self, text: &mut String) {
        if self.rng.one_in(8) {
            self.string(text);
        } else {
            let key = self.rng.pick(&KEYS);
            *text += &serde_json::to_string(key).expect("a string is JSON");
        }
    }

    fn placeholder(&mut self, text: &mut String, attachments: usize) {
        let num = match self.rng.below(40) {
            0 => attachments.to_string(),
            1 => self
                .rng
                .pick(&["-0", "0.0", "0e5", "-1", "0.5", "1e-7", "\"0\"", "null"])
                .into(),
            2 => "1e400".into(),
            _ => self.rng.below(attachments).to_string(),
        };
        let marker = match self.rng.below(30) {
            0 => "false",
            1 => "1",
            2 => "\"true\"",
            _ => "true",
        };
        let key = self.rng.pick(&[
            "_placeholder",
            "_placeholder",
            "_placeholder",
            "\\u005fplaceholder",
        ]);
        match self.rng.below(16) {
            0 => {
                *text += &format!("{{\"num\":{num},\"x\":");
                self.value(text, 1, attachments);
                *text += &format!(",\"{key}\":{marker}}}");
            }
            1 => *text += &format!("{{\"num\":7,\"{key}\":{marker},\"num\":{num}}}"),
            2 => {
                *text += "{\"k\":";
                self.placeholder(text, attachments);
                *text += ",\"k\":";
                self.value(text, 0, attachments);
                text.push('}');
            }
            3 => {
                let first = self.rng.pick(&["true", "false", "1", "[true]", "{}"]);
                let last = self.rng.pick(&["true", "false", marker]);
                *text += &format!("{{\"{key}\":{first},\"num\":{num},\"{key}\":{last}}}");
            }
            4 => {
                *text += &format!("{{\"{key}\":{marker},\"x\":[");
                self.placeholder(text, attachments);
                *text += &format!("],\"num\":{num}}}");
            }
            _ => *text += &format!("{{\"{key}\":{marker},\"num\":{num}}}"),
        }
    }

    fn number(&mut self, text: &mut String) {
        *text += &match self.rng.below(8) {
            0 => self.rng.next().to_string(),
            1 => format!("-{}", self.rng.next()),
            2 => format!("{:?}", f64::from_bits(self.rng.next())),
            3 => self
                .rng
                .pick(&[
                    "-0", "0", "-0.0", "1e400", "-1e400", "1E+2", "1e-400", "5e-324", "0.1", "1.0",
                ])
                .into(),
            4 => format!(
                "{}.{}e{}",
                self.rng.below(10),
                self.rng.next(),
                self.rng.below(40)
            ),
            5 => format!("{}", 9_007_199_254_740_990 + self.rng.below(9)),
            _ => self.rng.below(1000).to_string(),
        };
    }

    fn string(&mut self, text: &mut String) {
        text.push('"');
        for _ in 0..self.rng.below(4) {
            match self.rng.below(10) {
                0 => *text += &format!("\\u{:04x}", self.rng.below(0x1_0000)),
                1 => *text += &format!("\\u{:04X}", 0xd800 + self.rng.below(0x800)),
                2 => {
                    *text += self.rng.pick(&[
                        "\\ud83d\\ude00",
                        "\\ude00\\ud83d",
                        "\\ud83d\\ud83d\\ude00",
                    ]);
                }
                3 => {
                    *text += self
                        .rng
                        .pick(&["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"]);
                }
                _ => {
                    let plain = self.rng.pick(&TEXTS);
                    let escaped = serde_json::to_string(plain).expect("a string is JSON");
                    *text += escaped.trim_matches('"').trim_end_matches('\\');
                }
            }
        }
        text.push('"');
    }

    fn space(&mut self, text: &mut String) {
        if self.rng.one_in(10) {
            *text += self.rng.pick(&[" ", "\n", "\t", "\r\n", "  "]);
        }
    }

    /// Drops, repeats, swaps or adds frames.
    fn disorder(&mut self, frames: &mut Vec<Frame>) {
        let at = self.rng.below(frames.len().max(1)).min(frames.len());
        match self.rng.below(5) {
            0 if at < frames.len() => _ = frames.remove(at),
            1 if at < frames.len() => frames.insert(at, frames[at].clone()),
            2 if at < frames.len() => frames.swap(0, at),
            3 => frames.insert(at, Frame::Bytes(Bytes::from_static(b"\x01"))),
            _ => {
                let end = self.rng.below(frames.len() + 1);
                let text = self.other_text();
                frames.insert(end, Frame::Text(text));
            }
        }
    }

    /// One accident: a text with something put in, taken out, repeated, or joined with another.
    pub fn mutated(&mut self, text: &str, other: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let at = self.rng.below(bytes.len() + 1);
        let len = self.rng.below(1 + (bytes.len() - at).min(8));
        match self.rng.below(12) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.rng.below(8),
            1 if at < bytes.len() => bytes[at] = self.rng.next().to_le_bytes()[0],
            2 => drop(bytes.splice(at..at + len, [])),
            3 => {
                let part = bytes[at..at + len].to_vec();
                drop(bytes.splice(at..at, part));
            }
            4 => {
                let from = self.rng.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other.as_bytes()[from..]);
            }
            5 => bytes.truncate(at),
            6 => {
                let token = self.rng.pick(&TOKENS);
                drop(bytes.splice(at..at + len, token.bytes()));
            }
            // What matters most stands at the beginning.
            7 => {
                let at = at.min(self.rng.below(4));
                let token = self.rng.pick(&TOKENS);
                drop(bytes.splice(at..at, token.bytes()));
            }
            _ => {
                let token = self.rng.pick(&TOKENS);
                drop(bytes.splice(at..at, token.bytes()));
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    // Packets and bodies of Engine.IO.

    fn message(&mut self) -> Frame {
        if self.rng.one_in(10) {
            let len = self.rng.below(6);
            return Frame::Bytes(self.rng.bytes(len).into());
        }
        Frame::Text(self.packet_text())
    }

    fn packet_text(&mut self) -> String {
        let mut text = match self.rng.below(8) {
            0..=2 => format!("b{}", self.base64_text()),
            3 => format!("4{}", self.other_text()),
            4 => self
                .rng
                .pick(&["1", "2", "2probe", "3probe", "5", "6", "0{\"sid\":\"x\"}"])
                .into(),
            5 => format!("{}{}", self.rng.below(9), self.rng.pick(&TEXTS)),
            6 => self.rng.pick(&TOKENS).into(),
            _ => format!("4{}", self.rng.pick(&TEXTS)),
        };
        if self.rng.one_in(4) {
            let other = self.other_text();
            text = self.mutated(&text, &other);
        }
        text
    }

    fn base64_text(&mut self) -> String {
        use base64::{Engine as _, engine::general_purpose};

        let len = self.rng.below(9);
        let bytes = self.rng.bytes(len);
        let mut text = match self.rng.below(6) {
            0 => general_purpose::STANDARD_NO_PAD.encode(bytes),
            1 => general_purpose::URL_SAFE.encode(bytes),
            _ => general_purpose::STANDARD.encode(bytes),
        };
        if self.rng.one_in(4) {
            let at = self.rng.below(text.len() + 1);
            let odd = self
                .rng
                .pick(&["=", "==", "A", "-", "_", " ", "\n", "!", "é", "\u{141}"]);
            text.insert_str(at, odd);
        }
        text
    }

    fn body(&mut self) -> Case {
        let mut body = Vec::new();
        for at in 0..self.rng.below(6) {
            if at > 0 {
                body.push(0x1e);
            }
            body.extend(self.packet_text().into_bytes());
        }
        if self.rng.one_in(6) {
            let at = self.rng.below(body.len() + 1);
            let odd: &[u8] = self.rng.pick(&[
                b"\x1e".as_slice(),
                b"\xff",
                b"\xc3",
                b"\xe2\x82",
                b"\xed\xa0\x80",
                b"\xf0\x9f\x98",
                b"\x80",
                b"\xc0\xaf",
                b"\xef\xbb\xbf",
            ]);
            drop(body.splice(at..at, odd.iter().copied()));
        }
        let max_packets = if self.rng.one_in(8) { 3 } else { 65_536 };
        Case::Body {
            body: body.into(),
            max_packets,
        }
    }

    fn engine_packet(&mut self) -> EnginePacket {
        let kind = [0, 1, 2, 3, 4, 4, 4, 5, 6][self.rng.below(9)];
        let data = match kind {
            1 | 5 | 6 => Value::Undefined,
            4 if self.rng.one_in(2) => {
                let len = self.rng.below(7);
                Value::Bytes(self.rng.bytes(len).into())
            }
            _ if self.rng.one_in(12) => Value::text("a\u{1e}4b"),
            _ => Value::text(self.rng.pick(&TEXTS)),
        };
        EnginePacket { kind, data }
    }

    // Packets of Socket.IO to encode.

    fn packet(&mut self) -> Packet {
        let kind = [0, 1, 2, 2, 2, 2, 3, 3, 4][self.rng.below(9)];
        let namespace = match self.rng.below(40) {
            0 => "/a\nb",
            1 => "/a,b",
            2 => "admin",
            3..=20 => "/",
            _ => self.rng.pick(&NAMESPACES),
        };
        let id = match (kind, self.rng.below(40)) {
            (2 | 3, 0) => Value::Number(9_007_199_254_740_992.0),
            (2 | 3, 1) => Value::Number(9_007_199_254_740_991.0),
            (2, 2..20) | (3, 2) | (0 | 1 | 4, _) => Value::Undefined,
            _ => {
                Value::Whole(self.rng.below(1_000_000).try_into().expect("it fits")).through_json()
            }
        };
        let with_binary = self.rng.one_in(2);
        let data = match kind {
            0 | 4 if self.rng.one_in(12) => self.any(2, with_binary),
            0 if self.rng.one_in(3) => Value::Undefined,
            1 => Value::Undefined,
            4 if self.rng.one_in(3) => Value::text(self.rng.pick(&TEXTS)),
            0 | 4 => self.any_object(3, false),
            _ => self.arguments(kind == 2, with_binary),
        };
        Packet {
            kind,
            namespace: namespace.into(),
            id,
            data,
        }
    }

    fn arguments(&mut self, is_event: bool, with_binary: bool) -> Value {
        let mut elements = Vec::new();
        if is_event {
            elements.push(Value::text(self.rng.pick(&NAMES)));
        }
        for _ in 0..self.rng.below(4) {
            let mut value = self.any(4, with_binary);
            if self.rng.one_in(20) {
                for _ in 0..100 + self.rng.below(34) {
                    value = if self.rng.one_in(2) {
                        Value::List(vec![value])
                    } else {
                        Value::Object(vec![("a".into(), value)])
                    };
                }
            }
            elements.push(value);
        }
        if with_binary && self.rng.one_in(12) {
            for _ in 0..self.rng.below(14) {
                elements.push(Value::Bytes(self.rng.bytes(2).into()));
            }
        }
        Value::List(elements)
    }

    fn any(&mut self, depth: usize, with_binary: bool) -> Value {
        match self.rng.below(if depth == 0 { 8 } else { 12 }) {
            0 => Value::Null,
            1 => Value::Bool(self.rng.one_in(2)),
            2 => Value::Whole(match self.rng.below(3) {
                0 => self.rng.next().into(),
                1 => -i128::from(self.rng.next() >> 1),
                _ => self.rng.below(100).try_into().expect("it fits"),
            }),
            3 => Value::Number(f64::from_bits(self.rng.next())),
            4 => Value::Number(*self.rng.pick(&[
                &0.0,
                &-0.0,
                &0.1,
                &1.0,
                &1e21,
                &1e-7,
                &5e-324,
                &f64::MAX,
                &f64::NAN,
                &f64::INFINITY,
                &-1.5e300,
                &123_456_789.125,
            ])),
            5 => Value::text(self.rng.pick(&TEXTS)),
            6 if with_binary => {
                let len = self.rng.below(5);
                Value::Bytes(self.rng.bytes(len).into())
            }
            6 | 7 => Value::text(&format!(
                "{}{}",
                self.rng.pick(&TOKENS),
                self.rng.pick(&TEXTS)
            )),
            8 | 9 => {
                let count = self.rng.below(4);
                Value::List(
                    (0..count)
                        .map(|_| self.any(depth - 1, with_binary))
                        .collect(),
                )
            }
            _ => self.any_object(depth - 1, with_binary),
        }
    }

    fn any_object(&mut self, depth: usize, with_binary: bool) -> Value {
        let mut members = Vec::new();
        for _ in 0..self.rng.below(4) {
            let key = self.rng.pick(&KEYS);
            // With attachments, an object that looks like one is taken for one by every receiver.
            let key = if with_binary && key == "_placeholder" {
                "c"
            } else {
                key
            };
            let value = self.any(depth, with_binary);
            insert(&mut members, Text::from(key), value);
        }
        Value::Object(members)
    }
}

/// The lists of frames of the vectors, but for long ones: accidents are made with them by the thousand.
pub fn known(table: &str) -> Vec<Vec<Frame>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let table: Row = serde_json::from_str(table).expect("the table is JSON");
    let frame = |frame: &Row| match (frame.as_str(), frame["base64"].as_str()) {
        (Some(text), _) => Some(Frame::Text(text.to_owned())),
        (_, Some(bytes)) => STANDARD
            .decode(bytes)
            .ok()
            .map(|it| Frame::Bytes(it.into())),
        // A text in pieces is a long one.
        _ => None,
    };
    let rows = table["rows"].as_array().expect("the table has rows");
    rows.iter()
        .filter_map(|row| row["frames"].as_array()?.iter().map(frame).collect())
        .collect()
}
