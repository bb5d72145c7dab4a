//! The Socket.IO part of the room.
//!
//! Every handler holds the lock of the room until it has emitted what follows from its change, so
//! everybody hears of everything in one order, and who comes in misses nothing and gets nothing
//! twice: until he is welcome, he is not in the Socket.IO room that messages go to.
#![allow(
    clippy::needless_pass_by_value,
    reason = "handlers own what they are given"
)]

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::{Value, json};
use socketio_tokio::{Ack, Args, Connecting, DisconnectReason, Error, Io, Refusal, Reply, Socket};

use super::state::{Decision, Refused, Room};

/// The Socket.IO room of those who were welcomed.
const EVERYBODY: &str = "everybody";

/// Gives the server its handlers. Whoever shows the token is a moderator.
pub(crate) fn install(io: &Io, token: &str) {
    let room = Arc::new(Mutex::new(Room::new()));
    let token = Arc::<str>::from(token);
    io.of("/")
        .middleware(move |client: Connecting| {
            let entered = enter(&client, &room, &token);
            async move { entered.map_err(refusal) }
        })
        .on_connect(welcome)
        .on_sync("say", say)
        .on_sync("decide", decide)
        .on_disconnect(farewell);
}

/// The member of a socket: `socket.data` in JavaScript.
struct Member {
    nickname: String,
    room: Arc<Mutex<Room>>,
}

impl Member {
    fn of(socket: &Socket) -> Result<Arc<Self>, Error> {
        let member = socket.get::<Self>();
        member.ok_or_else(|| "the middleware let nobody in without a nickname".into())
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        lock(&self.room)
    }
}

/// The server drops what it keeps with a socket after the socket's last handler, and also where a
/// client went away before it had one: the nickname is free again in both cases.
impl Drop for Member {
    fn drop(&mut self) {
        self.room().exit(&self.nickname);
    }
}

/// What a client sends along when it connects: `io({ auth: { nickname, token } })`.
#[derive(Deserialize)]
struct Auth {
    nickname: String,
    token: Option<String>,
}

fn enter(client: &Connecting, room: &Arc<Mutex<Room>>, token: &str) -> Result<(), Refused> {
    let auth = client.auth::<Auth>();
    let Auth {
        nickname,
        token: shown,
    } = auth.map_err(|_| Refused::InvalidNickname)?;
    let is_moderator = shown.as_deref().map(|shown| is_same(shown, token));
    if is_moderator == Some(false) {
        return Err(Refused::WrongToken);
    }
    let address = client.address().map(|address| address.ip());
    lock(room).enter(now(), &nickname, address, is_moderator.is_some())?;
    // From the first moment, so that nobody is missed who is to go while he comes in.
    client.join(&channel(&nickname));
    let room = Arc::clone(room);
    client.insert(Member { nickname, room });
    Ok(())
}

/// `io.on("connection", (socket) => { … })`
async fn welcome(socket: Socket) -> Result<(), Error> {
    let member = Member::of(&socket)?;
    let mut room = member.room();
    let Some(welcome) = room.welcome(now(), &member.nickname) else {
        socket.disconnect(true);
        return Ok(());
    };
    socket.join(EVERYBODY)?;
    socket.emit("welcome", (welcome,))?;
    socket.to(EVERYBODY).emit("joined", (&member.nickname,))?;
    Ok(())
}

/// `socket.on("say", (text, callback) => { … })`
fn say(socket: &Socket, args: Args, reply: Reply) -> Result<(), Error> {
    let member = Member::of(socket)?;
    let mut room = member.room();
    // What is no text is as bad as an empty one.
    let (text,): (String,) = args.parse().unwrap_or_default();
    match room.say(now(), &member.nickname, &text) {
        Ok(message) => {
            socket
                .namespace()
                .to(EVERYBODY)
                .emit("message", (message,))?;
            reply.send((json!({ "ok": true }),))?;
        }
        Err(refused) => {
            reply.send((refuse(refused),))?;
            if refused == Refused::Flooding {
                socket.disconnect(true);
            }
        }
    }
    Ok(())
}

/// `socket.on("decide", ({ action, nickname, seconds }, callback) => { … })`
fn decide(socket: &Socket, args: Args) -> Result<Ack<(Value,)>, Error> {
    let member = Member::of(socket)?;
    let mut room = member.room();
    let decision = args.parse::<(Decision,)>();
    let decided = decision
        .map_err(|_| Refused::Invalid)
        .and_then(|(decision,)| {
            room.decide(now(), &member.nickname, &decision)?;
            Ok(decision)
        });
    let decision = match decided {
        Ok(decision) => decision,
        Err(refused) => return Ok(Ack((refuse(refused),))),
    };
    let namespace = socket.namespace();
    namespace
        .to(EVERYBODY)
        .emit("decided", (&decision, &member.nickname))?;
    if let Some(nickname) = decision.removes() {
        // What was emitted before, still arrives.
        namespace.to(&channel(nickname)).disconnect(true);
    }
    Ok(Ack((json!({ "ok": true }),)))
}

/// `socket.on("disconnect", (reason) => { … })`
async fn farewell(socket: Socket, _reason: DisconnectReason) -> Result<(), Error> {
    let member = Member::of(&socket)?;
    let mut room = member.room();
    if room.leave(&member.nickname) {
        socket.to(EVERYBODY).emit("left", (&member.nickname,))?;
    }
    Ok(())
}

fn refuse(refused: Refused) -> Value {
    json!({ "ok": false, "code": refused.code(), "wait": refused.wait() })
}

/// What a client's `connect_error` handler gets.
fn refusal(refused: Refused) -> Refusal {
    let data = json!({ "code": refused.code(), "wait": refused.wait() });
    Refusal::new(refused.code()).data(&data)
}

/// The Socket.IO room of one member, whatever his sockets are.
fn channel(nickname: &str) -> String {
    format!("member:{}", nickname.to_lowercase())
}

/// Whether two secrets are the same. The time that it takes does not tell how much of them is.
fn is_same(shown: &str, secret: &str) -> bool {
    let pairs = shown.bytes().zip(secret.bytes());
    let difference = pairs.fold(0, |difference, (a, b)| difference | (a ^ b));
    difference == 0 && shown.len() == secret.len()
}

/// A handler that panicked is no reason to close the room.
fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}
