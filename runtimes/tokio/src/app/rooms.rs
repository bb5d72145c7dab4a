//! Names of rooms, one or several.

use socketio_proto::socket::SocketId;

/// One room or several: `"a"`, `["a", "b"]`, a slice or a `Vec`, by reference.
pub trait Rooms<'a> {
    /// The names.
    fn names(self) -> Vec<&'a str>;
}

impl<'a> Rooms<'a> for &'a str {
    fn names(self) -> Vec<&'a str> {
        vec![self]
    }
}

impl<'a> Rooms<'a> for &'a String {
    fn names(self) -> Vec<&'a str> {
        vec![self]
    }
}

impl<'a, const N: usize> Rooms<'a> for [&'a str; N] {
    fn names(self) -> Vec<&'a str> {
        self.into()
    }
}

impl<'a, T: AsRef<str>, const N: usize> Rooms<'a> for &'a [T; N] {
    fn names(self) -> Vec<&'a str> {
        self.as_slice().names()
    }
}

impl<'a, T: AsRef<str>> Rooms<'a> for &'a [T] {
    fn names(self) -> Vec<&'a str> {
        self.iter().map(AsRef::as_ref).collect()
    }
}

impl<'a, T: AsRef<str>> Rooms<'a> for &'a Vec<T> {
    fn names(self) -> Vec<&'a str> {
        self.as_slice().names()
    }
}

/// The room of one socket: every socket is in the room named after its id.
impl<'a> Rooms<'a> for &'a SocketId {
    fn names(self) -> Vec<&'a str> {
        vec![self.as_str()]
    }
}
