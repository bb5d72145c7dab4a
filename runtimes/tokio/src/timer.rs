//! The task that runs a machine's deadlines.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time};

use crate::driver::{Drivable, Handler, Shared, Tick};

/// Starts the task on the current runtime; says whether there is one.
pub(crate) fn start<M: Drivable, H: Handler<M>>(
    shared: Weak<Shared<M, H>>,
    earlier: Arc<Notify>,
) -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        runtime.spawn(run(shared, earlier));
        true
    })
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
