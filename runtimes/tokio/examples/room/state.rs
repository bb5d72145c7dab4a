//! The room: who is in it, what was said, how fast, and what moderators have decided.
//!
//! It knows nothing of Socket.IO, and time is a number of milliseconds that it is told. Whatever
//! people can make grow has a limit.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::{
    bucket::Bucket,
    sanctions::{Kind, Person, Sanctions},
};

pub(crate) const MEMBERS_LIMIT: u16 = 200;
pub(crate) const HISTORY_LIMIT: usize = 50;
const NICKNAME_LENGTH: usize = 24;
const TEXT_LENGTH: usize = 500;

/// How many are remembered who left, so that leaving does not fill a bucket.
const ABSENT_LIMIT: usize = 200;

/// Who goes on after so many refusals in a row for being too fast, has to go.
pub(crate) const PATIENCE: u32 = 20;

/// The longest mute and ban, and the longest pause of the slow mode, in seconds.
const SANCTION_SECONDS: u64 = 24 * 60 * 60;
const SLOW_SECONDS: u64 = 60 * 60;

pub(crate) struct Room {
    /// By nickname in lower case.
    members: BTreeMap<String, Member>,
    /// How fast those were who left, the first to leave first.
    absent: VecDeque<(String, Pace)>,
    /// The oldest first.
    history: VecDeque<Message>,
    sanctions: Sanctions,
    /// How long somebody has to wait after a message in slow mode, in milliseconds; 0 is off.
    slow: u64,
}

struct Member {
    nickname: String,
    person: Person,
    is_moderator: bool,
    /// Whether others see him: from his welcome until he leaves. The nickname is taken for longer.
    is_here: bool,
    pace: Pace,
}

/// How fast somebody is.
struct Pace {
    bucket: Bucket,
    said_at: Option<u64>,
    /// Refusals in a row.
    refusals: u32,
}

/// Something that was said, as it is sent to clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Message {
    pub(crate) nickname: String,
    pub(crate) at: u64,
    pub(crate) text: String,
}

/// What somebody needs to know who comes in.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Welcome {
    pub(crate) moderator: bool,
    pub(crate) slow: u64,
    pub(crate) members: Vec<String>,
    pub(crate) history: Vec<Message>,
}

/// What a moderator decides.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub(crate) enum Decision {
    Ban { nickname: String, seconds: u64 },
    Kick { nickname: String },
    Mute { nickname: String, seconds: u64 },
    Slow { seconds: u64 },
    Unban { nickname: String },
    Unmute { nickname: String },
}

/// Why the room does not do what somebody asks for; `wait` is in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    Banned {
        wait: u64,
    },
    /// Too fast for too long.
    Flooding,
    Invalid,
    InvalidNickname,
    InvalidText,
    Muted {
        wait: u64,
    },
    NicknameTaken,
    NotAllowed,
    NotHere,
    RoomFull,
    SlowMode {
        wait: u64,
    },
    TooFast {
        wait: u64,
    },
    WrongToken,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            absent: VecDeque::new(),
            history: VecDeque::new(),
            sanctions: Sanctions::default(),
            slow: 0,
        }
    }

    /// Somebody comes in, and gets a nickname if nobody has it. Moderators cannot be banned.
    pub(crate) fn enter(
        &mut self,
        now: u64,
        nickname: &str,
        address: Option<IpAddr>,
        is_moderator: bool,
    ) -> Result<(), Refused> {
        if !is_nickname(nickname) {
            return Err(Refused::InvalidNickname);
        }
        let person = Person::new(nickname, address);
        let ban = self.sanctions.rest(now, Kind::Ban, &person);
        if let Some(wait) = ban.filter(|_| !is_moderator) {
            return Err(Refused::Banned { wait });
        }
        if self.members.contains_key(&person.key) {
            return Err(Refused::NicknameTaken);
        }
        if self.members.len() >= usize::from(MEMBERS_LIMIT) {
            return Err(Refused::RoomFull);
        }
        let pace = self.take_absent(&person.key);
        let member = Member {
            nickname: nickname.to_owned(),
            person,
            is_moderator,
            is_here: false,
            pace: pace.unwrap_or_else(|| Pace::new(now)),
        };
        self.members.insert(member.person.key.clone(), member);
        Ok(())
    }

    /// Somebody is gone after he left, and the nickname is free.
    pub(crate) fn exit(&mut self, nickname: &str) {
        let Some((key, member)) = self.members.remove_entry(&nickname.to_lowercase()) else {
            return;
        };
        if self.absent.len() >= ABSENT_LIMIT {
            self.absent.pop_front();
        }
        self.absent.push_back((key, member.pace));
    }

    fn take_absent(&mut self, key: &str) -> Option<Pace> {
        let at = self.absent.iter().position(|(absent, _)| absent == key);
        self.absent.remove(at?).map(|(_, pace)| pace)
    }

    /// Shows a member to the others; gives what he is told first. `None` if he was banned while he
    /// came in.
    pub(crate) fn welcome(&mut self, now: u64, nickname: &str) -> Option<Welcome> {
        let member = self.members.get_mut(&nickname.to_lowercase())?;
        let is_moderator = member.is_moderator;
        let ban = self.sanctions.rest(now, Kind::Ban, &member.person);
        if ban.is_some() && !is_moderator {
            return None;
        }
        member.is_here = true;
        let here = self.members.values().filter(|member| member.is_here);
        Some(Welcome {
            moderator: is_moderator,
            slow: self.slow / 1000,
            members: here.map(|member| member.nickname.clone()).collect(),
            history: self.history.iter().cloned().collect(),
        })
    }

    /// Somebody leaves; says whether others saw him.
    pub(crate) fn leave(&mut self, nickname: &str) -> bool {
        let member = self.members.get_mut(&nickname.to_lowercase());
        member.is_some_and(|member| std::mem::take(&mut member.is_here))
    }

    /// Somebody says something. Moderators need not wait.
    pub(crate) fn say(&mut self, now: u64, nickname: &str, text: &str) -> Result<Message, Refused> {
        let member = self.members.get_mut(&nickname.to_lowercase());
        let member = member.ok_or(Refused::NotHere)?;
        if text.trim().is_empty() || text.chars().count() > TEXT_LENGTH {
            return Err(Refused::InvalidText);
        }
        if !member.is_moderator {
            if let Some(wait) = self.sanctions.rest(now, Kind::Mute, &member.person) {
                return Err(Refused::Muted { wait });
            }
            member.pace.check(now, self.slow)?;
        }
        let message = Message {
            nickname: member.nickname.clone(),
            at: now,
            text: text.to_owned(),
        };
        if self.history.len() >= HISTORY_LIMIT {
            self.history.pop_front();
        }
        self.history.push_back(message.clone());
        Ok(message)
    }

    /// A moderator decides something. What it means for connections is left to the caller.
    pub(crate) fn decide(
        &mut self,
        now: u64,
        by: &str,
        decision: &Decision,
    ) -> Result<(), Refused> {
        let moderator = self.members.get(&by.to_lowercase());
        if !moderator.is_some_and(|it| it.is_moderator) {
            return Err(Refused::NotAllowed);
        }
        match decision {
            Decision::Ban { nickname, seconds } => {
                self.sanction(now, Kind::Ban, nickname, *seconds)
            }
            Decision::Kick { nickname } => self.subject(nickname).map(drop),
            Decision::Mute { nickname, seconds } => {
                self.sanction(now, Kind::Mute, nickname, *seconds)
            }
            Decision::Slow { seconds } if *seconds <= SLOW_SECONDS => {
                self.slow = seconds * 1000;
                Ok(())
            }
            Decision::Slow { .. } => Err(Refused::Invalid),
            Decision::Unban { nickname } => {
                self.sanctions.lift(Kind::Ban, nickname);
                Ok(())
            }
            Decision::Unmute { nickname } => {
                self.sanctions.lift(Kind::Mute, nickname);
                Ok(())
            }
        }
    }

    fn sanction(
        &mut self,
        now: u64,
        kind: Kind,
        nickname: &str,
        seconds: u64,
    ) -> Result<(), Refused> {
        let person = self.subject(nickname)?.person.clone();
        if !(1..=SANCTION_SECONDS).contains(&seconds) {
            return Err(Refused::Invalid);
        }
        self.sanctions.add(now, kind, person, seconds * 1000);
        Ok(())
    }

    /// A member about whom moderators can decide.
    fn subject(&self, nickname: &str) -> Result<&Member, Refused> {
        let member = self.members.get(&nickname.to_lowercase());
        match member.ok_or(Refused::NotHere)? {
            member if member.is_moderator => Err(Refused::NotAllowed),
            member => Ok(member),
        }
    }
}

impl Pace {
    fn new(now: u64) -> Self {
        Self {
            bucket: Bucket::full(now),
            said_at: None,
            refusals: 0,
        }
    }

    /// Whether somebody may say something now; then it counts as said.
    fn check(&mut self, now: u64, slow: u64) -> Result<(), Refused> {
        let again_at = self.said_at.map_or(0, |at| at.saturating_add(slow));
        let verdict = match again_at.saturating_sub(now) {
            0 => self
                .bucket
                .take(now)
                .map_err(|wait| Refused::TooFast { wait }),
            wait => Err(Refused::SlowMode { wait }),
        };
        if verdict.is_ok() {
            self.said_at = Some(now);
            self.refusals = 0;
            return verdict;
        }
        self.refusals += 1;
        if self.refusals > PATIENCE {
            return Err(Refused::Flooding);
        }
        verdict
    }
}

impl Decision {
    /// Who has to go because of it.
    pub(crate) fn removes(&self) -> Option<&str> {
        match self {
            Self::Ban { nickname, .. } | Self::Kick { nickname } => Some(nickname),
            Self::Mute { .. } | Self::Slow { .. } | Self::Unban { .. } | Self::Unmute { .. } => {
                None
            }
        }
    }
}

fn is_nickname(text: &str) -> bool {
    (1..=NICKNAME_LENGTH).contains(&text.chars().count())
        && text.trim() == text
        && !text.contains(char::is_control)
}

impl Refused {
    /// For programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Banned { .. } => "banned",
            Self::Flooding => "flooding",
            Self::Invalid => "invalid",
            Self::InvalidNickname => "invalid_nickname",
            Self::InvalidText => "invalid_text",
            Self::Muted { .. } => "muted",
            Self::NicknameTaken => "nickname_taken",
            Self::NotAllowed => "not_allowed",
            Self::NotHere => "not_here",
            Self::RoomFull => "room_full",
            Self::SlowMode { .. } => "slow_mode",
            Self::TooFast { .. } => "too_fast",
            Self::WrongToken => "wrong_token",
        }
    }

    /// In how many milliseconds it can be tried again, where that helps.
    pub(crate) fn wait(self) -> Option<u64> {
        match self {
            Self::Banned { wait }
            | Self::Muted { wait }
            | Self::SlowMode { wait }
            | Self::TooFast { wait } => Some(wait),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
