//! Compressed answers to polls, read by the official client and by bare requests.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use socketio_tokio::{Compression, EngineServer, Event, serve, socketio_proto::engine::Config};
use tokio::{net::TcpListener, task::spawn_blocking};

use crate::node::Suite;

#[tokio::test]
async fn official_clients_read_compressed_answers() {
    let Some(suite) = Suite::prepare("interop", (20, 11)) else {
        return;
    };
    let (server, mut events) = EngineServer::new(Config::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    // Which user agents got which encodings.
    let encodings: Arc<Mutex<BTreeSet<(String, String)>>> = Arc::default();
    let seen = Arc::clone(&encodings);
    let service = server
        .service()
        .compression(Compression::new())
        .on_response(move |_, request, headers| {
            let [agent, encoding] = [
                request.headers().get("user-agent"),
                headers.get("content-encoding"),
            ]
            .map(|value| value.map_or("", |value| value.to_str().unwrap()).to_owned());
            seen.lock().unwrap().insert((agent, encoding));
        });
    tokio::spawn(serve(listener, service).into_future());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::Message { session, message } = event {
                _ = server.send(session, message);
            }
        }
    });

    let tests = spawn_blocking(move || {
        let variables = [("ORIGIN", &*origin)];
        let limit = Duration::from_secs(120);
        suite.test("compression", "test:compression", &variables, limit);
    });
    tests.await.unwrap();

    let encodings = encodings.lock().unwrap();
    // The official client uses the `fetch` of Node.js.
    for (agent, encoding) in [("node", "gzip"), ("", "deflate"), ("", "gzip"), ("", "")] {
        let pair = (agent.to_owned(), encoding.to_owned());
        assert!(encodings.contains(&pair), "{pair:?} in {encodings:?}");
    }
}
