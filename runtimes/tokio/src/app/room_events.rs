//! What becomes of rooms.

use std::sync::Arc;

use bytestring::ByteString;
use socketio_proto::socket::{self, NamespaceKey};

use super::{Namespace, Socket, link::Link, tables::Tables};
use crate::unwind::quietly;

/// A change of a room, or of who is in it: what [`Namespace::on_room`] is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomEvent {
    /// The namespace.
    pub namespace: Namespace,
    /// The room's name.
    pub room: String,
    /// What happened.
    pub change: RoomChange,
}

/// What happened to a room.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoomChange {
    /// It exists from now on: somebody is about to join. The reference's `create-room`.
    Created,
    /// Nobody is in it any more. The reference's `delete-room`.
    Deleted,
    /// A socket joined. The reference's `join-room`.
    Joined(Socket),
    /// A socket left. The reference's `leave-room`.
    Left(Socket),
}

impl Namespace {
    /// Adds a function that is told when rooms come and go, and who joins and leaves them; the room
    /// named after a socket's id is one, too.
    ///
    /// It is called outside of all locks, one change after the other in the order in which they
    /// happen, on the thread that causes them or one that causes others at that time. It must not
    /// block. A panic in it is ignored.
    ///
    /// ```
    /// use socketio_tokio::{Io, RoomChange};
    ///
    /// let io = Io::builder().room_events(true).build();
    /// // io.of("/").adapter.on("join-room", (room, id) => { … });
    /// io.of("/").on_room(|event| match event.change {
    ///     RoomChange::Joined(socket) => println!("{} joined {}", socket.id(), event.room),
    ///     _ => {}
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// When [`room_events`](super::IoBuilder::room_events) is not set: nothing would be told.
    #[allow(clippy::return_self_not_must_use, reason = "as for all handlers")]
    pub fn on_room<F>(self, listener: F) -> Self
    where
        F: Fn(RoomEvent) + Send + Sync + 'static,
    {
        self.link.check_room_events();
        self.change(|setup| setup.on_room.push(Arc::new(listener)))
    }
}

impl Link {
    /// Fails early where nothing would be told.
    pub(super) fn check_room_events(&self) {
        let is_on = self.with(|_, tables, _| tables.room_events);
        assert!(is_on, "`IoBuilder::room_events` turns them on");
    }
}

impl Tables {
    pub(super) fn on_room(
        &mut self,
        namespace: NamespaceKey,
        room: ByteString,
        change: socket::RoomChange,
    ) {
        let Some(namespace) = self.namespaces.get(namespace).cloned() else {
            return;
        };
        let setup = namespace.setup();
        if setup.on_room.is_empty() {
            return;
        }
        let Some(link) = self.link() else {
            return;
        };
        let socket = |key| {
            let state = self.sockets.get(key).cloned();
            state.map(|state| Socket::new(link.clone(), state))
        };
        let change = match change {
            socket::RoomChange::Created => Some(RoomChange::Created),
            socket::RoomChange::Deleted => Some(RoomChange::Deleted),
            socket::RoomChange::Joined(key) => socket(key).map(RoomChange::Joined),
            socket::RoomChange::Left(key) => socket(key).map(RoomChange::Left),
            _ => None,
        };
        let Some(change) = change else {
            return;
        };
        let event = RoomEvent {
            namespace: Namespace::new(link, namespace),
            room: room.into(),
            change,
        };
        self.tell(move || {
            for listener in &setup.on_room {
                let event = event.clone();
                quietly(|| listener(event));
            }
        });
    }
}
