//! Answers, both ways.

use alloc::collections::BTreeMap;

use super::{
    Server,
    emitting::{emit_error, outgoing},
};
use crate::{
    edge::Stale,
    socket::{
        Args, Packet,
        acks::{Off, Settled},
        event::{AckKey, AckOutcome, EmitError, Event, ReplyToken, SocketKey},
    },
    time::Instant,
};

impl Server {
    /// A client answers. An id that is unknown, or was answered before, is ignored.
    pub(super) fn on_ack(&mut self, socket: SocketKey, id: u64, args: Args) {
        let Some(state) = self.sockets.get_mut(socket) else {
            return;
        };
        let Some(ack) = state.acks.remove(&id) else {
            return;
        };
        self.counters.acks += 1;
        let from = socket;
        self.out.tell(Event::Acked { ack, from, args });
        self.acks.take_off(ack, Off::Answered);
        self.settle_ack(ack);
    }

    /// Reports an ack that is over.
    pub(super) fn settle_ack(&mut self, ack: AckKey) {
        if let Some(Settled { outcome, missing }) = self.acks.settle(ack) {
            self.out.tell(Event::AckDone {
                ack,
                outcome,
                missing,
            });
        }
    }

    /// A socket is gone: nobody waits for its answers any more.
    pub(super) fn release_acks(&mut self, acks: &BTreeMap<u64, AckKey>) {
        for &ack in acks.values() {
            self.acks.take_off(ack, Off::Disconnected);
            self.settle_ack(ack);
        }
    }

    /// An ack's time is over, or the application does not wait any more.
    pub(super) fn end_ack(
        &mut self,
        key: AckKey,
        outcome: Option<AckOutcome>,
    ) -> Result<(), Stale> {
        let ack = self.acks.remove(key).ok_or(Stale)?;
        for &socket in &ack.asked {
            if let Some(socket) = self.sockets.get_mut(socket)
                && socket.acks.get(&ack.id) == Some(&key)
            {
                socket.acks.remove(&ack.id);
            }
        }
        if let Some(outcome) = outcome {
            let missing = ack.missing_now();
            self.out.tell(Event::AckDone {
                ack: key,
                outcome,
                missing,
            });
        }
        Ok(())
    }

    /// Stops waiting for answers: no event names the ack from now on.
    ///
    /// # Errors
    ///
    /// [`Stale`] if it is over already; its last event is in the queue or was taken.
    pub fn cancel(&mut self, ack: AckKey) -> Result<(), Stale> {
        let done = self.end_ack(ack, None);
        self.settle();
        done
    }

    /// Answers an event.
    ///
    /// # Errors
    ///
    /// [`EmitError::Stale`] if the socket that asked is gone, [`EmitError::QueueFull`] if too much
    /// waits for its client.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the right to answer is used up"
    )]
    pub fn reply(
        &mut self,
        now: Instant,
        token: ReplyToken,
        packet: Packet,
    ) -> Result<(), EmitError> {
        self.advance(now);
        let ReplyToken { socket, id } = token;
        let socket = self.sockets.get(socket).ok_or(EmitError::Stale)?;
        let session = socket.session;
        let namespace = self.namespace_of(socket).ok_or(EmitError::Stale)?;
        let sealed = packet.finish(&namespace.name, Some(id));
        let packet = outgoing(sealed);
        let sent = self.sessions.send(session, packet, false, &mut self.out);
        self.settle();
        sent.map(|_| ()).map_err(emit_error)
    }
}
