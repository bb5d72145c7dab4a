//! Sending events, and showing them to whoever listens to what goes out.

use std::sync::Arc;

use socketio_proto::socket::{Args, EmitError, Options, Packet, Sent};

use super::{
    Socket, broadcast::Audience, job::overhear, link::Link, socket::SocketState, tables::Tables,
};

impl Socket {
    /// Sends an event to the client; what follows from it happens under the same lock.
    pub(super) fn send<R>(
        &self,
        packet: Packet,
        options: Options,
        then: impl FnOnce(&mut Tables, Sent) -> R,
    ) -> Result<R, EmitError> {
        let heard = self.state().is_heard().then(|| packet.to_args());
        let link = self.link();
        link.with(|server, tables, now| {
            let sent = server.emit(now, self.as_target(), packet, options)?;
            if let Some(args) = heard {
                tables.show(link, vec![Arc::clone(self.state())], args);
            }
            Ok(then(tables, sent))
        })
    }
}

impl Audience<'_> {
    /// Sends an event to everybody; what follows from it happens under the same lock.
    pub(super) fn send<R>(
        &self,
        packet: Packet,
        options: Options,
        then: impl FnOnce(&mut Tables, Sent) -> R,
    ) -> Result<R, EmitError> {
        let heard = self.namespace.is_heard().then(|| packet.to_args());
        self.link.with(|server, tables, now| {
            let to = self.to().ok_or(EmitError::Stale)?;
            // Who is sent to, also if that ends their connection.
            let heard = heard.map(|args| {
                let members = server.members(to).into_iter();
                let states = members.filter_map(|key| tables.sockets.get(key));
                let states = states.filter(|state| state.is_heard());
                (states.cloned().collect::<Vec<_>>(), args)
            });
            let sent = server.emit(now, to, packet, options)?;
            if let Some((states, args)) = heard {
                tables.show(self.link, states, args);
            }
            Ok(then(tables, sent))
        })
    }
}

impl SocketState {
    /// Whether somebody listens to what is sent to it.
    fn is_heard(&self) -> bool {
        !self.guest.setup.on_any_outgoing.is_empty()
    }
}

impl Tables {
    /// Shows an event to those who listen to what is sent to these sockets.
    fn show(&mut self, link: &Link, states: Vec<Arc<SocketState>>, args: Args) {
        if states.is_empty() {
            return;
        }
        let link = link.clone();
        self.tell(move || {
            for state in states {
                let socket = Socket::new(link.clone(), state);
                for listener in &socket.state().guest.setup.on_any_outgoing {
                    overhear(&socket, listener, &args);
                }
            }
        });
    }
}
