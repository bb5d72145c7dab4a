//! The scanner: grammar and nesting.

use core::ops::Range;

use super::{Fault, bits::Bits};
use crate::{
    socket::decode::Limits,
    window::{Sought, Window},
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Container {
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
pub(super) trait Watch {
    fn open(&mut self, container: Container);
    /// A member's name, with its quotes and escapes.
    fn key(&mut self, raw: &str);
    fn scalar(&mut self, raw: &str);
    /// The container that ends here may break a rule.
    fn close(&mut self, container: Container, offset: usize) -> Result<(), Fault>;
}

pub(super) struct Unwatched;

impl Watch for Unwatched {
    #[inline]
    fn open(&mut self, _: Container) {}
    #[inline]
    fn key(&mut self, _: &str) {}
    #[inline]
    fn scalar(&mut self, _: &str) {}
    #[inline]
    fn close(&mut self, _: Container, _: usize) -> Result<(), Fault> {
        Ok(())
    }
}

/// What does not stand for itself in a string (RFC 8259, section 7).
struct Special;

impl Sought for Special {
    fn is(byte: u8) -> bool {
        byte == b'"' || byte == b'\\' || byte < 0x20
    }
}

/// How the ends of strings are found.
pub(super) trait Strings {
    fn new(text: &[u8]) -> Self;
    /// Where the string ends that begins with the quote at a place.
    fn end(&mut self, text: &[u8], start: usize) -> End;
}

/// In a window, for all but short texts.
pub(super) struct Windowed(Window<Special>);

impl Strings for Windowed {
    fn new(text: &[u8]) -> Self {
        Self(Window::new(text))
    }

    #[inline]
    fn end(&mut self, text: &[u8], start: usize) -> End {
        let at = self.0.find(text, start + 1);
        if byte(text, at) == Some(b'"') {
            return Ok(at + 1);
        }
        string_from(&mut self.0, text, at)
    }
}

/// Byte by byte, for texts that are not worth the making of a window.
pub(super) struct Bytewise;

impl Strings for Bytewise {
    fn new(_: &[u8]) -> Self {
        Self
    }

    #[inline]
    fn end(&mut self, text: &[u8], start: usize) -> End {
        let mut at = start + 1;
        loop {
            match byte(text, at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => at = escape(text, at)?,
                None | Some(0..0x20) => return Err(at),
                Some(_) => at += 1,
            }
        }
    }
}

/// Scans one value.
///
/// Where it stands is a variable and not a field: it changes with every token, and is to stay in a
/// register.
pub(super) struct Scanner<'a, S, W> {
    text: &'a str,
    max_depth: usize,
    /// For every open container, whether it is an object.
    objects: Bits,
    /// The innermost of them.
    inside: Option<Container>,
    strings: S,
    watch: W,
}

/// An event's array.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::socket) struct Event {
    /// Its length.
    pub(in crate::socket) len: usize,
    /// Where its name stands, a string with its quotes or a number; none if it has no legal one.
    pub(in crate::socket) name: Option<Range<usize>>,
    /// Where the arguments begin, behind the comma; without a name, where that had to begin.
    pub(in crate::socket) arguments: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Phase {
    /// A value has ended, or an empty container is about to.
    Successor,
    /// A value begins.
    Value,
}

/// Where a token ends, or where the text stops being JSON.
type End = Result<usize, usize>;

impl<'a, S: Strings, W: Watch> Scanner<'a, S, W> {
    pub(super) fn new(text: &'a str, max_depth: usize, watch: W) -> Self {
        Self {
            text,
            max_depth: max_depth.min(Limits::MAX_DEPTH),
            objects: Bits::default(),
            inside: None,
            strings: S::new(text.as_bytes()),
            watch,
        }
    }

    /// Scans one value; white space may follow it. Returns its length.
    pub(super) fn run(&mut self) -> Result<usize, Fault> {
        self.run_from(0, Phase::Value)
    }

    /// Scans an event's array, whose first element is the name.
    pub(super) fn run_event(&mut self) -> Result<Event, Fault> {
        let text = self.text.as_bytes();
        let start = self.open(Container::Array, 0)?;
        let end = match byte(text, start) {
            Some(b'"') => self.strings.end(text, start),
            Some(b'-' | b'0'..=b'9') => number(text, start),
            next => {
                let phase = match next {
                    Some(b']') => Phase::Successor,
                    _ => Phase::Value,
                };
                let len = self.run_from(start, phase)?;
                return Ok(Event {
                    len,
                    name: None,
                    arguments: start,
                });
            }
        };
        let end = end.map_err(syntax)?;
        let comma = token(text, end);
        let arguments = comma + usize::from(byte(text, comma) == Some(b','));
        Ok(Event {
            len: self.run_from(comma, Phase::Successor)?,
            name: Some(start..end),
            arguments,
        })
    }

    fn run_from(&mut self, mut at: usize, mut phase: Phase) -> Result<usize, Fault> {
        let text = self.text.as_bytes();
        loop {
            if phase == Phase::Value {
                at = match byte(text, at) {
                    Some(b'"') => {
                        let end = self.strings.end(text, at);
                        self.scalar(at, end)?
                    }
                    Some(b'{') => {
                        let start = self.open(Container::Object, at)?;
                        if byte(text, start) != Some(b'}') {
                            at = self.member(start)?;
                            continue;
                        }
                        start
                    }
                    Some(b'[') => {
                        let start = self.open(Container::Array, at)?;
                        if byte(text, start) != Some(b']') {
                            at = start;
                            continue;
                        }
                        start
                    }
                    Some(b'-' | b'0'..=b'9') => self.scalar(at, number(text, at))?,
                    Some(b't') => self.scalar(at, word(text, at, b"true"))?,
                    Some(b'f') => self.scalar(at, word(text, at, b"false"))?,
                    Some(b'n') => self.scalar(at, word(text, at, b"null"))?,
                    _ => return Err(syntax(at)),
                };
            }
            phase = Phase::Value;
            at = loop {
                let Some(container) = self.inside else {
                    let end = pass_space(text, at);
                    return if end == text.len() {
                        Ok(at)
                    } else {
                        Err(syntax(end))
                    };
                };
                at = token(text, at);
                match byte(text, at) {
                    Some(b',') => {
                        let start = token(text, at + 1);
                        break match container {
                            Container::Array => start,
                            Container::Object => self.member(start)?,
                        };
                    }
                    Some(end) if end == container.end() => {
                        at += 1;
                        self.close(container, at)?;
                    }
                    _ => return Err(syntax(at)),
                }
            };
        }
    }

    #[inline]
    fn scalar(&mut self, start: usize, end: End) -> Result<usize, Fault> {
        let end = end.map_err(syntax)?;
        self.watch.scalar(self.slice(start, end));
        Ok(end)
    }

    /// Opens a container, and finds where its first element or its end is.
    #[expect(clippy::inline_always, reason = "see `member`")]
    #[inline(always)]
    fn open(&mut self, container: Container, at: usize) -> Result<usize, Fault> {
        if self.objects.len() >= self.max_depth {
            return Err(Fault::TooDeep { offset: at });
        }
        self.objects.push(container == Container::Object);
        self.inside = Some(container);
        self.watch.open(container);
        Ok(token(self.text.as_bytes(), at + 1))
    }

    #[inline]
    fn close(&mut self, container: Container, end: usize) -> Result<(), Fault> {
        self.objects.pop();
        self.inside = self.objects.top().map(|is_object| {
            if is_object {
                Container::Object
            } else {
                Container::Array
            }
        });
        self.watch.close(container, end)
    }

    /// Reads a member's name, up to its value.
    #[expect(clippy::inline_always, reason = "it is half as fast if it is called")]
    #[inline(always)]
    fn member(&mut self, start: usize) -> Result<usize, Fault> {
        let text = self.text.as_bytes();
        if byte(text, start) != Some(b'"') {
            return Err(syntax(start));
        }
        let end = self.strings.end(text, start).map_err(syntax)?;
        self.watch.key(self.slice(start, end));
        let colon = token(text, end);
        if byte(text, colon) != Some(b':') {
            return Err(syntax(colon));
        }
        Ok(token(text, colon + 1))
    }

    #[inline]
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Reads the rest of a string, from what does not stand for itself.
#[inline(never)]
fn string_from(specials: &mut Window<Special>, text: &[u8], mut at: usize) -> End {
    loop {
        match byte(text, at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = specials.find(text, escape(text, at)?),
            _ => return Err(at),
        }
    }
}

fn escape(text: &[u8], start: usize) -> End {
    let at = start + 1;
    match byte(text, at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => {
            let digits = text.get(at + 1..).unwrap_or_default().iter();
            let valid = digits.take(4).take_while(|digit| digit.is_ascii_hexdigit());
            let end = at + 1 + valid.count();
            if end == at + 5 { Ok(end) } else { Err(end) }
        }
        _ => Err(at),
    }
}

#[inline]
fn number(text: &[u8], start: usize) -> End {
    let mut at = start;
    if byte(text, at) == Some(b'-') {
        at += 1;
    }
    at = match byte(text, at) {
        // What follows a zero is checked by whoever reads on.
        Some(b'0') => at + 1,
        _ => digits(text, at)?,
    };
    if byte(text, at) == Some(b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = byte(text, at) {
        at += 1;
        if let Some(b'+' | b'-') = byte(text, at) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    Ok(at)
}

#[inline]
fn digits(text: &[u8], start: usize) -> End {
    let mut at = start;
    while let Some(b'0'..=b'9') = byte(text, at) {
        at += 1;
    }
    if at == start { Err(at) } else { Ok(at) }
}

fn word(text: &[u8], start: usize, word: &[u8]) -> End {
    let rest = text.get(start..).unwrap_or_default();
    if rest.starts_with(word) {
        return Ok(start + word.len());
    }
    let same = rest.iter().zip(word).take_while(|(a, b)| a == b);
    Err(start + same.count())
}

/// Where the next token begins.
#[inline]
fn token(text: &[u8], at: usize) -> usize {
    match byte(text, at) {
        Some(byte) if byte > b' ' => at,
        _ => pass_space(text, at),
    }
}

#[cold]
fn pass_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = byte(text, at) {
        at += 1;
    }
    at
}

#[inline]
fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

fn syntax(offset: usize) -> Fault {
    Fault::Syntax { offset }
}
