//! How peers behave, and what one of their lives will be like.

use std::time::Duration;

use socketio_proto::time::Instant;

use crate::{
    dice::Dice,
    network::{Fate, Link},
};

/// From what peers draw their lives.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// The path of the server's requests, with its trailing slash.
    pub path: &'static str,
    /// Which carriers they use, to pick from with equal chances.
    pub carriers: &'static [Carriers],
    /// The delays of their links.
    pub delay: (Duration, Duration),
    /// The most that is added to a delay.
    pub jitter: Duration,
    /// How often, in a thousand lives, the peer misbehaves in one way.
    pub misdeeds: u32,
    /// In which ways.
    pub kinds: &'static [Misdeed],
    /// How often, in a thousand connections, one is cut or half open.
    pub faults: u32,
    /// The time between two messages of a peer.
    pub speaks_every: Duration,
    /// The longest padding of a message.
    pub padding: usize,
    /// How long a life lasts at most; `None` for as long as the server lets it.
    pub lasts: Option<Duration>,
    /// How it then ends, to pick from with equal chances.
    pub farewells: &'static [Farewell],
    /// From then on nothing goes wrong that did not before, and no life ends.
    pub rough_until: Instant,
    /// The most time between two lives.
    pub rests: Duration,
}

impl Habits {
    /// Every kind of peer on a bad network.
    pub const fn rough() -> Self {
        Self {
            path: "/engine.io/",
            carriers: &[
                Carriers::Polling,
                Carriers::Upgrade,
                Carriers::Upgrade,
                Carriers::WebSocket,
            ],
            delay: (Duration::from_millis(1), Duration::from_millis(150)),
            jitter: Duration::from_millis(60),
            misdeeds: 450,
            kinds: Misdeed::ALL,
            faults: 20,
            speaks_every: Duration::from_secs(2),
            padding: 400,
            lasts: Some(Duration::from_secs(60)),
            farewells: &[
                Farewell::Cut,
                Farewell::Vanish,
                Farewell::Close,
                Farewell::Close,
            ],
            rough_until: Instant::MAX,
            rests: Duration::from_secs(5),
        }
    }

    /// Peers as the official client, on a network that delays, but loses nothing. They stay.
    pub const fn honest() -> Self {
        Self {
            misdeeds: 0,
            faults: 0,
            lasts: None,
            ..Self::rough()
        }
    }

    /// Draws a link.
    pub(super) fn link(&self, now: Instant, is_slow: bool, dice: &mut Dice) -> Link {
        let is_rough = now < self.rough_until;
        let fate = (is_rough && dice.per_mille(self.faults)).then(|| {
            let fate = match dice.below(3) {
                0 => Fate::Cut,
                n => Fate::Vanish { takes: n == 1 },
            };
            (dice.span((Duration::ZERO, Duration::from_secs(30))), fate)
        });
        let rate = |dice: &mut Dice| if dice.per_mille(300) { 200 } else { 0 };
        Link {
            delay: dice.span(self.delay),
            jitter: self.jitter,
            down_rate: if is_slow { 1 } else { rate(dice) },
            up_rate: rate(dice),
            fate,
        }
    }

    /// Draws a life.
    pub(super) fn plan(&self, now: Instant, dice: &mut Dice) -> Plan {
        let is_rough = now < self.rough_until;
        let misdeed =
            (is_rough && dice.per_mille(self.misdeeds)).then(|| dice.pick(self.kinds).copied());
        let lasts = self.lasts.filter(|_| is_rough).and_then(|most| {
            let farewell = *dice.pick(self.farewells)?;
            Some((dice.span((Duration::ZERO, most)), farewell))
        });
        Plan {
            carriers: dice
                .pick(self.carriers)
                .copied()
                .unwrap_or(Carriers::Upgrade),
            misdeed: misdeed.flatten(),
            lasts,
        }
    }
}

/// What one life will be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) carriers: Carriers,
    pub(super) misdeed: Option<Misdeed>,
    /// How long it lasts, and how it ends.
    pub(super) lasts: Option<(Duration, Farewell)>,
}

/// Which carriers a life uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carriers {
    /// Long-polling alone.
    Polling,
    /// Long-polling, then WebSocket, as official clients do.
    Upgrade,
    /// WebSocket alone.
    WebSocket,
}

/// How a peer ends its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Farewell {
    /// It says so.
    Close,
    /// Its network fails, and the server notices.
    Cut,
    /// Its network fails, and the server does not notice.
    Vanish,
}

/// What a peer may do that an official client does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Misdeed {
    /// Gives up a poll and begins another.
    AbortPoll,
    /// Gives up a data request half-way.
    AbortPost,
    /// Commits an upgrade while requests are pending.
    CommitEarly,
    /// Begins WebSocket handshakes that never end.
    DeadHandshake,
    /// Sends what is no packet, no request, or too much.
    Garbage,
    /// Probes and never commits.
    HalfUpgrade,
    /// Stops polling.
    NeverPoll,
    /// Stops answering pings.
    NeverPong,
    /// Polls while it polls.
    OverlapPolls,
    /// Sends two data requests at once.
    OverlapPosts,
    /// Probes twice.
    SecondProbe,
    /// Opens a WebSocket for an upgrade and says nothing.
    SilentUpgrade,
    /// Reads a byte per millisecond.
    SlowReader,
    /// Begins two upgrades at once.
    TwoUpgrades,
}

impl Misdeed {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AbortPoll,
        Self::AbortPost,
        Self::CommitEarly,
        Self::DeadHandshake,
        Self::Garbage,
        Self::HalfUpgrade,
        Self::NeverPoll,
        Self::NeverPong,
        Self::OverlapPolls,
        Self::OverlapPosts,
        Self::SecondProbe,
        Self::SilentUpgrade,
        Self::SlowReader,
        Self::TwoUpgrades,
    ];
}
