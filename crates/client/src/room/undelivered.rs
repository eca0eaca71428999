//! What a sender is told where its message was not delivered.

use std::fmt;

use aldis_protocol::{Outcome, WireError};

/// A message was not delivered, or nobody knows whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Whether it may have arrived all the same. It never arrives twice, and never after something that was sent later.
    pub outcome: Outcome,
    /// Why.
    pub why: Why,
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It was not acknowledged within 30 s; or by the server, where the peer does not speak streams, within 36 s after it was sent.
    TimedOut,
    /// The peer has left, or was never there.
    PeerLeft,
    /// This side has left, or was refused for good, or the runtime on which it stayed has ended.
    Left,
    /// This side's session could not go on: to the others it is another peer now, and the message can be sent again.
    NewStay,
    /// Too many messages wait for this peer already: 1,024, or 256 where it does not speak streams.
    QueueFull,
    /// There is no connection to the server, and this kind of message does not wait for one.
    NotConnected,
    /// The connection broke before the server said what became of a message to a peer that does not speak streams.
    ConnectionBroke,
    /// The peer has begun to read another stream, and takes nothing more of this one.
    StreamEnded,
    /// The server refused it, or would have: this client checks what it knows the server to check.
    Refused(Box<WireError>),
}

impl Undelivered {
    pub(crate) fn new(outcome: Outcome, why: Why) -> Self {
        Self { outcome, why }
    }

    /// It has certainly not arrived.
    pub(crate) fn not(why: Why) -> Self {
        Self::new(Outcome::NotDelivered, why)
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::NotDelivered => write!(f, "not delivered: {}", self.why),
            Outcome::Unknown => write!(f, "perhaps not delivered: {}", self.why),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "it was not acknowledged in time",
            Self::PeerLeft => "the peer is not in the room",
            Self::Left => "this side has left the room",
            Self::NewStay => "this side's session could not go on",
            Self::QueueFull => "too many messages wait for this peer",
            Self::NotConnected => "there is no connection to the server",
            Self::ConnectionBroke => "the connection broke before the server said what became of it",
            Self::StreamEnded => "the peer takes nothing more of this stream",
            Self::Refused(error) => return write!(f, "{error}"),
        })
    }
}

impl std::error::Error for Undelivered {}
