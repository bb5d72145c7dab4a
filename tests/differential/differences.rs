//! The one table of where this crate decides otherwise than the official parsers, on purpose. It
//! mirrors docs/differences.md; whatever it does not explain fails.
//!
//! An entry is as narrow as its rule: it looks at the input with its own eyes, and says what has to
//! hold beyond the difference.

use bytes::Bytes;
use socketio_proto::socket::{DecodeError, Limits};

use crate::{
    generate::Case,
    oracle::{EnginePacket, Frame, Packet, Step},
    ours::Read,
    tree::{Hidden, Index, Tree},
    value::Value,
};

pub struct Difference {
    pub name: &'static str,
    /// Words of its row in docs/differences.md.
    pub row: &'static str,
    pub side: Side,
    pub reason: &'static str,
    pub explain: Explain,
    /// A small input that shows it.
    pub example: fn() -> Case,
}

/// How this crate stands to the reference.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Laxer,
    /// Says the same in another way.
    Other,
    Stricter,
}

pub enum Explain {
    /// It is found where values, packets of Engine.IO or encoders are compared, by its name.
    ByName,
    Frame(fn(&Scene<'_>) -> Option<Explanation>),
}

/// A frame of which the two sides make different things. Up to it they agreed.
pub struct Scene<'a> {
    pub frame: &'a Frame,
    pub limits: Limits,
    pub ours: &'a Read,
    pub theirs: &'a Step<String>,
    /// If attachments are awaited now: what the reference makes of the packet with the last of them.
    pub completed: Option<&'a Step<String>>,
}

/// What has to hold if the difference is the one of the entry.
pub enum Explanation {
    /// Nothing more.
    Accepted,
    /// With these limits ours has to agree.
    Lifted(Limits),
    /// With this text in the frame's place both sides have to agree, and the reference has to make
    /// the same of it as before, but for the part that is named.
    Rewritten(String, But),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum But {
    /// It refused the frame before.
    Everything,
    Id,
    Namespace,
    Nothing,
}

pub const HALVES: &str = "half a surrogate pair";
pub const OVERFLOW: &str = "number beyond a double";
pub const NOT_UTF8: &str = "body not UTF-8";
pub const TOO_MANY_PACKETS: &str = "too many packets";
pub const BASE64: &str = "base64 of another kind";
pub const NO_DATA: &str = "message without data";
pub const IGNORED_DATA: &str = "data of a packet without data";
pub const SEPARATOR: &str = "separator in a text";
pub const MANY_ATTACHMENTS: &str = "encoder: too many attachments";
pub const TOO_DEEP: &str = "encoder: too deep";
pub const HEADER: &str = "encoder: illegal header";
pub const KIND_OF_DATA: &str = "encoder: illegal data";
pub const RESERVED: &str = "encoder: reserved name";
pub const PROTO: &str = "encoder: a member __proto__";

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "text while attachments are awaited, and broken",
        row: "text that is no packet while attachments are awaited",
        side: Side::Other,
        reason: "a text is read before anybody asks whether it may come now; both refuse",
        explain: Explain::Frame(|scene| {
            let is_so = scene.ours.was_waiting
                && scene.rule().is_some()
                && scene.refusal() == Some("got plaintext data when reconstructing a packet");
            is_so.then_some(Explanation::Accepted)
        }),
        example: || frames(&[r#"51-["a"]"#, "2[}"]),
    },
    Difference {
        name: "binary packet without attachments",
        row: "binary packet that announces no attachment",
        side: Side::Laxer,
        reason: "some clients send it",
        explain: Explain::Frame(|scene| {
            let text = scene.text()?;
            let rest = text.get(3..)?;
            let kind = match text.get(..3)? {
                "50-" => '2',
                "60-" => '3',
                _ => return None,
            };
            let is_so = scene.refusal() == Some("Illegal attachments");
            is_so.then(|| Explanation::Rewritten(format!("{kind}{rest}"), But::Everything))
        }),
        example: || frames(&[r#"50-/b,7["a"]"#]),
    },
    Difference {
        name: "event without payload",
        row: "event without payload (`2`)",
        side: Side::Stricter,
        reason: "the document asks for a list that is not empty",
        explain: Explain::Frame(|scene| {
            let is_so = scene.rule() == Some("missing-payload")
                && scene
                    .packet()
                    .is_some_and(|packet| packet.kind == 2 && packet.data == Value::Undefined);
            is_so.then_some(Explanation::Accepted)
        }),
        example: || frames(&["2/a,"]),
    },
    Difference {
        name: "white space as a type",
        row: "white space, signs or exponents where digits belong",
        side: Side::Stricter,
        reason: "JavaScript reads white space, and nothing, as 0; no client sends it",
        explain: Explain::Frame(|scene| {
            let rest = match scene.ours.step {
                Step::Refused(DecodeError::Empty) => "",
                Step::Refused(DecodeError::UnknownType(first)) if is_js_space(first) => {
                    scene.text()?.strip_prefix(first)?
                }
                _ => return None,
            };
            Some(Explanation::Rewritten(format!("0{rest}"), But::Nothing))
        }),
        example: || frames(&["\u{a0}{\"a\":1}"]),
    },
    Difference {
        name: "count of attachments as JavaScript reads numbers",
        row: "white space, signs or exponents where digits belong",
        side: Side::Stricter,
        reason: "no client sends it",
        explain: Explain::Frame(|scene| {
            let text = scene.text()?;
            let (head, rest) = text.split_once('-')?;
            let (kind, count) = head.split_at_checked(1)?;
            let is_plain = !count.is_empty()
                && count.bytes().all(|byte| byte.is_ascii_digit())
                && !count.starts_with('0');
            let number = js_number(count)?;
            let is_so = scene.rule() == Some("illegal-attachment-count")
                && !is_plain
                && number >= 1.0
                && number.fract() == 0.0;
            is_so.then(|| Explanation::Rewritten(format!("{kind}{number}-{rest}"), But::Nothing))
        }),
        example: || frames(&[r#"5 0x1-["a"]"#]),
    },
    Difference {
        name: "control character in a namespace",
        row: "control character in the name of a namespace",
        side: Side::Stricter,
        reason: "names end up in logs",
        explain: Explain::Frame(|scene| {
            let head = scene.head()?;
            let is_so = scene.rule() == Some("illegal-namespace");
            let namespace = head.namespace.replace(char::is_control, "x");
            (is_so && namespace != head.namespace)
                .then(|| Explanation::Rewritten(head.with_namespace(&namespace), But::Namespace))
        }),
        example: || frames(&["0/a\u{7f},"]),
    },
    Difference {
        name: "long namespace",
        row: "name of a namespace above 512 bytes",
        side: Side::Stricter,
        reason: "docs/limits.md",
        explain: Explain::Frame(|scene| {
            let max_namespace = scene.head()?.namespace.len();
            let is_so = scene.rule() == Some("namespace-too-long")
                && max_namespace > scene.limits.max_namespace;
            is_so.then_some(Explanation::Lifted(Limits {
                max_namespace,
                ..scene.limits
            }))
        }),
        example: || frames(&[&format!("0/{},", "a".repeat(512))]),
    },
    Difference {
        name: "white space in an acknowledgement id",
        row: "white space, signs or exponents where digits belong",
        side: Side::Stricter,
        reason: "no client sends it",
        explain: Explain::Frame(|scene| {
            let head = scene.head()?;
            let is_so = matches!(
                scene.rule(),
                Some("ack-id-too-large" | "invalid-json" | "illegal-payload")
            ) && head.id.contains(is_js_space);
            is_so.then(|| match js_number(head.id) {
                Some(id) if id <= MAX_ID => {
                    Explanation::Rewritten(head.with_id(&id.to_string()), But::Nothing)
                }
                _ => Explanation::Rewritten(head.with_id("1"), But::Id),
            })
        }),
        example: || frames(&["2 5\u{feff}[\"a\"]"]),
    },
    Difference {
        name: "large acknowledgement id",
        row: "acknowledgement id above 2^53 - 1",
        side: Side::Stricter,
        reason: "the answer would go to another id",
        explain: Explain::Frame(|scene| {
            let head = scene.head()?;
            let is_so = scene.rule() == Some("ack-id-too-large")
                && head.id.parse::<f64>().is_ok_and(|id| id > MAX_ID);
            is_so.then(|| Explanation::Rewritten(head.with_id("1"), But::Id))
        }),
        example: || frames(&[r#"29007199254740992["a"]"#]),
    },
    Difference {
        name: "deep nesting",
        row: "JSON nested deeper than 128 levels",
        side: Side::Stricter,
        reason: "decoding into types takes stack",
        explain: Explain::Frame(|scene| {
            let depth = Tree::parse(scene.head()?.payload)?.depth();
            let is_so = scene.rule() == Some("too-deep") && depth > scene.limits.max_depth;
            is_so.then(|| {
                if scene.limits.max_depth == Limits::MAX_DEPTH {
                    return Explanation::Accepted;
                }
                Explanation::Lifted(Limits {
                    max_depth: Limits::MAX_DEPTH,
                    ..scene.limits
                })
            })
        }),
        example: || frames(&[&format!("2[1,{}{}]", "[".repeat(128), "]".repeat(128))]),
    },
    Difference {
        name: "illegal placeholder, told with the header",
        row: "placeholder that names no attachment",
        side: Side::Other,
        reason: "what is known to be wrong need not be waited for; both refuse",
        explain: Explain::Frame(|scene| {
            scene.broken_placeholder()?;
            // It reads the whole text first, and what follows may be broken too.
            let is_told_otherwise = scene.refusal() == Some("invalid payload");
            let is_refused = matches!(
                scene.completed,
                Some(Step::Refused(text)) if text == "illegal attachments"
            );
            (is_refused || is_told_otherwise).then_some(Explanation::Accepted)
        }),
        example: || frames(&[r#"51-["a",{"_placeholder":true,"num":1}]"#]),
    },
    Difference {
        name: "placeholder with a fractional number",
        row: "placeholder with a fractional number",
        side: Side::Stricter,
        reason: "JavaScript finds nothing there; no client sends it",
        explain: Explain::Frame(|scene| {
            scene.broken_placeholder()?;
            let Some(Step::Packet(packet)) = scene.completed else {
                return None;
            };
            let missing = packet.data.count(&|value| *value == Value::Undefined);
            let seen = scene.placeholders().into_iter();
            let fractions = seen.filter(|it| *it == (Index::Fraction, None)).count();
            (fractions > 0 && fractions == missing).then_some(Explanation::Accepted)
        }),
        example: || frames(&[r#"51-["a",{"_placeholder":true,"num":0.5}]"#]),
    },
    Difference {
        name: "illegal placeholder in a placeholder",
        row: "placeholder with members that are themselves placeholders",
        side: Side::Stricter,
        reason: "one pass over the text",
        explain: Explain::Frame(|scene| scene.hidden(Hidden::InPlaceholder)),
        example: || {
            frames(&[r#"51-["a",{"_placeholder":true,"num":0,"x":{"_placeholder":true}}]"#])
        },
    },
    Difference {
        name: "illegal placeholder in a replaced member",
        row: "invalid placeholder in a member that a later one of the same name replaces",
        side: Side::Stricter,
        reason: "one pass over the text",
        explain: Explain::Frame(|scene| scene.hidden(Hidden::Replaced)),
        example: || frames(&[r#"51-["a",{"x":{"_placeholder":true},"x":1}]"#]),
    },
    Difference {
        name: "too many placeholders",
        row: "more placeholders than twice the attachments, and than 16",
        side: Side::Stricter,
        reason: "most types copy what a placeholder names; encoders write one for each",
        explain: Explain::Frame(|scene| {
            let limit = (2 * scene.head()?.attachments).max(16);
            let is_so = scene.rule() == Some("too-many-placeholders")
                && scene.completed.is_some()
                && scene.placeholders().len() > limit;
            is_so.then_some(Explanation::Accepted)
        }),
        example: || {
            let placeholders = r#",{"_placeholder":true,"num":0}"#.repeat(17);
            frames(&[&format!("51-[\"a\"{placeholders}]")])
        },
    },
    Difference {
        name: HALVES,
        row: "unpaired surrogate escape in a string",
        side: Side::Other,
        reason: "Rust strings cannot hold it: it is U+FFFD",
        explain: Explain::ByName,
        example: || frames(&[r#"2["a","\ud800"]"#]),
    },
    Difference {
        name: OVERFLOW,
        row: "number beyond the range of a double",
        side: Side::Stricter,
        reason: "infinity is a trap in Rust code that reads JSON: asking for the value is an error",
        explain: Explain::ByName,
        example: || frames(&[r#"2["a",1e400]"#]),
    },
    Difference {
        name: NOT_UTF8,
        row: "body that is not UTF-8",
        side: Side::Stricter,
        reason: "strict reading; the reference repairs it",
        explain: Explain::ByName,
        example: || body(b"4\xff", 65_536),
    },
    Difference {
        name: TOO_MANY_PACKETS,
        row: "more than 65 536 packets in one body",
        side: Side::Stricter,
        reason: "docs/limits.md",
        explain: Explain::ByName,
        example: || body(b"6\x1e6\x1e6\x1e6", 3),
    },
    Difference {
        name: BASE64,
        row: "base64 with characters of another alphabet",
        side: Side::Stricter,
        reason: "strict reading; no client sends it",
        explain: Explain::ByName,
        example: || body(b"bAQ-_", 65_536),
    },
    Difference {
        name: NO_DATA,
        row: "the message `4`",
        side: Side::Other,
        reason: "an empty text is what the client sent",
        explain: Explain::ByName,
        example: || body(b"4", 65_536),
    },
    Difference {
        name: IGNORED_DATA,
        row: "text behind `1`, `5` or `6`",
        side: Side::Other,
        reason: "nobody reads it: the official server ignores it too",
        explain: Explain::ByName,
        example: || body(b"1x", 65_536),
    },
    Difference {
        name: SEPARATOR,
        row: "text with U+001E towards a polling session",
        side: Side::Stricter,
        reason: "long-polling has no escape for it: the receiver would read two packets",
        explain: Explain::ByName,
        example: || {
            let data = Value::text("a\u{1e}4b");
            Case::EncodeBody(vec![EnginePacket { kind: 4, data }])
        },
    },
    Difference {
        name: MANY_ATTACHMENTS,
        row: "outgoing packet with more than 10 attachments",
        side: Side::Stricter,
        reason: "the receiver refuses it",
        explain: Explain::ByName,
        example: || event(vec![Value::Bytes(Bytes::new()); 11]),
    },
    Difference {
        name: TOO_DEEP,
        row: "outgoing packet nested deeper than 128 levels",
        side: Side::Stricter,
        reason: "peers of this kind would refuse it",
        explain: Explain::ByName,
        example: || {
            let nest = |value, _| Value::List(vec![value]);
            event(vec![(0..128).fold(Value::Null, nest)])
        },
    },
    Difference {
        name: HEADER,
        row: "outgoing header that a receiver would read otherwise",
        side: Side::Stricter,
        reason: "the receiver would read another header",
        explain: Explain::ByName,
        example: || packet(1, "/a,b", Value::Undefined),
    },
    Difference {
        name: KIND_OF_DATA,
        row: "outgoing CONNECT or refusal with data of another kind",
        side: Side::Stricter,
        reason: "the receiver refuses it, or binary would arrive as something else",
        explain: Explain::ByName,
        example: || packet(0, "/", Value::Null),
    },
    Difference {
        name: RESERVED,
        row: "outgoing event with a reserved name",
        side: Side::Stricter,
        reason: "the receiver refuses it; the official emitter, above the parser, does so too",
        explain: Explain::ByName,
        example: || packet(2, "/", Value::List(vec![Value::text("connect")])),
    },
    Difference {
        name: PROTO,
        row: "outgoing member `__proto__`",
        side: Side::Other,
        reason: "it is a member like any other here, also in a packet with attachments",
        explain: Explain::ByName,
        example: || {
            let members = vec![("__proto__".into(), Value::Number(1.0))];
            event(vec![Value::Object(members), Value::Bytes(Bytes::new())])
        },
    },
];

const MAX_ID: f64 = 9_007_199_254_740_991.0;

impl Scene<'_> {
    fn text(&self) -> Option<&str> {
        match self.frame {
            Frame::Bytes(_) => None,
            Frame::Text(text) => Some(text),
        }
    }

    fn rule(&self) -> Option<&'static str> {
        match &self.ours.step {
            Step::Refused(error) => Some(error.rule()),
            _ => None,
        }
    }

    /// The text with which the reference refuses the frame.
    fn refusal(&self) -> Option<&str> {
        match self.theirs {
            Step::Refused(text) => Some(text),
            _ => None,
        }
    }

    /// The packet that the reference reads, its attachments imagined if need be.
    fn packet(&self) -> Option<&Packet> {
        match self.completed.unwrap_or(self.theirs) {
            Step::Packet(packet) => Some(packet),
            _ => None,
        }
    }

    fn head(&self) -> Option<Head<'_>> {
        Head::of(self.text()?)
    }

    fn placeholders(&self) -> Vec<(Index, Option<Hidden>)> {
        let found = self.head().and_then(|head| {
            let tree = Tree::parse(head.payload)?;
            Some(tree.placeholders(head.attachments))
        });
        found.unwrap_or_default()
    }

    /// The placeholder that ends where ours found it to be illegal, if that is what it is.
    fn broken_placeholder(&self) -> Option<Index> {
        let Step::Refused(DecodeError::IllegalAttachment { offset, .. }) = self.ours.step else {
            return None;
        };
        let (text, head) = (self.text()?, self.head()?);
        let start = text.len() - head.payload.len();
        let json = text.get(start..offset)?;
        let object = json.match_indices('{').find_map(|(at, _)| {
            let tree = Tree::parse(&json[at..])?;
            json.ends_with('}').then_some(tree)
        });
        let index = object?.placeholder(head.attachments)?;
        (!matches!(index, Index::Legal(_))).then_some(index)
    }

    /// Every illegal placeholder is hidden from the reference, the first one in this way.
    fn hidden(&self, way: Hidden) -> Option<Explanation> {
        self.broken_placeholder()?;
        let Some(Step::Packet(_)) = self.completed else {
            return None;
        };
        let mut illegal = self.placeholders();
        illegal.retain(|(index, _)| !matches!(index, Index::Legal(_)));
        let is_so = illegal.iter().all(|it| it.1.is_some()) && illegal.first()?.1 == Some(way);
        is_so.then_some(Explanation::Accepted)
    }
}

/// A packet's header as JavaScript cuts it.
pub struct Head<'a> {
    text: &'a str,
    pub attachments: usize,
    /// Empty if it is left out; without its comma.
    pub namespace: &'a str,
    /// Digits, and white space among them.
    pub id: &'a str,
    pub payload: &'a str,
}

impl<'a> Head<'a> {
    pub fn of(text: &'a str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let (mut attachments, mut rest) = (0, chars.as_str());
        if matches!(kind, '5' | '6') {
            let (count, behind) = rest.split_once('-')?;
            attachments = count.parse().unwrap_or(0);
            rest = behind;
        }
        let mut namespace = "";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let is_id = |character: char| character.is_ascii_digit() || is_js_space(character);
        let payload = rest.trim_start_matches(is_id);
        let id = &rest[..rest.len() - payload.len()];
        Some(Self {
            text,
            attachments,
            namespace,
            id,
            payload,
        })
    }

    fn with_id(&self, id: &str) -> String {
        let before = self.text.len() - self.payload.len() - self.id.len();
        format!("{}{id}{}", &self.text[..before], self.payload)
    }

    fn with_namespace(&self, namespace: &str) -> String {
        let start = self.text.find('/').unwrap_or_default();
        let end = start + self.namespace.len();
        format!("{}{namespace}{}", &self.text[..start], &self.text[end..])
    }
}

/// What JavaScript takes for white space.
pub fn is_js_space(character: char) -> bool {
    character == '\u{feff}' || character.is_whitespace() && character != '\u{85}'
}

/// `Number(text)`, if that is a number; without a sign, which ends a count.
fn js_number(text: &str) -> Option<f64> {
    let text = text.trim_matches(is_js_space);
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let (start, digits) = text.split_at_checked(2).unwrap_or_default();
        if start.eq_ignore_ascii_case(prefix) && !digits.is_empty() {
            return digits.chars().try_fold(0.0, |number, digit| {
                Some(number * f64::from(radix) + f64::from(digit.to_digit(radix)?))
            });
        }
    }
    let is_decimal = |character: char| matches!(character, '0'..='9' | '.' | 'e' | 'E' | '+' | '-');
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    text.chars().all(is_decimal).then_some(number).flatten()
}

fn frames(texts: &[&str]) -> Case {
    let text = |text: &&str| Frame::Text((*text).to_owned());
    Case::Frames(texts.iter().map(text).collect())
}

fn body(body: &'static [u8], max_packets: usize) -> Case {
    Case::Body {
        body: Bytes::from_static(body),
        max_packets,
    }
}

fn event(mut args: Vec<Value>) -> Case {
    args.insert(0, Value::text("a"));
    packet(2, "/", Value::List(args))
}

fn packet(kind: u8, namespace: &str, data: Value) -> Case {
    Case::Encode(Packet {
        kind,
        namespace: namespace.into(),
        id: Value::Undefined,
        data,
    })
}
