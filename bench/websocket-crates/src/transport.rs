//! An in-memory transport that plays bytes to a WebSocket and watches what it writes.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a transport saw, shared with the test that owns it.
#[derive(Debug, Default)]
pub struct Tally {
    pub writes: Cell<usize>,
    pub vectored_writes: Cell<usize>,
    /// Bytes that were written straight from the shared payload.
    pub from_shared: Cell<usize>,
    /// Everything written, if it is kept.
    pub written: RefCell<Vec<u8>>,
    /// Bytes the WebSocket may read before it has to wait.
    pub input: RefCell<Bytes>,
    /// Where the shared payload lies in memory.
    shared: Cell<(usize, usize)>,
}

impl Tally {
    pub fn watch(&self, payload: &Bytes) {
        let Range { start, end } = payload.as_ptr_range();
        self.shared.set((start as usize, end as usize));
    }

    pub fn take_written(&self) -> Vec<u8> {
        self.written.take()
    }

    fn saw(&self, bytes: &[u8], keep: bool) {
        let (start, end) = self.shared.get();
        let at = bytes.as_ptr() as usize;
        if (start..end).contains(&at) {
            self.from_shared.set(self.from_shared.get() + bytes.len());
        }
        if keep {
            self.written.borrow_mut().extend_from_slice(bytes);
        }
    }
}

/// What reading gives once the input is used up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AtEnd {
    Repeat,
    Wait,
}

pub struct Transport {
    tally: Rc<Tally>,
    at_end: AtEnd,
    script: Bytes,
    keep_written: bool,
}

impl Transport {
    /// Discards what is written and repeats `script` for ever.
    pub fn repeating(script: Bytes) -> (Self, Rc<Tally>) {
        Self::new(script, AtEnd::Repeat, false)
    }

    /// Discards what is written and has nothing to read.
    pub fn sink() -> (Self, Rc<Tally>) {
        Self::new(Bytes::new(), AtEnd::Wait, false)
    }

    /// Keeps what is written; what is read comes from [`Tally::input`].
    pub fn recording(input: Bytes) -> (Self, Rc<Tally>) {
        Self::new(input, AtEnd::Wait, true)
    }

    fn new(script: Bytes, at_end: AtEnd, keep_written: bool) -> (Self, Rc<Tally>) {
        let tally = Rc::new(Tally {
            input: RefCell::new(script.clone()),
            ..Tally::default()
        });
        (
            Self {
                tally: Rc::clone(&tally),
                at_end,
                script,
                keep_written,
            },
            tally,
        )
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut input = self.tally.input.borrow_mut();
        if input.is_empty() {
            match self.at_end {
                AtEnd::Repeat => *input = self.script.clone(),
                AtEnd::Wait => return Poll::Pending,
            }
        }
        let take = input.len().min(into.remaining());
        into.put_slice(&input.split_to(take));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.tally.writes.set(self.tally.writes.get() + 1);
        self.tally.saw(from, self.keep_written);
        Poll::Ready(Ok(from.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tally
            .vectored_writes
            .set(self.tally.vectored_writes.get() + 1);
        for slice in from {
            self.tally.saw(slice, self.keep_written);
        }
        Poll::Ready(Ok(from.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
