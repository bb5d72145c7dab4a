//! Data of packets about a namespace.

use serde_json::Value;
use socketio_proto::socket::{Control, Data, EncodeError, Limits, PacketKind, SealError};

use super::{
    any::{Any, has_arbitrary_precision},
    input,
    json::{self, Tree},
    packet::{decode, text_of},
};

/// The data of a refusal: an object or a text.
pub fn data(input: &[u8]) {
    let json = input::text(input);
    if !json.starts_with(['{', '"']) {
        return;
    }
    let is_legal = json::is_json(json) && json::depth(json) <= Limits::default().max_depth;
    let received = decode(&format!("4{json}"), Limits::default());
    assert_eq!(received.is_ok(), is_legal);
    let Ok(received) = received else {
        return;
    };
    let data = received.into_data().expect("it is there");
    let tree = Tree::parse(data.json());
    let is_odd = has_arbitrary_precision() && json.contains(['$', '\\']);
    let can_read = !tree.is_beyond(&[]) || has_arbitrary_precision();
    let read: Result<Any, _> = data.parse();
    if !is_odd {
        assert_eq!(read.is_ok(), can_read);
        assert!(read.is_err() || read == Ok(tree.value(&[])), "{read:?}");
        assert_eq!(data.parse::<Value>().is_ok(), can_read);
    }
    assert_eq!(
        data.parse::<String>().is_ok(),
        matches!(tree, Tree::Text(_))
    );
    assert_carried(&data, &tree);

    // As a value of its own it counts with the level around it.
    match Data::new(&data) {
        // Infinity has no form in JSON: as in JavaScript it is written as null.
        Ok(again) if !tree.is_beyond(&[]) && !is_odd => {
            assert_eq!(again.parse::<Any>(), read);
            assert_eq!(Data::new(&again).unwrap().json(), again.json());
        }
        Ok(_) => {}
        Err(error) => {
            assert_eq!(error, EncodeError::TooDeep { limit: 128 });
            assert!(json::depth(json) >= 128);
        }
    }
}

fn assert_carried(data: &Data, tree: &Tree<'_>) {
    let refusal = Control::ConnectError(data.clone()).seal("/a").unwrap();
    let arrived = decode(text_of(&refusal), Limits::default()).unwrap();
    assert_eq!(arrived.kind(), PacketKind::ConnectError);
    assert_eq!(arrived.into_data().unwrap().json(), data.json());

    let connect = Control::Connect(Some(data.clone())).seal("/a");
    if let Tree::Object(_) = tree {
        let arrived = decode(text_of(&connect.unwrap()), Limits::default()).unwrap();
        assert_eq!(
            (arrived.kind(), arrived.namespace()),
            (PacketKind::Connect, "/a")
        );
        assert_eq!(arrived.into_data().unwrap().json(), data.json());
    } else {
        assert_eq!(connect, Err(SealError::IllegalData));
    }
}
