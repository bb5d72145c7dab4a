//! JSON text, and strings in it.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use bytestring::ByteString;

/// Text that grows at its end. It is UTF-8: only whole texts are put into it.
///
/// It is not a `String` because strings are copied and looked through in one go, a word at a time.
#[derive(Clone, Debug, Default)]
pub(in crate::socket) struct Text(Vec<u8>);

impl Text {
    pub(in crate::socket) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(in crate::socket) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::socket) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }

    #[inline]
    pub(in crate::socket) fn push_str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends a string in quotes, escaped as `JSON.stringify` does it (Socket.IO reference, section
    /// 1.8). No control character stays as it is, so neither does the separator of packets in a
    /// polling body, U+001E.
    pub(in crate::socket) fn push_quoted(&mut self, value: &str) {
        self.push_framed(b"\"", value.as_bytes(), b"\"");
    }

    /// Appends a member's name and the colon behind it, and a comma before it unless it is the first.
    pub(super) fn push_name(&mut self, name: &str, is_first: bool) {
        // Two frames of known lengths, not one of either.
        if is_first {
            self.push_framed(b"\"", name.as_bytes(), b"\":");
        } else {
            self.push_framed(b",\"", name.as_bytes(), b"\":");
        }
    }

    #[inline]
    fn push_framed<const B: usize, const A: usize>(
        &mut self,
        before: &[u8; B],
        value: &[u8],
        after: &[u8; A],
    ) {
        let is_plain = is_plain(value);
        let start = self.0.len();
        if is_plain && self.push_short(before, value, after).is_some() {
            return;
        }
        self.0.truncate(start);
        self.0.extend_from_slice(before);
        if is_plain {
            self.0.extend_from_slice(value);
        } else {
            self.push_escaped(value);
        }
        self.0.extend_from_slice(after);
    }

    /// Appends a short string that stands for itself. Its room is made once, and written in words,
    /// the last of which overlaps the first: every other way, each piece waits for the length that
    /// the one before it has left.
    #[inline]
    fn push_short<const B: usize, const A: usize>(
        &mut self,
        before: &[u8; B],
        value: &[u8],
        after: &[u8; A],
    ) -> Option<()> {
        const ROOM: usize = 24;

        let len = value.len();
        if B + len + A > ROOM || len > 2 * WORD {
            return None;
        }
        let start = self.0.len();
        self.0.extend_from_slice(&[0; ROOM]);
        let (head, rest) = self.0.last_chunk_mut::<ROOM>()?.split_first_chunk_mut()?;
        *head = *before;
        if let (Some(first), Some(last)) = (value.first_chunk::<WORD>(), value.last_chunk()) {
            *rest.first_chunk_mut()? = *first;
            *rest.get_mut(len - WORD..)?.first_chunk_mut::<WORD>()? = *last;
        } else if let (Some(first), Some(last)) = (value.first_chunk::<HALF>(), value.last_chunk())
        {
            *rest.first_chunk_mut()? = *first;
            *rest.get_mut(len - HALF..)?.first_chunk_mut::<HALF>()? = *last;
        } else {
            for (place, &byte) in rest.iter_mut().zip(value) {
                *place = byte;
            }
        }
        *rest.get_mut(len..)?.first_chunk_mut()? = *after;
        self.0.truncate(start + B + len + A);
        Some(())
    }

    /// Appends a string whose pieces come from a `Display`.
    pub(super) fn push_displayed(&mut self, value: &(impl fmt::Display + ?Sized)) -> fmt::Result {
        self.push_str("\"");
        write!(Escaped(self), "{value}")?;
        self.push_str("\"");
        Ok(())
    }

    /// Takes back the bracket that closes a list, to go on with it: whether it is empty.
    pub(in crate::socket) fn reopen(&mut self) -> bool {
        self.0.pop();
        self.0.ends_with(b"[")
    }

    pub(in crate::socket) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(in crate::socket) fn into_shared(self) -> ByteString {
        ByteString::try_from(self.0).expect("only whole texts are put into it")
    }

    /// Appends a string without quotes, whatever it holds.
    #[inline(never)]
    fn push_escaped(&mut self, value: &[u8]) {
        let mut rest = value;
        while let Some((&word, after)) = rest.split_first_chunk::<WORD>() {
            let marks = special_bytes(u64::from_le_bytes(word));
            self.0.extend_from_slice(&word);
            rest = after;
            if marks != 0 {
                // Taken back from the first special byte on, and gone on with behind it.
                let beyond = WORD - marks.trailing_zeros() as usize / 8;
                self.0.truncate(self.0.len() - beyond);
                rest = self.push_specials(value, value.len() - rest.len() - beyond);
            }
        }
        for &byte in rest {
            if is_special(byte) {
                self.push_escape(byte);
            } else {
                self.0.push(byte);
            }
        }
    }

    /// Appends the special bytes that stand at a place, and returns what follows them.
    #[inline(never)]
    fn push_specials<'a>(&mut self, value: &'a [u8], place: usize) -> &'a [u8] {
        let mut rest = value.get(place..).unwrap_or_default();
        while let Some((&byte, after)) = rest.split_first()
            && is_special(byte)
        {
            self.push_escape(byte);
            rest = after;
        }
        rest
    }

    fn push_escape(&mut self, special: u8) {
        self.push_str(match special {
            0x08 => r"\b",
            0x0c => r"\f",
            b'\n' => r"\n",
            b'\r' => r"\r",
            b'\t' => r"\t",
            b'"' => "\\\"",
            b'\\' => r"\\",
            _ => {
                let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'0');
                let code = [digit(special >> 4), digit(special & 0xf)];
                self.push_str(r"\u00");
                self.0.extend_from_slice(&code);
                return;
            }
        });
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

struct Escaped<'a>(&'a mut Text);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.push_escaped(piece.as_bytes());
        Ok(())
    }
}

/// How many bytes are looked at together.
const WORD: usize = 8;
const HALF: usize = WORD / 2;

/// Whether a string stands for itself. Ends are looked at twice rather than byte by byte.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    const BLOCK: usize = 16;

    if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        let word = |word: &[u8; WORD]| special_bytes(u64::from_le_bytes(*word));
        let Some(last_block) = value.last_chunk::<BLOCK>() else {
            return word(first) | word(last) == 0;
        };
        let has_special = |block: &[u8; BLOCK]| {
            block
                .iter()
                .fold(false, |any, &byte| any | is_special(byte))
        };
        let (blocks, _) = value.as_chunks::<BLOCK>();
        return !has_special(last_block) && !blocks.iter().any(has_special);
    }
    if let (Some(first), Some(last)) = (value.first_chunk::<HALF>(), value.last_chunk::<HALF>()) {
        let word =
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
        return special_bytes(word) == 0;
    }
    !value.iter().any(|&byte| is_special(byte))
}

/// Sets the high bit of the lowest byte that is special, and of no byte below it.
const fn special_bytes(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;

    // A borrow can only come from a byte that is itself below its bound, so it spoils none below.
    const fn below(word: u64, bound: u8) -> u64 {
        word.wrapping_sub(EACH * bound as u64) & !word
    }

    let quote = below(word ^ (EACH * b'"' as u64), 1);
    let backslash = below(word ^ (EACH * b'\\' as u64), 1);
    (below(word, 0x20) | quote | backslash) & (EACH * 0x80)
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn quoted(value: &str) -> String {
        let mut text = Text::default();
        text.push_quoted(value);
        String::from_utf8(text.into_bytes()).unwrap()
    }

    #[test]
    fn special_bytes_are_found_among_any_others() {
        for byte in 0..=u8::MAX {
            for place in 0..WORD {
                for other in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut word = [other; WORD];
                    word[place] = byte;
                    let marks = special_bytes(u64::from_le_bytes(word));
                    let found = (marks != 0).then(|| marks.trailing_zeros() as usize / 8);
                    assert_eq!(
                        found,
                        is_special(byte).then_some(place),
                        "{byte} in {word:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn strings_are_escaped_as_in_javascript() {
        assert_eq!(
            quoted("\0\u{1}\u{1e}\u{1f}\u{8}\u{c}\n\r\t\"\\/"),
            r#""\u0000\u0001\u001e\u001f\b\f\n\r\t\"\\/""#
        );
        assert_eq!(
            quoted("é😀\u{7f}\u{2028}\u{2029}"),
            "\"é😀\u{7f}\u{2028}\u{2029}\""
        );
    }

    #[test]
    fn strings_and_names_of_every_length_are_framed() {
        for len in 0..60 {
            let value: String = ('a'..='z').cycle().take(len).collect();
            assert_eq!(quoted(&value), alloc::format!("\"{value}\""));
            let mut text = Text::default();
            text.push_str("{");
            text.push_name(&value, true);
            text.push_str("1");
            text.push_name(&value, false);
            let expected = alloc::format!("{{\"{value}\":1,\"{value}\":");
            assert_eq!(text.into_bytes(), expected.into_bytes());
        }
    }

    #[test]
    fn a_special_character_is_found_at_every_place() {
        for place in 0..50 {
            let mut plain = "é".repeat(place);
            plain.push('"');
            plain.push_str(&"y".repeat(50));

            let parsed: String = serde_json::from_str(&quoted(&plain)).expect("it is JSON");

            assert_eq!(parsed, plain);
        }
    }
}
