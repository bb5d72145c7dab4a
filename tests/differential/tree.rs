//! A third reading of JSON, which keeps what both parsers drop: members that a later one of the same
//! name replaces, and those of placeholders. The table of differences asks it.
//!
//! It takes text that one of the parsers found to be JSON.

use std::iter;

use bytes::Bytes;

use crate::value::{Text, Value, insert};

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    List(Vec<Self>),
    Object(Vec<(Text, Self)>),
    /// Anything else.
    Other(Value),
}

/// What a placeholder has as its number, if it can be compared with a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Index {
    Fraction,
    Illegal,
    Legal(usize),
}

impl Tree {
    /// Reads one value and the white space around it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        let tree = reader.value()?;
        reader.space();
        (reader.at == text.len()).then_some(tree)
    }

    /// The value as JavaScript has it, with attachments in place.
    pub fn value(&self, attachments: &[Bytes]) -> Value {
        match self {
            Self::List(elements) => {
                Value::List(elements.iter().map(|it| it.value(attachments)).collect())
            }
            Self::Object(members) => {
                if let Some(Index::Legal(index)) = self.placeholder(attachments.len())
                    && let Some(bytes) = attachments.get(index)
                {
                    return Value::Bytes(bytes.clone());
                }
                let mut unique = Vec::new();
                for (name, member) in members {
                    insert(&mut unique, name.clone(), member.value(attachments));
                }
                Value::Object(unique)
            }
            Self::Other(value) => value.clone(),
        }
    }

    /// Whether a number in it is beyond a double.
    pub fn overflows(&self) -> bool {
        let is_infinite = |number: f64| number.is_infinite();
        matches!(self, Self::Other(Value::Number(number)) if is_infinite(*number))
            || self.children().any(Self::overflows)
    }

    pub fn depth(&self) -> usize {
        self.children()
            .map(|child| child.depth() + 1)
            .max()
            .unwrap_or(
                // An empty container counts too.
                usize::from(!matches!(self, Self::Other(_))),
            )
    }

    /// All placeholders, whether JavaScript comes to see them or not; with the reason why it does not.
    pub fn placeholders(&self, attachments: usize) -> Vec<(Index, Option<Hidden>)> {
        let mut found = Vec::new();
        self.collect(attachments, None, &mut found);
        found
    }

    fn collect(
        &self,
        attachments: usize,
        hidden: Option<Hidden>,
        found: &mut Vec<(Index, Option<Hidden>)>,
    ) {
        let index = self.placeholder(attachments);
        found.extend(index.map(|index| (index, hidden)));
        let within = hidden.or(index.map(|_| Hidden::InPlaceholder));
        match self {
            Self::List(elements) => {
                for element in elements {
                    element.collect(attachments, within, found);
                }
            }
            Self::Object(members) => {
                for (at, (name, member)) in members.iter().enumerate() {
                    let later = members.get(at + 1..).unwrap_or_default();
                    let is_replaced = later.iter().any(|other| other.0 == *name);
                    let replaced = is_replaced.then_some(Hidden::Replaced);
                    member.collect(attachments, within.or(replaced), found);
                }
            }
            Self::Other(_) => {}
        }
    }

    /// What it has as its number, if it is a placeholder itself.
    pub fn placeholder(&self, attachments: usize) -> Option<Index> {
        let marker = self.member("_placeholder")?;
        if *marker != Self::Other(Value::Bool(true)) {
            return None;
        }
        let Some(Self::Other(Value::Number(number))) = self.member("num") else {
            return Some(Index::Illegal);
        };
        let count = u32::try_from(attachments).expect("a packet has few");
        if !(0.0..f64::from(count)).contains(number) {
            return Some(Index::Illegal);
        }
        let whole = (0..count).find(|&index| f64::from(index) == *number);
        Some(whole.map_or(Index::Fraction, |index| Index::Legal(index as usize)))
    }

    fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let name = Text::from(name);
        let found = members.iter().rev().find(|member| member.0 == name);
        found.map(|member| &member.1)
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::List(elements) => Box::new(elements.iter()),
            Self::Object(members) => Box::new(members.iter().map(|member| &member.1)),
            Self::Other(_) => Box::new(iter::empty()),
        }
    }
}

/// Why JavaScript does not see a placeholder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hidden {
    InPlaceholder,
    Replaced,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Tree> {
        self.space();
        Some(match self.peek()? {
            b'[' => {
                let mut elements = Vec::new();
                self.sequence(b']', |reader| {
                    elements.push(reader.value()?);
                    Some(())
                })?;
                Tree::List(elements)
            }
            b'{' => {
                let mut members = Vec::new();
                self.sequence(b'}', |reader| {
                    reader.space();
                    let name = reader.string()?;
                    reader.space();
                    reader.take(b':').then_some(())?;
                    members.push((name, reader.value()?));
                    Some(())
                })?;
                Tree::Object(members)
            }
            b'"' => Tree::Other(Value::Text(self.string()?)),
            _ => Tree::Other(self.word()?),
        })
    }

    fn sequence(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.space();
        if self.take(end) {
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            if self.take(end) {
                return Some(());
            }
            self.take(b',').then_some(())?;
        }
    }

    fn string(&mut self) -> Option<Text> {
        self.take(b'"').then_some(())?;
        let mut units = Vec::new();
        loop {
            let character = self.rest().chars().next()?;
            self.at += character.len_utf8();
            match character {
                '"' => return Some(Text::of_units(units)),
                '\\' => units.push(self.escape()?),
                other => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let kind = self.peek()?;
        self.at += 1;
        Some(match kind {
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.rest().get(..4)?;
                self.at += 4;
                u16::from_str_radix(digits, 16).ok()?
            }
            b'"' | b'\\' | b'/' => kind.into(),
            _ => return None,
        })
    }

    fn word(&mut self) -> Option<Value> {
        let rest = self.rest();
        let is_end = |byte: u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        let len = rest.bytes().position(is_end).unwrap_or(rest.len());
        self.at += len;
        Some(match &rest[..len] {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            number => Value::Number(number.parse().ok()?),
        })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> bool {
        let taken = self.peek() == Some(expected);
        self.at += usize::from(taken);
        taken
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }
}
