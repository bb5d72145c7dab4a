//! Names for what a machine owns: small generational keys, and the tables they open.

use alloc::{collections::VecDeque, vec::Vec};
use core::{marker::PhantomData, num::NonZeroU32};

/// A key of a [`Table`]: a dense index, and a generation that tells its owners apart.
pub(crate) trait Key: Copy + Eq {
    fn new(index: u32, generation: NonZeroU32) -> Self;
    fn index(self) -> usize;
    fn generation(self) -> NonZeroU32;
}

macro_rules! keys {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        ///
        /// A key whose owner is gone names nothing: commands answer it with an error, inputs that
        /// carry it are ignored.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name {
            index: u32,
            generation: core::num::NonZeroU32,
        }

        impl $name {
            /// A small number, dense and reused, for a caller's side table.
            ///
            /// It is given out again only after every output that the last owner caused was taken
            /// from the queue, so a `Vec` indexed by it never confuses two owners.
            pub fn index(self) -> usize {
                self.index as usize
            }
        }

        impl $crate::key::Key for $name {
            fn new(index: u32, generation: core::num::NonZeroU32) -> Self {
                Self { index, generation }
            }

            fn index(self) -> usize {
                self.index as usize
            }

            fn generation(self) -> core::num::NonZeroU32 {
                self.generation
            }
        }
    )*};
}
pub(crate) use keys;

/// How far the outermost output queue has come; it decides when a freed index may be reused.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Mark(pub(crate) u64);

/// A generational slab whose freed indices rest until the outputs that name them were taken.
///
/// Freed indices are reused in the order they were freed, so which key comes next depends on the
/// inputs alone.
#[derive(Debug)]
pub(crate) struct Table<K, T> {
    slots: Vec<Slot<T>>,
    // Freed since `rest` was called last: the outputs that name them may not be queued yet.
    freed: Vec<u32>,
    // Invariant: each vacant index is in `freed` or `resting`, once; marks never descend.
    resting: VecDeque<(Mark, u32)>,
    key: PhantomData<K>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: NonZeroU32,
    value: Option<T>,
}

impl<K: Key, T> Table<K, T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            freed: Vec::new(),
            resting: VecDeque::new(),
            key: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.freed.len() - self.resting.len()
    }

    /// Adds a value. `taken` says how many outputs the caller has taken so far.
    pub(crate) fn insert(&mut self, taken: Mark, value: T) -> K {
        if let Some(&(mark, index)) = self.resting.front()
            && mark <= taken
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            self.resting.pop_front();
            slot.value = Some(value);
            return K::new(index, slot.generation);
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 entries fit in memory");
        let generation = NonZeroU32::MIN;
        self.slots.push(Slot {
            generation,
            value: Some(value),
        });
        K::new(index, generation)
    }

    pub(crate) fn get(&self, key: K) -> Option<&T> {
        let slot = self.slots.get(key.index())?;
        (slot.generation == key.generation())
            .then_some(slot.value.as_ref())
            .flatten()
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index())?;
        (slot.generation == key.generation())
            .then_some(slot.value.as_mut())
            .flatten()
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// The key and value now at an index.
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<(K, &mut T)> {
        let slot = self.slots.get_mut(index)?;
        let key = K::new(u32::try_from(index).ok()?, slot.generation);
        slot.value.as_mut().map(|value| (key, value))
    }

    /// The key now at an index.
    pub(crate) fn key_at(&self, index: usize) -> Option<K> {
        let slot = self.slots.get(index)?;
        slot.value.as_ref()?;
        Some(K::new(u32::try_from(index).ok()?, slot.generation))
    }

    /// Removes a value. Its index stays unused until [`Table::rest`] was called and the outputs
    /// queued by then were taken.
    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation() {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.freed.extend(u32::try_from(key.index()));
        Some(value)
    }

    /// Lets freed indices rest until the caller has taken `queued` outputs. To be called when all
    /// that an input causes is queued.
    pub(crate) fn rest(&mut self, queued: Mark) {
        // After most inputs there is nothing: this is asked after each.
        if self.freed.is_empty() {
            return;
        }
        let freed = self.freed.drain(..);
        self.resting.extend(freed.map(|index| (queued, index)));
    }

    /// Every key, in index order. For drains of the whole machine only.
    pub(crate) fn keys(&self) -> impl Iterator<Item = K> + '_ {
        (0..self.slots.len()).filter_map(|index| self.key_at(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod test_keys {
        #![allow(unreachable_pub, reason = "the macro makes public keys")]

        crate::key::keys! {
            /// A key for these tests.
            TestKey
        }
    }
    use test_keys::TestKey;

    #[test]
    fn a_stale_key_opens_nothing() {
        let mut table = Table::<TestKey, &str>::new();
        let first = table.insert(Mark(0), "first");
        assert_eq!(table.remove(first), Some("first"));
        table.rest(Mark(0));
        let second = table.insert(Mark(0), "second");

        assert_eq!(first.index(), second.index());
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
    }

    #[test]
    fn an_index_rests_until_the_outputs_that_name_it_were_taken() {
        let mut table = Table::<TestKey, ()>::new();
        let first = table.insert(Mark(0), ());
        table.remove(first);
        let at_once = table.insert(Mark(9), ());
        assert_ne!(
            first.index(),
            at_once.index(),
            "its end may not be queued yet"
        );

        table.rest(Mark(5));
        let during = table.insert(Mark(4), ());
        assert_ne!(first.index(), during.index());

        let after = table.insert(Mark(5), ());
        assert_eq!(first.index(), after.index());
        assert_eq!(table.len(), 3);
    }
}
