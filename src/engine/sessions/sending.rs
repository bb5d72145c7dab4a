//! Packets on their way out.

use alloc::{boxed::Box, vec, vec::Vec};
use core::mem;

use thiserror::Error;

use super::{Link, Pending, Sessions, Sink};
use crate::{
    edge::{Frame, Output, RequestId, Response, ResponseKind, SessionKey},
    engine::{
        codec::Parser,
        outbox::{Displaced, Outgoing, RESERVE, Weight},
        overflow::Overflow,
        payload,
        reason::CloseReason,
    },
};

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It was volatile, and the carrier could not take it at once.
    Dropped,
    /// It was handed over, or it is held: the carrier is busy or absent, or others wait before it.
    /// So many whole packets that had waited were dropped for it.
    Queued { displaced: usize, held: bool },
}

/// A packet was refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closed or closing.
    #[error("the session is closed")]
    Closed,
    /// Too much waits for the client. The session was closed, unless the configuration says
    /// [`Overflow::Refuse`].
    #[error("{queued} bytes would wait for the client, at most {limit} may")]
    QueueFull {
        /// Bytes that would wait.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// The text holds the record separator, U+001E, which long-polling cannot carry (Engine.IO
    /// protocol v4, "Packet encoding", "HTTP long-polling").
    #[error("long-polling cannot carry U+001E")]
    Separator,
}

impl<P: Parser> Sessions<P> {
    /// Sends a packet to an open session.
    pub(crate) fn send(
        &mut self,
        session: SessionKey,
        packet: Outgoing,
        volatile: bool,
        out: &mut impl Sink<P>,
    ) -> Result<Fate, SendError> {
        let lane = self.lane_mut(session).ok_or(SendError::Closed)?;
        if lane.closing.is_some() {
            return Err(SendError::Closed);
        }
        if lane.outbox.is_empty() && lane.is_writable() {
            // An idle WebSocket is what a broadcast meets most: nothing else is touched.
            if let Link::WebSocket { transport, busy } = &mut lane.link {
                *busy = true;
                let transport = *transport;
                let Weight { packets, bytes } = packet.weight();
                self.stats.sent(packets, bytes);
                let batch = packet.into_batch();
                out.push(Output::Transmit { transport, batch });
            } else if let Some(request) = lane.take_poll() {
                let frames: Vec<Frame> = packet.into_frames().collect();
                self.respond_poll(request, Some(session), &frames, out);
            }
            return Ok(Fate::Queued {
                displaced: 0,
                held: false,
            });
        }
        if volatile {
            self.stats.dropped_volatile.count(packet.weight());
            return Ok(Fate::Dropped);
        }
        self.enqueue(session, packet, out)
    }

    /// Lets a packet wait, or does what the configuration says where it does not fit.
    fn enqueue(
        &mut self,
        session: SessionKey,
        packet: Outgoing,
        out: &mut impl Sink<P>,
    ) -> Result<Fate, SendError> {
        let (limit, policy) = (self.config.max_queued, self.config.overflow);
        let lane = self.lane_mut(session).ok_or(SendError::Closed)?;
        let (before, cost) = (lane.outbox.queued(), packet.cost());
        let queued = before.saturating_add(cost);
        let mut displaced = Displaced::default();
        if queued > limit && !lane.outbox.is_empty() {
            let full = SendError::QueueFull { queued, limit };
            let room = match policy {
                Overflow::Close => None,
                Overflow::DropOldest => lane.outbox.make_room(cost, limit),
                Overflow::Refuse if !packet.is_vital => {
                    self.stats.dropped_full.count(packet.weight());
                    return Err(full);
                }
                Overflow::Refuse => (queued <= limit.saturating_add(RESERVE)).then_some(displaced),
            };
            let Some(room) = room else {
                self.stats.dropped_full.count(packet.weight());
                self.close_now(session, CloseReason::QueueFull { queued, limit }, out);
                return Err(full);
            };
            displaced = room;
        }
        lane.outbox.push(packet);
        self.count_displaced(session, displaced);
        self.count_queue(session, before, out);
        Ok(Fate::Queued {
            displaced: displaced.whole,
            held: true,
        })
    }

    /// Bytes that wait for a session's client.
    pub(crate) fn queued(&self, session: SessionKey) -> Option<usize> {
        self.lane(session).map(|lane| lane.outbox.queued())
    }

    /// Gives the carrier what waits, if it takes some now, and ends a close that has become
    /// complete by it.
    pub(super) fn flush(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        let (max_batch, max_poll) = (self.config.max_batch, self.config.max_poll);
        let Some(lane) = self.lane_mut(session) else {
            return;
        };
        match lane.link {
            Link::WebSocket {
                transport,
                busy: false,
            } => {
                let before = lane.outbox.queued();
                if let Some(batch) = lane.outbox.next_batch(max_batch) {
                    lane.link = Link::WebSocket {
                        transport,
                        busy: true,
                    };
                    let (packets, bytes) = batch.weight();
                    self.stats.sent(packets, bytes);
                    out.push(Output::Transmit { transport, batch });
                    self.count_queue(session, before, out);
                }
                self.finish_close(session, out);
            }
            Link::Polling {
                poll: Some(request),
            } if !lane.outbox.is_empty() => {
                // A close that waits does not go along: official clients handle a message later
                // than the close behind it, and would miss what the message says.
                let before = lane.outbox.queued();
                let frames = lane.outbox.next_body(max_poll);
                lane.take_poll();
                self.respond_poll(request, Some(session), &frames, out);
                self.count_queue(session, before, out);
            }
            Link::Polling { .. } | Link::WebSocket { .. } | Link::Closed => {}
        }
    }

    /// Answers a poll with the constant packet that ends it.
    pub(super) fn end_poll(
        &mut self,
        request: RequestId,
        packets: &[&'static str],
        out: &mut impl Sink<P>,
    ) {
        let frames: Vec<Frame> = packets
            .iter()
            .map(|packet| Outgoing::fixed(packet).frame)
            .collect();
        self.respond_poll(request, None, &frames, out);
    }

    fn respond_poll(
        &mut self,
        request: RequestId,
        carries: Option<SessionKey>,
        frames: &[Frame],
        out: &mut impl Sink<P>,
    ) {
        let body = payload::join(frames);
        self.stats.sent(frames.len(), body.len());
        let response = Response {
            status: 200,
            kind: ResponseKind::Poll,
            compress: frames.iter().any(|frame| frame.compress),
            content_type: Some("text/plain; charset=UTF-8"),
            headers: vec![],
            body,
        };
        self.respond(request, carries, response, out);
    }

    /// Answers a request, with the headers that its head has asked for; `carries` names the session
    /// whose packets the answer holds.
    pub(super) fn respond(
        &mut self,
        request: RequestId,
        carries: Option<SessionKey>,
        mut response: Response,
        out: &mut impl Sink<P>,
    ) {
        let by = self.deadlines.answers.arm(self.now, request);
        self.set_stage(request, Pending::Answered { carries, by });
        if let Some(asked) = self.requests.get_mut(request)
            && !asked.headers.is_empty()
        {
            let own = mem::replace(&mut response.headers, mem::take(&mut asked.headers));
            response.headers.extend(own);
        }
        let response = Box::new(response);
        out.push(Output::Respond { request, response });
    }
}
