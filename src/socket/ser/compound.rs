//! Arrays and objects on the way out.

use core::mem;

use serde::{
    Serialize,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
        SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{EncodeError, Encoder, key::Key, push_quoted, raw::Raw};

/// An array or object whose bracket is written.
#[derive(Debug)]
pub(in crate::socket) struct Compound<'a> {
    encoder: &'a mut Encoder,
    first: bool,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// The text that closes it, and how many levels that closes.
    Json { close: &'static str, levels: usize },
    /// No compound at all: `serde_json`'s way of handing over a text.
    Raw,
}

impl<'a> Compound<'a> {
    pub(super) fn new(encoder: &'a mut Encoder, close: &'static str) -> Self {
        Self {
            encoder,
            first: true,
            form: Form::Json { close, levels: 1 },
        }
    }

    pub(super) fn raw(encoder: &'a mut Encoder) -> Self {
        Self {
            encoder,
            first: true,
            form: Form::Raw,
        }
    }

    /// One that goes on behind elements that are written already.
    pub(super) fn continued(self) -> Self {
        Self {
            first: false,
            ..self
        }
    }

    pub(super) fn of_two_levels(self) -> Self {
        let form = match self.form {
            Form::Json { close, .. } => Form::Json { close, levels: 2 },
            Form::Raw => Form::Raw,
        };
        Self { form, ..self }
    }

    pub(super) fn close(self) {
        if let Form::Json { close, levels } = self.form {
            self.encoder.text.push_str(close);
            for _ in 0..levels {
                self.encoder.leave();
            }
        }
    }

    /// Closes a struct. One that hands over a text has exactly one field.
    fn close_struct(self) -> Result<(), EncodeError> {
        if matches!(self.form, Form::Raw) && self.first {
            return Err(not_one_field());
        }
        self.close();
        Ok(())
    }

    fn separate(&mut self) {
        if !mem::take(&mut self.first) {
            self.encoder.text.push(',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.separate();
        value.serialize(&mut *self.encoder)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), EncodeError> {
        if let Form::Raw = self.form {
            if !mem::take(&mut self.first) {
                return Err(not_one_field());
            }
            return value.serialize(Raw(self.encoder));
        }
        self.separate();
        push_quoted(&mut self.encoder.text, name);
        self.encoder.text.push(':');
        value.serialize(&mut *self.encoder)
    }
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.separate();
        key.serialize(Key(&mut self.encoder.text))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.encoder.text.push(':');
        value.serialize(&mut *self.encoder)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close();
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident)*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.element(value)
            }

            fn end(self) -> Result<(), EncodeError> {
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

fn not_one_field() -> EncodeError {
    EncodeError::custom("a raw value that is not one text")
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close_struct()
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }
