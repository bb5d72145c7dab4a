//! Response bodies that know whether they were written, and request bodies with a limit.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use socketio_proto::edge::End;

use crate::ticket::Ticket;

/// How much of a body is given at once. An HTTP library takes as much as it buffers, so that a
/// large body counts as sent only when nearly all of it has gone.
const PIECE: usize = 16 << 10;

/// The body of a response, of known length.
///
/// It reports how its request ended: as sent once its bytes were taken and it was dropped or polled
/// to the end, as gone if it is dropped before that. "Taken" is as much as an HTTP library tells:
/// the last bytes lie in its buffer or the kernel's, not yet with the peer.
#[derive(Debug, Default)]
pub struct Body {
    data: Bytes,
    ticket: Option<Ticket>,
}

impl Body {
    pub(crate) fn new(data: Bytes, ticket: Ticket) -> Self {
        Self {
            data,
            ticket: Some(ticket),
        }
    }

    /// A body that nobody waits for.
    pub(crate) fn unwatched(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            ticket: None,
        }
    }

    fn finish(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.end(if self.data.is_empty() {
                End::Sent
            } else {
                End::Gone
            });
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.data.is_empty() {
            self.finish();
            return Poll::Ready(None);
        }
        // Whoever polls may stop here, since it knows the length: dropping reports as well.
        let piece = self.data.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.data.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.finish();
    }
}

/// How long the rest of a body that is too large is read.
const LINGER: Duration = Duration::from_secs(1);

/// How much is read of a body that was refused by its head, in bytes.
const PASSED_OVER: usize = 1 << 20;

/// Why a request body was not read.
pub(crate) enum Unread {
    /// The connection failed before its end.
    Broken,
    /// It passed the limit.
    TooLarge,
}

/// Reads a whole body. One that comes in one piece is not copied. What is held of one that is not
/// complete is told, piece by piece.
pub(crate) async fn read<B>(
    body: B,
    limit: usize,
    mut tell: impl FnMut(usize),
) -> Result<Bytes, Unread>
where
    B: http_body::Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    // A length that was announced needs no reading.
    if body.size_hint().lower() > limit as u64 {
        discard(body, limit).await;
        return Err(Unread::TooLarge);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(data) = next_piece(body.as_mut()).await {
        let data = data?;
        if data.len() > limit - first.len() - all.len() {
            discard(body, limit).await;
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
        if !body.is_end_stream() {
            tell(first.len() + all.len());
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads on in a body that was refused by its head.
pub(crate) async fn pass_over<B>(body: B)
where
    B: http_body::Body<Data = Bytes>,
{
    discard(std::pin::pin!(body), PASSED_OVER).await;
}

/// Reads on for a while and keeps nothing: a client that is still writing when its connection is
/// closed would not see why.
async fn discard<B>(mut body: Pin<&mut B>, most: usize)
where
    B: http_body::Body<Data = Bytes>,
{
    let reading = async {
        let mut left = most;
        while let Some(Ok(data)) = next_piece(body.as_mut()).await {
            match left.checked_sub(data.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // A client that stopped writing waits for its answer.
    _ = tokio::time::timeout(LINGER, reading).await;
}

/// The next data of a body; trailers are skipped.
async fn next_piece<B>(mut body: Pin<&mut B>) -> Option<Result<Bytes, Unread>>
where
    B: http_body::Body<Data = Bytes>,
{
    loop {
        match body.frame().await?.map(Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_trailers)) => {}
            Err(_) => return Some(Err(Unread::Broken)),
        }
    }
}

#[cfg(test)]
mod tests;
