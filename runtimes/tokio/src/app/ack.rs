//! Waiting for clients' answers.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use socketio_proto::socket::{AckKey, AckOutcome, Args, EmitError as SendError, SocketId, Wait};
use tokio::sync::oneshot;

use super::{
    AckError, EmitError,
    answers::{End, Teller},
    broadcast::Audience,
    link::Link,
    packet::Outgoing,
    socket::Socket,
};

/// An event for one socket that asks for an answer. It is sent when this is awaited.
#[derive(Debug)]
#[must_use = "the event is sent when this is awaited"]
pub struct EmitWithAck<'a> {
    pub(super) socket: &'a Socket,
    pub(super) event: Outgoing,
}

impl EmitWithAck<'_> {
    /// Waits at most this long for the answer. Without it, until the client answers or
    /// disconnects.
    pub fn timeout(mut self, span: Duration) -> Self {
        self.event.flags.timeout = Some(span);
        self
    }
}

impl IntoFuture for EmitWithAck<'_> {
    type Output = Result<Args, AckError>;
    type IntoFuture = AckFuture;

    /// Sends the event.
    fn into_future(self) -> AckFuture {
        let Self { socket, event } = self;
        let link = socket.link();
        let (sender, receiver) = oneshot::channel();
        let (packet, options) = match event.into_packet(true) {
            Ok(packet) => packet,
            Err(error) => return AckFuture::failed(AckError::Emit(error)),
        };
        let ack = socket.send(packet, options, |tables, sent| {
            let key = sent.ack.ok_or(AckError::Dropped)?;
            tables.acks.insert(key, AckEntry::One(sender));
            Ok(key)
        });
        match ack.unwrap_or_else(|error| Err(EmitError::Send(error).into())) {
            Ok(key) => AckFuture(State::Waiting {
                receiver,
                ticket: Ticket::new(link.clone(), key),
            }),
            Err(error) => AckFuture::failed(error),
        }
    }
}

/// The answer of one client, to be waited for. The event is on its way.
///
/// It completes as soon as the answer came, time is over, or the socket is gone, whatever else the
/// socket's handlers are busy with. So a handler may wait for an answer of its own client. Dropped,
/// it stops waiting: the answer is ignored.
#[derive(Debug)]
pub struct AckFuture(State);

#[derive(Debug)]
enum State {
    Failed(Option<AckError>),
    Waiting {
        receiver: oneshot::Receiver<Result<Args, AckError>>,
        ticket: Ticket,
    },
}

impl AckFuture {
    fn failed(error: AckError) -> Self {
        Self(State::Failed(Some(error)))
    }
}

impl Future for AckFuture {
    type Output = Result<Args, AckError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Failed(error) => {
                Poll::Ready(Err(error.take().expect("not polled after completion")))
            }
            State::Waiting { receiver, ticket } => {
                let answer = std::task::ready!(Pin::new(receiver).poll(context));
                ticket.settle();
                // The sender is dropped without an answer only if the server is or has panicked.
                Poll::Ready(answer.unwrap_or(Err(AckError::Disconnected)))
            }
        }
    }
}

/// An event for many sockets that asks each for an answer. It is sent when this is awaited.
#[derive(Debug)]
#[must_use = "the event is sent when this is awaited"]
pub struct BroadcastWithAck<'a> {
    pub(super) audience: Audience<'a>,
    pub(super) event: Outgoing,
}

impl BroadcastWithAck<'_> {
    /// Waits at most this long for the answers. Without it, until each client answered or
    /// disconnected.
    pub fn timeout(mut self, span: Duration) -> Self {
        self.event.flags.timeout = Some(span);
        self
    }
}

impl IntoFuture for BroadcastWithAck<'_> {
    type Output = Result<BroadcastAck, EmitError>;
    type IntoFuture = BroadcastAckFuture;

    /// Sends the event.
    fn into_future(self) -> BroadcastAckFuture {
        let Self { audience, event } = self;
        let (sender, receiver) = oneshot::channel();
        let (packet, options) = match event.into_packet(true) {
            Ok(packet) => packet,
            Err(error) => return BroadcastAckFuture::failed(error),
        };
        let ack = audience.send(packet, options, |tables, sent| {
            let key = sent.ack.ok_or(SendError::Stale)?;
            let answers = Vec::with_capacity(sent.queued);
            tables.acks.insert(key, AckEntry::Many { answers, sender });
            Ok(key)
        });
        match ack.and_then(|ack| ack).map_err(EmitError::Send) {
            Ok(key) => BroadcastAckFuture(BroadcastState::Waiting {
                receiver,
                ticket: Ticket::new(audience.link.clone(), key),
            }),
            Err(error) => BroadcastAckFuture::failed(error),
        }
    }
}

/// What came of asking many sockets.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BroadcastAck {
    /// Who answered what, in the order in which the answers came.
    pub answers: Vec<(SocketId, Args)>,
    /// How many sockets did not answer: in time, before they disconnected, or at all because the
    /// event was dropped for them.
    pub missing: usize,
    /// Whether time was over before everybody had answered or disconnected.
    pub timed_out: bool,
}

/// The answers of many clients, to be waited for. The event is on its way.
///
/// Dropped, it stops waiting: the answers are ignored.
#[derive(Debug)]
pub struct BroadcastAckFuture(BroadcastState);

#[derive(Debug)]
enum BroadcastState {
    Failed(Option<EmitError>),
    Waiting {
        receiver: oneshot::Receiver<BroadcastAck>,
        ticket: Ticket,
    },
}

impl BroadcastAckFuture {
    fn failed(error: EmitError) -> Self {
        Self(BroadcastState::Failed(Some(error)))
    }
}

impl Future for BroadcastAckFuture {
    type Output = Result<BroadcastAck, EmitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            BroadcastState::Failed(error) => {
                Poll::Ready(Err(error.take().expect("not polled after completion")))
            }
            BroadcastState::Waiting { receiver, ticket } => {
                let answer = std::task::ready!(Pin::new(receiver).poll(context));
                ticket.settle();
                // The sender is dropped without an answer only if the server is or has panicked.
                Poll::Ready(Ok(answer.unwrap_or_default()))
            }
        }
    }
}

/// Cancels an ack that nobody waits for any more.
#[derive(Debug)]
pub(super) struct Ticket {
    link: Link,
    key: Option<AckKey>,
}

impl Ticket {
    pub(super) fn new(link: Link, key: AckKey) -> Self {
        let key = Some(key);
        Self { link, key }
    }

    pub(super) fn settle(&mut self) {
        self.key = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(key) = self.key else {
            return;
        };
        let entry = self.link.try_with(|server, tables, _| {
            // If it is stale, it is over already.
            _ = server.cancel(key);
            tables.acks.remove(key)
        });
        drop(entry);
    }
}

/// Who waits for an ack, and what was answered so far.
#[derive(Debug)]
pub(crate) enum AckEntry {
    /// Answers are wanted one by one.
    Each(Teller),
    One(oneshot::Sender<Result<Args, AckError>>),
    Many {
        answers: Vec<(SocketId, Args)>,
        sender: oneshot::Sender<BroadcastAck>,
    },
}

impl AckEntry {
    /// There will be no more answers: what must be told in the order of the events. Whoever waits is
    /// to be woken when the lock is free.
    pub(crate) fn end(&self, outcome: AckOutcome, missing: usize) -> Option<Waker> {
        let timed_out = outcome == AckOutcome::TimedOut;
        match self {
            Self::Each(teller) => teller.end(End { missing, timed_out }),
            Self::Many { .. } | Self::One(_) => None,
        }
    }

    /// There will be no more answers. It may run a waker: not under the lock.
    pub(crate) fn on_done(self, outcome: AckOutcome, missing: usize) {
        match self {
            // Its end was told under the lock, behind the answers.
            Self::Each(_) => {}
            Self::One(sender) => {
                let error = match outcome {
                    AckOutcome::TimedOut => AckError::TimedOut,
                    AckOutcome::Complete | AckOutcome::Disconnected => AckError::Disconnected,
                };
                _ = sender.send(Err(error));
            }
            Self::Many { answers, sender } => {
                _ = sender.send(BroadcastAck {
                    answers,
                    missing,
                    timed_out: outcome == AckOutcome::TimedOut,
                });
            }
        }
    }
}

/// How long to wait for answers.
pub(super) fn wait(timeout: Option<Duration>) -> Wait {
    timeout.map_or(Wait::Forever, Wait::AtMost)
}
