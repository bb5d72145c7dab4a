//! An argument list on the way out.

use serde::{Serialize, Serializer};

use super::{ARGS, Compound, EncodeError, Encoder, Failure, Form, ask::ask, refuse::refuse};
use crate::socket::args::Args;

/// Writes arguments behind what the encoder holds, and the bracket that closes them.
///
/// Arguments are a tuple, any other list, `()` for none, or received [`Args`], which are taken over
/// as they came.
#[derive(Debug)]
pub(in crate::socket) struct List<'a> {
    pub(in crate::socket) encoder: &'a mut Encoder,
    /// Whether an event's name stands before them.
    pub(in crate::socket) named: bool,
}

impl<'a> List<'a> {
    #[expect(clippy::unused_self, reason = "the shape that the macro calls")]
    fn refuse(&self) -> Failure {
        EncodeError::NotArguments.into()
    }

    fn open(self) -> Result<Compound<'a>, Failure> {
        let list = self.encoder.open(Form::Arguments)?;
        Ok(if self.named { list.continued() } else { list })
    }

    /// Takes over received arguments.
    ///
    /// # Errors
    ///
    /// When more attachments came than may be sent.
    pub(in crate::socket) fn forward(self, args: &Args) -> Result<(), Failure> {
        if self.named && !args.is_empty() {
            self.encoder.text.push_str(",");
        }
        self.encoder.forward(args)?;
        self.encoder.text.push_str("]");
        Ok(())
    }
}

impl<'a> Serializer for List<'a> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;

    fn serialize_seq(self, _length: Option<usize>) -> Result<Compound<'a>, Failure> {
        self.open()
    }

    fn serialize_tuple(self, _length: usize) -> Result<Compound<'a>, Failure> {
        self.open()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Failure> {
        self.open()
    }

    fn serialize_unit(self) -> Result<(), Failure> {
        self.open()?.close();
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        match (name == ARGS).then(|| ask(value)).flatten() {
            Some(args) => self.forward(&args),
            None => value.serialize(self),
        }
    }

    refuse! { compounds numbers options texts unit_variants }
    refuse! { simple: serialize_bytes(&[u8]) }
}
