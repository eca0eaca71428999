//! What is written to a client, and how each transport spells it.

use aldis_core::Parcel;
use aldis_protocol::{CloseCode, ErrorCode, WireError, close::Closed};

use crate::{
    sse::event,
    ws::codec::{self, Opcode},
};

/// One frame to write.
#[derive(Debug)]
pub enum Frame {
    /// A message of the server.
    Text(Box<str>),
    /// A relayed signal.
    Parcel(Parcel),
    /// A ping.
    Ping,
    /// The answer to a ping; only WebSocket has it.
    Pong(Box<[u8]>),
    /// The last frame.
    Close(Last),
}

/// How frames are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As frames of RFC 6455.
    WebSocket,
    /// As events.
    EventStream,
}

impl Framing {
    /// How many bytes a frame takes.
    pub(super) fn len(self, frame: &Frame) -> usize {
        match (self, frame) {
            (Self::WebSocket, frame) => codec::encoded_len(frame.payload_len()),
            (Self::EventStream, Frame::Text(text)) => event::message_len(text.len()),
            (Self::EventStream, Frame::Parcel(parcel)) => event::message_len(parcel.text.len()),
            (Self::EventStream, Frame::Ping) => event::PING.len(),
            (Self::EventStream, Frame::Pong(_)) => event::COMMENT.len(),
            (Self::EventStream, Frame::Close(last)) => event::closed(&last.event()).len(),
        }
    }

    /// Appends a frame.
    pub(super) fn encode(self, frame: &Frame, out: &mut Vec<u8>) {
        match (self, frame) {
            (Self::WebSocket, frame) => frame.encode(out),
            (Self::EventStream, Frame::Text(text)) => event::message(text, out),
            (Self::EventStream, Frame::Parcel(parcel)) => event::message(&parcel.text, out),
            (Self::EventStream, Frame::Ping) => out.extend_from_slice(event::PING),
            (Self::EventStream, Frame::Pong(_)) => out.extend_from_slice(event::COMMENT),
            (Self::EventStream, Frame::Close(last)) => out.extend_from_slice(&event::closed(&last.event())),
        }
    }
}

impl Frame {
    fn payload_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Parcel(parcel) => parcel.text.len(),
            Self::Ping => 0,
            Self::Pong(payload) => payload.len(),
            Self::Close(last) => last.payload().len(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => codec::encode(Opcode::Text, text.as_bytes(), out),
            Self::Parcel(parcel) => codec::encode(Opcode::Text, parcel.text.as_bytes(), out),
            Self::Ping => codec::encode(Opcode::Ping, &[], out),
            Self::Pong(payload) => codec::encode(Opcode::Pong, payload, out),
            Self::Close(last) => codec::encode(Opcode::Close, &last.payload(), out),
        }
    }
}

/// The last words on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// What the client is told first, where it can be told.
    pub error: Option<Box<WireError>>,
    /// How the connection closes.
    pub last: Last,
}

/// The close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// The server closes, with the table's sentence.
    Ours(CloseCode),
    /// The answer to the client's close frame: its own code, or none. Only WebSocket has it.
    Echo(Option<u16>),
}

impl Last {
    fn payload(self) -> Vec<u8> {
        match self {
            Self::Ours(code) => codec::close_payload(code.code(), code.meaning()),
            Self::Echo(Some(code)) => codec::close_payload(code, ""),
            Self::Echo(None) => Vec::new(),
        }
    }

    fn event(self) -> Closed {
        match self {
            Self::Ours(code) => code.into(),
            Self::Echo(code) => Closed { code: code.unwrap_or(CloseCode::Bye.code()), reason: String::new() },
        }
    }
}

impl Farewell {
    /// To a client that does not read; it may begin to.
    #[must_use]
    pub fn slow_reader() -> Self {
        Self { error: Some(Box::new(WireError::new(ErrorCode::SlowReader))), last: Last::Ours(CloseCode::SlowReader) }
    }
}
