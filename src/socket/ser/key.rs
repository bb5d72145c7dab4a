//! The keys of maps on the way out.

use alloc::string::String;
use core::fmt;

use serde::{Serialize, Serializer, ser::Error as _};

use super::{EncodeError, push_quoted, refuse::refuse, text::Quoted};

/// Writes a member's name. As with `serde_json`, numbers, booleans and characters are written in
/// quotes, and an enum's variant without content is its name.
pub(super) struct Key<'a>(pub(super) &'a mut String);

impl Key<'_> {
    #[expect(clippy::unused_self, reason = "the shape that the macro calls")]
    fn refuse(&self) -> EncodeError {
        EncodeError::KeyNotString
    }
}

macro_rules! displayed {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<(), EncodeError> {
            self.collect_str(&value)
        }
    )*};
}

macro_rules! fractional_numbers {
    ($($method:ident: $type:ty)*) => {$(
        fn $method(self, number: $type) -> Result<(), EncodeError> {
            if !number.is_finite() {
                return Err(self.refuse());
            }
            self.serialize_str(zmij::Buffer::new().format_finite(number))
        }
    )*};
}

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = EncodeError;

    displayed! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
        serialize_char(char)
    }

    fractional_numbers! { serialize_f32: f32 serialize_f64: f64 }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        push_quoted(self.0, value);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        Err(self.refuse())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        Quoted::write(self.0, value).map_err(|_| EncodeError::custom("formatting failed"))
    }

    refuse! { compounds lists units }
    refuse! { simple: serialize_bytes(&[u8]) }
}
