//! The handles of a server, and what happens when the last of them is dropped.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use tokio::runtime::Handle;

use crate::driver::{Drivable, Handler, Shared};

/// What all handles of a server have together. Dropped with the last of them, it has the server
/// closed: nobody could do that any more, and clients that answer their pings would keep it for ever.
pub(crate) struct Owner<M: Drivable, H: Handler<M>> {
    shared: Arc<Shared<M, H>>,
}

/// What a server knows of its handles.
pub(crate) struct Owners<M: Drivable, H: Handler<M>> {
    /// The owner that all handles have which were made while there was one.
    first: OnceLock<Weak<Owner<M, H>>>,
    /// Whether that is gone. Handles that are made later, by what is left, keep nothing open.
    is_closing: AtomicBool,
    /// The runtime that runs the deadlines.
    runtime: Mutex<Option<Handle>>,
}

impl<M: Drivable, H: Handler<M>> Owner<M, H> {
    /// The owner of a new server.
    pub(crate) fn first(shared: Arc<Shared<M, H>>) -> Arc<Self> {
        let owner = Arc::new(Self { shared });
        // It is the only one that does it.
        _ = owner.shared.owners.first.set(Arc::downgrade(&owner));
        owner
    }

    /// The owner, for a handle that is made of what is not one.
    pub(crate) fn of(shared: Arc<Shared<M, H>>) -> Arc<Self> {
        let first = shared.owners.first.get().and_then(Weak::upgrade);
        first.unwrap_or_else(|| Arc::new(Self { shared }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<M, H>> {
        &self.shared
    }
}

impl<M: Drivable, H: Handler<M>> Drop for Owner<M, H> {
    /// Leaves the closing to a task: a handle may be dropped anywhere, even under the lock.
    fn drop(&mut self) {
        let owners = &self.shared.owners;
        if owners.is_closing.swap(true, Ordering::Relaxed) {
            return;
        }
        // Without a runtime, there is neither a transport nor a request that could be told.
        drop(Closing {
            shared: Arc::clone(&self.shared),
            runtimes: [Handle::try_current().ok(), owners.runtime()],
        });
    }
}

/// The close of a server, which is a task's to do. Dropped before, it passes to the next runtime: one
/// that a handle was dropped on may end at once.
struct Closing<M: Drivable, H: Handler<M>> {
    shared: Arc<Shared<M, H>>,
    runtimes: [Option<Handle>; 2],
}

impl<M: Drivable, H: Handler<M>> Closing<M, H> {
    fn close(mut self) {
        self.runtimes = [None, None];
        self.shared.close();
    }
}

impl<M: Drivable, H: Handler<M>> Drop for Closing<M, H> {
    fn drop(&mut self) {
        let Some(runtime) = self.runtimes.iter_mut().find_map(Option::take) else {
            return;
        };
        let next = Self {
            shared: Arc::clone(&self.shared),
            runtimes: std::mem::take(&mut self.runtimes),
        };
        runtime.spawn(async move { next.close() });
    }
}

impl<M: Drivable, H: Handler<M>> Owners<M, H> {
    /// Keeps the current runtime, on which the timer has been started.
    pub(crate) fn note_runtime(&self) {
        if let Ok(runtime) = Handle::try_current() {
            *self.runtime.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
        }
    }

    fn runtime(&self) -> Option<Handle> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.clone()
    }
}

impl<M: Drivable, H: Handler<M>> Default for Owners<M, H> {
    fn default() -> Self {
        Self {
            first: OnceLock::new(),
            is_closing: AtomicBool::new(false),
            runtime: Mutex::default(),
        }
    }
}
