//! WebSockets: the task that has one reads, writes and closes it.
//!
//! The WebSocket crate is used in this module only (decision 0002).

mod connection;
pub(crate) mod handshake;
mod metered;

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use futures_sink::Sink;
use http::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use socketio_proto::edge::Lost;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};

use self::{
    connection::{Connection, Ending},
    metered::Metered,
};
use crate::{
    body::Body,
    driver::{Begun, Drivable, Handler},
    mailbox::{Close, Mailbox},
    state::Accept,
    transport::Transport,
};

/// How long writing the rest may take: about as long as a session lives whose client does not
/// answer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(45);

/// How long the peer's answer to a close frame may take once everything was written, as in the
/// reference (`ws`). Much of it may be in the kernel's buffers still, on its way to a slow peer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of a peer that was closed are read and dropped, before its close frame and
/// after, so that what was written to it is not lost to a reset.
const MAX_DISCARD: u64 = 4 << 20;

type Socket = WebSocketStream<Metered<TokioIo<Upgraded>>>;

/// Answers a request that becomes a WebSocket, and starts the task that will have it.
pub(crate) fn accept<M: Drivable, H: Handler<M>>(
    begun: Begun<M, H>,
    accept: &Accept<M::Parser>,
    headers: &HeaderMap,
    upgrade: OnUpgrade,
) -> http::Response<Body> {
    // Reports the loss if the handshake fails.
    let transport = Transport::new(begun, accept);
    match handshake::accept(headers, &accept.headers) {
        Ok(response) => {
            tokio::spawn(run(transport, upgrade, accept.limit));
            response
        }
        Err(error) => error.response(),
    }
}

/// Has one WebSocket from its handshake to its end.
async fn run<M: Drivable, H: Handler<M>>(
    mut transport: Transport<M, H>,
    upgrade: OnUpgrade,
    limit: usize,
) {
    let closed = poll_fn(|cx| transport.mailbox.poll_closed(cx));
    let upgraded = tokio::select! {
        // The machine gave up waiting.
        _ = closed => return,
        upgraded = upgrade => upgraded,
    };
    // Otherwise the connection died before the handshake was written.
    let Ok(upgraded) = upgraded else { return };
    let mut socket = ServerBuilder::new()
        // It writes when it is told to.
        .config(Config::default().flush_threshold(usize::MAX))
        .limits(Limits::default().max_payload_len(Some(limit)))
        .serve(Metered::new(TokioIo::new(upgraded)));
    transport.open();
    let mut connection = Connection::new(&mut socket, &transport);
    let ending = poll_fn(|cx| connection.poll(cx)).await;
    let farewell = match ending {
        Ending::Asked(Close::Abort) => return,
        // Without a code, like the reference.
        Ending::Asked(Close::Flush) => Message::close(None, ""),
        Ending::Lost(lost) => {
            transport.lost(lost);
            let code = (lost == Lost::TooBig).then_some(CloseCode::MESSAGE_TOO_BIG);
            Message::close(code, "")
        }
    };
    // Boxed, because it would make every open connection's task larger.
    Box::pin(end(socket, farewell, &transport.mailbox)).await;
}

/// Closes a WebSocket in order, within bounds. An abort cuts it short.
async fn end(socket: Socket, farewell: Message, mailbox: &Mailbox) {
    let aborted = poll_fn(|cx| mailbox.poll_aborted(cx));
    tokio::select! {
        () = say_goodbye(socket, farewell) => {}
        () = aborted => {}
    }
}

/// Writes what was handed over and a close frame, waits for the peer's, and ends the connection.
async fn say_goodbye(mut socket: Socket, farewell: Message) {
    // Refused if the WebSocket crate has sent a close frame of its own, as an answer to the
    // peer's or because the peer broke the protocol.
    _ = Pin::new(&mut socket).start_send(farewell);
    let flush = poll_fn(|cx| Pin::new(&mut socket).poll_flush(cx));
    if let Ok(Ok(())) = timeout(FLUSH_TIMEOUT, flush).await {
        _ = timeout(CLOSE_TIMEOUT, wait_for_peer(socket)).await;
    }
}

/// Waits for the peer's close frame, then for the end of its connection.
async fn wait_for_peer(mut socket: Socket) {
    let most = socket.get_ref().read() + MAX_DISCARD;
    // A peer may send without ever completing a message: what counts are its bytes.
    let mut next = |cx: &mut Context<'_>| match Pin::new(&mut socket).poll_next(cx) {
        Poll::Ready(Some(Ok(_))) if socket.get_ref().read() < most => Poll::Ready(true),
        Poll::Pending if socket.get_ref().read() < most => Poll::Pending,
        _ => Poll::Ready(false),
    };
    while poll_fn(&mut next).await {}
    let mut io = socket.into_inner();
    if io.shutdown().await.is_ok() {
        // Closing with unread bytes would reset the connection and lose what was just written.
        _ = tokio::io::copy(&mut io.take(MAX_DISCARD), &mut tokio::io::sink()).await;
    }
}
