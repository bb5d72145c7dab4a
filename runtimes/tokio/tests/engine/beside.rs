use axum::{Router, routing::get};
use socketio_proto::engine::Config;
use socketio_tokio::{EngineServer, serve};
use tokio::net::TcpListener;

use crate::support::*;

async fn works(address: std::net::SocketAddr, path: &str) {
    let mut http = Http::connect(address).await;
    assert_eq!(http.get("/hello").await.body, "hello");
    assert_eq!(http.get("/missing").await.status, 404);
    let opened = http.get(&format!("{path}?EIO=4&transport=polling")).await;
    assert_eq!(opened.status, 200);
    let target = format!("{path}?EIO=4&transport=websocket");
    let mut ws = Ws::connect(address, &target).await;
    assert!(matches!(ws.read().await, Seen::Text(open) if open.starts_with("0{")));
    ws.text("4hi").await;
    assert_eq!(ws.read().await, Seen::Text("4hi".into()));
}

async fn in_axum(make: impl FnOnce(Router, EngineServer) -> Router, path: &str) {
    let (server, events) = EngineServer::new(Config::default()).unwrap();
    let _events = echo(server.clone(), events);
    let router = Router::new().route("/hello", get(async || "hello"));
    let router = make(router, server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    works(address, path).await;
}

#[tokio::test]
async fn it_is_a_route_of_axum() {
    let make = |router: Router, server: EngineServer| {
        router.route_service("/engine.io/", server.service())
    };
    in_axum(make, "/engine.io/").await;
}

#[tokio::test]
async fn it_is_the_fallback_of_axum() {
    let make = |router: Router, server: EngineServer| router.fallback_service(server.service());
    in_axum(make, "/engine.io/").await;
}

#[tokio::test]
async fn it_nests_in_axum_under_another_path() {
    let make = |router: Router, server: EngineServer| {
        router.nest_service("/live/chat", server.service().any_path())
    };
    in_axum(make, "/live/chat/").await;
}

#[tokio::test]
async fn another_service_gets_what_it_does_not_claim() {
    let (server, events) = EngineServer::new(Config::default()).unwrap();
    let _events = echo(server.clone(), events);
    let router = Router::<()>::new().route("/hello", get(async || "hello"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, server.service().or(router)).into_future());
    works(address, "/engine.io/").await;
}
