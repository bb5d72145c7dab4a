//! A Socket.IO client whose connection fails, and who comes back.
//!
//! It does what the official client does (Socket.IO reference, "Connection state recovery"): what a
//! CONNECT is answered with holds a `pid`; from then on the last argument of an event that asks for
//! no answer, if it is a string, is the offset; the next CONNECT says both. Events that come before
//! its answer wait for it. The old offset stays with a new `pid` until an event brings another. In one
//! point it is better: what waited when a connection was lost is forgotten, because it comes again.
//!
//! Every event that it hears is held against [`Deliveries`](crate::delivery::Deliveries).

mod packet;
mod seat;

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::{edge::Message, time::Instant};

use self::seat::{Event, Seat, State};
use crate::{
    dice::Dice,
    ledger::LifeId,
    speech::{Heard, Script},
    world::Scene,
};

/// The namespaces that clients go to.
pub const NAMESPACES: [&str; 2] = ["/", "/b"];

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// How many in a thousand go to both namespaces.
    pub two_seats: u32,
    /// How often, in a thousand events, its connection fails just then.
    pub fails: u32,
    /// The same while it is told what it missed.
    pub fails_in_replay: u32,
    /// The same where it was just let in.
    pub fails_at_once: u32,
    /// How often, in a thousand turns, it leaves a namespace, and comes back later.
    pub leaves: u32,
    /// How often, in a thousand connections, it mixes up what it knows of its two namespaces.
    pub mixes_up: u32,
    /// How often, in a thousand losses, it is away for long, and then how long.
    pub strays: u32,
    /// From one minute on.
    pub long: (Duration, Duration),
    /// The first delay before it connects again; it doubles up to five times as much.
    pub delay: Duration,
}

impl Ways {
    /// On a bad network, with a mind of its own.
    pub const fn restless() -> Self {
        Self {
            two_seats: 300,
            fails: 2,
            fails_in_replay: 40,
            fails_at_once: 60,
            leaves: 10,
            mixes_up: 20,
            strays: 40,
            long: (Duration::from_secs(20), Duration::from_secs(180)),
            delay: Duration::from_secs(1),
        }
    }

    /// It stays where it is, and comes back soon.
    pub const fn patient() -> Self {
        Self {
            two_seats: 0,
            fails: 0,
            fails_in_replay: 0,
            fails_at_once: 0,
            leaves: 0,
            mixes_up: 0,
            strays: 0,
            ..Self::restless()
        }
    }
}

/// A client, through all its connections.
#[derive(Debug)]
pub struct Client {
    ways: Ways,
    dice: Dice,
    life: LifeId,
    seats: Vec<Seat>,
    // Its attachment is awaited.
    half: Option<(usize, Event)>,
    replies: Vec<Message>,
    gives_up: bool,
    failures: u32,
}

impl Client {
    /// Makes one.
    pub fn new(ways: Ways, mut dice: Dice) -> Self {
        let first = dice.below(NAMESPACES.len());
        let mut places = vec![first];
        if dice.per_mille(ways.two_seats) {
            places.push((first + 1) % NAMESPACES.len());
        }
        let names = places.into_iter().filter_map(|it| NAMESPACES.get(it));
        Self {
            ways,
            dice,
            life: LifeId(u32::MAX),
            seats: names.map(|name| Seat::new(name)).collect(),
            half: None,
            replies: Vec::new(),
            gives_up: false,
            failures: 0,
        }
    }

    fn event(&mut self, at: usize, event: Event, scene: &mut Scene<'_>) -> Heard {
        let Some(seat) = self.seats.get_mut(at) else {
            return Heard::Strange;
        };
        let fails = match seat.state {
            State::Asked => self.ways.fails_in_replay,
            State::Idle | State::In => self.ways.fails,
        };
        self.gives_up |= self.dice.per_mille(fails);
        if let Some(id) = event.asks.filter(|_| seat.state == State::In) {
            let text = format!("3{}{id}[]", seat.prefix());
            self.replies.push(Message::Text(text.into()));
        }
        let heard = seat.event(event, scene);
        scene.hold(heard);
        Heard::Other
    }
}

impl Script for Client {
    fn opened(&mut self, life: LifeId, _scene: &mut Scene<'_>) -> Vec<Message> {
        self.life = life;
        self.failures = 0;
        if self.dice.per_mille(self.ways.mixes_up)
            && let [one, two] = self.seats.as_mut_slice()
        {
            let (first, second) = (one.claim(), two.claim());
            return vec![one.ask_astray(&second), two.ask_astray(&first)];
        }
        self.seats.iter_mut().map(Seat::ask).collect()
    }

    fn hear(&mut self, message: &Message, scene: &mut Scene<'_>) -> Heard {
        let text = match (message, self.half.take()) {
            (Message::Text(text), None) => text,
            (Message::Binary(bytes), Some((at, event))) => {
                return match std::str::from_utf8(bytes) {
                    Ok(text) => self.event(at, event.whole(text), scene),
                    Err(_) => Heard::Strange,
                };
            }
            // A packet and its attachments are one unit.
            _ => return Heard::Strange,
        };
        let Some(packet) = packet::read(text) else {
            return Heard::Strange;
        };
        let mut all = self.seats.iter().enumerate();
        let Some((at, _)) = all.find(|(_, it)| it.namespace == packet.namespace) else {
            return Heard::Strange;
        };
        let Some(seat) = self.seats.get_mut(at) else {
            return Heard::Strange;
        };
        let held = match packet.kind {
            '0' => {
                self.gives_up |= self.dice.per_mille(self.ways.fails_at_once);
                seat.answered(packet.payload, self.life, scene)
            }
            '1' => seat.sent_away(scene),
            '4' => seat.refused(),
            '2' | '5' => match Event::read(&packet) {
                Some(event) if packet.attachments == 0 => return self.event(at, event, scene),
                Some(event) => {
                    self.half = Some((at, event));
                    Ok(())
                }
                None => return Heard::Strange,
            },
            _ => return Heard::Strange,
        };
        scene.hold(held);
        Heard::Other
    }

    fn replies(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.replies)
    }

    fn gives_up(&mut self) -> bool {
        std::mem::take(&mut self.gives_up)
    }

    fn act(&mut self, scene: &mut Scene<'_>) -> Vec<Message> {
        let mut said = Vec::new();
        for seat in &mut self.seats {
            if seat.state == State::Idle {
                said.push(seat.ask());
            } else if seat.state == State::In && self.dice.per_mille(self.ways.leaves) {
                said.push(seat.leave(scene));
                // It may change its mind at once.
                if self.dice.per_mille(500) {
                    said.push(seat.ask());
                }
            }
        }
        said
    }

    fn may_speak(&self) -> bool {
        self.seats.iter().any(|seat| seat.state == State::In)
    }

    fn say(&mut self, text: String, is_binary: bool) -> Vec<Message> {
        let mut seats = self.seats.iter();
        let Some(seat) = seats.find(|seat| seat.state == State::In) else {
            return Vec::new();
        };
        let prefix = seat.prefix();
        if is_binary {
            let head = format!(r#"51-{prefix}["m",{{"_placeholder":true,"num":0}}]"#);
            let attachment = Message::Binary(Bytes::from(text));
            return vec![Message::Text(head.into()), attachment];
        }
        let text = format!(r#"2{prefix}["m","{text}"]"#);
        vec![Message::Text(ByteString::from(text))]
    }

    fn ended(&mut self, silent_since: Instant) {
        self.half = None;
        self.gives_up = false;
        self.replies.clear();
        for seat in &mut self.seats {
            seat.cut(silent_since);
        }
    }

    /// As the official client waits (Socket.IO reference, "Reconnection"), and now and then longer.
    fn rest(&mut self, _most: Duration, rough: Duration, dice: &mut Dice) -> Duration {
        if dice.per_mille(self.ways.strays) && rough > Duration::ZERO {
            return dice.span(self.ways.long).min(rough);
        }
        let base = self.ways.delay * (1 << self.failures.min(8));
        self.failures += 1;
        let least = (base / 2).min(self.ways.delay * 5);
        dice.span((least, (base * 3 / 2).min(self.ways.delay * 5)))
    }
}
