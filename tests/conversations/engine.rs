//! Engine.IO and its two applications: `echo` sends back what it gets, `quiet` does not. Both
//! close the session when they are told to by the message `close`.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Map, Value, json};
use socketio_proto::{
    edge::{Machine as _, Message, SessionKey},
    engine::{Config, ConfigBuilder, Event, Server},
    time::Instant,
};

use super::{
    rows::{Step, hex, unhex},
    world::Application,
};

pub struct App {
    echoes: bool,
    session: Option<SessionKey>,
}

/// Applies the settings of a row; `other` takes those of the layer above.
pub fn configure(
    mut builder: ConfigBuilder,
    config: &Map<String, Value>,
    other: &mut dyn FnMut(&str, Duration),
) -> ConfigBuilder {
    for (name, value) in config {
        let value = value.as_u64().unwrap();
        let span = Duration::from_millis(value);
        builder = match &**name {
            "max_payload" => builder.max_payload(usize::try_from(value).unwrap()),
            "ping_interval" => builder.ping_interval(span),
            "ping_timeout" => builder.ping_timeout(span),
            "upgrade_timeout" => builder.upgrade_timeout(span),
            name => {
                other(name, span);
                builder
            }
        };
    }
    builder
}

pub fn server(config: &Map<String, Value>) -> Server {
    let config = configure(Config::builder(), config, &mut |name, _| {
        panic!("unknown setting {name}")
    });
    Server::new(config.build().unwrap(), [7; 32])
}

impl Application for App {
    type Machine = Server;

    fn start(config: &Map<String, Value>, name: Option<&str>) -> (Server, Self) {
        let app = Self {
            echoes: match name {
                None | Some("echo") => true,
                Some("quiet") => false,
                Some(name) => panic!("unknown application {name}"),
            },
            session: None,
        };
        (server(config), app)
    }

    fn told(&mut self, server: &mut Server, now: Instant, event: Event) -> Option<Value> {
        let shown = match event {
            Event::Message { session, message } => {
                let shown = match &message {
                    Message::Text(text) => json!({"event": "message", "text": **text}),
                    Message::Binary(bytes) => json!({"event": "message", "hex": hex(bytes)}),
                };
                if message == Message::Text(ByteString::from_static("close")) {
                    server.close(now, session);
                } else if self.echoes {
                    // The session may have closed behind the message.
                    _ = server.send(now, session, message);
                }
                shown
            }
            Event::SessionClosed { reason, .. } => {
                json!({"event": "closed", "reason": reason.as_str()})
            }
            Event::SessionOpened { session, .. } => {
                self.session = Some(session);
                json!({"event": "opened"})
            }
            Event::Upgraded { .. } => json!({"event": "upgraded"}),
            // The answer says it.
            _ => return None,
        };
        Some(shown)
    }

    fn act(&mut self, server: &mut Server, now: Instant, step: &Step) -> Result<(), String> {
        let session = self.session.ok_or("no session")?;
        match &*step.input {
            "app_close" => server.close(now, session),
            "app_send" => {
                let message = match (&step.text, &step.hex) {
                    (Some(text), None) => Message::Text(ByteString::from(text.clone())),
                    (None, Some(hex)) => Message::Binary(Bytes::from(unhex(hex))),
                    _ => return Err("one of text and hex".to_owned()),
                };
                // Sending to a session that is closing is allowed, and in vain.
                _ = server.send(now, session, message);
            }
            "app_shutdown" => server.shutdown(now, Duration::ZERO),
            input => return Err(format!("unknown input {input}")),
        }
        Ok(())
    }
}
