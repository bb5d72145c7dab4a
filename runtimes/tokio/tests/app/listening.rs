//! Listeners to all events, both ways, and filters.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use socketio_tokio::{Ack, Args, Binary, Cause, Io, Socket};
use tokio::{sync::mpsc, time::timeout};

use super::client::{Client, LIMIT, serve};

type Seen = Arc<Mutex<Vec<String>>>;

fn note(seen: &Seen, what: impl Into<String>) {
    seen.lock().unwrap().push(what.into());
}

fn taken(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn an_event_passes_listeners_then_filters_in_order_then_its_handler() {
    let seen = Seen::default();
    let [any, first, second, handler] = [(); 4].map(|()| Arc::clone(&seen));
    let io = Io::new();
    io.of("/")
        .on_sync("known", move |_: &Socket| {
            note(&handler, "handler");
            Ack(())
        })
        .filter(move |_: Socket, _: Args| {
            let first = Arc::clone(&first);
            async move {
                // It may wait; what follows does, too.
                tokio::task::yield_now().await;
                note(&first, "first");
            }
        })
        .filter(move |_: Socket, event: Args| {
            note(&second, format!("second {}", event.json()));
            async {}
        })
        .on_any(move |_, event| note(&any, format!("any {}", event.name())));
    let mut client = Client::join(serve(&io).await).await;

    // Without a handler it is seen as well.
    client.send(r#"42["unknown",1]"#).await;
    client.call(r#"["known",2]"#, "[]").await;

    let expected = [
        "any unknown",
        "first",
        "second 1",
        "any known",
        "first",
        "second 2",
        "handler",
    ];
    assert_eq!(taken(&seen), expected);
}

#[tokio::test]
async fn an_event_that_a_filter_refuses_has_no_handler_and_the_next_one_does() {
    let (sender, mut errors) = mpsc::unbounded_channel();
    let seen = Seen::default();
    let [after, handler] = [(); 2].map(|()| Arc::clone(&seen));
    let io = Io::new();
    io.of("/")
        .filter(|_: Socket, event: Args| async move {
            assert_ne!(event.name(), "panic", "as the test wants it");
            if event.name() == "bad" {
                return Err("forbidden");
            }
            Ok(())
        })
        .filter(move |_: Socket, event: Args| {
            note(&after, format!("filter {}", event.name()));
            async {}
        })
        .fallback(move |_: Socket, event: Args| {
            note(&handler, event.name());
            async { Ack(()) }
        })
        .on_any(|_, event| assert_ne!(event.name(), "listener", "as the test wants it"))
        .on_error(move |_, error| {
            let is_panic = matches!(error.cause(), Cause::Panicked(_));
            _ = sender.send((error.to_string(), is_panic));
        });
    let mut client = Client::join(serve(&io).await).await;

    client.send(r#"421["bad"]"#).await;
    client.send(r#"42["panic"]"#).await;
    client.call(r#"["listener"]"#, "[]").await;

    let mut next = async || timeout(LIMIT, errors.recv()).await.unwrap().unwrap();
    let forbidden = r#"handler of "bad": forbidden"#.to_owned();
    assert_eq!(next().await, (forbidden, false));
    assert!(next().await.1);
    assert!(next().await.1);
    // A listener cannot refuse.
    assert_eq!(taken(&seen), ["filter listener", "listener"]);
}

#[tokio::test]
async fn what_is_sent_is_shown_once_for_each_recipient_in_order() {
    let seen = Seen::default();
    let note_all = Arc::clone(&seen);
    let io = Io::new();
    let port = serve(&io).await;
    // This one came before anybody listened.
    let mut early = Client::join(port).await;
    io.of("/")
        .on_any_outgoing(move |socket, event| {
            // No lock is held.
            assert!(socket.rooms().len() == 1);
            let (name, json) = (event.name(), event.json());
            note(&note_all, format!("{} {name} {json}", socket.id()));
        })
        .on_sync("ask", |_: &Socket| Ack((1,)));
    let mut first = Client::join(port).await;
    let second = Client::join(port).await;
    let (one, two) = (first.id.clone(), second.id.clone());

    io.emit("all", (1, "x")).unwrap();
    assert_eq!(
        taken(&seen),
        [format!("{one} all 1,\"x\""), format!("{two} all 1,\"x\"")]
    );
    io.to(&*one).emit("one", ()).unwrap();
    assert_eq!(taken(&seen), [format!("{one} one ")]);
    io.to(&*early.id).emit("not shown", ()).unwrap();
    assert!(taken(&seen).is_empty());
    let socket = io.socket(&two).unwrap();
    socket.volatile().emit("volatile", ()).unwrap();
    let question = socket
        .emit_with_ack("question", (Binary::from(vec![1]),))
        .into_future();
    let questions = io.to(&*two).emit_with_ack("all asked", ()).into_future();
    let json = r#"{"_placeholder":true,"num":0}"#;
    let expected = [
        format!("{two} volatile "),
        format!("{two} question {json}"),
        format!("{two} all asked "),
    ];
    assert_eq!(taken(&seen), expected);
    drop((question, questions));
    // An answer is no event.
    first.call(r#"["ask"]"#, "[1]").await;
    assert!(taken(&seen).is_empty());
    assert_eq!(early.events(2).await, ["all", "not shown"]);
}

#[tokio::test]
async fn a_listener_to_what_is_sent_may_send_and_may_panic() {
    let seen = Seen::default();
    let note_all = Arc::clone(&seen);
    let (sender, mut errors) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/")
        .on_any_outgoing(move |socket, event| {
            note(&note_all, event.name());
            if event.name() == "hello" {
                socket.emit("echo", ()).unwrap();
            }
            note(&note_all, "done");
        })
        .on_any_outgoing(|_, event| assert_ne!(event.name(), "hello", "as the test wants it"))
        .on_error(move |_, error| _ = sender.send(error.to_string()));
    let mut client = Client::join(serve(&io).await).await;

    io.emit("hello", ()).unwrap();

    // What it sends itself is shown behind it.
    assert_eq!(taken(&seen), ["hello", "done", "echo", "done"]);
    assert_eq!(client.events(2).await, ["hello", "echo"]);
    let error = timeout(LIMIT, errors.recv()).await.unwrap().unwrap();
    assert!(error.contains("as the test wants it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_threads_send_at_once_is_shown_in_the_order_in_which_the_client_gets_it() {
    const EVENTS: usize = 500;
    let seen = Seen::default();
    let note_all = Arc::clone(&seen);
    let running = Arc::new(AtomicUsize::new(0));
    let io = Io::new();
    io.of("/").on_any_outgoing(move |_, event| {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        note(&note_all, event.name());
        running.fetch_sub(1, Ordering::SeqCst);
    });
    let mut client = Client::join(serve(&io).await).await;

    let threads = [0, 1, 2].map(|thread| {
        let io = io.clone();
        std::thread::spawn(move || {
            for number in 0..EVENTS {
                io.emit(&format!("{thread}:{number}"), ()).unwrap();
            }
        })
    });
    let received = client.events(3 * EVENTS).await;
    for thread in threads {
        thread.join().unwrap();
    }

    assert_eq!(taken(&seen), received);
}
