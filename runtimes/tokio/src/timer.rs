//! The task that runs a machine's deadlines.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time};

use crate::driver::{Drivable, Handler, Shared, Tick};

/// The longest sleep. tokio's time stands still while the host is suspended, and the machine's does
/// not: what came due meanwhile must not wait for the rest of a long sleep.
const MAX_SLEEP: Duration = Duration::from_secs(5);

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
            Tick::After(span) => {
                _ = time::timeout(span.min(MAX_SLEEP), earlier.notified()).await;
            }
            Tick::Never => earlier.notified().await,
            Tick::Stopped => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::tests::suspendable,
        service::tests::{PATH, engine, get, sid_of},
    };

    #[tokio::test(start_paused = true)]
    async fn what_came_due_during_a_suspension_happens_soon_after_it() {
        let (clock, suspended) = suspendable();
        let service = engine(clock);
        let open = get(&service, PATH, &[]).await;
        // The ping is due in 25 s.
        let target = format!("{PATH}&sid={}", sid_of(&open));
        let mut poll = std::pin::pin!(get(&service, &target, &[]));
        let short = time::timeout(MAX_SLEEP / 2, &mut poll).await;
        assert!(short.is_err(), "nothing is due yet");

        suspended.add(Duration::from_secs(25));

        let ping = time::timeout(MAX_SLEEP, poll).await;
        assert_eq!(ping.as_deref(), Ok(&b"2"[..]));
    }
}
