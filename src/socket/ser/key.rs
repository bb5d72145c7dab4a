//! The keys of maps on the way out.

use core::fmt;

use serde::{Serialize, Serializer, ser::Error as _};

use super::{EncodeError, Failure, Text, refuse::refuse};

/// Writes a member's name. As with `serde_json`, numbers, booleans and characters are written in
/// quotes, and an enum's variant without content is its name.
pub(super) struct Key<'a>(pub(super) &'a mut Text);

impl Key<'_> {
    #[expect(clippy::unused_self, reason = "the shape that the macro calls")]
    fn refuse(&self) -> Failure {
        EncodeError::KeyNotString.into()
    }
}

macro_rules! displayed {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<(), Failure> {
            self.collect_str(&value)
        }
    )*};
}

macro_rules! fractional_numbers {
    ($($method:ident: $type:ty)*) => {$(
        fn $method(self, number: $type) -> Result<(), Failure> {
            if !number.is_finite() {
                return Err(self.refuse());
            }
            self.serialize_str(zmij::Buffer::new().format_finite(number))
        }
    )*};
}

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = Failure;

    displayed! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
        serialize_char(char)
    }

    fractional_numbers! { serialize_f32: f32 serialize_f64: f64 }

    fn serialize_str(self, value: &str) -> Result<(), Failure> {
        self.0.push_quoted(value);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Failure> {
        Err(self.refuse())
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
        _name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let written = self.0.push_displayed(value);
        written.map_err(|_| Failure::custom("formatting failed"))
    }

    refuse! { compounds lists units }
    refuse! { simple: serialize_bytes(&[u8]) }
}
