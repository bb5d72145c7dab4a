use alloc::{format, string::ToString, vec, vec::Vec};

use bytestring::ByteString;

use super::*;
use crate::socket::Data;

fn decode_text(text: &str, limits: &Limits) -> Result<Received, DecodeError> {
    Received::decode(text.into(), 0, limits)
}

fn received(text: &str) -> Received {
    decode_text(text, &Limits::default()).unwrap()
}

fn error(text: &str) -> DecodeError {
    decode_text(text, &Limits::default()).unwrap_err()
}

#[test]
fn a_header_is_read_in_parts() {
    use PacketKind::{Ack, Connect, ConnectError, Disconnect, Event};

    for (text, kind, attachments, namespace, id) in [
        ("0", Connect, 0, "/", None),
        ("0/", Connect, 0, "/", None),
        ("0/,", Connect, 0, "/", None),
        ("0/admin", Connect, 0, "/admin", None),
        ("0/admin,{}", Connect, 0, "/admin", None),
        ("0/a?b=c&d/e \"f\",", Connect, 0, "/a?b=c&d/e \"f\"", None),
        ("0/é😀,", Connect, 0, "/é😀", None),
        // An id of no meaning.
        ("012", Connect, 0, "/", Some(12)),
        ("1/admin,", Disconnect, 0, "/admin", None),
        ("2[\"a\"]", Event, 0, "/", None),
        ("20[\"a\"]", Event, 0, "/", Some(0)),
        ("2007[\"a\"]", Event, 0, "/", Some(7)),
        ("29007199254740991[\"a\"]", Event, 0, "/", Some(MAX_ACK_ID)),
        ("2/admin,456[\"a\"]", Event, 0, "/admin", Some(456)),
        ("3", Ack, 0, "/", None),
        ("31", Ack, 0, "/", Some(1)),
        ("3/a,13[]", Ack, 0, "/a", Some(13)),
        ("4", ConnectError, 0, "/", None),
        ("4/a,\"x\"", ConnectError, 0, "/a", None),
        ("50-[\"a\"]", Event, 0, "/", None),
        ("510-/a,7[\"a\"]", Event, 10, "/a", Some(7)),
        ("61-", Ack, 1, "/", None),
        ("61-15[]", Ack, 1, "/", Some(15)),
    ] {
        let packet = received(text);
        assert_eq!(packet.kind(), kind, "{text}");
        assert_eq!(packet.attachments(), attachments, "{text}");
        assert_eq!(packet.namespace(), namespace, "{text}");
        assert_eq!(packet.id(), id, "{text}");
    }
}

#[test]
fn a_header_that_breaks_a_rule_names_it() {
    for (text, expected) in [
        ("", DecodeError::Empty),
        (" ", DecodeError::UnknownType(' ')),
        ("7", DecodeError::UnknownType('7')),
        ("/admin,", DecodeError::UnknownType('/')),
        ("٣", DecodeError::UnknownType('٣')),
        ("5", DecodeError::IllegalAttachmentCount { offset: 1 }),
        ("51", DecodeError::IllegalAttachmentCount { offset: 2 }),
        (
            "5-[\"a\"]",
            DecodeError::IllegalAttachmentCount { offset: 1 },
        ),
        (
            "501-[\"a\"]",
            DecodeError::IllegalAttachmentCount { offset: 2 },
        ),
        (
            "500-[\"a\"]",
            DecodeError::IllegalAttachmentCount { offset: 2 },
        ),
        (
            "5+1-[\"a\"]",
            DecodeError::IllegalAttachmentCount { offset: 1 },
        ),
        (
            "51.0-[\"a\"]",
            DecodeError::IllegalAttachmentCount { offset: 2 },
        ),
        (
            "5١-[\"a\"]",
            DecodeError::IllegalAttachmentCount { offset: 1 },
        ),
        (
            "511-[\"a\"]",
            DecodeError::TooManyAttachments {
                announced: 11,
                limit: 10,
                offset: 1,
            },
        ),
        (
            "6999999999999999999999-[]",
            DecodeError::TooManyAttachments {
                announced: usize::MAX,
                limit: 10,
                offset: 1,
            },
        ),
        (
            "2/a,9007199254740992[\"a\"]",
            DecodeError::AckIdTooLarge {
                offset: 4,
                limit: MAX_ACK_ID,
            },
        ),
        (
            "2999999999999999999999[\"a\"]",
            DecodeError::AckIdTooLarge {
                offset: 1,
                limit: MAX_ACK_ID,
            },
        ),
        ("0/a\u{7}b,", DecodeError::IllegalNamespace { offset: 3 }),
        (
            "51-/é\n,[\"a\"]",
            DecodeError::IllegalNamespace { offset: 6 },
        ),
        ("0/\u{85}", DecodeError::IllegalNamespace { offset: 2 }),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_payload_that_breaks_a_rule_names_it() {
    use PacketKind::{Ack, Connect, ConnectError, Disconnect, Event};

    for (text, expected) in [
        (
            "0[]",
            DecodeError::IllegalPayload {
                kind: Connect,
                offset: 1,
            },
        ),
        (
            "0\"x\"",
            DecodeError::IllegalPayload {
                kind: Connect,
                offset: 1,
            },
        ),
        (
            "0null",
            DecodeError::IllegalPayload {
                kind: Connect,
                offset: 1,
            },
        ),
        (
            "1{}",
            DecodeError::IllegalPayload {
                kind: Disconnect,
                offset: 1,
            },
        ),
        (
            "1x",
            DecodeError::IllegalPayload {
                kind: Disconnect,
                offset: 1,
            },
        ),
        (
            "2{}",
            DecodeError::IllegalPayload {
                kind: Event,
                offset: 1,
            },
        ),
        (
            "2\"a\"",
            DecodeError::IllegalPayload {
                kind: Event,
                offset: 1,
            },
        ),
        (
            "31{}",
            DecodeError::IllegalPayload {
                kind: Ack,
                offset: 2,
            },
        ),
        (
            "31null",
            DecodeError::IllegalPayload {
                kind: Ack,
                offset: 2,
            },
        ),
        (
            "4[]",
            DecodeError::IllegalPayload {
                kind: ConnectError,
                offset: 1,
            },
        ),
        (
            "4true",
            DecodeError::IllegalPayload {
                kind: ConnectError,
                offset: 1,
            },
        ),
        ("2", DecodeError::MissingPayload { offset: 1 }),
        ("212", DecodeError::MissingPayload { offset: 3 }),
        ("2/a[\"b\"]", DecodeError::MissingPayload { offset: 8 }),
        ("51-", DecodeError::MissingPayload { offset: 3 }),
        ("0,", DecodeError::InvalidJson { offset: 1 }),
        ("0/a?b=1,2,", DecodeError::InvalidJson { offset: 9 }),
        ("2 [\"a\"]", DecodeError::InvalidJson { offset: 1 }),
        ("212 [\"a\"]", DecodeError::InvalidJson { offset: 3 }),
        ("2-1[\"a\"]", DecodeError::InvalidJson { offset: 3 }),
        ("30-1[]", DecodeError::InvalidJson { offset: 4 }),
        ("2/é,[\"a\",]", DecodeError::InvalidJson { offset: 10 }),
        (
            "52-[1,{\"_placeholder\":true,\"num\":2}]",
            DecodeError::IllegalAttachment {
                attachments: 2,
                offset: 35,
            },
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn an_event_without_a_legal_name_is_refused() {
    for (text, expected) in [
        ("2[]", DecodeError::IllegalEventName { offset: 2 }),
        ("2[ ]", DecodeError::IllegalEventName { offset: 3 }),
        ("2[true]", DecodeError::IllegalEventName { offset: 2 }),
        ("2[null]", DecodeError::IllegalEventName { offset: 2 }),
        ("2[[\"a\"]]", DecodeError::IllegalEventName { offset: 2 }),
        ("2[{}]", DecodeError::IllegalEventName { offset: 2 }),
        (
            "2[\"disconnecting\"]",
            DecodeError::ReservedEventName { offset: 2 },
        ),
        (
            "2[\"c\\u006fnnect\"]",
            DecodeError::ReservedEventName { offset: 2 },
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_limit_is_exact() {
    let limits = Limits {
        max_attachments: 2,
        max_depth: 3,
        max_namespace: 5,
    };
    for text in ["62-[]", "2[1,[[]]]", "0/éab"] {
        assert!(decode_text(text, &limits).is_ok(), "{text}");
    }
    for (text, expected) in [
        (
            "63-[]",
            DecodeError::TooManyAttachments {
                announced: 3,
                limit: 2,
                offset: 1,
            },
        ),
        (
            "2[1,[[{}]]]",
            DecodeError::TooDeep {
                limit: 3,
                offset: 6,
            },
        ),
        (
            "0/éabc",
            DecodeError::NamespaceTooLong {
                len: 6,
                limit: 5,
                offset: 1,
            },
        ),
    ] {
        assert_eq!(decode_text(text, &limits), Err(expected), "{text}");
    }
}

#[test]
fn copies_of_one_attachment_are_limited() {
    const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;
    let packet = |count| format!("51-[\"a\",{}]", vec![PLACEHOLDER; count].join(","));

    let mut whole = received(&packet(16));
    whole.attach([Bytes::from(vec![7; 100])].into());
    let args = whole.into_args();
    let copies: Vec<Vec<u8>> = args.parse().unwrap();
    assert_eq!(copies.concat().len(), 1_600);

    for count in [17, 3_000] {
        let offset = packet(17).len() - 1;
        let expected = DecodeError::TooManyPlaceholders { limit: 16, offset };
        assert_eq!(error(&packet(count)), expected, "{count}");
    }
}

#[test]
fn a_lifted_depth_still_fits_a_stack() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "it is there to be decoded")]
    enum Untagged {
        List(Vec<Untagged>),
        Object { a: u8 },
    }

    let limits = Limits {
        max_depth: usize::MAX,
        ..Limits::default()
    };
    let deep = |levels: usize| format!("3{}{}", "[".repeat(levels), "]".repeat(levels));
    let limit = Limits::MAX_DEPTH;
    let offset = limit + 1;
    let expected = DecodeError::TooDeep { limit, offset };
    assert_eq!(decode_text(&deep(limit + 1), &limits), Err(expected));
    assert_eq!(decode_text(&deep(200_000), &limits), Err(expected));

    let args = decode_text(&deep(limit), &limits).unwrap().into_args();
    let decode = move || {
        assert!(args.parse::<(serde_json::Value,)>().is_ok());
        assert!(args.parse::<(Untagged,)>().is_ok());
        assert!(serde_json::to_string(&args).is_ok());
        assert!(crate::socket::Packet::forward("a", &args).is_ok());
    };
    // As much as a thread of tokio has.
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(decode);
    thread.unwrap().join().unwrap();
}

#[test]
fn a_name_is_a_string_or_the_text_of_a_number() {
    for (text, name) in [
        ("2[\"a\"]", "a"),
        ("2[ \"é😀\" ,1]", "é😀"),
        ("2[\"\"]", ""),
        ("2[\"\\u0061\\n\"]", "a\n"),
        ("2[\"\\ud800\"]", "\u{fffd}"),
        ("2[-1.5e0,\"a\"]", "-1.5e0"),
        ("2[7]", "7"),
        ("2/a,7[\"Connect\"]", "Connect"),
        ("51-[\"a\"]", "a"),
    ] {
        assert_eq!(received(text).into_args().name(), name, "{text}");
    }
}

#[test]
fn arguments_are_what_follows_the_name_and_share_the_text() {
    for (text, json) in [
        ("2[\"a\",1,{\"b\":[]}]\n", "1,{\"b\":[]}"),
        ("2[\"a\"]", ""),
        ("37[1,2] ", "1,2"),
        ("37", ""),
        ("3", ""),
        // What has no arguments.
        ("0{}", ""),
    ] {
        assert_eq!(received(text).into_args().json(), json, "{text}");
    }
    let text = ByteString::from("2[\"a\",\"b\"]");
    let start = text.as_bytes().as_ptr();
    let packet = Received::decode(text, 0, &Limits::default()).unwrap();
    let args = packet.into_args();
    assert_eq!(args.json().as_ptr(), start.wrapping_add(6));
}

#[test]
fn data_is_the_payload_of_a_connect_or_its_refusal() {
    for (text, json) in [
        ("0", None),
        ("0{\"a\":1} ", Some("{\"a\":1}")),
        ("4/a,\"x\"", Some("\"x\"")),
        ("4", None),
        ("1", None),
        ("2[\"a\"]", None),
    ] {
        let data = received(text).into_data();
        assert_eq!(data.as_ref().map(Data::json), json, "{text}");
    }
}

#[test]
fn a_binary_message_is_an_attachment_without_a_copy() {
    let bytes = Bytes::from(vec![1, 2, 3]);
    let fragment = Json::default().parse(Message::Binary(bytes.clone()));
    let Ok(Fragment::Attachment(attachment)) = fragment else {
        panic!("{fragment:?}");
    };
    assert_eq!(attachment.as_ptr(), bytes.as_ptr());
}

#[test]
fn every_prefix_of_a_packet_is_read_or_refused() {
    for text in [
        "0/admin?a=é,{\"token\":\"1\\u00e9\"}",
        "1/admin,",
        "2/é,12[\"a\\n\",[1.5e3,{}],null]",
        "3/a,9007199254740992[]",
        "4/a,{\"message\":\"x\"}",
        "510-/a,1[\"a\",{\"_placeholder\":true,\"num\":9}]",
    ] {
        for (end, _) in text.char_indices() {
            if let Ok(packet) = decode_text(&text[..end], &Limits::default()) {
                let _ = (packet.clone().into_args(), packet.into_data());
            }
        }
    }
}

#[test]
fn a_payload_is_not_printed() {
    let printed = format!("{:?}", received("0/a,{\"token\":\"secret\"}"));
    assert_eq!(
        printed,
        "Received { kind: Connect, attachments: 0, namespace: \"/a\", id: None, .. }"
    );
    let attachment = Json::default().parse(Message::Binary(Bytes::from_static(b"secret")));
    assert_eq!(format!("{attachment:?}"), "Ok(Attachment(6 B))");

    let error = DecodeError::IllegalPayload {
        kind: PacketKind::ConnectError,
        offset: 1,
    };
    assert_eq!(
        error.to_string(),
        "illegal payload of CONNECT_ERROR at byte 1"
    );
}

#[test]
fn a_packet_behind_its_engine_io_type_is_read_where_it_stands() {
    let codec = crate::engine::Codec {
        max_packets: 1,
        parser: Json::default(),
    };
    for packet in [
        "0/a,{\"token\":1}",
        "1/admin,",
        "2/é,12[\"a\\n\",[1.5e3,{}],null]",
        "2[ \"a\" , 1 ]",
        "2[7]",
        "37[1,2] ",
        "3",
        "4\"x\"",
        // Errors count from the packet's own beginning.
        "",
        "2[\"a\",]",
        "2/a\u{7},[\"a\"]",
        "2[\"connect\"]",
        "511-[\"a\"]",
        "9",
    ] {
        let text = format!("4{packet}");
        let start = text.as_ptr();
        let text = ByteString::from(text);
        let inbound = codec.read(Message::Text(text));
        let Some(crate::engine::packet::Packet::Message(behind)) = inbound.first else {
            panic!("{packet} is a message");
        };
        let alone = Json::default().parse(Message::Text(packet.into()));
        match (alone, behind) {
            (Err(alone), Err(behind)) => assert_eq!(alone, behind, "{packet}"),
            (Ok(Fragment::Packet(alone)), Ok(Fragment::Packet(behind))) => {
                assert_eq!(format!("{alone:?}"), format!("{behind:?}"));
                let data = |packet: Received| packet.into_data().map(|it| it.json().to_string());
                assert_eq!(data(alone.clone()), data(behind.clone()), "{packet}");
                let (alone, behind) = (alone.into_args(), behind.into_args());
                assert_eq!(alone.name(), behind.name());
                assert_eq!(alone.json(), behind.json());
                let place = packet.find(alone.json()).unwrap() + 1;
                let is_shared = behind.json().as_ptr() == start.wrapping_add(place);
                assert!(is_shared || behind.json().is_empty(), "{packet}");
            }
            (alone, behind) => panic!("{alone:?} is not {behind:?}"),
        }
    }
}

#[test]
fn a_packet_that_begins_nowhere_is_empty() {
    for start in [1, 4, 5, usize::MAX] {
        let read = Json::default().parse_from(ByteString::from("é2"), start);
        assert_eq!(read, Err(DecodeError::Empty), "{start}");
    }
}

#[test]
fn packets_are_equal_if_they_say_the_same_wherever_they_lie() {
    let packet = |text: &str, start| Json::default().parse_from(text.into(), start).unwrap();
    assert_eq!(packet("42[\"a\",1]", 1), packet("2[\"a\",1]", 0));
    assert_eq!(packet("2/,[\"a\"]", 0), packet("2[\"a\"]", 0));
    assert_eq!(packet("2[ \"a\"] ", 0), packet("2[\"a\"]", 0));
    for (one, other) in [
        ("2[\"a\"]", "2[\"b\"]"),
        ("2[\"a\"]", "2[\"\\u0061\"]"),
        ("2[\"a\",1]", "2[\"a\",1.0]"),
        ("2[\"a\"]", "20[\"a\"]"),
        ("2[\"a\"]", "2/a,[\"a\"]"),
        ("3[]", "3"),
        ("60-[]", "3[]"),
        ("0", "1"),
    ] {
        let is_same = packet(one, 0) == packet(other, 0);
        assert_eq!(is_same, one == "60-[]", "{one} {other}");
    }
}
