//! From received JSON text to the application's types.
//!
//! It is a deserializer of its own rather than `serde_json`'s, because the text was checked when it
//! came in, and because attachments have to be found at any depth: an object that is a placeholder
//! becomes its attachment wherever bytes are asked for.

mod access;
mod error;
mod list;
mod placeholders;
mod reader;

use alloc::borrow::Cow;
use core::iter;

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{
        self, Unexpected, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer},
    },
};

use self::{
    access::{Elements, Members, Variant},
    placeholders::Placeholders,
};
pub(in crate::socket) use self::{
    error::{Carried, Error, bounded},
    list::{List, absent},
    reader::Reader,
};

/// The name under which [`Binary`](crate::socket::args::Binary) asks for its attachment.
pub(in crate::socket) const BINARY: &str = "$socketio_proto::Binary";
/// The name under which `serde_json::value::RawValue` asks for a value's text.
pub(in crate::socket) const RAW_VALUE: &str = "$serde_json::private::RawValue";
/// The name under which `serde_json::Number` takes a number's text, with `arbitrary_precision`.
pub(in crate::socket) const NUMBER: &str = "$serde_json::private::Number";

/// Whether some crate has switched on `serde_json`'s `arbitrary_precision`, judged by what a number
/// takes. A wrong answer costs digits that no `f64` has, nothing else.
const ARBITRARY_PRECISION: bool =
    size_of::<serde_json::Number>() == size_of::<alloc::string::String>();

/// What a placeholder becomes for a type that takes any value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::socket) enum Untyped {
    /// Its attachment.
    Bytes,
    /// The object as it stands.
    Object,
}

/// Decodes values one after the other from checked JSON text.
#[derive(Debug)]
pub(in crate::socket) struct Decoder<'de> {
    reader: Reader<'de>,
    attachments: &'de [Bytes],
    /// Made when the first object turns up where it matters.
    placeholders: Option<Placeholders>,
    untyped: Untyped,
    /// Whether an untyped place was given an attachment.
    offered: bool,
}

impl<'de> Decoder<'de> {
    pub(in crate::socket) fn new(
        text: &'de str,
        attachments: &'de [Bytes],
        untyped: Untyped,
    ) -> Self {
        Self {
            reader: Reader::new(text),
            attachments,
            placeholders: None,
            untyped,
            offered: false,
        }
    }

    /// Decodes with a function, and if that fails once more with placeholders in untyped places
    /// left as they stand.
    ///
    /// A type that takes any value does not tell whether it can hold bytes: what serde buffers for
    /// untagged and flattened types can, `serde_json::Value` cannot. So bytes are tried first.
    pub(in crate::socket) fn attempt<T>(
        text: &'de str,
        attachments: &'de [Bytes],
        decode: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut decoder = Self::new(text, attachments, Untyped::Bytes);
        decode(&mut decoder).or_else(|error| {
            if !decoder.offered {
                return Err(error);
            }
            let mut decoder = Self::new(text, attachments, Untyped::Object);
            decode(&mut decoder).map_err(|_| error)
        })
    }

    pub(in crate::socket) fn reader(&mut self) -> &mut Reader<'de> {
        &mut self.reader
    }

    /// The attachment that the next value stands for, if it is a placeholder. Does not pass it.
    pub(in crate::socket) fn attachment(&mut self) -> Result<Option<&'de Bytes>, Error> {
        if self.attachments.is_empty() || self.reader.peek() != Some(b'{') {
            return Ok(None);
        }
        let placeholders = match self.placeholders.take() {
            Some(placeholders) => placeholders,
            None => Placeholders::of(self.reader.text())?,
        };
        let index = self.placeholders.insert(placeholders).at(self.reader.at());
        Ok(index.and_then(|index| self.attachments.get(index)))
    }

    /// Passes the next value and returns its attachment, if it is a placeholder.
    pub(in crate::socket) fn take_attachment(&mut self) -> Result<Option<&'de Bytes>, Error> {
        let attachment = self.attachment()?;
        if attachment.is_some() {
            self.reader.skip()?;
        }
        Ok(attachment)
    }

    fn next_is_number(&mut self) -> bool {
        matches!(self.reader.peek(), Some(b'-' | b'0'..=b'9'))
    }

    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        visit_text(self.reader.string()?, visitor)
    }

    fn visit_word<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.reader.word()? {
            "false" => visitor.visit_bool(false),
            "null" => visitor.visit_unit(),
            "true" => visitor.visit_bool(true),
            _ => Err(Error::broken()),
        }
    }

    /// A number for a type that takes any, or any whole number.
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let text = self.reader.word()?;
        if let Ok(number) = text.parse() {
            return visitor.visit_u64(number);
        }
        if let Ok(number) = text.parse() {
            return visitor.visit_i64(number);
        }
        if ARBITRARY_PRECISION && exceeds_f64(text) {
            return visit_tagged(NUMBER, text, visitor);
        }
        visitor.visit_f64(float(text)?)
    }

    fn visit_elements<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.reader.require(b'[')?;
        let value = visitor.visit_seq(Elements::new(self))?;
        if self.reader.take(b']') {
            return Ok(value);
        }
        Err(de::Error::custom("more elements than expected"))
    }

    fn visit_members<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.reader.require(b'{')?;
        let value = visitor.visit_map(Members::new(self))?;
        if self.reader.take(b'}') {
            return Ok(value);
        }
        Err(de::Error::custom("more members than expected"))
    }

    /// A list asked for: an attachment is a list of its bytes.
    fn visit_list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if self.reader.peek() == Some(b'[') {
            return self.visit_elements(visitor);
        }
        let Some(attachment) = self.take_attachment()? else {
            return self.mismatch(&visitor);
        };
        let mut bytes = SeqDeserializer::new(attachment.iter().copied());
        let value = visitor.visit_seq(&mut bytes)?;
        bytes.end()?;
        Ok(value)
    }

    /// The error for a value of another type than asked for.
    fn mismatch<T>(&mut self, expected: &dyn de::Expected) -> Result<T, Error> {
        let found = match self.reader.peek() {
            Some(b'"') => Unexpected::Str(""),
            Some(b'[') => Unexpected::Seq,
            Some(b'{') if self.attachment()?.is_some() => Unexpected::Bytes(&[]),
            Some(b'{') => Unexpected::Map,
            Some(b'n') => Unexpected::Unit,
            Some(b't' | b'f') => Unexpected::Bool(true),
            Some(b'-' | b'0'..=b'9') => Unexpected::Other("number"),
            _ => return Err(Error::broken()),
        };
        Err(de::Error::invalid_type(found, expected))
    }
}

fn visit_text<'de, V: Visitor<'de>, E: de::Error>(
    text: Cow<'de, str>,
    visitor: V,
) -> Result<V::Value, E> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

/// Hands over a text in the way that `serde_json`'s own types know it by.
fn visit_tagged<'de, V: Visitor<'de>>(
    tag: &'static str,
    text: &'de str,
    visitor: V,
) -> Result<V::Value, Error> {
    visitor.visit_map(MapDeserializer::new(iter::once((
        BorrowedStrDeserializer::new(tag),
        BorrowedStrDeserializer::new(text),
    ))))
}

/// Reads a number as the nearest `f64`. One beyond its range is an error, as with `serde_json`:
/// what JavaScript makes of it, infinity, is a trap in Rust code that reads JSON.
fn float(text: &str) -> Result<f64, Error> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| de::Error::custom("number out of range"))
}

/// Whether an `f64` loses something: more digits that count than the 17 that tell all of them apart,
/// or the range.
fn exceeds_f64(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or(number);
    let digits = mantissa.trim_matches(['-', '0', '.']);
    digits.bytes().filter(u8::is_ascii_digit).count() > 17 || float(number).is_err()
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if self.next_is_number() {
                return self.visit_number(visitor);
            }
            self.mismatch(&visitor)
        }
    )*};
}

macro_rules! exact_numbers {
    ($($method:ident: $type:ty => $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let before = self.reader;
            match self.reader.word().map(str::parse::<$type>) {
                Ok(Ok(number)) => visitor.$visit(number),
                _ => {
                    self.reader = before;
                    self.deserialize_i64(visitor)
                }
            }
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if self.reader.peek() == Some(b'"') {
                return self.visit_string(visitor);
            }
            self.mismatch(&visitor)
        }
    )*};
}

macro_rules! bytes {
    ($($method:ident)*) => {$(
        /// An attachment is lent, so that a type that borrows it shares the buffer.
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if let Some(attachment) = self.take_attachment()? {
                return visitor.visit_borrowed_bytes(attachment);
            }
            match self.reader.peek() {
                Some(b'"') => self.visit_string(visitor),
                Some(b'[') => self.visit_elements(visitor),
                _ => self.mismatch(&visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.reader.peek() {
            Some(b'"') => self.visit_string(visitor),
            Some(b'[') => self.visit_elements(visitor),
            Some(b'{') if self.untyped == Untyped::Bytes => match self.take_attachment()? {
                Some(attachment) => {
                    self.offered = true;
                    visitor.visit_borrowed_bytes(attachment)
                }
                None => self.visit_members(visitor),
            },
            Some(b'{') => self.visit_members(visitor),
            Some(b'-' | b'0'..=b'9') => self.visit_number(visitor),
            _ => self.visit_word(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.reader.peek() {
            Some(b't' | b'f') => self.visit_word(visitor),
            _ => self.mismatch(&visitor),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    exact_numbers! {
        deserialize_i128: i128 => visit_i128
        deserialize_u128: u128 => visit_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.next_is_number() {
            return self.mismatch(&visitor);
        }
        let number: Option<f32> = self.reader.word()?.parse().ok();
        match number.filter(|number| number.is_finite()) {
            Some(number) => visitor.visit_f32(number),
            None => Err(de::Error::custom("number out of range")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.next_is_number() {
            return self.mismatch(&visitor);
        }
        visitor.visit_f64(float(self.reader.word()?)?)
    }

    texts! { deserialize_char deserialize_identifier deserialize_str deserialize_string }

    bytes! { deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.reader.peek() == Some(b'n') {
            self.reader.word()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.reader.peek() {
            Some(b'n') => self.visit_word(visitor),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            BINARY => match self.take_attachment()? {
                Some(attachment) if Carried::is_seen() => Err(Error::carry(attachment)),
                Some(attachment) => visitor.visit_borrowed_bytes(attachment),
                None => self.visit_list(visitor),
            },
            RAW_VALUE => visit_tagged(RAW_VALUE, self.reader.skip()?, visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit_list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit_list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit_list(visitor)
    }

    /// A map or struct asked for is told of a placeholder as of any object.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.reader.peek() {
            Some(b'{') => self.visit_members(visitor),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.reader.peek() {
            Some(b'[') => self.visit_elements(visitor),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.reader.peek() {
            Some(b'"') => visitor.visit_enum(Variant::unit(self)),
            Some(b'{') => {
                self.reader.require(b'{')?;
                let value = visitor.visit_enum(Variant::with_content(self))?;
                if self.reader.take(b'}') {
                    return Ok(value);
                }
                Err(de::Error::custom("more members than one variant has"))
            }
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.reader.skip()?;
        visitor.visit_unit()
    }
}

#[cfg(test)]
mod tests;
