//! What an application keeps with a socket in the machine.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use socketio_proto::socket::{Data, EncodeError, Server, SocketKey};

use super::{Connecting, EmitError, Socket, extensions::Extensions, handshake::Guest};

/// What the machine keeps of a socket's data, also once that has forgotten it.
pub(super) struct Kept {
    json: Bytes,
    /// Whether it was set on the way in, and the machine does not have it.
    is_new: bool,
}

impl Kept {
    /// What a client that comes back had.
    pub(super) fn restored(json: Bytes) -> Self {
        let is_new = false;
        Self { json, is_new }
    }
}

impl Guest {
    /// The client is a socket now: what middleware has set is the machine's, too. Without that, what
    /// the machine has restored counts: it may have changed on the way.
    pub(super) fn settle_data(&self, server: &mut Server, key: SocketKey) {
        match self.data.get::<Kept>() {
            // It is there: it was just accepted.
            Some(kept) if kept.is_new => _ = server.set_data(key, kept.json.clone()),
            Some(_) => {
                let json = server.data_of(key).unwrap_or_default();
                self.data.insert(Kept::restored(json));
            }
            None => {}
        }
    }
}

impl Socket {
    /// Keeps a value with the socket, in the place of the one before: as JSON, so that it can go
    /// where the socket goes. A client whose connection is recovered has it again, unlike what
    /// [`insert`](Self::insert) keeps.
    ///
    /// ```
    /// # fn example(socket: socketio_tokio::Socket) -> Result<(), socketio_tokio::Error> {
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// // socket.data = { name: "alice" };
    /// socket.set_data(&User { name: "alice".to_owned() })?;
    /// // const { name } = socket.data;
    /// let user = socket.data::<User>();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the value cannot be JSON, for example because it holds bytes, and when the socket is
    /// gone.
    pub fn set_data(&self, value: &(impl Serialize + ?Sized)) -> Result<(), EmitError> {
        let data = encode(value)?;
        let key = self.state().key;
        self.link().with(|server, _, _| {
            server.set_data(key, data.clone())?;
            self.state().guest.data.insert(Kept::restored(data));
            Ok(())
        })
    }

    /// The value that is kept with the socket, also once it is gone. Nothing if there is none, or if
    /// it is of another type.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        decode(&self.state().guest.data)
    }
}

impl Connecting {
    /// Keeps a value with the socket that this client becomes: see [`Socket::set_data`].
    ///
    /// # Errors
    ///
    /// When the value cannot be JSON.
    pub fn set_data(&self, value: &(impl Serialize + ?Sized)) -> Result<(), EmitError> {
        let data = encode(value)?;
        self.extensions().insert(Kept {
            json: data,
            is_new: true,
        });
        Ok(())
    }

    /// The value that an earlier middleware set, or that a client which comes back had.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        decode(self.extensions())
    }
}

fn encode(value: &(impl Serialize + ?Sized)) -> Result<Bytes, EncodeError> {
    let data = Data::new(value)?;
    Ok(Bytes::copy_from_slice(data.json().as_bytes()))
}

fn decode<T: DeserializeOwned>(extensions: &Extensions) -> Option<T> {
    let kept: Arc<Kept> = extensions.get()?;
    serde_json::from_slice(&kept.json).ok()
}
