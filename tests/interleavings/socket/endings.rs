//! How paths end, from every state on.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use socketio_proto::edge::Machine as _;

use super::{
    bench::{self, PING_INTERVAL, PING_TIMEOUT, Whom},
    world::{Phase, View, World},
};
use crate::world::{Check, hold};

pub const NAMES: &[&str] = &[
    "nobody does anything, and time passes",
    "everybody does what is due",
    "the same again, outputs are taken late, and nobody tells the time",
];

pub fn end(world: &mut World, ending: usize) -> Check {
    match ending {
        0 => abandon(world),
        1 => go_on(world),
        _ => repeat(world),
    }
}

/// Time passes: all ends within the heartbeat's spans, and nothing is left of it.
fn abandon(world: &mut World) -> Check {
    let begin = world.now;
    // Batches that are not written, and clients that are silent.
    world.is_slow = true;
    world.is_crossing = true;
    let is_over = |world: &World| {
        world.bench.server.sessions() == 0
            && world.pendings.iter().all(|it| it.is_over)
            && world.acks.iter().all(|it| it.is_over)
    };
    for _ in 0..60 {
        if is_over(world) {
            break;
        }
        let due = world.bench.server.poll_timeout();
        let due = due.ok_or("something is awaited for ever")?;
        world.wait_until(due)?;
    }
    let span = world.now.saturating_duration_since(begin);
    hold!(
        is_over(world) && span <= PING_INTERVAL + PING_TIMEOUT + Duration::from_millis(1),
        "without anybody it goes on for {span:?}"
    );
    nothing_is_left(world)
}

fn nothing_is_left(world: &mut World) -> Check {
    // Far from all that was: what is left is what a new server has.
    world.wait_until(world.now + Duration::from_secs(3_600))?;
    hold!(
        world.bench.server.poll_timeout().is_none(),
        "deadlines do not end"
    );
    let form = world.bare_form();
    let fresh = fresh_form(world)?;
    hold!(form == fresh, "something is left: {form} and not {fresh}");
    Ok(())
}

/// The form of a server to which nothing has happened, whenever.
fn fresh_form(world: &World) -> Result<String, String> {
    thread_local!(static FORMS: RefCell<HashMap<String, String>> = RefCell::default());
    let key = format!("{:?}{}", world.settings, world.is_shut_down);
    if let Some(form) = FORMS.with_borrow(|forms| forms.get(&key).cloned()) {
        return Ok(form);
    }
    let mut fresh = World::new(world.settings, false);
    if world.is_shut_down {
        fresh.shut_down()?;
    }
    fresh.wait_until(world.now)?;
    let form = fresh.bare_form();
    FORMS.with_borrow_mut(|forms| forms.insert(key, form.clone()));
    Ok(form)
}

/// The network carries what is on its way, clients answer, the application decides: everything comes
/// to its end, and who is connected then hears and is heard.
fn go_on(world: &mut World) -> Check {
    world.is_slow = false;
    world.is_crossing = false;
    let mut conns = 0..;
    while let Some(conn) = conns.next().filter(|&conn| conn < world.conns.len()) {
        if world.conns[conn].batch.is_some() {
            world.written(conn)?;
        }
        while !world.conns[conn].wire.is_empty() {
            world.hear(conn)?;
        }
    }
    for pending in 0..world.pendings.len() {
        if !world.pendings[pending].is_over {
            world.accept(pending)?;
        }
    }
    return_all(world)?;
    for question in 0..world.questions.len() {
        if !world.questions[question].is_answered {
            world.reply(question)?;
        }
    }
    for namespace in 0..2 {
        if world.has_members(namespace) {
            world.ask(Whom::All(namespace))?;
        }
    }
    for conn in 0..world.conns.len() {
        if !world.is_current(conn) {
            continue;
        }
        while !world.conns[conn].owes.is_empty() && world.conns[conn].phase == Phase::Open {
            world.answer(conn, 0, false)?;
        }
        for namespace in 0..2 {
            if world.conns[conn].view[namespace] == View::In && world.is_current(conn) {
                world.say(conn, namespace, false)?;
            }
        }
    }
    // Clients that gave their connection up do not answer; no other is missed.
    let sockets = world.sockets.iter();
    let mut conns = sockets.filter(|it| it.is_alive).map(|it| it.conn);
    let is_whole = conns.all(|conn| world.is_current(conn));
    hold!(
        !is_whole || world.acks.iter().all(|it| it.is_over),
        "an ack is awaited that everybody has answered"
    );
    for conn in 0..world.conns.len() {
        if world.conns[conn].phase == Phase::Open {
            world.lose(conn)?;
        }
    }
    hold!(
        world.acks.iter().all(|it| it.is_over),
        "an ack is awaited from nobody"
    );
    hold!(world.bench.server.sessions() == 0, "a session is left");
    nothing_is_left(world)
}

/// Every client that lost its connection comes back, and then has missed nothing.
fn return_all(world: &mut World) -> Check {
    for client in 0..2 {
        let conns = world.conns.iter();
        let last = conns.rev().find(|it| it.client == client);
        let is_gone = last.is_some_and(|it| it.phase != Phase::Open);
        if is_gone && !world.is_shut_down && world.settings.has_recovery {
            world.open(client)?;
            let conn = world.conns.len() - 1;
            for namespace in 0..2 {
                let may_return = world.may_return(client, namespace);
                world.come_back(conn, namespace, client)?;
                let pending = world.pendings.len() - 1;
                if !world.pendings[pending].is_over {
                    world.accept(pending)?;
                }
                hold!(
                    !may_return || world.conns[conn].view[namespace] == View::In,
                    "a client cannot come back"
                );
            }
        }
    }
    world.check_lives()
}

/// The same inputs give the same outputs and answers, whenever the outputs are taken, and whether or
/// not the time is told before the input that carries it.
fn repeat(world: &World) -> Check {
    let again = bench::again(&world.bench, &world.history);
    let mut pairs = again.outputs.iter().zip(&world.bench.outputs);
    if let Some((late, once)) = pairs.find(|(late, once)| late != once) {
        return Err(format!("{late:?} comes instead of {once:?}"));
    }
    hold!(
        again.outputs.len() == world.bench.outputs.len(),
        "other outputs come"
    );
    hold!(
        again.answers == world.bench.answers,
        "commands are answered otherwise"
    );
    Ok(())
}
