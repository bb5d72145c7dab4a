//! Who may open a session: a question to the application, asked without the lock.

use std::{fmt, pin::Pin, sync::Arc};

use bytestring::ByteString;
use socketio_proto::edge::Admission;

use crate::{
    request::RequestInfo,
    unwind::{catch, quietly},
};

/// An answer that is on its way.
pub(crate) type Decision = Pin<Box<dyn Future<Output = Admission> + Send>>;

type Ask = dyn Fn(RequestInfo) -> Decision + Send + Sync;

/// Decides about handshakes (Engine.IO reference, `allowRequest`).
#[derive(Clone)]
pub(crate) struct Filter(Arc<Ask>);

impl Filter {
    pub(crate) fn new<F, R, E>(allow: F) -> Self
    where
        F: Fn(RequestInfo) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<String>,
    {
        let allow = Arc::new(allow);
        Self(Arc::new(move |request| {
            let allow = Arc::clone(&allow);
            // What the application wrote is called where the future is polled: not under the lock.
            Box::pin(async move {
                match catch(async { allow(request).await.map_err(E::into) }).await {
                    Ok(Ok(())) => Admission::Allow,
                    Ok(Err(message)) => Admission::Deny {
                        message: ByteString::from(message),
                    },
                    // The panic was printed; nobody is let in by one.
                    Err(panic) => {
                        quietly(|| drop(panic));
                        Admission::Deny {
                            message: ByteString::from_static("Forbidden"),
                        }
                    }
                }
            })
        }))
    }

    /// The question about one request. Making it runs nothing of the application.
    pub(crate) fn ask(&self, request: RequestInfo) -> Decision {
        (self.0)(request)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}
