//! The server's side of the heartbeat, revision 4: the server pings, the client answers.

use crate::time::Instant;

/// Where one session's heartbeat stands (Engine.IO protocol v4, "Heartbeat").
///
/// The spans are the same for all sessions and live with the queues of deadlines; a heartbeat
/// keeps only the instant that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heartbeat {
    /// The next ping leaves at this instant.
    Resting { ping_at: Instant },
    /// A ping is out; without a pong by this instant the peer is gone.
    Waiting { pong_by: Instant },
}

/// What a deadline asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Beat {
    /// The peer is gone.
    DeclareGone,
    /// Send a ping and start waiting.
    SendPing,
}

impl Heartbeat {
    /// What is due now, if anything.
    pub(crate) fn due(self, now: Instant) -> Option<Beat> {
        match self {
            Self::Resting { ping_at } if ping_at <= now => Some(Beat::SendPing),
            Self::Waiting { pong_by } if pong_by <= now => Some(Beat::DeclareGone),
            Self::Resting { .. } | Self::Waiting { .. } => None,
        }
    }

    /// Whether this is the instant that counts.
    pub(crate) fn is_armed_for(self, at: Instant) -> bool {
        let (Self::Resting { ping_at: due } | Self::Waiting { pong_by: due }) = self;
        due == at
    }

    /// Whether a pong is awaited. One that nobody asked for must not postpone the next ping.
    pub(crate) fn awaits_pong(self) -> bool {
        matches!(self, Self::Waiting { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn every_state_at_every_time() {
        let resting = Heartbeat::Resting { ping_at: at(100) };
        let waiting = Heartbeat::Waiting { pong_by: at(100) };
        for (state, now, due, awaits) in [
            (resting, at(99), None, false),
            (resting, at(100), Some(Beat::SendPing), false),
            (resting, at(500), Some(Beat::SendPing), false),
            (waiting, at(99), None, true),
            (waiting, at(100), Some(Beat::DeclareGone), true),
            (waiting, at(500), Some(Beat::DeclareGone), true),
        ] {
            assert_eq!(state.due(now), due, "{state:?} at {now:?}");
            assert_eq!(state.awaits_pong(), awaits, "{state:?}");
        }
    }
}
