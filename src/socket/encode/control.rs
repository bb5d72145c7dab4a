//! Packets about a namespace itself: they have neither arguments nor attachments.

use bytes::Bytes;

use super::sealed::{SealError, Sealed, check_namespace};
use crate::{
    random::PrivateId,
    socket::{args::Data, ser::Text},
};

/// A packet about a namespace itself, for those who use the codec without a machine, which makes
/// them itself.
#[derive(Clone, Debug)]
pub enum Control {
    /// Asks to join a namespace, or confirms it. The data is an object: what a client
    /// authenticates with, or a server's `{"sid":"…"}`.
    Connect(Option<Data>),
    /// Says that a namespace cannot be joined. The data is an object, `{"message":"…"}`, or a text.
    ConnectError(Data),
    /// Leaves a namespace.
    Disconnect,
}

impl Control {
    /// Finishes the packet.
    ///
    /// # Errors
    ///
    /// When the namespace cannot stand in a header, and when the data is none for such a packet.
    pub fn seal(&self, namespace: &str) -> Result<Sealed, SealError> {
        check_namespace(namespace)?;
        let (kind, json) = match self {
            Self::Connect(data) => ("40", data.as_ref().map_or("", Data::json)),
            Self::ConnectError(data) => ("44", data.json()),
            Self::Disconnect => ("41", ""),
        };
        let is_legal = match (self, json.as_bytes().first()) {
            (Self::ConnectError(_), Some(b'"')) | (_, None | Some(b'{')) => true,
            (_, Some(_)) => false,
        };
        if !is_legal {
            return Err(SealError::IllegalData);
        }
        let mut text = begin(kind, namespace, json.len());
        text.push_str(json);
        Ok(Sealed {
            text: text.into_bytes().into(),
            attachments: None,
        })
    }
}

/// The answer to a CONNECT that was accepted (Socket.IO reference, section 1.7), with the secret for
/// a return if there is one (section 5.2).
pub(in crate::socket) fn connect_answer(
    namespace: &str,
    sid: &str,
    pid: Option<&PrivateId>,
) -> Bytes {
    let mut text = begin("40", namespace, sid.len() + 40);
    text.push_str("{\"sid\":");
    text.push_quoted(sid);
    if let Some(pid) = pid {
        text.push_str(",\"pid\":");
        text.push_quoted(pid.as_str());
    }
    text.push_str("}");
    text.into_bytes().into()
}

/// The answer to a CONNECT that was refused (Socket.IO reference, section 3.7).
pub(in crate::socket) fn connect_error(
    namespace: &str,
    message: &str,
    data: Option<&Data>,
) -> Bytes {
    let json = data.map_or("", Data::json);
    let mut text = begin("44", namespace, message.len() + json.len() + 24);
    text.push_str("{\"message\":");
    text.push_quoted(message);
    if data.is_some() {
        text.push_str(",\"data\":");
        text.push_str(json);
    }
    text.push_str("}");
    text.into_bytes().into()
}

/// The end of a namespace's connection.
pub(in crate::socket) fn disconnect(namespace: &str) -> Bytes {
    begin("41", namespace, 0).into_bytes().into()
}

/// The beginning of a packet, with room for more.
fn begin(kind: &str, namespace: &str, more: usize) -> Text {
    let (namespace, comma) = spelled(namespace);
    let mut text = Text::with_capacity(kind.len() + namespace.len() + comma.len() + more);
    for piece in [kind, namespace, comma] {
        text.push_str(piece);
    }
    text
}

/// A namespace and what ends it, as they stand in a header: the main one is left out.
pub(super) fn spelled(namespace: &str) -> (&str, &str) {
    if namespace == "/" {
        return ("", "");
    }
    (namespace, ",")
}
