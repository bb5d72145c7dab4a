//! What must not happen while the machine's lock is held, and what holds after it was poisoned.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use http_body_util::BodyExt;
use socketio_proto::{edge::Machine, engine};
use socketio_tokio::{Clock, Driver, EngineServer, Handler, Service, seed, serve};
use tokio::{net::TcpListener, sync::oneshot};

use crate::support::*;

const UPGRADE: &str = "/engine.io/?EIO=4&transport=websocket";

/// What a middleware may leave with a request. Cloning it enters the server. Its end does, tells,
/// and panics.
struct Left(Arc<Guard>);

impl Clone for Left {
    fn clone(&self) -> Self {
        self.0.server.service().driver().with(|_, _| ());
        Self(Arc::clone(&self.0))
    }
}

struct Guard {
    server: EngineServer,
    dropped: mpsc::Sender<()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.server.service().driver().with(|_, _| ());
        self.dropped.send(()).unwrap();
        assert!(std::thread::panicking(), "on purpose");
    }
}

/// Handles a request that has a [`Left`]; waits for the end of that. Then the server must be well.
async fn end_of_extension(target: &'static str) {
    let (server, events) = EngineServer::new(config()).unwrap();
    // What is told nobody takes.
    drop(events);
    let (dropped, receiver) = mpsc::channel();
    let guard = Guard {
        server: server.clone(),
        dropped,
    };
    let mut request = request("GET", target, "");
    request.extensions_mut().insert(Left(Arc::new(guard)));
    if target == UPGRADE {
        let headers = request.headers_mut();
        headers.insert("connection", "Upgrade".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        headers.insert("sec-websocket-version", "13".parse().unwrap());
        let key = "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap();
        headers.insert("sec-websocket-key", key);
    }
    // Hooks keep what they are shown until there is an answer, applications as long as they want.
    let service = server.service().on_response(|_, _, _| ());
    let handling = tokio::spawn(async move {
        let response = service.handle(request).await.unwrap();
        drop(response.into_body().collect().await);
    });
    // It may panic, where the extension is dropped outside of the lock by the request's own task.
    _ = soon("the response", handling).await;
    let told = tokio::task::spawn_blocking(move || receiver.recv_timeout(Duration::from_secs(5)));
    told.await.unwrap().expect("the extension is dropped");

    let late = server
        .service()
        .handle(crate::support::request("GET", PATH, ""));
    assert_eq!(late.await.unwrap().status(), 200, "{target}");
}

#[test]
fn an_extension_ends_outside_of_the_lock() {
    for target in [
        PATH,
        UPGRADE,
        "/elsewhere",
        "/engine.io/?EIO=4&transport=polling&sid=nobody",
    ] {
        // On a thread of its own: a deadlock could not be waited for otherwise.
        let (done, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(end_of_extension(target));
            done.send(()).unwrap();
        });
        let ended = receiver.recv_timeout(Duration::from_secs(10));
        ended.unwrap_or_else(|error| panic!("{target}: {error}"));
    }
}

/// Enters the server at once.
struct Entering(EngineServer);

impl Wake for Entering {
    fn wake(self: Arc<Self>) {
        self.0.service().driver().with(|_, _| ());
    }
}

/// Polls a request until it waits, with a waker that enters the server.
fn wait(server: &EngineServer, request: &mut socketio_tokio::ResponseFuture) {
    let waker = Waker::from(Arc::new(Entering(server.clone())));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(request).poll(&mut cx).is_pending());
}

#[test]
fn a_request_is_woken_outside_of_the_lock() {
    let (done, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let (server, mut events) = EngineServer::new(config()).unwrap();
            let service = server.service();
            let mut open = async || {
                let open = service.handle(request("GET", PATH, "")).await.unwrap();
                let open = open.into_body().collect().await.unwrap().to_bytes();
                let sid = sid_of(str::from_utf8(&open).unwrap());
                loop {
                    let event = events.next().await.unwrap();
                    if let socketio_tokio::Event::Opened { session, .. } = event {
                        break (session, sid);
                    }
                }
            };
            let poll = |sid| service.handle(request("GET", &format!("{PATH}&sid={sid}"), ""));

            let (session, sid) = open().await;
            let mut answered = poll(sid);
            wait(&server, &mut answered);
            server.send_text(session, "hi").unwrap();
            assert_eq!(answered.await.unwrap().status(), 200);

            let mut gone = poll(open().await.1);
            wait(&server, &mut gone);
            drop(gone);

            let mut left = poll(open().await.1);
            wait(&server, &mut left);
            let driver = service.driver().clone();
            let panicking = tokio::spawn(async move { driver.with(|_, _| panic!("on purpose")) });
            assert!(panicking.await.is_err());
        });
        done.send(()).unwrap();
    });
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn deadlines_run_on_when_the_first_runtime_has_ended() {
    let config = engine::Config::builder()
        .ping_interval(Duration::from_millis(100))
        .ping_timeout(Duration::from_millis(100))
        .build();
    let (server, _events) = EngineServer::new(config.unwrap()).unwrap();
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(serve(listener, server.service()).into_future());
            let mut ws = Ws::open(address).await;
            assert_eq!(ws.read().await, Seen::Text("2".into()));
        });
    }
}

/// Takes a while to finish.
struct Slow(Arc<AtomicBool>);

impl<M: Machine> Handler<M> for Slow {
    fn on_event(&mut self, _: M::Event, _: &mut socketio_tokio::Context<'_, M>) {}

    fn finished(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let finished = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            finished.store(true, Ordering::SeqCst);
        })
    }
}

#[tokio::test]
async fn serving_ends_once_the_handler_has_finished_but_not_after_the_grace() {
    for (grace, in_time) in [(Duration::MAX, true), (Duration::from_millis(20), false)] {
        let finished = Arc::<AtomicBool>::default();
        let machine = engine::Server::new(config(), seed().unwrap());
        let driver = Driver::new(machine, Slow(Arc::clone(&finished)), Clock::start());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();

        let serving = serve(listener, Service::new(driver)).grace(grace);
        soon("the end", serving.until(async {}).into_future()).await;

        assert_eq!(finished.load(Ordering::SeqCst), in_time);
    }
}

/// Panics at an event, and again when it is told that it did.
struct Hopeless(Option<oneshot::Sender<()>>);

impl<M: Machine> Handler<M> for Hopeless {
    fn on_event(&mut self, _: M::Event, context: &mut socketio_tokio::Context<'_, M>) {
        let sender = self.0.take();
        context.later.run(move || _ = sender.unwrap().send(()));
        panic!("on purpose");
    }

    fn on_stop(&mut self) {
        panic!("on purpose, too");
    }
}

#[tokio::test]
async fn a_handler_that_panics_when_it_is_stopped_does_no_more_harm() {
    let machine = engine::Server::new(config(), seed().unwrap());
    let (sender, later) = oneshot::channel();
    let driver = Driver::new(machine, Hopeless(Some(sender)), Clock::start());
    let service = Service::new(driver.clone());

    let opening = service.handle(request("GET", PATH, ""));
    assert!(tokio::spawn(opening).await.unwrap_err().is_panic());

    soon("what was left to do", later).await.unwrap();
    assert!(soon("a shutdown", driver.shutdown(Duration::MAX)).await);
}

/// Does nothing.
struct Idle;

impl<M: Machine> Handler<M> for Idle {
    fn on_event(&mut self, _: M::Event, _: &mut socketio_tokio::Context<'_, M>) {}
}

#[tokio::test]
async fn a_shutdown_under_way_ends_when_the_driver_is_stopped() {
    let machine = engine::Server::new(config(), seed().unwrap());
    let driver = Driver::new(machine, Idle, Clock::start());
    let service = Service::new(driver.clone());
    let open = service.handle(request("GET", PATH, "")).await.unwrap();
    drop(open.into_body().collect().await);
    let shutdown = tokio::spawn({
        let driver = driver.clone();
        async move { driver.shutdown(Duration::MAX).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!shutdown.is_finished(), "a session has not ended");

    let panicking = tokio::spawn(async move { driver.with(|_, _| panic!("on purpose")) });
    assert!(panicking.await.is_err());

    soon("the shutdown", shutdown).await.unwrap();
}
