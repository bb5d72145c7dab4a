//! Inbound back-pressure: an application that has too much to do stops the reading of one client.

use super::{Link, Pending, Sessions, Sink};
use crate::{
    edge::{Output, RequestId, SessionKey, Stale},
    engine::{codec::Parser, heartbeat::Heartbeat},
};

impl<P: Parser> Sessions<P> {
    /// Stops taking what a client sends, or goes on.
    pub(crate) fn set_reading(
        &mut self,
        session: SessionKey,
        paused: bool,
        out: &mut impl Sink<P>,
    ) -> Result<(), Stale> {
        let state = self.sessions.get_mut(session).ok_or(Stale)?;
        if state.paused.is_some() == paused {
            return Ok(());
        }
        state.paused = paused.then(|| self.deadlines.pauses.arm(self.now, session));
        if let Some(lane) = self.lane(session)
            && let Link::WebSocket { transport, .. } = lane.link
        {
            out.push(Output::SetReading { paused, transport });
        }
        if !paused {
            self.go_on(session, out);
        }
        Ok(())
    }

    /// Whether a session is paused: what its client owes may lie unread.
    pub(crate) fn is_paused(&self, session: SessionKey) -> bool {
        let state = self.sessions.get(session);
        state.is_some_and(|state| state.paused.is_some())
    }

    /// The client was kept waiting: its answer to a ping may lie unread, and its data request too.
    fn go_on(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
        let Some(state) = self.sessions.get_mut(session) else {
            return;
        };
        if let Heartbeat::Waiting { pong_by } = state.heartbeat {
            let pongs = &mut self.deadlines.pongs;
            let least = self.now + pongs.span() / 2;
            if pong_by < least {
                let pong_by = pongs.arm_at(least, session);
                state.heartbeat = Heartbeat::Waiting { pong_by };
            }
        }
        if let Some(request) = self.parked(session) {
            if let Some(state) = self.sessions.get_mut(session)
                && state.upgrade.waits_for_data()
            {
                let by = self.deadlines.upgrades.arm(self.now, session);
                state.upgrade = state.upgrade.postponed(by);
            }
            self.read_body(request, session, out);
        }
    }

    /// Whether an upgrade cannot go on, because its client has to see the answer to a data request
    /// first, which waits for the end of the pause.
    pub(super) fn holds_up_upgrade(&self, session: SessionKey) -> bool {
        let state = self.sessions.get(session);
        state.is_some_and(|state| state.upgrade.waits_for_data()) && self.parked(session).is_some()
    }

    /// The data request that waits for the end of the pause.
    fn parked(&self, session: SessionKey) -> Option<RequestId> {
        let request = self.sessions.get(session)?.data?;
        matches!(self.stage(request)?, Pending::Parked { .. }).then_some(request)
    }
}
