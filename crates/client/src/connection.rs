//! One live connection: a WebSocket that has been welcomed.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use aldis_protocol::{CloseCode, PROTOCOL, PeerId, Received, ServerMessage, Welcome, WireError};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding},
    },
};

use crate::{Dialect, Error, Options, Outgoing, handshake, stream::Stream};

/// How long a close waits for the server's answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// RFC 6455's stand-ins: a close frame without a code, and an end without a close frame.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

/// A connection that the server has welcomed.
pub struct Connection {
    socket: Socket,
    welcome: Welcome,
}

impl Connection {
    /// Connects, says `hello` where the dialect has one, and waits for `welcome`.
    ///
    /// # Errors
    /// [`Error::Refused`] for an HTTP answer, [`Error::Closed`] for a refusal after the upgrade.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let welcomed = async {
            let mut socket = Socket::new(handshake::upgrade(&options).await?);
            if let Dialect::V1 { resume, features } = &options.dialect {
                let hello = Outgoing::hello(PROTOCOL, resume.as_deref(), features);
                socket.feed(hello.to_json()).await?;
                socket.stream.flush().await?;
            }
            loop {
                // Whoever is refused after the upgrade gets an `error` and then the close.
                match socket.recv().await? {
                    Received::Server(ServerMessage::Welcome(welcome)) => return Ok(Self { socket, welcome: *welcome }),
                    Received::Server(ServerMessage::Error(_)) => {}
                    Received::Server(_) | Received::Relayed(_) => {
                        return Err(Error::Handshake("the server did not begin with `welcome`".to_owned()));
                    }
                }
            }
        };
        timeout(options.timeout, welcomed).await.unwrap_or(Err(Error::Timeout("connecting")))
    }

    /// The room as it was when this connection joined or resumed.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// This peer's own id.
    #[must_use]
    pub fn id(&self) -> &PeerId {
        &self.welcome.peer.id
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection has ended; [`recv`](Self::recv) tells why.
    pub async fn send(&mut self, message: impl Into<Outgoing>) -> Result<(), Error> {
        self.send_text(message.into().to_json()).await
    }

    /// Sends a text as it is, valid or not.
    ///
    /// # Errors
    /// The connection has ended; [`recv`](Self::recv) tells why.
    pub async fn send_text(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Error> {
        self.feed_text(text).await?;
        self.flush().await
    }

    /// Writes a text into the outgoing buffer, to go with the next [`flush`](Self::flush) or when the buffer is full.
    ///
    /// # Errors
    /// The connection has ended; [`recv`](Self::recv) tells why.
    pub async fn feed_text(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Error> {
        self.socket.feed(text.into()).await
    }

    /// Sends what was fed.
    ///
    /// # Errors
    /// The connection has ended; [`recv`](Self::recv) tells why.
    pub async fn flush(&mut self) -> Result<(), Error> {
        Ok(self.socket.stream.flush().await?)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a message that this version does not know: the connection lives. [`Error::Closed`] at its end,
    /// and again at every call after it.
    pub async fn recv(&mut self) -> Result<Received, Error> {
        self.socket.recv().await
    }

    /// Takes the next message if it is there already, without waiting.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<Received>, Error> {
        match self.socket.poll_recv(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(received) => received.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Waits for the next message and leaves it unread. An `error` that is taken this way is not remembered.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_text(&mut self) -> Result<Utf8Bytes, Error> {
        poll_fn(|context| self.socket.poll_text(context)).await
    }

    /// Takes the next message if it is there already, without waiting, and leaves it unread.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv_text(&mut self) -> Result<Option<Utf8Bytes>, Error> {
        match self.socket.poll_text(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(text) => text.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Sends what there is to send and waits for the next message, both at once: a server that does not read now may still be heard.
    pub(crate) async fn converse(&mut self, outbox: &mut VecDeque<String>, reads: bool) -> Result<Received, Error> {
        poll_fn(|context| {
            let sent = self.socket.poll_send(context, outbox);
            // Where a close frame came before, it says more than the failure to send.
            if (reads || sent.is_err())
                && let Poll::Ready(received) = self.socket.poll_recv(context)
            {
                return Poll::Ready(received);
            }
            sent.map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending)
        })
        .await
    }

    /// When anything last came, pings included.
    pub(crate) fn heard_at(&self) -> Instant {
        self.socket.heard_at
    }

    /// Closes the connection and waits a moment for the server to do the same. Messages that still arrive are dropped.
    ///
    /// Dropping a connection without this is a broken one for the server: the peer becomes away, not gone.
    ///
    /// # Errors
    /// The connection had ended otherwise, or the server did not answer in time.
    pub async fn close(mut self, code: CloseCode) -> Result<(), Error> {
        let frame = CloseFrame { code: coding::CloseCode::from(code.code()), reason: Utf8Bytes::default() };
        let closed = async {
            self.socket.stream.close(Some(frame)).await?;
            loop {
                match self.recv_text().await {
                    Ok(_) => {}
                    // A server answers with the same code; another one means that it closed first.
                    Err(Error::Closed { code: answered, .. }) if answered == code.code() => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(CLOSE_TIMEOUT, closed).await.unwrap_or(Err(Error::Timeout("the server's answer to the close")))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", self.id()).field("room", &self.welcome.room.id).finish_non_exhaustive()
    }
}

/// The WebSocket and how it ended.
struct Socket {
    stream: WebSocketStream<Stream>,
    last_error: Option<Box<WireError>>,
    end: Option<End>,
    heard_at: Instant,
}

/// What the close frame said.
struct End {
    code: u16,
    reason: String,
}

impl Socket {
    fn new(stream: WebSocketStream<Stream>) -> Self {
        Self { stream, last_error: None, end: None, heard_at: Instant::now() }
    }

    /// Sends as much as the socket takes now.
    fn poll_send(&mut self, context: &mut Context<'_>, outbox: &mut VecDeque<String>) -> Result<(), Error> {
        while !outbox.is_empty() {
            match self.stream.poll_ready_unpin(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            if let Some(text) = outbox.pop_front() {
                self.stream.start_send_unpin(Message::text(text))?;
            }
        }
        match self.stream.poll_flush_unpin(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(flushed) => Ok(flushed?),
        }
    }

    async fn feed(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Error> {
        Ok(self.stream.feed(Message::Text(text.into())).await?)
    }

    async fn recv(&mut self) -> Result<Received, Error> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        let received = Received::parse(&ready!(self.poll_text(context))?)?;
        if let Received::Server(ServerMessage::Error(error)) = &received {
            self.last_error = Some(error.clone());
        }
        Poll::Ready(Ok(received))
    }

    fn poll_text(&mut self, context: &mut Context<'_>) -> Poll<Result<Utf8Bytes, Error>> {
        while self.end.is_none() {
            let next = ready!(self.stream.poll_next_unpin(context));
            self.heard_at = Instant::now();
            match next {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Ok(text)),
                Some(Ok(Message::Close(frame))) => {
                    // Sends the answer that tungstenite has queued. It fits a socket buffer, or nobody reads it.
                    let _ = self.stream.poll_flush_unpin(context);
                    self.end = Some(frame.map_or_else(|| End::new(NO_CODE), End::from));
                }
                // Pings are answered by tungstenite at the next read; the server sends no binary.
                Some(Ok(_)) => {}
                None
                | Some(Err(
                    tungstenite::Error::Io(_)
                    | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                )) => self.end = Some(End::new(NO_CLOSE)),
                Some(Err(error)) => {
                    self.end = Some(End::new(NO_CLOSE));
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
        Poll::Ready(Err(self.closed()))
    }

    fn closed(&self) -> Error {
        let (code, reason) = self.end.as_ref().map_or((NO_CLOSE, ""), |end| (end.code, &end.reason));
        Error::Closed { code, reason: reason.to_owned(), error: self.last_error.clone() }
    }
}

impl End {
    fn new(code: u16) -> Self {
        Self { code, reason: String::new() }
    }
}

impl From<CloseFrame> for End {
    fn from(frame: CloseFrame) -> Self {
        Self { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
    }
}
