//! What a CONNECT claims: that its client had a session (Socket.IO reference, "Restoring").
//!
//! Whether a claim holds is found out before the application is asked, in the machine or in a store
//! outside. What it gives is in `restoring`.

use alloc::{boxed::Box, vec::Vec};

use bytestring::ByteString;

use super::{
    Pending, Server,
    claim::{self, Says},
    connection::Connection,
    restoring::{cost_of, encode_all},
};
use crate::{
    edge::Stale,
    engine::outbox::Outgoing,
    socket::{
        Data,
        event::{Event, FindSession, Found, LookupKey, Missed, PendingKey, Recovery},
        recovery::{Claim, Offset, Session, read_session},
    },
    time::Instant,
};

/// What a pending CONNECT claims.
#[derive(Debug)]
pub(super) enum Return {
    /// A store outside is being asked. The application does not know of the CONNECT yet.
    Sought {
        lookup: LookupKey,
        claim: Claim,
        auth: Data,
    },
    /// A session that is kept here.
    Here(Claim),
    /// One that was kept outside, and what was missed of it unless that is in the log.
    Found {
        claim: Claim,
        session: Box<Session>,
        packets: Option<Vec<Outgoing>>,
    },
}

impl Return {
    pub(super) fn claim(&self) -> Claim {
        match self {
            Self::Found { claim, .. } | Self::Here(claim) | Self::Sought { claim, .. } => *claim,
        }
    }
}

impl Server {
    /// Finds out whether a client comes back, then asks the application.
    pub(super) fn find_out(&mut self, pending: PendingKey, auth: Data) {
        if self.keeper.is_none() {
            return self.ask(pending, auth, Recovery::None);
        }
        let claim = match claim::read(&auth) {
            Says::Nothing => return self.ask(pending, auth, Recovery::None),
            Says::Wrong => return self.fail_claim(pending, auth),
            Says::Had(claim) => claim,
        };
        let keeper = self.keeper.as_ref();
        let is_external = keeper.is_some_and(|keeper| keeper.config.is_external);
        let session = self.pending.get(pending).map(|it| it.session);
        let connection = session.and_then(|session| self.connection_mut(session));
        if !connection.is_some_and(Connection::may_claim) {
            return self.fail_claim(pending, auth);
        }
        if is_external && !self.is_here(claim) {
            return self.seek(pending, claim, auth);
        }
        self.find_here(pending, claim, auth);
    }

    /// Whether the session of a claim is here although sessions are kept outside: its socket looks
    /// connected, or another CONNECT waits with it.
    fn is_here(&self, claim: Claim) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| {
            let told = keeper.told.get(&claim.pid);
            let waits = told.and_then(|&pending| self.pending.get(pending)?.returns.as_deref());
            keeper.live.contains_key(&claim.pid) || matches!(waits, Some(Return::Found { .. }))
        })
    }

    /// Looks into a claim on a session that is here, then asks the application.
    fn find_here(&mut self, pending: PendingKey, claim: Claim, auth: Data) {
        let recovery = match self.take_told(claim) {
            Some((session, packets)) => self.promise_found(pending, claim, session, packets),
            None => self.promise(pending, claim, None).inspect(|_| {
                self.set_return(pending, Some(Return::Here(claim)));
            }),
        };
        match recovery {
            Some(recovery) => {
                if let Some(keeper) = &mut self.keeper
                    && keeper.config.is_external
                {
                    keeper.told.insert(claim.pid, pending);
                }
                self.ask(pending, auth, recovery);
            }
            None => self.fail_claim(pending, auth),
        }
    }

    /// Takes a session away from a CONNECT that waits with it: its client has come again.
    fn take_told(&mut self, claim: Claim) -> Option<(Box<Session>, Option<Vec<Outgoing>>)> {
        let keeper = self.keeper.as_ref()?;
        if keeper.live.contains_key(&claim.pid) {
            return None;
        }
        let &pending = keeper.told.get(&claim.pid)?;
        let returns = self.pending.get_mut(pending)?.returns.as_mut()?;
        if !matches!(**returns, Return::Found { .. }) {
            return None;
        }
        let theirs = returns.claim();
        let was = core::mem::replace(&mut **returns, Return::Here(theirs));
        match was {
            Return::Found {
                session, packets, ..
            } => Some((session, packets)),
            Return::Here(_) | Return::Sought { .. } => None,
        }
    }

    /// Promises a session that was kept outside; one that does not fit the claim goes back.
    fn promise_found(
        &mut self,
        pending: PendingKey,
        claim: Claim,
        session: Box<Session>,
        packets: Option<Vec<Outgoing>>,
    ) -> Option<Recovery> {
        let found = (&*session, packets.as_deref());
        let Some(recovery) = self.promise(pending, claim, Some(found)) else {
            // Another claim may hold.
            self.put_session(session);
            return None;
        };
        self.set_return(
            pending,
            Some(Return::Found {
                claim,
                session,
                packets,
            }),
        );
        Some(recovery)
    }

    fn fail_claim(&mut self, pending: PendingKey, auth: Data) {
        if let Some(keeper) = &mut self.keeper {
            keeper.count_failed();
        }
        self.set_return(pending, None);
        self.ask(pending, auth, Recovery::Failed);
    }

    /// Asks a store outside.
    fn seek(&mut self, pending: PendingKey, claim: Claim, auth: Data) {
        let Some(namespace) = self.name_of_pending(pending) else {
            return;
        };
        let taken = self.out.outputs.taken();
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let lookup = keeper.lookups.insert(taken, pending);
        keeper.lookups_due.arm(self.now, lookup);
        let Claim { pid, offset } = claim;
        let find = FindSession {
            lookup,
            namespace,
            pid,
            offset: offset.map(|offset| ByteString::from(Offset::new(offset).as_str())),
        };
        self.set_return(
            pending,
            Some(Return::Sought {
                lookup,
                claim,
                auth,
            }),
        );
        self.out.tell(Event::FindSession(Box::new(find)));
    }

    /// Answers a search for a session; none if there is none.
    ///
    /// What cannot be read, belongs to another namespace, or does not reach back far enough counts
    /// as none: the client becomes a new socket.
    ///
    /// # Errors
    ///
    /// [`Stale`] if it was answered before, took too long, or its client is gone. Then the session
    /// was not used: keep it, if it is still wanted.
    pub fn session_found(
        &mut self,
        now: Instant,
        lookup: LookupKey,
        found: Option<Found>,
    ) -> Result<(), Stale> {
        self.advance(now);
        let done = self.end_lookup(lookup, found);
        self.settle();
        done
    }

    /// A search is over, by its answer or by its time.
    pub(super) fn end_lookup(
        &mut self,
        lookup: LookupKey,
        found: Option<Found>,
    ) -> Result<(), Stale> {
        let keeper = self.keeper.as_mut().ok_or(Stale)?;
        let pending = keeper.lookups.remove(lookup).ok_or(Stale)?;
        let state = self.pending.get_mut(pending).ok_or(Stale)?;
        let Some(Return::Sought { claim, auth, .. }) = state.returns.take().map(|it| *it) else {
            return Err(Stale);
        };
        let session = found.and_then(|found| {
            let session = read_session(&found.session)?;
            let packets = match found.missed {
                Missed::FromLog => None,
                Missed::Packets(packets) => Some(encode_all(packets, &session.namespace)),
            };
            (session.pid == claim.pid).then_some((session, packets))
        });
        let Some((session, packets)) = session else {
            // It may have come back meanwhile over another connection.
            if self.is_here(claim) {
                self.find_here(pending, claim, auth);
            } else {
                self.fail_claim(pending, auth);
            }
            return Ok(());
        };
        match self.promise_found(pending, claim, session, packets) {
            Some(recovery) => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.told.insert(claim.pid, pending);
                }
                self.ask(pending, auth, recovery);
            }
            None => self.fail_claim(pending, auth),
        }
        Ok(())
    }

    /// What acceptance would restore now; none if the claim does not hold.
    fn promise(
        &self,
        pending: PendingKey,
        claim: Claim,
        found: Option<(&Session, Option<&[Outgoing]>)>,
    ) -> Option<Recovery> {
        let keeper = self.keeper.as_ref()?;
        let live = keeper.live.get(&claim.pid);
        let view = live.and_then(|&socket| self.view(socket));
        let session = match found {
            Some((session, _)) => session,
            None => view.as_deref().or_else(|| keeper.session(&claim.pid))?,
        };
        if *session.namespace != *self.name_of_pending(pending)? {
            return None;
        }
        let (missed, cost) = if let Some((_, Some(packets))) = found {
            (packets.len(), cost_of(packets))
        } else {
            let replay = keeper.missed(session, claim)?;
            (replay.events.len(), replay.cost)
        };
        if cost > self.config.engine.max_queued {
            return None;
        }
        Some(Recovery::Restored {
            id: session.id,
            data: session.data.clone(),
            rooms: session.room_names().cloned().collect(),
            missed,
        })
    }

    /// A CONNECT ends without being accepted: what was found for it goes back, and what is sought
    /// is not waited for. Says whether the application knows of it.
    pub(super) fn give_up(&mut self, pending: PendingKey, returns: Option<Box<Return>>) -> bool {
        let Some(returns) = returns else {
            return true;
        };
        self.untell(pending, returns.claim());
        match *returns {
            Return::Sought { lookup, .. } => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.lookups.remove(lookup);
                }
                false
            }
            Return::Found { session, .. } => {
                self.put_session(session);
                true
            }
            Return::Here(_) => true,
        }
    }

    /// A CONNECT does not wait any more with a session that it was told of.
    pub(super) fn untell(&mut self, pending: PendingKey, claim: Claim) {
        if let Some(keeper) = &mut self.keeper
            && keeper.told.get(&claim.pid) == Some(&pending)
        {
            keeper.told.remove(&claim.pid);
        }
    }

    fn set_return(&mut self, pending: PendingKey, returns: Option<Return>) {
        if let Some(pending) = self.pending.get_mut(pending) {
            pending.returns = returns.map(Box::new);
        }
    }

    fn name_of_pending(&self, pending: PendingKey) -> Option<ByteString> {
        let &Pending { namespace, .. } = self.pending.get(pending)?;
        self.namespaces.get(namespace).map(|it| it.name.clone())
    }
}
