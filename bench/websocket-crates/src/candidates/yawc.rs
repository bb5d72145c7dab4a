use bytes::Bytes;
use futures_util::SinkExt;
use yawc::{Frame, OpCode, Options, Role, WebSocket, WebSocketError, close::CloseCode};

use super::{Candidate, Io, QUEUE, Received};

pub struct Yawc;

impl Candidate for Yawc {
    const NAME: &'static str = "yawc";

    type Socket<S: Io> = WebSocket<S>;

    async fn server<S: Io>(io: S, max_message: usize) -> Self::Socket<S> {
        let options = Options::default()
            .with_utf8()
            .with_limits(max_message, max_message)
            .with_backpressure_boundary(QUEUE);
        WebSocket::from_stream(io, Role::Server, options).expect("no extensions are involved")
    }

    async fn feed<S: Io>(socket: &mut Self::Socket<S>, text: &Bytes) -> Result<(), String> {
        socket
            .feed(Frame::text(text.clone()))
            .await
            .map_err(|error| error.to_string())
    }

    async fn flush<S: Io>(socket: &mut Self::Socket<S>) -> Result<(), String> {
        socket.flush().await.map_err(|error| error.to_string())
    }

    async fn receive<S: Io>(socket: &mut Self::Socket<S>) -> Received {
        let frame = match socket.next_frame().await {
            Ok(frame) => frame,
            Err(WebSocketError::ConnectionClosed) => return Received::End,
            Err(error) => return Received::Error(error.to_string()),
        };
        match frame.opcode() {
            OpCode::Binary => Received::Binary(frame.into_payload()),
            OpCode::Close | OpCode::Continuation => Received::Close,
            OpCode::Ping => Received::Ping,
            OpCode::Pong => Received::Pong,
            OpCode::Text => Received::Text(frame.into_payload()),
        }
    }

    async fn close<S: Io>(socket: &mut Self::Socket<S>, code: Option<u16>) -> Result<(), String> {
        let mut frame = Frame::close(code.map_or(CloseCode::Normal, CloseCode::from), "");
        if code.is_none() {
            *frame.payload_mut() = Bytes::new();
        }
        socket.send(frame).await.map_err(|error| error.to_string())
    }
}
