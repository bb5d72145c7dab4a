//! Mode `app`: everything that an application may do.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use socketio_tokio::{
    Ack, AckError, Args, Binary, Config, Connecting, Data, DisconnectReason, EmitError, Error, Io,
    Namespace, RecoveryConfig, Refusal, Reply, Sent, Socket,
};

use crate::{number, value::Value};

/// Why sockets disconnected, by their ids.
type Reasons = Arc<Mutex<HashMap<String, &'static str>>>;

/// The names of the dynamic namespaces, as they are now.
type Children = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What `up` sent so far.
#[derive(Default)]
struct Ups(Mutex<Vec<i64>>);

#[derive(Deserialize)]
struct Auth {
    token: Option<String>,
}

/// How many large messages a client wants at once.
#[derive(Deserialize)]
struct Wanted {
    history: u8,
}

#[derive(Serialize)]
struct Welcome<'a> {
    id: &'a str,
    nsp: &'a str,
    auth: &'a Data,
    recovered: bool,
}

#[derive(Serialize)]
struct UpCheck {
    count: usize,
    ordered: bool,
}

#[derive(Serialize)]
struct Stats {
    sockets: usize,
    inside: Inside,
}

/// What the server holds of connections.
#[derive(Serialize)]
struct Inside {
    sessions: usize,
    transports: usize,
    handshakes: usize,
    body_bytes: usize,
    queued_bytes: usize,
}

pub(crate) fn server(is_recovering: bool) -> Result<Io, Error> {
    let two_seconds = Duration::from_secs(2);
    let config = Config::builder()
        .engine(|engine| {
            engine
                .ping_interval(two_seconds)
                .ping_timeout(two_seconds)
                .max_payload(1_000_000)
        })
        .build()?;
    let mut io = Io::builder().config(config);
    if is_recovering {
        let kept = Duration::from_millis(number("RECOVERY_MS")?.unwrap_or(120_000));
        let skip = number::<u8>("SKIP_MIDDLEWARES")? != Some(0);
        let recovery = RecoveryConfig::new().max_disconnection(kept);
        io = io.recovery(recovery).skip_middlewares(skip);
    }
    let io = io.try_build()?;
    let reasons = Reasons::default();

    let root = io.of("/").middleware(|client: Connecting| async move {
        match token_of(&client).as_deref() {
            Some("bad") => {
                let data = HashMap::from([("code", 401)]);
                Err(Refusal::new("unauthorized").data(&data))
            }
            _ => Ok(()),
        }
    });
    let admin = io.of("/admin").middleware(|client: Connecting| async move {
        match token_of(&client).as_deref() {
            Some("secret") => Ok(()),
            _ => Err(Refusal::new("forbidden")),
        }
    });
    // A pattern lets them in; each is served like the others when it is made.
    let chats = io.of_pattern(is_chat);
    let children: Children = Arc::new(move || {
        let namespaces = chats.namespaces();
        let names = namespaces.iter().map(|chat| chat.name().to_owned());
        names.collect()
    });
    for namespace in [root, admin] {
        serve(namespace, &reasons, &children);
    }
    io.on_namespace(move |namespace| {
        if is_chat(namespace.name()) {
            serve(namespace, &reasons, &children);
        }
    });
    Ok(io)
}

/// Whether a name is `/chat-` and a number.
fn is_chat(name: &str) -> bool {
    let number = name.strip_prefix("/chat-");
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}

fn token_of(client: &Connecting) -> Option<String> {
    let auth = client.auth::<Auth>().ok();
    let token = auth.and_then(|auth| auth.token);
    token.or_else(|| Some(client.query("token")?.into_owned()))
}

fn serve(namespace: Namespace, reasons: &Reasons, children: &Children) {
    let children = Arc::clone(children);
    let namespace = namespace
        .on_connect(welcome)
        .on_sync("echo", echo)
        .on_sync("burst", burst)
        .on_sync("up", |socket: &Socket, (i,): (i64,)| {
            if let Some(ups) = socket.get::<Ups>() {
                ups.lock().push(i);
            }
        })
        .on_sync("up_check", up_check)
        .on_sync("silent", |_: &Socket| ())
        .on_sync("ask", ask)
        .on_sync("volatile", volatile)
        .on_sync("kick", |socket: &Socket, (close,): (Option<bool>,)| {
            socket.disconnect(close == Some(true));
        })
        .on_sync("stats", stats)
        .on_sync("children", move |_: &Socket| Ack((children(),)))
        .on_sync("remember", |socket: &Socket, (value,): (Value,)| {
            socket.set_data(&value).map(|()| Ack(()))
        })
        .on_sync("recall", |socket: &Socket| Ack((socket.data::<Value>(),)))
        .on_sync("later", later);
    serve_reasons(serve_rooms(namespace), reasons);
}

fn serve_rooms(namespace: Namespace) -> Namespace {
    namespace
        .on_sync("join", |socket: &Socket, (room,): (String,)| {
            socket.join(&room).map(|()| Ack(()))
        })
        .on_sync("leave", |socket: &Socket, (room,): (String,)| {
            socket.leave(&room).map(|()| Ack(()))
        })
        .on_sync("rooms", |socket: &Socket| Ack((socket.rooms(),)))
        .on_sync("room_emit", room_emit)
        .on_sync("room_broadcast", room_broadcast)
        .on("room_ask", room_ask)
}

fn serve_reasons(namespace: Namespace, reasons: &Reasons) {
    let seen = Arc::clone(reasons);
    let reasons = Arc::clone(reasons);
    namespace
        .on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            let mut reasons = reasons.lock().unwrap_or_else(PoisonError::into_inner);
            reasons.insert(socket.id().to_string(), reason.as_str());
            async {}
        })
        .on_sync("reason_of", move |_: &Socket, (id,): (String,)| {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            Ack((seen.get(&id).copied(),))
        });
}

async fn welcome(socket: Socket) -> Result<(), EmitError> {
    socket.insert(Ups::default());
    let namespace = socket.namespace();
    let id = socket.id();
    let welcome = Welcome {
        id: id.as_str(),
        nsp: namespace.name(),
        auth: socket.handshake().auth_data(),
        recovered: socket.recovered(),
    };
    socket.emit("welcome", (welcome,))?;
    let wanted = socket.handshake().auth::<Wanted>();
    for i in 0..wanted.map_or(0, |wanted| wanted.history) {
        socket.emit("history", (Binary::from(vec![i; 700_000]),))?;
    }
    Ok(())
}

fn stats(socket: &Socket) -> Ack<(Stats,)> {
    let all = socket.io().statistics();
    Ack((Stats {
        sockets: socket.namespace().len(),
        inside: Inside {
            sessions: all.polling_sessions + all.websocket_sessions,
            transports: all.transports,
            handshakes: all.handshakes,
            body_bytes: all.body_bytes,
            queued_bytes: all.queued_bytes,
        },
    },))
}

fn echo(socket: &Socket, args: Args, reply: Reply) -> Result<(), EmitError> {
    if reply.is_wanted() {
        reply.send(args)
    } else {
        socket.emit("echo", args).map(drop)
    }
}

fn burst(socket: &Socket, (n,): (u64,)) -> Result<(), EmitError> {
    (0..n).try_for_each(|i| socket.emit("burst", (i,)).map(drop))
}

impl Ups {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn up_check(socket: &Socket) -> Ack<(UpCheck,)> {
    let ups = socket.get::<Ups>().unwrap_or_default();
    let ups = ups.lock();
    Ack((UpCheck {
        count: ups.len(),
        ordered: (0..).zip(ups.iter()).all(|(index, &up)| up == index),
    },))
}

/// The next events are handled while the answer is awaited, as in JavaScript.
fn ask(socket: &Socket, mut args: VecDeque<Value>) {
    let timeout = milliseconds(args.pop_front().as_ref());
    let question = socket.timeout(timeout).emit_with_ack("question", args);
    // It is sent here and not in the task, hence in the order of the events.
    let answer = question.into_future();
    let socket = socket.clone();
    tokio::spawn(async move {
        match answer.await {
            Ok(reply) => {
                let mut answer: VecDeque<Value> = reply.parse()?;
                answer.push_front(Value::Bool(true));
                socket.emit("answer", answer)?;
            }
            Err(AckError::TimedOut) => drop(socket.emit("answer", (false,))?),
            Err(error) => return Err(error.into()),
        }
        Ok::<(), Error>(())
    });
}

fn room_emit(socket: &Socket, mut args: VecDeque<Value>) -> Result<Ack<()>, EmitError> {
    let room = text(args.pop_front());
    let except = args.pop_front();
    let namespace = socket.namespace();
    let targets = namespace.to(&room);
    match &except {
        Some(Value::Text(except)) => targets.except(except).emit("room_msg", args)?,
        _ => targets.emit("room_msg", args)?,
    };
    Ok(Ack(()))
}

fn room_broadcast(socket: &Socket, mut args: VecDeque<Value>) -> Result<Ack<()>, EmitError> {
    let room = text(args.pop_front());
    socket.to(&room).emit("room_msg", args)?;
    Ok(Ack(()))
}

async fn room_ask(
    socket: Socket,
    mut args: VecDeque<Value>,
) -> Result<Ack<(bool, Vec<Value>)>, Error> {
    let room = text(args.pop_front());
    let timeout = milliseconds(args.pop_front().as_ref());
    let namespace = socket.namespace();
    let asked = namespace.to(&room).timeout(timeout);
    let all = asked.emit_with_ack("question", args).await?;
    let answers = all.answers.iter();
    let answers = answers.map(|(_, answer)| answer.get(0).unwrap_or(Value::Null));
    Ok(Ack((all.timed_out, answers.collect())))
}

fn volatile(socket: &Socket, (n,): (u64,)) -> Result<Sent, EmitError> {
    for i in 0..n {
        socket.volatile().emit("vol", (i,))?;
    }
    socket.emit("vol_end", (n,))
}

fn later(socket: &Socket, (room, n, delay): (String, u8, u64)) {
    let namespace = socket.namespace();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(delay)).await;
        namespace.to(&room).volatile().emit("late_vol", ())?;
        for i in 0..n {
            let byte = Binary::from(vec![i]);
            namespace.to(&room).emit("late", (i, byte))?;
        }
        Ok::<(), EmitError>(())
    });
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::Text(text)) => text,
        _ => String::new(),
    }
}

fn milliseconds(value: Option<&Value>) -> Duration {
    match value {
        Some(Value::Whole(milliseconds)) => Duration::from_millis(*milliseconds),
        _ => Duration::ZERO,
    }
}
