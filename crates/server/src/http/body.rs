//! The body of a request, within its bounds.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;

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

/// Reads a body of at most `max_bytes` that comes within `max_ms`.
///
/// # Errors
/// Why there is none.
pub async fn read(body: Body, max_bytes: u64, max_ms: u64) -> Result<String, NoBody> {
    let bytes = collect(body, usize::try_from(max_bytes).unwrap_or(usize::MAX));
    let bytes = tokio::time::timeout(Duration::from_millis(max_ms), bytes).await.map_err(|_| NoBody::Late)??;
    String::from_utf8(bytes).map_err(|error| NoBody::Broken(Flaw::NoText(error.as_bytes().len())))
}

async fn collect(body: Body, max_bytes: usize) -> Result<Vec<u8>, NoBody> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| NoBody::Broken(Flaw::Cut))?;
        if chunk.len() > max_bytes - bytes.len() {
            return Err(NoBody::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
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
}
