//! Randomness from one seed.

use std::time::Duration;

/// A generator that repeats itself: everything random in a run comes from one of these.
#[derive(Clone, Debug)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// Makes dice from a seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Makes dice of their own for a part of the run, so that its rolls disturb no other part.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// A number below `sides`; zero if there are none.
    pub fn below(&mut self, sides: usize) -> usize {
        if sides == 0 { 0 } else { self.0.usize(..sides) }
    }

    /// Whether something happens that does so `times` in a thousand.
    pub fn per_mille(&mut self, times: u32) -> bool {
        times > 0 && self.0.u32(..1_000) < times
    }

    /// A span from a range, its ends included, in whole microseconds.
    pub fn span(&mut self, range: (Duration, Duration)) -> Duration {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let (from, to) = (micros(range.0), micros(range.1).max(micros(range.0)));
        Duration::from_micros(self.0.u64(from..=to))
    }

    /// One of a list; `None` if it is empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    /// A seed for a machine.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill(&mut seed);
        seed
    }
}
