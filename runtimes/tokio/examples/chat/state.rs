//! What the chat remembers: who is here, the rooms, and what was said in them.
//!
//! It knows nothing of Socket.IO and of time, and whatever clients can make grow has a limit.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use serde::Serialize;

use super::{
    answer::Refused,
    message::{Content, Message},
};

/// The room that is always there.
const LOBBY: &str = "lobby";

const CLIENT_LIMIT: usize = 256;
const ROOM_LIMIT: usize = 32;
const ROOMS_OF_ONE_LIMIT: usize = 16;
const HISTORY_LIMIT: usize = 50;
const PICTURES_LIMIT: usize = 4;

const NICKNAME_LENGTH: usize = 24;
const ROOM_LENGTH: usize = 32;

/// Everything that the chat remembers.
pub(crate) struct State {
    /// The nicknames that are taken, in lower case.
    nicknames: HashSet<String>,
    // Invariant: the lobby is there, and every other room has members.
    rooms: BTreeMap<String, Room>,
    /// When the server was started: the first half of every message's id.
    started_at: u64,
    messages: u64,
}

#[derive(Default)]
struct Room {
    members: BTreeSet<String>,
    /// The oldest first.
    history: VecDeque<Message>,
}

/// A room as somebody finds it who joins.
#[derive(Debug, Serialize)]
pub(crate) struct Joined {
    /// Whether they had not been in it.
    #[serde(skip)]
    pub(crate) is_new: bool,
    pub(crate) members: Vec<String>,
    pub(crate) history: Vec<Message>,
}

/// A room in the list of rooms.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct RoomSize {
    pub(crate) name: String,
    pub(crate) members: usize,
}

impl State {
    /// An empty chat. Ids of messages are not repeated as long as no two chats start at the same
    /// time.
    pub(crate) fn new(started_at: u64) -> Self {
        Self {
            nicknames: HashSet::new(),
            rooms: BTreeMap::from([(LOBBY.to_owned(), Room::default())]),
            started_at,
            messages: 0,
        }
    }

    /// Somebody comes, and gets a nickname if nobody has it.
    pub(crate) fn enter(&mut self, nickname: &str) -> Result<(), Refused> {
        if !is_name(nickname, NICKNAME_LENGTH) {
            return Err(Refused::InvalidNickname);
        }
        let key = nickname.to_lowercase();
        if self.nicknames.contains(&key) {
            return Err(Refused::NicknameTaken);
        }
        if self.nicknames.len() >= CLIENT_LIMIT {
            return Err(Refused::ChatFull);
        }
        self.nicknames.insert(key);
        Ok(())
    }

    /// Somebody is gone, after they left all rooms.
    pub(crate) fn exit(&mut self, nickname: &str) {
        self.nicknames.remove(&nickname.to_lowercase());
    }

    /// Somebody joins a room, which is made if there is none. Being in it already changes nothing.
    pub(crate) fn join(&mut self, nickname: &str, name: &str) -> Result<Joined, Refused> {
        if !is_name(name, ROOM_LENGTH) {
            return Err(Refused::InvalidRoom);
        }
        let is_new = !self.is_member(nickname, name);
        let has_too_many = self.rooms_of(nickname).count() >= ROOMS_OF_ONE_LIMIT;
        let is_too_much = !self.rooms.contains_key(name) && self.rooms.len() >= ROOM_LIMIT;
        if is_new && (has_too_many || is_too_much) {
            return Err(Refused::TooManyRooms);
        }
        let room = self.rooms.entry(name.to_owned()).or_default();
        room.members.insert(nickname.to_owned());
        Ok(Joined {
            is_new,
            members: room.members.iter().cloned().collect(),
            history: room.history.iter().cloned().collect(),
        })
    }

    /// Somebody leaves a room, which vanishes if nobody is left. Says whether they were in it.
    pub(crate) fn leave(&mut self, nickname: &str, name: &str) -> bool {
        let Some(room) = self.rooms.get_mut(name) else {
            return false;
        };
        let was_member = room.members.remove(nickname);
        if room.members.is_empty() && name != LOBBY {
            self.rooms.remove(name);
        }
        was_member
    }

    /// Somebody leaves all rooms; says which ones these were.
    pub(crate) fn leave_all(&mut self, nickname: &str) -> Vec<String> {
        let rooms: Vec<_> = self.rooms_of(nickname).map(String::from).collect();
        for room in &rooms {
            self.leave(nickname, room);
        }
        rooms
    }

    /// Somebody says something in a room.
    pub(crate) fn say(
        &mut self,
        now: u64,
        nickname: &str,
        name: &str,
        content: Content,
    ) -> Result<Message, Refused> {
        let room = self.rooms.get_mut(name);
        let room = room.filter(|room| room.members.contains(nickname));
        let room = room.ok_or(Refused::NotInRoom)?;
        content.check()?;
        self.messages += 1;
        let message = Message {
            id: format!("{}-{}", self.started_at, self.messages),
            room: name.to_owned(),
            nickname: nickname.to_owned(),
            at: now,
            content,
        };
        room.remember(message.clone());
        Ok(message)
    }

    /// Whether somebody is in a room.
    pub(crate) fn is_member(&self, nickname: &str, name: &str) -> bool {
        let room = self.rooms.get(name);
        room.is_some_and(|room| room.members.contains(nickname))
    }

    /// The rooms, sorted by name.
    pub(crate) fn rooms(&self) -> Vec<RoomSize> {
        let rooms = self.rooms.iter().map(|(name, room)| RoomSize {
            name: name.clone(),
            members: room.members.len(),
        });
        rooms.collect()
    }

    fn rooms_of(&self, nickname: &str) -> impl Iterator<Item = &str> {
        let rooms = self.rooms.iter();
        let own = rooms.filter(move |(_, room)| room.members.contains(nickname));
        own.map(|(name, _)| &**name)
    }
}

impl Room {
    /// Adds a message to the history; what is too old for the limits is forgotten.
    fn remember(&mut self, message: Message) {
        self.history.push_back(message);
        if self.history.len() > HISTORY_LIMIT {
            self.history.pop_front();
        }
        let messages = self.history.iter().enumerate();
        let mut pictures = messages.filter(|(_, message)| message.is_picture());
        let oldest = pictures.next().map(|(index, _)| index);
        if pictures.count() >= PICTURES_LIMIT
            && let Some(oldest) = oldest
        {
            self.history.remove(oldest);
        }
    }
}

/// Whether this may be a nickname or the name of a room.
fn is_name(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.chars().count())
        && text.trim() == text
        && !text.contains(char::is_control)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
