//! The task that runs a machine's deadlines.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time};

use crate::driver::{Drivable, Handler, Shared, Tick};

/// Starts the task on the current runtime, if there is one. What it returns is alive as long as the
/// task, which ends early with its runtime.
pub(crate) fn start<M: Drivable, H: Handler<M>>(
    shared: Weak<Shared<M, H>>,
    earlier: Arc<Notify>,
) -> Weak<()> {
    let Ok(runtime) = Handle::try_current() else {
        return Weak::new();
    };
    let alive = Arc::new(());
    let ticking = Arc::downgrade(&alive);
    runtime.spawn(async move {
        run(shared, earlier).await;
        drop(alive);
    });
    ticking
}

/// Sleeps until the next deadline or until there is an earlier one, without keeping the machine.
async fn run<M: Drivable, H: Handler<M>>(shared: Weak<Shared<M, H>>, earlier: Arc<Notify>) {
    loop {
        let tick = match shared.upgrade() {
            Some(shared) => shared.tick(),
            None => return,
        };
        match tick {
            // More is due already: let others at the lock in between.
            Tick::After(Duration::ZERO) => tokio::task::yield_now().await,
            // Suspended time does not count here, but every input brings the right time along.
            Tick::After(span) => _ = time::timeout(span, earlier.notified()).await,
            Tick::Never => earlier.notified().await,
            Tick::Stopped => return,
        }
    }
}
