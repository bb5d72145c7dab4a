//! What handlers return, and how they answer.

use socketio_proto::socket::{Args, ArgsError, Packet, ReplyToken, Sent};
use tokio::sync::oneshot;

use super::{Arguments, Cause, EmitError, Error, Socket};

/// Answers the acknowledgement that a client asked for: the value that a handler returns.
///
/// It holds the answer's [`Arguments`]: a single one is `Ack((value,))`, none is `Ack(())`. If the
/// client asked for no answer, nothing is sent.
///
/// It leaves when the handler has returned: behind what the handler emitted, outside of a lock that the
/// handler held, and not at all if the handler disconnected the client. To answer before that take a
/// [`Reply`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Ack<T: Arguments>(pub T);

/// The right to answer one event, once, now or later.
///
/// Dropping it leaves the client without an answer; so does a `?` before [`send`](Self::send). Where a
/// handler ends early, it answers first:
///
/// ```
/// # fn example(io: socketio_tokio::Io) {
/// use socketio_tokio::{ArgsError, Error, Reply, Socket};
///
/// io.of("/").on("say", |socket: Socket, args: Result<(String,), ArgsError>, reply: Reply| async move {
///     let Ok((text,)) = args else {
///         return Ok(reply.send(("a text, please",))?);
///     };
///     if text.is_empty() {
///         return Ok(reply.send(("nothing to say",))?);
///     }
///     // Before the others hear of it:
///     reply.send(("said",))?;
///     socket.broadcast().emit("said", (text,))?;
///     Ok::<_, Error>(())
/// });
/// # }
/// ```
#[derive(Debug)]
#[must_use = "without an answer the client waits for ever, or until its timeout"]
pub struct Reply(Asker);

/// Who waits for an answer.
#[derive(Debug)]
enum Asker {
    Client { socket: Socket, token: ReplyToken },
    Nobody,
    Server(oneshot::Sender<Args>),
}

impl Reply {
    pub(super) fn new(socket: &Socket, token: Option<ReplyToken>) -> Self {
        Self(token.map_or(Asker::Nobody, |token| Asker::Client {
            socket: socket.clone(),
            token,
        }))
    }

    pub(super) fn to_server(sender: Option<oneshot::Sender<Args>>) -> Self {
        Self(sender.map_or(Asker::Nobody, Asker::Server))
    }

    /// Whether an answer was asked for.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.0, Asker::Nobody)
    }

    /// Answers. If the client asked for no answer, it does nothing.
    ///
    /// Received [`Args`] are forwarded as they came.
    ///
    /// # Errors
    ///
    /// When the arguments cannot be encoded, and when the socket is gone.
    pub fn send(self, args: impl Arguments) -> Result<(), EmitError> {
        match self.0 {
            Asker::Client { socket, token } => {
                let packet = Packet::reply(&args)?;
                let link = socket.link();
                link.with(|server, _, now| server.reply(now, token, packet))?;
            }
            Asker::Nobody => {}
            // If it does not wait any more, that is as if the answer came too late.
            Asker::Server(sender) => _ = sender.send(Packet::reply(&args)?.to_args()),
        }
        Ok(())
    }
}

/// What a handler that answers nothing may return: nothing, what came of an emit ([`Sent`]), or a
/// `Result` of either with any error.
///
/// An error goes to [`Namespace::on_error`](super::Namespace::on_error).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what this handler may return",
    label = "this handler must return nothing, or a `Result`",
    note = "an async block with `?` needs the type of its error: end it with `Ok::<(), socketio_tokio::Error>(())`"
)]
pub trait Finish {
    #[doc(hidden)]
    fn finish(self) -> Result<(), Cause>;
}

impl Finish for () {
    fn finish(self) -> Result<(), Cause> {
        Ok(())
    }
}

impl Finish for Sent {
    fn finish(self) -> Result<(), Cause> {
        Ok(())
    }
}

impl<R: Finish, E: Into<Error>> Finish for Result<R, E> {
    fn finish(self) -> Result<(), Cause> {
        match self {
            Ok(done) => done.finish(),
            Err(error) => Err(Cause::Failed(error.into())),
        }
    }
}

/// What a handler of an event may return: nothing, what came of an emit ([`Sent`]), the answer as
/// [`Ack`], or a `Result` of these with any error.
///
/// An error goes to [`Namespace::on_error`](super::Namespace::on_error).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler of an event may return",
    label = "a handler must return nothing, `Ack(…)`, or a `Result`",
    note = "an async block with `?` needs the type of its error: end it with `Ok::<(), socketio_tokio::Error>(())`"
)]
pub trait Respond {
    #[doc(hidden)]
    fn respond(self, reply: Reply) -> Result<(), Cause>;
}

impl Respond for () {
    fn respond(self, _reply: Reply) -> Result<(), Cause> {
        Ok(())
    }
}

impl Respond for Sent {
    fn respond(self, _reply: Reply) -> Result<(), Cause> {
        Ok(())
    }
}

impl<T: Arguments> Respond for Ack<T> {
    fn respond(self, reply: Reply) -> Result<(), Cause> {
        reply
            .send(self.0)
            .map_err(|error| Cause::Failed(error.into()))
    }
}

impl<R: Respond, E: Into<Error>> Respond for Result<R, E> {
    fn respond(self, reply: Reply) -> Result<(), Cause> {
        match self {
            Ok(answer) => answer.respond(reply),
            Err(error) => Err(Cause::Failed(error.into())),
        }
    }
}

/// Decodes what a handler takes as its second parameter: a type that serde can read, usually a
/// tuple, or [`Args`] as they came.
///
/// A `Result` of the first with [`ArgsError`] lets the handler itself answer arguments that do not
/// fit; without it they go to [`Namespace::on_error`](super::Namespace::on_error).
///
/// The marker keeps the three apart; it is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the arguments of an event",
    label = "must be `Args`, or a tuple whose elements implement `serde::Deserialize`",
    note = "a single argument is a tuple of one: `(text,): (String,)`"
)]
pub trait FromArgs<Marker>: Sized {
    #[doc(hidden)]
    fn from_args(args: Args) -> Result<Self, Cause>;
}

/// Marks arguments that are decoded.
#[derive(Debug)]
pub struct Decoded;

/// Marks arguments that are decoded, or the reason why not.
#[derive(Debug)]
pub struct Tried;

/// Marks arguments that are taken as they came.
#[derive(Debug)]
pub struct AsTheyCame;

impl<T: serde::de::DeserializeOwned> FromArgs<Decoded> for T {
    fn from_args(args: Args) -> Result<Self, Cause> {
        args.parse().map_err(Cause::Arguments)
    }
}

impl<T: serde::de::DeserializeOwned> FromArgs<Tried> for Result<T, ArgsError> {
    fn from_args(args: Args) -> Result<Self, Cause> {
        Ok(args.parse())
    }
}

impl FromArgs<AsTheyCame> for Args {
    fn from_args(args: Args) -> Result<Self, Cause> {
        Ok(args)
    }
}
