//! Deadlines of constant length: whoever armed first is due first, so a queue keeps them in order.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::Instant;

/// Deadlines that all lie the same span after they were armed.
///
/// Nothing is disarmed here: the owner of a deadline keeps the instant itself and ignores an entry
/// that names it too early. [`Fifo::retain`] drops such entries before they outnumber the owners.
#[derive(Debug)]
pub(crate) struct Fifo<K> {
    span: Duration,
    // Invariant: the instants never descend.
    entries: VecDeque<(Instant, K)>,
}

impl<K: Copy + PartialEq> Fifo<K> {
    pub(crate) const fn new(span: Duration) -> Self {
        Self {
            span,
            entries: VecDeque::new(),
        }
    }

    /// How long after it was armed a deadline is due.
    pub(crate) fn span(&self) -> Duration {
        self.span
    }

    /// Adds a deadline and says when it is due.
    pub(crate) fn arm(&mut self, now: Instant, owner: K) -> Instant {
        self.arm_at(now + self.span, owner)
    }

    /// Adds a deadline that is due at an instant of the caller's choice, but not before the entry
    /// that was added last; says when it is due.
    pub(crate) fn arm_at(&mut self, due: Instant, owner: K) -> Instant {
        let last = self.entries.back().map(|&(last, _)| last);
        let due = last.map_or(due, |last| last.max(due));
        // One input may renew a deadline many times: that is still one.
        if self.entries.back() != Some(&(due, owner)) {
            self.entries.push_back((due, owner));
        }
        due
    }

    /// When the oldest entry is due: early if that entry no longer counts, never late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.front().map(|&(due, _)| due)
    }

    /// Takes the oldest entry if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop_front().map(|(_, owner)| owner)
    }

    /// Takes the oldest entry, due or not.
    pub(crate) fn take_first(&mut self) -> Option<K> {
        self.entries.pop_front().map(|(_, owner)| owner)
    }

    /// Drops the oldest entries as long as they no longer count, so that [`Fifo::next`] is not
    /// early for their sake.
    pub(crate) fn skip(&mut self, mut counts: impl FnMut(Instant, &K) -> bool) {
        while let Some((due, owner)) = self.entries.front()
            && !counts(*due, owner)
        {
            self.entries.pop_front();
        }
    }

    /// Whether entries that no longer count may outnumber the owners.
    pub(crate) fn is_crowded(&self, owners: usize) -> bool {
        self.entries.len() > owners.saturating_mul(2).saturating_add(64)
    }

    /// Keeps the entries that still count.
    pub(crate) fn retain(&mut self, mut counts: impl FnMut(Instant, &K) -> bool) {
        self.entries.retain(|(due, owner)| counts(*due, owner));
        self.entries.shrink_to(self.entries.len() * 2);
    }
}

/// The earliest of several instants.
pub(crate) fn earliest(instants: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    instants.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn an_instant_of_the_callers_choice_keeps_the_order() {
        let mut fifo = Fifo::new(Duration::from_millis(100));
        assert_eq!(fifo.arm_at(at(50), 'a'), at(50));
        assert_eq!(fifo.arm_at(at(40), 'b'), at(50));
        assert_eq!(fifo.arm(at(0), 'c'), at(100));
    }

    #[test]
    fn renewing_a_deadline_at_one_instant_adds_one_entry() {
        let mut fifo = Fifo::new(Duration::from_millis(100));
        fifo.arm(at(0), 'a');
        fifo.arm(at(0), 'a');
        assert_eq!(fifo.pop_due(at(100)), Some('a'));
        assert_eq!(fifo.next(), None);
    }

    #[test]
    fn entries_come_out_when_they_are_due_and_in_order() {
        let mut fifo = Fifo::new(Duration::from_millis(100));
        assert_eq!(fifo.arm(at(0), 'a'), at(100));
        assert_eq!(fifo.arm(at(20), 'b'), at(120));

        assert_eq!(fifo.next(), Some(at(100)));
        assert_eq!(fifo.pop_due(at(99)), None);
        assert_eq!(fifo.pop_due(at(120)), Some('a'));
        assert_eq!(fifo.pop_due(at(120)), Some('b'));
        assert_eq!(fifo.pop_due(at(120)), None);
    }
}
