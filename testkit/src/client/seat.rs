//! A client's place in one namespace, through all its connections.

use socketio_proto::{edge::Message, time::Instant};

use super::packet::{self, Packet};
use crate::{
    delivery::Promise,
    ledger::{Broken, LifeId},
    world::Scene,
};

/// What a client is in one namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It asked to be let in.
    Asked,
    /// Not there.
    Idle,
    /// There.
    In,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) namespace: &'static str,
    pub(super) state: State,
    sid: Option<String>,
    pid: Option<String>,
    offset: Option<String>,
    // What came before the answer to its CONNECT.
    early: Vec<Event>,
    // It left on this connection: what it was sent before that may still come.
    has_leftovers: bool,
    // It asked with what belongs to another namespace.
    is_astray: bool,
    // When it was there last.
    here_at: Instant,
}

/// An event of the application.
#[derive(Debug)]
pub(super) struct Event {
    name: char,
    number: Option<u32>,
    arguments: usize,
    /// The last argument, if it is a string.
    last: Option<String>,
    pub(super) asks: Option<u64>,
}

impl Event {
    /// Reads one; its number may stand in its attachment.
    pub(super) fn read(packet: &Packet<'_>) -> Option<Self> {
        let members = packet::list(packet.payload)?;
        let (name, arguments) = members.split_first()?;
        let first = arguments.first()?;
        let last = arguments.last().and_then(|it| packet::text(it));
        Some(Self {
            name: packet::text(name)?.chars().next()?,
            number: packet::text(first).and_then(number),
            arguments: arguments.len(),
            last: last.map(str::to_owned),
            asks: packet.id,
        })
    }

    /// Its attachment came.
    pub(super) fn whole(mut self, text: &str) -> Self {
        self.number = self.number.or_else(|| number(text));
        self
    }

    fn promise(&self) -> Promise {
        match self.name {
            'a' | 'v' | 'w' => Promise::Fleeting,
            _ => Promise::Kept,
        }
    }

    /// How many arguments the application gave it.
    fn given(&self) -> usize {
        match self.name {
            'n' | 'w' => 2,
            _ => 1,
        }
    }

    /// Whether the server adds a position: to what it keeps, and where an official client would
    /// take the application's last argument for one.
    fn has_position(&self) -> bool {
        !matches!(self.name, 'a' | 'w')
    }
}

fn number(text: &str) -> Option<u32> {
    text.split(':').next()?.parse().ok()
}

impl Seat {
    pub(super) fn new(namespace: &'static str) -> Self {
        Self {
            namespace,
            state: State::Idle,
            sid: None,
            pid: None,
            offset: None,
            early: Vec::new(),
            has_leftovers: false,
            is_astray: false,
            here_at: Instant::ORIGIN,
        }
    }

    /// The namespace as it stands in packets.
    pub(super) fn prefix(&self) -> String {
        match self.namespace {
            "/" => String::new(),
            name => format!("{name},"),
        }
    }

    /// What it says about its last session.
    pub(super) fn claim(&self) -> (Option<String>, Option<String>) {
        (self.pid.clone(), self.offset.clone())
    }

    /// A CONNECT.
    pub(super) fn ask(&mut self) -> Message {
        self.is_astray = false;
        self.ask_with(&self.claim())
    }

    /// A CONNECT with the claim of another namespace.
    pub(super) fn ask_astray(&mut self, claim: &(Option<String>, Option<String>)) -> Message {
        self.is_astray = true;
        self.ask_with(claim)
    }

    fn ask_with(&mut self, claim: &(Option<String>, Option<String>)) -> Message {
        self.state = State::Asked;
        let auth = match claim {
            (Some(pid), Some(offset)) => format!(r#"{{"pid":"{pid}","offset":"{offset}"}}"#),
            (Some(pid), None) => format!(r#"{{"pid":"{pid}"}}"#),
            (None, _) => String::new(),
        };
        Message::Text(format!("0{}{auth}", self.prefix()).into())
    }

    /// A DISCONNECT.
    pub(super) fn leave(&mut self, scene: &mut Scene<'_>) -> Message {
        self.state = State::Idle;
        self.has_leftovers = true;
        if let Some(sid) = &self.sid {
            scene.ledger.deliveries.excuse(sid);
        }
        Message::Text(format!("1{}", self.prefix()).into())
    }

    /// Its connection is lost.
    pub(super) fn cut(&mut self, silent_since: Instant) {
        if self.state == State::In {
            self.here_at = self.here_at.max(silent_since);
        }
        self.state = State::Idle;
        self.has_leftovers = false;
        self.early.clear();
    }

    /// A CONNECT is answered.
    pub(super) fn answered(
        &mut self,
        payload: &str,
        life: LifeId,
        scene: &mut Scene<'_>,
    ) -> Result<(), Broken> {
        let Some(sid) = packet::field(payload, "sid") else {
            return Err(Broken(format!("a CONNECT is answered by {payload}")));
        };
        if self.state != State::Asked {
            return Err(Broken(format!("{sid} is let in unasked")));
        }
        self.state = State::In;
        let has_leftovers = std::mem::take(&mut self.has_leftovers);
        let pid = packet::field(payload, "pid");
        let early = std::mem::take(&mut self.early);
        let now = scene.network.now();
        if pid.is_some() && pid == self.pid.as_deref() {
            if self.sid.as_deref() != Some(sid) {
                return Err(Broken(format!("{sid} is back, but was another")));
            }
            self.here_at = now;
            for event in early {
                self.deliver(event, true, scene)?;
            }
            return scene.ledger.deliveries.recovered(sid, life);
        }
        if let Some(event) = early.first()
            && !has_leftovers
        {
            let number = event.number;
            return Err(Broken(format!(
                "{sid} is new, but was told {number:?} before"
            )));
        }
        if let Some(old) = self.sid.replace(sid.to_owned()) {
            let away = now.saturating_duration_since(self.here_at);
            if self.is_astray {
                scene.ledger.deliveries.excuse(&old);
            }
            scene.ledger.deliveries.lost(&old, away)?;
        }
        self.here_at = now;
        self.pid = pid.map(str::to_owned);
        scene.ledger.deliveries.met(sid)
    }

    /// A CONNECT is refused.
    pub(super) fn refused(&mut self) -> Result<(), Broken> {
        if self.state != State::Asked {
            return Err(Broken(format!("{:?} is refused unasked", self.sid)));
        }
        self.state = State::Idle;
        match self.early.pop() {
            Some(event) if !self.has_leftovers => Err(Broken(format!(
                "{:?} was refused, but told {:?} before",
                self.sid, event.number
            ))),
            _ => {
                self.early.clear();
                Ok(())
            }
        }
    }

    /// The server sends it away.
    pub(super) fn sent_away(&mut self, scene: &Scene<'_>) -> Result<(), Broken> {
        let sid = self.sid.as_deref().unwrap_or_default();
        match self.state {
            State::In if scene.ledger.deliveries.is_over(sid) => self.state = State::Idle,
            // It had left by itself.
            State::Asked | State::Idle if self.has_leftovers => {}
            _ => return Err(Broken(format!("{sid} is sent away for no reason"))),
        }
        Ok(())
    }

    /// An event comes.
    pub(super) fn event(&mut self, event: Event, scene: &mut Scene<'_>) -> Result<(), Broken> {
        match self.state {
            State::Asked => {
                self.early.push(event);
                Ok(())
            }
            State::Idle if self.has_leftovers => Ok(()),
            State::Idle => Err(Broken(format!("{:?} is not there to hear", self.sid))),
            State::In => self.deliver(event, false, scene),
        }
    }

    fn deliver(
        &mut self,
        event: Event,
        is_replay: bool,
        scene: &mut Scene<'_>,
    ) -> Result<(), Broken> {
        let sid = self.sid.as_deref().unwrap_or_default();
        let Some(number) = event.number else {
            return Err(Broken(format!(
                "{sid} heard what makes no sense: {event:?}"
            )));
        };
        scene.note(format_args!("{sid} hears {number}, replayed: {is_replay}"));
        let promise = event.promise();
        let deliveries = &mut scene.ledger.deliveries;
        deliveries.heard(sid, number, promise, is_replay)?;
        let is_recoverable = self.pid.is_some();
        let added = usize::from(is_recoverable && event.has_position());
        if event.arguments != event.given() + added {
            return Err(Broken(format!(
                "{sid} heard {event:?}: its position is wrong"
            )));
        }
        if is_recoverable && event.asks.is_none() && event.last.is_some() {
            self.offset = event.last;
        }
        Ok(())
    }
}
