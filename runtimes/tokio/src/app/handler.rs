//! Functions that handle events: which ones may be given to
//! [`Namespace::on`](super::Namespace::on) and what is like it.

use std::{future, sync::Arc};

use socketio_proto::socket::Args;

use super::{
    Cause, FromArgs, Namespace, Reply, Socket,
    outcome::{Finish, Respond},
    setup::{OnEvent, OnServerSide, Running},
};

/// An async function or closure that handles an event.
///
/// | parameters | returns |
/// | --- | --- |
/// | `Socket` | nothing, `Ack<T>`, or a `Result` of either |
/// | `Socket`, arguments | the same |
/// | `Socket`, arguments, [`Reply`] | nothing or a `Result` |
///
/// Arguments are a tuple that serde can read, or [`Args`]. The marker tells the rows apart; it is
/// inferred. For events of [servers](super::Namespace::on_server_side) the first parameter is a
/// [`Namespace`](super::Namespace).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle an event",
    label = "not a handler",
    note = "a handler is `|socket: Socket, (a, b): (A, B)| async move {{ … }}`; it may leave the arguments out, take `Args`, and take a `Reply` as third parameter",
    note = "parameter types of a closure must be written out, and the future must be `Send`"
)]
pub trait EventHandler<Marker, Subject = Socket>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, subject: Subject, args: Args, reply: Reply) -> Running;
}

/// A function or closure that handles an event at once, without waiting for anything.
///
/// It takes the same as an [`EventHandler`], but the socket by reference. Since events of one
/// socket are handled in turn, and it may run on a thread of the runtime, it must not block.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle an event at once",
    label = "not a handler",
    note = "a handler is `|socket: &Socket, (a, b): (A, B)| {{ … }}`; it may leave the arguments out, take `Args`, and take a `Reply` as third parameter",
    note = "parameter types of a closure must be written out"
)]
pub trait SyncEventHandler<Marker>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, socket: &Socket, args: Args, reply: Reply) -> Result<(), Cause>;
}

pub(super) fn boxed<M>(handler: impl EventHandler<M>) -> OnEvent {
    OnEvent::Async(Arc::new(move |socket, args, reply| {
        handler.call(socket, args, reply)
    }))
}

pub(super) fn boxed_server_side<M>(handler: impl EventHandler<M, Namespace>) -> OnServerSide {
    Arc::new(move |namespace, args, reply| handler.call(namespace, args, reply))
}

pub(super) fn boxed_sync<M>(handler: impl SyncEventHandler<M>) -> OnEvent {
    OnEvent::Sync(Arc::new(move |socket, args, reply| {
        handler.call(socket, args, reply)
    }))
}

impl<F, S, Fut> EventHandler<(), S> for F
where
    F: Fn(S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Respond> + Send + 'static,
{
    fn call(&self, subject: S, _args: Args, reply: Reply) -> Running {
        let running = self(subject);
        Box::pin(async move { running.await.respond(reply) })
    }
}

impl<F, S, T, M, Fut> EventHandler<(M, T), S> for F
where
    F: Fn(S, T) -> Fut + Send + Sync + 'static,
    T: FromArgs<M>,
    Fut: Future<Output: Respond> + Send + 'static,
{
    fn call(&self, subject: S, args: Args, reply: Reply) -> Running {
        match T::from_args(args) {
            Ok(args) => {
                let running = self(subject, args);
                Box::pin(async move { running.await.respond(reply) })
            }
            Err(cause) => Box::pin(future::ready(Err(cause))),
        }
    }
}

impl<F, S, T, M, Fut> EventHandler<(M, T, Reply), S> for F
where
    F: Fn(S, T, Reply) -> Fut + Send + Sync + 'static,
    T: FromArgs<M>,
    Fut: Future<Output: Finish> + Send + 'static,
{
    fn call(&self, subject: S, args: Args, reply: Reply) -> Running {
        match T::from_args(args) {
            Ok(args) => {
                let running = self(subject, args, reply);
                Box::pin(async move { running.await.finish() })
            }
            Err(cause) => Box::pin(future::ready(Err(cause))),
        }
    }
}

impl<F, R> SyncEventHandler<()> for F
where
    F: Fn(&Socket) -> R + Send + Sync + 'static,
    R: Respond,
{
    fn call(&self, socket: &Socket, _args: Args, reply: Reply) -> Result<(), Cause> {
        self(socket).respond(reply)
    }
}

impl<F, T, M, R> SyncEventHandler<(M, T)> for F
where
    F: Fn(&Socket, T) -> R + Send + Sync + 'static,
    T: FromArgs<M>,
    R: Respond,
{
    fn call(&self, socket: &Socket, args: Args, reply: Reply) -> Result<(), Cause> {
        self(socket, T::from_args(args)?).respond(reply)
    }
}

impl<F, T, M, R> SyncEventHandler<(M, T, Reply)> for F
where
    F: Fn(&Socket, T, Reply) -> R + Send + Sync + 'static,
    T: FromArgs<M>,
    R: Finish,
{
    fn call(&self, socket: &Socket, args: Args, reply: Reply) -> Result<(), Cause> {
        self(socket, T::from_args(args)?, reply).finish()
    }
}
