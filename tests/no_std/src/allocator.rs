//! An allocator without an operating system: it hands out a fixed piece of memory once.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

const SIZE: usize = 1 << 20;

#[global_allocator]
static ARENA: Arena = Arena {
    memory: UnsafeCell::new([0; SIZE]),
    used: AtomicUsize::new(0),
};

#[repr(align(4096))]
struct Arena {
    memory: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

// SAFETY: `alloc` gives each byte of `memory` away once, and nothing else touches it.
unsafe impl Sync for Arena {}

// SAFETY: blocks are aligned, lie within `memory`, and never overlap; freeing does nothing.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let place = |used: usize| {
            let start = used.checked_next_multiple_of(layout.align())?;
            let end = start.checked_add(layout.size())?;
            (end <= SIZE).then_some((start, end))
        };
        let step = |used| place(used).map(|(_, end)| end);
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
        {
            Ok(used) => place(used).map_or(ptr::null_mut(), |(start, _)| {
                self.memory.get().cast::<u8>().wrapping_add(start)
            }),
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
