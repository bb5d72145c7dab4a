//! What a server does with what RFC 6455 forbids or asks it to answer.

use bytes::Bytes;

use crate::{
    block_on,
    candidates::{Candidate, Received},
    for_each_candidate, head, row,
    transport::Transport,
    wire::{self, CLOSE, CONTINUATION, FIN, PING, TEXT},
};

const LIMIT: usize = 1_000_000;

pub fn report() {
    let names: Vec<&str> = for_each_candidate!(name());
    let columns: Vec<&str> = std::iter::once("the client sends").chain(names).collect();

    head(
        "Conformance: what the application gets → what is sent without its help",
        &columns,
    );
    for (name, input) in cases() {
        let input = Bytes::from(input);
        let mut cells = vec![name.to_owned()];
        cells.extend(for_each_candidate!(outcome(&input)));
        row(&cells);
    }

    head("Sending and resuming", &columns);
    let mut cells = vec!["our `close` without a code puts on the wire".to_owned()];
    cells.extend(for_each_candidate!(empty_close()));
    row(&cells);
    let mut cells = vec!["a read dropped after every byte gives".to_owned()];
    cells.extend(for_each_candidate!(dropped_reads()));
    row(&cells);
}

fn name<C: Candidate>() -> &'static str {
    C::NAME
}

fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let close = |payload: &[u8]| wire::masked(FIN | CLOSE, payload);
    vec![
        ("a text with RSV1", wire::masked(FIN | 0x40 | TEXT, b"a")),
        ("a text without a mask", vec![FIN | TEXT, 1, b'a']),
        (
            "a frame of reserved opcode 3",
            wire::masked(FIN | 0x3, b"a"),
        ),
        (
            "a frame of reserved opcode 11",
            wire::masked(FIN | 0xb, b"a"),
        ),
        ("a ping with 126 bytes", wire::masked(FIN | PING, &[0; 126])),
        (
            "a close with 126 bytes",
            close(&[&1000_u16.to_be_bytes()[..], &[b'a'; 124]].concat()),
        ),
        ("a ping that is not final", wire::masked(PING, b"a")),
        (
            "a continuation of nothing",
            wire::masked(FIN | CONTINUATION, b"a"),
        ),
        (
            "a text inside a fragmented text",
            [wire::masked(TEXT, b"a"), wire::masked(FIN | TEXT, b"b")].concat(),
        ),
        (
            "a text that is not UTF-8",
            wire::masked(FIN | TEXT, b"a\xff"),
        ),
        (
            "a first fragment that is not UTF-8, no more",
            wire::masked(TEXT, b"a\xff"),
        ),
        (
            "a character split between fragments",
            [
                wire::masked(TEXT, b"\xe2\x82"),
                wire::masked(FIN | CONTINUATION, b"\xac"),
            ]
            .concat(),
        ),
        ("a length that is not minimal", {
            let mut frame = vec![FIN | TEXT, 0x80 | 126, 0, 1, 0, 0, 0, 0];
            frame.push(b'a');
            frame
        }),
        ("a ping", wire::masked(FIN | PING, b"abc")),
        (
            "a ping between two fragments",
            [
                wire::masked(TEXT, b"a"),
                wire::masked(FIN | PING, b"abc"),
                wire::masked(FIN | CONTINUATION, b"b"),
            ]
            .concat(),
        ),
        ("a close with 1000", close(&1000_u16.to_be_bytes())),
        ("a close without a code", close(b"")),
        ("a close with one byte", close(b"a")),
        ("a close with 1005", close(&1005_u16.to_be_bytes())),
        ("a close whose reason is not UTF-8", close(b"\x03\xe8\xff")),
    ]
}

fn outcome<C: Candidate>(input: &Bytes) -> String {
    block_on(async {
        let (transport, tally) = Transport::recording(input.clone());
        let mut socket = C::server(transport, LIMIT).await;
        let mut outcomes = Vec::new();
        while let Some(received) = C::receive_ready(&mut socket) {
            let ends = matches!(
                received,
                Received::Close | Received::End | Received::Error(_)
            );
            outcomes.push(match received {
                Received::Error(error) => format!("error \"{error}\""),
                Received::Text(text) => format!("text of {} B", text.len()),
                other => format!("{other:?}").to_lowercase(),
            });
            if ends {
                break;
            }
        }
        if outcomes.is_empty() {
            outcomes.push("waits".to_owned());
        }
        // Answers that are queued go out with the next flush or read.
        let _ = C::flush(&mut socket).await;
        let _ = C::receive_ready(&mut socket);
        format!(
            "{} → {}",
            outcomes.join(", "),
            wire::describe(&tally.take_written())
        )
    })
}

fn empty_close<C: Candidate>() -> String {
    block_on(async {
        let (transport, tally) = Transport::recording(Bytes::new());
        let mut socket = C::server(transport, LIMIT).await;
        C::close(&mut socket, None)
            .await
            .expect("the transport takes everything");
        format!("{:02x?}", tally.take_written())
    })
}

fn dropped_reads<C: Candidate>() -> String {
    block_on(async {
        let (transport, tally) = Transport::recording(Bytes::new());
        let mut socket = C::server(transport, LIMIT).await;
        for byte in wire::masked(FIN | TEXT, b"seventeen letters") {
            tally.input.replace(Bytes::copy_from_slice(&[byte]));
            match C::receive_ready(&mut socket) {
                None => {}
                Some(Received::Text(text)) => return format!("the message, {} B", text.len()),
                Some(other) => return format!("{other:?}"),
            }
        }
        "no message".to_owned()
    })
}
