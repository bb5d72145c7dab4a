//! Progress of a polling session towards WebSocket (Engine.IO protocol v4, "Upgrade").

use crate::{edge::TransportId, time::Instant};

/// Where the upgrade of one session stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Upgrade {
    /// Nothing is being probed.
    Idle,
    /// A WebSocket was accepted and is silent so far.
    Attached { transport: TransportId, by: Instant },
    /// `2probe` was answered with `3probe`; the client's `5` is awaited. It had more time if a data
    /// request had to wait.
    Probed {
        transport: TransportId,
        by: Instant,
        is_postponed: bool,
    },
}

/// What the probing WebSocket did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// It sent `5`.
    Commit,
    /// It sent `2probe`.
    Probe,
    /// It sent anything else, was lost, or its time is over.
    Stray,
}

/// What follows for the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Answer `3probe`, and end the pending poll so that the client can pause.
    AnswerProbe,
    /// Close the probing WebSocket; the session goes on as it was.
    Drop,
    /// Nothing was being probed.
    Ignore,
    /// The WebSocket carries every packet from now on.
    Switch,
}

impl Upgrade {
    /// Every transition. A commit without a probe counts (tolerated, as the reference does); a
    /// second probe does not, one is all that a client ever needs.
    pub(crate) fn step(self, input: Input) -> (Self, Action) {
        match (self, input) {
            (Self::Attached { transport, by }, Input::Probe) => {
                let is_postponed = false;
                let probed = Self::Probed {
                    transport,
                    by,
                    is_postponed,
                };
                (probed, Action::AnswerProbe)
            }
            (Self::Attached { .. } | Self::Probed { .. }, Input::Commit) => {
                (Self::Idle, Action::Switch)
            }
            (Self::Attached { .. }, Input::Stray)
            | (Self::Probed { .. }, Input::Probe | Input::Stray) => (Self::Idle, Action::Drop),
            (Self::Idle, Input::Commit | Input::Probe | Input::Stray) => {
                (Self::Idle, Action::Ignore)
            }
        }
    }

    /// The probing WebSocket.
    pub(crate) fn transport(self) -> Option<TransportId> {
        match self {
            Self::Idle => None,
            Self::Attached { transport, .. } | Self::Probed { transport, .. } => Some(transport),
        }
    }

    /// Whether its time is over.
    pub(crate) fn is_overdue(self, now: Instant) -> bool {
        self.by().is_some_and(|by| by <= now)
    }

    /// Whether this is the instant that counts.
    pub(crate) fn is_armed_for(self, at: Instant) -> bool {
        self.by() == Some(at)
    }

    /// Whether its client waits for the answer to a data request that it had sent before it knew
    /// that the probe was answered. That is one: who has more time for that sends no other.
    pub(crate) fn waits_for_data(self) -> bool {
        matches!(
            self,
            Self::Probed {
                is_postponed: false,
                ..
            }
        )
    }

    /// The same with another end of its time, once.
    pub(crate) fn postponed(self, by: Instant) -> Self {
        match self {
            Self::Probed {
                transport,
                is_postponed: false,
                ..
            } => Self::Probed {
                transport,
                by,
                is_postponed: true,
            },
            state => state,
        }
    }

    fn by(self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Attached { by, .. } | Self::Probed { by, .. } => Some(by),
        }
    }

    /// Whether polls are answered at once, so that the client can pause polling.
    pub(crate) fn drains_polls(self) -> bool {
        matches!(self, Self::Probed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn every_state_with_every_input() {
        let transport = TransportId::new(0, core::num::NonZeroU32::MIN);
        let by = Instant::from_millis(10);
        let attached = Upgrade::Attached { transport, by };
        let probed = Upgrade::Probed {
            transport,
            by,
            is_postponed: false,
        };
        for (state, input, next, action) in [
            (Upgrade::Idle, Input::Commit, Upgrade::Idle, Action::Ignore),
            (Upgrade::Idle, Input::Probe, Upgrade::Idle, Action::Ignore),
            (Upgrade::Idle, Input::Stray, Upgrade::Idle, Action::Ignore),
            (attached, Input::Commit, Upgrade::Idle, Action::Switch),
            (attached, Input::Probe, probed, Action::AnswerProbe),
            (attached, Input::Stray, Upgrade::Idle, Action::Drop),
            (probed, Input::Commit, Upgrade::Idle, Action::Switch),
            (probed, Input::Probe, Upgrade::Idle, Action::Drop),
            (probed, Input::Stray, Upgrade::Idle, Action::Drop),
        ] {
            assert_eq!(
                state.step(input),
                (next, action),
                "{state:?} with {input:?}"
            );
        }
    }

    #[test]
    fn an_upgrade_is_postponed_once_and_only_after_its_probe() {
        let transport = TransportId::new(0, core::num::NonZeroU32::MIN);
        let by = Instant::from_millis;
        let attached = Upgrade::Attached {
            transport,
            by: by(10),
        };
        assert!(!attached.waits_for_data());
        assert_eq!(attached.postponed(by(20)), attached);
        let (probed, _) = attached.step(Input::Probe);
        assert!(probed.waits_for_data());
        let postponed = probed.postponed(by(20));
        assert!(postponed.is_armed_for(by(20)));
        assert!(!postponed.waits_for_data());
        assert_eq!(postponed.postponed(by(30)), postponed);
        assert_eq!(postponed.step(Input::Commit).1, Action::Switch);
    }

    #[test]
    fn an_upgrade_is_overdue_from_its_deadline_on() {
        let transport = TransportId::new(0, core::num::NonZeroU32::MIN);
        let by = Instant::from_millis(10);
        let state = Upgrade::Attached { transport, by };
        assert!(!state.is_overdue(Instant::from_millis(9)));
        assert!(state.is_overdue(by));
        assert!(!Upgrade::Idle.is_overdue(by));
    }
}
