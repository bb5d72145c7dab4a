//! Answers of many clients, as they come.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::{FusedStream, Stream};
use socketio_proto::socket::{Args, EmitError as SendError, SocketId};

use super::{
    EmitError,
    ack::{AckEntry, BroadcastWithAck, Ticket},
};

impl BroadcastWithAck<'_> {
    /// Sends the event, and gives the answers one by one as they come.
    ///
    /// ```
    /// # async fn example(io: socketio_tokio::Io) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let mut answers = io.to("voters").emit_with_ack("vote", ()).timeout(Duration::from_secs(1)).stream()?;
    /// while let Some((voter, answer)) = answers.next().await {
    ///     let (vote,): (String,) = answer.parse()?;
    ///     println!("{voter} votes {vote}");
    /// }
    /// println!("{} did not vote", answers.missing());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded. Missing answers are no error.
    pub fn stream(self) -> Result<BroadcastAnswers, EmitError> {
        let Self { audience, event } = self;
        let (packet, options) = event.into_packet(true)?;
        let shared = Arc::<Shared>::default();
        let teller = Teller(Arc::clone(&shared));
        let ack = audience.send(packet, options, |tables, sent| {
            let key = sent.ack.ok_or(SendError::Stale)?;
            tables.acks.insert(key, AckEntry::Each(teller));
            Ok(key)
        });
        let key = ack.and_then(|ack| ack)?;
        Ok(BroadcastAnswers {
            shared,
            ticket: Ticket::new(audience.link.clone(), key),
            end: None,
        })
    }
}

/// The answers of many clients, one by one in the order in which they come.
///
/// It ends when everybody has answered or disconnected, or time is over; then it says how many did
/// not answer. Dropped, it stops waiting: later answers are ignored. It is a [`Stream`], too.
pub struct BroadcastAnswers {
    shared: Arc<Shared>,
    ticket: Ticket,
    end: Option<End>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub(super) missing: usize,
    pub(super) timed_out: bool,
}

impl BroadcastAnswers {
    /// Waits for the next answer; `None` at the end. Dropped before, it has taken none.
    #[allow(clippy::should_implement_trait, reason = "it waits")]
    pub async fn next(&mut self) -> Option<(SocketId, Args)> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// How many sockets did not answer: in time, before they disconnected, or at all because the
    /// event was dropped for them. It is known at the end, and 0 before.
    pub fn missing(&self) -> usize {
        self.end.unwrap_or_default().missing
    }

    /// Whether time was over before everybody had answered or disconnected. It is known at the end,
    /// and false before.
    pub fn timed_out(&self) -> bool {
        self.end.unwrap_or_default().timed_out
    }
}

impl Stream for BroadcastAnswers {
    type Item = (SocketId, Args);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // What it replaces is dropped without the lock: a waker can be anything.
        let mut waker = Some(context.waker().clone());
        let mut state = self.shared.lock();
        let answer = state.answers.pop_front();
        let end = state.end;
        if answer.is_none() && end.is_none() {
            mem::swap(&mut state.waker, &mut waker);
            drop(state);
            return Poll::Pending;
        }
        drop(state);
        if answer.is_none() {
            self.end = end;
            self.ticket.settle();
        }
        Poll::Ready(answer)
    }
}

impl FusedStream for BroadcastAnswers {
    fn is_terminated(&self) -> bool {
        self.end.is_some()
    }
}

impl fmt::Debug for BroadcastAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastAnswers")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// One of each socket at most.
    answers: VecDeque<(SocketId, Args)>,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other end. Dropped, the stream ends.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Shared>);

impl Teller {
    /// Adds an answer. Whoever waits is to be woken when the lock is free.
    pub(super) fn answer(&self, from: SocketId, args: Args) -> Option<Waker> {
        let mut state = self.0.lock();
        state.answers.push_back((from, args));
        state.waker.take()
    }

    /// No more answers come. Whoever waits is to be woken when the lock is free.
    pub(super) fn end(&self, end: End) -> Option<Waker> {
        let mut state = self.0.lock();
        state.end.get_or_insert(end);
        state.waker.take()
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        // If the end was not told, the server is or has panicked.
        if let Some(waker) = self.end(End::default()) {
            waker.wake();
        }
    }
}
