use std::{env, path::PathBuf, process};

use socketio_proto::engine::Server;

use super::*;
use crate::{
    clock::Clock,
    service::{
        Service,
        tests::{Keep, engine},
    },
};

/// A folder with files, which ends with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = env::temp_dir().join(format!("socketio-tokio-{}-{name}", process::id()));
        for (name, contents) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        Self(folder)
    }

    fn load(&self, inside: &str) -> ClientFiles {
        ClientFiles::load(self.0.join(inside)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const PACKAGE: &str = r#"{ "name": "socket.io-client", "version": "4.8.4" }"#;

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> http::Request<String> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(String::new()).unwrap()
}

async fn status(service: &Service<Server, Keep>, method: &str, target: &str) -> u16 {
    let response = service.handle(request(method, target, &[])).await;
    response.unwrap().status().as_u16()
}

#[test]
fn the_version_is_that_of_the_package_in_the_folder_or_above_or_else_a_hash() {
    let file = ("dist/socket.io.js", "run()");
    let own = r#"{ "name": "an-application", "version": "1.0.0" }"#;
    let odd = r#"{ "name": "socket.io", "version": "4\" 5" }"#;
    let etag = |name, files: &[_]| {
        let folder = Folder::new(name, files);
        folder.load("dist").0.etag.to_str().unwrap().to_owned()
    };

    assert_eq!(
        etag("inside", &[file, ("dist/package.json", PACKAGE)]),
        r#""4.8.4""#
    );
    assert_eq!(
        etag("above", &[file, ("package.json", PACKAGE)]),
        r#""4.8.4""#
    );
    let hash = etag("hash", &[file]);
    assert_eq!(hash.len(), 42);
    // What is not the client's package, or not a version, is not believed.
    assert_eq!(etag("own", &[file, ("package.json", own)]), hash);
    assert_eq!(etag("odd", &[file, ("package.json", odd)]), hash);
    assert_eq!(etag("broken", &[file, ("package.json", "{")]), hash);
    let other = ("dist/socket.io.js", "run(1)");
    assert_ne!(etag("other", &[other]), hash);
}

#[test]
fn a_folder_without_the_client_is_an_error() {
    let folder = Folder::new("empty", &[("other.js", "")]);
    let error = ClientFiles::load(&folder.0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn only_known_files_directly_under_the_path_are_served() {
    let folder = Folder::new(
        "paths",
        &[
            ("dist/socket.io.js", "run()"),
            ("dist/other.js", "secret"),
            ("package.json", PACKAGE),
        ],
    );
    let service = engine(Clock::start()).client_files(folder.load("dist"));

    for (method, target, expected) in [
        ("GET", "/engine.io/socket.io.js", 200),
        ("HEAD", "/engine.io/socket.io.js", 200),
        (
            "GET",
            "/engine.io/socket.io.js?v=1&EIO=4&transport=polling",
            200,
        ),
        // Anything else is the machine's.
        ("POST", "/engine.io/socket.io.js", 400),
        ("GET", "/engine.io/socket.io.min.js", 400),
        ("GET", "/engine.io/other.js", 400),
        ("GET", "/engine.io/../package.json", 400),
        ("GET", "/engine.io/..%2fpackage.json", 400),
        ("GET", "/engine.io/socket.io.js/", 400),
        ("GET", "/engine.io/more/socket.io.js", 400),
        ("GET", "/engine.io//socket.io.js", 400),
        ("GET", "/socket.io.js", 404),
        ("GET", "/other/engine.io/socket.io.js", 404),
    ] {
        let found = status(&service, method, target).await;
        assert_eq!(found, expected, "{method} {target}");
    }
    let service = service.any_path();
    assert_eq!(status(&service, "GET", "/socket.io.js").await, 200);
}

#[tokio::test]
async fn a_client_that_has_the_version_gets_no_body() {
    let folder = Folder::new(
        "etag",
        &[("socket.io.js", "run()"), ("package.json", PACKAGE)],
    );
    let service = engine(Clock::start()).client_files(folder.load(""));

    for (etags, is_known) in [
        (&[r#""4.8.4""#][..], true),
        (&[r#"W/"4.8.4""#], true),
        (&[r#""1", W/"4.8.4" , "x""#], true),
        (&[r#""1""#, r#""4.8.4""#], true),
        (&["*"], true),
        (&[r#""4.8.5""#], false),
        (&["4.8.4"], false),
        (&[r#""4.8.4"#], false),
        (&[r#"w/"4.8.4""#], false),
        (&[], false),
    ] {
        let headers: Vec<_> = etags.iter().map(|etag| ("if-none-match", *etag)).collect();
        let request = request("GET", "/engine.io/socket.io.js", &headers);
        let response = service.handle(request).await.unwrap();

        let status = if is_known { 304 } else { 200 };
        assert_eq!(response.status(), status, "{etags:?}");
        let headers = response.headers();
        assert_eq!(headers["etag"], r#""4.8.4""#);
        assert_eq!(headers["cache-control"], "public, max-age=0");
        assert_eq!(headers.contains_key("content-type"), !is_known);
        let length = http_body::Body::size_hint(response.body()).exact();
        assert_eq!(length, Some(if is_known { 0 } else { 5 }));
    }
}

#[cfg(feature = "compression")]
#[tokio::test]
async fn files_are_compressed_as_the_client_likes() {
    use http_body_util::BodyExt;
    use std::io::Read;

    let text = "run(); ".repeat(100);
    let folder = Folder::new("encoded", &[("socket.io.js.map", &text)]);
    let service = engine(Clock::start()).client_files(folder.load(""));
    for (accept, encoding) in [
        ("gzip, deflate", Some("gzip")),
        ("deflate", Some("deflate")),
        ("br", None),
    ] {
        let headers = [("accept-encoding", accept)];
        let request = request("GET", "/engine.io/socket.io.js.map", &headers);
        let (head, body) = service.handle(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();

        let found = head.headers.get("content-encoding");
        assert_eq!(found.map(|value| value.to_str().unwrap()), encoding);
        assert_eq!(head.headers["vary"], "accept-encoding");
        assert_eq!(head.headers["content-type"], JSON);
        let mut plain = String::new();
        match encoding {
            Some("gzip") => flate2::read::GzDecoder::new(&*body).read_to_string(&mut plain),
            Some(_) => flate2::read::ZlibDecoder::new(&*body).read_to_string(&mut plain),
            None => (&*body).read_to_string(&mut plain),
        }
        .unwrap();
        assert_eq!(plain, text);
    }
}
