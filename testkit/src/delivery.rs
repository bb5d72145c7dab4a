//! What sockets were promised: every event that was addressed to one arrives, in order and once,
//! also when its client lost its connection and came back.
//!
//! Who is addressed follows from the application's own commands, by plain lists: a *member* is one
//! socket by its public id, from its acceptance to the end of its session. While its client is away
//! it stays in its rooms, and what is sent there is still meant for it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    time::Duration,
};

use socketio_proto::time::Instant;

use crate::ledger::{Broken, LifeId, Totals};

/// A room: a number, or the room of a single member, named by its id.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Room {
    /// One that members join and leave.
    Numbered(u32),
    /// The room that a member is in from its beginning.
    Own(String),
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbered(number) => write!(f, "r{number}"),
            Self::Own(id) => f.write_str(id),
        }
    }
}

impl Room {
    /// Reads its name.
    pub fn from_name(name: &str) -> Self {
        let number = name.strip_prefix('r').and_then(|it| it.parse().ok());
        number.map_or_else(|| Self::Own(name.to_owned()), Self::Numbered)
    }
}

/// Whom an event was sent to.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Members of any of these; everybody, if there are none.
    pub rooms: &'a [Room],
    /// But of none of these.
    pub except: &'a [Room],
    /// And not this one.
    pub without: Option<&'a str>,
}

/// What an event promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// To arrive, whatever happens, as long as the session is kept.
    Kept,
    /// To arrive at most once and in order, and never behind a loss of the connection.
    Fleeting,
}

/// No server keeps a session for longer.
const LONGEST: Duration = Duration::from_secs(400);

/// The promises to all sockets of one run.
#[derive(Debug, Default)]
pub struct Deliveries {
    members: BTreeMap<String, Member>,
    // A client that is back within this span may not be turned away. Zero: nothing is promised.
    kept_for: Duration,
    delivered: usize,
    fleeting: usize,
    replayed: usize,
    recovered: usize,
    anew: usize,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, for one side or the other"
)]
struct Member {
    namespace: String,
    rooms: BTreeSet<Room>,
    /// What was addressed to it and was not heard.
    waits: VecDeque<(u32, Promise)>,
    /// Where numbers stood when it came back, by the life in which it did.
    marks: BTreeMap<LifeId, u32>,
    away_since: Option<Instant>,
    has_returned: bool,
    /// Its client knows it.
    is_met: bool,
    /// For the server it left or was sent away: it may not come back.
    is_over: bool,
    /// Its client left, or asked for something else: it may have lost it.
    is_excused: bool,
    /// Its client is somebody else by now.
    is_given_up: bool,
}

impl Deliveries {
    /// Who is away for less than a span has to find its session again.
    pub fn promise(&mut self, kept_for: Duration) {
        self.kept_for = kept_for;
    }

    /// Whether there is such a member.
    pub fn knows(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    /// The application accepts somebody new.
    pub fn accepted(&mut self, id: &str, namespace: &str, rooms: &[Room]) -> Result<(), Broken> {
        let own = Room::Own(id.to_owned());
        let member = Member {
            namespace: namespace.to_owned(),
            rooms: rooms.iter().cloned().chain([own]).collect(),
            waits: VecDeque::new(),
            marks: BTreeMap::new(),
            away_since: None,
            has_returned: false,
            is_met: false,
            is_over: false,
            is_excused: false,
            is_given_up: false,
        };
        match self.members.insert(id.to_owned(), member) {
            None => Ok(()),
            Some(_) => Err(Broken(format!("{id} was given out twice"))),
        }
    }

    /// The application accepts somebody who was here before; `number` is that of the next event.
    pub fn restored(
        &mut self,
        id: &str,
        namespace: &str,
        life: LifeId,
        number: u32,
    ) -> Result<(), Broken> {
        let member = self.member(id)?;
        if member.is_over {
            return Err(Broken(format!("{id} is back, but its session is over")));
        }
        if member.namespace != namespace {
            return Err(Broken(format!("{id} is back in {namespace}")));
        }
        member.away_since = None;
        member.has_returned = true;
        member.marks.insert(life, number);
        Ok(())
    }

    /// Whether it has come back once.
    pub fn is_back(&self, id: &str) -> bool {
        self.members.get(id).is_some_and(|it| it.has_returned)
    }

    /// The rooms of a member.
    pub fn rooms(&self, id: &str) -> BTreeSet<Room> {
        let member = self.members.get(id);
        member.map(|it| it.rooms.clone()).unwrap_or_default()
    }

    /// It joins a room.
    pub fn joined(&mut self, id: &str, room: Room) {
        if let Ok(member) = self.member(id) {
            member.rooms.insert(room);
        }
    }

    /// It leaves a room.
    pub fn left(&mut self, id: &str, room: &Room) {
        if let Ok(member) = self.member(id) {
            member.rooms.remove(room);
        }
    }

    /// Its connection is gone; it may come back.
    pub fn gone(&mut self, id: &str, now: Instant) {
        if let Ok(member) = self.member(id) {
            member.away_since = Some(now);
        }
    }

    /// Its session is over, for whichever side wants so.
    pub fn over(&mut self, id: &str) {
        if let Ok(member) = self.member(id) {
            member.is_over = true;
        }
    }

    /// Its client did what may end its session: the server may learn of it, or not.
    pub fn excuse(&mut self, id: &str) {
        if let Ok(member) = self.member(id) {
            member.is_excused = true;
        }
    }

    /// Whether its session is over.
    pub fn is_over(&self, id: &str) -> bool {
        self.members.get(id).is_some_and(|it| it.is_over)
    }

    /// An event was sent; to how many members it was addressed.
    pub fn sent(&mut self, now: Instant, number: u32, promise: Promise, to: Address<'_>) -> usize {
        let mut count = 0;
        for (id, member) in &mut self.members {
            if member.namespace != to.namespace
                || to.without == Some(id)
                || !(to.rooms.is_empty() || to.rooms.iter().any(|it| member.rooms.contains(it)))
                || to.except.iter().any(|it| member.rooms.contains(it))
            {
                continue;
            }
            // Nobody waits for ever for who never comes back.
            let away = member
                .away_since
                .map(|at| now.saturating_duration_since(at));
            if away.is_some_and(|away| away > LONGEST) {
                member.is_over = true;
            }
            if member.is_over
                || member.is_given_up
                || (promise == Promise::Fleeting && away.is_some())
            {
                continue;
            }
            member.waits.push_back((number, promise));
            count += 1;
        }
        count
    }

    /// A client learns that it is a new member.
    pub fn met(&mut self, id: &str) -> Result<(), Broken> {
        let member = self.member(id)?;
        if std::mem::replace(&mut member.is_met, true) {
            return Err(Broken(format!("{id} is somebody already")));
        }
        Ok(())
    }

    /// A client hears an event. `is_replay`: before it was told that it is back.
    pub fn heard(
        &mut self,
        id: &str,
        number: u32,
        promise: Promise,
        is_replay: bool,
    ) -> Result<(), Broken> {
        match promise {
            Promise::Kept => self.delivered += 1,
            Promise::Fleeting => self.fleeting += 1,
        }
        self.replayed += usize::from(is_replay);
        let member = self.member(id)?;
        if is_replay && promise == Promise::Fleeting {
            return Err(Broken(format!(
                "{id} was told {number} again, which is not kept"
            )));
        }
        loop {
            match member.waits.front() {
                Some(&(next, _)) if next == number => {
                    member.waits.pop_front();
                    return Ok(());
                }
                Some(&(next, Promise::Fleeting)) if next < number => {
                    member.waits.pop_front();
                }
                Some(&(next, Promise::Kept)) if next < number => {
                    return Err(Broken(format!(
                        "{id} heard {number}, but {next} is missing"
                    )));
                }
                _ => {
                    return Err(Broken(format!(
                        "{id} heard {number} twice, out of order, or not being addressed"
                    )));
                }
            }
        }
    }

    /// A client is told that it is back, behind what it missed.
    pub fn recovered(&mut self, id: &str, life: LifeId) -> Result<(), Broken> {
        self.recovered += 1;
        let member = self.member(id)?;
        if member.is_given_up || !member.is_met {
            return Err(Broken(format!("{id} is back, but its session is over")));
        }
        let Some(mark) = member.marks.remove(&life) else {
            return Err(Broken(format!("{id} is back, but was not accepted")));
        };
        let mut kept = member.waits.iter().filter(|it| it.1 == Promise::Kept);
        match kept.next() {
            Some(&(number, _)) if number < mark => Err(Broken(format!(
                "{id} is told that it is back, but not of {number}, sent before"
            ))),
            _ => Ok(()),
        }
    }

    /// A client that wanted to come back is somebody new, after a span without a connection.
    pub fn lost(&mut self, id: &str, away: Duration) -> Result<(), Broken> {
        self.anew += 1;
        let kept_for = self.kept_for;
        let member = self.member(id)?;
        member.is_given_up = true;
        member.waits = VecDeque::new();
        if !member.is_over && !member.is_excused && away < kept_for {
            return Err(Broken(format!("{id} was forgotten after {away:?}")));
        }
        Ok(())
    }

    /// Everybody is back and all is quiet: nothing may be missing.
    pub fn check_whole(&self) -> Result<(), Broken> {
        for (id, member) in &self.members {
            let missing = member.waits.iter().filter(|it| it.1 == Promise::Kept);
            let missing = missing.count();
            let counts = member.is_met && !member.is_over && !member.is_given_up;
            if counts && self.kept_for > Duration::ZERO && missing > 0 {
                return Err(Broken(format!(
                    "{id} never heard {missing} events: {:?}",
                    member.waits
                )));
            }
        }
        Ok(())
    }

    /// Adds what happened.
    pub fn count(&self, totals: &mut Totals) {
        totals.delivered += self.delivered;
        totals.fleeting += self.fleeting;
        totals.replayed += self.replayed;
        totals.recovered += self.recovered;
        totals.anew += self.anew;
    }

    fn member(&mut self, id: &str) -> Result<&mut Member, Broken> {
        let member = self.members.get_mut(id);
        member.ok_or_else(|| Broken(format!("nobody knows {id}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Address<'_> = Address {
        namespace: "/",
        rooms: &[],
        except: &[],
        without: None,
    };

    fn one() -> Deliveries {
        let mut deliveries = Deliveries::default();
        deliveries.promise(Duration::from_secs(120));
        deliveries
            .accepted("a", "/", &[Room::Numbered(1)])
            .expect("it is new");
        deliveries.met("a").expect("it is new");
        deliveries
    }

    fn send(deliveries: &mut Deliveries, number: u32, to: Address<'_>) -> usize {
        deliveries.sent(Instant::ORIGIN, number, Promise::Kept, to)
    }

    fn hear(deliveries: &mut Deliveries, number: u32) -> bool {
        deliveries.heard("a", number, Promise::Kept, false).is_ok()
    }

    #[test]
    fn a_member_hears_what_was_addressed_to_it_in_order_and_once() {
        let mut deliveries = one();
        let room = [Room::Numbered(1)];
        assert_eq!(send(&mut deliveries, 0, ALL), 1);
        assert_eq!(
            send(
                &mut deliveries,
                1,
                Address {
                    except: &room,
                    ..ALL
                }
            ),
            0
        );
        assert_eq!(
            send(
                &mut deliveries,
                2,
                Address {
                    rooms: &room,
                    ..ALL
                }
            ),
            1
        );
        assert_eq!(
            send(
                &mut deliveries,
                3,
                Address {
                    without: Some("a"),
                    ..ALL
                }
            ),
            0
        );
        assert_eq!(
            send(
                &mut deliveries,
                4,
                Address {
                    namespace: "/b",
                    ..ALL
                }
            ),
            0
        );
        assert!(!hear(&mut deliveries, 2), "one is missing");
        assert!(hear(&mut deliveries, 0));
        assert!(!hear(&mut deliveries, 0), "twice");
        assert!(!hear(&mut deliveries, 1), "another's");
        assert!(deliveries.check_whole().is_err(), "one is missing");
        assert!(hear(&mut deliveries, 2));
        assert!(deliveries.check_whole().is_ok());
    }

    #[test]
    fn what_is_fleeting_may_be_missing_but_is_not_told_again() {
        let mut deliveries = one();
        deliveries.sent(Instant::ORIGIN, 0, Promise::Fleeting, ALL);
        assert!(deliveries.check_whole().is_ok());
        assert!(deliveries.heard("a", 0, Promise::Fleeting, true).is_err());
        send(&mut deliveries, 1, ALL);
        assert!(hear(&mut deliveries, 1));
        assert!(
            deliveries.heard("a", 0, Promise::Fleeting, false).is_err(),
            "too late"
        );
    }

    #[test]
    fn who_comes_back_in_time_is_known_and_told_everything_first() {
        let mut deliveries = one();
        deliveries.gone("a", Instant::ORIGIN);
        send(&mut deliveries, 0, ALL);
        assert!(
            deliveries.recovered("a", LifeId(1)).is_err(),
            "not accepted"
        );
        deliveries
            .restored("a", "/", LifeId(1), 1)
            .expect("it was here");
        assert!(
            deliveries.recovered("a", LifeId(1)).is_err(),
            "one is missing"
        );
        deliveries
            .restored("a", "/", LifeId(2), 1)
            .expect("it was here");
        assert!(hear(&mut deliveries, 0));
        assert!(deliveries.recovered("a", LifeId(2)).is_ok());
        assert!(
            deliveries.restored("a", "/b", LifeId(3), 1).is_err(),
            "elsewhere"
        );
        assert!(deliveries.lost("a", Duration::from_secs(60)).is_err());
        let mut deliveries = one();
        assert!(deliveries.lost("a", Duration::from_secs(200)).is_ok());
        assert!(deliveries.recovered("a", LifeId(1)).is_err(), "given up");
        deliveries.over("a");
        assert!(
            deliveries.restored("a", "/", LifeId(1), 0).is_err(),
            "it is over"
        );
    }
}
