//! Replays the HTTP requests and conversations of `spec-vectors` against the machines.
//!
//! `spec-vectors/CONVERSATIONS.md` describes the files. Time is the time of the rows; what the
//! machines ask for must come in exactly the order that is written down.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "tests fail loudly"
)]

#[path = "conversations/engine.rs"]
mod engine;
#[path = "conversations/pattern.rs"]
mod pattern;
#[path = "conversations/requests.rs"]
mod requests;
#[path = "conversations/rows.rs"]
mod rows;
#[path = "conversations/socket.rs"]
mod socket;
#[path = "conversations/world.rs"]
mod world;

use rows::{Conversation, Document, Row};
use serde_json::Value;
use world::{Application, World};

/// How many rows a file has: none may get lost.
const ENGINE_REQUESTS: usize = 140;
const ENGINE_CONVERSATIONS: usize = 98;
const SOCKET_CONVERSATIONS: usize = 106;

#[test]
fn every_request_gets_the_written_answer() {
    let document = Document::read("engine.io/v4/requests.json");
    assert_eq!(document.rows.len(), ENGINE_REQUESTS);
    report(&document, |row| requests::replay(&document, row));
}

#[test]
fn engine_io_conversations_go_as_written() {
    let document = Document::read("engine.io/v4/conversations.json");
    assert_eq!(document.rows.len(), ENGINE_CONVERSATIONS);
    report(&document, |row| {
        replay::<engine::App>(&document, &row.parse())
    });
}

#[test]
fn socket_io_conversations_go_as_written() {
    let document = Document::read("socket.io/v5/conversations.json");
    assert_eq!(document.rows.len(), SOCKET_CONVERSATIONS);
    report(&document, |row| {
        replay::<socket::App>(&document, &row.parse())
    });
}

/// Every row of the official suites is cited by at least one conversation.
#[test]
fn the_official_suites_are_covered() {
    for (file, suite, rows) in [
        ("engine.io/v4/conversations.json", "engine.io v4 suite", 25),
        ("socket.io/v5/conversations.json", "socket.io v5 suite", 32),
    ] {
        let document = Document::read(file);
        for row in 1..=rows {
            let cite = Value::String(format!("{suite}, row {row}"));
            let is_cited = document.rows.iter().any(|row| row.cites(&cite));
            assert!(is_cited, "{file} does not cite {cite}");
        }
    }
}

/// A row that cannot fail is none: each output that is left out is noticed, and so is a deadline
/// that is a millisecond early or late.
#[test]
fn every_output_and_every_deadline_is_checked() {
    let document = Document::read("engine.io/v4/conversations.json");
    let engine = weaken(&document, replay::<engine::App>);
    let document = Document::read("socket.io/v5/conversations.json");
    let socket = weaken(&document, replay::<socket::App>);
    assert!(engine + socket > 1_000, "{engine} and {socket} changes");
}

/// Changes one thing at a time and counts the changes; each has to fail.
fn weaken(
    document: &Document,
    replay: impl Fn(&Document, &Conversation) -> Result<(), String>,
) -> usize {
    let mut changes = 0;
    for row in &document.rows {
        let mut fails = |step: usize, change: &dyn Fn(&mut rows::Step)| {
            let mut altered: Conversation = row.parse();
            change(&mut altered.steps[step]);
            let outcome = replay(document, &altered);
            assert!(outcome.is_err(), "{}, step {step} is not checked", row.id);
            changes += 1;
        };
        let conversation: Conversation = row.parse();
        for (index, step) in conversation.steps.iter().enumerate() {
            for output in 0..step.then.len() {
                fails(index, &|step| _ = step.then.remove(output));
            }
            if step.input == "wait" && !step.then.is_empty() {
                fails(index, &|step| step.at -= 1);
                fails(index, &|step| step.at += 1);
            }
        }
    }
    changes
}

#[test]
fn every_answer_to_a_request_is_checked() {
    let document = Document::read("engine.io/v4/requests.json");
    for row in &document.rows {
        for member in ["accepted", "status", "code", "message", "body"] {
            let mut value = row.value.clone();
            let answer = &mut value["answer"];
            // The body of an answer to HEAD stays away.
            let is_open = row.value["method"] == "HEAD" && member == "body";
            if answer.get(member).is_some() && !is_open {
                answer[member] = Value::Null;
                let outcome = requests::replay(&document, &Row::new(value));
                assert!(outcome.is_err(), "{}: {member} is not checked", row.id);
            }
        }
    }
}

/// Runs every row and fails with all that went wrong.
fn report(document: &Document, mut replay: impl FnMut(&Row) -> Result<(), String>) {
    let failures: Vec<String> = document
        .rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.id, replay(row).err()?)))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} rows fail:\n{}",
        failures.len(),
        document.rows.len(),
        failures.join("\n")
    );
}

/// One conversation against a fresh machine.
fn replay<A: Application>(document: &Document, conversation: &Conversation) -> Result<(), String> {
    let config = document.config(conversation.config.as_ref());
    let (machine, application) = A::start(&config, conversation.app.as_deref());
    let mut world = World::new(machine, application, &document.path);
    for (index, step) in conversation.steps.iter().enumerate() {
        let at = format!("step {index} ({} ms)", step.at);
        let early = world.pass_time(step.at);
        if !early.is_empty() {
            return Err(format!("before {at} came {}", list(&early)));
        }
        let seen = world.act(step).map_err(|what| format!("{at}: {what}"))?;
        if !world.ids.matches(&step.then, &seen) {
            return Err(format!(
                "{at}:\n  expected {}\n  but came {}",
                list(&step.then),
                list(&seen)
            ));
        }
    }
    Ok(())
}

fn list(outputs: &[Value]) -> String {
    let lines: Vec<String> = outputs.iter().map(ToString::to_string).collect();
    format!("[{}]", lines.join(",\n            "))
}
