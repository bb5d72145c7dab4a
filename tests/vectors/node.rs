//! A JSON value with bytes in it, and a reader of JSON that is not the library's.

use std::{fmt, iter::Peekable, str::Chars};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use crate::rows::decode_base64;

/// The name under which `serde_json` takes a number of any precision.
const NUMBER: &str = "$serde_json::private::Number";

/// A value. Numbers are doubles, and members have an order, though it makes no difference.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Node>),
    Members(Vec<(String, Node)>),
}

impl Node {
    /// Reads a `data_json`, which is JSON.
    ///
    /// Half a surrogate pair becomes U+FFFD, an object `{"$binary":…}` bytes, and `{"$number":…}` a
    /// number.
    pub(crate) fn parse(json: &str) -> Self {
        let mut reader = Reader(json.chars().peekable());
        let value = reader.value();
        reader.space();
        assert_eq!(reader.0.next(), None, "{json}");
        value
    }

    pub(crate) fn has_infinity(&self) -> bool {
        match self {
            Self::Number(number) => number.is_infinite(),
            Self::List(elements) => elements.iter().any(Self::has_infinity),
            Self::Members(members) => members.iter().any(|(_, member)| member.has_infinity()),
            _ => false,
        }
    }

    pub(crate) fn into_list(self) -> Vec<Self> {
        match self {
            Self::List(elements) => elements,
            other => panic!("{other:?}"),
        }
    }

    /// Adds a member; of equal names the last one counts.
    fn insert(members: &mut Vec<(String, Self)>, name: String, value: Self) {
        members.retain(|(other, _)| *other != name);
        members.push((name, value));
    }

    fn of_members(members: Vec<(String, Self)>) -> Self {
        match members.as_slice() {
            [(name, Self::Text(base64))] if name == "$binary" => Self::Bytes(decode_base64(base64)),
            [(name, Self::Text(number))] if name == "$number" => {
                Self::Number(number.parse().unwrap())
            }
            _ => Self::Members(members),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Members(a), Self::Members(b)) => {
                let has = |(name, value): &(String, Self)| {
                    b.iter().any(|(key, member)| key == name && member == value)
                };
                a.len() == b.len() && a.iter().all(has)
            }
            _ => false,
        }
    }
}

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn space(&mut self) {
        while self.0.next_if(|c| " \t\r\n".contains(*c)).is_some() {}
    }

    fn take(&mut self, expected: char) -> bool {
        self.space();
        self.0.next_if_eq(&expected).is_some()
    }

    fn value(&mut self) -> Node {
        self.space();
        match self.0.peek() {
            Some('"') => Node::Text(self.string()),
            Some('[') => {
                let mut elements = Vec::new();
                self.elements('[', ']', |reader| elements.push(reader.value()));
                Node::List(elements)
            }
            Some('{') => {
                let mut members = Vec::new();
                self.elements('{', '}', |reader| {
                    let name = reader.string();
                    assert!(reader.take(':'));
                    Node::insert(&mut members, name, reader.value());
                });
                Node::of_members(members)
            }
            _ => self.word(),
        }
    }

    fn elements(&mut self, begin: char, end: char, mut read: impl FnMut(&mut Self)) {
        assert!(self.take(begin));
        if self.take(end) {
            return;
        }
        loop {
            read(self);
            if !self.take(',') {
                assert!(self.take(end));
                return;
            }
        }
    }

    fn word(&mut self) -> Node {
        let mut word = String::new();
        while let Some(c) = self
            .0
            .next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c))
        {
            word.push(c);
        }
        match word.as_str() {
            "null" => Node::Null,
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            number => Node::Number(number.parse().unwrap()),
        }
    }

    fn string(&mut self) -> String {
        assert!(self.take('"'));
        let mut units = Vec::new();
        loop {
            let unit = match self.0.next().unwrap() {
                '"' => return String::from_utf16_lossy(&units),
                '\\' => self.escape(),
                plain => {
                    units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
                    continue;
                }
            };
            units.push(unit);
        }
    }

    fn escape(&mut self) -> u16 {
        let plain = match self.0.next().unwrap() {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits: String = self.0.by_ref().take(4).collect();
                return u16::from_str_radix(&digits, 16).unwrap();
            }
            itself => itself,
        };
        u16::try_from(u32::from(plain)).unwrap()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are doubles here")]
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are doubles here")]
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.into()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Node, E> {
        Ok(Node::Bytes(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Node::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Node>()? {
            // With `arbitrary_precision` a number that an `f64` does not hold comes as its text.
            if let (true, Self::Value::Text(number)) = (name == NUMBER, &value) {
                let number = number.parse().ok().filter(|it: &f64| it.is_finite());
                let out_of_range = || de::Error::custom("number out of range");
                return number.map(Node::Number).ok_or_else(out_of_range);
            }
            Node::insert(&mut members, name, value);
        }
        Ok(Node::Members(members))
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Members(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}
