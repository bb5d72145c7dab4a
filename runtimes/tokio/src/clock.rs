//! The one place that reads the system's clocks and its entropy.

use std::time::{Duration, SystemTime};

use socketio_proto::time::{Instant, UnixTime};
use thiserror::Error;

/// A clock whose origin is the moment it was made.
///
/// It counts the time that the host is suspended on Linux and Android (`CLOCK_BOOTTIME`), on macOS
/// and iOS (`CLOCK_MONOTONIC`, which goes on there while the system sleeps), and on Windows.
/// Elsewhere it is [`std::time::Instant`], which may stand still during a suspension, as on
/// FreeBSD: a machine then notices later that its peers are gone.
///
/// What comes due during a suspension happens with the first input after it, or else within five
/// seconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Ticks,
    unix: UnixTime,
    #[cfg(test)]
    skipped: Option<&'static tests::Skipped>,
}

impl Clock {
    /// Starts a clock.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            origin: Ticks::now(),
            // A clock before 1970 is no clock: peers would not agree with it anyway.
            unix: UnixTime::since_epoch(since_epoch.unwrap_or_default()),
            #[cfg(test)]
            skipped: None,
        }
    }

    /// The time since the clock was started.
    pub fn now(&self) -> Instant {
        let span = Ticks::now().since(self.origin);
        #[cfg(test)]
        let span = span + self.skipped.map_or(Duration::ZERO, tests::Skipped::get);
        Instant::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }

    /// The wall-clock time at which the clock was started.
    pub fn origin(&self) -> UnixTime {
        self.unix
    }
}

/// The system's clock that counts suspended time.
#[cfg(any(target_os = "android", target_os = "linux"))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;

/// The system's clock that counts suspended time: there `Instant` does not.
#[cfg(target_vendor = "apple")]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

#[cfg(any(target_os = "android", target_os = "linux", target_vendor = "apple"))]
#[derive(Clone, Copy, Debug)]
struct Ticks(Duration);

#[cfg(any(target_os = "android", target_os = "linux", target_vendor = "apple"))]
impl Ticks {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    fn since(self, origin: Self) -> Duration {
        self.0.saturating_sub(origin.0)
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux", target_vendor = "apple")))]
#[derive(Clone, Copy, Debug)]
struct Ticks(std::time::Instant);

#[cfg(not(any(target_os = "android", target_os = "linux", target_vendor = "apple")))]
impl Ticks {
    fn now() -> Self {
        Self(std::time::Instant::now())
    }

    fn since(self, origin: Self) -> Duration {
        self.0.saturating_duration_since(origin.0)
    }
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError;

/// Asks the operating system for a seed. A machine makes its credentials from it, so it must not
/// be used twice. Its bytes are good for tokens of the application, too.
///
/// # Errors
///
/// [`EntropyError`] if the operating system has none to give, as in a misconfigured sandbox.
pub fn seed() -> Result<[u8; 32], EntropyError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| EntropyError)?;
    Ok(seed)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Suspended time: it passes for one clock, but not for tokio.
    #[derive(Debug, Default)]
    pub(crate) struct Skipped(AtomicU64);

    impl Skipped {
        pub(crate) fn add(&self, span: Duration) {
            let micros = u64::try_from(span.as_micros()).unwrap();
            self.0.fetch_add(micros, Ordering::Relaxed);
        }

        pub(super) fn get(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    /// A clock whose host can be suspended.
    pub(crate) fn suspendable() -> (Clock, &'static Skipped) {
        let skipped: &Skipped = Box::leak(Box::default());
        let mut clock = Clock::start();
        clock.skipped = Some(skipped);
        (clock, skipped)
    }

    #[test]
    fn time_begins_at_the_origin_and_goes_on() {
        let clock = Clock::start();
        let early = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        let late = clock.now();

        assert!(early < Instant::from_millis(1_000));
        assert!(late.saturating_duration_since(early) >= Duration::from_millis(2));
    }

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed(), seed());
    }
}
