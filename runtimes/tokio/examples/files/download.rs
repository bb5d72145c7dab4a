//! Sending a file to a client, as fast as the client takes it.

use std::{collections::VecDeque, time::Duration};

use socketio_tokio::{Binary, Error, Socket};

use super::shelf::{CHUNK_LIMIT, File};

/// How many chunks may be on their way without an acknowledgement. What one download can make wait
/// for a slow client is this many chunks, and it shares the file's memory.
pub(crate) const WINDOW: usize = 4;

/// How long a client may take to acknowledge a chunk.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a file from an offset on, one event for each chunk, until all are acknowledged or the
/// client answers one of them with `false`. It ends with an error when the client is gone; then it
/// asks for the rest when it is back.
pub(crate) async fn send(socket: &Socket, file: &File, mut offset: usize) -> Result<(), Error> {
    let mut unanswered = VecDeque::with_capacity(WINDOW);
    loop {
        while unanswered.len() < WINDOW && offset < file.data.len() {
            let end = file.data.len().min(offset + CHUNK_LIMIT);
            let chunk = Binary(file.data.slice(offset..end));
            let event = socket.emit_with_ack("chunk", (file.id, offset, chunk));
            // This sends it; awaiting it would also wait for the answer.
            unanswered.push_back(event.timeout(PATIENCE).into_future());
            offset = end;
        }
        let Some(oldest) = unanswered.pop_front() else {
            return Ok(());
        };
        let (is_wanted,): (bool,) = oldest.await?.parse()?;
        if !is_wanted {
            return Ok(());
        }
    }
}
