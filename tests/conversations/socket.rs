//! Socket.IO and its application: that of the official suite in `/` and `/custom`, `/no` that
//! refuses everybody, and `/late` that decides when a step says so.

use std::{collections::HashMap, time::Duration};

use serde_json::{Map, Value, json};
use socketio_proto::{
    edge::Machine as _,
    socket::{
        AckOutcome, Args, Config, Connecting, Data, Event, Options, Packet, PendingKey, ReplyToken,
        Server, SocketKey, To, Wait,
    },
    time::{Instant, UnixTime},
};

use super::{
    engine::configure,
    rows::{Step, hex},
    world::Application,
};

#[derive(Default)]
pub struct App {
    /// The latest of each namespace.
    pending: HashMap<String, PendingKey>,
    sockets: HashMap<String, SocketKey>,
    /// Namespaces of all that ever were, for what is told about their ends.
    pendings: HashMap<PendingKey, String>,
    members: HashMap<SocketKey, String>,
    auth: HashMap<PendingKey, Data>,
}

impl Application for App {
    type Machine = Server;

    fn start(config: &Map<String, Value>, name: Option<&str>) -> (Server, Self) {
        assert_eq!(name, None, "there is one application");
        let mut builder = Config::builder();
        let (mut connect, mut decision) = (None, None);
        builder = builder.engine(|engine| {
            configure(engine, config, &mut |name, span: Duration| match name {
                "connect_timeout" => connect = Some(span),
                "decision_timeout" => decision = Some(span),
                name => panic!("unknown setting {name}"),
            })
        });
        if let Some(span) = connect {
            builder = builder.connect_timeout(span);
        }
        if let Some(span) = decision {
            builder = builder.decision_timeout(span);
        }
        let config = builder.build().unwrap();
        let mut server = Server::new(config, [7; 32], UnixTime::default());
        for namespace in ["/custom", "/no", "/late"] {
            server.add_namespace(namespace).unwrap();
        }
        (server, Self::default())
    }

    fn told(&mut self, server: &mut Server, now: Instant, event: Event) -> Option<Value> {
        let shown = match event {
            Event::AckDone { outcome, .. } => match outcome {
                // The answer itself was told.
                AckOutcome::Complete => return None,
                AckOutcome::Disconnected | AckOutcome::TimedOut => json!({"event": "unanswered"}),
            },
            Event::Acked { args, .. } => {
                with_attachments(json!({"event": "answered", "args": values(&args)}), &args)
            }
            Event::Connecting(connecting) => self.on_connecting(server, now, *connecting),
            Event::Disconnected { socket, reason, .. } => json!({
                "event": "disconnected",
                "namespace": self.members[&socket],
                "reason": reason.as_str(),
            }),
            Event::Packet {
                socket,
                args,
                reply,
            } => self.on_packet(server, now, socket, &args, reply),
            Event::SessionClosed { reason, .. } => {
                json!({"event": "closed", "reason": reason.as_str()})
            }
            Event::SessionOpened { .. } => json!({"event": "opened"}),
            Event::Upgraded { .. } => json!({"event": "upgraded"}),
            Event::Withdrawn { pending, .. } => {
                json!({"event": "withdrawn", "namespace": self.pendings[&pending]})
            }
            // The answer says it.
            _ => return None,
        };
        Some(shown)
    }

    fn act(&mut self, server: &mut Server, now: Instant, step: &Step) -> Result<(), String> {
        let namespace = &*step.namespace;
        match &*step.input {
            "app_accept" => {
                let pending = self.pending_in(namespace)?;
                self.accept(server, now, pending);
            }
            "app_disconnect" => {
                let socket = self.socket_in(namespace)?;
                server.disconnect(now, To::Socket(socket), step.close);
            }
            "app_emit" => {
                let socket = self.socket_in(namespace)?;
                let args: Vec<&Value> = step.args.as_array().ok_or("no args")?.iter().collect();
                let packet = Packet::event(&step.event, &args).unwrap();
                let mut options = Options::new();
                if step.volatile {
                    options = options.volatile();
                }
                if let Some(timeout) = step.timeout {
                    options = options.ack(Wait::AtMost(Duration::from_millis(timeout)));
                } else if step.ack {
                    options = options.ack(Wait::Forever);
                }
                // In vain if the socket is gone.
                _ = server.emit(now, To::Socket(socket), packet, options);
            }
            "app_refuse" => {
                let pending = self.pending_in(namespace)?;
                let data = step.data.as_ref().map(|data| Data::new(data).unwrap());
                // In vain if it was withdrawn.
                _ = server.refuse(now, pending, &step.message, data.as_ref());
            }
            "app_shutdown" => server.shutdown(now, Duration::ZERO),
            input => return Err(format!("unknown input {input}")),
        }
        Ok(())
    }
}

impl App {
    fn pending_in(&self, namespace: &str) -> Result<PendingKey, String> {
        let pending = self.pending.get(namespace);
        pending
            .copied()
            .ok_or_else(|| format!("nobody asked to enter {namespace}"))
    }

    fn socket_in(&self, namespace: &str) -> Result<SocketKey, String> {
        let socket = self.sockets.get(namespace);
        socket
            .copied()
            .ok_or_else(|| format!("nobody entered {namespace}"))
    }

    fn on_connecting(&mut self, server: &mut Server, now: Instant, asks: Connecting) -> Value {
        let name = asks.namespace.to_string();
        let auth: Value = serde_json::from_str(asks.auth.json()).unwrap();
        self.pending.insert(name.clone(), asks.pending);
        self.pendings.insert(asks.pending, name.clone());
        self.auth.insert(asks.pending, asks.auth);
        match &*name {
            "/late" => {}
            "/no" => {
                let data = Data::new(&json!({"code": 403})).unwrap();
                server
                    .refuse(now, asks.pending, "forbidden", Some(&data))
                    .unwrap();
            }
            _ => self.accept(server, now, asks.pending),
        }
        json!({"event": "connecting", "namespace": name, "auth": auth})
    }

    /// Lets a client in, if it still wants to, and sends back what it sent along.
    fn accept(&mut self, server: &mut Server, now: Instant, pending: PendingKey) {
        let Ok(socket) = server.accept(now, pending, &[]) else {
            return;
        };
        let name = self.pendings[&pending].clone();
        self.sockets.insert(name.clone(), socket);
        self.members.insert(socket, name);
        let auth: Value = serde_json::from_str(self.auth[&pending].json()).unwrap();
        let packet = Packet::event("auth", &(auth,)).unwrap();
        server
            .emit(now, To::Socket(socket), packet, Options::new())
            .unwrap();
    }

    fn on_packet(
        &mut self,
        server: &mut Server,
        now: Instant,
        socket: SocketKey,
        args: &Args,
        reply: Option<ReplyToken>,
    ) -> Value {
        // What comes back to a socket that is gone by now is in vain.
        if args.name() == "message" {
            let packet = Packet::forward("message-back", args).unwrap();
            _ = server.emit(now, To::Socket(socket), packet, Options::new());
        }
        if args.name() == "message-with-ack"
            && let Some(token) = reply
        {
            _ = server.reply(now, token, Packet::reply_forward(args).unwrap());
        }
        let shown = json!({
            "event": "packet",
            "namespace": self.members[&socket],
            "name": args.name(),
            "args": values(args),
        });
        with_attachments(shown, args)
    }
}

fn values(args: &Args) -> Value {
    serde_json::from_str(&format!("[{}]", args.json())).unwrap()
}

fn with_attachments(mut shown: Value, args: &Args) -> Value {
    if !args.attachments().is_empty() {
        let attachments = args.attachments().iter().map(|bytes| hex(bytes));
        shown["attachments"] = attachments.collect();
    }
    shown
}
