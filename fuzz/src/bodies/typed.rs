//! The types that arguments are read as.

use core::fmt;
use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value;
use socketio_proto::socket::{Args, Binary};

use super::{
    any::{Any, has_arbitrary_precision, is_near},
    json::{self, Tree},
};

/// The text of a value, asked for as `serde_json::value::RawValue` does it.
#[derive(Debug, PartialEq)]
pub struct RawText(pub String);

const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl<'de> Deserialize<'de> for RawText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tagged;
        impl<'de> Visitor<'de> for Tagged {
            type Value = RawText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tagged text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawText, A::Error> {
                assert_eq!(map.next_key()?, Some(RAW_VALUE));
                map.next_value().map(RawText)
            }
        }
        deserializer.deserialize_newtype_struct(RAW_VALUE, Tagged)
    }
}

/// A number that `serde_json` reads not quite exactly.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Near(f64);

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        is_near(self.0, other.0)
    }
}

#[derive(Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub enum Name {
    #[serde(rename = "a")]
    A,
    #[serde(rename = "b")]
    B,
    #[serde(rename = "num")]
    Num,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Unit;

#[derive(Debug, Deserialize, PartialEq)]
struct Newtype(Option<i32>);

#[derive(Debug, Deserialize, PartialEq)]
struct Pair(u8, Option<String>);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: u8,
    #[serde(default)]
    b: Option<Box<Strict>>,
}

// Of those below, `B` is what stands for bytes.

#[derive(Debug, Deserialize, PartialEq)]
struct Loose<B> {
    #[serde(default)]
    a: Option<Any>,
    b: Option<B>,
    #[serde(default, alias = "num")]
    c: Vec<Option<u16>>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flat<B> {
    a: Option<i64>,
    #[serde(flatten)]
    inner: Inner<B>,
    #[serde(flatten)]
    rest: BTreeMap<String, Any>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Inner<B> {
    b: Option<Vec<B>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Untagged<B> {
    Number(i64),
    Bytes(B),
    Text(String),
    Flag(bool),
    Pair(u8, Box<Untagged<B>>),
    Fields { a: Box<Untagged<B>>, b: Option<B> },
    Many(Vec<Untagged<B>>),
    Map(BTreeMap<String, Untagged<B>>),
    Nothing,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "a")]
enum Inside<B> {
    #[serde(rename = "b")]
    Fields {
        num: Option<u64>,
        c: Option<B>,
    },
    Empty,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "a", content = "b")]
enum Adjacent<B> {
    One(B),
    Two(u8, u8),
    Empty,
}

#[derive(Debug, Deserialize, PartialEq)]
enum External<B> {
    #[serde(rename = "a")]
    Empty,
    #[serde(rename = "b")]
    One(Option<B>),
    #[serde(rename = "c")]
    Two(i8, Any),
    #[serde(rename = "num")]
    Fields { a: u8, b: Option<char> },
}

/// What borrows.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct Borrowed<'a> {
    a: Option<&'a str>,
    #[serde(borrow)]
    b: Option<&'a [u8]>,
    num: Option<Vec<u8>>,
}

macro_rules! with_types {
    ($run:ident, $bytes:ty; $args:expr, $place:expr $(, $raw:expr)?) => {
        with_types! { @each $run ($args, $place $(, $raw)?)
            bool, u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, Near, char, String, (), Unit,
            Newtype, Pair, Option<Option<u8>>, Vec<u8>, [u8; 2], (u8, String), Strict, Loose<$bytes>,
            Flat<$bytes>, Inside<$bytes>, Adjacent<$bytes>, External<$bytes>, Untagged<$bytes>, Any, BTreeMap<String, Any>,
            BTreeMap<u8, Option<bool>>, BTreeMap<Name, Any>, Vec<Vec<Any>>, Vec<(String, i64)>,
            Box<[Newtype]>, $bytes, Vec<Option<$bytes>>, BTreeMap<String, Vec<$bytes>>, Name
        }
    };
    (@each $run:ident $call:tt $($type:ty),*) => {
        $(with_types! { @one $run $call $type })*
    };
    (@one $run:ident ($($argument:expr),*) $type:ty) => {
        $run::<$type>($($argument),*);
    };
}

/// `serde_json` makes the same of an argument, whatever the type.
pub fn assert_agrees(args: &Args, place: usize, tree: &Tree<'_>, raw: &str) {
    // Ours reads more: any depth, half a surrogate pair, `-0` where a whole number is asked for, and
    // the largest of all numbers, which are too large there by a rounding. With its feature numbers
    // are read by way of texts there, which is another grammar.
    let mut has_odd_number = false;
    tree.walk(&mut |tree| {
        if let Tree::Word(word) = tree {
            let is_largest = word.parse().is_ok_and(|it: f64| it.abs() > 1.7e308);
            has_odd_number |= is_largest || *word == "-0";
        }
    });
    let is_read = json::depth(raw) < 120
        && !raw.contains("\\ud")
        && !raw.contains("\\uD")
        && !has_odd_number
        && !has_arbitrary_precision();
    if !is_read {
        return read_all(args, place);
    }
    // That a text is not binary is a difference on purpose; a list of numbers has none.
    with_types!(agrees, Vec<u8>; args, place, raw);
    let theirs: Option<Value> = serde_json::from_str(raw).ok();
    assert_eq!(args.get::<Value>(place).is_ok(), theirs.is_some(), "{raw}");
    let _ = args.get::<Borrowed<'_>>(place);
}

fn agrees<T: DeserializeOwned + PartialEq + fmt::Debug>(args: &Args, place: usize, raw: &str) {
    let (ours, theirs) = (args.get::<T>(place), serde_json::from_str::<T>(raw));
    let kind = core::any::type_name::<T>();
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{raw} as {kind}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{raw} as {kind}: {ours:?}, and with serde_json {theirs:?}"),
    }
}

/// Reads an argument as every type.
pub fn read_all(args: &Args, place: usize) {
    with_types!(read, Binary; args, place);
    let _ = args.get::<Value>(place);
    let _ = args.get::<Borrowed<'_>>(place);
}

fn read<T: DeserializeOwned>(args: &Args, place: usize) {
    if let Err(error) = args.get::<T>(place) {
        assert!(error.to_string().len() < 300, "{error}");
    }
}

type Sixteen<T> = (T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T);

/// Reads all arguments as lists of several kinds.
pub fn read_lists(args: &Args) {
    let all: Option<Vec<Any>> = args.parse().ok();
    let sixteen: Option<Sixteen<Option<Any>>> = args.parse().ok();
    let pair: Option<(Option<Any>, Option<Any>)> = args.parse().ok();
    if let Some(all) = all {
        let at = |place: usize| all.get(place).cloned().filter(|any| *any != Any::Null);
        let sixteen = sixteen.expect("anything will do");
        assert_eq!((sixteen.0, sixteen.7, sixteen.15), (at(0), at(7), at(15)));
        assert_eq!(pair, Some((at(0), at(1))));
        assert_eq!(args.get(all.len()), Ok(None::<u8>));
        assert!(args.get::<u8>(all.len()).is_err());
    }
    let _ = args.parse::<Sixteen<Any>>();
    let _ = args.parse::<(Binary, &[u8], Vec<u8>, Option<Binary>)>();
    let _ = args.parse::<(u8, Flat<Binary>, Untagged<Binary>, Vec<Value>)>();
    let _ = args.parse::<Vec<BTreeMap<String, Untagged<Binary>>>>();
    let _ = args.parse::<Value>();
    let _ = args.parse::<Pair>();
    let _ = args.parse::<Newtype>();
    let _ = args.parse::<Untagged<Binary>>();
    let _ = args.parse::<External<Binary>>();
}

/// A number, as every type of number: what Rust makes of its text.
pub fn assert_number(args: &Args, place: usize, number: &str) {
    macro_rules! whole {
        ($($type:ty)*) => {$(
            assert_eq!(args.get::<$type>(place).ok(), number.parse::<$type>().ok(), "{number}");
        )*};
    }
    macro_rules! unsigned {
        ($($type:ty)*) => {$(
            // The sign of zero does not count.
            let magnitude = if number == "-0" { "0" } else { number };
            assert_eq!(args.get::<$type>(place).ok(), magnitude.parse::<$type>().ok(), "{number}");
        )*};
    }
    macro_rules! float {
        ($($type:ty)*) => {$(
            let float = number.parse().ok().filter(|float: &$type| float.is_finite());
            assert_eq!(args.get::<$type>(place).ok(), float, "{number}");
        )*};
    }
    whole! { i8 i16 i32 i64 i128 }
    unsigned! { u8 u16 u32 u64 u128 }
    float! { f32 f64 }
}
