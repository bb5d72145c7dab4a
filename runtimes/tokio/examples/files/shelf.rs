//! What the server keeps: files that have arrived, and those that are on their way.
//!
//! It knows nothing of Socket.IO. A file lies in memory under a number, and its name is shown and
//! nothing else, so no name can lead anywhere. Whatever clients can make grow has a limit; where
//! room is needed, the uploads whose sender is gone go first, then the oldest files.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha1_smol::Sha1;

/// The most bytes of one chunk. It fits into a polling body of the default 1 MB with base64 and all.
pub(crate) const CHUNK_LIMIT: usize = 64 << 10;

/// The most bytes of a file.
pub(crate) const FILE_LIMIT: usize = 16 << 20;

/// The most bytes of all files, with those that uploads have announced.
const SHELF_LIMIT: usize = 64 << 20;

const FILES_LIMIT: usize = 100;
const UPLOADS_LIMIT: usize = 32;
const UPLOADS_OF_ONE_LIMIT: usize = 4;
const NAME_LENGTH: usize = 100;

/// The files and uploads. Senders are told apart by `S`, such as the id of a socket.
pub(crate) struct Shelf<S> {
    uploads: BTreeMap<Token, Upload<S>>,
    /// The oldest first.
    files: VecDeque<File>,
    numbers: u64,
    /// Counts what uploads do, so that it is known which one rests for the longest time.
    moments: u64,
}

/// The right to go on with an upload: a secret between its sender and the server.
pub(crate) type Token = String;

/// What a sender says about a file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) size: usize,
    /// SHA-1 in hexadecimal. It shows damage; it is no proof against somebody who wants two files
    /// with one hash. Pages have it without a library, and so does this crate, for WebSockets.
    pub(crate) hash: String,
}

/// A file that has arrived. Clones share its bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct File {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) label: Label,
    #[serde(skip)]
    pub(crate) data: Bytes,
    /// For a sender that did not hear that it has arrived.
    #[serde(skip)]
    token: Token,
}

struct Upload<S> {
    label: Label,
    /// Who sends it now; nobody after a lost connection.
    sender: Option<S>,
    data: Vec<u8>,
    hash: Sha1,
    touched: u64,
}

/// How far an upload is.
#[derive(Debug, PartialEq)]
pub(crate) enum Progress {
    Arrived(File),
    Waiting { offset: usize },
}

/// Why the server does not do what a client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    Damaged,
    Full,
    InvalidChunk,
    InvalidLabel,
    TooLarge,
    TooManyDownloads,
    TooManyUploads,
    UnknownFile,
    UnknownUpload,
    WrongOffset,
}

impl<S: Eq> Shelf<S> {
    pub(crate) fn new() -> Self {
        Self {
            uploads: BTreeMap::new(),
            files: VecDeque::new(),
            numbers: 0,
            moments: 0,
        }
    }

    /// Somebody wants to send a file. Nothing is allocated for a size that is only announced.
    pub(crate) fn begin(&mut self, sender: S, token: Token, label: Label) -> Result<(), Refused> {
        label.check()?;
        let uploads = self.uploads.values();
        let own = uploads.filter(|upload| upload.sender.as_ref() == Some(&sender));
        if own.count() >= UPLOADS_OF_ONE_LIMIT {
            return Err(Refused::TooManyUploads);
        }
        self.make_room(label.size)?;
        let upload = Upload {
            label,
            sender: Some(sender),
            data: Vec::new(),
            hash: Sha1::new(),
            touched: self.moment(),
        };
        self.uploads.insert(token, upload);
        Ok(())
    }

    /// Somebody goes on with an upload, from now on alone. Says where.
    pub(crate) fn resume(&mut self, sender: S, token: &str) -> Result<Progress, Refused> {
        let moment = self.moment();
        if let Some(file) = self.files.iter().find(|file| file.token == token) {
            return Ok(Progress::Arrived(file.clone()));
        }
        let upload = self.uploads.get_mut(token);
        let upload = upload.ok_or(Refused::UnknownUpload)?;
        upload.sender = Some(sender);
        upload.touched = moment;
        let offset = upload.data.len();
        Ok(Progress::Waiting { offset })
    }

    /// The next chunk of an upload.
    pub(crate) fn write(
        &mut self,
        sender: &S,
        token: &str,
        offset: usize,
        chunk: &[u8],
    ) -> Result<Progress, Refused> {
        let moment = self.moment();
        let upload = self.uploads.get_mut(token);
        let upload = upload.filter(|upload| upload.sender.as_ref() == Some(sender));
        let upload = upload.ok_or(Refused::UnknownUpload)?;
        let rest = upload.label.size - upload.data.len();
        if offset != upload.data.len() {
            return Err(Refused::WrongOffset);
        }
        if chunk.is_empty() || chunk.len() > CHUNK_LIMIT.min(rest) {
            return Err(Refused::InvalidChunk);
        }
        upload.data.extend_from_slice(chunk);
        upload.hash.update(chunk);
        upload.touched = moment;
        let offset = upload.data.len();
        if offset < upload.label.size {
            return Ok(Progress::Waiting { offset });
        }
        self.finish(token).map(Progress::Arrived)
    }

    /// All of an upload is there: it becomes a file if it is what was announced.
    fn finish(&mut self, token: &str) -> Result<File, Refused> {
        let upload = self.uploads.remove_entry(token);
        let (token, upload) = upload.ok_or(Refused::UnknownUpload)?;
        let hash = upload.hash.digest().to_string();
        if !hash.eq_ignore_ascii_case(&upload.label.hash) {
            return Err(Refused::Damaged);
        }
        self.numbers += 1;
        let file = File {
            id: self.numbers,
            label: upload.label,
            data: upload.data.into(),
            token,
        };
        self.files.push_back(file.clone());
        if self.files.len() > FILES_LIMIT {
            self.files.pop_front();
        }
        Ok(file)
    }

    /// A sender does not want to go on.
    pub(crate) fn cancel(&mut self, sender: &S, token: &str) {
        let upload = self.uploads.get(token);
        if upload.is_some_and(|upload| upload.sender.as_ref() == Some(sender)) {
            self.uploads.remove(token);
        }
    }

    /// A sender is gone, and may come back.
    pub(crate) fn abandon(&mut self, sender: &S) {
        for upload in self.uploads.values_mut() {
            upload.sender.take_if(|it| it == sender);
        }
    }

    pub(crate) fn file(&self, id: u64) -> Result<File, Refused> {
        let file = self.files.iter().find(|file| file.id == id);
        file.cloned().ok_or(Refused::UnknownFile)
    }

    /// The files, the oldest first.
    pub(crate) fn files(&self) -> Vec<File> {
        self.files.iter().cloned().collect()
    }

    fn make_room(&mut self, size: usize) -> Result<(), Refused> {
        while self.used() + size > SHELF_LIMIT || self.uploads.len() >= UPLOADS_LIMIT {
            let uploads = self.uploads.iter();
            let resting = uploads.filter(|(_, upload)| upload.sender.is_none());
            let oldest = resting.min_by_key(|(_, upload)| upload.touched);
            if let Some(token) = oldest.map(|(token, _)| token.clone()) {
                self.uploads.remove(&token);
            } else if self.uploads.len() >= UPLOADS_LIMIT || self.files.pop_front().is_none() {
                return Err(Refused::Full);
            }
        }
        Ok(())
    }

    fn used(&self) -> usize {
        let uploads = self.uploads.values().map(|upload| upload.label.size);
        let files = self.files.iter().map(|file| file.label.size);
        uploads.sum::<usize>() + files.sum::<usize>()
    }

    fn moment(&mut self) -> u64 {
        self.moments += 1;
        self.moments
    }
}

impl File {
    /// Whether a download can begin there; at the end, there is nothing to send any more.
    pub(crate) fn check_offset(&self, offset: usize) -> Result<(), Refused> {
        (offset <= self.data.len())
            .then_some(())
            .ok_or(Refused::WrongOffset)
    }
}

impl Label {
    fn check(&self) -> Result<(), Refused> {
        let Self { name, size, hash } = self;
        let is_name =
            (1..=NAME_LENGTH).contains(&name.chars().count()) && !name.contains(char::is_control);
        let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        match size {
            1..=FILE_LIMIT if is_name && is_hash => Ok(()),
            0..=FILE_LIMIT => Err(Refused::InvalidLabel),
            _ => Err(Refused::TooLarge),
        }
    }
}

impl Refused {
    /// For programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Full => "full",
            Self::InvalidChunk => "invalid_chunk",
            Self::InvalidLabel => "invalid_label",
            Self::TooLarge => "too_large",
            Self::TooManyDownloads => "too_many_downloads",
            Self::TooManyUploads => "too_many_uploads",
            Self::UnknownFile => "unknown_file",
            Self::UnknownUpload => "unknown_upload",
            Self::WrongOffset => "wrong_offset",
        }
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
