//! The one pass over a received JSON text that later readers rely on.
//!
//! It checks the grammar (RFC 8259), counts nesting, and for packets with attachments checks that
//! every placeholder names one of them. It keeps no value and does not recurse: what is open is a
//! stack of bits, which takes an allocation only from a depth of 128 on.
//!
//! Checked is what JavaScript checks: any number and any `\u` escape will do, half a surrogate pair
//! too, and members of one name may repeat (Socket.IO reference, section 1.8).

use alloc::vec::Vec;
use core::mem;

use super::de::Reader;

/// The rule that a text breaks, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The object that ends here is a placeholder that names no attachment.
    IllegalAttachment { offset: usize },
    /// The text up to here can be JSON, what follows cannot.
    Syntax { offset: usize },
    /// The container that begins here is nested too deep.
    TooDeep { offset: usize },
    /// The object that ends here is one placeholder too many.
    TooManyPlaceholders { offset: usize },
}

/// How many placeholders a packet may have.
///
/// Encoders write one for each attachment (Socket.IO reference, section 1.7). Most types copy what a
/// placeholder names, so without a limit a short text would fill the memory with copies of one
/// attachment.
pub(super) const fn max_placeholders(attachments: usize) -> usize {
    let twice = attachments.saturating_mul(2);
    if twice < 16 { 16 } else { twice }
}

/// Checks that a text is one JSON value, perhaps with white space behind it, and returns the length
/// of the value.
///
/// White space in front of it is a fault: where a payload may begin, JavaScript reads white space
/// as an acknowledgement id (Socket.IO reference, section 1.3).
///
/// With attachments, an object whose member `_placeholder` is `true` has to have a member `num`
/// below their number. Members of placeholders are held to that too, though the reference drops
/// them unseen; and there may be no more than [`max_placeholders`]. Without attachments placeholders
/// are ordinary data.
pub(super) fn check(json: &str, max_depth: usize, attachments: usize) -> Result<usize, Fault> {
    if attachments == 0 {
        Scanner::new(json, max_depth, Unwatched).run()
    } else {
        Scanner::new(json, max_depth, Placeholders::new(attachments)).run()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Container {
    Array,
    Object,
}

impl Container {
    const fn end(self) -> u8 {
        match self {
            Self::Array => b']',
            Self::Object => b'}',
        }
    }
}

/// What is told of each token, in order.
trait Watch {
    fn open(&mut self, container: Container);
    /// A member's name, with its quotes and escapes.
    fn key(&mut self, raw: &str);
    fn scalar(&mut self, raw: &str);
    /// The container that ends here may break a rule.
    fn close(&mut self, container: Container, offset: usize) -> Result<(), Fault>;
}

struct Unwatched;

impl Watch for Unwatched {
    fn open(&mut self, _: Container) {}
    fn key(&mut self, _: &str) {}
    fn scalar(&mut self, _: &str) {}
    fn close(&mut self, _: Container, _: usize) -> Result<(), Fault> {
        Ok(())
    }
}

struct Scanner<'a, W> {
    text: &'a str,
    at: usize,
    max_depth: usize,
    /// For every open container, whether it is an object.
    objects: Bits,
    watch: W,
}

impl<'a, W: Watch> Scanner<'a, W> {
    fn new(text: &'a str, max_depth: usize, watch: W) -> Self {
        Self {
            text,
            at: 0,
            max_depth,
            objects: Bits::default(),
            watch,
        }
    }

    fn run(mut self) -> Result<usize, Fault> {
        while self.value()? || self.successor()? {}
        let end = self.at;
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.syntax());
        }
        Ok(end)
    }

    /// Reads a scalar or an empty container, or opens a container: whether a value begins in it.
    fn value(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        match self.peek() {
            Some(b'[') => return self.open(Container::Array),
            Some(b'{') => return self.open(Container::Object),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(b't') => self.word("true")?,
            _ => return Err(self.syntax()),
        }
        self.watch.scalar(self.since(start));
        Ok(false)
    }

    /// Behind a value, closes what ends there: whether another value begins.
    fn successor(&mut self) -> Result<bool, Fault> {
        while let Some(is_object) = self.objects.top() {
            self.skip_space();
            if self.take(b',') {
                self.skip_space();
                if is_object {
                    self.key()?;
                }
                return Ok(true);
            }
            self.close(if is_object {
                Container::Object
            } else {
                Container::Array
            })?;
        }
        Ok(false)
    }

    fn open(&mut self, container: Container) -> Result<bool, Fault> {
        if self.objects.len() >= self.max_depth {
            return Err(Fault::TooDeep { offset: self.at });
        }
        self.at += 1;
        self.objects.push(container == Container::Object);
        self.watch.open(container);
        self.skip_space();
        if self.peek() == Some(container.end()) {
            self.close(container)?;
            return Ok(false);
        }
        if container == Container::Object {
            self.key()?;
        }
        Ok(true)
    }

    fn close(&mut self, container: Container) -> Result<(), Fault> {
        self.require(container.end())?;
        self.objects.pop();
        self.watch.close(container, self.at)
    }

    /// Reads a member's name, up to where its value begins.
    fn key(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.string()?;
        self.watch.key(self.since(start));
        self.skip_space();
        self.require(b':')?;
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.require(b'"')?;
        loop {
            self.at += plain_len(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    self.require_any(u8::is_ascii_hexdigit)?;
                }
            }
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.take(b'-');
        // What follows a zero is checked by whoever reads on.
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        self.require_any(u8::is_ascii_digit)?;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        for &byte in word.as_bytes() {
            self.require(byte)?;
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> bool {
        let taken = self.peek() == Some(expected);
        self.at += usize::from(taken);
        taken
    }

    fn require(&mut self, expected: u8) -> Result<(), Fault> {
        self.require_any(|&byte| byte == expected)
    }

    fn require_any(&mut self, is_expected: impl FnOnce(&u8) -> bool) -> Result<(), Fault> {
        if !self.peek().as_ref().is_some_and(is_expected) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn syntax(&self) -> Fault {
        Fault::Syntax { offset: self.at }
    }
}

/// How many bytes at the front of a string's text stand for themselves: up to a quote, a backslash
/// or a control character. Eight at a time, which takes a fourth of the time for long text.
fn plain_len(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((&word, after)) = rest.split_first_chunk() {
        let special = special_bytes(u64::from_le_bytes(word));
        if special != 0 {
            return text.len() - rest.len() + special.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    text.len() - rest.len() + rest.iter().take_while(is_plain).count()
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

/// Checks that placeholders name attachments (Socket.IO reference, section 1.6).
struct Placeholders {
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
    fn new(attachments: usize) -> Self {
        Self {
            attachments,
            left: max_placeholders(attachments),
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
pub(super) fn index(value: &str) -> Option<usize> {
    value.parse().ok().or_else(|| {
        let number: f64 = value.parse().ok()?;
        let index = number as u32;
        (f64::from(index) == number).then_some(index as usize)
    })
}

/// A stack of bits; the first 128 take no allocation.
#[derive(Default)]
struct Bits {
    len: usize,
    // Invariant: the topmost bits, the top one lowest; all others are in `below`, 128 in each.
    top: u128,
    below: Vec<u128>,
}

impl Bits {
    const fn len(&self) -> usize {
        self.len
    }

    fn top(&self) -> Option<bool> {
        (self.len > 0).then_some(self.top & 1 == 1)
    }

    fn push(&mut self, bit: bool) {
        if self.is_full() {
            self.below.push(mem::take(&mut self.top));
        }
        self.top = self.top << 1 | u128::from(bit);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<bool> {
        let bit = self.top()?;
        self.top >>= 1;
        self.len -= 1;
        if self.is_full() {
            self.top = self.below.pop().unwrap_or_default();
        }
        Some(bit)
    }

    fn set_top(&mut self, bit: bool) {
        self.top = self.top & !1 | u128::from(bit);
    }

    /// Whether the next bit begins a new word.
    const fn is_full(&self) -> bool {
        self.len > 0 && self.len.is_multiple_of(128)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec};

    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::Value;

    use super::*;

    const VALID: &[&str] = &[
        "0",
        "-0",
        "-12.50e+3",
        "1E400",
        "12345678901234567890123456789",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00""#,
        r#""\ud800""#,
        "\"é😀\u{7f}\u{2028}\"",
        "[]",
        "{}",
        "[ ]",
        "{\t}",
        "[1,\"a\",[],{},null]",
        "{\"a\":1,\"a\":{\"b\":[{}]}, \"\" : \"\"}",
        "[\n1 ,\r\n[ [ ] ] ]",
    ];

    fn syntax(json: &str) -> Option<usize> {
        match check(json, 128, 0) {
            Err(Fault::Syntax { offset }) => Some(offset),
            _ => None,
        }
    }

    #[test]
    fn json_is_accepted_with_white_space_behind_it() {
        for json in VALID {
            assert_eq!(check(json, 128, 0), Ok(json.len()), "{json}");
            let padded = format!("{json} \t\r\n");
            assert_eq!(check(&padded, 128, 3), Ok(json.len()), "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused_where_it_stops_being_json() {
        for (json, offset) in [
            ("", 0),
            (" 1", 0),
            ("\u{feff}1", 0),
            ("01", 1),
            ("-", 1),
            ("+1", 0),
            ("1.", 2),
            (".5", 0),
            ("1e", 2),
            ("1e+", 3),
            ("0x10", 1),
            ("NaN", 0),
            ("Infinity", 0),
            ("tru", 3),
            ("nulL", 3),
            ("truex", 4),
            ("'a'", 0),
            ("\"a", 2),
            ("\"\u{1}\"", 1),
            ("\"12345678\n\"", 9),
            ("\"\u{1f}\"", 1),
            (r#""\x""#, 2),
            (r#""\u12g4""#, 5),
            (r#""\"#, 2),
            ("[", 1),
            ("]", 0),
            ("[1", 2),
            ("[1,", 3),
            ("[1,]", 3),
            ("[,1]", 1),
            ("[1 2]", 3),
            ("[1}", 2),
            ("{", 1),
            ("{\"a\"", 4),
            ("{\"a\":", 5),
            ("{\"a\":}", 5),
            ("{\"a\" 1}", 5),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("{1:1}", 1),
            ("{\"a\":1]", 6),
            ("[]]", 2),
            ("[][]", 2),
            ("1 2", 2),
            ("[]\u{a0}", 2),
            ("[]//", 2),
        ] {
            assert_eq!(syntax(json), Some(offset), "{json:?}");
        }
    }

    #[test]
    fn every_proper_prefix_of_a_container_is_refused() {
        let json = r#"[{"a\u00e9":[1,-2.5e1,true,null,"x\n😀"]},{"_placeholder":true,"num":0}]"#;
        assert_eq!(check(json, 3, 1), Ok(json.len()));
        for (end, _) in json.char_indices() {
            assert_eq!(syntax(&json[..end]), Some(end));
        }
    }

    #[test]
    fn nesting_is_counted_and_limited_at_any_depth() {
        for limit in [0, 1, 127, 128, 129, 300, 10_000] {
            let nested = |depth: usize| {
                let (open, close) = (r#"[{"":"#, "}]");
                let mut json = String::from(open).repeat(depth / 2);
                json += if depth % 2 == 1 { "[]" } else { "0" };
                json + &close.repeat(depth / 2)
            };
            let json = nested(limit);
            assert_eq!(check(&json, limit, 0), Ok(json.len()), "{limit}");
            assert_eq!(check(&json, limit, 1), Ok(json.len()), "{limit}");
            let json = nested(limit + 1);
            assert!(
                matches!(check(&json, limit, 0), Err(Fault::TooDeep { .. })),
                "{limit}"
            );
        }
        assert_eq!(check("[1,[", 1, 0), Err(Fault::TooDeep { offset: 3 }));
        // What was closed is not open.
        assert_eq!(check("[[],{},[]]", 2, 0), Ok(10));
    }

    #[test]
    fn placeholders_that_name_an_attachment_pass() {
        for json in [
            "[]",
            r#"[{"_placeholder":true,"num":0}]"#,
            r#"{ "num" : 1 , "_placeholder" : true }"#,
            r#"{"\u005fplaceholder":true,"n\u0075m":1}"#,
            r#"{"x":[{"num":7}],"_placeholder":true,"y":{"num":7},"num":1}"#,
            r#"{"_placeholder":true,"num":9,"num":0}"#,
            r#"{"_placeholder":true,"num":-0}"#,
            r#"{"_placeholder":true,"num":-0.0}"#,
            r#"{"_placeholder":true,"num":1.0}"#,
            r#"{"_placeholder":true,"num":0.1e1}"#,
            r#"{"_placeholder":true,"num":10E-1}"#,
            // Ordinary data.
            r#"{"_placeholder":1,"num":9}"#,
            r#"{"_placeholder":"true","num":9}"#,
            r#"{"_placeholder":false,"num":9}"#,
            r#"{"_placeholder":[true],"num":9}"#,
            r#"{"_placeholder":true,"_placeholder":false,"num":9}"#,
            r#"{"_placeholder":true,"_placeholder":{},"num":9}"#,
            r#"{"_Placeholder":true,"num":9}"#,
            r#"{"_placeholder\u0000":true,"num":9}"#,
            r#"["_placeholder",true,"num",9]"#,
            r#"{"_placeholder":[],"a":true}"#,
        ] {
            assert_eq!(check(json, 128, 2), Ok(json.len()), "{json}");
        }
    }

    #[test]
    fn placeholders_that_name_none_are_refused_where_they_end() {
        for (member, is_last) in [
            (r#""num":2"#, true),
            (r#""num":-1"#, true),
            (r#""num":0.5"#, true),
            (r#""num":1e-1"#, true),
            (r#""num":1e400"#, true),
            (r#""num":18446744073709551616"#, true),
            (r#""num":4294967296"#, true),
            (r#""num":"0""#, true),
            (r#""num":"splice""#, true),
            (r#""num":null"#, true),
            (r#""num":true"#, true),
            (r#""num":[0]"#, true),
            (r#""num":{"num":0}"#, true),
            (r#""num":0,"num":null"#, true),
            (r#""Num":0"#, true),
            (r#""x":{"_placeholder":true},"num":0"#, false),
        ] {
            for (head, tail) in [
                ("{", r#","_placeholder":true}"#),
                (r#"{"_placeholder":true,"#, "}"),
            ] {
                let json = format!("[[{head}{member}{tail}],1]");
                let Err(Fault::IllegalAttachment { offset }) = check(&json, 128, 2) else {
                    panic!("{json} was accepted");
                };
                assert_eq!(offset + "],1]".len() == json.len(), is_last, "{json}");
                // Without attachments it is ordinary data.
                assert_eq!(check(&json, 128, 0), Ok(json.len()));
            }
        }
    }

    #[test]
    fn placeholders_are_counted_and_limited() {
        for (attachments, limit) in [(1, 16), (8, 16), (9, 18), (10, 20), (1_000, 2_000)] {
            let listed = |count: usize| {
                // However deep they are, and wherever.
                let pair = r#"{"_placeholder":true,"num":0,"a":[{"num":0,"_placeholder":true}]}"#;
                let last = r#",{"_placeholder":true,"num":0}"#;
                let pairs = vec![pair; count / 2].join(",");
                format!("[{pairs}{}]", last.repeat(count % 2))
            };
            for count in [limit - 1, limit] {
                let json = listed(count);
                assert_eq!(check(&json, 128, attachments), Ok(json.len()), "{count}");
            }
            let json = listed(limit + 1);
            let offset = json.len() - 1;
            let fault = Fault::TooManyPlaceholders { offset };
            assert_eq!(check(&json, 128, attachments), Err(fault));
            assert_eq!(check(&json, 128, 0), Ok(json.len()));
        }
    }

    #[test]
    fn a_stack_of_bits_is_one_at_any_length() {
        let bits = |i: usize| i.is_multiple_of(3) || i.is_multiple_of(7);
        let mut stack = Bits::default();
        for i in 0..1_000 {
            stack.push(!bits(i));
            stack.set_top(bits(i));
        }
        for i in (0..1_000).rev() {
            assert_eq!((stack.len(), stack.top()), (i + 1, Some(bits(i))));
            assert_eq!(stack.pop(), Some(bits(i)));
        }
        assert_eq!((stack.top(), stack.pop(), stack.len()), (None, None, 0));
    }

    #[test]
    fn special_bytes_are_found_at_every_place() {
        for byte in 0..=u8::MAX {
            let is_special = matches!(byte, b'"' | b'\\' | 0..0x20);
            for len in 1..20 {
                for place in 0..len {
                    for other in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                        let mut text = vec![other; len];
                        text[place] = byte;
                        let expected = if is_special { place } else { len };
                        assert_eq!(plain_len(&text), expected, "{byte} in {text:?}");
                    }
                }
            }
        }
    }

    /// Text that is JSON rather often.
    fn nearly_json() -> impl Strategy<Value = String> {
        let tokens = prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"\\u0041\"",
            "\"\\ud800\"",
            "0",
            "1",
            "-",
            ".",
            "e",
            "+",
            "true",
            "null",
            "false",
            " ",
            "\n",
            "\u{1}",
            "é",
            "[]",
            "{}",
            "{\"a\":",
            "[1,",
        ]);
        prop::collection::vec(tokens, 0..12).prop_map(|tokens| tokens.concat())
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_text_is_accepted_exactly_if_serde_json_accepts_it(json in nearly_json()) {
            let theirs: Result<IgnoredAny, _> = serde_json::from_str(&json);
            let leads = json.starts_with([' ', '\n']);
            prop_assert_eq!(check(&json, 128, 0).is_ok(), theirs.is_ok() && !leads);
        }

        #[test]
        fn what_serde_json_writes_is_accepted(tree in tree()) {
            let json = format!("{tree}");
            prop_assert_eq!(check(&json, 128, 0), Ok(json.len()));
            let json = format!("{tree:#}");
            prop_assert_eq!(check(&json, 128, 1), Ok(json.len()));
        }
    }
}
