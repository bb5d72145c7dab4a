//! A plain reader of JSON that keeps everything: the model of all others.

use bytes::Bytes;

use super::any::Any;

/// A JSON value. A number or a name such as `null` is its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<'a> {
    List(Vec<(Tree<'a>, &'a str)>),
    Object(Vec<(String, Tree<'a>)>),
    Text(String),
    Word(&'a str),
}

const SPACE: [char; 4] = [' ', '\n', '\r', '\t'];

/// Whether `serde_json` takes a text as JSON, which need not have a meaning.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// How deep a valid text is nested.
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => pass_string(&mut characters),
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn pass_string(characters: &mut core::str::Chars<'_>) {
    while let Some(character) = characters.next() {
        match character {
            '"' => return,
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
}

impl<'a> Tree<'a> {
    /// Reads a valid text.
    pub fn parse(json: &'a str) -> Self {
        let (tree, rest) = Self::read(json);
        assert_eq!(rest.trim_start_matches(SPACE), "", "no valid text");
        tree
    }

    /// Reads a value and gives what stands behind it.
    fn read(json: &'a str) -> (Self, &'a str) {
        let json = json.trim_start_matches(SPACE);
        if let Some(inner) = json.strip_prefix('[') {
            let (elements, rest) = Self::series(inner, ']', |element| {
                let (tree, rest) = Self::read(element);
                let element = element.trim_start_matches(SPACE);
                let raw = &element[..element.len() - rest.len()];
                ((tree, raw), rest)
            });
            return (Self::List(elements), rest);
        }
        if let Some(inner) = json.strip_prefix('{') {
            let (members, rest) = Self::series(inner, '}', |member| {
                let (Self::Text(key), rest) = Self::read(member) else {
                    panic!("a key is a string");
                };
                let rest = rest.trim_start_matches(SPACE).strip_prefix(':').unwrap();
                let (tree, rest) = Self::read(rest);
                ((key, tree), rest)
            });
            return (Self::Object(members), rest);
        }
        if let Some(inner) = json.strip_prefix('"') {
            let mut rest = inner.chars();
            pass_string(&mut rest);
            let rest = rest.as_str();
            let raw = &inner[..inner.len() - rest.len() - 1];
            return (Self::Text(unescape(raw)), rest);
        }
        let is_end = |character: char| SPACE.contains(&character) || ",:]}".contains(character);
        let (word, rest) = json.split_at(json.find(is_end).unwrap_or(json.len()));
        (Self::Word(word), rest)
    }

    fn series<T>(
        mut rest: &'a str,
        end: char,
        read: impl Fn(&'a str) -> (T, &'a str),
    ) -> (Vec<T>, &'a str) {
        let mut items = Vec::new();
        loop {
            rest = rest.trim_start_matches(SPACE);
            if let Some(rest) = rest.strip_prefix(end) {
                return (items, rest);
            }
            let (item, behind) = read(rest);
            items.push(item);
            rest = behind.trim_start_matches(SPACE);
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }

    /// Of members of one name the last one.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let mut named = members.iter().rev().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value)
    }

    /// Whether it is marked as a placeholder.
    pub fn is_marked(&self) -> bool {
        self.member("_placeholder") == Some(&Self::Word("true"))
    }

    /// The attachment that a placeholder names.
    pub fn index(&self, attachments: usize) -> Option<usize> {
        let Some(Self::Word(word)) = self.member("num") else {
            return None;
        };
        let number: f64 = word.parse().ok()?;
        (0..attachments).find(|&index| u32::try_from(index).is_ok_and(|it| f64::from(it) == number))
    }

    /// It and all that it holds.
    pub fn walk(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        match self {
            Self::List(elements) => elements.iter().for_each(|(element, _)| element.walk(visit)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.walk(visit)),
            Self::Text(_) | Self::Word(_) => {}
        }
    }

    /// Whether it has a number that is beyond every `f64`, outside of placeholders.
    pub fn is_beyond(&self, attachments: &[Bytes]) -> bool {
        match self {
            Self::Object(_) if !attachments.is_empty() && self.is_marked() => false,
            Self::List(elements) => elements.iter().any(|(it, _)| it.is_beyond(attachments)),
            Self::Object(members) => members.iter().any(|(_, it)| it.is_beyond(attachments)),
            Self::Text(_) => false,
            Self::Word(word) => word.parse().is_ok_and(f64::is_infinite),
        }
    }

    /// The value that it stands for.
    pub fn value(&self, attachments: &[Bytes]) -> Any {
        match self {
            Self::List(elements) => {
                let values = elements.iter().map(|(it, _)| it.value(attachments));
                Any::List(values.collect())
            }
            Self::Object(_) if !attachments.is_empty() && self.is_marked() => {
                let index = self.index(attachments.len()).expect("it was checked");
                Any::Bytes(attachments[index].to_vec())
            }
            Self::Object(members) => {
                let value = |(key, it): &(String, Self)| (key.clone(), it.value(attachments));
                Any::Object(members.iter().map(value).collect())
            }
            Self::Text(text) => Any::Text(text.clone()),
            Self::Word("null") => Any::Null,
            Self::Word("true") => Any::Bool(true),
            Self::Word("false") => Any::Bool(false),
            Self::Word("-0") => Any::Float(-0.0),
            Self::Word(number) => {
                let unsigned = number.parse().map(Any::Unsigned).ok();
                let signed = || number.parse().map(Any::Signed).ok();
                let float = || Any::Float(number.parse().expect("a number"));
                unsigned.or_else(signed).unwrap_or_else(float)
            }
        }
    }
}

/// By way of UTF-16, as JavaScript does it; half a pair is U+FFFD.
fn unescape(raw: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        let unit = match character {
            '\\' => match characters.next().unwrap() {
                'b' => 8,
                't' => 9,
                'n' => 10,
                'f' => 12,
                'r' => 13,
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    u16::from_str_radix(&digits, 16).unwrap()
                }
                other => u16::try_from(u32::from(other)).unwrap(),
            },
            other => {
                units.extend(other.encode_utf16(&mut [0; 2]).iter());
                continue;
            }
        };
        units.push(unit);
    }
    String::from_utf16_lossy(&units)
}
