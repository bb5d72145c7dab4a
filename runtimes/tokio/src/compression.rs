//! HTTP compression of what polls are answered (Engine.IO reference, "HTTP compression").

use std::{
    fmt,
    io::{self, Read},
    sync::Arc,
    thread,
};

use bytes::Bytes;
use flate2::bufread::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, header};
use socketio_proto::edge::{Response, ResponseKind};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// The largest body that is compressed where it is. It takes about 0.15 ms; four times as much would
/// take 1 ms, and a worker of tokio should not be busy for so long.
const MAX_INLINE: usize = 16 << 10;

/// Compresses what polls are answered, as far as the client asks for it: with gzip, or else with
/// deflate.
///
/// It concerns long-polling alone, and there only bodies of at least the
/// [threshold](Self::threshold) that hold a packet whose sender did not forbid it; neither answers
/// to data requests and refusals, nor WebSockets. Such an answer has `Vary: Accept-Encoding`, also
/// where it is not compressed; nobody may cache it anyway.
///
/// A body of more than 16 KiB is compressed on one of tokio's threads for blocking work, as many at
/// once as there are processors. Others wait, and their clients with them; a client that leaves
/// meanwhile is noticed. Where compressing fails, the body is sent as it is.
///
/// Where one body holds secrets and text of somebody else's choice, its compressed length tells of
/// the secrets (the BREACH attack): [forbid](crate::Emitter::compress) it for such packets.
///
/// A clone shares the places at the threads for blocking work.
#[derive(Clone)]
pub struct Compression {
    threshold: usize,
    /// One permit for every body that may be compressed elsewhere.
    jobs: Arc<Semaphore>,
}

impl Compression {
    /// Compresses bodies of 1024 bytes and more.
    pub fn new() -> Self {
        let most = thread::available_parallelism().map_or(1, usize::from);
        Self {
            threshold: 1_024,
            jobs: Arc::new(Semaphore::new(most)),
        }
    }

    /// The length in bytes from which on a body is compressed. Default 1024.
    #[must_use]
    pub fn threshold(mut self, length: usize) -> Self {
        self.threshold = length;
        self
    }

    /// Notes what a request asks for, until there is an answer.
    pub(crate) fn of(&self, request: &HeaderMap) -> Encoder {
        Encoder {
            compression: self.clone(),
            encoding: Encoding::preferred(request),
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

/// Compresses the answer to one request.
pub(crate) struct Encoder {
    compression: Compression,
    encoding: Option<Encoding>,
}

impl Encoder {
    /// Compresses an answer, if that is due, and adds the headers that say so.
    pub(crate) async fn encode(&self, answer: &mut Response, headers: &mut HeaderMap) {
        if !self.concerns(answer) {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(encoding) = self.encoding
            && let Some(body) = self.compression.run(answer.body.clone(), encoding).await
        {
            answer.body = body;
            headers.insert(header::CONTENT_ENCODING, encoding.value());
        }
    }

    fn concerns(&self, answer: &Response) -> bool {
        let is_poll = matches!(answer.kind, ResponseKind::Handshake | ResponseKind::Poll);
        is_poll && answer.compress && answer.body.len() >= self.compression.threshold
    }
}

impl Compression {
    /// Compresses a body, wherever it fits; `None` if that fails.
    async fn run(&self, body: Bytes, encoding: Encoding) -> Option<Bytes> {
        if body.len() <= MAX_INLINE {
            return encoding.encode(&body).ok();
        }
        let job = Arc::clone(&self.jobs).acquire_owned().await.ok()?;
        let work = spawn_blocking(move || {
            let encoded = encoding.encode(&body);
            // Held until here, whether or not somebody still waits for it.
            drop(job);
            encoded
        });
        work.await.ok()?.ok()
    }
}

/// A content coding (RFC 9110, 8.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// In the zlib format.
    Deflate,
    Gzip,
}

impl Encoding {
    /// What a client likes best of that which it accepts (RFC 9110, 12.5.3); of two that it likes
    /// equally well, gzip. A client that says nothing wants the body as it is.
    pub(crate) fn preferred(request: &HeaderMap) -> Option<Self> {
        let (mut deflate, mut gzip, mut others) = (None, None, None);
        let values = request.get_all(header::ACCEPT_ENCODING).iter();
        let items = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        for item in items {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let name = name.trim();
            let place = match name {
                "*" => &mut others,
                _ if name.eq_ignore_ascii_case("deflate") => &mut deflate,
                _ if name.eq_ignore_ascii_case("gzip") => &mut gzip,
                _ => continue,
            };
            *place = place.or(weight(parameters));
        }
        let [deflate, gzip] = [deflate, gzip].map(|weight| weight.or(others).unwrap_or(0));
        match (deflate, gzip) {
            (0, 0) => None,
            _ if deflate > gzip => Some(Self::Deflate),
            _ => Some(Self::Gzip),
        }
    }

    pub(crate) fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
        })
    }

    /// Encodes bytes.
    pub(crate) fn encode(self, data: &[u8]) -> io::Result<Bytes> {
        // Making a compressor costs little beside using it: keeping them would not pay.
        let level = flate2::Compression::default();
        let mut encoded = Vec::with_capacity(data.len() / 2);
        match self {
            Self::Deflate => ZlibEncoder::new(data, level).read_to_end(&mut encoded),
            Self::Gzip => GzEncoder::new(data, level).read_to_end(&mut encoded),
        }?;
        Ok(encoded.into())
    }
}

/// The weight in a coding's parameters, in thousandths (RFC 9110, 12.4.2); none if it is none.
fn weight(parameters: &str) -> Option<u16> {
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(weight) = weight else {
        return Some(1_000);
    };
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let is_short = part.len() <= 3 && part.bytes().all(|digit| digit.is_ascii_digit());
    let thousandths: u16 = format!("{part:0<3}").parse().ok().filter(|_| is_short)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
