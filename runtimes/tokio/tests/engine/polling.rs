use std::time::Duration;

use socketio_proto::engine::{CloseReason, TransportError};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::*;

#[tokio::test]
async fn a_handshake_is_answered_with_the_open_packet() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;

    let reply = http.get(PATH).await;

    assert_eq!(reply.status, 200);
    assert!(reply.body.starts_with(r#"0{"sid":""#), "{}", reply.body);
    assert_eq!(reply.headers["content-type"], "text/plain; charset=UTF-8");
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(
        reply.headers["content-length"],
        reply.body.len().to_string()
    );
    let session = echo.opened().await;
    let id = echo.server.session_id(session).unwrap();
    assert_eq!(id.expose(), sid_of(&reply.body));
}

#[tokio::test]
async fn the_application_gets_the_head_of_the_request() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;

    http.get(&format!("{PATH}&token=42")).await;

    let socketio_tokio::Event::Opened { request, .. } = echo.next().await else {
        panic!("no session");
    };
    assert!(request.uri().query().unwrap().ends_with("&token=42"));
    assert_eq!(request.headers()["host"], "localhost");
    assert!(request.peer().unwrap().ip().is_loopback());
}

#[tokio::test]
async fn what_is_posted_comes_back_by_poll() {
    let echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;

    let reply = http.post(&target, "4one\u{1e}bAQID").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));

    let mut all = String::new();
    while !all.ends_with("bAQID") {
        all += &http.get(&target).await.body;
    }
    assert_eq!(all.replace('\u{1e}', ""), "4onebAQID");
}

#[tokio::test]
async fn a_pending_poll_is_answered_by_a_later_message() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let session = echo.opened().await;

    let poll = tokio::spawn(async move { http.get(&target).await.body });
    tokio::time::sleep(Duration::from_millis(20)).await;
    echo.server.send(session, text("late")).unwrap();

    assert_eq!(soon("the poll", poll).await.unwrap(), "4late");
}

#[tokio::test]
async fn an_aborted_poll_closes_the_session_at_once() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;

    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    raw.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(raw);

    let aborted = CloseReason::TransportError(TransportError::PollAborted);
    assert_eq!(echo.closed().await, aborted);
    assert_eq!(http.get(&target).await.status, 400);
}

#[tokio::test]
async fn an_aborted_data_request_closes_the_session_at_once() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;

    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n4a");
    raw.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(raw);

    let aborted = CloseReason::TransportError(TransportError::DataAborted);
    assert_eq!(echo.closed().await, aborted);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_and_the_session_lives_on() {
    let echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let fits = format!("4{}", "x".repeat(999));

    let mut other = Http::connect(echo.address).await;
    assert_eq!(other.post(&target, format!("{fits}y")).await.status, 413);
    let mut other = Http::connect(echo.address).await;
    assert_eq!(other.post(&target, fits.clone()).await.status, 200);

    assert_eq!(http.get(&target).await.body, fits);
}

/// It is refused by its announced length. To close the connection while the client is writing would
/// take the answer from it.
#[tokio::test]
async fn a_client_that_is_still_writing_a_body_above_the_limit_sees_the_refusal() {
    let echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;

    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head =
        format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\n\r\n");
    raw.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..9 {
        let piece = vec![b'4'; 100_000];
        soon("writing", raw.write_all(&piece)).await.unwrap();
        tokio::task::yield_now().await;
    }

    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut raw, &mut answer);
    soon("413", read).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(http.post(&target, "4hi").await.status, 200);
}

/// Nor is it asked for the body, if it waits to be.
#[tokio::test]
async fn a_client_that_expects_a_word_is_refused_at_once() {
    let echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;

    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\n\
         expect: 100-continue\r\n\r\n"
    );
    raw.write_all(head.as_bytes()).await.unwrap();

    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut raw, &mut answer);
    soon("413", read).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_as_soon_as_it_passes_the_limit() {
    let echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;

    let mut raw = TcpStream::connect(echo.address).await.unwrap();
    let head =
        format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    // The third chunk passes the limit; the last one never comes.
    let sent = format!("{head}{chunk}{chunk}1\r\nx\r\n");
    raw.write_all(sent.as_bytes()).await.unwrap();

    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut raw, &mut answer);
    soon("413", read).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_path_that_is_not_claimed_is_not_found() {
    let echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;

    assert_eq!(http.get("/elsewhere").await.status, 404);
    assert_eq!(http.get("/engine.io/?EIO=4").await.status, 400);
}
