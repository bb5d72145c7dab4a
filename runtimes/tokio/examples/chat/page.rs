//! The page: its files, which are a part of the program, and the official client.

use std::{fs, path::Path};

use axum::{
    Router,
    body::Bytes,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    response::IntoResponse,
    routing::get,
};
use socketio_tokio::Error;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const INDEX: &str = include_str!("page/index.html");

/// Everything but the index: path, type and contents.
const FILES: [(&str, &str, &str); 8] = [
    ("/chat.css", CSS, include_str!("page/chat.css")),
    ("/chat.js", JAVASCRIPT, include_str!("page/chat.js")),
    ("/composer.js", JAVASCRIPT, include_str!("page/composer.js")),
    ("/fallback.js", JAVASCRIPT, include_str!("page/fallback.js")),
    ("/library.js", JAVASCRIPT, include_str!("page/library.js")),
    ("/message.js", JAVASCRIPT, include_str!("page/message.js")),
    ("/picture.js", JAVASCRIPT, include_str!("page/picture.js")),
    ("/view.js", JAVASCRIPT, include_str!("page/view.js")),
];

/// The official client, where there is a folder to take it from.
const CLIENT_PATH: &str = "/vendor/socket.io.min.js";
const CLIENT_FILE: &str = "socket.io.min.js";

/// In the index, tells the page whether it may ask the CDN.
const CDN_ALLOWED: &str = r#"<meta name="cdn" content="allowed">"#;
const CDN_FORBIDDEN: &str = r#"<meta name="cdn" content="forbidden">"#;

/// The page, ready to be served.
pub(crate) struct Page {
    index: String,
    client: Option<Bytes>,
    library: &'static str,
}

impl Page {
    /// Reads the official client, if there is a folder to take it from.
    pub(crate) fn new(client_folder: Option<&Path>, is_cdn_allowed: bool) -> Result<Self, Error> {
        let client = client_folder.map(read_client).transpose()?;
        let index = if is_cdn_allowed {
            INDEX.to_owned()
        } else {
            INDEX.replace(CDN_ALLOWED, CDN_FORBIDDEN)
        };
        let library = match (&client, is_cdn_allowed) {
            (Some(_), _) => "the official client from the folder",
            (None, true) => "the official client from its CDN, or else its own small one",
            (None, false) => "its own small client",
        };
        Ok(Self {
            index,
            client,
            library,
        })
    }

    /// Which client the page will use, in words.
    pub(crate) fn library(&self) -> &'static str {
        self.library
    }

    /// Serves the files at their paths; everything else is not found.
    pub(crate) fn router(self) -> Router {
        let mut router = Router::new();
        let files = FILES.map(|(path, media_type, text)| (path, media_type, Bytes::from(text)));
        let index = ("/", HTML, Bytes::from(self.index));
        let client = self.client.map(|file| (CLIENT_PATH, JAVASCRIPT, file));
        for (path, media_type, contents) in files.into_iter().chain([index]).chain(client) {
            router = router.route(path, get(async move || file(media_type, contents)));
        }
        router
    }
}

fn read_client(folder: &Path) -> Result<Bytes, Error> {
    let path = folder.join(CLIENT_FILE);
    let file = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.into())
}

fn file(media_type: &'static str, contents: Bytes) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, media_type),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_whether_it_may_ask_the_cdn() {
        for (is_allowed, tag) in [(true, CDN_ALLOWED), (false, CDN_FORBIDDEN)] {
            let page = Page::new(None, is_allowed).unwrap();

            let tags = [CDN_ALLOWED, CDN_FORBIDDEN].map(|tag| page.index.contains(tag));

            assert_eq!(tags, [CDN_ALLOWED, CDN_FORBIDDEN].map(|it| it == tag));
        }
    }
}
