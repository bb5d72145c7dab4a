//! The clock: what happens next, and when.

use std::{cmp::Ordering, collections::BinaryHeap};

use socketio_proto::time::Instant;

/// A queue ordered by time, and by the order of scheduling where times are equal.
///
/// Taking an item moves the clock to its time: time passes only from one happening to the next,
/// so ten quiet minutes cost nothing.
#[derive(Debug)]
pub struct Schedule<T> {
    heap: BinaryHeap<Entry<T>>,
    sequence: u64,
    now: Instant,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    sequence: u64,
    item: T,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sequence: 0,
            now: Instant::ORIGIN,
        }
    }
}

impl<T> Schedule<T> {
    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Adds an item; one in the past happens now.
    pub fn add(&mut self, at: Instant, item: T) {
        self.sequence += 1;
        self.heap.push(Entry {
            at: at.max(self.now),
            sequence: self.sequence,
            item,
        });
    }

    /// When the next item happens.
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the next item, if it happens by an instant, and moves the clock there.
    pub fn take_by(&mut self, by: Instant) -> Option<T> {
        if self.next_at()? > by {
            return None;
        }
        let entry = self.heap.pop()?;
        self.now = self.now.max(entry.at);
        Some(entry.item)
    }

    /// Moves the clock forward although nothing happens then.
    pub fn jump(&mut self, to: Instant) {
        self.now = self.now.max(to);
    }
}

impl<T> Entry<T> {
    fn rank(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}

// A heap gives out its greatest entry: the earliest ranks highest.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn items_happen_in_order_of_time_and_then_of_scheduling() {
        let mut schedule = Schedule::default();
        for (millis, item) in [(20, 'c'), (10, 'a'), (20, 'd'), (10, 'b')] {
            schedule.add(at(millis), item);
        }
        let taken: String = std::iter::from_fn(|| schedule.take_by(at(19))).collect();
        assert_eq!((taken.as_str(), schedule.now()), ("ab", at(10)));
        let taken: String = std::iter::from_fn(|| schedule.take_by(Instant::MAX)).collect();
        assert_eq!((taken.as_str(), schedule.now()), ("cd", at(20)));
    }

    #[test]
    fn what_was_missed_by_a_jump_happens_late() {
        let mut schedule = Schedule::default();
        schedule.add(at(10), ());
        schedule.jump(at(50));
        assert_eq!(schedule.take_by(at(50)), Some(()));
        assert_eq!(schedule.now(), at(50));
    }
}
