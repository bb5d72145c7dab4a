//! A value outside an argument list.

use core::fmt;

use bytestring::ByteString;
use serde::{Deserialize, Serialize, Serializer};

use super::{ArgsError, Span, transcode};
use crate::socket::{
    de::Decoder,
    ser::{self, EncodeError},
};

/// One JSON value outside an argument list: what a client authenticates with, why a server refuses.
///
/// It cannot hold binary: only events and answers have attachments (Socket.IO reference, section
/// 1.7). The default is an empty object. A clone shares the buffer.
///
/// Data that was received is sent as deep as it came, in a refusal one level deeper.
#[derive(Clone)]
pub struct Data {
    text: ByteString,
    value: Span,
}

impl Data {
    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// When the value holds bytes, nests deeper than 127 levels, takes more than 4 GiB, or cannot be
    /// JSON for another reason. A refusal puts one level around it.
    pub fn new(value: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        Self::within(ser::json(value)?, u32::MAX)
    }

    /// `text` was checked: `span` holds one valid JSON value, no deeper than the limit.
    pub(crate) fn from_text(text: ByteString, span: Span) -> Self {
        Self { text, value: span }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// When the value is of another type than asked for.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        let decode = |decoder: &mut Decoder<'a>| T::deserialize(decoder);
        Ok(Decoder::attempt(self.json(), &[], decode)?)
    }

    /// It as JSON.
    pub fn json(&self) -> &str {
        self.value.of(&self.text)
    }

    fn within(text: ByteString, limit: u32) -> Result<Self, EncodeError> {
        let len = text.len();
        let too_long = EncodeError::TooLong {
            len,
            limit: limit as usize,
        };
        let end = u32::try_from(len).ok().filter(|&end| end <= limit);
        Ok(Self {
            value: Span {
                start: 0,
                end: end.ok_or(too_long)?,
            },
            text,
        })
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            text: ByteString::from_static("{}"),
            value: Span { start: 0, end: 2 },
        }
    }
}

impl fmt::Debug for Data {
    /// Leaves out the value: it may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").finish_non_exhaustive()
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        transcode::value(self.json(), &[], serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_cannot_be_addressed_is_refused_and_not_cut() {
        let text = || ByteString::from_static("\"four\"");
        let whole = Data::within(text(), 6).unwrap();
        assert_eq!(whole.json(), "\"four\"");
        let refused = Data::within(text(), 5).unwrap_err();
        assert_eq!(refused, EncodeError::TooLong { len: 6, limit: 5 });
    }
}
