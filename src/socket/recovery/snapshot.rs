//! What is kept, as bytes: one session for a store outside, or everything for the next start.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use bytes::Bytes;
use thiserror::Error;

use super::{
    Keeper,
    log::{Audience, Entry, Group},
    position::Position,
    session::{Membership, Session},
    wire::{Reader, Writer},
};
use crate::{
    engine::outbox::Outgoing,
    random::{ID_LEN, PrivateId, is_id},
    socket::SocketId,
    time::Instant,
};

/// What every snapshot begins with, its version last.
const MAGIC: [u8; 4] = *b"sio\x01";

/// Saved sessions cannot be taken over.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes were saved later than it is by the server's clock, by more than clients may be
    /// away: what they hold would be kept for too long.
    #[error("saved at a time that is yet to come")]
    Clock,
    /// The server has sessions or events of its own already: import before it serves.
    #[error("the server keeps sessions or events of its own already")]
    InUse,
    /// The bytes are damaged, or none that [`export`](crate::socket::Server::export) made.
    #[error("these are no saved sessions, or they are damaged")]
    Invalid,
    /// The configuration has no recovery.
    #[error("recovery is off")]
    Off,
    /// The bytes were made by a version that this one does not know.
    #[error("saved by another version")]
    Version,
}

/// One session, for a store outside.
pub(in crate::socket) fn write_session(session: &Session) -> Bytes {
    let mut writer = Writer::default();
    writer.raw(&MAGIC);
    session.write(&mut writer);
    writer.finish()
}

/// Reads what [`write_session`] wrote.
pub(in crate::socket) fn read_session(bytes: &[u8]) -> Option<Box<Session>> {
    let mut reader = Reader::new(bytes);
    if reader.raw()? != MAGIC {
        return None;
    }
    let session = Session::read(&mut reader)?;
    reader.is_at_end().then(|| Box::new(session))
}

impl Keeper {
    pub(in crate::socket) fn export(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.raw(&MAGIC);
        writer.number(self.positions.last());
        writer.number(self.log.floor());
        writer.count(self.away.len());
        for session in self.away.iter() {
            session.write(&mut writer);
        }
        let entries = self.log.entries();
        let entries = entries.filter_map(|entry| Some((entry, entry.packet.as_ref()?)));
        writer.count(entries.clone().count());
        for (entry, packet) in entries {
            entry.write(packet, &mut writer);
        }
        writer.finish()
    }

    /// Takes over what another server kept. Without effect if it fails.
    pub(in crate::socket) fn import(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> Result<usize, ImportError> {
        if self.log.len() > 0 || self.away.len() > 0 || self.imported.is_some() {
            return Err(ImportError::InUse);
        }
        let mut reader = Reader::new(bytes);
        match reader.raw() {
            Some(MAGIC) => {}
            Some([b's', b'i', b'o', _]) => return Err(ImportError::Version),
            _ => return Err(ImportError::Invalid),
        }
        let saved = Saved::read(&mut reader).filter(|_| reader.is_at_end());
        let saved = saved.ok_or(ImportError::Invalid)?;
        if saved.last > self.positions.at(now).saturating_add(self.sessions_age) {
            return Err(ImportError::Clock);
        }
        let sessions = saved.sessions.len();
        self.imported = Some((saved.last, self.positions.last()));
        self.positions.skip_to(saved.last);
        self.log.set_floor(saved.floor);
        for (position, audience, packet) in saved.entries {
            self.log.push(position, audience, packet);
        }
        for session in saved.sessions {
            self.away.insert(Box::new(session));
        }
        self.enforce();
        Ok(sessions)
    }
}

/// A snapshot that was read.
struct Saved {
    last: Position,
    floor: Position,
    sessions: Vec<Session>,
    entries: Vec<(Position, Audience, Outgoing)>,
}

impl Saved {
    /// Reads a snapshot and checks the order in it, on which the log relies.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let saved = Self {
            last: reader.number()?,
            floor: reader.number()?,
            sessions: reader.list(Session::read)?,
            entries: reader.list(Entry::read)?,
        };
        let mut before = saved.floor;
        for (position, ..) in &saved.entries {
            if *position <= before {
                return None;
            }
            before = *position;
        }
        let lost = saved.sessions.iter().map(|session| session.lost);
        let are_ordered = lost.clone().zip(lost.skip(1)).all(|(one, two)| one < two);
        let newest = saved.sessions.last().map_or(0, |session| session.lost);
        (are_ordered && before.max(newest) <= saved.last).then_some(saved)
    }
}

impl Session {
    fn write(&self, writer: &mut Writer) {
        writer.raw(self.pid.as_bytes());
        writer.raw(self.id.as_str().as_bytes());
        writer.bytes(self.namespace.as_bytes());
        writer.bytes(&self.data);
        for position in [self.accepted, self.received, self.lost, self.floor] {
            writer.number(position);
        }
        writer.count(self.rooms.len());
        for room in &self.rooms {
            writer.bytes(room.room.as_bytes());
            writer.number(room.from);
            // No position is zero.
            writer.number(room.until.unwrap_or_default());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (pid, id) = (read_id(reader)?, read_id(reader)?);
        Some(Self {
            pid: PrivateId(pid),
            id: SocketId(id),
            namespace: reader.text()?,
            data: Bytes::copy_from_slice(reader.bytes()?),
            accepted: reader.number()?,
            received: reader.number()?,
            lost: reader.number()?,
            floor: reader.number()?,
            rooms: reader.list(|reader| {
                Some(Membership {
                    room: reader.text()?,
                    from: reader.number()?,
                    until: Some(reader.number()?).filter(|&until| until > 0),
                })
            })?,
        })
    }
}

impl Entry {
    fn write(&self, packet: &Outgoing, writer: &mut Writer) {
        writer.number(self.position);
        match &self.audience {
            Audience::Single(pid) => {
                writer.flag(false);
                writer.raw(pid.as_bytes());
            }
            Audience::Group(group) => {
                writer.flag(true);
                writer.bytes(group.namespace.as_bytes());
                for names in [&group.rooms, &group.except] {
                    writer.count(names.len());
                    for name in names {
                        writer.bytes(name.as_bytes());
                    }
                }
                let without = group.without.as_ref();
                writer.flag(without.is_some());
                writer.raw(without.map_or(b"", |id| id.as_str().as_bytes()));
            }
        }
        writer.flag(packet.frame.compress);
        writer.bytes(&packet.frame.payload);
        let attachments = packet.attachments.as_deref().unwrap_or_default();
        writer.count(attachments.len());
        for attachment in attachments {
            writer.bytes(attachment);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<(Position, Audience, Outgoing)> {
        let position = reader.number()?;
        let audience = if reader.flag()? {
            Audience::Group(Box::new(Group {
                namespace: reader.text()?,
                rooms: reader.list(Reader::text)?,
                except: reader.list(Reader::text)?,
                without: if reader.flag()? {
                    Some(SocketId(read_id(reader)?))
                } else {
                    None
                },
            }))
        } else {
            Audience::Single(PrivateId(read_id(reader)?))
        };
        let compress = reader.flag()?;
        // The layer below relies on it that text is UTF-8.
        let text = reader.text()?;
        let attachments = reader.list(|reader| Some(Bytes::copy_from_slice(reader.bytes()?)))?;
        let mut packet = Outgoing::text(text.into_bytes());
        packet.frame.compress = compress;
        packet.attachments = (!attachments.is_empty()).then(|| Arc::from(attachments));
        Some((position, audience, packet))
    }
}

fn read_id(reader: &mut Reader<'_>) -> Option<[u8; ID_LEN]> {
    reader.raw().filter(is_id)
}
