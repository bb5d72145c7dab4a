use std::sync::{Arc, Mutex};

use http_body_util::{Full, StreamBody};
use socketio_proto::{
    edge::{Carrier, Headers, Machine, Request, RequestId},
    engine::{Config, Server},
    time::Instant,
};

use super::*;
use crate::ticket::EndRequest;

#[derive(Default)]
struct Ends(Mutex<Vec<End>>);

impl EndRequest for Ends {
    fn end_request(self: Arc<Self>, _: RequestId, end: End) {
        self.0.lock().unwrap().push(end);
    }
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// Only a machine makes names.
fn request() -> RequestId {
    Server::new(Config::default(), [0; 32]).handle_request(
        Instant::ORIGIN,
        &Request {
            carrier: Carrier::Polling,
            method: "GET",
            target: "/",
            headers: &NoHeaders,
            peer: None,
        },
    )
}

async fn ends_after(data: &'static str, frames: usize) -> Vec<End> {
    let ends = Arc::new(Ends::default());
    let ticket = Ticket::new(Arc::clone(&ends) as _, request());
    let mut body = Body::new(data.into(), ticket);
    for _ in 0..frames {
        _ = body.frame().await;
    }
    drop(body);
    ends.0.lock().unwrap().clone()
}

#[tokio::test]
async fn a_body_ends_its_request_once() {
    assert_eq!(ends_after("data", 0).await, [End::Gone]);
    assert_eq!(ends_after("data", 1).await, [End::Sent]);
    assert_eq!(ends_after("data", 2).await, [End::Sent]);
    assert_eq!(ends_after("", 0).await, [End::Sent]);
    assert_eq!(ends_after("", 1).await, [End::Sent]);
}

fn pieces(pieces: &[&'static str]) -> impl http_body::Body<Data = Bytes> + use<> {
    let frames: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes()))))
        .collect();
    StreamBody::new(futures_util::stream::iter(frames))
}

#[tokio::test]
async fn a_body_in_one_piece_is_not_copied() {
    let data = Bytes::from(vec![7; 100]);
    let read = read(Full::new(data.clone()), 100, |_| {})
        .await
        .ok()
        .unwrap();
    assert_eq!(read.as_ptr(), data.as_ptr());
}

#[tokio::test]
async fn a_body_in_pieces_is_joined_up_to_the_limit() {
    let read_pieces = async |list: &[&'static str]| read(pieces(list), 6, |_| {}).await;

    let whole = read_pieces(&["", "ab", "cd", "", "ef"]).await;
    assert_eq!(whole.ok().unwrap(), "abcdef");
    let long = read_pieces(&["ab", "cd", "efg"]).await;
    assert!(matches!(long, Err(Unread::TooLarge)));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_read_on_for_a_while() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let endless = futures_util::stream::repeat_with(move || {
        _ = sender.send(());
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"abc")))
    });
    let read = read(StreamBody::new(endless), 6, |_| {}).await;
    assert!(matches!(read, Err(Unread::TooLarge)));
    assert_eq!(
        receiver.len(),
        6,
        "three to pass the limit, three until as much was dropped"
    );
}
