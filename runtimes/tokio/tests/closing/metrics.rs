//! The numbers of a server as text, read as strictly as Prometheus reads them; and health checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use socketio_proto::{edge::Machine as _, engine};
use socketio_tokio::{
    Ack, Clock, Driver, EngineServer, Handler, Health, Io, Monitor, Socket, seed, serve,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{
    client::{Client, LIMIT},
    poller::{Poller, answer},
    support::{Http, Reply, request, soon},
};

/// A name, and its labels as they are written.
type Key = (String, String);

/// Reads the text format 0.0.4, and what Prometheus' linter asks of names besides. Whatever it does
/// not know it refuses.
fn parse(text: &str) -> BTreeMap<Key, u64> {
    let mut samples = BTreeMap::new();
    let mut known = BTreeSet::new();
    assert!(text.ends_with('\n'), "the last line ends, too");
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line
            .strip_prefix("# HELP ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert!(known.insert(name), "{name} comes once");
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(is_name), "{name}");
        assert!(!help.is_empty() && !help.contains('\\'), "{name}: {help}");
        let kind = lines.next().unwrap();
        let kind = kind.strip_prefix(&format!("# TYPE {name} ")).unwrap();
        assert!(matches!(kind, "counter" | "gauge"), "{name}: {kind}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        let mut count = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let rest = line.strip_prefix(name).unwrap();
            let (labels, value) = rest.rsplit_once(' ').unwrap();
            check_labels(labels);
            let value: u64 = value.parse().unwrap();
            let key = (name.to_owned(), labels.to_owned());
            assert_eq!(samples.insert(key, value), None, "{line}");
            count += 1;
        }
        assert!(count > 0, "{name} has a value");
    }
    samples
}

/// None, or one: `{name="value"}`.
fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inside = labels
        .strip_prefix('{')
        .and_then(|it| it.strip_suffix("\"}"));
    let (name, value) = inside.unwrap().split_once("=\"").unwrap();
    let is_word = |text: &str| {
        let mut chars = text.chars();
        !text.is_empty() && chars.all(|c| c.is_ascii_lowercase() || c == '_')
    };
    assert!(is_word(name) && is_word(value), "{labels}");
}

fn value(text: &str, name: &str, labels: &str) -> u64 {
    let samples = parse(text);
    let value = samples.get(&(name.to_owned(), labels.to_owned()));
    *value.unwrap_or_else(|| panic!("{name}{labels} in {text}"))
}

fn echo() -> Io {
    let io = Io::new();
    io.of("/")
        .on("echo", |_: Socket, (text,): (String,)| async {
            Ack((text,))
        });
    io
}

/// Serves anything until it is told to stop.
async fn start<S, B>(service: S) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>)
where
    S: tower_service::Service<
            http::Request<hyper::body::Incoming>,
            Response = http::Response<B>,
            Future: Send,
            Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        > + socketio_tokio::Drain
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = serve(listener, service)
        .grace(LIMIT)
        .until(async { _ = stopped.await });
    (address, stop, tokio::spawn(serving.into_future()))
}

async fn get(address: SocketAddr, path: &str) -> Reply {
    Http::connect(address).await.get(path).await
}

#[tokio::test]
async fn the_numbers_are_those_of_what_happened() {
    let io = echo();
    io.of("/")
        .on_connect(|socket: Socket| async move { socket.join("room") });
    let (address, _stop, _serving) = start(io.service()).await;
    let mut client = Client::join(address.port()).await;
    client.call(r#"["echo","one"]"#, r#"["one"]"#).await;
    let poller = Poller::join(&io).await;
    drop(
        Http::connect(address)
            .await
            .get("/socket.io/?EIO=4&transport=none")
            .await,
    );
    // One can take it.
    io.volatile().emit("quick", ()).unwrap();
    drop(io.everyone().emit_with_ack("ask", ()).into_future());
    assert_eq!(answer(poller.post("41")).await, "ok");

    let text = io.metrics_text();

    for (name, labels, expected) in [
        ("engineio_serving", "", 1),
        ("engineio_sessions", r#"{transport="polling"}"#, 1),
        ("engineio_sessions", r#"{transport="websocket"}"#, 1),
        ("engineio_sessions_opened_total", "", 2),
        (
            "engineio_sessions_closed_total",
            r#"{reason="ping_timeout"}"#,
            0,
        ),
        (
            "engineio_requests_refused_total",
            r#"{reason="unknown_transport"}"#,
            1,
        ),
        ("engineio_dropped_packets_total", r#"{cause="volatile"}"#, 1),
        ("socketio_sockets", "", 1),
        ("socketio_rooms", "", 1),
        ("socketio_namespaces", r#"{kind="static"}"#, 1),
        ("socketio_connects_total", r#"{outcome="accepted"}"#, 2),
        ("socketio_disconnects_total", "", 1),
        ("socketio_received_events_total", "", 1),
        ("socketio_emits_total", "", 2),
        ("socketio_deliveries_total", r#"{outcome="dropped"}"#, 1),
    ] {
        assert_eq!(value(&text, name, labels), expected, "{name}{labels}");
    }
    let engine = io.statistics();
    for (name, expected) in [
        ("engineio_received_bytes_total", engine.received_bytes),
        ("engineio_sent_packets_total", engine.sent_packets),
        ("engineio_queued_bytes", engine.queued_bytes as u64),
    ] {
        assert!(expected > 0, "{name}");
        assert_eq!(value(&text, name, ""), expected, "{name}");
    }
}

#[tokio::test]
async fn nobody_can_ask_unless_a_monitor_was_put_there() {
    let io = echo();
    let (public, _stop, _serving) = start(io.service()).await;
    let (open, _stop, _serving) = start(io.service().or(io.monitor())).await;
    for path in ["/metrics", "/healthz"] {
        assert_eq!(get(public, path).await.status, 404, "{path}");
        assert_eq!(get(open, path).await.status, 200, "{path}");
    }

    let metrics = get(open, "/metrics?x=y").await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(metrics.headers["content-type"], kind);
    assert_eq!(metrics.headers["cache-control"], "no-store");
    assert_eq!(value(&metrics.body, "engineio_serving", ""), 1);
    assert_eq!(get(open, "/healthz").await.body, "ok");
    assert_eq!(get(open, "/").await.status, 404);
    let mut http = Http::connect(open).await;
    let refused = http.post("/metrics", "").await;
    assert_eq!((refused.status, refused.body.as_str()), (405, ""));
    assert_eq!(refused.headers["allow"], "GET, HEAD");
    let head = http.send(request("HEAD", "/healthz", "")).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(
        http.get("/socket.io/?EIO=4&transport=polling")
            .await
            .body
            .starts_with('0')
    );
}

#[tokio::test]
async fn paths_are_what_they_were_set_to() {
    let monitor = echo().monitor().metrics_path("/a").health_path("/b");
    let (address, _stop, _serving) = start(monitor).await;
    for (path, status) in [
        ("/a", 503),
        ("/b", 503),
        ("/metrics", 404),
        ("/healthz", 404),
    ] {
        assert_eq!(
            get(address, path).await.status,
            status,
            "{path}: the server is gone"
        );
    }
}

#[tokio::test]
async fn the_health_says_whether_clients_are_let_in_and_its_port_ends_with_the_server() {
    let io = echo();
    let (public, stop, serving) = start(io.service()).await;
    let (own, stop_own, serving_own) = start(io.monitor()).await;
    let mut client = Client::join(public.port()).await;
    assert_eq!(io.health(), Health::Serving);
    let keeps_open = io.sockets();

    // The client has not answered the close yet.
    stop.send(()).unwrap();
    stop_own.send(()).unwrap();
    let draining = async {
        while io.health() == Health::Serving {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the drain", draining).await;
    let health = get(own, "/healthz").await;
    assert_eq!((health.status, health.body.as_str()), (503, "draining"));
    let text = get(own, "/metrics").await.body;
    assert_eq!(value(&text, "engineio_serving", ""), 0);

    client.closed().await;
    soon("the server's end", serving).await.unwrap();
    soon("the monitor's end", serving_own).await.unwrap();
    assert_eq!(io.health(), Health::Stopped);
    drop(keeps_open);
}

#[tokio::test]
async fn a_server_that_panicked_is_not_well_and_tells_its_last_numbers() {
    let io = echo();
    let monitor = io.monitor();
    let (address, _stop, _serving) = start(io.service()).await;
    let _client = Client::join(address.port()).await;

    let service = io.service();
    let bug = AssertUnwindSafe(|| service.driver().with(|_, _| panic!("on purpose")));
    assert!(catch_unwind(bug).is_err());

    assert_eq!(monitor.health(), Health::Stopped);
    let text = monitor.metrics_text().unwrap();
    assert_eq!(value(&text, "engineio_serving", ""), 0);
    assert_eq!(value(&text, "engineio_sessions_opened_total", ""), 1);
}

#[tokio::test]
async fn a_monitor_keeps_no_server() {
    let (server, mut events) = EngineServer::builder().build().unwrap();
    let monitor = server.monitor();
    assert_eq!(monitor.health(), Health::Serving);
    assert_eq!(server.health(), Health::Serving);
    assert_eq!(monitor.metrics_text(), Some(server.metrics_text()));

    drop(server);

    assert!(soon("the end", events.next()).await.is_none());
    assert_eq!(monitor.health(), Health::Stopped);
    assert_eq!(monitor.metrics_text(), None);
}

struct Nothing;

impl Handler<engine::Server> for Nothing {
    fn on_event(&mut self, _: engine::Event, _: &mut socketio_tokio::Context<'_, engine::Server>) {}
}

#[tokio::test]
async fn any_machine_can_be_watched() {
    let machine = engine::Server::new(engine::Config::default(), seed().unwrap());
    assert_eq!(machine.sessions(), 0);
    let driver = Driver::new(machine, Nothing, Clock::start());
    let text = Monitor::new(&driver).metrics_text().unwrap();
    assert_eq!(value(&text, "engineio_transports", ""), 0);
    assert!(!text.contains("socketio_"), "it has no sockets");
}
