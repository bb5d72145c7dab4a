use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::{Candidate, Io, QUEUE, Received};

pub struct Tungstenite;

impl Candidate for Tungstenite {
    const NAME: &'static str = "tokio-tungstenite";

    type Socket<S: Io> = WebSocketStream<S>;

    async fn server<S: Io>(io: S, max_message: usize) -> Self::Socket<S> {
        // The default read buffer is 128 KiB; the other candidates begin with 8 KiB.
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(QUEUE)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
    }

    async fn feed<S: Io>(socket: &mut Self::Socket<S>, text: &Bytes) -> Result<(), String> {
        // A raw frame takes bytes that are known to be UTF-8 without validating them again.
        let frame = Frame::message(text.clone(), OpCode::Data(Data::Text), true);
        socket
            .feed(Message::Frame(frame))
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
            Some(Ok(Message::Binary(data))) => Received::Binary(data),
            Some(Ok(Message::Close(_) | Message::Frame(_))) => Received::Close,
            Some(Ok(Message::Ping(_))) => Received::Ping,
            Some(Ok(Message::Pong(_))) => Received::Pong,
            Some(Ok(Message::Text(text))) => Received::Text(text.into()),
        }
    }

    async fn close<S: Io>(socket: &mut Self::Socket<S>, code: Option<u16>) -> Result<(), String> {
        let frame = code.map(|code| CloseFrame {
            code: code.into(),
            reason: "".into(),
        });
        socket.close(frame).await.map_err(|error| error.to_string())
    }
}
