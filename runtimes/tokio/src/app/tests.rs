//! What is left of clients that are gone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Wake},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};

use super::{Ack, AckError, Args, Connecting, Io, IoService, Socket};

/// A client that polls, without any network.
struct Client {
    service: IoService,
    sid: String,
}

impl Client {
    async fn open(io: &Io) -> Self {
        let mut client = Self {
            service: io.service(),
            sid: String::new(),
        };
        let opened = client.request("GET", "").await;
        let sid = opened.split('"').nth(3);
        client.sid = format!("&sid={}", sid.unwrap());
        client
    }

    async fn poll(&self) -> String {
        self.request("GET", "").await
    }

    async fn post(&self, body: &'static str) {
        assert_eq!(self.request("POST", body).await, "ok");
    }

    async fn request(&self, method: &str, body: &'static str) -> String {
        let sid = &self.sid;
        let request = Request::builder()
            .method(method)
            .uri(format!("/socket.io/?EIO=4&transport=polling{sid}"))
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap();
        let response = self.service.handle(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    }
}

/// How many entries there are: connections, clients on their way in, sockets, acks.
fn kept(io: &Io) -> [usize; 4] {
    io.link.with(|_, tables, _| {
        [
            tables.sessions.len(),
            tables.pending.len(),
            tables.sockets.len(),
            tables.acks.len(),
        ]
    })
}

#[tokio::test]
async fn nothing_is_kept_of_clients_that_are_gone() {
    let io = Io::new();
    io.of("/slow")
        .middleware(|_: Connecting| std::future::pending());
    io.of("/").on("ask", |socket: Socket| async move {
        let long = Duration::from_secs(600);
        _ = socket.timeout(long).emit_with_ack("question", ()).await;
    });
    let client = Client::open(&io).await;

    client.post("40/slow,").await;
    client.post("40").await;
    client.post(r#"42["ask"]"#).await;
    while !client.poll().await.contains("question") {}
    assert_eq!(kept(&io), [1, 1, 1, 1]);

    client.post("1").await;
    assert!(io.shutdown(Duration::from_secs(10)).await);
    assert_eq!(kept(&io), [0, 0, 0, 0]);
}

#[tokio::test]
async fn nothing_is_kept_of_dynamic_namespaces_that_are_gone() {
    let io = Io::new();
    let kept = || {
        io.link.with(|_, tables, _| {
            let namespaces = tables.namespaces.len();
            (namespaces, tables.dynamic.len(), tables.pending.len())
        })
    };
    let pattern = io
        .of_pattern(|_| true)
        .middleware(|client: Connecting| async move {
            match client.namespace() {
                "/in" => Ok(()),
                "/out" => Err(super::Refusal::new("no")),
                _ => std::future::pending().await,
            }
        });
    let client = Client::open(&io).await;

    client.post("40/in,\u{1e}40/out,\u{1e}40/slow,").await;
    while !client.poll().await.contains("44/out") {}
    assert_eq!(kept(), (2, 2, 1));
    client.post("41/slow,").await;
    assert_eq!(kept(), (2, 1, 0));
    assert_eq!(pattern.namespaces().len(), 1);
    client.post("41/in,").await;
    assert_eq!(kept(), (1, 0, 0));
    // What left and came back within one body is there.
    client.post("40/in,").await;
    while !client.poll().await.contains("40/in,") {}
    client.post("41/in,\u{1e}40/in,").await;
    while !client.poll().await.contains("40/in,") {}
    assert_eq!(kept(), (2, 1, 0));
    assert_eq!(pattern.emit("all", ()).unwrap().queued, 1);
}

#[tokio::test]
async fn an_ack_that_nobody_waits_for_is_forgotten() {
    let io = Io::new();
    let client = Client::open(&io).await;
    client.post("40").await;
    client.poll().await;
    let sockets = io.sockets();
    let [socket] = &sockets[..] else {
        unreachable!("one client has entered")
    };

    let waiting = socket.emit_with_ack("question", ()).into_future();
    let all = io.everyone().emit_with_ack("question", ()).into_future();
    let each = io
        .everyone()
        .emit_with_ack("question", ())
        .stream()
        .unwrap();
    assert_eq!(kept(&io), [1, 0, 1, 3]);
    drop((waiting, all, each));

    assert_eq!(kept(&io), [1, 0, 1, 0]);
}

#[tokio::test]
async fn a_server_that_nobody_uses_is_dropped_with_its_handlers() {
    let io = Io::new();
    let kept = Arc::new(());
    let handlers = Arc::downgrade(&kept);
    io.of("/").on("event", move |_: Socket, args: Args| {
        assert!(Arc::strong_count(&kept) > 0);
        async move { Ack(args) }
    });
    let client = Client::open(&io).await;
    client.post("40").await;
    client.post(r#"421["event",1]"#).await;
    while !client.poll().await.contains("431[1]") {}
    assert!(handlers.upgrade().is_some());

    drop((client, io));
    // The task of the timer holds the server for a moment.
    while handlers.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_panicked_lets_go_of_everybody_who_waits() {
    let io = Io::new();
    let client = Client::open(&io).await;
    client.post("40").await;
    client.poll().await;
    let sockets = io.sockets();
    let one = sockets[0].emit_with_ack("question", ()).into_future();
    let many = io.everyone().emit_with_ack("question", ()).into_future();
    let mut each = io
        .everyone()
        .emit_with_ack("question", ())
        .stream()
        .unwrap();

    let bug = || io.link.with(|_, _, _| panic!("a bug of the server"));
    catch_unwind(AssertUnwindSafe(bug)).unwrap_err();

    assert_eq!(one.await.unwrap_err(), AckError::Disconnected);
    assert!(many.await.unwrap().answers.is_empty());
    assert!(each.next().await.is_none());
    // There is nothing left to wait for.
    io.shutdown(Duration::from_secs(10)).await;
}

/// A waker that uses the server when it is woken: under the lock, that would never end.
struct Nosy(Io, AtomicBool);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        assert!(self.0.link.try_with(|_, _, _| ()).is_none());
        self.1.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_server_that_panicked_wakes_those_who_wait_without_its_lock() {
    let io = Io::new();
    let client = Client::open(&io).await;
    client.post("40").await;
    client.poll().await;
    let sockets = io.sockets();
    let one = sockets[0].emit_with_ack("question", ()).into_future();
    let many = io.everyone().emit_with_ack("question", ()).into_future();
    let mut each = io
        .everyone()
        .emit_with_ack("question", ())
        .stream()
        .unwrap();
    let each = async move { drop(each.next().await) };
    let mut waiting: [Pin<Box<dyn Future<Output = ()> + Send>>; 3] = [
        Box::pin(async { drop(one.await) }),
        Box::pin(async { drop(many.await) }),
        Box::pin(each),
    ];
    let wakers = [(); 3].map(|()| Arc::new(Nosy(io.clone(), false.into())));
    for (future, waker) in waiting.iter_mut().zip(&wakers) {
        let waker = Arc::clone(waker).into();
        let mut context = Context::from_waker(&waker);
        assert!(future.as_mut().poll(&mut context).is_pending());
    }

    let (done, told) = mpsc::channel();
    std::thread::spawn(move || {
        let bug = || io.link.with(|_, _, _| panic!("a bug of the server"));
        catch_unwind(AssertUnwindSafe(bug)).unwrap_err();
        done.send(()).unwrap();
    });

    told.recv_timeout(Duration::from_secs(10)).unwrap();
    let was_woken = |waker: &Arc<Nosy>| waker.1.load(Ordering::SeqCst);
    assert!(wakers.iter().all(was_woken));
}

#[tokio::test]
async fn what_a_client_sent_along_does_not_keep_what_came_with_it() {
    let io = Io::new();
    let client = Client::open(&io).await;
    let body = r#"40{"token":"secret"}"#;
    client.post(body).await;
    client.poll().await;

    let sockets = io.sockets();
    let auth = sockets[0].handshake().auth_data().json();

    assert_eq!(auth, r#"{"token":"secret"}"#);
    assert!(!body.as_bytes().as_ptr_range().contains(&auth.as_ptr()));
}

#[test]
fn a_client_is_read_on_when_its_handlers_went_down_with_their_runtime() {
    let io = Io::builder().unhandled_mark(100).build();
    io.of("/")
        .on("wait", |_: Socket| std::future::pending::<()>());
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let stays = runtime();
    let client = stays.block_on(async {
        let client = Client::open(&io).await;
        client.post("40").await;
        client.poll().await;
        client
    });
    let event = format!(r#"42["wait","{}"]"#, "x".repeat(200));

    let goes = runtime();
    goes.block_on(client.post([&*event; 3].join("\u{1e}").leak()));
    drop(goes);

    stays.block_on(async {
        let post = client.post(event.leak());
        let answer = tokio::time::timeout(Duration::from_secs(10), post);
        answer.await.expect("it is read");
    });
}
