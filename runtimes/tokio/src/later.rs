//! What must not happen under the lock: work that may run an application's code, and the end of
//! values that an application made.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Things to do as soon as the lock is free, in order.
///
/// A [`Handler`](crate::Handler) collects them while it is told events, because dropping a value
/// or starting a task may run code that enters the lock again.
#[derive(Default)]
pub struct Later(Vec<Box<dyn FnOnce() + Send>>);

impl Later {
    /// Runs something when the lock is free.
    pub fn run(&mut self, work: impl FnOnce() + Send + 'static) {
        self.0.push(Box::new(work));
    }

    /// Drops a value when the lock is free.
    pub fn drop<T: Send + 'static>(&mut self, value: T) {
        self.run(move || drop(value));
    }

    /// Does it all. One that panics does not keep the others from being done.
    pub(crate) fn finish(self) {
        for work in self.0 {
            // The panic was reported by the panic hook; there is nobody else to tell.
            _ = catch_unwind(AssertUnwindSafe(work));
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Later({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn all_is_done_in_order_whatever_panics() {
        let (sender, receiver) = mpsc::channel();
        let mut later = Later::default();
        for number in 0..3 {
            let sender = sender.clone();
            later.run(move || {
                sender.send(number).unwrap();
                assert_ne!(number, 1, "one fails");
            });
        }
        later.finish();
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
