//! The attackers. Each runs one round, up to where the server ended it, and says how that looked.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use tokio::{io::AsyncReadExt, time::sleep};

use crate::wire::{
    BINARY, CONTINUATION, PING, POLLING, Raw, TEXT, WEBSOCKET, frame, frame_head, get, part,
    sid_of, upgrade,
};

type Round = Pin<Box<dyn Future<Output = String> + Send>>;

pub(crate) struct Adversary {
    pub(crate) name: &'static str,
    /// How many there are at once.
    pub(crate) at_once: usize,
    pub(crate) run: fn(SocketAddr) -> Round,
}

/// Above the server's limit.
const GIANT: usize = 1_000_001;

/// Above what kernels buffer.
const GREETING: usize = 6_000_000;

const DRIP: Duration = Duration::from_millis(100);

/// All of them. Those that wait are many; those that keep a processor busy are few.
pub(crate) fn all() -> Vec<Adversary> {
    let adversary = |name, at_once, run| Adversary { name, at_once, run };
    vec![
        adversary("silent connections", 1_000, |at| Box::pin(silent(at))),
        adversary("slow heads", 500, |at| Box::pin(slow_head(at))),
        adversary("slow bodies", 200, |at| Box::pin(slow_body(at))),
        adversary("huge Content-Length, no body", 200, |at| {
            Box::pin(huge_length(at))
        }),
        adversary("never pongs", 500, |at| Box::pin(never_pongs(at))),
        adversary("never polls", 500, |at| Box::pin(never_polls(at))),
        adversary("reads a poll in drips", 100, |at| Box::pin(slow_poll(at))),
        adversary("reads no poll", 100, |at| Box::pin(unread_poll(at))),
        adversary("reads no echo", 50, |at| Box::pin(unread_echo(at))),
        adversary("overlapping polls", 16, |at| Box::pin(overlap(at, false))),
        adversary("overlapping posts", 16, |at| Box::pin(overlap(at, true))),
        adversary("half upgrades", 200, |at| Box::pin(half_upgrade(at))),
        adversary("probe flood", 16, |at| Box::pin(probes(at))),
        adversary("giant message, one frame", 8, |at| Box::pin(giant(at, 1))),
        adversary("giant message, fragments", 8, |at| Box::pin(giant(at, 64))),
        adversary("giant message, announced only", 200, |at| {
            Box::pin(announced(at, GIANT))
        }),
        adversary("message of the limit, announced only", 200, |at| {
            Box::pin(announced(at, GIANT - 1))
        }),
        adversary("tiny fragments", 8, |at| Box::pin(flood(at, tiny(), true))),
        adversary("empty fragments", 8, |at| {
            Box::pin(flood(at, part(CONTINUATION, "").repeat(4_000), true))
        }),
        adversary("tiny messages, echoed", 8, |at| {
            Box::pin(flood(at, frame(TEXT, "4").repeat(1_000), false))
        }),
        adversary("pong flood", 8, |at| {
            Box::pin(flood(at, frame(TEXT, "3").repeat(4_000), false))
        }),
        adversary("ping flood, read", 8, |at| {
            Box::pin(flood(at, frame(PING, [7; 125]).repeat(1_000), false))
        }),
        adversary("ping flood, unread", 50, |at| Box::pin(unread_pings(at))),
        adversary("reserved bits behind the handshake", 16, |at| {
            Box::pin(reserved_bits(at))
        }),
        adversary("connects and resets", 8, |at| Box::pin(resets(at))),
        adversary("session flood", 8, |at| Box::pin(sessions(at))),
    ]
}

/// Reads to the end, and says that it came.
async fn cut(mut raw: Raw) -> String {
    raw.end().await;
    "cut".into()
}

async fn status(mut raw: Raw) -> String {
    match raw.try_reply().await {
        Some(reply) => reply.status.to_string(),
        None => "cut".into(),
    }
}

async fn closed(mut raw: Raw) -> String {
    let code = raw.close_code().await;
    // An answer would do; a reset needs no waiting.
    raw.reset();
    match code {
        Some(1005) => "close frame".into(),
        Some(code) => format!("close frame {code}"),
        None => "cut".into(),
    }
}

async fn silent(address: SocketAddr) -> String {
    cut(Raw::connect(address).await).await
}

async fn slow_head(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    raw.write(format!("GET {POLLING} HTTP/1.1\r\n")).await;
    while raw.try_write("x: y\r\n").await {
        sleep(DRIP).await;
    }
    "cut".into()
}

async fn slow_body(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    let session = raw.polling().await;
    let head = format!("POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n");
    raw.write(head).await;
    while raw.try_write("x").await {
        sleep(DRIP).await;
    }
    status(raw).await
}

async fn huge_length(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    let session = raw.polling().await;
    let head = format!("POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n");
    raw.write(head).await;
    status(raw).await
}

async fn never_pongs(address: SocketAddr) -> String {
    closed(Raw::session(address).await).await
}

async fn never_polls(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    let session = raw.polling().await;
    // Its connection ends by the header timeout, the session by its heartbeat.
    raw.end().await;
    sleep(Duration::from_millis(2_200)).await;
    let mut raw = Raw::connect(address).await;
    raw.write(get(&session)).await;
    status(raw).await
}

/// Begins to poll what is larger than the kernel's buffers.
async fn large_poll(address: SocketAddr) -> Raw {
    let mut raw = Raw::connect_narrow(address).await;
    raw.write(get(&format!("{POLLING}&greet={GREETING}"))).await;
    let open = raw.reply().await;
    let session = format!("{POLLING}&sid={}", sid_of(&open.body));
    raw.write(get(&session)).await;
    raw
}

async fn slow_poll(address: SocketAddr) -> String {
    let mut raw = large_poll(address).await;
    let mut drop = [0; 1 << 10];
    let mut read = 0;
    for _ in 0..30 {
        read += raw.stream.read(&mut drop).await.unwrap_or(0);
        sleep(DRIP).await;
    }
    rest(raw, read).await
}

async fn unread_poll(address: SocketAddr) -> String {
    let raw = large_poll(address).await;
    sleep(DRIP * 30).await;
    rest(raw, 0).await
}

/// Reads what kernels still hold of an answer; says whether the server wrote all of it.
async fn rest(mut raw: Raw, mut read: usize) -> String {
    let mut buffer = vec![0; 64 << 10];
    while read < GREETING {
        match raw.stream.read(&mut buffer).await {
            Ok(more @ 1..) => read += more,
            _ => return "cut".into(),
        }
    }
    "all of it".into()
}

async fn unread_echo(address: SocketAddr) -> String {
    let mut raw = Raw::connect_narrow(address).await;
    raw.become_websocket(WEBSOCKET).await;
    let message = frame(BINARY, vec![7; 50_000]);
    while raw.try_write(&message).await {}
    "cut".into()
}

async fn overlap(address: SocketAddr, posts: bool) -> String {
    let mut first = Raw::connect(address).await;
    let mut second = Raw::connect(address).await;
    let session = first.polling().await;
    let wire = if posts {
        format!("POST {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n4")
    } else {
        get(&session)
    };
    first.write(&wire).await;
    second.write(&wire).await;
    let second = status(second).await;
    first.reset();
    second
}

async fn half_upgrade(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    let session = raw.polling().await.replace("polling", "websocket");
    let mut half = Raw::websocket(address, &session).await;
    half.write(frame(TEXT, "2probe")).await;
    closed(half).await
}

async fn probes(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    let session = raw.polling().await.replace("polling", "websocket");
    let mut probing = Raw::websocket(address, &session).await;
    probing.try_write(frame(TEXT, "2probe").repeat(1_000)).await;
    closed(probing).await
}

async fn giant(address: SocketAddr, parts: usize) -> String {
    let mut raw = Raw::session(address).await;
    let mut opcode = BINARY;
    for _ in 0..parts {
        let piece = vec![7; GIANT.div_ceil(parts)];
        if !raw.try_write(part(opcode, piece)).await {
            break;
        }
        opcode = CONTINUATION;
    }
    closed(raw).await
}

async fn announced(address: SocketAddr, length: usize) -> String {
    let mut raw = Raw::session(address).await;
    raw.write(frame_head(0x80 | BINARY, length)).await;
    closed(raw).await
}

fn tiny() -> Vec<u8> {
    part(CONTINUATION, "x").repeat(4_000)
}

/// Writes the same for ever, while another task reads.
async fn flood(address: SocketAddr, wire: Vec<u8>, in_one_message: bool) -> String {
    let mut raw = Raw::session(address).await;
    if in_one_message {
        raw.write(part(BINARY, "")).await;
    }
    let (mut reading, mut writing) = raw.stream.into_split();
    let read = tokio::spawn(async move {
        let mut last = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = reading.read(&mut buffer).await {
            last.clear();
            last.extend(&buffer[..read.min(256)]);
        }
        last
    });
    while tokio::io::AsyncWriteExt::write_all(&mut writing, &wire)
        .await
        .is_ok()
    {}
    let last = read.await.unwrap();
    match last.iter().rposition(|byte| *byte == 0x88) {
        Some(at) if last.get(at + 1) == Some(&0) => "close frame".into(),
        Some(at) => match last.get(at + 2..at + 4) {
            Some(code) => format!("close frame {}", u16::from_be_bytes([code[0], code[1]])),
            None => "cut".into(),
        },
        None => "cut".into(),
    }
}

async fn unread_pings(address: SocketAddr) -> String {
    let mut raw = Raw::connect_narrow(address).await;
    raw.become_websocket(WEBSOCKET).await;
    let wire = frame(PING, [7; 125]).repeat(100);
    while raw.try_write(&wire).await {}
    "cut".into()
}

async fn reserved_bits(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    let head = upgrade(WEBSOCKET, "");
    raw.write([head.as_bytes(), &frame_head(0xf0 | TEXT, 1)].concat())
        .await;
    raw.reply().await;
    closed(raw).await
}

async fn resets(address: SocketAddr) -> String {
    Raw::connect(address).await.reset();
    "nothing".into()
}

async fn sessions(address: SocketAddr) -> String {
    let mut raw = Raw::connect(address).await;
    for _ in 0..100 {
        raw.polling().await;
    }
    raw.reset();
    "200".into()
}
