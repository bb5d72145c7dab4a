//! What hostile peers cost a server and the client beside them, as a table in Markdown.
//!
//! For each adversary a server runs in a process of its own, on loopback. A client sends a message
//! and waits for its echo, again and again; first alone, then beside the attackers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measuring program"
)]

mod attackers;
mod beside;
mod process;
mod server;
#[path = "../../tests/adversaries/wire.rs"]
mod wire;

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use crate::{attackers::Adversary, beside::Beside, process::Process};

/// How long each part of a run takes.
struct Spans {
    idle: Duration,
    attack: Duration,
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--serve") {
        return server::run();
    }
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = args.iter().any(|arg| arg == "--bench");
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    let spans = if is_bench {
        Spans {
            idle: Duration::from_secs(3),
            attack: Duration::from_secs(7),
        }
    } else {
        Spans {
            idle: Duration::from_millis(100),
            attack: Duration::from_millis(100),
        }
    };
    println!(
        "| adversary | at once | median | p99 | memory each, KiB | memory kept, KiB | server CPU | \
         attackers' CPU | rounds | attackers saw | the server told |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |");
    for adversary in attackers::all() {
        let is_wanted = wanted.is_none_or(|wanted| adversary.name.contains(wanted.as_str()));
        if is_wanted {
            println!("{}", measure(&adversary, &spans));
        }
        if !is_bench {
            break;
        }
    }
}

/// Ends, with how often each was seen.
type Tally = BTreeMap<String, usize>;

fn measure(adversary: &Adversary, spans: &Spans) -> String {
    let mut server = Process::start();
    let beside = Beside::start(server.address);
    thread::sleep(spans.idle / 4);
    beside.forget();
    thread::sleep(spans.idle);
    let idle = beside.take();
    let memory = server.peak();
    let resident = server.resident();
    let cpu = (process::cpu(server.id()), process::cpu(std::process::id()));

    let begin = Instant::now();
    let ends = attack(adversary, &server, spans.attack);
    let wall = begin.elapsed().as_secs_f64();
    let attacked = beside.take();
    let grown = server.peak().saturating_sub(memory);
    let shares = [
        process::cpu(server.id()) - cpu.0,
        process::cpu(std::process::id()) - cpu.1,
    ];
    let shares = shares.map(|seconds| 100.0 * seconds / wall);
    // What is still there has its deadline soon.
    thread::sleep(spans.idle);
    let kept = server.resident().saturating_sub(resident);
    let told = server.report();
    beside.stop();

    format!(
        "| {} | {} | {} | {} | {} | {kept} | {:.0} % | {:.0} % | {} | {} | {} |",
        adversary.name,
        adversary.at_once,
        compare(&idle, &attacked, 50),
        compare(&idle, &attacked, 99),
        grown / adversary.at_once,
        shares[0],
        shares[1],
        ends.values().sum::<usize>(),
        most(&ends),
        told,
    )
}

/// Lets attackers begin anew until the time is over; says how their rounds ended.
fn attack(adversary: &Adversary, server: &Process, span: Duration) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tally = Arc::<Mutex<Tally>>::default();
    runtime.block_on(async {
        let until = tokio::time::Instant::now() + span;
        let attackers: Vec<_> = (0..adversary.at_once)
            .map(|_| {
                let (run, address, tally) = (adversary.run, server.address, Arc::clone(&tally));
                tokio::spawn(async move {
                    while let Ok(end) = timeout_at(until, run(address)).await {
                        *tally.lock().unwrap().entry(end).or_default() += 1;
                    }
                })
            })
            .collect();
        for attacker in attackers {
            if attacker.await.is_err() {
                let mut tally = tally.lock().unwrap();
                *tally.entry("an error of the bench".into()).or_default() += 1;
            }
        }
    });
    Arc::try_unwrap(tally).unwrap().into_inner().unwrap()
}

/// The ends that were seen most often.
fn most(tally: &Tally) -> String {
    let mut ends: Vec<_> = tally.iter().collect();
    ends.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let ends: Vec<_> = ends.iter().take(3).map(|(end, _)| end.as_str()).collect();
    if ends.is_empty() {
        return "no end in this time".into();
    }
    ends.join(", ")
}

/// A percentile beside the attackers, and how many times that alone.
fn compare(idle: &[Duration], attacked: &[Duration], percent: usize) -> String {
    let at = |times: &[Duration]| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(index).map(|time| time.as_secs_f64() * 1e6)
    };
    match (at(idle), at(attacked)) {
        (Some(idle), Some(attacked)) => format!("{:.1}× ({attacked:.0} µs)", attacked / idle),
        _ => "no echo".into(),
    }
}
