//! The names of members.

use core::fmt;
use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use socketio_proto::socket::{Args, Data};

use super::{
    any::{Any, has_arbitrary_precision},
    args::read,
    input,
    json::{self, Tree},
    typed::Name,
};

/// The text of a name, with its escapes and without its quotes.
pub fn keys(input: &[u8]) {
    let raw = input::text(input);
    let object = format!("{{\"{raw}\":1}}");
    let Some(args) = read(&format!("[{object}]"), &[]) else {
        return;
    };
    let Tree::Object(members) = Tree::parse(&object) else {
        panic!("an object");
    };
    let [(name, Tree::Word("1"))] = &*members else {
        // The text left its quotes.
        return;
    };
    if name.contains("$serde_json") && has_arbitrary_precision() {
        return;
    }
    let named = BTreeMap::from([(name.clone(), 1)]);
    assert_eq!(args.get(0).as_ref(), Ok(&named));
    assert_eq!(
        args.get(0),
        Ok(Any::Object(vec![(name.clone(), Any::Unsigned(1))]))
    );
    let data = Data::new(&named).unwrap();
    assert_eq!(data.parse().as_ref(), Ok(&named));
    assert_eq!(data.json(), serde_json::to_string(&named).unwrap());

    // Half a surrogate pair is read here, escapes are decoded before anything else, and `-0` is a
    // whole number.
    if raw.contains('\\') || raw == "-0" {
        return;
    }
    // `serde_json` itself breaks on other names that begin with a letter beyond ASCII.
    let flag = name
        .parse()
        .ok()
        .map(|flag: bool| BTreeMap::from([(flag, 1)]));
    assert_eq!(args.get(0).ok(), flag);
    agrees::<u8>(&args, &object);
    agrees::<i8>(&args, &object);
    agrees::<u16>(&args, &object);
    agrees::<i16>(&args, &object);
    agrees::<u32>(&args, &object);
    agrees::<i32>(&args, &object);
    agrees::<u64>(&args, &object);
    agrees::<i64>(&args, &object);
    agrees::<u128>(&args, &object);
    agrees::<i128>(&args, &object);
    agrees::<char>(&args, &object);
    agrees::<Option<u16>>(&args, &object);
    agrees::<Option<String>>(&args, &object);
    assert_eq!(
        args.get::<BTreeMap<Name, u8>>(0).ok(),
        serde_json::from_str(&object).ok()
    );
    assert!(json::is_json(&object));
}

/// `serde_json` makes the same of the name, in both directions.
fn agrees<K>(args: &Args, object: &str)
where
    K: DeserializeOwned + Serialize + Ord + fmt::Debug,
{
    let ours: Option<BTreeMap<K, u8>> = args.get(0).ok();
    let theirs = serde_json::from_str(object).ok();
    let kind = core::any::type_name::<K>();
    assert_eq!(ours, theirs, "{object} as {kind}");
    if let Some(map) = ours {
        let written = Data::new(&map).unwrap();
        assert_eq!(written.json(), serde_json::to_string(&map).unwrap());
        assert_eq!(written.parse(), Ok(map));
    }
}
