//! The tasks that run an application's code.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, sync::Notify};

/// Counts tasks, so that a shutdown can wait for them.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    /// Counts a task that is about to be spawned, until it ends, however it does.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Waits until no task runs.
    pub(crate) async fn finished(&self) {
        loop {
            let idle = self.idle.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// One task that counts.
#[must_use]
pub(crate) struct Running(Arc<Tasks>);

impl Running {
    /// Spawns the task. A runtime that goes down drops it at once.
    pub(crate) fn spawn(self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        runtime.spawn(async move {
            let _running = self;
            task.await;
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Release) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
