//! The files of a page, which are a part of the program.

use std::{fs, path::Path};

use axum::{
    Router,
    body::Bytes,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    routing::get,
};
use socketio_tokio::Error;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// Path, type and contents.
pub(crate) type File = (&'static str, &'static str, &'static str);

/// What every page has: the style, and what finds a Socket.IO client for it, which the chat has
/// written.
const SHARED: [File; 3] = [
    ("/example.css", CSS, include_str!("example.css")),
    (
        "/library.js",
        JAVASCRIPT,
        include_str!("../chat/page/library.js"),
    ),
    (
        "/fallback.js",
        JAVASCRIPT,
        include_str!("../chat/page/fallback.js"),
    ),
];

/// The official client, where there is a folder to take it from.
const CLIENT_PATH: &str = "/vendor/socket.io.min.js";
const CLIENT_FILE: &str = "socket.io.min.js";

/// Serves the files at their paths; everything else is not found.
pub(super) fn router(files: &[File], client_folder: Option<&Path>) -> Result<Router, Error> {
    let files = files.iter().chain(&SHARED);
    let files = files.map(|&(path, media_type, text)| (path, media_type, Bytes::from(text)));
    let client = client_folder.map(read_client).transpose()?;
    let client = client.map(|file| (CLIENT_PATH, JAVASCRIPT, file));
    let mut router = Router::new();
    for (path, media_type, contents) in files.chain(client) {
        let headers = [
            (CONTENT_TYPE, media_type),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CACHE_CONTROL, "no-cache"),
        ];
        router = router.route(path, get(async move || (headers, contents)));
    }
    Ok(router)
}

fn read_client(folder: &Path) -> Result<Bytes, Error> {
    let path = folder.join(CLIENT_FILE);
    let file = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.into())
}
