//! The settings of a whole server.

use socketio_proto::socket::{Config, Server};

use super::{
    Io,
    link::Link,
    recovery::Recovering,
    tables::{Tables, Unhandled},
};
use crate::{
    clock::{self, Clock, EntropyError},
    driver::Driver,
    filter::Filter,
    request::RequestInfo,
};

/// Builds an [`Io`].
#[derive(Clone, Debug)]
#[must_use]
pub struct IoBuilder {
    config: Config,
    unhandled: Unhandled,
    filter: Option<Filter>,
    room_events: bool,
    pub(super) recovering: Recovering,
}

impl Default for IoBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            unhandled: Unhandled {
                mark: 1 << 20,
                most: 32 << 20,
            },
            filter: None,
            room_events: false,
            recovering: Recovering::default(),
        }
    }
}

impl IoBuilder {
    /// The settings of the protocol. Path, heartbeat, CORS, origins, cookie, and what waits for a
    /// client are those of the layer below, [`engine`](socketio_proto::socket::ConfigBuilder::engine).
    ///
    /// Its [`max_payload`](socketio_proto::engine::ConfigBuilder::max_payload) counts bodies as they
    /// come: over long-polling an attachment is base64, 4/3 of its bytes, in one body with the text of
    /// its packet. With the default of 1 000 000 B it may have a little less than 750 000 B there.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use socketio_tokio::{Config, ConfigError, Cookie, Cors, Io, Origins};
    ///
    /// # fn example() -> Result<Io, ConfigError> {
    /// // const io = new Server({
    /// //   cors: { origin: ["https://example.com"], credentials: true },
    /// //   cookie: true, pingInterval: 10000, connectTimeout: 10000,
    /// // });
    /// let origins = Origins::list(["https://example.com"]);
    /// let config = Config::builder()
    ///     .engine(|engine| {
    ///         engine
    ///             .cors(Cors::matching(origins.clone()).credentials(true))
    ///             // CORS tells browsers; this refuses, WebSockets too.
    ///             .origins(origins)
    ///             .cookie(Cookie::default())
    ///             .ping_interval(Duration::from_secs(10))
    ///     })
    ///     .connect_timeout(Duration::from_secs(10))
    ///     .build()?;
    /// let io = Io::builder().config(config).build();
    /// # Ok(io)
    /// # }
    /// ```
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Decides who may open a connection: the reference's `allowRequest`. What it gives as an error
    /// is told to the client, with the status 403, or 400 if a WebSocket was asked for. It is asked
    /// once per connection, about the request that opens it, behind the checks of the protocol and
    /// of the origin; neither about a CORS preflight nor about the JavaScript client's files.
    /// Without it everybody may.
    ///
    /// It runs in the request's own future, and is dropped if the client leaves first. It may take
    /// as long as `admission_timeout` of the configuration, 10 s; a panic refuses the client.
    ///
    /// ```
    /// use socketio_tokio::{Io, RequestInfo};
    ///
    /// // const io = new Server({ allowRequest: (req, callback) => {
    /// //   callback(req.headers["x-key"] === "1" ? null : "no key", …);
    /// // } });
    /// let io = Io::builder()
    ///     .allow_request(|request: RequestInfo| async move {
    ///         match request.headers().get("x-key") {
    ///             Some(key) if key == "1" => Ok(()),
    ///             _ => Err("no key"),
    ///         }
    ///     })
    ///     .build();
    /// ```
    pub fn allow_request<F, R, E>(mut self, allow: F) -> Self
    where
        F: Fn(RequestInfo) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<String>,
    {
        self.filter = Some(Filter::new(allow));
        self
    }

    /// How many bytes of events may wait for the handlers of one socket, each event counted with 64
    /// bytes added, before the client's connection is not read any more; it is read again once a
    /// quarter of that is left. What it sends meanwhile stays with it. Default 1 MiB.
    ///
    /// Such a pause lasts as long as `pause_timeout` of the configuration at most, 120 s; then the
    /// connection closes.
    pub fn unhandled_mark(mut self, bytes: usize) -> Self {
        self.unhandled.mark = bytes;
        self
    }

    /// The most bytes of events that may wait for the handlers of one socket, counted likewise. An
    /// event on an empty queue always fits; one beyond it closes the connection. It takes effect
    /// only for what was read before the [mark](Self::unhandled_mark) stopped the reading: one body
    /// or a few messages. Default 32 MiB.
    pub fn max_unhandled(mut self, bytes: usize) -> Self {
        self.unhandled.most = bytes;
        self
    }

    /// Whether the server tells who joins and leaves which room, to
    /// [`on_room`](super::Namespace::on_room). Default false: a busy server has many such changes.
    pub fn room_events(mut self, tell: bool) -> Self {
        self.room_events = tell;
        self
    }

    /// Makes the server.
    ///
    /// # Panics
    ///
    /// When the operating system has no random bytes to give: see [`try_build`](Self::try_build).
    pub fn build(self) -> Io {
        self.try_build().expect("random bytes to make secrets of")
    }

    /// Makes the server.
    ///
    /// # Errors
    ///
    /// When the operating system has no random bytes to give.
    #[expect(clippy::missing_panics_doc, reason = "what is expected was checked")]
    pub fn try_build(self) -> Result<Io, EntropyError> {
        let clock = Clock::start();
        // Patterns may be added while it is served.
        let mut config = self.config.with_dynamic_namespaces();
        if self.filter.is_some() {
            config = config.with_admission();
        }
        if let Some(recovery) = self.recovering.config() {
            config = config
                .with_recovery(recovery)
                .expect("settings that were checked when they were given");
        }
        if self.room_events {
            config = config.with_room_events();
        }
        let server = Server::new(config, clock::seed()?, clock.origin());
        let tables = Tables::new(
            self.unhandled,
            self.filter,
            self.room_events,
            self.recovering,
        );
        let link = Link(Driver::new(server, tables, clock));
        let weak = link.downgrade();
        link.with(|_, tables, _| tables.set_link(weak));
        Ok(Io::from_link(&link))
    }
}
