//! The first server of the README.

use std::time::Duration;

use socketio_tokio::{Ack, Error, Io, Socket, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let io = Io::new();
    io.of("/")
        .on_connect(|socket: Socket| async move {
            socket.join("lobby")?;
            socket.to("lobby").emit("joined", (socket.id().as_str(),))?;
            Ok::<_, Error>(())
        })
        .on("say", |socket: Socket, (text,): (String,)| async move {
            let sent = socket.to("lobby").emit("said", (text,))?;
            Ok::<_, Error>(Ack((sent.queued,)))
        });

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    serve(listener, io.service())
        // A crowd waits for its turn instead of taking all of the process's files, …
        .max_connections(800)
        // … and connections that do nothing do not keep it waiting.
        .header_timeout(Duration::from_secs(15))
        .await;
    Ok(())
}
