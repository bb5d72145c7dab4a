use std::io::Read;

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use socketio_tokio::Compression;

use crate::support::*;

async fn poll(http: &mut Http, target: &str, accept: Option<&str>) -> (HeaderMap, Bytes) {
    let mut request = request("GET", target, "");
    if let Some(accept) = accept {
        let headers = request.headers_mut();
        headers.insert("accept-encoding", accept.parse().unwrap());
    }
    let (status, headers, body) = http.send_raw(request).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-length"], body.len().to_string());
    (headers, body)
}

fn encoding(headers: &HeaderMap) -> Option<&str> {
    headers.get("content-encoding")?.to_str().ok()
}

fn decoded(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn what_a_poll_is_answered_decodes_to_the_same_text() {
    let set_up = Compression::new;
    let mut echo = Echo::start_as(config(), |service| service.compression(set_up())).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let session = echo.opened().await;

    // With the packet's type 1023, 1024 and many bytes: the last do not fit where they are.
    for (length, from) in [(1_022, false), (1_023, true), (300_000, true)] {
        for (accept, expected) in [
            (Some("gzip, deflate"), Some("gzip")),
            (Some("deflate"), Some("deflate")),
            (Some("br"), None),
            (None, None),
        ] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            echo.server.send_text(session, text.clone()).unwrap();

            let (headers, body) = poll(&mut http, &target, accept).await;

            let expected = expected.filter(|_| from);
            assert_eq!(encoding(&headers), expected, "{length} {accept:?}");
            let body = match expected {
                Some("gzip") => decoded(GzDecoder::new(&*body)),
                Some(_) => decoded(ZlibDecoder::new(&*body)),
                None => decoded(&*body),
            };
            assert!(body == format!("4{text}"), "{length} {accept:?}");
        }
    }
    assert_eq!(
        echo.server.queued(session),
        Some(0),
        "all was reported sent"
    );
}

#[tokio::test]
async fn nothing_else_is_compressed_nor_anything_without_being_told() {
    let mut echo = Echo::start(config()).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    let session = echo.opened().await;
    echo.server.send_text(session, "x".repeat(2_000)).unwrap();

    let (headers, body) = poll(&mut http, &target, Some("gzip")).await;

    assert_eq!(body.len(), 2_001);
    assert!(!headers.contains_key("vary"));

    let zero = Compression::new().threshold(0);
    let echo = Echo::start_as(config(), |service| service.compression(zero)).await;
    let mut http = Http::connect(echo.address).await;
    let target = open_polling(&mut http).await;
    for mut request in [
        request("POST", &target, "4hi"),
        request("GET", "/engine.io/?EIO=4&transport=carrier-pigeon", ""),
    ] {
        let headers = request.headers_mut();
        headers.insert("accept-encoding", "gzip".parse().unwrap());
        let (_, headers, _) = http.send_raw(request).await;
        assert_eq!(encoding(&headers), None);
    }
}
