//! From the application's types to JSON text and attachments.
//!
//! It is a serializer of its own, because bytes at any depth become attachments (Socket.IO
//! reference, section 1.7) and because the text goes straight into the packet's buffer. The JSON is
//! that of `JSON.stringify` (section 1.8), except that whole numbers keep all their digits: above
//! 2⁵³ a peer in JavaScript reads the nearest number it has.

mod ask;
mod compound;
mod error;
mod key;
mod list;
mod raw;
mod refuse;
mod text;

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{
    Serialize, Serializer,
    ser::{self, SerializeMap as _},
};

use self::{
    ask::ask,
    compound::{Compound, Form},
};
use super::{
    args::Args,
    de::{BINARY, NUMBER, RAW_VALUE},
};

pub use self::error::EncodeError;
pub(in crate::socket) use self::{error::Failure, list::List, text::Text};

/// The name under which [`Args`] offers itself whole.
pub(in crate::socket) const ARGS: &str = "$socketio_proto::Args";

/// How deep arrays and objects may nest, the list of arguments counted: as deep as peers of this
/// crate read by default.
pub(in crate::socket) const MAX_DEPTH: usize = 128;
/// How many attachments a packet may have: with more, a receiver with default settings closes the
/// connection (Socket.IO reference, section 1.7).
pub(in crate::socket) const MAX_ATTACHMENTS: usize = 10;

/// Encodes one value that cannot have attachments. The level that a packet may put around it counts.
pub(in crate::socket) fn json(
    value: &(impl Serialize + ?Sized),
) -> Result<ByteString, EncodeError> {
    let mut encoder = Encoder::new(Text::with_capacity(64), Attachments::Refused);
    encoder.enter(1)?;
    value.serialize(&mut encoder)?;
    encoder.check()?;
    Ok(encoder.text.into_shared())
}

/// Where bytes go.
#[derive(Debug)]
enum Attachments {
    Collected {
        /// No more than are allowed.
        bytes: Vec<Bytes>,
        seen: usize,
    },
    /// All of them come from received arguments, and so do their numbers in the text.
    Forwarded(Arc<[Bytes]>),
    Refused,
}

/// What an encoder has written.
#[derive(Debug)]
pub(in crate::socket) struct Encoded {
    pub(in crate::socket) text: Text,
    pub(in crate::socket) attachments: Option<Arc<[Bytes]>>,
}

/// Writes values one after the other.
#[derive(Debug)]
pub(in crate::socket) struct Encoder {
    text: Text,
    depth: usize,
    attachments: Attachments,
    /// Whether an element or a member could not be written. A type may go on behind that as if
    /// nothing had happened; the text is not JSON any more.
    failed: bool,
}

impl Encoder {
    /// Room for what may still come behind forwarded arguments: an offset for recovery, a bracket.
    const BEHIND: usize = 64;

    /// Appends arguments to a text.
    pub(in crate::socket) fn of_arguments(text: Text) -> Self {
        let (bytes, seen) = (Vec::new(), 0);
        Self::new(text, Attachments::Collected { bytes, seen })
    }

    fn new(text: Text, attachments: Attachments) -> Self {
        Self {
            text,
            depth: 0,
            attachments,
            failed: false,
        }
    }

    /// Begins the list with an event's name.
    pub(in crate::socket) fn with_name(mut self, name: &str) -> Self {
        self.text.push_quoted(name);
        self
    }

    /// Appends received arguments as they came, in place of any others.
    fn forward(&mut self, args: &Args) -> Result<(), Failure> {
        check_attachments(args.attachments().len())?;
        self.text.reserve(args.json().len() + Self::BEHIND);
        self.text.push_str(args.json());
        if let Some(attachments) = args.shared_attachments() {
            self.attachments = Attachments::Forwarded(Arc::clone(attachments));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), EncodeError> {
        if self.failed {
            let message = "a value went on behind an error of one of its parts";
            return Err(EncodeError::Custom(message.into()));
        }
        Ok(())
    }

    /// Takes note of what became of a part of a value.
    #[inline]
    fn noted(&mut self, written: Result<(), Failure>) -> Result<(), Failure> {
        self.failed |= written.is_err();
        written
    }

    pub(in crate::socket) fn finish(self) -> Result<Encoded, Failure> {
        self.check()?;
        let attachments = match self.attachments {
            Attachments::Collected { seen: 0, .. } | Attachments::Refused => None,
            Attachments::Collected { bytes, seen } => {
                check_attachments(seen)?;
                Some(bytes.into())
            }
            Attachments::Forwarded(attachments) => Some(attachments),
        };
        let text = self.text;
        Ok(Encoded { text, attachments })
    }

    /// Puts a placeholder into the text: `{"_placeholder":true,"num":0}`.
    fn attach(&mut self, attachment: Bytes) -> Result<(), Failure> {
        self.enter(1)?;
        let Attachments::Collected { bytes, seen } = &mut self.attachments else {
            return Err(EncodeError::BinaryInData.into());
        };
        self.text.push_str(r#"{"_placeholder":true,"num":"#);
        self.text.push_str(itoa::Buffer::new().format(*seen));
        self.text.push_str("}");
        if *seen < MAX_ATTACHMENTS {
            bytes.push(attachment);
        }
        *seen += 1;
        self.leave(1);
        Ok(())
    }

    fn enter(&mut self, levels: usize) -> Result<(), Failure> {
        let limit = MAX_DEPTH;
        if self.depth + levels > limit {
            return Err(EncodeError::TooDeep { limit }.into());
        }
        self.depth += levels;
        Ok(())
    }

    fn leave(&mut self, levels: usize) {
        self.depth = self.depth.saturating_sub(levels);
    }

    #[inline]
    fn open(&mut self, form: Form) -> Result<Compound<'_>, Failure> {
        self.enter(form.levels())?;
        self.text.push_str(form.open());
        Ok(Compound::new(self, form))
    }

    /// A variant with content: `{"name":` and the beginning of the content.
    fn open_variant(&mut self, name: &str, form: Form) -> Result<Compound<'_>, Failure> {
        self.enter(form.levels())?;
        self.text.push_str("{");
        self.text.push_quoted(name);
        self.text.push_str(":");
        self.text.push_str(form.open());
        Ok(Compound::new(self, form))
    }
}

fn check_attachments(seen: usize) -> Result<(), Failure> {
    let limit = MAX_ATTACHMENTS;
    if seen > limit {
        return Err(EncodeError::TooManyAttachments { limit, seen }.into());
    }
    Ok(())
}

macro_rules! whole_numbers {
    ($($method:ident: $type:ty)*) => {$(
        fn $method(self, number: $type) -> Result<(), Failure> {
            self.text.push_str(itoa::Buffer::new().format(number));
            Ok(())
        }
    )*};
}

macro_rules! fractional_numbers {
    ($($method:ident: $type:ty)*) => {$(
        /// The shortest text that reads as the same number. What JSON has no text for is `null`.
        fn $method(self, number: $type) -> Result<(), Failure> {
            if !number.is_finite() {
                return self.serialize_unit();
            }
            let mut buffer = zmij::Buffer::new();
            let text = buffer.format_finite(number);
            // As in JavaScript, 1.0 is `1` and -0.0 is `0`.
            let text = text.strip_suffix(".0").unwrap_or(text);
            self.text.push_str(if text == "-0" { "0" } else { text });
            Ok(())
        }
    )*};
}

impl<'a> Serializer for &'a mut Encoder {
    type Ok = ();
    type Error = Failure;
    type SerializeMap = Compound<'a>;
    type SerializeSeq = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Failure> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    whole_numbers! {
        serialize_i8: i8 serialize_i16: i16 serialize_i32: i32 serialize_i64: i64
        serialize_u8: u8 serialize_u16: u16 serialize_u32: u32 serialize_u64: u64
        serialize_i128: i128 serialize_u128: u128
    }

    fractional_numbers! { serialize_f32: f32 serialize_f64: f64 }

    fn serialize_char(self, value: char) -> Result<(), Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Failure> {
        self.text.push_quoted(value);
        Ok(())
    }

    /// Bytes of types other than [`Binary`](crate::socket::Binary) are copied, once.
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Failure> {
        self.attach(Bytes::copy_from_slice(value))
    }

    fn serialize_none(self) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failure> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Failure> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        match (name == BINARY).then(|| ask(value)).flatten() {
            Some(attachment) => self.attach(attachment),
            None => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        let mut object = self.open(Form::Object)?;
        object.serialize_entry(variant, value)?;
        object.close();
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Compound<'a>, Failure> {
        self.open(Form::Array)
    }

    fn serialize_tuple(self, _length: usize) -> Result<Compound<'a>, Failure> {
        self.open(Form::Array)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Failure> {
        self.open(Form::Array)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Failure> {
        self.open_variant(variant, Form::VariantArray)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Compound<'a>, Failure> {
        self.open(Form::Object)
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Compound<'a>, Failure> {
        if name == NUMBER || name == RAW_VALUE {
            return Ok(Compound::new(self, Form::Raw));
        }
        self.open(Form::Object)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Failure> {
        self.open_variant(variant, Form::VariantObject)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let written = self.text.push_displayed(value);
        written.map_err(|_| ser::Error::custom("formatting failed"))
    }
}

#[cfg(test)]
mod tests;
