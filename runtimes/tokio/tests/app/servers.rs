//! Events from server to server, and answers as they come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use socketio_tokio::{Ack, EmitError, Io, Namespace, Reply};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::client::{Client, LIMIT, serve};

#[tokio::test]
async fn this_server_runs_its_own_server_side_events() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/a").on_server_side(
        "reload",
        move |namespace: Namespace, args: (u32, String)| {
            _ = sender.send((namespace.name().to_owned(), args));
            async {}
        },
    );

    io.of("/a").server_side_emit("reload", (1, "x")).unwrap();
    // In another namespace nobody wants it.
    io.of("/").server_side_emit("reload", (2, "y")).unwrap();

    let told = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
    assert_eq!(told, ("/a".to_owned(), (1, "x".to_owned())));
}

#[tokio::test]
async fn a_server_answers_a_server_by_value_or_later_or_is_missing() {
    let io = Io::new();
    let root = io
        .of("/")
        .on_server_side("count", |root: Namespace| async move { Ack((root.len(),)) })
        .on_server_side(
            "later",
            |_: Namespace, (number,): (u32,), reply: Reply| async move {
                tokio::spawn(async move { reply.send((number + 1,)) });
            },
        )
        .on_server_side("fail", |_: Namespace| async {
            Err::<(), _>("as the test wants it")
        })
        .on_server_side("panic", |root: Namespace| async move {
            assert!(root.len() > 9, "as the test wants it");
        })
        .on_server_side("silent", |_: Namespace| std::future::pending::<()>());
    let _client = Client::join(serve(&io).await).await;

    for (event, number, answer) in [("count", 0, 1), ("later", 7, 8)] {
        let all = root
            .server_side_emit_with_ack(event, (number,))
            .await
            .unwrap();
        assert_eq!(
            (all.answers.len(), all.missing, all.timed_out),
            (1, 0, false)
        );
        assert_eq!(all.answers[0].parse(), Ok((answer,)));
    }
    for event in ["fail", "panic", "nobody handles it"] {
        let all = root.server_side_emit_with_ack(event, ()).await.unwrap();
        assert_eq!(
            (all.answers.len(), all.missing, all.timed_out),
            (0, 1, false)
        );
    }
    let silent = root.server_side_emit_with_ack("silent", ());
    let all = silent.timeout(Duration::from_millis(20)).await.unwrap();
    assert_eq!(
        (all.answers.len(), all.missing, all.timed_out),
        (0, 1, true)
    );
}

#[tokio::test]
async fn names_that_servers_use_themselves_are_no_server_side_events() {
    let io = Io::new();
    for name in ["connect", "connection", "disconnect", "new_namespace"] {
        let refused = io.of("/").server_side_emit(name, ());
        assert!(matches!(refused, Err(EmitError::Encode(_))), "{name}");
        let refused = io.of("/").server_side_emit_with_ack(name, ()).await;
        assert!(matches!(refused, Err(EmitError::Encode(_))), "{name}");
        let root = io.of("/");
        let handler = || drop(root.on_server_side(name, |_: Namespace| async {}));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(handler)).unwrap_err();
    }
}

#[tokio::test]
async fn only_so_many_server_side_handlers_run_at_a_time() {
    let gate = Arc::new(Notify::new());
    let waiting = Arc::clone(&gate);
    let io = Io::new();
    let root = io
        .of("/")
        .on_server_side("wait", move |_: Namespace, (): (), reply: Reply| {
            let waiting = Arc::clone(&waiting);
            async move {
                waiting.notified().await;
                reply.send(())
            }
        });

    for _ in 0..1_024 {
        root.server_side_emit("wait", ()).unwrap();
    }
    let refused = root.server_side_emit("wait", ());
    assert_eq!(refused, Err(EmitError::TooManyHandlers { limit: 1_024 }));
    gate.notify_one();
    while root.server_side_emit("wait", ()).is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn answers_come_one_by_one_and_the_end_says_who_is_missing() {
    let io = Io::new();
    let port = serve(&io).await;
    let mut first = Client::join(port).await;
    let mut second = Client::join(port).await;
    let mut silent = Client::join(port).await;

    let question = io.everyone().timeout(Duration::from_millis(300));
    let mut answers = question.emit_with_ack("question", (1,)).stream().unwrap();
    for client in [&mut first, &mut second, &mut silent] {
        assert_eq!(client.read().await, r#"420["question",1]"#);
    }
    second.send(r#"430["two"]"#).await;
    // It does not wait for the others.
    let (id, answer) = timeout(LIMIT, answers.next()).await.unwrap().unwrap();
    assert_eq!((id.as_str(), answer.parse()), (&*second.id, Ok(("two",))));
    first.send(r#"430["one"]"#).await;
    let (id, _) = timeout(LIMIT, answers.next()).await.unwrap().unwrap();
    assert_eq!(id.as_str(), first.id);
    assert_eq!((answers.missing(), answers.timed_out()), (0, false));

    assert!(timeout(LIMIT, answers.next()).await.unwrap().is_none());
    assert_eq!((answers.missing(), answers.timed_out()), (1, true));
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_stream_of_answers_ends_once_everybody_answered_or_left() {
    let io = Io::new();
    let port = serve(&io).await;
    let mut answering = Client::join(port).await;
    let mut leaving = Client::join(port).await;

    let answers = io
        .everyone()
        .emit_with_ack("question", ())
        .stream()
        .unwrap();
    answering.read().await;
    leaving.read().await;
    leaving.send("41").await;
    answering.send("430[]").await;

    let collected = timeout(LIMIT, answers.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(collected.len(), 1);
    let mut none = io
        .to("nobody")
        .emit_with_ack("question", ())
        .stream()
        .unwrap();
    assert!(timeout(LIMIT, none.next()).await.unwrap().is_none());
    assert_eq!((none.missing(), none.timed_out()), (0, false));
    let refused = io.everyone().emit_with_ack("connect", ()).stream();
    assert!(matches!(refused, Err(EmitError::Encode(_))));
}

#[tokio::test]
async fn a_stream_of_answers_wakes_the_task_that_waits() {
    let io = Io::new();
    let mut client = Client::join(serve(&io).await).await;
    let mut answers = io
        .everyone()
        .emit_with_ack("question", ())
        .stream()
        .unwrap();
    let is_waiting = Arc::new(AtomicBool::new(false));
    let waits = Arc::clone(&is_waiting);
    let waiting = tokio::spawn(async move {
        waits.store(true, Ordering::SeqCst);
        let answer = answers.next().await;
        (answer.is_some(), answers.next().await.is_none())
    });
    while !is_waiting.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    client.read().await;
    client.send("430[1]").await;

    assert_eq!(
        timeout(LIMIT, waiting).await.unwrap().unwrap(),
        (true, true)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn server_side_events_are_handled_in_the_order_in_which_they_were_sent() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/")
        .on_server_side("n", move |_: Namespace, (n,): (u32,)| {
            _ = sender.send(n);
            async {}
        });
    let root = io.of("/");
    tokio::spawn(async move {
        for n in 0..5 {
            root.server_side_emit("n", (n,)).unwrap();
        }
    })
    .await
    .unwrap();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(timeout(LIMIT, told.recv()).await.unwrap().unwrap());
    }
    assert_eq!(all, [0, 1, 2, 3, 4]);
}
