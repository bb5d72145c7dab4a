//! How much waits for somebody slow, and when its source has to stop.

/// Bytes that wait, beside a mark: above it the source is to stop, and to go on once a quarter of
/// it is left.
#[derive(Debug)]
pub(crate) struct Backlog {
    bytes: usize,
    mark: usize,
    is_over: bool,
}

/// What an item counts for beyond its bytes, so that many small ones count as well.
pub(crate) const OVERHEAD: usize = 64;

impl Backlog {
    pub(crate) const fn new(mark: usize) -> Self {
        Self {
            bytes: 0,
            mark,
            is_over: false,
        }
    }

    /// Counts what came; says whether the source has to stop now.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let stops = !self.is_over && self.bytes > self.mark;
        self.is_over |= stops;
        stops
    }

    /// Counts what was taken; says whether the source may go on now.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        let goes_on = self.is_over && self.bytes <= self.mark / 4;
        self.is_over &= !goes_on;
        goes_on
    }

    /// Nobody takes what waits, for now; says whether the source may go on. It has to stop again at
    /// the next that comes, if so much waits still.
    pub(crate) fn release(&mut self) -> bool {
        std::mem::replace(&mut self.is_over, false)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_stops_above_the_mark_and_goes_on_at_a_quarter_each_once() {
        let mut backlog = Backlog::new(100);
        assert!(!backlog.add(100));
        assert!(backlog.add(1));
        assert!(!backlog.add(50));
        assert!(!backlog.take(125));
        assert!(backlog.is_over());
        assert!(backlog.take(1));
        assert!(!backlog.take(25));
        assert!(!backlog.is_over());
        assert_eq!(backlog.bytes(), 0);
        assert!(backlog.add(101));
        assert!(backlog.release());
        assert!(!backlog.release());
        assert!(backlog.add(1));
    }
}
