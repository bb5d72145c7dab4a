//! A Socket.IO server over WebSockets, driven by hand.

use std::time::Duration;

use socketio_proto::{
    socket::{
        AckKey, Config, Event, NamespaceKey, Options, Packet, PendingKey, RoomChange, Server,
        SocketKey, To,
    },
    time::UnixTime,
};

use crate::support::Driver;

pub(crate) struct App {
    pub(crate) driver: Driver<Server>,
    pub(crate) root: NamespaceKey,
    pub(crate) transports: usize,
}

pub(crate) fn print(event: &Event) -> String {
    match event {
        Event::AckDone {
            outcome, missing, ..
        } => format!("ack done: {outcome:?}, {missing} missing"),
        Event::Acked { args, .. } => format!("acked [{}]", args.json()),
        Event::Connecting(connecting) => format!("connecting {}", connecting.auth.json()),
        Event::NamespaceClosed { name, .. } => format!("namespace closed: {name}"),
        Event::NamespaceOpened { name, .. } => format!("namespace opened: {name}"),
        Event::Room { room, change, .. } => {
            // Ids are random; the change says what is meant.
            let room = if room.len() == 20 { "own" } else { &**room };
            let change = match change {
                RoomChange::Joined(_) => "joined".to_owned(),
                RoomChange::Left(_) => "left".to_owned(),
                change => format!("{change:?}").to_lowercase(),
            };
            format!("room {room}: {change}")
        }
        Event::Disconnected { reason, rooms, .. } => {
            format!("disconnected: {}, {} rooms", reason.as_str(), rooms.len())
        }
        Event::Packet { args, reply, .. } => {
            let asks = if reply.is_some() { " asks" } else { "" };
            format!("event {} [{}]{asks}", args.name(), args.json())
        }
        Event::SessionClosed { reason, .. } => format!("closed: {}", reason.as_str()),
        Event::SessionOpened { .. } => "opened".to_owned(),
        Event::Withdrawn { reason, .. } => format!("withdrawn: {reason:?}"),
        event => format!("{event:?}"),
    }
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn with(
        change: impl FnOnce(
            socketio_proto::socket::ConfigBuilder,
        ) -> socketio_proto::socket::ConfigBuilder,
    ) -> Self {
        let config = Config::builder().engine(|engine| {
            engine
                .ping_interval(Duration::from_millis(300))
                .ping_timeout(Duration::from_millis(200))
        });
        let config = change(config).build().unwrap();
        // Some time in 2026.
        let origin = UnixTime::since_epoch(Duration::from_secs(1_790_000_000));
        let mut server = Server::new(config, [2; 32], origin);
        server.add_namespace("/admin").unwrap();
        let root = server.namespace("/").unwrap();
        Self {
            driver: Driver::new(server, "/socket.io/", print),
            root,
            transports: 0,
        }
    }

    /// A connection over WebSocket, as the name of its transport.
    pub(crate) fn connection(&mut self) -> usize {
        self.driver.websocket("EIO=4&transport=websocket");
        self.driver.run();
        let transport = self.transports;
        self.transports += 1;
        self.driver.open(transport);
        self.driver.run();
        transport
    }

    /// A connection with an accepted socket in `/`.
    pub(crate) fn socket(&mut self) -> (usize, SocketKey) {
        let transport = self.connection();
        let socket = self.join(transport, "40");
        (transport, socket)
    }

    pub(crate) fn join(&mut self, transport: usize, connect: &str) -> SocketKey {
        self.driver.text(transport, connect);
        let pending = self.pending();
        let now = self.driver.now;
        let socket = self.driver.machine.accept(now, pending, &[]).unwrap();
        self.driver.run();
        socket
    }

    pub(crate) fn pending(&mut self) -> PendingKey {
        self.driver.run();
        let Some(Event::Connecting(connecting)) = self.driver.events.last() else {
            panic!("nobody asks to connect");
        };
        connecting.pending
    }

    pub(crate) fn emit(&mut self, to: To<'_>, event: &str, options: Options) -> Option<AckKey> {
        let packet = Packet::event(event, &(1,)).unwrap();
        let now = self.driver.now;
        let sent = self.driver.machine.emit(now, to, packet, options).unwrap();
        sent.ack
    }

    pub(crate) fn group<'a>(&self, rooms: &'a [&'a str], except: &'a [&'a str]) -> To<'a> {
        To::Group {
            namespace: self.root,
            rooms,
            except,
            without: None,
        }
    }

    pub(crate) fn says(&mut self, transport: usize, text: &str) -> Vec<String> {
        self.driver.text(transport, text);
        self.driver.run()
    }
}
