//! Inbound back-pressure: an application that has too much to do stops the reading of one client.

use super::{Link, Pending, Session, Sessions, Sink};
use crate::{
    edge::{Output, RequestId, SessionKey, Stale},
    engine::{codec::Parser, heartbeat::Heartbeat},
};

impl Session {
    /// Whether what its client sends is not read: the application has too much to do, or the client
    /// owes.
    pub(super) fn is_stopped(&self) -> bool {
        self.paused.is_some() || self.is_delayed()
    }
}

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
        let was_stopped = state.is_stopped();
        state.paused = paused.then(|| self.deadlines.pauses.arm(self.now, session));
        let is_stopped = state.is_stopped();
        if is_stopped != was_stopped {
            self.tell_reading(session, is_stopped, out);
        }
        if !is_stopped {
            self.wait_for_pong(session);
            self.take_up_data(session, out);
        }
        Ok(())
    }

    /// Whether what a client owes may lie unread.
    pub(crate) fn is_paused(&self, session: SessionKey) -> bool {
        let state = self.sessions.get(session);
        state.is_some_and(|state| state.paused.is_some() || state.is_excused())
    }

    /// Has the WebSocket that carries a session read, or not.
    pub(super) fn tell_reading(
        &mut self,
        session: SessionKey,
        paused: bool,
        out: &mut impl Sink<P>,
    ) {
        if let Some(lane) = self.lane(session)
            && let Link::WebSocket { transport, .. } = lane.link
        {
            out.push(Output::SetReading { paused, transport });
        }
    }

    /// The client was kept waiting: its answer to a ping may lie unread.
    fn wait_for_pong(&mut self, session: SessionKey) {
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
    }

    /// Has the body read of a data request that was kept waiting.
    pub(super) fn take_up_data(&mut self, session: SessionKey, out: &mut impl Sink<P>) {
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
