//! The official JavaScript client, served beside the server (Socket.IO reference, "Static files").

use std::{fmt, fs, io, path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use crate::body::Body;
#[cfg(feature = "compression")]
use crate::compression::Encoding;

const JAVASCRIPT: &str = "application/javascript; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// The names that are served, and nothing else ever is.
const NAMES: [(&str, &str); 8] = [
    ("socket.io.esm.min.js", JAVASCRIPT),
    ("socket.io.esm.min.js.map", JSON),
    ("socket.io.js", JAVASCRIPT),
    ("socket.io.js.map", JSON),
    ("socket.io.min.js", JAVASCRIPT),
    ("socket.io.min.js.map", JSON),
    ("socket.io.msgpack.min.js", JAVASCRIPT),
    ("socket.io.msgpack.min.js.map", JSON),
];

/// The packages that have these files.
const PACKAGES: [&str; 2] = ["socket.io", "socket.io-client"];

/// The files of the official JavaScript client, for a [`Service`](crate::Service) to serve to
/// browsers: `/socket.io/socket.io.min.js` and its like, as the option `serveClient` does in
/// JavaScript.
///
/// They come from a folder, such as `node_modules/socket.io-client/dist`, and are in memory from
/// then on: no request reads a file, and no name but the known ones is served. These are
/// `socket.io.js`, `socket.io.min.js`, `socket.io.esm.min.js`, `socket.io.msgpack.min.js`, and each
/// with `.map`.
///
/// Browsers ask every time whether a file has changed (`ETag`), and fetch it again if the client's
/// version has. With the feature `compression` they get it compressed, which is done once, when
/// they are loaded.
///
/// Cloning it is cheap.
#[derive(Clone)]
pub struct ClientFiles(Arc<Loaded>);

struct Loaded {
    files: Vec<File>,
    etag: HeaderValue,
}

struct File {
    name: &'static str,
    media_type: HeaderValue,
    plain: Bytes,
    #[cfg(feature = "compression")]
    encoded: [Option<(Encoding, Bytes)>; 2],
}

impl ClientFiles {
    /// Reads the files of a folder. Those that are missing are not served: a request for one is
    /// refused as any other that is none of the protocol, with 400.
    ///
    /// Their version is that of the package they belong to, if a `package.json` in the folder or in
    /// the one above names `socket.io-client` or `socket.io`; otherwise a hash of them.
    ///
    /// It blocks while it reads: call it before serving begins.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or none is there.
    pub fn load(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = folder.as_ref();
        let mut files = Vec::new();
        for (name, media_type) in NAMES {
            match fs::read(folder.join(name)) {
                Ok(contents) => files.push(File::new(name, media_type, contents.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if files.is_empty() {
            let error = "the folder has no file of the JavaScript client";
            return Err(io::Error::new(io::ErrorKind::NotFound, error));
        }
        let version = version(folder)
            .or_else(|| version(folder.parent()?))
            .unwrap_or_else(|| hash(&files));
        let etag = HeaderValue::try_from(format!("\"{version}\""))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self(Arc::new(Loaded { files, etag })))
    }

    /// Answers a request if it is for a file: if its path ends in the name of one, and `is_own`
    /// says so of what is before the name.
    pub(crate) fn answer<B>(
        &self,
        request: &http::Request<B>,
        is_own: impl FnOnce(&str) -> bool,
    ) -> Option<http::Response<Body>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let path = request.uri().path();
        let (folder, name) = path.split_at(path.rfind('/')? + 1);
        let file = self.0.files.iter().find(|file| file.name == name)?;
        is_own(folder).then(|| self.respond(file, request.headers()))
    }

    /// The response. Where the request is HEAD, the HTTP server leaves out the body.
    fn respond(&self, file: &File, request: &HeaderMap) -> http::Response<Body> {
        let mut response = http::Response::new(Body::default());
        let headers = response.headers_mut();
        let cache = HeaderValue::from_static("public, max-age=0");
        headers.insert(header::CACHE_CONTROL, cache);
        headers.insert(header::ETAG, self.0.etag.clone());
        #[cfg(feature = "compression")]
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_known(request, self.0.etag.as_bytes()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, file.media_type.clone());
        let body = file.body(request, headers);
        response.map(|_| Body::unwatched(body))
    }
}

impl fmt::Debug for ClientFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.files.iter().map(|file| file.name);
        f.debug_set().entries(names).finish()
    }
}

impl File {
    fn new(name: &'static str, media_type: &'static str, plain: Bytes) -> Self {
        #[cfg(feature = "compression")]
        let encode = |encoding: Encoding| Some((encoding, encoding.encode(&plain).ok()?));
        Self {
            name,
            media_type: HeaderValue::from_static(media_type),
            #[cfg(feature = "compression")]
            encoded: [Encoding::Gzip, Encoding::Deflate].map(encode),
            plain,
        }
    }

    #[cfg(feature = "compression")]
    fn body(&self, request: &HeaderMap, headers: &mut HeaderMap) -> Bytes {
        let preferred = Encoding::preferred(request);
        let mut encoded = self.encoded.iter().flatten();
        match encoded.find(|(encoding, _)| Some(*encoding) == preferred) {
            Some((encoding, body)) => {
                headers.insert(header::CONTENT_ENCODING, encoding.value());
                body.clone()
            }
            None => self.plain.clone(),
        }
    }

    #[cfg(not(feature = "compression"))]
    fn body(&self, _: &HeaderMap, _: &mut HeaderMap) -> Bytes {
        self.plain.clone()
    }
}

/// Whether the client has what an entity tag stands for (RFC 9110, 13.1.2; compared weakly). Ours
/// has no commas.
fn is_known(request: &HeaderMap, etag: &[u8]) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|item| item == b"*" || item.strip_prefix(b"W/").unwrap_or(item) == etag)
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// The version of the package in a folder, if it is one that has the files.
fn version(folder: &Path) -> Option<String> {
    let package = fs::read(folder.join("package.json")).ok()?;
    let package: Package = serde_json::from_slice(&package).ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte);
    let is_right = PACKAGES.contains(&&*package.name)
        && !package.version.is_empty()
        && package.version.bytes().all(is_plain);
    is_right.then_some(package.version)
}

fn hash(files: &[File]) -> String {
    let mut hash = sha1_smol::Sha1::new();
    for file in files {
        hash.update(file.name.as_bytes());
        hash.update(&file.plain.len().to_le_bytes());
        hash.update(&file.plain);
    }
    hash.digest().to_string()
}

#[cfg(test)]
mod tests;
