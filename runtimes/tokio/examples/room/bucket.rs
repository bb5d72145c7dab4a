//! A token bucket: how fast somebody may do something, with a few times at once.

/// How many times at once.
pub(crate) const BURST: u64 = 5;

/// How long until the next time in the long run, in milliseconds.
pub(crate) const PERIOD: u64 = 1_000;

/// A bucket that is filled with one token each [`PERIOD`], up to [`BURST`]. What is done takes one.
///
/// Times are milliseconds. One that runs backwards is taken as standing still.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// The tokens, each as many milliseconds as it takes to fill it in.
    level: u64,
    /// When that was the level.
    at: u64,
}

impl Bucket {
    pub(crate) fn full(now: u64) -> Self {
        Self {
            level: BURST * PERIOD,
            at: now,
        }
    }

    /// Takes a token. If there is none, says in how many milliseconds there will be one.
    pub(crate) fn take(&mut self, now: u64) -> Result<(), u64> {
        let passed = now.saturating_sub(self.at);
        self.level = self.level.saturating_add(passed).min(BURST * PERIOD);
        self.at = self.at.max(now);
        match self.level.checked_sub(PERIOD) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(PERIOD - self.level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_each_period_fit() {
        let mut bucket = Bucket::full(0);
        for _ in 0..BURST {
            assert_eq!(bucket.take(0), Ok(()));
        }
        assert_eq!(bucket.take(0), Err(PERIOD));
        assert_eq!(bucket.take(PERIOD - 1), Err(1));
        assert_eq!(bucket.take(PERIOD), Ok(()));
        assert_eq!(bucket.take(PERIOD), Err(PERIOD));
    }

    #[test]
    fn a_long_rest_saves_no_more_than_a_burst() {
        let mut bucket = Bucket::full(0);
        let late = u64::MAX;
        for _ in 0..BURST {
            assert_eq!(bucket.take(late), Ok(()));
        }
        assert_eq!(bucket.take(late), Err(PERIOD));
    }

    #[test]
    fn time_that_runs_backwards_stands_still() {
        let mut bucket = Bucket::full(5_000);
        for _ in 0..BURST {
            bucket.take(5_000).unwrap();
        }
        assert_eq!(bucket.take(0), Err(PERIOD));
        assert_eq!(bucket.take(5_500), Err(PERIOD / 2));
    }
}
