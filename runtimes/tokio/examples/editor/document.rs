//! The text that everybody edits: the server's side of operational transformation.
//!
//! It puts operations into one order. One that was made without knowing those before it is
//! transformed against them first; so everybody who applies all of them in this order, each to the
//! text that the ones before left, has the same text.

use std::collections::VecDeque;

use serde::Serialize;

use super::operation::{Misfit, Operation};

/// The longest text, in UTF-16 code units.
pub(crate) const TEXT_LIMIT: usize = 100_000;

/// How many operations are remembered for who is behind, …
pub(crate) const HISTORY_LIMIT: usize = 500;

/// … and how many bytes they may take. It also bounds the work that one operation can make.
const HISTORY_BYTES: usize = 256 << 10;

/// Names one visit of one page. Only the page and the server know it.
pub(crate) type Author = String;

/// The text and its recent past.
#[derive(Default)]
pub(crate) struct Document {
    // Invariant: well-formed UTF-16, no longer than `TEXT_LIMIT`.
    text: Vec<u16>,
    /// How many operations made it.
    revision: u64,
    // Invariant: the last operations, the newest at the end; `history_bytes` is their size.
    history: VecDeque<Past>,
    history_bytes: usize,
}

/// An operation that was applied.
struct Past {
    author: Author,
    operation: Operation,
}

/// What a page needs to be up to date.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Catchup {
    /// The operations that it does not know, in order.
    Operations {
        revision: u64,
        operations: Vec<Known>,
    },
    /// All of it, because too much has happened, or because the page is new.
    Text { revision: u64, text: String },
}

/// An operation, and whether it is the page's own, whose acknowledgement was lost.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Known {
    pub(crate) own: bool,
    pub(crate) operation: Operation,
}

/// Why an operation is not applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// It does not fit the text, or is of a revision that does not exist yet.
    Misfit,
    /// It is older than what is remembered.
    Outdated,
    /// The text would be too long.
    TooLong,
}

impl Document {
    /// How many operations made the text.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Applies an operation that was made to the text of a revision. Gives what it has become: what
    /// others apply to the text before the newest revision.
    pub(crate) fn submit(
        &mut self,
        author: &Author,
        revision: u64,
        mut operation: Operation,
    ) -> Result<Operation, Refused> {
        for past in self.since(revision)? {
            operation = Operation::transform(&past.operation, &operation).1;
        }
        let text = operation.apply(&self.text)?;
        if text.len() > TEXT_LIMIT {
            return Err(Refused::TooLong);
        }
        self.text = text;
        self.revision += 1;
        self.remember(Past {
            author: author.clone(),
            operation: operation.clone(),
        });
        Ok(operation)
    }

    /// What a page needs that has the text of a revision, or nothing yet.
    pub(crate) fn catch_up(&self, author: &Author, revision: Option<u64>) -> Catchup {
        let past = revision.and_then(|revision| self.since(revision).ok());
        let revision = self.revision;
        match past {
            Some(past) => Catchup::Operations {
                revision,
                operations: past.map(|past| past.known_to(author)).collect(),
            },
            None => Catchup::Text {
                revision,
                text: String::from_utf16_lossy(&self.text),
            },
        }
    }

    /// The operations after a revision.
    fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Past>, Refused> {
        let behind = self.revision.checked_sub(revision).ok_or(Refused::Misfit)?;
        let behind = usize::try_from(behind).map_err(|_| Refused::Outdated)?;
        let known = self.history.len().checked_sub(behind);
        let known = known.ok_or(Refused::Outdated)?;
        Ok(self.history.iter().skip(known))
    }

    /// Adds an operation to the history; what is too old for the limits is forgotten.
    fn remember(&mut self, past: Past) {
        self.history_bytes += past.operation.size();
        self.history.push_back(past);
        while self.history.len() > HISTORY_LIMIT
            || (self.history_bytes > HISTORY_BYTES && self.history.len() > 1)
        {
            let oldest = self.history.pop_front();
            self.history_bytes -= oldest.map_or(0, |past| past.operation.size());
        }
    }
}

impl Past {
    fn known_to(&self, author: &Author) -> Known {
        Known {
            own: self.author == *author,
            operation: self.operation.clone(),
        }
    }
}

impl From<Misfit> for Refused {
    fn from(_: Misfit) -> Self {
        Self::Misfit
    }
}

impl Refused {
    /// For programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Misfit => "misfit",
            Self::Outdated => "outdated",
            Self::TooLong => "too_long",
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
