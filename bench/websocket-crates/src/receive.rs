//! What receiving text costs, and what a second UTF-8 validation adds to it.
//!
//! `ByteString::try_from(Bytes)` is the safe way from received text to a `ByteString`: no copy, one more
//! pass of `core::str::from_utf8`.

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    alloc::Mark,
    block_on,
    candidates::{Candidate, Received},
    for_each_candidate, head, median, row,
    transport::Transport,
    wire::{self, BINARY, FIN, TEXT},
};

const ROUNDS: usize = 5;
const BYTES_PER_ROUND: usize = 24_000_000;

pub fn report() {
    head(
        "Receiving one message, ns (median of 5 rounds)",
        &[
            "crate",
            "content",
            "as binary",
            "as text",
            "as text, then `ByteString::try_from`",
            "second pass",
            "allocations per text",
            "bytes allocated per text",
        ],
    );
    for (content, text) in [
        ("ASCII 64 B", wire::ascii(64)),
        ("ASCII 1 kB", wire::ascii(1_000)),
        ("ASCII 64 kB", wire::ascii(64_000)),
        ("Japanese 1 kB", wire::japanese(1_000)),
        ("Japanese 64 kB", wire::japanese(64_000)),
    ] {
        let rounds: Vec<Vec<Costs>> = (0..ROUNDS)
            .map(|_| for_each_candidate!(costs(&text)))
            .collect();
        for candidate in 0..rounds[0].len() {
            let of = |pick: fn(&Costs) -> f64| {
                median(rounds.iter().map(|round| pick(&round[candidate])).collect())
            };
            let (binary, text, converted) = (of(|c| c.binary), of(|c| c.text), of(|c| c.converted));
            row(&[
                rounds[0][candidate].name.to_owned(),
                content.to_owned(),
                format!("{binary:.0}"),
                format!("{text:.0}"),
                format!("{converted:.0}"),
                format!("{:+.0} %", (converted / text - 1.0) * 100.0),
                format!("{:.2}", of(|c| c.allocations)),
                format!("{:.0}", of(|c| c.allocated)),
            ]);
        }
    }

    head(
        "One validation of text that is in the cache, ns",
        &["content", "`core`", "`simdutf8`"],
    );
    for (content, text) in [
        ("ASCII 1 kB", wire::ascii(1_000)),
        ("ASCII 64 kB", wire::ascii(64_000)),
        ("Japanese 1 kB", wire::japanese(1_000)),
        ("Japanese 64 kB", wire::japanese(64_000)),
    ] {
        let core = time(&text, |text| std::str::from_utf8(text).is_ok());
        let simd = time(&text, |text| simdutf8::basic::from_utf8(text).is_ok());
        row(&[
            content.to_owned(),
            format!("{core:.0}"),
            format!("{simd:.0}"),
        ]);
    }
}

struct Costs {
    name: &'static str,
    binary: f64,
    text: f64,
    converted: f64,
    allocations: f64,
    allocated: f64,
}

fn costs<C: Candidate>(text: &Bytes) -> Costs {
    let messages = BYTES_PER_ROUND / (text.len() + 400);
    let binary = receive_all::<C>(BINARY, text, messages, |received| {
        assert!(matches!(received, Received::Binary(_)));
    });
    let mark = Mark::now();
    let plain = receive_all::<C>(TEXT, text, messages, |received| {
        assert!(matches!(received, Received::Text(_)));
    });
    let usage = mark.usage();
    let converted = receive_all::<C>(TEXT, text, messages, |received| {
        let Received::Text(data) = received else {
            panic!("text was sent")
        };
        black_box(ByteString::try_from(data).expect("the text is UTF-8"));
    });
    Costs {
        name: C::NAME,
        binary,
        text: plain,
        converted,
        allocations: usage.calls as f64 / messages as f64,
        allocated: usage.requested as f64 / messages as f64,
    }
}

fn receive_all<C: Candidate>(
    opcode: u8,
    text: &Bytes,
    messages: usize,
    mut each: impl FnMut(Received),
) -> f64 {
    let frame = wire::masked(FIN | opcode, text);
    let script: Bytes = frame.repeat((64_000 / frame.len()).max(1)).into();
    block_on(async {
        let (transport, _) = Transport::repeating(script);
        let mut socket = C::server(transport, 1_000_000).await;
        let start = Instant::now();
        for _ in 0..messages {
            each(black_box(C::receive(&mut socket).await));
        }
        start.elapsed().as_nanos() as f64 / messages as f64
    })
}

fn time(text: &Bytes, check: impl Fn(&[u8]) -> bool) -> f64 {
    let times = 20_000_000 / text.len();
    let start = Instant::now();
    for _ in 0..times {
        assert!(check(black_box(text)));
    }
    start.elapsed().as_nanos() as f64 / times as f64
}
