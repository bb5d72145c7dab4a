//! Operations on many sockets, changes of rooms, and data of sockets.

use serde::{Deserialize, Serialize};
use socketio_tokio::{Connecting, Io, RoomChange, Socket};
use tokio::{sync::mpsc, time::timeout};

use super::client::{Client, LIMIT, serve};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct User {
    name: String,
}

#[tokio::test]
async fn many_are_moved_and_found_with_all_that_is_known_of_them() {
    let io = Io::new();
    io.of("/").middleware(|client: Connecting| async move {
        client
            .set_data(&User {
                name: "alice".to_owned(),
            })
            .unwrap();
        Ok(())
    });
    let port = serve(&io).await;
    let mut first = Client::join(port).await;
    let _second = Client::open_with(port, "&q=2").await;

    assert_eq!(io.everyone().join(["a", "b"]), 1);
    assert_eq!(io.to("a").local().leave("b"), 1);
    assert_eq!(io.to("nobody").join("c"), 0);
    let found = io.to("a").sockets();
    let [socket] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(socket.rooms(), [&*first.id, "a"]);
    assert_eq!(
        socket.data(),
        Some(User {
            name: "alice".to_owned()
        })
    );
    assert_eq!(
        socket.handshake().query("transport").as_deref(),
        Some("websocket")
    );
    assert_eq!(io.to("a").local().emit("hello", ()).unwrap().queued, 1);
    assert_eq!(first.events(1).await, ["hello"]);
}

#[tokio::test]
async fn data_is_of_any_json_type_and_stays_readable_at_the_end() {
    let (sender, mut left) = mpsc::unbounded_channel();
    let io = Io::new();
    io.of("/").on_disconnect(move |socket: Socket, _| {
        _ = sender.send(socket.data::<u32>());
        async {}
    });
    let mut client = Client::join(serve(&io).await).await;
    let socket = io.socket(&client.id).unwrap();

    assert_eq!(socket.data::<u32>(), None);
    socket.set_data("text").unwrap();
    assert_eq!(socket.data::<String>().as_deref(), Some("text"));
    socket.set_data(&7).unwrap();
    // Of another type it is not there.
    assert_eq!(socket.data::<String>(), None);
    assert!(
        socket
            .set_data(&socketio_tokio::Binary::from(vec![1]))
            .is_err()
    );
    client.send("41").await;

    assert_eq!(timeout(LIMIT, left.recv()).await.unwrap(), Some(Some(7)));
    assert!(
        socket
            .set_data(&8)
            .is_err_and(|error| error.is_disconnected())
    );
    assert_eq!(socket.data::<u32>(), Some(7));
}

#[tokio::test]
async fn rooms_tell_what_becomes_of_them_in_order() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let io = Io::builder().room_events(true).build();
    io.of("/").on_room(move |event| {
        // No lock is held.
        assert!(event.namespace.len() < 9);
        let change = match event.change {
            RoomChange::Created => "created".to_owned(),
            RoomChange::Deleted => "deleted".to_owned(),
            RoomChange::Joined(socket) => format!("joined by {}", socket.id()),
            RoomChange::Left(socket) => format!("left by {}", socket.id()),
            _ => "something else".to_owned(),
        };
        _ = sender.send(format!("{} {change}", event.room));
    });
    let port = serve(&io).await;
    let mut client = Client::join(port).await;
    let id = client.id.clone();

    let socket = io.socket(&id).unwrap();
    socket.join(["a", "b", "a"]).unwrap();
    socket.leave("b").unwrap();
    client.send("41").await;

    for expected in [
        format!("{id} created"),
        format!("{id} joined by {id}"),
        "a created".to_owned(),
        format!("a joined by {id}"),
        "b created".to_owned(),
        format!("b joined by {id}"),
        format!("b left by {id}"),
        "b deleted".to_owned(),
        format!("{id} left by {id}"),
        format!("{id} deleted"),
        format!("a left by {id}"),
        "a deleted".to_owned(),
    ] {
        assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn who_listens_to_rooms_of_a_server_that_does_not_tell_learns_it_at_once() {
    let listen = || drop(Io::new().of("/").on_room(|_| ()));
    std::panic::catch_unwind(listen).unwrap_err();
    let listen = || drop(Io::new().of_pattern(|_| true).on_room(|_| ()));
    std::panic::catch_unwind(listen).unwrap_err();
}
