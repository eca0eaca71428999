//! The reading end of a client, whichever way it hears: it reads only when asked, and says of what it reads whether it is what it should be.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Stream, within};

/// One frame of the server, or one event.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Text(Value),
    Ping,
    Pong(Vec<u8>),
    Close(u16),
    /// The connection or the body is over.
    End,
}

/// How a transport spells frames.
pub(crate) trait Framing {
    /// Takes the first frame, if it is there whole.
    fn take(inbox: &mut Vec<u8>) -> Option<Frame>;

    /// What a frame is answered with on the way it came, if it is.
    fn answer(frame: &Frame) -> Option<Vec<u8>>;

    /// Whether it may all be over behind what was read.
    fn may_end(rest: &[u8]) -> bool;
}

/// One end of a connection.
pub(crate) struct Reader<F> {
    stream: Stream,
    inbox: Vec<u8>,
    pings: u64,
    probes: u64,
    pub(super) framing: F,
}

impl<F: Framing> Reader<F> {
    /// The end of a stream of which this was read already.
    pub(super) fn of(stream: Stream, inbox: Vec<u8>, framing: F) -> Self {
        Self { stream, inbox, pings: 0, probes: 0, framing }
    }

    /// The socket under it.
    pub(crate) fn socket(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The same below TLS.
    pub(crate) fn tcp(&self) -> &tokio::net::TcpStream {
        self.stream.tcp()
    }

    /// Breaks the connection so that the server gets a reset.
    pub(crate) fn reset(self) {
        self.stream.tcp().set_zero_linger().expect("an open socket");
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within("room to write", async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
        .expect("written");
    }

    /// The next frame, as it is. Nothing is answered.
    pub(crate) async fn frame(&mut self) -> Frame {
        within("a frame", async {
            loop {
                if let Some(frame) = F::take(&mut self.inbox) {
                    return frame;
                }
                match self.stream.read_buf(&mut self.inbox).await {
                    Ok(0) | Err(_) => {
                        let rest = String::from_utf8_lossy(&self.inbox);
                        assert!(F::may_end(&self.inbox), "it ended in the middle of {rest:?}");
                        return Frame::End;
                    }
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    /// The next message. Pings are answered on the way where they can be; else whoever waits for long has to answer them.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Frame::Text(message) => return message,
                Frame::Ping => {
                    if let Some(pong) = F::answer(&Frame::Ping) {
                        self.pings += 1;
                        self.write(&pong).await;
                    }
                }
                Frame::Pong(_) => {}
                other => panic!("{other:?} instead of a message"),
            }
        }
    }

    /// How many pings were answered.
    pub(crate) fn pings(&self) -> u64 {
        self.pings
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// The next message, which must be about this peer.
    pub(crate) async fn expect_about(&mut self, kind: &str, id: &str) -> Value {
        let message = self.expect(kind).await;
        let about = if message["peer"].is_object() { &message["peer"]["id"] } else { &message["id"] };
        assert_eq!(about, id, "{message}");
        message
    }

    /// The next `error`, which must have this code.
    pub(crate) async fn refused(&mut self, code: &str) -> Value {
        let error = self.expect("error").await;
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// The next message, which must be `data` from somebody.
    pub(crate) async fn told(&mut self, from: &str, data: impl Into<Value>) {
        let message = self.expect("message").await;
        let data: Value = data.into();
        assert_eq!((&message["from"], &message["data"]), (&from.into(), &data), "{message}");
    }

    /// The `t` of a ping whose answer will be known among all.
    pub(super) fn probe(&mut self) -> u64 {
        self.probes += 1;
        self.probes
    }

    /// All messages up to the answer to that ping.
    pub(super) async fn heard_until(&mut self, probe: u64) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" && message["t"] == probe {
                return heard;
            }
            heard.push(message);
        }
    }

    /// The messages up to the server's close, and its code. The close is answered where that can be, and then it must be over.
    pub(crate) async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut last = Vec::new();
        let code = loop {
            match self.frame().await {
                Frame::Text(message) => last.push(message),
                Frame::Close(code) => break code,
                Frame::Ping | Frame::Pong(_) => {}
                Frame::End => panic!("ended without a close, after {last:#?}"),
            }
        };
        if let Some(close) = F::answer(&Frame::Close(code)) {
            // The server may be gone already: one that only answered our close does not wait.
            let _ = self.stream.write_all(&close).await;
            let _ = self.stream.flush().await;
        }
        assert_eq!(self.frame().await, Frame::End);
        (code, last)
    }

    /// The server's close with `code`, and before it as last message an `error` with that one.
    pub(crate) async fn closed_with(&mut self, code: u16, error: &str) -> Value {
        let (closed, mut last) = self.closed().await;
        let told = last.pop().unwrap_or_default();
        assert_eq!((closed, &told["code"]), (code, &error.into()), "{told} after {last:#?}");
        told
    }
}
