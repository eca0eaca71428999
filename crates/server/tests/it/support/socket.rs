//! A WebSocket client without manners: it sends what it is told, and answers pings only where it wants to.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::{
    Stream,
    reader::{Frame, Framing, Reader},
};

/// RFC 6455's stand-in for a close without a code.
pub(crate) const NO_CODE: u16 = 1005;

/// One end of a WebSocket.
pub(crate) type Socket = Reader<WebSocket>;

/// Frames of RFC 6455.
pub(crate) struct WebSocket;

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

impl Framing for WebSocket {
    fn take(inbox: &mut Vec<u8>) -> Option<Frame> {
        let (opcode, start, length) = match *inbox.as_slice() {
            [first, 127, a, b, c, d, e, f, g, h, ..] => {
                (first & 0x0F, 10, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            [first, 126, high, low, ..] => (first & 0x0F, 4, u64::from(u16::from_be_bytes([high, low]))),
            [first, length @ 0..=125, ..] => (first & 0x0F, 2, u64::from(length)),
            _ => return None,
        };
        let end = start + usize::try_from(length).expect("a length");
        let payload = inbox.get(start..end)?.to_vec();
        inbox.drain(..end);
        Some(match opcode {
            0x1 => Frame::Text(serde_json::from_slice(&payload).expect("JSON")),
            0x8 => Frame::Close(payload.first_chunk().map_or(NO_CODE, |code| u16::from_be_bytes(*code))),
            0x9 => Frame::Ping,
            0xA => Frame::Pong(payload),
            other => panic!("the server sent opcode {other}"),
        })
    }

    fn answer(frame: &Frame) -> Option<Vec<u8>> {
        match frame {
            Frame::Ping => Some(vec![0x8A, 0x80, 0, 0, 0, 0]),
            Frame::Close(code) => Some(Opcode::Close.frame(&code.to_be_bytes())),
            Frame::Text(_) | Frame::Pong(_) | Frame::End => None,
        }
    }

    /// A server that cuts somebody off does so in the middle of a frame too.
    fn may_end(_: &[u8]) -> bool {
        true
    }
}

impl Socket {
    pub(crate) fn new(stream: impl Into<Stream>, inbox: Vec<u8>) -> Self {
        Self::of(stream.into(), inbox, WebSocket)
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

    /// All messages up to the answer to a ping: whatever the server had for this client when it read the ping.
    pub(crate) async fn heard(&mut self) -> Vec<Value> {
        let probe = self.probe();
        self.send(json!({ "type": "ping", "t": probe })).await;
        self.heard_until(probe).await
    }

    /// Asserts that the server has nothing for this client.
    pub(crate) async fn is_quiet(&mut self) {
        let heard = self.heard().await;
        assert!(heard.is_empty(), "{heard:#?}");
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
