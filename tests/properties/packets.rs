//! Socket.IO packets: from values to bytes and back, and the other way round.

use proptest::prelude::*;
use socketio_proto::socket::{Control, Data, Packet, PacketKind, Received, Sealed, is_reserved};

use crate::{any::Any, anything, assemble, decode, text, text_of};

/// A packet in words.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Ack(u64, Vec<Any>),
    Connect(Option<Any>),
    ConnectError(Any),
    Disconnect,
    Event(String, Option<u64>, Vec<Any>),
}

impl Value {
    fn seal(&self, namespace: &str) -> Sealed {
        let data = |any: &Any| Data::new(any).unwrap();
        let control = match self {
            Self::Ack(id, args) => {
                let packet = Packet::reply(args).unwrap();
                return packet.seal(namespace, Some(*id)).unwrap();
            }
            Self::Event(name, id, args) => {
                let packet = Packet::event(name, args).unwrap();
                return packet.seal(namespace, *id).unwrap();
            }
            Self::Connect(any) => Control::Connect(any.as_ref().map(data)),
            Self::ConnectError(any) => Control::ConnectError(data(any)),
            Self::Disconnect => Control::Disconnect,
        };
        control.seal(namespace).unwrap()
    }

    fn of(received: Received) -> Self {
        let (kind, id) = (received.kind(), received.id());
        let data = received.clone().into_data();
        let data = data.map(|data| data.parse::<Any>().unwrap());
        let args = received.into_args();
        let list: Vec<Any> = args.parse().unwrap();
        match kind {
            PacketKind::Ack => Self::Ack(id.unwrap(), list),
            PacketKind::Connect => Self::Connect(data),
            PacketKind::ConnectError => Self::ConnectError(data.unwrap()),
            PacketKind::Disconnect => Self::Disconnect,
            PacketKind::Event => Self::Event(args.name().to_owned(), id, list),
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let id = || 0..1_u64 << 53;
    let args = || {
        prop::collection::vec(anything(), 0..4).prop_filter("few attachments", |args| {
            args.iter().map(Any::attachments).sum::<usize>() <= 10
        })
    };
    let object = || {
        let member = (text(), anything());
        prop::collection::vec(member, 0..4)
            .prop_map(Any::Object)
            .prop_filter("no attachments", |it| it.attachments() == 0)
    };
    let name = text().prop_filter("not reserved", |name| !is_reserved(name));
    prop_oneof![
        3 => (name, prop::option::of(id()), args())
            .prop_map(|(name, id, args)| Value::Event(name, id, args)),
        2 => (id(), args()).prop_map(|(id, args)| Value::Ack(id, args)),
        1 => prop::option::of(object()).prop_map(Value::Connect),
        1 => object().prop_map(Value::ConnectError),
        1 => text().prop_map(|text| Value::ConnectError(Any::Text(text))),
        1 => Just(Value::Disconnect),
    ]
}

fn namespaces() -> impl Strategy<Value = String> {
    let is_legal = |it: &char| *it != ',' && !it.is_control();
    let rest = any::<String>().prop_map(move |it| it.chars().filter(is_legal).collect::<String>());
    prop_oneof![
        Just("/".to_owned()),
        rest.prop_map(|rest| format!("/{rest}"))
    ]
}

/// Encodes what came, without decoding it.
fn forward(received: Received) -> Sealed {
    let (namespace, id) = (received.namespace().to_owned(), received.id());
    let control = match received.kind() {
        PacketKind::Event => {
            let args = received.into_args();
            let packet = Packet::forward(args.name(), &args).unwrap();
            return packet.seal(&namespace, id).unwrap();
        }
        PacketKind::Ack => {
            let packet = Packet::reply_forward(&received.into_args()).unwrap();
            return packet.seal(&namespace, id).unwrap();
        }
        PacketKind::Connect => Control::Connect(received.into_data()),
        PacketKind::ConnectError => Control::ConnectError(received.into_data().unwrap()),
        PacketKind::Disconnect => Control::Disconnect,
    };
    control.seal(&namespace).unwrap()
}

proptest! {
    #[test]
    fn a_packet_of_any_kind_arrives_as_it_was_sent(value in values(), namespace in namespaces()) {
        let received = assemble(&value.seal(&namespace));

        prop_assert_eq!(received.namespace(), namespace);
        prop_assert_eq!(Value::of(received), value);
    }

    #[test]
    fn bytes_as_we_write_them_are_written_again(value in values(), namespace in namespaces()) {
        let sealed = value.seal(&namespace);

        let forwarded = forward(assemble(&sealed));
        prop_assert_eq!(&forwarded, &sealed, "{} is now {}", text_of(&sealed), text_of(&forwarded));
        let encoded = Value::of(assemble(&sealed)).seal(&namespace);
        prop_assert_eq!(&encoded, &sealed, "{} is now {}", text_of(&sealed), text_of(&encoded));
    }

    #[test]
    fn every_front_of_a_packet_is_a_packet_or_wrong_at_a_place_in_it(
        value in values(), namespace in namespaces()
    ) {
        let sealed = value.seal(&namespace);
        let text = text_of(&sealed);
        for (end, _) in text.char_indices() {
            if let Err(error) = decode(&text[..end]) {
                let offset = error.offset().unwrap();
                prop_assert!(text[..end].is_char_boundary(offset), "{error}: {:?}", &text[..end]);
            }
        }
    }
}
