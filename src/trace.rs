//! What the feature `tracing` tells of transitions: keys and fixed names, never what a peer sent.

use core::fmt;

use crate::{
    engine::CloseReason,
    socket::{DisconnectReason, Withdrawal},
};

/// A reason without what it may hold of a peer's bytes: of a packet that broke a rule, it names the
/// rule.
pub(crate) struct Safe<T>(pub(crate) T);

impl fmt::Debug for Safe<CloseReason> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CloseReason::ParseError(error) => write!(f, "ParseError({})", error.rule()),
            reason => reason.fmt(f),
        }
    }
}

impl fmt::Debug for Safe<DisconnectReason> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DisconnectReason::Connection(reason) => write!(f, "Connection({:?})", Safe(reason)),
            DisconnectReason::ParseError(error) => write!(f, "ParseError({})", error.rule()),
            reason => reason.fmt(f),
        }
    }
}

impl fmt::Debug for Safe<Withdrawal> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Withdrawal::Client(reason) => write!(f, "Client({:?})", Safe(reason)),
            reason => reason.fmt(f),
        }
    }
}

/// Tells something. A field is shown as its `Debug` does, so it must be a key, a number or a fixed
/// text. Without the feature nothing is left of it.
macro_rules! tell {
    ($level:ident, $what:literal $(, $field:ident = $value:expr)* $(,)?) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!(
            target: "socketio_proto",
            $($field = tracing::field::debug(&$value),)*
            $what
        );
        #[cfg(not(feature = "tracing"))]
        {
            $(let _ = &$value;)*
        }
    }};
}
pub(crate) use tell;
