//! What is dropped in the middle: requests, answers, handlers, waits, runtimes, and handles.

use std::{
    future::pending,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http_body_util::BodyExt as _;
use socketio_tokio::{
    Ack, Args, Config, Connecting, DisconnectReason, EngineServer, Event, Io, Reply, Socket,
    socketio_proto::engine::{CloseReason, TransportError},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};

use super::{
    client::{Client, LIMIT, serve},
    poller::{Poller, answer},
    support::{Seen, Ws},
};

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let future = timeout(LIMIT, future);
    future.await.unwrap_or_else(|_| panic!("{what}: too late"))
}

/// Polls a future once; it is to wait.
fn begin(future: &mut (impl Future + Unpin)) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(pin!(future).poll(&mut context), Poll::Pending));
}

/// Waits until a condition holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, waiting).await;
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// What tells of a server: whether it is still in memory, and whom it disconnected.
struct Watch {
    memory: Weak<()>,
    left: mpsc::UnboundedReceiver<DisconnectReason>,
}

impl Watch {
    /// Lets `/` echo, and watches it.
    fn over(io: &Io) -> Self {
        let kept = Arc::new(());
        let memory = Arc::downgrade(&kept);
        let (sender, left) = mpsc::unbounded_channel();
        io.of("/")
            .on("echo", |_: Socket, (text,): (String,)| async {
                Ack((text,))
            })
            .on_disconnect(move |_, reason| {
                // It is here for as long as the handler is.
                assert!(Arc::strong_count(&kept) > 0);
                _ = sender.send(reason);
                async {}
            });
        Self { memory, left }
    }

    /// Why the next client went.
    async fn reason(&mut self) -> DisconnectReason {
        soon("a disconnection", self.left.recv()).await.unwrap()
    }

    /// Waits until the server is gone.
    async fn gone(self) {
        until("the end of the server", || self.memory.strong_count() == 0).await;
    }
}

/// Serves until the task is aborted, and for as long as its connections live.
async fn serve_for_now(io: &Io) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = socketio_tokio::serve(listener, io.service());
    (port, tokio::spawn(serving.into_future()))
}

async fn abort(serving: JoinHandle<()>) {
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_service_serves_on_without_any_other_handle() {
    let io = Io::new();
    let watch = Watch::over(&io);
    let port = serve(&io).await;
    drop(io);

    let mut client = Client::join(port).await;
    client.call(r#"["echo","on"]"#, r#"["on"]"#).await;

    assert!(watch.memory.strong_count() > 0);
}

#[tokio::test]
async fn handles_work_on_for_the_clients_that_are_there_when_nobody_serves_any_more() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    abort(serving).await;

    client.call(r#"["echo","on"]"#, r#"["on"]"#).await;
    assert_eq!(io.emit("news", ()).unwrap().queued, 1);
    assert_eq!(client.read().await, r#"42["news"]"#);

    let (is_all, ()) = tokio::join!(soon("the shutdown", io.shutdown(LIMIT)), client.closed());
    assert!(is_all);
    assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
}

#[tokio::test]
async fn with_the_last_handle_websockets_and_polls_are_closed_and_the_server_ends() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    let mut poll = Poller::join(&io).await.poll();
    begin(&mut poll);

    drop(io);
    abort(serving).await;

    client.closed().await;
    assert_eq!(soon("the answer", answer(poll)).await, "1");
    for _ in 0..2 {
        assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
    }
    watch.gone().await;
}

#[tokio::test]
async fn with_the_last_handle_a_client_between_two_polls_is_disconnected() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let poller = Poller::join(&io).await;

    drop((io, poller));

    assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
    watch.gone().await;
}

#[tokio::test]
async fn the_last_handle_may_be_dropped_on_any_thread() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    abort(serving).await;

    std::thread::spawn(move || drop(io)).join().unwrap();

    client.closed().await;
    assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
    watch.gone().await;
}

#[tokio::test]
async fn the_last_handle_may_be_dropped_on_a_runtime_that_ends_at_once() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    abort(serving).await;

    let brief = || {
        let brief = runtime();
        let _inside = brief.enter();
        drop(io);
    };
    std::thread::spawn(brief).join().unwrap();

    client.closed().await;
    assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
    watch.gone().await;
}

#[tokio::test]
async fn a_socket_that_somebody_keeps_keeps_the_server_open() {
    let io = Io::new();
    let watch = Watch::over(&io);
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    let socket = io.sockets().remove(0);
    drop(io);
    abort(serving).await;

    client.call(r#"["echo","on"]"#, r#"["on"]"#).await;
    assert!(socket.is_connected());
    drop(socket);

    client.closed().await;
    watch.gone().await;
}

#[tokio::test]
async fn a_wait_for_an_answer_keeps_the_server_open_until_it_is_over() {
    let io = Io::new();
    let watch = Watch::over(&io);
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    let one = io.sockets()[0].emit_with_ack("one", ()).into_future();
    let all = io.everyone().emit_with_ack("all", ()).into_future();
    drop(io);
    abort(serving).await;

    for event in ["one", "all"] {
        let asked = client.read().await;
        let id = asked
            .trim_start_matches("42")
            .trim_end_matches(|c| c != '[');
        assert!(asked.contains(event), "{asked}");
        client
            .send(&format!("43{}[7]", id.trim_end_matches('[')))
            .await;
    }

    assert_eq!(soon("an answer", one).await.unwrap().parse(), Ok((7,)));
    assert_eq!(soon("answers", all).await.unwrap().answers.len(), 1);
    client.closed().await;
    watch.gone().await;
}

#[tokio::test]
async fn a_shutdown_goes_on_when_nobody_waits_for_it_any_more() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let mut client = Client::join(serve(&io).await).await;

    let mut shutdown = Box::pin(io.shutdown(LIMIT));
    begin(&mut shutdown);
    drop(shutdown);

    client.closed().await;
    assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
}

#[tokio::test]
async fn a_handler_that_runs_when_the_last_handle_is_dropped_comes_to_its_end_first() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    io.of("/").on("slow", move |socket: Socket| {
        let gate = Arc::clone(&gate);
        async move {
            socket.emit("begun", ())?;
            gate.notified().await;
            socket.emit("done", ())
        }
    });
    let (port, serving) = serve_for_now(&io).await;
    let mut client = Client::join(port).await;
    client.send(r#"42["slow"]"#).await;
    assert_eq!(client.read().await, r#"42["begun"]"#);

    drop(io);
    abort(serving).await;
    go_on.notify_one();

    assert_eq!(client.read().await, r#"42["done"]"#);
    client.closed().await;
    assert_eq!(watch.reason().await, DisconnectReason::ServerShutdown);
    watch.gone().await;
}

#[tokio::test]
async fn with_the_last_handle_of_an_engine_its_sessions_close_and_its_events_end() {
    let (server, mut events) = EngineServer::builder().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = socketio_tokio::serve(listener, server.service());
    let serving = tokio::spawn(serving.into_future());
    let mut client = Ws::open(address).await;
    let opened = soon("an event", events.next()).await;
    assert!(matches!(opened, Some(Event::Opened { .. })), "{opened:?}");

    drop(server);
    abort(serving).await;

    assert_eq!(client.read().await, Seen::Close(1005));
    let closed = soon("an event", events.next()).await;
    let Some(Event::Closed { reason, .. }) = closed else {
        panic!("{closed:?}");
    };
    assert_eq!(reason, CloseReason::ServerShutdown);
    drop(client);
    assert!(soon("the end", events.next()).await.is_none());
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_way_ends_its_session() {
    let io = Io::new();
    let mut watch = Watch::over(&io);
    let poller = Poller::join(&io).await;
    io.emit("long", ("x".repeat(100_000),)).unwrap();
    let mut body = poller.poll().await.unwrap().into_body();
    let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(piece.len() < 100_000);

    drop(body);

    let aborted = CloseReason::TransportError(TransportError::PollAborted);
    assert_eq!(watch.reason().await, DisconnectReason::Connection(aborted));
    assert_eq!(io.statistics().requests, 0);
}

#[tokio::test]
async fn requests_that_are_dropped_at_any_point_leave_nothing() {
    let io = Io::builder()
        .allow_request(|request: socketio_tokio::RequestInfo| async move {
            if request
                .uri()
                .query()
                .unwrap_or_default()
                .contains("undecided")
            {
                pending::<()>().await;
            }
            Ok::<(), &str>(())
        })
        .build();
    let mut watch = Watch::over(&io);
    let service = io.service();
    let target = "/socket.io/?EIO=4&transport=polling&undecided";

    // Not begun.
    drop(service.handle(get(target)));
    assert_eq!(io.statistics().requests, 0);
    // While the application decides.
    let mut handshake = service.handle(get(target));
    begin(&mut handshake);
    assert_eq!(io.statistics().handshakes, 1);
    drop(handshake);
    assert_eq!(io.statistics().handshakes, 0);
    // In the middle of its body.
    let poller = Poller::join(&io).await;
    let (piece, body) = mpsc::unbounded_channel();
    piece.send(r#"42["ec"#).unwrap();
    let request = http::Request::post(poller.target());
    let mut post = service.handle(request.body(Pieces(body)).unwrap());
    begin(&mut post);
    assert_eq!(io.statistics().body_bytes, 6);
    drop(post);
    assert_eq!(io.statistics().body_bytes, 0);
    let reason = watch.reason().await;
    assert!(matches!(
        reason,
        DisconnectReason::Connection(CloseReason::TransportError(_))
    ));
    // As a WebSocket that was accepted and whose connection is no more.
    let accepted = service.handle(upgrade()).await.unwrap();
    assert_eq!(accepted.status(), 101);
    drop(accepted);
    until("the end of the upgrade", || io.statistics().transports == 0).await;

    assert_eq!(io.statistics().requests, 0);
    assert_eq!(io.statistics().sessions(), 0);
}

fn get(target: &str) -> http::Request<http_body_util::Empty<bytes::Bytes>> {
    let request = http::Request::get(target);
    request.body(http_body_util::Empty::new()).unwrap()
}

fn upgrade() -> http::Request<http_body_util::Empty<bytes::Bytes>> {
    let mut request = get("/socket.io/?EIO=4&transport=websocket");
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        let headers = request.headers_mut();
        headers.insert(name, value.parse().unwrap());
    }
    request
}

/// A body that comes piece by piece.
struct Pieces(mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| Some(Ok(http_body::Frame::data(piece?.into()))))
    }
}

#[tokio::test]
async fn a_reply_that_is_dropped_leaves_the_client_without_an_answer_and_nothing_else() {
    let io = Io::new();
    let _watch = Watch::over(&io);
    let (sender, mut replies) = mpsc::unbounded_channel();
    io.of("/")
        .on("later", move |_: Socket, _: Args, reply: Reply| {
            sender.send(reply).unwrap();
            async {}
        });
    let mut client = Client::join(serve(&io).await).await;

    client.send(r#"421["later"]"#).await;
    let reply: Reply = soon("the event", replies.recv()).await.unwrap();
    assert!(reply.is_wanted());
    drop(reply);

    // Nothing came before the next answer.
    client.send(r#"422["echo","next"]"#).await;
    assert_eq!(client.read().await, r#"432["next"]"#);
}

#[test]
fn a_client_whose_middleware_went_down_with_its_runtime_is_not_left_waiting_for_ever() {
    let config = Config::builder().decision_timeout(Duration::from_millis(100));
    let io = Io::builder().config(config.build().unwrap()).build();
    let (entered, mut inside) = mpsc::unbounded_channel();
    io.of("/").middleware(move |_: Connecting| {
        entered.send(()).unwrap();
        pending()
    });
    let stays = runtime();
    let poller = stays.block_on(Poller::open(&io));

    let goes = runtime();
    assert_eq!(goes.block_on(answer(poller.post("40"))), "ok");
    goes.block_on(inside.recv()).unwrap();
    drop(goes);

    let told = stays.block_on(soon("the answer", answer(poller.poll())));
    assert_eq!(told, r#"44{"message":"timeout"}"#);
}

#[test]
fn events_behind_a_handler_whose_runtime_ended_are_handled_with_the_next() {
    let io = Io::new();
    let (sender, mut told) = mpsc::unbounded_channel();
    io.of("/").on("n", move |_: Socket, (number,): (u32,)| {
        sender.send(number).unwrap();
        async move {
            if number == 1 {
                pending::<()>().await;
            }
        }
    });
    let stays = runtime();
    let poller = stays.block_on(Poller::join(&io));

    let goes = runtime();
    let body = "42[\"n\",1]\u{1e}42[\"n\",2]";
    assert_eq!(goes.block_on(answer(poller.post(body))), "ok");
    goes.block_on(async { assert_eq!(told.recv().await, Some(1)) });
    drop(goes);

    stays.block_on(async {
        assert_eq!(answer(poller.post(r#"42["n",3]"#)).await, "ok");
        for number in [2, 3] {
            assert_eq!(soon("an event", told.recv()).await, Some(number));
        }
        // The task that went down counts no more.
        assert_eq!(answer(poller.post("1")).await, "ok");
        assert!(soon("the shutdown", io.shutdown(LIMIT)).await);
    });
}
