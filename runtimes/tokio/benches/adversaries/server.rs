//! The server under attack, with limits of time that a short run meets.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
    sync::{Arc, Mutex},
    time::Duration,
};

use socketio_proto::engine::Config;
use socketio_tokio::{EngineServer, Event, Events, RequestInfo, serve};
use tokio::net::TcpListener;

const SHORT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Seen {
    opened: usize,
    closed: BTreeMap<String, usize>,
}

/// Serves until its input ends; answers each line of it with a report.
pub(crate) fn run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::builder()
        .ping_interval(SHORT)
        .ping_timeout(SHORT)
        .upgrade_timeout(SHORT)
        .max_queued(1 << 20)
        .build();
    let (server, events) = EngineServer::new(config.unwrap()).unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let serving = serve(listener, server.service())
        .header_timeout(SHORT)
        .write_timeout(SHORT);
    runtime.spawn(serving.into_future());
    let seen = Arc::<Mutex<Seen>>::default();
    runtime.spawn(answer(server, events, Arc::clone(&seen)));
    for line in io::stdin().lock().lines() {
        line.unwrap();
        println!("{}", report(&seen.lock().unwrap()));
    }
}

/// Echoes messages, and greets those who ask for it with as many bytes as they want.
async fn answer(server: EngineServer, mut events: Events, seen: Arc<Mutex<Seen>>) {
    while let Some(event) = events.next().await {
        match event {
            Event::Closed { reason, .. } => {
                let mut seen = seen.lock().unwrap();
                let reason = reason.to_string();
                // The reason of a full queue has numbers in it.
                let reason = reason.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
                *seen.closed.entry(reason.to_owned()).or_default() += 1;
            }
            Event::Message { session, message } => _ = server.send(session, message),
            Event::Opened { session, request } => {
                seen.lock().unwrap().opened += 1;
                if let Some(size) = greeting(&request) {
                    _ = server.send_text(session, "x".repeat(size));
                }
            }
            _ => {}
        }
    }
}

fn greeting(request: &RequestInfo) -> Option<usize> {
    let query = request.uri().query()?;
    query.split_once("greet=")?.1.parse().ok()
}

fn report(seen: &Seen) -> String {
    let mut closed: Vec<_> = seen.closed.iter().collect();
    closed.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut reasons: Vec<_> = closed
        .iter()
        .take(2)
        .map(|(reason, _)| (*reason).clone())
        .collect();
    let left = seen.opened - seen.closed.values().sum::<usize>();
    if left > 1 {
        reasons.push(format!("{} sessions left", left - 1));
    }
    if reasons.is_empty() {
        return "nothing".into();
    }
    reasons.join(", ")
}
