//! The close of a whole server, in the middle of its work.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use socketio_tokio::{
    AckError, Config, Connecting, DisconnectReason, Io, Reply, Socket, serve,
    socketio_proto::engine::ConfigBuilder,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::crowd::{Auth, Crowd, Line, Manner, POLLING, crowd};

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

const SPREAD: Duration = Duration::from_millis(1_500);
const GRACE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let future = timeout(PATIENCE, future);
    future.await.unwrap_or_else(|_| panic!("{what}: too late"))
}

/// Waits until a condition holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, waiting).await;
}

/// What the server has done.
#[derive(Default)]
pub(crate) struct Done {
    /// The events of clients that came: who sent it, and its number.
    handled: Mutex<HashSet<(usize, usize)>>,
    /// Events and answers that were queued for clients.
    queued: AtomicUsize,
    /// Disconnections that were told.
    left: AtomicUsize,
    /// Middlewares that run.
    inside: AtomicUsize,
    /// Questions that were asked, and that are over.
    asked: AtomicUsize,
    settled: AtomicUsize,
    /// Handlers that failed.
    failures: Mutex<Vec<String>>,
}

/// Counts as long as it is there.
struct Inside(Arc<Done>);

impl Inside {
    fn new(done: &Arc<Done>) -> Self {
        done.inside.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(done))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A server with everything that may be under way.
pub(crate) fn server(done: &Arc<Done>) -> Io {
    server_with(done, |engine| engine)
}

fn server_with(done: &Arc<Done>, set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Io {
    // No pings: then everything that is sent is a message, or belongs to the opening or the close.
    let config = Config::builder().engine(|it| set(it.ping_interval(PATIENCE * 10)));
    let io = Io::builder().config(config.build().unwrap()).build();
    let [came, asking, leaving, failing] = std::array::from_fn(|_| Arc::clone(done));
    io.of("/")
        .on_connect(move |socket: Socket| {
            let done = Arc::clone(&asking);
            async move {
                let Auth { manner } = socket.handshake().auth().unwrap();
                if manner == Manner::Clogged {
                    socket.join("clogged").unwrap();
                }
                if manner == Manner::Asked {
                    socket.join("asked").unwrap();
                    let answer = socket.emit_with_ack("ask", ()).into_future();
                    done.queued.fetch_add(1, Ordering::SeqCst);
                    done.asked.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(async move {
                        assert_eq!(answer.await.unwrap_err(), AckError::Disconnected);
                        done.settled.fetch_add(1, Ordering::SeqCst);
                    });
                }
            }
        })
        .on(
            "n",
            move |_: Socket, (client, number): (usize, usize), reply: Reply| {
                let done = Arc::clone(&came);
                async move {
                    let is_new = done.handled.lock().unwrap().insert((client, number));
                    assert!(is_new, "{client} sent {number} once");
                    let answered = reply.send((number,));
                    done.queued
                        .fetch_add(usize::from(answered.is_ok()), Ordering::SeqCst);
                }
            },
        )
        .on("stuck", |_: Socket| std::future::pending::<()>())
        .on_error(move |_, error| failing.failures.lock().unwrap().push(error.to_string()))
        .on_disconnect(move |_, reason| {
            assert_eq!(reason, DisconnectReason::ServerShutdown);
            leaving.left.fetch_add(1, Ordering::SeqCst);
            async {}
        });
    let done = Arc::clone(done);
    io.of("/slow").middleware(move |_: Connecting| {
        let inside = Inside::new(&done);
        async move {
            std::future::pending::<()>().await;
            drop(inside);
            Ok(())
        }
    });
    io
}

/// Sends numbered events to everybody until nobody is there any more.
async fn tick(io: Io, done: Arc<Done>) {
    let mut number = 0;
    while !io.sockets().is_empty() {
        let sent = io.emit("tick", (number, "x".repeat(200))).unwrap();
        done.queued.fetch_add(sent.queued, Ordering::SeqCst);
        number += 1;
        sleep(Duration::from_millis(5)).await;
    }
}

/// Serves until it is told to stop.
async fn start(
    io: &Io,
    spread: Duration,
    grace: Duration,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = serve(listener, io.service())
        .spread(spread)
        .grace(grace)
        .until(async { _ = stopped.await });
    (address, stop, tokio::spawn(serving.into_future()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_200_clients_closes_in_the_middle_of_everything() {
    let done = Arc::<Done>::default();
    let io = server(&done);
    let (address, stop, serving) = start(&io, SPREAD, GRACE).await;
    let crowd_of = Crowd::new(address);
    let clients = crowd();
    let count = clients.len();
    assert_eq!(count, 200);
    let mut running = crowd_of.start(clients);
    soon("everybody's entering", crowd_of.until_ready(count)).await;
    until("their handlers", || {
        io.to("asked").sockets().len() == 22 && io.to("clogged").sockets().len() == 4
    })
    .await;
    let ticking = tokio::spawn(tick(io.clone(), Arc::clone(&done)));
    let all = io.to("asked").emit_with_ack("all", ()).into_future();
    done.queued.fetch_add(22, Ordering::SeqCst);
    for _ in 0..128 {
        let sent = io.to("clogged").emit("bulk", ("x".repeat(64 << 10),));
        done.queued
            .fetch_add(sent.unwrap().queued, Ordering::SeqCst);
    }
    until("the middle of everything", || {
        let is_inside = done.inside.load(Ordering::SeqCst) == 24;
        let is_asked = done.asked.load(Ordering::SeqCst) == 22;
        let is_much = io.statistics().queued_bytes > 1 << 20;
        is_inside && is_asked && is_much && done.handled.lock().unwrap().len() > 1_000
    })
    .await;

    let begin = Instant::now();
    stop.send(()).unwrap();
    crowd_of.read_now();

    let mut saw = Vec::new();
    while let Some(client) = soon("a client", running.join_next()).await {
        saw.push(client.unwrap());
    }
    soon("the end", serving).await.unwrap();
    let took = begin.elapsed();
    assert!(took < SPREAD + GRACE / 2, "{took:?}");

    // Every client was told, none before its time.
    assert_eq!(saw.len(), count);
    saw.sort_by_key(|saw| saw.closed);
    for (place, saw) in saw.iter().enumerate() {
        let slot = SPREAD * u32::try_from(place).unwrap() / 199;
        let waited = saw.closed - begin;
        // The server counts microseconds.
        assert!(
            waited + Duration::from_micros(1) >= slot,
            "{place}: {waited:?}"
        );
    }
    let prompt = saw.iter().filter(|saw| saw.manner == Manner::Busy);
    let last = prompt.map(|saw| saw.closed - begin).max().unwrap();
    assert!(last > SPREAD / 2 && last < SPREAD + GRACE / 2, "{last:?}");

    // What clients sent was handled in order, without a gap, until their connection began to close;
    // and every data request that was taken was answered.
    let handled = done.handled.lock().unwrap().clone();
    for saw in &saw {
        let numbers = handled.iter().filter(|(client, _)| *client == saw.client);
        let numbers: HashSet<usize> = numbers.map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..numbers.len()).collect(), "{}", saw.client);
        if let Some(answered) = &saw.answered {
            assert!(numbers.is_subset(answered), "{}", saw.client);
        }
    }

    // All that was queued has arrived or is counted.
    soon("the ticker", ticking).await.unwrap();
    let statistics = io.statistics();
    let accepted = count - 24;
    let queued = accepted + done.queued.load(Ordering::SeqCst);
    let arrived: usize = saw.iter().map(|saw| saw.messages).sum();
    let dropped = statistics.dropped_closed.packets + statistics.dropped_full.packets;
    assert_eq!(queued, arrived + usize::try_from(dropped).unwrap());
    assert_eq!(dropped, 0, "everybody came to fetch it");

    // Nothing is left.
    assert_eq!(*done.failures.lock().unwrap(), [""; 0]);
    assert_eq!(statistics.closed.server_shutdown, 200);
    assert_eq!(
        statistics.sessions() + statistics.requests + statistics.transports,
        0
    );
    assert_eq!(statistics.queued_bytes, 0);
    assert_eq!(done.left.load(Ordering::SeqCst), accepted);
    assert_eq!(done.inside.load(Ordering::SeqCst), 0);
    let answers = soon("the answers of all", all).await.unwrap();
    assert_eq!((answers.answers.len(), answers.missing), (0, 22));
    until("the answer of each", || {
        done.settled.load(Ordering::SeqCst) == 22
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_take_their_close_are_cut_off_and_what_waited_is_counted() {
    let (spread, grace) = (Duration::from_millis(200), Duration::from_secs(1));
    let done = Arc::<Done>::default();
    let io = server_with(&done, |it| it.close_timeout(Duration::from_secs(2)));
    let (address, stop, serving) = start(&io, spread, grace).await;
    let mut connections = Vec::new();
    // They read nothing.
    for _ in 0..6 {
        connections.push(open_websocket(address, Manner::Clogged).await);
    }
    // They never poll; some are in the middle of a request, one of a handler.
    for client in 0..6 {
        let mut line = Line::new(address);
        let (_, open) = line.send("GET", POLLING, "").await.unwrap();
        let target = format!("{POLLING}&sid={}", open.split('"').nth(3).unwrap());
        let enter = Crowd::enter(Manner::Clogged);
        let (status, _) = line.send("POST", &target, &enter).await.unwrap();
        assert_eq!(status, 200);
        if client == 0 {
            line.send("POST", &target, r#"42["stuck"]"#).await.unwrap();
        }
        if client % 2 == 1 {
            let mut raw = TcpStream::connect(address).await.unwrap();
            let head = format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n4");
            raw.write_all(head.as_bytes()).await.unwrap();
            connections.push(raw);
        }
    }
    // They wait in a middleware, and say nothing at all.
    for _ in 0..3 {
        connections.push(open_websocket(address, Manner::Entering).await);
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    until("everybody's entering", || {
        io.to("clogged").sockets().len() == 12 && done.inside.load(Ordering::SeqCst) == 3
    })
    .await;
    let mut events = 0;
    for _ in 0..128 {
        let sent = io.to("clogged").emit("bulk", ("x".repeat(64 << 10),));
        events += sent.unwrap().queued;
    }
    until("the requests", || io.statistics().body_bytes == 3).await;

    let begin = Instant::now();
    stop.send(()).unwrap();
    soon("the end", serving).await.unwrap();
    let took = begin.elapsed();

    assert!(
        took >= grace && took < spread + grace + Duration::from_secs(2),
        "{took:?}"
    );
    // Whatever a client does, it sees the end.
    for mut connection in connections {
        let mut rest = Vec::new();
        _ = soon("a cut", connection.read_to_end(&mut rest)).await;
    }
    assert_eq!(done.inside.load(Ordering::SeqCst), 0);
    until("the end of all sessions", || {
        io.statistics().sessions() == 0
    })
    .await;
    let statistics = io.statistics();
    assert_eq!(statistics.requests + statistics.transports, 0);
    // 15 openings, 12 that entered.
    let dropped = statistics.dropped_closed.packets;
    assert_eq!(statistics.sent_packets + dropped, 15 + 12 + events as u64);
    assert!(
        dropped > 6 * 128,
        "all of those that never polled, and more: {dropped}"
    );
}

/// Opens a WebSocket, of which nothing is read any more.
pub(crate) async fn open_websocket(address: SocketAddr, manner: Manner) -> TcpStream {
    let mut raw = TcpStream::connect(address).await.unwrap();
    let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\n\
                connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    raw.write_all(head.as_bytes()).await.unwrap();
    // A frame with a mask of zeros.
    let enter = Crowd::enter(manner);
    let length = u8::try_from(enter.len()).unwrap();
    assert!(length < 126);
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(enter.as_bytes());
    raw.write_all(&frame).await.unwrap();
    raw
}
