//! The Socket.IO server as its application and its clients see it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod support;

mod socket_server {
    mod limits;
    mod namespaces;
    mod recovery;
    mod review;
    mod rooms;
    pub(crate) mod world;
}

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use socket_server::world::App;
use socketio_proto::{
    edge::{Carrier, Lost, Machine, Output, Request, RequestId},
    engine::Cors,
    socket::{
        AcceptError, Binary, Config, Data, EmitError, Event, Limits, Options, Packet, ReplyToken,
        Server, SocketKey, Stale, To, Wait,
    },
    time::Instant,
};
use support::{HeaderMap, sid_of};

#[test]
fn connect_is_answered_when_the_application_accepts() {
    let mut app = App::new();
    let t = app.connection();
    assert_eq!(
        app.says(t, r#"40{"token":"x"}"#),
        [r#"connecting {"token":"x"}"#]
    );

    let pending = app.pending();
    let now = app.driver.now;
    let socket = app.driver.machine.accept(now, pending, &["lobby"]).unwrap();
    let id = app.driver.machine.id_of(socket).unwrap();

    assert_eq!(
        app.driver.run(),
        [format!(r#"write t0: 40{{"sid":"{id}"}}"#)]
    );
    assert_eq!(
        app.driver.machine.rooms_of(socket),
        [id.as_str(), "lobby"].map(ByteString::from)
    );
    assert_eq!(
        app.driver.machine.accept(now, pending, &[]),
        Err(AcceptError::Stale),
        "a decision is made once"
    );
}

#[test]
fn connect_without_auth_is_an_empty_object() {
    let mut app = App::new();
    let t = app.connection();
    assert_eq!(app.says(t, "40/admin"), ["connecting {}"]);
}

#[test]
fn a_refused_client_learns_why_and_may_ask_again() {
    let mut app = App::new();
    let t = app.connection();
    app.says(t, "40/admin,");
    let pending = app.pending();
    let data = Data::new(
        &[("code", 401)]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>(),
    )
    .unwrap();
    let now = app.driver.now;
    let server = &mut app.driver.machine;
    server
        .refuse(now, pending, "forbidden", Some(&data))
        .unwrap();
    assert_eq!(server.refuse(now, pending, "again", None), Err(Stale));

    assert_eq!(
        app.driver.run(),
        [r#"write t0: 44/admin,{"message":"forbidden","data":{"code":401}}"#]
    );
    assert_eq!(app.says(t, "40/admin,"), ["connecting {}"]);
}

#[test]
fn an_unknown_namespace_is_refused_and_the_connection_stays() {
    let mut app = App::new();
    let t = app.connection();
    assert_eq!(
        app.says(t, "40/random"),
        [r#"write t0: 44/random,{"message":"Invalid namespace"}"#]
    );
    app.join(t, "40");
}

/// Every standing in a namespace with every packet: what follows.
#[test]
fn every_standing_with_every_packet() {
    type Standing = fn(&mut App) -> usize;
    let standings: [(&str, Standing); 4] = [
        ("stranger", App::connection),
        ("pending", |app| {
            let t = app.connection();
            app.says(t, "40");
            t
        }),
        ("joined", |app| app.socket().0),
        ("left", |app| {
            let (t, _) = app.socket();
            app.says(t, "41");
            t
        }),
    ];
    let violation: &[&str] = &["close t0", "closed: forced close"];
    let pending_violation: &[&str] = &[
        "withdrawn: Client(Violation(V))",
        "close t0",
        "closed: forced close",
    ];
    let kicked: &[&str] = &[
        "disconnected: forced server close, 1 rooms",
        "close t0",
        "closed: forced close",
    ];
    let garbage: &[&str] = &[
        "disconnected: forced close, 1 rooms",
        "close t0",
        "closed: forced close",
    ];
    let asked: &[&str] = &["connecting {}"];
    let expected: [(&str, [&[&str]; 4]); 9] = [
        ("40", [asked, pending_violation, kicked, asked]),
        (
            "41",
            [
                violation,
                &["withdrawn: Client(ClientLeft)"],
                &["disconnected: client namespace disconnect, 1 rooms"],
                violation,
            ],
        ),
        (
            r#"42["a",1]"#,
            [violation, pending_violation, &["event a [1]"], violation],
        ),
        (
            r#"427["a"]"#,
            [
                violation,
                pending_violation,
                &["event a [] asks"],
                violation,
            ],
        ),
        (
            r#"451-["a",{"_placeholder":true,"num":0}]"#,
            [violation, pending_violation, &[], violation],
        ),
        ("437[]", [violation, pending_violation, &[], violation]),
        (
            r#"44{"message":"x"}"#,
            [violation, pending_violation, kicked, violation],
        ),
        ("4abc", [violation, pending_violation, garbage, violation]),
        ("42{}", [violation, pending_violation, garbage, violation]),
    ];
    for (column, (name, standing)) in standings.iter().enumerate() {
        for (packet, outcomes) in &expected {
            let mut app = App::new();
            let t = standing(&mut app);
            let lines: Vec<String> = app
                .says(t, packet)
                .iter()
                .map(|l| without_rule(l))
                .collect();
            assert_eq!(lines, outcomes[column], "{name} sends {packet}");
        }
    }
}

/// Leaves out which rule a withdrawal names.
fn without_rule(line: &str) -> String {
    match line.strip_prefix("withdrawn: Client(") {
        Some("ClientLeft)") | None => line.to_owned(),
        Some(_) => "withdrawn: Client(Violation(V))".to_owned(),
    }
}

#[test]
fn events_come_in_order_and_nothing_follows_the_disconnect() {
    let mut app = App::new();
    app.driver.get("EIO=4&transport=polling");
    let sid = sid_of(&app.driver.run()[0]);
    let query = format!("EIO=4&transport=polling&sid={sid}");
    let post = app.driver.post(&query);
    app.driver.run();
    app.driver.body(post, b"40");
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.accept(now, pending, &[]).unwrap();
    app.driver.get(&query);
    let post = app.driver.post(&query);
    app.driver.run();
    app.driver
        .body(post, b"42[\"a\"]\x1e42[\"b\"]\x1e41\x1e42[\"late\"]");

    assert_eq!(
        app.driver.run(),
        [
            "event a []",
            "event b []",
            "disconnected: client namespace disconnect, 1 rooms",
            "answer r3: 200 ok",
        ]
    );
    app.driver.get(&query);
    assert_eq!(
        app.driver.run(),
        ["answer r4: 200 6␞1", "closed: forced close"],
        "the event behind the disconnect broke the protocol"
    );
}

#[test]
fn namespaces_of_one_connection_are_apart() {
    let mut app = App::new();
    let (t, _) = app.socket();
    app.join(t, "40/admin,");
    assert_eq!(app.says(t, r#"42/admin,["x"]"#), ["event x []"]);
    assert_eq!(
        app.says(t, "41/admin,"),
        ["disconnected: client namespace disconnect, 1 rooms"]
    );
    assert_eq!(app.says(t, r#"42["y"]"#), ["event y []"]);
}

#[test]
fn a_connection_without_a_namespace_closes_in_time() {
    let mut app = App::with(|config| config.connect_timeout(Duration::from_millis(100)));
    app.connection();
    app.driver.sleep(99);
    assert_eq!(app.driver.run(), [""; 0]);
    app.driver.sleep(1);
    assert_eq!(app.driver.run(), ["close t0", "closed: forced close"]);
}

#[test]
fn leaving_the_last_namespace_starts_the_time_again() {
    let mut app = App::with(|config| config.connect_timeout(Duration::from_millis(100)));
    let (t, _) = app.socket();
    app.driver.sleep(100);
    assert_eq!(app.driver.run(), [""; 0], "it is in a namespace");
    app.says(t, "41");
    app.driver.sleep(99);
    assert_eq!(app.driver.run(), [""; 0]);
    app.driver.sleep(1);
    assert_eq!(app.driver.run(), ["close t0", "closed: forced close"]);
}

#[test]
fn a_connect_that_nobody_decides_is_refused_in_time() {
    let mut app = App::with(|config| config.decision_timeout(Duration::from_millis(100)));
    let t = app.connection();
    app.says(t, "40");
    let pending = app.pending();
    app.driver.sleep(100);
    assert_eq!(
        app.driver.run(),
        [
            "withdrawn: TimedOut",
            r#"write t0: 44{"message":"timeout"}"#
        ]
    );
    let now = app.driver.now;
    assert_eq!(
        app.driver.machine.accept(now, pending, &[]),
        Err(AcceptError::Stale)
    );
}

#[test]
fn a_pending_connect_ends_with_its_connection() {
    let mut app = App::new();
    let t = app.connection();
    app.says(t, "40");
    app.driver.lost(t, Lost::Closed { code: 1006 });
    assert_eq!(
        app.driver.run(),
        [
            "withdrawn: Client(Connection(TransportClose))",
            "closed: transport close"
        ]
    );
}

#[test]
fn namespaces_of_one_connection_are_limited() {
    let mut app = App::with(|config| config.max_namespaces(1));
    let (t, _) = app.socket();
    assert_eq!(
        app.says(t, "40/admin,"),
        [r#"write t0: 44/admin,{"message":"too many namespaces"}"#]
    );
}

#[test]
fn an_event_is_answered_once_and_only_while_the_socket_lives() {
    let mut app = App::new();
    let (t, _) = app.socket();
    app.says(t, r#"4212["add",1,2]"#);
    let token = token_of(&mut app);
    let now = app.driver.now;
    let answer = || Packet::reply(&(3,)).unwrap();
    app.driver.machine.reply(now, token, answer()).unwrap();
    assert_eq!(app.driver.run(), ["write t0: 4312[3]"]);

    app.says(t, r#"4213["add",1,2]"#);
    let late = token_of(&mut app);
    app.says(t, "41");
    assert_eq!(
        app.driver.machine.reply(now, late, answer()),
        Err(EmitError::Stale)
    );
}

fn token_of(app: &mut App) -> ReplyToken {
    match app.driver.events.pop() {
        Some(Event::Packet {
            reply: Some(token), ..
        }) => token,
        event => panic!("no question: {event:?}"),
    }
}

#[test]
fn an_ack_is_answered_once() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    app.emit(To::Socket(socket), "q", Options::new().ack(Wait::Forever));
    assert_eq!(app.driver.run(), [r#"write t0: 420["q",1]"#]);

    assert_eq!(app.says(t, "431[9]"), [""; 0], "an id nobody uses");
    assert_eq!(
        app.says(t, "430[7,8]"),
        ["acked [7,8]", "ack done: Complete, 0 missing"]
    );
    assert_eq!(app.says(t, "430[7,8]"), [""; 0], "answered before");
}

#[test]
fn an_ack_times_out_and_a_late_answer_is_ignored() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    let wait = Wait::AtMost(Duration::from_millis(50));
    app.emit(To::Socket(socket), "q", Options::new().ack(wait));
    app.driver.run();
    app.driver.sleep(49);
    assert_eq!(app.driver.run(), [""; 0]);
    app.driver.sleep(1);
    assert_eq!(app.driver.run(), ["ack done: TimedOut, 1 missing"]);
    assert_eq!(app.says(t, "430[]"), [""; 0]);
}

#[test]
fn an_ack_ends_with_its_socket() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    app.emit(To::Socket(socket), "q", Options::new().ack(Wait::Forever));
    app.driver.run();
    assert_eq!(
        app.says(t, "41"),
        [
            "disconnected: client namespace disconnect, 1 rooms",
            "ack done: Disconnected, 1 missing"
        ]
    );
}

#[test]
fn a_cancelled_ack_is_never_heard_of_again() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    let wait = Wait::AtMost(Duration::from_millis(50));
    let ack = app.emit(To::Socket(socket), "q", Options::new().ack(wait));
    app.driver.run();
    app.driver.machine.cancel(ack.unwrap()).unwrap();
    assert_eq!(app.driver.machine.cancel(ack.unwrap()), Err(Stale));
    assert_eq!(app.says(t, "430[]"), [""; 0]);
    app.driver.sleep(100);
    assert_eq!(app.driver.run(), [""; 0]);
}

#[test]
fn a_socket_owes_a_limited_number_of_answers() {
    let mut app = App::with(|config| config.max_acks(1));
    let (_, socket) = app.socket();
    let options = Options::new().ack(Wait::Forever);
    app.emit(To::Socket(socket), "q", options);
    let packet = Packet::event("q", &()).unwrap();
    let now = app.driver.now;
    assert_eq!(
        app.driver
            .machine
            .emit(now, To::Socket(socket), packet, options),
        Err(EmitError::TooManyAcks { limit: 1 })
    );
}

#[test]
fn a_broadcast_reaches_rooms_but_not_exceptions_and_each_once() {
    let mut app = App::new();
    let sockets: Vec<SocketKey> = (0..4).map(|_| app.socket().1).collect();
    let server = &mut app.driver.machine;
    server.join(sockets[0], &["a"]).unwrap();
    server.join(sockets[1], &["a", "b"]).unwrap();
    server.join(sockets[2], &["b", "muted"]).unwrap();

    app.emit(app.group(&["b", "a"], &["muted"]), "x", Options::new());
    assert_eq!(
        app.driver.run(),
        [r#"write t1: 42["x",1]"#, r#"write t0: 42["x",1]"#],
        "rooms in the order given, members in the order of joining"
    );

    app.emit(app.group(&[], &["a"]), "x", Options::new());
    assert_eq!(
        app.driver.run(),
        [r#"write t2: 42["x",1]"#, r#"write t3: 42["x",1]"#]
    );

    let to = To::Group {
        namespace: app.root,
        rooms: &["b"],
        except: &[],
        without: app.driver.machine.id_of(sockets[1]),
    };
    app.emit(to, "x", Options::new());
    assert_eq!(app.driver.run(), [r#"write t2: 42["x",1]"#]);
}

#[test]
fn a_socket_is_in_the_room_of_its_id_until_it_leaves_it() {
    let mut app = App::new();
    let (_, one) = app.socket();
    app.socket();
    let id = app.driver.machine.id_of(one).unwrap();
    app.emit(app.group(&[id.as_str()], &[]), "x", Options::new());
    assert_eq!(app.driver.run(), [r#"write t0: 42["x",1]"#]);
    app.emit(app.group(&[], &[id.as_str()]), "x", Options::new());
    assert_eq!(app.driver.run(), [r#"write t1: 42["x",1]"#]);

    app.driver.machine.leave(one, id.as_str()).unwrap();
    app.emit(app.group(&[id.as_str()], &[]), "x", Options::new());
    assert_eq!(app.driver.run(), [""; 0]);
}

#[test]
fn rooms_of_two_namespaces_with_one_name_are_two_rooms() {
    let mut app = App::new();
    let (t, one) = app.socket();
    let other = app.join(t, "40/admin,");
    app.driver.machine.join(one, &["a"]).unwrap();
    app.driver.machine.join(other, &["a"]).unwrap();
    app.emit(app.group(&["a"], &[]), "x", Options::new());
    assert_eq!(app.driver.run(), [r#"write t0: 42["x",1]"#]);
}

#[test]
fn a_broadcast_is_encoded_once_and_shared() {
    let mut app = App::new();
    for _ in 0..3 {
        app.socket();
    }
    app.emit(app.group(&[], &[]), "x", Options::new());
    let mut payloads = Vec::new();
    while let Some(output) = app.driver.machine.poll_output() {
        let Output::Transmit { batch, .. } = output else {
            panic!("{output:?}");
        };
        let frame = batch.into_frames().next().unwrap();
        payloads.push((frame.payload.as_ptr(), frame.shared));
    }
    assert_eq!(payloads.len(), 3);
    assert!(payloads.iter().all(|payload| *payload == payloads[0]));
    assert!(payloads[0].1.is_some());
}

#[test]
fn a_broadcast_collects_answers_and_counts_who_is_missing() {
    let mut app = App::new();
    for _ in 0..3 {
        app.socket();
    }
    let wait = Wait::AtMost(Duration::from_millis(50));
    app.emit(app.group(&[], &[]), "q", Options::new().ack(wait));
    app.driver.run();
    assert_eq!(app.says(1, "430[11]"), ["acked [11]"]);
    assert_eq!(
        app.says(2, "41"),
        ["disconnected: client namespace disconnect, 1 rooms"]
    );
    app.driver.sleep(50);
    assert_eq!(app.driver.run(), ["ack done: TimedOut, 2 missing"]);

    app.emit(app.group(&[], &[]), "q", Options::new().ack(wait));
    app.driver.run();
    app.says(0, "431[]");
    assert_eq!(
        app.says(1, "431[]"),
        ["acked []", "ack done: Complete, 0 missing"]
    );
}

#[test]
fn a_broadcast_to_nobody_is_complete_at_once() {
    let mut app = App::new();
    app.emit(
        app.group(&["empty"], &[]),
        "q",
        Options::new().ack(Wait::Forever),
    );
    assert_eq!(app.driver.run(), ["ack done: Complete, 0 missing"]);
}

#[test]
fn binary_packets_come_and_go_whole() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    let header = r#"452-["pics",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]"#;
    assert_eq!(app.says(t, header), [""; 0]);
    app.driver.binary(t, &[1]);
    assert_eq!(app.driver.run(), [""; 0]);
    app.driver.binary(t, &[2, 3]);
    assert_eq!(app.driver.run().len(), 1);
    let Some(Event::Packet { args, .. }) = app.driver.events.last() else {
        panic!("no event");
    };
    let (second, (first,)): (&[u8], (&[u8],)) = args.parse().unwrap();
    assert_eq!((first, second), (&[1][..], &[2, 3][..]));

    let packet = Packet::forward("back", args).unwrap();
    let now = app.driver.now;
    let to = To::Socket(socket);
    app.driver
        .machine
        .emit(now, to, packet, Options::new())
        .unwrap();
    assert_eq!(
        app.driver.run(),
        [
            r#"write t0: 452-["back",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]] <01> <0203>"#
        ]
    );
}

#[test]
fn frames_of_the_wrong_kind_close_the_connection() {
    let mut app = App::new();
    let (t, _) = app.socket();
    app.driver.binary(t, &[1]);
    assert_eq!(
        app.driver.run(),
        [
            "disconnected: forced close, 1 rooms",
            "close t0",
            "closed: forced close"
        ]
    );

    let (t, _) = app.socket();
    app.says(t, r#"451-["a",{"_placeholder":true,"num":0}]"#);
    assert_eq!(
        app.says(t, r#"42["b"]"#),
        [
            "disconnected: forced close, 1 rooms",
            "close t1",
            "closed: forced close"
        ]
    );
}

#[test]
fn a_text_while_attachments_are_awaited_is_one_whatever_it_says() {
    for text in [
        r#"42["a"]"#,
        r#"451-["a"]"#,
        r#"451-/nowhere,["a"]"#,
        "41",
        "40/admin",
    ] {
        let mut app = App::new();
        let (t, _) = app.socket();
        app.says(t, r#"451-["a",{"_placeholder":true,"num":0}]"#);
        // A packet at the wrong time would be `forced server close`.
        let expected = [
            "disconnected: forced close, 1 rooms",
            "close t0",
            "closed: forced close",
        ];
        assert_eq!(app.says(t, text), expected, "{text}");
    }
}

#[test]
fn attachments_that_do_not_come_close_the_connection() {
    let mut app = App::with(|config| config.engine(|e| e.ping_interval(Duration::from_secs(9))));
    let (t, _) = app.socket();
    app.says(t, r#"452-["a",{"_placeholder":true,"num":0}]"#);
    app.driver.sleep(9_000);
    app.driver.run();
    app.says(t, "3");
    app.driver.binary(t, &[1]);
    app.driver.sleep(9_199);
    app.driver.run();
    app.says(t, "3");
    assert_eq!(
        app.driver.machine.sessions(),
        1,
        "each frame renews the time"
    );
    app.driver.sleep(1);
    assert_eq!(
        app.driver.run(),
        [
            "disconnected: forced server close, 1 rooms",
            "close t0",
            "closed: forced close"
        ]
    );
}

#[test]
fn a_paused_client_is_not_blamed_for_what_lies_unread() {
    // Attachments: each part renews the time, which the heartbeat bounds otherwise.
    let mut app = App::with(|config| config.engine(|e| e.ping_interval(Duration::from_secs(9))));
    let (t, _) = app.socket();
    app.says(t, r#"452-["a",{"_placeholder":true,"num":0}]"#);
    pause(&mut app, true);
    for _ in 0..60 {
        app.driver.sleep(1_000);
        app.driver.run();
    }
    assert_eq!(app.driver.machine.sessions(), 1);
    pause(&mut app, false);
    app.says(t, "3");
    app.driver.run();
    app.driver.sleep(9_199);
    assert_eq!(app.driver.machine.sessions(), 1);
    app.driver.sleep(1);
    let lines = app.driver.run();
    assert!(
        lines.contains(&"disconnected: forced server close, 1 rooms".to_owned()),
        "{lines:?}"
    );

    // The CONNECT.
    let mut app = App::with(|config| {
        config
            .connect_timeout(Duration::from_secs(1))
            .engine(|e| e.ping_interval(Duration::from_secs(9)))
    });
    app.connection();
    pause(&mut app, true);
    app.driver.sleep(5_000);
    pause(&mut app, false);
    app.driver.sleep(999);
    assert_eq!(app.driver.machine.sessions(), 1);
    app.driver.sleep(1);
    assert_eq!(
        app.driver.run(),
        ["pause t0", "resume t0", "close t0", "closed: forced close"]
    );
}

/// Stops reading the last connection, or goes on.
fn pause(app: &mut App, paused: bool) {
    let events = app.driver.events.iter().rev();
    let mut opened = events.filter_map(|event| match event {
        Event::SessionOpened { session, .. } => Some(*session),
        _ => None,
    });
    let (now, session) = (app.driver.now, opened.next().unwrap());
    let done = app.driver.machine.set_reading(now, session, paused);
    done.unwrap();
}

#[test]
fn limits_on_packets_are_settings() {
    let limits = Limits {
        max_attachments: 1,
        ..Limits::default()
    };
    let mut app = App::with(|config| config.limits(limits));
    let (t, _) = app.socket();
    assert_eq!(
        app.says(t, r#"452-["a"]"#),
        [
            "disconnected: forced close, 1 rooms",
            "close t0",
            "closed: forced close"
        ]
    );
}

#[test]
fn volatile_packets_are_dropped_where_they_would_wait() {
    let mut app = App::new();
    let (_, socket) = app.socket();
    let to = To::Socket(socket);
    let now = app.driver.now;
    let mut emit = |name: &str, options: Options| {
        let packet = Packet::event(name, &()).unwrap();
        let sent = app.driver.machine.emit(now, to, packet, options).unwrap();
        (sent.queued, sent.dropped, sent.ack)
    };
    assert_eq!(emit("a", Options::new().volatile()), (1, 0, None));
    assert_eq!(emit("b", Options::new().volatile()), (0, 1, None));
    let asking = Options::new().volatile().ack(Wait::Forever);
    assert_eq!(emit("c", asking), (0, 1, None), "nobody will answer it");
    assert_eq!(emit("d", Options::new()), (1, 0, None));
    assert_eq!(
        app.driver.run(),
        [r#"write t0: 42["a"]"#, r#"write t0: 42["d"]"#]
    );
}

#[test]
fn the_server_disconnects_one_namespace_or_the_whole_connection() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    let admin = app.join(t, "40/admin,");
    let now = app.driver.now;
    app.driver.machine.disconnect(now, To::Socket(admin), false);
    assert_eq!(
        app.driver.run(),
        [
            "write t0: 41/admin,",
            "disconnected: server namespace disconnect, 1 rooms"
        ]
    );

    app.join(t, "40/admin,");
    app.driver.machine.disconnect(now, To::Socket(socket), true);
    assert_eq!(
        app.driver.run(),
        [
            "write t0: 41",
            "disconnected: server namespace disconnect, 1 rooms",
            "disconnected: server namespace disconnect, 1 rooms",
            "write t0: 41/admin,",
            "close t0",
            "closed: forced close"
        ]
    );
}

#[test]
fn a_lost_connection_ends_its_sockets_with_the_reason() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    app.driver.machine.join(socket, &["a"]).unwrap();
    app.driver.lost(t, Lost::Closed { code: 1001 });
    assert_eq!(
        app.driver.run(),
        [
            "disconnected: transport close, 2 rooms",
            "closed: transport close"
        ]
    );
    assert_eq!(app.driver.machine.join(socket, &["b"]), Err(Stale));
    let packet = Packet::event("x", &()).unwrap();
    let now = app.driver.now;
    assert_eq!(
        app.driver
            .machine
            .emit(now, To::Socket(socket), packet, Options::new()),
        Err(EmitError::Stale)
    );
}

#[test]
fn shutdown_ends_every_socket_and_refuses_new_sessions() {
    let mut app = App::new();
    app.socket();
    let now = app.driver.now;
    app.driver.machine.shutdown(now, Duration::ZERO);
    assert_eq!(
        app.driver.run(),
        [
            "disconnected: server shutting down, 1 rooms",
            "close t0",
            "closed: forced close"
        ]
    );
    app.driver.get("EIO=4&transport=polling");
    let refused = app.driver.run();
    assert_eq!(refused[0], "answer r1: 503 ");
    assert!(refused[1].contains("ShuttingDown"), "{refused:?}");
}

#[test]
fn outputs_stay_small() {
    type Event = socketio_proto::socket::Event;
    assert!(size_of::<Output<Event, socketio_proto::socket::Json>>() <= 96);
    assert!(size_of::<Output<socketio_proto::engine::Event, socketio_proto::engine::Raw>>() <= 96);
}

#[test]
fn a_repeated_run_repeats() {
    let run = || {
        let mut app = App::new();
        let mut lines = Vec::new();
        for _ in 0..5 {
            let (t, socket) = app.socket();
            app.driver.machine.join(socket, &["a", "b"]).unwrap();
            lines.extend(app.says(t, r#"420["x"]"#));
        }
        app.emit(app.group(&["b"], &[]), "x", Options::new());
        lines.extend(app.driver.run());
        app.driver.sleep(10_000);
        lines.extend(app.driver.run());
        lines
    };
    assert_eq!(run(), run());
}

#[test]
fn one_that_is_gone_leaves_nobody_out() {
    let mut app = App::new();
    let (t, old) = app.socket();
    let old = app.driver.machine.id_of(old);
    app.driver.lost(t, Lost::Failed);
    app.driver.run();
    app.socket();
    let to = To::Group {
        namespace: app.root,
        rooms: &[],
        except: &[],
        without: old,
    };
    app.emit(to, "left", Options::new());
    assert_eq!(app.driver.run(), [r#"write t1: 42["left",1]"#]);
}

/// One request after the other, with the outputs taken one by one.
fn ask(server: &mut Server, carrier: Carrier) -> RequestId {
    let transport = match carrier {
        Carrier::Polling => "polling",
        Carrier::WebSocket => "websocket",
    };
    let now = server.now();
    server.handle_request(
        now,
        &Request {
            carrier,
            method: "GET",
            target: &format!("/socket.io/?EIO=4&transport={transport}"),
            headers: &HeaderMap::default(),
            peer: None,
        },
    )
}

#[test]
fn an_index_rests_while_an_output_that_names_it_waits() {
    let mut server = App::new().driver.machine;
    let now = server.now();
    let first = ask(&mut server, Carrier::WebSocket);
    let Some(Output::OpenTransport { transport, .. }) = server.poll_output() else {
        panic!("no transport");
    };
    server.handle_transport_open(now, transport);
    let Some(Output::Transmit { .. }) = server.poll_output() else {
        panic!("no open packet");
    };
    let second = ask(&mut server, Carrier::WebSocket);
    let Some(Output::Event(Event::SessionOpened { request, .. })) = server.poll_output() else {
        panic!("not opened");
    };
    assert_eq!(request, first);
    assert_ne!(first.index(), second.index());
}

#[test]
fn a_session_index_rests_while_its_end_waits() {
    let mut server = App::new().driver.machine;
    let opened = |server: &mut Server| {
        let mut found = None;
        while let Some(output) = server.poll_output() {
            if let Output::Event(Event::SessionOpened { session, .. }) = output {
                found = Some(session);
            }
        }
        found.unwrap()
    };
    ask(&mut server, Carrier::Polling);
    let old = opened(&mut server);
    server.handle_timeout(Instant::from_millis(500));
    assert_eq!(server.sessions(), 0);
    ask(&mut server, Carrier::Polling);
    assert_ne!(old.index(), opened(&mut server).index());
}

#[test]
fn a_websocket_accepted_before_the_shutdown_opens_no_session_after_it() {
    let mut app = App::new();
    app.driver.websocket("EIO=4&transport=websocket");
    app.driver.run();
    let now = app.driver.now;
    app.driver.machine.shutdown(now, Duration::ZERO);
    app.driver.run();
    app.driver.open(0);
    assert_eq!(app.driver.run(), ["close t0"]);
    assert_eq!(app.driver.machine.sessions(), 0);
}

#[test]
fn a_pending_connect_ends_with_the_shutdown() {
    let mut app = App::new();
    app.driver.get("EIO=4&transport=polling");
    let sid = sid_of(&app.driver.run()[0]);
    let post = app
        .driver
        .post(&format!("EIO=4&transport=polling&sid={sid}"));
    app.driver.run();
    app.driver.body(post, b"40");
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.shutdown(now, Duration::ZERO);
    assert_eq!(app.driver.run(), ["withdrawn: Client(ServerShutdown)"]);
    assert_eq!(
        app.driver.machine.accept(now, pending, &[]),
        Err(AcceptError::Stale)
    );
}

#[test]
fn an_accept_that_the_client_cannot_take_withdraws_the_connect() {
    let mut app = App::with(|config| config.engine(|engine| engine.max_queued(100)));
    let (t, _) = app.socket();
    app.says(t, "40/admin,");
    let pending = app.pending();
    for _ in 0..2 {
        app.emit(app.group(&[], &[]), "x", Options::new());
    }
    let now = app.driver.now;
    assert_eq!(
        app.driver.machine.accept(now, pending, &[]),
        Err(AcceptError::Stale)
    );
    let lines = app.driver.take();
    let ends: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("withdrawn") || line.starts_with("disconnected"))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(ends, ["disconnected", "withdrawn"], "{lines:?}");
}

/// So many sessions that one call cannot run all their deadlines.
fn crowd(app: &mut App) {
    for _ in 0..1_100 {
        app.driver.get("EIO=4&transport=polling");
        app.driver.run();
    }
}

#[test]
fn no_input_passes_a_deadline_however_many_are_due() {
    let mut app = App::new();
    crowd(&mut app);
    let (t, socket) = app.socket();
    let wait = Wait::AtMost(Duration::from_millis(300));
    app.emit(To::Socket(socket), "q", Options::new().ack(wait));
    app.driver.run();
    app.driver.now = Instant::from_millis(400);
    app.driver.text(t, "430[]");
    let acks: Vec<_> = app.driver.run();
    let acks: Vec<_> = acks.iter().filter(|line| line.starts_with("ack")).collect();
    assert_eq!(acks, ["ack done: TimedOut, 1 missing"]);
}

#[test]
fn nothing_goes_through_a_connection_that_died_while_the_host_slept() {
    let mut app = App::new();
    crowd(&mut app);
    let (_, socket) = app.socket();
    app.driver.now = Instant::from_millis(100_000);
    let packet = Packet::event("x", &()).unwrap();
    let now = app.driver.now;
    assert_eq!(
        app.driver
            .machine
            .emit(now, To::Socket(socket), packet, Options::new()),
        Err(EmitError::Stale)
    );
}

#[test]
fn a_call_about_time_does_a_bounded_amount_of_work() {
    let mut app = App::new();
    crowd(&mut app);
    let now = Instant::from_millis(100_000);
    app.driver.machine.handle_timeout(now);
    assert!(app.driver.machine.sessions() > 0);
    assert!(
        app.driver.machine.poll_timeout() <= Some(now),
        "more is due"
    );
    app.driver.machine.handle_timeout(now);
    assert_eq!(app.driver.machine.sessions(), 0);
}

#[test]
fn a_packet_that_crossed_the_servers_disconnect_is_ignored() {
    let mut app = App::new();
    let (t, _) = app.socket();
    let admin = app.join(t, "40/admin,");
    let now = app.driver.now;
    app.driver.machine.disconnect(now, To::Socket(admin), false);
    app.driver.run();
    for packet in [
        r#"42/admin,["x"]"#,
        "43/admin,7[]",
        r#"451-/admin,["x",{"_placeholder":true,"num":0}]"#,
        "41/admin,",
    ] {
        assert_eq!(app.says(t, packet), [""; 0], "{packet}");
        if packet.starts_with("45") {
            app.driver.binary(t, &[1]);
            assert_eq!(app.driver.run(), [""; 0]);
        }
    }
    assert_eq!(app.says(t, "40/admin,"), ["connecting {}"]);
}

#[test]
fn a_peer_that_does_not_read_is_aborted_when_its_time_is_over() {
    let mut app = App::new();
    let (_, socket) = app.socket();
    app.emit(To::Socket(socket), "x", Options::new());
    app.driver.take();
    app.driver.sleep(300);
    app.driver.sleep(200);
    assert_eq!(
        app.driver.take(),
        [
            "abort t0",
            "disconnected: ping timeout, 1 rooms",
            "closed: ping timeout"
        ]
    );
}

#[test]
fn a_closed_connection_leaves_no_deadline_for_a_namespace() {
    let mut app = App::with(|config| {
        config
            .connect_timeout(Duration::from_secs(20))
            .decision_timeout(Duration::from_secs(1))
    });
    let (t, _) = app.socket();
    app.driver.sleep(100);
    app.driver.lost(t, Lost::Failed);
    app.driver.run();
    app.driver.sleep(20_000);
    assert_eq!(app.driver.machine.poll_timeout(), None);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let config = || Config::builder();
    assert!(config().connect_timeout(Duration::ZERO).build().is_err());
    assert!(config().decision_timeout(Duration::ZERO).build().is_err());
    assert!(config().max_namespaces(0).build().is_err());
}

#[test]
fn debug_shows_no_credentials() {
    let mut server = App::new().driver.machine;
    ask(&mut server, Carrier::Polling);
    let mut shown = format!("{server:?}");
    let mut opened = None;
    while let Some(output) = server.poll_output() {
        write!(shown, "{output:?}").unwrap();
        if let Output::Event(Event::SessionOpened { session, .. }) = output {
            opened = Some(session);
        }
    }
    let id = server.session_id(opened.unwrap()).unwrap().expose();
    assert!(!shown.contains(&id));
}

#[test]
fn debug_shows_neither_payloads_nor_headers() {
    let cors = Cors::mirror();
    let mut app = App::with(|config| config.engine(|engine| engine.cors(cors)));
    let (_, socket) = app.socket();
    let now = app.driver.now;
    for _ in 0..2 {
        let secret = Binary(Bytes::from_static(b"swordfish"));
        let packet = Packet::event("swordfish", &("swordfish", secret)).unwrap();
        let server = &mut app.driver.machine;
        let sent = server.emit(now, To::Socket(socket), packet, Options::new());
        sent.unwrap();
    }
    // A request that waits keeps what its answer has to say.
    let headers = HeaderMap(vec![("origin", b"http://swordfish".to_vec())]);
    app.driver.get("EIO=4&transport=polling");
    let sid = sid_of(&app.driver.run().join(""));
    let query = format!("EIO=4&transport=polling&sid={sid}");
    app.driver
        .request(Carrier::Polling, "GET", &query, &headers);
    let mut shown = format!("{:?}", app.driver.machine);
    while let Some(output) = app.driver.machine.poll_output() {
        write!(shown, "{output:?}").unwrap();
    }
    let bytes = format!("{:?}", b"swordfish");
    assert!(!shown.contains("swordfish") && !shown.contains(&bytes));
}
