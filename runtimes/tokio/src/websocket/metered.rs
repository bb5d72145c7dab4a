//! A limit on how much of what a peer sends is read before others get their turn, and a count of it.

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read for one unit of tokio's budget of a task, which has 128 of them.
const READ_UNIT: usize = 1 << 10;

/// A stream that knows how much was read of it.
///
/// Reading takes of the task's budget by bytes, not by reads alone: a WebSocket reads on until a
/// message is complete, and one in millions of tiny fragments would keep its thread busy for as
/// long as the peer's bytes are there.
#[derive(Debug)]
pub(super) struct Metered<T> {
    stream: T,
    read: u64,
}

impl<T> Metered<T> {
    pub(super) fn new(stream: T) -> Self {
        Self { stream, read: 0 }
    }

    /// How many bytes were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        self.read += bytes as u64;
        for _ in 0..bytes / READ_UNIT {
            if pin!(tokio::task::consume_budget()).poll(cx).is_pending() {
                break; // It has woken the task; the next read waits for its turn.
            }
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Has more to read than anybody wants.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut tokio::io::repeat(7)).poll_read(cx, buffer)
        }
    }

    #[tokio::test]
    async fn reading_gives_others_their_turn_after_128_kib() {
        let mut metered = Metered::new(Endless);
        let mut buffer = vec![0; 64 << 10];

        let reading = tokio::spawn(poll_fn(move |cx| {
            let mut total = 0;
            loop {
                let mut buffer = ReadBuf::new(&mut buffer);
                if Pin::new(&mut metered)
                    .poll_read(cx, &mut buffer)
                    .is_pending()
                {
                    return Poll::Ready((total, metered.read()));
                }
                total += buffer.filled().len();
            }
        }));

        let (total, counted) = reading.await.unwrap();
        assert!((128 << 10..256 << 10).contains(&total), "{total} B");
        assert_eq!(counted, total as u64);
    }
}
