//! Namespaces that nobody added, and those that a client was just taken out of.

use std::time::Duration;

use socketio_proto::{
    edge::Machine as _,
    socket::{AcceptError, EmitError, Event, Options, Packet, To, Wait},
};

use super::world::App;

fn dynamic() -> App {
    App::with(|config| config.ask_namespaces(true))
}

fn accept(app: &mut App) -> Vec<String> {
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.accept(now, pending, &[]).unwrap();
    app.driver.run()
}

#[test]
fn without_being_asked_about_a_namespace_it_is_invalid() {
    let mut app = App::new();
    let t = app.connection();
    assert_eq!(
        app.says(t, "40/chat-1,"),
        ["write t0: 44/chat-1,{\"message\":\"Invalid namespace\"}"]
    );
}

#[test]
fn a_dynamic_namespace_exists_from_its_first_socket_to_its_last() {
    let mut app = dynamic();
    let t = app.connection();
    assert_eq!(app.says(t, "40/chat-1,"), ["connecting {}"]);
    let Some(Event::Connecting(asks)) = app.driver.events.last() else {
        panic!("it was just asked");
    };
    assert_eq!((&*asks.namespace, asks.known), ("/chat-1", None));
    assert_eq!(
        app.driver.machine.namespace("/chat-1"),
        None,
        "only asked for"
    );

    let lines = accept(&mut app);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("write t0: 40/chat-1,{\"sid\":"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "namespace opened: /chat-1");
    let key = app.driver.machine.namespace("/chat-1").unwrap();
    assert_eq!(app.driver.machine.count(key), 1);

    let other = app.connection();
    app.driver.text(other, "40/chat-1,");
    app.driver.run();
    let Some(Event::Connecting(asks)) = app.driver.events.last() else {
        panic!("it was just asked");
    };
    assert_eq!(asks.known, Some(key));
    assert_eq!(accept(&mut app).len(), 1, "it exists already");

    assert_eq!(
        app.says(t, "41/chat-1,"),
        ["disconnected: client namespace disconnect, 1 rooms"]
    );
    assert_eq!(
        app.says(other, "41/chat-1,"),
        [
            "disconnected: client namespace disconnect, 1 rooms",
            "namespace closed: /chat-1"
        ]
    );
    assert_eq!(app.driver.machine.namespace("/chat-1"), None);
    let (now, to) = (
        app.driver.now,
        To::Group {
            namespace: key,
            rooms: &[],
            except: &[],
            without: None,
        },
    );
    let packet = Packet::event("late", &()).unwrap();
    let sent = app.driver.machine.emit(now, to, packet, Options::new());
    assert_eq!(sent.unwrap_err(), EmitError::Stale);
}

#[test]
fn a_refused_or_withdrawn_client_leaves_no_namespace() {
    let mut app = dynamic();
    let t = app.connection();
    app.driver.text(t, "40/a,");
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.refuse(now, pending, "no", None).unwrap();
    assert_eq!(app.driver.run(), ["write t0: 44/a,{\"message\":\"no\"}"]);
    assert_eq!(app.says(t, "40/b,"), ["connecting {}"]);
    assert_eq!(app.says(t, "41/b,"), ["withdrawn: Client(ClientLeft)"]);
    let statistics = app.driver.machine.socket_statistics();
    assert_eq!((statistics.dynamic_namespaces, statistics.pending), (0, 0));
    // The records of both are gone: their keys are given out again.
    app.driver.text(t, "40/c,");
    app.driver.run();
    let lines = accept(&mut app);
    assert_eq!(lines[1], "namespace opened: /c");
    let index = app.driver.machine.namespace("/c").unwrap().index();
    assert!(
        index < 4,
        "{index}: the root, /admin, and two records at most"
    );
}

#[test]
fn a_namespace_that_emptied_while_a_client_waits_opens_again() {
    let mut app = dynamic();
    let (one, two) = (app.connection(), app.connection());
    app.driver.text(one, "40/a,");
    accept(&mut app);
    app.driver.text(two, "40/a,");
    let waits = app.pending();
    let lines = app.says(one, "41/a,");
    assert_eq!(lines[1], "namespace closed: /a");
    let now = app.driver.now;
    app.driver.machine.accept(now, waits, &[]).unwrap();
    let lines = app.driver.run();
    assert!(lines[0].starts_with("write t1: 40/a,"), "{lines:?}");
    assert_eq!(lines[1], "namespace opened: /a");
    let key = app.driver.machine.namespace("/a").unwrap();
    let packet = Packet::event("all", &()).unwrap();
    let to = To::Group {
        namespace: key,
        rooms: &[],
        except: &[],
        without: None,
    };
    let now = app.driver.now;
    let sent = app.driver.machine.emit(now, to, packet, Options::new());
    assert_eq!(sent.unwrap().queued, 1, "later broadcasts reach it");
}

#[test]
fn two_clients_that_wait_for_one_new_namespace_enter_the_same() {
    let mut app = dynamic();
    let (one, two) = (app.connection(), app.connection());
    app.driver.text(one, "40/a,");
    let first = app.pending();
    app.driver.text(two, "40/a,");
    let second = app.pending();
    let now = app.driver.now;
    let second = app.driver.machine.accept(now, second, &[]).unwrap();
    let first = app.driver.machine.accept(now, first, &[]).unwrap();
    let lines = app.driver.run();
    let opened = lines.iter().filter(|line| line.starts_with("namespace"));
    assert_eq!(opened.count(), 1, "{lines:?}");
    let server = &app.driver.machine;
    assert_eq!(
        server.namespace_key_of(first),
        server.namespace_key_of(second)
    );
}

#[test]
fn kept_namespaces_stay_when_they_are_empty() {
    let mut app = App::with(|config| config.ask_namespaces(true).keep_empty_namespaces(true));
    let t = app.connection();
    app.driver.text(t, "40/a,");
    accept(&mut app);
    assert_eq!(app.says(t, "41/a,").len(), 1);
    assert!(app.driver.machine.namespace("/a").is_some());
}

#[test]
fn no_more_dynamic_namespaces_than_the_limit_exist() {
    let mut app = App::with(|config| config.ask_namespaces(true).max_dynamic_namespaces(2));
    let t = app.connection();
    for name in ["40/a,", "40/b,"] {
        app.driver.text(t, name);
        accept(&mut app);
    }
    assert_eq!(
        app.says(t, "40/c,"),
        ["write t0: 44/c,{\"message\":\"too many namespaces\"}"]
    );
    // The limit is reached while two wait: the later acceptance refuses.
    app.says(t, "41/b,");
    app.driver.text(t, "40/d,");
    let early = app.pending();
    app.driver.text(t, "40/e,");
    let late = app.pending();
    let now = app.driver.now;
    app.driver.machine.accept(now, early, &[]).unwrap();
    let refused = app.driver.machine.accept(now, late, &[]);
    assert_eq!(refused, Err(AcceptError::TooManyNamespaces { limit: 2 }));
    assert!(
        app.driver
            .run()
            .contains(&"write t0: 44/e,{\"message\":\"too many namespaces\"}".to_owned())
    );
    // One of a kind that exists is none more.
    let other = app.connection();
    assert_eq!(app.says(other, "40/a,"), ["connecting {}"]);
}

#[test]
fn a_dynamic_namespace_that_is_added_stays() {
    let mut app = dynamic();
    let t = app.connection();
    app.driver.text(t, "40/a,");
    accept(&mut app);
    app.driver.machine.add_namespace("/a").unwrap();
    let statistics = app.driver.machine.socket_statistics();
    assert_eq!(statistics.dynamic_namespaces, 0);
    assert_eq!(statistics.static_namespaces, 3);
    assert_eq!(app.says(t, "41/a,").len(), 1);
    assert!(app.driver.machine.namespace("/a").is_some());
}

#[test]
fn a_packet_for_a_dynamic_namespace_that_the_server_left_is_ignored_for_a_while() {
    let mut app = dynamic();
    let (t, _) = app.socket();
    app.driver.text(t, "40/a,");
    let pending = app.pending();
    let now = app.driver.now;
    let socket = app.driver.machine.accept(now, pending, &[]).unwrap();
    app.driver.run();
    app.driver
        .machine
        .disconnect(now, To::Socket(socket), false);
    assert_eq!(
        app.driver.run(),
        [
            "write t0: 41/a,",
            "disconnected: server namespace disconnect, 1 rooms",
            "namespace closed: /a"
        ]
    );
    for crossing in ["42/a,[\"x\"]", "43/a,1[]", "41/a,"] {
        assert_eq!(app.says(t, crossing), [""; 0], "{crossing}");
    }
    // The heartbeat of these tests, 300 + 200 ms, bounds how late a packet may cross.
    app.driver.now += Duration::from_millis(300);
    app.driver.machine.handle_timeout(app.driver.now);
    app.driver.run();
    app.driver.text(t, "3");
    app.driver.now += Duration::from_millis(201);
    let lines = app.says(t, "42/a,[\"x\"]");
    assert!(
        lines.contains(&"disconnected: forced server close, 1 rooms".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_late_answer_to_a_namespace_that_is_gone_answers_nothing_of_its_successor() {
    let mut app = dynamic();
    let t = app.connection();
    for id in [0, 1] {
        app.driver.text(t, "40/a,");
        let pending = app.pending();
        let now = app.driver.now;
        let socket = app.driver.machine.accept(now, pending, &[]).unwrap();
        app.driver.run();
        app.emit(To::Socket(socket), "ask", Options::new().ack(Wait::Forever));
        let asks = format!("write t0: 42/a,{id}[\"ask\",1]");
        assert_eq!(app.driver.run(), [asks]);
        if id == 0 {
            app.says(t, "41/a,");
        }
    }
    assert_eq!(app.says(t, "43/a,0[]"), [""; 0]);
    assert_eq!(app.says(t, "43/a,1[]").len(), 2);
}
