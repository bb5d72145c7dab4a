//! The way from handles to the machine.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use socketio_proto::{socket::Server, time::Instant};

use super::tables::Tables;
use crate::driver::{Driver, Shared};

/// A shared server: the machine and its side tables behind one lock.
#[derive(Clone)]
pub(crate) struct Link(pub(super) Driver<Server, Tables>);

/// A link that keeps nothing alive: what the side tables hold of the server they belong to.
#[derive(Clone, Default)]
pub(crate) struct WeakLink(Weak<Shared<Server, Tables>>);

impl Link {
    /// Gives a command to the machine.
    ///
    /// No code of the application may run in it, drops of its values included.
    pub(crate) fn with<R>(
        &self,
        command: impl FnOnce(&mut Server, &mut Tables, Instant) -> R,
    ) -> R {
        self.0.with_handler(command)
    }

    /// Gives a command to the machine, unless it has panicked before: for drops, which must not.
    pub(crate) fn try_with<R>(
        &self,
        command: impl FnOnce(&mut Server, &mut Tables, Instant) -> R,
    ) -> Option<R> {
        self.0.try_with_handler(command)
    }

    pub(crate) fn downgrade(&self) -> WeakLink {
        WeakLink(Arc::downgrade(self.0.shared()))
    }
}

impl WeakLink {
    pub(crate) fn upgrade(&self) -> Option<Link> {
        self.0.upgrade().map(|shared| Link(Driver::of(shared)))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakLink").finish_non_exhaustive()
    }
}
