//! The HTTP front door of the Engine.IO server: which requests come in, and what their answers carry
//! ("Engine.IO reference", from "Path matching" to "Handshake sequence").

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[path = "support/door.rs"]
mod door;

use std::time::Duration;

use door::{Door, Fate, Head, POLLING, WEBSOCKET, lines, list, on_websocket, sid_of};
use socketio_proto::{
    edge::{Admission, BodyRead, Carrier, End, Machine as _, Message, Output, ResponseKind},
    engine::{
        BadRequest, CloseReason, Config, Cookie, Cors, Event, Origins, Refusal, SameSite, Server,
        TransportError,
    },
};

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn guarded() -> Config {
    let origins = Origins::list([A]);
    Config::builder().origins(origins).build().unwrap()
}

fn with_cors(cors: Cors) -> Config {
    Config::builder().cors(cors).build().unwrap()
}

// Path matching.

#[test]
fn the_path_is_a_prefix_of_the_raw_target() {
    let server = |path: &str, slash| {
        let config = Config::builder().path(path).trailing_slash(slash).build();
        Server::new(config.unwrap(), [0; 32])
    };
    let with = server("/engine.io", true);
    let without = server("/engine.io/", false);
    for (target, by_with, by_without) in [
        ("/engine.io/?EIO=4", true, true),
        ("/engine.io/foo/bar/?EIO=4", true, true),
        ("/engine.io?EIO=4", false, true),
        ("/engine.io", false, true),
        ("/engine.iox", false, true),
        ("/Engine.io/", false, false),
        ("/%65ngine.io/", false, false),
        ("//engine.io/", false, false),
        ("engine.io/", false, false),
        ("", false, false),
    ] {
        assert_eq!(with.claims(target), by_with, "{target}");
        assert_eq!(without.claims(target), by_without, "{target}");
    }
    for slash in [true, false] {
        let root = server("/", slash);
        for target in ["/", "//", "/?", "/x"] {
            assert!(root.claims(target), "{target}");
        }
    }
}

// Query parameters.

#[test]
fn unknown_parameters_are_ignored_and_the_last_of_equal_ones_wins() {
    for (query, opens) in [
        ("EIO=4&transport=polling&token=x&t=abc&=&&a", true),
        ("transport=polling&transport=websocket&EIO=4", false),
        ("transport=websocket&transport=polling&EIO=4", true),
        ("EIO=3&EIO=4&transport=polling", true),
        ("EIO=4&EIO=3&transport=polling", false),
        ("EIO=4&transport=polling&sid=unknown&sid=", true),
        ("EIO=4&transport=polling&sid=&sid=unknown", false),
        ("EIO=4&transport=%70olling", true),
        ("eio=4&transport=polling", false),
        ("EIO=4&Transport=polling", false),
    ] {
        let mut door = Door::by_default();
        let asked = door.ask(&Head::get(format!("/engine.io/?{query}")));
        let status = if opens { 200 } else { 400 };
        assert_eq!(asked.response().status, status, "{query}");
        assert_eq!(door.server.sessions(), usize::from(opens), "{query}");
    }
}

#[test]
fn any_target_is_answered() {
    for target in [
        "",
        "/",
        "//",
        "///",
        "?",
        "/?",
        "//?",
        "/engine.io/",
        "/engine.io/?",
        "/engine.io/??",
        "/engine.io/?&",
        "/engine.io/?=",
        "/engine.io/?%",
        "/engine.io/?%zz=%",
        "/engine.io/#?",
        "/engine.io/?é=é",
        "é",
        "/engine.io/?transport=é",
        "/engine.io/?transport=%ff",
        "*",
        "http://x/engine.io/",
        "\u{0}",
    ] {
        for carrier in [Carrier::Polling, Carrier::WebSocket] {
            for method in ["GET", "POST", "OPTIONS", "PUT", "", "é"] {
                let mut door = Door::by_default();
                let head = Head {
                    carrier,
                    ..Head::http(method, target)
                };
                assert_eq!(door.ask(&head).refused(), (400, 0), "{method} {target:?}");
                let mut door = Door::new(with_cors(Cors::any()));
                let response = door.ask(&head);
                let status = if method == "OPTIONS" { 204 } else { 400 };
                assert_eq!(response.response().status, status, "{method} {target:?}");
            }
        }
    }
}

#[test]
fn a_target_above_a_limit_is_a_bad_request() {
    let long = format!("{POLLING}&x={}", "x".repeat(8 * 1024));
    let many = format!("{POLLING}{}", "&a".repeat(64));
    let sid = format!("{POLLING}&sid={}", "x".repeat(65));
    for target in [long, many, sid] {
        let mut door = Door::by_default();
        let asked = door.ask(&Head::get(target));
        assert_eq!(asked.refused(), (400, 3));
        assert!(matches!(
            asked.refusal,
            Some(Refusal::BadRequest(BadRequest::Target(_)))
        ));
    }
}

// Verification order.

/// Each rung repairs what the one before it was refused for, so the next check answers.
#[test]
fn the_first_check_that_fails_answers_without_a_session() {
    const BAD: BadRequest = BadRequest::WebSocketHandshake;
    let unknown = "sid=AAAAAAAAAAAAAAAAAAAA";
    let head = |carrier, method, query: &str, origin: &[u8]| {
        let head = Head {
            carrier,
            ..Head::http(method, format!("/engine.io/?{query}"))
        };
        head.with("origin", origin)
    };
    let (polling, websocket) = (Carrier::Polling, Carrier::WebSocket);
    let bad_origin = b"https://a\x01";
    let foreign = B.as_bytes();
    let own = A.as_bytes();
    let many = format!("transport=x&{unknown}{}", "&a".repeat(64));
    let x = format!("transport=x&{unknown}");
    let known = format!("transport=polling&{unknown}");
    let direct = format!("transport=websocket&{unknown}");
    for (step, head, status, code) in [
        (1, head(polling, "DELETE", &many, bad_origin), 400, 3),
        (2, head(polling, "DELETE", &x, bad_origin), 400, 0),
        (3, head(polling, "DELETE", &known, bad_origin), 400, 3),
        (3, head(polling, "DELETE", &known, foreign), 403, 4),
        (4, head(polling, "DELETE", &known, own), 400, 1),
        (
            6,
            head(polling, "DELETE", "transport=websocket", own),
            400,
            2,
        ),
        (7, head(polling, "GET", "transport=websocket", own), 400, 3),
        (10, head(polling, "GET", "transport=polling", own), 400, 5),
        (2, head(websocket, "DELETE", &x, bad_origin), 400, 0),
        (3, head(websocket, "DELETE", &direct, bad_origin), 400, 3),
        (3, head(websocket, "DELETE", &direct, foreign), 400, 4),
        (4, head(websocket, "DELETE", &direct, own), 400, 1),
        (
            6,
            head(websocket, "DELETE", "transport=polling", own),
            400,
            2,
        ),
        (9, head(websocket, "GET", "transport=polling", own), 400, 3),
        (
            10,
            head(websocket, "GET", "transport=websocket", own),
            400,
            5,
        ),
    ] {
        let mut door = Door::new(guarded());
        let asked = door.ask(&head);
        let what = format!("step {step}: {} {}", head.method, head.target);
        assert_eq!(asked.refused(), (status, code), "{what}");
        if step == 7 || step == 9 {
            assert_eq!(asked.refusal, Some(Refusal::BadRequest(BAD)), "{what}");
        }
        assert_eq!(door.server.sessions(), 0, "{what}");
    }
    let mut door = Door::new(guarded());
    for head in [
        head(polling, "GET", "EIO=4&transport=polling", own),
        head(websocket, "GET", "EIO=4&transport=websocket", own),
    ] {
        assert_eq!(door.ask(&head).refusal, None, "the last rung is in");
    }
}

#[test]
fn the_first_check_that_fails_answers_with_a_session() {
    let bad = |reason| Refusal::BadRequest(reason);
    for (head, carrier, expected) in [
        (
            "GET polling, of a WebSocket session",
            Carrier::WebSocket,
            bad(BadRequest::TransportMismatch),
        ),
        (
            "DELETE polling, of a WebSocket session",
            Carrier::WebSocket,
            bad(BadRequest::TransportMismatch),
        ),
        (
            "GET websocket, of a polling session",
            Carrier::Polling,
            bad(BadRequest::TransportMismatch),
        ),
        (
            "PUT polling, of a polling session",
            Carrier::Polling,
            bad(BadRequest::Method),
        ),
        (
            "HEAD polling, of a polling session",
            Carrier::Polling,
            bad(BadRequest::Method),
        ),
        (
            "OPTIONS polling, of a polling session",
            Carrier::Polling,
            bad(BadRequest::Method),
        ),
    ] {
        let mut door = Door::by_default();
        let sid = match carrier {
            Carrier::Polling => door.open_polling().split("sid=").last().unwrap().to_owned(),
            Carrier::WebSocket => door.open_websocket().1,
        };
        let mut words = head.split([' ', ',']);
        let method = words.next().unwrap().to_owned().leak();
        let transport = words.next().unwrap();
        let target = format!("/engine.io/?EIO=4&transport={transport}&sid={sid}");
        let asked = door.ask(&Head::http(method, target));
        assert_eq!(asked.refusal, Some(expected), "{head}");
        assert_eq!(asked.refused(), (400, 3), "{head}");
        assert_eq!(door.server.sessions(), 1, "{head}: the session goes on");
    }
}

#[test]
fn consequences_of_the_order() {
    for (head, code) in [
        (Head::http("DELETE", "/engine.io/?transport=x&sid=y"), 0),
        (Head::http("DELETE", format!("{POLLING}&sid=y")), 1),
        (Head::http("OPTIONS", POLLING), 2),
        (Head::http("HEAD", POLLING), 2),
        (Head::http("POST", POLLING), 2),
        (Head::http("get", POLLING), 2),
        (Head::get("/engine.io/?EIO=4"), 0),
        (Head::get("/engine.io/?EIO=4&transport=webtransport"), 0),
        (Head::get("/engine.io/?EIO=3&transport=polling"), 5),
        (Head::get("/engine.io/?transport=polling"), 5),
        (Head::websocket("/engine.io/?EIO=3&transport=websocket"), 5),
    ] {
        let mut door = Door::by_default();
        assert_eq!(door.ask(&head).refused(), (400, code), "{}", head.target);
        assert_eq!(door.server.sessions(), 0);
    }
}

#[test]
fn a_transport_that_is_not_served_is_unknown() {
    for (polling, websocket, head) in [
        (false, true, Head::get(POLLING)),
        (true, false, Head::get(WEBSOCKET)),
        (true, false, Head::websocket(WEBSOCKET)),
    ] {
        let config = Config::builder().transports(polling, websocket).build();
        let mut door = Door::new(config.unwrap());
        assert_eq!(door.ask(&head).refused(), (400, 0));
    }
}

/// Quirk Q-07: the reference never answers.
#[test]
fn q_07_a_plain_request_for_a_websocket_session_is_answered() {
    for method in ["GET", "POST", "PUT"] {
        let mut door = Door::by_default();
        let (_, sid) = door.open_websocket();
        let asked = door.ask(&Head::http(method, format!("{WEBSOCKET}&sid={sid}")));
        assert_eq!(asked.refused(), (400, 3), "{method}");
        assert_eq!(door.server.sessions(), 1, "{method}");
    }
}

/// Quirk Q-08: the reference hides the list and upgrades all the same.
#[test]
fn q_08_an_upgrade_that_is_not_allowed_is_refused_before_the_101() {
    let config = Config::builder().allow_upgrades(false).build().unwrap();
    let mut door = Door::new(config);
    let asked = door.ask(&Head::get(POLLING));
    let open = String::from_utf8(asked.response().body.to_vec()).unwrap();
    assert!(open.contains(r#""upgrades":[],"#), "{open}");
    let target = format!("{POLLING}&sid={}", sid_of(open.as_bytes()));

    let upgrade = door.ask(&Head::websocket(on_websocket(&target)));

    assert_eq!(upgrade.refused(), (400, 3));
    let refused = Refusal::BadRequest(BadRequest::UpgradeRefused);
    assert_eq!(upgrade.refusal, Some(refused));
    assert_eq!(&*upgrade.response().body, b"Bad request");
    // The session goes on, and WebSockets of their own are served.
    assert_eq!(door.post(&target, "4hi").status, 200);
    assert_eq!(door.messages(), 1);
    door.open_websocket();
    assert_eq!(door.server.sessions(), 2);
}

#[test]
fn upgrades_are_named_where_they_are_possible() {
    for (builder, upgrades) in [
        (Config::builder(), r#""upgrades":["websocket"],"#),
        (
            Config::builder().transports(true, false),
            r#""upgrades":[],"#,
        ),
        (Config::builder().allow_upgrades(false), r#""upgrades":[],"#),
    ] {
        let mut door = Door::new(builder.build().unwrap());
        let asked = door.ask(&Head::get(POLLING));
        let open = String::from_utf8(asked.response().body.to_vec()).unwrap();
        assert!(open.contains(upgrades), "{open}");
    }
}

// Error codes.

/// A request for each code, and the message it is answered with.
const CODES: &[(u8, &str, &str, &str, &str)] = &[
    (0, "GET", "EIO=4&transport=x", A, "Transport unknown"),
    (1, "GET", "EIO=4&transport=T&sid=x", A, "Session ID unknown"),
    (2, "PUT", "EIO=4&transport=T", A, "Bad handshake method"),
    (3, "GET", "EIO=4&transport=T", "\u{1}", "Bad request"),
    (4, "GET", "EIO=4&transport=T", B, "Forbidden"),
    (
        5,
        "GET",
        "EIO=5&transport=T",
        A,
        "Unsupported protocol version",
    ),
];

#[test]
fn a_refusal_over_http_is_json_of_its_code_and_message() {
    for &(code, method, query, origin, message) in CODES {
        let mut door = Door::new(guarded());
        let target = format!("/engine.io/?{}", query.replace('T', "polling"));
        let asked = door.ask(&Head::http(method, target).with("origin", origin));
        let response = asked.response();
        let status = if code == 4 { 403 } else { 400 };
        assert_eq!(asked.refused(), (status, code));
        assert_eq!(response.kind, ResponseKind::Refused);
        assert!(!response.compress);
        let headers = lines(response.headers());
        assert_eq!(headers, ["content-type: application/json"]);
        let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        assert_eq!(&*response.body, body.as_bytes());
    }
}

#[test]
fn a_refused_websocket_handshake_gets_400_and_the_message_alone() {
    for &(code, method, query, origin, message) in CODES {
        let mut door = Door::new(guarded());
        let target = format!("/engine.io/?{}", query.replace('T', "websocket"));
        let head = Head {
            method,
            ..Head::websocket(target)
        };
        let asked = door.ask(&head.with("origin", origin));
        let response = asked.response();
        assert_eq!(asked.refused(), (400, code));
        let headers = lines(response.headers());
        assert_eq!(headers, ["content-type: text/html", "connection: close"]);
        assert_eq!(&*response.body, message.as_bytes());
    }
}

// Origin.

#[test]
fn a_foreign_origin_is_refused_on_every_request_of_a_session() {
    let mut door = Door::new(guarded());
    let target = door.open_polling();
    let heads = [
        (Head::get(POLLING), 403),
        (Head::websocket(WEBSOCKET), 400),
        (Head::get(&*target), 403),
        (Head::post(&*target), 403),
        (Head::websocket(on_websocket(&target)), 400),
    ];
    for (head, status) in &heads {
        for origin in [
            B,
            "null",
            "https://a.example.org",
            "https://a.example:8443",
            "",
        ] {
            let asked = door.ask(&head.clone().with("origin", origin));
            assert_eq!(asked.refused(), (*status, 4), "{} {origin}", head.target);
            assert_eq!(asked.refusal, Some(Refusal::ForeignOrigin));
        }
        let asked = door.ask(&head.clone().with("origin", b"https://\xff"));
        assert_eq!(asked.refused(), (*status, 4), "{}", head.target);
    }
    assert_eq!(door.server.sessions(), 1, "and the session goes on");
    for origin in [Some(A), None] {
        for (head, _) in &heads {
            let mut door = Door::new(guarded());
            let target = door.open_polling();
            let sid = target.split("sid=").last().unwrap();
            let mut head = head.clone();
            if let Some((before, _)) = head.target.split_once("sid=") {
                head.target = format!("{before}sid={sid}");
            }
            head.headers.extend(origin.map(|it| ("origin", it.into())));
            assert_eq!(door.ask(&head).refusal, None, "{} {origin:?}", head.target);
        }
    }
}

#[test]
fn the_same_host_is_served_on_both_carriers() {
    let origins = Origins::same_host().or(Origins::list(["capacitor://localhost"]));
    let config = Config::builder().origins(origins).build().unwrap();
    for target in [POLLING, WEBSOCKET] {
        for (origin, host, served) in [
            ("https://a.example", "a.example", true),
            ("http://a.example:8080", "a.example:8080", true),
            ("capacitor://localhost", "a.example", true),
            ("https://b.example", "a.example", false),
            ("http://a.example:8080", "a.example", false),
        ] {
            let mut door = Door::new(config.clone());
            let head = match target {
                POLLING => Head::get(target),
                _ => Head::websocket(target),
            };
            let asked = door.ask(&head.with("origin", origin).with("host", host));
            assert_eq!(asked.refusal.is_none(), served, "{origin} at {host}");
        }
    }
}

#[test]
fn without_a_policy_every_origin_is_served_as_by_the_reference() {
    for origin in [
        &b"https://evil.example"[..],
        b"null",
        b"x",
        b"",
        b"\xff\xfe",
    ] {
        for head in [Head::get(POLLING), Head::websocket(WEBSOCKET)] {
            let mut door = Door::by_default();
            assert_eq!(door.ask(&head.with("origin", origin)).refusal, None);
        }
    }
}

// CORS.

/// Every way in which a request is answered, each with a fresh server.
fn every_answer(config: &Config) -> Vec<(&'static str, u16, Vec<String>)> {
    let mut answers = Vec::new();
    let door = || Door::new(config.clone());
    let mut add = |what, response: &socketio_proto::edge::Response| {
        let headers = lines(response.headers());
        answers.push((what, response.status, headers));
    };
    let own = |head: Head| head.with("origin", A);

    let asked = door().ask(&own(Head::get(POLLING)));
    add("handshake", asked.response());
    for (what, head) in [
        ("code 0", Head::get("/engine.io/?EIO=4")),
        (
            "code 0 on a WebSocket",
            Head::websocket("/engine.io/?EIO=4"),
        ),
        ("code 1", Head::get(format!("{POLLING}&sid=x"))),
        ("code 2", Head::post(POLLING)),
        ("code 5", Head::get("/engine.io/?transport=polling")),
    ] {
        add(what, door().ask(&own(head)).response());
    }

    let mut it = door();
    let target = it.open_polling();
    let poll = it.ask(&own(Head::get(&*target)));
    let data = it.ask(&own(Head::post(&*target)));
    assert!(matches!(poll.fate, Fate::Waits));
    it.body(&data, "4hi");
    add("data", it.answer(&data));
    let message = Message::Text("hello".into());
    it.server.send(it.now, it.last_opened(), message).unwrap();
    it.settle();
    add("poll", it.answer(&poll));
    let malformed = it.ask(&own(Head::post(&*target)));
    it.body(&malformed, "x");
    add("malformed body", it.answer(&malformed));

    let mut it = door();
    let target = it.open_polling();
    let large = it.ask(&own(Head::post(&*target).with("content-length", "1000001")));
    add("announced too large", large.response());
    let large = it.ask(&own(Head::post(&*target)));
    it.server.handle_body(it.now, large.id, BodyRead::TooLarge);
    it.settle();
    add("too large", it.answer(&large));
    add(
        "method",
        it.ask(&own(Head::http("PUT", &*target))).response(),
    );
    let (poll, data) = (
        it.ask(&own(Head::get(&*target))),
        it.ask(&own(Head::post(&*target))),
    );
    add("overlap", it.ask(&own(Head::get(&*target))).response());
    add("poll of a closed session", it.answer(&poll));
    add("data of a closed session", it.answer(&data));

    let mut it = door();
    let target = it.open_polling();
    let binary = Head::post(&*target).with("content-type", "application/octet-stream");
    add("content type", it.ask(&own(binary)).response());

    let mut it = door();
    it.server.shutdown(it.now, Duration::ZERO);
    add("unavailable", it.ask(&own(Head::get(POLLING))).response());

    // The answers of deadlines and limits.
    let mut it = door();
    let target = it.open_polling();
    let slow = it.ask(&own(Head::post(&*target)));
    // A ping that leaves late has its pong awaited longer than the body.
    it.sleep(40_000);
    it.sleep(5_000);
    add("slow body", it.answer(&slow));
    let target = it.open_polling();
    let large = it.ask(&own(Head::post(&*target)));
    it.server.handle_body_progress(it.now, large.id, 1 << 30);
    it.settle();
    add("bodies", it.answer(&large));
    for (what, carrier) in [
        ("denied", Carrier::Polling),
        ("denied to a WebSocket", Carrier::WebSocket),
        ("undecided", Carrier::Polling),
    ] {
        let mut it = Door::new(config.clone().with_admission());
        let head = match carrier {
            Carrier::Polling => Head::get(POLLING),
            Carrier::WebSocket => Head::websocket(WEBSOCKET),
        };
        let asked = it.ask(&own(head));
        assert!(matches!(asked.fate, Fate::Waits), "{what}");
        let message = "not you".into();
        if what == "undecided" {
            it.sleep(10_000);
        } else {
            let deny = Admission::Deny { message };
            it.server.admit(it.now, asked.id, deny).unwrap();
            it.settle();
        }
        add(what, it.answer(&asked));
    }
    answers
}

#[test]
fn the_headers_of_cors_go_with_every_answer() {
    let cors = Cors::matching(Origins::list([A]))
        .credentials(true)
        .exposed_headers(["x-a", "x-b"]);
    let expected = [
        "access-control-allow-origin: https://a.example",
        "vary: Origin",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-a,x-b",
    ];
    let plain = every_answer(&Config::default());
    let marked = every_answer(&with_cors(cors));
    assert_eq!(plain.len(), 22);
    for ((what, status, before), (_, same, after)) in plain.into_iter().zip(marked) {
        assert_eq!(status, same, "{what}");
        let own: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        assert_eq!(own, expected, "{what}");
        assert_eq!(after.len(), before.len() + 4, "{what}: the others stay");
        let is_cors = |line: &String| line.starts_with("access-control") || line.contains("vary");
        assert!(!before.iter().any(is_cors), "{what}: none without a Cors");
    }
}

#[test]
fn the_headers_of_cors_go_with_the_101_of_a_handshake_and_of_an_upgrade() {
    let mut door = Door::new(with_cors(Cors::mirror()));
    let target = door.open_polling();
    let expected = [
        "access-control-allow-origin: https://b.example",
        "vary: Origin",
    ];
    for (head, expected_kind) in [
        (Head::websocket(WEBSOCKET), ResponseKind::Handshake),
        (
            Head::websocket(on_websocket(&target)),
            ResponseKind::Upgrade,
        ),
    ] {
        match door.ask(&head.with("origin", B)).fate {
            Fate::Accepted { headers, kind, .. } => {
                assert_eq!(list(&headers), expected);
                assert_eq!(kind, expected_kind);
            }
            fate => unreachable!("{fate:?}"),
        }
    }
}

#[test]
fn an_answer_carries_the_origin_of_its_own_request() {
    let mut door = Door::new(with_cors(Cors::mirror()));
    let target = door.open_polling();
    let poll = door.ask(&Head::get(&*target).with("origin", A));
    let data = door.ask(&Head::post(&*target).with("origin", B));
    door.body(&data, "1");
    for (asked, origin) in [(&poll, A), (&data, B)] {
        let allow = format!("access-control-allow-origin: {origin}");
        assert!(lines(door.answer(asked).headers()).contains(&allow));
    }
}

#[test]
fn a_preflight_is_answered_before_anything_is_checked() {
    let cors = Cors::constant(A).max_age(Duration::from_secs(60));
    let origins = Origins::list([A]);
    let builder = Config::builder().cors(cors).origins(origins);
    let mut door = Door::new(builder.build().unwrap());
    let target = door.open_polling();
    let (events, due) = (door.events.len(), door.server.poll_timeout());
    let long = format!("/engine.io/?{}", "x".repeat(10_000));
    for target in [
        POLLING,
        &target,
        "/engine.io/?EIO=9&transport=x&sid=y",
        "/engine.io/",
        &long,
    ] {
        for origin in [A, B, "\u{1}"] {
            for carrier in [Carrier::Polling, Carrier::WebSocket] {
                let head = Head {
                    carrier,
                    ..Head::http("OPTIONS", target)
                };
                let head = head
                    .with("origin", origin)
                    .with("access-control-request-method", "POST")
                    .with("access-control-request-headers", "x-token");
                let asked = door.ask(&head);
                let response = asked.response();
                assert_eq!(response.status, 204);
                assert_eq!(response.kind, ResponseKind::Preflight);
                assert!(response.body.is_empty());
                let expected = [
                    "access-control-allow-origin: https://a.example",
                    "vary: Origin, Access-Control-Request-Headers",
                    "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE",
                    "access-control-allow-headers: x-token",
                    "access-control-max-age: 60",
                ];
                assert_eq!(lines(response.headers()), expected);
            }
        }
    }
    assert_eq!(door.events.len(), events, "nobody is told");
    assert_eq!(door.server.poll_timeout(), due, "and nothing is armed");
    assert_eq!(door.server.sessions(), 1);

    let ordinary = Config::builder().cors(Cors::any().success_status(200));
    let mut door = Door::new(ordinary.build().unwrap());
    door.server.shutdown(door.now, Duration::ZERO);
    let asked = door.ask(&Head::http("OPTIONS", POLLING));
    assert_eq!(asked.response().status, 200, "also while shutting down");
}

#[test]
fn without_cors_options_is_a_method_like_any_other() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    let asked = door.ask(&Head::http("OPTIONS", POLLING).with("origin", A));
    assert_eq!(asked.refused(), (400, 2));
    let headers = lines(asked.response().headers());
    assert_eq!(headers, ["content-type: application/json"]);
    let asked = door.ask(&Head::http("OPTIONS", target));
    assert_eq!(asked.refused(), (400, 3));
}

#[test]
fn cors_tells_and_the_policy_refuses() {
    let origins = Origins::list([A]);
    // What is not admitted is told so by silence, and served all the same.
    let mut door = Door::new(with_cors(Cors::matching(origins.clone())));
    let asked = door.ask(&Head::get(POLLING).with("origin", B));
    assert_eq!(asked.response().status, 200);
    assert!(lines(asked.response().headers()).contains(&"vary: Origin".to_owned()));
    // Both from one value.
    let builder = Config::builder().cors(Cors::matching(origins.clone()));
    let mut door = Door::new(builder.origins(origins).build().unwrap());
    let asked = door.ask(&Head::get(POLLING).with("origin", B));
    assert_eq!(asked.refused(), (403, 4));
    assert!(lines(asked.response().headers()).contains(&"vary: Origin".to_owned()));
}

#[test]
fn an_origin_that_cannot_be_a_header_is_not_reflected() {
    for origin in [
        &b"https://a\r\nset-cookie: x"[..],
        b"https://a\0",
        b"https://\xff",
        b"\xc3",
    ] {
        let mut door = Door::new(with_cors(Cors::mirror()));
        let asked = door.ask(&Head::get(POLLING).with("origin", origin));
        let headers = lines(asked.response().headers());
        assert!(!headers.iter().any(|line| line.contains("allow-origin")));
        assert!(headers.contains(&"vary: Origin".to_owned()), "{headers:?}");
    }
}

// Cookie.

#[test]
fn the_cookie_goes_with_the_handshake_by_polling_and_with_nothing_else() {
    let config = Config::builder().cookie(Cookie::default()).build().unwrap();
    let cookies = |headers: Vec<String>| {
        let is_cookie = |line: &String| line.starts_with("set-cookie");
        headers.into_iter().filter(is_cookie).collect::<Vec<_>>()
    };
    let mut door = Door::new(config.clone());
    let asked = door.ask(&Head::get(POLLING));
    let sid = sid_of(&asked.response().body);
    assert_eq!(
        cookies(lines(asked.response().headers())),
        [format!(
            "set-cookie: io={sid}; Path=/; HttpOnly; SameSite=Lax"
        )]
    );
    let others = every_answer(&config).into_iter().skip(1);
    for (what, _, headers) in others {
        assert_eq!(cookies(headers), [""; 0], "{what}");
    }
    let target = format!("{WEBSOCKET}&sid={sid}");
    for head in [Head::websocket(WEBSOCKET), Head::websocket(target)] {
        match door.ask(&head).fate {
            Fate::Accepted { headers, .. } => assert_eq!(headers, []),
            fate => unreachable!("{fate:?}"),
        }
    }
}

#[test]
fn a_cookie_is_what_its_settings_say() {
    let cookie = Cookie::new("lb")
        .path(None)
        .http_only(false)
        .secure(true)
        .max_age(Duration::from_secs(5))
        .same_site(SameSite::None);
    let mut door = Door::new(Config::builder().cookie(cookie).build().unwrap());
    let asked = door.ask(&Head::get(POLLING));
    let sid = sid_of(&asked.response().body);
    let expected = format!("set-cookie: lb={sid}; Max-Age=5; Secure; SameSite=None");
    assert!(lines(asked.response().headers()).contains(&expected));
}

/// The server does not read it.
#[test]
fn the_cookie_of_a_request_names_no_session() {
    let mut door = Door::new(Config::builder().cookie(Cookie::default()).build().unwrap());
    let target = door.open_polling();
    let sid = target.split("sid=").last().unwrap();
    let head = Head::get(POLLING).with("cookie", format!("io={sid}"));
    door.ask(&head);
    assert_eq!(door.server.sessions(), 2);
}

// Response headers of successful responses.

#[test]
fn answers_that_succeed_have_these_headers_in_this_order() {
    let builder = Config::builder()
        .cookie(Cookie::default())
        .cors(Cors::any());
    let answers = every_answer(&builder.build().unwrap());
    let headers = |what| {
        let answer = answers.iter().find(|(name, ..)| *name == what).unwrap();
        answer.2.iter().map(|line| &**line).collect::<Vec<_>>()
    };
    let handshake = headers("handshake");
    assert_eq!(
        handshake[..3],
        [
            "content-type: text/plain; charset=UTF-8",
            "cache-control: no-store",
            "access-control-allow-origin: *",
        ]
    );
    assert!(handshake[3].starts_with("set-cookie: io="));
    assert_eq!(handshake.len(), 4);
    assert_eq!(headers("poll"), handshake[..3]);
    assert_eq!(
        headers("data"),
        [
            "content-type: text/html",
            "cache-control: no-store",
            "access-control-allow-origin: *",
        ]
    );
}

// Status codes.

#[test]
fn the_status_of_every_answer() {
    let answers = every_answer(&Config::default());
    let summary: Vec<_> = answers
        .iter()
        .map(|(what, status, _)| (*what, *status))
        .collect();
    assert_eq!(
        summary,
        [
            ("handshake", 200),
            ("code 0", 400),
            ("code 0 on a WebSocket", 400),
            ("code 1", 400),
            ("code 2", 400),
            ("code 5", 400),
            ("data", 200),
            ("poll", 200),
            ("malformed body", 400),
            ("announced too large", 413),
            ("too large", 413),
            ("method", 400),
            ("overlap", 400),
            ("poll of a closed session", 200),
            ("data of a closed session", 400),
            ("content type", 400),
            ("unavailable", 503),
            ("slow body", 408),
            ("bodies", 503),
            ("denied", 403),
            ("denied to a WebSocket", 400),
            ("undecided", 403),
        ]
    );
    let empty = [
        "announced too large",
        "too large",
        "overlap",
        "content type",
        "unavailable",
        "slow body",
        "bodies",
    ];
    for (what, _, headers) in &answers {
        assert_eq!(
            headers.is_empty(),
            empty.contains(what),
            "{what}: {headers:?}"
        );
    }
}

#[test]
fn a_body_that_is_announced_too_large_is_answered_before_it_is_read() {
    let config = Config::builder().max_payload(1_000).build().unwrap();
    let beyond = usize::MAX.to_string() + "0";
    let wraps = (u128::from(u64::MAX) + 1).to_string();
    for (length, refused) in [
        ("1001", true),
        ("0001001", true),
        (&*beyond, true),
        (&*wraps, true),
        ("1000", false),
        ("0", false),
        ("", false),
        ("+1001", false),
        ("-1", false),
        ("1e9", false),
        ("1001, 1001", false),
        ("0x10000", false),
        (" 1001", false),
        ("1001\u{0}", false),
        ("１００１", false),
    ] {
        let mut door = Door::new(config.clone());
        let target = door.open_polling();
        let asked = door.ask(&Head::post(&*target).with("content-length", length));
        if refused {
            let response = asked.response();
            assert_eq!(response.status, 413, "{length:?}");
            assert_eq!(response.kind, ResponseKind::Refused);
            assert!(response.body.is_empty() && response.content_type.is_none());
        } else {
            assert!(
                matches!(asked.fate, Fate::Reads { limit: 1_000, .. }),
                "{length:?}"
            );
            door.body(&asked, "4a");
        }
        // The session lives on, and takes the next body.
        assert_eq!(door.post(&target, "4b").status, 200, "{length:?}");
        assert_eq!(door.messages(), 2 - usize::from(refused));
    }
    // A transfer coding overrides the length (RFC 9112, 6.3).
    let mut door = Door::new(config);
    let target = door.open_polling();
    let head = Head::post(target)
        .with("content-length", "1001")
        .with("transfer-encoding", "chunked");
    assert!(matches!(door.ask(&head).fate, Fate::Reads { .. }));
}

#[test]
fn overlapping_and_forbidden_bodies_are_refused_whatever_they_announce() {
    let large = |head: Head| head.with("content-length", "9999999");
    let mut door = Door::by_default();
    let target = door.open_polling();
    door.ask(&Head::post(&*target));
    let asked = door.ask(&large(Head::post(&*target)));
    assert_eq!(
        asked.refusal,
        Some(Refusal::BadRequest(BadRequest::Overlap))
    );
    assert_eq!(door.server.sessions(), 0);

    let mut door = Door::by_default();
    let target = door.open_polling();
    let head = Head::post(target).with("content-type", "application/octet-stream");
    let asked = door.ask(&large(head));
    let content_type = Refusal::BadRequest(BadRequest::ContentType);
    assert_eq!(asked.refusal, Some(content_type));
    let reason = CloseReason::TransportError(TransportError::InvalidContent);
    assert!(
        door.events.iter().any(
            |event| matches!(event, Event::SessionClosed { reason: why, .. } if *why == reason)
        )
    );
}

// Handshake sequence.

#[test]
fn the_initial_message_comes_with_the_handshake_by_polling() {
    for (message, expected) in [
        (Message::Text("hi".into()), "\u{1e}4hi"),
        (Message::Text("".into()), "\u{1e}4"),
        (Message::Binary(vec![1, 2, 3].into()), "\u{1e}bAQID"),
    ] {
        let builder = Config::builder().initial_message(message);
        let mut door = Door::new(builder.build().unwrap());
        let asked = door.ask(&Head::get(POLLING));
        let response = asked.response();
        assert_eq!(response.kind, ResponseKind::Handshake);
        let body = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(body.starts_with(r#"0{"sid":""#), "{body}");
        assert!(body.ends_with(&format!("}}{expected}")), "{body}");
        // Once, and nothing waits.
        let target = format!("{POLLING}&sid={}", sid_of(&response.body));
        assert!(matches!(door.ask(&Head::get(target)).fate, Fate::Waits));
    }
}

#[test]
fn the_initial_message_follows_the_open_packet_on_a_websocket() {
    for (message, expected) in [
        (Message::Text("hi".into()), "4hi"),
        (Message::Binary(vec![1, 2].into()), "[1, 2]"),
    ] {
        let builder = Config::builder().initial_message(message);
        let mut door = Door::new(builder.build().unwrap());
        let (asked, _) = door.open_websocket();
        let session = door.last_opened();
        let own = Message::Text("own".into());
        door.server.send(door.now, session, own).unwrap();
        door.settle();
        let texts = door.texts(&asked);
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0][0].starts_with(r#"0{"sid":""#));
        assert_eq!(texts[0][1..], [expected]);
        assert_eq!(texts[1], ["4own"]);
    }
}

#[test]
fn an_upgrade_brings_no_second_initial_message() {
    let message = Message::Text("hi".into());
    let builder = Config::builder().initial_message(message);
    let mut door = Door::new(builder.build().unwrap());
    let target = door.open_polling();
    let asked = door.ask(&Head::websocket(on_websocket(&target)));
    door.open_transport(&asked);
    door.text(&asked, "2probe");
    door.text(&asked, "5");
    assert_eq!(door.texts(&asked), [["3probe"]]);
}

/// What a handshake's answer has to carry is kept while the application decides.
#[test]
fn a_handshake_that_was_let_in_later_carries_all_that_it_should() {
    let builder = Config::builder()
        .ask_admission(true)
        .cors(Cors::mirror())
        .cookie(Cookie::default())
        .initial_message(Message::Text("hi".into()));
    let mut door = Door::new(builder.build().unwrap());
    let allow = "access-control-allow-origin: https://a.example".to_owned();
    let asked = door.ask(&Head::get(POLLING).with("origin", A));
    door.ask(&Head::get(POLLING).with("origin", B));
    door.server
        .admit(door.now, asked.id, Admission::Allow)
        .unwrap();
    door.settle();
    let response = door.answer(&asked);
    let headers = lines(response.headers());
    assert!(headers.contains(&allow), "{headers:?}");
    assert!(
        headers
            .iter()
            .any(|line| line.starts_with("set-cookie: io="))
    );
    assert!(response.body.ends_with(b"}\x1e4hi"));

    let asked = door.ask(&Head::websocket(WEBSOCKET).with("origin", A));
    door.server
        .admit(door.now, asked.id, Admission::Allow)
        .unwrap();
    match door.server.poll_output() {
        Some(Output::OpenTransport { headers, kind, .. }) => {
            assert_eq!(list(&headers), [&*allow, "vary: Origin"]);
            assert_eq!(kind, ResponseKind::Handshake);
        }
        output => unreachable!("{output:?}"),
    }
}

/// Foreign origins and preflights do not come before the application.
#[test]
fn the_application_is_asked_only_about_what_passed_the_door() {
    let origins = Origins::list([A]);
    let builder = Config::builder().ask_admission(true).cors(Cors::any());
    let mut door = Door::new(builder.origins(origins).build().unwrap());
    for head in [
        Head::http("OPTIONS", POLLING),
        Head::get(POLLING).with("origin", B),
        Head::websocket(WEBSOCKET).with("origin", B),
        Head::post(POLLING),
        Head::get("/engine.io/?EIO=3&transport=polling"),
    ] {
        assert!(matches!(door.ask(&head).fate, Fate::Answered(_)));
    }
    let asked = |event: &Event| matches!(event, Event::Handshake { .. });
    assert!(!door.events.iter().any(asked));
}

/// Quirk Q-13: the reference leaves a session that nobody will ever use.
#[test]
fn a_client_that_left_before_its_websocket_opened_leaves_no_session() {
    let mut door = Door::new(with_cors(Cors::any()));
    let asked = door.ask(&Head::websocket(WEBSOCKET));
    door.server
        .handle_request_end(door.now, asked.id, End::Gone);
    door.settle();
    assert_eq!(door.server.sessions(), 0);
    assert!(door.events.is_empty());
    door.sleep(60_000);
    assert_eq!(door.server.poll_timeout(), None);
}
