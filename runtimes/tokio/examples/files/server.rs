//! The Socket.IO part of the file transfer.
//!
//! An upload is paced by acknowledgements: each chunk is an event with an attachment, and its sender
//! has a few of them on their way at a time. Events of one socket are handled in order, so chunks
//! arrive in order.
#![allow(
    clippy::needless_pass_by_value,
    reason = "handlers own what they are given"
)]

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use socketio_tokio::{
    Ack, Args, Binary, Connecting, DisconnectReason, Error, Io, Reply, Socket, SocketId, seed,
};
use tokio::sync::Semaphore;

use super::{
    download::{self, WINDOW},
    shelf::{CHUNK_LIMIT, Label, Progress, Refused, Shelf, Token},
};

/// How many downloads a client may have at a time.
const DOWNLOADS_LIMIT: usize = 2;

/// Gives the server its handlers.
pub(crate) fn install(io: &Io) {
    let shelf = Arc::new(Mutex::new(Shelf::new()));
    io.of("/")
        .middleware(move |client: Connecting| {
            client.insert(Client {
                shelf: Arc::clone(&shelf),
                downloads: Arc::new(Semaphore::new(DOWNLOADS_LIMIT)),
            });
            async { Ok(()) }
        })
        .on_connect(welcome)
        .on_sync("upload", upload)
        .on_sync("resume", resume)
        .on_sync("chunk", chunk)
        .on_sync("cancel", cancel)
        .on_sync("download", download)
        .on_disconnect(farewell);
}

/// What is kept with a socket: `socket.data` in JavaScript.
struct Client {
    shelf: Arc<Mutex<Shelf<SocketId>>>,
    /// A permit for each download that may still begin.
    downloads: Arc<Semaphore>,
}

impl Client {
    fn of(socket: &Socket) -> Result<Arc<Self>, Error> {
        let client = socket.get::<Self>();
        client.ok_or_else(|| "the middleware puts it there".into())
    }

    /// A handler that panicked is no reason to close the shelf.
    fn shelf(&self) -> MutexGuard<'_, Shelf<SocketId>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = Ack<(Value,)>;

fn refuse(refused: Refused) -> Value {
    json!({ "ok": false, "code": refused.code() })
}

/// `io.on("connection", (socket) => { … })`
async fn welcome(socket: Socket) -> Result<(), Error> {
    let files = Client::of(&socket)?.shelf().files();
    socket.emit("files", (files,))?;
    Ok(())
}

/// `socket.on("upload", ({ name, size, hash }, callback) => { … })`
fn upload(socket: &Socket, args: Args) -> Result<Answer, Error> {
    let client = Client::of(socket)?;
    let token = new_token()?;
    let label = args.parse::<(Label,)>().map_err(|_| Refused::InvalidLabel);
    let begin = label.and_then(|(label,)| client.shelf().begin(socket.id(), token.clone(), label));
    Ok(Ack((match begin {
        Ok(()) => json!({ "ok": true, "token": token, "chunk": CHUNK_LIMIT, "window": WINDOW }),
        Err(refused) => refuse(refused),
    },)))
}

/// `socket.on("resume", (token, callback) => { … })`: a sender is back, and asks where to go on.
fn resume(socket: &Socket, (token,): (Token,)) -> Result<Answer, Error> {
    let resumed = Client::of(socket)?.shelf().resume(socket.id(), &token);
    Ok(Ack((progress(&resumed),)))
}

/// `socket.on("chunk", (token, offset, data, callback) => { … })`
fn chunk(socket: &Socket, args: Args) -> Result<Answer, Error> {
    let client = Client::of(socket)?;
    let args = args.parse::<(Token, usize, Binary)>();
    let written = match &args {
        Ok((token, offset, data)) => {
            client
                .shelf()
                .write(&socket.id(), token, *offset, data.as_ref())
        }
        Err(_) => Err(Refused::InvalidChunk),
    };
    if let Ok(Progress::Arrived(_)) = written {
        let files = client.shelf().files();
        socket.namespace().emit("files", (files,))?;
    }
    Ok(Ack((progress(&written),)))
}

/// How far an upload is, as its sender is told.
fn progress(progress: &Result<Progress, Refused>) -> Value {
    match progress {
        Ok(Progress::Waiting { offset }) => json!({ "ok": true, "offset": offset }),
        Ok(Progress::Arrived(file)) => {
            json!({ "ok": true, "offset": file.label.size, "file": file.id })
        }
        Err(refused) => refuse(*refused),
    }
}

/// `socket.on("cancel", (token) => { … })`
fn cancel(socket: &Socket, (token,): (Token,)) -> Result<(), Error> {
    Client::of(socket)?.shelf().cancel(&socket.id(), &token);
    Ok(())
}

/// `socket.on("download", (id, offset, callback) => { … })`: the receiver says where to go on.
///
/// It sends in a task of its own: as long as a handler runs, the socket's next events wait.
fn download(socket: &Socket, (id, offset): (u64, usize), reply: Reply) -> Result<(), Error> {
    let client = Client::of(socket)?;
    let file = client.shelf().file(id);
    let file = file.and_then(|file| file.check_offset(offset).map(|()| file));
    let permit = Arc::clone(&client.downloads).try_acquire_owned();
    let (file, permit) = match (file, permit) {
        (Ok(file), Ok(permit)) => (file, permit),
        (Err(refused), _) => return Ok(reply.send((refuse(refused),))?),
        (_, Err(_)) => return Ok(reply.send((refuse(Refused::TooManyDownloads),))?),
    };
    reply.send((json!({ "ok": true, "file": file }),))?;
    let socket = socket.clone();
    tokio::spawn(async move {
        // If the receiver is gone, it asks again.
        _ = download::send(&socket, &file, offset).await;
        drop(permit);
    });
    Ok(())
}

/// `socket.on("disconnect", (reason) => { … })`
async fn farewell(socket: Socket, _reason: DisconnectReason) -> Result<(), Error> {
    Client::of(&socket)?.shelf().abandon(&socket.id());
    Ok(())
}

/// A secret that nobody guesses.
fn new_token() -> Result<Token, Error> {
    let mut token = Token::new();
    for byte in seed()? {
        write!(token, "{byte:02x}")?;
    }
    Ok(token)
}
