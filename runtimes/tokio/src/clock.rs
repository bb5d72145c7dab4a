//! The one place that reads the system's clocks and its entropy.

use std::time::{Duration, SystemTime};

use socketio_proto::time::{Instant, UnixTime};
use thiserror::Error;

/// A clock whose origin is the moment it was made.
///
/// It counts the time that the host is suspended on Linux and Android (`CLOCK_BOOTTIME`) and on
/// Windows. Elsewhere it is [`std::time::Instant`], which stands still during a suspension on
/// macOS: a machine then notices a little later that its peers are gone.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Ticks,
    unix: UnixTime,
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
        }
    }

    /// The time since the clock was started.
    pub fn now(&self) -> Instant {
        let span = Ticks::now().since(self.origin);
        Instant::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }

    /// The wall-clock time at which the clock was started.
    pub fn origin(&self) -> UnixTime {
        self.unix
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
#[derive(Clone, Copy, Debug)]
struct Ticks(Duration);

#[cfg(any(target_os = "android", target_os = "linux"))]
impl Ticks {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    fn since(self, origin: Self) -> Duration {
        self.0.saturating_sub(origin.0)
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
#[derive(Clone, Copy, Debug)]
struct Ticks(std::time::Instant);

#[cfg(not(any(target_os = "android", target_os = "linux")))]
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
/// be used twice.
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
mod tests {
    use super::*;

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
