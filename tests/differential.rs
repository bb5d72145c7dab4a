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

#[path = "differential/differences.rs"]
mod differences;
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
    collections::BTreeMap,
    env,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use differences::DIFFERENCES;
use generate::{Case, Generator};
use judge::{Hits, Judge, questions};
use oracle::{Answer, Oracle, Step};
use value::Value;

const KNOWN: &str = include_str!("data/socketio-parser-cases.json");
const DOCUMENTED: &str = include_str!("../docs/differences.md");

/// What a run takes by default: a bounded share of `cargo test`.
const INPUTS: usize = 20_000;
const BATCH: usize = 200;

#[test]
fn the_official_parsers_agree_or_differ_as_it_is_listed() {
    on_a_large_stack(|| {
        let inputs = variable("DIFFERENTIAL_INPUTS")
            .map_or(INPUTS, |inputs| usize::try_from(inputs).expect("it fits"));
        let seed = variable("DIFFERENTIAL_SEED").unwrap_or_else(|| {
            let time = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(time.expect("the clock is set").subsec_nanos())
        });
        node::say(&format!("tests/differential: seed {seed}, {inputs} inputs"));
        let begin = Instant::now();
        let counts = run(seed, inputs);
        let mut report = format!("agreed in {:.1} s\n", begin.elapsed().as_secs_f64());
        for entry in DIFFERENCES {
            let count = counts.get(entry.name).copied().unwrap_or(0);
            let (name, side) = (entry.name, entry.side);
            _ = writeln!(report, "{count:>8}  {name} ({side:?}: {})", entry.reason);
        }
        node::say(&report);
    });
}

/// Compares that many inputs; counts the inputs that met each difference.
fn run(seed: u64, inputs: usize) -> BTreeMap<&'static str, u64> {
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
                let found = attempt(&mut oracle, &case, own);
                let hits = found.unwrap_or_else(|error| fail(&mut oracle, seed, case, &error));
                let unique: std::collections::BTreeSet<_> = hits.into_iter().collect();
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
fn attempt(oracle: &mut Oracle, case: &Case, answers: &[Answer]) -> Result<Hits, String> {
    let judged = AssertUnwindSafe(|| Judge { oracle }.case(case, answers));
    catch_unwind(judged).unwrap_or_else(|_| Err("it panicked".into()))
}

fn fail(oracle: &mut Oracle, seed: u64, case: Case, error: &str) -> ! {
    let original = format!("{case:?}");
    let mut last = error.to_owned();
    let smallest = shrink::shrink(case, |case| {
        let tried = AssertUnwindSafe(|| Judge { oracle }.try_case(case));
        match catch_unwind(tried) {
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
        let mut oracle = Oracle::start();
        for entry in DIFFERENCES {
            let case = (entry.example)();
            let hits = Judge {
                oracle: &mut oracle,
            }
            .try_case(&case);
            assert_eq!(hits, Ok(vec![entry.name]), "{case:?}");
        }
    });
}

#[test]
fn every_listed_difference_stands_in_the_documentation_or_is_about_codecs_alone() {
    for entry in DIFFERENCES {
        if let Some(row) = entry.row {
            let is_row = |line: &str| line.starts_with('|') && line.contains(row);
            assert_eq!(
                DOCUMENTED.lines().filter(|line| is_row(line)).count(),
                1,
                "{row}"
            );
        }
    }
}

/// The comparison itself: an oracle that lies is found out, whatever the lie is about.
#[test]
fn no_lie_of_the_oracle_passes() {
    on_a_large_stack(|| {
        let mut oracle = Oracle::start();
        let mut lies = 0;
        for frames in generate::known(KNOWN) {
            let truth = oracle.decode(&frames);
            let case = Case::Frames(frames);
            for at in 0..truth.len() {
                for lie in lies_about(&truth[at]) {
                    let mut steps = truth.clone();
                    steps[at] = lie;
                    let answers = [Answer::Steps(steps)];
                    let found = Judge {
                        oracle: &mut oracle,
                    }
                    .case(&case, &answers);
                    lies += 1;
                    if let Ok(hits) = found {
                        // Behind a difference in state nothing is compared.
                        assert!(!hits.is_empty(), "{case:?}: {answers:?}");
                    }
                }
            }
        }
        assert!(lies > 500, "{lies}");
    });
}

fn lies_about(step: &Step<String>) -> Vec<Step<String>> {
    let mut lies = vec![Step::Refused("a lie".into())];
    let Step::Packet(packet) = step else {
        lies.push(match step {
            Step::Waiting => Step::Refused("invalid payload".into()),
            _ => Step::Waiting,
        });
        return lies;
    };
    lies.push(Step::Waiting);
    let mut lie = |change: &dyn Fn(&mut oracle::Packet)| {
        let mut packet = packet.clone();
        change(&mut packet);
        lies.push(Step::Packet(packet));
    };
    lie(&|packet| packet.kind = (packet.kind + 1) % 5);
    lie(&|packet| packet.namespace = "/lie".into());
    lie(&|packet| packet.id = Value::Number(123_456_789.0));
    lie(&|packet| {
        packet.data = match &packet.data {
            Value::List(elements) => {
                let mut elements = elements.clone();
                elements.push(Value::Null);
                Value::List(elements)
            }
            _ => Value::Object(vec![("a".into(), Value::text("lie"))]),
        };
    });
    lies
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
