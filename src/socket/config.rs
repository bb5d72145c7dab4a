//! What a Socket.IO server bounds.

use core::time::Duration;

use thiserror::Error;

use super::decode::Limits;
use crate::engine::{self, ConfigError};

/// The settings of a Socket.IO server, checked once.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) engine: engine::Config,
    pub(crate) connect_timeout: Duration,
    pub(crate) decision_timeout: Duration,
    pub(crate) max_namespaces: usize,
    pub(crate) max_acks: usize,
    pub(crate) limits: Limits,
    pub(crate) dynamic: Dynamic,
    pub(crate) room_events: bool,
    pub(crate) recovery: Option<RecoveryConfig>,
}

/// What is kept for clients that lose their connection, so that they can come back and miss nothing
/// (Socket.IO reference, "Connection state recovery").
///
/// What is kept is dropped oldest first where a limit is reached:
/// [`Event::RecoveryCut`](super::Event::RecoveryCut) says so.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct RecoveryConfig {
    pub(crate) max_disconnection: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) max_sessions: usize,
    pub(crate) lookup_timeout: Duration,
    pub(crate) is_external: bool,
}

impl RecoveryConfig {
    /// Starts from the defaults.
    pub const fn new() -> Self {
        Self {
            max_disconnection: Duration::from_secs(120),
            max_bytes: 64 << 20,
            max_sessions: 100_000,
            lookup_timeout: Duration::from_secs(5),
            is_external: false,
        }
    }

    /// How long a client may be away, from when the server noticed. Default 120 s, as the
    /// reference's `maxDisconnectionDuration`.
    pub const fn max_disconnection(mut self, span: Duration) -> Self {
        self.max_disconnection = span;
        self
    }

    /// The most bytes that events and sessions hold together, for the whole server, with what keeping
    /// them costs. Default 64 MiB.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The most clients that may be away at a time. Default 100 000.
    pub const fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// How long the application may look for a session that is kept outside; then it is taken for
    /// gone. Default 5 s.
    pub const fn lookup_timeout(mut self, span: Duration) -> Self {
        self.lookup_timeout = span;
        self
    }

    /// Lets the application keep the sessions: [`Event::StoreSession`](super::Event::StoreSession)
    /// gives them, [`Event::FindSession`](super::Event::FindSession) asks for them. The events that
    /// were sent stay here.
    pub const fn external(mut self) -> Self {
        self.is_external = true;
        self
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (name, span) in [
            ("max_disconnection", self.max_disconnection),
            ("lookup_timeout", self.lookup_timeout),
        ] {
            if span.is_zero() {
                return Err(ConfigError::Span { name });
            }
        }
        Ok(())
    }
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What becomes of namespaces that nobody added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dynamic {
    /// Whether the application is asked about them.
    pub(crate) ask: bool,
    /// Whether they stay when their last socket leaves.
    pub(crate) keep_empty: bool,
    /// The most that exist at a time.
    pub(crate) most: usize,
}

impl Config {
    /// Starts from the defaults, under the path `/socket.io/`. What the reference can set, too, has
    /// the reference's default.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder {
            engine: engine::Config::builder().path("/socket.io"),
            connect_timeout: Duration::from_secs(45),
            decision_timeout: Duration::from_secs(45),
            max_namespaces: 64,
            max_acks: 1_024,
            limits: Limits::default(),
            dynamic: Dynamic {
                ask: false,
                keep_empty: false,
                most: 10_000,
            },
            room_events: false,
            recovery: None,
        }
    }

    /// The same settings, and the application decides about namespaces that nobody added; see
    /// [`ConfigBuilder::ask_namespaces`].
    #[must_use]
    pub fn with_dynamic_namespaces(mut self) -> Self {
        self.dynamic.ask = true;
        self
    }

    /// The same settings, and the application is told of changes of rooms; see
    /// [`ConfigBuilder::room_events`].
    #[must_use]
    pub fn with_room_events(mut self) -> Self {
        self.room_events = true;
        self
    }

    /// The same settings, and the application decides about every handshake; see
    /// [`ConfigBuilder::ask_admission`](engine::ConfigBuilder::ask_admission).
    #[must_use]
    pub fn with_admission(mut self) -> Self {
        self.engine = self.engine.with_admission();
        self
    }

    /// The same settings, and clients may come back; see [`ConfigBuilder::recovery`].
    ///
    /// # Errors
    ///
    /// Says which setting cannot work.
    pub fn with_recovery(mut self, recovery: RecoveryConfig) -> Result<Self, ConfigError> {
        recovery.check()?;
        self.recovery = Some(recovery);
        Ok(self)
    }

    /// The settings of the layer below.
    pub fn engine(&self) -> &engine::Config {
        &self.engine
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::builder().build().expect("the defaults can work")
    }
}

/// Builds a [`Config`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    engine: engine::ConfigBuilder,
    connect_timeout: Duration,
    decision_timeout: Duration,
    max_namespaces: usize,
    max_acks: usize,
    limits: Limits,
    dynamic: Dynamic,
    room_events: bool,
    recovery: Option<RecoveryConfig>,
}

impl ConfigBuilder {
    /// Changes settings of the layer below: path, heartbeat, CORS, origins, cookie, transports, and
    /// the limits of Engine.IO.
    ///
    /// ```
    /// use socketio_proto::socket::Config;
    /// use std::time::Duration;
    ///
    /// let config = Config::builder()
    ///     .engine(|engine| engine.ping_interval(Duration::from_secs(10)))
    ///     .build()?;
    /// # Ok::<_, socketio_proto::engine::ConfigError>(())
    /// ```
    pub fn engine(
        mut self,
        change: impl FnOnce(engine::ConfigBuilder) -> engine::ConfigBuilder,
    ) -> Self {
        self.engine = change(self.engine);
        self
    }

    /// How long a connection may be without any namespace, from its opening and again after it
    /// left the last one; then it closes. Default 45 s.
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.connect_timeout = span;
        self
    }

    /// How long a CONNECT may wait for the application; then it is refused. Default 45 s.
    pub fn decision_timeout(mut self, span: Duration) -> Self {
        self.decision_timeout = span;
        self
    }

    /// The most namespaces on one connection, waiting ones included; a CONNECT beyond it is
    /// refused. Default 64.
    pub fn max_namespaces(mut self, namespaces: usize) -> Self {
        self.max_namespaces = namespaces;
        self
    }

    /// The most answers that may be outstanding for one socket; an emit beyond it fails.
    /// Default 1 024.
    pub fn max_acks(mut self, acks: usize) -> Self {
        self.max_acks = acks;
        self
    }

    /// Whether the application decides about clients of namespaces that nobody added, in the same
    /// event as about others: [`Connecting::known`](super::Connecting::known) is then empty, and
    /// acceptance makes the namespace. Otherwise they are refused with `Invalid namespace`. Default
    /// false.
    pub fn ask_namespaces(mut self, ask: bool) -> Self {
        self.dynamic.ask = ask;
        self
    }

    /// Whether a dynamic namespace stays when its last socket leaves. Default false: otherwise
    /// clients would decide how many there are. With recovery it stays, too, as long as clients of
    /// it are away and may come back, if their sessions are kept by the server itself: what is sent
    /// to it meanwhile waits for them.
    pub fn keep_empty_namespaces(mut self, keep: bool) -> Self {
        self.dynamic.keep_empty = keep;
        self
    }

    /// The most dynamic namespaces at a time; a CONNECT that would make one more is refused.
    /// Default 10 000.
    pub fn max_dynamic_namespaces(mut self, namespaces: usize) -> Self {
        self.dynamic.most = namespaces;
        self
    }

    /// Whether the application is told who joins and leaves which room, by
    /// [`Event::Room`](super::Event::Room). Default false: a busy server has many such changes.
    pub fn room_events(mut self, tell: bool) -> Self {
        self.room_events = tell;
        self
    }

    /// Lets clients that lose their connection come back and miss nothing. Off by default: events
    /// are then kept for a while, and each carries its offset as one more argument.
    pub fn recovery(mut self, recovery: RecoveryConfig) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// What one received packet may hold; more closes the connection with a parse error.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Says which setting cannot work.
    pub fn build(self) -> Result<Config, ConfigError> {
        for (name, span) in [
            ("connect_timeout", self.connect_timeout),
            ("decision_timeout", self.decision_timeout),
        ] {
            if span.is_zero() {
                return Err(ConfigError::Span { name });
            }
        }
        for (name, limit) in [
            ("max_namespaces", self.max_namespaces),
            ("max_namespace", self.limits.max_namespace),
        ] {
            if limit == 0 {
                return Err(ConfigError::Zero { name });
            }
        }
        if let Some(recovery) = &self.recovery {
            recovery.check()?;
        }
        Ok(Config {
            engine: self.engine.build()?,
            connect_timeout: self.connect_timeout,
            decision_timeout: self.decision_timeout,
            max_namespaces: self.max_namespaces,
            max_acks: self.max_acks,
            limits: self.limits,
            dynamic: self.dynamic,
            room_events: self.room_events,
            recovery: self.recovery,
        })
    }
}

/// A namespace name cannot be served.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The name holds a comma, which ends a name on the wire.
    #[error("a namespace name holds no comma")]
    Comma,
    /// The name holds control characters.
    #[error("a namespace name holds no control characters")]
    Control,
    /// The name is too long.
    #[error("the namespace name has {len} bytes, at most {limit} may be used")]
    TooLong {
        /// The length of the name.
        len: usize,
        /// The limit.
        limit: usize,
    },
}
