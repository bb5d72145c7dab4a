//! Running an application's handlers, and what becomes of those that fail.

use std::{
    any::Any,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

use socketio_proto::socket::{Args, ReplyToken};

use super::{
    Cause, HandlerError, Reply, Socket,
    inbox::Taken,
    setup::{OnAny, OnEvent},
    socket::Pressure,
};
use crate::unwind::{self, quietly};

/// One thing that the handlers of a socket have to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// The socket was accepted. It is the first job.
    Connect,
    /// The socket is gone. It is the last job.
    Disconnect,
    /// The client sent an event.
    Event {
        args: Args,
        reply: Option<ReplyToken>,
    },
    /// Much waits for the client, or little again.
    Pressure(Pressure),
}

/// Does what waits for a socket, one job after the other, until nothing does.
pub(crate) fn drain(socket: Socket) -> impl Future<Output = ()> + Send {
    let mut worker = Worker {
        socket,
        is_done: false,
    };
    async move {
        while let Some(job) = worker.next() {
            run(&worker.socket, job).await;
            // Handlers that never wait must not keep the thread from others.
            tokio::task::coop::consume_budget().await;
        }
    }
}

/// Works on the queue of a socket. However it ends, even before it began because a runtime went
/// down, the queue knows.
struct Worker {
    socket: Socket,
    is_done: bool,
}

impl Worker {
    fn next(&mut self) -> Option<Job> {
        let taken = self.socket.state().inbox.next();
        self.is_done = taken.is_none();
        let Taken { job, goes_on } = taken?;
        if goes_on {
            self.socket.read_on();
        }
        Some(job)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_done && self.socket.state().inbox.abandon() {
            self.socket.read_on();
        }
    }
}

async fn run(socket: &Socket, job: Job) {
    let setup = &socket.state().guest.setup;
    match job {
        Job::Connect => {
            for handler in &setup.on_connect {
                let done = catch(async { handler(socket.clone()).await }).await;
                report(socket, "connect", done);
            }
        }
        Job::Disconnect => {
            let Some(reason) = socket.disconnect_reason() else {
                return;
            };
            for handler in &setup.on_disconnect {
                let done = catch(async { handler(socket.clone(), reason).await }).await;
                report(socket, "disconnect", done);
            }
        }
        Job::Pressure(pressure) => {
            for handler in &setup.on_pressure {
                let done = catch(async { handler(socket.clone(), pressure).await }).await;
                report(socket, "pressure", done);
            }
        }
        Job::Event { args, reply } => {
            for listener in &setup.on_any {
                overhear(socket, listener, &args);
            }
            if !passes(socket, &args).await {
                return;
            }
            if let Some(handler) = setup.handler(args.name()) {
                handle(socket, handler, args, reply).await;
            }
        }
    }
}

/// Shows an event to somebody who listens to all.
pub(crate) fn overhear(socket: &Socket, listener: &OnAny, args: &Args) {
    let heard = catch_unwind(AssertUnwindSafe(|| listener(socket, args)));
    report(socket, args.name(), heard.map(Ok).map_err(thrown));
}

/// Whether all filters let an event pass.
async fn passes(socket: &Socket, args: &Args) -> bool {
    for filter in &socket.state().guest.setup.filters {
        // A clone shares the buffer.
        let done = catch(async { filter(socket.clone(), args.clone()).await }).await;
        if !matches!(done, Ok(Ok(()))) {
            report(socket, args.name(), done);
            return false;
        }
    }
    true
}

async fn handle(socket: &Socket, handler: &OnEvent, args: Args, reply: Option<ReplyToken>) {
    // A clone shares the buffer; the name is for the report.
    let event = args.clone();
    let reply = Reply::new(socket, reply);
    let done = match handler {
        OnEvent::Async(handler) => {
            catch(async { handler(socket.clone(), args, reply).await }).await
        }
        OnEvent::Sync(handler) => catch(async { handler(socket, args, reply) }).await,
    };
    report(socket, event.name(), done);
}

/// Runs a future; a panic in it becomes an error.
pub(crate) async fn catch<T>(future: impl Future<Output = T>) -> Result<T, Cause> {
    unwind::catch(future).await.map_err(thrown)
}

fn thrown(panic: Box<dyn Any + Send>) -> Cause {
    let message = message_of(&*panic);
    quietly(|| drop(panic));
    Cause::Panicked(message)
}

fn message_of(panic: &(dyn Any + Send)) -> Box<str> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").into()
}

/// Tells the application what went wrong.
fn report(socket: &Socket, event: &str, done: Result<Result<(), Cause>, Cause>) {
    let Err(cause) = done.and_then(|done| done) else {
        return;
    };
    let error = HandlerError::new(event, cause);
    let handlers = &socket.state().guest.setup.on_error;
    if handlers.is_empty() && !error.is_disconnected() {
        quietly(|| print_in_debug_builds(socket, &error, "; `on_error` takes these errors"));
    }
    for handler in handlers {
        quietly(|| handler(socket, &error));
    }
    quietly(|| drop(error));
}

/// Prints what went wrong where there is nobody to tell.
pub(crate) fn print_error(place: &impl Debug, event: &str, done: Result<Result<(), Cause>, Cause>) {
    if let Err(cause) = done.and_then(|done| done) {
        let error = HandlerError::new(event, cause);
        quietly(|| print_in_debug_builds(place, &error, ""));
        quietly(|| drop(error));
    }
}

/// Without a handler of errors, a newcomer whose types do not fit would see nothing happen at all.
fn print_in_debug_builds(place: &impl Debug, error: &HandlerError, hint: &str) {
    if cfg!(debug_assertions) {
        eprintln!("socketio-tokio: {place:?}: {error}{hint}");
    }
}
