//! What holds for packets, bodies and request targets of any content. `fuzz/` asserts more, of
//! inputs that break rules too.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "tests fail loudly, and share a type with the fuzz targets"
)]

#[path = "../fuzz/src/bodies/any.rs"]
mod any;
#[path = "properties/bodies.rs"]
mod bodies;
#[path = "properties/packets.rs"]
mod packets;
#[path = "properties/placeholders.rs"]
mod placeholders;
#[path = "properties/targets.rs"]
mod targets;

use proptest::prelude::*;
use socketio_proto::{
    edge::Message,
    engine::Parser as _,
    socket::{Assembler, DecodeError, Fragment, Json, Received, Sealed},
};

use any::Any;

/// Any value. Numbers are in the form in which they come back.
fn anything() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        4 => Just(Any::Null),
        4 => any::<bool>().prop_map(Any::Bool),
        4 => any::<u64>().prop_map(Any::Unsigned),
        4 => (i64::MIN..0).prop_map(Any::Signed),
        4 => any::<f64>().prop_filter("JSON", |it| it.is_finite()).prop_map(Any::Float),
        4 => text().prop_map(Any::Text),
        2 => any::<Vec<u8>>().prop_map(Any::Bytes),
    ];
    leaf.prop_recursive(5, 24, 5, |inner| {
        let members = prop::collection::vec((text(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Any::List),
            members.prop_map(Any::Object),
        ]
    })
}

/// Text with what is special to some layer.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "\u{1e}",
        "\0",
        "\"",
        "\\",
        ",",
        "/",
        "_placeholder ",
        "num",
        "😀",
        "\u{2028}",
        "51-",
    ]);
    prop_oneof![
        3 => any::<String>(),
        1 => prop::collection::vec(special, 0..4).prop_map(|it| it.concat()),
    ]
}

fn decode(text: &str) -> Result<Received, DecodeError> {
    match Json::default().parse(Message::Text(text.into()))? {
        Fragment::Packet(received) => Ok(received),
        Fragment::Attachment(_) => panic!("a text is no attachment"),
    }
}

fn text_of(sealed: &Sealed) -> &str {
    let text = core::str::from_utf8(sealed.text()).unwrap();
    text.strip_prefix('4').unwrap()
}

/// Brings together what a peer gets.
fn assemble(sealed: &Sealed) -> Received {
    let mut assembler = Assembler::new();
    let packet = Fragment::Packet(decode(text_of(sealed)).unwrap());
    let mut whole = assembler.push(packet).unwrap();
    for attachment in sealed.attachments() {
        assert_eq!(whole, None);
        let attachment = Fragment::Attachment(attachment.clone());
        whole = assembler.push(attachment).unwrap();
    }
    whole.unwrap()
}
