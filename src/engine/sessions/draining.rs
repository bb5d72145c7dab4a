//! The end of a server: no new sessions, and an end to each that there is, spread over a time.

use alloc::vec;
use core::time::Duration;

use super::{Sessions, Sink};
use crate::{edge::SessionKey, engine::codec::Parser, time::Instant};

/// Sessions that will be closed, each at its time.
#[derive(Debug)]
pub(super) struct Drain {
    left: vec::IntoIter<SessionKey>,
    total: u32,
    begin: Instant,
    spread: Duration,
}

impl Drain {
    /// When the next session closes: the first at once, the last when the time is over.
    fn next_due(&self) -> Option<Instant> {
        let left = u32::try_from(self.left.len()).ok()?;
        if left == 0 {
            return None;
        }
        let gaps = self.total.saturating_sub(1).max(1);
        // In this order no precision is lost, and no span overflows that a clock can name.
        let nanos = self.spread.as_nanos() * u128::from(self.total - left) / u128::from(gaps);
        let micros = u64::try_from(nanos / 1_000).unwrap_or(u64::MAX);
        Some(self.begin + Duration::from_micros(micros))
    }
}

impl<P: Parser> Sessions<P> {
    /// Refuses new sessions from now on, and plans the closes of all that there are.
    pub(crate) fn begin_drain(&mut self, spread: Duration, out: &mut impl Sink<P>) {
        self.accepting = false;
        self.count_shutdown();
        self.refuse_undecided(out);
        let all: vec::Vec<SessionKey> = self.keys().collect();
        self.drain = Some(Drain {
            total: u32::try_from(all.len()).unwrap_or(u32::MAX),
            left: all.into_iter(),
            begin: self.now,
            spread,
        });
    }

    /// Takes the next session whose time it is to be closed; the parent closes it. One that has
    /// ended meanwhile is among them.
    pub(crate) fn next_to_close(&mut self) -> Option<SessionKey> {
        let drain = self.drain.as_mut()?;
        if drain.next_due().is_some_and(|due| due > self.now) {
            return None;
        }
        let next = drain.left.next();
        if next.is_none() {
            self.drain = None;
        }
        next
    }

    /// When the next session closes.
    pub(super) fn next_close(&self) -> Option<Instant> {
        self.drain.as_ref()?.next_due()
    }
}
