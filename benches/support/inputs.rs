//! What the codecs are measured with: the same packets for every program that measures them.
//!
//! Nothing is random, and every number is written alike by Rust and by JavaScript, so that all
//! implementations read and write the same bytes.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "shared by measuring programs, each of which uses a part"
)]

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A chat message, 200 B with its packet around it if it is [`chat`], of changing length in a
/// [`history`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Chat {
    pub id: u64,
    pub room: String,
    pub from: User,
    pub text: String,
    pub at: f64,
    pub edited: bool,
    pub reply_to: Option<u64>,
    pub reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct User {
    pub name: String,
    pub color: [u8; 3],
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Reaction {
    pub emoji: String,
    pub count: u32,
}

/// What authenticates a client in its CONNECT.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Auth {
    pub token: String,
    pub version: u32,
}

/// What stands in a text for an attachment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Placeholder {
    #[serde(rename = "_placeholder")]
    pub placeholder: bool,
    pub num: usize,
}

impl Placeholder {
    pub fn new(num: usize) -> Self {
        let placeholder = true;
        Self { placeholder, num }
    }
}

pub const NAMESPACE: &str = "/admin";
pub const ACK: u64 = 456;

/// 20 B.
pub const SMALL: &str = r#"2["hello","world",1]"#;
pub const SMALL_ARGS: (&str, u32) = ("world", 1);

pub const ACK_TEXT: &str = r#"3456["ok",17,true]"#;
pub const ACK_ARGS: (&str, u32, bool) = ("ok", 17, true);

/// Texts that people write; some have escapes, some are not ASCII.
const TEXTS: [&str; 8] = [
    "Good morning, everyone. The build is green again.",
    "Did you read the \"release notes\"?\nThey are out.",
    "Ça marche très bien, merci. À demain !",
    "おはようございます。今日は何をしますか。",
    "See C:\\logs\\today.txt, line 12.",
    "Ship it 🚀🎉",
    "I think that we should wait with it until the others are back from lunch, because the last \
     time that we did it on our own it took the whole afternoon to get it right.",
    "ok",
];

const NAMES: [&str; 5] = ["Ada", "Grace", "Zoë", "Jörg", "花子"];

fn message(index: usize) -> Chat {
    let reactions = (0..index % 3).map(|kind| Reaction {
        emoji: ["👍", "❤️"][kind].to_owned(),
        count: (index + kind) as u32 % 17,
    });
    Chat {
        id: 1_234_567 + index as u64,
        room: "lobby".to_owned(),
        from: User {
            name: NAMES[index % NAMES.len()].to_owned(),
            color: [12, 90, index as u8],
        },
        text: TEXTS[index % TEXTS.len()].to_owned(),
        at: 1_721_912_345.125 + index as f64 * 2.5,
        edited: index % 4 == 3,
        reply_to: (index % 5 == 4).then_some(1_234_560 + index as u64),
        reactions: reactions.collect(),
    }
}

/// The text of an event.
pub fn event(name: &str, argument: &impl Serialize) -> String {
    format!("2{}", serde_json::to_string(&(name, argument)).unwrap())
}

/// The argument of the event `chat` of 200 B.
pub fn chat() -> Chat {
    let mut chat = message(0);
    chat.text.clear();
    let missing = 200 - event("chat", &chat).len();
    chat.text = "The quick brown fox jumps over the lazy dog and then rests. ".repeat(2);
    chat.text.truncate(missing);
    chat
}

/// The argument of an event `history` of exactly this many bytes.
pub fn history(size: usize) -> Vec<Chat> {
    let mut messages = Vec::new();
    let mut len = event("history", &messages).len();
    loop {
        let next = message(messages.len());
        let grown = len + serde_json::to_string(&next).unwrap().len() + 1;
        if grown > size {
            break;
        }
        messages.push(next);
        len = grown;
    }
    // The first element has no comma before it.
    let missing = size + 1 - len;
    messages.last_mut().unwrap().text += &"x".repeat(missing);
    messages
}

pub fn auth() -> Auth {
    Auth {
        token: "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA".to_owned(),
        version: 3,
    }
}

/// A packet as it stands in a text message of Engine.IO, without that layer's `4`.
#[derive(Clone, Debug)]
pub struct Packet {
    pub name: &'static str,
    pub text: String,
    /// Where the JSON begins.
    pub payload: usize,
    pub attachments: Vec<Bytes>,
}

impl Packet {
    fn text(name: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            name,
            payload: text.find(['[', '{']).unwrap_or(text.len()),
            text,
            attachments: Vec::new(),
        }
    }

    pub fn json(&self) -> &str {
        &self.text[self.payload..]
    }
}

pub const EVENT_20: &str = "event 20 B";
pub const EVENT_200: &str = "event 200 B";
pub const EVENT_10K: &str = "event 10 kB";
pub const EVENT_100K: &str = "event 100 kB";
pub const NAMESPACED: &str = "event 200 B with namespace and id";
pub const ANSWER: &str = "answer 18 B";
pub const CONNECT: &str = "CONNECT";
pub const BINARY_1: &str = "event with 1 × 1 kB";
pub const BINARY_3: &str = "event with 3 × 64 kB";

/// Packets with a payload, by the names above.
pub fn packets() -> Vec<Packet> {
    let chat_event = event("chat", &chat());
    let auth = serde_json::to_string(&auth()).unwrap();
    vec![
        Packet::text(EVENT_20, SMALL),
        Packet::text(EVENT_200, chat_event.as_str()),
        Packet::text(EVENT_10K, event("history", &history(10_000))),
        Packet::text(EVENT_100K, event("history", &history(100_000))),
        Packet::text(NAMESPACED, format!("2/admin,456{}", &chat_event[1..])),
        Packet::text(ANSWER, ACK_TEXT),
        Packet::text(CONNECT, format!("0/admin,{auth}")),
    ]
}

/// Packets that are nothing but a header.
pub fn headers() -> Vec<Packet> {
    vec![
        Packet::text("CONNECT of the main namespace", "0"),
        Packet::text("DISCONNECT with namespace", "1/admin,"),
        Packet::text("answer with namespace and id", "3/admin,456"),
    ]
}

/// Packets with attachments, by the names above.
pub fn binary_packets() -> Vec<Packet> {
    [(BINARY_1, 1, 1_000), (BINARY_3, 3, 64_000)]
        .into_iter()
        .map(|(name, count, size)| {
            let places: Vec<Placeholder> = (0..count).map(Placeholder::new).collect();
            let json = serde_json::to_string(&("upload", "cat.png", places)).unwrap();
            let text = format!("5{count}-{json}");
            Packet {
                attachments: (0..count).map(|_| binary(size)).collect(),
                ..Packet::text(name, text)
            }
        })
        .collect()
}

/// Bytes of all values.
pub fn binary(size: usize) -> Bytes {
    let values = (0..size).map(|index| (index * 31 + index / 256) as u8);
    values.collect::<Vec<u8>>().into()
}

/// How many packets [`body`] has.
pub const PACKETS: usize = 100;

/// A polling body of small events.
pub fn body() -> String {
    vec![format!("4{SMALL}"); PACKETS].join("\u{1e}")
}

/// How many bytes one base64 packet carries.
pub const BASE64_BYTES: usize = 64_000;
