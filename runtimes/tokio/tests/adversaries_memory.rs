//! What hostile peers make the server hold, in bytes of its allocator, and that it gives them back.
//!
//! The peers live in the same process and allocate next to nothing. The allocator counts for all,
//! so one test runs at a time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use socketio_proto::engine::{Config, ConfigBuilder};
use socketio_tokio::{EngineServer, Event, serve};
use tokio::{net::TcpListener, runtime::Runtime};

#[path = "adversaries/wire.rs"]
mod wire;

use wire::*;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const KIB: usize = 1 << 10;

/// What tables, buffers and tasks may keep of a burst for the next one.
const KEPT: usize = 64 * KIB;

/// Wait no longer than this for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

const LIMIT: usize = 1_000_000;

/// A server on threads of its own, whose application reads what comes and sends what it is told to
/// each session as soon as it opens.
struct Target {
    address: SocketAddr,
    before: usize,
    sessions: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
    _alone: MutexGuard<'static, ()>,
}

impl Target {
    fn start(config: ConfigBuilder, greeting: usize) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let (server, mut events) = EngineServer::new(config.build().unwrap()).unwrap();
        let serving = serve(listener, server.service())
            .header_timeout(Duration::from_secs(2))
            .write_timeout(Duration::from_secs(2));
        runtime.spawn(serving.into_future());
        let sessions = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&sessions);
        runtime.spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::Closed { .. } => _ = count.fetch_sub(1, Ordering::Relaxed),
                    Event::Opened { session, .. } => {
                        count.fetch_add(1, Ordering::Relaxed);
                        if greeting > 0 {
                            server.send_binary(session, vec![7; greeting]).unwrap();
                        }
                    }
                    _ => {}
                }
            }
        });
        let mut target = Self {
            address,
            before: 0,
            sessions,
            runtime: Some(runtime),
            _alone: alone,
        };
        // The first of everything makes what stays.
        if greeting == 0 {
            drop(target.websocket());
        }
        drop(target.connect());
        sleep(Duration::from_millis(200));
        target.before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        target
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn websocket(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(upgrade(WEBSOCKET, "").as_bytes()).unwrap();
        read_some(&mut stream, b"\r\n\r\n");
        stream
    }

    fn polling(&self) -> (TcpStream, String) {
        let mut stream = self.connect();
        stream.write_all(get(POLLING).as_bytes()).unwrap();
        let open = read_some(&mut stream, b"}");
        (stream, format!("{POLLING}&sid={}", sid_of(&open)))
    }

    /// How much more than before is held now.
    fn held(&self) -> usize {
        ALLOCATOR.current_usage().saturating_sub(self.before)
    }

    /// How much more than before was held at most.
    fn peak(&self) -> usize {
        ALLOCATOR.peak_usage().saturating_sub(self.before)
    }

    /// Waits until what is held does not change any more.
    fn settle(&self) -> usize {
        let (mut last, mut since) = (self.held(), Instant::now());
        let begin = Instant::now();
        while since.elapsed() < Duration::from_millis(150) && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(10));
            let held = self.held();
            if held != last {
                (last, since) = (held, Instant::now());
            }
        }
        last
    }

    /// Waits until every session has closed.
    fn has_no_sessions(&self) {
        let begin = Instant::now();
        while self.sessions.load(Ordering::Relaxed) > 0 {
            assert!(begin.elapsed() < PATIENCE, "sessions are left");
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until no more than this is held.
    fn falls_to(&self, bytes: usize) {
        let begin = Instant::now();
        while self.held() > bytes {
            assert!(begin.elapsed() < PATIENCE, "{} B are held", self.held());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

/// Reads until something is in what was read.
fn read_some(stream: &mut TcpStream, wanted: &[u8]) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 512];
    while !read.windows(wanted.len()).any(|at| at == wanted) {
        let more = stream.read(&mut buffer).unwrap();
        assert_ne!(more, 0, "the connection goes on");
        read.extend(buffer.iter().take(more));
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn config() -> ConfigBuilder {
    Config::builder().max_payload(LIMIT)
}

#[test]
fn a_silent_connection_holds_little_and_nothing_after_it() {
    let target = Target::start(config(), 0);
    let count = 400;
    let silent: Vec<_> = (0..count).map(|_| target.connect()).collect();

    let each = target.settle() / count;

    assert!(each < 24 * KIB, "{each} B each");
    drop(silent);
    target.falls_to(KEPT);
}

#[test]
fn a_head_that_does_not_end_holds_no_more_than_hyper_s_buffer() {
    let target = Target::start(config(), 0);
    let count = 8;
    let line = format!("x: {}\r\n", "y".repeat(10 * KIB));
    let mut slow: Vec<_> = (0..count).map(|_| target.connect()).collect();
    for stream in &mut slow {
        stream
            .write_all(format!("GET {POLLING} HTTP/1.1\r\n").as_bytes())
            .unwrap();
        for _ in 0..200 {
            if stream.write_all(line.as_bytes()).is_err() {
                break; // Refused.
            }
        }
    }

    target.settle();

    // 2 MB each were sent.
    let each = target.peak() / count;
    assert!(each < 900 * KIB, "{each} B each");
    drop(slow);
    target.falls_to(KEPT);
}

#[test]
fn a_body_that_was_only_announced_holds_nothing() {
    let target = Target::start(config(), 0);
    let count = 50;
    let sessions: Vec<_> = (0..count).map(|_| target.polling()).collect();
    let before = target.settle();
    let waiting: Vec<_> = sessions
        .iter()
        .map(|(_, session)| {
            let mut stream = target.connect();
            let head =
                format!("POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: {LIMIT}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();

    let each = (target.settle() - before) / count;

    assert!(each < 32 * KIB, "{each} B each");
    drop((waiting, sessions));
    target.falls_to(KEPT + 64 * KIB);
}

#[test]
fn a_message_that_was_only_announced_holds_no_more_than_the_limit() {
    let target = Target::start(config(), 0);
    let count = 20;
    let mut waiting: Vec<_> = (0..count).map(|_| target.websocket()).collect();
    for stream in &mut waiting {
        stream.write_all(&frame_head(0x80 | BINARY, LIMIT)).unwrap();
    }

    let each = target.settle() / count;

    assert!(each < LIMIT + 32 * KIB, "{each} B each");
    drop(waiting);
    target.falls_to(KEPT);
}

#[test]
#[ignore = "tokio-websockets reserves what a frame announces, up to `max_payload` (S14)"]
fn a_message_that_was_only_announced_holds_nothing() {
    let target = Target::start(config(), 0);
    let count = 20;
    let mut waiting: Vec<_> = (0..count).map(|_| target.websocket()).collect();
    for stream in &mut waiting {
        stream.write_all(&frame_head(0x80 | BINARY, LIMIT)).unwrap();
    }

    let each = target.settle() / count;

    assert!(each < 32 * KIB, "{each} B each");
}

#[test]
fn cve_2026_48779_fragments_hold_no_more_than_the_bytes_in_them() {
    let target = Target::start(config(), 0);
    let mut stream = target.websocket();
    stream.write_all(&part(BINARY, "")).unwrap();
    let before = target.settle();

    // Empty ones hold nothing: 200 000 of them are 1.2 MB on the wire.
    let empty = part(CONTINUATION, "").repeat(1_000);
    for _ in 0..200 {
        stream.write_all(&empty).unwrap();
    }
    let held = target.settle().saturating_sub(before);
    assert!(held < 64 * KIB, "{held} B of empty fragments");

    // One byte in each: 7 MB on the wire, a message of the limit.
    let tiny = part(CONTINUATION, "x").repeat(1_000);
    for _ in 0..LIMIT / 1_000 {
        stream.write_all(&tiny).unwrap();
    }
    target.settle();
    let peak = target.peak();
    // The buffer doubles: while it moves, the old one and the new one are held.
    assert!(peak < 4 * LIMIT, "{peak} B for a message of {LIMIT}");
    drop((stream, tiny, empty));
    target.falls_to(KEPT);
}

/// Connects with a buffer that the server's first message fills, so that all it writes waits.
fn stuck(target: &Target) -> TcpStream {
    let runtime = target.runtime.as_ref().unwrap();
    let stream = runtime.block_on(async {
        let mut raw = Raw::connect_narrow(target.address).await;
        raw.write(upgrade(WEBSOCKET, "")).await;
        raw.stream.into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

/// More than the kernel's buffers take on the way to a peer that reads nothing.
const GREETING: usize = 12 << 20;

#[test]
fn answers_to_pings_that_are_not_read_hold_little() {
    let target = Target::start(config(), GREETING);
    let mut stream = stuck(&target);
    target.settle();
    let before = target.held();

    stream.set_nonblocking(true).unwrap();
    let pings = frame(PING, [7; 125]).repeat(100);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        _ = stream.write(&pings);
    }

    let held = target.held().saturating_sub(before);
    assert!(held < 256 * KIB, "{held} B");
    drop(stream);
    target.falls_to(KEPT);
}

#[test]
fn answers_to_pings_between_large_messages_hold_little() {
    let target = Target::start(config(), GREETING);
    let mut stream = stuck(&target);
    target.settle();
    // Each answer keeps the buffer that its ping was read into, with the end of a message.
    let mut wire = frame(BINARY, vec![7; LIMIT - 1]);
    wire.extend(frame(PING, "x"));
    let before = target.held();

    stream.set_nonblocking(true).unwrap();
    let begin = Instant::now();
    let (mut at, mut held) = (0, 0);
    while begin.elapsed() < Duration::from_secs(1) {
        let wrote = stream.write(&wire[at..]).unwrap_or_default();
        at = (at + wrote) % wire.len();
        held = held.max(target.held().saturating_sub(before));
    }
    assert!(held < 10 * LIMIT, "{held} B");
    drop((stream, wire));
    target.falls_to(KEPT);
}

#[test]
fn what_a_peer_does_not_read_is_given_back_by_the_write_timeout() {
    let target = Target::start(config(), GREETING);
    let stream = stuck(&target);
    let held = target.settle();
    assert!(held > GREETING / 2, "{held} B wait");

    target.falls_to(KEPT);

    drop(stream);
}

#[test]
fn sessions_that_were_left_hold_a_few_kilobytes_each_and_nothing_after_their_heartbeat() {
    let config = config()
        .ping_interval(Duration::from_secs(1))
        .ping_timeout(Duration::from_secs(1));
    let target = Target::start(config, 0);
    let count = 2_000;
    let burst = || {
        let mut stream = target.connect();
        for _ in 0..count {
            stream.write_all(get(POLLING).as_bytes()).unwrap();
            read_some(&mut stream, b"}");
        }
    };

    burst();
    let each = target.held() / count;
    assert!(each < 4 * KIB, "{each} B each");

    // Dense tables keep their room for the next burst, and need no more for it.
    target.has_no_sessions();
    let kept = target.settle();
    assert!(kept < KEPT + count * 512, "{kept} B are kept");
    for _ in 0..2 {
        burst();
        target.has_no_sessions();
        target.falls_to(kept + KEPT);
    }
}
