//! The body of a request, within its bounds.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// It is larger than it may be.
    TooLarge,
    /// It did not come in time.
    Late,
    /// It broke off, or is no text.
    Broken(Flaw),
}

/// What is wrong with a body that came, or did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The client went away, or broke the encoding.
    Cut,
    /// So many bytes that are no UTF-8.
    NoText(usize),
}

/// How much more time each byte that has come gives the others: 4 KiB a second are enough. A slow network may take its time for what is
/// large, and whoever sends nothing has no more than `max_ms`.
const BYTES_PER_MS: u64 = 4;

/// Reads a body of at most `max_bytes` that comes within `max_ms`, and 1 s more for each 4 kB of it that has come.
///
/// # Errors
/// Why there is none.
pub async fn read(body: Body, max_bytes: u64, max_ms: u64) -> Result<String, NoBody> {
    let bytes = collect(body, usize::try_from(max_bytes).unwrap_or(usize::MAX), max_ms).await?;
    String::from_utf8(bytes).map_err(|error| NoBody::Broken(Flaw::NoText(error.as_bytes().len())))
}

async fn collect(body: Body, max_bytes: usize, max_ms: u64) -> Result<Vec<u8>, NoBody> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let start = Instant::now();
    loop {
        let due = start + Duration::from_millis(max_ms + bytes.len() as u64 / BYTES_PER_MS);
        let Some(chunk) = timeout_at(due, chunks.next()).await.map_err(|_| NoBody::Late)? else { return Ok(bytes) };
        let chunk = chunk.map_err(|_| NoBody::Broken(Flaw::Cut))?;
        if chunk.len() > max_bytes - bytes.len() {
            return Err(NoBody::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    fn in_chunks(chunks: &'static [&'static [u8]]) -> Body {
        Body::from_stream(stream::iter(chunks).map(|chunk| Ok::<_, io::Error>(*chunk)))
    }

    #[tokio::test]
    async fn a_body_comes_in_any_number_of_chunks_up_to_its_bound() {
        assert_eq!(read(in_chunks(&[b"ab", b"", b"c"]), 3, 1_000).await.as_deref(), Ok("abc"));
        assert_eq!(read(in_chunks(&[b"ab", b"", b"c"]), 2, 1_000).await, Err(NoBody::TooLarge));
        assert_eq!(read(in_chunks(&[b"abc"]), 2, 1_000).await, Err(NoBody::TooLarge));
        assert_eq!(read(in_chunks(&[]), 0, 1_000).await.as_deref(), Ok(""));
        // A character may be cut between chunks, but not at the end.
        assert_eq!(read(in_chunks(&[b"\xc3", b"\xa4"]), 9, 1_000).await.as_deref(), Ok("ä"));
        assert_eq!(read(in_chunks(&[b"a\xc3"]), 9, 1_000).await, Err(NoBody::Broken(Flaw::NoText(2))));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_come_is_not_waited_for() {
        let never = Body::from_stream(stream::pending::<io::Result<&'static [u8]>>());
        assert_eq!(read(never, 9, 5_000).await, Err(NoBody::Late));
        let cut = Body::from_stream(stream::iter([Ok("a"), Err(io::Error::from(io::ErrorKind::ConnectionReset))]));
        assert_eq!(read(cut, 9, 5_000).await, Err(NoBody::Broken(Flaw::Cut)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_slowly_is_waited_for_and_one_that_trickles_is_not() {
        let every = |ms: u64, bytes: &'static [u8]| {
            let chunks = stream::iter(0..8).then(move |_| async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok::<_, io::Error>(bytes)
            });
            Body::from_stream(chunks)
        };
        // 8 KiB a second, as a line of 64 kbit/s brings them.
        let slow = read(every(1_000, &[b'a'; 8_192]), 65_536, 5_000).await;
        assert_eq!(slow.map(|text| text.len()), Ok(65_536));
        assert_eq!(read(every(1_000, b"a"), 65_536, 5_000).await, Err(NoBody::Late));
        let start = Instant::now();
        assert_eq!(read(every(3_000, &[b'a'; 4_096]), 65_536, 5_000).await, Err(NoBody::Late));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
