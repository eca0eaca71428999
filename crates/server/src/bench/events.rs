//! A client of the event stream, as lean as that of the WebSocket: the stream is read as it comes, and POSTs go one at a time over a
//! connection of their own, which is opened anew where the server may have closed it.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use aldis_protocol::{PROTOCOL, Received, ServerMessage, Welcome};
use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};

/// The server closes a connection on which nothing was asked for 5 s.
const REUSED_WITHIN: Duration = Duration::from_secs(2);

/// How much is read at once.
const CHUNK_BYTES: usize = 4_096;

/// Where a server is that is reached without TLS.
#[derive(Debug, Clone)]
pub(super) struct Origin(String);

/// Somebody on an event stream.
pub(super) struct EventPeer {
    origin: Origin,
    token: Option<String>,
    stream: TcpStream,
    inbox: Vec<u8>,
    welcome: Welcome,
    /// Where it POSTs to.
    path: String,
    seq: u64,
    outbox: Vec<String>,
    /// A POST whose answer has not come.
    under_way: Option<String>,
    up: Option<(TcpStream, Instant)>,
}

impl Origin {
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("the load goes by event stream without TLS only: `http://`")?;
        Ok(Self(rest.trim_end_matches('/').to_owned()))
    }

    async fn dial(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(&self.0).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn post(&self, path: &str, token: Option<&str>, accept: &str, body: &str) -> String {
        let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{token}accept: {accept}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.0,
            body.len()
        )
    }
}

impl EventPeer {
    /// Opens a stream and waits for `welcome`.
    pub(super) async fn join(
        origin: Origin,
        room: &str,
        token: Option<String>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        timeout(patience, Self::enter(origin, room, token)).await.context("the server took too long")?
    }

    async fn enter(origin: Origin, room: &str, token: Option<String>) -> anyhow::Result<Self> {
        let hello = format!(r#"{{"type":"hello","protocol":{PROTOCOL}}}"#);
        let mut stream = origin.dial().await?;
        let request = origin.post(&format!("/v1/signal?room={room}"), token.as_deref(), "text/event-stream", &hello);
        stream.write_all(request.as_bytes()).await?;
        let mut inbox = Vec::new();
        let head = head(&mut stream, &mut inbox).await?;
        ensure!(head.starts_with("HTTP/1.1 200"), "no stream: {}", head.lines().next().unwrap_or_default());
        let text = loop {
            match event(&mut inbox)? {
                Some(Event::Message(text)) => break text,
                Some(Event::Ping) => {}
                None => poll_fn(|context| poll_read(&mut stream, &mut inbox, context)).await?,
            }
        };
        let Received::Server(ServerMessage::Welcome(welcome)) = Received::parse(&text)? else {
            bail!("the server did not begin with `welcome`")
        };
        let path = welcome.post.clone().context("`welcome` has no `post`")?;
        Ok(Self {
            origin,
            token,
            stream,
            inbox,
            welcome: *welcome,
            path,
            seq: 0,
            outbox: Vec::new(),
            under_way: None,
            up: None,
        })
    }

    pub(super) fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    pub(super) fn feed(&mut self, text: String) {
        self.outbox.push(text);
    }

    /// POSTs what was fed, and waits until the server has handled it. A POST that was given up goes again, and counts once.
    pub(super) async fn flush(&mut self) -> anyhow::Result<()> {
        if self.under_way.is_none() && !self.outbox.is_empty() {
            let messages = self.outbox.join(",");
            self.outbox.clear();
            self.under_way = Some(self.next_post(&messages));
        }
        let Some(request) = &self.under_way else { return Ok(()) };
        let mut up = match self.up.take() {
            Some((up, used)) if used.elapsed() < REUSED_WITHIN => up,
            Some(_) | None => self.origin.dial().await?,
        };
        ask(&mut up, request).await?;
        self.under_way = None;
        self.up = Some((up, Instant::now()));
        Ok(())
    }

    /// Waits for the next message.
    pub(super) async fn recv_text(&mut self) -> anyhow::Result<String> {
        poll_fn(|context| self.poll_text(context)).await
    }

    /// The next message, if it is there already.
    pub(super) fn try_text(&mut self) -> anyhow::Result<Option<String>> {
        match self.poll_text(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(text) => text.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    fn poll_text(&mut self, context: &mut Context<'_>) -> Poll<anyhow::Result<String>> {
        loop {
            match event(&mut self.inbox)? {
                Some(Event::Message(text)) => return Poll::Ready(Ok(text)),
                Some(Event::Ping) => self.live(),
                None => ready!(poll_read(&mut self.stream, &mut self.inbox, context))?,
            }
        }
    }

    /// Gives a sign of life, in a task of its own: whoever reads may be given up at any time. If it fails, the next POST does.
    fn live(&mut self) {
        let (origin, request) = (self.origin.clone(), self.next_post(""));
        tokio::spawn(async move { ask(&mut origin.dial().await?, &request).await });
    }

    fn next_post(&mut self, messages: &str) -> String {
        self.seq += 1;
        let body = format!(r#"{{"seq":{},"messages":[{messages}]}}"#, self.seq);
        self.origin.post(&self.path, self.token.as_deref(), "*/*", &body)
    }
}

/// Sends a POST, and it must be taken.
async fn ask(up: &mut TcpStream, request: &str) -> anyhow::Result<()> {
    up.write_all(request.as_bytes()).await?;
    let head = head(up, &mut Vec::new()).await?;
    ensure!(head.starts_with("HTTP/1.1 204"), "a POST came to nothing: {}", head.lines().next().unwrap_or_default());
    Ok(())
}

enum Event {
    Message(String),
    Ping,
}

/// Takes the next whole event. The end of a stream is none that a load expects.
fn event(inbox: &mut Vec<u8>) -> anyhow::Result<Option<Event>> {
    let Some(end) = inbox.windows(2).position(|pair| pair == b"\n\n") else { return Ok(None) };
    let text = String::from_utf8(inbox.drain(..end + 2).collect())?;
    match text.trim_end().strip_prefix("data: ") {
        Some(message) => Ok(Some(Event::Message(message.to_owned()))),
        None if text.starts_with("event: ping") => Ok(Some(Event::Ping)),
        None => bail!("the stream ended: {}", text.trim_end()),
    }
}

/// Reads the head of an answer; what comes behind it stays.
async fn head(stream: &mut TcpStream, inbox: &mut Vec<u8>) -> anyhow::Result<String> {
    loop {
        if let Some(end) = inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(String::from_utf8(inbox.drain(..end + 4).collect())?);
        }
        poll_fn(|context| poll_read(stream, inbox, context)).await?;
    }
}

fn poll_read(stream: &mut TcpStream, inbox: &mut Vec<u8>, context: &mut Context<'_>) -> Poll<anyhow::Result<()>> {
    let mut chunk = [0; CHUNK_BYTES];
    let mut window = ReadBuf::new(&mut chunk);
    ready!(Pin::new(stream).poll_read(context, &mut window))?;
    if window.filled().is_empty() {
        return Poll::Ready(Err(anyhow::anyhow!("the server hung up")));
    }
    inbox.extend_from_slice(window.filled());
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_taken_apart() {
        let mut inbox = b"data: {\"a\":1}\n\nevent: ping\ndata: {}\n\ndata: {".to_vec();
        assert!(matches!(event(&mut inbox), Ok(Some(Event::Message(text))) if text == r#"{"a":1}"#));
        assert!(matches!(event(&mut inbox), Ok(Some(Event::Ping))));
        assert!(matches!(event(&mut inbox), Ok(None)));
        let mut inbox = b"event: close\ndata: {\"code\":1012}\n\n".to_vec();
        assert!(event(&mut inbox).err().is_some_and(|why| why.to_string().contains("1012")));
    }
}
