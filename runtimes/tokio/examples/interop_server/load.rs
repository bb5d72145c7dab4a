//! Mode `load`: what load generators measure.

use socketio_tokio::{Args, Error, Io, Socket};

pub(crate) fn server() -> Result<Io, Error> {
    let io = Io::builder().try_build()?;
    io.of("/")
        .on_sync("e", |socket: &Socket, args: Args| socket.emit("e", args))
        .on_sync("join", |socket: &Socket| {
            socket.join("r")?;
            socket.emit("joined", (1,))?;
            Ok::<(), Error>(())
        })
        .on_sync("b", |socket: &Socket, args: Args| {
            socket.namespace().to("r").emit("b", args)
        });
    Ok(io)
}
