//! The duty to report how a request ended.

use std::{fmt, sync::Arc};

use socketio_proto::edge::{End, RequestId};

/// Whoever wants to know how requests end.
pub(crate) trait EndRequest: Send + Sync {
    fn end_request(self: Arc<Self>, request: RequestId, end: End);
}

/// Reports the end of one request exactly once: when it is said to have ended, or else, as
/// [`End::Gone`], when it is dropped. hyper drops a request's future, or its response's body, when
/// the connection dies.
pub(crate) struct Ticket {
    request: RequestId,
    server: Option<Arc<dyn EndRequest>>,
}

impl Ticket {
    pub(crate) fn new(server: Arc<dyn EndRequest>, request: RequestId) -> Self {
        Self {
            request,
            server: Some(server),
        }
    }

    pub(crate) fn request(&self) -> RequestId {
        self.request
    }

    /// Reports the end.
    pub(crate) fn end(mut self, end: End) {
        self.report(end);
    }

    /// Gives the duty up: somebody else has it now.
    pub(crate) fn forget(mut self) {
        self.server = None;
    }

    fn report(&mut self, end: End) {
        if let Some(server) = self.server.take() {
            server.end_request(self.request, end);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.report(End::Gone);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.request).finish()
    }
}
