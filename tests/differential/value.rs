//! Values as both sides have them: what JSON, JavaScript and attachments can hold.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap as _,
};
use socketio_proto::socket::Binary;

/// A JavaScript string.
#[derive(Clone, Eq, PartialEq)]
pub enum Text {
    /// It is well formed.
    Whole(String),
    /// It holds half of a surrogate pair.
    Broken(Vec<u16>),
}

impl Text {
    pub fn of_units(units: Vec<u16>) -> Self {
        String::from_utf16(&units).map_or(Self::Broken(units), Self::Whole)
    }

    /// With U+FFFD for each half of a surrogate pair.
    pub fn mended(&self) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Broken(units) => String::from_utf16_lossy(units),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(text) => text.fmt(f),
            Self::Broken(units) => write!(f, "utf16{units:x?}"),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Whole(text.to_owned())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Bytes(Bytes),
    List(Vec<Self>),
    Null,
    Number(f64),
    /// No two members have the same name.
    Object(Vec<(Text, Self)>),
    Text(Text),
    Undefined,
    /// A whole number of ours on its way out; for JavaScript it is a double.
    Whole(i128),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// How deep lists and objects nest. An attachment is an object in the text.
    pub fn depth(&self) -> usize {
        let deepest = |depths: &mut dyn Iterator<Item = usize>| 1 + depths.max().unwrap_or(0);
        match self {
            Self::Bytes(_) => 1,
            Self::List(elements) => deepest(&mut elements.iter().map(Self::depth)),
            Self::Object(members) => deepest(&mut members.iter().map(|member| member.1.depth())),
            _ => 0,
        }
    }

    /// Counts the values, at any depth, that are so.
    pub fn count(&self, is_so: &dyn Fn(&Self) -> bool) -> usize {
        let within: usize = match self {
            Self::List(elements) => elements.iter().map(|element| element.count(is_so)).sum(),
            Self::Object(members) => members.iter().map(|member| member.1.count(is_so)).sum(),
            _ => 0,
        };
        within + usize::from(is_so(self))
    }

    /// How many attachments it has.
    pub fn attachments(&self) -> usize {
        self.count(&|value| matches!(value, Self::Bytes(_)))
    }

    /// What `JSON.stringify` and then `JSON.parse` make of it.
    #[expect(clippy::cast_precision_loss, reason = "JavaScript loses the same")]
    pub fn through_json(&self) -> Self {
        match self {
            Self::List(elements) => Self::List(elements.iter().map(Self::through_json).collect()),
            Self::Number(number) if !number.is_finite() => Self::Null,
            // Without the sign of a zero.
            Self::Number(number) => Self::Number(number + 0.0),
            Self::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, member)| (name.clone(), member.through_json()))
                    .collect(),
            ),
            Self::Whole(number) => Self::Number(*number as f64),
            value => value.clone(),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Bytes(bytes) => Binary(bytes.clone()).serialize(serializer),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Null | Self::Undefined => serializer.serialize_unit(),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(&name.mended(), member)?;
                }
                map.end()
            }
            Self::Text(text) => serializer.serialize_str(&text.mended()),
            Self::Whole(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(number)) => serializer.serialize_i64(number),
                _ => Err(serde::ser::Error::custom("not a number of 64 bits")),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// The name under which `serde_json` takes such a number.
const NUMBER: &str = "$serde_json::private::Number";

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(Bytes::copy_from_slice(bytes)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()).through_json())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(Text, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            // With `arbitrary_precision` a number that an `f64` does not hold comes as its text.
            if let (true, Value::Text(text)) = (name == NUMBER, &value) {
                let number = text.mended().parse().ok();
                let finite = number.filter(|number: &f64| number.is_finite());
                let out_of_range = || de::Error::custom("number out of range");
                return finite.map(Value::Number).ok_or_else(out_of_range);
            }
            insert(&mut members, Text::Whole(name), value);
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Value::List(elements))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()).through_json())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Adds a member; of equal names the last one counts.
pub fn insert(members: &mut Vec<(Text, Value)>, name: Text, value: Value) {
    match members.iter_mut().find(|member| member.0 == name) {
        Some(member) => member.1 = value,
        None => members.push((name, value)),
    }
}

/// Ways in which values may differ and still count as the same; how often each was met.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Allowed {
    pub halves: u64,
}

impl Allowed {
    /// Compares what we read with what the official parser read.
    pub fn is_same(&mut self, ours: &Value, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Value::Number(a), Value::Number(b)) => {
                a == b && a.is_sign_negative() == b.is_sign_negative()
            }
            (Value::Text(a), Value::Text(b)) => self.is_same_text(a, b),
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.is_same(a, b))
            }
            (Value::Object(a), Value::Object(b)) => self.is_same_object(a, b),
            (a, b) => a == b,
        }
    }

    pub fn is_same_text(&mut self, ours: &Text, theirs: &Text) -> bool {
        let is_broken = matches!(theirs, Text::Broken(_)) && ours != theirs;
        self.halves += u64::from(is_broken);
        ours == theirs || is_broken && ours.mended() == theirs.mended()
    }

    /// Names that hold different halves of pairs may have become the same one of ours; then it has
    /// the value of one of them.
    fn is_same_object(&mut self, ours: &[(Text, Value)], theirs: &[(Text, Value)]) -> bool {
        if ours.len() == theirs.len() && theirs.iter().all(|it| matches!(it.0, Text::Whole(_))) {
            return ours.iter().all(|(name, value)| {
                let other = theirs.iter().find(|member| member.0 == *name);
                other.is_some_and(|other| self.is_same(value, &other.1))
            });
        }
        let is_named = |name: &str| ours.iter().any(|member| member.0.mended() == name);
        theirs.iter().all(|member| is_named(&member.0.mended()))
            && ours.iter().all(|(name, value)| {
                let name = name.mended();
                let mut others = theirs.iter().filter(|other| other.0.mended() == name);
                others.any(|other| {
                    self.is_same_text(&Text::Whole(name.clone()), &other.0)
                        && self.is_same(value, &other.1)
                })
            })
    }
}
