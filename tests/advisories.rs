//! Security fixes of other implementations, as far as they concern the server's machine: the same
//! mistake cannot be made here. A name begins with the advisory, or with the project and version
//! that fixed it ("Engine.IO reference", "Security fixes").
//!
//! What only the HTTP or WebSocket library under the machine can get wrong is tested over sockets,
//! in `runtimes/tokio/tests/adversaries`:
//!
//! - CVE-2022-21676: the bytes of the invalid frame behind a handshake; here only what follows.
//! - CVE-2022-41940: a connection that is reset while a request off the path is refused.
//! - CVE-2016-10542 and CVE-2016-10518: messages without a limit, memory disclosed by pings; here
//!   only that a limit is set.
//! - CVE-2021-32640: slow reading of `Sec-WebSocket-Protocol`.
//! - CVE-2024-37890: a handshake with more headers than the header limit.
//! - CVE-2026-48779: a message in very many fragments.
//! - engine.io 6.5.3: a WebTransport session that ends abruptly; here as a WebSocket that does.
//!
//! What concerns clients (CVE-2016-10536 and the fixes of HTTP helpers and URI parsers) and
//! WebTransport has no counterpart here; nor has CVE-2026-45736, a misuse of an API. Long integers
//! (python-engineio 4.1.0) are tested with the arguments of Socket.IO, in `tests/args.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[path = "support/door.rs"]
mod door;

use std::time::Duration;

use door::{Door, Fate, Head, POLLING, WEBSOCKET, lines, list, on_websocket};
use socketio_proto::{
    edge::{BodyRead, Carrier, End, Lost, Machine as _},
    engine::{BadRequest, CloseReason, Config, Cors, Event, Origins, Refusal, TransportError},
};

/// Names that every JavaScript object answers to.
const PROTOTYPE: &[&str] = &[
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "prototype",
    "toString",
    "valueOf",
    "__defineGetter__",
];

fn closed(door: &Door) -> Vec<CloseReason> {
    let events = door.events.iter();
    events
        .filter_map(|event| match event {
            Event::SessionClosed { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

#[test]
fn cve_2020_36048_a_body_is_limited_to_1_mb_by_default() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    let announced = door.ask(&Head::post(&*target).with("content-length", "100000000"));
    assert_eq!(announced.response().status, 413);
    let unannounced = door.ask(&Head::post(&*target));
    let Fate::Reads { limit, .. } = unannounced.fate else {
        panic!("{unannounced:?}");
    };
    assert_eq!(limit, 1_000_000);
    door.server
        .handle_body(door.now, unannounced.id, BodyRead::TooLarge);
    door.settle();
    assert_eq!(door.answer(&unannounced).status, 413);
    assert_eq!(door.messages(), 0);
    assert_eq!(door.post(&target, "4small").status, 200);
}

#[test]
fn cve_2016_10542_a_websocket_message_has_a_limit_on_handshakes_and_upgrades() {
    let config = Config::builder().max_payload(5).build().unwrap();
    let mut door = Door::new(config);
    let target = door.open_polling();
    for head in [
        Head::websocket(WEBSOCKET),
        Head::websocket(on_websocket(&target)),
    ] {
        let Fate::Accepted { limit, .. } = door.ask(&head).fate else {
            panic!("{} is accepted", head.target);
        };
        assert_eq!(limit, 5);
    }
}

#[test]
fn python_engineio_4_3_0_a_websocket_message_above_the_limit_ends_its_session() {
    let mut door = Door::by_default();
    let (asked, _) = door.open_websocket();
    door.server
        .handle_transport_lost(door.now, asked.transport(), Lost::TooBig);
    door.settle();
    let too_big = CloseReason::TransportError(TransportError::TooBig);
    assert_eq!(closed(&door), [too_big]);
}

#[test]
fn cve_2022_21676_a_websocket_that_breaks_right_behind_its_handshake_is_absorbed() {
    for lost in [
        Lost::Failed,
        Lost::NotOpened,
        Lost::TooBig,
        Lost::Closed { code: 1002 },
    ] {
        // Before the 101 was written.
        let mut door = Door::by_default();
        let asked = door.ask(&Head::websocket(WEBSOCKET));
        door.text(&asked, "4early");
        door.server
            .handle_transport_lost(door.now, asked.transport(), lost);
        door.settle();
        assert!(door.events.is_empty(), "{lost:?}: there was no session");
        // It is reported open nevertheless, and gone twice.
        door.open_transport(&asked);
        assert_eq!(door.closed, [asked.transport()], "{lost:?}");
        door.server
            .handle_transport_lost(door.now, asked.transport(), lost);
        door.text(&asked, "4late");
        assert_eq!(door.server.sessions(), 0, "{lost:?}");

        // After it.
        let (asked, _) = door.open_websocket();
        door.server
            .handle_transport_lost(door.now, asked.transport(), lost);
        door.settle();
        assert_eq!(closed(&door).len(), 1, "{lost:?}");

        // A probing one: the session goes on.
        let target = door.open_polling();
        for opens in [false, true] {
            let asked = door.ask(&Head::websocket(on_websocket(&target)));
            if opens {
                door.open_transport(&asked);
            }
            door.server
                .handle_transport_lost(door.now, asked.transport(), lost);
            door.settle();
        }
        assert_eq!(door.post(&target, "4hi").status, 200, "{lost:?}");
    }
}

#[test]
fn cve_2022_21676_bytes_that_are_no_packet_end_one_session_only() {
    let mut door = Door::by_default();
    let (other, _) = door.open_websocket();
    for text in ["", "x", "\u{0}", "9", "🙂"] {
        let before = closed(&door).len();
        let (asked, _) = door.open_websocket();
        door.text(&asked, text);
        assert_eq!(closed(&door).len(), before + 1, "{text:?}");
        assert!(matches!(closed(&door)[before], CloseReason::ParseError(_)));
    }
    door.text(&other, "4hi");
    assert_eq!((door.messages(), door.server.sessions()), (1, 1));
}

#[test]
fn cve_2022_41940_a_refused_connection_that_is_reset_is_absorbed() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    for head in [
        Head::websocket("/engine.io/?EIO=4&transport=x"),
        Head::websocket(format!("{WEBSOCKET}&sid=unknown")),
        Head::get(POLLING.replace('4', "5")),
        Head::http("PUT", target),
    ] {
        let asked = door.ask(&head);
        assert!(asked.refusal.is_some());
        for _ in 0..2 {
            door.server
                .handle_request_end(door.now, asked.id, End::Gone);
            door.settle();
        }
    }
    assert_eq!(door.server.sessions(), 1);
    assert_eq!(closed(&door), []);
}

#[test]
fn cve_2023_31125_a_transport_that_is_no_transport_is_code_0_on_a_websocket_too() {
    for name in PROTOTYPE
        .iter()
        .chain(&["tobi", "", "0", "null", "polling "])
    {
        for carrier in [Carrier::Polling, Carrier::WebSocket] {
            for sid in ["", "&sid=AAAAAAAAAAAAAAAAAAAA"] {
                let mut door = Door::by_default();
                let head = Head {
                    carrier,
                    ..Head::get(format!("/engine.io/?EIO=4&transport={name}{sid}"))
                };
                let asked = door.ask(&head);
                assert_eq!(asked.refused(), (400, 0), "{name}");
                assert_eq!(asked.refusal, Some(Refusal::UnknownTransport));
                assert_eq!(door.server.sessions(), 0);
            }
        }
    }
}

#[test]
fn cve_2023_31125_a_session_id_finds_nothing_but_sessions() {
    for name in PROTOTYPE.iter().chain(&["0", "null", "undefined", "\u{0}"]) {
        for (carrier, target, methods) in [
            (Carrier::Polling, POLLING, &["GET", "POST", "DELETE"][..]),
            (Carrier::WebSocket, WEBSOCKET, &["GET"]),
        ] {
            for method in methods {
                let mut door = Door::by_default();
                door.open_polling();
                let head = Head {
                    carrier,
                    ..Head::http(method, format!("{target}&sid={name}"))
                };
                assert_eq!(door.ask(&head).refused(), (400, 1), "{method} {name}");
                assert_eq!(door.server.sessions(), 1);
            }
        }
    }
}

#[test]
fn engine_io_6_6_1_no_message_is_delivered_after_shutdown_began() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    let data = door.ask(&Head::post(&*target));
    let upgrading = door.ask(&Head::websocket(on_websocket(&target)));
    door.open_transport(&upgrading);
    let (websocket, _) = door.open_websocket();
    let opening = door.ask(&Head::websocket(WEBSOCKET));

    door.server.shutdown(door.now, Duration::ZERO);
    door.settle();

    door.body(&data, "4late");
    door.text(&websocket, "4late");
    door.text(&upgrading, "2probe");
    door.text(&upgrading, "5");
    door.text(&upgrading, "4late");
    door.post_if_read(&target, "4late");
    door.open_transport(&opening);
    door.text(&opening, "4late");
    assert_eq!(door.messages(), 0);
    assert_eq!(door.ask(&Head::get(POLLING)).response().status, 503);
    assert_eq!(door.ask(&Head::websocket(WEBSOCKET)).response().status, 503);
    door.sleep(60_000);
    assert_eq!(door.server.sessions(), 0);
}

#[test]
fn engine_io_6_6_1_a_second_upgrade_is_refused_before_and_after_the_first_is_done() {
    let refused = Some(Refusal::BadRequest(BadRequest::UpgradeRefused));
    let mut door = Door::by_default();
    let target = on_websocket(&door.open_polling());
    let first = door.ask(&Head::websocket(&*target));
    for step in ["accepted", "open", "probed", "done"] {
        match step {
            "open" => door.open_transport(&first),
            "probed" => door.text(&first, "2probe"),
            "done" => door.text(&first, "5"),
            _ => {}
        }
        let second = door.ask(&Head::websocket(&*target));
        assert_eq!(second.refusal, refused, "{step}");
        assert_eq!(second.response().status, 400, "{step}");
    }
    // The first one was not disturbed.
    door.text(&first, "4hi");
    assert_eq!(door.messages(), 1);
}

#[test]
fn engine_io_6_6_7_a_data_request_of_a_forbidden_content_type_is_answered() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    let poll = door.ask(&Head::get(&*target));
    let head = Head::post(target).with("content-type", "application/octet-stream");
    let asked = door.ask(&head);
    assert_eq!(asked.response().status, 400);
    assert_eq!(door.answer(&poll).status, 200);
    let reason = CloseReason::TransportError(TransportError::InvalidContent);
    assert_eq!(closed(&door), [reason]);
}

#[test]
fn engine_io_6_6_7_a_first_packet_that_is_no_probe_ends_the_upgrade() {
    for text in [
        "4hi",
        "0{}",
        "1",
        "2",
        "2prob",
        "3probe",
        "6",
        "x",
        "",
        "\u{1}\u{2}",
    ] {
        let mut door = Door::by_default();
        let target = door.open_polling();
        let asked = door.ask(&Head::websocket(on_websocket(&target)));
        door.open_transport(&asked);
        door.text(&asked, text);
        assert_eq!(door.closed, [asked.transport()], "{text:?}");
        assert_eq!(door.messages(), 0, "{text:?}");
        assert_eq!(door.post(&target, "4hi").status, 200, "{text:?}");
    }
}

#[test]
fn engine_io_6_5_3_a_carrier_that_ends_abruptly_closes_its_session() {
    let mut door = Door::by_default();
    let (asked, _) = door.open_websocket();
    door.server
        .handle_transport_lost(door.now, asked.transport(), Lost::Closed { code: 1006 });
    door.settle();
    assert_eq!(closed(&door), [CloseReason::TransportClose]);
    door.sleep(60_000);
    assert_eq!(
        door.server.poll_timeout(),
        None,
        "and leaves nothing behind"
    );
}

#[test]
fn python_engineio_3_9_0_the_origin_is_checked_on_every_request_also_on_a_websocket() {
    let origins = Origins::list(["https://a.example"]);
    let config = Config::builder().origins(origins).build().unwrap();
    let mut door = Door::new(config);
    let target = door.open_polling();
    for (head, status) in [
        (Head::get(POLLING), 403),
        (Head::websocket(WEBSOCKET), 400),
        (Head::get(&*target), 403),
        (Head::post(&*target), 403),
        (Head::websocket(on_websocket(&target)), 400),
    ] {
        let asked = door.ask(&head.with("origin", "https://evil.example"));
        assert_eq!(asked.refused(), (status, 4));
    }
    assert_eq!(door.server.sessions(), 1);
    assert_eq!(closed(&door), []);
}

#[test]
fn python_engineio_4_13_2_a_pong_that_nobody_asked_for_arms_nothing() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    let (websocket, _) = door.open_websocket();
    door.sleep(20_000);
    let due = door.server.poll_timeout();
    for _ in 0..1_000 {
        door.text(&websocket, "3");
        assert_eq!(door.post(&target, "3\u{1e}3\u{1e}3").status, 200);
    }
    assert_eq!(door.server.poll_timeout(), due, "not even postponed");
    door.sleep(5_000);
    let pings = |door: &Door| {
        let texts = door.texts(&websocket);
        texts.iter().flatten().filter(|text| *text == "2").count()
    };
    assert_eq!(pings(&door), 1);
    let poll = door.ask(&Head::get(&*target));
    assert_eq!(&*poll.response().body, b"2");
    // The pong that was asked for arms one ping, however often it comes.
    for _ in 0..1_000 {
        door.text(&websocket, "3");
        door.post(&target, "3");
    }
    door.sleep(25_000);
    assert_eq!(pings(&door), 2);
    let poll = door.ask(&Head::get(&*target));
    assert_eq!(&*poll.response().body, b"2");
}

#[test]
fn python_engineio_4_13_2_a_body_is_read_only_after_all_that_the_head_says_was_checked() {
    let origins = Origins::list(["https://a.example"]);
    let config = Config::builder().origins(origins).build().unwrap();
    let mut door = Door::new(config);
    let (_, websocket) = door.open_websocket();
    let target = door.open_polling();
    for head in [
        Head::post(POLLING),
        Head::post(format!("{POLLING}&sid=unknown")),
        Head::post(format!("{POLLING}&sid={websocket}")),
        Head::post(target.replace("polling", "x")),
        Head::post(target.replace("EIO=4", "EIO=3")),
        Head::post(format!("{target}{}", "&a".repeat(64))),
        Head::post(&*target).with("origin", "https://evil.example"),
        Head::post(&*target).with("origin", "\u{1}"),
        Head::http("PUT", &*target),
        Head::http("PATCH", &*target),
        Head::post(&*target).with("content-length", "1000001"),
    ] {
        let asked = door.ask(&head);
        assert!(asked.response().status >= 400, "{}", head.target);
        // What comes nevertheless is not taken.
        let read = door.ask(&Head::post(&*target));
        let body = read.codec().read_body("4stray".into());
        door.server
            .handle_body(door.now, asked.id, BodyRead::Complete(body));
        assert_eq!(door.messages(), 0, "{}", head.target);
        door.body(&read, "6");
    }
    assert_eq!(closed(&door), []);
}

#[test]
fn python_engineio_3_10_0_the_packets_of_a_body_are_limited() {
    let config = Config::builder().max_packets(3).build().unwrap();
    let mut door = Door::new(config);
    let target = door.open_polling();
    assert_eq!(door.post(&target, "4a\u{1e}4b\u{1e}4c").status, 200);
    assert_eq!(door.post(&target, "4a\u{1e}4b\u{1e}4c\u{1e}4d").status, 400);
    assert_eq!(door.messages(), 6);
    assert!(matches!(closed(&door)[..], [CloseReason::ParseError(_)]));

    let mut door = Door::by_default();
    let target = door.open_polling();
    let most = "6\u{1e}".repeat(65_535) + "6";
    assert_eq!(door.post(&target, &most).status, 200);
    assert_eq!(door.post(&target, &(most + "\u{1e}6")).status, 400);
}

#[test]
fn python_engineio_4_3_0_nothing_of_a_request_is_reflected_in_a_refusal() {
    let mark = "MARK";
    let plain = Config::default();
    let cors = Config::builder().cors(Cors::any()).build().unwrap();
    for config in [plain, cors] {
        for carrier in [Carrier::Polling, Carrier::WebSocket] {
            for (method, target) in [
                ("GET", "/engine.io/MARK?EIO=4"),
                ("GET", "/engine.io/?EIO=4&transport=MARK"),
                ("GET", "/engine.io/?EIO=MARK&transport=polling"),
                ("GET", "/engine.io/?EIO=MARK&transport=websocket"),
                ("GET", "/engine.io/?EIO=4&transport=polling&sid=MARK"),
                ("MARK", "/engine.io/?EIO=4&transport=polling"),
                ("GET", "/engine.io/?MARK=<script>MARK</script>"),
                ("OPTIONS", "/engine.io/?MARK"),
            ] {
                let head = Head {
                    carrier,
                    ..Head::http(method, target)
                };
                let names = ["origin", "host", "cookie", "user-agent", "content-type"];
                let head = names.iter().fold(head, |head, name| head.with(name, mark));
                let mut door = Door::new(config.clone());
                let asked = door.ask(&head);
                let Fate::Answered(response) = &asked.fate else {
                    continue;
                };
                let body = String::from_utf8(response.body.to_vec()).unwrap();
                let headers = lines(response.headers()).concat();
                assert!(!format!("{body}{headers}").contains(mark), "{target}");
                let told = format!("{:?}{asked:?}", door.events);
                assert!(!told.contains(mark), "{told}");
            }
        }
    }
}

#[test]
fn python_engineio_4_3_0_a_malformed_body_is_not_reflected() {
    let mut door = Door::by_default();
    let target = door.open_polling();
    let response = door.post(&target, "<MARK>");
    assert_eq!(response.status, 400);
    assert_eq!(&*response.body, br#"{"code":3,"message":"Bad request"}"#);
}

/// A header cannot be split, whatever a mirrored `Origin` holds.
#[test]
fn a_mirrored_origin_brings_no_header_of_its_own() {
    let config = Config::builder().cors(Cors::mirror()).build().unwrap();
    for carrier in [Carrier::Polling, Carrier::WebSocket] {
        for method in ["GET", "OPTIONS"] {
            let head = Head {
                carrier,
                ..Head::http(method, WEBSOCKET)
            };
            let split = "https://a\r\nset-cookie: MARK";
            let head = head
                .with("origin", split)
                .with("access-control-request-headers", split);
            let asked = Door::new(config.clone()).ask(&head);
            let headers = match &asked.fate {
                Fate::Accepted { headers, .. } => list(headers),
                _ => lines(asked.response().headers()),
            };
            assert!(!headers.concat().contains("MARK"), "{headers:?}");
        }
    }
}

/// Session ids are credentials of 120 random bits: no two are alike, and none tells the next.
#[test]
fn session_ids_are_not_counted() {
    let mut door = Door::by_default();
    let mut ids: Vec<String> = (0..1_000)
        .map(|_| door.open_polling().split("sid=").last().unwrap().to_owned())
        .collect();
    assert!(ids.iter().all(|id| id.len() == 20));
    // The reference's end with a counter.
    let ends = |ids: &[String]| ids.iter().map(|id| id[16..].to_owned()).collect::<Vec<_>>();
    let in_order = ends(&ids);
    let mut sorted = in_order.clone();
    sorted.sort();
    assert_ne!(in_order, sorted);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
}

/// A machine that was told nonsense goes on.
#[test]
fn quirk_q_01_no_request_changes_the_revision_of_a_session() {
    let mut door = Door::new(
        Config::builder()
            .ping_interval(Duration::from_secs(1))
            .build()
            .unwrap(),
    );
    let target = door.open_polling();
    for revision in ["EIO=3", "EIO=5", "EIO=", "x=4"] {
        let other = target.replace("EIO=4", revision);
        for head in [
            Head::get(&*other),
            Head::post(&*other),
            Head::websocket(on_websocket(&other)),
        ] {
            assert_eq!(door.ask(&head).refused(), (400, 3), "{}", head.target);
        }
    }
    assert_eq!(door.post(&target, "4hi").status, 200);
}
