//! Bytes that a client writes, and clients that write them as they are.

#![allow(dead_code, reason = "each of its users needs a part of it")]

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

pub(crate) const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
pub(crate) const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: too late"))
}

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The head of a request without a body.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")
}

/// A data request.
pub(crate) fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The head of a request that asks for a WebSocket, with more lines in it, each with its end.
pub(crate) fn upgrade(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// The head of a masked frame, whose payload may or may not follow. The mask is zero: the payload
/// is written as it is.
pub(crate) fn frame_head(first: u8, length: usize) -> Vec<u8> {
    let mut wire = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..126), _) => wire.push(0x80 | length),
        (_, Ok(length)) => {
            wire.push(0xfe);
            wire.extend(length.to_be_bytes());
        }
        _ => {
            wire.push(0xff);
            wire.extend((length as u64).to_be_bytes());
        }
    }
    wire.extend([0; 4]);
    wire
}

/// A whole message or control frame.
pub(crate) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut wire = frame_head(0x80 | opcode, payload.len());
    wire.extend(payload);
    wire
}

/// A frame after which others of the same message follow.
pub(crate) fn part(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut wire = frame(opcode, payload);
    wire[0] &= 0x7f;
    wire
}

/// The session id in an open packet.
pub(crate) fn sid_of(open: &str) -> String {
    let (_, rest) = open.split_once(r#""sid":""#).expect("an open packet");
    rest.split('"').next().unwrap().to_owned()
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A connection whose every byte is the test's.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    /// Connects with as small a buffer for what it is sent as the kernel allows.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        Self::of(socket.connect(address).await.unwrap())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Connects and asks for a WebSocket; the answer was read.
    pub(crate) async fn websocket(address: SocketAddr, target: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.become_websocket(target).await;
        raw
    }

    pub(crate) async fn become_websocket(&mut self, target: &str) {
        self.write(upgrade(target, "")).await;
        let reply = self.reply().await;
        assert_eq!(reply.status, 101, "{reply:?}");
    }

    /// Opens a session on a WebSocket; its open packet was read.
    pub(crate) async fn session(address: SocketAddr) -> Self {
        let mut raw = Self::websocket(address, WEBSOCKET).await;
        raw.open_packet().await;
        raw
    }

    pub(crate) async fn open_packet(&mut self) {
        let (opcode, payload) = self.frame().await.expect("an open packet");
        assert_eq!((opcode, payload[0]), (TEXT, b'0'));
    }

    /// Opens a session on polling; says under which target it is found.
    pub(crate) async fn polling(&mut self) -> String {
        self.write(get(POLLING)).await;
        let reply = self.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        format!("{POLLING}&sid={}", sid_of(&reply.body))
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        soon("writing", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
    }

    /// Writes as long as the server takes it, however long that is; says whether it took all.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads more; 0 at the end, also after a reset.
    async fn more(&mut self) -> usize {
        self.read.reserve(64 << 10);
        match soon("more bytes", self.stream.read_buf(&mut self.read)).await {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads one answer with the length that it announces.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("an answer")
    }

    /// Reads one answer; none if the connection ended.
    pub(crate) async fn try_reply(&mut self) -> Option<Reply> {
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|at| at == b"\r\n\r\n") {
                break end + 4;
            }
            if self.more().await == 0 {
                return None;
            }
        };
        let head: Vec<u8> = self.read.drain(..head).collect();
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.split_once("content-length: ");
        let length = length.map_or(0, |(_, rest)| {
            rest.split('\r').next().unwrap().parse().unwrap()
        });
        while self.read.len() < length {
            if self.more().await == 0 {
                return None;
            }
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        let body = String::from_utf8(body).unwrap();
        Some(Reply { status, head, body })
    }

    /// Reads one frame; none if the connection ended.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((head, length)) = self.frame_span()
                && self.read.len() >= head + length
            {
                let opcode = self.read[0] & 0xf;
                let mut frame = self.read.drain(..head + length);
                let payload = frame.by_ref().skip(head).collect();
                drop(frame);
                return Some((opcode, payload));
            }
            if self.more().await == 0 {
                return None;
            }
        }
    }

    /// The lengths of the next frame's head and payload.
    fn frame_span(&self) -> Option<(usize, usize)> {
        let read = &self.read;
        Some(match read.get(1)? {
            126 => {
                let length = read.get(2..4)?.try_into().unwrap();
                (4, u16::from_be_bytes(length).into())
            }
            127 => {
                let length = u64::from_be_bytes(read.get(2..10)?.try_into().unwrap());
                (10, usize::try_from(length).unwrap())
            }
            length => (2, (*length).into()),
        })
    }

    /// Reads up to the next close frame; its code, or 1005 without. None if the connection ended.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.frame().await? {
                (CLOSE, payload) if payload.is_empty() => return Some(1005),
                (CLOSE, payload) => return Some(u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
    }

    /// Reads to the end of the connection.
    pub(crate) async fn end(&mut self) {
        while self.more().await > 0 {
            self.read.clear();
        }
    }

    /// Ends it by a reset instead of in order.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Says that it will write no more, but goes on reading.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}
