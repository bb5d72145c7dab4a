//! A global allocator that counts.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static CALLS: AtomicUsize = AtomicUsize::new(0);
static REQUESTED: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

pub struct Counting;

/// What was asked of the allocator since [`Mark::now`].
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub calls: usize,
    pub requested: usize,
    /// Bytes held now beyond those held at the mark.
    pub live: isize,
    /// The most that was held at once beyond what was held at the mark.
    pub peak: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Mark {
    calls: usize,
    requested: usize,
    live: usize,
}

impl Mark {
    pub fn now() -> Self {
        let live = LIVE.load(Relaxed);
        PEAK.store(live, Relaxed);
        Self {
            calls: CALLS.load(Relaxed),
            requested: REQUESTED.load(Relaxed),
            live,
        }
    }

    pub fn usage(self) -> Usage {
        Usage {
            calls: CALLS.load(Relaxed) - self.calls,
            requested: REQUESTED.load(Relaxed) - self.requested,
            live: LIVE.load(Relaxed) as isize - self.live as isize,
            peak: PEAK.load(Relaxed).saturating_sub(self.live),
        }
    }
}

fn grew(by: usize) {
    let live = LIVE.fetch_add(by, Relaxed) + by;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        REQUESTED.fetch_add(layout.size(), Relaxed);
        grew(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        REQUESTED.fetch_add(size.saturating_sub(layout.size()), Relaxed);
        LIVE.fetch_sub(layout.size(), Relaxed);
        grew(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
