//! Which seeds run: each of them twice, and the two runs are compared.

use std::{
    env,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    ledger::Totals,
    trace::{Summary, Trace},
};

/// The seeds that a test runs.
///
/// `NETWORK_SEED=7` runs that one alone, `NETWORK_SEEDS=1000` so many from 1 on; without either it is
/// the test's own number. With `NETWORK_TRACE=1` the whole trace is printed as it comes.
pub fn seeds(count: u64) -> Vec<u64> {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    match number("NETWORK_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("NETWORK_SEEDS").unwrap_or(count)).collect(),
    }
}

/// Whether so many seeds run that together they do a bit of everything.
pub fn are_many() -> bool {
    seeds(50).len() >= 50
}

/// Runs a test's seeds, each [twice], on as many threads as there are processors; the sum of what
/// they did.
///
/// # Panics
///
/// As [`twice`] does.
pub fn all(test: &str, count: u64, run: impl Fn(u64, Trace) -> (Totals, Trace) + Sync) -> Totals {
    let seeds = seeds(count);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut sum = Totals::default();
        while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum += twice(test, seed, &run);
        }
        sum
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = Totals::default();
        for worker in workers {
            match worker.join() {
                Ok(part) => sum += part,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sum
    })
}

/// Runs one seed twice and compares the runs line by line.
///
/// `test` is what to give to `cargo test` to run it again.
///
/// # Panics
///
/// When a promise is broken, and when the runs differ.
pub fn twice(test: &str, seed: u64, run: impl Fn(u64, Trace) -> (Totals, Trace)) -> Totals {
    let title = format!("{test}, seed {seed}");
    let repeat = format!("NETWORK_SEED={seed} cargo test -p socketio-testkit {test}");
    let trace = || Trace::new(title.clone(), repeat.clone());
    let play = |trace| -> (Totals, Summary) {
        let (totals, trace) = run(seed, trace);
        (totals, trace.summary())
    };
    let is_loud = env::var_os("NETWORK_TRACE").is_some();
    let (totals, first) = play(trace().loud(is_loud));
    let (_, second) = play(trace());
    if let Some(mark) = first.parts_from(&second) {
        let (_, first) = play(trace().keeping(mark));
        let (_, second) = play(trace().keeping(mark));
        let difference = first.first_difference(&second);
        trace().fail(format_args!("two runs of one seed differ: {difference:#?}"));
    }
    totals
}
