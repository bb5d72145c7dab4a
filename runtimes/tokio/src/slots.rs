//! Side tables: what the glue keeps beside a machine's keys.

use std::fmt;

use socketio_proto::edge::{RequestId, TransportId};

/// A key of the machine whose index is dense and reused.
pub(crate) trait Key: Copy + Eq {
    fn index(self) -> usize;
}

impl Key for RequestId {
    fn index(self) -> usize {
        self.index()
    }
}

impl Key for TransportId {
    fn index(self) -> usize {
        self.index()
    }
}

/// Values by key. A key that is not in it, also one whose index has another owner now, is late:
/// it names nothing.
pub(crate) struct Slots<K, T> {
    // Invariant: a key stands at its index. `live` counts what is not `None`.
    entries: Vec<Option<(K, T)>>,
    live: usize,
}

impl<K: Key, T> Slots<K, T> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            live: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Files a value. Returns what an earlier owner of the index left.
    pub(crate) fn insert(&mut self, key: K, value: T) -> Option<T> {
        let index = key.index();
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        let earlier = self.entries.get_mut(index)?.replace((key, value));
        if earlier.is_none() {
            self.live += 1;
        }
        earlier.map(|(_, value)| value)
    }

    pub(crate) fn get(&self, key: K) -> Option<&T> {
        match self.entries.get(key.index())? {
            Some((owner, value)) if *owner == key => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        match self.entries.get_mut(key.index())? {
            Some((owner, value)) if *owner == key => Some(value),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let entry = self.entries.get_mut(key.index())?;
        let (_, value) = entry.take_if(|(owner, _)| *owner == key)?;
        self.live -= 1;
        Some(value)
    }

    /// Every value. For the end of everything only.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten().map(|(_, value)| value)
    }
}

impl<K, T> fmt::Debug for Slots<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Eq, PartialEq)]
    struct TestKey(usize, u32);

    impl Key for TestKey {
        fn index(self) -> usize {
            self.0
        }
    }

    #[test]
    fn a_late_key_names_nothing() {
        let mut slots = Slots::new();
        assert_eq!(slots.insert(TestKey(2, 1), "first"), None);
        assert_eq!(slots.insert(TestKey(2, 2), "second"), Some("first"));

        assert_eq!(slots.remove(TestKey(2, 1)), None);
        assert_eq!(slots.get_mut(TestKey(2, 2)), Some(&mut "second"));
        assert_eq!(slots.remove(TestKey(2, 2)), Some("second"));
        assert_eq!(slots.remove(TestKey(7, 1)), None);
        assert_eq!(slots.len(), 0);
    }
}
