//! Mode `suite`: the application of the official Socket.IO test suite.

use std::time::Duration;

use socketio_tokio::{
    Args, Config, Error, Io, Namespace, Reply, Socket, socketio_proto::engine::Cors,
};

pub(crate) fn server() -> Result<Io, Error> {
    let config = Config::builder()
        .engine(|engine| {
            engine
                .ping_interval(Duration::from_millis(300))
                .ping_timeout(Duration::from_millis(200))
                .max_payload(1_000_000)
                .cors(Cors::any())
        })
        .connect_timeout(Duration::from_secs(1))
        .build()?;
    let io = Io::builder().config(config).try_build()?;
    serve(io.of("/"));
    serve(io.of("/custom"));
    Ok(io)
}

fn serve(namespace: Namespace) {
    namespace
        .on_connect(|socket: Socket| async move {
            let auth = socket.handshake().auth_data();
            socket.emit("auth", (auth,))
        })
        .on_sync("message", |socket: &Socket, args: Args| {
            socket.emit("message-back", args)
        })
        .on_sync(
            "message-with-ack",
            |_: &Socket, args: Args, reply: Reply| reply.send(args),
        )
        .on("emit-with-ack", |socket: Socket, args: Args| async move {
            let answer = socket.emit_with_ack("emit-with-ack", args).await?;
            socket.emit("emit-with-ack", answer)?;
            Ok::<(), Error>(())
        });
}
