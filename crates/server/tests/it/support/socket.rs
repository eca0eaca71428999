//! A WebSocket client without manners: it sends what it is told, reads only when asked, and answers pings only where it wants to.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Stream, within};

/// RFC 6455's stand-in for a close without a code.
pub(crate) const NO_CODE: u16 = 1005;

/// One end of a WebSocket.
pub(crate) struct Socket {
    stream: Stream,
    inbox: Vec<u8>,
    pings: u64,
    probes: u64,
}

/// One frame of the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Text(Value),
    Ping,
    Pong(Vec<u8>),
    Close(u16),
    /// The connection is over.
    End,
}

#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
}

impl Opcode {
    /// A whole, masked frame.
    pub(crate) fn frame(self, payload: &[u8]) -> Vec<u8> {
        self.part(true, payload)
    }

    /// A masked frame, the last of its message or not.
    pub(crate) fn part(self, last: bool, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
        let mut frame = self.head(last, payload.len());
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// The head of a frame that says it is masked, without the mask.
    pub(crate) fn head(self, last: bool, length: usize) -> Vec<u8> {
        let mut head = vec![if last { 0x80 } else { 0 } | self as u8];
        match u16::try_from(length) {
            Ok(short @ 0..=125) => head.push(0x80 | short.to_le_bytes()[0]),
            Ok(medium) => {
                head.push(0x80 | 126);
                head.extend_from_slice(&medium.to_be_bytes());
            }
            Err(_) => {
                head.push(0x80 | 127);
                head.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        head
    }
}

impl Socket {
    pub(crate) fn new(stream: impl Into<Stream>, inbox: Vec<u8>) -> Self {
        Self { stream: stream.into(), inbox, pings: 0, probes: 0 }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within("room to write", async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
        .expect("written");
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.write(&Opcode::Text.frame(text.as_bytes())).await;
    }

    pub(crate) async fn close(&mut self, code: u16) {
        self.write(&Opcode::Close.frame(&code.to_be_bytes())).await;
    }

    /// The socket under it.
    pub(crate) fn tcp(&self) -> &tokio::net::TcpStream {
        self.stream.tcp()
    }

    /// Breaks the connection so that the server gets a reset.
    pub(crate) fn reset(self) {
        self.stream.tcp().set_zero_linger().expect("an open socket");
    }

    /// The next frame, as it is. Nothing is answered.
    pub(crate) async fn frame(&mut self) -> Frame {
        within("a frame", async {
            loop {
                if let Some(frame) = self.take() {
                    return frame;
                }
                match self.stream.read_buf(&mut self.inbox).await {
                    Ok(0) | Err(_) => return Frame::End,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    fn take(&mut self) -> Option<Frame> {
        let (opcode, start, length) = match *self.inbox.as_slice() {
            [first, 127, a, b, c, d, e, f, g, h, ..] => {
                (first & 0x0F, 10, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            [first, 126, high, low, ..] => (first & 0x0F, 4, u64::from(u16::from_be_bytes([high, low]))),
            [first, length @ 0..=125, ..] => (first & 0x0F, 2, u64::from(length)),
            _ => return None,
        };
        let end = start + usize::try_from(length).expect("a length");
        let payload = self.inbox.get(start..end)?.to_vec();
        self.inbox.drain(..end);
        Some(match opcode {
            0x1 => Frame::Text(serde_json::from_slice(&payload).expect("JSON")),
            0x8 => Frame::Close(payload.first_chunk().map_or(NO_CODE, |code| u16::from_be_bytes(*code))),
            0x9 => Frame::Ping,
            0xA => Frame::Pong(payload),
            other => panic!("the server sent opcode {other}"),
        })
    }

    /// The next message. Pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Frame::Text(message) => return message,
                Frame::Ping => {
                    self.pings += 1;
                    self.write(&[0x8A, 0x80, 0, 0, 0, 0]).await;
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

    /// The next `error`, which must have this code.
    pub(crate) async fn refused(&mut self, code: &str) -> Value {
        let error = self.expect("error").await;
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// All messages up to the answer to a ping: whatever the server had for this client when it read the ping.
    pub(crate) async fn heard(&mut self) -> Vec<Value> {
        self.probes += 1;
        let probe = self.probes;
        self.send(json!({ "type": "ping", "t": probe })).await;
        let mut heard = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" && message["t"] == probe {
                return heard;
            }
            heard.push(message);
        }
    }

    /// Asserts that the server has nothing for this client.
    pub(crate) async fn is_quiet(&mut self) {
        let heard = self.heard().await;
        assert!(heard.is_empty(), "{heard:#?}");
    }

    /// The messages up to the server's close, and its code. The close is answered, and then the server must hang up.
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
        // The server may be gone already: one that only answered our close does not wait.
        let _ = self.stream.write_all(&Opcode::Close.frame(&code.to_be_bytes())).await;
        let _ = self.stream.flush().await;
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

/// A socket in a room.
pub(crate) struct Peer {
    socket: Socket,
    pub(crate) welcome: Value,
    pub(crate) id: String,
}

impl Peer {
    /// Waits for `welcome`.
    pub(crate) async fn seated(mut socket: Socket) -> Self {
        let welcome = socket.expect("welcome").await;
        let id = welcome["peer"]["id"].as_str().expect("an id").to_owned();
        Self { socket, welcome, id }
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// The token of its `welcome`.
    pub(crate) fn resume_token(&self) -> String {
        self.welcome["resume"]["token"].as_str().expect("a resume token").to_owned()
    }

    /// Sends `data` to somebody.
    pub(crate) async fn tell(&mut self, to: &str, data: impl Into<Value>) {
        let data: Value = data.into();
        self.send(json!({ "type": "message", "to": to, "data": data })).await;
    }

    /// Sends `data` to somebody and asks for a receipt.
    pub(crate) async fn tell_with_receipt(&mut self, to: &str, data: impl Into<Value>, msg: &str) {
        let data: Value = data.into();
        self.send(json!({ "type": "message", "to": to, "data": data, "msg": msg, "receipt": true })).await;
    }

    /// The next message, which must be `data` from somebody.
    pub(crate) async fn told(&mut self, from: &str, data: impl Into<Value>) {
        let message = self.expect("message").await;
        let data: Value = data.into();
        assert_eq!((&message["from"], &message["data"]), (&from.into(), &data), "{message}");
    }

    /// The next message, which must be about this peer.
    pub(crate) async fn expect_about(&mut self, kind: &str, id: &str) -> Value {
        let message = self.expect(kind).await;
        let about = if message["peer"].is_object() { &message["peer"]["id"] } else { &message["id"] };
        assert_eq!(about, id, "{message}");
        message
    }
}

impl Deref for Peer {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }
}
