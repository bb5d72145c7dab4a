//! How a value of ours gets through serde whole.

use alloc::rc::Rc;
use core::{cell::Cell, error, fmt};

use serde::ser;

use super::source;

/// Where a value of ours puts itself for a serializer of ours.
///
/// serde hands a serializer nothing but its own data model. But a serializer may answer with an
/// error, an error may have a source of any type, and the value may look at it.
pub(in crate::socket) struct Tray<V>(Rc<Cell<Option<V>>>);

impl<V> Tray<V> {
    pub(in crate::socket) fn new() -> Self {
        Self(Rc::new(Cell::new(None)))
    }

    /// What was put there.
    pub(in crate::socket) fn take(&self) -> Option<V> {
        self.0.take()
    }
}

impl<V: 'static> Tray<V> {
    /// Puts a value onto the tray that a serializer answered with, if it did.
    pub(super) fn fill<T, E: ser::Error>(
        answer: Result<T, E>,
        value: impl FnOnce() -> V,
    ) -> Result<T, E> {
        answer.inspect_err(|error| {
            if let Some(Self(tray)) = source::of_ser(error) {
                tray.set(Some(value()));
            }
        })
    }
}

impl<V> Clone for Tray<V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<V> fmt::Debug for Tray<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tray").finish_non_exhaustive()
    }
}

impl<V> fmt::Display for Tray<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value was asked for")
    }
}

impl<V> error::Error for Tray<V> {}
