//! What an application is told at once, and in order, although not under the lock.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

type Work = Box<dyn FnOnce() + Send>;

/// The most that may wait while a thread works on it; other threads then wait with what they add. It
/// is also the least that a thread does before one of these relieves it.
const MOST: usize = 1_024;

/// Calls of an application's functions in the order in which they were added, one at a time.
///
/// They are added under the driver's lock, where the order is decided, and done when that is free,
/// by whichever thread comes first. A function may cause more: that is done after it.
#[derive(Default)]
pub(crate) struct Line {
    queue: Mutex<Queue>,
    /// Something was done, or a thread has stopped doing it.
    moved: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    runner: Option<ThreadId>,
    /// How many threads wait until less does.
    blocked: usize,
}

impl Line {
    /// Adds a call; [`run`](Self::run) follows.
    pub(crate) fn push(&self, work: impl FnOnce() + Send + 'static) {
        self.queue().waiting.push_back(Box::new(work));
    }

    /// Makes the calls that wait, unless another thread does. If that one is far behind, waits.
    pub(crate) fn run(&self) {
        let mut queue = self.queue();
        let own = thread::current().id();
        while let Some(runner) = queue.runner {
            // The one who runs does it when the function that he is in returns.
            if runner == own || queue.waiting.len() <= MOST {
                return;
            }
            queue.blocked += 1;
            let woken = self.moved.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
            queue.blocked -= 1;
        }
        queue.runner = Some(own);
        let mut done = 0;
        // Those who add more than gets done would keep this thread for ever.
        while (done < MOST || queue.blocked == 0)
            && let Some(work) = queue.waiting.pop_front()
        {
            drop(queue);
            // Whoever has listeners reports their panics; what is left is that of a drop.
            _ = catch_unwind(AssertUnwindSafe(work));
            done += 1;
            queue = self.queue();
            if queue.waiting.len() == MOST {
                self.moved.notify_all();
            }
        }
        queue.runner = None;
        self.moved.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use super::*;

    #[test]
    fn what_a_call_causes_is_done_after_it_and_a_panic_stops_nothing() {
        let line = Arc::new(Line::default());
        let (sender, receiver) = mpsc::channel();
        let (inner, told) = (Arc::clone(&line), sender.clone());
        line.push(move || {
            let late = told.clone();
            inner.push(move || late.send(3).unwrap());
            inner.run();
            told.send(1).unwrap();
            assert!(told.send(2).is_err(), "one fails");
        });
        line.run();
        drop((line, sender));

        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_thread_that_adds_too_much_waits_for_the_one_that_works() {
        let line = Arc::new(Line::default());
        let (begun, is_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        line.push(move || {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
        });
        let working = Arc::clone(&line);
        let working = thread::spawn(move || working.run());
        is_begun.recv().unwrap();
        for _ in 0..MOST {
            line.push(|| ());
        }
        // There is room for these.
        line.run();

        line.push(|| ());
        let (done, is_done) = mpsc::channel();
        let adding = Arc::clone(&line);
        let adding = thread::spawn(move || {
            adding.run();
            done.send(()).unwrap();
        });
        let early = is_done.recv_timeout(Duration::from_millis(50));
        assert!(early.is_err());
        go_on.send(()).unwrap();
        is_done.recv().unwrap();
        working.join().unwrap();
        adding.join().unwrap();
        assert!(line.queue().waiting.is_empty());
    }

    #[test]
    fn a_thread_that_works_is_relieved_by_one_that_adds_too_much() {
        let line = Arc::new(Line::default());
        let is_relieved = Arc::new(AtomicBool::new(false));
        let (begun, is_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (working, relieved) = (Arc::clone(&line), Arc::clone(&is_relieved));
        let working = thread::spawn(move || {
            working.push(move || {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
            });
            working.run();
            relieved.store(true, Ordering::SeqCst);
        });
        is_begun.recv().unwrap();

        // More than it gets done, all the time.
        for _ in 0..50 {
            for _ in 0..2 * MOST {
                line.push(thread::yield_now);
            }
            _ = go_on.send(());
            line.run();
        }
        let was_relieved = is_relieved.load(Ordering::SeqCst);
        working.join().unwrap();
        assert!(was_relieved);
        assert!(line.queue().waiting.is_empty());
    }
}
