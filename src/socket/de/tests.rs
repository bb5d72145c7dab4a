use alloc::{format, string::String};
use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value;

use super::*;

fn decode<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    T::deserialize(&mut Decoder::new(json, &[], Untyped::Bytes))
}

/// Takes a value the way `serde_json::value::RawValue` does.
#[derive(Debug, PartialEq)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW_VALUE, TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tagged text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        assert_eq!(map.next_key()?, Some(RAW_VALUE));
        map.next_value().map(Text)
    }
}

#[test]
fn a_raw_value_is_the_text_as_it_stands() {
    for json in ["1.50", "{\"a\" : [ 1 ]}", "\"\\ud800\"", "null"] {
        assert_eq!(decode(json), Ok(Text(json.into())), "{json}");
    }
    assert_eq!(
        decode("[ 1 ,[ 2 ]]"),
        Ok((Text("1".into()), Text("[ 2 ]".into())))
    );
}

#[test]
fn numbers_that_an_f64_holds_are_told_from_others() {
    for number in [
        "1.5",
        "0.30000000000000004",
        "-0.00010022165557289990",
        "123456789012345680000",
        "1e21",
        "5e-324",
        "1.7976931348623157e308",
    ] {
        assert!(!exceeds_f64(number), "{number}");
    }
    for number in ["123456789012345678901", "0.1234567890123456789", "1e400"] {
        assert!(exceeds_f64(number), "{number}");
    }
}

#[test]
fn keys_are_numbers_as_json_writes_them() {
    /// A map of one key, which need not be ordered.
    #[derive(Debug, PartialEq)]
    struct One<K>(K);
    impl<'de, K: Deserialize<'de>> Deserialize<'de> for One<K> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visit<K>(PhantomData<K>);
            impl<'de, K: Deserialize<'de>> Visitor<'de> for Visit<K> {
                type Value = One<K>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a map of one key")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<One<K>, A::Error> {
                    let entry: Option<(K, u8)> = map.next_entry()?;
                    Ok(One(entry.expect("there is one").0))
                }
            }
            deserializer.deserialize_map(Visit(PhantomData))
        }
    }

    for key in [
        "01", "-01", "+1", "NaN", "nan", "inf", "-inf", "infinity", "1.", ".5", "-", "", " 1",
        "1 ", "1e", "1e999", "-1e999", "[1]", "true",
    ] {
        let json = format!("{{\"{key}\":0}}");
        assert!(decode::<One<f64>>(&json).is_err(), "{key}");
        assert!(decode::<One<f32>>(&json).is_err(), "{key}");
        assert!(decode::<One<u8>>(&json).is_err(), "{key}");
        assert!(decode::<One<i64>>(&json).is_err(), "{key}");
        assert!(decode::<One<u128>>(&json).is_err(), "{key}");
        assert!(serde_json::from_str::<One<f64>>(&json).is_err(), "{key}");
        assert_eq!(decode(&json), Ok(One(String::from(key))));
    }
    assert_eq!(decode(r#"{"-1.5e2":0}"#), Ok(One(-150.0)));
    assert_eq!(decode(r#"{"0":0}"#), Ok(One(0_u8)));
    assert_eq!(decode(r#"{"-12":0}"#), Ok(One(-12_i8)));
    assert_eq!(decode(r#"{"true":0}"#), Ok(One(true)));
    assert!(decode::<One<f32>>(r#"{"1e39":0}"#).is_err());
}

#[test]
fn any_number_is_a_value() {
    for number in ["0", "-1", "18446744073709551615", "0.1", "1e300", "-2.5e-3"] {
        let value: Value = decode(number).unwrap();
        assert_eq!(value.as_f64(), number.parse().ok(), "{number}");
    }
}

#[test]
fn broken_text_is_an_error_and_never_a_panic() {
    let json = r#"{"a\u0041":[1,-2.5e3,true,false,null,"x\n",{"_placeholder":true,"num":0}]}"#;
    let attachments = [Bytes::new()];
    for end in 0..json.len() {
        for untyped in [Untyped::Bytes, Untyped::Object] {
            let mut decoder = Decoder::new(&json[..end], &attachments, untyped);
            assert!(Value::deserialize(&mut decoder).is_err(), "{end}");
        }
    }
    for broken in [
        "", "]", "}", ",", "[1 2]", "{1:2}", "{\"a\"}", "[,]", "tru", "-", "1x", "é",
    ] {
        assert!(decode::<Value>(broken).is_err(), "{broken}");
    }
}

#[test]
fn minus_zero_keeps_its_sign_where_any_number_is_asked_for() {
    for json in ["-0", "-0.0", "-0e0"] {
        let value: Value = decode(json).unwrap();
        assert!(value.as_f64().unwrap().is_sign_negative(), "{json}");
    }
    assert_eq!(decode("-0"), Ok(0_i64));
    assert_eq!(decode("-0"), Ok(0_i128));
    assert!(decode::<f32>("-0").unwrap().is_sign_negative());
}
