//! Echo over loopback TCP, behind hyper's upgrade.
//!
//! The server is one task on a current-thread runtime, as in the glue: it answers all that has arrived, then
//! flushes once. It does so in two orders, because some crates write what is queued before they read. The client is a plain thread that writes prepared frames and counts the bytes that come back.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWrite, net::TcpListener};

use crate::{
    block_on,
    candidates::{Candidate, Received},
    for_each_candidate, head, median, row,
    wire::{self, FIN, TEXT},
};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(500);

pub fn report() {
    head(
        "Echo over loopback behind hyper's upgrade (median of 5 rounds)",
        &[
            "in flight",
            "payload",
            "order",
            "crate",
            "echoes/s",
            "ratio to the fastest",
            "server CPU per echo, ns",
            "ratio to the least",
        ],
    );
    let mut vectored = false;
    for (in_flight, size, order) in [
        (1, 64, Order::ReadThenWrite),
        (16, 64, Order::InTurns),
        (16, 64, Order::ReadThenWrite),
        (1, 1_000, Order::ReadThenWrite),
        (16, 1_000, Order::InTurns),
        (16, 1_000, Order::ReadThenWrite),
        (16, 64_000, Order::ReadThenWrite),
    ] {
        let rounds: Vec<Vec<Round>> = (0..ROUNDS)
            .map(|_| for_each_candidate!(round(in_flight, size, order)))
            .collect();
        vectored = rounds[0][0].vectored;
        let of = |candidate: usize, pick: fn(&Round) -> f64| {
            median(rounds.iter().map(|round| pick(&round[candidate])).collect())
        };
        let candidates = 0..rounds[0].len();
        let rates: Vec<f64> = candidates
            .clone()
            .map(|candidate| of(candidate, |round| round.rate))
            .collect();
        let costs: Vec<f64> = candidates
            .clone()
            .map(|candidate| of(candidate, |round| round.cpu))
            .collect();
        let fastest = rates.iter().copied().fold(0.0, f64::max);
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        for candidate in candidates {
            row(&[
                in_flight.to_string(),
                format!("{size} B"),
                order.name().to_owned(),
                rounds[0][candidate].name.to_owned(),
                format!("{:.0}", rates[candidate]),
                format!("{:.2}", rates[candidate] / fastest),
                format!("{:.0}", costs[candidate]),
                format!("{:.2}", costs[candidate] / least),
            ]);
        }
    }
    println!("\n`TokioIo<Upgraded>` over TCP says `is_write_vectored`: {vectored}.");
}

/// The order in which the server reads and writes when several messages have arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    /// Read one, queue its echo, read the next.
    InTurns,
    /// Read all, then queue all echoes.
    ReadThenWrite,
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Self::InTurns => "in turns",
            Self::ReadThenWrite => "read, then write",
        }
    }
}

struct Round {
    name: &'static str,
    rate: f64,
    cpu: f64,
    vectored: bool,
}

struct Served {
    echoes: usize,
    cpu: f64,
    vectored: bool,
}

fn round<C: Candidate>(in_flight: usize, size: usize, order: Order) -> Round {
    let (address_is, address) = mpsc::channel();
    let server = thread::spawn(move || block_on(serve_one::<C>(address_is, order)));
    let rate = drive(address.recv().expect("the server listens"), in_flight, size);
    let served = server.join().expect("the server ends well");
    Round {
        name: C::NAME,
        rate,
        cpu: served.cpu / served.echoes as f64,
        vectored: served.vectored,
    }
}

async fn serve_one<C: Candidate>(address_is: mpsc::Sender<SocketAddr>, order: Order) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback port is free");
    address_is
        .send(listener.local_addr().expect("it is bound"))
        .expect("the client waits");
    let (stream, _) = listener.accept().await.expect("the client connects");
    stream.set_nodelay(true).expect("TCP has it");

    let (upgrade_is, upgrade) = tokio::sync::oneshot::channel();
    let upgrade_is = std::sync::Mutex::new(Some(upgrade_is));
    let service = service_fn(|mut request: Request<Incoming>| {
        let upgrade_is = upgrade_is
            .lock()
            .expect("nothing panicked")
            .take()
            .expect("one request is sent");
        upgrade_is
            .send(hyper::upgrade::on(&mut request))
            .expect("it is awaited below");
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .body(Empty::<Bytes>::new())
            .expect("the response is well-formed");
        async { Ok::<_, hyper::Error>(response) }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .expect("the connection is upgraded");
    let upgraded = upgrade
        .await
        .expect("a request came")
        .await
        .expect("it was an upgrade");

    let io = TokioIo::new(upgraded);
    let vectored = io.is_write_vectored();
    let mut socket = C::server(io, 1_000_000).await;
    let before = cpu_time();
    let mut echoes = 0;
    let mut texts = Vec::new();
    'serving: loop {
        let mut received = Some(C::receive(&mut socket).await);
        while let Some(message) = received {
            let Received::Text(text) = message else {
                break 'serving;
            };
            match order {
                Order::InTurns => C::feed(&mut socket, &text).await.expect("the client reads"),
                Order::ReadThenWrite => texts.push(text),
            }
            echoes += 1;
            received = if C::RESUMES {
                C::receive_ready(&mut socket)
            } else {
                None
            };
        }
        for text in texts.drain(..) {
            C::feed(&mut socket, &text).await.expect("the client reads");
        }
        C::flush(&mut socket).await.expect("the client reads");
    }
    Served {
        echoes,
        cpu: cpu_time() - before,
        vectored,
    }
}

fn drive(address: SocketAddr, in_flight: usize, size: usize) -> f64 {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("TCP has it");
    stream
        .write_all(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )
        .expect("the server reads");
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        response.push(byte[0]);
    }

    let batch = wire::masked(FIN | TEXT, &wire::ascii(size)).repeat(in_flight);
    let mut answer = vec![0; wire::unmasked_len(size) * in_flight];
    let mut writing = stream.try_clone().expect("a socket can be cloned");
    let mut exchange = move || {
        // A batch larger than the socket buffers must be read while it is written.
        if batch.len() > 100_000 {
            thread::scope(|scope| {
                scope.spawn(|| writing.write_all(&batch).expect("the server reads"));
                stream.read_exact(&mut answer).expect("the server echoes");
            });
        } else {
            writing.write_all(&batch).expect("the server reads");
            stream.read_exact(&mut answer).expect("the server echoes");
        }
    };
    for _ in 0..20 {
        exchange();
    }
    let start = Instant::now();
    let mut batches = 0;
    while start.elapsed() < ROUND {
        exchange();
        batches += 1;
    }
    (batches * in_flight) as f64 / start.elapsed().as_secs_f64()
}

/// The CPU time of this thread in nanoseconds; zero where the system does not tell.
fn cpu_time() -> f64 {
    fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|stat| stat.split(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}
