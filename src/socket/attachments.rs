//! A packet whose attachments are still on their way.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use bytes::Bytes;

use super::decode::{DecodeError, Fragment, Received};

/// Brings the packets of one connection together with their attachments, which follow each in
/// messages of their own (Socket.IO reference, section 1.6).
///
/// It makes no room for what is merely announced: what it holds is what came. How long it may wait
/// is left to the caller.
///
/// ```
/// use bytestring::ByteString;
/// use socketio_proto::{
///     edge::Message,
///     engine::Parser as _,
///     socket::{Assembler, Json},
/// };
///
/// let mut assembler = Assembler::new();
/// let mut read = |message| assembler.push(Json::default().parse(message)?);
///
/// let text = ByteString::from_static(r#"51-["photo",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(read(Message::Text(text))?, None);
/// let packet = read(Message::Binary(vec![1, 2, 3].into()))?.expect("it is whole");
/// let args = packet.into_args();
/// let (photo,): (&[u8],) = args.parse()?;
/// assert_eq!(photo, [1, 2, 3]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Assembler {
    // Few connections wait for attachments at any time.
    pending: Option<Box<Pending>>,
}

struct Pending {
    packet: Received,
    // Fewer than the packet announces.
    attachments: Vec<Bytes>,
}

impl Assembler {
    /// Waits for nothing.
    pub const fn new() -> Self {
        Self { pending: None }
    }

    /// Whether it holds a packet whose attachments did not all come.
    pub const fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes the next message of the connection and hands out the packet that it completes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::BinaryWhileIdle`] and [`DecodeError::TextWhileAssembling`]. What is held is
    /// kept; but no peer goes on behind such a mistake.
    pub fn push(&mut self, fragment: Fragment) -> Result<Option<Received>, DecodeError> {
        match fragment {
            Fragment::Attachment(bytes) => self.push_attachment(bytes),
            Fragment::Packet(packet) => self.push_packet(packet),
        }
    }

    fn push_packet(&mut self, packet: Received) -> Result<Option<Received>, DecodeError> {
        if self.is_waiting() {
            return Err(DecodeError::TextWhileAssembling);
        }
        if packet.attachments() == 0 {
            return Ok(Some(packet));
        }
        let attachments = Vec::new();
        self.pending = Some(Box::new(Pending {
            packet,
            attachments,
        }));
        Ok(None)
    }

    fn push_attachment(&mut self, bytes: Bytes) -> Result<Option<Received>, DecodeError> {
        let mut pending = self.pending.take().ok_or(DecodeError::BinaryWhileIdle)?;
        pending.attachments.push(bytes);
        if pending.attachments.len() < pending.packet.attachments() {
            self.pending = Some(pending);
            return Ok(None);
        }
        let Pending {
            mut packet,
            attachments,
        } = *pending;
        packet.attach(Arc::from(attachments));
        Ok(Some(packet))
    }
}

impl fmt::Debug for Assembler {
    /// Leaves out what the attachments hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.pending.as_deref();
        f.debug_struct("Assembler")
            .field("packet", &pending.map(|it| &it.packet))
            .field("arrived", &pending.map_or(0, |it| it.attachments.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        edge::Message,
        engine::Parser as _,
        socket::{Binary, Json},
    };

    fn text(text: &'static str) -> Fragment {
        Json::default().parse(Message::Text(text.into())).unwrap()
    }

    fn attachment(bytes: &'static [u8]) -> Fragment {
        Fragment::Attachment(Bytes::from_static(bytes))
    }

    #[test]
    fn a_packet_is_complete_with_its_last_attachment() {
        let mut assembler = Assembler::new();
        let packet = text(r#"52-["a",{"_placeholder":true,"num":1}]"#);
        assert_eq!(assembler.push(packet), Ok(None));
        assert_eq!(assembler.push(attachment(b"first")), Ok(None));
        assert!(assembler.is_waiting());
        assert!(alloc::format!("{assembler:?}").ends_with(", arrived: 1 }"));

        // An empty attachment is one.
        let packet = assembler.push(attachment(b"")).unwrap().unwrap();
        assert_eq!(packet.attachments(), 2);
        let args = packet.into_args();
        assert_eq!(
            args.attachments(),
            [Bytes::from_static(b"first"), Bytes::new()]
        );
        assert_eq!(args.parse(), Ok((Binary::default(),)));
        assert!(!assembler.is_waiting());
    }

    #[test]
    fn a_packet_without_attachments_is_complete_at_once() {
        let mut assembler = Assembler::new();
        for packet in [r#"2["a"]"#, r#"50-["a"]"#, "60-1[]", "0"] {
            assert!(assembler.push(text(packet)).unwrap().is_some(), "{packet}");
            assert!(!assembler.is_waiting());
        }
    }

    #[test]
    fn a_message_out_of_turn_is_refused_and_changes_nothing() {
        let mut assembler = Assembler::new();
        let refused = assembler.push(attachment(b"x"));
        assert_eq!(refused, Err(DecodeError::BinaryWhileIdle));

        assert_eq!(assembler.push(text("61-7[]")), Ok(None));
        for packet in ["2[\"a\"]", "61-7[]", "1"] {
            let refused = assembler.push(text(packet));
            assert_eq!(refused, Err(DecodeError::TextWhileAssembling), "{packet}");
        }
        let packet = assembler.push(attachment(b"x")).unwrap().unwrap();
        assert_eq!(packet.id(), Some(7));
    }

    #[test]
    fn an_attachment_shares_the_buffer_of_its_message() {
        let bytes = Bytes::from(alloc::vec![1, 2, 3]);
        let mut assembler = Assembler::new();
        assert_eq!(assembler.push(text("61-7[]")), Ok(None));
        let packet = assembler.push(Fragment::Attachment(bytes.clone())).unwrap();
        let args = packet.unwrap().into_args();
        assert_eq!(args.attachments()[0].as_ptr(), bytes.as_ptr());
    }
}
