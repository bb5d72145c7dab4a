//! What is known of a client from the moment it connected.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use http::HeaderMap;
use serde::Deserialize;
use socketio_proto::socket::{ArgsError, Data, Recovery};

use super::{data::Kept, extensions::Extensions, namespace_state::NamespaceState, setup::Setup};
use crate::request::RequestInfo;

/// How a client connected: the request that opened its connection, and what it sent along to
/// enter a namespace.
///
/// Headers, query and address belong to the connection and are the same in all of its namespaces.
#[derive(Debug)]
pub struct Handshake {
    head: RequestInfo,
    auth: Data,
    time: SystemTime,
}

impl Handshake {
    pub(super) fn new(head: RequestInfo, auth: Data) -> Self {
        let time = SystemTime::now();
        let auth = compact(auth);
        Self { head, auth, time }
    }

    /// The address that the connection came from, if the front knows it: see [`Peer`].
    ///
    /// [`Peer`]: crate::Peer
    pub fn address(&self) -> Option<SocketAddr> {
        self.head.peer()
    }

    /// Decodes what the client sent along, its `auth` option; an empty object if nothing.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn auth<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        self.auth.parse()
    }

    /// What the client sent along.
    pub fn auth_data(&self) -> &Data {
        &self.auth
    }

    /// The headers of the request that opened the connection.
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// A parameter of the query, percent-decoded. Of equal names the last one wins.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = self.head.uri().query()?.as_bytes();
        let parameters = form_urlencoded::parse(query);
        parameters
            .filter(|(key, _)| key == name)
            .last()
            .map(|it| it.1)
    }

    /// The request that opened the connection, with what layers in front of the server left in its
    /// extensions.
    pub fn request(&self) -> &RequestInfo {
        &self.head
    }

    /// When the client asked to enter the namespace.
    pub fn time(&self) -> SystemTime {
        self.time
    }
}

/// The same, in memory of its own size: what was received is a slice of the buffer that it was read
/// into, together with what else came then.
///
/// A large value is left alone, because it does not keep much more than itself, and because this is
/// done under the lock.
fn compact(auth: Data) -> Data {
    const LARGE: usize = 16 << 10;
    if auth.json().len() > LARGE {
        return auth;
    }
    Data::new(&auth).unwrap_or(auth)
}

/// A client in one namespace, or on its way there: what outlives its admission.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) namespace: Arc<NamespaceState>,
    pub(crate) setup: Arc<Setup>,
    pub(crate) data: Extensions,
    /// Whether it comes back as the socket that it was.
    pub(crate) is_recovered: bool,
    rooms: Mutex<Vec<Box<str>>>,
}

impl Guest {
    /// Takes what is installed in the namespace now.
    pub(crate) fn new(
        handshake: Arc<Handshake>,
        namespace: Arc<NamespaceState>,
        recovery: Recovery,
    ) -> Self {
        let extensions = Extensions::default();
        let is_recovered = match recovery {
            Recovery::Failed | Recovery::None => false,
            Recovery::Restored { data, .. } => {
                extensions.insert(Kept::restored(data));
                true
            }
        };
        Self {
            handshake,
            setup: namespace.setup(),
            namespace,
            data: extensions,
            is_recovered,
            rooms: Mutex::default(),
        }
    }

    /// Notes rooms to join on acceptance.
    pub(crate) fn reserve(&self, rooms: &[&str]) {
        let rooms = rooms.iter().map(|&room| Box::from(room));
        self.reserved().extend(rooms);
    }

    /// Takes the rooms to join.
    pub(crate) fn take_reserved(&self) -> Vec<Box<str>> {
        std::mem::take(&mut self.reserved())
    }

    fn reserved(&self) -> std::sync::MutexGuard<'_, Vec<Box<str>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
