//! What an application wrote may panic: then that is an outcome.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// Runs a future; a panic in it becomes an error, with what was thrown.
pub(crate) async fn catch<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // A future that panicked is not polled again, and what it shared is the application's.
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match poll {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Runs code of the application whose panic there is nobody to tell of; it was printed. Errors are
/// such code, too: when they are shown, and when they are dropped.
pub(crate) fn quietly(work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        // What was thrown may throw again.
        _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    }
}
