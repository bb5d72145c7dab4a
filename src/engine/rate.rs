//! Rates, and the token buckets that measure them.

use core::{fmt, time::Duration};

use crate::time::Instant;

/// How much of something may happen: so much at once, and so much per second in the long run.
///
/// It is a token bucket: full with `burst` tokens at first, filled again by `per_second` tokens a
/// second, spread evenly, up to `burst`. What happens takes tokens. Over any time no more happens
/// than `burst` and `per_second` times the seconds, exactly.
///
/// Neither number may be zero; [`ConfigBuilder::build`](super::ConfigBuilder::build) says so.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

/// What becomes of a client that sends more than
/// [`packet_rate`](super::ConfigBuilder::packet_rate) or
/// [`byte_rate`](super::ConfigBuilder::byte_rate) allow.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OverRate {
    /// The session closes with [`CloseReason::RateExceeded`](super::CloseReason::RateExceeded).
    /// The packets that fit come before; of a message or body with too many bytes none does.
    #[default]
    Close,
    /// Nothing is lost: what was read comes, and the client is not read until its tokens are back,
    /// as if the application had [stopped reading](crate::edge::Machine::set_reading) it. It is not
    /// blamed for what lies unread meanwhile.
    ///
    /// A client that sent so much at once that this would take longer than
    /// [`pause_timeout`](super::ConfigBuilder::pause_timeout) closes as by [`Close`](Self::Close),
    /// behind all that came.
    Delay,
}

/// How much of a rate may be used now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bucket {
    rate: Rate,
    // In millionths of a token, so that a microsecond adds a whole number of them: nothing is ever
    // rounded. Below zero is debt.
    level: i64,
    // When that was the level.
    at: Instant,
}

/// Millionths of a token.
const TOKEN: i64 = 1_000_000;

/// How long a client in debt is not read at least, unless its bucket is full before: else each
/// message could bring a pause of its own.
const SHORTEST_DELAY: Duration = Duration::from_millis(10);

impl Rate {
    /// So many per second in the long run, and so many at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// How many per second in the long run.
    pub const fn per_second(self) -> u32 {
        self.per_second
    }

    /// How many at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// No delay that [`Bucket::owe`] names is shorter.
    pub(crate) fn shortest_delay(self) -> Duration {
        SHORTEST_DELAY.min(self.time_for(self.full().unsigned_abs()))
    }

    pub(crate) fn is_zero(self) -> bool {
        self.per_second == 0 || self.burst == 0
    }

    fn full(self) -> i64 {
        i64::from(self.burst) * TOKEN
    }

    /// How long it takes until so many millionths are there; whole microseconds, rounded up.
    fn time_for(self, millionths: u64) -> Duration {
        Duration::from_micros(millionths.div_ceil(u64::from(self.per_second.max(1))))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per second, {} at once", self.per_second, self.burst)
    }
}

impl Bucket {
    /// A full one. As long as nothing is taken it stays full, whatever the time.
    pub(crate) fn full(rate: Rate) -> Self {
        Self {
            rate,
            level: rate.full(),
            at: Instant::ORIGIN,
        }
    }

    pub(crate) fn rate(self) -> Rate {
        self.rate
    }

    /// Whether one token is there.
    pub(crate) fn has_one(self, now: Instant) -> bool {
        self.filled(now).level >= TOKEN
    }

    /// Takes so many tokens, if they are there.
    pub(crate) fn take(&mut self, now: Instant, tokens: usize) -> bool {
        *self = self.filled(now);
        let are_there = millionths(tokens) <= self.level;
        if are_there {
            self.level -= millionths(tokens);
        }
        are_there
    }

    /// Takes so many tokens, or as many as are there, and says how many.
    pub(crate) fn take_up_to(&mut self, now: Instant, tokens: usize) -> usize {
        *self = self.filled(now);
        let there = usize::try_from(self.level.max(0) / TOKEN).unwrap_or(usize::MAX);
        let taken = tokens.min(there);
        self.level -= millionths(taken);
        taken
    }

    /// Takes so many tokens, those that are not there as debt. Then says when to go on: when the
    /// debt is paid, but not so soon that pauses outnumber messages.
    pub(crate) fn owe(&mut self, now: Instant, tokens: usize) -> Option<Instant> {
        *self = self.filled(now);
        self.level = self.level.saturating_sub(millionths(tokens));
        if self.level >= 0 {
            return None;
        }
        let rate = self.rate;
        let paid = rate.time_for(self.level.unsigned_abs());
        // Waiting for longer would waste what a full bucket cannot take.
        let full = rate.time_for(self.level.abs_diff(rate.full()));
        Some(now + paid.max(SHORTEST_DELAY).min(full))
    }

    fn filled(self, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.at).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        // A token per second is a millionth per microsecond.
        let more = passed.saturating_mul(u64::from(self.rate.per_second));
        let room = self.level.abs_diff(self.rate.full());
        let sum = self.level.checked_add_unsigned(more.min(room));
        Self {
            level: sum.unwrap_or(self.rate.full()),
            at: self.at.max(now),
            ..self
        }
    }
}

/// What so many tokens are, at most.
fn millionths(tokens: usize) -> i64 {
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    tokens.saturating_mul(TOKEN)
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_evenly() {
        let rate = Rate::new(3, 2);
        let mut bucket = Bucket::full(rate);
        assert_eq!(bucket.take_up_to(at(5_000_000), 5), 2);
        // A third of a second is no whole number of microseconds.
        for (now, takes) in [
            (5_333_333, false),
            (5_333_334, true),
            (5_666_666, false),
            (5_666_667, true),
            (5_999_999, false),
            (6_000_000, true),
            (6_000_000, false),
        ] {
            assert_eq!(bucket.has_one(at(now)), takes, "{now}");
            assert_eq!(bucket.take(at(now), 1), takes, "{now}");
        }
    }

    #[test]
    fn no_rounding_adds_up() {
        // One look every microsecond, at a rate that divides nothing.
        let rate = Rate::new(7, 1);
        let mut bucket = Bucket::full(rate);
        let taken = (0..3_000_000).filter(|&now| bucket.take(at(now), 1));
        assert_eq!(taken.count(), 21);
    }

    #[test]
    fn no_more_than_a_burst_is_saved() {
        let rate = Rate::new(u32::MAX, 3);
        let mut bucket = Bucket::full(rate);
        assert!(!bucket.take(at(0), 4));
        assert!(bucket.take(at(0), 3));
        assert!(!bucket.take(Instant::MAX, 4));
        assert_eq!(bucket.take_up_to(Instant::MAX, usize::MAX), 3);
        assert_eq!(bucket.take_up_to(Instant::MAX, usize::MAX), 0);
    }

    #[test]
    fn time_that_runs_backwards_stands_still() {
        let rate = Rate::new(1, 1);
        let mut bucket = Bucket::full(rate);
        assert!(bucket.take(at(9_000_000), 1));
        assert!(!bucket.take(at(1_000_000), 1));
        assert!(!bucket.take(at(9_999_999), 1));
        assert!(bucket.take(at(10_000_000), 1));
    }

    #[test]
    fn a_debt_is_paid_before_anything_is_there() {
        let rate = Rate::new(10, 5);
        let mut bucket = Bucket::full(rate);
        assert_eq!(bucket.owe(at(0), 5), None);
        assert_eq!(bucket.owe(at(0), 20), Some(at(2_000_000)));
        assert!(!bucket.has_one(at(2_099_999)));
        assert!(bucket.has_one(at(2_100_000)));
        assert_eq!(bucket.owe(at(2_100_000), 1), None);
    }

    #[test]
    fn a_delay_is_not_short_unless_the_bucket_is_full_before() {
        let delay = |rate: Rate, tokens| {
            let until = Bucket::full(rate).owe(at(0), tokens).unwrap();
            assert!(rate.shortest_delay() <= until.saturating_duration_since(at(0)));
            until.as_micros()
        };
        assert_eq!(delay(Rate::new(1_000, 1_000), 1_001), 10_000);
        assert_eq!(delay(Rate::new(1_000, 1_000), 1_011), 11_000);
        assert_eq!(delay(Rate::new(1_000, 2), 3), 3_000);
        assert_eq!(delay(Rate::new(u32::MAX, 1), 2), 1);
    }

    #[test]
    fn no_number_overflows() {
        for rate in [
            Rate::new(1, 1),
            Rate::new(u32::MAX, u32::MAX),
            Rate::new(1, u32::MAX),
            Rate::new(u32::MAX, 1),
        ] {
            let mut bucket = Bucket::full(rate);
            for _ in 0..3 {
                assert!(bucket.owe(at(7), usize::MAX).is_some());
            }
            assert!(!bucket.has_one(at(7)));
            assert!(!bucket.take(at(7), usize::MAX));
            assert_eq!(bucket.take_up_to(at(7), usize::MAX), 0);
            assert!(bucket.owe(Instant::MAX, usize::MAX).is_some());
        }
    }

    #[test]
    fn a_rate_says_what_it_is() {
        let text = Rate::new(10, 50).to_string();
        assert_eq!(text, "10 per second, 50 at once");
    }

    /// Says what the level is from all that was taken, and from nothing else: at each moment in the
    /// past the bucket was full at most.
    struct Model {
        rate: Rate,
        taken: Vec<(u64, i128)>,
    }

    impl Model {
        fn level(&self, now: u64) -> i128 {
            let token = i128::from(TOKEN);
            let full = i128::from(self.rate.burst) * token;
            let mut lowest = full;
            for (first, &(then, _)) in self.taken.iter().enumerate() {
                let gained = i128::from(now - then) * i128::from(self.rate.per_second);
                let since = self.taken.iter().skip(first);
                let gone: i128 = since.map(|(_, tokens)| tokens * token).sum();
                lowest = lowest.min(full + gained - gone);
            }
            lowest
        }
    }

    fn rates() -> impl Strategy<Value = Rate> {
        let number = || {
            prop_oneof![
                1..20_u32,
                Just(u32::MAX),
                any::<u32>().prop_map(|n| n.max(1))
            ]
        };
        (number(), number()).prop_map(|(per_second, burst)| Rate::new(per_second, burst))
    }

    proptest! {
        #[test]
        fn a_bucket_does_what_its_definition_says(
            rate in rates(),
            steps in proptest::collection::vec(
                (
                    prop_oneof![0..3_u64, 0..2_000_000_u64, 0..1_u64 << 50],
                    0..3_u8,
                    prop_oneof![0..30_usize, 0..1_usize << 32],
                ),
                1..40,
            ),
        ) {
            let mut bucket = Bucket::full(rate);
            let mut model = Model { rate, taken: Vec::new() };
            let mut now = 0;
            for (pause, kind, tokens) in steps {
                now += pause;
                let level = model.level(now);
                let token = i128::from(TOKEN);
                let there = usize::try_from(level.max(0) / token).unwrap();
                prop_assert_eq!(bucket.has_one(at(now)), there >= 1);
                let taken = match kind {
                    0 => {
                        let fits = i128::try_from(tokens).unwrap() * token <= level;
                        prop_assert_eq!(bucket.take(at(now), tokens), fits);
                        if fits { tokens } else { 0 }
                    }
                    1 => {
                        let taken = bucket.take_up_to(at(now), tokens);
                        prop_assert_eq!(taken, tokens.min(there));
                        taken
                    }
                    _ => {
                        let until = bucket.owe(at(now), tokens);
                        let left = level - i128::try_from(tokens).unwrap() * token;
                        prop_assert_eq!(until.is_some(), left < 0);
                        if let Some(until) = until {
                            // The debt is paid then, and was not a microsecond before, unless the
                            // delay would have been too short.
                            let mut later = bucket;
                            prop_assert!(later.owe(until, 0).is_none());
                            let delay = until.saturating_duration_since(at(now));
                            let mut sooner = bucket;
                            let before = at(until.as_micros() - 1);
                            prop_assert!(
                                delay <= SHORTEST_DELAY || sooner.owe(before, 0).is_some()
                            );
                            prop_assert!(delay >= rate.shortest_delay());
                        }
                        tokens
                    }
                };
                model.taken.push((now, i128::try_from(taken).unwrap()));
                prop_assert_eq!(i128::from(bucket.filled(at(now)).level), model.level(now));
            }
        }
    }
}
