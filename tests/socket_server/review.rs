//! Recovery where its edges are: each of these was once wrong.

use std::time::Duration;

use bytes::Bytes;
use socketio_proto::{
    engine::Overflow,
    socket::{
        AcceptError, Config, Event, Found, ImportError, Missed, Options, Packet, Recovery,
        RecoveryConfig, Server, To,
    },
    time::{Instant, UnixTime},
};

use super::{
    recovery::{Client, missed, names, recovery_of, seek, send, to_all, with},
    world::App,
};

#[test]
fn a_client_whose_last_pong_took_its_time_has_all_of_its_time_to_come_back() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_secs(2)));
    let mut client = Client::new(&mut app);
    to_all(&mut app, "early");
    client.run(&mut app);
    client.got();
    // Pings come every 300 ms; each is answered after 150 of 200 ms.
    app.driver.sleep(300);
    app.driver.run();
    app.driver.sleep(1);
    let rooms = ["of_others"];
    let to = app.group(&rooms, &[]);
    send(&mut app, to, "noise", Options::new());
    app.driver.run();
    app.driver.sleep(149);
    app.driver.text(client.transport, "3");
    app.driver.sleep(300);
    app.driver.run();
    app.driver.sleep(200);
    let lines = app.driver.run();
    assert!(
        lines.contains(&"closed: ping timeout".to_owned()),
        "{lines:?}"
    );
    app.driver.sleep(1_999);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(0));
}

fn busy(overflow: Overflow) -> (App, Client) {
    let mut app = App::with(|config| {
        config
            .recovery(RecoveryConfig::new())
            .engine(|engine| engine.max_queued(1_000).overflow(overflow))
    });
    let client = Client::new(&mut app);
    (app, client)
}

/// A client comes back on a connection for which other things wait.
#[test]
fn a_replay_that_does_not_fit_behind_what_waits_is_not_begun() {
    for overflow in [Overflow::Close, Overflow::DropOldest, Overflow::Refuse] {
        let (mut app, mut client) = busy(overflow);
        client.lose(&mut app);
        for _ in 0..5 {
            to_all(&mut app, "missed");
        }
        client.transport = app.connection();
        let admin = app.join(client.transport, "40/admin,");
        let claim = client.claim();
        app.driver.text(client.transport, &format!("40{claim}"));
        let pending = app.pending();
        // Its client takes nothing any more.
        for _ in 0..8 {
            send(&mut app, To::Socket(admin), "waits", Options::new());
        }
        app.driver.take();
        let now = app.driver.now;
        let done = app.driver.machine.accept(now, pending, &[]);
        assert_eq!(done, Err(AcceptError::Stale), "{overflow:?}");
        let lines = app.driver.run();
        let is = |start: &str| lines.iter().filter(|it| it.starts_with(start)).count();
        assert_eq!(is("withdrawn: "), 1, "{overflow:?} {lines:?}");
        assert!(!lines.concat().contains("missed"), "{overflow:?} {lines:?}");
        assert_eq!(app.driver.machine.socket_statistics().pending, 0);
        // The session is as it was.
        client.got();
        let (recovery, _) = client.come_back(&mut app);
        assert_eq!(missed(&recovery), Some(5), "{overflow:?}");
        client.run(&mut app);
        assert_eq!(client.got(), names(&["missed"; 5]), "{overflow:?}");
    }
}

/// The session that is to be kept outside.
fn stored(app: &App) -> Option<Bytes> {
    let mut events = app.driver.events.iter().rev();
    events.find_map(|event| match event {
        Event::StoreSession(store) => Some(store.session.clone()),
        _ => None,
    })
}

#[test]
fn what_a_store_outside_gives_is_bounded_and_goes_back_if_it_does_not_fit() {
    let mut app = App::with(|config| {
        config
            .recovery(RecoveryConfig::new().external())
            .engine(|engine| engine.max_queued(1_000))
    });
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    let session = stored(&app).unwrap();
    let give = |app: &mut App, find: &socketio_proto::socket::FindSession, events: usize| {
        let packet = || Packet::event("missed", &(1,)).unwrap();
        let packets = (0..events).map(|_| (packet(), "--------0".into()));
        let found = Found {
            session: session.clone(),
            missed: Missed::Packets(packets.collect()),
        };
        let (now, lookup) = (app.driver.now, find.lookup);
        let done = app.driver.machine.session_found(now, lookup, Some(found));
        done.unwrap();
        recovery_of(app)
    };
    let find = seek(&mut app, &mut client);
    assert_eq!(give(&mut app, &find, 100), Recovery::Failed, "no promise");

    let find = seek(&mut app, &mut client);
    assert_eq!(missed(&give(&mut app, &find, 5)), Some(5));
    let pending = app.pending();
    let admin = app.join(client.transport, "40/admin,");
    for _ in 0..8 {
        send(&mut app, To::Socket(admin), "waits", Options::new());
    }
    app.driver.take();
    app.driver.events.clear();
    let now = app.driver.now;
    let done = app.driver.machine.accept(now, pending, &[]);
    assert_eq!(done, Err(AcceptError::Stale));
    app.driver.run();
    let mut events = app.driver.events.iter();
    let goes_back =
        events.any(|event| matches!(event, Event::StoreSession(it) if it.session == session));
    assert!(goes_back, "{:?}", app.driver.events);
}

/// A client asks and takes it back, again and again: a few messages are enough for that.
#[test]
fn a_connection_may_ask_for_so_many_sessions() {
    for recovery in [RecoveryConfig::new(), RecoveryConfig::new().external()] {
        let mut app = with(recovery);
        let mut client = Client::new(&mut app);
        client.lose(&mut app);
        client.transport = app.connection();
        app.driver.events.clear();
        for _ in 0..1_000 {
            let connect = format!("40{}", client.claim());
            app.driver.text(client.transport, &connect);
            app.driver.text(client.transport, "41");
        }
        app.driver.run();
        let is_look = |event: &&Event| match event {
            Event::FindSession(_) => true,
            Event::Connecting(asks) => asks.recovery != Recovery::Failed,
            _ => false,
        };
        assert_eq!(app.driver.events.iter().filter(is_look).count(), 256);
    }
}

/// Ages count by the wall clock, which may have been set back.
#[test]
fn what_was_saved_at_a_time_that_is_yet_to_come_is_not_taken_over() {
    let mut app = with(RecoveryConfig::new());
    let client = Client::new(&mut app);
    client.lose(&mut app);
    let now = app.driver.now;
    let saved = app.driver.machine.export(now);
    let server = |seconds: u64| {
        let config = Config::builder().recovery(RecoveryConfig::new());
        let origin = UnixTime::since_epoch(Duration::from_secs(seconds));
        Server::new(config.build().unwrap(), [3; 32], origin)
    };
    // The other one began at 1 790 000 000.
    let mut near = server(1_790_000_000 - 100);
    assert_eq!(near.import(Instant::ORIGIN, &saved), Ok(1));
    let mut far = server(1_790_000_000 - 3_600);
    assert_eq!(
        far.import(Instant::ORIGIN, &saved),
        Err(ImportError::Clock),
        "its sessions would be kept for an hour"
    );
    // Where the last position stands, one that is none.
    let mut damaged = saved[..4].to_vec();
    damaged.extend([0xff; 9]);
    damaged.push(1);
    damaged.extend([0, 0, 0]);
    let done = server(1_790_000_000).import(Instant::ORIGIN, &damaged);
    assert_eq!(done, Err(ImportError::Clock));
}
