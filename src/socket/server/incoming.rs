//! What clients send (Socket.IO reference, "Dispatch of decoded packets").

use super::{Server, connection::Member};
use crate::{
    edge::SessionKey,
    engine::{Parser, sessions::Delivery},
    socket::{
        decode::{Fragment, Json, PacketKind, Received},
        event::{DisconnectReason, Event, PendingKey, ReplyToken, SocketKey, Violation},
    },
};

/// What a client is to a namespace that it names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    Joined(SocketKey),
    /// The server took it out of it a moment ago: its packet may have crossed that.
    Left,
    Pending(PendingKey),
    Stranger,
}

impl Server {
    /// Goes through a message or body, packet by packet.
    pub(super) fn deliver_inbound(&mut self, delivery: Option<Delivery<Json>>) {
        // What was due for the session has run, and may have ended it.
        self.settle();
        let Some(mut delivery) = delivery else {
            return;
        };
        let session = delivery.session;
        while let Some(payload) = self.sessions.next_message(&mut delivery, &mut self.out) {
            self.on_payload(session, payload);
            self.settle();
        }
        self.settle();
        self.sessions.finish(&delivery, &mut self.out);
        self.settle();
    }

    fn on_payload(&mut self, session: SessionKey, payload: <Json as Parser>::Payload) {
        if let Err(reason) = self.judge(session, payload) {
            self.fail(session, reason);
        }
    }

    /// Takes one decoded message; an error says why the connection must close.
    fn judge(
        &mut self,
        session: SessionKey,
        payload: <Json as Parser>::Payload,
    ) -> Result<(), DisconnectReason> {
        let fragment = payload.map_err(DisconnectReason::ParseError)?;
        let connection = self.connection(session);
        let is_waiting = connection.is_some_and(|connection| connection.assembler.is_waiting());
        if let Fragment::Packet(received) = &fragment
            && received.attachments() > 0
            && !is_waiting
        {
            // Nothing is collected that the client may not send.
            self.addressee(session, received)?;
        }
        let Some(connection) = self.connection_mut(session) else {
            return Ok(());
        };
        let complete = connection.assembler.push(fragment);
        if connection.assembler.is_waiting() {
            self.arm_silence(session);
        }
        match complete.map_err(DisconnectReason::ParseError)? {
            Some(received) => self.dispatch(session, received),
            None => Ok(()),
        }
    }

    /// Waits for the next attachment.
    pub(super) fn arm_silence(&mut self, session: SessionKey) {
        let by = self.deadlines.silence.arm(self.now, session);
        if let Some(connection) = self.connection_mut(session) {
            connection.silence_by = by;
        }
    }

    fn dispatch(
        &mut self,
        session: SessionKey,
        received: Received,
    ) -> Result<(), DisconnectReason> {
        match received.kind() {
            PacketKind::Connect => self.on_connect(session, received),
            PacketKind::Disconnect => self.on_disconnect(session, &received),
            PacketKind::Event => {
                if let Some(socket) = self.addressee(session, &received)? {
                    self.on_event(socket, received);
                }
                Ok(())
            }
            PacketKind::Ack => {
                if let Some(socket) = self.addressee(session, &received)?
                    && let Some(id) = received.id()
                {
                    self.on_ack(socket, id, received.into_args());
                }
                Ok(())
            }
            PacketKind::ConnectError => Err(violation(Violation::ConnectError)),
        }
    }

    /// The socket that a packet is for; `None` if the packet is to be ignored.
    fn addressee(
        &self,
        session: SessionKey,
        received: &Received,
    ) -> Result<Option<SocketKey>, DisconnectReason> {
        match self.standing(session, received.namespace()) {
            Standing::Joined(socket) => Ok(Some(socket)),
            Standing::Left => Ok(None),
            Standing::Pending(_) | Standing::Stranger => Err(violation(Violation::NotJoined)),
        }
    }

    /// A client's standing in the namespace of a packet.
    pub(super) fn standing(&self, session: SessionKey, name: &str) -> Standing {
        let Some(connection) = self.connection(session) else {
            return Standing::Left;
        };
        let namespace = self.namespaces.find(name);
        match namespace.and_then(|namespace| connection.member(namespace)) {
            Some(Member::Joined(socket)) => Standing::Joined(socket),
            Some(Member::Pending(pending)) => Standing::Pending(pending),
            None if connection.has_left(name, self.now) => Standing::Left,
            None => Standing::Stranger,
        }
    }

    fn on_event(&mut self, socket: SocketKey, received: Received) {
        self.counters.events += 1;
        let reply = received.id().map(|id| ReplyToken { socket, id });
        let args = received.into_args();
        self.out.tell(Event::Packet {
            socket,
            args,
            reply,
        });
    }
}

pub(super) fn violation(violation: Violation) -> DisconnectReason {
    DisconnectReason::Violation(violation)
}
