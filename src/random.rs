//! Randomness from one seed: credentials, public ids, and the keys of hash maps.

use alloc::string::String;
use core::{fmt, hash::BuildHasher};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use siphasher::sip::SipHasher13;

/// Length of an id in text: 15 bytes in URL-safe base64 without padding.
pub(crate) const ID_LEN: usize = 20;
const ID_BYTES: usize = 15;

/// The machine's only source of randomness, a cryptographic generator.
pub(crate) struct Random {
    generator: ChaCha20Rng,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            generator: ChaCha20Rng::from_seed(seed),
        }
    }

    /// A fresh id of 120 random bits.
    pub(crate) fn id(&mut self) -> [u8; ID_LEN] {
        let mut bytes = [0; ID_BYTES];
        self.generator.fill_bytes(&mut bytes);
        let mut text = [b'A'; ID_LEN];
        URL_SAFE_NO_PAD
            .encode_slice(bytes, &mut text)
            .expect("15 bytes are 20 base64 characters");
        text
    }

    /// Keys for a hash map whose look-ups a peer may choose.
    pub(crate) fn hash_keys(&mut self) -> HashKeys {
        HashKeys(self.generator.next_u64(), self.generator.next_u64())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(..)")
    }
}

/// Builds keyed hashers: a peer that does not know the seed cannot make names collide.
#[derive(Clone)]
pub(crate) struct HashKeys(u64, u64);

impl BuildHasher for HashKeys {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl fmt::Debug for HashKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKeys(..)")
    }
}

/// A map for look-ups only: nothing ever walks it, so nothing depends on the order of its entries.
pub(crate) type LookUp<K, V> = hashbrown::HashMap<K, V, HashKeys>;

/// The text of an id.
pub(crate) fn id_text(id: &[u8; ID_LEN]) -> &str {
    core::str::from_utf8(id).expect("an id is base64 text")
}

/// The name of an Engine.IO session on the wire, its `sid`.
///
/// It is the only credential of a polling client: it is made by a cryptographic generator, and
/// `Debug` does not show it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SessionId(pub(crate) [u8; ID_LEN]);

impl SessionId {
    /// Reads an id as a client sends it; `None` if no server machine can have made it.
    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// The id as it stands on the wire. Take care where it goes: whoever knows it owns the session.
    pub fn expose(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The secret by which a client comes back to a session that it lost: the protocol's `pid`.
///
/// It is a credential as a [`SessionId`] is: never shown to another client, nor by `Debug`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PrivateId(pub(crate) [u8; ID_LEN]);

impl PrivateId {
    /// Reads an id as a client sends it; `None` if no server machine can have made it.
    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        let id = text.as_bytes().try_into().ok()?;
        is_id(&id).then_some(Self(id))
    }

    /// The id as it stands on the wire, for the key of a store. Take care where it goes: whoever
    /// knows it can take the session over.
    pub fn expose(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        id_text(&self.0)
    }
}

impl fmt::Debug for PrivateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateId(..)")
    }
}

/// Whether an id may be one that a server machine made.
pub(crate) fn is_id(id: &[u8; ID_LEN]) -> bool {
    id.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let mut one = Random::new([7; 32]);
        let mut two = Random::new([7; 32]);
        assert_eq!(one.id(), two.id());
        assert_ne!(one.id(), two.hash_keys().0.to_le_bytes().repeat(3)[..20]);
        assert_ne!(Random::new([8; 32]).id(), Random::new([7; 32]).id());
    }

    #[test]
    fn a_session_id_is_not_shown_by_debug() {
        let id = SessionId(Random::new([1; 32]).id());
        assert_eq!(format!("{id:?}"), "SessionId(..)");
        assert_eq!(SessionId::from_wire(&id.expose()), Some(id));
    }
}
