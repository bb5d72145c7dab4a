//! Values, errors, tasks and runtimes of an application that end at awkward moments.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use socketio_tokio::{Args, Error, Io, Socket};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use super::client::{Client, LIMIT, serve};

/// Uses the server when it is dropped: under its lock, that would never end.
struct Guard(Io);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.emit("left", ());
    }
}

/// Fails the test if the work does not end, which may be because a thread waits for itself.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    told.recv_timeout(LIMIT).unwrap();
}

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

#[test]
fn a_runtime_goes_down_while_its_sockets_hold_values_that_use_the_server() {
    in_time(|| {
        let io = Io::new();
        io.of("/").on("guard", |socket: Socket| async move {
            socket.insert(Guard(socket.io()));
            socket.emit("guarded", ())
        });
        let runtime = workers(1);
        let client = runtime.block_on(async {
            let mut client = Client::join(serve(&io).await).await;
            client.send(r#"42["guard"]"#).await;
            assert_eq!(client.read().await, r#"42["guarded"]"#);
            client
        });

        drop(runtime);
        drop(client);
        drop(io);
    });
}

/// A request to a session, or without one, with a value that a layer has left in it.
async fn request(io: &Io, sid: &str, body: Option<&'static str>, left: Arc<Guard>) -> String {
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/socket.io/?EIO=4&transport=polling{sid}"))
        .extension(left)
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .unwrap();
    let response = io.service().handle(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn a_connection_closes_whose_request_holds_a_value_that_uses_the_server() {
    in_time(|| {
        let io = Io::new();
        workers(1).block_on(async {
            let guard = || Arc::new(Guard(io.clone()));
            let kept = guard();
            let gone = Arc::downgrade(&kept);
            let opened = request(&io, "", None, kept).await;
            let sid = format!("&sid={}", opened.split('"').nth(3).unwrap());
            assert!(gone.upgrade().is_some(), "the connection keeps its request");

            assert_eq!(request(&io, &sid, Some("1"), guard()).await, "ok");

            assert!(gone.upgrade().is_none());
        });
    });
}

#[tokio::test]
async fn a_server_that_stops_waits_for_its_handlers() {
    let io = Io::new();
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let (entered, mut leaving) = mpsc::unbounded_channel();
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    io.of("/").on_disconnect(move |_, _| {
        let (done, gate) = (Arc::clone(&done), Arc::clone(&gate));
        _ = entered.send(());
        async move {
            gate.notified().await;
            // The test is not to be the next that runs.
            tokio::task::yield_now().await;
            done.store(true, Ordering::SeqCst);
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = socketio_tokio::serve(listener, io.service()).until(async { _ = stopped.await });
    let mut serving = tokio::spawn(serving.into_future());
    let mut client = Client::join(port).await;

    stop.send(()).unwrap();
    client.closed().await;
    timeout(LIMIT, leaving.recv()).await.unwrap().unwrap();
    let early = timeout(Duration::from_millis(50), &mut serving).await;
    assert!(early.is_err());
    go_on.notify_one();
    timeout(LIMIT, serving).await.unwrap().unwrap();

    assert!(is_done.load(Ordering::SeqCst));
}

/// An error that fails to be shown or dropped.
#[derive(Debug)]
struct Bad {
    on_drop: bool,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.on_drop, "it cannot be shown");
        f.write_str("bad")
    }
}

impl std::error::Error for Bad {}

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(!self.on_drop, "it cannot be dropped");
    }
}

#[tokio::test]
async fn errors_that_panic_do_not_keep_the_next_events_from_being_handled() {
    let io = Io::new();
    io.of("/")
        .on("shown", |_: Socket| async {
            Err::<(), _>(Bad { on_drop: false })
        })
        .on("dropped", |_: Socket| async {
            Err::<(), _>(Bad { on_drop: true })
        })
        .on("thrown", |_: Socket| async {
            std::panic::panic_any(Bad { on_drop: true });
            #[allow(unreachable_code, reason = "it says what is returned")]
            Ok::<(), Error>(())
        })
        .on(
            "next",
            |socket: Socket| async move { socket.emit("done", ()) },
        );
    let mut client = Client::join(serve(&io).await).await;

    for bad in ["shown", "dropped", "thrown"] {
        client.send(&format!(r#"42["{bad}"]"#)).await;
        client.send(r#"42["next"]"#).await;
        assert_eq!(client.read().await, r#"42["done"]"#, "after {bad}");
    }
}

#[test]
fn handlers_run_on_the_runtime_that_is_there() {
    let io = Io::new();
    let connected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connected);
    io.of("/").on_connect(move |socket: Socket| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { socket.emit("hello", ()) }
    });

    for _ in 0..2 {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let mut client = Client::join(serve(&io).await).await;
            assert_eq!(client.read().await, r#"42["hello"]"#);
        });
    }

    assert_eq!(connected.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_waits_for_handlers_counts_with_the_whole_text_that_it_keeps() {
    let io = Io::builder().max_unhandled(1000).build();
    io.of("/")
        .fallback(|_: Socket, _: Args| std::future::pending::<()>());
    let mut client = Client::join(serve(&io).await).await;

    // The name counts, too.
    let name = "n".repeat(600);
    for number in 0..3 {
        // One is handled, one fits, one does not.
        client.send(&format!(r#"42["{name}",{number}]"#)).await;
    }

    client.closed().await;
}
