//! From received JSON text to the application's types.
//!
//! It is a deserializer of its own rather than `serde_json`'s, because the text was checked when it
//! came in, and because attachments have to be found at any depth: an object that is a placeholder
//! becomes its attachment wherever bytes are asked for.

mod access;
mod deserializer;
mod error;
mod list;
mod octets;
mod placeholders;
mod reader;

use alloc::borrow::Cow;
use core::iter;

use bytes::Bytes;
use serde::de::{
    self, Unexpected, Visitor,
    value::{BorrowedStrDeserializer, MapDeserializer},
};

use self::{
    access::{Elements, Members},
    octets::Octets,
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

    /// A number for a type that takes any: as in JavaScript, `-0` is not 0.
    fn visit_any_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.reader.word()? {
            "-0" => visitor.visit_f64(-0.0),
            text => Self::visit_number_text(text, visitor),
        }
    }

    /// A number for a type that takes any whole number.
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        Self::visit_number_text(self.reader.word()?, visitor)
    }

    fn visit_number_text<V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, Error> {
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
        let mut octets = Octets(attachment.iter());
        let value = visitor.visit_seq(&mut octets)?;
        if octets.0.len() > 0 {
            return Err(de::Error::custom("more bytes than expected"));
        }
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

#[cfg(test)]
mod tests;
