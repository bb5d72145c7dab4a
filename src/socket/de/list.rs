//! An argument list, read the way JavaScript passes arguments.

use core::marker::PhantomData;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{Decoder, Error, Untyped};
use crate::socket::args::ArgsError;

/// The arguments that a decoder stands before, to its end.
///
/// Surplus arguments are ignored and missing ones read as `null`, up to the length of the tuple
/// that is asked for.
pub(in crate::socket) struct List<'a, 'de>(pub(in crate::socket) &'a mut Decoder<'de>);

impl<'de> List<'_, 'de> {
    fn visit<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Arguments {
            decoder: self.0,
            argument: 0,
            length,
        })
    }

    fn refuse<T>() -> Result<T, Error> {
        Err(Error::Mismatch(ArgsError::NotAList))
    }
}

macro_rules! refuse {
    ($($method:ident($($argument:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Error> {
            Self::refuse()
        }
    )*};
}

impl<'de> Deserializer<'de> for List<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(0, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(length, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    refuse! {
        deserialize_bool() deserialize_char() deserialize_str() deserialize_string()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_map() deserialize_identifier()
        deserialize_struct(&'static str, &'static [&'static str])
        deserialize_enum(&'static str, &'static [&'static str])
    }

    forward_to_deserialize_any! { seq }
}

struct Arguments<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    argument: usize,
    /// How many are asked for at least.
    length: usize,
}

impl<'de> SeqAccess<'de> for Arguments<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let argument = self.argument;
        self.argument += 1;
        if self.decoder.reader.peek().is_none() {
            return if argument < self.length {
                absent_for(seed)
                    .map_err(|error| error.missing(argument))
                    .map(Some)
            } else {
                Ok(None)
            };
        }
        if argument > 0 {
            self.decoder.reader.require(b',')?;
        }
        seed.deserialize(&mut *self.decoder)
            .map_err(|error| error.at(argument))
            .map(Some)
    }
}

/// What a missing argument is for a type.
pub(in crate::socket) fn absent<'de, T: Deserialize<'de>>() -> Result<T, Error> {
    absent_for(PhantomData)
}

fn absent_for<'de, T: DeserializeSeed<'de>>(seed: T) -> Result<T::Value, Error> {
    seed.deserialize(&mut Decoder::new("null", &[], Untyped::Bytes))
}
