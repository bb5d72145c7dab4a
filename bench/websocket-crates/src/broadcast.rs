//! What one shared payload costs when it is sent to many sockets, and what one batch costs.

use std::time::Instant;

use crate::{
    alloc::Mark, block_on, candidates::Candidate, for_each_candidate, head, median, row,
    transport::Transport, wire,
};

const SOCKETS: usize = 500;
const LIMIT: usize = 1_000_000;
const ROUNDS: usize = 51;

pub fn report() {
    head(
        "One shared text to 500 sockets: per socket, first time / again",
        &[
            "crate",
            "payload",
            "allocations",
            "bytes allocated",
            "payload bytes copied",
            "writes",
            "vectored writes",
            "ns again",
        ],
    );
    for size in [64, 1_000, 64_000] {
        for cells in for_each_candidate!(broadcast(size)) {
            row(&cells);
        }
    }

    head(
        "Ten texts of 32 B queued, then one flush",
        &[
            "crate",
            "writes",
            "vectored writes",
            "allocations",
            "payload bytes copied",
        ],
    );
    for cells in for_each_candidate!(batch()) {
        row(&cells);
    }
}

fn broadcast<C: Candidate>(size: usize) -> Vec<String> {
    block_on(async {
        let text = wire::ascii(size);
        let mut sockets = Vec::new();
        for _ in 0..SOCKETS {
            let (transport, tally) = Transport::sink();
            tally.watch(&text);
            sockets.push((C::server(transport, LIMIT).await, tally));
        }

        let mut columns = vec![Vec::new(); 5];
        for _ in ["first time", "again"] {
            let mark = Mark::now();
            for (socket, _) in &mut sockets {
                C::feed(socket, &text)
                    .await
                    .expect("the transport takes everything");
                C::flush(socket)
                    .await
                    .expect("the transport takes everything");
            }
            let usage = mark.usage();
            let from_shared: usize = sockets
                .iter()
                .map(|(_, tally)| tally.from_shared.take())
                .sum();
            let writes: usize = sockets.iter().map(|(_, tally)| tally.writes.take()).sum();
            let vectored: usize = sockets
                .iter()
                .map(|(_, tally)| tally.vectored_writes.take())
                .sum();
            let totals = [
                usage.calls,
                usage.requested,
                size * SOCKETS - from_shared,
                writes,
                vectored,
            ];
            for (column, total) in columns.iter_mut().zip(totals) {
                column.push(per_socket(total));
            }
        }

        let mut cells = vec![C::NAME.to_owned(), format!("{size} B")];
        cells.extend(columns.into_iter().map(|column| column.join(" / ")));

        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for (socket, _) in &mut sockets {
                C::feed(socket, &text)
                    .await
                    .expect("the transport takes everything");
                C::flush(socket)
                    .await
                    .expect("the transport takes everything");
            }
            times.push(start.elapsed().as_nanos() as f64 / SOCKETS as f64);
        }
        cells.push(format!("{:.0}", median(times)));
        cells
    })
}

fn per_socket(total: usize) -> String {
    let exact = total as f64 / SOCKETS as f64;
    if exact.fract() == 0.0 {
        format!("{exact}")
    } else {
        format!("{exact:.2}")
    }
}

fn batch<C: Candidate>() -> Vec<String> {
    block_on(async {
        let text = wire::ascii(32);
        let (transport, tally) = Transport::sink();
        tally.watch(&text);
        let mut socket = C::server(transport, LIMIT).await;

        let mark = Mark::now();
        for _ in 0..10 {
            C::feed(&mut socket, &text)
                .await
                .expect("the transport takes everything");
        }
        C::flush(&mut socket)
            .await
            .expect("the transport takes everything");
        let usage = mark.usage();

        vec![
            C::NAME.to_owned(),
            tally.writes.get().to_string(),
            tally.vectored_writes.get().to_string(),
            usage.calls.to_string(),
            (10 * text.len() - tally.from_shared.get()).to_string(),
        ]
    })
}
