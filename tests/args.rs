//! Arguments from one end to the other: the messages of a peer, read as types of an application, and
//! values of an application, read again by a peer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "tests fail loudly"
)]

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use socketio_proto::{
    edge::Message,
    engine::Parser as _,
    socket::{
        Args, ArgsError, Assembler, Binary, EncodeError, Fragment, Json, Limits, Packet, Received,
        Sealed,
    },
};

/// The packet that a text and the attachments behind it make.
fn packet(text: &str, attachments: &[Bytes]) -> Received {
    let limits = Limits {
        max_attachments: 20,
        ..Limits::default()
    };
    let text = Message::Text(ByteString::from(text));
    let mut assembler = Assembler::new();
    let header = Json { limits }.parse(text).unwrap();
    let mut whole = assembler.push(header).unwrap();
    for attachment in attachments {
        assert_eq!(whole, None, "one attachment too many");
        whole = assembler
            .push(Fragment::Attachment(attachment.clone()))
            .unwrap();
    }
    whole.expect("all attachments are there")
}

fn args(text: &str) -> Args {
    packet(text, &[]).into_args()
}

/// The arguments of an event, and one attachment or more.
fn binary_args(array: &str, attachments: &[Bytes]) -> Args {
    packet(&format!("5{}-{array}", attachments.len()), attachments).into_args()
}

fn text_of(sealed: &Sealed) -> &str {
    let text = std::str::from_utf8(sealed.text()).unwrap();
    text.strip_prefix('4').unwrap()
}

/// What a peer makes of a packet.
fn arrived(packet: Packet) -> Args {
    let sealed = packet.seal("/", Some(1)).unwrap();
    self::packet(text_of(&sealed), sealed.attachments()).into_args()
}

/// What a peer makes of one value.
fn echoed<T: DeserializeOwned>(value: impl Serialize) -> T {
    arrived(Packet::event("a", &(value,)).unwrap())
        .get(0)
        .unwrap()
}

fn bytes(content: &'static [u8]) -> Bytes {
    Bytes::from(content.to_vec())
}

/// Whether another crate of the build has switched on `serde_json`'s `arbitrary_precision`.
fn has_arbitrary_precision() -> bool {
    serde_json::from_str::<Value>("1e400").is_ok()
}

type Sixteen<T> = (T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T);

const FIRST: &str = r#"{"_placeholder":true,"num":0}"#;
const SECOND: &str = r#"{"_placeholder":true,"num":1}"#;

#[test]
fn an_empty_list_and_an_answer_without_payload_are_no_arguments() {
    for text in [
        "3/a,7",
        "37",
        "37[]",
        "37[ ]",
        "60-7[]",
        r#"2["a"]"#,
        r#"2[ "a" ] "#,
    ] {
        let args = args(text);

        assert_eq!((args.len(), args.is_empty()), (0, true), "{text}");
        assert_eq!(args.parse(), Ok(()), "{text}");
        assert_eq!(args.parse(), Ok(Vec::<u8>::new()), "{text}");
        assert_eq!(args.parse::<[u8; 0]>(), Ok([]), "{text}");
        assert_eq!(args.parse(), Ok((None::<u8>,)), "{text}");
        assert_eq!(args.parse::<Value>(), Ok(json!([])), "{text}");
        assert_eq!(args.get(0), Ok(None::<Binary>), "{text}");
        assert_eq!(args.binary(0), None, "{text}");
        let missing = args.parse::<(u8,)>().unwrap_err();
        assert!(matches!(missing, ArgsError::Missing { argument: 0, .. }));
        let all: Sixteen<Option<Value>> = args.parse().unwrap();
        assert_eq!((all.0, all.7, all.15), (None, None, None));
    }
}

#[test]
fn an_answer_without_payload_keeps_its_attachments_and_names_none() {
    let args = packet("61-7", &[bytes(b"x")]).into_args();

    assert_eq!((args.len(), args.attachments().len()), (0, 1));
    assert_eq!(args.parse(), Ok((None::<Binary>,)));
}

#[test]
fn surplus_arguments_may_be_anything() {
    let text = format!(r#"["a",1,{FIRST},1e400,"\ud800",[[[]]],"Q85WMuU"]"#);
    let args = binary_args(&text, &[bytes(b"x")]);

    assert_eq!(args.len(), 6);
    assert_eq!(args.parse(), Ok((1,)));
    assert_eq!(args.parse(), Ok((1, Binary(bytes(b"x")))));
    assert_eq!(
        args.parse::<[Option<serde::de::IgnoredAny>; 2]>()
            .map(|it| it.len()),
        Ok(2)
    );
    // A list takes all of them, and one is no number.
    let error = args.parse::<Vec<u8>>().unwrap_err();
    assert!(matches!(error, ArgsError::Argument { argument: 1, .. }));
}

#[test]
fn missing_arguments_are_null_to_every_type_that_takes_it() {
    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Unit;
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Loose {
        Number(u8),
        Nothing(()),
    }
    let args = args(r#"2["a",1]"#);

    assert_eq!(
        args.parse(),
        Ok((
            1,
            None::<Option<u8>>,
            (),
            Unit,
            Value::Null,
            Loose::Nothing(())
        ))
    );
    assert_eq!(args.get(0), Ok(Loose::Number(1)));
    assert_eq!(
        args.parse(),
        Ok((1, None::<&str>, None::<&[u8]>, None::<Binary>))
    );
    for missing in [
        args.parse::<(u8, String)>().err(),
        args.parse::<(u8, Vec<u8>)>().err(),
        args.parse::<(u8, Binary)>().err(),
        args.parse::<(u8, BTreeMap<String, u8>)>().err(),
        args.parse::<(u8, bool)>().err(),
        args.parse::<[u8; 2]>().err(),
    ] {
        assert!(matches!(
            missing,
            Some(ArgsError::Missing { argument: 1, .. })
        ));
    }
}

#[test]
fn the_first_wrong_argument_is_named_before_a_missing_one() {
    let args = args(r#"2["a","x"]"#);

    let error = args.parse::<(u8, u8)>().unwrap_err();

    assert!(matches!(error, ArgsError::Argument { argument: 0, .. }));
}

#[test]
fn options_in_options_are_one_question() {
    let args = args(r#"2["a",null,1,[null,[null],[1]]]"#);

    assert_eq!(args.get(0), Ok(None::<Option<Option<u8>>>));
    assert_eq!(args.get(1), Ok(Some(Some(Some(1_u8)))));
    assert_eq!(args.get(7), Ok(None::<Option<u8>>));
    let lists = args.get::<Vec<Option<Vec<Option<Option<u8>>>>>>(2);
    assert_eq!(
        lists,
        Ok(vec![None, Some(vec![None]), Some(vec![Some(Some(1))])])
    );

    // As in all JSON, `Some(None)` is not told from `None`.
    assert_eq!(echoed::<Option<Option<u8>>>(Some(None::<u8>)), None);
    assert_eq!(echoed::<Option<Option<u8>>>(Some(Some(1))), Some(Some(1)));
}

#[test]
fn tuples_of_sixteen_hold_values_of_all_kinds() {
    let sent: Sixteen<Value> = (
        json!(0),
        json!("1"),
        json!([2]),
        json!({ "3": 3 }),
        json!(null),
        json!(5.5),
        json!(true),
        json!([]),
        json!({}),
        json!(-9),
        json!("10"),
        json!([11, [12]]),
        json!("\u{1e}"),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
    );

    let args = arrived(Packet::event("a", &sent).unwrap());

    assert_eq!(args.len(), 16);
    let read: Sixteen<Value> = args.parse().unwrap();
    assert_eq!((&read.0, &read.7, &read.15), (&sent.0, &sent.7, &sent.15));
    assert_eq!(json!(read), json!(sent));
    assert_eq!(args.parse::<Vec<Value>>().unwrap().len(), 16);
}

#[test]
fn binary_is_found_in_every_kind_of_container() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Binary);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Two(Option<Binary>, Binary);
    #[derive(Debug, Deserialize, PartialEq)]
    enum Part {
        Whole(Binary),
        Pieces(Binary, u8),
        Named { head: Binary, tail: Option<Vec<u8>> },
    }
    let text = format!(
        r#"["a",{FIRST},[null,{SECOND}],{{"1":{{"x":[{FIRST}]}}}},{{"Whole":{FIRST}}},
        {{"Pieces":[{SECOND},7]}},{{"Named":{{"tail":{SECOND},"head":{FIRST}}}}},[[[[{SECOND}]]]]]"#
    );
    let attachments = [bytes(b"one"), bytes(b"two")];
    let args = binary_args(&text, &attachments);
    let [one, two] = attachments.map(Binary);

    assert_eq!(args.get(0), Ok(Wrapped(one.clone())));
    assert_eq!(args.get(0), Ok(Box::new(Some(one.clone()))));
    assert_eq!(args.get(1), Ok(Two(None, two.clone())));
    assert_eq!(args.get(1), Ok((None::<Binary>, two.clone())));
    let map: HashMap<u8, BTreeMap<char, [Binary; 1]>> = args.get(2).unwrap();
    assert_eq!(map[&1][&'x'][0], one);
    assert_eq!(args.get(3), Ok(Part::Whole(one.clone())));
    assert_eq!(args.get(4), Ok(Part::Pieces(two.clone(), 7)));
    let (head, tail) = (one, Some(b"two".to_vec()));
    assert_eq!(args.get(5), Ok(Part::Named { head, tail }));
    let deep: [[[[Binary; 1]; 1]; 1]; 1] = args.get(6).unwrap();
    assert_eq!(deep[0][0][0][0], two);
}

#[test]
fn borrowed_bytes_are_the_buffers_that_came() {
    #[derive(Deserialize)]
    struct Upload<'a> {
        #[serde(borrow)]
        whole: &'a [u8],
        #[serde(borrow)]
        maybe: Option<&'a [u8]>,
        #[serde(borrow)]
        either: Cow<'a, [u8]>,
    }
    let text = format!(r#"["a",{{"whole":{FIRST},"maybe":{SECOND},"either":{FIRST}}},{SECOND}]"#);
    let attachments = [bytes(b"one"), bytes(b"")];
    let args = binary_args(&text, &attachments);

    let (upload, second): (Upload<'_>, &[u8]) = args.parse().unwrap();

    assert_eq!(upload.whole.as_ptr(), attachments[0].as_ptr());
    assert_eq!(upload.maybe, Some(&b""[..]));
    assert_eq!(&*upload.either, b"one");
    assert_eq!(second, b"");
    // The buffer outlives the arguments where it is owned.
    let kept: Binary = args.get(1).unwrap();
    drop(args);
    assert_eq!(kept.0.as_ptr(), attachments[1].as_ptr());
}

#[test]
fn one_attachment_may_be_named_often_and_another_never() {
    let attachments = [bytes(b"one"), bytes(b"unused")];
    let args = binary_args(&format!(r#"["a",{FIRST},[{FIRST},{FIRST}]]"#), &attachments);

    let (first, pair): (Binary, [Binary; 2]) = args.parse().unwrap();

    for binary in [&first, &pair[0], &pair[1]] {
        assert_eq!(binary.0.as_ptr(), attachments[0].as_ptr());
    }
    assert_eq!(args.attachments().len(), 2);
}

#[test]
fn placeholders_may_come_in_any_order_and_spelling() {
    let text = r#"["a",{"num" : 1,"x":[1,{"num":5}], "_placeholder" :true},
        {"_placeholder":false,"\u005fplaceholder":true,"num":1,"num":0.0}]"#;
    let args = binary_args(text, &[bytes(b"one"), bytes(b"two")]);

    assert_eq!(
        args.parse(),
        Ok((Binary(bytes(b"two")), Binary(bytes(b"one"))))
    );
}

#[test]
fn a_value_or_a_map_takes_the_placeholder_and_its_neighbours_the_bytes() {
    let args = binary_args(&format!(r#"["a",{FIRST},{FIRST}]"#), &[bytes(b"x")]);
    let placeholder = json!({ "_placeholder": true, "num": 0 });

    assert_eq!(args.parse(), Ok((Binary(bytes(b"x")), placeholder.clone())));
    assert_eq!(args.parse(), Ok((placeholder.clone(), vec![b'x'])));
    let map = BTreeMap::from([("_placeholder", json!(true)), ("num", json!(0))]);
    assert_eq!(args.get(1), Ok(map));
}

#[test]
fn whole_numbers_keep_all_digits_in_types_that_have_them() {
    let args = args(
        "2[0,9223372036854775807,9223372036854775808,18446744073709551616,\
        -9223372036854775809,-170141183460469231731687303715884105728,\
        340282366920938463463374607431768211456]",
    );

    assert_eq!(args.get(0), Ok(i64::MAX));
    assert_eq!(args.get(1), Ok(1_u64 << 63));
    assert!(args.get::<i64>(1).is_err());
    assert_eq!(args.get(2), Ok(1_u128 << 64));
    assert!(args.get::<u64>(2).is_err());
    assert_eq!(args.get(2), Ok(1_i128 << 64));
    assert_eq!(args.get(3), Ok(-(1_i128 << 63) - 1));
    assert!(args.get::<u128>(3).is_err());
    assert_eq!(args.get(4), Ok(i128::MIN));
    assert!(args.get::<u128>(5).is_err());
    // The nearest f64 is there for each.
    assert_eq!(args.get(5), Ok(2_f64.powi(128)));
    assert_eq!(args.get(2), Ok(2_f64.powi(64)));
    // And a type that takes anything gets it.
    let value: Value = args.get(2).unwrap();
    assert_eq!(value.as_f64(), Some(2_f64.powi(64)));
    assert_eq!(args.get::<Value>(1).unwrap().as_u64(), Some(1 << 63));
}

#[test]
fn whole_numbers_of_every_width_are_echoed() {
    assert_eq!(echoed::<u64>(u64::MAX), u64::MAX);
    assert_eq!(echoed::<i64>(i64::MIN), i64::MIN);
    assert_eq!(echoed::<u128>(u128::MAX), u128::MAX);
    assert_eq!(echoed::<i128>(i128::MIN), i128::MIN);
    assert_eq!(echoed::<i8>(i128::from(i8::MIN)), i8::MIN);
    assert_eq!(
        echoed::<BTreeMap<u128, i128>>(BTreeMap::from([(u128::MAX, i128::MIN)])),
        BTreeMap::from([(u128::MAX, i128::MIN)])
    );
}

#[test]
fn fractions_are_echoed_exactly_and_what_json_lacks_is_null() {
    for number in [
        0.1,
        -1.5,
        1e-7,
        5e-324,
        f64::MAX,
        1e21,
        123_456_789.123_456_78,
    ] {
        assert_eq!(echoed::<f64>(number), number);
    }
    for number in [0.1_f32, f32::MAX, f32::MIN_POSITIVE, 16_777_216.0] {
        assert_eq!(echoed::<f32>(number), number);
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(echoed::<Option<f64>>(number), None);
    }
    // A whole number has no fraction on the wire, so types without one take it.
    assert_eq!(echoed::<u8>(7.0), 7);
    assert_eq!(echoed::<f64>(7), 7.0);
    assert!(echoed::<f64>(-0.0).is_sign_positive());
}

#[test]
fn a_number_beyond_f64_is_an_error_where_it_is_asked_for() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct OnlyY {
        y: u8,
    }
    let args = args(r#"2["a",1e+400,[-1e400],{"x":1e400,"y":1}]"#);

    assert!(args.get::<f64>(0).is_err());
    assert!(args.get::<Vec<f64>>(1).is_err());
    // Not where it is left out.
    assert_eq!(args.get(2), Ok(OnlyY { y: 1 }));
    // `serde_json` has a place for it with `arbitrary_precision`.
    let value: Result<Value, _> = args.get(0);
    assert_eq!(value.is_ok(), has_arbitrary_precision());
    if let Ok(value) = value {
        assert_eq!(value.to_string(), "1e+400");
    }
}

#[test]
fn a_value_keeps_the_digits_that_serde_json_keeps() {
    let digits = "0.12345678901234567890123456789";
    let args = args(&format!("2[0,{digits}]"));

    let value: Value = args.get(0).unwrap();
    let text = value.to_string();
    assert_eq!(value.as_f64(), digits.parse().ok());
    assert_eq!(*text == *digits, has_arbitrary_precision());
    let again = arrived(Packet::event("a", &(&value,)).unwrap());
    assert_eq!(again.json().trim(), text);
    assert_eq!(again.get(0), Ok(value));
}

#[test]
fn values_are_echoed_whatever_features_serde_json_has() {
    for value in [
        json!(null),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1),
        json!(1e300),
        json!(["\u{1e}\0\"\\é😀", "", [[]], {}]),
        json!({ "b": 1, "a": { "d": [1, 2.5], "c": null }, "": { "x": "y" } }),
    ] {
        assert_eq!(echoed::<Value>(&value), value);
        let text = arrived(Packet::event("a", &(&value,)).unwrap());
        assert_eq!(text.json().trim(), value.to_string());
    }
}

#[test]
fn members_come_in_the_order_of_the_text_to_types_that_keep_it() {
    let args = args(r#"2["a",{"b":1,"a":2,"c":3}]"#);

    let value: Value = args.get(0).unwrap();
    let names: Vec<&str> = value.as_object().unwrap().keys().map(|it| &**it).collect();
    let kept: Vec<String> = serde_json::from_str::<Value>(r#"{"b":1,"a":2,"c":3}"#)
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, kept);
}

#[test]
fn arguments_are_forwarded_byte_by_byte_whatever_they_hold() {
    let attachments = [bytes(b"one"), bytes(b"")];
    let list = format!(
        r#"1e400, -0.0 ,"\ud800\/",{{"k":1,"k":2}},{SECOND},{{"num":0,"x":1,"_placeholder":true}}"#
    );
    let args = binary_args(&format!(r#"["a",{list}]"#), &attachments);

    let event = Packet::event("b", &args)
        .unwrap()
        .seal("/n", Some(3))
        .unwrap();
    assert_eq!(text_of(&event), format!(r#"52-/n,3["b",{list}]"#));
    let forwarded = Packet::forward("b", &args).unwrap().seal("/n", Some(3));
    assert_eq!(forwarded.as_ref(), Ok(&event));
    let reply = Packet::reply(&args).unwrap().seal("/", Some(3)).unwrap();
    assert_eq!(text_of(&reply), format!("62-3[{list}]"));
    assert_eq!(
        Packet::reply_forward(&args).unwrap().seal("/", Some(3)),
        Ok(reply.clone())
    );
    for sealed in [event, reply] {
        for (sent, came) in sealed.attachments().iter().zip(&attachments) {
            assert_eq!(sent.as_ptr(), came.as_ptr());
        }
        assert_eq!(sealed.attachments().len(), 2);
    }
}

#[test]
fn an_answer_is_forwarded_as_an_event_and_an_event_as_an_answer() {
    let answer = args("37[1,[2]]");
    let event = arrived(Packet::forward("a", &answer).unwrap());
    assert_eq!((event.name(), event.parse()), ("a", Ok((1, vec![2]))));

    let reply = arrived(Packet::reply_forward(&event).unwrap());
    assert_eq!((reply.name(), reply.parse()), ("", Ok((1, vec![2]))));

    let none = arrived(Packet::forward("a", &args("37")).unwrap());
    assert_eq!((none.name(), none.len()), ("a", 0));
    let none = arrived(Packet::reply_forward(&args(r#"2["a"]"#)).unwrap());
    assert_eq!((none.name(), none.len()), ("", 0));
}

#[test]
fn arguments_behind_a_reference_or_a_pointer_are_forwarded_too() {
    let args = binary_args(&format!(r#"["a",1.0,{FIRST}]"#), &[bytes(b"x")]);

    for packet in [
        Packet::reply(&&args),
        Packet::reply(&Box::new(args.clone())),
        Packet::reply(&Arc::new(&args).as_ref()),
    ] {
        let again = arrived(packet.unwrap());
        assert_eq!(again.json(), args.json());
    }
}

#[test]
fn no_more_attachments_are_forwarded_than_receivers_take() {
    let attachments = vec![bytes(b"x"); 11];
    let args = binary_args(r#"["a"]"#, &attachments);
    let error = EncodeError::TooManyAttachments {
        limit: 10,
        seen: 11,
    };

    assert_eq!(Packet::forward("b", &args).unwrap_err(), error);
    assert_eq!(Packet::reply_forward(&args).unwrap_err(), error);
    assert_eq!(Packet::event("b", &args).unwrap_err(), error);

    let args = binary_args(r#"["a"]"#, &attachments[..10]);
    assert_eq!(
        arrived(Packet::forward("b", &args).unwrap())
            .attachments()
            .len(),
        10
    );
}

#[test]
fn arguments_among_others_attach_what_they_name() {
    // One that is named twice goes twice, one that is not named does not go.
    let args = binary_args(
        &format!(r#"["a",{SECOND},{SECOND}]"#),
        &[bytes(b"unused"), bytes(b"two")],
    );

    let sent = arrived(Packet::reply(&(&args, Binary(bytes(b"own")))).unwrap());

    let (pair, own): ([Binary; 2], Binary) = sent.parse().unwrap();
    assert_eq!(pair, [Binary(bytes(b"two")), Binary(bytes(b"two"))]);
    assert_eq!(own, Binary(bytes(b"own")));
    assert_eq!(
        sent.attachments(),
        [bytes(b"two"), bytes(b"two"), bytes(b"own")]
    );
}

#[test]
fn maps_and_structs_send_binary_at_any_depth() {
    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Album {
        name: String,
        cover: Option<Binary>,
        pages: BTreeMap<u16, Vec<Page>>,
    }
    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    enum Page {
        Empty,
        Picture(Binary),
        Pair(Binary, Binary),
        Titled { title: char, picture: Binary },
    }
    let picture = |content: &'static [u8]| Binary(bytes(content));
    let album = Album {
        name: "é\u{1e}".into(),
        cover: Some(picture(b"")),
        pages: BTreeMap::from([
            (1, vec![Page::Empty, Page::Picture(picture(b"1"))]),
            (2, vec![Page::Pair(picture(b"2"), picture(b"3"))]),
            (
                65_535,
                vec![Page::Titled {
                    title: '"',
                    picture: picture(b"4"),
                }],
            ),
        ]),
    };

    let args = arrived(Packet::event("album", &(&album, None::<Album>)).unwrap());

    assert_eq!(args.attachments().len(), 5);
    let (first, second): (Album, Option<Album>) = args.parse().unwrap();
    assert_eq!((first, second), (album, None));
}

#[test]
fn lists_of_binary_are_argument_lists() {
    let list = vec![Binary(bytes(b"1")), Binary(bytes(b"2"))];

    let args = arrived(Packet::event("a", &list).unwrap());

    assert_eq!(args.parse().as_ref(), Ok(&list));
    assert_eq!(args.parse(), Ok((vec![b'1'], vec![b'2'])));
    assert_eq!(args.parse::<Vec<&[u8]>>(), Ok(vec![&b"1"[..], b"2"]));
    assert_eq!(args.parse(), Ok([[b'1'], [b'2']]));
    assert_eq!(args.binary(1).as_ref(), list.get(1));
}

#[test]
fn bytes_that_are_only_numbers_for_serde_come_as_numbers() {
    assert_eq!(echoed::<Value>(vec![1_u8, 2]), json!([1, 2]));
    assert_eq!(echoed::<Vec<u8>>(vec![1_u8, 2]), [1, 2]);
    assert_eq!(echoed::<Binary>(vec![1_u8, 2]), Binary(bytes(&[1, 2])));
}
