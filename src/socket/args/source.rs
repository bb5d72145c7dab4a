//! What caused an error, where serde lets us ask.
//!
//! serde's error traits have `core::error::Error` as a supertrait only if its feature `std` is on,
//! and whether it is depends on every crate of a build. A method of a type parameter's own bounds
//! goes before that of any other trait, so `error.source()` below is that of `core::error::Error`
//! with the feature, and that of [`NoSource`] without.

use core::error::Error;

use serde::{de, ser};

#[allow(
    dead_code,
    reason = "nothing calls it when serde has its feature `std`"
)]
trait NoSource {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        None
    }
}

impl<E> NoSource for E {}

pub(in crate::socket) fn of_de<T: Error + 'static>(error: &impl de::Error) -> Option<&T> {
    error.source()?.downcast_ref()
}

pub(in crate::socket) fn of_ser<T: Error + 'static>(error: &impl ser::Error) -> Option<&T> {
    error.source()?.downcast_ref()
}
