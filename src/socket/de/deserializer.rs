//! What serde may ask of a value.

use serde::{
    Deserializer,
    de::{self, Visitor},
};

use super::{
    BINARY, Carried, Decoder, Error, RAW_VALUE, Untyped, access::Variant, float, visit_tagged,
};

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
            Some(b'-' | b'0'..=b'9') => self.visit_any_number(visitor),
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
