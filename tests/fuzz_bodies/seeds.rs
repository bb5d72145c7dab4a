//! Inputs made of the test vectors, and some by hand where those do not reach.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;
use socketio_proto::{
    edge::{Lost, Machine as _},
    socket::{Binary, Config, Options, Packet, RecoveryConfig, To},
};

use crate::{
    bodies::input::{DEFAULT_LIMITS, SEPARATOR},
    world::World,
};

const ENGINE_PACKETS: &str = include_str!("../../spec-vectors/engine.io/v4/packets.json");
const ENGINE_PAYLOADS: &str = include_str!("../../spec-vectors/engine.io/v4/payloads.json");
const ENGINE_REQUESTS: &str = include_str!("../../spec-vectors/engine.io/v4/requests.json");
const SOCKET_ENCODE: &str = include_str!("../../spec-vectors/socket.io/v5/encode.json");
const SOCKET_PACKETS: &str = include_str!("../../spec-vectors/socket.io/v5/packets.json");

/// Longer inputs make a fuzzer slow and show it nothing.
const LONGEST: usize = 1_536;

/// What a target begins with.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = all_of(target);
    seeds.retain(|seed| seed.len() <= LONGEST);
    seeds
}

fn all_of(target: &str) -> Vec<Vec<u8>> {
    let conversations = conversations();
    let texts = || {
        let frames = conversations.iter().flatten();
        frames.filter_map(|frame| match frame {
            Frame::Text(text) => Some(text.as_str()),
            Frame::Binary(_) => None,
        })
    };
    match target {
        "engine_packet" => inputs(ENGINE_PACKETS).map(Frame::into_bytes).collect(),
        "engine_payload" => {
            let bodies = inputs(ENGINE_PAYLOADS).map(Frame::into_bytes);
            let bodies = bodies.map(|body| [&[16], &*body].concat());
            bodies
                .chain(conversations.iter().map(|frames| body(frames)))
                .chain([b"\x024a\x1e4a\x1e4a".to_vec()])
                .collect()
        }
        "engine_target" => {
            let requests = rows(ENGINE_REQUESTS);
            let targets = requests.iter().filter_map(|row| row["target"].as_str());
            let targets = targets.map(|target| target.as_bytes().to_vec());
            targets.chain(owned(REQUEST_TARGETS)).collect()
        }
        "socket_args" => {
            let lists = conversations.iter().filter_map(|frames| list(frames));
            lists.chain(owned(LISTS)).collect()
        }
        "socket_data" => {
            let data = texts().filter_map(|text| Some(text.get(text.find(['{', '"'])?..)?.into()));
            data.collect()
        }
        "socket_frames" => {
            let joined = conversations.iter().map(|frames| joined(frames));
            joined.chain([ten_attachments()]).collect()
        }
        "socket_keys" => owned(KEYS).collect(),
        "socket_packet" => texts()
            .map(|text| [&DEFAULT_LIMITS, text.as_bytes()].concat())
            .chain(owned(TEXTS).map(|text| [&DEFAULT_LIMITS[..], &text].concat()))
            .chain([b"\x01\x02\x0451-/a,[[[".to_vec()])
            .collect(),
        "socket_snapshot" => (0..12).map(snapshot).collect(),
        "socket_values" => values(),
        other => panic!("{other} has no seeds"),
    }
}

enum Frame {
    Binary(Vec<u8>),
    Text(String),
}

impl Frame {
    /// A text, bytes, or a text of pieces (`spec-vectors/README.md`, "Texts and bytes").
    fn of(value: &Value) -> Self {
        if let Some(text) = value.as_str() {
            return Self::Text(text.to_owned());
        }
        if let Some(bytes) = value["base64"].as_str() {
            return Self::Binary(STANDARD.decode(bytes).unwrap());
        }
        let piece = |piece: &Value| {
            if let Some(text) = piece.as_str() {
                return text.to_owned();
            }
            let times = usize::try_from(piece["times"].as_u64().unwrap()).unwrap();
            piece["repeat"].as_str().unwrap().repeat(times)
        };
        let pieces = value["pieces"].as_array().unwrap();
        Self::Text(pieces.iter().map(piece).collect())
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Binary(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
        }
    }
}

fn rows(vectors: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    vectors["rows"].as_array().unwrap().clone()
}

fn inputs(vectors: &str) -> impl Iterator<Item = Frame> {
    rows(vectors)
        .into_iter()
        .map(|row| Frame::of(&row["input"]))
}

/// The frames of every row about Socket.IO.
fn conversations() -> Vec<Vec<Frame>> {
    let read = rows(SOCKET_PACKETS)
        .into_iter()
        .map(|row| row["frames"].clone());
    let written = rows(SOCKET_ENCODE)
        .into_iter()
        .map(|row| row["expect"]["frames"].clone());
    let lists = read.chain(written).filter_map(|frames| {
        let frames = frames.as_array()?;
        Some(frames.iter().map(Frame::of).collect())
    });
    lists.collect()
}

/// As a polling body, behind the most packets that are read.
fn body(frames: &[Frame]) -> Vec<u8> {
    let packets = frames.iter().map(|frame| match frame {
        Frame::Binary(bytes) => format!("b{}", STANDARD.encode(bytes)),
        Frame::Text(text) => format!("4{text}"),
    });
    let packets: Vec<String> = packets.collect();
    [&[16], packets.join("\u{1e}").as_bytes()].concat()
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    let parts = frames.iter().map(|frame| match frame {
        Frame::Binary(bytes) => [b"b", bytes.as_slice()].concat(),
        Frame::Text(text) => text.clone().into_bytes(),
    });
    let parts: Vec<Vec<u8>> = parts.collect();
    [&DEFAULT_LIMITS, parts.join(&SEPARATOR).as_slice()].concat()
}

/// The list that the first frame holds, and the attachments behind it.
fn list(frames: &[Frame]) -> Option<Vec<u8>> {
    let (Frame::Text(text), rest) = frames.split_first()? else {
        return None;
    };
    let mut list = text.as_bytes()[text.find('[')?..].to_vec();
    for frame in rest {
        if let Frame::Binary(bytes) = frame {
            list.push(SEPARATOR);
            list.extend_from_slice(bytes);
        }
    }
    Some(list)
}

fn ten_attachments() -> Vec<u8> {
    let mut frames = vec![Frame::Text(
        r#"511-["a",{"_placeholder":true,"num":9}]"#.into(),
    )];
    frames.extend((0..11).map(|byte| Frame::Binary(vec![byte])));
    let mut input = joined(&frames);
    input[0] = 11;
    input
}

/// Any bytes are values; these begin with each kind in turn.
fn values() -> Vec<Vec<u8>> {
    let seed = |kind: u8| {
        let (name, id, namespace) = (&b"\x05event"[..], &[7, 0, 0, 0, 0, 0, 0, 0][..], &[1, b'a']);
        let numbers = (0..200_u8).map(|byte| byte.wrapping_mul(37).wrapping_add(kind));
        let mut input = [name, id, namespace, &[kind % 2, 3, kind]].concat();
        input.extend(numbers);
        input
    };
    // As deep as may be, and enums one after the other down there.
    let mut deep = b"\x05event\x07\0\0\0\0\0\0\0\x01a\0\x01".to_vec();
    deep.extend([16, 123, 11, 4, 15, 0, 15, 0, 15, 0, 15, 0]);
    (0..32).map(seed).chain([deep]).collect()
}

fn owned(inputs: &'static [&'static str]) -> impl Iterator<Item = Vec<u8>> {
    inputs.iter().map(|input| input.as_bytes().to_vec())
}

/// Packets at the edge of a rule.
const TEXTS: &[&str] = &[
    r#"29007199254740991["a"]"#,
    r#"29007199254740992["a"]"#,
    r#"51-/a,1["a",{"_placeholder":true,"num":1}]"#,
    "2/a\u{7f}b,[\"a\"]",
    "2/\u{85},[\"a\"]",
    r#"511-["a"]"#,
    r#"510-["a"]"#,
    r#"2["\u0063onnect"]"#,
    r#"2 ["a"]"#,
    r#"2["a" 1]"#,
];

const REQUEST_TARGETS: &[&str] = &[
    "/socket.io/?EIO=4&transport=polling&t=PxR1&sid=Ab_-9&b64=1",
    "/socket.io/?EIO=3&transport=websocket&j=0",
    "/socket.io/?EIO=%34&transport=%70olling&sid=%C3%A9+&j=é&b64=1#x",
    "/?EIO=4&EIO=abc&transport=webtransport",
    "/?sid=%c3&sid=%4&sid=%zz%41&sid=%%41",
    "/?sid=a=b?c&&=&x&sid",
    "/?b64=1&b64=&j=1&j=&sid=a&sid=&transport=polling&transport=x&EIO=4&EIO=",
    "/?b64=&j=&transport=",
    "/#?sid=a",
    "?%73id=a&%65io=4",
    "/?+sid=+",
    "/?sid=0123456789012345678901234567890123456789012345678901234567890123456789",
    "/?&1&2&3&4&5&6&7&8&9&a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&A&B&C&D&E&F&G&H&I&J&K&L&M&N&O&P&Q&R&S&T&U&V",
];

const LISTS: &[&str] = &[
    "[]",
    "[ ] ",
    "[1,-1,0,-0,1.0,1.5,1e2,-1E-2,256,65536,4294967296,9007199254740993]",
    "[18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809]",
    "[340282366920938463463374607431768211455,-170141183460469231731687303715884105728]",
    "[340282366920938463463374607431768211456,1e308,1e309,3.5e38,3.4e38,5e-324,1e-400]",
    "[0.1,0.30000000000000004,1.7976931348623157e308,123456789012345678901234567890.5]",
    r#"["","a","\u0041","\ud83d\ude00","\ud800","\ud800\u0041\ud800A","é😀","\"\\\/\b\f\n\r\t"]"#,
    r#"[null,true,false,[null],{"a":null},[[]],{}]"#,
    r#"[{"a":1},{"a":1,"b":{"a":2,"b":null}},{"a":1,"c":2},[1,null],[1,[2,null]]]"#,
    r#"[{"a":1,"b":[[1,2]],"x":2.5},{"num":[1,null]},{"c":[1,2],"num":[3]},{"a":1,"a":2}]"#,
    r#"["a",{"b":null},{"c":[1,{"x":[]}]},{"num":{"a":1,"b":"x"}},{"num":[1,"x"]},{"a":null}]"#,
    r#"[{"a":"b","num":1,"c":[1]},{"a":"Empty"},{"num":1,"a":"b"},{"a":"x"}]"#,
    r#"[{"a":"One","b":[1,2]},{"b":[1,2],"a":"Two"},{"a":"Empty","b":null}]"#,
    r#"[{"1":true,"2":null},{"a":1,"b":2,"num":3},{"-1":1},{"1.5":1},{"true":1}]"#,
    r#"[[1,["x",2]],{"a":{"a":[1,{"b":[]}]}},[[["x",1]]],[["x",1],["y",-1]]]"#,
    r#"[{"_placeholder":true,"num":0}]"#,
    r#"[{"$serde_json::private::Number":"1"},{"$serde_json::private::RawValue":"[1]"}]"#,
];

const KEYS: &[&str] = &[
    "",
    "a",
    "b",
    "num",
    "_placeholder",
    "true",
    "false",
    "True",
    "0",
    "-0",
    "1",
    "-1",
    "+1",
    "01",
    "1.0",
    "1e2",
    " 1",
    "1 ",
    "255",
    "256",
    "-128",
    "65535",
    "4294967295",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211455",
    "NaN",
    "inf",
    "1_0",
    "0x1",
    "é",
    "\\u0031",
    "\\\"",
    "\\ud800",
    "$serde_json::private::Number",
];

/// What a server keeps of so many clients that lost their connections.
fn snapshot(clients: usize) -> Vec<u8> {
    let config = Config::builder().recovery(RecoveryConfig::new());
    let mut world = World::with(config.build().unwrap());
    let namespace = world.server.namespace("/").unwrap();
    let all: Vec<_> = (0..clients).map(|_| world.connect()).collect();
    for (number, client) in all.iter().enumerate() {
        let rooms = ["even", "every third"];
        let rooms = match number % 6 {
            0 => &rooms[..],
            2 | 4 => &rooms[..1],
            3 => &rooms[1..],
            _ => &[],
        };
        world.server.join(client.socket, rooms).unwrap();
        let data = Bytes::from(number.to_string());
        world.server.set_data(client.socket, data).unwrap();
        let packet = Packet::event("one", &(number,)).unwrap();
        let to = To::Socket(client.socket);
        _ = world.server.emit(world.now, to, packet, Options::new());
    }
    let picture = Binary::from(Bytes::from_static(b"\x01\x02"));
    let packet = Packet::event("room", &(picture,)).unwrap();
    let to = To::Group {
        namespace,
        rooms: &["even", "every third"],
        except: &["odd"],
        without: all
            .first()
            .and_then(|client| world.server.id_of(client.socket)),
    };
    _ = world.server.emit(world.now, to, packet, Options::new());
    for client in &all {
        if clients.is_multiple_of(2) {
            world.server.leave(client.socket, "even").unwrap();
        }
        let (transport, lost) = (client.transport, Lost::Failed);
        world
            .server
            .handle_transport_lost(world.now, transport, lost);
    }
    world.settle();
    world.server.export(world.now).to_vec()
}
