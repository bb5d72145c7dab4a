//! Delays: a client over its rates is not read until its debt is paid.

use std::time::Duration;

use proptest::prelude::*;
use socketio_proto::{
    edge::{Machine, Message},
    engine::{ConfigBuilder, OverRate, Overflow, Rate},
    time::Instant,
};

use super::{
    rates::{CLOSED, few_packets, micros, set_reading},
    world::{World, lines, poller, socket, world},
};

fn delaying(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> World {
    world(|config| change(config).over_rate(OverRate::Delay))
}

#[test]
fn a_body_that_is_too_large_costs_what_was_read_of_it() {
    let rates = |config: ConfigBuilder| config.byte_rate(Rate::new(100, 250)).max_payload(100);
    let mut world = world(rates);
    let (_, query) = poller(&mut world);
    for answers in [
        &["answer r1: 413 "][..],
        &["answer r2: 413 "],
        &["answer r3: 413 ", CLOSED],
    ] {
        let request = world.post(&query);
        world.run();
        world.body_too_large(request);
        assert_eq!(lines(&mut world), answers);
    }

    let mut world = delaying(rates);
    let (_, query) = poller(&mut world);
    for _ in 0..3 {
        let request = world.post(&query);
        world.run();
        world.body_too_large(request);
    }
    world.run();
    world.post(&query);
    assert_eq!(lines(&mut world), [""; 0], "it is delayed");
    world.sleep(499);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(lines(&mut world), ["read body of r4"]);
}

#[test]
fn a_client_over_its_rate_is_not_read_until_its_debt_is_paid() {
    let mut world = delaying(few_packets);
    socket(&mut world, 0);
    for text in ["4a", "4b", "4c"] {
        world.text(0, text);
    }
    world.run();
    world.text(0, "4d");
    assert_eq!(lines(&mut world), ["message \"d\"", "pause t0"]);
    // What was read already still comes, and has to be paid for, too.
    world.text(0, "4e");
    assert_eq!(lines(&mut world), ["message \"e\""]);
    let stats = world.machine.statistics();
    assert_eq!((stats.delays, stats.delayed_sessions), (1, 1));
    micros(&mut world, 199_999);
    assert_eq!(lines(&mut world), [""; 0]);
    micros(&mut world, 1);
    assert_eq!(lines(&mut world), ["resume t0"]);
    let stats = world.machine.statistics();
    assert_eq!((stats.delays, stats.delayed_sessions), (1, 0));
    // Nothing is left, and nothing is owed.
    world.sleep(99);
    world.text(0, "4f");
    assert_eq!(lines(&mut world), ["message \"f\"", "pause t0"]);
}

#[test]
fn a_body_over_its_rate_is_delivered_whole_and_the_next_one_waits() {
    let mut world = delaying(few_packets);
    let (session, query) = poller(&mut world);
    let request = world.post(&query);
    world.get(&query);
    world.run();
    world.body(request, "4a\u{1e}4b\u{1e}4c\u{1e}4d\u{1e}4e".as_bytes());
    let lines_of_body = lines(&mut world);
    assert_eq!(lines_of_body.len(), 6);
    assert_eq!(lines_of_body[5], "answer r1: 200 ok");
    let second = world.post(&query);
    // Polls go on.
    let text = Message::Text("hi".into());
    world.machine.send(world.now, session, text).unwrap();
    assert_eq!(lines(&mut world), ["answer r2: 200 4hi"]);
    world.sleep(199);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(lines(&mut world), ["read body of r3"]);
    world.body(second, b"4f");
    assert_eq!(lines(&mut world), ["message \"f\"", "answer r3: 200 ok"]);
    // That one is owed again.
    world.post(&query);
    assert_eq!(lines(&mut world), [""; 0]);
}

#[test]
fn the_larger_of_two_debts_counts() {
    for (text, delay) in [("4", 100), ("4234567890", 500)] {
        let mut world = delaying(|config| {
            let config = config.packet_rate(Rate::new(10, 1));
            config.byte_rate(Rate::new(10, 6))
        });
        socket(&mut world, 0);
        world.text(0, "4");
        world.text(0, text);
        world.run();
        world.sleep(delay - 1);
        assert!(!lines(&mut world).contains(&"resume t0".to_owned()));
        world.sleep(1);
        assert!(lines(&mut world).contains(&"resume t0".to_owned()));
    }
}

#[test]
fn a_delay_and_a_pause_of_the_application_end_when_both_have() {
    // In which order they begin, and in which they end.
    for paused_first in [false, true] {
        for resumed_first in [false, true] {
            let mut world = delaying(few_packets);
            let session = socket(&mut world, 0);
            if paused_first {
                set_reading(&mut world, session, true);
            }
            for _ in 0..5 {
                world.text(0, "4a");
            }
            if !paused_first {
                set_reading(&mut world, session, true);
            }
            let begun = lines(&mut world);
            assert_eq!(begun.iter().filter(|line| **line == "pause t0").count(), 1);
            if resumed_first {
                set_reading(&mut world, session, false);
                assert_eq!(lines(&mut world), [""; 0]);
                world.sleep(200);
            } else {
                world.sleep(200);
                assert_eq!(lines(&mut world), [""; 0]);
                assert_eq!(world.machine.statistics().delayed_sessions, 0);
                set_reading(&mut world, session, false);
            }
            assert_eq!(lines(&mut world), ["resume t0"]);
        }
    }
}

#[test]
fn a_data_request_waits_for_the_end_of_both() {
    for resumed_first in [false, true] {
        let mut world = delaying(few_packets);
        let (session, query) = poller(&mut world);
        let request = world.post(&query);
        world.run();
        world.body(request, "4a\u{1e}4b\u{1e}4c\u{1e}4d\u{1e}4e".as_bytes());
        set_reading(&mut world, session, true);
        world.post(&query);
        world.run();
        if resumed_first {
            set_reading(&mut world, session, false);
            world.sleep(199);
            assert_eq!(lines(&mut world), [""; 0]);
            world.sleep(1);
        } else {
            world.sleep(250);
            assert_eq!(lines(&mut world), [""; 0]);
            set_reading(&mut world, session, false);
        }
        assert_eq!(lines(&mut world), ["read body of r2"]);
    }
}

#[test]
fn a_pause_that_never_ends_closes_a_delayed_session_too() {
    let mut world = delaying(|config| {
        few_packets(config)
            .pause_timeout(Duration::from_secs(1))
            .ping_interval(Duration::from_secs(9))
    });
    let session = socket(&mut world, 0);
    for _ in 0..12 {
        world.text(0, "4a");
    }
    set_reading(&mut world, session, true);
    world.run();
    for _ in 0..8 {
        world.sleep(100);
        world.text(0, "4a");
    }
    world.run();
    world.sleep(199);
    assert_eq!(world.machine.sessions(), 1);
    world.sleep(1);
    assert_eq!(
        lines(&mut world).last().unwrap(),
        "closed: forced close (the application stopped reading for too long)"
    );
    assert_eq!(world.machine.statistics().delayed_sessions, 0);
}

#[test]
fn a_debt_that_would_take_too_long_closes_the_session_behind_all_that_came() {
    // Ten packets per second for a second, and the three of the burst.
    for (packets, closes) in [(13, false), (14, true)] {
        let mut world =
            delaying(|config| few_packets(config).pause_timeout(Duration::from_secs(1)));
        let (_, query) = poller(&mut world);
        let request = world.post(&query);
        world.run();
        world.body(request, vec!["4a"; packets].join("\u{1e}").as_bytes());
        let lines = lines(&mut world);
        let messages = lines.iter().filter(|line| line.starts_with("message"));
        assert_eq!(messages.count(), packets);
        assert_eq!(lines.contains(&CLOSED.to_owned()), closes);
        let stats = world.machine.statistics();
        assert_eq!(stats.closed.rate_exceeded, u64::from(closes));
        assert_eq!(stats.delays, u64::from(!closes));
        assert_eq!(stats.delayed_sessions, usize::from(!closes));
        if closes {
            assert_eq!(
                lines[packets + 1],
                "answer r1: 400 {\"code\":3,\"message\":\"Bad request\"}"
            );
        }
    }
}

#[test]
fn a_delayed_client_is_pinged_and_not_declared_gone() {
    let mut world = delaying(few_packets);
    socket(&mut world, 0);
    for _ in 0..23 {
        world.text(0, "4a");
    }
    world.run();
    let mut seen = Vec::new();
    for at in (100..=2_000).step_by(100) {
        world.sleep(100);
        seen.extend(lines(&mut world).into_iter().map(|line| (at, line)));
    }
    // Its client waits interval and timeout for a ping: 500.
    let pings = [300, 500, 700, 900, 1_100, 1_300, 1_500, 1_700, 1_900];
    let mut expected: Vec<_> = pings.map(|at| (at, "write t0: 2".to_owned())).into();
    expected.push((2_000, "resume t0".to_owned()));
    assert_eq!(seen, expected);
    // Its pong is found as soon as it is read.
    world.sleep(99);
    world.text(0, "3");
    assert_eq!(lines(&mut world), ["pause t0"]);
    world.sleep(299);
    assert_eq!(lines(&mut world), ["resume t0"]);
    world.sleep(1);
    assert_eq!(lines(&mut world), ["write t0: 2"]);
}

#[test]
fn a_client_has_half_the_time_at_least_for_its_pong_after_a_delay_and_not_for_ever() {
    let mut world = delaying(few_packets);
    socket(&mut world, 0);
    world.sleep(300);
    // Due at 500, the debt paid at 480.
    for _ in 0..4 {
        world.text(0, "4a");
    }
    world.sleep(80);
    world.text(0, "4a");
    world.run();
    world.sleep(120);
    assert_eq!(lines(&mut world), ["resume t0", "write t0: 2"]);
    assert_eq!(world.machine.sessions(), 1);
    // It is dead: nothing excuses that any more.
    world.sleep(199);
    assert_eq!(world.machine.sessions(), 1);
    world.sleep(1);
    assert_eq!(
        lines(&mut world),
        [
            "close t0",
            "closed: ping timeout (a ping was not answered in time)"
        ]
    );
}

#[test]
fn a_delay_holds_across_an_upgrade() {
    let mut world = delaying(|config| config.packet_rate(Rate::new(10, 2)));
    let (_, query) = poller(&mut world);
    let request = world.post(&query);
    world.websocket(&query.replace("polling", "websocket"));
    world.run();
    world.body(request, "4a\u{1e}4b\u{1e}4c".as_bytes());
    world.open(0);
    world.run();
    // The probing WebSocket is read: it carries no messages yet. Its packets count.
    world.text(0, "2probe");
    assert_eq!(lines(&mut world), ["write t0: 3probe"]);
    world.text(0, "5");
    assert_eq!(lines(&mut world), ["pause t0", "upgraded"]);
    world.sleep(299);
    assert!(!lines(&mut world).contains(&"resume t0".to_owned()));
    world.sleep(1);
    assert_eq!(lines(&mut world), ["resume t0", "write t0: 2"]);
}

#[test]
fn the_commit_of_an_upgrade_may_be_what_brings_a_delay() {
    let mut world = delaying(|config| config.packet_rate(Rate::new(10, 1)));
    let (_, query) = poller(&mut world);
    world.websocket(&query.replace("polling", "websocket"));
    world.run();
    world.open(0);
    world.text(0, "2probe");
    world.run();
    world.text(0, "5");
    assert_eq!(lines(&mut world), ["upgraded", "pause t0"]);
    world.sleep(100);
    assert_eq!(lines(&mut world), ["resume t0"]);
}

#[test]
fn an_upgrade_waits_once_for_the_data_request_that_a_delay_holds_up() {
    let mut world = delaying(|config| config.byte_rate(Rate::new(100, 10)));
    let (_, query) = poller(&mut world);
    let upload = |world: &mut World, request: usize| {
        world.body(request, &[b'4'; 40]);
        let lines = lines(world);
        assert!(lines.last().unwrap().ends_with("200 ok"), "{lines:?}");
    };
    let first = world.post(&query);
    world.run();
    upload(&mut world, first);
    let second = world.post(&query);
    world.websocket(&query.replace("polling", "websocket"));
    world.run();
    world.open(0);
    world.text(0, "2probe");
    world.run();
    // Its time is over after 100, the debt of 36 bytes is paid after 360.
    world.sleep(299);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(61);
    assert_eq!(lines(&mut world), ["read body of r2"]);
    upload(&mut world, second);
    // A client that waits for its answer sends no other.
    world.post(&query);
    world.sleep(99);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(lines(&mut world), ["close t0"]);
    assert_eq!(world.machine.statistics().upgrades_failed, 1);
    assert_eq!(world.machine.sessions(), 1);
}

#[test]
fn a_delayed_session_that_ends_leaves_nothing() {
    for is_polling in [false, true] {
        let mut world = delaying(few_packets);
        if is_polling {
            let (session, query) = poller(&mut world);
            let request = world.post(&query);
            world.run();
            world.body(request, ["4a"; 5].join("\u{1e}").as_bytes());
            world.post(&query);
            world.get(&query);
            world.run();
            world.machine.close(world.now, session);
            assert_eq!(
                lines(&mut world),
                [
                    "answer r2: 400 {\"code\":3,\"message\":\"Bad request\"}",
                    "answer r3: 200 1",
                    "closed: forced close (closed by the server)"
                ]
            );
        } else {
            let session = socket(&mut world, 0);
            for _ in 0..5 {
                world.text(0, "4a");
            }
            world.run();
            world.machine.close(world.now, session);
            assert_eq!(
                lines(&mut world),
                ["close t0", "closed: forced close (closed by the server)"]
            );
        }
        let stats = world.machine.statistics();
        assert_eq!((stats.delays, stats.delayed_sessions), (1, 0));
        world.sleep(10_000);
        assert_eq!(lines(&mut world), [""; 0]);
    }
}

#[test]
fn what_waits_for_a_delayed_client_is_bounded_and_leaves_as_ever() {
    let mut world = delaying(|config| {
        few_packets(config)
            .overflow(Overflow::DropOldest)
            .high_water(100)
            .low_water(0)
            .max_queued(200)
    });
    let session = socket(&mut world, 0);
    for _ in 0..5 {
        world.text(0, "4a");
    }
    world.run();
    let send = |world: &mut World, text: &str| {
        let text = Message::Text(text.into());
        let sent = world.machine.send(world.now, session, text);
        sent.unwrap().displaced
    };
    // The first leaves; of the others two fit.
    let displaced: Vec<_> = ["1", "2", "3", "4", "5"]
        .map(|text| send(&mut world, text))
        .into();
    assert_eq!(displaced, [0, 0, 0, 0, 1]);
    let written = lines(&mut world);
    let written: Vec<_> = written
        .iter()
        .filter(|it| it.starts_with("write"))
        .collect();
    assert_eq!(written, ["write t0: 41", "write t0: 43 44 45"]);
    world.sleep(200);
    assert_eq!(lines(&mut world), ["resume t0"]);
}

/// A client that sends as fast as it is read, for a minute.
fn flood(rate: Rate) -> (u64, World) {
    let mut world = delaying(|config| {
        let config = config.ping_interval(Duration::from_secs(900));
        config.packet_rate(rate)
    });
    socket(&mut world, 0);
    let (mut sent, mut wakes) = (0_u64, 0);
    let end = Instant::from_millis(60_000);
    while world.now < end {
        if world.machine.statistics().delayed_sessions == 0 {
            world.text(0, "4a");
            sent += 1;
        } else {
            world.now = world.machine.poll_timeout().unwrap().min(end);
            world.machine.handle_timeout(world.now);
            wakes += 1;
        }
        world.take();
    }
    assert_eq!(world.machine.statistics().received_packets, sent);
    assert!(wakes <= sent + 1, "{wakes} times woken for {sent} packets");
    (sent, world)
}

#[test]
fn a_client_that_floods_gets_its_rate_exactly_and_is_not_stopped_for_each_packet() {
    for (per_second, burst, most_delays) in [
        (1, 1, 60),
        (7, 1, 420),
        (7, 100, 420),
        // Whatever the rate, a hundred times a second, unless the burst is used up in less.
        (5_000, 5_000, 6_000),
        (1_000, 3, 20_000),
    ] {
        let (sent, world) = flood(Rate::new(per_second, burst));
        let allowed = u64::from(per_second) * 60 + u64::from(burst);
        // The last was owed. What came back since may be left.
        let left = u64::from(burst.min(per_second / 100)) + 1;
        assert!(
            (allowed - left..=allowed + 1).contains(&sent),
            "{sent} of {allowed} at {per_second}, {burst}"
        );
        let delays = world.machine.statistics().delays;
        assert!(
            delays <= most_delays + 1,
            "{delays} delays at {per_second}, {burst}"
        );
        assert_eq!(world.machine.sessions(), 1);
    }
}

#[test]
fn one_client_in_debt_costs_another_nothing() {
    let mut world = delaying(few_packets);
    socket(&mut world, 0);
    socket(&mut world, 1);
    for _ in 0..100 {
        world.text(0, "4a");
    }
    assert!(lines(&mut world).contains(&"pause t0".to_owned()));
    for _ in 0..3 {
        world.text(1, "4b");
    }
    assert_eq!(lines(&mut world), ["message \"b\""; 3]);
    world.text(1, "4b");
    assert_eq!(lines(&mut world), ["message \"b\"", "pause t1"]);
    world.sleep(100);
    assert_eq!(lines(&mut world), ["resume t1"]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Message,
    Pong,
    SetReading(bool),
    Sleep(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Message),
        1 => Just(Step::Pong),
        1 => any::<bool>().prop_map(Step::SetReading),
        3 => (0..150_u16).prop_map(Step::Sleep),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn a_client_is_read_exactly_when_neither_its_debt_nor_the_application_is_against_it(
        steps in steps(),
        burst in 1..5_u32,
    ) {
        let mut world = delaying(|config| {
            let config = config.ping_interval(Duration::from_secs(900));
            config.packet_rate(Rate::new(20, burst))
        });
        let session = socket(&mut world, 0);
        // Tokens in units of 1/20 s are milliseconds: the debt by hand, a millisecond at a time.
        let full = i64::from(burst) * 50;
        let (mut level, mut delayed_until) = (full, None);
        let (mut is_paused, mut was_stopped, mut sent) = (false, false, 0);
        for step in steps {
            match step {
                Step::Message | Step::Pong => {
                    let is_message = matches!(step, Step::Message);
                    world.text(0, &if is_message { format!("4{sent}") } else { "3".to_owned() });
                    level -= 50;
                    if level < 0 {
                        // No delay is shorter than 10 ms, and none is needed behind a full bucket.
                        let now = world.now.as_micros() / 1_000;
                        delayed_until = Some(now + level.unsigned_abs().max(10));
                    }
                    let mut lines = lines(&mut world);
                    if is_message {
                        prop_assert_eq!(lines.remove(0), format!("message \"{sent}\""));
                        sent += 1;
                    }
                    let must_stop = delayed_until.is_some() && !was_stopped;
                    prop_assert_eq!(lines, ["pause t0"][..usize::from(must_stop)].to_vec());
                    was_stopped |= must_stop;
                }
                Step::SetReading(paused) => {
                    set_reading(&mut world, session, paused);
                    is_paused = paused;
                }
                Step::Sleep(millis) => {
                    for _ in 0..millis {
                        world.sleep(1);
                        level = full.min(level + 1);
                        let now = world.now.as_micros() / 1_000;
                        delayed_until = delayed_until.filter(|&until| until > now);
                    }
                }
            }
            let is_stopped = is_paused || delayed_until.is_some();
            let expected = match (was_stopped, is_stopped) {
                (false, true) => vec!["pause t0"],
                (true, false) => vec!["resume t0"],
                _ => vec![],
            };
            prop_assert_eq!(lines(&mut world), expected);
            was_stopped = is_stopped;
            let delayed = world.machine.statistics().delayed_sessions;
            prop_assert_eq!(delayed, usize::from(delayed_until.is_some()));
        }
        world.machine.close(world.now, session);
        prop_assert_eq!(world.machine.statistics().delayed_sessions, 0);
    }
}
