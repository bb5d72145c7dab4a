//! Time as the machines see it: handed in by the caller, never read.

use core::{
    ops::{Add, AddAssign},
    time::Duration,
};

/// A point on the caller's monotonic clock, in microseconds since an origin that the caller chose.
///
/// The clock must keep counting while the host is suspended, so that a machine notices after a
/// sleep that its peers are gone. An instant that lies before one that a machine has already seen
/// is taken as that later one.
///
/// Arithmetic saturates: no peer and no configuration can make it overflow.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// The caller's origin.
    pub const ORIGIN: Self = Self(0);
    /// The end of time: arithmetic saturates here.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes an instant from microseconds since the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Makes an instant from milliseconds since the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

/// The wall-clock time at the origin of an [`Instant`] clock, as a span since the Unix epoch.
///
/// It dates what peers may compare with their own clocks; no deadline depends on it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// Makes a wall-clock time from the span since 1970-01-01T00:00:00Z.
    pub const fn since_epoch(span: Duration) -> Self {
        Self(span)
    }

    /// The wall-clock time at `now`, as a span since the Unix epoch.
    pub fn at(self, now: Instant) -> Duration {
        self.0
            .saturating_add(now.saturating_duration_since(Instant::ORIGIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(
            Instant::from_micros(u64::MAX) + Duration::from_secs(1),
            Instant::from_micros(u64::MAX)
        );
        assert_eq!(
            Instant::ORIGIN + Duration::MAX,
            Instant::from_micros(u64::MAX)
        );
        assert_eq!(
            Instant::from_millis(1).saturating_duration_since(Instant::from_millis(2)),
            Duration::ZERO
        );
    }

    #[test]
    fn wall_clock_follows_the_origin() {
        let origin = UnixTime::since_epoch(Duration::from_secs(1_000));
        assert_eq!(
            origin.at(Instant::from_millis(250)),
            Duration::from_millis(1_000_250)
        );
    }
}
