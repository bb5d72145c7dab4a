//! What somebody changed in a text, and how two changes at the same time become one text.
//!
//! An operation walks through a text from its start: it keeps, inserts and deletes; what lies
//! behind its last step is kept. Lengths are in UTF-16 code units, because those are what a
//! browser counts. Each operation that is applied leaves well-formed text: it never cuts a
//! surrogate pair in two.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The most steps that an operation from a client may have.
const STEP_LIMIT: usize = 256;

/// The longest step that a client may send: longer than any text. Sums of them do not overflow.
const LENGTH_LIMIT: u32 = 1_000_000;

/// A change of a text. On the wire `[5, "abc", -2]`: keep 5, insert "abc", delete 2.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Wire>", into = "Vec<Wire>")]
pub(crate) struct Operation(
    // Invariant: no step is empty, neighbours are of different kinds, and the last one keeps
    // nothing.
    Vec<Step>,
);

/// A part of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Delete(usize),
    Insert(String),
    Keep(usize),
}

/// A step as it is sent.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Length(i32),
    Text(String),
}

/// An operation that cannot be applied to a text: it reaches beyond its end or cuts a character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Misfit;

impl Operation {
    /// Adds a step at the end.
    pub(crate) fn push(&mut self, step: Step) {
        match (self.0.last_mut(), step) {
            (_, Step::Delete(0) | Step::Keep(0)) => {}
            (_, Step::Insert(text)) if text.is_empty() => {}
            (Some(Step::Delete(last)), Step::Delete(length))
            | (Some(Step::Keep(last)), Step::Keep(length)) => *last += length,
            (Some(Step::Insert(last)), Step::Insert(text)) => last.push_str(&text),
            (_, step) => self.0.push(step),
        }
    }

    /// Takes the last step away if it has no effect.
    fn trim(mut self) -> Self {
        if let Some(Step::Keep(_)) = self.0.last() {
            self.0.pop();
        }
        self
    }

    /// How many bytes it takes to remember it, about.
    pub(crate) fn size(&self) -> usize {
        let steps = self.0.iter().map(|step| match step {
            Step::Insert(text) => text.len(),
            Step::Delete(_) | Step::Keep(_) => 0,
        });
        size_of_val(&*self.0) + steps.sum::<usize>()
    }

    /// The text after the change.
    pub(crate) fn apply(&self, text: &[u16]) -> Result<Vec<u16>, Misfit> {
        let mut rest = text;
        let mut changed = Vec::with_capacity(text.len());
        for step in &self.0 {
            match step {
                Step::Insert(text) => changed.extend(text.encode_utf16()),
                &Step::Delete(length) => rest = split(rest, length)?.1,
                &Step::Keep(length) => {
                    let (kept, behind) = split(rest, length)?;
                    changed.extend_from_slice(kept);
                    rest = behind;
                }
            }
        }
        changed.extend_from_slice(rest);
        Ok(changed)
    }

    /// Makes of two changes to one text two that can follow each other: `first` and then the
    /// second of the pair gives the same text as `second` and then the first of the pair.
    ///
    /// Where both insert at one place, the text of `first` comes first.
    pub(crate) fn transform(first: &Self, second: &Self) -> (Self, Self) {
        let (mut left, mut right) = (Self::default(), Self::default());
        let mut firsts = Walk::of(first);
        let mut seconds = Walk::of(second);
        loop {
            match (firsts.next(), seconds.next()) {
                (Step::Keep(usize::MAX), Step::Keep(usize::MAX)) => break,
                (Step::Insert(text), other) => {
                    right.push(Step::Keep(utf16_len(&text)));
                    left.push(Step::Insert(text));
                    seconds.put_back(other);
                }
                (other, Step::Insert(text)) => {
                    left.push(Step::Keep(utf16_len(&text)));
                    right.push(Step::Insert(text));
                    firsts.put_back(other);
                }
                (one, other) => {
                    let length = one.length().min(other.length());
                    match (&one, &other) {
                        // What both delete, is gone.
                        (Step::Delete(_), Step::Delete(_)) => {}
                        (Step::Delete(_), _) => left.push(Step::Delete(length)),
                        (_, Step::Delete(_)) => right.push(Step::Delete(length)),
                        _ => {
                            left.push(Step::Keep(length));
                            right.push(Step::Keep(length));
                        }
                    }
                    firsts.put_back(one.shortened(length));
                    seconds.put_back(other.shortened(length));
                }
            }
        }
        (left.trim(), right.trim())
    }
}

/// The steps of an operation, then the rest of the text: a step that keeps `usize::MAX`.
struct Walk(VecDeque<Step>);

impl Walk {
    fn of(operation: &Operation) -> Self {
        Self(operation.0.iter().cloned().collect())
    }

    fn next(&mut self) -> Step {
        self.0.pop_front().unwrap_or(Step::Keep(usize::MAX))
    }

    fn put_back(&mut self, step: Step) {
        match step {
            Step::Delete(0) | Step::Keep(0 | usize::MAX) => {}
            step => self.0.push_front(step),
        }
    }
}

impl Step {
    /// How much of the text before it concerns.
    fn length(&self) -> usize {
        match *self {
            Self::Delete(length) | Self::Keep(length) => length,
            Self::Insert(_) => 0,
        }
    }

    /// What is left of it when so much was done.
    fn shortened(self, done: usize) -> Self {
        match self {
            Self::Keep(usize::MAX) => Self::Keep(usize::MAX),
            Self::Delete(length) => Self::Delete(length - done),
            Self::Keep(length) => Self::Keep(length - done),
            Self::Insert(text) => Self::Insert(text),
        }
    }
}

/// Cuts a text in two, but no character.
fn split(text: &[u16], at: usize) -> Result<(&[u16], &[u16]), Misfit> {
    let (before, behind) = text.split_at_checked(at).ok_or(Misfit)?;
    let is_high = before.last().is_some_and(|unit| unit & 0xfc00 == 0xd800);
    let is_low = behind.first().is_some_and(|unit| unit & 0xfc00 == 0xdc00);
    if is_high && is_low {
        return Err(Misfit);
    }
    Ok((before, behind))
}

/// The length of a text as a browser counts it.
pub(crate) fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

impl FromIterator<Step> for Operation {
    fn from_iter<T: IntoIterator<Item = Step>>(steps: T) -> Self {
        let mut operation = Self::default();
        for step in steps {
            operation.push(step);
        }
        operation.trim()
    }
}

impl TryFrom<Vec<Wire>> for Operation {
    type Error = &'static str;

    fn try_from(steps: Vec<Wire>) -> Result<Self, Self::Error> {
        if steps.len() > STEP_LIMIT {
            return Err("an operation of too many steps");
        }
        let is_too_long =
            |step: &Wire| matches!(step, Wire::Length(it) if it.unsigned_abs() > LENGTH_LIMIT);
        if steps.iter().any(is_too_long) {
            return Err("a step that is longer than any text");
        }
        let steps = steps.into_iter().map(|step| match step {
            Wire::Text(text) => Step::Insert(text),
            Wire::Length(length @ 0..) => Step::Keep(length.unsigned_abs() as usize),
            Wire::Length(length) => Step::Delete(length.unsigned_abs() as usize),
        });
        Ok(steps.collect())
    }
}

impl From<Operation> for Vec<Wire> {
    fn from(operation: Operation) -> Self {
        let length = |length| i32::try_from(length).unwrap_or(i32::MAX);
        let steps = operation.0.into_iter().map(|step| match step {
            Step::Insert(text) => Wire::Text(text),
            Step::Keep(kept) => Wire::Length(length(kept)),
            Step::Delete(deleted) => Wire::Length(-length(deleted)),
        });
        steps.collect()
    }
}

#[cfg(test)]
#[path = "operation_tests.rs"]
pub(crate) mod tests;
