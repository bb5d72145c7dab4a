//! Sending to one socket in a special way.

use std::time::Duration;

use socketio_proto::socket::Sent;

use super::{
    Arguments, Broadcast, EmitError, EmitWithAck, Rooms, Socket,
    packet::{Flags, Outgoing},
};

/// How to send the next event to a socket, or from it to others.
///
/// ```
/// # fn example(socket: socketio_tokio::Socket) -> Result<(), Box<dyn std::error::Error>> {
/// // socket.volatile.emit("position", 1, 2);
/// socket.volatile().emit("position", (1, 2))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing happens before the last call of a chain, such as `emit`"]
pub struct Emitter<'a> {
    socket: &'a Socket,
    flags: Flags,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(socket: &'a Socket) -> Self {
        let flags = Flags::default();
        Self { socket, flags }
    }

    /// Drops the event if it cannot leave at once.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Says whether compressing is allowed; it is by default.
    pub fn compress(mut self, allowed: bool) -> Self {
        self.flags.compress = allowed;
        self
    }

    /// Waits at most this long for an answer; see [`emit_with_ack`](Self::emit_with_ack).
    pub fn timeout(mut self, span: Duration) -> Self {
        self.flags.timeout = Some(span);
        self
    }

    /// Sends to the members of these rooms, this socket left out.
    pub fn to(self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.broadcast().to(rooms)
    }

    /// Sends to everybody but this socket and the members of these rooms.
    pub fn except(self, rooms: impl Rooms<'a>) -> Broadcast<'a> {
        self.broadcast().except(rooms)
    }

    /// Sends to everybody in the namespace but this socket.
    pub fn broadcast(self) -> Broadcast<'a> {
        self.socket.broadcast_with(self.flags)
    }

    /// Sends an event to the client. See [`Socket::emit`].
    ///
    /// # Errors
    ///
    /// See [`Socket::emit`].
    pub fn emit(self, event: &str, args: impl Arguments) -> Result<Sent, EmitError> {
        let (packet, options) = Outgoing::new(event, args, self.flags).into_packet(false)?;
        Ok(self.socket.send(packet, options, |_, sent| sent)?)
    }

    /// Sends an event to the client and waits for its answer. See [`Socket::emit_with_ack`].
    ///
    /// # Errors
    ///
    /// See [`Socket::emit_with_ack`].
    pub fn emit_with_ack(self, event: &str, args: impl Arguments) -> EmitWithAck<'a> {
        let Self { socket, flags } = self;
        let event = Outgoing::new(event, args, flags);
        EmitWithAck { socket, event }
    }
}
