//! What people wrote to each other, kept until they come to read it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
};

use serde::Serialize;

pub(crate) const MAX_TEXT_BYTES: usize = 1_000;

/// Of a conversation its latest messages are kept.
pub(crate) const MAX_IN_CONVERSATION: usize = 50;

/// With so many in all, the conversation that has been silent for longest is forgotten for a new one.
pub(crate) const MAX_MESSAGES: usize = 20_000;

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Message {
    /// Counts within a conversation, so that nobody learns from it how much others write.
    pub(crate) number: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
}

/// The conversation of two people as one of them sees it.
#[derive(Default, Serialize)]
pub(crate) struct View<'a> {
    pub(crate) messages: Vec<&'a Message>,
    /// The number up to which the other one has read.
    pub(crate) seen: u64,
}

#[derive(Default)]
pub(crate) struct Mail {
    conversations: BTreeMap<Pair, Conversation>,
    // Invariant: holds every conversation once, under its `spoke_at`.
    silent: BTreeMap<u64, Pair>,
    clock: u64,
    messages: usize,
}

#[derive(Default)]
struct Conversation {
    messages: VecDeque<Message>,
    last: u64,
    read: Read,
    spoke_at: u64,
}

/// Up to which number each of a pair has read.
#[derive(Default)]
struct Read {
    first: u64,
    second: u64,
}

/// Two names in alphabetical order.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Pair {
    first: String,
    second: String,
}

impl Mail {
    /// Keeps a message.
    pub(crate) fn post(
        &mut self,
        from: &str,
        to: &str,
        text: String,
    ) -> Result<Message, &'static str> {
        if text.trim().is_empty() {
            return Err("There is nothing in it.");
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err("A message has at most 1000 bytes.");
        }
        if self.messages >= MAX_MESSAGES {
            self.forget();
        }
        let pair = Pair::of(from, to);
        let conversation = self.conversations.entry(pair.clone()).or_default();
        self.silent.remove(&conversation.spoke_at);
        self.clock += 1;
        conversation.spoke_at = self.clock;
        self.silent.insert(self.clock, pair);

        if conversation.messages.len() < MAX_IN_CONVERSATION {
            self.messages += 1;
        } else {
            conversation.messages.pop_front();
        }
        conversation.last += 1;
        let message = Message {
            number: conversation.last,
            from: from.to_owned(),
            to: to.to_owned(),
            text,
        };
        conversation.messages.push_back(message.clone());
        Ok(message)
    }

    /// What is kept of a conversation.
    pub(crate) fn view(&self, reader: &str, other: &str) -> View<'_> {
        let conversation = self.conversations.get(&Pair::of(reader, other));
        conversation.map_or_else(View::default, |it| View {
            messages: it.messages.iter().collect(),
            seen: it.read.by(other, reader),
        })
    }

    /// Notes up to which number somebody has read; says so if it is new.
    pub(crate) fn read(&mut self, reader: &str, other: &str, number: u64) -> Option<u64> {
        let conversation = self.conversations.get_mut(&Pair::of(reader, other))?;
        let number = number.min(conversation.last);
        let before = conversation.read.by_mut(reader, other);
        (number > *before).then(|| {
            *before = number;
            number
        })
    }

    /// How many of the kept messages of another one somebody has not read.
    pub(crate) fn unread(&self, reader: &str, other: &str) -> usize {
        let Some(conversation) = self.conversations.get(&Pair::of(reader, other)) else {
            return 0;
        };
        let read = conversation.read.by(reader, other);
        let messages = conversation.messages.iter();
        let new = messages.filter(|it| it.number > read && it.to == reader);
        new.count()
    }

    fn forget(&mut self) {
        let silent = self.silent.pop_first();
        let conversation = silent.and_then(|(_, pair)| self.conversations.remove(&pair));
        self.messages -= conversation.map_or(0, |it| it.messages.len());
    }
}

impl Read {
    fn by(&self, reader: &str, other: &str) -> u64 {
        match reader.cmp(other) {
            Ordering::Less | Ordering::Equal => self.first,
            Ordering::Greater => self.second,
        }
    }

    fn by_mut(&mut self, reader: &str, other: &str) -> &mut u64 {
        match reader.cmp(other) {
            Ordering::Less | Ordering::Equal => &mut self.first,
            Ordering::Greater => &mut self.second,
        }
    }
}

impl Pair {
    fn of(one: &str, other: &str) -> Self {
        let (first, second) = (one.min(other).to_owned(), one.max(other).to_owned());
        Self { first, second }
    }
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
