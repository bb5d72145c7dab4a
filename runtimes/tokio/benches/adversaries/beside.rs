//! The client beside: one message at a time, on a thread and a connection of its own.

use std::{
    io::{Read, Write},
    mem,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::wire::{TEXT, WEBSOCKET, frame, upgrade};

/// Between an echo and the next message.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Beside {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    times: Mutex<Vec<Duration>>,
    is_over: AtomicBool,
}

impl Beside {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let shared = Arc::<Shared>::default();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || echo(address, &shared)
        });
        Self { shared, thread }
    }

    /// Forgets what was measured so far.
    pub(crate) fn forget(&self) {
        self.take();
    }

    /// What was measured since the last time, in order of length.
    pub(crate) fn take(&self) -> Vec<Duration> {
        let mut times = mem::take(&mut *self.shared.times.lock().unwrap());
        times.sort_unstable();
        times
    }

    pub(crate) fn stop(self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn echo(address: SocketAddr, shared: &Shared) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(upgrade(WEBSOCKET, "").as_bytes()).unwrap();
    let mut frames = Frames::default();
    // The head of the answer, then the open packet.
    while !frames.read.windows(4).any(|at| at == b"\r\n\r\n") {
        frames.more(&mut stream);
    }
    let head = frames.read.windows(4).position(|at| at == b"\r\n\r\n");
    frames.read.drain(..head.unwrap() + 4);
    frames.next(&mut stream);

    let text = format!("4{}", "b".repeat(63));
    let wire = frame(TEXT, &text);
    while !shared.is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        stream.write_all(&wire).unwrap();
        loop {
            let payload = frames.next(&mut stream);
            if payload == text.as_bytes() {
                break;
            }
            assert_eq!(payload, b"2", "a ping");
            stream.write_all(&frame(TEXT, "3")).unwrap();
        }
        shared.times.lock().unwrap().push(begin.elapsed());
        thread::sleep(PAUSE);
    }
}

#[derive(Default)]
struct Frames {
    read: Vec<u8>,
}

impl Frames {
    fn more(&mut self, stream: &mut TcpStream) {
        let mut buffer = [0; 1 << 10];
        let more = stream.read(&mut buffer).unwrap();
        assert_ne!(more, 0, "the server goes on");
        self.read.extend(&buffer[..more]);
    }

    /// The payload of the next frame, which is short.
    fn next(&mut self, stream: &mut TcpStream) -> Vec<u8> {
        loop {
            // An open packet is longer than 125 B.
            let span = match self.read.get(..4) {
                Some([_, 126, high, low]) => {
                    Some((4, usize::from(u16::from_be_bytes([*high, *low]))))
                }
                Some([_, length, ..]) => Some((2, usize::from(*length))),
                _ => match self.read.get(1) {
                    Some(length @ 0..=1) => Some((2, usize::from(*length))),
                    _ => None,
                },
            };
            if let Some((head, length)) = span
                && self.read.len() >= head + length
            {
                return self.read.drain(..head + length).skip(head).collect();
            }
            self.more(stream);
        }
    }
}
