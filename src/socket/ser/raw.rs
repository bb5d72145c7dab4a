//! Texts that are JSON already: `serde_json`'s `RawValue`, and its numbers of any precision.

use serde::{Serializer, ser::Error as _};

use super::{EncodeError, Encoder, Failure, MAX_DEPTH, refuse::refuse};
use crate::socket::json::{self, Fault};

/// Takes over a text.
///
/// The types that hand one over have checked it, but any type can call itself by their names, and
/// neither depth nor validity of what is sent may depend on that. So it is checked once more.
pub(super) struct Raw<'a>(pub(super) &'a mut Encoder);

impl Raw<'_> {
    #[expect(clippy::unused_self, reason = "the shape that the macro calls")]
    fn refuse(&self) -> Failure {
        Failure::custom("a raw value that is no text")
    }
}

impl Serializer for Raw<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_str(self, json: &str) -> Result<(), Failure> {
        let json = json.trim_start_matches([' ', '\n', '\r', '\t']);
        let room = MAX_DEPTH.saturating_sub(self.0.depth);
        let length = json::check(json, room, 0).map_err(|fault| match fault {
            Fault::TooDeep { .. } => EncodeError::TooDeep { limit: MAX_DEPTH }.into(),
            _ => Failure::custom("a raw value that is not JSON"),
        })?;
        self.0.text.push_str(json.get(..length).unwrap_or_default());
        Ok(())
    }

    refuse! { compounds lists newtypes numbers options unit_variants units }
    refuse! { simple: serialize_bytes(&[u8]) serialize_char(char) }
}
