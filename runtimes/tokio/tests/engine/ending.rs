use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use socketio_proto::{
    edge::{Carrier, Machine},
    engine::{self, CloseReason, Config, TransportError},
};
use socketio_tokio::{Clock, Driver, EngineServer, Event, Handler, Service, seed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::*;

#[tokio::test]
async fn a_shutdown_tells_every_client_and_ends() {
    let mut echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let poll = tokio::spawn(async move { http.get(&target).await.body });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let client = tokio::spawn(async move { ws.read().await });

    let begin = Instant::now();
    echo.stop().await;

    assert!(begin.elapsed() < Duration::from_secs(1), "nobody was slow");
    assert_eq!(poll.await.unwrap(), "1");
    assert_eq!(client.await.unwrap(), Seen::Close(1005));
    for _ in 0..2 {
        assert_eq!(echo.closed().await, CloseReason::ServerShutdown);
    }
    assert!(TcpStream::connect(echo.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let mut echo = Echo::start(config()).await;
    // One never answers the close frame, the other never polls.
    let _ws = Ws::open(echo.address).await;
    let mut http = Http::connect(echo.address).await;
    open_polling(&mut http).await;

    let begin = Instant::now();
    echo.stop().await;

    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn events_end_with_the_last_session_of_a_shutdown() {
    let mut echo = Echo::start(config()).await;
    let mut ws = Ws::open(echo.address).await;
    let client = tokio::spawn(async move { ws.read().await });

    assert!(echo.server.shutdown(Duration::from_secs(2)).await);

    assert_eq!(client.await.unwrap(), Seen::Close(1005));
    assert_eq!(echo.closed().await, CloseReason::ServerShutdown);
    assert!(soon("the end", echo.events.recv()).await.is_none());
}

/// Opens a session and begins a poll without any network in between.
async fn pending_poll(server: &EngineServer) -> socketio_tokio::ResponseFuture {
    let service = server.service();
    let open = service.handle(request("GET", PATH, "")).await.unwrap();
    let open = open.into_body().collect().await.unwrap().to_bytes();
    let sid = sid_of(std::str::from_utf8(&open).unwrap());
    let mut poll = service.handle(request("GET", &format!("{PATH}&sid={sid}"), ""));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(pin!(&mut poll).poll(&mut cx), Poll::Pending));
    poll
}

#[tokio::test]
async fn dropping_the_future_of_a_poll_aborts_it() {
    let (server, events) = EngineServer::new(Config::default()).unwrap();
    let mut events = echo(server.clone(), events);

    drop(pending_poll(&server).await);

    assert_eq!(close_of(&mut events).await, aborted());
}

#[tokio::test]
async fn an_answer_that_is_dropped_unread_is_lost_and_one_that_was_taken_is_not() {
    for taken in [false, true] {
        let (server, mut events) = EngineServer::new(Config::default()).unwrap();
        let poll = pending_poll(&server).await;
        let Some(Event::Opened { session, .. }) = events.next().await else {
            panic!("no session");
        };
        server.send(session, text("news")).unwrap();
        let mut body = poll.await.unwrap().into_body();
        if taken {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);

        let mut events = echo(server.clone(), events);
        if taken {
            server.close(session);
            assert!(server.carrier(session).is_some(), "it waits for a poll");
        } else {
            assert_eq!(close_of(&mut events).await, aborted());
        }
    }
}

fn aborted() -> CloseReason {
    CloseReason::TransportError(TransportError::PollAborted)
}

async fn close_of(events: &mut tokio::sync::mpsc::UnboundedReceiver<Event>) -> CloseReason {
    loop {
        let event = soon("an event", events.recv()).await.unwrap();
        if let Event::Closed { reason, .. } = event {
            return reason;
        }
    }
}

/// Lives as long as the driver does.
struct Alive(#[allow(dead_code, reason = "it is dropped")] Arc<()>);

impl<M: Machine> Handler<M> for Alive {
    fn on_event(&mut self, _: M::Event, _: &mut socketio_tokio::Context<'_, M>) {}
}

#[tokio::test]
async fn the_machine_is_dropped_with_the_last_handle() {
    let alive = Arc::new(());
    let machine = engine::Server::new(Config::default(), seed().unwrap());
    let driver = Driver::new(machine, Alive(Arc::clone(&alive)), Clock::start());
    let service = Service::new(driver.clone());
    // Arms a deadline, so that the timer runs.
    drop(service.handle(request("GET", PATH, "")).await);
    drop((driver, service));

    let dropped = async {
        while Arc::strong_count(&alive) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the end of the machine", dropped).await;
}

/// Panics at the second event.
struct Fragile(u32);

impl<M: Machine> Handler<M> for Fragile {
    fn on_event(&mut self, _: M::Event, _: &mut socketio_tokio::Context<'_, M>) {
        self.0 += 1;
        assert!(self.0 < 2, "on purpose");
    }
}

#[tokio::test]
async fn a_panic_under_the_lock_lets_go_of_everybody() {
    let machine = engine::Server::new(Config::default(), seed().unwrap());
    let service = Service::new(Driver::new(machine, Fragile(0), Clock::start()));
    let open = service.handle(request("GET", PATH, "")).await.unwrap();
    let open = open.into_body().collect().await.unwrap().to_bytes();
    let sid = sid_of(std::str::from_utf8(&open).unwrap());
    let poll = service.handle(request("GET", &format!("{PATH}&sid={sid}"), ""));
    let poll = tokio::spawn(poll);
    tokio::task::yield_now().await;

    let panicking = service.handle(request("GET", PATH, ""));
    assert!(tokio::spawn(panicking).await.unwrap_err().is_panic());

    let poll = soon("the poll", poll).await.unwrap().unwrap();
    assert_eq!(poll.status(), 503);
    let late = service.handle(request("GET", PATH, "")).await.unwrap();
    assert_eq!(late.status(), 503);
}

#[tokio::test]
async fn deadlines_run_without_any_input() {
    let config = Config::builder()
        .ping_interval(Duration::from_millis(50))
        .ping_timeout(Duration::from_millis(50))
        .build();
    let mut echo = Echo::start(config.unwrap()).await;
    let mut ws = Ws::open(echo.address).await;

    assert_eq!(ws.read().await, Seen::Text("2".into()));
    assert_eq!(echo.closed().await, CloseReason::PingTimeout);
    assert_eq!(ws.read().await, Seen::Close(1005));
}

/// What a rude client does: it leaves in the middle of something.
async fn leave_rudely(address: std::net::SocketAddr, manner: usize) {
    let mut http = Http::connect(address).await;
    let target = open_polling(&mut http).await;
    let ws_target = target.replace("polling", "websocket");
    let left_alone = Duration::from_millis(manner as u64 % 7);
    match manner % 6 {
        0 => {}
        1 => _ = tokio::time::timeout(left_alone, http.get(&target)).await,
        2 => {
            let head = format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n4a");
            rude_head(address, &head, left_alone).await;
        }
        3 => {
            let head = format!(
                "GET {ws_target} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            rude_head(address, &head, left_alone / 3).await;
        }
        4 => {
            let mut ws = Ws::connect(address, &ws_target).await;
            ws.text("2probe").await;
            tokio::time::sleep(left_alone).await;
        }
        _ => {
            let mut ws = Ws::open(address).await;
            for _ in 0..manner {
                ws.text("4echo").await;
            }
        }
    }
}

async fn rude_head(address: std::net::SocketAddr, head: &str, then: Duration) {
    let mut raw = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut raw, head.as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(then).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rude_clients_leave_nothing_behind() {
    let config = Config::builder()
        .ping_interval(Duration::from_millis(200))
        .ping_timeout(Duration::from_millis(200))
        .build();
    let mut echo = Echo::start(config.unwrap()).await;
    let clients: Vec<_> = (0..120)
        .map(|manner| tokio::spawn(leave_rudely(echo.address, manner)))
        .collect();
    for client in clients {
        soon("a client", client).await.unwrap();
    }

    // Whoever is still there has a deadline soon. Then no request, transport or session is left.
    assert!(echo.server.shutdown(Duration::from_secs(8)).await);

    let (mut opened, mut closed) = (0, 0);
    while let Some(event) = soon("the end", echo.events.recv()).await {
        match event {
            Event::Opened { .. } => opened += 1,
            Event::Closed { .. } => closed += 1,
            _ => {}
        }
    }
    assert!(opened >= 120);
    assert_eq!(opened, closed);
}

#[tokio::test]
async fn closes_are_spread_and_clients_may_still_connect_to_fetch_what_waits() {
    let (server, events) = EngineServer::new(config()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = socketio_tokio::serve(listener, server.service())
        .spread(Duration::from_millis(600))
        .grace(Duration::from_secs(5))
        .until(async { _ = stopped.await });
    let serving = tokio::spawn(serving.into_future());
    let mut events = echo(server.clone(), events);
    let first = Ws::open(address).await;
    let mut http = Http::connect(address).await;
    let second = open_polling(&mut http).await;
    drop(http);
    while !matches!(soon("an event", events.recv()).await, Some(Event::Opened { session, .. }) if server.carrier(session) == Some(Carrier::Polling))
    {
    }

    let begin = Instant::now();
    stop.send(()).unwrap();
    // The first closes at once; the other goes on until the time is over.
    let told = soon("a close", events.recv()).await;
    assert!(matches!(told, Some(Event::Closed { .. })), "{told:?}");
    drop(first);
    let mut http = Http::connect(address).await;
    assert_eq!(http.get(PATH).await.status, 503);
    assert_eq!(http.post(&second, "4still here").await.status, 200);
    assert_eq!(http.get(&second).await.body, "4still here");
    assert_eq!(http.get(&second).await.body, "1");
    assert!(begin.elapsed() >= Duration::from_millis(550));
    soon("the end", serving).await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_take_an_answer_loses_its_connection() {
    let config = Config::builder()
        .ping_interval(Duration::from_millis(800))
        .ping_timeout(Duration::from_millis(400));
    let mut echo = Echo::start(config.build().unwrap()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let session = echo.opened().await;
    // More than the kernel and the HTTP library keep for a client that does not read.
    echo.server
        .send_text(session, "x".repeat(32 << 20))
        .unwrap();
    let mut stream = TcpStream::connect(echo.address).await.unwrap();
    let poll = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(poll.as_bytes()).await.unwrap();

    echo.closed().await;
    // Reading begins after the connection was dropped: the answer ends before its end.
    let gone = async {
        while echo.server.statistics().requests > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the end of the request", gone).await;
    let mut answer = Vec::new();
    _ = soon("the end", stream.read_to_end(&mut answer)).await;
    assert!(answer.len() < 32 << 20, "{}", answer.len());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_whom_it_refuses() {
    let (server, _events) = EngineServer::new(config()).unwrap();
    let service = server.service();
    // Its answer is never read, nor dropped.
    let refused = service.handle(request("GET", "/engine.io/?EIO=4&transport=none", ""));
    let refused = refused.await.unwrap();
    assert_eq!(server.statistics().requests, 1);

    assert!(soon("the end", server.shutdown(Duration::from_secs(8))).await);
    drop(refused);
}
