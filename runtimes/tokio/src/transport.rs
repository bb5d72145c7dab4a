//! The duty to report what happens to one WebSocket.

use std::sync::Arc;

use socketio_proto::{
    edge::{Lost, Message, RequestId, TransportId},
    engine::{Codec, Inbound},
};

use crate::{
    driver::{Begun, Drivable, Handler, Shared},
    mailbox::Mailbox,
    state::Accept,
};

/// A transport of the machine, from the moment its request was told to become it.
///
/// It reports the loss of the transport exactly once: when it is said to be lost, or else when it
/// is dropped, whatever the reason, unless the machine has closed the transport before.
pub(crate) struct Transport<M: Drivable, H: Handler<M>> {
    shared: Arc<Shared<M, H>>,
    pub(crate) mailbox: Arc<Mailbox>,
    codec: Codec<M::Parser>,
    transport: TransportId,
    request: RequestId,
    /// Its place among the tasks; none if the driver is stopped.
    task: Option<usize>,
    /// What to report if nothing else was.
    unsaid: Lost,
}

impl<M: Drivable, H: Handler<M>> Transport<M, H> {
    /// Takes over from the request's ticket.
    pub(crate) fn new(begun: Begun<M, H>, accept: &Accept<M::Parser>) -> Self {
        let Begun { shared, ticket, .. } = begun;
        let mailbox = Arc::clone(&accept.mailbox);
        let task = shared.enter(|state, _| state.tasks.insert(Arc::clone(&mailbox)));
        let request = ticket.request();
        ticket.forget();
        Self {
            shared,
            mailbox,
            codec: accept.codec,
            transport: accept.transport,
            request,
            task,
            unsaid: Lost::NotOpened,
        }
    }

    /// Reports that it is open.
    pub(crate) fn open(&mut self) {
        let (transport, request) = (self.transport, self.request);
        self.shared.enter(|state, now| {
            state.machine.handle_transport_open(now, transport);
            // The event that names the request comes now; then the request is no more.
            state.drain(now);
            state.forget_request(request);
        });
        self.unsaid = Lost::Failed;
    }

    /// Decodes a message; without the lock.
    pub(crate) fn decode(&self, message: Message) -> Inbound<M::Parser> {
        self.codec.read(message)
    }

    /// Reports messages, in order.
    pub(crate) fn read(&self, messages: Vec<Inbound<M::Parser>>) {
        self.shared.enter(|state, now| {
            for message in messages {
                state
                    .machine
                    .handle_transport_read(now, self.transport, message);
            }
        });
    }

    /// Reports that the batch was written.
    pub(crate) fn sent(&self) {
        self.shared
            .enter(|state, now| state.machine.handle_transport_sent(now, self.transport));
    }

    /// Reports that it is lost.
    pub(crate) fn lost(&self, lost: Lost) {
        self.shared
            .enter(|state, now| state.lose(now, self.transport, lost));
    }
}

impl<M: Drivable, H: Handler<M>> Drop for Transport<M, H> {
    fn drop(&mut self) {
        self.shared.enter(|state, now| {
            state.lose(now, self.transport, self.unsaid);
            state.forget_request(self.request);
            if let Some(task) = self.task {
                state.tasks.try_remove(task);
                if state.tasks.is_empty() {
                    // A burst must not keep its room for ever.
                    state.tasks.shrink_to_fit();
                }
            }
        });
    }
}
