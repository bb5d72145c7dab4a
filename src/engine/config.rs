//! What a server announces, and what it bounds.

use alloc::{format, string::String};
use core::time::Duration;

use thiserror::Error;

use super::{
    cookie::{Cookie, CookieError},
    cors::{Cors, CorsError},
    origins::{OriginError, Origins},
    overflow::Overflow,
    payload,
    rate::{OverRate, Rate},
};
use crate::edge::Message;

/// The settings of an Engine.IO server, checked once.
///
/// [`Config::default`] serves every official client that the reference server serves with its own
/// defaults; [`Config::builder`] starts from there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub struct Config {
    pub(crate) path: String,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) upgrade_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) max_payload: usize,
    pub(crate) max_packets: usize,
    pub(crate) max_queued: usize,
    pub(crate) high_water: usize,
    pub(crate) low_water: usize,
    pub(crate) overflow: Overflow,
    pub(crate) max_batch: usize,
    pub(crate) max_poll: usize,
    pub(crate) max_upgrades: u8,
    pub(crate) max_sessions: Option<usize>,
    pub(crate) connect_rate: Option<Rate>,
    pub(crate) packet_rate: Option<Rate>,
    pub(crate) byte_rate: Option<Rate>,
    pub(crate) over_rate: OverRate,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_handshakes: usize,
    pub(crate) ask_admission: bool,
    pub(crate) admission_timeout: Duration,
    pub(crate) pause_timeout: Duration,
    pub(crate) polling: bool,
    pub(crate) websocket: bool,
    pub(crate) allow_upgrades: bool,
    pub(crate) cors: Option<Cors>,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) origins: Origins,
    pub(crate) initial_message: Option<Message>,
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder {
            config: Self::default(),
            trailing_slash: true,
            high_water: None,
            low_water: None,
        }
    }

    /// The same settings, and the application decides about every handshake; see
    /// [`ConfigBuilder::ask_admission`].
    #[must_use]
    pub fn with_admission(mut self) -> Self {
        self.ask_admission = true;
        self
    }

    /// The path prefix that the server claims, with its trailing slash if it has to have one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The largest body or message that is accepted, in bytes.
    pub fn max_payload(&self) -> usize {
        self.max_payload
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: String::from("/engine.io/"),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(30),
            max_payload: 1_000_000,
            max_packets: 65_536,
            max_queued: 32 << 20,
            high_water: 1 << 20,
            low_water: 256 << 10,
            overflow: Overflow::Close,
            max_batch: 256 << 10,
            max_poll: 1 << 20,
            max_upgrades: 8,
            max_sessions: None,
            connect_rate: None,
            packet_rate: None,
            byte_rate: None,
            over_rate: OverRate::Close,
            max_body_bytes: 256 << 20,
            max_handshakes: 10_000,
            ask_admission: false,
            admission_timeout: Duration::from_secs(10),
            pause_timeout: Duration::from_secs(120),
            polling: true,
            websocket: true,
            allow_upgrades: true,
            cors: None,
            cookie: None,
            origins: Origins::any(),
            initial_message: None,
        }
    }
}

/// Builds a [`Config`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    // Its path stands as it was given.
    config: Config,
    trailing_slash: bool,
    // What was not set follows what bounds it.
    high_water: Option<usize>,
    low_water: Option<usize>,
}

impl ConfigBuilder {
    /// The path prefix of the server's requests. Default `/engine.io/`, under Socket.IO
    /// `/socket.io/`.
    pub fn path(mut self, path: &str) -> Self {
        self.config.path = String::from(path);
        self
    }

    /// Whether a trailing slash is added to the path. Default true.
    ///
    /// Without it the server claims `/engine.io` and `/engine.io/`, but `/engine.iox`, too: a path
    /// is a prefix (Engine.IO reference, "Path matching").
    pub fn trailing_slash(mut self, added: bool) -> Self {
        self.trailing_slash = added;
        self
    }

    /// How long after a pong the next ping leaves. Default 25 s.
    pub fn ping_interval(mut self, span: Duration) -> Self {
        self.config.ping_interval = span;
        self
    }

    /// How long a ping waits for its pong; then the session closes. Default 20 s.
    pub fn ping_timeout(mut self, span: Duration) -> Self {
        self.config.ping_timeout = span;
        self
    }

    /// How long an upgrade may take; then its WebSocket closes and the session goes on as it was.
    /// Default 10 s.
    pub fn upgrade_timeout(mut self, span: Duration) -> Self {
        self.config.upgrade_timeout = span;
        self
    }

    /// The largest body or message accepted, in bytes; announced to clients. Default 1 000 000.
    ///
    /// A larger body is answered with 413, before anything is read if its length was announced; a
    /// larger message closes its transport.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.max_payload = bytes;
        self
    }

    /// The most packets accepted in one polling body; more close the session with a parse error.
    /// Default 65 536.
    pub fn max_packets(mut self, packets: usize) -> Self {
        self.config.max_packets = packets;
        self
    }

    /// The most bytes that may wait for one client, each packet counted with 64 bytes added.
    /// [`overflow`](Self::overflow) says what becomes of a packet beyond it. A packet on an empty
    /// queue always fits. Default 32 MiB.
    pub fn max_queued(mut self, bytes: usize) -> Self {
        self.config.max_queued = bytes;
        self
    }

    /// The most sessions at once, WebSockets that are about to open one included. A handshake
    /// beyond it is answered with 503. Default none.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = Some(sessions);
        self
    }

    /// How many sessions may open, over all clients. A handshake beyond it is answered with 503 and
    /// takes nothing; one over a WebSocket counts when it is accepted. Default no limit.
    ///
    /// The rate is that of the whole server: whoever wants to keep one address from using it up has
    /// to do so in front of it.
    pub fn connect_rate(mut self, rate: Rate) -> Self {
        self.config.connect_rate = Some(rate);
        self
    }

    /// How many packets one client may send, on whatever carrier: messages, of which an attachment
    /// is one more, and those of the protocol, as its answers to pings. Default no limit.
    /// [`over_rate`](Self::over_rate) says what becomes of more.
    pub fn packet_rate(mut self, rate: Rate) -> Self {
        self.config.packet_rate = Some(rate);
        self
    }

    /// How many bytes one client may send: payloads of WebSocket messages, and polling bodies as they
    /// come. A body above [`max_payload`](Self::max_payload) counts as so many. Default no limit.
    /// [`over_rate`](Self::over_rate) says what becomes of more.
    ///
    /// A message or body is one piece: with [`OverRate::Close`] none passes that is larger than the
    /// rate's burst.
    pub fn byte_rate(mut self, rate: Rate) -> Self {
        self.config.byte_rate = Some(rate);
        self
    }

    /// What becomes of a client that sends more than [`packet_rate`](Self::packet_rate) or
    /// [`byte_rate`](Self::byte_rate) allow. Default [`OverRate::Close`].
    pub fn over_rate(mut self, policy: OverRate) -> Self {
        self.config.over_rate = policy;
        self
    }

    /// The most bytes that all bodies which are being read may hold together, as far as the caller
    /// [reports them](crate::edge::Machine::handle_body_progress). Beyond it those that were waited
    /// for longest are answered with 503, and their sessions close. Default 256 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.config.max_body_bytes = bytes;
        self
    }

    /// Whether the application decides about every handshake: it is told `Event::Handshake` and
    /// answers, then or later, with [`admit`](crate::edge::Machine::admit). Other requests are not
    /// asked about. Default no.
    pub fn ask_admission(mut self, ask: bool) -> Self {
        self.config.ask_admission = ask;
        self
    }

    /// How long a handshake may wait for the application; then it is refused with 403, code 4, or
    /// with 400 if it asks for a WebSocket. Default 10 s.
    pub fn admission_timeout(mut self, span: Duration) -> Self {
        self.config.admission_timeout = span;
        self
    }

    /// The most handshakes that may wait for the application at once; one beyond it is answered
    /// with 503. Default 10 000.
    pub fn max_handshakes(mut self, handshakes: usize) -> Self {
        self.config.max_handshakes = handshakes;
        self
    }

    /// How long the application may [stop reading](crate::edge::Machine::set_reading) what one
    /// client sends; then the session closes with
    /// [`CloseReason::Unread`](crate::engine::CloseReason::Unread). And how long a client may be
    /// [delayed](OverRate::Delay) at a time. Default 120 s.
    pub fn pause_timeout(mut self, span: Duration) -> Self {
        self.config.pause_timeout = span;
        self
    }

    /// More bytes than this waiting for one client are told once, as [`Event::Pressure`]; counted
    /// as by [`max_queued`](Self::max_queued). Default 1 MiB, or half of that limit if it is lower.
    ///
    /// [`Event::Pressure`]: super::Event::Pressure
    pub fn high_water(mut self, bytes: usize) -> Self {
        self.high_water = Some(bytes);
        self
    }

    /// When no more bytes than this wait for a client that was above
    /// [`high_water`](Self::high_water), it is told once. Default 256 KiB, or half of that
    /// mark if it is lower.
    pub fn low_water(mut self, bytes: usize) -> Self {
        self.low_water = Some(bytes);
        self
    }

    /// What becomes of a packet that does not fit into [`max_queued`](Self::max_queued). Default
    /// [`Overflow::Close`].
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.config.overflow = policy;
        self
    }

    /// The most bytes handed to a WebSocket at once, or one packet if that is larger; the rest
    /// follows when they were written. Default 256 KiB.
    pub fn max_batch(mut self, bytes: usize) -> Self {
        self.config.max_batch = bytes;
        self
    }

    /// The most bytes in the answer to one poll, or one packet if that is larger; the next poll
    /// fetches the rest. Default 1 MiB.
    pub fn max_poll(mut self, bytes: usize) -> Self {
        self.config.max_poll = bytes;
        self
    }

    /// The most upgrades that one session may begin; a WebSocket beyond it is refused. Default 8.
    pub fn max_upgrades(mut self, upgrades: u8) -> Self {
        self.config.max_upgrades = upgrades;
        self
    }

    /// How long an orderly close waits for the client to fetch what is left; then it closes
    /// without. Default 30 s.
    pub fn close_timeout(mut self, span: Duration) -> Self {
        self.config.close_timeout = span;
        self
    }

    /// Which carriers are served. Default both.
    pub fn transports(mut self, polling: bool, websocket: bool) -> Self {
        self.config.polling = polling;
        self.config.websocket = websocket;
        self
    }

    /// Whether a polling session may move to a WebSocket. Default true.
    ///
    /// If not, the handshake names no upgrades, and one that is tried is refused with 400 before
    /// the 101, where the reference only says so and lets it happen. Sessions that begin on a
    /// WebSocket are not concerned.
    pub fn allow_upgrades(mut self, allowed: bool) -> Self {
        self.config.allow_upgrades = allowed;
        self
    }

    /// The headers that let pages of other origins read the answers. Default none.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.config.cors = Some(cors);
        self
    }

    /// The origins whose pages are served; others are refused with 403, or with 400 if they ask for
    /// a WebSocket. Default every origin.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.config.origins = origins;
        self
    }

    /// A cookie with the session id, for load balancers. Default none.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.config.cookie = Some(cookie);
        self
    }

    /// A message that every session gets together with its handshake, before any other: in the same
    /// polling body or batch (Engine.IO reference, "Handshake sequence"). Default none.
    ///
    /// It is a message of Engine.IO: under Socket.IO its text has to be a packet of that protocol.
    pub fn initial_message(mut self, message: Message) -> Self {
        self.config.initial_message = Some(message);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Says which setting cannot work.
    pub fn build(self) -> Result<Config, ConfigError> {
        let mut config = self.config;
        let base = config.path.trim_end_matches('/');
        config.path = match base {
            "" => String::from("/"),
            _ if self.trailing_slash => format!("{base}/"),
            _ => String::from(base),
        };
        let high = config.high_water.min(config.max_queued / 2);
        config.high_water = self.high_water.unwrap_or(high);
        let low = config.low_water.min(config.high_water / 2);
        config.low_water = self.low_water.unwrap_or(low);
        config.check_carriers()?;
        config.check_door()?;
        config.check_spans()?;
        config.check_numbers()?;
        config.check_marks()?;
        Ok(config)
    }
}

impl Config {
    fn check_carriers(&self) -> Result<(), ConfigError> {
        if !self.path.starts_with('/') {
            return Err(ConfigError::Path);
        }
        if !self.polling && !self.websocket {
            return Err(ConfigError::NoTransport);
        }
        Ok(())
    }

    fn check_spans(&self) -> Result<(), ConfigError> {
        for (name, span) in [
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("upgrade_timeout", self.upgrade_timeout),
            ("admission_timeout", self.admission_timeout),
            ("pause_timeout", self.pause_timeout),
            ("close_timeout", self.close_timeout),
        ] {
            // Clients read whole milliseconds, and their timers end at 2^31 - 1 of them.
            if !(1..=i32::MAX as u128).contains(&span.as_millis()) {
                return Err(ConfigError::Span { name });
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        for (name, value) in [
            ("max_packets", self.max_packets),
            ("max_payload", self.max_payload),
            ("max_sessions", self.max_sessions.unwrap_or(1)),
            ("max_body_bytes", self.max_body_bytes),
            ("max_handshakes", self.max_handshakes),
            ("max_queued", self.max_queued),
            ("max_batch", self.max_batch),
            ("max_poll", self.max_poll),
            ("max_upgrades", self.max_upgrades.into()),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero { name });
            }
        }
        for (name, rate) in [
            ("connect_rate", self.connect_rate),
            ("packet_rate", self.packet_rate),
            ("byte_rate", self.byte_rate),
        ] {
            if rate.is_some_and(Rate::is_zero) {
                return Err(ConfigError::Zero { name });
            }
        }
        Ok(())
    }

    fn check_marks(&self) -> Result<(), ConfigError> {
        let marks = [
            ("low_water", self.low_water),
            ("high_water", self.high_water),
            ("max_queued", self.max_queued),
        ];
        for pair in marks.windows(2) {
            if let [(lower, low), (upper, high)] = *pair
                && low > high
            {
                return Err(ConfigError::Order { lower, upper });
            }
        }
        Ok(())
    }

    /// Checks what concerns headers and the first message.
    fn check_door(&self) -> Result<(), ConfigError> {
        self.origins.check().map_err(ConfigError::Origins)?;
        if let Some(cors) = &self.cors {
            cors.check().map_err(ConfigError::Cors)?;
        }
        if let Some(cookie) = &self.cookie {
            cookie.check().map_err(ConfigError::Cookie)?;
        }
        match &self.initial_message {
            Some(Message::Text(text))
                if self.polling
                    && memchr::memchr(payload::SEPARATOR, text.as_bytes()).is_some() =>
            {
                Err(ConfigError::InitialMessage)
            }
            _ => Ok(()),
        }
    }
}

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The cookie would not be read as what it is.
    #[error("{0}")]
    Cookie(CookieError),
    /// The headers for other origins cannot work.
    #[error("cors: {0}")]
    Cors(CorsError),
    /// The initial message holds the record separator, U+001E, which long-polling cannot carry.
    #[error("long-polling cannot carry the U+001E of the initial message")]
    InitialMessage,
    /// Neither carrier is served.
    #[error("neither polling nor websocket is served")]
    NoTransport,
    /// An origin that is to be served would never match.
    #[error("origins: {0}")]
    Origins(OriginError),
    /// A setting is larger than another that bounds it.
    #[error("{lower} must not be larger than {upper}")]
    Order {
        /// The setting that is too large.
        lower: &'static str,
        /// The setting that bounds it.
        upper: &'static str,
    },
    /// The path does not start with a slash.
    #[error("the path must start with a slash")]
    Path,
    /// A span is shorter than 1 ms or longer than 2^31 - 1 ms.
    #[error("{name} must be between 1 ms and 2^31 - 1 ms")]
    Span {
        /// The setting.
        name: &'static str,
    },
    /// A limit is zero, or a number of a rate.
    #[error("{name} must not be zero")]
    Zero {
        /// The setting.
        name: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;

    use super::*;

    #[test]
    fn the_path_ends_with_one_slash_or_with_none() {
        let path = |path, slash| {
            let config = Config::builder().trailing_slash(slash).path(path).build();
            config.unwrap().path().to_owned()
        };
        for (given, with, without) in [
            ("/chat", "/chat/", "/chat"),
            ("/chat/", "/chat/", "/chat"),
            ("/chat//", "/chat/", "/chat"),
            ("/a/b", "/a/b/", "/a/b"),
            // Every target is under it, whether the slash is added or not.
            ("/", "/", "/"),
            ("", "/", "/"),
        ] {
            assert_eq!(path(given, true), with, "{given}");
            assert_eq!(path(given, false), without, "{given}");
        }
        assert_eq!(Config::builder().build(), Ok(Config::default()));
        let default = Config::builder().trailing_slash(false).build().unwrap();
        assert_eq!(default.path(), "/engine.io");
    }

    #[test]
    fn what_the_parts_cannot_be_is_an_error_of_the_whole() {
        let path = OriginError::Path { index: 0 };
        for (builder, error) in [
            (
                Config::builder().origins(Origins::list(["https://a/"])),
                ConfigError::Origins(path),
            ),
            (
                Config::builder().cors(Cors::constant("https://a/")),
                ConfigError::Cors(CorsError::Origin(path)),
            ),
            (
                Config::builder().cookie(Cookie::new("a b")),
                ConfigError::Cookie(CookieError::Name),
            ),
            (
                Config::builder().initial_message(Message::Text("a\u{1e}b".into())),
                ConfigError::InitialMessage,
            ),
        ] {
            assert_eq!(builder.build(), Err(error));
        }
        for builder in [
            Config::builder()
                .transports(false, true)
                .initial_message(Message::Text("a\u{1e}b".into())),
            Config::builder().initial_message(Message::Binary("\u{1e}".into())),
        ] {
            assert!(builder.build().is_ok());
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let zero = Config::builder().ping_timeout(Duration::ZERO).build();
        assert_eq!(
            zero,
            Err(ConfigError::Span {
                name: "ping_timeout"
            })
        );
        assert_eq!(
            Config::builder().path("chat").build(),
            Err(ConfigError::Path)
        );
        assert_eq!(
            Config::builder().transports(false, false).build(),
            Err(ConfigError::NoTransport)
        );
        assert_eq!(
            Config::builder().max_payload(0).build(),
            Err(ConfigError::Zero {
                name: "max_payload"
            })
        );
    }

    #[test]
    fn water_marks_lie_below_the_cap_in_their_order() {
        let build = |low, high, cap| {
            let builder = Config::builder().low_water(low).high_water(high);
            builder.max_queued(cap).build().map(|_| ())
        };
        let order = |lower, upper| Err(ConfigError::Order { lower, upper });
        assert_eq!(build(5, 5, 5), Ok(()));
        assert_eq!(build(0, 0, 1), Ok(()));
        let config = Config::builder().max_queued(100).build().unwrap();
        assert_eq!((config.low_water, config.high_water), (25, 50));
        assert_eq!(build(6, 5, 7), order("low_water", "high_water"));
        assert_eq!(build(5, 8, 7), order("high_water", "max_queued"));
    }

    #[test]
    fn a_rate_of_nothing_and_a_burst_of_nothing_are_named() {
        for rate in [Rate::new(0, 1), Rate::new(1, 0), Rate::new(0, 0)] {
            for (name, builder) in [
                ("connect_rate", Config::builder().connect_rate(rate)),
                ("packet_rate", Config::builder().packet_rate(rate)),
                ("byte_rate", Config::builder().byte_rate(rate)),
            ] {
                assert_eq!(builder.build(), Err(ConfigError::Zero { name }));
            }
        }
        let least = Config::builder().byte_rate(Rate::new(1, 1)).build();
        assert!(least.is_ok());
    }

    #[test]
    fn limits_of_what_goes_out_are_not_zero() {
        let builder = Config::builder;
        for (name, builder) in [
            (
                "max_queued",
                builder().low_water(0).high_water(0).max_queued(0),
            ),
            ("max_batch", builder().max_batch(0)),
            ("max_poll", builder().max_poll(0)),
            ("max_upgrades", builder().max_upgrades(0)),
        ] {
            assert_eq!(builder.build(), Err(ConfigError::Zero { name }));
        }
        let name = "close_timeout";
        let close = builder().close_timeout(Duration::ZERO).build();
        assert_eq!(close, Err(ConfigError::Span { name }));
    }
}
