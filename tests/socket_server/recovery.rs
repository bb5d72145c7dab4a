//! Clients that lose their connection and come back (Socket.IO reference, section 5).

use std::time::Duration;

use bytes::Bytes;
use socketio_proto::{
    edge::{Lost, Machine as _, Stale},
    socket::{
        AcceptError, Binary, Event, Found, ImportError, Missed, Options, Packet, Recovery,
        RecoveryConfig, SocketKey, To, Wait,
    },
};

use super::world::App;

/// A client, and what it knows: the official one keeps the same.
pub(super) struct Client {
    pub(super) transport: usize,
    pub(super) socket: SocketKey,
    pub(super) sid: String,
    pub(super) pid: String,
    pub(super) offset: Option<String>,
    pub(super) got: Vec<String>,
}

fn recovering() -> App {
    with(RecoveryConfig::new())
}

pub(super) fn with(recovery: RecoveryConfig) -> App {
    App::with(|config| config.recovery(recovery).ask_namespaces(true))
}

/// Pings are frequent in these tests; this holds a connection open for a while.
fn wait(app: &mut App, clients: &mut [&mut Client], millis: u64) {
    let end = app.driver.now + Duration::from_millis(millis);
    while app.driver.now < end {
        app.driver.now = (app.driver.now + Duration::from_millis(100)).min(end);
        app.driver.machine.handle_timeout(app.driver.now);
        let lines = app.driver.run();
        for client in &mut *clients {
            client.hear(&lines);
            let ping = format!("write t{}: 2", client.transport);
            if lines.contains(&ping) {
                app.driver.text(client.transport, "3");
            }
        }
    }
}

fn member<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
    &text[start..][..20]
}

impl Client {
    pub(super) fn new(app: &mut App) -> Self {
        Self::enter(app, "40")
    }

    pub(super) fn enter(app: &mut App, connect: &str) -> Self {
        let transport = app.connection();
        app.driver.text(transport, connect);
        let pending = app.pending();
        let now = app.driver.now;
        let socket = app.driver.machine.accept(now, pending, &[]).unwrap();
        let lines = app.driver.run();
        let answer = lines.iter().find(|line| line.contains("\"sid\"")).unwrap();
        Self {
            transport,
            socket,
            sid: member(answer, "sid").to_owned(),
            pid: member(answer, "pid").to_owned(),
            offset: None,
            got: Vec::new(),
        }
    }

    /// Takes note of what was written to it, as the official client does.
    pub(super) fn hear(&mut self, lines: &[String]) {
        let prefix = format!("write t{}: ", self.transport);
        for line in lines.iter().filter_map(|line| line.strip_prefix(&prefix)) {
            for packet in line
                .split(' ')
                .filter(|it| it.starts_with("42") || it.starts_with("45"))
            {
                let json = &packet[packet.find('[').unwrap()..];
                let values: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
                if let Some(serde_json::Value::String(last)) = values.last() {
                    self.offset = Some(last.clone());
                }
                let shown = &values[..values.len() - 1];
                self.got.push(serde_json::to_string(shown).unwrap());
            }
        }
    }

    pub(super) fn run(&mut self, app: &mut App) {
        let lines = app.driver.run();
        self.hear(&lines);
    }

    pub(super) fn claim(&self) -> String {
        match &self.offset {
            Some(offset) => format!("{{\"pid\":\"{}\",\"offset\":\"{offset}\"}}", self.pid),
            None => format!("{{\"pid\":\"{}\"}}", self.pid),
        }
    }

    pub(super) fn lose(&self, app: &mut App) {
        app.driver.lost(self.transport, Lost::Failed);
        app.driver.run();
    }

    /// Opens another connection and asks for its session.
    pub(super) fn ask(&mut self, app: &mut App, namespace: &str) -> Recovery {
        self.transport = app.connection();
        let connect = format!("40{namespace}{}", self.claim());
        app.driver.text(self.transport, &connect);
        recovery_of(app)
    }

    /// Comes back and is let in.
    pub(super) fn come_back(&mut self, app: &mut App) -> (Recovery, Vec<String>) {
        let recovery = self.ask(app, "");
        let lines = self.be_let_in(app);
        (recovery, lines)
    }

    pub(super) fn be_let_in(&mut self, app: &mut App) -> Vec<String> {
        let pending = app.pending();
        let now = app.driver.now;
        self.socket = app.driver.machine.accept(now, pending, &[]).unwrap();
        let lines = app.driver.run();
        self.hear(&lines);
        lines
    }

    pub(super) fn got(&mut self) -> Vec<String> {
        std::mem::take(&mut self.got)
    }
}

pub(super) fn recovery_of(app: &mut App) -> Recovery {
    app.driver.run();
    let mut events = app.driver.events.iter().rev();
    let asked = events.find_map(|event| match event {
        Event::Connecting(asks) => Some(asks.recovery.clone()),
        _ => None,
    });
    asked.unwrap()
}

/// The session that was to be kept outside first.
pub(super) fn stored(app: &App) -> Bytes {
    let mut events = app.driver.events.iter();
    let stored = events.find_map(|event| match event {
        Event::StoreSession(store) => Some(store.session.clone()),
        _ => None,
    });
    stored.unwrap()
}

/// The CONNECT that waits, whatever happened since it came.
fn asked(app: &App) -> socketio_proto::socket::PendingKey {
    let mut events = app.driver.events.iter().rev();
    let asked = events.find_map(|event| match event {
        Event::Connecting(asks) => Some(asks.pending),
        _ => None,
    });
    asked.unwrap()
}

/// The connection that opened last.
fn session_of(app: &App) -> socketio_proto::edge::SessionKey {
    let mut events = app.driver.events.iter().rev();
    let opened = events.find_map(|event| match event {
        Event::SessionOpened { session, .. } => Some(*session),
        _ => None,
    });
    opened.unwrap()
}

pub(super) fn missed(recovery: &Recovery) -> Option<usize> {
    match recovery {
        Recovery::Restored { missed, .. } => Some(*missed),
        Recovery::Failed | Recovery::None => None,
    }
}

pub(super) fn send(app: &mut App, to: To<'_>, event: &str, options: Options) {
    let packet = Packet::event(event, &(1,)).unwrap();
    let now = app.driver.now;
    app.driver.machine.emit(now, to, packet, options).unwrap();
}

pub(super) fn to_all(app: &mut App, event: &str) {
    let to = app.group(&[], &[]);
    send(app, to, event, Options::new());
}

fn to_room(app: &mut App, room: &str, event: &str) {
    let rooms = [room];
    let to = app.group(&rooms, &[]);
    send(app, to, event, Options::new());
}

pub(super) fn names(events: &[&str]) -> Vec<String> {
    events
        .iter()
        .map(|event| format!("[\"{event}\",1]"))
        .collect()
}

#[test]
fn what_was_missed_comes_before_the_answer_in_order_and_once() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    send(&mut app, To::Socket(client.socket), "one", Options::new());
    client.run(&mut app);
    let first = client.offset.clone().unwrap();
    assert_eq!(first.len(), 9, "{first}");
    app.driver.machine.join(client.socket, &["room"]).unwrap();
    client.lose(&mut app);

    to_all(&mut app, "two");
    to_room(&mut app, "room", "three");
    to_room(&mut app, "other", "not_for_it");
    let sid = client.sid.clone();
    to_room(&mut app, &sid, "four");
    let (rooms, except) = (["room", "other"], ["room"]);
    let to = app.group(&rooms, &except);
    send(&mut app, to, "left_out", Options::new());
    let rooms = ["room", &sid];
    let to = app.group(&rooms, &[]);
    send(&mut app, to, "five", Options::new());
    let packet = Packet::event("six", &(Binary::from(Bytes::from_static(b"\x01")),)).unwrap();
    let (now, to) = (app.driver.now, app.group(&[], &[]));
    app.driver
        .machine
        .emit(now, to, packet, Options::new())
        .unwrap();

    let recovery = client.ask(&mut app, "");
    assert_eq!(missed(&recovery), Some(5));
    let Recovery::Restored { id, rooms, .. } = recovery else {
        panic!("it comes back");
    };
    assert_eq!((id.as_str(), rooms.len()), (&*sid, 2));
    assert_eq!(client.got(), names(&["one"]), "nothing before acceptance");
    let lines = client.be_let_in(&mut app);
    let text = lines.concat();
    let answer = text.find("40{\"sid\"").unwrap();
    assert!(text.find("six").unwrap() < answer, "{text}");
    assert!(text.contains("<01>"), "{text}");
    assert!(text.contains(&format!("\"sid\":\"{sid}\",\"pid\":\"{}\"", client.pid)));
    let mut got = client.got();
    assert!(got.pop().unwrap().starts_with("[\"six\",{"));
    assert_eq!(got, names(&["two", "three", "four", "five"]));
    assert_eq!(app.driver.machine.rooms_of(client.socket), [&*sid, "room"]);

    to_all(&mut app, "live");
    client.run(&mut app);
    assert_eq!(client.got(), names(&["live"]));
    let statistics = app.driver.machine.socket_statistics().recovery;
    assert_eq!((statistics.lost, statistics.restored), (1, 1));
    assert_eq!((statistics.failed, statistics.sessions), (0, 0));
}

#[test]
fn a_client_without_an_offset_starts_where_it_was_accepted() {
    let mut app = recovering();
    to_all(&mut app, "before");
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    to_all(&mut app, "after");
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(1));
    assert_eq!(client.got(), names(&["after"]));
}

#[test]
fn what_was_queued_or_on_its_way_at_the_loss_is_sent_again() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    send(&mut app, To::Socket(client.socket), "heard", Options::new());
    client.run(&mut app);
    for event in ["lost_in_the_network", "still_queued"] {
        let packet = Packet::event(event, &(1,)).unwrap();
        let (now, to) = (app.driver.now, To::Socket(client.socket));
        app.driver
            .machine
            .emit(now, to, packet, Options::new())
            .unwrap();
    }
    client.got();
    client.lose(&mut app);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(2));
    assert_eq!(client.got().len(), 2);
}

#[test]
fn a_long_quiet_client_recovers_although_others_filled_and_emptied_the_log() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_secs(2)));
    let mut client = Client::new(&mut app);
    let mut other = Client::new(&mut app);
    send(&mut app, To::Socket(client.socket), "early", Options::new());
    client.run(&mut app);
    client.got();
    app.driver.machine.join(other.socket, &["busy"]).unwrap();
    for _ in 0..10 {
        to_room(&mut app, "busy", "noise");
        wait(&mut app, &mut [&mut client, &mut other], 1_000);
    }
    // Its offset is far older than all that is kept. It answered a ping since.
    client.lose(&mut app);
    to_all(&mut app, "missed");
    wait(&mut app, &mut [&mut other], 1_900);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(1));
    assert_eq!(client.got(), names(&["missed"]));
}

#[test]
fn events_are_kept_for_one_heartbeat_longer_than_sessions() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_secs(2)));
    let mut client = Client::new(&mut app);
    to_all(&mut app, "lost_in_the_network");
    app.driver.take();
    // The loss is noticed by the heartbeat only, 300 + 200 ms after the connection opened.
    app.driver.sleep(500);
    app.driver.run();
    app.driver.sleep(1_999);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(1));
}

#[test]
fn a_session_is_gone_after_its_time_and_with_it_all_that_was_kept() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_secs(2)));
    let mut client = Client::new(&mut app);
    to_all(&mut app, "one");
    client.run(&mut app);
    client.lose(&mut app);
    app.driver.sleep(1_999);
    assert_eq!(app.driver.machine.socket_statistics().recovery.sessions, 1);
    app.driver.sleep(2);
    let (recovery, lines) = client.come_back(&mut app);
    assert_eq!(recovery, Recovery::Failed);
    let text = lines.concat();
    assert!(
        !text.contains(&client.sid) && !text.contains(&client.pid),
        "{text}"
    );
    app.driver.lost(client.transport, Lost::Failed);
    app.driver.run();
    app.driver.sleep(3_000);
    let statistics = app.driver.machine.socket_statistics().recovery;
    assert_eq!(
        (statistics.sessions, statistics.events, statistics.bytes),
        (0, 0, 0)
    );
    assert_eq!(
        (
            statistics.failed,
            statistics.cut_events,
            statistics.cut_sessions
        ),
        (1, 0, 0)
    );
}

#[test]
fn volatile_events_are_not_kept_and_do_not_move_the_offset() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    to_all(&mut app, "one");
    client.run(&mut app);
    let offset = client.offset.clone().unwrap();
    let volatile = Options::new().volatile();
    // Without arguments the name is what the client takes for an offset.
    for (args, shown) in [
        (
            Packet::event("text", &("last",)),
            format!("42[\"text\",\"last\",\"{offset}\"]"),
        ),
        (
            Packet::event("bare", &()),
            format!("42[\"bare\",\"{offset}\"]"),
        ),
        (
            Packet::event("number", &("first", 1)),
            "42[\"number\",\"first\",1]".to_owned(),
        ),
        (
            Packet::event("list", &(["last"],)),
            "42[\"list\",[\"last\"]]".to_owned(),
        ),
    ] {
        let (now, to) = (app.driver.now, app.group(&[], &[]));
        app.driver
            .machine
            .emit(now, to, args.unwrap(), volatile)
            .unwrap();
        assert_eq!(
            app.driver.run(),
            [format!("write t{}: {shown}", client.transport)]
        );
    }
    client.lose(&mut app);
    let to = app.group(&[], &[]);
    send(&mut app, to, "gone", volatile);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(0));
}

#[test]
fn events_that_ask_for_answers_carry_no_offset_and_are_not_kept() {
    let mut app = recovering();
    let client = Client::new(&mut app);
    let ask = Options::new().ack(Wait::Forever);
    send(&mut app, To::Socket(client.socket), "ask", ask);
    let to = app.group(&[], &[]);
    send(&mut app, to, "ask", ask);
    assert_eq!(
        app.driver.run(),
        ["write t0: 420[\"ask\",1]", "write t0: 421[\"ask\",1]"]
    );
    assert_eq!(app.driver.machine.socket_statistics().recovery.events, 0);
}

#[test]
fn a_session_is_consumed_by_one_restore() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    let claim = client.claim();
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(0));
    app.says(client.transport, "41");
    let t = app.connection();
    app.driver.text(t, &format!("40{claim}"));
    assert_eq!(recovery_of(&mut app), Recovery::Failed);
}

#[test]
fn two_that_claim_one_session_before_either_is_let_in_do_not_both_get_it() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    to_all(&mut app, "secret");
    let first = client.ask(&mut app, "");
    let (early, early_transport) = (app.pending(), client.transport);
    let second = client.ask(&mut app, "");
    assert_eq!((missed(&first), missed(&second)), (Some(1), Some(1)));
    let late = app.pending();
    let now = app.driver.now;
    let one = app.driver.machine.accept(now, early, &[]).unwrap();
    app.driver.run();
    assert!(app.driver.machine.id_of(one).is_some());
    // The later one is the same client, which has come back once more.
    let two = app.driver.machine.accept(now, late, &[]).unwrap();
    let lines = app.driver.run();
    assert_eq!(lines[0], "disconnected: forced close, 1 rooms", "{lines:?}");
    assert!(
        lines.contains(&format!("abort t{early_transport}")),
        "{lines:?}"
    );
    assert_eq!(app.driver.machine.id_of(one), None);
    assert_eq!(app.driver.machine.id_of(two).unwrap().as_str(), client.sid);
    assert_eq!(app.driver.machine.count(app.root), 1);
}

#[test]
fn what_was_promised_and_is_gone_ends_the_connection() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_millis(400)));
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    app.driver.sleep(399);
    let recovery = client.ask(&mut app, "");
    assert_eq!(missed(&recovery), Some(0));
    let pending = app.pending();
    let now = app.driver.now + Duration::from_millis(2);
    let done = app.driver.machine.accept(now, pending, &[]);
    assert_eq!(
        done,
        Err(AcceptError::Stale),
        "no new socket for one let in unseen"
    );
    let lines = app.driver.run();
    assert!(lines[0].starts_with("withdrawn: "), "{lines:?}");
    assert!(
        lines.contains(&"closed: forced close".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_session_belongs_to_its_namespace() {
    let mut app = recovering();
    let mut client = Client::enter(&mut app, "40/admin,");
    client.lose(&mut app);
    assert_eq!(client.ask(&mut app, ""), Recovery::Failed);
    assert_eq!(client.ask(&mut app, "/other,"), Recovery::Failed);
    assert_eq!(missed(&client.ask(&mut app, "/admin,")), Some(0));
}

#[test]
fn a_refused_client_gets_nothing_and_may_come_again() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    to_all(&mut app, "secret");
    assert_eq!(missed(&client.ask(&mut app, "")), Some(1));
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.refuse(now, pending, "no", None).unwrap();
    let refused = format!("write t{}: 44{{\"message\":\"no\"}}", client.transport);
    assert_eq!(app.driver.run(), [refused]);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(1));
    assert_eq!(client.got(), names(&["secret"]));
}

#[test]
fn who_left_was_thrown_out_or_broke_a_rule_does_not_come_back() {
    for (what, end) in [
        ("left", "41"),
        ("broke a rule", "40"),
        ("sent nonsense", "4nonsense"),
        ("thrown out", ""),
    ] {
        let mut app = recovering();
        let mut client = Client::new(&mut app);
        to_all(&mut app, "kept");
        client.run(&mut app);
        if end.is_empty() {
            let (now, to) = (app.driver.now, To::Socket(client.socket));
            app.driver.machine.disconnect(now, to, false);
        } else {
            app.driver.text(client.transport, end);
        }
        app.driver.run();
        assert_eq!(client.ask(&mut app, ""), Recovery::Failed, "{what}");
        assert_eq!(
            app.driver.machine.socket_statistics().recovery.sessions,
            0,
            "{what}"
        );
    }
}

#[test]
fn a_client_that_still_looks_connected_takes_its_socket_over() {
    let mut app = recovering();
    let mut client = Client::enter(&mut app, "40/admin,");
    let admin = app.driver.machine.namespace("/admin").unwrap();
    let to = To::Group {
        namespace: admin,
        rooms: &[],
        except: &[],
        without: None,
    };
    app.driver.machine.join(client.socket, &["room"]).unwrap();
    app.driver
        .machine
        .set_data(client.socket, Bytes::from_static(b"kept"))
        .unwrap();
    // Another socket of the same connection goes with it.
    app.driver.text(client.transport, "40");
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.accept(now, pending, &[]).unwrap();
    app.driver.run();
    for event in ["lost_in_the_network", "queued"] {
        let packet = Packet::event(event, &(1,)).unwrap();
        app.driver
            .machine
            .emit(now, to, packet, Options::new())
            .unwrap();
    }
    app.driver.take();
    let (old, old_socket) = (client.transport, client.socket);
    let recovery = client.ask(&mut app, "/admin,");
    assert_eq!(missed(&recovery), Some(2));
    assert!(
        app.driver.machine.id_of(old_socket).is_some(),
        "nothing before acceptance"
    );
    let lines = client.be_let_in(&mut app);
    assert_eq!(
        lines[..3],
        [
            "disconnected: forced close, 2 rooms".to_owned(),
            "disconnected: forced close, 1 rooms".to_owned(),
            format!("abort t{old}"),
        ]
    );
    assert_eq!(client.got().len(), 2);
    let server = &app.driver.machine;
    assert_eq!(server.rooms_of(client.socket), [&*client.sid, "room"]);
    assert_eq!(server.data_of(client.socket).unwrap(), "kept");
    // The other one may come back, too.
    assert_eq!(server.socket_statistics().recovery.sessions, 1);
}

#[test]
fn a_wrong_or_forged_claim_makes_a_new_socket() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    to_all(&mut app, "one");
    client.run(&mut app);
    client.lose(&mut app);
    let (pid, offset) = (client.pid.clone(), client.offset.clone().unwrap());
    for claim in [
        // No such session, no such offset, one of another kind, one that was never given out.
        format!("{{\"pid\":\"aaaaaaaaaaaaaaaaaaaa\",\"offset\":\"{offset}\"}}"),
        format!("{{\"pid\":\"{pid}\",\"offset\":\"Q85WMuU.0\"}}"),
        format!("{{\"pid\":\"{pid}\",\"offset\":\"\"}}"),
        format!("{{\"pid\":\"{pid}\",\"offset\":\"zzzzzzzzz\"}}"),
        "{\"pid\":\"short\"}".to_owned(),
    ] {
        let t = app.connection();
        app.driver.text(t, &format!("40{claim}"));
        assert_eq!(recovery_of(&mut app), Recovery::Failed, "{claim}");
    }
    // Such members may be the application's.
    for auth in [
        "{\"pid\":1,\"offset\":\"x\"}".to_owned(),
        format!("{{\"pid\":\"{pid}\",\"offset\":1}}"),
        "{}".to_owned(),
    ] {
        let t = app.connection();
        app.driver.text(t, &format!("40{auth}"));
        assert_eq!(recovery_of(&mut app), Recovery::None, "{auth}");
    }
    assert_eq!(missed(&client.ask(&mut app, "")), Some(0));
}

#[test]
fn rooms_count_as_they_were_when_something_was_sent() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    to_all(&mut app, "mark");
    client.run(&mut app);
    client.got();
    let socket = client.socket;
    // Nothing of this arrives: the connection is dead already.
    to_room(&mut app, "a", "before_a");
    app.driver.machine.join(socket, &["a", "b"]).unwrap();
    to_room(&mut app, "a", "in_a");
    let (rooms, except) = (["a"], ["b"]);
    let to = app.group(&rooms, &except);
    send(&mut app, to, "but_b", Options::new());
    app.driver.machine.leave(socket, "a").unwrap();
    to_room(&mut app, "a", "after_a");
    app.driver.machine.leave(socket, "b").unwrap();
    app.driver.machine.join(socket, &["a"]).unwrap();
    let to = app.group(&rooms, &except);
    send(&mut app, to, "without_b", Options::new());
    let sid = client.sid.clone();
    app.driver.machine.leave(socket, &sid).unwrap();
    to_room(&mut app, &sid, "no_own_room");
    app.driver.machine.join(socket, &[&sid]).unwrap();
    to_room(&mut app, &sid, "own_room");
    app.driver.take();
    client.lose(&mut app);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(3));
    let expected = names(&["in_a", "without_b", "own_room"]);
    assert_eq!(client.got(), expected);
    // The same again, after a second loss, from the same offset.
    client.offset = Some(client.offset.clone().unwrap());
    let mut rooms = app.driver.machine.rooms_of(client.socket);
    rooms.sort();
    let mut wanted = [sid, "a".to_owned()];
    wanted.sort();
    assert_eq!(rooms, wanted);
}

#[test]
fn a_client_that_comes_back_twice_with_one_offset_gets_the_same_twice() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    app.driver.machine.join(client.socket, &["a"]).unwrap();
    client.lose(&mut app);
    to_room(&mut app, "a", "one");
    to_all(&mut app, "two");
    for _ in 0..3 {
        // Each answer is lost on its way. What the new connection has carried before, pongs too,
        // says nothing of what was missed.
        app.driver.sleep(10);
        let recovery = client.ask(&mut app, "");
        wait(&mut app, &mut [&mut client], 400);
        assert_eq!(missed(&recovery), Some(2));
        let pending = asked(&app);
        let now = app.driver.now;
        app.driver.machine.accept(now, pending, &[]).unwrap();
        app.driver.take();
        app.driver.sleep(10);
        client.lose(&mut app);
    }
    client.come_back(&mut app);
    assert_eq!(client.got(), names(&["one", "two"]));
}

#[test]
fn what_a_client_sent_to_the_others_never_comes_to_it() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    let to = To::Group {
        namespace: app.root,
        rooms: &[],
        except: &[],
        without: app.driver.machine.id_of(client.socket),
    };
    send(&mut app, to, "mine", Options::new());
    client.lose(&mut app);
    // A handler of its may still be at work.
    send(&mut app, to, "mine_still", Options::new());
    to_all(&mut app, "theirs");
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(1));
    send(&mut app, to, "mine_again", Options::new());
    client.run(&mut app);
    assert_eq!(client.got(), names(&["theirs"]));
}

#[test]
fn limits_drop_the_oldest_first_and_say_so_once() {
    let mut app = with(RecoveryConfig::new().max_bytes(8_000).max_sessions(2));
    let mut client = Client::new(&mut app);
    to_all(&mut app, "one");
    client.run(&mut app);
    client.lose(&mut app);
    for _ in 0..100 {
        to_all(&mut app, "more");
    }
    let told = app.driver.run();
    let cuts = told.iter().filter(|line| *line == "RecoveryCut");
    assert_eq!(cuts.count(), 1, "{told:?}");
    let statistics = app.driver.machine.socket_statistics().recovery;
    assert!(statistics.bytes <= 8_000, "{statistics:?}");
    assert!(statistics.cut_events > 0, "{statistics:?}");
    assert_eq!(client.ask(&mut app, ""), Recovery::Failed);

    let mut app = with(RecoveryConfig::new().max_sessions(2));
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&mut app)).collect();
    for client in &clients {
        client.lose(&mut app);
    }
    assert_eq!(clients[0].ask(&mut app, ""), Recovery::Failed);
    assert_eq!(missed(&clients[1].ask(&mut app, "")), Some(0));
    assert_eq!(
        app.driver.machine.socket_statistics().recovery.cut_sessions,
        1
    );
}

#[test]
fn a_dynamic_namespace_stays_while_clients_of_it_are_away() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_secs(2)));
    let mut client = Client::enter(&mut app, "40/chat-1,");
    let chat = app.driver.machine.namespace("/chat-1").unwrap();
    let to = To::Group {
        namespace: chat,
        rooms: &[],
        except: &[],
        without: None,
    };
    send(&mut app, to, "lost", Options::new());
    app.driver.take();
    client.lose(&mut app);
    send(&mut app, to, "missed", Options::new());
    let recovery = client.ask(&mut app, "/chat-1,");
    assert_eq!(missed(&recovery), Some(2));
    let lines = client.be_let_in(&mut app);
    assert!(!lines.concat().contains("namespace"), "{lines:?}");
    assert_eq!(client.got(), names(&["lost", "missed"]));

    client.lose(&mut app);
    app.driver.sleep(2_001);
    let lines = app.driver.run();
    assert!(
        lines.contains(&"namespace closed: /chat-1".to_owned()),
        "{lines:?}"
    );
    assert_eq!(app.driver.machine.namespace("/chat-1"), None);
    // One who leaves is not away.
    let client = Client::enter(&mut app, "40/chat-1,");
    let lines = app.says(client.transport, "41/chat-1,");
    assert_eq!(lines[1..], ["namespace closed: /chat-1"]);
}

#[test]
fn a_dynamic_namespace_that_is_gone_comes_back_with_a_client_from_a_store_outside() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::enter(&mut app, "40/chat-1,");
    let chat = app.driver.machine.namespace("/chat-1").unwrap();
    let to = To::Group {
        namespace: chat,
        rooms: &[],
        except: &[],
        without: None,
    };
    send(&mut app, to, "lost", Options::new());
    app.driver.take();
    client.lose(&mut app);
    assert_eq!(app.driver.machine.namespace("/chat-1"), None);
    let stored = stored(&app);
    // Its number is another namespace's now.
    let other = app.connection();
    app.join(other, "40/chat-2,");
    client.transport = app.connection();
    app.driver
        .text(client.transport, &format!("40/chat-1,{}", client.claim()));
    app.driver.run();
    let Some(Event::FindSession(find)) = app.driver.events.last() else {
        panic!("it is looked for");
    };
    let (lookup, now) = (find.lookup, app.driver.now);
    let found = Found {
        session: stored,
        missed: Missed::FromLog,
    };
    let server = &mut app.driver.machine;
    server.session_found(now, lookup, Some(found)).unwrap();
    assert_eq!(missed(&recovery_of(&mut app)), Some(1));
    client.be_let_in(&mut app);
    assert_eq!(client.got(), names(&["lost"]));
    assert!(app.driver.machine.namespace("/chat-1").is_some());
}

#[test]
fn a_replay_beyond_what_may_wait_for_a_client_is_none() {
    let mut app = App::with(|config| {
        config
            .recovery(RecoveryConfig::new())
            .engine(|engine| engine.max_queued(1_000))
    });
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    for _ in 0..8 {
        to_all(&mut app, "event");
    }
    let early = client.ask(&mut app, "");
    assert_eq!(missed(&early), Some(8));
    let pending = app.pending();
    for _ in 0..8 {
        to_all(&mut app, "event");
    }
    let now = app.driver.now;
    let done = app.driver.machine.accept(now, pending, &[]);
    assert_eq!(done, Err(AcceptError::Stale));
    assert_eq!(client.ask(&mut app, ""), Recovery::Failed);
}

pub(super) fn seek(app: &mut App, client: &mut Client) -> socketio_proto::socket::FindSession {
    client.transport = app.connection();
    app.driver
        .text(client.transport, &format!("40{}", client.claim()));
    app.driver.run();
    match app.driver.events.last() {
        Some(Event::FindSession(find)) => (**find).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_outside_is_told_and_asked_for_a_while() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    app.driver
        .machine
        .set_data(client.socket, Bytes::from_static(b"kept"))
        .unwrap();
    client.lose(&mut app);
    let Some(Event::StoreSession(stored)) = app
        .driver
        .events
        .iter()
        .find(|event| matches!(event, Event::StoreSession(_)))
    else {
        panic!("it is to be stored");
    };
    assert_eq!(
        (stored.pid.expose(), stored.keep),
        (client.pid.clone(), Duration::from_secs(120))
    );
    let stored = stored.session.clone();
    to_all(&mut app, "missed");

    let find = seek(&mut app, &mut client);
    assert_eq!(
        (&*find.namespace, find.pid.expose(), &find.offset),
        ("/", client.pid.clone(), &None)
    );
    // In time or never.
    app.driver.text(client.transport, "2");
    let now = app.driver.now + Duration::from_secs(5);
    app.driver.machine.handle_timeout(now);
    let found = Found {
        session: stored.clone(),
        missed: Missed::FromLog,
    };
    assert_eq!(
        app.driver
            .machine
            .session_found(now, find.lookup, Some(found)),
        Err(Stale)
    );
}

#[test]
fn a_quiet_client_takes_its_socket_over_although_nothing_was_sent_since_it_answered_a_ping() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    to_all(&mut app, "one");
    client.run(&mut app);
    // The pong confirms more than the position of the last event.
    wait(&mut app, &mut [&mut client], 400);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(0));
    to_all(&mut app, "two");
    client.run(&mut app);
    assert_eq!(client.got(), names(&["one", "two"]));
}

#[test]
fn both_sockets_of_a_connection_that_is_taken_over_come_back_from_a_store_outside() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::enter(&mut app, "40/admin,");
    app.driver.text(client.transport, "40");
    let pending = app.pending();
    let now = app.driver.now;
    app.driver.machine.accept(now, pending, &[]).unwrap();
    let lines = app.driver.run();
    let root_pid = member(&lines.concat(), "pid").to_owned();

    // Both are asked for before either is let in.
    assert_eq!(missed(&client.ask(&mut app, "/admin,")), Some(0));
    let admin = app.pending();
    app.driver
        .text(client.transport, &format!("40{{\"pid\":\"{root_pid}\"}}"));
    assert_eq!(missed(&recovery_of(&mut app)), Some(0));
    let root = app.pending();
    app.driver.machine.accept(now, admin, &[]).unwrap();
    let told = app.driver.run();
    assert!(!told.concat().contains("StoreSession"), "{told:?}");
    app.driver.machine.accept(now, root, &[]).unwrap();
    let lines = app.driver.run();
    assert!(lines.concat().contains(&root_pid), "{lines:?}");
    assert_eq!(app.driver.machine.sockets_of(session_of(&app)).len(), 2);
}

#[test]
fn a_session_that_is_promised_and_then_refused_goes_outside() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    let old = client.transport;
    assert_eq!(missed(&client.ask(&mut app, "")), Some(0));
    let pending = app.pending();
    app.driver.lost(old, Lost::Failed);
    let lines = app.driver.run();
    assert!(!lines.concat().contains("StoreSession"), "{lines:?}");
    let now = app.driver.now;
    app.driver.machine.refuse(now, pending, "no", None).unwrap();
    let lines = app.driver.run();
    assert!(lines.concat().contains("StoreSession"), "{lines:?}");
}

#[test]
fn a_session_that_a_half_open_connection_waits_with_goes_to_the_client_that_comes_again() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    let stored = stored(&app);
    to_all(&mut app, "missed");
    let find = seek(&mut app, &mut client);
    let now = app.driver.now;
    let found = Found {
        session: stored,
        missed: Missed::FromLog,
    };
    let server = &mut app.driver.machine;
    server.session_found(now, find.lookup, Some(found)).unwrap();
    let early = app.pending();

    // The store has given the session away: it is not asked.
    assert_eq!(missed(&client.ask(&mut app, "")), Some(1));
    let late = asked(&app);
    // Whoever is refused first leaves it to the other.
    app.driver.machine.refuse(now, early, "no", None).unwrap();
    let lines = app.driver.run();
    assert!(!lines.concat().contains("StoreSession"), "{lines:?}");
    app.driver.machine.accept(now, late, &[]).unwrap();
    let lines = app.driver.run();
    client.hear(&lines);
    assert_eq!(client.got(), names(&["missed"]));
}

#[test]
fn a_session_that_was_promised_from_a_socket_goes_to_the_client_that_comes_again() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    let old = client.transport;
    assert_eq!(missed(&client.ask(&mut app, "")), Some(0));
    app.driver.lost(old, Lost::Failed);
    app.driver.run();
    // It waits with the CONNECT of a connection that is half-open by now.
    assert_eq!(missed(&client.ask(&mut app, "")), Some(0));
    let sid = client.sid.clone();
    client.be_let_in(&mut app);
    let id = app.driver.machine.id_of(client.socket).unwrap();
    assert_eq!(id.as_str(), sid);
}

#[test]
fn a_client_that_was_let_in_while_a_store_outside_was_asked_again_is_taken_over() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    let stored = stored(&app);
    let first = seek(&mut app, &mut client);
    let second = seek(&mut app, &mut client);
    let now = app.driver.now;
    let found = Found {
        session: stored,
        missed: Missed::FromLog,
    };
    let server = &mut app.driver.machine;
    server
        .session_found(now, first.lookup, Some(found))
        .unwrap();
    let pending = app.pending();
    app.driver.machine.accept(now, pending, &[]).unwrap();
    app.driver.run();
    let server = &mut app.driver.machine;
    server.session_found(now, second.lookup, None).unwrap();
    assert_eq!(missed(&recovery_of(&mut app)), Some(0));
    client.be_let_in(&mut app);
    assert_eq!(app.driver.machine.count(app.root), 1);
}

#[test]
fn a_session_of_another_namespace_goes_back_to_the_store_outside() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    let stored = stored(&app);
    client.transport = app.connection();
    app.driver
        .text(client.transport, &format!("40/admin,{}", client.claim()));
    app.driver.run();
    let Some(Event::FindSession(find)) = app.driver.events.last() else {
        panic!("it is looked for");
    };
    let (lookup, now) = (find.lookup, app.driver.now);
    let found = Found {
        session: stored,
        missed: Missed::FromLog,
    };
    app.driver
        .machine
        .session_found(now, lookup, Some(found))
        .unwrap();
    let lines = app.driver.run();
    assert!(lines.concat().contains("StoreSession"), "{lines:?}");
    assert_eq!(recovery_of(&mut app), Recovery::Failed);
}

#[test]
fn what_a_store_outside_gives_is_restored_once_or_goes_back() {
    let mut app = with(RecoveryConfig::new().external());
    let mut client = Client::new(&mut app);
    client.lose(&mut app);
    let stored = stored(&app);
    to_all(&mut app, "missed");
    // Nothing, and what is none.
    for found in [None, Some(Bytes::new()), Some(stored.slice(1..))] {
        let find = seek(&mut app, &mut client);
        let now = app.driver.now;
        let found = found.map(|session| Found {
            session,
            missed: Missed::FromLog,
        });
        app.driver
            .machine
            .session_found(now, find.lookup, found)
            .unwrap();
        assert_eq!(recovery_of(&mut app), Recovery::Failed);
    }
    // Refused: it goes back.
    let find = seek(&mut app, &mut client);
    let now = app.driver.now;
    let found = Found {
        session: stored.clone(),
        missed: Missed::FromLog,
    };
    app.driver
        .machine
        .session_found(now, find.lookup, Some(found.clone()))
        .unwrap();
    assert_eq!(missed(&recovery_of(&mut app)), Some(1));
    let pending = app.pending();
    app.driver.machine.refuse(now, pending, "no", None).unwrap();
    app.driver.run();
    let back = app.driver.events.last();
    assert!(
        matches!(back, Some(Event::StoreSession(store)) if store.session == stored),
        "{back:?}"
    );
    // Taken back while it is looked for: nobody hears of it.
    let find = seek(&mut app, &mut client);
    assert_eq!(app.says(client.transport, "41"), [""; 0]);
    assert_eq!(
        app.driver
            .machine
            .session_found(now, find.lookup, Some(found)),
        Err(Stale)
    );
    // With what a store outside says was missed.
    let find = seek(&mut app, &mut client);
    let packet = Packet::event("from_outside", &(1,)).unwrap();
    let found = Found {
        session: stored,
        missed: Missed::Packets(vec![(packet, "1-0".into())]),
    };
    app.driver
        .machine
        .session_found(now, find.lookup, Some(found))
        .unwrap();
    assert_eq!(missed(&recovery_of(&mut app)), Some(1));
    client.be_let_in(&mut app);
    assert_eq!(client.got(), names(&["from_outside"]));
    assert_eq!(client.offset.as_deref(), Some("1-0"));
}

#[test]
fn sessions_survive_a_restart() {
    let mut app = recovering();
    let mut client = Client::new(&mut app);
    app.driver.machine.join(client.socket, &["a"]).unwrap();
    app.driver
        .machine
        .set_data(client.socket, Bytes::from_static(b"kept"))
        .unwrap();
    to_all(&mut app, "heard");
    client.run(&mut app);
    client.got();
    let now = app.driver.now;
    let packet = Packet::event("lost", &(Binary::from(Bytes::from_static(b"\x01")),)).unwrap();
    app.driver
        .machine
        .emit(now, To::Socket(client.socket), packet, Options::new())
        .unwrap();
    app.driver.take();
    app.driver.machine.shutdown(now, Duration::ZERO);
    app.driver.run();
    let rooms = ["a"];
    let to = app.group(&rooms, &[]);
    send(&mut app, to, "room", Options::new());
    let saved = app.driver.machine.export(now);

    for length in 0..saved.len() {
        let mut app = recovering();
        let done = app.driver.machine.import(now, &saved[..length]);
        assert_eq!(done, Err(ImportError::Invalid), "{length}");
    }
    let mut other = saved.to_vec();
    other[3] += 1;
    let mut app = recovering();
    assert_eq!(
        app.driver.machine.import(now, &other),
        Err(ImportError::Version)
    );
    assert_eq!(app.driver.machine.import(now, &saved), Ok(1));
    assert_eq!(
        app.driver.machine.import(now, &saved),
        Err(ImportError::InUse)
    );
    let again = app.driver.machine.export(now);
    assert_eq!(again.len(), saved.len());
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(2));
    let got = client.got();
    assert!(got[0].starts_with("[\"lost\""), "{got:?}");
    assert_eq!(got[1..], names(&["room"]));
    assert_eq!(app.driver.machine.data_of(client.socket).unwrap(), "kept");
    assert_eq!(
        App::new().driver.machine.import(now, &saved),
        Err(ImportError::Off)
    );
}

#[test]
fn without_recovery_nothing_of_it_is_on_the_wire() {
    let mut app = App::new();
    let (t, socket) = app.socket();
    send(&mut app, To::Socket(socket), "x", Options::new());
    assert_eq!(app.driver.run(), [format!("write t{t}: 42[\"x\",1]")]);
    let t = app.connection();
    app.driver.text(t, "40{\"pid\":\"aaaaaaaaaaaaaaaaaaaa\"}");
    assert_eq!(recovery_of(&mut app), Recovery::None);
}

#[test]
fn settings_of_recovery_that_cannot_work_are_refused() {
    let config = |recovery| {
        socketio_proto::socket::Config::builder()
            .recovery(recovery)
            .build()
            .is_ok()
    };
    assert!(config(RecoveryConfig::new()));
    assert!(!config(
        RecoveryConfig::new().max_disconnection(Duration::ZERO)
    ));
    assert!(!config(
        RecoveryConfig::new().lookup_timeout(Duration::ZERO)
    ));
}
