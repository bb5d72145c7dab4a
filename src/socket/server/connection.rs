//! What the Socket.IO layer keeps of one Engine.IO session.

use alloc::{boxed::Box, vec::Vec};

use bytestring::ByteString;

use crate::{
    edge::SessionKey,
    socket::{
        attachments::Assembler,
        event::{NamespaceKey, PendingKey, SocketKey},
    },
    time::Instant,
};

/// One connection: its namespaces, and the binary packet that is being received.
#[derive(Debug)]
pub(super) struct Connection {
    owner: Option<SessionKey>,
    // In the order of joining. A client is in few namespaces, so it is searched from the front.
    members: Vec<(NamespaceKey, Member)>,
    /// The namespaces that the server took it out of a moment ago, the last one last.
    // Few connections have any.
    left: Option<Box<Left>>,
    /// How many sessions its client has asked for.
    claims: u16,
    pub(super) assembler: Assembler,
    /// Counts while the assembler waits.
    pub(super) silence_by: Instant,
    /// When it closes for want of a namespace; none while it is in one.
    pub(super) idle_by: Option<Instant>,
    /// Its client has certainly received all that was sent before: counts once it has closed.
    pub(super) received: Instant,
}

/// A client's standing in one namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Member {
    Joined(SocketKey),
    Pending(PendingKey),
}

/// Namespaces that were left, each with the end of its time.
#[derive(Debug, Default)]
struct Left(Vec<(ByteString, Instant)>);

/// The most namespaces that are remembered as left. Only an application that lets a client in and
/// throws it out again and again reaches it.
const MAX_LEFT: usize = 64;

/// The most sessions that are looked for on one connection. A client comes back on a new one and
/// asks once for each namespace, and once more when it was refused. To look costs what was missed.
const MAX_CLAIMS: u16 = 256;

impl Connection {
    pub(super) fn new(owner: SessionKey, idle_by: Instant) -> Self {
        Self {
            owner: Some(owner),
            members: Vec::new(),
            left: None,
            claims: 0,
            assembler: Assembler::new(),
            silence_by: idle_by,
            idle_by: Some(idle_by),
            received: Instant::ORIGIN,
        }
    }

    pub(super) fn belongs_to(&self, session: SessionKey) -> bool {
        self.owner == Some(session)
    }

    /// When the silence between attachments has lasted too long; none while none is awaited.
    pub(super) fn silence(&self) -> Option<Instant> {
        self.assembler.is_waiting().then_some(self.silence_by)
    }

    /// Whether its client may ask for a session, which it does now.
    pub(super) fn may_claim(&mut self) -> bool {
        let may = self.claims < MAX_CLAIMS;
        self.claims += u16::from(may);
        may
    }

    /// How many namespaces it is in or waits for.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The server took it out of a namespace. What the client sent before it could know is ignored
    /// until then.
    pub(super) fn note_left(&mut self, name: ByteString, until: Instant, now: Instant) {
        let Left(all) = &mut **self.left.get_or_insert_default();
        all.retain(|(left, until)| *until > now && *left != name);
        if all.len() >= MAX_LEFT {
            all.remove(0);
        }
        all.push((name, until));
    }

    /// Whether the server took it out of a namespace a moment ago.
    pub(super) fn has_left(&self, name: &str, now: Instant) -> bool {
        let mut left = self.left.iter().flat_map(|left| left.0.iter());
        left.any(|(left, until)| *until > now && &**left == name)
    }

    /// It asks to enter a namespace: what follows was sent by one who knows that it was out.
    pub(super) fn forget_left(&mut self, name: &str) {
        if let Some(all) = &mut self.left {
            all.0.retain(|(left, _)| &**left != name);
        }
    }

    pub(super) fn member(&self, namespace: NamespaceKey) -> Option<Member> {
        let mut members = self.members.iter();
        members.find_map(|&(key, member)| (key == namespace).then_some(member))
    }

    /// Sets the standing in a namespace; a socket that is accepted joins behind the others.
    pub(super) fn set(&mut self, namespace: NamespaceKey, member: Member) {
        self.remove(namespace);
        self.members.push((namespace, member));
        if matches!(member, Member::Joined(_)) {
            self.idle_by = None;
        }
    }

    pub(super) fn remove(&mut self, namespace: NamespaceKey) {
        self.members.retain(|&(key, _)| key != namespace);
    }

    pub(super) fn is_joined_anywhere(&self) -> bool {
        self.members
            .iter()
            .any(|(_, member)| matches!(member, Member::Joined(_)))
    }

    /// Its sockets in the order of joining.
    pub(super) fn sockets(&self) -> Vec<SocketKey> {
        let members = self.members.iter();
        members
            .filter_map(|&(_, member)| match member {
                Member::Joined(socket) => Some(socket),
                Member::Pending(_) => None,
            })
            .collect()
    }

    /// Leaves nothing behind and gives what was there, in the order of joining.
    pub(super) fn clear(&mut self) -> Vec<(NamespaceKey, Member)> {
        self.assembler = Assembler::new();
        self.idle_by = None;
        self.left = None;
        core::mem::take(&mut self.members)
    }

    /// Ends it: it belongs to nobody.
    pub(super) fn disown(&mut self) {
        self.owner = None;
        self.clear();
    }
}
