//! The application API over loopback, spoken to by a bare WebSocket client.
//!
//! Everything waits for messages, never for time to pass, and a message that does not come within
//! [`LIMIT`] fails the test.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod app {
    pub(crate) mod client;
    mod lifetimes;
    mod listening;
    mod namespaces;
    mod operations;
    mod recovery;
    mod servers;
}

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use app::client::{Client, LIMIT, serve};
use serde::Deserialize;
use serde_json::json;
use socketio_tokio::{
    Ack, AckError, Args, ArgsError, Cause, Connecting, DisconnectReason, Error, Io, Pressure,
    Refusal, Reply, Socket,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    time::timeout,
};

#[derive(Deserialize)]
struct Auth {
    token: String,
}

#[tokio::test]
async fn middleware_refuses_with_data_and_accepts_on_the_same_connection() {
    let io = Io::new();
    io.of("/")
        .middleware(|client: Connecting| async move {
            match client.auth::<Auth>() {
                Ok(auth) if auth.token == "secret" => {
                    client.insert(String::from("alice"));
                    client.join("early");
                    Ok(())
                }
                _ => Err(Refusal::new("unauthorized").data(&json!({ "code": 401 }))),
            }
        })
        .on_connect(|socket: Socket| async move {
            let name = socket.get::<String>().ok_or("no name")?;
            let rooms = socket.rooms().len();
            socket.emit("hello", (&*name, rooms))?;
            Ok::<(), Error>(())
        });
    let mut client = Client::open(serve(&io).await).await;

    client.send(r#"40{"token":"wrong"}"#).await;
    let refusal = r#"44{"message":"unauthorized","data":{"code":401}}"#;
    assert_eq!(client.read().await, refusal);

    client.send(r#"40{"token":"secret"}"#).await;
    assert!(client.read().await.starts_with(r#"40{"sid":""#));
    assert_eq!(client.read().await, r#"42["hello","alice",2]"#);
}

#[tokio::test]
async fn middleware_runs_in_order_and_sees_the_handshake() {
    let io = Io::new();
    io.of("/")
        .middleware(|client: Connecting| async move {
            client.insert(vec![
                client.query("tenant").unwrap_or_default().into_owned(),
            ]);
            Ok(())
        })
        .middleware(|client: Connecting| async move {
            let mut seen = Vec::clone(&*client.get::<Vec<String>>().unwrap());
            seen.push(client.headers()["host"].to_str().unwrap().to_owned());
            seen.push(client.namespace().to_owned());
            client.insert(seen);
            Ok(())
        })
        .on_connect(|socket: Socket| async move {
            let address = socket.handshake().address().map(|it| it.ip());
            socket.insert(address);
            socket.emit("seen", (&*socket.get::<Vec<String>>().unwrap(),))
        });
    let port = serve(&io).await;
    let mut client = Client::open_with(port, "&tenant=a%20b").await;

    client.send("40").await;
    client.read().await;
    let expected = format!(r#"42["seen",["a b","127.0.0.1:{port}","/"]]"#);
    assert_eq!(client.read().await, expected);
}

#[tokio::test]
async fn middleware_of_a_client_that_went_away_is_dropped() {
    struct Told(mpsc::UnboundedSender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            _ = self.0.send("dropped");
        }
    }
    let (sender, mut told) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/").middleware(move |_| {
        let told = Told(sender.clone());
        async move {
            _ = told.0.send("started");
            std::future::pending::<()>().await;
            Ok(())
        }
    });
    let mut client = Client::open(serve(&io).await).await;

    client.send("40").await;
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("started"));
    drop(client);

    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some("dropped"));
}

#[tokio::test]
async fn a_panic_in_middleware_refuses_the_client() {
    let io = Io::new();
    io.of("/").middleware(|client: Connecting| async move {
        assert!(client.query("fine").is_some(), "as the test wants it");
        Ok(())
    });
    let mut client = Client::open(serve(&io).await).await;

    client.send("40").await;

    assert_eq!(client.read().await, r#"44{"message":"internal error"}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_socket_are_handled_in_order_and_one_at_a_time() {
    const EVENTS: usize = 200;
    let (sender, mut done) = mpsc::unbounded_channel();
    let io = Io::new();
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let at_end = Arc::clone(&seen);
    let running = Arc::new(Mutex::new(()));
    io.of("/")
        .on("event", move |_: Socket, (i,): (usize,)| {
            let (seen, running) = (Arc::clone(&seen), Arc::clone(&running));
            async move {
                let alone = running.try_lock().is_ok();
                // Give the next one every chance to overtake.
                for _ in 0..i % 5 {
                    tokio::task::yield_now().await;
                }
                seen.lock().unwrap().push(i);
                assert!(alone);
            }
        })
        .on_disconnect(move |_, _| {
            _ = sender.send(std::mem::take(&mut *at_end.lock().unwrap()));
            async {}
        });
    let port = serve(&io).await;
    let mut client = Client::join(port).await;

    for i in 0..EVENTS {
        client.send(&format!(r#"42["event",{i}]"#)).await;
    }
    client.send("41").await;

    // The disconnection comes last, and nothing before it is lost.
    let seen = timeout(LIMIT, done.recv()).await.unwrap().unwrap();
    assert_eq!(seen, (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn sockets_do_not_wait_for_each_other() {
    let io = Io::new();
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    io.of("/")
        .on("wait", move |socket: Socket| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                socket.emit("waited", ())
            }
        })
        .on_sync("open", move |_: &Socket| opened.notify_one());
    let port = serve(&io).await;
    let mut slow = Client::join(port).await;
    let mut fast = Client::join(port).await;

    slow.send(r#"42["wait"]"#).await;
    fast.send(r#"42["open"]"#).await;

    assert_eq!(slow.read().await, r#"42["waited"]"#);
}

#[tokio::test]
async fn handlers_answer_by_value_or_later() {
    let io = Io::new();
    io.of("/")
        .on("sum", |_: Socket, (a, b): (i64, i64)| async move {
            Ack((a + b,))
        })
        .on("later", |_: Socket, args: Args, reply: Reply| async move {
            tokio::spawn(async move { reply.send((args.len(), "x")) });
        })
        .on_sync("quick", |_: &Socket, (x,): (u32,)| {
            Ok::<_, Error>(Ack([x; 2]))
        })
        .fallback(|_: Socket, args: Args, reply: Reply| async move {
            let is_wanted = reply.is_wanted();
            reply.send((args.name(), is_wanted))
        });
    let mut client = Client::join(serve(&io).await).await;

    for (event, answer) in [
        (r#"421["sum",1,2]"#, "431[3]"),
        (r#"422["later",true,null]"#, r#"432[2,"x"]"#),
        (r#"423["quick",7]"#, "433[7,7]"),
        (r#"424["what"]"#, r#"434["what",true]"#),
    ] {
        client.send(event).await;
        assert_eq!(client.read().await, answer);
    }
    // Without an id there is nothing to answer.
    client.send(r#"42["sum",1,2]"#).await;
    client.send(r#"425["sum",3,4]"#).await;
    assert_eq!(client.read().await, "435[7]");
}

#[tokio::test]
async fn a_handler_that_asks_for_a_result_answers_arguments_that_do_not_fit() {
    let io = Io::new();
    io.of("/").on(
        "double",
        |_: Socket, args: Result<(u32,), ArgsError>| async move {
            match args {
                Ok((number,)) => Ack((2 * number, None)),
                Err(error) => Ack((0, Some(error.to_string()))),
            }
        },
    );
    let mut client = Client::join(serve(&io).await).await;
    client.send(r#"421["double",4]"#).await;
    assert_eq!(client.read().await, "431[8,null]");
    client.send(r#"422["double","four"]"#).await;
    let answer = client.read().await;
    assert!(answer.starts_with(r#"432[0,"argument"#), "{answer}");
}

#[tokio::test]
async fn a_handler_may_await_its_own_client() {
    let io = Io::new();
    io.of("/").on("start", |socket: Socket| async move {
        let answer = socket
            .emit_with_ack("question", (1,))
            .timeout(LIMIT)
            .await?;
        let (text,): (String,) = answer.parse()?;
        socket.emit("done", (text,))?;
        Ok::<(), Error>(())
    });
    let mut client = Client::join(serve(&io).await).await;

    client.send(r#"42["start"]"#).await;
    assert_eq!(client.read().await, r#"420["question",1]"#);
    client.send(r#"430["fine"]"#).await;

    assert_eq!(client.read().await, r#"42["done","fine"]"#);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_an_error() {
    let io = Io::new();
    io.of("/").on("start", |socket: Socket| async move {
        let span = Duration::from_millis(20);
        let answer = socket.timeout(span).emit_with_ack("question", ()).await;
        assert_eq!(answer.err(), Some(AckError::TimedOut));
        socket.emit("timed out", ())
    });
    let mut client = Client::join(serve(&io).await).await;

    client.send(r#"42["start"]"#).await;
    assert_eq!(client.read().await, r#"420["question"]"#);
    assert_eq!(client.read().await, r#"42["timed out"]"#);

    // A late answer is ignored, and the connection goes on.
    client.send("430[]").await;
    client.send(r#"42["start"]"#).await;
    assert_eq!(client.read().await, r#"421["question"]"#);
}

#[tokio::test]
async fn a_disconnection_ends_the_wait_for_an_answer() {
    let (sender, mut ended) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/").on("start", move |socket: Socket| {
        let sender = sender.clone();
        async move {
            let answer = socket.emit_with_ack("question", ()).await;
            assert!(!socket.is_connected());
            _ = sender.send((answer.err(), socket.emit("late", ()).is_err()));
        }
    });
    let mut client = Client::join(serve(&io).await).await;

    client.send(r#"42["start"]"#).await;
    client.read().await;
    client.send("41").await;

    let ended = timeout(LIMIT, ended.recv()).await.unwrap();
    assert_eq!(ended, Some((Some(AckError::Disconnected), true)));
}

#[tokio::test]
async fn what_fails_reaches_on_error_and_later_events_still_work() {
    let (sender, mut errors) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/")
        .on("sum", |_: Socket, (a, b): (i64, i64)| async move {
            Ack((a + b,))
        })
        .on("fail", |_: Socket| async move {
            Err::<(), _>("as the test wants it")
        })
        .on("panic", |socket: Socket| async move {
            assert!(!socket.is_connected(), "as the test wants it");
        })
        .on_sync("panic at once", |socket: &Socket| {
            assert!(!socket.is_connected(), "as the test wants it");
        })
        .on_error(move |socket, error| {
            let kind = match error.cause() {
                Cause::Arguments(_) => "arguments",
                Cause::Failed(_) => "failed",
                Cause::Panicked(_) => "panicked",
                _ => "something else",
            };
            assert!(socket.is_connected());
            _ = sender.send(format!("{kind}: {error}"));
        });
    let mut client = Client::join(serve(&io).await).await;

    for (event, error) in [
        (
            r#"421["sum",1,"x"]"#,
            r#"arguments: handler of "sum": argument 1: "#,
        ),
        (
            r#"42["sum"]"#,
            r#"arguments: handler of "sum": argument 0 is missing"#,
        ),
        (
            r#"42["fail"]"#,
            r#"failed: handler of "fail": as the test wants it"#,
        ),
        (
            r#"42["panic"]"#,
            r#"panicked: handler of "panic": panicked: as the test wants it"#,
        ),
        (
            r#"42["panic at once"]"#,
            r#"panicked: handler of "panic at once": panicked: "#,
        ),
    ] {
        client.send(event).await;
        let seen = timeout(LIMIT, errors.recv()).await.unwrap().unwrap();
        assert!(seen.starts_with(error), "{seen}");
    }
    client.send(r#"429["sum",1,2]"#).await;
    assert_eq!(client.read().await, "439[3]");
}

#[tokio::test]
async fn rooms_and_exceptions_choose_who_gets_an_event() {
    let io = Io::new();
    io.of("/")
        .on_sync("join", |socket: &Socket, rooms: Vec<String>| {
            socket.join(&rooms).map(|()| Ack(()))
        })
        .on_sync("broadcast", |socket: &Socket| {
            socket.broadcast().emit("all", ())
        })
        .on_sync("to a", |socket: &Socket| socket.to("a").emit("a", ()));
    let port = serve(&io).await;
    let mut first = Client::join(port).await;
    let mut second = Client::join(port).await;
    let mut third = Client::join(port).await;
    first.call(r#"["join","a"]"#, "[]").await;
    second.call(r#"["join","a","b"]"#, "[]").await;
    third.call(r#"["join","b","c"]"#, "[]").await;

    let queued = |sent: Result<socketio_tokio::Sent, _>| sent.unwrap().queued;
    assert_eq!(queued(io.to("a").to("b").emit("one", ())), 3);
    assert_eq!(queued(io.to(["a", "b"]).except("c").emit("two", ())), 2);
    assert_eq!(
        queued(io.except(&vec![String::from("a")]).emit("three", ())),
        1
    );
    assert_eq!(queued(io.to(&first.id).emit("four", ())), 1);
    assert_eq!(queued(io.emit("five", ())), 3);
    second.send(r#"42["to a"]"#).await;
    assert_eq!(first.events(5).await, ["one", "two", "four", "five", "a"]);
    third.send(r#"42["broadcast"]"#).await;

    assert_eq!(first.events(1).await, ["all"]);
    assert_eq!(second.events(4).await, ["one", "two", "five", "all"]);
    assert_eq!(third.events(3).await, ["one", "three", "five"]);
}

#[tokio::test]
async fn sockets_are_found_and_moved_from_outside() {
    let io = Io::new();
    let admin = io.of("/admin");
    let port = serve(&io).await;
    let mut client = Client::join(port).await;
    client.send("40/admin,").await;
    client.read().await;

    assert_eq!((io.sockets().len(), admin.len()), (1, 1));
    let socket = io.socket(&client.id).unwrap();
    assert_eq!(socket.id().as_str(), client.id);
    assert!(admin.socket(&client.id).is_none());

    io.everyone().join(["x", "y"]);
    io.to("x").leave("y");
    assert_eq!(socket.rooms(), [client.id.as_str(), "x"]);

    io.to("x").disconnect(false);
    assert_eq!(client.read().await, "41");
    assert!(!socket.is_connected());
    assert_eq!(
        socket.disconnect_reason(),
        Some(DisconnectReason::ServerKicked)
    );
    assert_eq!(socket.rooms(), [client.id.as_str(), "x"]);
    assert!(socket.join("z").is_err());
    assert_eq!(admin.len(), 1);
}

#[tokio::test]
async fn a_broadcast_settles_with_whoever_answered() {
    let io = Io::new();
    let port = serve(&io).await;
    let mut answering = Client::join(port).await;
    let mut leaving = Client::join(port).await;
    let mut silent = Client::join(port).await;

    let asking = tokio::spawn({
        let io = io.clone();
        async move {
            let span = Duration::from_millis(200);
            io.timeout(span).emit_with_ack("question", (1,)).await
        }
    });
    for client in [&mut answering, &mut leaving, &mut silent] {
        assert_eq!(client.read().await, r#"420["question",1]"#);
    }
    leaving.send("41").await;
    answering.send(r#"430["yes"]"#).await;

    let all = timeout(LIMIT, asking).await.unwrap().unwrap().unwrap();
    assert!(all.timed_out);
    assert_eq!(all.missing, 2);
    let [(id, answer)] = &all.answers[..] else {
        panic!("{all:?}");
    };
    assert_eq!(id.as_str(), answering.id);
    assert_eq!(answer.parse(), Ok(("yes",)));
}

#[tokio::test]
async fn a_broadcast_ends_once_everybody_answered_or_left() {
    let io = Io::new();
    let port = serve(&io).await;
    let mut answering = Client::join(port).await;
    let mut leaving = Client::join(port).await;

    let asking = tokio::spawn({
        let io = io.clone();
        async move { io.everyone().emit_with_ack("question", ()).await }
    });
    answering.read().await;
    leaving.read().await;
    answering.send("430[]").await;
    leaving.send("41").await;

    let all = timeout(LIMIT, asking).await.unwrap().unwrap().unwrap();
    assert_eq!(
        (all.answers.len(), all.missing, all.timed_out),
        (1, 1, false)
    );
    let none = io.to("nobody").emit_with_ack("question", ()).await.unwrap();
    assert_eq!(
        (none.answers.len(), none.missing, none.timed_out),
        (0, 0, false)
    );
}

#[tokio::test]
async fn the_last_handler_knows_the_reason_and_the_rooms() {
    let (sender, mut left) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/")
        .on_connect(|socket: Socket| async move { socket.join("room") })
        .on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            _ = sender.send((reason.as_str(), socket.rooms().pop()));
            async {}
        })
        .on_sync("kick", |socket: &Socket| socket.disconnect(true));
    let port = serve(&io).await;

    let mut client = Client::join(port).await;
    client.send(r#"42["kick"]"#).await;
    assert_eq!(client.read().await, "41");
    let expected = Some(("server namespace disconnect", Some("room".to_owned())));
    assert_eq!(timeout(LIMIT, left.recv()).await.unwrap(), expected);

    drop(Client::join(port).await);
    let expected = Some(("transport close", Some("room".to_owned())));
    assert_eq!(timeout(LIMIT, left.recv()).await.unwrap(), expected);
}

#[tokio::test]
async fn bytes_travel_both_ways() {
    let io = Io::new();
    io.of("/")
        .on("echo", |socket: Socket, args: Args| async move {
            socket.emit("echo", args)
        });
    let mut client = Client::join(serve(&io).await).await;

    client
        .send(r#"451-["echo",{"data":{"_placeholder":true,"num":0}}]"#)
        .await;
    client.send_bytes(&[1, 2, 3]).await;

    let expected = r#"451-["echo",{"data":{"_placeholder":true,"num":0}}]"#;
    assert_eq!(client.read().await, expected);
    assert_eq!(client.read_bytes().await, [1, 2, 3]);
}

#[tokio::test]
async fn it_nests_in_axum_beside_other_routes() {
    let io = Io::new();
    io.of("/").on_sync("ping", |_: &Socket| Ack(("pong",)));
    let hello = axum::routing::get(|| async { "hello" });
    let router = axum::Router::new()
        .route("/hello", hello)
        .route_service("/socket.io/", io.service());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(axum::serve(listener, router).into_future());

    let mut client = Client::join(port).await;
    client.call(r#"["ping"]"#, r#"["pong"]"#).await;
    let mut http = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    http.write_all(request).await.unwrap();
    let mut response = String::new();
    let read = http.read_to_string(&mut response);
    timeout(LIMIT, read).await.unwrap().unwrap();
    assert!(response.ends_with("hello"), "{response}");
}

#[tokio::test]
async fn a_shutdown_waits_for_handlers_and_leaves_nothing() {
    struct Told(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("dropped");
        }
    }
    let seen: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let io = Io::new();
    let (told, in_handler) = (Arc::clone(&seen), Arc::clone(&seen));
    io.of("/")
        .on_connect(move |socket: Socket| {
            socket.insert(Told(Arc::clone(&told)));
            async {}
        })
        .on_disconnect(move |_, reason: DisconnectReason| {
            let seen = Arc::clone(&in_handler);
            async move {
                tokio::task::yield_now().await;
                seen.lock().unwrap().push(reason.as_str());
            }
        });
    let port = serve(&io).await;
    let mut client = Client::join(port).await;

    let closing = tokio::spawn({
        let io = io.clone();
        async move { io.shutdown(LIMIT).await }
    });
    client.closed().await;

    assert!(timeout(LIMIT, closing).await.unwrap().unwrap());
    assert_eq!(*seen.lock().unwrap(), ["server shutting down", "dropped"]);
}

#[tokio::test]
async fn a_client_that_is_faster_than_its_handlers_is_disconnected() {
    let (sender, mut left) = mpsc::unbounded_channel();
    let io = Io::builder().max_unhandled(1_000).build();
    io.of("/")
        .on("slow", |socket: Socket, (_,): (String,)| async move {
            while socket.is_connected() {
                tokio::task::yield_now().await;
            }
        })
        .on_disconnect(move |_, reason| {
            _ = sender.send(reason);
            async {}
        });
    let mut client = Client::join(serve(&io).await).await;

    let text = "x".repeat(600);
    for _ in 0..3 {
        client.send(&format!(r#"42["slow","{text}"]"#)).await;
    }
    client.closed().await;

    let reason = timeout(LIMIT, left.recv()).await.unwrap();
    assert_eq!(reason, Some(DisconnectReason::ServerKicked));
}

#[tokio::test]
async fn an_application_is_told_when_much_waits_for_a_client_and_when_little_does_again() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/")
        .on_pressure(move |socket: Socket, pressure: Pressure| {
            let sender = sender.clone();
            async move {
                _ = sender.send((pressure.is_high, pressure.queued, socket.queued()));
            }
        });
    let mut client = Client::join(serve(&io).await).await;

    // More than the kernel takes of a client that does not read.
    let text = "x".repeat(1 << 20);
    for _ in 0..16 {
        io.emit("much", (&*text,)).unwrap();
    }
    let (is_high, queued, _) = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
    assert!(is_high);
    assert!(queued > 1 << 20, "{queued}");
    assert!(io.statistics().queued_bytes > 0);
    for _ in 0..16 {
        client.read().await;
    }
    let (is_high, queued, now) = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
    assert!(!is_high);
    assert!(queued <= 256 << 10, "{queued}");
    assert_eq!(now, 0);
    assert_eq!(io.statistics().queued_bytes, 0);
}
