//! The Socket.IO part of private messages.
//!
//! | event | arguments | answer |
//! | --- | --- | --- |
//! | client: `open` | whose conversation | `{ messages, seen }` |
//! | client: `send` | to whom, text | `{ number }` |
//! | client: `read` | whose conversation, up to which number | `{ read }` |
//! | server: `welcome` | `{ name, token, people }` | |
//! | server: `presence` | who, whether there | |
//! | server: `message` | `{ number, from, to, text }` | |
//! | server: `read` | who, whose conversation, up to which number | |
//!
//! Or the answer is `{ error }`. What the server sends asks for no answer, because an event that does is
//! not kept for a client that lost its connection: that somebody has read is an event of its own, and
//! its answer says that it is noted.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_tokio::{Ack, ArgsError, Connecting, Error, Io, Refusal, Reply, Socket, seed};

use super::{MAX_SOCKETS_OF_ONE, accounts::Accounts, mail::Mail};

/// The room of all who have been told who there is.
const MEMBERS: &str = "members";

/// All that the server knows. What happens is told under its lock, so that everybody hears of it in
/// the order in which it happened. No emit waits, and no handler runs within one.
#[derive(Default)]
struct State {
    accounts: Accounts,
    mail: Mail,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

/// What a client sends along: whoever has no token yet asks for a name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Auth {
    Token { token: String },
    Name { name: String },
}

/// Who a socket is. It is the kind of data that survives a recovery, when no middleware is asked.
#[derive(Deserialize, Serialize)]
struct Me {
    name: String,
}

/// Another one, as a list shows them.
#[derive(Serialize)]
struct Person<'a> {
    name: &'a str,
    online: bool,
    unread: usize,
}

/// Arguments that a handler answers itself if they do not fit.
type Args<T> = Result<T, ArgsError>;

/// Adds the handlers to a server.
pub(crate) fn install(io: &Io) {
    let shared = Shared::default();
    let [door, start, open, send, read, end] = std::array::from_fn(|_| shared.clone());
    io.of("/")
        .middleware(move |client: Connecting| {
            let shared = door.clone();
            async move { shared.lock().log_in(&client).map_err(Refusal::new) }
        })
        .on_connect(move |socket: Socket| {
            let shared = start.clone();
            async move { shared.lock().enter(&socket) }
        })
        .on_sync("open", move |socket: &Socket, args: Args<(String,)>| {
            open.lock().open(socket, args)
        })
        .on_sync(
            "send",
            move |socket: &Socket, args: Args<(String, String)>, reply: Reply| {
                send.lock().send(socket, args, reply)
            },
        )
        .on_sync(
            "read",
            move |socket: &Socket, args: Args<(String, u64)>, reply: Reply| {
                read.lock().read(socket, args, reply)
            },
        )
        .on_disconnect(move |socket: Socket, _| {
            let shared = end.clone();
            async move { shared.lock().tell_presence(&socket) }
        });
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn log_in(&mut self, client: &Connecting) -> Result<(), &'static str> {
        let name = match client.auth::<Auth>() {
            Ok(Auth::Token { token }) => {
                let name = self
                    .accounts
                    .log_in(&token)
                    .ok_or("Nobody has this token.")?;
                name.to_owned()
            }
            Ok(Auth::Name { name }) => self.accounts.claim(&name, new_token()?)?,
            Err(_) => return Err("A name or a token is needed."),
        };
        client.join(&room_of(&name));
        let me = Me { name };
        client.set_data(&me).map_err(|_| "Try again later.")
    }

    /// Tells a socket who is there; from then on it hears of changes.
    fn enter(&mut self, socket: &Socket) -> Result<(), Error> {
        let name = name_of(socket)?;
        if socket.namespace().to(&room_of(&name)).sockets().len() > MAX_SOCKETS_OF_ONE {
            socket.disconnect(false);
            return Ok(());
        }
        self.tell_presence(socket)?;
        // A client that came back was sent what it missed, if it had got this far before.
        if socket.rooms().iter().any(|room| room == MEMBERS) {
            return Ok(());
        }
        let others = self.accounts.everybody().filter(|(it, _)| *it != name);
        let people = others.map(|(other, online)| Person {
            name: other,
            online,
            unread: self.mail.unread(&name, other),
        });
        let people: Vec<_> = people.collect();
        let token = self.accounts.token(&name);
        let welcome = json!({ "name": name, "token": token, "people": people });
        socket.emit("welcome", (welcome,))?;
        socket.join(MEMBERS)?;
        Ok(())
    }

    fn open(&self, socket: &Socket, args: Args<(String,)>) -> Result<Ack<(Value,)>, Error> {
        let name = name_of(socket)?;
        Ok(Ack((match args {
            Ok((other,)) => json!(self.mail.view(&name, &other)),
            Err(_) => refused("Whose messages?"),
        },)))
    }

    fn send(
        &mut self,
        socket: &Socket,
        args: Args<(String, String)>,
        reply: Reply,
    ) -> Result<(), Error> {
        let name = name_of(socket)?;
        let message = match args {
            Ok((to, _)) if to == name => Err("That is you."),
            Ok((to, _)) if !self.accounts.exists(&to) => Err("Nobody has that name."),
            Ok((to, text)) => self.mail.post(&name, &to, text),
            Err(_) => Err("To whom, and what?"),
        };
        let message = match message {
            Ok(message) => message,
            Err(reason) => return Ok(reply.send((refused(reason),))?),
        };
        // Told to the others even if this one is gone, and answered before the next message can be
        // told to this one.
        let answered = reply.send((json!({ "number": message.number }),));
        let (own, theirs) = (room_of(&name), room_of(&message.to));
        socket.to(&[own, theirs]).emit("message", (message,))?;
        Ok(answered?)
    }

    fn read(
        &mut self,
        socket: &Socket,
        args: Args<(String, u64)>,
        reply: Reply,
    ) -> Result<(), Error> {
        let name = name_of(socket)?;
        let Ok((other, number)) = args else {
            return Ok(reply.send((refused("Whose messages, and up to which?"),))?);
        };
        let number = self.mail.read(&name, &other, number);
        let answered = reply.send((json!({ "read": number }),));
        if number.is_some() {
            let rooms = [room_of(&name), room_of(&other)];
            socket.to(&rooms).emit("read", (name, other, number))?;
        }
        Ok(answered?)
    }

    /// Tells everybody when the first socket of somebody has come, or the last has gone.
    fn tell_presence(&mut self, socket: &Socket) -> Result<(), Error> {
        let name = name_of(socket)?;
        let namespace = socket.namespace();
        let is_online = !namespace.to(&room_of(&name)).sockets().is_empty();
        if self.accounts.set_online(&name, is_online) {
            namespace.to(MEMBERS).emit("presence", (name, is_online))?;
        }
        Ok(())
    }
}

fn name_of(socket: &Socket) -> Result<String, Error> {
    let me = socket.data::<Me>().ok_or("nobody is logged in")?;
    Ok(me.name)
}

/// The room of all sockets of one name. It is no socket's id, because it has a colon.
fn room_of(name: &str) -> String {
    format!("name:{name}")
}

fn refused(reason: &str) -> Value {
    json!({ "error": reason })
}

fn new_token() -> Result<String, &'static str> {
    let mut token = String::new();
    for byte in seed().map_err(|_| "Try again later.")? {
        _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}
