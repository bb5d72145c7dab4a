//! Scenes, and what may happen in them: everything that the edge allows, in any order, each kind of
//! input so often at most.

use std::time::Duration;

use socketio_proto::{
    edge::{End, Lost, Machine},
    time::Instant,
};

use crate::{
    endings,
    explore::Model,
    world::{Check, Kind, Phase, World, hold},
};

/// What happens. Requests and transports go by the order of their making.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    // The client, and the network between.
    Get,
    Post,
    Upgrade,
    Body(u8, Body),
    Read(u8, Said),
    Lose(u8, Lost),
    // The caller.
    Gone(u8),
    Sent(u8),
    Opened(u8),
    NotOpened(u8),
    Written(u8),
    // The application.
    Send,
    Close,
    Shutdown,
    Pause,
    Resume,
    // Time.
    Wait(Jump),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// A message.
    Message,
    /// A message and a close packet behind it.
    MessageClose,
    /// The pong that is awaited.
    Pong,
    /// No packet.
    Broken,
    /// A ping, which only servers send.
    Ping,
    TooLarge,
    /// More than all bodies together may hold, and more to come.
    TooMuch,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    Probe,
    Commit,
    Message,
    Pong,
    Close,
    Broken,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Jump {
    /// A microsecond before the next deadline.
    Before,
    /// To the next deadline.
    To,
    /// To the next deadline, and the next input tells the machine.
    Unsaid,
    /// The host sleeps through the next deadline and a bit more than a ping interval.
    Beyond,
}

/// An input, and whether its outputs are left in the queue for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    pub act: Act,
    pub is_late: bool,
}

/// How often each kind of input may come. Whatever only completes another, as `Sent`, may come
/// whenever it is due.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Budget {
    pub gets: u8,
    pub posts: u8,
    pub upgrades: u8,
    /// Messages of the client on a WebSocket.
    pub says: u8,
    /// Messages of the application.
    pub sends: u8,
    /// Ends of the session in order: by the client, by the application, by a shutdown.
    pub closes: u8,
    /// Requests that are aborted or whose answers are lost.
    pub gone: u8,
    /// WebSockets that do not open or are lost.
    pub lost: u8,
    /// What a good client does not send.
    pub bad: u8,
    pub waits: u8,
    /// Times that the application stops reading; it may go on at any time.
    pub pauses: u8,
    /// Inputs whose outputs are taken later.
    pub late: u8,
}

/// How far a session has come when the orders begin.
#[derive(Clone, Copy, Debug)]
pub enum Scene {
    /// On long-polling, and no request is pending.
    Polling,
    /// A poll waits.
    PollPending,
    /// A poll waits, and a WebSocket was accepted.
    Attached,
    /// The WebSocket is open, and its probe has been answered.
    Probed,
    /// The WebSocket has taken over.
    Upgraded,
    /// It began on a WebSocket.
    WebSocket,
}

#[derive(Clone, Copy, Debug)]
pub struct Orders {
    pub scene: Scene,
    pub budget: Budget,
}

pub struct Place {
    pub world: World,
    left: Budget,
}

impl Scene {
    fn play(self, world: &mut World) -> Check {
        if let Self::WebSocket = self {
            world.request(Kind::WebSocket);
            world.take()?;
            world.open(0);
            world.take()?;
            world.written(0);
            return world.take();
        }
        let open = world.request(Kind::Open);
        world.take()?;
        world.end(open, End::Sent);
        if let Self::Polling = self {
            return world.take();
        }
        let poll = world.request(Kind::Poll);
        world.take()?;
        if let Self::PollPending = self {
            return Ok(());
        }
        world.request(Kind::WebSocket);
        world.take()?;
        if let Self::Attached = self {
            return Ok(());
        }
        world.open(0);
        world.read(0, "2probe");
        world.take()?;
        world.written(0);
        world.end(poll, End::Sent);
        if let Self::Upgraded = self {
            world.read(0, "5");
        }
        world.take()
    }
}

impl Model for Orders {
    type World = Place;
    type Input = Step;

    fn start(&self, has_log: bool) -> Place {
        let mut world = World::new(has_log);
        self.scene.play(&mut world).expect("the scene can be set");
        Place {
            world,
            left: self.budget,
        }
    }

    fn inputs(&self, place: &Place) -> Vec<Step> {
        let mut steps = Vec::new();
        for act in acts(place) {
            steps.push(Step {
                act,
                is_late: false,
            });
            // A wait that nobody is told of has no outputs.
            if place.left.late > 0 && act != Act::Wait(Jump::Unsaid) {
                steps.push(Step { act, is_late: true });
            }
        }
        steps
    }

    fn apply(&self, place: &mut Place, step: Step) -> Check {
        let heard = act(place, step.act)?;
        if step.is_late {
            place.left.late -= 1;
            place.world.is_late = true;
            return Ok(());
        }
        place.world.take()?;
        if let Some(number) = heard {
            hold!(
                place.world.has_heard(number),
                "message {number} was not heard"
            );
        }
        Ok(())
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

fn acts(place: &Place) -> Vec<Act> {
    let (world, left) = (&place.world, &place.left);
    let mut acts = Vec::new();
    let mut offer = |is_offered: bool, act: Act| {
        if is_offered {
            acts.push(act);
        }
    };
    let is_open = world.is_open();
    offer(is_open && left.gets > 0, Act::Get);
    offer(is_open && left.posts > 0, Act::Post);
    offer(is_open && left.upgrades > 0, Act::Upgrade);
    offer(is_open && left.sends > 0, Act::Send);
    offer(is_open && left.closes > 0, Act::Close);
    offer(is_open && left.closes > 0, Act::Shutdown);
    offer(is_open && left.pauses > 0 && !world.is_paused, Act::Pause);
    offer(is_open && world.is_paused, Act::Resume);
    for (index, it) in (0..).zip(&world.requests) {
        if it.is_ended || it.is_transport {
            continue;
        }
        offer(it.is_answered, Act::Sent(index));
        // The answer of an application that is gone is nobody's loss.
        offer(left.gone > 0 && is_open, Act::Gone(index));
        if it.wants_body {
            offer(true, Act::Body(index, Body::Message));
            offer(left.closes > 0, Act::Body(index, Body::MessageClose));
            offer(world.pings > 0, Act::Body(index, Body::Pong));
            for body in [Body::Broken, Body::Ping, Body::TooLarge, Body::TooMuch] {
                offer(left.bad > 0, Act::Body(index, body));
            }
        }
    }
    for (index, it) in (0..).zip(&world.transports) {
        match it.phase {
            Phase::Offered => {
                offer(true, Act::Opened(index));
                offer(left.lost > 0, Act::NotOpened(index));
            }
            Phase::Open => {
                let is_new = !it.is_main && !it.has_committed;
                offer(is_new && !it.has_probed, Act::Read(index, Said::Probe));
                // Without a probe, or a second one: neither is what a good client does.
                offer(
                    is_new && (it.has_probed || left.bad > 0),
                    Act::Read(index, Said::Commit),
                );
                offer(it.has_probed && left.bad > 0, Act::Read(index, Said::Probe));
                offer(
                    left.says > 0 && (!is_new || left.bad > 0),
                    Act::Read(index, Said::Message),
                );
                offer(!is_new && world.pings > 0, Act::Read(index, Said::Pong));
                offer(left.closes > 0, Act::Read(index, Said::Close));
                offer(left.bad > 0, Act::Read(index, Said::Broken));
                offer(it.is_busy, Act::Written(index));
                if left.lost > 0 {
                    offer(true, Act::Lose(index, Lost::Closed { code: 1005 }));
                    offer(left.bad > 0, Act::Lose(index, Lost::TooBig));
                }
            }
            Phase::Over => {}
        }
    }
    let due = world.server.poll_timeout().filter(|&due| due > world.now);
    if let Some(due) = due
        && left.waits > 0
    {
        let is_near = due.saturating_duration_since(world.now) <= Duration::from_micros(1);
        offer(!is_near, Act::Wait(Jump::Before));
        offer(true, Act::Wait(Jump::To));
        offer(true, Act::Wait(Jump::Unsaid));
        offer(true, Act::Wait(Jump::Beyond));
    }
    acts
}

/// Does it, and says which message of the client must be heard.
fn act(place: &mut Place, act: Act) -> Result<Option<usize>, String> {
    let Place { world, left } = place;
    match act {
        Act::Get => {
            left.gets -= 1;
            world.request(Kind::Poll);
        }
        Act::Post => {
            left.posts -= 1;
            world.request(Kind::Post);
        }
        Act::Upgrade => {
            left.upgrades -= 1;
            world.request(Kind::WebSocket);
        }
        Act::Body(request, body) => give(world, left, request.into(), body),
        Act::Read(transport, said) => return Ok(read(world, left, transport.into(), said)),
        Act::Lose(transport, lost) => {
            left.lost -= 1;
            left.bad -= u8::from(lost == Lost::TooBig);
            world.lose(transport.into(), lost);
        }
        Act::Gone(request) => {
            left.gone -= 1;
            world.end(request.into(), End::Gone);
        }
        Act::Sent(request) => world.end(request.into(), End::Sent),
        Act::Opened(transport) => world.open(transport.into()),
        Act::NotOpened(transport) => {
            left.lost -= 1;
            world.lose(transport.into(), Lost::NotOpened);
        }
        Act::Written(transport) => world.written(transport.into()),
        Act::Send => {
            left.sends -= 1;
            world.send()?;
        }
        Act::Close => {
            left.closes -= 1;
            world.close();
        }
        Act::Shutdown => {
            left.closes -= 1;
            world.shutdown();
        }
        Act::Pause => {
            left.pauses -= 1;
            world.set_reading(true)?;
        }
        Act::Resume => world.set_reading(false)?,
        Act::Wait(jump) => {
            left.waits -= 1;
            wait(world, jump);
        }
    }
    Ok(None)
}

fn give(world: &mut World, left: &mut Budget, request: usize, body: Body) {
    match body {
        Body::Message => world.body(request, "", true, ""),
        Body::MessageClose => {
            left.closes -= 1;
            world.body(request, "", true, "\u{1e}1\u{1e}4c99");
        }
        Body::Pong => {
            world.pings -= 1;
            world.body(request, "3", false, "");
        }
        Body::Broken => {
            left.bad -= 1;
            world.body(request, "", true, "\u{1e}x\u{1e}4c99");
        }
        Body::Ping => {
            left.bad -= 1;
            world.body(request, "2", false, "\u{1e}4c99");
        }
        Body::TooLarge => {
            left.bad -= 1;
            world.body_too_large(request);
        }
        Body::TooMuch => {
            left.bad -= 1;
            world.body_progress(request, 60);
            world.body_progress(request, 101);
        }
    }
}

fn read(world: &mut World, left: &mut Budget, transport: usize, said: Said) -> Option<usize> {
    let it = &world.transports[transport];
    let (is_main, has_probed) = (it.is_main || it.has_committed, it.has_probed);
    match said {
        Said::Probe => {
            left.bad -= u8::from(has_probed);
            world.read(transport, "2probe");
        }
        Said::Commit => {
            left.bad -= u8::from(!has_probed);
            world.read(transport, "5");
        }
        Said::Message => {
            left.says -= 1;
            left.bad -= u8::from(!is_main);
            return world.say(transport);
        }
        Said::Pong => {
            world.pings -= 1;
            world.read(transport, "3");
        }
        Said::Close => {
            left.closes -= 1;
            world.read(transport, "1");
        }
        Said::Broken => {
            left.bad -= 1;
            world.read(transport, "x");
        }
    }
    None
}

fn wait(world: &mut World, jump: Jump) {
    let Some(due) = world.server.poll_timeout() else {
        return;
    };
    match jump {
        Jump::Before => world.wait_until(Instant::from_micros(due.as_micros() - 1), true),
        Jump::To => world.wait_until(due, true),
        Jump::Unsaid => world.wait_until(due, false),
        Jump::Beyond => world.wait_until(due + Duration::from_millis(350), true),
    }
}
