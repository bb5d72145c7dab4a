//! Compares WebSocket crates for the tokio glue and prints Markdown tables.
//!
//! Every section answers one question of `docs/decisions/0002-websocket-crate.md`. Counts come from a
//! counting allocator and an in-memory transport and repeat exactly; times are medians of rounds in
//! which the candidates take turns.

mod alloc;
mod broadcast;
mod candidates;
mod conformance;
mod echo;
mod limits;
mod memory;
mod receive;
mod transport;
mod wire;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Calls a generic function of the given path once per candidate, in a fixed order.
macro_rules! for_each_candidate {
    ($($function:ident)::+ ( $($argument:expr),* )) => {
        vec![
            $($function)::+::<$crate::candidates::Tungstenite>($($argument),*),
            $($function)::+::<$crate::candidates::FastWebSockets>($($argument),*),
            $($function)::+::<$crate::candidates::TokioWebSockets>($($argument),*),
            $($function)::+::<$crate::candidates::Yawc>($($argument),*),
        ]
    };
}
use for_each_candidate;

fn main() {
    broadcast::report();
    receive::report();
    limits::report();
    memory::report();
    conformance::report();
    echo::report();
}

/// Runs a future that never really waits.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a current-thread runtime starts")
        .block_on(future)
}

/// Prints one row of a Markdown table.
fn row<C: AsRef<str>>(cells: &[C]) {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    println!("| {} |", cells.join(" | "));
}

/// Prints a title and the head of a Markdown table.
fn head(title: &str, columns: &[&str]) {
    println!("\n### {title}\n");
    row(columns);
    row(&vec!["---"; columns.len()]);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
