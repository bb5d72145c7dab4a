//! Arguments, read as many types.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use socketio_proto::{
    edge::Message,
    engine::Parser as _,
    socket::{Args, Assembler, Binary, EncodeError, Fragment, Json, Packet, Received},
};

use super::{
    any::{Any, has_arbitrary_precision},
    frames::assemble,
    input::{self, SEPARATOR},
    json::{self, Tree},
    typed,
};

/// The arguments as a JSON array, and attachments.
pub fn args(input: &[u8]) {
    let mut parts = input.split(|&byte| byte == SEPARATOR);
    let json = input::text(parts.next().unwrap_or_default());
    let attachments: Vec<Bytes> = parts.map(Bytes::copy_from_slice).take(10).collect();
    let Some(args) = read(json, &attachments) else {
        return;
    };
    assert_eq!(args.attachments(), attachments);
    let Tree::List(elements) = Tree::parse(json) else {
        panic!("arguments are a list");
    };
    assert_untyped(&args, &elements);
    for (place, (tree, raw)) in elements.iter().enumerate() {
        assert_element(&args, place, tree, raw);
        if attachments.is_empty() {
            typed::assert_agrees(&args, place, tree, raw);
        } else {
            typed::read_all(&args, place);
        }
    }
    typed::read_lists(&args);
    assert_sent(&args, &elements);
}

/// What a peer receives as an answer.
pub fn read(json: &str, attachments: &[Bytes]) -> Option<Args> {
    if !json.starts_with('[') {
        return None;
    }
    let header = format!("6{}-7{json}", attachments.len());
    let mut assembler = Assembler::new();
    let fragment = Json::default().parse(Message::Text(header.into())).ok()?;
    let mut whole = assembler.push(fragment).unwrap();
    for attachment in attachments {
        let fragment = Fragment::Attachment(attachment.clone());
        whole = assembler.push(fragment).unwrap();
    }
    whole.map(Received::into_args)
}

/// Types that take anything: the outcome is exactly that of the model.
fn assert_untyped(args: &Args, elements: &[(Tree<'_>, &str)]) {
    let attachments = args.attachments();
    assert_eq!((args.len(), args.name()), (elements.len(), ""));
    let beyond = elements.iter().any(|(tree, _)| tree.is_beyond(attachments));
    let can_read = has_arbitrary_precision() || !beyond;
    let expected: Vec<Any> = elements.iter().map(|it| it.0.value(attachments)).collect();
    let read: Result<Vec<Any>, _> = args.parse();
    if is_tagged(args.json()) {
        // What `serde_json` itself takes for something of its own.
        return;
    }
    assert_eq!(read.is_ok(), can_read, "{read:?}: {}", args.json());
    if can_read {
        assert_eq!(read.as_ref(), Ok(&expected));
        assert_eq!(args.parse::<Any>(), Ok(Any::List(expected.clone())));
    }
    // A value cannot hold bytes: it gets the placeholders, with numbers of any kind.
    let stands: Vec<Any> = elements.iter().map(|(tree, _)| tree.value(&[])).collect();
    let beyond = elements.iter().any(|(tree, _)| tree.is_beyond(&[]));
    match args.parse::<Vec<Value>>() {
        Ok(values) => {
            let stands: Vec<Any> = stands.into_iter().map(without_repetition).collect();
            let values: Vec<Any> = values.iter().map(any_of).collect();
            assert_eq!(values, stands, "{}", args.json());
        }
        Err(error) => assert!(beyond && !has_arbitrary_precision(), "{error}"),
    }
    assert_eq!(args.parse::<()>(), Ok(()));
    assert!(args.parse::<IgnoredAny>().is_ok());
    assert!(args.parse::<u8>().is_err() && args.parse::<String>().is_err());
}

fn is_tagged(json: &str) -> bool {
    has_arbitrary_precision() && (json.contains("private::") || json.contains('\\'))
}

/// What is left of members of one name is the last, and their order does not matter.
fn without_repetition(any: Any) -> Any {
    match any {
        Any::List(elements) => Any::List(elements.into_iter().map(without_repetition).collect()),
        Any::Object(members) => {
            let members = members
                .into_iter()
                .map(|(key, it)| (key, without_repetition(it)));
            let members: std::collections::BTreeMap<_, _> = members.collect();
            Any::Object(members.into_iter().collect())
        }
        other => other,
    }
}

fn any_of(value: &Value) -> Any {
    match value {
        Value::Null => Any::Null,
        Value::Bool(value) => Any::Bool(*value),
        Value::Number(number) => {
            let unsigned = number.as_u64().map(Any::Unsigned);
            let signed = || number.as_i64().map(Any::Signed);
            let float = || Any::Float(number.as_f64().unwrap_or_else(|| beyond(number)));
            unsigned.or_else(signed).unwrap_or_else(float)
        }
        Value::String(text) => Any::Text(text.clone()),
        Value::Array(elements) => Any::List(elements.iter().map(any_of).collect()),
        Value::Object(members) => {
            let members = members.iter().map(|(key, it)| (key.clone(), any_of(it)));
            let members: std::collections::BTreeMap<_, _> = members.collect();
            Any::Object(members.into_iter().collect())
        }
    }
}

fn beyond(number: &serde_json::Number) -> f64 {
    number.to_string().parse().expect("a number")
}

/// One argument.
fn assert_element(args: &Args, place: usize, tree: &Tree<'_>, raw: &str) {
    let attachments = args.attachments();
    assert_eq!(args.get::<typed::RawText>(place).unwrap().0, raw);
    assert_eq!(args.get::<IgnoredAny>(place), Ok(IgnoredAny));

    let index = (!attachments.is_empty() && tree.is_marked())
        .then(|| tree.index(attachments.len()).expect("it was checked"));
    let binary = args.binary(place);
    assert_eq!(binary.is_some(), index.is_some());
    if let (Some(binary), Some(index)) = (binary, index) {
        let attachment = &attachments[index];
        assert_eq!(binary.0.as_ptr(), attachment.as_ptr(), "it is shared");
        assert_eq!(args.get(place), Ok(Binary(attachment.clone())));
        assert_eq!(args.get(place), Ok(Some(Binary(attachment.clone()))));
        assert_eq!(args.get::<&[u8]>(place), Ok(&**attachment));
        assert_eq!(args.get(place), Ok(attachment.to_vec()));
        assert!(args.get::<String>(place).is_err());
        let read: Binary = args.get(place).unwrap();
        assert_eq!(read.0.as_ptr(), attachment.as_ptr(), "it is shared");
    }
    match tree {
        Tree::Text(text) => {
            assert_eq!(args.get::<String>(place).as_ref(), Ok(text));
            let mut characters = text.chars();
            let one = characters.next().filter(|_| characters.next().is_none());
            assert_eq!(args.get::<char>(place).ok(), one);
            let is_plain = !raw.contains('\\');
            assert_eq!(args.get::<&str>(place).is_ok(), is_plain);
        }
        Tree::Word("null") => {
            assert_eq!(args.get::<()>(place), Ok(()));
            assert_eq!(args.get::<Option<Any>>(place), Ok(None));
        }
        Tree::Word("true" | "false") => {
            assert_eq!(args.get::<bool>(place), Ok(raw == "true"));
        }
        Tree::Word(number) => typed::assert_number(args, place, number),
        Tree::List(_) | Tree::Object(_) => {}
    }
}

/// Forwarded or as a value among others, they arrive.
fn assert_sent(args: &Args, elements: &[(Tree<'_>, &str)]) {
    let packet = Packet::event("a", args).expect("what came can go");
    assert_eq!(packet.size(), Packet::forward("a", args).unwrap().size());
    let arrived = assemble(&packet.seal("/", None).unwrap()).into_args();
    assert_eq!(arrived.json().trim(), args.json().trim());
    assert_eq!(arrived.attachments(), args.attachments());

    let attachments = args.attachments();
    if is_tagged(args.json()) || elements.iter().any(|it| it.0.is_beyond(attachments)) {
        return;
    }
    let expected: Vec<Any> = elements.iter().map(|it| it.0.value(attachments)).collect();
    let expected = Any::List(expected);
    match Packet::event("a", &(args, "behind")) {
        Ok(packet) => {
            let arrived = assemble(&packet.seal("/", None).unwrap()).into_args();
            let (list, behind): (Any, String) = arrived.parse().unwrap();
            assert_eq!((&list, &*behind), (&expected, "behind"));
        }
        Err(EncodeError::TooDeep { .. }) => assert!(json::depth(args.json()) + 2 > 128),
        Err(EncodeError::TooManyAttachments { seen, .. }) => {
            assert_eq!(seen, expected.attachments());
        }
        Err(error) => panic!("{error}"),
    }
    let theirs = serde_json::to_string(args).expect("any format takes them");
    assert!(json::is_json(&theirs));
}
