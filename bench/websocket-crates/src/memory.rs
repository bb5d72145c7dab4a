//! Heap that an idle socket holds, beside its transport.

use bytes::Bytes;

use crate::{
    alloc::Mark,
    block_on,
    candidates::{Candidate, Received},
    for_each_candidate, head, row,
    transport::Transport,
    wire::{self, FIN, TEXT},
};

const SOCKETS: usize = 100;

pub fn report() {
    head(
        "An idle socket, bytes",
        &[
            "crate",
            "size of the type",
            "heap when new",
            "after an echo of 64 B",
            "after an echo of 64 kB",
            "of 900 kB",
            "of 64 B again",
        ],
    );
    for cells in for_each_candidate!(idle()) {
        row(&cells);
    }
}

fn idle<C: Candidate>() -> Vec<String> {
    block_on(async {
        let transports: Vec<_> = (0..SOCKETS).map(|_| Transport::sink()).collect();
        // Static, so that the input itself is not counted.
        let frames = [64, 64_000, 900_000, 64].map(|size| {
            let frame = wire::masked(FIN | TEXT, &wire::ascii(size));
            Bytes::from_static(frame.leak())
        });
        let mut sockets = Vec::with_capacity(SOCKETS);

        let mark = Mark::now();
        for (transport, tally) in transports {
            sockets.push((C::server(transport, 1_000_000).await, tally));
        }
        let mut held = vec![mark.usage().live / SOCKETS as isize];
        for frame in &frames {
            for (socket, tally) in &mut sockets {
                tally.input.replace(frame.clone());
                let Some(Received::Text(text)) = C::receive_ready(socket) else {
                    panic!("a text was sent")
                };
                C::feed(socket, &text)
                    .await
                    .expect("the transport takes everything");
                C::flush(socket)
                    .await
                    .expect("the transport takes everything");
            }
            held.push(mark.usage().live / SOCKETS as isize);
        }

        let mut cells = vec![
            C::NAME.to_owned(),
            size_of::<C::Socket<Transport>>().to_string(),
        ];
        cells.extend(held.iter().map(isize::to_string));
        cells
    })
}
