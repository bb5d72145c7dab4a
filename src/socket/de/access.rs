//! What is inside arrays, objects and enums.

use alloc::borrow::Cow;
use core::str::FromStr;

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
    forward_to_deserialize_any,
};

use super::{Decoder, Error, visit_text};
use crate::socket::json;

/// The elements of an array, from behind its bracket.
pub(super) struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    first: bool,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>) -> Self {
        Self {
            decoder,
            first: true,
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.decoder.reader.peek() == Some(b']') {
            return Ok(None);
        }
        if !core::mem::take(&mut self.first) {
            self.decoder.reader.require(b',')?;
        }
        seed.deserialize(&mut *self.decoder).map(Some)
    }
}

/// The members of an object, from behind its brace.
pub(super) struct Members<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    first: bool,
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>) -> Self {
        Self {
            decoder,
            first: true,
        }
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.decoder.reader.peek() == Some(b'}') {
            return Ok(None);
        }
        if !core::mem::take(&mut self.first) {
            self.decoder.reader.require(b',')?;
        }
        let key = self.decoder.reader.string()?;
        self.decoder.reader.require(b':')?;
        seed.deserialize(Key(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.decoder)
    }
}

/// A member's name. Types other than strings are read from its text, as `serde_json` does it.
struct Key<'de>(Cow<'de, str>);

impl Key<'_> {
    /// It as a number that JSON can write: Rust reads more, `+1`, `01` and `NaN` among it.
    fn number<T: FromStr>(&self) -> Option<T> {
        let is_number = self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && json::check(&self.0, 0, 0) == Ok(self.0.len());
        self.0.parse().ok().filter(|_| is_number)
    }
}

macro_rules! numbers {
    ($($method:ident => $visit:ident $(if $condition:expr)?;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.number()$(.filter($condition))? {
                Some(number) => visitor.$visit(number),
                None => visit_text(self.0, visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visit_text(self.0, visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_) => visit_text(self.0, visitor),
        }
    }

    numbers! {
        deserialize_f32 => visit_f32 if |number: &f32| number.is_finite();
        deserialize_f64 => visit_f64 if |number: &f64| number.is_finite();
        deserialize_i8 => visit_i8;
        deserialize_i16 => visit_i16;
        deserialize_i32 => visit_i32;
        deserialize_i64 => visit_i64;
        deserialize_i128 => visit_i128;
        deserialize_u8 => visit_u8;
        deserialize_u16 => visit_u16;
        deserialize_u32 => visit_u32;
        deserialize_u64 => visit_u64;
        deserialize_u128 => visit_u128;
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        byte_buf bytes char identifier ignored_any map seq str string struct tuple tuple_struct
        unit unit_struct
    }
}

/// An enum: the variant's name alone, or an object of the name and the content.
pub(super) struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    has_content: bool,
}

impl<'a, 'de> Variant<'a, 'de> {
    pub(super) fn unit(decoder: &'a mut Decoder<'de>) -> Self {
        Self {
            decoder,
            has_content: false,
        }
    }

    /// From behind the object's brace.
    pub(super) fn with_content(decoder: &'a mut Decoder<'de>) -> Self {
        Self {
            decoder,
            has_content: true,
        }
    }

    fn content(self, expected: &'static str) -> Result<&'a mut Decoder<'de>, Error> {
        if self.has_content {
            return Ok(self.decoder);
        }
        Err(de::Error::invalid_type(
            de::Unexpected::UnitVariant,
            &expected,
        ))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = Key(self.decoder.reader.string()?);
        if self.has_content {
            self.decoder.reader.require(b':')?;
        }
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.has_content {
            return Deserialize::deserialize(self.decoder);
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content("a variant with a value")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.content("a variant with values")?
            .deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content("a variant with fields")?
            .deserialize_struct("", fields, visitor)
    }
}
