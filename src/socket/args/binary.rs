//! Bytes that are an attachment.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::{source, tray::Tray};
use crate::socket::de::{BINARY, Carried};

/// Bytes that travel as an attachment, at any depth of an argument.
///
/// Sent or received, the buffer is shared and not copied, provided that serde's feature `std` is on,
/// as it is wherever one crate asks for it; without it the bytes are copied once. With other
/// formats than this crate's it is whatever they do with bytes.
///
/// Where a type says only that it is bytes, as `&[u8]` and those of `serde_bytes` do, it is an
/// attachment too. But `Vec<u8>` is a list of numbers for serde: to receive one is fine, to send one
/// is a list of numbers for the receiver.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Binary(pub Bytes);

impl fmt::Debug for Binary {
    /// Shows the length and no contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binary({} bytes)", self.0.len())
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Binary> for Bytes {
    fn from(binary: Binary) -> Self {
        binary.0
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(BINARY, &Content(&self.0))
    }
}

struct Content<'a>(&'a Bytes);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let done = serializer.serialize_bytes(self.0);
        Tray::fill(done, || self.0.clone())
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_newtype_struct(BINARY, ContentVisitor)
            .or_else(|error| {
                let carried: Option<&Carried> = source::of_de(&error);
                carried.map(Carried::attachment).map(Self).ok_or(error)
            })
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Binary, E> {
        Ok(Binary(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Binary, E> {
        Ok(bytes.into())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Binary, D::Error> {
        deserializer.deserialize_byte_buf(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Binary, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = elements.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}
