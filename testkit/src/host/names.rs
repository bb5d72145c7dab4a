//! Names that a machine gave out: who holds each, and whether it may still be said.

use std::collections::BTreeMap;

use socketio_proto::edge::{RequestId, SessionKey, TransportId};

use crate::ledger::Broken;

/// A generational key.
pub(super) trait Name: Copy + Ord + std::fmt::Debug {
    fn index(self) -> usize;
}

impl Name for RequestId {
    fn index(self) -> usize {
        self.index()
    }
}

impl Name for SessionKey {
    fn index(self) -> usize {
        self.index()
    }
}

impl Name for TransportId {
    fn index(self) -> usize {
        self.index()
    }
}

/// The caller's table of names of one kind, which checks how they are used.
#[derive(Debug)]
pub(super) struct Register<K, V> {
    live: BTreeMap<K, V>,
    // Ended by the caller; outputs that were queued before may still name them. Forgotten when the
    // queue is empty.
    departed: BTreeMap<K, V>,
    // Ended by the machine since the queue was empty: their indices may still rest.
    resting: usize,
    // Who had an index last.
    owners: Vec<Option<K>>,
    // The most names that were in use or resting at once.
    peak: usize,
}

impl<K: Name, V> Register<K, V> {
    pub(super) fn new() -> Self {
        Self {
            live: BTreeMap::new(),
            departed: BTreeMap::new(),
            resting: 0,
            owners: Vec::new(),
            peak: 0,
        }
    }

    /// The machine gave out a name. Its index is vacant, and as small as can be: otherwise the
    /// machine keeps what it should have forgotten.
    pub(super) fn add(&mut self, key: K, value: V) -> Result<(), Broken> {
        let index = key.index();
        if index >= self.owners.len() {
            self.owners.resize(index + 1, None);
        }
        let owner = self.owners.get_mut(index).expect("it was just made");
        let before = owner.replace(key);
        if before == Some(key) || before.is_some_and(|before| self.live.contains_key(&before)) {
            return Err(Broken(format!("{key:?} was given the index of {before:?}")));
        }
        self.live.insert(key, value);
        let in_use = self.live.len() + self.departed.len() + self.resting;
        self.peak = self.peak.max(in_use);
        if index >= self.peak {
            return Err(Broken(format!(
                "{key:?} was given out, but at most {} such names were in use at once",
                self.peak
            )));
        }
        Ok(())
    }

    /// An output named it. `None` if the caller has reported its end since that output was queued.
    pub(super) fn named(&mut self, key: K) -> Result<Option<&mut V>, Broken> {
        if self.owners.get(key.index()).copied().flatten() != Some(key) {
            return Err(Broken(format!("the index of {key:?} did not rest")));
        }
        if self.departed.contains_key(&key) {
            return Ok(None);
        }
        match self.live.get_mut(&key) {
            Some(value) => Ok(Some(value)),
            None => Err(Broken(format!("{key:?} was named after its end"))),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.live.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.live.get_mut(&key)
    }

    /// A live one, or one whose end was reported since the queue was empty.
    pub(super) fn recent(&self, key: K) -> Option<&V> {
        self.live.get(&key).or_else(|| self.departed.get(&key))
    }

    /// The caller is about to report its end.
    pub(super) fn depart(&mut self, key: K) {
        if let Some(value) = self.live.remove(&key) {
            self.departed.insert(key, value);
        }
    }

    /// The machine has ended it: no output may name it any more.
    pub(super) fn end(&mut self, key: K) -> Option<V> {
        self.resting += 1;
        self.live
            .remove(&key)
            .or_else(|| self.departed.remove(&key))
    }

    /// All outputs were taken.
    pub(super) fn settle(&mut self) {
        self.departed.clear();
        self.resting = 0;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.live.iter().map(|(&key, value)| (key, value))
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }
}
