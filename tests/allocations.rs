//! How often the codecs ask for memory, and how much of it a hostile peer can make them hold.
//!
//! Growing a buffer counts as one allocation, and as if the old and the new one were held at once.
//! Each thread counts by itself, so these tests may run at the same time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[path = "../benches/support/hostile.rs"]
mod hostile;
#[path = "../benches/support/inputs.rs"]
mod inputs;
#[path = "../benches/support/mod.rs"]
mod world;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize as _, de::IgnoredAny};
use serde_json::Value;
use socketio_proto::{
    edge::{Carrier, Headers, Machine as _, Message, Output, Request},
    engine::{Config, Cors, Parser as _, Server, packet, payload},
    socket::{
        Args, Assembler, Binary, Control, Fragment, Json, Limits, Options, Packet, Received, To,
    },
    time::Instant,
};

use self::{hostile::Input, world::World};

/// What is asked for by the way, and the result, which is dropped later.
fn counted<T>(work: impl FnOnce() -> T) -> (AllocationInfo, T) {
    let mut result = None;
    let info = measure(|| result = Some(work()));
    (info, result.unwrap())
}

/// How many allocations it takes.
fn count<T>(work: impl FnOnce() -> T) -> u64 {
    counted(work).0.count_total
}

/// A buffer that others hold too, as WebSocket libraries hand it out.
fn shared(text: &str) -> (ByteString, ByteString) {
    let text = ByteString::from(text);
    (text.clone(), text)
}

fn decode(text: ByteString) -> Received {
    match Json::default().parse(Message::Text(text)) {
        Ok(Fragment::Packet(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

fn decode_message(text: ByteString) -> Received {
    match packet::Packet::decode(Message::Text(text)) {
        Ok(packet::Packet::Message(Message::Text(text))) => decode(text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_counted_is_what_is_asked_for() {
    let (info, text) = counted(|| {
        let mut text = String::with_capacity(100);
        text.push_str("hello");
        text.reserve_exact(1_000);
        text
    });
    assert_eq!((info.count_total, info.bytes_total), (2, 1_105));
    assert_eq!((info.bytes_max, info.bytes_current), (1_105, 1_005));
    assert_eq!(text, "hello");
    assert_eq!(count(|| text.len()), 0);
}

#[test]
fn a_shared_text_is_decoded_without_an_allocation() {
    for packet in inputs::packets().into_iter().chain(inputs::headers()) {
        let (text, _other) = shared(&packet.text);
        let allocations = count(|| {
            let args = decode(text).into_args();
            let looked_at = (args.name().len(), args.json().len(), args.len());
            (args, looked_at)
        });
        assert_eq!(allocations, 0, "{}", packet.name);

        let (text, _other) = shared(&format!("4{}", packet.text));
        let allocations = count(|| decode_message(text).into_args());
        assert_eq!(allocations, 0, "{}, both layers", packet.name);
    }
}

/// To share a vector that has one owner takes an allocation, of whoever does it first: it is the
/// Engine.IO layer, which cuts off its digit.
#[test]
fn a_text_from_a_vector_costs_one_allocation_to_share_it() {
    for packet in inputs::packets() {
        let text = ByteString::from(packet.text.clone());
        let allocations = count(|| decode(text).into_args());
        assert_eq!(allocations, 0, "{}", packet.name);

        let text = ByteString::from(format!("4{}", packet.text));
        let (info, _args) = counted(|| decode_message(text).into_args());
        assert_eq!(info.count_total, 1, "{}, both layers", packet.name);
        assert!(info.bytes_total <= 64, "{info:?}");
    }
}

#[test]
fn data_of_a_connect_is_taken_without_an_allocation() {
    let mut packets = inputs::packets().into_iter();
    let connect = packets.find(|packet| packet.name == inputs::CONNECT);
    let (text, _other) = shared(&connect.unwrap().text);
    let (info, data) = counted(|| decode(text).into_data());
    assert_eq!(info.count_total, 0);
    assert_eq!(data.unwrap().parse::<inputs::Auth>(), Ok(inputs::auth()));
}

/// A vector, its growth and what holds both while they are incomplete; never a copy.
#[test]
fn attachments_are_shared_and_cost_a_handful_of_allocations() {
    for packet in inputs::binary_packets() {
        let (text, _other) = shared(&packet.text);
        let _others = packet.attachments.clone();
        let (info, args) = counted(|| {
            let mut assembler = Assembler::new();
            let mut whole = assembler.push(Fragment::Packet(decode(text))).unwrap();
            for bytes in packet.attachments {
                whole = assembler.push(Fragment::Attachment(bytes)).unwrap();
            }
            whole.unwrap().into_args()
        });
        assert!(info.count_total <= 4, "{}: {info:?}", packet.name);
        assert!(info.bytes_total <= 1_000, "{}: {info:?}", packet.name);

        let (info, parsed) = counted(|| args.parse::<(&str, Vec<Binary>)>());
        let binaries = parsed.unwrap().1;
        let same = args.attachments().iter().zip(&binaries);
        assert!(
            same.map(|(a, b)| (a.as_ptr(), b.0.as_ptr()))
                .all(|(a, b)| a == b)
        );
        assert_eq!(binaries.len(), args.attachments().len());
        assert!(info.bytes_total <= 1_000, "{}: {info:?}", packet.name);
    }
}

#[test]
fn a_packet_of_200_bytes_is_encoded_with_one_allocation() {
    let chat = (inputs::chat(),);
    let event = || Packet::event("chat", &chat).unwrap();
    assert_eq!(count(|| event().seal("/", None).unwrap()), 1);
    let sealed = || event().seal(inputs::NAMESPACE, Some(inputs::ACK)).unwrap();
    assert_eq!(count(sealed), 1);
    let reply = || Packet::reply(&chat).unwrap().seal("/", Some(1)).unwrap();
    assert_eq!(count(reply), 1);

    let args = decode(inputs::event("chat", &chat.0).into()).into_args();
    let forwarded = || Packet::forward("chat", &args).unwrap().seal("/", None);
    assert_eq!(count(forwarded), 1);
}

/// One to write it, one of the exact size to keep, so that what waits to be sent is small.
#[test]
fn a_small_packet_is_encoded_with_two_allocations_and_kept_in_its_size() {
    let small = || Packet::event("hello", &inputs::SMALL_ARGS).unwrap();
    let (info, sealed) = counted(|| small().seal("/", None).unwrap());
    assert_eq!(sealed.text(), &format!("4{}", inputs::SMALL));
    assert!(info.count_total <= 2, "{info:?}");
    assert!(info.bytes_current <= 200, "{info:?}");
    let answer = || Packet::reply(&inputs::ACK_ARGS).unwrap();
    assert!(count(|| answer().seal("/", Some(inputs::ACK)).unwrap()) <= 2);
    assert_eq!(count(|| Control::Disconnect.seal("/admin").unwrap()), 1);
}

#[test]
fn a_large_packet_grows_by_doubling_and_is_not_copied_again_if_it_is_nearly_full() {
    for size in [1_000, 10_000, 100_000] {
        let history = (inputs::history(size),);
        let event = || Packet::event("history", &history).unwrap();
        let (info, sealed) = counted(|| event().seal("/", None).unwrap());
        // From the first size on, and one copy into what fits.
        let growths = u64::from((size / 256).ilog2()) + 3;
        assert!(info.count_total <= growths, "{size}: {info:?}");
        assert!(info.bytes_max <= 4 * size as u64, "{size}: {info:?}");
        let kept = info.bytes_current.unsigned_abs();
        assert!(kept <= sealed.text().len() as u64 + 200, "{size}: {info:?}");
    }
}

#[test]
fn attachments_of_a_packet_are_not_copied() {
    let image = Binary(inputs::binary(64_000));
    let (info, sealed) = counted(|| {
        let packet = Packet::event("upload", &("cat.png", &image)).unwrap();
        packet.seal("/", None).unwrap()
    });
    assert_eq!(sealed.attachments(), std::slice::from_ref(&image.0));
    assert!(info.bytes_total <= 2_000, "{info:?}");
}

#[test]
fn packets_of_a_body_take_what_they_hold() {
    let body = Bytes::from(inputs::body());
    let _other = body.clone();
    let read = || payload::decode(body, 65_536).map(Result::unwrap).count();
    let (info, packets) = counted(read);
    // One for each text, of its length.
    assert_eq!(info.count_total, inputs::PACKETS as u64);
    assert!(info.bytes_total < inputs::body().len() as u64, "{info:?}");
    assert_eq!(packets, inputs::PACKETS);

    let binary = packet::Packet::Message(Message::Binary(inputs::binary(inputs::BASE64_BYTES)));
    let body = payload::encode([binary.clone()]).unwrap();
    let (info, packet) = counted(|| payload::decode(body, 1).next().unwrap().unwrap());
    assert_eq!(packet, binary);
    assert!(info.count_total <= 2, "{info:?}");
    assert!(
        info.bytes_total <= inputs::BASE64_BYTES as u64 + 100,
        "{info:?}"
    );
}

#[test]
fn a_body_is_written_into_one_buffer_of_its_size() {
    let binary = packet::Packet::Message(Message::Binary(inputs::binary(inputs::BASE64_BYTES)));
    let (info, body) = counted(|| payload::encode([binary]).unwrap());
    assert!(info.count_total <= 3, "{info:?}");
    assert!(info.bytes_total <= body.len() as u64 + 1_000, "{info:?}");

    let text = packet::Packet::Message(Message::Text(inputs::SMALL.into()));
    let packets = vec![text; inputs::PACKETS];
    let (info, body) = counted(|| payload::encode(packets).unwrap());
    assert_eq!(body, inputs::body());
    assert!(info.count_total <= inputs::PACKETS as u64 + 2, "{info:?}");
}

struct FromOrigin;

impl Headers for FromOrigin {
    fn get(&self, name: &str) -> Option<&[u8]> {
        (name == "origin").then_some(b"https://example.com")
    }
}

/// How many allocations the heads of a data request and of a poll take, in a server that has room.
fn heads(config: Config) -> (u64, u64) {
    let now = Instant::ORIGIN;
    let mut server = Server::new(config, [0; 32]);
    let mut ask = |method, target: &str| {
        let request = Request {
            carrier: Carrier::Polling,
            method,
            target,
            headers: &FromOrigin,
            peer: None,
        };
        let (info, _) = counted(|| server.handle_request(now, &request));
        let outputs: Vec<_> = std::iter::from_fn(|| server.poll_output()).collect();
        (info.count_total, outputs)
    };
    let target = "/engine.io/?EIO=4&transport=polling";
    // Tables and queues grow first.
    let answers: Vec<_> = (0..20).flat_map(|_| ask("GET", target).1).collect();
    let targets = answers.iter().filter_map(|output| match output {
        Output::Respond { response, .. } => {
            let sid = str::from_utf8(&response.body[9..29]).unwrap();
            Some(format!("{target}&sid={sid}"))
        }
        _ => None,
    });
    let targets: Vec<_> = targets.collect();
    let (first, last) = (&targets[0], &targets[19]);
    ask("POST", first);
    (ask("POST", last).0, ask("GET", last).0)
}

#[test]
fn the_head_of_a_request_takes_no_allocation_without_cors() {
    assert_eq!(heads(Config::default()), (0, 0));
    // The list, and the origin.
    let mirror = Config::builder().cors(Cors::mirror()).build().unwrap();
    assert_eq!(heads(mirror), (2, 2));
    let any = Config::builder().cors(Cors::any()).build().unwrap();
    assert_eq!(heads(any), (1, 1));
}

const SIZE: usize = 1_000_000;

/// A hostile input, in buffers that are held by somebody else and so are not counted.
struct Held {
    text: ByteString,
    attachments: Vec<Bytes>,
    body: Option<Bytes>,
    size: u64,
}

impl Held {
    fn new(input: Input) -> Self {
        let size = input.len() as u64;
        let (text, attachments, body) = match input {
            Input::Messages(text, attachments) => (text.into(), attachments, None),
            Input::Body(body) => (ByteString::new(), Vec::new(), Some(body.into())),
        };
        Self {
            text,
            attachments,
            body,
            size,
        }
    }

    /// What an application gets, if it gets something.
    fn args(&self, limits: Limits) -> Option<Args> {
        let json = Json { limits };
        let mut assembler = Assembler::new();
        let mut push = |message| assembler.push(json.parse(message).ok()?).ok()?;
        let mut whole = push(Message::Text(self.text.clone()));
        for bytes in &self.attachments {
            whole = push(Message::Binary(bytes.clone()));
        }
        whole.map(Received::into_args)
    }
}

/// What decoding may hold at once, in sizes of the input, which is not counted: what base64 and the
/// escapes of a name stand for, while its buffer grows.
const DECODING: u64 = 2;

/// What forwarding may hold at once: the new text, twice while it grows or is copied.
const FORWARDING: u64 = 4;

/// What every packet of a body may take: room is made once for all of them.
const PACKET: u64 = 96;

/// Memory that does not depend on the input.
const FIXED: u64 = 4_096;

#[test]
fn hostile_messages_are_read_in_memory_of_a_small_multiple_of_their_size() {
    let (mut taken, mut refused) = (0, 0);
    for case in hostile::received() {
        let held = Held::new((case.make)(SIZE));
        if held.body.is_some() {
            continue;
        }
        let (info, args) = counted(|| held.args(case.limits));
        let allowed = DECODING * held.size + FIXED;
        assert!(info.bytes_max <= allowed, "{}: {info:?}", case.name);
        let Some(args) = args else {
            refused += 1;
            continue;
        };
        taken += 1;

        let (info, count) = counted(|| {
            let list = args.parse::<Vec<IgnoredAny>>().unwrap();
            (args.binary(0), args.len() == list.len())
        });
        assert!(count.1, "{}", case.name);
        assert!(info.bytes_max <= FIXED, "looking, {}: {info:?}", case.name);

        let (info, _) = counted(|| Packet::forward("x", &args).unwrap().seal("/", None));
        let allowed = FORWARDING * held.size + FIXED;
        assert!(
            info.bytes_max <= allowed,
            "forwarding, {}: {info:?}",
            case.name
        );
    }
    assert!(
        taken >= 30 && refused >= 15,
        "{taken} taken, {refused} refused"
    );
}

/// A type that keeps everything takes as much as it does from `serde_json`, and what it takes to
/// decode a string with escapes.
#[test]
fn hostile_arguments_are_parsed_in_the_memory_that_serde_json_takes() {
    let mut parsed = 0;
    for case in hostile::received() {
        let held = Held::new((case.make)(SIZE));
        let Some(args) = held.args(case.limits) else {
            continue;
        };
        let (ours, values) = counted(|| args.parse::<Vec<Value>>());
        let json = format!("[{}]", args.json());
        let (theirs, same) = counted(|| {
            let mut json = serde_json::Deserializer::from_str(&json);
            json.disable_recursion_limit();
            Vec::<Value>::deserialize(&mut json)
        });
        parsed += u32::from(values.is_ok());
        // Half a pair ends the reading of `serde_json`.
        let theirs = if same.is_ok() {
            theirs.bytes_max
        } else {
            16 * held.size
        };
        let allowed = theirs + 2 * held.size + FIXED;
        assert!(ours.bytes_max <= allowed, "{}: {ours:?}", case.name);
    }
    assert!(parsed >= 25, "{parsed}");
}

#[test]
fn hostile_bodies_are_read_in_memory_of_their_size_and_of_so_many_packets() {
    let codec = World::new().codec;
    let mut bodies = 0;
    for case in hostile::received() {
        let held = Held::new((case.make)(SIZE));
        let Some(body) = held.body else {
            continue;
        };
        let packets = payload::decode(body.clone(), 65_536).count() as u64;
        let (info, _inbound) = counted(|| codec.read_body(body));
        let allowed = held.size + PACKET * packets + FIXED;
        assert!(info.bytes_max <= allowed, "{}: {info:?}", case.name);
        bodies += 1;
    }
    assert!(bodies >= 8, "{bodies}");
}

#[test]
fn a_broadcast_takes_no_allocation_for_each_socket() {
    let mut world = World::new();
    for _ in 0..1_000 {
        world.connect();
    }
    let to = To::Group {
        namespace: world.server.namespace("/").unwrap(),
        rooms: &[],
        except: &[],
        without: None,
    };
    let mut emit = |event: &str| {
        let allocations = count(|| {
            let packet = Packet::event(event, &("hello", 17)).unwrap();
            let sent = world.server.emit(world.now, to, packet, Options::new());
            assert_eq!(sent.unwrap().queued, 1_000);
        });
        assert_eq!(world.settle(), 1_000);
        allocations
    };
    // The first makes room for so many outputs.
    let (cold, warm) = (emit("cold"), emit("warm"));
    assert!(cold <= 20 && warm <= 4, "{cold}, then {warm}");
}
