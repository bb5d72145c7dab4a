//! Events on their way out: encode, publish, deliver.

use core::num::NonZeroU32;

use super::{Broadcasts, Server};
use crate::{
    engine::{SendError, outbox::Outgoing, sessions::Fate},
    rooms::Member,
    socket::{
        Packet,
        acks::Off,
        encode::Sealed,
        event::{AckKey, EmitError, NamespaceKey, Options, Sent, SocketKey, To, Wait},
    },
    time::Instant,
};

impl Server {
    /// Sends an event to one socket or to many. It is encoded once, whatever the number.
    ///
    /// A socket that takes no more never fails a broadcast: it is counted as dropped, and as missing
    /// among the answers.
    ///
    /// # Errors
    ///
    /// To one socket: [`EmitError::Stale`] if it is gone, [`EmitError::QueueFull`] if too much
    /// waits for its client, whose connection was then closed unless the configuration says
    /// [`Overflow::Refuse`](crate::engine::Overflow::Refuse), [`EmitError::TooManyAcks`] if it
    /// owes too many answers. To a group: [`EmitError::Stale`] if the namespace is gone.
    pub fn emit(
        &mut self,
        now: Instant,
        to: To<'_>,
        packet: Packet,
        options: Options,
    ) -> Result<Sent, EmitError> {
        self.advance(now);
        let namespace = self.check_emit(to, options)?;
        let (ack_id, ack) = self.begin_ack(namespace, to, options.ack);
        let mut packet = packet;
        let position = self.stamp_event(&mut packet, options);
        let packet = self.encode(namespace, packet, ack_id, to, options);
        // Publishing to other servers stands here: nothing listens yet.
        let sent = self.deliver(to, &packet, options, ack_id.zip(ack));
        if let Some(position) = position
            && sent.is_ok()
        {
            self.keep_event(position, to, packet);
        }
        self.settle();
        if let Ok(sent) = &sent {
            self.counters.emits += 1;
            self.counters.queued += sent.queued as u64;
            self.counters.dropped += sent.dropped as u64;
        }
        sent
    }

    /// Says which namespace an emit belongs to, or why it must fail.
    fn check_emit(&self, to: To<'_>, options: Options) -> Result<NamespaceKey, EmitError> {
        match to {
            To::Group { namespace, .. } => self
                .namespaces
                .open(namespace)
                .map(|_| namespace)
                .ok_or(EmitError::Stale),
            To::Socket(socket) => {
                let socket = self.sockets.get(socket).ok_or(EmitError::Stale)?;
                let limit = self.config.max_acks;
                if options.ack != Wait::No && socket.acks.len() >= limit {
                    return Err(EmitError::TooManyAcks { limit });
                }
                Ok(socket.namespace)
            }
        }
    }

    fn begin_ack(
        &mut self,
        namespace: NamespaceKey,
        to: To<'_>,
        wait: Wait,
    ) -> (Option<u64>, Option<AckKey>) {
        let deadline = match wait {
            Wait::No => return (None, None),
            Wait::Forever => None,
            // What lies beyond the end of the clock is never due.
            Wait::AtMost(span) => Some(self.now + span).filter(|&at| at < Instant::MAX),
        };
        let Some(namespace) = self.namespaces.get_mut(namespace) else {
            return (None, None);
        };
        let id = namespace.take_ack_id();
        let is_single = matches!(to, To::Socket(_));
        if let Some(deadline) = deadline {
            // Its length is the application's choice: it may be due before any other.
            self.quiet_until = self.quiet_until.min(deadline);
        }
        let taken = self.out.outputs.taken();
        let ack = self.acks.insert(taken, id, is_single, deadline);
        (Some(id), Some(ack))
    }

    fn encode(
        &mut self,
        namespace: NamespaceKey,
        packet: Packet,
        ack: Option<u64>,
        to: To<'_>,
        options: Options,
    ) -> Outgoing {
        let name = self.namespaces.get(namespace).map(|it| &*it.name);
        let mut packet = outgoing(packet.finish(name.unwrap_or("/"), ack));
        packet.frame.compress = options.compress;
        if matches!(to, To::Group { .. }) {
            packet.frame.shared = self.broadcasts.next();
        }
        packet
    }

    /// Hands an encoded packet to the connections of its targets.
    fn deliver(
        &mut self,
        to: To<'_>,
        packet: &Outgoing,
        options: Options,
        ack: Option<(u64, AckKey)>,
    ) -> Result<Sent, EmitError> {
        let mut sent = Sent {
            queued: 0,
            held: 0,
            dropped: 0,
            displaced: 0,
            ack: ack.map(|(_, key)| key),
        };
        match to {
            To::Socket(socket) => {
                let result = self.deliver_to(socket, packet, options, ack);
                match (result, ack) {
                    (Ok(Fate::Queued { displaced, held }), _) => {
                        sent.held = usize::from(held);
                        sent.queued = 1;
                        sent.displaced = displaced;
                    }
                    (Ok(Fate::Dropped), ack) => {
                        // Nobody will answer what was not sent.
                        sent.dropped = 1;
                        sent.ack = None;
                        self.forget_ack(ack);
                    }
                    (Err(error), ack) => {
                        self.forget_ack(ack);
                        return Err(error);
                    }
                }
            }
            To::Group {
                namespace,
                rooms,
                except,
                without,
            } => {
                let targets = self.select(namespace, rooms, except, without);
                for &member in &targets {
                    self.deliver_to_member(member, packet, options, ack, &mut sent);
                }
                self.broadcasts.targets = targets;
                if let Some((_, key)) = ack {
                    self.settle_ack(key);
                }
            }
        }
        Ok(sent)
    }

    fn forget_ack(&mut self, ack: Option<(u64, AckKey)>) {
        if let Some((_, key)) = ack {
            // It was made for this emit and is still there.
            _ = self.end_ack(key, None);
        }
    }

    fn deliver_to(
        &mut self,
        socket: SocketKey,
        packet: &Outgoing,
        options: Options,
        ack: Option<(u64, AckKey)>,
    ) -> Result<Fate, EmitError> {
        let session = self.session_of(socket).ok_or(EmitError::Stale)?;
        let fate = self
            .sessions
            .send(session, packet.clone(), options.volatile, &mut self.out)
            .map_err(emit_error)?;
        if let (Fate::Queued { .. }, Some((id, key))) = (fate, ack)
            && let Some(state) = self.sockets.get_mut(socket)
        {
            state.acks.insert(id, key);
            self.acks.ask(key, socket);
        }
        Ok(fate)
    }

    /// Delivers to one member of a group. Without an ack this touches nothing of the socket but
    /// its route.
    fn deliver_to_member(
        &mut self,
        member: Member,
        packet: &Outgoing,
        options: Options,
        ack: Option<(u64, AckKey)>,
        sent: &mut Sent,
    ) {
        let Some(&Some(session)) = self.routes.get(member as usize) else {
            return;
        };
        if let Some((id, key)) = ack {
            let limit = self.config.max_acks;
            match self.sockets.at_mut(member as usize) {
                Some((socket, state)) if state.acks.len() < limit => {
                    state.acks.insert(id, key);
                    self.acks.ask(key, socket);
                }
                _ => {
                    self.acks.miss(key);
                    sent.dropped += 1;
                    return;
                }
            }
        }
        let fate = self
            .sessions
            .send(session, packet.clone(), options.volatile, &mut self.out);
        if let Ok(Fate::Queued { displaced, held }) = fate {
            sent.held += usize::from(held);
            sent.queued += 1;
            sent.displaced += displaced;
            return;
        }
        sent.dropped += 1;
        if let Some((id, key)) = ack
            && let Some((_, state)) = self.sockets.at_mut(member as usize)
        {
            state.acks.remove(&id);
            self.acks.take_off(key, Off::Disconnected);
        }
    }
}

/// Why a packet did not go to one socket.
pub(super) fn emit_error(error: SendError) -> EmitError {
    match error {
        SendError::QueueFull { queued, limit } => EmitError::QueueFull { queued, limit },
        SendError::Closed | SendError::Separator => EmitError::Stale,
    }
}

/// A finished packet, as the layer below sends it.
pub(super) fn outgoing(sealed: Sealed) -> Outgoing {
    Outgoing {
        attachments: sealed.attachments,
        ..Outgoing::text(sealed.text)
    }
}

impl Broadcasts {
    /// The number of the next broadcast.
    fn next(&mut self) -> Option<NonZeroU32> {
        self.last = self.last.checked_add(1).unwrap_or(1);
        NonZeroU32::new(self.last)
    }
}
