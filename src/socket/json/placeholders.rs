//! Placeholders in a received text, as they are met.

use core::mem;

use super::{
    Fault,
    bits::Bits,
    scanner::{Container, Watch},
};
use crate::socket::de::Reader;

/// Checks that placeholders name attachments (Socket.IO reference, section 1.6).
pub(super) struct Placeholders {
    attachments: usize,
    /// How many more there may be.
    left: usize,
    /// The name of the member whose value comes next.
    key: Key,
    /// For every open object, whether its member `_placeholder` is `true`.
    marked: Bits,
    /// For every open object, whether its member `num` names an attachment.
    indexed: Bits,
}

#[derive(Clone, Copy, Default)]
enum Key {
    Index,
    Marker,
    #[default]
    Other,
}

impl Placeholders {
    pub(super) fn new(attachments: usize) -> Self {
        Self {
            attachments,
            left: super::max_placeholders(attachments),
            key: Key::Other,
            marked: Bits::default(),
            indexed: Bits::default(),
        }
    }

    /// Takes note of a member's value; of equal names the last one counts.
    fn note(&mut self, value: &str) {
        match mem::take(&mut self.key) {
            Key::Index => {
                let named = index(value).is_some_and(|index| index < self.attachments);
                self.indexed.set_top(named);
            }
            Key::Marker => self.marked.set_top(value == "true"),
            Key::Other => {}
        }
    }
}

impl Watch for Placeholders {
    fn open(&mut self, container: Container) {
        // Neither a mark nor an index.
        self.note("");
        if container == Container::Object {
            self.marked.push(false);
            self.indexed.push(false);
        }
    }

    fn key(&mut self, raw: &str) {
        self.key = Key::of(raw);
    }

    fn scalar(&mut self, raw: &str) {
        self.note(raw);
    }

    fn close(&mut self, container: Container, offset: usize) -> Result<(), Fault> {
        if container == Container::Array {
            return Ok(());
        }
        let marked = self.marked.pop().unwrap_or_default();
        let indexed = self.indexed.pop().unwrap_or_default();
        if !marked {
            return Ok(());
        }
        if !indexed {
            return Err(Fault::IllegalAttachment { offset });
        }
        let left = self.left.checked_sub(1);
        self.left = left.ok_or(Fault::TooManyPlaceholders { offset })?;
        Ok(())
    }
}

impl Key {
    /// `raw` has its quotes and escapes.
    fn of(raw: &str) -> Self {
        // The longest way to write a name that matters: every character as an escape.
        const LONGEST: usize = r"\u0000".len() * "_placeholder".len() + 2;

        match raw {
            r#""_placeholder""# => Self::Marker,
            r#""num""# => Self::Index,
            _ if raw.len() > LONGEST || !raw.contains('\\') => Self::Other,
            _ => match Reader::new(raw).string().as_deref() {
                Ok("_placeholder") => Self::Marker,
                Ok("num") => Self::Index,
                _ => Self::Other,
            },
        }
    }
}

/// The attachment that the text of a value names. However it is written, it has to be a whole
/// number: `-0`, `1.0` and `1e0` are.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a number that the cast changes is no index"
)]
pub(in crate::socket) fn index(value: &str) -> Option<usize> {
    value.parse().ok().or_else(|| {
        let number: f64 = value.parse().ok()?;
        let index = number as u32;
        (f64::from(index) == number).then_some(index as usize)
    })
}
