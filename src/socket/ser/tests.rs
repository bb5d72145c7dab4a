use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use super::*;
use crate::socket::args::Binary;

fn text(value: &(impl Serialize + ?Sized)) -> String {
    json(value).unwrap().to_string()
}

/// Nests a value in this many lists.
struct Nested(usize);

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_unit(),
            more => serializer.collect_seq([Self(more - 1)]),
        }
    }
}

/// Bytes as `serde_bytes` serializes them.
struct Raw(&'static [u8]);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[test]
fn numbers_are_written_as_in_javascript() {
    for (number, expected) in [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (100.0, "100"),
        (5e-324, "5e-324"),
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
        (f64::NEG_INFINITY, "null"),
    ] {
        assert_eq!(text(&number), expected);
    }
    for number in [
        1e21,
        1e-7,
        f64::MAX,
        123_456_789_012_345_680_000.0,
        1.0e15,
        1.0e16,
        1.0e17,
    ] {
        assert_eq!(text(&number).parse(), Ok(number));
    }
    assert_eq!(text(&0.1_f32), "0.1");
    assert_eq!(text(&f32::NAN), "null");
    assert_eq!(text(&u64::MAX), "18446744073709551615");
    assert_eq!(text(&i128::MIN), i128::MIN.to_string());
}

#[test]
fn values_are_written_as_serde_json_does() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Newtype(u8);
    #[derive(Serialize)]
    enum Shape {
        Empty,
        Circle(u8),
        Line(u8, u8),
        Box { width: u8, height: Option<u8> },
    }
    #[derive(Serialize)]
    struct Everything {
        #[serde(rename = "un\"it")]
        unit: Unit,
        newtype: Newtype,
        none: Option<u8>,
        some: Option<char>,
        shapes: Vec<Shape>,
        tuple: (u8, &'static str, bool),
        nothing: (),
        map: BTreeMap<u8, BTreeMap<char, i8>>,
        empty: [u8; 0],
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
    }
    let everything = Everything {
        unit: Unit,
        newtype: Newtype(1),
        none: None,
        some: Some('é'),
        shapes: vec![
            Shape::Empty,
            Shape::Circle(1),
            Shape::Line(1, 2),
            Shape::Box {
                width: 3,
                height: None,
            },
        ],
        tuple: (1, "a", false),
        nothing: (),
        map: BTreeMap::from([(1, BTreeMap::from([('"', -1)]))]),
        empty: [],
        skipped: None,
    };

    let expected = serde_json::to_string(&everything).unwrap();

    assert_eq!(text(&everything), expected);
}

#[test]
fn keys_that_are_no_names_are_refused() {
    assert_eq!(
        json(&BTreeMap::from([(vec![1], 1)])),
        Err(EncodeError::KeyNotString)
    );
    assert_eq!(
        json(&BTreeMap::from([((), 1)])),
        Err(EncodeError::KeyNotString)
    );
    assert_eq!(
        json(&BTreeMap::from([(None::<u8>, 1)])),
        Err(EncodeError::KeyNotString)
    );
    assert_eq!(text(&BTreeMap::from([(true, 1)])), r#"{"true":1}"#);
    assert_eq!(text(&BTreeMap::from([(Some(2), 1)])), r#"{"2":1}"#);
}

#[test]
fn nesting_is_limited() {
    let too_deep = Err(EncodeError::TooDeep { limit: MAX_DEPTH });
    // A packet may put an object around it.
    let limit = MAX_DEPTH - 1;

    assert_eq!(text(&Nested(limit)).len(), 2 * limit + 4);
    assert_eq!(json(&Nested(limit + 1)), too_deep);
    assert_eq!(json(&Nested(100_000)), too_deep);
}

#[test]
fn levels_are_given_back() {
    #[derive(Serialize)]
    enum Pair {
        Of(u8, u8),
        Named { a: u8 },
        One(u8),
    }
    let values: Vec<_> = (0..=255)
        .map(|n| (Pair::Of(n % 2, 1), Pair::Named { a: 1 }, Pair::One(1), [()]))
        .collect();

    assert!(json(&values).is_ok());
}

#[test]
fn the_levels_of_variants_count() {
    #[derive(Serialize)]
    enum Chain {
        End,
        Tuple(Box<Chain>, u8),
        Newtype(Box<Chain>),
    }
    let tuples = (0..63).fold(Chain::End, |inner, _| Chain::Tuple(Box::new(inner), 0));
    let newtypes = (0..127).fold(Chain::End, |inner, _| Chain::Newtype(Box::new(inner)));

    assert!(json(&tuples).is_ok());
    assert!(json(&newtypes).is_ok());
    assert!(json(&[[tuples]]).is_err());
    assert!(json(&[newtypes]).is_err());
}

#[test]
fn a_failing_value_says_why_in_few_words() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("x".repeat(10_000)))
        }
    }

    let Err(EncodeError::Custom(message)) = json(&Failing) else {
        panic!("it fails");
    };
    assert!(message.len() < 200);
}

#[test]
fn bytes_without_attachments_are_refused() {
    assert_eq!(json(&Raw(b"x")), Err(EncodeError::BinaryInData));
    assert_eq!(
        json(&Binary::from(b"x".to_vec())),
        Err(EncodeError::BinaryInData)
    );
}

#[test]
fn displayed_values_are_escaped_in_place() {
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("a\"{}\u{1e}", 1))
        }
    }

    assert_eq!(text(&Shown), r#""a\"1\u001e""#);
}

#[test]
fn raw_text_is_taken_over_if_it_is_json() {
    struct Tagged(&'static str, String);
    impl Serialize for Tagged {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use ser::SerializeStruct as _;
            let mut raw = serializer.serialize_struct(self.0, 1)?;
            raw.serialize_field(self.0, &self.1)?;
            raw.end()
        }
    }
    let deep = |levels| {
        Tagged(
            RAW_VALUE,
            format!("{}{}", "[".repeat(levels), "]".repeat(levels)),
        )
    };

    assert_eq!(text(&[Tagged(NUMBER, "1.50".into())]), "[1.50]");
    assert_eq!(
        text(&[Tagged(RAW_VALUE, r#" {"a": 1} "#.into())]),
        r#"[{"a": 1}]"#
    );
    assert!(json(&Tagged(RAW_VALUE, "\"\u{1e}\"".into())).is_err());
    assert!(json(&Tagged(RAW_VALUE, "1,2".into())).is_err());
    assert!(json(&[deep(126)]).is_ok());
    assert!(json(&[deep(127)]).is_err());
}

#[test]
fn raw_text_is_exactly_one() {
    struct Texts(&'static str, usize);
    impl Serialize for Texts {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use ser::SerializeStruct as _;
            // What it claims does not count.
            let mut raw = serializer.serialize_struct(self.0, 1)?;
            for _ in 0..self.1 {
                raw.serialize_field("text", "1")?;
            }
            raw.end()
        }
    }

    for name in [NUMBER, RAW_VALUE] {
        assert_eq!(text(&[Texts(name, 1), Texts(name, 1)]), "[1,1]");
        for count in [0, 2, 3] {
            assert!(json(&[Texts(name, count)]).is_err(), "{count}");
        }
    }
}

/// Goes on behind an error of one of its parts.
struct Careless(u8);

impl Serialize for Careless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{SerializeMap as _, SerializeSeq as _, SerializeStruct as _};

        let broken = BTreeMap::from([(vec![1], 1)]);
        match self.0 {
            0 => {
                let mut list = serializer.serialize_seq(None)?;
                _ = list.serialize_element(&broken);
                list.serialize_element(&1)?;
                list.end()
            }
            1 => {
                let mut object = serializer.serialize_map(None)?;
                _ = object.serialize_key(&broken);
                object.serialize_value(&1)?;
                object.end()
            }
            2 => {
                let mut object = serializer.serialize_map(None)?;
                object.serialize_key("a")?;
                _ = object.serialize_value(&broken);
                object.end()
            }
            3 => {
                let mut object = serializer.serialize_struct("Careless", 1)?;
                _ = object.serialize_field("a", &broken);
                object.end()
            }
            _ => {
                let mut raw = serializer.serialize_struct(RAW_VALUE, 1)?;
                _ = raw.serialize_field(RAW_VALUE, &1);
                raw.end()
            }
        }
    }
}

#[test]
fn a_type_that_swallows_an_error_is_no_json() {
    for careless in 0..5 {
        let value = Careless(careless);
        assert!(
            matches!(json(&value), Err(EncodeError::Custom(_))),
            "{careless}"
        );
        let packet = crate::socket::Packet::event("a", &(value,));
        assert!(matches!(packet, Err(EncodeError::Custom(_))), "{careless}");
    }
}
