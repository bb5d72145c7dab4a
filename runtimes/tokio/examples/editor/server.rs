//! The Socket.IO part of the editor.
//!
//! Every handler holds the lock of the document until it has sent what follows from its change: the
//! answer to the author and the operation to the others. So everybody hears of operations in the
//! order in which they were applied, and an answer comes in the place of one's own operation. An
//! answer that is returned as [`Ack`](socketio_tokio::Ack) would be sent after the lock was given
//! back, and could be overtaken by the next operation.
#![allow(
    clippy::needless_pass_by_value,
    reason = "handlers own what they are given"
)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serde_json::json;
use socketio_tokio::{
    ArgsError, Connecting, DisconnectReason, Error, Io, Refusal, Reply, Socket, SocketId,
};

use super::{
    document::{Author, Document},
    operation::Operation,
};

/// How many pages may be open at a time.
const PAGE_LIMIT: usize = 200;

const AUTHOR_LENGTH: usize = 64;

/// The room of those who have the text and follow it.
const EDITING: &str = "editing";

/// Gives the server its handlers.
pub(crate) fn install(io: &Io) {
    let editor = Arc::new(Mutex::new(Editor::default()));
    io.of("/")
        .middleware(move |client: Connecting| {
            let entered = enter(&client, &editor);
            async move { entered }
        })
        .on_sync("open", open)
        .on_sync("operation", operation)
        .on_disconnect(farewell);
}

#[derive(Default)]
struct Editor {
    document: Document,
    /// The socket of each page. A page that lost its connection may be back before the server
    /// knows of the loss; from then on only its new socket speaks for it.
    pages: HashMap<Author, SocketId>,
}

/// The page of a socket: `socket.data` in JavaScript.
struct Page {
    author: Author,
    editor: Arc<Mutex<Editor>>,
}

impl Page {
    fn of(socket: &Socket) -> Result<Arc<Self>, Error> {
        let page = socket.get::<Self>();
        page.ok_or_else(|| "the middleware let nobody in without an author".into())
    }

    /// A handler that panicked is no reason to close the editor.
    fn editor(&self) -> MutexGuard<'_, Editor> {
        self.editor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a page sends along when it connects: `io({ auth: { author } })`.
#[derive(Deserialize)]
struct Auth {
    author: Author,
}

fn enter(client: &Connecting, editor: &Arc<Mutex<Editor>>) -> Result<(), Refusal> {
    let auth = client.auth::<Auth>();
    let auth = auth.map_err(|_| Refusal::new("no author"))?;
    if !(1..=AUTHOR_LENGTH).contains(&auth.author.len()) {
        return Err(Refusal::new("no author"));
    }
    client.insert(Page {
        author: auth.author,
        editor: Arc::clone(editor),
    });
    Ok(())
}

/// `socket.on("open", (revision, callback) => { … })`: a page wants to follow the text. It has none
/// yet, `null`, or that of a revision.
fn open(socket: &Socket, (revision,): (Option<u64>,), reply: Reply) -> Result<(), Error> {
    let page = Page::of(socket)?;
    let mut editor = page.editor();
    if editor.pages.len() >= PAGE_LIMIT && !editor.pages.contains_key(&page.author) {
        return Ok(reply.send((json!({ "ok": false, "code": "full" }),))?);
    }
    editor.pages.insert(page.author.clone(), socket.id());
    socket.join(EDITING)?;
    reply.send((editor.document.catch_up(&page.author, revision),))?;
    tell_pages(socket, &editor)
}

/// `socket.on("operation", (revision, operation, callback) => { … })`
fn operation(
    socket: &Socket,
    args: Result<(u64, Operation), ArgsError>,
    reply: Reply,
) -> Result<(), Error> {
    let page = Page::of(socket)?;
    let mut editor = page.editor();
    let refuse = |code| json!({ "ok": false, "code": code });
    let Ok((revision, operation)) = args else {
        return Ok(reply.send((refuse("invalid"),))?);
    };
    if editor.pages.get(&page.author) != Some(&socket.id()) {
        return Ok(reply.send((refuse("not_open"),))?);
    }
    match editor.document.submit(&page.author, revision, operation) {
        Ok(operation) => {
            let revision = editor.document.revision();
            socket
                .to(EDITING)
                .emit("operation", (revision, operation))?;
            reply.send((json!({ "ok": true, "revision": revision }),))?;
        }
        Err(refused) => reply.send((refuse(refused.code()),))?,
    }
    Ok(())
}

/// `socket.on("disconnect", (reason) => { … })`
async fn farewell(socket: Socket, _reason: DisconnectReason) -> Result<(), Error> {
    let page = Page::of(&socket)?;
    let mut editor = page.editor();
    if editor.pages.get(&page.author) == Some(&socket.id()) {
        editor.pages.remove(&page.author);
        tell_pages(&socket, &editor)?;
    }
    Ok(())
}

/// Tells everybody how many there are.
fn tell_pages(socket: &Socket, editor: &Editor) -> Result<(), Error> {
    let namespace = socket.namespace();
    namespace.to(EDITING).emit("pages", (editor.pages.len(),))?;
    Ok(())
}
