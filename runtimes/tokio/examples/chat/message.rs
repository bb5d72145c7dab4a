//! What is said: texts and pictures.

use serde::Serialize;
use socketio_tokio::Binary;

use super::answer::Refused;

const TEXT_LENGTH: usize = 2_000;
const PICTURE_SIZE: usize = 900_000;
const PICTURE_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Something that was said, as it is sent to clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) room: String,
    pub(crate) nickname: String,
    pub(crate) at: u64,
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// A member of the message's object: `text: …` or `picture: …`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    Picture(Picture),
    Text(String),
}

/// A picture. Its bytes travel as an attachment, and its clones share them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Picture {
    #[serde(rename = "type")]
    pub(crate) media_type: String,
    pub(crate) data: Binary,
}

impl Message {
    pub(crate) fn is_picture(&self) -> bool {
        matches!(self.content, Content::Picture(_))
    }
}

impl Content {
    /// Whether it keeps the rules.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Picture(Picture { media_type, data }) => {
                let has_type = PICTURE_TYPES.contains(&&**media_type);
                let fits = (1..=PICTURE_SIZE).contains(&data.0.len());
                (has_type && fits)
                    .then_some(())
                    .ok_or(Refused::InvalidPicture)
            }
            Self::Text(text) => {
                let fits = !text.trim().is_empty() && text.chars().count() <= TEXT_LENGTH;
                fits.then_some(()).ok_or(Refused::InvalidText)
            }
        }
    }
}
