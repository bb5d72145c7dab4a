use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use http::{HeaderMap, HeaderValue};
use socketio_proto::{edge::ResponseKind, engine::Server};
use socketio_tokio::{EngineServer, Forward, RequestInfo, Service, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::*;

type Seen = Arc<Mutex<Vec<(ResponseKind, String)>>>;

fn note(seen: &Seen) -> impl Fn(ResponseKind, &RequestInfo, &mut HeaderMap) + use<> {
    let seen = Arc::clone(seen);
    move |kind, request, headers| {
        let method = request.method().to_string();
        seen.lock().unwrap().push((kind, method));
        headers.insert(
            "x-kind",
            HeaderValue::from_str(&format!("{kind:?}")).unwrap(),
        );
    }
}

fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The head of the response to a WebSocket handshake.
async fn accepted(address: std::net::SocketAddr, target: &str) -> String {
    let mut raw = TcpStream::connect(address).await.unwrap();
    raw.write_all(upgrade(target).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the head", raw.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn every_successful_answer_comes_by_the_hook_and_no_refusal_does() {
    let seen = Seen::default();
    let hook = note(&seen);
    let mut echo = Echo::start_as(config(), |service| service.on_response(hook)).await;
    let mut http = Http::connect(echo.address).await;

    let open = http.get(PATH).await;
    echo.opened().await;
    let target = format!("{PATH}&sid={}", sid_of(&open.body));
    let data = http.post(&target, "4hi").await;
    while !matches!(echo.next().await, socketio_tokio::Event::Message { .. }) {}
    let poll = http.get(&target).await;
    let refused = http.get(&format!("{PATH}&sid=missing")).await;

    let kind = |reply: &Reply| reply.headers.get("x-kind").cloned();
    assert_eq!(kind(&open).unwrap(), "Handshake");
    assert_eq!(kind(&data).unwrap(), "Data");
    assert_eq!(kind(&poll).unwrap(), "Poll");
    assert_eq!((refused.status, kind(&refused)), (400, None));
    let head = accepted(echo.address, "/engine.io/?EIO=4&transport=websocket").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("x-kind: Handshake"), "{head}");
    let target = target.replace("polling", "websocket");
    let head = accepted(echo.address, &target).await;
    assert!(head.contains("x-kind: Upgrade"), "{head}");
    let expected = [
        (ResponseKind::Handshake, "GET"),
        (ResponseKind::Data, "POST"),
        (ResponseKind::Poll, "GET"),
        (ResponseKind::Handshake, "GET"),
        (ResponseKind::Upgrade, "GET"),
    ];
    let expected = expected.map(|(kind, method)| (kind, method.to_owned()));
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_hook_cannot_break_the_handshake_of_a_websocket() {
    let clear = |service: Service<Server, Forward>| {
        service.on_response(|_, _, headers| {
            headers.clear();
            headers.insert("sec-websocket-protocol", HeaderValue::from_static("other"));
            headers.insert("x-own", HeaderValue::from_static("kept"));
        })
    };
    let echo = Echo::start_as(config(), clear).await;

    let head = accepted(echo.address, "/engine.io/?EIO=4&transport=websocket").await;

    let has = |line: &str| head.contains(&format!("\r\n{line}\r\n"));
    assert!(
        has("connection: upgrade") && has("upgrade: websocket"),
        "{head}"
    );
    assert!(
        has("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    assert!(has("x-own: kept"), "{head}");
    assert!(!head.contains("other"), "{head}");
    Ws::open(echo.address).await;
}

#[tokio::test]
async fn answers_of_the_other_service_do_not_come_by() {
    let (server, _events) = EngineServer::new(config()).unwrap();
    let router = Router::<()>::new().route("/hello", get(async || "hello"));
    let seen = Seen::default();
    let service = server.service().on_response(note(&seen)).or(router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, service).into_future());
    let mut http = Http::connect(address).await;

    let hello = http.get("/hello").await;
    let open = http.get(PATH).await;

    assert!(!hello.headers.contains_key("x-kind"));
    assert_eq!(open.headers["x-kind"], "Handshake");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_hook_cannot_break_the_framing_of_a_response() {
    for (name, value) in [
        ("content-length", "3"),
        ("content-length", "100000"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "gzip"),
    ] {
        let hook = move |_, _: &RequestInfo, headers: &mut HeaderMap| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        let echo = Echo::start_as(config(), |service| service.on_response(hook)).await;
        let mut http = Http::connect(echo.address).await;

        let target = open_polling(&mut http).await;
        assert_eq!(
            http.post(&target, "4hi").await.body,
            "ok",
            "{name}: {value}"
        );
        assert_eq!(http.get(&target).await.body, "4hi", "{name}: {value}");

        let head = accepted(echo.address, "/engine.io/?EIO=4&transport=websocket").await;
        assert!(!head.contains(name), "{name}: {value}\n{head}");
        Ws::open(echo.address).await;
    }
}
