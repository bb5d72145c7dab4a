use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use serde_json::{Value, json};

use super::*;
use crate::{
    edge::Message,
    engine::Parser as _,
    socket::{Assembler, Fragment, Json, Limits, encode::Packet},
};

/// The arguments of an event as a peer sends it: the JSON array and its attachments.
pub(in crate::socket) fn event(json: &str, attachments: &[Bytes]) -> Args {
    read(["2", "5"], json, attachments)
}

/// The arguments of an answer.
pub(in crate::socket) fn answer(json: &str, attachments: &[Bytes]) -> Args {
    read(["3", "6"], json, attachments)
}

fn read([plain, binary]: [&str; 2], json: &str, attachments: &[Bytes]) -> Args {
    let parser = Json {
        limits: Limits {
            max_attachments: 1_000,
            ..Limits::default()
        },
    };
    let text = if attachments.is_empty() {
        format!("{plain}{json}")
    } else {
        format!("{binary}{}-{json}", attachments.len())
    };
    let mut assembler = Assembler::new();
    let mut packet = assembler.push(parser.parse(Message::Text(text.into())).unwrap());
    for attachment in attachments {
        assert_eq!(packet, Ok(None));
        packet = assembler.push(Fragment::Attachment(attachment.clone()));
    }
    packet.unwrap().unwrap().into_args()
}

/// Where a part of a text stands in it.
fn span(text: &ByteString, part: &str) -> Span {
    let mut windows = text.as_bytes().windows(part.len().max(1));
    let start = windows.position(|window| window == part.as_bytes());
    let start = start.unwrap_or(3);
    Span {
        start: u32::try_from(start).unwrap(),
        end: u32::try_from(start + part.len()).unwrap(),
    }
}

/// What a peer of ours makes of a packet.
pub(in crate::socket) fn received(packet: Packet) -> Args {
    let sealed = packet.finish("/", None);
    let text = core::str::from_utf8(&sealed.text).unwrap();
    let json = &text[text.find('[').unwrap()..];
    let attachments = sealed.attachments.as_deref().unwrap_or_default();
    event(json, attachments)
}

fn bytes(content: &'static [u8]) -> Bytes {
    Bytes::from(content.to_vec())
}

type Sixteen<T> = (T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T);
type Numbers = (u64, i64, u128, f64, i8, f32, f64, f64);
type Nested = (String, Binary, (Binary, (), Value, Binary));
type Keys = BTreeMap<Option<u8>, BTreeMap<bool, BTreeMap<String, u8>>>;

const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

#[test]
fn arguments_are_small() {
    assert!(size_of::<Args>() <= 56, "{}", size_of::<Args>());
    assert!(size_of::<ArgsError>() <= 32);
}

#[test]
fn the_name_is_no_argument() {
    let args = event(r#"[ "chat" , "a", 2 ]"#, &[]);

    assert_eq!(args.name(), "chat");
    assert_eq!(args.len(), 2);
    assert!(!args.is_empty());
    assert_eq!(args.json().trim(), r#""a", 2"#);
    assert_eq!(args.parse(), Ok(("a", 2)));
}

#[test]
fn the_size_is_of_all_that_is_kept_alive() {
    assert_eq!(answer("[]", &[]).size(), "3[]".len());
    // The name is a part of the text, and so is what no argument uses.
    assert_eq!(event(r#"["chat" ,  1]"#, &[]).size(), 14);

    let attachments = [bytes(b"one"), bytes(b""), bytes(b"three")];
    let args = event(r#"["a"]"#, &attachments);
    assert_eq!(args.size(), r#"53-["a"]"#.len() + 8);
    assert_eq!(args.clone().size(), args.size());
}

#[test]
fn names_are_read_in_every_spelling() {
    for (json, name) in [
        (r#"["a"]"#, "a"),
        (r#"[""]"#, ""),
        (r#"["a\"b\u00e9"]"#, "a\"bé"),
        ("[1]", "1"),
        ("[-1.50]", "-1.50"),
        ("[1,2]", "1"),
    ] {
        assert_eq!(event(json, &[]).name(), name, "{json}");
    }
}

#[test]
fn an_answer_has_no_name_and_may_have_no_arguments() {
    let none = answer("[]", &[]);
    assert_eq!((none.name(), none.len(), none.is_empty()), ("", 0, true));
    assert_eq!(none.parse(), Ok(()));
    assert_eq!(none.parse::<Vec<u8>>(), Ok(vec![]));

    let one = answer(r#"["ok"]"#, &[]);
    assert_eq!((one.name(), one.len()), ("", 1));
    assert_eq!(one.parse(), Ok(("ok",)));
}

#[test]
fn nothing_is_read_from_a_message_without_an_array() {
    let args = Args::none();

    assert_eq!((args.name(), args.len(), args.json()), ("", 0, ""));
}

#[test]
fn surplus_arguments_are_ignored() {
    let args = event(r#"["a",1,"two",{"three":3},"Q85WMuU"]"#, &[]);

    assert_eq!(args.parse(), Ok((1,)));
    assert_eq!(args.parse(), Ok([1]));
    assert_eq!(args.parse(), Ok(()));
    assert_eq!(args.parse(), Ok((1, "two")));
}

#[test]
fn missing_arguments_are_null() {
    let args = event(r#"["a",1]"#, &[]);

    assert_eq!(args.parse(), Ok((1, None::<u8>, None::<String>)));
    assert_eq!(args.parse(), Ok([Some(1), None, None]));
    assert_eq!(args.parse(), Ok((1, Value::Null)));
    assert_eq!(args.parse(), Ok((1, ())));
    assert_eq!(
        args.parse::<(u8, Option<u8>, u8)>()
            .unwrap_err()
            .to_string(),
        "argument 2 is missing: invalid type: null, expected u8"
    );
    assert_eq!(args.get::<Option<u8>>(7), Ok(None));
    assert!(matches!(
        args.get::<u8>(7),
        Err(ArgsError::Missing { argument: 7, .. })
    ));
}

#[test]
fn a_list_of_equal_values_has_as_many_as_came() {
    let args = event(r#"["a",1,2,3]"#, &[]);

    assert_eq!(args.parse(), Ok(vec![1, 2, 3]));
    assert_eq!(args.parse::<Value>(), Ok(json!([1, 2, 3])));
}

#[test]
fn tuples_of_sixteen_are_read() {
    let args = event("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", &[]);
    let args: Sixteen<u8> = args.parse().unwrap();

    assert_eq!((args.0, args.1, args.14, args.15), (1, 2, 15, 16));
}

#[test]
fn the_wrong_argument_is_named_and_not_shown() {
    let args = event(r#"["a",1,"secret"]"#, &[]);

    assert_eq!(
        args.parse::<(u8, u8)>(),
        Err(ArgsError::Argument {
            argument: 1,
            message: "invalid type: string, expected u8".into()
        })
    );
    assert_eq!(
        args.get::<bool>(1).unwrap_err().to_string(),
        "argument 1: invalid type: string, expected a boolean"
    );
}

#[test]
fn what_is_no_list_cannot_be_the_arguments() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Point {
        x: u8,
    }
    let args = event(r#"["a",{"x":1}]"#, &[]);

    assert_eq!(args.parse::<Point>(), Err(ArgsError::NotAList));
    assert_eq!(args.parse::<u8>(), Err(ArgsError::NotAList));
    assert_eq!(args.parse::<String>(), Err(ArgsError::NotAList));
    assert_eq!(args.parse(), Ok((Point { x: 1 },)));
    assert_eq!(args.get(0), Ok(Point { x: 1 }));
}

#[test]
fn debug_output_shows_no_contents() {
    let args = event(r#"["login","secret",1]"#, &[bytes(b"secret")]);
    assert_eq!(format!("{args:?}"), r#"Args { name: "login", len: 2, .. }"#);

    let data = Data::new(&json!({ "token": "secret" })).unwrap();
    assert_eq!(format!("{data:?}"), "Data { .. }");
}

#[test]
fn binary_and_borrowed_bytes_share_the_buffer_at_any_depth() {
    #[derive(Deserialize)]
    struct Upload<'a> {
        name: &'a str,
        #[serde(borrow)]
        head: &'a [u8],
        parts: Vec<Binary>,
        named: BTreeMap<String, Option<Binary>>,
    }
    let attachments = [bytes(b"head"), bytes(b"one"), bytes(b"two")];
    let args = event(
        r#"["up",{"name":"x","head":{"_placeholder":true,"num":0},"parts":[{"_placeholder":true,
        "num":1},{"num":2,"_placeholder":true}],"named":{"a":{"_placeholder":true,"num":1},"b":null}}]"#,
        &attachments,
    );

    let (upload,): (Upload<'_>,) = args.parse().unwrap();

    assert_eq!(upload.name, "x");
    assert_eq!(upload.head.as_ptr(), attachments[0].as_ptr());
    assert_eq!(upload.parts.len(), 2);
    assert_eq!(upload.parts[0].0.as_ptr(), attachments[1].as_ptr());
    assert_eq!(upload.parts[1].0.as_ptr(), attachments[2].as_ptr());
    let named = upload.named["a"].as_ref().unwrap();
    assert_eq!(named.0.as_ptr(), attachments[1].as_ptr());
    assert_eq!(upload.named["b"], None);
}

#[test]
fn an_argument_that_is_an_attachment_is_found_by_its_number() {
    let attachments = [bytes(b"zero"), bytes(b"one")];
    let args = event(
        r#"["up",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]"#,
        &attachments,
    );

    let binary = args.binary(0).unwrap();

    assert_eq!(binary.0.as_ptr(), attachments[1].as_ptr());
    assert_eq!(args.binary(1), None);
    assert_eq!(args.binary(2), None);
    assert_eq!(args.attachments(), attachments);
}

#[test]
fn a_placeholder_without_attachments_is_an_ordinary_object() {
    let args = event(&format!(r#"["a",{PLACEHOLDER}]"#), &[]);

    assert_eq!(args.binary(0), None);
    assert_eq!(
        args.get::<Value>(0),
        Ok(json!({ "_placeholder": true, "num": 0 }))
    );
    assert!(args.get::<Binary>(0).is_err());
}

#[test]
fn owned_byte_types_get_a_copy() {
    let args = event(&format!(r#"["a",{PLACEHOLDER}]"#), &[bytes(b"\x01\x02")]);

    assert_eq!(args.parse(), Ok((vec![1_u8, 2],)));
    assert_eq!(args.parse(), Ok(([1_u8, 2],)));
    assert!(args.parse::<([u8; 1],)>().is_err());
    assert!(args.parse::<([u8; 3],)>().is_err());
}

#[test]
fn text_is_not_read_from_binary_nor_binary_from_text() {
    let args = event(&format!(r#"["a",{PLACEHOLDER},"text"]"#), &[bytes(b"ab")]);

    assert_eq!(
        args.get::<String>(0).unwrap_err().to_string(),
        "argument 0: invalid type: binary, expected a string"
    );
    assert_eq!(
        args.get::<Binary>(1).unwrap_err().to_string(),
        "argument 1: invalid type: string, expected binary"
    );
    assert_eq!(
        args.get::<u8>(0).unwrap_err().to_string(),
        "argument 0: invalid type: binary, expected u8"
    );
}

#[test]
fn untagged_and_flattened_types_hold_binary() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Part {
        Number(f64),
        Bytes(Binary),
        Text(String),
        Many(Vec<Part>),
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        id: u64,
        #[serde(flatten)]
        inner: Inner,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        image: Binary,
        size: f64,
    }
    let image = Binary::from(b"png".to_vec());
    let args = event(
        &format!(
            r#"["a",[{PLACEHOLDER},"x",[1.5,1]],{{"id":1,"image":{PLACEHOLDER},"size":1.5}}]"#
        ),
        &[bytes(b"png")],
    );

    assert_eq!(
        args.get(0),
        Ok([
            Part::Bytes(image.clone()),
            Part::Text("x".into()),
            Part::Many(vec![Part::Number(1.5), Part::Number(1.0)])
        ])
    );
    assert_eq!(
        args.get(1),
        Ok(Outer {
            id: 1,
            inner: Inner { image, size: 1.5 }
        })
    );
}

#[test]
fn a_type_that_takes_any_value_but_bytes_gets_the_placeholder() {
    let args = event(
        &format!(r#"["a",{{"x":[{PLACEHOLDER}]}},1]"#),
        &[bytes(b"")],
    );
    let placeholder = json!({ "x": [{ "_placeholder": true, "num": 0 }] });

    assert_eq!(args.get(0), Ok(placeholder.clone()));
    assert_eq!(args.parse::<Value>(), Ok(json!([placeholder, 1])));
}

#[test]
fn strings_are_borrowed_when_they_can_be() {
    let args = event(r#"["a","plain","es\u0063aped"]"#, &[]);

    assert_eq!(args.get(0), Ok("plain"));
    assert!(args.get::<&str>(1).is_err());
    assert_eq!(args.get(1), Ok("escaped".to_string()));
}

#[test]
fn half_a_surrogate_pair_is_the_replacement_character() {
    let args = event(r#"["a","x\ud83d",{"\udc00":1}]"#, &[]);

    let read: (String, BTreeMap<String, u8>) = args.parse().unwrap();

    assert_eq!(read.0, "x\u{fffd}");
    assert_eq!(read.1, BTreeMap::from([("\u{fffd}".to_string(), 1)]));
}

#[test]
fn numbers_keep_what_their_type_can_hold() {
    let args = event(
        r#"["a",18446744073709551615,-9223372036854775808,340282366920938463463374607431768211455,
        1e21,-0,0.1,1e-7,5e-324]"#,
        &[],
    );

    let read: Numbers = args.parse().unwrap();
    let expected = (u64::MAX, i64::MIN, u128::MAX, 1e21, 0, 0.1, 1e-7, 5e-324);
    assert_eq!(read, expected);
    assert_eq!(args.get(0), Ok(Value::from(u64::MAX)));
    assert_eq!(
        args.get::<f64>(2),
        Ok(340_282_366_920_938_463_463_374_607_431_768_211_455.0)
    );
    assert_eq!(
        args.get(3).map(|value: Value| value.as_f64()),
        Ok(Some(1e21))
    );
}

#[test]
fn numbers_beyond_the_range_of_their_type_are_refused() {
    let args = event(r#"["a",256,-1,1e400,1.5,3e39]"#, &[]);

    assert!(args.get::<u8>(0).is_err());
    assert!(args.get::<u64>(1).is_err());
    assert!(args.get::<f64>(2).is_err());
    assert!(args.get::<u8>(3).is_err());
    assert!(args.get::<f32>(4).is_err());
    assert_eq!(args.get(4), Ok(3e39));
}

#[test]
fn enums_and_keys_are_read_as_serde_json_does() {
    #[derive(Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
    enum Shape {
        Empty,
        Circle(u8),
        Line(u8, u8),
        Box { width: u8, content: Option<Binary> },
    }
    let json = format!(
        r#"["Empty",{{"Empty":null}},{{"Circle":1}},{{"Line":[1,2]}},{{"Box":{{"width":3,"content":{PLACEHOLDER}}}}}]"#
    );
    let args = event(
        &format!(r#"["a",{json},{{"Empty":{{"1":{{"true":{{"-2.5":0}}}}}}}}]"#),
        &[bytes(b"c")],
    );

    let content = Some(Binary::from(b"c".to_vec()));
    let shapes = vec![
        Shape::Empty,
        Shape::Empty,
        Shape::Circle(1),
        Shape::Line(1, 2),
        Shape::Box { width: 3, content },
    ];
    assert_eq!(args.get(0), Ok(shapes));
    assert_eq!(
        args.get::<BTreeMap<Shape, Keys>>(1).unwrap()[&Shape::Empty][&Some(1)][&true]["-2.5"],
        0
    );
}

#[test]
fn wrong_enums_are_errors() {
    #[derive(Debug, Deserialize)]
    enum Shape {
        Empty,
        Circle(#[expect(dead_code, reason = "only decoded")] u8),
    }
    for json in [
        r#""Circle""#,
        r#"{"Circle":1,"Empty":null}"#,
        r#"{"Empty":1}"#,
        r#"{"Square":1}"#,
        "{}",
        "[]",
        "1",
    ] {
        let args = event(&format!(r#"["a",{json}]"#), &[]);
        assert!(args.get::<Shape>(0).is_err(), "{json}");
    }
}

#[test]
fn inner_lists_have_exactly_the_elements_asked_for() {
    let args = event(r#"["a",[1,2,3]]"#, &[]);

    assert_eq!(args.get(0), Ok((1, 2, 3)));
    assert!(args.get::<(u8, u8)>(0).is_err());
    assert!(args.get::<(u8, u8, u8, u8)>(0).is_err());
}

#[test]
fn a_repeated_member_counts_as_in_serde_json() {
    let args = event(r#"["a",{"x":1,"x":2}]"#, &[]);

    assert_eq!(args.get(0), Ok(json!({ "x": 2 })));
}

#[test]
fn nesting_up_to_the_limit_is_read() {
    let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
    let args = event(&format!(r#"["a",{deep}]"#), &[bytes(b"")]);

    let value: Value = args.get(0).unwrap();

    assert_eq!(value.to_string(), deep);
}

#[test]
fn forwarded_arguments_are_the_same_bytes() {
    let attachments = [bytes(b"zero"), bytes(b"one"), bytes(b"unused")];
    let args = event(
        r#"["a", 1.50,{"_placeholder":true,"num":1},"\ud800",{"_placeholder":true,"num":0}]"#,
        &attachments,
    );
    for packet in [
        Packet::forward("b", &args),
        Packet::event("b", &args),
        Packet::event("b", &&args),
    ] {
        let forwarded = received(packet.unwrap());

        assert_eq!(forwarded.name(), "b");
        assert_eq!(forwarded.json().trim(), args.json().trim());
        assert_eq!(
            forwarded.binary(1).unwrap().0.as_ptr(),
            attachments[1].as_ptr()
        );
        assert_eq!(forwarded.attachments(), attachments);
    }
}

#[test]
fn arguments_inside_of_arguments_are_a_list() {
    let args = event(
        r#"["a",{"_placeholder":true,"num":1},null,{"k":[true,-1,2.5,"\n"]},{"_placeholder":true,"num":1}]"#,
        &[bytes(b"unused"), bytes(b"one")],
    );
    let own = Binary::from(b"own".to_vec());

    let packet = Packet::event("b", &("from", &own, &args)).unwrap();
    let sent = received(packet);

    let (from, first, (one, (), rest, again)): Nested = sent.parse().unwrap();
    assert_eq!((from.as_str(), &first), ("from", &own));
    assert_eq!(one.0.as_ptr(), args.attachments()[1].as_ptr());
    assert_eq!(again, one);
    assert_eq!(rest, json!({ "k": [true, -1, 2.5, "\n"] }));
    assert_eq!(sent.attachments().len(), 3);
}

#[test]
fn foreign_formats_take_arguments_binary_and_data() {
    let args = event(&format!(r#"["a",1,{PLACEHOLDER}]"#), &[bytes(b"\x01\x02")]);
    assert_eq!(serde_json::to_string(&args).unwrap(), "[1,[1,2]]");
    assert_eq!(serde_json::to_value(&args).unwrap(), json!([1, [1, 2]]));

    let binary = Binary::from(b"\x01\x02".to_vec());
    assert_eq!(serde_json::from_str::<Binary>("[1,2]").unwrap(), binary);
    assert_eq!(serde_json::to_string(&binary).unwrap(), "[1,2]");

    let data = Data::new(&json!({ "code": 1 })).unwrap();
    assert_eq!(serde_json::to_string(&data).unwrap(), r#"{"code":1}"#);
}

#[test]
fn data_is_one_value() {
    let text = ByteString::from(r#"40/admin,{"token":"t"}"#);
    let data = Data::from_text(text.clone(), span(&text, r#"{"token":"t"}"#));

    assert_eq!(data.json(), r#"{"token":"t"}"#);
    assert_eq!(
        data.parse(),
        Ok(BTreeMap::from([("token".to_string(), "t")]))
    );
    assert_eq!(
        data.parse::<Vec<u8>>().unwrap_err().to_string(),
        "invalid type: object, expected a sequence"
    );
    assert_eq!(Data::default().json(), "{}");
    assert_eq!(Data::new("text").unwrap().json(), r#""text""#);
}

#[test]
fn data_cannot_hold_binary() {
    use crate::socket::ser::EncodeError;

    let binary = Binary::from(b"x".to_vec());

    assert_eq!(Data::new(&[binary]).unwrap_err(), EncodeError::BinaryInData);
}

#[test]
fn an_attachment_is_a_list_of_numbers_and_of_nothing_larger() {
    let attachments = [bytes(b"\x01\x02")];
    let args = event(r#"["a",{"_placeholder":true,"num":0}]"#, &attachments);
    assert_eq!(args.parse(), Ok((vec![1_u8, 2],)));
    assert_eq!(args.parse(), Ok(([1_i64, 2],)));
    assert_eq!(args.parse(), Ok((vec![Some(1.0_f32), Some(2.0)],)));
    // A value takes 32 bytes for each, and every placeholder makes them again.
    assert!(args.parse::<(Vec<Value>,)>().is_err());
    assert!(args.parse::<(Vec<Vec<Value>>,)>().is_err());
    assert!(args.parse::<(Vec<bool>,)>().is_err());
    assert!(args.parse::<([u8; 1],)>().is_err());
    assert!(args.parse::<([u8; 3],)>().is_err());
}
