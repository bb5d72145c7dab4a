//! Answers that the server waits for. Every ack settles once.

use alloc::{collections::BTreeSet, vec::Vec};

use super::event::{AckKey, AckOutcome, SocketKey};
use crate::{
    key::{Mark, Table},
    time::Instant,
};

/// All acks of one server.
#[derive(Debug)]
pub(crate) struct Acks {
    table: Table<AckKey, Ack>,
    deadlines: BTreeSet<(Instant, AckKey)>,
}

/// One ack: who was asked, and how many still may answer.
#[derive(Debug)]
pub(crate) struct Ack {
    /// The id on the wire.
    pub(crate) id: u64,
    /// Everybody who was asked and may still hold an entry for it.
    pub(crate) asked: Vec<SocketKey>,
    pub(crate) deadline: Option<Instant>,
    // Invariant: the number of sockets that hold an entry for this ack.
    open: usize,
    answered: usize,
    missing: usize,
    is_single: bool,
}

/// An ack that is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Settled {
    pub(crate) outcome: AckOutcome,
    pub(crate) missing: usize,
}

/// What takes one socket off an ack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Off {
    Answered,
    Disconnected,
}

impl Acks {
    pub(crate) const fn new() -> Self {
        Self {
            table: Table::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Adds an ack that nobody was asked for yet.
    pub(crate) fn insert(
        &mut self,
        taken: Mark,
        id: u64,
        is_single: bool,
        deadline: Option<Instant>,
    ) -> AckKey {
        let key = self.table.insert(
            taken,
            Ack {
                id,
                asked: Vec::new(),
                deadline,
                open: 0,
                answered: 0,
                missing: 0,
                is_single,
            },
        );
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key));
        }
        key
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// One more socket is asked.
    pub(crate) fn ask(&mut self, key: AckKey, socket: SocketKey) {
        if let Some(ack) = self.table.get_mut(key) {
            ack.asked.push(socket);
            ack.open += 1;
        }
    }

    /// One socket was meant but cannot answer.
    pub(crate) fn miss(&mut self, key: AckKey) {
        if let Some(ack) = self.table.get_mut(key) {
            ack.missing += 1;
        }
    }

    /// One socket answers no more.
    pub(crate) fn take_off(&mut self, key: AckKey, off: Off) {
        if let Some(ack) = self.table.get_mut(key) {
            ack.open = ack.open.saturating_sub(1);
            match off {
                Off::Answered => ack.answered += 1,
                Off::Disconnected => ack.missing += 1,
            }
        }
    }

    /// Removes an ack if nobody is left who could answer.
    pub(crate) fn settle(&mut self, key: AckKey) -> Option<Settled> {
        let ack = self.table.get(key)?;
        if ack.open > 0 {
            return None;
        }
        let outcome = if ack.is_single && ack.answered == 0 {
            AckOutcome::Disconnected
        } else {
            AckOutcome::Complete
        };
        let missing = ack.missing;
        self.remove(key)?;
        Some(Settled { outcome, missing })
    }

    /// Removes an ack, whoever could still answer.
    pub(crate) fn remove(&mut self, key: AckKey) -> Option<Ack> {
        let ack = self.table.remove(key)?;
        if let Some(deadline) = ack.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        Some(ack)
    }

    /// Lets the names that were freed rest until the caller has taken `queued` outputs.
    pub(crate) fn rest(&mut self, queued: Mark) {
        self.table.rest(queued);
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// The next ack whose time is over.
    pub(crate) fn next_due(&self, now: Instant) -> Option<AckKey> {
        let &(deadline, key) = self.deadlines.first()?;
        (deadline <= now).then_some(key)
    }
}

impl Ack {
    /// How many answers did not come if it ends now.
    pub(crate) fn missing_now(&self) -> usize {
        self.missing + self.open
    }
}
