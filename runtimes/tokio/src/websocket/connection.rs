//! An open WebSocket: reads what came, writes what is wanted, without either waiting for the other.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::Stream;
use futures_sink::Sink;
use socketio_proto::edge::{self, Batch, Frame, FrameKind, Lost};
use tokio_websockets::{Error, Message};

use super::Socket;
use crate::{
    driver::{Drivable, Handler},
    mailbox::{Close, Duty},
    transport::Transport,
};

/// How many messages are read before what they caused is written.
const MAX_READ: usize = 32;

/// How many bytes of messages are read before they are reported.
const MAX_READ_BYTES: usize = 1 << 20;

/// How often a connection that never waits reads and writes before others get their turn.
const MAX_ROUNDS: usize = 16;

/// As long as less than this was queued since the last flush, a queued batch counts as sent: the
/// next one joins it in one write. What a slow peer holds up beyond its queue is at most this much
/// and one batch.
const COALESCE: usize = 64 << 10;

/// What a queued frame costs beside its payload, about.
const FRAME_OVERHEAD: usize = 64;

/// How many answers to pings may wait to be written; reading waits then.
const MAX_PONGS: usize = 64;

/// How many bytes of read buffers such answers may keep alive: each is a slice of the one that its
/// ping was read into, which is as large as the largest message.
const MAX_PINNED: usize = 1 << 20;

/// The largest message that is always copied out of the buffer that it was read into. A buffer has
/// 8 KiB, or more if a message was larger.
const MAX_COPY: usize = 1 << 10;

/// How an open WebSocket ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The machine asked for it.
    Asked(Close),
    /// The peer or the network did it.
    Lost(Lost),
}

pub(super) struct Connection<'a, M: Drivable, H: Handler<M>> {
    socket: &'a mut Socket,
    transport: &'a Transport<M, H>,
    /// Bytes queued since the last complete flush.
    queued: usize,
    /// Whether something was queued since the last complete flush.
    is_dirty: bool,
    /// Answers to pings that were queued since the last complete flush.
    pongs: usize,
    /// Whether a batch waits for the flush to be reported.
    is_unreported: bool,
    /// The length of the largest message until now: as large may the buffer be that the next one
    /// is read into.
    largest: usize,
}

impl<'a, M: Drivable, H: Handler<M>> Connection<'a, M, H> {
    pub(super) fn new(socket: &'a mut Socket, transport: &'a Transport<M, H>) -> Self {
        Self {
            socket,
            transport,
            queued: 0,
            is_dirty: false,
            pongs: 0,
            is_unreported: false,
            largest: 0,
        }
    }

    /// Reads all that is there, then queues, then flushes once: the WebSocket crate flushes before
    /// it reads, so taking turns would cost a write per message (decision 0002).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        for _ in 0..MAX_ROUNDS {
            let read = self.poll_read(cx);
            if let Poll::Ready(Err(lost)) = read {
                return Poll::Ready(Ending::Lost(lost));
            }
            let wrote = self.poll_write(cx);
            if let Poll::Ready(ending) = wrote {
                return Poll::Ready(ending);
            }
            if read.is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and reports messages. Pending if no more are there, or none are wanted: what the
    /// kernel's buffers do not hold then stays with the peer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        ready!(self.transport.mailbox.poll_reading(cx));
        let mut messages = Vec::new();
        let mut bytes = 0;
        let end = loop {
            if messages.len() == MAX_READ || bytes >= MAX_READ_BYTES {
                break Poll::Ready(Ok(()));
            }
            if self.pongs >= most_pongs(self.largest) {
                break Poll::Pending; // Until the flush that `poll_write` tries is complete.
            }
            match Pin::new(&mut *self.socket).poll_next(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Some(Ok(message))) if message.is_close() => {
                    let code = message.as_close().map_or(NO_CODE, |(code, _)| code.into());
                    break Poll::Ready(Err(Lost::Closed { code }));
                }
                Poll::Ready(Some(Ok(message))) => {
                    bytes += message.as_payload().len();
                    match self.inbound(message) {
                        Ok(Some(message)) => messages.push(self.transport.decode(message)),
                        Ok(None) => {}
                        Err(lost) => break Poll::Ready(Err(lost)),
                    }
                }
                Poll::Ready(Some(Err(error))) => break Poll::Ready(Err(lost(&error))),
                Poll::Ready(None) => break Poll::Ready(Err(CUT)),
            }
        };
        if !messages.is_empty() {
            self.transport.read(messages);
        }
        end
    }

    /// Makes the machine's message of the crate's; none of a control frame.
    fn inbound(&mut self, message: Message) -> Result<Option<edge::Message>, Lost> {
        if message.is_text() {
            let payload = self.own(message);
            // The crate has checked it already; without `unsafe` it has to be checked again.
            let text = ByteString::try_from(payload).map_err(|_| Lost::Failed)?;
            return Ok(Some(edge::Message::Text(text)));
        }
        if message.is_binary() {
            return Ok(Some(edge::Message::Binary(self.own(message))));
        }
        if message.is_ping() {
            // The crate has queued the answer.
            self.pongs += 1;
            self.is_dirty = true;
        }
        Ok(None)
    }

    /// Takes the payload of a message. It is copied if it may be a small part of its buffer, which
    /// would stay alive with every message that somebody keeps.
    fn own(&mut self, message: Message) -> Bytes {
        let payload = message.into_payload();
        self.largest = self.largest.max(payload.len());
        if payload.len() <= MAX_COPY || payload.len() < self.largest / 8 {
            Bytes::copy_from_slice(&payload)
        } else {
            payload.into()
        }
    }

    /// Does what the machine wants. Pending until there is more to do.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            while !self.is_unreported
                && let Poll::Ready(duty) = self.transport.mailbox.poll_duty(cx)
            {
                match duty {
                    Duty::Close(close) => return Poll::Ready(Ending::Asked(close)),
                    Duty::Write(batch) => {
                        if let Err(error) = self.queue(batch) {
                            return Poll::Ready(Ending::Lost(lost(&error)));
                        }
                    }
                }
            }
            if self.is_unreported
                && let Poll::Ready(close) = self.transport.mailbox.poll_closed(cx)
            {
                return Poll::Ready(Ending::Asked(close));
            }
            if !self.is_dirty {
                return Poll::Pending;
            }
            if let Err(error) = ready!(Pin::new(&mut *self.socket).poll_flush(cx)) {
                return Poll::Ready(Ending::Lost(lost(&error)));
            }
            self.is_dirty = false;
            self.queued = 0;
            // Reading may have waited for this.
            let had_to_wait = self.pongs >= most_pongs(self.largest);
            self.pongs = 0;
            if mem::take(&mut self.is_unreported) {
                self.transport.sent();
            }
            if had_to_wait {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn queue(&mut self, batch: Batch) -> Result<(), Error> {
        for frame in batch.into_frames() {
            self.queued += FRAME_OVERHEAD + frame.payload.len();
            Pin::new(&mut *self.socket).start_send(outbound(frame))?;
        }
        self.is_dirty = true;
        if self.queued < COALESCE {
            self.transport.sent();
        } else {
            self.is_unreported = true;
        }
        Ok(())
    }
}

/// How many answers to pings may wait on a connection whose largest message had this length.
fn most_pongs(largest: usize) -> usize {
    (MAX_PINNED / largest.max(1)).clamp(1, MAX_PONGS)
}

/// Makes the crate's message of the machine's. The payload is shared, not copied.
fn outbound(frame: Frame) -> Message {
    match frame.kind {
        FrameKind::Binary => Message::binary(frame.payload),
        FrameKind::Text => Message::text(frame.payload),
    }
}

/// The peer's close frame had no code (RFC 6455, 7.1.5).
const NO_CODE: u16 = 1005;

/// The connection ended without a close frame (RFC 6455, 7.1.5).
const CUT: Lost = Lost::Closed { code: 1006 };

fn lost(error: &Error) -> Lost {
    match error {
        // The network, not the peer's program, ended it.
        Error::AlreadyClosed | Error::Io(_) => CUT,
        Error::PayloadTooLong { .. } => Lost::TooBig,
        _ => Lost::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_the_buffers_the_fewer_answers_to_pings_wait() {
        for (largest, most) in [
            (0, 64),
            (16 << 10, 64),
            (32 << 10, 32),
            (1_000_000, 1),
            (usize::MAX, 1),
        ] {
            assert_eq!(most_pongs(largest), most, "{largest}");
        }
    }
}
