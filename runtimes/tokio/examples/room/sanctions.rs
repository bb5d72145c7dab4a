//! Who may not speak or come in, and until when.

use std::{collections::VecDeque, net::IpAddr};

/// How many are remembered; of more, those that were said first are forgotten.
pub(crate) const SANCTIONS_LIMIT: usize = 256;

/// What somebody may not do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Come in.
    Ban,
    /// Speak.
    Mute,
}

/// Who somebody is, as far as a public room can know: a nickname, in lower case, and an address.
///
/// The address is none where it tells nobody apart: if the server does not know it, and if it is
/// this machine, where everybody who tries the example comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Person {
    pub(crate) key: String,
    pub(crate) address: Option<IpAddr>,
}

#[derive(Default)]
pub(crate) struct Sanctions(VecDeque<Sanction>);

struct Sanction {
    kind: Kind,
    person: Person,
    until: u64,
}

impl Person {
    pub(crate) fn new(nickname: &str, address: Option<IpAddr>) -> Self {
        Self {
            key: nickname.to_lowercase(),
            address: address.filter(|address| !address.is_loopback()),
        }
    }

    /// Another nickname does not make somebody else of who has the same address.
    fn may_be(&self, other: &Self) -> bool {
        self.key == other.key || (self.address.is_some() && self.address == other.address)
    }
}

impl Sanctions {
    pub(crate) fn add(&mut self, now: u64, kind: Kind, person: Person, span: u64) {
        let until = now.saturating_add(span);
        self.0
            .retain(|it| it.until > now && (it.kind, &it.person) != (kind, &person));
        if self.0.len() >= SANCTIONS_LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(Sanction {
            kind,
            person,
            until,
        });
    }

    /// Lifts what was said about a nickname.
    pub(crate) fn lift(&mut self, kind: Kind, nickname: &str) {
        let key = nickname.to_lowercase();
        self.0.retain(|it| it.kind != kind || it.person.key != key);
    }

    /// For how many more milliseconds somebody may not do it; `None` if he may.
    pub(crate) fn rest(&self, now: u64, kind: Kind, person: &Person) -> Option<u64> {
        let sanctions = self.0.iter();
        let own = sanctions.filter(|it| it.kind == kind && it.person.may_be(person));
        let until = own.map(|it| it.until).max()?;
        until.checked_sub(now).filter(|rest| *rest > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(nickname: &str, last: u8) -> Person {
        Person::new(nickname, Some([192, 0, 2, last].into()))
    }

    #[test]
    fn a_sanction_holds_for_the_nickname_and_the_address_until_its_time() {
        let mut sanctions = Sanctions::default();
        sanctions.add(100, Kind::Mute, person("Eve", 1), 50);
        let rest = |now, person: &Person| sanctions.rest(now, Kind::Mute, person);

        assert_eq!(rest(100, &person("EVE", 2)), Some(50));
        assert_eq!(rest(149, &person("Mallory", 1)), Some(1));
        assert_eq!(rest(150, &person("Eve", 1)), None);
        assert_eq!(rest(100, &person("Ada", 2)), None);
        assert_eq!(sanctions.rest(100, Kind::Ban, &person("Eve", 1)), None);
    }

    #[test]
    fn this_machine_is_nobody_in_particular() {
        let here = Some([127, 0, 0, 1].into());
        let mut sanctions = Sanctions::default();
        sanctions.add(0, Kind::Ban, Person::new("Eve", here), 50);
        let rest = sanctions.rest(0, Kind::Ban, &Person::new("Ada", here));
        assert_eq!(rest, None);
    }

    #[test]
    fn it_can_be_lifted_and_renewed() {
        let mut sanctions = Sanctions::default();
        sanctions.add(0, Kind::Ban, person("Eve", 1), 50);
        sanctions.add(0, Kind::Ban, person("Eve", 1), 20);
        assert_eq!(sanctions.rest(0, Kind::Ban, &person("Eve", 1)), Some(20));
        sanctions.lift(Kind::Mute, "eve");
        assert!(sanctions.rest(0, Kind::Ban, &person("Eve", 1)).is_some());
        sanctions.lift(Kind::Ban, "eve");
        assert_eq!(sanctions.rest(0, Kind::Ban, &person("Eve", 1)), None);
    }

    #[test]
    fn the_oldest_are_forgotten_beyond_the_limit() {
        let mut sanctions = Sanctions::default();
        for number in 0..=SANCTIONS_LIMIT {
            let somebody = Person::new(&number.to_string(), None);
            sanctions.add(0, Kind::Mute, somebody, 50);
        }
        assert_eq!(sanctions.0.len(), SANCTIONS_LIMIT);
        let rest = |key: &str| sanctions.rest(0, Kind::Mute, &Person::new(key, None));
        assert_eq!((rest("0"), rest("1")), (None, Some(50)));
    }
}
