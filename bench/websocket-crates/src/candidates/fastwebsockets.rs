use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, WebSocketError};

use super::{Candidate, Io, Received};

pub struct FastWebSockets;

impl Candidate for FastWebSockets {
    const NAME: &'static str = "fastwebsockets";

    type Socket<S: Io> = FragmentCollector<S>;

    async fn server<S: Io>(io: S, max_message: usize) -> Self::Socket<S> {
        let mut socket = WebSocket::after_handshake(io, Role::Server);
        socket.set_max_message_size(max_message);
        FragmentCollector::new(socket)
    }

    async fn feed<S: Io>(socket: &mut Self::Socket<S>, text: &Bytes) -> Result<(), String> {
        let frame = Frame::text(Payload::Borrowed(text));
        socket
            .write_frame(frame)
            .await
            .map_err(|error| error.to_string())
    }

    /// Every frame was written at once.
    async fn flush<S: Io>(_: &mut Self::Socket<S>) -> Result<(), String> {
        Ok(())
    }

    async fn receive<S: Io>(socket: &mut Self::Socket<S>) -> Received {
        let frame = match socket.read_frame().await {
            Ok(frame) => frame,
            Err(WebSocketError::UnexpectedEOF) => return Received::End,
            Err(error) => return Received::Error(error.to_string()),
        };
        match frame.opcode {
            OpCode::Binary => Received::Binary(into_bytes(frame.payload)),
            OpCode::Close | OpCode::Continuation => Received::Close,
            OpCode::Ping => Received::Ping,
            OpCode::Pong => Received::Pong,
            OpCode::Text => Received::Text(into_bytes(frame.payload)),
        }
    }

    async fn close<S: Io>(socket: &mut Self::Socket<S>, code: Option<u16>) -> Result<(), String> {
        let frame = match code {
            Some(code) => Frame::close(code, b""),
            None => Frame::close_raw(Payload::Borrowed(b"")),
        };
        socket
            .write_frame(frame)
            .await
            .map_err(|error| error.to_string())
    }

    const RESUMES: bool = false;
}

fn into_bytes(payload: Payload<'_>) -> Bytes {
    match payload {
        Payload::Bytes(data) => data.freeze(),
        Payload::Owned(data) => data.into(),
        Payload::Borrowed(data) => Bytes::copy_from_slice(data),
        Payload::BorrowedMut(data) => Bytes::copy_from_slice(data),
    }
}
