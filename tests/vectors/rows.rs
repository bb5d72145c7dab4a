//! The files and the forms in which they write texts, bytes and lists.

use std::{collections::HashSet, fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use socketio_proto::edge::Message;

#[derive(Deserialize)]
struct File<R> {
    format: u8,
    dialect: String,
    rows: Vec<R>,
}

/// What every row has.
pub(crate) trait Row: DeserializeOwned {
    fn id(&self) -> &str;
}

/// Reads a file of vectors, which has to have this many rows: none may vanish unnoticed.
pub(crate) fn read<R: Row>(dialect: &str, name: &str, count: usize) -> Vec<R> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("spec-vectors")
        .join(dialect)
        .join(name);
    let file: File<R> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(file.format, 1);
    assert_eq!(file.dialect, dialect);
    let ids: HashSet<_> = file.rows.iter().map(Row::id).collect();
    assert_eq!(
        (file.rows.len(), ids.len()),
        (count, count),
        "{}",
        path.display()
    );
    file.rows
}

/// A text, perhaps in pieces, or bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Form {
    Plain(String),
    Pieces { pieces: Vec<Piece> },
    Binary { base64: String },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Piece {
    Once(String),
    Often { repeat: String, times: usize },
}

impl Form {
    pub(crate) fn message(&self) -> Message {
        match self {
            Self::Binary { base64 } => Message::Binary(decode_base64(base64).into()),
            _ => Message::Text(self.text().into()),
        }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        match self.message() {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into_bytes(),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Pieces { pieces } => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Once(text) => text.clone(),
                    Piece::Often { repeat, times } => repeat.repeat(*times),
                })
                .collect(),
            Self::Binary { .. } => panic!("bytes where a text belongs"),
        }
    }
}

pub(crate) fn decode_base64(base64: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(base64).unwrap()
}

/// An element of a list, or several equal ones.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Repeated<T> {
    Often { repeat: T, times: usize },
    Once(T),
}

pub(crate) fn unfold<T: Clone>(list: &[Repeated<T>]) -> Vec<T> {
    list.iter()
        .flat_map(|item| match item {
            Repeated::Often { repeat, times } => vec![repeat.clone(); *times],
            Repeated::Once(item) => vec![item.clone()],
        })
        .collect()
}
