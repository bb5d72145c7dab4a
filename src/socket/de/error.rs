//! What the deserializer answers instead of a value.

use alloc::{boxed::Box, string::String};
use core::{
    error,
    fmt::{self, Write as _},
};

use bytes::Bytes;
use serde::de::{self, Expected, Unexpected};

use crate::socket::args::{ArgsError, source};

/// Why a type got no value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::socket) enum Error {
    /// [`Binary`](crate::socket::args::Binary) asked, and this is its attachment: an error's source
    /// is the one way by which serde hands over a value of a type that it does not know.
    Carried(Carried),
    /// A value is not of the type asked for.
    Mismatch(ArgsError),
}

/// An attachment on its way to [`Binary`](crate::socket::args::Binary).
#[derive(Clone, Eq, PartialEq)]
pub(in crate::socket) struct Carried(Bytes);

impl Carried {
    /// Whether anyone can see what an error carries; see [`source`].
    pub(super) fn is_seen() -> bool {
        let probe = Error::Carried(Self(Bytes::new()));
        source::of_de::<Self>(&probe).is_some()
    }

    /// The attachment, sharing the buffer.
    pub(in crate::socket) fn attachment(&self) -> Bytes {
        self.0.clone()
    }
}

impl Error {
    pub(super) fn carry(attachment: &Bytes) -> Self {
        Self::Carried(Carried(attachment.clone()))
    }

    /// The text is not the JSON that it was checked to be.
    pub(in crate::socket) fn broken() -> Self {
        de::Error::custom("invalid JSON")
    }

    /// Adds which argument it is about.
    pub(in crate::socket) fn at(self, argument: usize) -> Self {
        Self::Mismatch(match self.into() {
            ArgsError::Value { message } => ArgsError::Argument { argument, message },
            other => other,
        })
    }

    /// Adds that this argument was asked for and did not come.
    pub(in crate::socket) fn missing(self, argument: usize) -> Self {
        Self::Mismatch(match self.into() {
            ArgsError::Value { message } => ArgsError::Missing { argument, message },
            other => other,
        })
    }
}

impl From<Error> for ArgsError {
    fn from(error: Error) -> Self {
        match error {
            Error::Mismatch(error) => error,
            Error::Carried(carried) => Self::Value {
                message: bounded(&carried),
            },
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Carried(carried) => Some(carried),
            Self::Mismatch(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carried(carried) => carried.fmt(f),
            Self::Mismatch(error) => error.fmt(f),
        }
    }
}

impl error::Error for Carried {}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried({} B)", self.0.len())
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attachment where none was expected")
    }
}

/// Messages say what was expected and of what kind the value is, but do not show the value: they end
/// up in logs, and a peer chose it. What a type itself passes to `custom` is printed.
impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Mismatch(ArgsError::Value {
            message: bounded(&message),
        })
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "invalid type: {}, expected {expected}",
            kind(found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "invalid value: {}, expected {expected}",
            kind(found)
        ))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "unknown variant, expected {}",
            OneOf(expected)
        ))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("unknown field, expected {}", OneOf(expected)))
    }
}

fn kind(found: Unexpected<'_>) -> &str {
    match found {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Bytes(_) => "binary",
        Unexpected::Char(_) | Unexpected::Str(_) => "string",
        Unexpected::Float(_) => "fractional number",
        Unexpected::Map => "object",
        Unexpected::Option | Unexpected::Unit => "null",
        Unexpected::Seq => "list",
        Unexpected::Signed(_) | Unexpected::Unsigned(_) => "whole number",
        Unexpected::Other(kind) => kind,
        _ => "another kind of value",
    }
}

struct OneOf(&'static [&'static str]);

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { " or " };
            write!(f, "{separator}`{name}`")?;
        }
        Ok(())
    }
}

/// Prints a message of a foreign type, cut to a length that no peer can grow.
pub(in crate::socket) fn bounded(message: &dyn fmt::Display) -> Box<str> {
    let mut bounded = Bounded(String::new());
    // It fails when the message was cut; the beginning is what is wanted.
    let _ = write!(bounded, "{message}");
    bounded.0.into_boxed_str()
}

struct Bounded(String);

impl Bounded {
    const LIMIT: usize = 160;
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = Self::LIMIT.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let cut = (0..=room).rev().find_map(|end| text.get(..end));
        self.0.push_str(cut.unwrap_or_default());
        self.0.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn messages_are_cut_at_a_character() {
        let long = "é".repeat(1_000);

        let message = bounded(&long);

        assert_eq!(message.chars().filter(|&c| c == 'é').count(), 80);
        assert!(message.ends_with('…'));
    }

    #[test]
    fn messages_do_not_show_the_value() {
        let error: Error = de::Error::invalid_value(Unexpected::Str("secret"), &"a colour");
        assert_eq!(
            error.to_string(),
            "invalid value: string, expected a colour"
        );

        let error: Error = de::Error::unknown_variant("secret", &["red", "blue"]);
        assert_eq!(
            error.to_string(),
            "unknown variant, expected `red` or `blue`"
        );
    }
}
