//! Arrays and objects on the way out.

use core::mem;

use serde::{
    Serialize,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
        SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{Encoder, Failure, key::Key, raw::Raw};

/// An array or object whose bracket is written.
#[derive(Debug)]
pub(in crate::socket) struct Compound<'a> {
    encoder: &'a mut Encoder,
    first: bool,
    form: Form,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Array,
    /// A list whose bracket stands already before an event's name.
    Arguments,
    Object,
    /// No compound at all: `serde_json`'s way of handing over a text.
    Raw,
    /// An array that is the content of an enum's variant.
    VariantArray,
    /// An object that is the content of an enum's variant.
    VariantObject,
}

impl Form {
    pub(super) const fn open(self) -> &'static str {
        match self {
            Self::Array | Self::VariantArray => "[",
            Self::Object | Self::VariantObject => "{",
            Self::Arguments | Self::Raw => "",
        }
    }

    const fn close(self) -> &'static str {
        match self {
            Self::Arguments | Self::Array => "]",
            Self::Object => "}",
            Self::VariantArray => "]}",
            Self::VariantObject => "}}",
            Self::Raw => "",
        }
    }

    /// How many levels of nesting it is.
    pub(super) const fn levels(self) -> usize {
        match self {
            Self::Arguments | Self::Array | Self::Object => 1,
            Self::VariantArray | Self::VariantObject => 2,
            Self::Raw => 0,
        }
    }
}

impl<'a> Compound<'a> {
    pub(super) fn new(encoder: &'a mut Encoder, form: Form) -> Self {
        Self {
            encoder,
            first: true,
            form,
        }
    }

    /// One that goes on behind elements that are written already.
    pub(super) fn continued(self) -> Self {
        Self {
            first: false,
            ..self
        }
    }

    #[inline]
    pub(super) fn close(self) {
        self.encoder.text.push_str(self.form.close());
        self.encoder.leave(self.form.levels());
    }

    /// Closes a struct. One that hands over a text has exactly one field.
    fn close_struct(self) -> Result<(), Failure> {
        if self.form == Form::Raw && self.first {
            self.encoder.failed = true;
            return Err(not_one_field());
        }
        self.close();
        Ok(())
    }

    #[inline]
    fn separate(&mut self) {
        if !mem::take(&mut self.first) {
            self.encoder.text.push_str(",");
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.separate();
        let written = value.serialize(&mut *self.encoder);
        self.encoder.noted(written)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Failure> {
        if self.form == Form::Raw {
            let written = if mem::take(&mut self.first) {
                value.serialize(Raw(self.encoder))
            } else {
                Err(not_one_field())
            };
            return self.encoder.noted(written);
        }
        let is_first = mem::take(&mut self.first);
        self.encoder.text.push_name(name, is_first);
        let written = value.serialize(&mut *self.encoder);
        self.encoder.noted(written)
    }
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.separate();
        let written = key.serialize(Key(&mut self.encoder.text));
        self.encoder.noted(written)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.encoder.text.push_str(":");
        let written = value.serialize(&mut *self.encoder);
        self.encoder.noted(written)
    }

    fn end(self) -> Result<(), Failure> {
        self.close();
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident)*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = Failure;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
                self.element(value)
            }

            fn end(self) -> Result<(), Failure> {
                self.close();
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq: serialize_element
    SerializeTuple: serialize_element
    SerializeTupleStruct: serialize_field
    SerializeTupleVariant: serialize_field
}

fn not_one_field() -> Failure {
    Failure::custom("a raw value that is not one text")
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = Failure;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Failure> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Failure> {
                self.close_struct()
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }
