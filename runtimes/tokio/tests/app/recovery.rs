//! Clients that come back to what they lost.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use socketio_tokio::{
    Connecting, FindSession, Found, Io, IoBuilder, Missed, RecoveryConfig, Refusal, SessionStore,
    Socket, StoreSession, socketio_proto::socket::PrivateId,
};
use tokio::{sync::mpsc, time::timeout};

use super::client::{Client, LIMIT, serve};

fn recovering() -> IoBuilder {
    Io::builder().recovery(RecoveryConfig::new())
}

/// What a client keeps to come back: the id of its socket, its secret, and the last offset.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ticket {
    id: String,
    pid: String,
    offset: Option<String>,
}

impl Ticket {
    /// Reads the answer to a CONNECT, behind the type.
    fn of(answer: &str) -> Self {
        let values: HashMap<String, String> = serde_json::from_str(answer).unwrap();
        Self {
            id: values["sid"].clone(),
            pid: values["pid"].clone(),
            offset: None,
        }
    }

    fn auth(&self) -> String {
        match &self.offset {
            Some(offset) => format!(r#"{{"pid":"{}","offset":"{offset}"}}"#, self.pid),
            None => format!(r#"{{"pid":"{}"}}"#, self.pid),
        }
    }
}

/// Enters a namespace, with its comma, or comes back to it; gives the events that come before the
/// answer, without their offsets.
async fn enter(client: &mut Client, namespace: &str, auth: &str) -> (Vec<String>, Ticket) {
    client.send(&format!("40{namespace}{auth}")).await;
    let mut events = Vec::new();
    loop {
        let text = client.read().await;
        if let Some(answer) = text.strip_prefix(&format!("40{namespace}")) {
            return (events, Ticket::of(answer));
        }
        events.push(event(&text, namespace).0);
    }
}

/// An event without its offset, and that.
fn event(text: &str, namespace: &str) -> (String, String) {
    let json = text.strip_prefix(&format!("42{namespace}")).expect(text);
    let mut list: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
    let offset = list.pop().unwrap().as_str().unwrap().to_owned();
    (serde_json::to_string(&list).unwrap(), offset)
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, waiting).await.unwrap();
}

#[tokio::test]
async fn a_client_that_comes_back_is_the_socket_that_it_was_and_misses_nothing() {
    let (sender, mut connected) = mpsc::unbounded_channel();
    let io = recovering().build();
    let in_middleware = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&in_middleware);
    io.of("/")
        .middleware(move |client: Connecting| {
            count.fetch_add(1, Ordering::SeqCst);
            client.set_data(&["alice"]).unwrap();
            async { Ok(()) }
        })
        .on_connect(move |socket: Socket| {
            let data = socket.data::<Vec<String>>();
            let is_kept = socket.get::<u8>().is_some();
            _ = sender.send((socket.recovered(), data, is_kept, socket.rooms()));
            socket.insert(7_u8);
            async {}
        });
    let port = serve(&io).await;
    let mut client = Client::open(port).await;
    let (_, mut ticket) = enter(&mut client, "", "").await;
    let data = || Some(vec!["alice".to_owned()]);
    let first = timeout(LIMIT, connected.recv()).await.unwrap().unwrap();
    assert_eq!(first, (false, data(), false, vec![ticket.id.clone()]));
    io.socket(&ticket.id).unwrap().join("room").unwrap();
    io.emit("seen", (1,)).unwrap();
    let (seen, offset) = event(&client.read().await, "");
    assert_eq!(seen, r#"["seen",1]"#);
    ticket.offset = Some(offset);

    drop(client);
    until(|| io.sockets().is_empty()).await;
    io.to("room").emit("missed", ("x",)).unwrap();
    io.to("elsewhere").emit("not missed", ()).unwrap();
    let mut client = Client::open(port).await;
    let (missed, again) = enter(&mut client, "", &ticket.auth()).await;

    assert_eq!(missed, [r#"["missed","x"]"#]);
    assert_eq!((&again.id, &again.pid), (&ticket.id, &ticket.pid));
    let second = timeout(LIMIT, connected.recv()).await.unwrap().unwrap();
    let rooms = vec![ticket.id.clone(), "room".to_owned()];
    // What was kept in the process is not there.
    assert_eq!(second, (true, data(), false, rooms));
    assert_eq!(in_middleware.load(Ordering::SeqCst), 1);

    // A session is used up; a stranger goes through the middleware and becomes a new socket.
    client.send("41").await;
    until(|| io.sockets().is_empty()).await;
    let (_, other) = enter(&mut client, "", &ticket.auth()).await;
    assert_ne!(other.id, ticket.id);
    assert!(!timeout(LIMIT, connected.recv()).await.unwrap().unwrap().0);
    assert_eq!(in_middleware.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn middleware_that_is_not_skipped_sees_who_comes_back_and_may_refuse() {
    let io = recovering().skip_middlewares(false).build();
    io.of("/").middleware(|client: Connecting| async move {
        if client.recovered() {
            assert_eq!(client.data(), Some(7));
            return Err(Refusal::new("not again"));
        }
        client.set_data(&7).unwrap();
        Ok(())
    });
    let port = serve(&io).await;
    let mut client = Client::open(port).await;
    let (_, ticket) = enter(&mut client, "", "").await;
    drop(client);
    until(|| io.sockets().is_empty()).await;
    io.emit("secret", ()).unwrap();

    let mut client = Client::open(port).await;
    client.send(&format!("40{}", ticket.auth())).await;

    // It gets nothing of what it missed.
    assert_eq!(client.read().await, r#"44{"message":"not again"}"#);
}

#[tokio::test]
async fn a_client_takes_its_socket_over_with_the_data_that_it_has_by_then() {
    let (sender, mut left) = mpsc::unbounded_channel();
    let (asking, mut asked) = mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Notify::new());
    let opened = Arc::clone(&gate);
    let io = recovering().skip_middlewares(false).build();
    io.of_pattern(|_| true)
        .middleware(move |client: Connecting| {
            let gate = Arc::clone(&gate);
            let asking = asking.clone();
            async move {
                if client.recovered() {
                    asking.send(()).unwrap();
                    gate.notified().await;
                }
                Ok(())
            }
        })
        .on_disconnect(move |_, reason| {
            _ = sender.send(reason.as_str());
            async {}
        });
    let port = serve(&io).await;
    let mut old = Client::open(port).await;
    let (_, ticket) = enter(&mut old, "/x,", "").await;
    let namespace = io.namespace("/x").unwrap();
    let find = || namespace.socket(&ticket.id).unwrap();
    find().set_data(&1).unwrap();

    let mut new = Client::open(port).await;
    new.send(&format!("40/x,{}", ticket.auth())).await;
    timeout(LIMIT, asked.recv()).await.unwrap().unwrap();
    // The old one still lives.
    find().set_data(&2).unwrap();
    opened.notify_one();
    let answer = new.read().await;

    assert_eq!(
        Ticket::of(answer.strip_prefix("40/x,").unwrap()).id,
        ticket.id
    );
    assert_eq!(
        timeout(LIMIT, left.recv()).await.unwrap(),
        Some("forced close")
    );
    old.closed().await;
    assert!(find().recovered());
    assert_eq!(find().data(), Some(2));
    // It is still the same namespace, although the old one was the last in it for a moment.
    assert_eq!(namespace.emit("still there", ()).unwrap().queued, 1);
    assert_eq!(event(&new.read().await, "/x,").0, r#"["still there"]"#);
}

#[tokio::test]
async fn a_client_comes_back_to_a_dynamic_namespace_that_is_gone_if_the_pattern_allows_it() {
    let io = recovering().build();
    io.of_pattern(|_| true);
    let mut client = Client::open(serve(&io).await).await;
    let (_, ticket) = enter(&mut client, "/x,", "").await;
    drop(client);
    let namespace = io.namespace("/x").unwrap();
    until(|| namespace.is_empty()).await;
    assert!(io.shutdown(LIMIT).await);
    let saved = io.export();

    for is_allowed in [true, false] {
        let passed = Arc::new(AtomicUsize::new(0));
        let through = Arc::clone(&passed);
        let io = recovering().build();
        io.of_pattern(move |_| is_allowed).middleware(move |_| {
            through.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        });
        assert_eq!(io.import(&saved), Ok(1));
        assert!(io.namespace("/x").is_none());
        let mut client = Client::open(serve(&io).await).await;
        client.send(&format!("40/x,{}", ticket.auth())).await;
        let answer = client.read().await;
        assert_eq!(answer.contains(&ticket.id), is_allowed, "{answer}");
        assert_eq!(passed.load(Ordering::SeqCst), 0, "middleware is skipped");
    }
}

#[tokio::test]
async fn what_is_sent_to_a_dynamic_namespace_is_not_missed_by_its_only_client() {
    let io = recovering().build();
    io.of_pattern(|_| true);
    let port = serve(&io).await;
    let mut client = Client::open(port).await;
    let (_, ticket) = enter(&mut client, "/x,", "").await;
    let namespace = io.namespace("/x").unwrap();
    drop(client);
    until(|| namespace.is_empty()).await;

    assert_eq!(namespace.emit("missed", ()).unwrap().queued, 0);

    let mut client = Client::open(port).await;
    let (missed, _) = enter(&mut client, "/x,", &ticket.auth()).await;
    assert_eq!(missed, [r#"["missed"]"#]);
    assert_eq!(namespace.len(), 1);
}

#[tokio::test]
async fn sessions_go_to_the_next_run_of_the_server() {
    let io = recovering().build();
    let mut client = Client::open(serve(&io).await).await;
    let (_, ticket) = enter(&mut client, "", "").await;
    io.socket(&ticket.id).unwrap().set_data("kept").unwrap();
    drop(client);
    until(|| io.sockets().is_empty()).await;
    io.emit("missed", ()).unwrap();
    assert!(io.shutdown(LIMIT).await);
    let saved = io.export();

    let io = recovering().build();
    assert_eq!(io.import(&saved), Ok(1));
    assert!(io.import(b"nonsense").is_err());
    let mut client = Client::open(serve(&io).await).await;
    let (missed, again) = enter(&mut client, "", &ticket.auth()).await;

    assert_eq!(missed, [r#"["missed"]"#]);
    assert_eq!(again.id, ticket.id);
    let data = io.socket(&again.id).unwrap().data::<String>();
    assert_eq!(data.as_deref(), Some("kept"));
    assert!(Io::new().import(&saved).is_err());
}

type Sessions = Arc<Mutex<HashMap<String, StoreSession>>>;

/// What a store is told, in order.
type Told = mpsc::UnboundedSender<&'static str>;

#[derive(Clone)]
struct Store {
    sessions: Sessions,
    told: Told,
    waits: bool,
}

impl SessionStore for Store {
    async fn find(&self, wanted: FindSession) -> Option<Found> {
        assert_eq!(wanted.namespace, "/");
        assert_ne!(
            wanted.offset.as_deref(),
            Some("panic"),
            "as the test wants it"
        );
        let dropped = Dropped(self.told.clone());
        if self.waits {
            std::future::pending::<()>().await;
        }
        std::mem::forget(dropped);
        let found = self.sessions.lock().unwrap().remove(&wanted.pid.expose())?;
        Some(Found {
            session: found.session,
            missed: Missed::FromLog,
        })
    }

    async fn store(&self, session: StoreSession) {
        assert_eq!(session.keep, Duration::from_secs(120));
        tokio::task::yield_now().await;
        let key = session.pid.expose();
        self.sessions.lock().unwrap().insert(key, session);
        _ = self.told.send("stored");
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(if self.waits { 20 } else { 10_000 })
    }
}

struct Dropped(Told);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send("dropped");
    }
}

async fn away(io: &Io, port: u16, told: &mut mpsc::UnboundedReceiver<&'static str>) -> Ticket {
    let mut client = Client::open(port).await;
    let (_, ticket) = enter(&mut client, "", "").await;
    drop(client);
    until(|| io.sockets().is_empty()).await;
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("stored"));
    ticket
}

#[tokio::test]
async fn a_store_of_the_application_keeps_sessions_and_gives_them_back() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let sessions = Sessions::default();
    let store = Store {
        sessions: Arc::clone(&sessions),
        told: sender,
        waits: false,
    };
    let io = Io::builder().session_store(store).build();
    let port = serve(&io).await;
    let ticket = away(&io, port, &mut told).await;
    assert_eq!(sessions.lock().unwrap().len(), 1);
    io.emit("missed", ()).unwrap();

    let mut client = Client::open(port).await;
    let (missed, again) = enter(&mut client, "", &ticket.auth()).await;
    assert_eq!(missed, [r#"["missed"]"#]);
    assert_eq!(again.id, ticket.id);
    assert!(sessions.lock().unwrap().is_empty());
    assert!(io.socket(&again.id).unwrap().recovered());

    // It is not found again.
    client.send("41").await;
    until(|| io.sockets().is_empty()).await;
    let (_, other) = enter(&mut client, "", &ticket.auth()).await;
    assert_ne!(other.id, ticket.id);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_dropped_and_the_client_is_let_in_as_a_new_one() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let store = Store {
        sessions: Sessions::default(),
        told: sender,
        waits: true,
    };
    let io = Io::builder().session_store(store).build();
    let port = serve(&io).await;
    let ticket = away(&io, port, &mut told).await;

    let mut client = Client::open(port).await;
    let (_, other) = enter(&mut client, "", &ticket.auth()).await;

    assert_ne!(other.id, ticket.id);
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("dropped"));
}

/// Finds a session once its client has given up.
struct Late(Told, Arc<tokio::sync::Notify>);

impl SessionStore for Late {
    async fn find(&self, _: FindSession) -> Option<Found> {
        _ = self.0.send("asked");
        self.1.notified().await;
        Some(Found {
            session: vec![1, 2, 3].into(),
            missed: Missed::FromLog,
        })
    }

    async fn store(&self, _: StoreSession) {
        panic!("as the test wants it");
    }

    async fn put_back(&self, _: PrivateId, session: bytes::Bytes) {
        assert_eq!(&session[..], [1, 2, 3]);
        _ = self.0.send("put back");
    }
}

#[tokio::test]
async fn a_session_that_is_found_too_late_is_put_back() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Notify::new());
    let io = Io::builder()
        .session_store(Late(sender, Arc::clone(&gate)))
        .build();
    let port = serve(&io).await;
    let mut client = Client::open(port).await;
    let (_, ticket) = enter(&mut client, "", "").await;
    client.send("41").await;

    client.send(&format!("40{}", ticket.auth())).await;
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("asked"));
    client.send("41").await;
    // The next answer says that the client's leaving was read.
    client.send("40/none,").await;
    client.read().await;
    gate.notify_one();

    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("put back"));
}

#[tokio::test]
async fn the_application_is_told_once_when_something_goes_before_its_age() {
    let told = Arc::new(AtomicUsize::new(0));
    let cut = Arc::clone(&told);
    let io = Io::builder()
        .recovery(RecoveryConfig::new().max_bytes(1_000))
        .on_recovery_cut(move || {
            cut.fetch_add(1, Ordering::SeqCst);
        })
        .build();
    let mut client = Client::open(serve(&io).await).await;
    enter(&mut client, "", "").await;

    for _ in 0..20 {
        io.emit("event", ("x".repeat(100),)).unwrap();
    }

    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[test]
#[should_panic(expected = "a span of recovery is zero")]
fn recovery_without_any_time_is_refused() {
    drop(Io::builder().recovery(RecoveryConfig::new().max_disconnection(Duration::ZERO)));
}

/// Takes its time to keep a session.
struct Slow(Sessions, Told, Arc<tokio::sync::Notify>);

impl SessionStore for Slow {
    async fn find(&self, wanted: FindSession) -> Option<Found> {
        let found = self.0.lock().unwrap().remove(&wanted.pid.expose())?;
        Some(Found {
            session: found.session,
            missed: Missed::FromLog,
        })
    }

    async fn store(&self, session: StoreSession) {
        _ = self.1.send("storing");
        self.2.notified().await;
        self.0.lock().unwrap().insert(session.pid.expose(), session);
    }
}

#[tokio::test]
async fn a_client_that_is_back_before_its_session_is_stored_is_found() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Notify::new());
    let store = Slow(Sessions::default(), sender, Arc::clone(&gate));
    let io = Io::builder().session_store(store).build();
    let port = serve(&io).await;
    let mut client = Client::open(port).await;
    let (_, ticket) = enter(&mut client, "", "").await;
    drop(client);
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("storing"));

    let mut client = Client::open(port).await;
    client.send(&format!("40{}", ticket.auth())).await;
    // The answer to what comes behind says that it was read.
    client.send("40/none,").await;
    assert!(client.read().await.starts_with("44/none,"));
    gate.notify_one();

    let answer = client.read().await;
    assert!(answer.contains(&ticket.id), "{answer}");
}
