//! What clients are answered.

use serde::Serialize;

/// The answer to every event: `{ ok: true, … }` or `{ ok: false, code, message }`.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer<T> {
    Accepted {
        ok: bool,
        #[serde(flatten)]
        result: T,
    },
    Refused {
        ok: bool,
        code: &'static str,
        message: &'static str,
    },
}

impl<T> Answer<T> {
    pub(crate) fn accept(result: T) -> Self {
        Self::Accepted { ok: true, result }
    }

    pub(crate) fn refuse(refused: Refused) -> Self {
        Self::Refused {
            ok: false,
            code: refused.code(),
            message: refused.message(),
        }
    }
}

/// The result of a message and of a picture.
#[derive(Serialize)]
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) at: u64,
}

/// Why the chat does not do what a client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    ChatFull,
    InvalidNickname,
    InvalidPicture,
    InvalidRoom,
    InvalidText,
    NicknameTaken,
    NotInRoom,
    TooManyRooms,
}

impl Refused {
    /// For programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::ChatFull => "chat_full",
            Self::InvalidNickname => "invalid_nickname",
            Self::InvalidPicture => "invalid_picture",
            Self::InvalidRoom => "invalid_room",
            Self::InvalidText => "invalid_text",
            Self::NicknameTaken => "nickname_taken",
            Self::NotInRoom => "not_in_room",
            Self::TooManyRooms => "too_many_rooms",
        }
    }

    /// For people.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::ChatFull => "chat full",
            Self::InvalidNickname => "invalid nickname",
            Self::InvalidPicture => "a picture is a PNG, JPEG, GIF or WebP of at most 900 kB",
            Self::InvalidRoom => "a room's name has 1 to 32 characters",
            Self::InvalidText => "a message has 1 to 2000 characters",
            Self::NicknameTaken => "nickname taken",
            Self::NotInRoom => "you are not in this room",
            Self::TooManyRooms => "there are too many rooms",
        }
    }
}
