//! What fuzzing asserts, over inputs that are kept: those made of the test vectors, every finding in
//! `fuzz/regressions`, and every front of both.
//!
//! `FUZZ_CORPUS=folder cargo test --test fuzz_bodies` also writes the former, for a fuzzer to begin
//! with.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::indexing_slicing,
    clippy::panic,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "tests fail loudly"
)]

#[path = "../fuzz/src/bodies/mod.rs"]
mod bodies;
#[path = "fuzz_bodies/seeds.rs"]
mod seeds;
#[path = "../benches/support/mod.rs"]
mod world;

use std::{collections::BTreeSet, env, fs, panic, path::PathBuf, thread};

use bodies::{Body, TARGETS};

#[test]
fn bodies_hold_for_the_seeds_and_their_fronts() {
    for &(target, body) in TARGETS {
        let seeds = seeds::of(target);
        assert!(seeds.len() > 10, "{target}");
        run(target, body, seeds.clone());
        if let Some(folder) = env::var_os("FUZZ_CORPUS") {
            let folder = PathBuf::from(folder).join(target);
            fs::create_dir_all(&folder).unwrap();
            for (place, seed) in seeds.iter().enumerate() {
                fs::write(folder.join(format!("seed-{place:03}")), seed).unwrap();
            }
        }
    }
}

#[test]
fn bodies_hold_for_every_finding() {
    for &(target, body) in TARGETS {
        let Ok(folder) = fs::read_dir(root().join("fuzz/regressions").join(target)) else {
            continue;
        };
        let inputs = folder.map(|entry| fs::read(entry.unwrap().path()).unwrap());
        run(target, body, inputs.collect());
    }
}

#[test]
fn every_target_has_a_body_and_every_folder_of_findings_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|&(name, _)| name.to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join("fuzz").join(folder));
        let paths = entries.into_iter().flatten().map(|it| it.unwrap().path());
        paths
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect()
    };
    assert_eq!(stems("fuzz_targets"), names);
    assert!(stems("regressions").is_subset(&names));
}

/// Runs a body over inputs and their fronts, with the stack that a main thread has.
fn run(target: &'static str, body: Body, inputs: Vec<Vec<u8>>) {
    let run = move || {
        for input in inputs {
            let step = input.len() / 64 + 1;
            for end in (0..input.len()).step_by(step).chain([input.len()]) {
                let input = &input[..end];
                let shown = input.escape_ascii();
                let held = panic::catch_unwind(|| body(input));
                assert!(held.is_ok(), "{target} does not hold for b\"{shown}\"");
            }
        }
    };
    let thread = thread::Builder::new().stack_size(8 << 20);
    let done = thread.spawn(run).unwrap().join();
    assert!(done.is_ok(), "{target} failed");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
