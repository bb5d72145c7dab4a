//! Positions in the stream of events that are kept, and their text: the offsets on the wire.

use core::{str, time::Duration};

use crate::time::{Instant, UnixTime};

/// A place between events. It is at least the wall-clock time in microseconds, and each is greater
/// than the one before, also across a restart that imports what was kept.
pub(in crate::socket) type Position = u64;

/// How many characters an offset has.
pub(in crate::socket) const OFFSET_LEN: usize = 9;

/// The digits of an offset, ascending as ASCII does: offsets sort like their positions.
const DIGITS: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const BITS: u32 = 6;
/// What fits: the year 2540.
const LAST: Position = (1 << (BITS * 9)) - 1;

/// The text of a position: an offset, which a client sends back as it came.
#[derive(Clone, Copy, Debug)]
pub(in crate::socket) struct Offset([u8; OFFSET_LEN]);

impl Offset {
    pub(in crate::socket) fn new(position: Position) -> Self {
        let mut text = [b'-'; OFFSET_LEN];
        let mut rest = position.min(LAST);
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 63).unwrap_or_default();
            *place = DIGITS.get(digit).copied().unwrap_or(b'-');
            rest >>= BITS;
        }
        Self(text)
    }

    pub(in crate::socket) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Reads an offset; `None` if it is none of ours.
    pub(in crate::socket) fn read(text: &str) -> Option<Position> {
        let text: &[u8; OFFSET_LEN] = text.as_bytes().try_into().ok()?;
        let mut position: Position = 0;
        for byte in text {
            let digit = DIGITS.binary_search(byte).ok()?;
            position = position << BITS | Position::try_from(digit).ok()?;
        }
        Some(position)
    }
}

/// Gives positions out.
#[derive(Clone, Copy, Debug)]
pub(in crate::socket) struct Positions {
    origin: UnixTime,
    last: Position,
}

impl Positions {
    pub(super) fn new(origin: UnixTime, now: Instant) -> Self {
        let mut positions = Self { origin, last: 0 };
        positions.last = positions.at(now);
        positions
    }

    /// The next position.
    pub(in crate::socket) fn take(&mut self, now: Instant) -> Position {
        self.last = self.at(now).max(self.last.saturating_add(1)).min(LAST);
        self.last
    }

    /// The position that was given out last.
    pub(in crate::socket) fn last(&self) -> Position {
        self.last
    }

    /// Goes on behind a position that another server gave out.
    pub(super) fn skip_to(&mut self, position: Position) {
        self.last = self.last.max(position.min(LAST));
    }

    /// The wall clock at an instant, as a position.
    pub(super) fn at(&self, now: Instant) -> Position {
        micros(self.origin.at(now)).min(LAST)
    }

    /// When the wall clock reaches a position.
    pub(super) fn instant_of(&self, position: Position) -> Instant {
        let origin = micros(self.origin.at(Instant::ORIGIN));
        Instant::from_micros(position.saturating_sub(origin))
    }
}

/// A span in the unit of positions.
pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_ascend_and_follow_the_wall_clock() {
        let origin = UnixTime::since_epoch(Duration::from_secs(1_000));
        let mut positions = Positions::new(origin, Instant::ORIGIN);
        assert_eq!(positions.last(), 1_000_000_000);
        assert_eq!(positions.take(Instant::ORIGIN), 1_000_000_001);
        assert_eq!(positions.take(Instant::ORIGIN), 1_000_000_002);
        let later = Instant::from_millis(2);
        assert_eq!(positions.take(later), 1_000_002_000);
        assert_eq!(positions.instant_of(1_000_002_000), later);
        positions.skip_to(2_000_000_000);
        assert_eq!(positions.take(later), 2_000_000_001);
        positions.skip_to(1);
        assert_eq!(positions.take(later), 2_000_000_002);
    }

    #[test]
    fn positions_stop_where_their_text_ends() {
        let origin = UnixTime::since_epoch(Duration::MAX);
        let mut positions = Positions::new(origin, Instant::ORIGIN);
        assert_eq!(positions.take(Instant::MAX), LAST);
        assert_eq!(positions.take(Instant::MAX), LAST);
    }

    #[test]
    fn what_is_no_offset_of_ours_is_none() {
        for text in [
            "",
            "--------",
            "----------",
            "--------+",
            "Q85WMuU",
            "--------\u{e9}",
        ] {
            assert_eq!(Offset::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_offset_reads_back_and_sorts_like_its_position(one in 0..=LAST, two in 0..=LAST) {
            let (first, second) = (Offset::new(one), Offset::new(two));
            prop_assert_eq!(Offset::read(first.as_str()), Some(one));
            prop_assert_eq!(first.as_str().cmp(second.as_str()), one.cmp(&two));
        }
    }
}
