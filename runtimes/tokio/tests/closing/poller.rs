//! A client that polls without any network: it calls the service.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use socketio_tokio::{Io, IoService, ResponseFuture};

#[derive(Clone)]
pub(crate) struct Poller {
    path: String,
    service: IoService,
}

impl Poller {
    /// Opens a connection.
    pub(crate) async fn open(io: &Io) -> Self {
        let mut poller = Self {
            path: "/socket.io/?EIO=4&transport=polling".to_owned(),
            service: io.service(),
        };
        let opened = answer(poller.poll()).await;
        poller.path += "&sid=";
        poller.path += opened.split('"').nth(3).unwrap();
        poller
    }

    /// Opens a connection and enters `/`.
    pub(crate) async fn join(io: &Io) -> Self {
        let poller = Self::open(io).await;
        assert_eq!(answer(poller.post("40")).await, "ok");
        assert!(answer(poller.poll()).await.starts_with(r#"40{"sid":""#));
        poller
    }

    /// Begins a poll.
    pub(crate) fn poll(&self) -> ResponseFuture {
        self.request("GET", "")
    }

    /// Begins to send packets.
    pub(crate) fn post(&self, body: &'static str) -> ResponseFuture {
        self.request("POST", body)
    }

    /// The target of its requests.
    pub(crate) fn target(&self) -> &str {
        &self.path
    }

    fn request(&self, method: &str, body: &'static str) -> ResponseFuture {
        let request = Request::builder().method(method).uri(&self.path);
        let body = Full::new(Bytes::from_static(body.as_bytes()));
        self.service.handle(request.body(body).unwrap())
    }
}

/// The body of an answer.
pub(crate) async fn answer(response: ResponseFuture) -> String {
    let body = response.await.unwrap().into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
