//! The network: nodes, connections between them, and what goes wrong on the way.
//!
//! It knows neither HTTP nor who sits at its nodes: it carries items of a type `T` that has a
//! length. A connection is two pipes, one each way, that keep their order, like TCP; items of
//! different connections overtake each other, like requests.
//!
//! ```text
//!   writer ──▶ [ written at the pipe's rate, one item after the other ] ── delay + jitter ──▶ reader
//!     ▲                           │
//!     └── Taken, where asked for ─┘
//! ```

use std::time::Duration;

use socketio_proto::time::Instant;

use crate::{dice::Dice, schedule::Schedule};

/// One end of connections: a server, a client, a bus.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u32);

/// Names one connection; it is never given out again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId {
    index: usize,
    serial: u64,
}

impl ConnectionId {
    /// How many connections were made before it: a short name for traces.
    pub fn serial(self) -> u64 {
        self.serial
    }
}

/// What the network carries.
pub trait Load {
    /// How many bytes it takes.
    fn bytes(&self) -> usize;
}

/// How a connection is.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// How long an item travels at least.
    pub delay: Duration,
    /// How much longer it may take.
    pub jitter: Duration,
    /// Bytes per millisecond that the far end (who was connected to) can write; zero for no limit.
    /// A slow reader at the near end is the same thing.
    pub down_rate: usize,
    /// Bytes per millisecond that the near end (who connected) can write; zero for no limit.
    pub up_rate: usize,
    /// What goes wrong with it, and how long after it was made.
    pub fate: Option<(Duration, Fate)>,
}

impl Default for Link {
    /// Without delay, limits or faults.
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            down_rate: 0,
            up_rate: 0,
            fate: None,
        }
    }
}

/// What goes wrong with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is cut: what is under way is lost, and both ends notice, each in its time.
    Cut,
    /// It is half open: what is under way and whatever follows vanishes, and nobody is told. While
    /// `takes`, writing still seems to succeed, as into a buffer of the kernel.
    Vanish {
        /// Whether writes are still reported as taken.
        takes: bool,
    },
}

/// How a connection ended for one end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It failed or was aborted; what was under way is lost.
    Broken,
    /// The other end closed it; everything that it had written arrived before.
    Closed,
}

/// What a node is told.
#[derive(Debug)]
pub enum Event<T> {
    /// An item arrived.
    Arrived {
        /// The connection; the first item of one that is new to the node opens it.
        connection: ConnectionId,
        /// What arrived.
        item: T,
    },
    /// A connection ended. The node hears no more of it.
    Ended {
        /// The connection.
        connection: ConnectionId,
        /// How.
        ending: Ending,
    },
    /// An item that was sent with [`Network::send_noted`] was written whole.
    Taken {
        /// The connection.
        connection: ConnectionId,
    },
    /// The time came that the node asked for.
    Woke {
        /// What it gave along.
        token: u64,
    },
}

/// Connections, and everything that is under way.
#[derive(Debug)]
pub struct Network<T> {
    schedule: Schedule<Due<T>>,
    slots: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    serial: u64,
    dice: Dice,
}

#[derive(Debug)]
enum Due<T> {
    Arrive(ConnectionId, Way, T),
    End(ConnectionId, Way, Ending),
    Fate(ConnectionId, Fate),
    Take(ConnectionId, Way),
    Wake(NodeId, u64),
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// Who connected.
    Near,
    /// Who was connected to.
    Far,
}

#[derive(Debug)]
struct Connection {
    serial: u64,
    link: Link,
    near: Side,
    far: Side,
    state: State,
}

#[derive(Debug)]
struct Side {
    node: NodeId,
    is_attached: bool,
    /// When it has written all that it was given.
    free_at: Instant,
    /// When the last of it arrives.
    last_arrival: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Up,
    /// Cut or aborted.
    Dead,
    Vanished {
        takes: bool,
    },
}

impl Way {
    const fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

impl Connection {
    fn side(&mut self, way: Way) -> &mut Side {
        match way {
            Way::Near => &mut self.near,
            Way::Far => &mut self.far,
        }
    }

    /// Which end a node is, if it is still attached.
    fn way_of(&self, node: NodeId) -> Option<Way> {
        if self.near.node == node && self.near.is_attached {
            Some(Way::Near)
        } else if self.far.node == node && self.far.is_attached {
            Some(Way::Far)
        } else {
            None
        }
    }
}

impl<T: Load> Network<T> {
    /// Makes a network without connections.
    pub fn new(dice: Dice) -> Self {
        Self {
            schedule: Schedule::default(),
            slots: Vec::new(),
            vacant: Vec::new(),
            serial: 0,
            dice,
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.schedule.now()
    }

    /// Connects two nodes. The far one learns of it by the first item that arrives.
    pub fn connect(&mut self, near: NodeId, far: NodeId, link: Link) -> ConnectionId {
        debug_assert!(near != far, "an end is found by its node");
        let now = self.now();
        let side = |node| Side {
            node,
            is_attached: true,
            free_at: now,
            last_arrival: now,
        };
        self.serial += 1;
        let connection = Connection {
            serial: self.serial,
            link,
            near: side(near),
            far: side(far),
            state: State::Up,
        };
        let index = self.vacant.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(index) {
            Some(slot) => *slot = Some(connection),
            None => self.slots.push(Some(connection)),
        }
        let id = ConnectionId {
            index,
            serial: self.serial,
        };
        if let Some((after, fate)) = link.fate {
            self.schedule.add(now + after, Due::Fate(id, fate));
        }
        id
    }

    /// Sends an item. On a connection that is gone it vanishes.
    pub fn send(&mut self, connection: ConnectionId, from: NodeId, item: T) {
        self.write(connection, from, item, false);
    }

    /// Sends an item and reports to the sender when it was written whole.
    pub fn send_noted(&mut self, connection: ConnectionId, from: NodeId, item: T) {
        self.write(connection, from, item, true);
    }

    fn write(&mut self, id: ConnectionId, from: NodeId, item: T, is_noted: bool) {
        let now = self.now();
        let Some(connection) = get(&mut self.slots, id) else {
            return;
        };
        let Some(way) = connection.way_of(from) else {
            return;
        };
        let link = connection.link;
        let rate = match way {
            Way::Near => link.up_rate,
            Way::Far => link.down_rate,
        };
        let span = match (item.bytes() * 1_000).checked_div(rate) {
            Some(micros) => Duration::from_micros(micros as u64),
            None => Duration::ZERO,
        };
        let jitter = self.dice.span((Duration::ZERO, link.jitter));
        let side = connection.side(way);
        let written = side.free_at.max(now) + span;
        let arrival = side.last_arrival.max(written + link.delay + jitter);
        (side.free_at, side.last_arrival) = (written, arrival);
        if is_noted && connection.state != (State::Vanished { takes: false }) {
            self.schedule.add(written, Due::Take(id, way));
        }
        if connection.state == State::Up {
            self.schedule
                .add(arrival, Due::Arrive(id, way.other(), item));
        }
    }

    /// Closes a connection in order: what was written still arrives, then the other end is told.
    pub fn close(&mut self, connection: ConnectionId, from: NodeId) {
        self.leave(connection, from, Ending::Closed);
    }

    /// Drops a connection: what is under way is lost, then the other end is told.
    pub fn abort(&mut self, connection: ConnectionId, from: NodeId) {
        self.leave(connection, from, Ending::Broken);
    }

    fn leave(&mut self, id: ConnectionId, from: NodeId, ending: Ending) {
        let now = self.now();
        let Some(connection) = get(&mut self.slots, id) else {
            return;
        };
        let Some(way) = connection.way_of(from) else {
            return;
        };
        let is_up = connection.state == State::Up;
        let link = connection.link;
        let side = connection.side(way);
        side.is_attached = false;
        let at = match ending {
            Ending::Closed => side.last_arrival.max(side.free_at.max(now) + link.delay),
            Ending::Broken => now + link.delay,
        };
        if ending == Ending::Broken && is_up {
            connection.state = State::Dead;
        }
        if !connection.side(way.other()).is_attached {
            self.forget(id);
        } else if is_up {
            self.schedule.add(at, Due::End(id, way.other(), ending));
        }
    }

    /// Lets something go wrong with a connection now.
    pub fn strike(&mut self, id: ConnectionId, fate: Fate) {
        let now = self.now();
        let Some(connection) = get(&mut self.slots, id) else {
            return;
        };
        connection.state = match fate {
            Fate::Cut => State::Dead,
            Fate::Vanish { takes } => State::Vanished { takes },
        };
        let span = (
            Duration::ZERO,
            connection.link.delay * 4 + connection.link.jitter,
        );
        if fate == Fate::Cut {
            for way in [Way::Near, Way::Far] {
                let at = now + self.dice.span(span);
                self.schedule.add(at, Due::End(id, way, Ending::Broken));
            }
        }
    }

    /// Cuts every connection there is, half-open ones too.
    pub fn cut_all(&mut self) {
        for index in 0..self.slots.len() {
            let serial = self
                .slots
                .get(index)
                .and_then(|slot| Some(slot.as_ref()?.serial));
            if let Some(serial) = serial {
                self.strike(ConnectionId { index, serial }, Fate::Cut);
            }
        }
    }

    /// How many connections at least one end still holds.
    pub fn connections(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Tells a node when a time has come.
    pub fn wake(&mut self, node: NodeId, at: Instant, token: u64) {
        self.schedule.add(at, Due::Wake(node, token));
    }

    /// The next thing that happens by an instant, and to whom; the clock moves there. When nothing
    /// is left by then, the clock moves to the instant.
    pub fn next_by(&mut self, by: Instant) -> Option<(NodeId, Event<T>)> {
        loop {
            let Some(due) = self.schedule.take_by(by) else {
                self.schedule.jump(by);
                return None;
            };
            if let Some(told) = self.tell(due) {
                return Some(told);
            }
        }
    }

    fn tell(&mut self, due: Due<T>) -> Option<(NodeId, Event<T>)> {
        match due {
            Due::Arrive(id, way, item) => {
                let connection = get(&mut self.slots, id)?;
                let is_up = connection.state == State::Up;
                let side = connection.side(way);
                (is_up && side.is_attached).then_some((
                    side.node,
                    Event::Arrived {
                        connection: id,
                        item,
                    },
                ))
            }
            Due::End(connection, way, ending) => {
                let it = get(&mut self.slots, connection)?;
                // An end in order does not overtake what happened to the connection since.
                if ending == Ending::Closed && it.state != State::Up {
                    return None;
                }
                let side = it.side(way);
                if !side.is_attached {
                    return None;
                }
                side.is_attached = false;
                let node = side.node;
                if !it.side(way.other()).is_attached {
                    self.forget(connection);
                }
                Some((node, Event::Ended { connection, ending }))
            }
            Due::Fate(id, fate) => {
                if get(&mut self.slots, id)?.state == State::Up {
                    self.strike(id, fate);
                }
                None
            }
            Due::Take(id, way) => {
                let connection = get(&mut self.slots, id)?;
                let takes = matches!(
                    connection.state,
                    State::Up | State::Vanished { takes: true }
                );
                let side = connection.side(way);
                (takes && side.is_attached).then_some((side.node, Event::Taken { connection: id }))
            }
            Due::Wake(node, token) => Some((node, Event::Woke { token })),
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slots.get_mut(id.index)
            && slot.take().is_some()
        {
            self.vacant.push(id.index);
        }
    }
}

fn get(slots: &mut [Option<Connection>], id: ConnectionId) -> Option<&mut Connection> {
    let connection = slots.get_mut(id.index)?.as_mut()?;
    (connection.serial == id.serial).then_some(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    struct Text(&'static str);

    impl Load for Text {
        fn bytes(&self) -> usize {
            self.0.len()
        }
    }

    fn network() -> Network<Text> {
        Network::new(Dice::new(1))
    }

    const fn millis(span: u64) -> Duration {
        Duration::from_millis(span)
    }

    /// What happens from now on, one line each.
    fn lines(network: &mut Network<Text>) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((node, event)) = network.next_by(Instant::from_millis(100_000)) {
            let what = match event {
                Event::Arrived { item, .. } => format!("got {}", item.0),
                Event::Ended { ending, .. } => format!("{ending:?}"),
                Event::Taken { .. } => "taken".to_owned(),
                Event::Woke { token } => format!("woke {token}"),
            };
            lines.push(format!("{} {}: {what}", network.now().as_micros(), node.0));
        }
        lines
    }

    #[test]
    fn items_arrive_in_order_at_the_rate_of_the_link_and_then_the_end() {
        let mut network = network();
        let link = Link {
            delay: millis(10),
            up_rate: 2,
            ..Link::default()
        };
        let id = network.connect(A, B, link);
        network.send_noted(id, A, Text("four"));
        network.send(id, A, Text("sixsix"));
        network.send(id, B, Text("back"));
        network.close(id, A);
        assert_eq!(network.connections(), 1);
        assert_eq!(
            lines(&mut network),
            [
                "12000 1: got four",
                "15000 1: got sixsix",
                "15000 1: Closed"
            ],
            "who has closed hears nothing, not even that its item was taken"
        );
        assert_eq!(network.connections(), 0);
    }

    #[test]
    fn a_writer_learns_when_a_slow_reader_has_taken_its_item() {
        let mut network = network();
        let link = Link {
            down_rate: 1,
            ..Link::default()
        };
        let id = network.connect(A, B, link);
        network.send_noted(id, B, Text("12345"));
        assert_eq!(lines(&mut network), ["5000 1: taken", "5000 0: got 12345"]);
    }

    #[test]
    fn a_cut_loses_what_is_under_way_and_tells_both() {
        let mut network = network();
        let link = Link {
            delay: millis(10),
            fate: Some((millis(5), Fate::Cut)),
            ..Link::default()
        };
        let id = network.connect(A, B, link);
        network.send(id, A, Text("lost"));
        let lines = lines(&mut network);
        assert_eq!(lines.len(), 2);
        assert!(
            lines.iter().all(|line| line.ends_with("Broken")),
            "{lines:?}"
        );
        assert_eq!(network.connections(), 0);
    }

    #[test]
    fn on_a_half_open_connection_everything_vanishes_silently() {
        for takes in [false, true] {
            let mut network = network();
            let id = network.connect(A, B, Link::default());
            network.send(id, A, Text("lost"));
            network.strike(id, Fate::Vanish { takes });
            network.send_noted(id, B, Text("lost"));
            network.close(id, A);
            let taken: &[&str] = if takes { &["0 1: taken"] } else { &[] };
            assert_eq!(lines(&mut network), taken);
            assert_eq!(network.connections(), 1);
            network.cut_all();
            assert_eq!(lines(&mut network), ["100000000 1: Broken"]);
            assert_eq!(network.connections(), 0);
        }
    }

    #[test]
    fn an_abort_loses_what_is_under_way_and_tells_the_other() {
        let mut network = network();
        let id = network.connect(A, B, Link::default());
        network.send(id, A, Text("lost"));
        network.abort(id, A);
        assert_eq!(lines(&mut network), ["0 1: Broken"]);
        network.send(id, B, Text("into the void"));
        assert_eq!(lines(&mut network), [""; 0]);
    }
}
