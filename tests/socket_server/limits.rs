//! Limits of the Socket.IO layer, each at its default and to the last one.

use std::time::Duration;

use socketio_proto::{
    edge::Machine as _,
    socket::{AcceptError, EmitError, Event, Options, Packet, PendingKey, SocketKey, To, Wait},
    time::Instant,
};

use super::world::App;

/// A server with the default limits, whose heartbeat does not interfere.
fn patient(has_dynamic: bool) -> App {
    App::with(|config| {
        config
            .ask_namespaces(has_dynamic)
            .engine(|engine| engine.ping_interval(Duration::from_secs(3_600)))
    })
}

fn accept(app: &mut App, pending: PendingKey) -> Result<SocketKey, AcceptError> {
    let now = app.driver.now;
    let accepted = app.driver.machine.accept(now, pending, &[]);
    app.driver.run();
    accepted
}

fn ask(app: &mut App, transport: usize, name: &str) -> PendingKey {
    app.driver.text(transport, &format!("40{name},"));
    app.pending()
}

fn refusal(name: &str) -> String {
    format!("44{name},{{\"message\":\"too many namespaces\"}}")
}

/// Whether a CONNECT for the name is refused because of a limit.
fn is_one_too_many(app: &mut App, transport: usize, name: &str) -> bool {
    let lines = app.says(transport, &format!("40{name},"));
    let is_refused = lines == [format!("write t{transport}: {}", refusal(name))];
    assert!(
        is_refused || lines.last().is_some_and(|line| line == "connecting {}"),
        "{lines:?}"
    );
    is_refused
}

#[test]
fn a_connection_may_be_in_64_namespaces_and_waiting_counts() {
    let mut app = patient(true);
    let t = app.connection();
    let mut waiting = Vec::new();
    let mut sockets = Vec::new();
    for number in 0..64 {
        let pending = ask(&mut app, t, &format!("/{number}"));
        if number % 2 == 0 {
            sockets.push(accept(&mut app, pending).unwrap());
        } else {
            waiting.push(pending);
        }
    }
    assert!(is_one_too_many(&mut app, t, "/more"));
    // Another connection has its own count.
    let other = app.connection();
    assert!(!is_one_too_many(&mut app, other, "/more"));

    // Whatever ends one makes room for one: a refusal, a withdrawal, leaving, being thrown out.
    let now = app.driver.now;
    let refused = waiting.pop().unwrap();
    app.driver.machine.refuse(now, refused, "no", None).unwrap();
    assert_eq!(app.driver.run().len(), 1);
    assert!(!is_one_too_many(&mut app, t, "/a"));
    assert!(is_one_too_many(&mut app, t, "/more"));
    assert_eq!(app.says(t, "41/a,"), ["withdrawn: Client(ClientLeft)"]);
    assert!(!is_one_too_many(&mut app, t, "/b"));
    assert!(is_one_too_many(&mut app, t, "/more"));
    assert_eq!(app.says(t, "41/0,").len(), 2);
    assert!(!is_one_too_many(&mut app, t, "/c"));
    assert!(is_one_too_many(&mut app, t, "/more"));
    let kicked = To::Socket(sockets[1]);
    app.driver.machine.disconnect(now, kicked, false);
    app.driver.run();
    assert!(!is_one_too_many(&mut app, t, "/d"));
    assert!(is_one_too_many(&mut app, t, "/more"));
}

#[test]
fn ten_thousand_dynamic_namespaces_may_exist() {
    let mut app = patient(true);
    for number in 0..10_000 {
        let t = if number % 64 == 0 {
            app.connection()
        } else {
            app.transports - 1
        };
        let pending = ask(&mut app, t, &format!("/{number}"));
        accept(&mut app, pending).unwrap();
        app.driver.events.clear();
    }
    let statistics = app.driver.machine.socket_statistics();
    assert_eq!(statistics.dynamic_namespaces, 10_000);
    let t = app.connection();
    assert!(is_one_too_many(&mut app, t, "/more"));
    assert!(!is_one_too_many(&mut app, t, "/0"), "it exists");
    assert!(!is_one_too_many(&mut app, t, "/admin"), "it was added");
    assert!(!is_one_too_many(&mut app, t, "/"), "it was added");

    assert_eq!(app.says(0, "41/1,").len(), 2);
    let (one, two) = (ask(&mut app, t, "/one"), ask(&mut app, t, "/two"));
    accept(&mut app, two).unwrap();
    let limit = 10_000;
    assert_eq!(
        accept(&mut app, one),
        Err(AcceptError::TooManyNamespaces { limit })
    );
}

/// Names that come once and never again, accepted, refused or withdrawn.
#[test]
fn names_of_namespaces_that_are_gone_are_not_kept() {
    let mut app = patient(true);
    let t = app.connection();
    let mut highest = 0;
    for number in 0..3_000 {
        let name = format!("/{number}");
        let pending = ask(&mut app, t, &name);
        let now = app.driver.now;
        match number % 4 {
            0 => {
                accept(&mut app, pending).unwrap();
                let key = app.driver.machine.namespace(&name).unwrap();
                highest = highest.max(key.index());
                app.says(t, &format!("41{name},"));
            }
            1 => {
                let socket = accept(&mut app, pending).unwrap();
                let server = &mut app.driver.machine;
                server.disconnect(now, To::Socket(socket), false);
            }
            2 => app.driver.machine.refuse(now, pending, "", None).unwrap(),
            _ => _ = app.says(t, &format!("41{name},")),
        }
        app.driver.run();
        app.driver.events.clear();
    }
    assert!(highest < 8, "{highest} places were used");
    let shown = format!("{:?}", app.driver.machine);
    // The connection remembers the last few that the server took it out of.
    let names = (0..3_000).filter(|number| shown.contains(&format!("\"/{number}\"")));
    let names = names.count();
    assert!(names <= 64, "{names} names are kept");
}

#[test]
fn a_decision_may_take_45_seconds() {
    let mut app = patient(false);
    let (t, _) = app.socket();
    ask(&mut app, t, "/admin");
    app.driver.sleep(44_999);
    assert_eq!(app.driver.run(), [""; 0]);
    app.driver.sleep(1);
    assert_eq!(
        app.driver.run(),
        [
            "withdrawn: TimedOut",
            "write t0: 44/admin,{\"message\":\"timeout\"}"
        ]
    );
    // It may ask again, and has as long again.
    let pending = ask(&mut app, t, "/admin");
    app.driver.sleep(44_999);
    accept(&mut app, pending).unwrap();
}

#[test]
fn a_connection_may_be_in_no_namespace_for_45_seconds_and_again_after_its_last() {
    let closes = |app: &mut App| {
        app.driver.sleep(44_999);
        let before = app.driver.run();
        app.driver.sleep(1);
        (before, app.driver.run())
    };
    let end = ["close t0", "closed: forced close"].map(str::to_owned);

    let mut app = patient(false);
    app.connection();
    assert_eq!(closes(&mut app), (vec![], end.to_vec()));

    // A refusal does not begin it anew.
    let mut app = patient(false);
    let t = app.connection();
    app.driver.sleep(40_000);
    let pending = ask(&mut app, t, "/admin");
    let now = app.driver.now;
    app.driver.machine.refuse(now, pending, "", None).unwrap();
    app.driver.run();
    app.driver.sleep(5_000);
    assert_eq!(app.driver.run(), end);

    // Leaving one of two does not begin it, leaving the last does.
    let mut app = patient(false);
    let (t, _) = app.socket();
    app.join(t, "40/admin,");
    app.driver.sleep(40_000);
    app.says(t, "41/admin,");
    app.driver.sleep(40_000);
    assert_eq!(app.driver.run(), [""; 0]);
    app.says(t, "41");
    assert_eq!(closes(&mut app), (vec![], end.to_vec()));

    // So does being thrown out of it.
    let mut app = patient(false);
    let (_, socket) = app.socket();
    app.driver.sleep(40_000);
    let now = app.driver.now;
    app.driver
        .machine
        .disconnect(now, To::Socket(socket), false);
    app.driver.run();
    assert_eq!(closes(&mut app), (vec![], end.to_vec()));
}

#[test]
fn waiting_for_a_decision_is_not_being_in_a_namespace() {
    let mut app = patient(false);
    let t = app.connection();
    app.driver.sleep(30_000);
    let pending = ask(&mut app, t, "/admin");
    app.driver.sleep(15_000);
    let lines = app.driver.run();
    assert_eq!(
        lines,
        [
            "withdrawn: Client(Violation(NoNamespace))",
            "close t0",
            "closed: forced close"
        ]
    );
    assert_eq!(accept(&mut app, pending), Err(AcceptError::Stale));
}

fn question(app: &mut App, to: To<'_>, wait: Wait) -> Result<(usize, usize), EmitError> {
    let packet = Packet::event("q", &()).unwrap();
    let (now, options) = (app.driver.now, Options::new().ack(wait));
    let sent = app.driver.machine.emit(now, to, packet, options)?;
    Ok((sent.queued, sent.dropped))
}

#[test]
fn a_socket_may_owe_1024_answers() {
    let mut app = patient(false);
    let (t, one) = app.socket();
    let (_, two) = app.socket();
    for _ in 0..1_023 {
        question(&mut app, To::Socket(one), Wait::Forever).unwrap();
    }
    let soon = Wait::AtMost(Duration::from_millis(50));
    question(&mut app, To::Socket(one), soon).unwrap();
    let full = Err(EmitError::TooManyAcks { limit: 1_024 });
    assert_eq!(question(&mut app, To::Socket(one), soon), full);
    assert_eq!(question(&mut app, To::Socket(two), soon), Ok((1, 0)));
    app.driver.run();

    // To the socket that owes too many a broadcast is not sent: its answer is missing at once.
    let everybody = app.group(&[], &[]);
    assert_eq!(question(&mut app, everybody, Wait::Forever), Ok((1, 1)));
    let lines = app.driver.run();
    assert_eq!(lines, ["write t1: 421025[\"q\"]"]);
    let lines = app.says(1, "431025[]");
    assert_eq!(lines, ["acked []", "ack done: Complete, 1 missing"]);
    // What asks for nothing goes through.
    app.emit(To::Socket(one), "x", Options::new());
    assert_eq!(app.driver.run(), ["write t0: 42[\"x\",1]"]);

    // An answer makes room for one, and so does the end of the time.
    assert_eq!(app.says(t, "430[]").len(), 2);
    question(&mut app, To::Socket(one), Wait::Forever).unwrap();
    assert_eq!(question(&mut app, To::Socket(one), soon), full);
    app.driver.sleep(50);
    app.driver.run();
    question(&mut app, To::Socket(one), Wait::Forever).unwrap();
    assert_eq!(question(&mut app, To::Socket(one), soon), full);
}

/// The heartbeat of these tests takes 300 + 200 ms.
#[test]
fn what_crossed_a_disconnection_by_the_server_is_ignored_for_a_heartbeat() {
    let kick = |app: &mut App| {
        let (t, _) = app.socket();
        let admin = app.join(t, "40/admin,");
        let now = app.driver.now;
        app.driver.machine.disconnect(now, To::Socket(admin), false);
        app.driver.run();
        t
    };
    let pass = |app: &mut App, t: usize, micros: u64| {
        let end = Instant::from_micros(app.driver.now.as_micros() + micros);
        app.driver.sleep(300);
        app.driver.run();
        app.driver.text(t, "3");
        app.driver.now = end;
        app.driver.machine.handle_timeout(end);
        app.driver.run();
    };
    for packet in ["42/admin,[\"x\"]", "43/admin,1[]", "41/admin,"] {
        let mut app = App::new();
        let t = kick(&mut app);
        pass(&mut app, t, 499_999);
        assert_eq!(app.says(t, packet), [""; 0], "{packet}");

        let mut app = App::new();
        let t = kick(&mut app);
        pass(&mut app, t, 500_000);
        let lines = app.says(t, packet);
        assert_eq!(lines[0], "disconnected: forced server close, 1 rooms");
    }

    // Who asks to enter again knows, whatever becomes of it.
    let mut app = App::new();
    let t = kick(&mut app);
    let pending = ask(&mut app, t, "/admin");
    let now = app.driver.now;
    app.driver.machine.refuse(now, pending, "", None).unwrap();
    app.driver.run();
    let lines = app.says(t, "42/admin,[\"x\"]");
    assert_eq!(lines[0], "disconnected: forced server close, 1 rooms");
}

#[test]
fn attachments_that_crossed_a_disconnection_by_the_server_are_ignored() {
    let mut app = App::new();
    let (t, _) = app.socket();
    let admin = app.join(t, "40/admin,");
    let header = "451-/admin,[\"x\",{\"_placeholder\":true,\"num\":0}]";
    assert_eq!(app.says(t, header), [""; 0]);
    let now = app.driver.now;
    app.driver.machine.disconnect(now, To::Socket(admin), false);
    app.driver.run();
    app.driver.binary(t, &[1]);
    assert_eq!(app.driver.run(), [""; 0]);
    assert_eq!(app.says(t, "42[\"y\"]"), ["event y []"]);
}

#[test]
fn a_client_that_is_thrown_out_again_and_again_is_remembered_in_64_namespaces() {
    let mut app = patient(true);
    let (t, _) = app.socket();
    for number in 0..65 {
        let pending = ask(&mut app, t, &format!("/{number}"));
        let socket = accept(&mut app, pending).unwrap();
        let now = app.driver.now;
        app.driver
            .machine
            .disconnect(now, To::Socket(socket), false);
        app.driver.run();
    }
    for number in 1..65 {
        assert_eq!(app.says(t, &format!("42/{number},[\"x\"]")), [""; 0]);
    }
    let lines = app.says(t, "42/0,[\"x\"]");
    assert_eq!(lines[0], "disconnected: forced server close, 1 rooms");
}

#[test]
fn names_of_namespaces_are_exact_and_bounded() {
    let mut app = patient(true);
    let t = app.connection();
    let longest = format!("/{}", "n".repeat(511));
    for name in [
        "/a", "/A", "/a/", "/a/b", "//a", "/é✓", "/a b", "/a?b=c", &*longest,
    ] {
        let pending = ask(&mut app, t, name);
        let Some(Event::Connecting(asks)) = app.driver.events.last() else {
            panic!("it was just asked");
        };
        assert_eq!(&*asks.namespace, name);
        accept(&mut app, pending).unwrap();
        let key = app.driver.machine.namespace(name).unwrap();
        let known = app.driver.machine.namespace_name(key).unwrap();
        assert_eq!(&**known, name, "each is a namespace of its own");
    }
    assert_eq!(app.driver.machine.socket_statistics().dynamic_namespaces, 9);

    for name in [
        format!("{longest}n"),
        "/a\u{0}".to_owned(),
        "/a\n".to_owned(),
        "/a\u{7f}".to_owned(),
        "/a\u{85}".to_owned(),
    ] {
        let mut app = patient(true);
        let (t, _) = app.socket();
        let lines = app.says(t, &format!("40{name},"));
        assert_eq!(
            lines,
            [
                "disconnected: forced close, 1 rooms",
                "close t0",
                "closed: forced close"
            ],
            "{name:?}"
        );
    }
}
