use std::time::Duration;

use socketio_proto::{edge::Machine, engine::Event};

use super::world::{World, lines, poller, socket, world};

fn closed(world: &World) -> usize {
    let is_close = |event: &&Event| matches!(event, Event::SessionClosed { .. });
    world.events.iter().filter(is_close).count()
}

fn with_sockets(count: usize) -> World {
    let mut world = world(|config| config.ping_interval(Duration::from_secs(60)));
    for index in 0..count {
        socket(&mut world, index);
    }
    world
}

#[test]
fn a_shutdown_without_spread_closes_all_at_once() {
    let mut world = with_sockets(5);
    world.machine.shutdown(world.now, Duration::ZERO);
    world.run();
    assert_eq!(closed(&world), 5);
    world.sleep(100_000);
    assert_eq!(world.machine.poll_timeout(), None);
}

#[test]
fn closes_are_spread_evenly_the_first_at_once_the_last_at_the_end() {
    let mut world = with_sockets(5);
    world.sleep(1_000);
    world.machine.shutdown(world.now, Duration::from_secs(8));
    let mut seen = Vec::new();
    for _ in 0..=8 {
        world.run();
        seen.push(closed(&world));
        world.sleep(1_000);
    }
    assert_eq!(seen, [1, 1, 2, 2, 3, 3, 4, 4, 5]);
}

#[test]
fn new_sessions_are_refused_while_the_others_go_on() {
    let mut world = world(|config| config.ping_interval(Duration::from_secs(60)));
    poller(&mut world);
    let (session, query) = poller(&mut world);
    world.machine.shutdown(world.now, Duration::from_secs(10));
    world.run();
    world.get("EIO=4&transport=polling");
    assert_eq!(
        lines(&mut world),
        [
            "answer r2: 503 ",
            "refused: unavailable: the server is shutting down"
        ]
    );
    world.get(&query);
    let text = socketio_proto::edge::Message::Text("still".into());
    world.machine.send(world.now, session, text).unwrap();
    assert_eq!(lines(&mut world), ["answer r3: 200 4still"]);
    world.get(&query);
    world.sleep(10_000);
    assert_eq!(
        lines(&mut world),
        [
            "answer r4: 200 1",
            "closed: forced close (the server is shutting down)"
        ]
    );
}

#[test]
fn sessions_that_end_by_themselves_are_passed_over() {
    let mut world = with_sockets(3);
    world.machine.shutdown(world.now, Duration::from_secs(2));
    world.run();
    world.lost(1, socketio_proto::edge::Lost::Failed);
    world.run();
    assert_eq!(closed(&world), 2);
    world.sleep(1_000);
    world.run();
    assert_eq!(closed(&world), 2);
    world.sleep(1_000);
    world.run();
    assert_eq!(closed(&world), 3);
    world.sleep(100_000);
    assert_eq!(world.machine.poll_timeout(), None);
}

#[test]
fn a_second_shutdown_spreads_what_is_left_anew() {
    let mut world = with_sockets(3);
    world.machine.shutdown(world.now, Duration::from_secs(600));
    world.run();
    assert_eq!(closed(&world), 1);
    world.machine.shutdown(world.now, Duration::ZERO);
    world.run();
    assert_eq!(closed(&world), 3);
}

#[test]
fn one_call_of_a_timer_closes_a_bounded_number() {
    let mut world = with_sockets(3_000);
    world.machine.shutdown(world.now, Duration::from_millis(1));
    world.run();
    world.sleep(1);
    world.run();
    let first = closed(&world);
    assert!((2..=1_100).contains(&first), "{first}");
    assert!(world.machine.poll_timeout().unwrap() <= world.now);
    while world.machine.sessions() > 0 {
        world.sleep(0);
        world.run();
    }
}
