//! A server, its clients by hand, and what comes out.

use std::time::Duration;

use socketio_proto::{
    edge::{Message, SessionKey},
    engine::{Config, ConfigBuilder, Event, Server},
};

use crate::support::{Driver, hex, sid_of};

pub(crate) type World = Driver<Server>;

/// Interval 300 ms, timeout 200 ms, upgrade timeout 100 ms.
pub(crate) fn world(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> World {
    let config = Config::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .upgrade_timeout(Duration::from_millis(100));
    let server = Server::new(change(config).build().unwrap(), [1; 32]);
    Driver::new(server, "/engine.io/", print)
}

fn print(event: &Event) -> String {
    match event {
        Event::Handshake { .. } => "asked".to_owned(),
        Event::Message { message, .. } => match message {
            Message::Text(text) => format!("message {text:?}"),
            Message::Binary(bytes) => format!("message <{}>", hex(bytes)),
        },
        Event::Refused { refusal, .. } => format!("refused: {refusal}"),
        Event::SessionClosed { reason, .. } => format!("closed: {} ({reason})", reason.as_str()),
        Event::SessionOpened { .. } => "opened".to_owned(),
        Event::Upgraded { .. } => "upgraded".to_owned(),
        event => format!("{event:?}"),
    }
}

/// The session that opened last.
pub(crate) fn last_session(world: &World) -> SessionKey {
    let opened = world.events.iter().rev().find_map(|event| match event {
        Event::SessionOpened { session, .. } => Some(*session),
        _ => None,
    });
    opened.unwrap()
}

/// Opens a session over polling; its query from now on.
pub(crate) fn poller(world: &mut World) -> (SessionKey, String) {
    world.get("EIO=4&transport=polling");
    let sid = sid_of(&world.run()[0]);
    let query = format!("EIO=4&transport=polling&sid={sid}");
    (last_session(world), query)
}

/// Opens a session over a WebSocket, the `index`th of the world.
pub(crate) fn socket(world: &mut World, index: usize) -> SessionKey {
    world.websocket("EIO=4&transport=websocket");
    world.run();
    world.open(index);
    world.run();
    last_session(world)
}

/// What comes out, the handshake's JSON left out.
pub(crate) fn lines(world: &mut World) -> Vec<String> {
    let short = |line: String| match line.find("0{") {
        Some(at) => format!("{}0…", &line[..at]),
        None => line,
    };
    world.run().into_iter().map(short).collect()
}
