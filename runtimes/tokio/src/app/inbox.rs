//! What a socket's handlers still have to do, in order.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::job::Job;

/// What an event counts for beyond its bytes.
const OVERHEAD: usize = 64;

/// The queue of one socket's jobs, and whether a task works on it.
///
/// A task is there only while there is work: an idle socket costs none.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    // Invariant: the sum of the sizes of `jobs`.
    bytes: usize,
    is_full: bool,
    is_running: bool,
}

/// Whether a task must be started for a job that was posted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) enum Posted {
    /// A task works on the queue and will come to it.
    Queued,
    /// Nobody works on the queue.
    Start,
}

/// Too much waits already. No event is taken any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

impl Inbox {
    /// Adds a job behind all others, unless it is an event, and more than `limit` bytes would
    /// wait. An event always fits on an empty queue.
    pub(crate) fn post(&self, job: Job, limit: usize) -> Result<Posted, Full> {
        let size = size_of(&job);
        let mut queue = self.queue();
        let bytes = queue.bytes.saturating_add(size);
        if size > 0 {
            // After the first event that is left out, no other may follow.
            queue.is_full |= queue.bytes > 0 && bytes > limit;
            if queue.is_full {
                return Err(Full);
            }
        }
        queue.bytes = bytes;
        queue.jobs.push_back(job);
        let was_running = std::mem::replace(&mut queue.is_running, true);
        Ok(if was_running {
            Posted::Queued
        } else {
            Posted::Start
        })
    }

    /// Takes the next job. Without one, the task must end: the next job starts another.
    pub(crate) fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.jobs.pop_front();
        if let Some(job) = &job {
            queue.bytes = queue.bytes.saturating_sub(size_of(job));
        } else {
            queue.is_running = false;
            // What a burst took is given back.
            queue.jobs.shrink_to(16);
        }
        job
    }

    /// The task has ended before the queue did; the next job starts another.
    pub(crate) fn abandon(&self) {
        self.queue().is_running = false;
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_at_a_time_takes_the_jobs_in_order() {
        let inbox = Inbox::default();

        assert_eq!(inbox.post(Job::Connect, 0), Ok(Posted::Start));
        assert_eq!(inbox.post(Job::Disconnect, 0), Ok(Posted::Queued));
        assert!(matches!(inbox.next(), Some(Job::Connect)));
        assert!(matches!(inbox.next(), Some(Job::Disconnect)));
        // The task has not ended yet: it still asks for the next job.
        assert_eq!(inbox.post(Job::Connect, 0), Ok(Posted::Queued));
        assert!(inbox.next().is_some());
        assert!(inbox.next().is_none());

        assert_eq!(inbox.post(Job::Connect, 0), Ok(Posted::Start));
        inbox.abandon();
        assert_eq!(inbox.post(Job::Disconnect, 0), Ok(Posted::Start));
        assert!(matches!(inbox.next(), Some(Job::Connect)));
    }
}
