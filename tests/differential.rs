//! The official parsers and this crate read and write the same, or differ as it is listed.
//!
//! `DIFFERENTIAL_INPUTS` says with how many inputs that is tried, `DIFFERENTIAL_SEED` repeats a run
//! (docs/testing-differential.md).

#![allow(
    unreachable_pub,
    missing_debug_implementations,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]
#![allow(clippy::float_cmp, reason = "both sides have to read the same double")]
#![allow(clippy::format_push_string, reason = "it reads better than `write!`")]

#[path = "differential/differences.rs"]
mod differences;
#[path = "differential/encode.rs"]
mod encode;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/judge.rs"]
mod judge;
#[path = "differential/node.rs"]
mod node;
#[path = "differential/oracle.rs"]
mod oracle;
#[path = "differential/ours.rs"]
mod ours;
#[path = "differential/rng.rs"]
mod rng;
#[path = "differential/shrink.rs"]
mod shrink;
#[path = "differential/tree.rs"]
mod tree;
#[path = "differential/value.rs"]
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Instant,
};

use differences::DIFFERENCES;
use generate::{Case, Generator};
use judge::{Hits, Judge, Tally, questions};
use oracle::{Answer, Oracle, Step};
use value::Value;

const KNOWN: &str = include_str!("../spec-vectors/socket.io/v5/packets.json");
const DOCUMENTED: &str = include_str!("../docs/differences.md");

/// By default a run repeats: whoever looks for something new takes another seed.
const SEED: u64 = 1;
/// What a run takes by default: a bounded share of `cargo test`.
const INPUTS: usize = 100_000;
const BATCH: usize = 200;

#[test]
fn the_official_parsers_agree_or_differ_as_it_is_listed() {
    on_a_large_stack(|| {
        let inputs = variable("DIFFERENTIAL_INPUTS")
            .map_or(INPUTS, |inputs| usize::try_from(inputs).expect("it fits"));
        let seed = variable("DIFFERENTIAL_SEED").unwrap_or(SEED);
        node::say(&format!("tests/differential: seed {seed}, {inputs} inputs"));
        let begin = Instant::now();
        let mut tally = Tally::default();
        let counts = run(seed, inputs, &mut tally);
        let time = begin.elapsed().as_secs_f64();
        let mut report = format!("agreed in {time:.1} s: {tally:?}\n");
        for entry in DIFFERENCES {
            let count = counts.get(entry.name).copied().unwrap_or(0);
            let (name, side) = (entry.name, entry.side);
            _ = writeln!(report, "{count:>8}  {name} ({side:?}: {})", entry.reason);
        }
        node::say(&report);
    });
}

/// Compares that many inputs; counts the inputs that met each difference.
fn run(seed: u64, inputs: usize, tally: &mut Tally) -> BTreeMap<&'static str, u64> {
    let mut oracle = Oracle::start();
    let known = generate::known(KNOWN);
    let mut all = known.clone().into_iter().map(Case::Frames);
    let mut generator = Generator::new(seed, known.clone());
    let mut next = || all.next().unwrap_or_else(|| generator.case());
    let mut counts = BTreeMap::new();
    let mut made = 0;
    // One batch is compared while the oracle thinks about the next one.
    let mut before: Option<(Vec<Case>, u64)> = None;
    loop {
        let count = BATCH.min(inputs.saturating_sub(made));
        made += count;
        let cases: Vec<Case> = (0..count).map(|_| next()).collect();
        let batch = oracle.send(cases.iter().flat_map(questions).collect());
        if let Some((cases, batch)) = before.replace((cases, batch)) {
            let mut answers = &oracle.wait(batch)[..];
            for case in cases {
                let (own, rest) = answers.split_at(questions_of(&case));
                answers = rest;
                let found = attempt(
                    &mut Judge {
                        oracle: &mut oracle,
                        tally,
                    },
                    &case,
                    own,
                );
                let hits = found.unwrap_or_else(|error| fail(&mut oracle, seed, case, &error));
                let unique: BTreeSet<_> = hits.into_iter().collect();
                for name in unique {
                    *counts.entry(name).or_default() += 1;
                }
            }
        }
        if count == 0 {
            return counts;
        }
    }
}

fn questions_of(case: &Case) -> usize {
    match case {
        Case::Encode(_) | Case::EncodeBody(_) | Case::EncodeMessage(_) => 2,
        Case::Body { .. } | Case::Frames(_) | Case::Message(_) => 1,
    }
}

/// A panic is a difference too.
fn attempt(judge: &mut Judge<'_>, case: &Case, answers: &[Answer]) -> Result<Hits, String> {
    let judged = AssertUnwindSafe(|| judge.case(case, answers));
    catch_unwind(judged).unwrap_or_else(|_| Err("it panicked".into()))
}

fn fail(oracle: &mut Oracle, seed: u64, case: Case, error: &str) -> ! {
    let original = format!("{case:?}");
    let mut last = error.to_owned();
    let tally = &mut Tally::default();
    let smallest = shrink::shrink(case, |case| {
        let mut judge = Judge { oracle, tally };
        match catch_unwind(AssertUnwindSafe(|| judge.try_case(case))) {
            Ok(Ok(_)) => return false,
            Ok(Err(error)) => last = error,
            Err(_) => last = "it panicked".into(),
        }
        true
    });
    panic!("seed {seed}: no listed difference\n{last}\nsmallest: {smallest:?}\nfrom: {original}");
}

#[test]
fn every_listed_difference_is_met_by_its_example() {
    on_a_large_stack(|| {
        let (oracle, tally) = (&mut Oracle::start(), &mut Tally::default());
        for entry in DIFFERENCES {
            let case = (entry.example)();
            let hits = Judge { oracle, tally }.try_case(&case);
            assert_eq!(hits, Ok(vec![entry.name]), "{case:?}");
        }
    });
}

#[test]
fn every_listed_difference_stands_in_the_documentation() {
    for entry in DIFFERENCES {
        let row = entry.row;
        let is_row = |line: &&str| line.starts_with('|') && line.contains(row);
        assert_eq!(DOCUMENTED.lines().filter(is_row).count(), 1, "{row}");
    }
}

/// The comparison itself: an oracle that lies is found out, whatever the lie is about.
#[test]
fn no_lie_of_the_oracle_passes() {
    on_a_large_stack(|| {
        let (oracle, tally) = (&mut Oracle::start(), &mut Tally::default());
        let mut lies = 0;
        for frames in generate::known(KNOWN) {
            let truth = oracle.decode(&frames);
            let case = Case::Frames(frames);
            let answers = [Answer::Steps(truth.clone())];
            // Behind a difference nothing is compared.
            let found = Judge { oracle, tally }.case(&case, &answers);
            if found != Ok(Hits::new()) {
                continue;
            }
            for at in 0..truth.len() {
                for lie in lies_about(&truth[at]) {
                    let mut steps = truth.clone();
                    steps[at] = lie;
                    let answers = [Answer::Steps(steps)];
                    let found = Judge { oracle, tally }.case(&case, &answers);
                    assert!(found.is_err(), "{case:?}: {answers:?} for {truth:?}");
                    lies += 1;
                }
            }
        }
        assert!(lies > 800, "{lies}");
    });
}

fn lies_about(step: &Step<String>) -> Vec<Step<String>> {
    let mut lies = vec![Step::Refused("a lie".into())];
    match step {
        Step::Packet(packet) => {
            let mut lie = |change: &dyn Fn(&mut oracle::Packet)| {
                let mut packet = packet.clone();
                change(&mut packet);
                lies.push(Step::Packet(packet));
            };
            lie(&|packet| packet.kind = (packet.kind + 1) % 5);
            lie(&|packet| packet.namespace = "/lie".into());
            lie(&|packet| packet.id = Value::Number(123_456_789.0));
            for data in lies_about_value(&packet.data) {
                lie(&|packet| packet.data = data.clone());
            }
            lies.push(Step::Waiting);
        }
        Step::Refused(_) => lies.push(Step::Waiting),
        Step::Waiting => lies.push(Step::Refused("invalid payload".into())),
    }
    lies
}

/// One lie about each value in it.
fn lies_about_value(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(value) => vec![Value::Bool(!value)],
        Value::Bytes(bytes) => vec![Value::Bytes([&bytes[..], b"x"].concat().into())],
        Value::List(elements) => {
            let mut lies = vec![Value::List([&elements[..], &[Value::Null]].concat())];
            for at in 0..elements.len() {
                for lie in lies_about_value(&elements[at]) {
                    let mut elements = elements.clone();
                    elements[at] = lie;
                    lies.push(Value::List(elements));
                }
            }
            lies
        }
        Value::Number(number) => vec![Value::Number(number.next_up()), Value::Null],
        Value::Object(members) => {
            let more = ("a lie".into(), Value::Null);
            let mut lies = vec![Value::Object([&members[..], &[more]].concat())];
            for at in 0..members.len() {
                let mut fewer = members.clone();
                fewer.remove(at);
                lies.push(Value::Object(fewer));
                for lie in lies_about_value(&members[at].1) {
                    let mut members = members.clone();
                    members[at].1 = lie;
                    lies.push(Value::Object(members));
                }
            }
            lies
        }
        Value::Text(text) => vec![Value::text(&format!("{}x", text.mended()))],
        Value::Null | Value::Undefined | Value::Whole(_) => vec![Value::Bool(true)],
    }
}

/// Values nest deeper than a test's stack allows.
fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    if !node::prepare() {
        return;
    }
    let thread = thread::Builder::new().stack_size(256 << 20).spawn(test);
    if let Err(panic) = thread.expect("a thread starts").join() {
        std::panic::resume_unwind(panic);
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.replace('_', "").parse().expect("it is a number"))
}
