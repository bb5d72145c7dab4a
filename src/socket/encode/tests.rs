use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serializer, de};
use serde_json::Value;

use super::{sealed::SPARE, *};
use crate::{
    random::PrivateId,
    socket::args::{
        Binary, Data,
        tests::{answer, event, received},
    },
};

fn sealed(packet: Result<Packet, EncodeError>, namespace: &str, ack: Option<u64>) -> String {
    let sealed = packet.unwrap().finish(namespace, ack);
    String::from_utf8(sealed.text.to_vec()).unwrap()
}

#[test]
fn headers_come_before_the_arguments() {
    let bytes = Binary::from(vec![1]);
    let event = || Packet::event("a", &());
    let binary = || Packet::event("a", &(bytes.clone(),));
    let placeholder = r#"{"_placeholder":true,"num":0}"#;

    assert_eq!(sealed(event(), "/", None), r#"42["a"]"#);
    assert_eq!(sealed(event(), "/", Some(0)), r#"420["a"]"#);
    assert_eq!(sealed(event(), "/admin", None), r#"42/admin,["a"]"#);
    assert_eq!(sealed(event(), "/admin", Some(7)), r#"42/admin,7["a"]"#);
    assert_eq!(
        sealed(binary(), "/admin", None),
        format!(r#"451-/admin,["a",{placeholder}]"#)
    );
    assert_eq!(sealed(Packet::reply(&()), "/", Some(456)), "43456[]");
    assert_eq!(
        sealed(Packet::reply(&(1, "x")), "/", Some(5)),
        r#"435[1,"x"]"#
    );
    assert_eq!(
        sealed(Packet::reply(&(&bytes,)), "/", Some(5)),
        format!("461-5[{placeholder}]")
    );
}

#[test]
fn headers_of_every_length_come_before_the_arguments() {
    for length in 1..100 {
        let namespace = format!("/{}", "é".repeat(length));
        let expected = format!(r#"42{namespace},{}["a",1]"#, u64::MAX);

        let text = sealed(Packet::event("a", &[1]), &namespace, Some(u64::MAX));

        assert_eq!(text, expected);
    }
}

#[test]
fn a_clone_is_a_packet_of_its_own() {
    let packet = Packet::event("a", &());
    let other = packet.clone();

    assert_eq!(sealed(packet, "/x", Some(1)), r#"42/x,1["a"]"#);
    assert_eq!(sealed(other, "/", None), r#"42["a"]"#);
}

#[test]
fn the_finished_text_has_little_spare_room() {
    let sealed = Packet::event("a", &("b".repeat(1_000),))
        .unwrap()
        .finish("/", None);
    let whole: Vec<u8> = sealed.text.into();

    assert!(whole.capacity() <= whole.len() + HEADROOM + SPARE);
}

#[test]
fn reserved_names_are_refused_to_events() {
    let args = answer("[]", &[]);
    for name in RESERVED {
        let refused = EncodeError::ReservedName;
        assert_eq!(Packet::event(name, &()).unwrap_err(), refused);
        assert_eq!(Packet::forward(name, &args).unwrap_err(), refused);
    }
    for name in [
        "connection",
        "error",
        "Connect",
        "",
        "__proto__",
        "a\"b\u{1e}",
    ] {
        let packet = Packet::event(name, &()).unwrap();
        assert_eq!(received(packet).name(), name);
    }
}

#[test]
fn a_single_value_is_no_argument_list() {
    #[derive(Serialize)]
    struct Point {
        x: u8,
    }
    let refused = EncodeError::NotArguments;

    assert_eq!(Packet::event("a", "text").unwrap_err(), refused);
    assert_eq!(Packet::event("a", &1).unwrap_err(), refused);
    assert_eq!(Packet::event("a", &Some((1,))).unwrap_err(), refused);
    assert_eq!(Packet::event("a", &Point { x: 1 }).unwrap_err(), refused);
    assert_eq!(
        Packet::event("a", &BTreeMap::from([(1, 1)])).unwrap_err(),
        refused
    );
    assert_eq!(
        Packet::event("a", &Binary::from(vec![])).unwrap_err(),
        refused
    );
    assert_eq!(
        sealed(Packet::event("a", &(Point { x: 1 },)), "/", None),
        r#"42["a",{"x":1}]"#
    );
}

#[test]
fn every_kind_of_list_is_an_argument_list() {
    #[derive(Serialize)]
    struct Wrapped<T>(T);
    #[derive(Serialize)]
    struct Pair(u8, u8);
    #[derive(Serialize)]
    struct Nothing;

    for packet in [
        Packet::event("a", &(1, 2)),
        Packet::event("a", &[1, 2]),
        Packet::event("a", &[1, 2][..]),
        Packet::event("a", &vec![1, 2]),
        Packet::event("a", &Box::new((1, 2))),
        Packet::event("a", &Pair(1, 2)),
        Packet::event("a", &Wrapped((1, 2))),
        Packet::event("a", &event("[0,1,2]", &[])),
        Packet::event("a", &Wrapped(answer("[1,2]", &[]))),
    ] {
        assert_eq!(sealed(packet, "/", None), r#"42["a",1,2]"#);
    }
    for packet in [
        Packet::event("a", &()),
        Packet::event("a", &Nothing),
        Packet::event("a", &[0_u8; 0]),
        Packet::event("a", &event("[0]", &[])),
    ] {
        assert_eq!(sealed(packet, "/", None), r#"42["a"]"#);
    }
}

#[test]
fn tuples_of_sixteen_are_written() {
    let packet = Packet::reply(&(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "x"));

    assert_eq!(
        sealed(packet, "/", Some(0)),
        r#"430[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"x"]"#
    );
}

#[test]
fn attachments_share_the_buffer_on_the_way_out() {
    let binary = Binary::from(vec![1, 2, 3]);

    let packet = Packet::event("a", &([Some(&binary)], &binary)).unwrap();
    let attachments = packet.finish("/", None).attachments.unwrap();

    assert_eq!(attachments.len(), 2);
    for attachment in attachments.iter() {
        assert_eq!(attachment.as_ptr(), binary.0.as_ptr());
    }
}

#[test]
fn too_many_attachments_are_counted_and_refused() {
    let binary = Binary::from(vec![1]);
    let refused = EncodeError::TooManyAttachments {
        limit: 10,
        seen: 12,
    };

    assert!(Packet::event("a", &vec![&binary; 10]).is_ok());
    assert_eq!(Packet::event("a", &vec![&binary; 12]).unwrap_err(), refused);
    let args = answer("[]", &vec![binary.0; 12]);
    assert_eq!(Packet::reply_forward(&args).unwrap_err(), refused);
}

#[test]
fn an_offset_is_appended_as_the_last_argument() {
    for (mut packet, expected) in [
        (Packet::event("a", &()), r#"42["a","Q85WMuU"]"#),
        (Packet::event("a", &([1],)), r#"42["a",[1],"Q85WMuU"]"#),
        (Packet::reply(&()), r#"43["Q85WMuU"]"#),
    ] {
        packet.as_mut().unwrap().push_argument("Q85WMuU");
        assert_eq!(sealed(packet, "/", None), expected);
    }
}

#[test]
fn the_size_counts_arguments_and_attachments() {
    let packet = Packet::event("a", &("x", Binary::from(vec![0; 100]))).unwrap();

    assert_eq!(
        packet.size(),
        r#"["a","x",{"_placeholder":true,"num":0}]"#.len() + 100
    );
}

#[test]
fn answers_are_forwarded_without_a_name() {
    let args = event(r#"["a",1,"x"]"#, &[]);

    let packet = Packet::reply_forward(&args);

    assert_eq!(sealed(packet, "/", Some(3)), r#"433[1,"x"]"#);
}

#[test]
fn control_packets_are_those_of_the_reference() {
    let data = Data::new(&BTreeMap::from([("code", 1)])).unwrap();

    assert_eq!(connect_answer("/", "abc", None), r#"40{"sid":"abc"}"#);
    assert_eq!(
        connect_answer("/admin", "abc", None),
        r#"40/admin,{"sid":"abc"}"#
    );
    let pid = PrivateId(*b"abcdefghijklmnopqrst");
    assert_eq!(
        connect_answer("/", "abc", Some(&pid)),
        r#"40{"sid":"abc","pid":"abcdefghijklmnopqrst"}"#
    );
    assert_eq!(disconnect("/"), "41");
    assert_eq!(disconnect("/admin"), "41/admin,");
    assert_eq!(
        connect_error("/x", "Invalid namespace", None),
        r#"44/x,{"message":"Invalid namespace"}"#
    );
    assert_eq!(
        connect_error("/", "no \"way\"", Some(&data)),
        r#"44{"message":"no \"way\"","data":{"code":1}}"#
    );
}

#[test]
fn a_refusal_is_no_deeper_than_peers_read() {
    use crate::{edge::Message, engine::Parser as _, socket::Json};

    let deep = |levels| {
        let json = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        // As deep as is read by default, and written.
        serde_json::from_str::<Value>(&json).unwrap()
    };
    let data = Data::new(&deep(127)).unwrap();
    let refusal = connect_error("/", "no", Some(&data));
    let text = Message::Text(refusal.slice(1..).try_into().unwrap());
    assert!(Json::default().parse(text).is_ok());

    let inner = [deep(127)];
    assert_eq!(
        Data::new(&inner).err(),
        Some(EncodeError::TooDeep { limit: 128 })
    );
}

#[test]
fn contents_are_not_printed() {
    let packet = Packet::event("secret", &("secret", Binary::from(vec![77; 10]))).unwrap();

    assert_eq!(
        format!("{packet:?}"),
        "Packet { kind: Event, size: 59, attachments: 1, .. }"
    );
    assert_eq!(
        format!("{:?}", packet.finish("/", None)),
        "Sealed { len: 53, attachments: 1, .. }"
    );
}

/// A JSON value that may hold binary.
#[derive(Clone, Debug, PartialEq)]
enum Any {
    Null,
    Bool(bool),
    Whole(i64),
    Fractional(f64),
    Text(String),
    Bytes(Binary),
    List(Vec<Any>),
    Object(BTreeMap<String, Any>),
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => value.serialize(serializer),
            Self::Whole(value) => value.serialize(serializer),
            Self::Fractional(value) => value.serialize(serializer),
            Self::Text(value) => value.serialize(serializer),
            Self::Bytes(value) => value.serialize(serializer),
            Self::List(values) => values.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

impl From<Value> for Any {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Whole(number),
                None => Self::Fractional(number.as_f64().unwrap()),
            },
            Value::String(value) => Self::Text(value),
            Value::Array(values) => Self::List(values.into_iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name, value.into()))
                    .collect(),
            ),
        }
    }
}

struct AnyVisitor;

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

impl<'de> de::Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(i64::try_from(value).map_or(Any::Null, Any::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Fractional(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Any, E> {
        Ok(Any::Text(value.to_string()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(value.to_vec().into()))
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Any, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Any::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<Any, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = members.next_entry()? {
            object.insert(key, value);
        }
        Ok(Any::Object(object))
    }
}

fn anything() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        4 => Just(Any::Null),
        4 => any::<bool>().prop_map(Any::Bool),
        4 => any::<i64>().prop_map(Any::Whole),
        // A whole one comes back as a whole number.
        4 => any::<f64>()
            .prop_filter("whole or not JSON", |f| f.is_finite() && f % 1.0 != 0.0)
            .prop_map(Any::Fractional),
        4 => any::<String>().prop_map(Any::Text),
        1 => any::<Vec<u8>>().prop_map(|bytes| Any::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(6, 30, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Any::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Any::Object),
        ]
    })
}

fn binaries(value: &Any) -> usize {
    match value {
        Any::Bytes(_) => 1,
        Any::List(values) => values.iter().map(binaries).sum(),
        Any::Object(members) => members.values().map(binaries).sum(),
        _ => 0,
    }
}

/// Equal, but for the last digit of fractions, which `serde_json` may read one off.
fn alike(left: &Any, right: &Any) -> bool {
    match (left, right) {
        (Any::Fractional(left), Any::Fractional(right)) => {
            (left - right).abs() <= right.abs() * 1e-15 + f64::MIN_POSITIVE
        }
        (Any::List(left), Any::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| alike(a, b))
        }
        (Any::Object(left), Any::Object(right)) => {
            left.keys().eq(right.keys())
                && left.values().zip(right.values()).all(|(a, b)| alike(a, b))
        }
        _ => left == right,
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_received(name: String, args in prop::collection::vec(anything(), 0..4)) {
        prop_assume!(!is_reserved(&name));
        let packet = Packet::event(&name, &args);
        let seen: usize = args.iter().map(binaries).sum();
        if seen > 10 {
            let refused = EncodeError::TooManyAttachments { limit: 10, seen };
            prop_assert_eq!(packet.unwrap_err(), refused);
        } else {
            let received = received(packet.unwrap());
            prop_assert_eq!(received.name(), name);
            prop_assert_eq!(received.len(), args.len());
            prop_assert_eq!(received.attachments().len(), seen);
            prop_assert!(!received.json().bytes().any(|byte| byte < 0x20));
            prop_assert_eq!(received.parse::<Vec<Any>>(), Ok(args));
        }
    }

    #[test]
    fn other_parsers_read_what_is_sent(args in prop::collection::vec(anything(), 0..4)) {
        prop_assume!(args.iter().all(|argument| binaries(argument) == 0));
        let text = sealed(Packet::reply(&args), "/", None);
        let read: Value = serde_json::from_str(&text[2..]).unwrap();
        prop_assert!(alike(&read.into(), &Any::List(args)));
    }
}

#[test]
fn a_packet_is_sealed_for_a_namespace_and_an_id_that_a_header_can_hold() {
    let event = || Packet::event("a", &(1,)).unwrap();
    let text = |sealed: Sealed| String::from_utf8(sealed.text().to_vec()).unwrap();
    let sealed = event().seal("/admin", Some(7)).unwrap();
    assert_eq!(text(sealed), r#"42/admin,7["a",1]"#);

    for name in ["", "admin", "/a,b", "/a\n"] {
        let refused = Err(SealError::IllegalNamespace);
        assert_eq!(event().seal(name, None), refused, "{name}");
        assert_eq!(Control::Disconnect.seal(name), refused, "{name}");
    }
    let limit = MAX_ACK_ID;
    assert!(event().seal("/", Some(limit)).is_ok());
    let refused = event().seal("/", Some(limit + 1));
    assert_eq!(refused, Err(SealError::IdTooLarge { limit }));
    let reply = Packet::reply(&()).unwrap();
    assert_eq!(reply.seal("/", None), Err(SealError::MissingId));
}

#[test]
fn packets_about_a_namespace_hold_data_of_their_kind() {
    let data = |json: &str| Data::new(&serde_json::from_str::<Value>(json).unwrap()).unwrap();
    for (control, namespace, expected) in [
        (Control::Connect(None), "/", "40"),
        (Control::Connect(None), "/admin", "40/admin,"),
        (
            Control::Connect(Some(data(r#"{"a":1}"#))),
            "/",
            r#"40{"a":1}"#,
        ),
        (Control::ConnectError(data("\"no\"")), "/a", "44/a,\"no\""),
        (Control::ConnectError(data("{}")), "/", "44{}"),
        (Control::Disconnect, "/admin", "41/admin,"),
    ] {
        let sealed = control.seal(namespace).unwrap();
        assert_eq!(sealed.text(), expected);
        assert!(sealed.attachments().is_empty());
    }
    for json in ["[]", "null", "1", "true"] {
        let refused = Err(SealError::IllegalData);
        assert_eq!(Control::ConnectError(data(json)).seal("/"), refused);
        assert_eq!(Control::Connect(Some(data(json))).seal("/"), refused);
    }
    let text = Control::Connect(Some(data("\"a\""))).seal("/");
    assert_eq!(text, Err(SealError::IllegalData));
}

#[test]
fn a_sealed_packet_goes_through_any_carrier() {
    use crate::{
        engine::{self, Parser as _},
        socket::{Assembler, Json},
    };

    let image = Binary::from(vec![1, 2, 3]);
    let sealed = Packet::event("a", &("b", image.clone())).unwrap();
    let sealed = sealed.seal("/admin", Some(7)).unwrap();
    let body = engine::payload::encode(sealed.clone().into_packets()).unwrap();
    let expected = r#"451-/admin,7["a","b",{"_placeholder":true,"num":0}]"#;
    assert_eq!(body, format!("{expected}\u{1e}bAQID"));

    let mut assembler = Assembler::new();
    let mut packets = engine::payload::decode(body, 2).map(|packet| match packet.unwrap() {
        engine::packet::Packet::Message(message) => Json::default().parse(message).unwrap(),
        other => panic!("{other:?}"),
    });
    let mut read = || assembler.push(packets.next().unwrap()).unwrap();
    assert_eq!(read(), None);
    let packet = read().unwrap();
    assert_eq!((packet.namespace(), packet.id()), ("/admin", Some(7)));
    assert_eq!(packet.into_args().parse(), Ok(("b", image)));

    assert_eq!(sealed.text(), expected);
    let plain = Control::Disconnect.seal("/").unwrap();
    assert_eq!(plain.into_packets().count(), 1);
}

#[test]
fn what_is_on_its_way_out_reads_as_its_receiver_reads_it() {
    let bytes = Binary::from(vec![1, 2]);
    let all = (1, "x", Some([2, 3]));
    for (name, json, attachments) in [
        ("a", r#"["a",1,"x",[2,3]]"#, 0),
        ("", r#"["",1,"x",[2,3]]"#, 0),
        ("é\n\"quoted\"", r#"["é\n\"quoted\"",1,"x",[2,3]]"#, 0),
        ("b", r#"["b",1,{"_placeholder":true,"num":0}]"#, 1),
    ] {
        let packet = match attachments {
            0 => Packet::event(name, &all),
            _ => Packet::event(name, &(1, &bytes)),
        };
        let sent = packet.unwrap().to_args();
        let shared: Vec<_> = (0..attachments).map(|_| bytes.0.clone()).collect();
        let read = event(json, &shared);

        assert_eq!(sent.name(), name);
        assert_eq!(sent.name(), read.name());
        assert_eq!(sent.json(), read.json());
        assert_eq!(sent.attachments(), read.attachments());
    }
    let none = Packet::event("none", &()).unwrap().to_args();
    assert_eq!((none.name(), none.len()), ("none", 0));
    let reply = Packet::reply(&(1, "two")).unwrap().to_args();
    assert_eq!((reply.name(), reply.json()), ("", r#"1,"two""#));
    assert_eq!(Packet::reply(&()).unwrap().to_args().len(), 0);
}
