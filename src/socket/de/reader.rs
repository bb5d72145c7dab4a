//! Finds the tokens of JSON text that was checked when it came in.

use alloc::{borrow::Cow, string::String};

use memchr::{memchr, memchr2};

use super::Error;

/// How much of a string is searched byte by byte.
const SHORT: usize = 16;

/// A cursor over checked JSON text.
///
/// The check makes its errors unreachable; they stand where a slip would otherwise be a panic.
#[derive(Clone, Copy, Debug)]
pub(in crate::socket) struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    pub(in crate::socket) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The whole text, also what was read already.
    pub(in crate::socket) fn text(&self) -> &'t str {
        self.text
    }

    /// How many bytes were read.
    pub(in crate::socket) fn at(&self) -> usize {
        self.at
    }

    /// Passes white space and looks at what follows.
    #[inline]
    pub(in crate::socket) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Passes a byte if it is next.
    #[inline]
    pub(in crate::socket) fn take(&mut self, expected: u8) -> bool {
        let taken = self.peek() == Some(expected);
        self.at += usize::from(taken);
        taken
    }

    /// Passes a byte that has to come next.
    #[inline]
    pub(super) fn require(&mut self, expected: u8) -> Result<(), Error> {
        self.take(expected).then_some(()).ok_or_else(Error::broken)
    }

    /// Reads a string.
    pub(in crate::socket) fn string(&mut self) -> Result<Cow<'t, str>, Error> {
        self.require(b'"')?;
        let start = self.at;
        let escaped = self.pass_string()?;
        let raw = self.text.get(start..self.at.saturating_sub(1));
        let raw = raw.ok_or_else(Error::broken)?;
        if escaped {
            unescape(raw).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(raw))
        }
    }

    /// Reads a number, `true`, `false` or `null` and returns its text.
    pub(in crate::socket) fn word(&mut self) -> Result<&'t str, Error> {
        self.peek();
        let start = self.at;
        while matches!(
            self.byte(),
            Some(b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.')
        ) {
            self.at += 1;
        }
        self.text
            .get(start..self.at)
            .filter(|word| !word.is_empty())
            .ok_or_else(Error::broken)
    }

    /// Passes one value and returns its text. Needs no stack, however deep the value.
    pub(in crate::socket) fn skip(&mut self) -> Result<&'t str, Error> {
        if let Some(b'-' | b'0'..=b'9' | b'f' | b'n' | b't') = self.peek() {
            return self.word();
        }
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek().ok_or_else(Error::broken)? {
                b'{' | b'[' => {
                    self.at += 1;
                    depth += 1;
                }
                b'}' | b']' => {
                    self.at += 1;
                    depth = depth.checked_sub(1).ok_or_else(Error::broken)?;
                }
                b',' | b':' if depth > 0 => self.at += 1,
                b'"' => {
                    self.at += 1;
                    self.pass_string()?;
                }
                _ => {
                    self.word()?;
                }
            }
            if depth == 0 {
                return self.text.get(start..self.at).ok_or_else(Error::broken);
            }
        }
    }

    /// How many values follow, with commas between them, to the end of the text.
    pub(in crate::socket) fn count(mut self) -> Result<usize, Error> {
        if self.peek().is_none() {
            return Ok(0);
        }
        let (mut commas, mut depth) = (0, 0_usize);
        while let Some(byte) = self.byte() {
            self.at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1).ok_or_else(Error::broken)?,
                b',' if depth == 0 => commas += 1,
                b'"' => _ = self.pass_string()?,
                _ => {}
            }
        }
        Ok(commas + 1)
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes the rest of a string with its closing quote; whether it has escapes.
    fn pass_string(&mut self) -> Result<bool, Error> {
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..);
            self.at += rest.and_then(find_special).ok_or_else(Error::broken)?;
            if self.byte() == Some(b'"') {
                self.at += 1;
                return Ok(escaped);
            }
            escaped = true;
            self.at += 2;
        }
    }
}

/// Finds the next quote or backslash. Most strings are too short for a fast search to be the faster.
fn find_special(text: &[u8]) -> Option<usize> {
    let (head, tail) = text.split_at_checked(SHORT).unwrap_or((text, &[]));
    let near = head.iter().position(|&byte| byte == b'"' || byte == b'\\');
    near.or_else(|| Some(SHORT + memchr2(b'"', b'\\', tail)?))
}

/// Replaces the escapes of a string (RFC 8259, section 7).
///
/// Half a surrogate pair, which JavaScript strings can hold and Rust's cannot, becomes U+FFFD.
fn unescape(raw: &str) -> Result<String, Error> {
    let mut plain = String::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        // Escapes often follow each other, and a search takes longer to begin than they to read.
        while let Some(escape) = rest.strip_prefix('\\') {
            let mut following = escape.chars();
            let (character, after) = match following.next() {
                Some('u') => unescape_utf16(following.as_str())?,
                Some(simple) => (unescape_simple(simple)?, following.as_str()),
                None => return Err(Error::broken()),
            };
            plain.push(character);
            rest = after;
        }
        let Some(place) = memchr(b'\\', rest.as_bytes()) else {
            plain.push_str(rest);
            return Ok(plain);
        };
        let (before, escape) = rest.split_at_checked(place).ok_or_else(Error::broken)?;
        plain.push_str(before);
        rest = escape;
    }
}

fn unescape_simple(escape: char) -> Result<char, Error> {
    Ok(match escape {
        '"' | '\\' | '/' => escape,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return Err(Error::broken()),
    })
}

/// Reads what follows `\u`: one code unit, or two that belong together.
fn unescape_utf16(text: &str) -> Result<(char, &str), Error> {
    let (unit, rest) = code_unit(text).ok_or_else(Error::broken)?;
    if let Some(alone) = char::from_u32(u32::from(unit)) {
        return Ok((alone, rest));
    }
    let second = rest.strip_prefix("\\u").and_then(code_unit);
    if let Some((second, after)) = second
        && let Some(Ok(pair)) = char::decode_utf16([unit, second]).next()
    {
        return Ok((pair, after));
    }
    Ok((char::REPLACEMENT_CHARACTER, rest))
}

fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        for (raw, plain) in [
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0041\u00e9\u2028", "Aé\u{2028}"),
            (r"x\ud83d\ude00y", "x😀y"),
            (r"\uD83D\uDE00", "😀"),
        ] {
            assert_eq!(unescape(raw).as_deref(), Ok(plain), "{raw}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        for (raw, plain) in [
            (r"\ud800", "\u{fffd}"),
            (r"\ud800A", "\u{fffd}A"),
            (r"\udc00\ud800", "\u{fffd}\u{fffd}"),
            (r"\ud800\n", "\u{fffd}\n"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud800\u0041", "\u{fffd}A"),
        ] {
            assert_eq!(unescape(raw).as_deref(), Ok(plain), "{raw}");
        }
    }

    #[test]
    fn skipping_returns_the_text_of_one_value() {
        for value in [
            "1",
            "-1.5e+3",
            "true",
            r#""a,\"]""#,
            r#"[1,{"a":[]},"]"]"#,
            "{}",
        ] {
            let text = alloc::format!(" {value} ,2");
            let mut reader = Reader::new(&text);

            assert_eq!(reader.skip(), Ok(value));
            assert!(reader.take(b','));
        }
    }

    #[test]
    fn text_that_was_not_checked_is_an_error_and_never_a_panic() {
        let text =
            r#"[{"a\u00e9":[1,-2.5,true,null,"x\n\ud83d\ude00"]},{"_placeholder":true,"num":0}]"#;
        for end in 0..text.len() {
            let mut reader = Reader::new(&text[..end]);
            assert_eq!(reader.skip(), Err(Error::broken()), "{end}");
        }
        for broken in ["", "]", ",", ":", "\"", "\"\\", "[\"\\", "é"] {
            assert!(Reader::new(broken).skip().is_err(), "{broken}");
            assert!(Reader::new(broken).string().is_err(), "{broken}");
        }
        for broken in [r"\", r"\x", r"\u12", r"\u12é", r"\u+123"] {
            let _ = unescape(broken);
        }
    }
}
