//! Clients on their way into a namespace.

use std::{borrow::Cow, fmt, net::SocketAddr, sync::Arc};

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use socketio_proto::socket::{ArgsError, Data, PendingKey};
use thiserror::Error;
use tokio::sync::oneshot;

use super::{
    Candidate, Namespace,
    extensions::Extensions,
    handshake::{Guest, Handshake},
    job::catch,
    link::Link,
    namespace_state::NamespaceState,
    pattern::PatternState,
    rooms::Rooms,
    setup::OnNamespace,
};
use crate::unwind::quietly;

/// A client that asks to enter a namespace, as middleware sees it.
#[derive(Clone)]
pub struct Connecting {
    guest: Arc<Guest>,
}

impl Connecting {
    /// How it connected.
    pub fn handshake(&self) -> &Handshake {
        &self.guest.handshake
    }

    /// Decodes what the client sent along, its `auth` option; an empty object if nothing.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn auth<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        self.handshake().auth()
    }

    /// The headers of the request that opened the connection.
    pub fn headers(&self) -> &HeaderMap {
        self.handshake().headers()
    }

    /// A parameter of the query, percent-decoded. Of equal names the last one wins.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.handshake().query(name)
    }

    /// The address that the connection came from, if the front knows it: see [`Peer`].
    ///
    /// [`Peer`]: crate::Peer
    pub fn address(&self) -> Option<SocketAddr> {
        self.handshake().address()
    }

    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.guest.namespace.name
    }

    /// Whether the client comes back to a connection that it lost, and becomes the socket that it
    /// was if it is accepted: see [`IoBuilder::recovery`](super::IoBuilder::recovery). Middleware sees
    /// it only if [`skip_middlewares`](super::IoBuilder::skip_middlewares) is off.
    pub fn recovered(&self) -> bool {
        self.guest.is_recovered
    }

    /// Puts a value of any type aside for the socket that this client becomes, such as the user it
    /// was found to be: [`Socket::get`](super::Socket::get). Gives the value of this type that was
    /// there.
    ///
    /// It ends with that socket, or at once if the client is refused. A client that is recovered comes
    /// without it, and as a rule past all middleware: what is to be known of it then is kept by
    /// [`set_data`](Self::set_data).
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        self.guest.data.insert(value)
    }

    /// The value of this type that an earlier middleware put aside.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.guest.data.get()
    }

    pub(super) fn extensions(&self) -> &Extensions {
        &self.guest.data
    }

    /// Lets the socket be in these rooms from its first moment, if it is accepted.
    pub fn join<'a>(&self, rooms: impl Rooms<'a>) {
        self.guest.reserve(&rooms.names());
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("namespace", &self.namespace())
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

/// Why a client is turned away: its `connect_error` event gets the message and the data.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    message: Cow<'static, str>,
    data: Option<Data>,
}

impl Refusal {
    /// A refusal with a message for the client.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// Adds data for the client: `error.data` in JavaScript.
    ///
    /// A value that cannot be JSON, for example because it holds bytes, is left out; that is the
    /// application's mistake, and debug builds panic.
    #[must_use]
    pub fn data(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        let data = Data::new(data);
        debug_assert!(data.is_ok(), "the data of a refusal must be JSON");
        self.data = data.ok();
        self
    }
}

/// Stops the middleware that runs for a client, if that went away or waited for too long.
#[derive(Debug)]
pub(crate) struct Withdrawal(oneshot::Sender<()>);

impl Withdrawal {
    pub(crate) fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// It may run a waker: not under the lock.
    pub(crate) fn withdraw(self) {
        // It may have ended by itself.
        _ = self.0.send(());
    }
}

/// What a client is told that asks for a namespace that there is not (Socket.IO reference,
/// "CONNECT procedure").
pub(crate) const NO_NAMESPACE: &str = "Invalid namespace";

/// Lets the application judge a client, then accepts or refuses it.
pub(crate) async fn admit(
    link: Link,
    pending: PendingKey,
    judging: impl Future<Output = Result<Arc<Guest>, Refusal>>,
    withdrawn: oneshot::Receiver<()>,
) {
    let verdict = tokio::select! {
        biased;
        _ = withdrawn => return,
        verdict = catch(judging) => verdict,
    };
    let verdict = verdict.unwrap_or_else(|_| Err(Refusal::new("internal error")));
    link.try_with(|server, tables, now| match &verdict {
        Ok(guest) => tables.accept(server, now, pending, Arc::clone(guest)),
        Err(refusal) => {
            tables.decided(pending);
            // If it is stale, nobody waits for the answer.
            _ = server.refuse(now, pending, &refusal.message, refusal.data.as_ref());
        }
    });
}

/// Runs the middleware of a namespace in order, unless that is skipped.
pub(crate) async fn judge(guest: Arc<Guest>, is_skipped: bool) -> Result<Arc<Guest>, Refusal> {
    let middlewares = guest.setup.middleware.iter();
    for middleware in middlewares.filter(|_| !is_skipped) {
        let guest = Arc::clone(&guest);
        middleware(Connecting { guest }).await?;
    }
    Ok(guest)
}

/// Asks the patterns in the order of their registration for a namespace that does not exist, and
/// makes it, unless another client did meanwhile; then runs its middleware.
pub(crate) async fn judge_unknown(
    link: Link,
    pending: PendingKey,
    candidate: Candidate,
    patterns: Arc<[Arc<PatternState>]>,
) -> Result<Arc<Guest>, Refusal> {
    let refused = || Refusal::new(NO_NAMESPACE);
    let mut allowing = None;
    for pattern in &*patterns {
        if pattern.allows(&candidate).await {
            allowing = Some(pattern);
            break;
        }
    }
    let pattern = allowing.ok_or_else(refused)?;
    let allowed = link.try_with(|server, tables, _| {
        let namespace = tables.allow(server, pending, &candidate.name, pattern);
        namespace.map(|namespace| (namespace, tables.dynamic.listeners()))
    });
    // The client went away: nobody hears of it.
    let (namespace, listeners) = allowed.flatten().ok_or_else(refused)?;
    announce(&link, &namespace, &listeners);
    judge_new(link, candidate, namespace).await
}

/// Runs the middleware of a namespace that the application may still be told of: what it adds then
/// concerns every client.
pub(crate) async fn judge_new(
    link: Link,
    candidate: Candidate,
    namespace: Arc<NamespaceState>,
) -> Result<Arc<Guest>, Refusal> {
    namespace.until_told().await;
    let guest = Guest::new(candidate.handshake, namespace, candidate.recovery);
    let is_skipped = link.try_with(|_, tables, _| tables.skips_middleware(&guest));
    judge(Arc::new(guest), is_skipped == Some(true)).await
}

/// Tells the application of a new namespace, before any client can be in it.
pub(crate) fn announce(link: &Link, namespace: &Arc<NamespaceState>, listeners: &[OnNamespace]) {
    namespace.tell_once(|| {
        for listener in listeners {
            let handle = Namespace::new(link.clone(), Arc::clone(namespace));
            quietly(|| listener(handle));
        }
    });
}
