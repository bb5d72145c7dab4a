//! A packet whose attachments are still on their way.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, mem};

use bytes::Bytes;

use super::decode::Received;

/// Collects the attachments of one packet, in the order in which they come (Socket.IO reference,
/// section 1.6).
///
/// It makes no room for what is merely announced.
pub(crate) struct Assembly {
    packet: Received,
    attachments: Vec<Bytes>,
}

impl Assembly {
    /// Waits for the attachments that a packet announces; it has to announce one.
    pub(crate) fn new(packet: Received) -> Self {
        debug_assert!(packet.attachments() > 0, "a plain packet waits for nothing");
        Self {
            packet,
            attachments: Vec::new(),
        }
    }

    /// Takes the next attachment; with the last one, hands everything out.
    pub(crate) fn push(&mut self, attachment: Bytes) -> Option<(Received, Arc<[Bytes]>)> {
        self.attachments.push(attachment);
        if self.attachments.len() < self.packet.attachments() {
            return None;
        }
        let attachments = mem::take(&mut self.attachments);
        Some((self.packet.clone(), attachments.into()))
    }
}

impl fmt::Debug for Assembly {
    /// Leaves out what the attachments hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("packet", &self.packet)
            .field("arrived", &self.attachments.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        edge::Message,
        socket::decode::{Fragment, Limits, decode},
    };

    fn received(text: &'static str) -> Received {
        match decode(Message::Text(text.into()), &Limits::default()) {
            Ok(Fragment::Packet(received)) => received,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_packet_is_complete_with_its_last_attachment() {
        let packet = received(r#"52-["a",{"_placeholder":true,"num":1}]"#);
        let mut assembly = Assembly::new(packet.clone());
        assert_eq!(assembly.push(Bytes::from_static(b"first")), None);
        assert!(alloc::format!("{assembly:?}").ends_with(", arrived: 1 }"));

        // An empty attachment is one.
        let attachments = [Bytes::from_static(b"first"), Bytes::new()];
        assert_eq!(
            assembly.push(Bytes::new()),
            Some((packet, Arc::from(attachments)))
        );
    }

    #[test]
    fn an_attachment_shares_the_buffer_of_its_message() {
        let bytes = Bytes::from(alloc::vec![1, 2, 3]);
        let mut assembly = Assembly::new(received("61-7[]"));
        let (_, attachments) = assembly.push(bytes.clone()).unwrap();
        assert_eq!(attachments[0].as_ptr(), bytes.as_ptr());
    }
}
