//! The one queue of outputs that an outermost machine owns.

use alloc::collections::VecDeque;

use crate::{edge::Output, engine::Parser, key::Mark};

/// Outputs in the order in which they have to happen.
#[derive(Debug)]
pub(crate) struct Outputs<E, P: Parser> {
    queue: VecDeque<Output<E, P>>,
    queued: u64,
    taken: u64,
}

impl<E, P: Parser> Outputs<E, P> {
    pub(crate) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            queued: 0,
            taken: 0,
        }
    }

    pub(crate) fn push(&mut self, output: Output<E, P>) {
        self.queued += 1;
        self.queue.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output<E, P>> {
        let output = self.queue.pop_front()?;
        self.taken += 1;
        if self.queue.is_empty() {
            // A burst must not keep its room for ever.
            self.queue.shrink_to(1_024);
        }
        Some(output)
    }

    /// How many outputs were ever added.
    pub(crate) fn queued(&self) -> Mark {
        Mark(self.queued)
    }

    /// How many outputs were ever taken.
    pub(crate) fn taken(&self) -> Mark {
        Mark(self.taken)
    }
}
