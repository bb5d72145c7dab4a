//! What an event carries: its name and arguments, as they came.

mod arg;
mod binary;
mod data;
pub(super) mod source;
mod transcode;
mod tray;

use alloc::{boxed::Box, sync::Arc};
use core::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

pub(super) use self::tray::Tray;
pub use self::{
    arg::{Arg, ArgsIter},
    binary::Binary,
    data::Data,
};
use super::{
    de::{self, Decoder, List, Reader, bounded},
    ser,
};

/// A half-open range of byte offsets into a received text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// A text is nowhere so long that its offsets do not fit; one that is, is read as empty.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let fit = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: fit(start),
            end: fit(end),
        }
    }

    /// The same in a text that has more before it.
    pub(crate) fn shifted(self, by: u32) -> Self {
        Self {
            start: self.start.saturating_add(by),
            end: self.end.saturating_add(by),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// An event's name and arguments, or an answer's arguments, as they came: validated once, decoded
/// when asked.
///
/// A clone shares the buffers. Given where arguments are expected, as in
/// [`Packet::event`](super::Packet::event), it is forwarded without being decoded.
///
/// What peers send is read as follows.
///
/// - Surplus arguments are ignored and missing ones are `null`, as in JavaScript. So an argument
///   that may be missing is an `Option`, and what a server appends for recovery disturbs nobody.
/// - An attachment is found at any depth. [`Binary`] and `&[u8]` share its buffer; other types,
///   `Vec<u8>` among them, copy it, and so does `Binary` inside an untagged enum or a flattened
///   field, which serde buffers.
/// - A type that takes any value gets bytes for an attachment, except one that cannot hold bytes,
///   as `serde_json::Value`: it gets the object that stands in the text,
///   `{"_placeholder":true,"num":0}`. Bytes are tried first, for all that one call asks for, and
///   the objects only if that fails; so a call that asks for types of both kinds fails, or takes
///   the object where it could have bytes. In an untagged enum the variant with bytes comes first:
///   a variant with text before it takes an attachment that is UTF-8.
/// - Half a surrogate pair, which JavaScript strings can hold and Rust's cannot, is U+FFFD.
/// - A number beyond the range of the type asked for is an error. JavaScript itself has no whole
///   numbers above 2⁵³, and sends `1` for `1.0`.
/// - Members of `serde_json::value::RawValue` keep their placeholders as they stand.
#[derive(Clone)]
pub struct Args {
    /// The whole text message that held them.
    text: ByteString,
    /// The name; nothing, at the start of the text, for an answer.
    name: Span,
    /// The arguments with the commas between them.
    arguments: Span,
    /// What few arguments need.
    extra: Option<Box<Extra>>,
}

/// What few packets have.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Extra {
    /// An event's name, if it is a string with escapes.
    name: Option<Box<str>>,
    pub(crate) attachments: Option<Arc<[Bytes]>>,
}

impl Extra {
    pub(crate) fn of_name(name: Box<str>) -> Self {
        Self {
            name: Some(name),
            attachments: None,
        }
    }
}

impl Args {
    /// `text` was checked: `arguments` spans the elements of a valid JSON array in it behind the
    /// name, no deeper than the limit, and each placeholder names one of the attachments.
    pub(crate) fn new(
        text: ByteString,
        name: Span,
        arguments: Span,
        extra: Option<Box<Extra>>,
    ) -> Self {
        Self {
            text,
            name,
            arguments,
            extra,
        }
    }

    /// No arguments: what a packet without a payload has.
    pub(crate) fn none() -> Self {
        Self::new(ByteString::new(), Span::default(), Span::default(), None)
    }

    /// The event's name; a number is its text. An answer's arguments have none: it is empty.
    pub fn name(&self) -> &str {
        let escaped = self.extra.as_ref().and_then(|extra| extra.name.as_deref());
        escaped.unwrap_or_else(|| self.name.of(&self.text))
    }

    /// How many arguments there are, the name not counted. Passes over the text.
    pub fn len(&self) -> usize {
        Reader::new(self.json()).count().unwrap_or_default()
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        Reader::new(self.json()).peek().is_none()
    }

    /// Decodes the arguments: as a tuple, one element for each, or as a list of equal values.
    ///
    /// ```
    /// # use socketio_proto::socket::{Args, ArgsError};
    /// fn on_move(args: &Args) -> Result<(), ArgsError> {
    ///     let (room, position): (&str, Option<[f64; 2]>) = args.parse()?;
    ///     // …
    ///     # Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When an argument is of another type than asked for, when one is missing that is not an
    /// `Option`, and when what is asked for is not a list at all.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        let decode = |decoder: &mut Decoder<'a>| T::deserialize(List(decoder));
        Ok(Decoder::attempt(self.json(), self.attachments(), decode)?)
    }

    /// The arguments one by one, for those who do not know beforehand how many there are or of which
    /// types. Goes through the text once.
    pub fn iter(&self) -> ArgsIter<'_> {
        ArgsIter::new(self)
    }

    /// Decodes one argument, counted from 0. A missing one is `null`. Passes over the text before it:
    /// several are cheaper to [`parse`](Self::parse) at once, or with [`iter`](Self::iter).
    ///
    /// # Errors
    ///
    /// When the argument is of another type, and when it is missing and `T` is not an `Option`.
    pub fn get<'a, T: Deserialize<'a>>(&'a self, argument: usize) -> Result<T, ArgsError> {
        match self.iter().nth(argument) {
            Some(arg) => arg.parse(),
            None => Ok(de::absent().map_err(|error| error.missing(argument))?),
        }
    }

    /// The argument with this number, counted from 0, if it is an attachment. Shares the buffer.
    /// Passes over the text before it.
    pub fn binary(&self, argument: usize) -> Option<Binary> {
        self.iter().nth(argument)?.binary()
    }

    /// Every attachment, in the order of their numbers in [`json`](Self::json).
    pub fn attachments(&self) -> &[Bytes] {
        self.shared_attachments().map_or(&[], |shared| shared)
    }

    /// The arguments as JSON, with commas between them but without the brackets and the name.
    ///
    /// If there are attachments, `{"_placeholder":true,"num":k}` stands for number k.
    pub fn json(&self) -> &str {
        self.arguments.of(&self.text)
    }

    /// How many bytes of received buffers it keeps alive: the text of the whole packet and all
    /// attachments. Clones share them. A text from a polling body may keep as much of the body alive
    /// again, or 256 B; what a transport makes of its own buffers is not known here.
    pub fn size(&self) -> usize {
        let attached: usize = self.attachments().iter().map(Bytes::len).sum();
        self.text.len() + attached
    }

    pub(super) fn shared_attachments(&self) -> Option<&Arc<[Bytes]>> {
        self.extra.as_ref()?.attachments.as_ref()
    }
}

impl<'a> IntoIterator for &'a Args {
    type Item = Arg<'a>;
    type IntoIter = ArgsIter<'a>;

    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Args {
    /// Leaves out the arguments, and the end of a long name. Counts them, which passes over the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args")
            .field("name", &bounded(&self.name()))
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A list of the arguments, without the name. Given as the arguments of a packet it is taken over as
/// it is, provided that serde's feature `std` is on; [`Packet::forward`] does not depend on that.
///
/// Otherwise, among other arguments or in another format, the values are written anew: whole numbers
/// beyond 64 bits as the nearest `f64`, and attachments as bytes. `serde_json::to_value` gives a list
/// in which an attachment is a list of numbers.
///
/// [`Packet::forward`]: super::Packet::forward
impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(ser::ARGS, &transcode::List(self))
    }
}

/// Why arguments, or other received data, are not what was asked for.
///
/// Messages name what was expected and what kind of value came, and do not show the value itself;
/// except that a type's own `Deserialize` writes what it likes, as do `#[serde(try_from)]` and types
/// that are parsed from text. Such a message may show what a peer sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ArgsError {
    /// An argument is of another type.
    #[error("argument {argument}: {message}")]
    Argument {
        /// Which one, counted from 0.
        argument: usize,
        /// What was found and expected; of limited length.
        message: Box<str>,
    },
    /// An argument did not come, and its type does not take `null`.
    #[error("argument {argument} is missing: {message}")]
    Missing {
        /// Which one, counted from 0.
        argument: usize,
        /// What was expected; of limited length.
        message: Box<str>,
    },
    /// Arguments are always a list; a single one is asked for as `(T,)`.
    #[error("arguments are a list: a single one is asked for as a tuple of one")]
    NotAList,
    /// A value that is no argument is of another type.
    #[error("{message}")]
    Value {
        /// What was found and expected; of limited length.
        message: Box<str>,
    },
}

#[cfg(test)]
pub(in crate::socket) mod tests;
