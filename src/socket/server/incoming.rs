//! What clients send (Socket.IO reference, "Dispatch of decoded packets").

use alloc::{boxed::Box, sync::Arc};

use bytes::Bytes;

use super::{
    Server,
    connection::{Assembling, Member},
};
use crate::{
    edge::SessionKey,
    engine::{Parser, sessions::Delivery},
    socket::{
        attachments::Assembly,
        decode::{DecodeError, Fragment, Json, PacketKind, Received},
        event::{DisconnectReason, Event, ReplyToken, SocketKey, Violation},
    },
};

type Attachments = Option<Arc<[Bytes]>>;

impl Server {
    /// Goes through a message or body, packet by packet.
    pub(super) fn deliver_inbound(&mut self, delivery: Option<Delivery<Json>>) {
        // What was due for the session has run, and may have ended it.
        self.settle();
        let Some(mut delivery) = delivery else {
            return;
        };
        let session = delivery.session;
        while let Some(payload) = self
            .sessions
            .next_message(self.now, &mut delivery, &mut self.out)
        {
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
        match payload.map_err(DisconnectReason::ParseError)? {
            Fragment::Attachment(bytes) => self.on_attachment(session, bytes),
            Fragment::Packet(received) => {
                let is_assembling = self
                    .connection(session)
                    .is_some_and(|connection| connection.assembling.is_some());
                if is_assembling {
                    let error = DecodeError::TextWhileAssembling;
                    return Err(DisconnectReason::ParseError(error));
                }
                if received.attachments() > 0 {
                    self.begin_assembly(session, received)
                } else {
                    self.dispatch(session, received, None)
                }
            }
        }
    }

    /// Waits for the attachments of a packet, if the client may send it at all.
    fn begin_assembly(
        &mut self,
        session: SessionKey,
        received: Received,
    ) -> Result<(), DisconnectReason> {
        self.addressee(session, &received)?;
        let by = self.deadlines.silence.arm(self.now, session);
        let assembly = Assembly::new(received);
        if let Some(connection) = self.connection_mut(session) {
            connection.assembling = Some(Box::new(Assembling { assembly, by }));
        }
        Ok(())
    }

    fn on_attachment(&mut self, session: SessionKey, bytes: Bytes) -> Result<(), DisconnectReason> {
        let Some(connection) = self.connection_mut(session) else {
            return Ok(());
        };
        let Some(mut assembling) = connection.assembling.take() else {
            let error = DecodeError::BinaryWhileIdle;
            return Err(DisconnectReason::ParseError(error));
        };
        if let Some((received, attachments)) = assembling.assembly.push(bytes) {
            return self.dispatch(session, received, Some(attachments));
        }
        assembling.by = self.deadlines.silence.arm(self.now, session);
        if let Some(connection) = self.connection_mut(session) {
            connection.assembling = Some(assembling);
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        session: SessionKey,
        received: Received,
        attachments: Attachments,
    ) -> Result<(), DisconnectReason> {
        match received.kind() {
            PacketKind::Connect => self.on_connect(session, received),
            PacketKind::Disconnect => self.on_disconnect(session, &received),
            PacketKind::Event => {
                if let Some(socket) = self.addressee(session, &received)? {
                    self.on_event(socket, received, attachments);
                }
                Ok(())
            }
            PacketKind::Ack => {
                if let Some(socket) = self.addressee(session, &received)?
                    && let Some(id) = received.id()
                {
                    self.on_ack(socket, id, received.into_args(attachments));
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
        match self.standing(session, received) {
            Some(Member::Joined(socket)) => Ok(Some(socket)),
            Some(Member::Kicked) => Ok(None),
            Some(Member::Pending(_)) | None => Err(violation(Violation::NotJoined)),
        }
    }

    /// A client's standing in the namespace of a packet.
    pub(super) fn standing(&self, session: SessionKey, received: &Received) -> Option<Member> {
        let namespace = self.namespaces.find(received.namespace())?;
        self.connection(session)?.member(namespace)
    }

    fn on_event(&mut self, socket: SocketKey, received: Received, attachments: Attachments) {
        let reply = received.id().map(|id| ReplyToken { socket, id });
        let args = received.into_args(attachments);
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
