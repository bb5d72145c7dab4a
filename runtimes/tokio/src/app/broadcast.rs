//! Sending to many sockets.

use std::time::Duration;

use socketio_proto::socket::{Packet, Sent, SocketId, To};

use super::{
    Arguments, EmitError,
    ack::BroadcastWithAck,
    link::Link,
    namespace_state::NamespaceState,
    packet::{Flags, Outgoing},
    rooms::Rooms,
    socket::Socket,
};

/// A choice among the sockets of a namespace, and how to send to them.
///
/// It chooses those that are in any of the rooms given to [`to`](Self::to), or everybody if there
/// is none, but nobody who is in a room given to [`except`](Self::except). Made from a socket, it
/// leaves that socket out. Each is chosen once. Nothing happens before the last call of a chain,
/// and the choice is made then.
///
/// ```
/// # fn example(io: socketio_tokio::Io) -> Result<(), Box<dyn std::error::Error>> {
/// // io.to("room1").to("room2").except("room3").emit("foo", "bar");
/// io.to("room1").to("room2").except("room3").emit("foo", ("bar",))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before the last call of a chain, such as `emit`"]
pub struct Broadcast<'a> {
    audience: Audience<'a>,
    flags: Flags,
}

/// Whom a broadcast goes to.
#[derive(Clone, Debug)]
pub(crate) struct Audience<'a> {
    pub(crate) link: &'a Link,
    pub(super) namespace: &'a NamespaceState,
    rooms: Vec<&'a str>,
    except: Vec<&'a str>,
    without: Option<SocketId>,
}

impl Audience<'_> {
    /// Whom the machine knows by that; nobody once a dynamic namespace is gone. To be asked under
    /// the lock.
    pub(crate) fn to(&self) -> Option<To<'_>> {
        Some(To::Group {
            namespace: self.namespace.key()?,
            rooms: &self.rooms,
            except: &self.except,
            without: self.without,
        })
    }
}

impl<'a> Broadcast<'a> {
    pub(super) fn new(
        link: &'a Link,
        namespace: &'a NamespaceState,
        without: Option<SocketId>,
        flags: Flags,
    ) -> Self {
        Self {
            audience: Audience {
                link,
                namespace,
                rooms: Vec::new(),
                except: Vec::new(),
                without,
            },
            flags,
        }
    }

    /// Adds the members of these rooms.
    pub fn to(mut self, rooms: impl Rooms<'a>) -> Self {
        self.audience.rooms.extend(rooms.names());
        self
    }

    /// Leaves the members of these rooms out.
    pub fn except(mut self, rooms: impl Rooms<'a>) -> Self {
        self.audience.except.extend(rooms.names());
        self
    }

    /// Drops the event for each socket to which it cannot leave at once.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Keeps the event, or the operation, on this server. A server is always alone for now, so that
    /// it has no effect.
    pub fn local(mut self) -> Self {
        self.flags.local = true;
        self
    }

    /// Says whether compressing is allowed; it is by default.
    pub fn compress(mut self, allowed: bool) -> Self {
        self.flags.compress = allowed;
        self
    }

    /// Waits at most this long for answers; see [`emit_with_ack`](Self::emit_with_ack).
    pub fn timeout(mut self, span: Duration) -> Self {
        self.flags.timeout = Some(span);
        self
    }

    /// Sends an event. It is encoded once, whatever the number of sockets.
    ///
    /// A socket that takes no more is counted in [`Sent::dropped`] and fails nothing.
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded, and when the namespace is a dynamic one that is gone.
    pub fn emit(self, event: &str, args: impl Arguments) -> Result<Sent, EmitError> {
        self.emit_packet(Packet::event(event, &args)?)
    }

    /// Sends an event that is encoded.
    pub(super) fn emit_packet(self, packet: Packet) -> Result<Sent, EmitError> {
        let options = self.flags.options();
        Ok(self.audience.send(packet, options, |_, sent| sent)?)
    }

    /// Sends an event and waits for an answer of each socket:
    /// [`BroadcastAck`](super::BroadcastAck).
    ///
    /// ```
    /// # async fn example(io: socketio_tokio::Io) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let all = io.to("voters").timeout(second).emit_with_ack("vote", ()).await?;
    /// for (voter, answer) in &all.answers {
    ///     let (vote,): (String,) = answer.parse()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded. Missing answers are no error.
    pub fn emit_with_ack(self, event: &str, args: impl Arguments) -> BroadcastWithAck<'a> {
        let Self { audience, flags } = self;
        let event = Outgoing::new(event, args, flags);
        BroadcastWithAck { audience, event }
    }

    /// The sockets chosen, as they are now. Each knows its [`rooms`](Socket::rooms), its
    /// [`data`](Socket::data) and its [`handshake`](Socket::handshake).
    pub fn sockets(self) -> Vec<Socket> {
        let link = self.audience.link;
        let states = link.with(|server, tables, _| {
            let keys = self.audience.to().map(|to| server.members(to));
            let states = keys
                .unwrap_or_default()
                .into_iter()
                .map(|key| tables.sockets.get(key).cloned());
            states.collect::<Vec<_>>()
        });
        let states = states.into_iter().flatten();
        states.map(|it| Socket::new(link.clone(), it)).collect()
    }

    /// Puts the sockets chosen into rooms; says how many they are.
    pub fn join<'b>(self, rooms: impl Rooms<'b>) -> usize {
        let rooms = rooms.names();
        self.audience.link.with(|server, _, _| {
            let to = self.audience.to();
            to.map_or(0, |to| server.join_all(to, &rooms))
        })
    }

    /// Takes the sockets chosen out of rooms; says how many they are.
    pub fn leave<'b>(self, rooms: impl Rooms<'b>) -> usize {
        let rooms = rooms.names();
        self.audience.link.with(|server, _, _| {
            let to = self.audience.to();
            to.map_or(0, |to| server.leave_all(to, &rooms))
        })
    }

    /// Disconnects the sockets chosen: they leave the namespace, or, with `close`, their whole
    /// connections close.
    pub fn disconnect(self, close: bool) {
        self.audience.link.with(|server, _, now| {
            if let Some(to) = self.audience.to() {
                server.disconnect(now, to, close);
            }
        });
    }
}
