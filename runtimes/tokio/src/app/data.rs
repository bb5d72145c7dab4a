//! What an application keeps with a socket in the machine.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use socketio_proto::socket::{Data, EncodeError};

use super::{Connecting, EmitError, Socket, extensions::Extensions};

/// What the machine keeps of a socket's data, also once that has forgotten it.
pub(super) struct Kept(pub(super) Bytes);

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
            self.state().guest.data.insert(Kept(data));
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
        self.extensions().insert(Kept(data));
        Ok(())
    }

    /// The value that an earlier middleware set.
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
    serde_json::from_slice(&kept.0).ok()
}
