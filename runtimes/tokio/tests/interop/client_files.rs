//! The official JavaScript client, served beside a server.

use std::{fs, net::SocketAddr};

use socketio_tokio::{ClientFiles, Io, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::node::Suite;

/// One request on a connection of its own: head and body of the answer.
async fn request(address: SocketAddr, line: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.unwrap() + 4);
    (String::from_utf8(answer).unwrap(), body)
}

#[tokio::test]
async fn the_published_client_is_served_as_it_is() {
    let Some(suite) = Suite::prepare("interop", (20, 11)) else {
        return;
    };
    let folder = suite.path("node_modules/socket.io-client/dist");
    let io = Io::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = io.service();
    let service = service.client_files(ClientFiles::load(&folder).unwrap());
    tokio::spawn(serve(listener, service).into_future());
    let package = fs::read_to_string(folder.join("../package.json")).unwrap();

    for name in ["js", "min.js", "esm.min.js", "msgpack.min.js"] {
        for (name, media_type) in [
            (format!("socket.io.{name}"), "application/javascript"),
            (format!("socket.io.{name}.map"), "application/json"),
        ] {
            let file = fs::read(folder.join(&name)).unwrap();
            let line = format!("/socket.io/{name}?v=1");

            let (head, body) = request(address, &format!("GET {line}"), "").await;

            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert!(body == file, "{name}");
            let value = |name: &str| {
                let (_, rest) = head.split_once(&format!("\r\n{name}: "))?;
                rest.split("\r\n").next()
            };
            let expected = format!("{media_type}; charset=utf-8");
            assert_eq!(value("content-type"), Some(&*expected), "{name}");
            assert_eq!(value("cache-control"), Some("public, max-age=0"));
            assert_eq!(value("content-length"), Some(&*file.len().to_string()));
            let etag = value("etag").unwrap().to_owned();
            assert!(package.contains(&format!("\"version\": {etag}")), "{etag}");

            let (head_only, body) = request(address, &format!("HEAD {line}"), "").await;
            let without_date = |head: &str| {
                let lines = head.lines().filter(|line| !line.starts_with("date"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(without_date(&head_only), without_date(&head));
            assert!(body.is_empty());

            let known = format!("if-none-match: W/{etag}\r\n");
            let (head, body) = request(address, &format!("GET {line}"), &known).await;
            assert!(head.starts_with("HTTP/1.1 304"), "{head}");
            assert!(body.is_empty());
        }
    }
    let (head, _) = request(address, "GET /socket.io/package.json", "").await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
}
