//! What sits on top of a machine in a simulation.

mod chatter;
mod events;
mod hub;

use std::time::Duration;

use socketio_proto::{
    socket::{self, EmitError, Options, Packet, PendingKey, Sent, SocketKey, To},
    time::Instant,
};

pub use self::{
    chatter::{Chatter, Sends},
    events::Events,
    hub::{Duties, Hub},
};
use crate::{ledger::LifeId, subject::Subject, world::Scene};

/// An application: it is told events and gives commands.
pub trait Application<M: Subject> {
    /// The machine tells something; `life` is whom a session's event is about.
    fn on_event(
        &mut self,
        now: Instant,
        machine: &mut M,
        event: M::Event,
        life: Option<LifeId>,
        scene: &mut Scene<'_>,
    );

    /// It is time to do something; says after which span to be woken again.
    fn on_wake(&mut self, now: Instant, machine: &mut M, scene: &mut Scene<'_>)
    -> Option<Duration>;
}

/// How an application behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// How often it does something.
    pub acts_every: Duration,
    /// The longest padding of a message.
    pub padding: usize,
    /// How often, in a thousand acts, it closes a session.
    pub closes: u32,
    /// How often, in a thousand acts, it sends more than may wait.
    pub floods: u32,
    /// How often, in a thousand messages, it answers one.
    pub answers: u32,
    /// How often, in a thousand acts, it stops reading a session, for a while or for good.
    pub pauses: u32,
    /// How often, in a thousand handshakes, it decides later or never, or denies one.
    pub hesitates: u32,
}

impl Manners {
    /// Sends and answers, and closes now and then.
    pub const fn lively() -> Self {
        Self {
            acts_every: Duration::from_millis(200),
            padding: 300,
            closes: 15,
            floods: 5,
            answers: 300,
            pauses: 20,
            hesitates: 200,
        }
    }

    /// Sends and answers, and disturbs nobody.
    pub const fn calm() -> Self {
        Self {
            closes: 0,
            floods: 0,
            pauses: 0,
            hesitates: 0,
            ..Self::lively()
        }
    }
}

/// A machine that is, or wraps, a Socket.IO server, and the commands that a wrapper may spoil.
pub trait Commands: Subject<Event = socket::Event> {
    /// The server.
    fn sockets(&mut self) -> &mut socket::Server;

    /// Lets somebody in; `None` if it is too late.
    fn accept(&mut self, now: Instant, pending: PendingKey) -> Option<SocketKey> {
        self.sockets().accept(now, pending, &[]).ok()
    }

    /// Sends an event.
    fn emit(
        &mut self,
        now: Instant,
        to: To<'_>,
        packet: Packet,
        options: Options,
    ) -> Result<Sent, EmitError> {
        self.sockets().emit(now, to, packet, options)
    }

    /// Lets a socket join a room; whether it was there.
    fn join(&mut self, socket: SocketKey, room: &str) -> bool {
        self.sockets().join(socket, &[room]).is_ok()
    }

    /// Lets it leave one; whether it was there.
    fn leave(&mut self, socket: SocketKey, room: &str) -> bool {
        self.sockets().leave(socket, room).is_ok()
    }
}

impl Commands for socket::Server {
    fn sockets(&mut self) -> &mut socket::Server {
        self
    }
}
