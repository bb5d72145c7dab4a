//! What a socket's handlers still have to do, in order.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::job::Job;
use crate::backlog::{Backlog, OVERHEAD};

/// The queue of one socket's jobs, and whether a task works on it.
///
/// A task is there only while there is work: an idle socket costs none.
#[derive(Debug)]
pub(crate) struct Inbox(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    jobs: VecDeque<Job>,
    // Invariant: it counts the sum of the sizes of `jobs`.
    backlog: Backlog,
    is_full: bool,
    is_running: bool,
}

/// What follows from a job that was posted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) struct Posted {
    /// Nobody works on the queue: a task must be started.
    pub(crate) starts: bool,
    /// So much waits that the client must not be read for now.
    pub(crate) stops: bool,
}

/// A job that was taken.
#[derive(Debug)]
#[must_use]
pub(crate) struct Taken {
    pub(crate) job: Job,
    /// Little enough waits now: the client may be read again.
    pub(crate) goes_on: bool,
}

/// Too much waits already. No event is taken any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

impl Inbox {
    /// The client is not to be read while more than `mark` bytes wait.
    pub(crate) fn new(mark: usize) -> Self {
        Self(Mutex::new(Queue {
            jobs: VecDeque::new(),
            backlog: Backlog::new(mark),
            is_full: false,
            is_running: false,
        }))
    }

    /// Adds a job behind all others, unless it is an event, and more than `limit` bytes would
    /// wait. An event always fits on an empty queue.
    pub(crate) fn post(&self, job: Job, limit: usize) -> Result<Posted, Full> {
        let size = size_of(&job);
        let mut queue = self.queue();
        let waits = queue.backlog.bytes();
        let fits = size == 0 || waits == 0 || waits.saturating_add(size) <= limit;
        // After the first event that is left out, no other may follow.
        let is_event = matches!(job, Job::Event { .. });
        queue.is_full |= is_event && !fits;
        if !fits || (is_event && queue.is_full) {
            return Err(Full);
        }
        queue.jobs.push_back(job);
        Ok(Posted {
            starts: !std::mem::replace(&mut queue.is_running, true),
            stops: queue.backlog.add(size),
        })
    }

    /// Takes the next job. Without one, the task must end: the next job starts another.
    pub(crate) fn next(&self) -> Option<Taken> {
        let mut queue = self.queue();
        let Some(job) = queue.jobs.pop_front() else {
            queue.is_running = false;
            // What a burst took is given back.
            queue.jobs.shrink_to(16);
            return None;
        };
        let goes_on = queue.backlog.take(size_of(&job));
        Some(Taken { job, goes_on })
    }

    /// The task has ended before the queue did; the next job starts another. Says whether the
    /// client may be read again: without that, no next job might come.
    #[must_use]
    pub(crate) fn abandon(&self) -> bool {
        let mut queue = self.queue();
        queue.is_running = false;
        queue.backlog.release()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a job counts for.
fn size_of(job: &Job) -> usize {
    match job {
        Job::Connect | Job::Disconnect => 0,
        Job::Event { args, .. } => OVERHEAD + args.size(),
        Job::Pressure(_) => OVERHEAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_at_a_time_takes_the_jobs_in_order() {
        let inbox = Inbox::new(0);
        let starts = |job| inbox.post(job, 0).unwrap().starts;
        let next = || inbox.next().map(|taken| taken.job);

        assert!(starts(Job::Connect));
        assert!(!starts(Job::Disconnect));
        assert!(matches!(next(), Some(Job::Connect)));
        assert!(matches!(next(), Some(Job::Disconnect)));
        // The task has not ended yet: it still asks for the next job.
        assert!(!starts(Job::Connect));
        assert!(next().is_some());
        assert!(next().is_none());

        assert!(starts(Job::Connect));
        assert!(!inbox.abandon());
        assert!(starts(Job::Disconnect));
        assert!(matches!(next(), Some(Job::Connect)));
    }
}
