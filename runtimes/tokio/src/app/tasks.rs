//! The tasks that run an application's code.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, sync::Notify, task::AbortHandle};

/// Counts tasks, so that a shutdown can wait for them.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    /// Spawns a task and counts it until it ends, however it does.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        runtime: &Handle,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let running = Running::new(Arc::clone(self));
        let task = runtime.spawn(async move {
            let _running = running;
            task.await;
        });
        task.abort_handle()
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

/// One task that runs.
struct Running(Arc<Tasks>);

impl Running {
    fn new(tasks: Arc<Tasks>) -> Self {
        tasks.running.fetch_add(1, Ordering::Relaxed);
        Self(tasks)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Release) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
