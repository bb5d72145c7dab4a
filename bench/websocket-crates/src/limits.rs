//! What happens at the limit of a message, and with very many fragments.

use bytes::Bytes;

use crate::{
    alloc::Mark,
    block_on,
    candidates::{Candidate, Received},
    for_each_candidate, head, row,
    transport::Transport,
    wire::{self, BINARY, CONTINUATION, FIN},
};

const LIMIT: usize = 1_000_000;

pub fn report() {
    head(
        "A limit of 1 000 000 B",
        &[
            "what the peer sends",
            "crate",
            "outcome",
            "sent by itself",
            "sent by our `close(1009)` after it",
            "peak heap",
        ],
    );
    for (name, input) in [
        (
            "the head of a frame of 1 000 001 B",
            wire::masked_head(FIN | BINARY, LIMIT + 1),
        ),
        (
            "the head of a frame of 999 999 B, nothing else",
            wire::masked_head(FIN | BINARY, LIMIT - 1),
        ),
        (
            "a message of 1 000 000 B",
            wire::masked(FIN | BINARY, &vec![0; LIMIT]),
        ),
        ("11 fragments of 100 000 B", fragments(11, 100_000)),
        ("30 fragments of 100 000 B", fragments(30, 100_000)),
        ("20 000 fragments of 1 B", fragments(20_000, 1)),
        ("20 000 fragments of 0 B", fragments(20_000, 0)),
    ] {
        let input = Bytes::from(input);
        for mut cells in for_each_candidate!(outcome(&input)) {
            cells.insert(0, name.to_owned());
            row(&cells);
        }
    }
}

fn fragments(count: usize, size: usize) -> Vec<u8> {
    let mut bytes = wire::masked(BINARY, &vec![0; size]);
    let middle = wire::masked(CONTINUATION, &vec![0; size]);
    (2..count).for_each(|_| bytes.extend_from_slice(&middle));
    bytes.extend(wire::masked(FIN | CONTINUATION, &vec![0; size]));
    bytes
}

fn outcome<C: Candidate>(input: &Bytes) -> Vec<String> {
    block_on(async {
        let (transport, tally) = Transport::recording(input.clone());
        let mut socket = C::server(transport, LIMIT).await;
        let mark = Mark::now();
        let received = C::receive_ready(&mut socket);
        let peak = mark.usage().peak;

        let outcome = match received {
            Some(Received::Binary(data)) => format!("message of {} B", data.len()),
            Some(Received::Error(error)) => format!("error: {error}"),
            Some(other) => format!("{other:?}"),
            None => "waits".to_owned(),
        };
        let failed = outcome.starts_with("error");
        let _ = C::flush(&mut socket).await;
        let by_itself = wire::describe(&tally.take_written());
        let by_us = if failed {
            let result = C::close(&mut socket, Some(1009)).await;
            let sent = wire::describe(&tally.take_written());
            match result {
                Ok(()) => sent,
                Err(error) => format!("{sent} ({error})"),
            }
        } else {
            String::new()
        };
        vec![
            C::NAME.to_owned(),
            outcome,
            by_itself,
            by_us,
            format!("{} B", peak),
        ]
    })
}
