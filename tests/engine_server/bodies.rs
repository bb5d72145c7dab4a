use socketio_proto::edge::{End, Machine, Output};

use super::world::{World, lines, poller, world};

fn progress(world: &mut World, request: usize, received: usize) {
    let id = world.request_id(request);
    world.machine.handle_body_progress(world.now, id, received);
}

#[test]
fn a_body_is_not_waited_for_longer_than_its_session_lives() {
    let mut world = world(|config| config);
    let (_, query) = poller(&mut world);
    world.post(&query);
    world.run();
    world.sleep(300);
    world.sleep(199);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(
        lines(&mut world),
        [
            "answer r1: 400 {\"code\":3,\"message\":\"Bad request\"}",
            "closed: ping timeout (a ping was not answered in time)"
        ]
    );
}

#[test]
fn a_body_is_overdue_even_if_its_session_lives() {
    let mut world = world(|config| config.ping_timeout(std::time::Duration::from_secs(20)));
    let (session, query) = poller(&mut world);
    // Whose data requests are slow, but which is never due: paused and resumed, it counts as alive.
    world.post(&query);
    world.run();
    for _ in 0..3 {
        world.machine.set_reading(world.now, session, true).unwrap();
        world.sleep(6_766);
        world
            .machine
            .set_reading(world.now, session, false)
            .unwrap();
    }
    world.run();
    world.sleep(1);
    assert_eq!(lines(&mut world), [""; 0]);
    world.sleep(1);
    assert_eq!(
        lines(&mut world),
        [
            "answer r1: 408 ",
            "refused: bad request: the body did not arrive in time",
            "closed: transport error (the body of a data request did not arrive in time)"
        ]
    );
}

#[test]
fn what_bodies_hold_together_is_bounded() {
    let mut world = world(|config| config.max_body_bytes(1_000));
    let queries: Vec<String> = (0..3).map(|_| poller(&mut world).1).collect();
    let posts: Vec<usize> = queries.iter().map(|query| world.post(query)).collect();
    world.run();

    progress(&mut world, posts[0], 100);
    progress(&mut world, posts[1], 300);
    progress(&mut world, posts[2], 400);
    progress(&mut world, posts[2], 600);
    assert_eq!(lines(&mut world), [""; 0]);
    // The first has been waited for longest, then the second: one is not enough.
    progress(&mut world, posts[2], 801);
    assert_eq!(
        lines(&mut world),
        [
            "answer r3: 503 ",
            "refused: unavailable: 1201 bytes of bodies are being read, at most 1000 may be",
            "closed: transport error (too many bytes of bodies were being read)",
            "answer r4: 503 ",
            "refused: unavailable: 1101 bytes of bodies are being read, at most 1000 may be",
            "closed: transport error (too many bytes of bodies were being read)"
        ]
    );
    // One alone is too much by itself.
    progress(&mut world, posts[2], 1_000);
    assert_eq!(lines(&mut world), [""; 0]);
    progress(&mut world, posts[2], 1_001);
    assert_eq!(lines(&mut world).len(), 3);

    // What is complete, or gone, is held no more.
    let queries: Vec<String> = (0..3).map(|_| poller(&mut world).1).collect();
    let posts: Vec<usize> = queries.iter().map(|query| world.post(query)).collect();
    world.run();
    progress(&mut world, posts[0], 400);
    progress(&mut world, posts[1], 600);
    world.body(posts[0], b"4hi");
    world.run();
    world.end(posts[1], End::Gone);
    world.run();
    progress(&mut world, posts[2], 1_000);
    assert_eq!(lines(&mut world), [""; 0]);
}

#[test]
fn no_number_that_a_caller_reports_makes_the_sum_wrong() {
    let mut world = world(|config| config.max_body_bytes(usize::MAX - 1));
    let queries: Vec<String> = (0..2).map(|_| poller(&mut world).1).collect();
    let posts: Vec<usize> = queries.iter().map(|query| world.post(query)).collect();
    world.run();
    progress(&mut world, posts[0], 10);
    progress(&mut world, posts[1], usize::MAX);
    world.run();
    // The sum is full: the first was given up, and the second counts for what was left.
    assert_eq!(world.machine.statistics().body_bytes, usize::MAX - 10);
    world.body(posts[1], b"4hi");
    world.run();
    assert_eq!(world.machine.statistics().body_bytes, 0);
}

#[test]
fn an_answer_that_is_not_taken_in_time_is_dropped_and_ends_the_session() {
    let mut world = world(|config| config);
    let (session, query) = poller(&mut world);
    world.get(&query);
    world.run();
    world
        .machine
        .send(
            world.now,
            session,
            socketio_proto::edge::Message::Text("a".into()),
        )
        .unwrap();
    // The client does not read: the answer stays on its way.
    assert_eq!(world.take(), ["answer r1: 200 4a"]);
    // It answers its ping all the same.
    world.sleep(300);
    world.get(&query);
    assert_eq!(world.take(), ["answer r2: 200 2"]);
    world.end(2, End::Sent);
    let pong = world.post(&query);
    world.take();
    world.body(pong, b"3");
    world.run();
    world.sleep(199);
    assert_eq!(world.take(), [""; 0]);
    world.sleep(1);
    assert_eq!(
        world.take(),
        [
            "abort r1",
            "closed: transport error (the answer to a poll was not taken in time)"
        ]
    );
    // Its name is forgotten.
    world.end(1, End::Sent);
    assert_eq!(world.take(), [""; 0]);
}

#[test]
fn a_refusal_that_is_not_taken_in_time_is_dropped_too() {
    let mut world = world(|config| config);
    world.get("EIO=4&transport=none");
    assert_eq!(world.take().len(), 2);
    world.sleep(500);
    assert!(matches!(
        world.machine.poll_output(),
        Some(Output::AbortRequest { .. })
    ));
    assert_eq!(world.machine.poll_timeout(), None);
}
