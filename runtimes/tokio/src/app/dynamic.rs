//! Namespaces that come and go, and clients on their way into them.
//!
//! One is made with the first client that a pattern allows into it, before its middleware runs, so
//! that all who come meanwhile meet the same; the machine knows it once a client is accepted. It is
//! gone when nobody is in it and nobody waits for it.

use std::{collections::HashMap, fmt, sync::Arc};

use bytestring::ByteString;
use socketio_proto::socket::{NamespaceError, NamespaceKey, PendingKey, Server};

use super::{
    connecting::Withdrawal, namespace_state::NamespaceState, pattern::PatternState,
    setup::OnNamespace, tables::Tables,
};

/// What is known of namespaces that come and go.
pub(super) struct Dynamic {
    pub(super) patterns: Arc<[Arc<PatternState>]>,
    listeners: Arc<[OnNamespace]>,
    // Invariant: each has a key, or somebody waits for it.
    children: HashMap<ByteString, Child>,
}

impl Dynamic {
    /// Patterns, in the order of their registration.
    pub(super) fn patterns(&self) -> Arc<[Arc<PatternState>]> {
        Arc::clone(&self.patterns)
    }

    pub(super) fn add_pattern(&mut self, pattern: Arc<PatternState>) {
        let patterns = self.patterns.iter().cloned().chain([pattern]);
        self.patterns = patterns.collect();
    }

    /// Who is told of new namespaces.
    pub(super) fn listeners(&self) -> Arc<[OnNamespace]> {
        Arc::clone(&self.listeners)
    }

    pub(super) fn add_listener(&mut self, listener: OnNamespace) {
        let listeners = self.listeners.iter().cloned().chain([listener]);
        self.listeners = listeners.collect();
    }

    /// How many dynamic namespaces are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.children.len()
    }
}

impl Default for Dynamic {
    fn default() -> Self {
        Self {
            patterns: Arc::new([]),
            listeners: Arc::new([]),
            children: HashMap::new(),
        }
    }
}

impl fmt::Debug for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamic")
            .field("patterns", &self.patterns.len())
            .field("children", &self.children.len())
            .finish_non_exhaustive()
    }
}

/// A dynamic namespace that somebody is in or waits for.
#[derive(Debug)]
struct Child {
    state: Arc<NamespaceState>,
    /// How many clients are on their way.
    waiting: usize,
}

/// A client on its way into a namespace.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Stops its middleware.
    withdrawal: Withdrawal,
    /// The dynamic namespace that it waits for.
    child: Option<ByteString>,
}

impl Waiting {
    pub(super) fn new(withdrawal: Withdrawal) -> Self {
        let child = None;
        Self { withdrawal, child }
    }
}

impl Tables {
    /// The namespace that a pattern allows a client into, which is made if it is not there.
    /// Nothing if the client went away.
    pub(super) fn allow(
        &mut self,
        server: &Server,
        pending: PendingKey,
        name: &ByteString,
        pattern: &Arc<PatternState>,
    ) -> Option<Arc<NamespaceState>> {
        self.pending.get(pending)?;
        let known = server.namespace(name);
        let known = known.and_then(|key| self.namespaces.get(key)).cloned();
        let state = known.unwrap_or_else(|| {
            let child = self.dynamic.children.entry(name.clone());
            let child = child.or_insert_with(|| Child {
                state: Arc::new(NamespaceState::new(name.clone(), Some(pattern))),
                waiting: 0,
            });
            Arc::clone(&child.state)
        });
        self.wait_for(pending, &state);
        Some(state)
    }

    /// A client waits to enter a namespace; a dynamic one is kept for it.
    pub(super) fn wait_for(&mut self, pending: PendingKey, state: &NamespaceState) {
        if let Some(child) = self.dynamic.children.get_mut(&state.name)
            && let Some(waiting) = self.pending.get_mut(pending)
        {
            child.waiting += 1;
            waiting.child = Some(state.name.clone());
        }
    }

    /// A client does not wait any more.
    pub(super) fn wait_no_more(&mut self, pending: PendingKey) -> Option<Withdrawal> {
        let Waiting { withdrawal, child } = self.pending.remove(pending)?;
        if let Some(name) = child
            && let Some(child) = self.dynamic.children.get_mut(&name)
        {
            child.waiting -= 1;
            self.forget_if_unused(&name);
        }
        Some(withdrawal)
    }

    /// A namespace exists, from the first client on that was accepted in it.
    pub(super) fn open(&mut self, key: NamespaceKey, state: &Arc<NamespaceState>) {
        if state.key() == Some(key) {
            return;
        }
        state.set_key(Some(key));
        if let Some(pattern) = &state.pattern.upgrade() {
            self.later.drop(pattern.add(state));
        }
        let earlier = self.namespaces.insert(key, Arc::clone(state));
        self.later.drop(earlier);
    }

    /// The last client has left a dynamic namespace.
    pub(super) fn on_namespace_closed(&mut self, server: &Server, key: NamespaceKey) {
        if server.namespace_name(key).is_some() {
            // The next one has entered already, which will be told.
            return;
        }
        let Some(state) = self.namespaces.remove(key) else {
            return;
        };
        state.set_key(None);
        if let Some(pattern) = &state.pattern.upgrade() {
            self.later.drop(pattern.remove(&state.name));
        }
        self.forget_if_unused(&state.name);
        self.later.drop(state);
    }

    /// A namespace that the application names: it exists for ever from now on.
    pub(super) fn name_namespace(
        &mut self,
        server: &mut Server,
        name: &str,
        pattern: Option<&Arc<PatternState>>,
    ) -> Result<Arc<NamespaceState>, NamespaceError> {
        let key = server.add_namespace(name)?;
        let child = self.dynamic.children.remove(name).map(|child| child.state);
        if let Some(state) = self.namespaces.get(key) {
            let state = Arc::clone(state);
            self.later.drop(child);
            return Ok(state);
        }
        let state = child.unwrap_or_else(|| {
            let name = server.namespace_name(key).cloned().unwrap_or_default();
            Arc::new(NamespaceState::new(name, pattern))
        });
        self.open(key, &state);
        Ok(state)
    }

    fn forget_if_unused(&mut self, name: &str) {
        let child = self.dynamic.children.get(name);
        if child.is_some_and(|child| child.waiting == 0 && child.state.key().is_none())
            && let Some(child) = self.dynamic.children.remove(name)
        {
            self.later.drop(child.state);
        }
    }
}
