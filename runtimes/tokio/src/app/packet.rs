//! Events on their way out: encoded outside of the lock, together with how to send them.

use std::time::Duration;

use socketio_proto::socket::{EncodeError, Options, Packet};

use super::{Arguments, EmitError, ack::wait};

/// How to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags {
    pub(crate) volatile: bool,
    pub(crate) compress: bool,
    pub(crate) local: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            volatile: false,
            compress: true,
            local: false,
            timeout: None,
        }
    }
}

impl Flags {
    pub(crate) fn options(self) -> Options {
        let mut options = Options::new().compress(self.compress);
        options.volatile = self.volatile;
        options.local = self.local;
        options
    }
}

/// An event that was encoded, or could not be.
#[derive(Debug)]
pub(crate) struct Outgoing {
    packet: Result<Packet, EncodeError>,
    pub(crate) flags: Flags,
}

impl Outgoing {
    pub(crate) fn new(event: &str, args: impl Arguments, flags: Flags) -> Self {
        let packet = Packet::event(event, &args);
        Self { packet, flags }
    }

    pub(crate) fn into_packet(self, with_ack: bool) -> Result<(Packet, Options), EmitError> {
        let options = self.flags.options();
        let options = if with_ack {
            options.ack(wait(self.flags.timeout))
        } else {
            options
        };
        Ok((self.packet?, options))
    }
}
