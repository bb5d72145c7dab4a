//! Namespaces that are made on demand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use socketio_tokio::{
    Ack, Candidate, Config, Connecting, EmitError, Io, Namespace, Refusal, Socket,
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::client::{Client, LIMIT, serve};

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Enters a namespace and gives the answer.
async fn enter(client: &mut Client, name: &str) -> String {
    client.send(&format!("40{name},")).await;
    client.read().await
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
async fn a_client_makes_the_namespace_that_a_pattern_allows_and_the_last_one_ends_it() {
    let io = Io::new();
    let chats = io
        .of_pattern(|name| name.starts_with("/chat-"))
        .on_connect(|socket: Socket| async move {
            let namespace = socket.namespace();
            socket.emit("welcome", (namespace.name(), namespace.len()))
        })
        .on_sync("echo", |_: &Socket, (x,): (u32,)| Ack((x,)));
    let mut client = Client::open(serve(&io).await).await;

    let refused = enter(&mut client, "/other").await;
    assert_eq!(refused, r#"44/other,{"message":"Invalid namespace"}"#);
    assert!(io.namespace("/chat-1").is_none());
    assert!(
        enter(&mut client, "/chat-1")
            .await
            .starts_with(r#"40/chat-1,{"sid""#)
    );
    assert_eq!(client.read().await, r#"42/chat-1,["welcome","/chat-1",1]"#);
    client.send(r#"42/chat-1,7["echo",5]"#).await;
    assert_eq!(client.read().await, "43/chat-1,7[5]");
    let names =
        |of: Vec<Namespace>| -> Vec<String> { of.iter().map(|it| it.name().to_owned()).collect() };
    assert_eq!(names(chats.namespaces()), ["/chat-1"]);
    let namespace = io.namespace("/chat-1").unwrap();

    client.send("41/chat-1,").await;
    until(|| io.namespace("/chat-1").is_none()).await;
    assert!(chats.namespaces().is_empty());
    assert!(namespace.is_empty());
}

#[tokio::test]
async fn a_handle_to_a_namespace_that_is_gone_stays_so_when_the_name_comes_back() {
    let io = Io::new();
    io.of_pattern(|_| true);
    let mut client = Client::open(serve(&io).await).await;
    enter(&mut client, "/x").await;
    let first = io
        .namespace("/x")
        .unwrap()
        .on_sync("old", |_: &Socket| Ack(()));
    assert_eq!(first.emit("hello", ()).unwrap().queued, 1);
    assert_eq!(client.read().await, r#"42/x,["hello"]"#);

    client.send("41/x,").await;
    until(|| io.namespace("/x").is_none()).await;
    let gone = |result: Result<_, EmitError>| result.is_err_and(|error| error.is_disconnected());
    assert!(gone(first.emit("nobody", ())));
    assert!(gone(
        first
            .emit_with_ack("nobody", ())
            .await
            .map(|_| unreachable!())
    ));
    assert!(first.emit_with_ack("nobody", ()).stream().is_err());
    assert!(first.sockets().is_empty());
    assert_eq!(
        (first.everyone().join("a"), first.everyone().leave("a")),
        (0, 0)
    );
    first.everyone().disconnect(true);

    enter(&mut client, "/x").await;
    assert!(gone(first.emit("the old one", ())));
    assert_eq!((first.len(), first.sockets().len()), (0, 0));
    let second = io.namespace("/x").unwrap();
    assert_eq!(second.emit("the new one", ()).unwrap().queued, 1);
    assert_eq!(client.read().await, r#"42/x,["the new one"]"#);
    // What was added to the old one is not in the new one.
    client.send(r#"42/x,1["old"]"#).await;
    second.emit("after", ()).unwrap();
    assert_eq!(client.read().await, r#"42/x,["after"]"#);
}

#[tokio::test]
async fn names_go_before_patterns_and_patterns_in_their_order_until_the_first_allows() {
    let log = Log::default();
    let [first, second, third] = [(); 3].map(|()| Arc::clone(&log));
    let io = Io::new();
    let say = |text: &'static str| move |socket: Socket| async move { socket.emit("by", (text,)) };
    io.of("/static").on_connect(say("name"));
    io.of_dynamic(move |client: Candidate| {
        note(&first, client.name());
        async move {
            tokio::task::yield_now().await;
            client.auth::<Vec<u8>>().is_ok()
        }
    })
    .on_connect(say("first"));
    io.of_pattern(move |name| {
        note(&second, name);
        name.contains('b')
    })
    .on_connect(say("second"));
    io.of_pattern(move |name| {
        note(&third, name);
        true
    })
    .on_connect(say("third"));
    let mut client = Client::open(serve(&io).await).await;

    for (name, by, asked) in [
        ("/static", "name", 0),
        ("/b", "second", 2),
        ("/c", "third", 3),
    ] {
        enter(&mut client, name).await;
        assert_eq!(client.read().await, format!(r#"42{name},["by","{by}"]"#));
        assert_eq!(taken(&log), vec![name; asked]);
    }
    // It exists: nobody is asked.
    let mut other = Client::open(serve(&io).await).await;
    enter(&mut other, "/c").await;
    assert_eq!(other.read().await, r#"42/c,["by","third"]"#);
    assert!(taken(&log).is_empty());
}

#[tokio::test]
async fn two_clients_that_ask_at_once_meet_in_one_namespace_that_was_set_up_once() {
    let (asking, mut asked) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let io = Io::new();
    io.on_namespace(move |namespace| {
        count.fetch_add(1, Ordering::SeqCst);
        // Nobody is in it, and what is added concerns its first client.
        assert!(namespace.is_empty());
        assert!(namespace.emit("nobody", ()).is_err());
        namespace.on_sync("added", |socket: &Socket| Ack((socket.namespace().len(),)));
    });
    io.of_dynamic(|_| async { true }).middleware(move |_| {
        asking.send(()).unwrap();
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Ok(())
        }
    });
    let port = serve(&io).await;
    let mut clients = [Client::open(port).await, Client::open(port).await];
    for client in &mut clients {
        client.send("40/new,").await;
        timeout(LIMIT, asked.recv()).await.unwrap().unwrap();
    }
    assert!(io.namespace("/new").is_none());

    // One gets in, leaves, and the other comes: it is still the same.
    opened.notify_one();
    assert!(clients[0].read().await.starts_with("40/new,"));
    let namespace = io.namespace("/new").unwrap();
    clients[0].send(r#"42/new,1["added"]"#).await;
    assert_eq!(clients[0].read().await, "43/new,1[1]");
    clients[0].send("41/new,").await;
    until(|| namespace.is_empty()).await;
    assert!(namespace.emit("nobody", ()).is_err());
    opened.notify_one();
    assert!(clients[1].read().await.starts_with("40/new,"));
    clients[1].send(r#"42/new,2["added"]"#).await;
    assert_eq!(clients[1].read().await, "43/new,2[1]");
    assert_eq!(namespace.emit("again", ()).unwrap().queued, 1);

    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_middleware_refuses_leaves_no_namespace() {
    let io = Io::new();
    let pattern = io
        .of_pattern(|_| true)
        .middleware(|client: Connecting| async move {
            assert_eq!(client.namespace(), "/x");
            Err(Refusal::new("no"))
        });
    let mut client = Client::open(serve(&io).await).await;

    assert_eq!(enter(&mut client, "/x").await, r#"44/x,{"message":"no"}"#);
    assert!(io.namespace("/x").is_none());
    assert!(pattern.namespaces().is_empty());
}

#[tokio::test]
async fn a_pattern_that_takes_its_time_is_dropped_with_its_client_and_one_that_panics_refuses() {
    struct Told(mpsc::UnboundedSender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            _ = self.0.send("dropped");
        }
    }
    let (sender, mut told) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of_dynamic(move |client: Candidate| {
        assert_ne!(client.name(), "/panic", "as the test wants it");
        let told = Told(sender.clone());
        async move {
            _ = told.0.send("asked");
            std::future::pending().await
        }
    });
    let mut client = Client::open(serve(&io).await).await;

    let refused = enter(&mut client, "/panic").await;
    assert_eq!(refused, r#"44/panic,{"message":"internal error"}"#);
    client.send("40/slow,").await;
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("asked"));
    client.send("41/slow,").await;
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("dropped"));
}

#[tokio::test]
async fn a_pattern_that_takes_too_long_refuses() {
    let config = Config::builder().decision_timeout(Duration::from_millis(20));
    let io = Io::builder().config(config.build().unwrap()).build();
    io.of_dynamic(|_| std::future::pending());
    let mut client = Client::open(serve(&io).await).await;

    assert!(enter(&mut client, "/slow").await.starts_with("44/slow,"));
}

#[tokio::test]
async fn what_is_added_to_a_pattern_concerns_the_next_namespaces() {
    let io = Io::new();
    let pattern = io.of_pattern(|_| true);
    let mut client = Client::open(serve(&io).await).await;
    enter(&mut client, "/early").await;
    pattern.on_connect(|socket: Socket| async move { socket.emit("hello", ()) });
    let mut other = Client::open(serve(&io).await).await;

    enter(&mut other, "/early").await;
    enter(&mut other, "/late").await;

    assert_eq!(other.read().await, r#"42/late,["hello"]"#);
}

#[tokio::test]
async fn a_pattern_sends_to_all_of_its_namespaces() {
    let io = Io::new();
    let pattern = io.of_pattern(|name| name != "/other");
    io.of("/other");
    let mut client = Client::open(serve(&io).await).await;
    for name in ["/b", "/a", "/other"] {
        enter(&mut client, name).await;
    }

    let sent = pattern.emit("all", (1,)).unwrap();

    assert_eq!((sent.queued, sent.dropped), (2, 0));
    assert_eq!(client.read().await, r#"42/a,["all",1]"#);
    assert_eq!(client.read().await, r#"42/b,["all",1]"#);
    assert!(matches!(
        pattern.emit("connect", ()),
        Err(EmitError::Encode(_))
    ));
}

#[tokio::test]
async fn a_namespace_that_the_application_names_has_what_the_pattern_has_and_stays() {
    let io = Io::new();
    let told = Log::default();
    let new = Arc::clone(&told);
    let pattern = io
        .of_pattern(|name| name.starts_with("/x"))
        .middleware(|_| async { Err(Refusal::new("by the pattern")) });
    io.of_dynamic(|_| async { true });
    io.on_namespace(move |namespace| note(&new, namespace.name()));

    io.of("x1");
    io.of("/other");
    io.of("/x1");

    // Otherwise it would be open to everybody.
    let mut client = Client::open(serve(&io).await).await;
    let refused = enter(&mut client, "/x1").await;
    assert_eq!(refused, r#"44/x1,{"message":"by the pattern"}"#);
    assert_eq!(pattern.namespaces().len(), 1);
    assert_eq!(taken(&told), ["/x1", "/other"]);

    // One that clients have made stays from then on.
    enter(&mut client, "/dynamic").await;
    let dynamic = io.of("/dynamic");
    client.send("41/dynamic,").await;
    until(|| dynamic.is_empty()).await;
    assert!(io.namespace("/dynamic").is_some());
    assert_eq!(dynamic.emit("nobody", ()).unwrap().queued, 0);
}

#[tokio::test]
async fn empty_namespaces_can_stay_and_there_are_only_so_many() {
    let config = Config::builder()
        .keep_empty_namespaces(true)
        .max_dynamic_namespaces(1);
    let io = Io::builder().config(config.build().unwrap()).build();
    let pattern = io.of_pattern(|_| true);
    let mut client = Client::open(serve(&io).await).await;
    enter(&mut client, "/kept").await;
    let kept = io.namespace("/kept").unwrap();

    client.send("41/kept,").await;
    until(|| kept.is_empty()).await;

    assert_eq!(kept.emit("nobody", ()).unwrap().queued, 0);
    assert_eq!(pattern.namespaces().len(), 1);
    let refused = enter(&mut client, "/more").await;
    assert_eq!(refused, r#"44/more,{"message":"too many namespaces"}"#);
    assert!(enter(&mut client, "/kept").await.starts_with("40/kept,"));
}

#[tokio::test]
async fn a_listener_may_name_the_namespace_that_it_is_told_of() {
    let io = Io::new();
    let weak = io.clone();
    io.on_namespace(move |namespace| drop(weak.of(namespace.name())));
    io.of_pattern(|_| true);
    let mut client = Client::open(serve(&io).await).await;

    assert!(enter(&mut client, "/x").await.starts_with("40/x,"));
    io.of("/y");
}

#[tokio::test]
async fn clients_wait_while_the_application_is_told_of_the_namespace_that_it_names() {
    let (telling, mut is_telling) = mpsc::unbounded_channel();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let io = Io::new();
    io.on_namespace(move |namespace| {
        telling.send(()).unwrap();
        gate.lock().unwrap().recv_timeout(LIMIT).unwrap();
        namespace.middleware(|_| async { Err(Refusal::new("no")) });
    });
    let mut client = Client::open(serve(&io).await).await;
    let naming = io.clone();
    let naming = std::thread::spawn(move || drop(naming.of("/new")));
    timeout(LIMIT, is_telling.recv()).await.unwrap().unwrap();

    client.send("40/new,").await;
    // What comes behind is answered: it is not that nobody reads.
    assert!(enter(&mut client, "/other").await.starts_with("44/other,"));
    go_on.send(()).unwrap();
    naming.join().unwrap();

    assert_eq!(client.read().await, r#"44/new,{"message":"no"}"#);
}
