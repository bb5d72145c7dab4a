//! A type that takes and gives any value.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap as _,
};

/// Any value. Numbers are equal if they mean the same, whatever holds them, up to the last digit of
/// an `f64`: `serde_json` is not exact there.
#[derive(Clone, Debug)]
pub enum Any {
    Bool(bool),
    Bytes(Vec<u8>),
    Float(f64),
    List(Vec<Any>),
    Null,
    Object(Vec<(String, Any)>),
    Signed(i64),
    Text(String),
    Unsigned(u64),
}

/// The name by which a number comes that no `f64` holds, with `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// Whether `serde_json` keeps numbers as texts.
pub fn has_arbitrary_precision() -> bool {
    serde_json::from_str::<serde_json::Value>("1e400").is_ok()
}

impl Any {
    fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            #[allow(clippy::cast_precision_loss, reason = "as any reader of JSON")]
            Self::Signed(number) => Some(*number as f64),
            #[allow(clippy::cast_precision_loss, reason = "as any reader of JSON")]
            Self::Unsigned(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// How deep it nests, bytes being objects on the wire.
    pub fn depth(&self) -> usize {
        1 + match self {
            Self::Bytes(_) => 0,
            Self::List(elements) => elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => members.iter().map(|it| it.1.depth()).max().unwrap_or(0),
            _ => return 0,
        }
    }

    /// It and all that it holds.
    pub fn walk(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        match self {
            Self::List(elements) => elements.iter().for_each(|it| it.walk(visit)),
            Self::Object(members) => members.iter().for_each(|(_, it)| it.walk(visit)),
            _ => {}
        }
    }

    /// How many bytes values it holds.
    pub fn attachments(&self) -> usize {
        let mut count = 0;
        self.walk(&mut |it| count += usize::from(matches!(it, Self::Bytes(_))));
        count
    }
}

impl PartialEq for Any {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => {
                is_near(*a, *b) && a.is_sign_negative() == b.is_sign_negative()
            }
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Null, Self::Null) => true,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Signed(a), Self::Signed(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Unsigned(a), Self::Unsigned(b)) => a == b,
            (a, b) => match (a.float(), b.float()) {
                (Some(a), Some(b)) => is_near(a, b),
                _ => false,
            },
        }
    }
}

/// Whether they are equal but for the last digit.
pub fn is_near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= a.abs().max(b.abs()) * 1e-15 || (a - b).abs() < 1e-322
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Bool(value))
    }

    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(value.to_vec()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Float(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Any, E> {
        Ok(Any::Unsigned(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Any, E> {
        Ok(Any::Text(value.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        Any::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        Any::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Any, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Any::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Any, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry::<String, Any>()? {
            object.push(member);
        }
        if let [(name, Any::Text(number))] = &*object
            && name == NUMBER
            && has_arbitrary_precision()
            && let Ok(number) = number.parse()
        {
            return Ok(Any::Float(number));
        }
        Ok(Any::Object(object))
    }
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Null => serializer.serialize_unit(),
            Self::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    object.serialize_entry(key, value)?;
                }
                object.end()
            }
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
        }
    }
}
