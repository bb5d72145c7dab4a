//! Typed data of one socket.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

type Value = Arc<dyn Any + Send + Sync>;

/// One value of each type. A socket has few, so they are searched from the front.
#[derive(Default)]
pub(crate) struct Extensions(Mutex<Vec<(TypeId, Value)>>);

impl Extensions {
    /// Puts a value and gives the one of this type that was there.
    pub(crate) fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let value: Value = Arc::new(value);
        let old = self.change(|values| {
            let id = TypeId::of::<T>();
            if let Some((_, place)) = values.iter_mut().find(|(of, _)| *of == id) {
                return Some(std::mem::replace(place, value));
            }
            values.push((id, value));
            None
        });
        old.and_then(|old| old.downcast().ok())
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let id = TypeId::of::<T>();
        let found = self.change(|values| {
            let mut values = values.iter();
            values.find_map(|(of, value)| (*of == id).then(|| Arc::clone(value)))
        });
        found?.downcast().ok()
    }

    pub(crate) fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let id = TypeId::of::<T>();
        let old = self.change(|values| {
            let at = values.iter().position(|(of, _)| *of == id)?;
            Some(values.swap_remove(at).1)
        });
        old?.downcast().ok()
    }

    /// Values are dropped after this, so that no code of theirs runs under the lock.
    fn change<R>(&self, change: impl FnOnce(&mut Vec<(TypeId, Value)>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let extensions = Extensions::default();

        assert_eq!(extensions.insert(1_u8), None);
        assert_eq!(extensions.insert("text"), None);
        assert_eq!(extensions.insert(2_u8).as_deref(), Some(&1));

        assert_eq!(extensions.get::<u8>().as_deref(), Some(&2));
        assert_eq!(extensions.remove::<&str>().as_deref(), Some(&"text"));
        assert_eq!(extensions.get::<&str>(), None);
    }
}
