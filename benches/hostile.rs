//! What hostile inputs of 1 MB cost, beside ordinary ones of the same size and kind.
//!
//! Prints Markdown tables. Decoding includes what a server does before it knows what the arguments
//! are: it takes them and counts them. Parsing is `args.parse::<Vec<serde_json::Value>>()`, beside
//! `serde_json` with the same JSON and without its limit of depth. A ratio compares the times for one byte, hostile to ordinary. Growth compares the times for one byte of an
//! input and of a quarter of it; where it is not about 1 the work is not in proportion to the size.
//! Every time is the best of several, taken in turns.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measuring program"
)]

#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/inputs.rs"]
mod inputs;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize as _;
use serde_json::Value;
use socketio_proto::{
    edge::Message,
    engine::{Parser as _, packet, payload},
    socket::{Args, Assembler, Fragment, Json, Limits, Packet},
};

use self::hostile::{Hostile, Input, Sent};

/// How much longer than ordinary input of the same size hostile input may take.
const BOUND: f64 = 3.0;

const MAX_PACKETS: usize = 65_536;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (size, rounds) = if is_bench {
        (1_000_000, 11)
    } else {
        (20_000, 1)
    };

    println!("\n### Received, {size} B\n");
    row(&[
        "input",
        "outcome",
        "decoding",
        "ordinary",
        "ratio",
        "growth",
        "parsing",
        "ordinary",
        "ratio",
        "growth",
        "serde_json",
        "ratio",
    ]);
    row(&[
        "---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:",
        "---:",
    ]);
    let mut slow = Vec::new();
    for hostile in hostile::received() {
        received(&hostile, size, rounds, &mut slow);
    }

    println!("\n### Sent, {size} B\n");
    row(&[
        "argument",
        "encoding",
        "ordinary",
        "ratio",
        "growth",
        "serde_json",
        "ratio",
    ]);
    row(&["---", "---:", "---:", "---:", "---:", "---:", "---:"]);
    for case in hostile::sent() {
        sent(&case, size, rounds, &mut slow);
    }

    println!("\nBeyond {BOUND} times ordinary: {}.", slow.len());
    for name in slow {
        println!("- {name}");
    }
}

/// The best times of reading an input.
struct Cost {
    size: usize,
    outcome: &'static str,
    decoding: Duration,
    /// Missing if there is nothing to parse.
    parsing: Option<Duration>,
    /// The same by `serde_json`.
    theirs: Option<Duration>,
}

impl Cost {
    fn of(input: &Input, limits: Limits) -> Self {
        match input {
            Input::Messages(text, attachments) => {
                let text = ByteString::from(text.clone());
                let len = input.len();
                Self::of_messages(text, attachments, limits, len)
            }
            Input::Body(body) => {
                let len = body.len();
                let body = Bytes::from(body.clone());
                let start = Instant::now();
                let outcome = read_body(body, limits);
                Self {
                    size: len,
                    outcome,
                    decoding: start.elapsed(),
                    parsing: None,
                    theirs: None,
                }
            }
        }
    }

    fn of_messages(text: ByteString, attachments: &[Bytes], limits: Limits, size: usize) -> Self {
        let start = Instant::now();
        let args = read_messages(text, attachments, limits);
        if let Ok(args) = &args {
            black_box((args.name().len(), args.len()));
        }
        let decoding = start.elapsed();
        let Ok(args) = &args else {
            return Self {
                size,
                outcome: args.err().unwrap_or_default(),
                decoding,
                parsing: None,
                theirs: None,
            };
        };
        let start = Instant::now();
        let values = args.parse::<Vec<Value>>();
        let parsing = Some(start.elapsed());
        let json = format!("[{}]", args.json());
        let start = Instant::now();
        let same = parse_alike(&json);
        let theirs = Some(start.elapsed());
        let outcome = match (values, same) {
            (Ok(_), Ok(_)) => "read",
            (Ok(_), Err(_)) => "read, not by serde_json",
            (Err(_), _) => "not a Value",
        };
        Self {
            size,
            outcome,
            decoding,
            parsing,
            theirs,
        }
    }

    fn best(self, other: &Self) -> Self {
        Self {
            decoding: self.decoding.min(other.decoding),
            parsing: self.parsing.min(other.parsing),
            theirs: self.theirs.min(other.theirs),
            ..self
        }
    }
}

fn parse_alike(json: &str) -> serde_json::Result<Vec<Value>> {
    let mut json = serde_json::Deserializer::from_str(json);
    json.disable_recursion_limit();
    Vec::deserialize(&mut json)
}

fn read_messages(
    text: ByteString,
    attachments: &[Bytes],
    limits: Limits,
) -> Result<Args, &'static str> {
    let json = Json { limits };
    let mut assembler = Assembler::new();
    let mut push = |message| {
        let fragment = json.parse(message).map_err(|error| error.rule())?;
        assembler.push(fragment).map_err(|error| error.rule())
    };
    let mut whole = push(Message::Text(text))?;
    for bytes in attachments {
        whole = push(Message::Binary(bytes.clone()))?;
    }
    Ok(whole.ok_or("incomplete")?.into_args())
}

/// Both layers; what is no Socket.IO packet ends nothing.
fn read_body(body: Bytes, limits: Limits) -> &'static str {
    let json = Json { limits };
    for packet in payload::decode(body, MAX_PACKETS) {
        match packet {
            Ok(packet::Packet::Message(message)) => {
                if let Ok(Fragment::Packet(packet)) = json.parse(message) {
                    black_box(packet.into_args().len());
                }
            }
            Ok(packet) => drop(black_box(packet)),
            Err(error) => return error.rule(),
        }
    }
    "read"
}

fn received(case: &Hostile, size: usize, rounds: usize, slow: &mut Vec<String>) {
    let inputs = [
        (case.make)(size),
        (case.make)(size / 4),
        (case.ordinary)(size),
    ];
    let measure = || inputs.each_ref().map(|input| Cost::of(input, case.limits));
    let mut costs = measure();
    for _ in 0..rounds {
        let mut again = measure().into_iter();
        costs = costs.map(|cost| cost.best(&again.next().unwrap()));
    }
    let [hostile, quarter, ordinary] = costs;

    let each = |cost: &Cost, time: Duration| time.as_nanos() as f64 / cost.size as f64;
    let decoding = |cost: &Cost| each(cost, cost.decoding);
    let parsing = |cost: &Cost| cost.parsing.map(|time| each(cost, time));
    let ratio = decoding(&hostile) / decoding(&ordinary);
    let parse_ratio = parsing(&hostile).zip(parsing(&ordinary));
    let parse_ratio = parse_ratio.map(|(hostile, ordinary)| hostile / ordinary);
    for (what, ratio) in [("decoding", Some(ratio)), ("parsing", parse_ratio)] {
        let Some(ratio) = ratio.filter(|ratio| *ratio > BOUND) else {
            continue;
        };
        slow.push(format!("{what} {}: × {ratio:.1}", case.name));
    }
    row(&[
        case.name,
        hostile.outcome,
        &time(hostile.decoding),
        &time(ordinary.decoding),
        &number(Some(ratio)),
        &number(Some(decoding(&hostile) / decoding(&quarter))),
        &hostile.parsing.map_or(String::new(), time),
        &ordinary.parsing.map_or(String::new(), time),
        &number(parse_ratio),
        &number(parsing(&hostile).zip(parsing(&quarter)).map(|(a, b)| a / b)),
        &hostile.theirs.map_or(String::new(), time),
        &number(
            hostile
                .parsing
                .zip(hostile.theirs)
                .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()),
        ),
    ]);
}

fn sent(case: &Sent, size: usize, rounds: usize, slow: &mut Vec<String>) {
    let values = [
        (case.make)(size),
        (case.make)(size / 4),
        (case.ordinary)(size),
    ];
    let measure = || {
        values.each_ref().map(|value| {
            let start = Instant::now();
            let packet = Packet::event("e", &(value,)).unwrap();
            let sealed = packet.seal("/", None).unwrap();
            let ours = start.elapsed();
            let start = Instant::now();
            let text = serde_json::to_string(&("e", value)).unwrap();
            let theirs = start.elapsed();
            assert_eq!(sealed.text().len(), "42".len() + text.len());
            (text.len(), ours, theirs)
        })
    };
    let mut costs = measure();
    for _ in 0..rounds {
        let mut again = measure().into_iter();
        costs = costs.map(|(len, ours, theirs)| {
            let (_, our, their) = again.next().unwrap();
            (len, ours.min(our), theirs.min(their))
        });
    }
    let each = |cost: (usize, Duration, Duration)| cost.1.as_nanos() as f64 / cost.0 as f64;
    let [hostile, quarter, ordinary] = costs;
    let ratio = each(hostile) / each(ordinary);
    if ratio > BOUND {
        slow.push(format!("encoding {}: × {ratio:.1}", case.name));
    }
    row(&[
        case.name,
        &time(hostile.1),
        &time(ordinary.1),
        &number(Some(ratio)),
        &number(Some(each(hostile) / each(quarter))),
        &time(hostile.2),
        &number(Some(hostile.1.as_secs_f64() / hostile.2.as_secs_f64())),
    ]);
}

fn time(time: Duration) -> String {
    format!("{:.1} µs", time.as_nanos() as f64 / 1e3)
}

fn number(number: Option<f64>) -> String {
    number.map_or(String::new(), |number| format!("{number:.2}"))
}

fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}
