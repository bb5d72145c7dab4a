//! Short forms for traces.

use std::fmt;

use socketio_proto::edge::{Message, RequestId, SessionKey, TransportId};

/// How many characters of a text are shown.
const SHOWN: usize = 48;

/// The beginning of bytes that are mostly text.
pub(crate) struct Snippet<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..SHOWN).unwrap_or(self.0);
        for &byte in shown {
            match byte {
                0x1e => f.write_str("␞")?,
                0x20..=0x7e => fmt::Write::write_char(f, byte.into())?,
                _ => f.write_str("·")?,
            }
        }
        if shown.len() < self.0.len() {
            write!(f, "… ({} B)", self.0.len())?;
        }
        Ok(())
    }
}

/// The beginning of a message.
pub(crate) struct Text<'a>(pub(crate) &'a Message);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Binary(bytes) => write!(f, "<{}>", Snippet(bytes)),
            Message::Text(text) => Snippet(text.as_bytes()).fmt(f),
        }
    }
}

/// A letter and an index.
pub(crate) struct Short(char, usize);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

pub(crate) fn r(request: RequestId) -> Short {
    Short('r', request.index())
}

pub(crate) fn s(session: SessionKey) -> Short {
    Short('s', session.index())
}

pub(crate) fn t(transport: TransportId) -> Short {
    Short('t', transport.index())
}
