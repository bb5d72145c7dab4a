//! Strings in JSON.

use alloc::string::String;
use core::fmt::{self, Write as _};

/// Appends a string in quotes, escaped as `JSON.stringify` does it (Socket.IO reference, section
/// 1.8). No control character stays as it is, so neither does the separator of packets in a polling
/// body, U+001E.
pub(in crate::socket) fn push_quoted(text: &mut String, value: &str) {
    text.reserve(value.len() + 2);
    text.push('"');
    push_escaped(text, value);
    text.push('"');
}

/// A string whose pieces come from a `Display`.
pub(super) struct Quoted<'a>(&'a mut String);

impl<'a> Quoted<'a> {
    pub(super) fn write(text: &'a mut String, value: &(impl fmt::Display + ?Sized)) -> fmt::Result {
        text.push('"');
        write!(Quoted(text), "{value}")?;
        text.push('"');
        Ok(())
    }
}

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        push_escaped(self.0, piece);
        Ok(())
    }
}

fn push_escaped(text: &mut String, value: &str) {
    let mut rest = value;
    while let Some((plain, byte, after)) = split_special(rest) {
        text.push_str(plain);
        push_escape(text, byte);
        rest = after;
    }
    text.push_str(rest);
}

/// Splits at the first byte that is escaped; it is ASCII.
fn split_special(value: &str) -> Option<(&str, u8, &str)> {
    let at = first_special(value.as_bytes())?;
    let (plain, rest) = value.split_at_checked(at)?;
    let (special, after) = rest.split_at_checked(1)?;
    Some((plain, *special.as_bytes().first()?, after))
}

fn first_special(bytes: &[u8]) -> Option<usize> {
    // Whole blocks without a branch inside are looked at many bytes at once.
    let (blocks, _) = bytes.as_chunks::<16>();
    let has_special = |block: &[u8; 16]| {
        block
            .iter()
            .fold(false, |any, &byte| any | is_special(byte))
    };
    let plain = 16
        * blocks
            .iter()
            .take_while(|block| !has_special(block))
            .count();
    let rest = bytes.get(plain..)?;
    Some(plain + rest.iter().position(|&byte| is_special(byte))?)
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(text: &mut String, byte: u8) {
    text.push_str(match byte {
        0x08 => r"\b",
        0x0c => r"\f",
        b'\n' => r"\n",
        b'\r' => r"\r",
        b'\t' => r"\t",
        b'"' => "\\\"",
        b'\\' => r"\\",
        _ => return push_code(text, byte),
    });
}

fn push_code(text: &mut String, byte: u8) {
    text.push_str(r"\u00");
    for digit in [byte >> 4, byte & 0xf] {
        text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(value: &str) -> String {
        let mut text = String::new();
        push_quoted(&mut text, value);
        text
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
