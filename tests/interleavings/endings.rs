//! How paths end: nobody does anything any more, or the client does what good clients do.

use std::time::Duration;

use socketio_proto::edge::{End, Lost, Machine};

use crate::world::{Check, Kind, PING_INTERVAL, PING_TIMEOUT, Phase, World, hold};

pub const NAMES: &[&str] = &[
    "nobody does anything, and time passes",
    "only the network goes on, and time passes",
    "a good client goes on, and finishes its upgrade",
    "a good client goes on, and gives its upgrade up",
    "a good client goes on, and its upgrade comes no further",
];

/// What a good client does with an upgrade that has begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plan {
    Finish,
    GiveUp,
    Neglect,
}

pub fn end(world: &mut World, ending: usize) -> Check {
    world.wait_until(world.now, true);
    world.take()?;
    match ending {
        0 => abandon(world, false),
        1 => abandon(world, true),
        2 => go_on(world, Plan::Finish),
        3 => go_on(world, Plan::GiveUp),
        _ => go_on(world, Plan::Neglect),
    }
}

/// Time passes: the session ends within the heartbeat's spans, and nothing is left of it.
fn abandon(world: &mut World, writes: bool) -> Check {
    world.say_what_is_stale()?;
    let begin = world.now;
    for _ in 0..50 {
        if writes {
            write_all(world)?;
        }
        let Some(due) = world.server.poll_timeout() else {
            break;
        };
        world.wait_until(due, true);
        world.take()?;
        let span = world.now.saturating_duration_since(begin);
        hold!(
            world.is_closed || span < PING_INTERVAL + PING_TIMEOUT,
            "a session without a client lives for {span:?}"
        );
    }
    hold!(world.is_closed, "the session does not end");
    hold!(
        world.server.poll_timeout().is_none(),
        "deadlines do not end"
    );
    for (index, it) in world.requests.iter().enumerate() {
        hold!(
            it.is_ended || it.is_transport,
            "r{index} is never answered, or its end is awaited for ever"
        );
    }
    for (index, it) in world.transports.iter().enumerate() {
        hold!(it.phase == Phase::Over, "t{index} is never closed");
    }
    world.say_what_is_stale()?;
    // Far from all that was: what is left is what a new server has, and whether it still accepts.
    world.wait_until(world.now + Duration::from_secs(3_600), true);
    let mut fresh = World::new(false);
    if world.is_closing && !world.bare_form().contains("accepting=true") {
        fresh.shutdown();
    }
    fresh.wait_until(world.now, true);
    let (form, fresh) = (world.bare_form(), fresh.bare_form());
    hold!(form == fresh, "something is left: {form} and not {fresh}");
    Ok(())
}

fn write_all(world: &mut World) -> Result<bool, String> {
    let mut writes = false;
    for index in 0..world.requests.len() {
        let it = &world.requests[index];
        if it.is_answered && !it.is_ended {
            world.end(index, End::Sent);
            writes = true;
        }
    }
    for index in 0..world.transports.len() {
        let it = &world.transports[index];
        if it.is_busy && it.phase == Phase::Open {
            world.written(index);
            writes = true;
        }
    }
    world.take()?;
    Ok(writes)
}

/// A good client gets everything that waits for it, and one message more if the session is open;
/// a session that closes is closed then, without a deadline.
fn go_on(world: &mut World, plan: Plan) -> Check {
    let was_open = world.is_open() && !world.is_closing;
    if !world.is_open() {
        return Ok(());
    }
    if world.is_paused {
        world.set_reading(false)?;
        world.take()?;
    }
    // A message would end the poll that a client waits for before it commits: so it comes later.
    let mut owes_message = was_open;
    let mut polls = 0;
    for _ in 0..60 {
        if write_all(world)? {
            continue;
        }
        if !world.is_open() {
            break;
        }
        if finish_posts(world)? || answer_pings(world)? || settle_upgrade(world, plan)? {
            continue;
        }
        if owes_message {
            owes_message = false;
            world.send()?;
            world.take()?;
            continue;
        }
        if world.came == world.sent && was_open {
            break;
        }
        let is_polling = world.main().is_none();
        if is_polling && !world.has_poll() && polls < 4 {
            polls += 1;
            world.request(Kind::Poll);
            world.take()?;
            continue;
        }
        // What is left to wait for is the end of the upgrade.
        hold!(plan == Plan::Neglect, "nothing moves any more");
        hold!(
            world.transports.iter().any(|it| it.phase != Phase::Over),
            "nothing moves any more, and nothing is waited for"
        );
        polls = 0;
        let due = world.server.poll_timeout().ok_or("no deadline")?;
        world.wait_until(due, true);
        world.take()?;
    }
    hold!(
        world.came == world.sent,
        "{} messages were sent, {} came",
        world.sent,
        world.came
    );
    hold!(
        world.is_open() == was_open,
        "the session is open: {was_open} before, {} then",
        world.is_open()
    );
    Ok(())
}

fn finish_posts(world: &mut World) -> Result<bool, String> {
    let mut requests = world.requests.iter();
    let Some(post) = requests.position(|it| it.wants_body) else {
        return Ok(false);
    };
    if world.pings > 0 {
        world.pings -= 1;
        world.body(post, "3\u{1e}", true, "");
    } else {
        world.body(post, "", true, "");
    }
    world.take()?;
    Ok(true)
}

fn answer_pings(world: &mut World) -> Result<bool, String> {
    if world.pings == 0 {
        return Ok(false);
    }
    match world.main() {
        Some(main) => {
            world.pings -= 1;
            world.read(main, "3");
        }
        None => _ = world.request(Kind::Post),
    }
    world.take()?;
    Ok(true)
}

fn settle_upgrade(world: &mut World, plan: Plan) -> Result<bool, String> {
    let mut transports = world.transports.iter();
    let probe = transports.position(|it| !it.is_main && it.phase != Phase::Over);
    let Some(probe) = probe else {
        return Ok(false);
    };
    let it = &world.transports[probe];
    match (plan, it.phase) {
        (Plan::Neglect, _) => return Ok(false),
        (Plan::GiveUp, Phase::Offered) => world.lose(probe, Lost::NotOpened),
        (Plan::GiveUp, _) => world.lose(probe, Lost::Closed { code: 1005 }),
        (Plan::Finish, Phase::Offered) => world.open(probe),
        (Plan::Finish, _) if !it.has_probed => world.read(probe, "2probe"),
        // The end of its poll tells the client that it has paused; then it commits.
        (Plan::Finish, _) if world.has_poll() => {
            return Err("a client waits for the end of its poll in vain".to_owned());
        }
        (Plan::Finish, _) => world.read(probe, "5"),
    }
    world.take()?;
    Ok(true)
}
