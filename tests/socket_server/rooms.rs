//! Changes of rooms, operations on many sockets, and what is kept with one.

use bytes::Bytes;
use socketio_proto::{
    edge::Stale,
    socket::{Event, Options, Packet, RoomChange, To},
};

use super::world::App;

fn telling() -> App {
    App::with(|config| config.room_events(true))
}

#[test]
fn changes_of_rooms_are_told_in_the_order_of_the_reference() {
    let mut app = telling();
    let t = app.connection();
    app.driver.text(t, "40");
    let pending = app.pending();
    let now = app.driver.now;
    let one = app.driver.machine.accept(now, pending, &["a"]).unwrap();
    assert_eq!(
        app.driver.run()[1..],
        [
            "room own: created",
            "room own: joined",
            "room a: created",
            "room a: joined"
        ]
    );
    let server = &mut app.driver.machine;
    server.join(one, &["a", "b"]).unwrap();
    assert_eq!(app.driver.take(), ["room b: created", "room b: joined"]);
    app.driver.machine.leave(one, "a").unwrap();
    assert_eq!(app.driver.take(), ["room a: left", "room a: deleted"]);
    app.driver.machine.leave(one, "a").unwrap();
    assert_eq!(app.driver.take(), [""; 0]);
    assert_eq!(
        app.says(t, "41"),
        [
            "room own: left",
            "room own: deleted",
            "room b: left",
            "room b: deleted",
            "disconnected: client namespace disconnect, 2 rooms"
        ]
    );
}

#[test]
fn a_socket_may_leave_its_own_room_and_enter_it_again() {
    let mut app = telling();
    let (_, socket) = app.socket();
    let id = app.driver.machine.id_of(socket).unwrap();
    app.driver.machine.leave(socket, id.as_str()).unwrap();
    assert_eq!(app.driver.take(), ["room own: left", "room own: deleted"]);
    let target = [id.as_str()];
    assert_eq!(app.driver.machine.members(app.group(&target, &[])), []);
    app.driver.machine.join(socket, &[id.as_str()]).unwrap();
    assert_eq!(app.driver.take(), ["room own: created", "room own: joined"]);
    let (namespace, change) = match app.driver.events.last() {
        Some(Event::Room {
            namespace, change, ..
        }) => (*namespace, *change),
        other => panic!("{other:?}"),
    };
    assert_eq!((namespace, change), (app.root, RoomChange::Joined(socket)));
}

#[test]
fn without_asking_for_them_changes_of_rooms_are_not_told() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    app.driver.machine.join(socket, &["a"]).unwrap();
    app.driver.machine.leave(socket, "a").unwrap();
    assert_eq!(app.driver.run(), [""; 0]);
    assert_eq!(app.says(t, "41").len(), 1);
}

#[test]
fn many_sockets_join_and_leave_at_once() {
    let mut app = App::new();
    let sockets: Vec<_> = (0..3).map(|_| app.socket().1).collect();
    app.driver.machine.join(sockets[0], &["a"]).unwrap();
    app.driver.machine.join(sockets[1], &["a", "b"]).unwrap();
    let (a, b, c) = (["a"], ["b"], ["c"]);
    let to = app.group(&a, &b);
    assert_eq!(app.driver.machine.join_all(to, &["c", "d"]), 1);
    assert_eq!(app.driver.machine.members(app.group(&c, &[])), [sockets[0]]);
    let everybody = app.group(&[], &[]);
    assert_eq!(app.driver.machine.leave_all(everybody, &["a", "c"]), 3);
    assert_eq!(app.driver.machine.members(app.group(&a, &[])), []);
    assert_eq!(app.driver.machine.rooms_of(sockets[1])[1..], ["b"]);
    assert_eq!(
        app.driver.machine.join_all(To::Socket(sockets[2]), &["a"]),
        1
    );
    assert_eq!(app.driver.machine.members(app.group(&a, &[])), [sockets[2]]);
}

#[test]
fn data_is_kept_with_a_socket_until_it_is_gone() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    let server = &mut app.driver.machine;
    assert_eq!(server.data_of(socket), Ok(Bytes::new()));
    server.set_data(socket, Bytes::from_static(b"one")).unwrap();
    server.set_data(socket, Bytes::from_static(b"two")).unwrap();
    assert_eq!(server.data_of(socket), Ok(Bytes::from_static(b"two")));
    app.says(t, "41");
    let server = &mut app.driver.machine;
    assert_eq!(server.data_of(socket), Err(Stale));
    assert_eq!(server.set_data(socket, Bytes::new()), Err(Stale));
}

#[test]
fn an_emit_says_for_how_many_the_packet_is_held() {
    let mut app = App::new();
    let (busy, _) = app.socket();
    app.socket();
    let to = app.group(&[], &[]);
    app.emit(to, "first", Options::new());
    // The first of them has not been reported as written for one of the two.
    let lines = app.driver.take();
    assert_eq!(lines.len(), 2);
    app.driver.sent(busy);
    let packet = Packet::event("second", &()).unwrap();
    let now = app.driver.now;
    let sent = app
        .driver
        .machine
        .emit(now, to, packet, Options::new().local());
    let sent = sent.unwrap();
    assert_eq!((sent.queued, sent.held, sent.dropped), (2, 1, 0));
}

#[test]
fn the_server_counts_what_happens() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    app.driver.machine.join(socket, &["a"]).unwrap();
    app.says(t, "42[\"x\"]");
    let to = app.group(&[], &[]);
    app.emit(to, "y", Options::new());
    app.says(t, "40/none,");
    let statistics = app.driver.machine.socket_statistics();
    assert_eq!((statistics.sockets, statistics.rooms), (1, 1));
    assert_eq!(statistics.static_namespaces, 2);
    let counters = statistics.counters;
    assert_eq!((counters.accepted, counters.refused), (1, 1));
    assert_eq!(
        (counters.events, counters.emits, counters.queued),
        (1, 1, 1)
    );
    app.says(t, "41");
    let statistics = app.driver.machine.socket_statistics();
    assert_eq!((statistics.sockets, statistics.rooms), (0, 0));
    assert_eq!(statistics.counters.disconnected, 1);
}
