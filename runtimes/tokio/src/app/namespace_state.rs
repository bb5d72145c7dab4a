//! What is kept of a namespace beside the machine.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytestring::ByteString;
use socketio_proto::socket::NamespaceKey;
use tokio::sync::Notify;

use super::{
    pattern::PatternState,
    server_side::Turns,
    setup::{Installed, Setup},
};

/// One namespace: a static one for ever, a dynamic one while somebody is in it or waits for it.
#[derive(Debug)]
pub(crate) struct NamespaceState {
    pub(crate) name: ByteString,
    /// What it was copied from, if it was.
    pub(super) pattern: Weak<PatternState>,
    /// Nothing while nobody is in a dynamic one.
    key: Mutex<Option<NamespaceKey>>,
    installed: Installed,
    /// Whether anybody ever listened to what is sent.
    is_heard: AtomicBool,
    /// How many handlers of servers' events run.
    pub(super) busy: AtomicUsize,
    /// Events for which none runs yet.
    pub(super) turns: Turns,
    stage: Mutex<Stage>,
    ready: Notify,
}

/// Whether the application was told of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    New,
    Telling,
    Told,
}

impl NamespaceState {
    /// A namespace with what its pattern has now.
    pub(super) fn new(name: ByteString, pattern: Option<&Arc<PatternState>>) -> Self {
        let setup = pattern.map(|pattern| pattern.installed.setup());
        let setup = setup.unwrap_or_default();
        Self {
            name,
            pattern: pattern.map(Arc::downgrade).unwrap_or_default(),
            key: Mutex::default(),
            is_heard: AtomicBool::new(!setup.on_any_outgoing.is_empty()),
            installed: Installed::new(setup),
            busy: AtomicUsize::default(),
            turns: Turns::default(),
            stage: Mutex::new(Stage::New),
            ready: Notify::new(),
        }
    }

    /// Its name in the machine, while it is there.
    pub(crate) fn key(&self) -> Option<NamespaceKey> {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is in the machine now, or not any more.
    pub(super) fn set_key(&self, key: Option<NamespaceKey>) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Whether anybody listens to what is sent to some of its sockets.
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Acquire)
    }

    /// What is installed now.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        self.installed.setup()
    }

    /// Replaces what is installed by a changed copy.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Setup)) {
        let changed = self.installed.change(change);
        if !changed.on_any_outgoing.is_empty() {
            self.is_heard.store(true, Ordering::Release);
        }
    }

    /// Has the application told of it, by the first who asks. The others do not wait: the
    /// application may ask for the namespace while it is told.
    pub(super) fn tell_once(&self, tell: impl FnOnce()) {
        if self.step(Stage::New, Stage::Telling) {
            tell();
            self.step(Stage::Telling, Stage::Told);
            self.ready.notify_waiters();
        }
    }

    /// Waits until the application was told.
    pub(super) async fn until_told(&self) {
        loop {
            let mut ready = std::pin::pin!(self.ready.notified());
            ready.as_mut().enable();
            if self.is_told() {
                return;
            }
            ready.await;
        }
    }

    /// Whether the application was told.
    pub(super) fn is_told(&self) -> bool {
        self.stage() == Stage::Told
    }

    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, from: Stage, to: Stage) -> bool {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = *stage == from;
        if is_there {
            *stage = to;
        }
        is_there
    }
}
