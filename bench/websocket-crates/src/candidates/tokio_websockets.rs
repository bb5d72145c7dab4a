use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};

use super::{Candidate, Io, QUEUE, Received};

pub struct TokioWebSockets;

impl Candidate for TokioWebSockets {
    const NAME: &'static str = "tokio-websockets";

    type Socket<S: Io> = WebSocketStream<S>;

    async fn server<S: Io>(io: S, max_message: usize) -> Self::Socket<S> {
        ServerBuilder::new()
            .config(Config::default().flush_threshold(QUEUE))
            .limits(Limits::default().max_payload_len(Some(max_message)))
            .serve(io)
    }

    async fn feed<S: Io>(socket: &mut Self::Socket<S>, text: &Bytes) -> Result<(), String> {
        socket
            .feed(Message::text(text.clone()))
            .await
            .map_err(|error| error.to_string())
    }

    async fn flush<S: Io>(socket: &mut Self::Socket<S>) -> Result<(), String> {
        socket.flush().await.map_err(|error| error.to_string())
    }

    async fn receive<S: Io>(socket: &mut Self::Socket<S>) -> Received {
        match socket.next().await {
            None => Received::End,
            Some(Err(error)) => Received::Error(error.to_string()),
            Some(Ok(message)) if message.is_text() => Received::Text(message.into_payload().into()),
            Some(Ok(message)) if message.is_binary() => {
                Received::Binary(message.into_payload().into())
            }
            Some(Ok(message)) if message.is_ping() => Received::Ping,
            Some(Ok(message)) if message.is_pong() => Received::Pong,
            Some(Ok(_)) => Received::Close,
        }
    }

    async fn close<S: Io>(socket: &mut Self::Socket<S>, code: Option<u16>) -> Result<(), String> {
        let code = code.map(|code| CloseCode::try_from(code).expect("a code that may be sent"));
        socket
            .send(Message::close(code, ""))
            .await
            .map_err(|error| error.to_string())
    }
}
