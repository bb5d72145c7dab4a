//! The server that is attacked, and the client beside the attackers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use socketio_proto::{
    edge::SessionKey,
    engine::{CloseReason, Config, ConfigBuilder, Server, TransportError},
};
use socketio_tokio::{EngineServer, Event, Forward, Serve, Service, serve};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::wire::*;

/// The slowest echo that the client beside may see. It is far above what it sees, and far below
/// any limit of time that the attackers run into.
const SLOWEST: Duration = Duration::from_secs(1);

/// A heartbeat that does not disturb, and small limits.
pub(crate) fn config() -> ConfigBuilder {
    Config::builder().max_payload(10_000)
}

/// A heartbeat that ends a session soon; the client beside has to keep up with it, too.
pub(crate) fn short() -> ConfigBuilder {
    config()
        .ping_interval(Duration::from_millis(400))
        .ping_timeout(Duration::from_millis(800))
}

/// An echo server under attack, with a client beside.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) server: EngineServer,
    seen: Arc<Mutex<Seen>>,
    beside: Beside,
    /// Tasks that there are without attackers.
    tasks: usize,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// What the application saw.
#[derive(Debug, Default)]
struct Seen {
    opened: usize,
    messages: usize,
    sessions: Vec<SessionKey>,
    closed: Vec<CloseReason>,
}

impl Target {
    pub(crate) async fn start(config: ConfigBuilder) -> Self {
        Self::start_with(config, |serving| serving).await
    }

    pub(crate) async fn start_with(
        config: ConfigBuilder,
        set: impl FnOnce(Serve<Service<Server, Forward>>) -> Serve<Service<Server, Forward>>,
    ) -> Self {
        let (server, mut events) = EngineServer::new(config.build().unwrap()).unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let (echo, log) = (server.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let mut log = log.lock().unwrap();
                match event {
                    Event::Closed { reason, .. } => log.closed.push(reason),
                    Event::Message { session, message } => {
                        log.messages += 1;
                        _ = echo.send(session, message);
                    }
                    Event::Opened { session, .. } => {
                        log.opened += 1;
                        if log.opened > 1 {
                            log.sessions.push(session);
                        }
                    }
                    _ => {}
                }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = set(serve(listener, server.service())).until(async { _ = stopped.await });
        let serving = tokio::spawn(serving.into_future());
        let beside = Beside::start(address).await;
        let mut target = Self {
            address,
            server,
            seen,
            beside,
            tasks: 0,
            stop,
            serving,
        };
        target.tasks = target.settled_tasks().await;
        target
    }

    /// Waits until the connection beside has become a WebSocket; counts tasks then.
    async fn settled_tasks(&self) -> usize {
        let mut last = alive();
        loop {
            sleep(Duration::from_millis(20)).await;
            let now = alive();
            if now == last {
                return now;
            }
            last = now;
        }
    }

    /// How many sessions of attackers were opened.
    pub(crate) fn opened(&self) -> usize {
        self.seen.lock().unwrap().opened - 1
    }

    /// Whether an attacker has a session.
    pub(crate) fn is_open(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.opened - 1 > seen.closed.len()
    }

    /// Waits for the next session that was not asked for before, of an attacker.
    pub(crate) async fn last_opened(&self) -> SessionKey {
        let opened = async {
            loop {
                let last = self.seen.lock().unwrap().sessions.pop();
                match last {
                    Some(session) => return session,
                    None => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        soon("a session", opened).await
    }

    /// Waits until this many sessions have closed; says why, in the order they did.
    pub(crate) async fn closed(&self, count: usize) -> Vec<CloseReason> {
        let closed = async {
            loop {
                let closed = self.seen.lock().unwrap().closed.clone();
                if closed.len() >= count {
                    return closed;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        soon("the end of sessions", closed).await
    }

    /// Waits for the end of the only attacker's session.
    pub(crate) async fn reason(&self) -> CloseReason {
        self.closed(1).await[0]
    }

    /// Closes a session on polling from its client's side.
    pub(crate) async fn leave(&self, session: &str) {
        let mut raw = Raw::connect(self.address).await;
        raw.write(post(session, "1")).await;
        assert_eq!(raw.reply().await.status, 200);
    }

    /// Waits until nothing is left of any attacker: no session, no request, no connection and no
    /// task. The client beside was served all the time.
    pub(crate) async fn nothing_is_left(self) {
        let emptied = async {
            loop {
                let seen = {
                    let seen = self.seen.lock().unwrap();
                    (seen.opened - 1, seen.closed.len())
                };
                // hyper's connections, WebSockets, and whatever else was begun for a peer.
                if seen.0 == seen.1 && alive() == self.tasks {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(Duration::from_secs(10), emptied).await.is_err() {
            let seen = self.seen.lock().unwrap();
            panic!("{} tasks, once {}: {seen:?}", alive(), self.tasks);
        }
        self.beside.finish().await;
        let gone = async {
            // Its session closes before its connection's task ends.
            while !self.server.shutdown(Duration::ZERO).await {
                sleep(Duration::from_millis(5)).await;
            }
        };
        soon("the last session's end", gone).await;
        self.stop.send(()).unwrap();
        soon("the server's end", self.serving).await.unwrap();
    }
}

/// How many tasks there are.
fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// A client that sends a message, waits for its echo, and begins again.
struct Beside {
    stop: oneshot::Sender<()>,
    echoing: JoinHandle<Vec<Duration>>,
}

impl Beside {
    async fn start(address: SocketAddr) -> Self {
        let mut raw = Raw::session(address).await;
        let (stop, mut stopped) = oneshot::channel();
        let echoing = tokio::spawn(async move {
            let mut echoes = Vec::new();
            while stopped.try_recv().is_err() {
                let begin = Instant::now();
                raw.write(frame(TEXT, "4beside")).await;
                loop {
                    match raw.frame().await.expect("the server goes on") {
                        (TEXT, text) if text == b"4beside" => break,
                        (TEXT, text) if text == b"2" => raw.write(frame(TEXT, "3")).await,
                        other => panic!("{other:?} beside"),
                    }
                }
                echoes.push(begin.elapsed());
                sleep(Duration::from_millis(2)).await;
            }
            echoes
        });
        Self { stop, echoing }
    }

    async fn finish(self) {
        self.stop.send(()).unwrap();
        let echoes = soon("the client beside", self.echoing).await.unwrap();
        let slowest = echoes.iter().max().unwrap();
        assert!(*slowest < SLOWEST, "{slowest:?} for an echo");
        assert!(echoes.len() >= 3, "{} echoes", echoes.len());
    }
}

pub(crate) fn failed() -> CloseReason {
    CloseReason::TransportError(TransportError::Failed)
}
