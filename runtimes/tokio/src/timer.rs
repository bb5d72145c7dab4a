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
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty};
    use socketio_proto::{
        edge::Machine,
        engine::{Config, Server},
    };

    use super::*;
    use crate::{
        clock::{seed, tests::suspendable},
        driver::{Context, Driver},
        service::Service,
    };

    struct Deaf;

    impl Handler<Server> for Deaf {
        fn on_event(&mut self, _: <Server as Machine>::Event, _: &mut Context<'_, Server>) {}
    }

    async fn get(service: &Service<Server, Deaf>, target: String) -> String {
        let request = http::Request::get(target).body(Empty::<Bytes>::new());
        let response = service.handle(request.unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_due_during_a_suspension_happens_soon_after_it() {
        let (clock, suspended) = suspendable();
        let server = Server::new(Config::default(), seed().unwrap());
        let service = Service::new(Driver::new(server, Deaf, clock));
        let path = "/engine.io/?EIO=4&transport=polling";
        let open = get(&service, path.to_owned()).await;
        let sid = open.split('"').nth(3).unwrap();
        // The ping is due in 25 s.
        let poll = get(&service, format!("{path}&sid={sid}"));
        let mut poll = std::pin::pin!(poll);
        let short = time::timeout(MAX_SLEEP / 2, &mut poll).await;
        assert!(short.is_err(), "nothing is due yet");

        suspended.add(Duration::from_secs(25));

        let ping = time::timeout(MAX_SLEEP, poll).await;
        assert_eq!(ping.as_deref(), Ok("2"));
    }
}
