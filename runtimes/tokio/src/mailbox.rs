//! What the machine wants of one transport, for the task that has it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use socketio_proto::edge::Batch;

/// What a transport's task has to do next.
#[derive(Debug)]
pub(crate) enum Duty {
    /// Write these packets, then report them sent.
    Write(Batch),
    /// Close; the machine has forgotten the transport.
    Close(Close),
}

/// How to close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Close {
    /// Drop what is not yet written.
    Abort,
    /// Write what was handed over first.
    Flush,
}

/// Carries duties from the machine's lock to one task. It holds at most one batch, because the
/// machine hands out the next only after the last was reported sent.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    batch: Option<Batch>,
    close: Option<Close>,
    is_paused: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(crate) fn write(&self, batch: Batch) {
        self.change(|contents| {
            debug_assert!(contents.batch.is_none(), "one batch per transport is out");
            contents.batch = Some(batch);
        });
    }

    /// Stops the reading of messages, or lets it go on.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.change(|contents| contents.is_paused = paused);
    }

    /// Waits until messages are wanted.
    pub(crate) fn poll_reading(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut contents = self.lock();
        if contents.is_paused {
            return contents.wait(cx);
        }
        Poll::Ready(())
    }

    pub(crate) fn close(&self, close: Close) {
        self.change(|contents| {
            if contents.close != Some(Close::Abort) {
                contents.close = Some(close);
            }
        });
    }

    /// The next duty in order. An abort does not wait for the batch before it.
    pub(crate) fn poll_duty(&self, cx: &mut Context<'_>) -> Poll<Duty> {
        let mut contents = self.lock();
        if contents.close != Some(Close::Abort)
            && let Some(batch) = contents.batch.take()
        {
            return Poll::Ready(Duty::Write(batch));
        }
        match contents.close {
            Some(close) => Poll::Ready(Duty::Close(close)),
            None => contents.wait(cx),
        }
    }

    /// Waits to be closed in any way. Batches stay where they are.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<Close> {
        let mut contents = self.lock();
        match contents.close {
            Some(close) => Poll::Ready(close),
            None => contents.wait(cx),
        }
    }

    /// Waits for an abort. Batches stay where they are.
    pub(crate) fn poll_aborted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut contents = self.lock();
        match contents.close {
            Some(Close::Abort) => Poll::Ready(()),
            Some(Close::Flush) | None => contents.wait(cx),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Contents)) {
        let waker = {
            let mut contents = self.lock();
            change(&mut contents);
            contents.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Nothing panics while it is held, and no change leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_pause_that_ends_between_reading_and_writing_is_noticed() {
        let mailbox = Mailbox::default();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        mailbox.set_paused(true);

        // A task asks whether to read, then what to write.
        assert!(mailbox.poll_reading(&mut cx).is_pending());
        mailbox.set_paused(false);
        assert!(mailbox.poll_duty(&mut cx).is_pending());

        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(mailbox.poll_reading(&mut cx).is_ready());
    }
}
