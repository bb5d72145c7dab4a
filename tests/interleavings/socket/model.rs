//! Scenes, and what may happen in them: each kind of input so often at most, in any order.

use std::time::Duration;

use socketio_proto::{edge::Machine as _, socket::Wait, time::Instant};

use super::{
    bench::{ACK_TIMEOUT, PING_INTERVAL, Settings, Whom},
    endings,
    world::{Phase, View, World},
};
use crate::{explore::Model, world::Check};

/// What happens. Everything goes by the order of its making.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    // Clients, and the network between. A connection comes first, then a namespace.
    Open(u8),
    Connect(u8, u8),
    /// With what a client kept: itself, or another.
    Return(u8, u8, u8),
    /// Time in which clients answer pings and nothing else happens.
    Idle,
    /// Time to the next ping, which is on its way then.
    Far,
    AskVolatile(u8),
    Leave(u8, u8),
    Say(u8, u8),
    Ask(u8, u8),
    Answer(u8, u8),
    /// An answer to come again.
    AnswerFirst(u8, u8),
    Garbage(u8),
    Hear(u8),
    Lose(u8),
    Written(u8),
    // The application.
    Accept(u8),
    Refuse(u8),
    Emit(u8),
    Volatile(u8),
    Broadcast(u8),
    AskOne(u8),
    AskForever(u8),
    AskAll(u8),
    Cancel(u8),
    Reply(u8),
    Kick(u8),
    KickAll(u8),
    Close(u8),
    Shutdown,
    // Time.
    Before,
    To,
    Beyond,
}

/// How often each kind of input may come. Whatever only completes another may come whenever it is
/// due.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Budget {
    /// Connections that clients open again.
    pub opens: u8,
    pub connects: u8,
    /// CONNECTs with what a client kept.
    pub returns: u8,
    pub idles: u8,
    pub leaves: u8,
    pub says: u8,
    /// Questions of clients.
    pub asks: u8,
    /// What a good client does not send.
    pub bad: u8,
    pub loses: u8,
    pub emits: u8,
    pub volatiles: u8,
    pub broadcasts: u8,
    /// Questions of the application: to one, and to all.
    pub questions: u8,
    pub polls: u8,
    pub cancels: u8,
    pub kicks: u8,
    /// Connections that the application closes, or all of them.
    pub closes: u8,
    pub waits: u8,
    /// Commands for what is gone.
    pub stale: u8,
    /// Whether it takes the script to write a batch.
    pub is_slow: bool,
    /// Whether it takes the script to hear a packet.
    pub is_crossing: bool,
}

/// How far clients have come when the orders begin.
#[derive(Clone, Copy, Debug)]
pub enum Scene {
    /// One is connected, to no namespace.
    Stranger,
    /// One waits for a decision.
    Pending,
    /// One is in the first namespace.
    Joined,
    /// One is in both namespaces.
    Both,
    /// Two are in the first namespace.
    Two,
}

#[derive(Clone, Copy, Debug)]
pub struct Orders {
    pub settings: Settings,
    pub scene: Scene,
    pub budget: Budget,
}

pub struct Place {
    pub world: World,
    left: Budget,
}

impl Scene {
    fn play(self, world: &mut World) -> Check {
        world.open(0)?;
        match self {
            Self::Stranger => {}
            Self::Pending => world.connect(0, 0)?,
            Self::Joined => join(world, 0, 0)?,
            Self::Both => {
                join(world, 0, 0)?;
                join(world, 0, 1)?;
            }
            Self::Two => {
                join(world, 0, 0)?;
                world.open(1)?;
                join(world, 1, 0)?;
            }
        }
        Ok(())
    }
}

fn join(world: &mut World, conn: usize, namespace: usize) -> Check {
    world.connect(conn, namespace)?;
    world.accept(world.pendings.len() - 1)
}

impl Model for Orders {
    type World = Place;
    type Input = Act;

    fn start(&self, has_log: bool) -> Place {
        let mut world = World::new(self.settings, has_log);
        self.scene.play(&mut world).expect("the scene can be set");
        world.is_slow = self.budget.is_slow;
        world.is_crossing = self.budget.is_crossing;
        Place {
            world,
            left: self.budget,
        }
    }

    fn inputs(&self, place: &Place) -> Vec<Act> {
        let mut acts = Vec::new();
        offer_clients(place, &mut acts);
        offer_application(place, &mut acts);
        let (world, left) = (&place.world, &place.left);
        let due = world.bench.server.poll_timeout();
        if left.idles > 0 {
            acts.push(Act::Idle);
            acts.extend(world.is_crossing.then_some(Act::Far));
        }
        if let Some(due) = due.filter(|_| left.waits > 0) {
            let is_near = due.saturating_duration_since(world.now) <= Duration::from_micros(1);
            if !is_near {
                acts.push(Act::Before);
            }
            acts.extend([Act::To, Act::Beyond]);
        }
        acts
    }

    fn apply(&self, place: &mut Place, act: Act) -> Check {
        let Place { world, left } = place;
        spend(world, left, act);
        perform(world, act)
    }

    fn form(&self, place: &Place) -> String {
        format!("{:?}{}", place.left, place.world.form())
    }

    fn endings(&self) -> &'static [&'static str] {
        endings::NAMES
    }

    fn end(&self, place: &mut Place, ending: usize) -> Check {
        endings::end(&mut place.world, ending)
    }

    fn take_log(&self, place: &mut Place) -> Vec<String> {
        place.world.take_log()
    }
}

fn offer_clients(place: &Place, acts: &mut Vec<Act>) {
    let (world, left) = (&place.world, &place.left);
    let mut offer = |is_offered: bool, act: Act| {
        if is_offered {
            acts.push(act);
        }
    };
    for (conn, it) in (0..).zip(&world.conns) {
        let is_current = world.is_current(usize::from(conn));
        let is_open = it.phase == Phase::Open;
        offer(!it.wire.is_empty(), Act::Hear(conn));
        offer(it.batch.is_some(), Act::Written(conn));
        offer(is_open && left.loses > 0, Act::Lose(conn));
        let may_return = is_current && (!is_open || left.bad > 0);
        if left.opens > 0 && may_return && !world.is_shut_down {
            offer(true, Act::Open(u8::try_from(it.client).unwrap()));
        }
        // What a client says to a connection that is over is heard by nobody.
        if !is_open || !is_current {
            continue;
        }
        offer(left.bad > 0, Act::Garbage(conn));
        for (client, namespace) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let is_own = usize::from(client) == it.client;
            // Events of a life that the client has left might be on the wire.
            let is_quiet = it.wire.is_empty() && it.batch.is_none();
            let is_out = is_quiet && it.view[usize::from(namespace)] == View::Out;
            let is_offered = is_out && world.has_kept(client.into(), namespace.into());
            offer(
                is_offered && left.returns > 0 && (is_own || left.bad > 0),
                Act::Return(conn, namespace, client),
            );
        }
        for namespace in 0..2 {
            let view = it.view[usize::from(namespace)];
            let is_in = view == View::In;
            let may_connect = view == View::Out || left.bad > 0;
            offer(
                left.connects > 0 && may_connect,
                Act::Connect(conn, namespace),
            );
            let may_leave = view != View::Out || left.bad > 0;
            offer(left.leaves > 0 && may_leave, Act::Leave(conn, namespace));
            let may_say = is_in || left.bad > 0;
            offer(left.says > 0 && may_say, Act::Say(conn, namespace));
            offer(left.asks > 0 && may_say, Act::Ask(conn, namespace));
        }
        let is_unknown = !world.settings.is_dynamic;
        offer(
            is_unknown && left.connects > 0 && left.bad > 0,
            Act::Connect(conn, 2),
        );
        for (owed, _) in (0..).zip(&it.owes) {
            offer(true, Act::Answer(conn, owed));
            offer(left.bad > 0, Act::AnswerFirst(conn, owed));
        }
    }
}

fn offer_application(place: &Place, acts: &mut Vec<Act>) {
    let (world, left) = (&place.world, &place.left);
    let is_stale = left.stale > 0;
    let mut offer = |is_offered: bool, act: Act| {
        if is_offered {
            acts.push(act);
        }
    };
    for (pending, it) in (0..).zip(&world.pendings) {
        offer(!it.is_over || is_stale, Act::Accept(pending));
        offer(!it.is_over || is_stale, Act::Refuse(pending));
    }
    for (socket, it) in (0..).zip(&world.sockets) {
        let is_offered = it.is_alive || is_stale;
        offer(is_offered && left.emits > 0, Act::Emit(socket));
        offer(it.is_alive && left.volatiles > 0, Act::Volatile(socket));
        offer(
            it.is_alive && left.volatiles > 0 && left.questions > 0,
            Act::AskVolatile(socket),
        );
        offer(it.is_alive && left.questions > 0, Act::AskOne(socket));
        offer(it.is_alive && left.questions > 0, Act::AskForever(socket));
        offer(is_offered && left.kicks > 0, Act::Kick(socket));
        offer(is_offered && left.closes > 0, Act::Close(socket));
    }
    for namespace in 0..2 {
        let has_members = world.has_members(usize::from(namespace));
        // To nobody, too.
        let exists = world.exists(usize::from(namespace));
        offer(exists && left.broadcasts > 0, Act::Broadcast(namespace));
        offer(exists && left.polls > 0, Act::AskAll(namespace));
        offer(has_members && left.kicks > 1, Act::KickAll(namespace));
    }
    for (ack, it) in (0..).zip(&world.acks) {
        offer(
            left.cancels > 0 && (!it.is_over || is_stale),
            Act::Cancel(ack),
        );
    }
    for (question, it) in (0..).zip(&world.questions) {
        offer(!it.is_answered, Act::Reply(question));
    }
    offer(left.closes > 0 && !world.is_shut_down, Act::Shutdown);
}

fn spend(world: &World, left: &mut Budget, act: Act) {
    let one = |count: &mut u8| *count -= 1;
    match act {
        Act::Open(client) => {
            one(&mut left.opens);
            let mut conns = world.conns.iter().rev();
            let last = conns.find(|it| it.client == usize::from(client));
            left.bad -= u8::from(last.is_some_and(|it| it.phase == Phase::Open));
        }
        Act::Connect(conn, namespace) => {
            one(&mut left.connects);
            let views = &world.conns[usize::from(conn)].view;
            let view = views.get(usize::from(namespace));
            left.bad -= u8::from(view != Some(&View::Out));
        }
        Act::Leave(conn, namespace) => {
            one(&mut left.leaves);
            let view = world.conns[usize::from(conn)].view[usize::from(namespace)];
            left.bad -= u8::from(view == View::Out);
        }
        Act::Say(conn, namespace) | Act::Ask(conn, namespace) => {
            match act {
                Act::Say(..) => one(&mut left.says),
                _ => one(&mut left.asks),
            }
            let view = world.conns[usize::from(conn)].view[usize::from(namespace)];
            left.bad -= u8::from(view != View::In);
        }
        Act::Return(conn, _, client) => {
            one(&mut left.returns);
            left.bad -= u8::from(world.conns[usize::from(conn)].client != usize::from(client));
        }
        Act::Idle | Act::Far => one(&mut left.idles),
        Act::AnswerFirst(..) | Act::Garbage(_) => one(&mut left.bad),
        Act::Lose(_) => one(&mut left.loses),
        Act::Accept(pending) | Act::Refuse(pending) => {
            left.stale -= u8::from(world.pendings[usize::from(pending)].is_over);
        }
        Act::Emit(socket) | Act::Kick(socket) | Act::Close(socket) => {
            left.stale -= u8::from(!world.sockets[usize::from(socket)].is_alive);
            match act {
                Act::Emit(_) => one(&mut left.emits),
                Act::Kick(_) => one(&mut left.kicks),
                _ => one(&mut left.closes),
            }
        }
        Act::AskVolatile(_) | Act::Volatile(_) => one(&mut left.volatiles),
        Act::Broadcast(_) => one(&mut left.broadcasts),
        Act::AskOne(_) | Act::AskForever(_) => one(&mut left.questions),
        Act::AskAll(_) => one(&mut left.polls),
        Act::Cancel(ack) => {
            one(&mut left.cancels);
            left.stale -= u8::from(world.acks[usize::from(ack)].is_over);
        }
        Act::KickAll(_) => left.kicks -= 2,
        Act::Shutdown => one(&mut left.closes),
        Act::Before | Act::To | Act::Beyond => one(&mut left.waits),
        Act::Answer(..) | Act::Hear(_) | Act::Reply(_) | Act::Written(_) => {}
    }
}

fn perform(world: &mut World, act: Act) -> Check {
    let socket = |socket: u8| Whom::Socket(socket.into());
    match act {
        Act::Open(client) => world.open(client.into()),
        Act::Connect(conn, namespace) => world.connect(conn.into(), namespace.into()),
        Act::Return(conn, namespace, client) => {
            world.come_back(conn.into(), namespace.into(), client.into())
        }
        Act::Idle => world.idle(),
        Act::Far => world.wait_until(world.now + PING_INTERVAL),
        Act::AskVolatile(one) => world.emit(socket(one), true, Wait::AtMost(ACK_TIMEOUT)),
        Act::Leave(conn, namespace) => world.leave(conn.into(), namespace.into()),
        Act::Say(conn, namespace) => world.say(conn.into(), namespace.into(), false),
        Act::Ask(conn, namespace) => world.say(conn.into(), namespace.into(), true),
        Act::Answer(conn, owed) => world.answer(conn.into(), owed.into(), false),
        Act::AnswerFirst(conn, owed) => world.answer(conn.into(), owed.into(), true),
        Act::Garbage(conn) => world.garbage(conn.into()),
        Act::Hear(conn) => world.hear(conn.into()),
        Act::Lose(conn) => world.lose(conn.into()),
        Act::Written(conn) => world.written(conn.into()),
        Act::Accept(pending) => world.accept(pending.into()),
        Act::Refuse(pending) => world.refuse(pending.into()),
        Act::Emit(one) => world.emit(socket(one), false, Wait::No),
        Act::Volatile(one) => world.emit(socket(one), true, Wait::No),
        Act::Broadcast(namespace) => world.emit(Whom::All(namespace.into()), false, Wait::No),
        Act::AskOne(one) => world.ask(socket(one)),
        Act::AskForever(one) => world.emit(socket(one), false, Wait::Forever),
        Act::AskAll(namespace) => world.ask(Whom::All(namespace.into())),
        Act::Cancel(ack) => world.cancel(ack.into()),
        Act::Reply(question) => world.reply(question.into()),
        Act::Kick(one) => world.kick(socket(one), false),
        Act::KickAll(namespace) => world.kick(Whom::All(namespace.into()), false),
        Act::Close(one) => world.kick(socket(one), true),
        Act::Shutdown => world.shut_down(),
        Act::Before | Act::To | Act::Beyond => {
            let Some(due) = world.bench.server.poll_timeout() else {
                return Ok(());
            };
            world.wait_until(match act {
                Act::Before => Instant::from_micros(due.as_micros() - 1),
                Act::To => due,
                // The host sleeps through the next deadline and most of the others.
                _ => due + Duration::from_millis(120),
            })
        }
    }
}
