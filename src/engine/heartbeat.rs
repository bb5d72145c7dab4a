//! The server's side of the heartbeat, revision 4: the server pings, the client answers.

use core::time::Duration;

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
    /// Send a ping, which was due at this instant, and start waiting.
    SendPing { ping_at: Instant },
}

impl Heartbeat {
    /// What is due now, if anything.
    ///
    /// A client gives up `ping_interval + ping_timeout` after the last ping, that is `timeout` after
    /// the next one was due (Engine.IO protocol v4, "Heartbeat"). So a host that slept through
    /// that time finds its peers gone, and pings nobody.
    pub(crate) fn due(self, now: Instant, timeout: Duration) -> Option<Beat> {
        match self {
            Self::Resting { ping_at } if ping_at + timeout <= now => Some(Beat::DeclareGone),
            Self::Resting { ping_at } if ping_at <= now => Some(Beat::SendPing { ping_at }),
            Self::Waiting { pong_by } if pong_by <= now => Some(Beat::DeclareGone),
            Self::Resting { .. } | Self::Waiting { .. } => None,
        }
    }

    /// Until when the pong must be there for a ping that was due at `ping_at` and leaves now.
    ///
    /// The time counts from when the ping was due, so that a timer's small delays do not add up
    /// and a silent peer is gone after `ping_interval + ping_timeout` exactly. A host that was
    /// stopped for a while leaves its peers half the time at least.
    pub(crate) fn pong_by(ping_at: Instant, now: Instant, timeout: Duration) -> Instant {
        (ping_at + timeout).max(now + timeout / 2)
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
    fn a_late_ping_leaves_the_peer_half_the_time_at_least() {
        let timeout = Duration::from_millis(200);
        let pong_by = |now| Heartbeat::pong_by(at(300), at(now), timeout);
        assert_eq!(pong_by(300), at(500));
        assert_eq!(pong_by(302), at(500));
        assert_eq!(pong_by(400), at(500));
        assert_eq!(pong_by(499), at(599));
    }

    #[test]
    fn every_state_at_every_time() {
        let timeout = Duration::from_millis(50);
        let resting = Heartbeat::Resting { ping_at: at(100) };
        let waiting = Heartbeat::Waiting { pong_by: at(100) };
        let send = Beat::SendPing { ping_at: at(100) };
        for (state, now, due, awaits) in [
            (resting, at(99), None, false),
            (resting, at(100), Some(send), false),
            (resting, at(149), Some(send), false),
            (resting, at(150), Some(Beat::DeclareGone), false),
            (waiting, at(99), None, true),
            (waiting, at(100), Some(Beat::DeclareGone), true),
            (waiting, at(500), Some(Beat::DeclareGone), true),
        ] {
            assert_eq!(state.due(now, timeout), due, "{state:?} at {now:?}");
            assert_eq!(state.awaits_pong(), awaits, "{state:?}");
        }
    }
}
