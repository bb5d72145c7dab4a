//! Waiting for the end of a socket.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use socketio_tokio::{DisconnectReason, Io, Socket};
use tokio::{runtime::Builder, sync::mpsc, time::timeout};

use super::client::{Client, LIMIT, serve};

/// A server that gives away its sockets.
fn server() -> (Io, mpsc::UnboundedReceiver<Socket>) {
    let io = Io::new();
    let (sender, receiver) = mpsc::unbounded_channel();
    io.of("/").on_connect(move |socket: Socket| {
        _ = sender.send(socket);
        async {}
    });
    (io, receiver)
}

async fn end_of(socket: &Socket) -> DisconnectReason {
    timeout(LIMIT, socket.closed()).await.unwrap()
}

#[tokio::test]
async fn whoever_waits_for_the_end_of_a_socket_is_told_the_reason_then_and_later() {
    let (io, mut sockets) = server();
    let mut client = Client::join(serve(&io).await).await;
    let socket = sockets.recv().await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let socket = socket.clone();
            tokio::spawn(async move { end_of(&socket).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(waiting.iter().all(|waiter| !waiter.is_finished()));

    client.send("41").await;

    for waiter in waiting {
        assert_eq!(waiter.await.unwrap(), DisconnectReason::ClientLeft);
    }
    assert_eq!(end_of(&socket).await, DisconnectReason::ClientLeft);
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test]
async fn whoever_stops_waiting_for_the_end_of_a_socket_leaves_nothing() {
    let (io, mut sockets) = server();
    let client = Client::join(serve(&io).await).await;
    let socket = sockets.recv().await.unwrap();
    let woken = Arc::new(Nobody);
    for _ in 0..100 {
        let waker = Waker::from(Arc::clone(&woken));
        let mut closed = pin!(socket.closed());
        assert!(
            closed
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(Arc::strong_count(&woken), 1);

    drop(client);

    assert!(matches!(
        end_of(&socket).await,
        DisconnectReason::Connection(_)
    ));
}

#[tokio::test]
async fn a_socket_ends_with_a_server_that_panicked() {
    let (io, mut sockets) = server();
    let mut client = Client::join(serve(&io).await).await;
    let socket = sockets.recv().await.unwrap();
    let waiter = tokio::spawn({
        let socket = socket.clone();
        async move { end_of(&socket).await }
    });
    tokio::task::yield_now().await;

    let service = io.service();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        service.driver().with(|_, _| panic!("on purpose"));
    }));

    assert!(panic.is_err());
    assert_eq!(waiter.await.unwrap(), DisconnectReason::ServerShutdown);
    assert!(!socket.is_connected());
    client.closed().await;
}

#[test]
fn a_socket_ends_with_the_runtime_that_served_it() {
    let (io, mut sockets) = server();
    let mut builder = Builder::new_current_thread();
    let serving = builder.enable_all().build().unwrap();
    let client = serving.block_on(async { Client::join(serve(&io).await).await });
    let other = builder.build().unwrap();
    let socket = serving.block_on(sockets.recv()).unwrap();

    drop(serving);

    let reason = other.block_on(end_of(&socket));
    assert!(
        matches!(reason, DisconnectReason::Connection(_)),
        "{reason:?}"
    );
    drop(client);
}
