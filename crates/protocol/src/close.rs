//! The close codes, in one table: <https://www.rfc-editor.org/rfc/rfc6455#section-7.4> and our own from 4400.

use serde::{Deserialize, Serialize};

/// What a client should do after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Do not come back by yourself: the reason will not go away.
    No,
    /// Come back with backoff, and resume.
    Yes,
    /// Come back later, obeying `retryAfterMs` or a long backoff.
    Later,
    /// Come back with a new token.
    WithNewToken,
    /// Ignore it unless this was the only connection of the session; then resume.
    IfAlone,
}

macro_rules! close_codes {
    ($($name:ident = $code:literal, $reconnect:ident, $meaning:literal;)*) => {
        /// Why a connection was closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseCode {
            $(#[doc = $meaning] $name,)*
        }

        impl CloseCode {
            /// Every close code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// One sentence for the close frame's reason and for the docs.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What the client should do next.
            #[must_use]
            pub const fn reconnect(self) -> Reconnect {
                match self { $(Self::$name => Reconnect::$reconnect,)* }
            }

            /// The close code of a number, if it is one of ours.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

close_codes! {
    Bye = 1000, No, "Goodbye; the stay in the room has ended";
    GoingAway = 1001, No, "The page is going away; for a raw client the stay in the room has ended";
    Protocol = 1002, No, "The frame breaks RFC 6455";
    Binary = 1003, No, "Binary frames are not accepted; send JSON as text";
    BadUtf8 = 1007, No, "A text frame is not UTF-8";
    TooBig = 1009, No, "The message is larger than limits.messageBytes";
    Internal = 1011, Yes, "The server failed; nothing is wrong with the request";
    Restart = 1012, Yes, "The server is restarting";
    Overload = 1013, Later, "The server is overloaded";
    WillResume = 3001, Yes, "Sent by a client that means to resume";
    BadMessages = 4400, No, "Too many malformed messages";
    Unauthorized = 4401, WithNewToken, "The token is missing, invalid or expired";
    Forbidden = 4403, No, "The token does not allow this";
    Timeout = 4408, Yes, "No heartbeat answer, or no hello in time";
    Replaced = 4409, No, "Replaced by another session of the same identity";
    Removed = 4410, No, "Removed from the room";
    Superseded = 4419, IfAlone, "Superseded by a newer connection of the same session";
    SlowReader = 4420, Yes, "The client did not read what was sent to it";
    Full = 4423, No, "The room is full, the identity is taken, or it has too many connections";
    Version = 4426, No, "The protocol version is not supported";
    RateLimited = 4429, Later, "Rate limits were exceeded for 30 s";
}

/// The `close` event: how the event stream says what a WebSocket's close frame says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The number.
    pub code: u16,
    /// One sentence, for people.
    pub reason: String,
}

impl From<CloseCode> for Closed {
    fn from(code: CloseCode) -> Self {
        Self { code: code.code(), reason: code.meaning().to_owned() }
    }
}
