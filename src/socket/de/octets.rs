//! An attachment as a list of its bytes.

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::Error;

/// The bytes one by one, for types that ask for numbers.
///
/// A type that takes any value gets none: it makes so much more of every byte than the byte takes
/// that a peer could fill the memory with a few attachments.
pub(super) struct Octets<'de>(pub(super) core::slice::Iter<'de, u8>);

impl<'de> SeqAccess<'de> for Octets<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let octet = self.0.next();
        octet
            .map(|&octet| seed.deserialize(Octet(octet)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Octet(u8);

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_u8(self.0)
        }
    )*};
}

impl<'de> Deserializer<'de> for Octet {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::invalid_type(Unexpected::Bytes(&[]), &visitor))
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
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
        bool byte_buf bytes char enum identifier ignored_any map seq str string struct tuple
        tuple_struct unit unit_struct
    }
}
