//! From values to bytes and back.

use serde::{Serialize, Serializer, ser::SerializeTupleVariant as _};
use socketio_proto::socket::{Binary, Data, EncodeError, Packet, PacketKind, SealError};

use super::{any::Any, frames::assemble, input::Source, json, packet::text_of};

const MAX_DEPTH: usize = 128;
const MAX_ATTACHMENTS: usize = 10;

/// A value in a form of its own: the same value has several types in Rust.
enum Given {
    Char(char),
    Float32(f32),
    List(Vec<Given>),
    Object(Vec<(String, Given)>),
    Plain(Any),
    Shared(Binary),
    Some(Box<Given>),
    Tuple(Vec<Given>),
    Variant(Box<Given>),
    Wide(i128),
}

/// A name, an id and arguments.
pub fn values(input: &[u8]) {
    let mut source = Source(input);
    let (name, id) = (source.text(), u64::from_le_bytes(source.number()));
    let namespace = format!("/{}", source.text());
    let is_event = source.byte().is_multiple_of(2);
    let count = source.below(6);
    let args: Vec<Given> = (0..count).map(|_| Given::draw(&mut source, 12)).collect();
    let expected: Vec<Any> = args.iter().map(Given::any).collect();
    let list = Any::List(expected.clone());

    let packet = if is_event {
        Packet::event(&name, &args)
    } else {
        Packet::reply(&args)
    };
    let packet = match packet {
        Ok(packet) => packet,
        Err(EncodeError::TooDeep { .. }) => return assert!(list.depth() > MAX_DEPTH),
        Err(EncodeError::TooManyAttachments { seen, .. }) => {
            assert!(seen > MAX_ATTACHMENTS);
            return assert_eq!(seen, list.attachments());
        }
        Err(EncodeError::ReservedName) => {
            return assert!(socketio_proto::socket::is_reserved(&name));
        }
        Err(error) => panic!("{error}"),
    };
    assert!(list.depth() <= MAX_DEPTH && list.attachments() <= MAX_ATTACHMENTS);
    let sealed = match packet.seal(&namespace, Some(id)) {
        Ok(sealed) => sealed,
        Err(SealError::IdTooLarge { limit }) => return assert!(id > limit),
        Err(SealError::IllegalNamespace) => {
            return assert!(namespace.contains(|it: char| it == ',' || it.is_control()));
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(sealed.attachments().len(), list.attachments());
    assert!(text_of(&sealed).ends_with(']'));
    assert!(!text_of(&sealed).contains(char::is_control) || has_control(&list, &name, &namespace));
    if is_ambiguous(&list) {
        return;
    }

    let received = assemble(&sealed);
    assert_eq!(received.namespace(), namespace);
    assert_eq!(received.id(), Some(id));
    let kind = if is_event {
        PacketKind::Event
    } else {
        PacketKind::Ack
    };
    assert_eq!(received.kind(), kind);
    let args = received.into_args();
    assert_eq!(args.name(), if is_event { &*name } else { "" });
    assert_eq!(args.parse::<Vec<Any>>(), Ok(expected), "{}", args.json());
    assert_data(&list);
}

/// One value that is no argument.
fn assert_data(list: &Any) {
    match Data::new(list) {
        Ok(data) => {
            assert!(json::is_json(data.json()));
            assert_eq!(data.parse::<Any>().as_ref(), Ok(list));
            assert_eq!(Data::new(&data).unwrap().json(), data.json());
        }
        Err(EncodeError::BinaryInData) => assert!(list.attachments() > 0),
        Err(EncodeError::TooDeep { .. }) => assert!(list.depth() >= MAX_DEPTH),
        Err(error) => panic!("{error}"),
    }
}

/// Whether a control character may stand in the text as it is: DEL and those of Latin-1.
fn has_control(list: &Any, name: &str, namespace: &str) -> bool {
    let is_kept = |text: &str| text.contains(|it: char| it.is_control() && it >= '\u{7f}');
    let mut found = is_kept(name) || is_kept(namespace);
    list.walk(&mut |any| {
        found |= match any {
            Any::Text(text) => is_kept(text),
            Any::Object(members) => members.iter().any(|(key, _)| is_kept(key)),
            _ => false,
        };
    });
    found
}

/// Whether an object could be taken for a placeholder.
fn is_ambiguous(list: &Any) -> bool {
    let mut is_marked = false;
    list.walk(&mut |any| {
        if let Any::Object(members) = any {
            is_marked |= members.iter().any(|(key, _)| key == "_placeholder");
        }
    });
    is_marked && list.attachments() > 0
}

impl Given {
    fn draw(source: &mut Source<'_>, depth: u8) -> Self {
        let kinds = if depth == 0 { 11 } else { 17 };
        match source.below(kinds) {
            0 => Self::Plain(Any::Null),
            1 => Self::Plain(Any::Bool(source.byte() > 127)),
            2 => Self::Plain(Any::Unsigned(u64::from_le_bytes(source.number()))),
            3 => Self::Plain(Any::Signed(i64::from_le_bytes(source.number()))),
            4 => Self::Plain(Any::Float(f64::from_le_bytes(source.number()))),
            5 => Self::Plain(Any::Text(source.text())),
            6 => {
                let len = usize::from(source.below(20));
                Self::Plain(Any::Bytes(source.bytes(len)))
            }
            7 => {
                let len = usize::from(source.below(20));
                Self::Shared(source.bytes(len).into())
            }
            8 => Self::Wide(i128::from_le_bytes(source.number())),
            9 => Self::Float32(f32::from_le_bytes(source.number())),
            10 => Self::Char(char::from_u32(u32::from_le_bytes(source.number())).unwrap_or('x')),
            11 => {
                let count = source.below(5);
                Self::List((0..count).map(|_| Self::draw(source, depth - 1)).collect())
            }
            12 => {
                let count = source.below(5);
                let member = |_| (source.text(), Self::draw(source, depth - 1));
                Self::Object((0..count).map(member).collect())
            }
            13 => Self::Some(Self::draw(source, depth - 1).into()),
            15 => {
                let count = source.below(4);
                Self::Tuple((0..count).map(|_| Self::draw(source, depth - 1)).collect())
            }
            14 => Self::Variant(Self::draw(source, depth - 1).into()),
            _ => {
                let levels = source.byte();
                let inner = Self::draw(source, depth - 1);
                (0..levels).fold(inner, |inner, _| Self::List(vec![inner]))
            }
        }
    }

    /// What a receiver makes of it.
    fn any(&self) -> Any {
        match self {
            Self::Char(value) => Any::Text(value.to_string()),
            // Its shortest text stands for it, and is another number as an f64. There may be two, as
            // for 1347563.25.
            Self::Float32(value) if value.is_finite() => {
                let text = serde_json::to_string(value).unwrap();
                Any::Float(text.parse().unwrap())
            }
            Self::Float32(_) => Any::Null,
            Self::List(elements) => Any::List(elements.iter().map(Self::any).collect()),
            Self::Object(members) => {
                let members = members.iter().map(|(key, it)| (key.clone(), it.any()));
                Any::Object(members.collect())
            }
            Self::Plain(Any::Float(value)) if !value.is_finite() => Any::Null,
            Self::Plain(Any::Signed(value)) => match u64::try_from(*value) {
                Ok(value) => Any::Unsigned(value),
                Err(_) => Any::Signed(*value),
            },
            Self::Plain(value) => value.clone(),
            Self::Shared(binary) => Any::Bytes(binary.0.to_vec()),
            Self::Some(value) => value.any(),
            Self::Tuple(values) => {
                let list = Any::List(values.iter().map(Self::any).collect());
                Any::Object(vec![("tuple".to_owned(), list)])
            }
            Self::Variant(value) => Any::Object(vec![("variant".to_owned(), value.any())]),
            Self::Wide(value) => {
                let unsigned = u64::try_from(*value).map(Any::Unsigned).ok();
                let signed = || i64::try_from(*value).map(Any::Signed).ok();
                let float = || Any::Float(value.to_string().parse().unwrap());
                unsigned.or_else(signed).unwrap_or_else(float)
            }
        }
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Float32(value) => serializer.serialize_f32(*value),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Object(members) => serializer.collect_map(members.iter().map(|(k, v)| (k, v))),
            Self::Plain(value) => value.serialize(serializer),
            Self::Shared(binary) => binary.serialize(serializer),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Tuple(values) => {
                let count = values.len();
                let mut tuple = serializer.serialize_tuple_variant("Given", 1, "tuple", count)?;
                for value in values {
                    tuple.serialize_field(value)?;
                }
                tuple.end()
            }
            Self::Variant(value) => {
                serializer.serialize_newtype_variant("Given", 0, "variant", value)
            }
            Self::Wide(value) => serializer.serialize_i128(*value),
        }
    }
}
