//! What an event or an answer may carry.

use std::collections::VecDeque;

use serde::Serialize;
use socketio_proto::socket::Args;

/// The arguments of an event or an answer: what `emit`, `emit_with_ack`, [`Ack`](super::Ack) and
/// [`Reply::send`](super::Reply::send) take.
///
/// | JavaScript | here |
/// | --- | --- |
/// | `emit("event")` | `emit("event", ())` |
/// | `emit("event", value)` | `emit("event", (value,))` |
/// | `emit("event", first, second)` | `emit("event", (first, second))` |
/// | `emit("event", ...list)` | `emit("event", list)` |
/// | `emit("event", list)` | `emit("event", (list,))` |
///
/// These are arguments:
///
/// - tuples of up to 16 values that serde can write, one for each argument;
/// - lists (`Vec<T>`, `VecDeque<T>`, `[T; N]`, `[T]`): each element is an argument, so a list that
///   is to arrive as one array is `(list,)`;
/// - [`Args`] that were received: they are forwarded as they came, attachments included;
/// - references to any of these.
///
/// A single value that is not in a tuple does not compile:
///
/// ```compile_fail,E0277
/// # fn example(socket: socketio_tokio::Socket) {
/// socket.emit("hello", "world");
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # fn example(socket: socketio_tokio::Socket) {
/// socket.emit("hello", serde_json::json!({ "to": "world" }));
/// # }
/// ```
///
/// ```compile_fail,E0277
/// let answer = socketio_tokio::Ack(String::from("hello"));
/// ```
///
/// Implement it for a type of your own if serde writes that as a tuple or as a list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of arguments",
    label = "must be a tuple, a list, or `Args`",
    note = "a single argument is a tuple of one: `(value,)`; no arguments are `()`"
)]
pub trait Arguments: Serialize {}

impl Arguments for Args {}
impl<T: Serialize> Arguments for Vec<T> {}
impl<T: Serialize> Arguments for VecDeque<T> {}
impl<T: Serialize> Arguments for [T] {}
impl<T, const N: usize> Arguments for [T; N] where [T; N]: Serialize {}
impl<T: Arguments + ?Sized> Arguments for &T {}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Serialize, $($rest: Serialize),*> Arguments for ($first, $($rest,)*) {}
        tuples!($($rest)*);
    };
    () => {
        impl Arguments for () {}
    };
}

tuples!(A B C D E F G H I J K L M N O P);

#[cfg(test)]
mod tests {
    use super::*;

    fn is_arguments(_: impl Arguments) {}

    #[test]
    fn tuples_lists_and_references_to_them_are_arguments() {
        is_arguments(());
        is_arguments(("one",));
        is_arguments((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
        is_arguments(vec![1]);
        is_arguments([1; 32]);
        is_arguments(&[1, 2][..]);

        let pair = &(1, "two");
        is_arguments(pair);
        let list = &vec!["one"];
        is_arguments(list);
    }
}
