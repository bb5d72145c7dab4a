//! The Socket.IO part of the chat: what clients may do, and what they are told.
//!
//! Every handler holds the lock of the state until it has emitted what follows from its change. So
//! all clients hear of changes in the order in which they were made, and whoever joins a room
//! misses nothing between its history and its first event.
#![allow(
    clippy::needless_pass_by_value,
    reason = "handlers own what they are given"
)]

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::json;
use socketio_tokio::{
    Ack, Args, Arguments, Binary, Cause, Connecting, DisconnectReason, Error, HandlerError, Io,
    Refusal, Reply, Socket,
};

use super::{
    answer::{Answer, Refused, Said},
    message::{Content, Picture},
    state::State,
};

/// Gives the server its handlers.
pub(crate) fn install(io: &Io) {
    let state = Arc::new(Mutex::new(State::new(now())));
    io.of("/")
        .middleware(move |client: Connecting| {
            let entered = enter(&client, &state);
            async move { entered }
        })
        .on_connect(welcome)
        .on_sync("join", join)
        .on_sync("leave", leave)
        .on_sync("message", message)
        .on_sync("picture", picture)
        .on_sync("typing", typing)
        .on_disconnect(farewell)
        .on_error(report);
}

/// The client of a socket, kept with the socket: `socket.data` in JavaScript.
struct Member {
    nickname: String,
    state: Arc<Mutex<State>>,
}

impl Member {
    fn of(socket: &Socket) -> Result<Arc<Self>, Error> {
        let member = socket.get::<Self>();
        member.ok_or_else(|| "the middleware let nobody in without a nickname".into())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The server drops what it keeps with a socket after the socket's last handler, and also where a
/// client went away before it had one: the nickname is free again in both cases.
impl Drop for Member {
    fn drop(&mut self) {
        self.state().exit(&self.nickname);
    }
}

/// What a client sends along when it connects: `io({ auth: { nickname } })`.
#[derive(Deserialize)]
struct Auth {
    nickname: String,
}

/// `io.use((socket, next) => { … })`
///
/// Lets a client in under a nickname that nobody has. To one that is refused, the message and the
/// data are what its `connect_error` handler gets.
fn enter(client: &Connecting, state: &Arc<Mutex<State>>) -> Result<(), Refusal> {
    let auth = client.auth::<Auth>();
    let nickname = auth.map_err(|_| Refused::InvalidNickname).and_then(|auth| {
        lock(state).enter(&auth.nickname)?;
        Ok(auth.nickname)
    });
    match nickname {
        Ok(nickname) => {
            let state = Arc::clone(state);
            client.insert(Member { nickname, state });
            Ok(())
        }
        Err(refused) => {
            let data = json!({ "code": refused.code() });
            Err(Refusal::new(refused.message()).data(&data))
        }
    }
}

/// `io.on("connection", (socket) => { … })`
async fn welcome(socket: Socket) -> Result<(), Error> {
    let member = Member::of(&socket)?;
    let state = member.state();
    socket.emit("rooms", (state.rooms(),))?;
    Ok(())
}

/// `socket.on("join", (room, callback) => { …; callback({ ok: true, members, history }); … })`
///
/// It answers before its end, so the answer is not returned as an [`Ack`] but given to the [`Reply`].
fn join(socket: &Socket, args: Args, reply: Reply) -> Result<(), Error> {
    let member = Member::of(socket)?;
    let mut state = member.state();
    // What is no text is as bad a name as an empty one.
    let (room,): (String,) = args.parse().unwrap_or_default();
    let joined = match state.join(&member.nickname, &room) {
        Ok(joined) => joined,
        Err(refused) => return Ok(reply.send((Answer::<()>::refuse(refused),))?),
    };
    let is_new = joined.is_new;
    if is_new {
        socket.join(&channel(&room))?;
        tell(socket, &room, "joined", (&room, &member.nickname))?;
    }
    reply.send((Answer::accept(joined),))?;
    if is_new {
        tell_rooms(socket, &state)?;
    }
    Ok(())
}

/// `socket.on("leave", (room, callback) => { …; callback({ ok: true }); })`
fn leave(socket: &Socket, args: Args) -> Result<Ack<(Answer<()>,)>, Error> {
    let member = Member::of(socket)?;
    let mut state = member.state();
    let (room,): (String,) = args.parse().unwrap_or_default();
    if state.leave(&member.nickname, &room) {
        socket.leave(&channel(&room))?;
        tell(socket, &room, "left", (&room, &member.nickname))?;
        tell_rooms(socket, &state)?;
    }
    Ok(Ack((Answer::accept(()),)))
}

/// `socket.on("message", (room, text, callback) => { …; callback({ ok: true, id, at }); })`
fn message(socket: &Socket, args: Args) -> Result<Ack<(Answer<Said>,)>, Error> {
    match args.parse::<(String, String)>() {
        Ok((room, text)) => say(socket, &room, Content::Text(text)),
        Err(_) => Ok(Ack((Answer::refuse(Refused::InvalidText),))),
    }
}

/// `socket.on("picture", (room, type, data, callback) => { …; callback({ ok: true, id, at }); })`
///
/// [`Binary`] is an attachment. Wherever it is sent again, its bytes are shared and not copied.
fn picture(socket: &Socket, args: Args) -> Result<Ack<(Answer<Said>,)>, Error> {
    match args.parse::<(String, String, Binary)>() {
        Ok((room, media_type, data)) => {
            let picture = Picture { media_type, data };
            say(socket, &room, Content::Picture(picture))
        }
        Err(_) => Ok(Ack((Answer::refuse(Refused::InvalidPicture),))),
    }
}

/// Keeps what somebody says, and passes it on to the others in the room.
fn say(socket: &Socket, room: &str, content: Content) -> Result<Ack<(Answer<Said>,)>, Error> {
    let member = Member::of(socket)?;
    let mut state = member.state();
    let answer = match state.say(now(), &member.nickname, room, content) {
        Ok(message) => {
            tell(socket, room, "message", (&message,))?;
            let (id, at) = (message.id, message.at);
            Answer::accept(Said { id, at })
        }
        Err(refused) => Answer::refuse(refused),
    };
    Ok(Ack((answer,)))
}

/// `socket.on("typing", (room, active) => { … })`
///
/// Nobody waits for an answer here, so the handler takes typed arguments, and what does not fit
/// them never comes so far: see [`report`].
fn typing(socket: &Socket, (room, active): (String, bool)) -> Result<(), Error> {
    let member = Member::of(socket)?;
    let state = member.state();
    if state.is_member(&member.nickname, &room) {
        tell(socket, &room, "typing", (&room, &member.nickname, active))?;
    }
    Ok(())
}

/// `socket.on("disconnect", (reason) => { … })`
async fn farewell(socket: Socket, _reason: DisconnectReason) -> Result<(), Error> {
    let member = Member::of(&socket)?;
    let mut state = member.state();
    let rooms = state.leave_all(&member.nickname);
    for room in &rooms {
        tell(&socket, room, "left", (room, &member.nickname))?;
    }
    if !rooms.is_empty() {
        tell_rooms(&socket, &state)?;
    }
    Ok(())
}

/// Says what went wrong in a handler. Arguments that do not fit are the client's mistake, and a
/// client that is gone is no mistake at all.
fn report(socket: &Socket, error: &HandlerError) {
    let is_ours = !matches!(error.cause(), Cause::Arguments(_));
    if is_ours && !error.is_disconnected() {
        eprintln!("chat: {}: {error}", socket.id());
    }
}

/// Sends an event to the others in a room: `socket.to(room).emit(…)`.
fn tell(socket: &Socket, room: &str, event: &str, args: impl Arguments) -> Result<(), Error> {
    socket.to(&channel(room)).emit(event, args)?;
    Ok(())
}

/// Sends the list of rooms to everybody: `io.emit(…)`.
fn tell_rooms(socket: &Socket, state: &State) -> Result<(), Error> {
    socket.namespace().emit("rooms", (state.rooms(),))?;
    Ok(())
}

/// The Socket.IO room behind a room of the chat. Every socket is in a room named after its id, and
/// the prefix keeps clients from joining those of others.
fn channel(room: &str) -> String {
    format!("chat:{room}")
}

/// A handler that panicked is no reason to close the chat.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}
