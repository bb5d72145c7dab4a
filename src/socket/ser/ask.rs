//! How a value of ours is taken out of serde's hands.

use core::{error, fmt};

use serde::{Serialize, Serializer, ser};

use super::refuse::refuse;
use crate::socket::args::Tray;

/// Asks a value that was given under a name of ours for what it is. Its buffers are shared.
///
/// `None` if the value is of a type that only calls itself so, and without serde's feature `std`.
pub(super) fn ask<V: fmt::Debug + 'static>(value: &(impl Serialize + ?Sized)) -> Option<V> {
    let tray = Tray::new();
    // Every answer is an error: the tray.
    let _ = value.serialize(Ask(tray.clone()));
    tray.take()
}

/// Answers whatever a value says first with a tray to put itself onto.
struct Ask<V>(Tray<V>);

impl<V> Ask<V> {
    fn refuse(self) -> Answer<V> {
        Answer(Some(self.0))
    }
}

impl<V: fmt::Debug + 'static> Serializer for Ask<V> {
    type Ok = ();
    type Error = Answer<V>;

    refuse! { compounds lists newtypes numbers options texts unit_variants units }
    refuse! { simple: serialize_bytes(&[u8]) }
}

/// Holds the tray, unless the value failed by itself.
#[derive(Debug)]
struct Answer<V>(Option<Tray<V>>);

impl<V: fmt::Debug + 'static> error::Error for Answer<V> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.as_ref().map(|tray| tray as &dyn error::Error)
    }
}

impl<V> fmt::Display for Answer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of another kind was asked for")
    }
}

impl<V: fmt::Debug + 'static> ser::Error for Answer<V> {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}
