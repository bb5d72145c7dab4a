//! A Socket.IO server whose inputs and outputs name everything by the order of its making, so that
//! what was put in once can be put in again in another way.

use std::{collections::VecDeque, time::Duration};

use bytestring::ByteString;
use socketio_proto::{
    edge::{
        Carrier, Headers, Lost, Machine, Message, Output, Request, RequestId, SessionKey,
        TransportId,
    },
    engine::Codec,
    socket::{
        AckKey, AckOutcome, Config, DisconnectReason, Event, Json, NamespaceKey, Options, Packet,
        PendingKey, Recovery, RecoveryConfig, ReplyToken, Server, SocketKey, To, Wait, Withdrawal,
    },
    time::{Instant, UnixTime},
};

pub const NAMES: [&str; 2] = ["/", "/b"];
pub const PING_INTERVAL: Duration = Duration::from_millis(300);
pub const PING_TIMEOUT: Duration = Duration::from_millis(200);
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(110);
pub const DECISION_TIMEOUT: Duration = Duration::from_millis(70);
pub const MAX_DISCONNECTION: Duration = Duration::from_secs(10);
pub const ACK_TIMEOUT: Duration = Duration::from_millis(30);

/// Which server it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The second namespace was not added: it exists while somebody is in it.
    pub is_dynamic: bool,
    /// Clients may come back.
    pub has_recovery: bool,
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whom {
    Socket(usize),
    /// Everybody in a namespace.
    All(usize),
}

/// One input of the machine.
#[derive(Clone, Debug)]
pub enum Call {
    Accept {
        pending: usize,
        room: Option<&'static str>,
    },
    Cancel(usize),
    Disconnect {
        whom: Whom,
        close: bool,
    },
    Emit {
        whom: Whom,
        number: usize,
        volatile: bool,
        ack: Wait,
    },
    Lost(usize),
    Opened(usize),
    Read {
        conn: usize,
        text: String,
    },
    Refuse(usize),
    Reply {
        question: usize,
        number: usize,
    },
    /// The handshake of the next connection.
    Request,
    Sent(usize),
    Shutdown,
    Timeout,
}

/// One output of the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    Acked {
        ack: usize,
        from: usize,
        json: String,
    },
    AckDone {
        ack: usize,
        outcome: AckOutcome,
        missing: usize,
    },
    Close {
        conn: usize,
        abort: bool,
    },
    Closed {
        conn: usize,
        reason: String,
    },
    Connecting {
        pending: usize,
        conn: usize,
        namespace: usize,
        is_known: bool,
        /// What acceptance will restore: so many events, or nothing of what was asked for.
        recovery: Option<Result<usize, ()>>,
    },
    Disconnected {
        socket: usize,
        reason: DisconnectReason,
        rooms: Vec<String>,
    },
    NamespaceClosed {
        namespace: usize,
    },
    NamespaceOpened {
        namespace: usize,
    },
    Offered {
        conn: usize,
    },
    Opened {
        conn: usize,
    },
    Packet {
        socket: usize,
        json: String,
        question: Option<usize>,
    },
    Withdrawn {
        pending: usize,
        reason: Withdrawal,
    },
    Write {
        conn: usize,
        frames: Vec<String>,
    },
    Other(String),
}

/// What came of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is done; the number of what it made, if it made something.
    Done(Option<usize>),
    /// It was sent to so many, and dropped for so many.
    Sent {
        queued: usize,
        dropped: usize,
        ack: Option<usize>,
    },
    Refused(String),
}

pub struct Bench {
    pub server: Server,
    settings: Settings,
    /// Those that exist.
    pub namespaces: [Option<NamespaceKey>; 2],
    requests: Vec<RequestId>,
    pub transports: Vec<Option<(TransportId, Codec<Json>)>>,
    pub sessions: Vec<Option<SessionKey>>,
    pub pendings: Vec<PendingKey>,
    pub sockets: Vec<SocketKey>,
    pub acks: Vec<AckKey>,
    questions: Vec<Option<ReplyToken>>,
    /// All that came out so far, and all answers to commands.
    pub outputs: Vec<Seen>,
    pub answers: Vec<Answer>,
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

impl Bench {
    pub fn new(settings: Settings) -> Self {
        let mut config = Config::builder();
        if settings.has_recovery {
            let recovery = RecoveryConfig::new();
            config = config.recovery(recovery.max_disconnection(MAX_DISCONNECTION));
        }
        let config = config
            .ask_namespaces(settings.is_dynamic)
            .connect_timeout(CONNECT_TIMEOUT)
            .decision_timeout(DECISION_TIMEOUT)
            .engine(|engine| {
                engine
                    .ping_interval(PING_INTERVAL)
                    .ping_timeout(PING_TIMEOUT)
            });
        let mut server = Server::new(config.build().unwrap(), [9; 32], UnixTime::default());
        if !settings.is_dynamic {
            server.add_namespace(NAMES[1]).unwrap();
        }
        let namespaces = NAMES.map(|name| server.namespace(name));
        Self {
            server,
            settings,
            namespaces,
            requests: Vec::new(),
            transports: Vec::new(),
            sessions: Vec::new(),
            pendings: Vec::new(),
            sockets: Vec::new(),
            acks: Vec::new(),
            questions: Vec::new(),
            outputs: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Whether what an input names is known already, as far as outputs were taken.
    fn knows(&self, call: &Call) -> bool {
        match *call {
            Call::Accept { pending, .. } | Call::Refuse(pending) => pending < self.pendings.len(),
            Call::Lost(conn) | Call::Opened(conn) | Call::Sent(conn) | Call::Read { conn, .. } => {
                self.transports.get(conn).is_some_and(Option::is_some)
            }
            Call::Reply { question, .. } => question < self.questions.len(),
            Call::Disconnect {
                whom: Whom::All(namespace),
                ..
            }
            | Call::Emit {
                whom: Whom::All(namespace),
                ..
            } => {
                let key = self.server.namespace(NAMES[namespace]);
                self.namespaces[namespace] == key || key.is_none()
            }
            _ => true,
        }
    }

    pub fn call(&mut self, now: Instant, call: &Call) -> Answer {
        let answer = self.perform(now, call);
        self.answers.push(answer.clone());
        answer
    }

    fn perform(&mut self, now: Instant, call: &Call) -> Answer {
        let done = |result: Result<(), String>| match result {
            Ok(()) => Answer::Done(None),
            Err(error) => Answer::Refused(error),
        };
        let server = &mut self.server;
        match *call {
            Call::Accept { pending, room } => {
                let rooms: Vec<&str> = room.into_iter().collect();
                match server.accept(now, self.pendings[pending], &rooms) {
                    Ok(socket) => {
                        self.sockets.push(socket);
                        return Answer::Done(Some(self.sockets.len() - 1));
                    }
                    Err(error) => return Answer::Refused(error.to_string()),
                }
            }
            Call::Cancel(ack) => {
                return done(server.cancel(self.acks[ack]).map_err(|it| it.to_string()));
            }
            Call::Disconnect { whom, close } => {
                let to = to(whom, &self.sockets, self.namespaces);
                server.disconnect(now, to, close);
            }
            Call::Emit {
                whom,
                number,
                volatile,
                ack,
            } => {
                let to = to(whom, &self.sockets, self.namespaces);
                let mut options = Options::new().ack(ack);
                if volatile {
                    options = options.volatile();
                }
                let packet = Packet::event("s", &(number,)).unwrap();
                return match server.emit(now, to, packet, options) {
                    Ok(sent) => {
                        self.acks.extend(sent.ack);
                        Answer::Sent {
                            queued: sent.queued,
                            dropped: sent.dropped,
                            ack: sent.ack.map(|_| self.acks.len() - 1),
                        }
                    }
                    Err(error) => Answer::Refused(error.to_string()),
                };
            }
            Call::Lost(conn) => {
                let (transport, _) = self.transports[conn].unwrap();
                server.handle_transport_lost(now, transport, Lost::Closed { code: 1006 });
            }
            Call::Opened(conn) => {
                server.handle_transport_open(now, self.transports[conn].unwrap().0);
            }
            Call::Read { conn, ref text } => {
                let (transport, codec) = self.transports[conn].unwrap();
                let inbound = codec.read(Message::Text(ByteString::from(text.as_str())));
                server.handle_transport_read(now, transport, inbound);
            }
            Call::Refuse(pending) => {
                let pending = self.pendings[pending];
                let refused = server.refuse(now, pending, "no", None);
                return done(refused.map_err(|it| it.to_string()));
            }
            Call::Reply { question, number } => {
                let token = self.questions[question].take().unwrap();
                let packet = Packet::reply(&(number,)).unwrap();
                let sent = server.reply(now, token, packet);
                return done(sent.map_err(|it| it.to_string()));
            }
            Call::Request => {
                let id = server.handle_request(
                    now,
                    &Request {
                        carrier: Carrier::WebSocket,
                        method: "GET",
                        target: "/socket.io/?EIO=4&transport=websocket",
                        headers: &NoHeaders,
                        peer: None,
                    },
                );
                self.requests.push(id);
                self.transports.push(None);
                self.sessions.push(None);
            }
            Call::Sent(conn) => {
                server.handle_transport_sent(now, self.transports[conn].unwrap().0);
            }
            Call::Shutdown => server.shutdown(now, Duration::ZERO),
            Call::Timeout => server.handle_timeout(now),
        }
        Answer::Done(None)
    }

    /// Takes one output.
    pub fn pop(&mut self) -> Option<Seen> {
        let output = self.server.poll_output()?;
        let seen = self.see(output);
        self.outputs.push(seen.clone());
        Some(seen)
    }

    fn see(&mut self, output: Output<Event, Json>) -> Seen {
        match output {
            Output::Event(event) => self.see_event(event),
            Output::OpenTransport {
                request,
                transport,
                codec,
                ..
            } => {
                let conn = last(&self.requests, &request);
                self.transports[conn] = Some((transport, codec));
                Seen::Offered { conn }
            }
            Output::CloseTransport { transport, abort } => Seen::Close {
                conn: self.conn(transport),
                abort,
            },
            Output::Transmit { transport, batch } => {
                let frames = batch.into_frames();
                let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
                Seen::Write {
                    conn: self.conn(transport),
                    frames: frames.map(|it| text(&it.payload)).collect(),
                }
            }
            other => Seen::Other(format!("{other:?}")),
        }
    }

    fn see_event(&mut self, event: Event) -> Seen {
        match event {
            Event::AckDone {
                ack,
                outcome,
                missing,
            } => Seen::AckDone {
                ack: last_at(&self.acks, ack, AckKey::index),
                outcome,
                missing,
            },
            Event::Acked { ack, from, args } => Seen::Acked {
                ack: last_at(&self.acks, ack, AckKey::index),
                from: last_at(&self.sockets, from, SocketKey::index),
                json: args.json().to_owned(),
            },
            Event::Connecting(connecting) => {
                self.pendings.push(connecting.pending);
                let namespace = named(&connecting.namespace);
                Seen::Connecting {
                    pending: self.pendings.len() - 1,
                    conn: last(&self.sessions, &Some(connecting.session)),
                    namespace,
                    is_known: connecting.known.is_some(),
                    recovery: match &connecting.recovery {
                        Recovery::None => None,
                        Recovery::Failed => Some(Err(())),
                        Recovery::Restored { missed, .. } => Some(Ok(*missed)),
                    },
                }
            }
            Event::Disconnected {
                socket,
                reason,
                rooms,
            } => Seen::Disconnected {
                socket: last_at(&self.sockets, socket, SocketKey::index),
                reason,
                rooms: rooms.iter().map(ToString::to_string).collect(),
            },
            Event::NamespaceClosed { namespace, name } => {
                let number = named(&name);
                assert_eq!(self.namespaces[number], Some(namespace));
                Seen::NamespaceClosed { namespace: number }
            }
            Event::NamespaceOpened { namespace, name } => {
                let number = named(&name);
                self.namespaces[number] = Some(namespace);
                Seen::NamespaceOpened { namespace: number }
            }
            Event::Packet {
                socket,
                args,
                reply,
            } => {
                let question = reply.is_some().then_some(self.questions.len());
                self.questions.extend(reply.map(Some));
                Seen::Packet {
                    socket: last_at(&self.sockets, socket, SocketKey::index),
                    json: format!("{}[{}]", args.name(), args.json()),
                    question,
                }
            }
            Event::SessionClosed { session, reason } => Seen::Closed {
                conn: last(&self.sessions, &Some(session)),
                reason: reason.as_str().to_owned(),
            },
            Event::SessionOpened { session, request } => {
                let conn = last(&self.requests, &request);
                self.sessions[conn] = Some(session);
                Seen::Opened { conn }
            }
            Event::Withdrawn { pending, reason } => Seen::Withdrawn {
                pending: last(&self.pendings, &pending),
                reason,
            },
            other => Seen::Other(format!("{other:?}")),
        }
    }

    fn conn(&self, transport: TransportId) -> usize {
        let mut transports = self.transports.iter();
        let found = transports.rposition(|it| it.is_some_and(|(key, _)| key == transport));
        found.expect("a transport that is known")
    }
}

fn named(name: &str) -> usize {
    NAMES.iter().position(|it| *it == name).unwrap()
}

fn to(whom: Whom, sockets: &[SocketKey], namespaces: [Option<NamespaceKey>; 2]) -> To<'static> {
    match whom {
        Whom::Socket(socket) => To::Socket(sockets[socket]),
        Whom::All(namespace) => To::Group {
            namespace: namespaces[namespace].unwrap(),
            rooms: &[],
            except: &[],
            without: None,
        },
    }
}

/// The last one with this index: an index that is given out again before the outputs that name its
/// last owner were taken would confuse two.
fn last_at<T: Copy + PartialEq + std::fmt::Debug>(
    known: &[T],
    key: T,
    index: impl Fn(T) -> usize,
) -> usize {
    let found = known.iter().rposition(|&it| index(it) == index(key));
    let found = found.filter(|&found| known[found] == key);
    found.unwrap_or_else(|| panic!("the index of {key:?} was given out again"))
}

fn last<T: PartialEq + std::fmt::Debug>(known: &[T], key: &T) -> usize {
    let found = known.iter().rposition(|it| it == key);
    found.unwrap_or_else(|| panic!("{key:?} is not known"))
}

/// Puts in again what was put in, and takes what comes out as late as it goes: in front of the first
/// input that names it. The time is told by the next input, where there is one.
///
/// What comes out must be the same.
pub fn again(once: &Bench, history: &[(Instant, Call)]) -> Bench {
    let mut bench = Bench::new(once.settings);
    let mut history: VecDeque<_> = history.iter().cloned().collect();
    while let Some((now, call)) = history.pop_front() {
        let next = history.front();
        let is_told = next.is_some_and(|&(then, ref next)| {
            then == now && !matches!(next, Call::Timeout | Call::Cancel(_))
        });
        if matches!(call, Call::Timeout) && is_told {
            bench.answers.push(Answer::Done(None));
            continue;
        }
        while !bench.knows(&call) {
            bench.pop().expect("what is named comes out");
        }
        bench.call(now, &call);
    }
    while bench.pop().is_some() {}
    bench
}
