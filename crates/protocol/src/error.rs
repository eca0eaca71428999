//! The error codes, in one table: docs, `aldis explain` and the SDK's union are made from it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CloseCode, MsgId, PeerId};

/// What an error does to the connection it was sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The message was refused; the connection lives.
    Lives,
    /// As `Lives`, and it is a frame that no correct client sends: ten in 60 s close with 4400.
    Strike,
    /// The connection closes with this code.
    Closes(CloseCode),
    /// Only ever an HTTP answer.
    Http,
}

macro_rules! error_codes {
    ($($name:ident = $code:literal, $http:literal, $effect:expr, $retryable:literal, $ends:literal, $meaning:literal, $next:literal;)*) => {
        /// What went wrong, as clients match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)*
        }

        impl ErrorCode {
            /// Every error code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status where the error answers a request.
            #[must_use]
            pub const fn http(self) -> u16 {
                match self { $(Self::$name => $http,)* }
            }

            /// What it does to the connection.
            #[must_use]
            pub const fn effect(self) -> Effect {
                match self { $(Self::$name => $effect,)* }
            }

            /// Whether the same thing may work later without a change.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// Whether it ends the stream of messages to the peer it names in `to`.
            #[must_use]
            pub const fn ends_stream(self) -> bool {
                match self { $(Self::$name => $ends,)* }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do next, in one sentence: the default `hint`.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

use CloseCode as C;
use Effect::{Closes, Http, Lives, Strike};

error_codes! {
    // name = code, HTTP status, effect, retryable, ends the stream, meaning, what to do next
    BadJson = "bad-json", 400, Strike, false, false, "The message is not valid JSON.", "Send one JSON object as one text frame.";
    BadEnvelope = "bad-envelope", 400, Strike, false, false, "A field of the message is missing, unknown, doubled or of the wrong type.", "Compare the message with the table in docs/protocol.md.";
    UnknownType = "unknown-type", 400, Strike, false, false, "This server knows no message of that `type`.", "Check the spelling, and `welcome.features` for what this server understands.";
    TooDeep = "too-deep", 400, Strike, false, false, "The JSON nests deeper than `limits.jsonDepth`.", "Flatten the message, or send the nested part as a string.";
    TooLarge = "too-large", 413, Lives, false, false, "The message or a field of it is larger than its limit.", "Compare its size with `welcome.limits`.";
    UnknownPeer = "unknown-peer", 404, Lives, true, false, "No such peer is in this room.", "Send to an id from `welcome.peers` or `peer-joined`; after a reconnect it may still appear.";
    PeerGone = "peer-gone", 410, Lives, false, true, "The peer has left for good; its id is never used again.", "Wait for it to join anew; `previous` links its new id to this one.";
    Forbidden = "forbidden", 403, Lives, false, true, "The token does not allow this.", "Ask your backend for a token whose `room` and `can` include it.";
    QueueFull = "queue-full", 503, Lives, true, false, "The peer is away and its queue is full, or it reads too slowly.", "Keep the message and send it again after a second, or at once when `peer-back` arrives.";
    Unavailable = "unavailable", 503, Lives, true, false, "The message could not be handed on now.", "Keep the message and send it again.";
    RateLimited = "rate-limited", 429, Lives, true, false, "More messages or bytes than `welcome.limits` allows.", "Wait `retryAfterMs`, then send it again; 30 s of excess close with 4429.";
    BadRequest = "bad-request", 400, Http, false, false, "The request is malformed.", "Compare it with docs/protocol.md, section \"One endpoint\".";
    TokenMissing = "token-missing", 401, Closes(C::Unauthorized), false, false, "The request carries no token.", "Send it as `Authorization: Bearer`, as the subprotocol `aldis.bearer.<jwt>`, or as `?token=`.";
    TokenInvalid = "token-invalid", 401, Closes(C::Unauthorized), false, false, "The token is not one this server accepts.", "Run `aldis token verify` on it: it says exactly why.";
    TokenExpired = "token-expired", 401, Closes(C::Unauthorized), false, false, "The token has expired.", "Get a new token from your backend; send it with `auth` before the old one expires.";
    TokenRevoked = "token-revoked", 403, Closes(C::Forbidden), false, false, "The token has been revoked.", "Do not reconnect by yourself: whoever runs the application has shut this token out.";
    OriginForbidden = "origin-forbidden", 403, Http, false, false, "Pages of this origin may not connect.", "Add the origin to `allowed_origins` (ALDIS_ALLOWED_ORIGINS).";
    RoomFull = "room-full", 409, Closes(C::Full), true, false, "The room has as many peers as it may.", "Try again when somebody has left, or raise `maxPeers`.";
    IdentityTaken = "identity-taken", 409, Closes(C::Full), true, false, "The identity is already in the room and the token says `duplicates: reject`.", "Leave with the other session first, or issue tokens with `duplicates: replace`.";
    ConnectionLimit = "connection-limit", 429, Closes(C::Full), true, false, "The identity has as many connections as it may.", "Close another connection of this identity, or raise `limits.connections_per_identity`.";
    AddressLimit = "address-limit", 429, Http, true, false, "Too many connections without a valid token from this address.", "Wait until some of them have closed; if it is the address of a proxy, list that in `trusted_proxies`.";
    ProtocolUnsupported = "protocol-unsupported", 400, Closes(C::Version), false, false, "`hello.protocol` is not a version this server speaks.", "Send `protocol: 1`, or update the server.";
    HelloTimeout = "hello-timeout", 408, Closes(C::Timeout), true, false, "No `hello` came in time.", "Send `hello` as the first message after the connection opens.";
    HeartbeatTimeout = "heartbeat-timeout", 408, Closes(C::Timeout), true, false, "The connection did not answer a ping.", "Connect again and resume.";
    SlowReader = "slow-reader", 503, Closes(C::SlowReader), true, false, "The client did not read what was sent to it.", "Connect again and resume; read faster than the room talks.";
    Superseded = "superseded", 409, Closes(C::Superseded), true, false, "A newer connection of the same session has taken over.", "Nothing, unless this was your only connection: then connect again and resume.";
    Replaced = "replaced", 409, Closes(C::Replaced), false, false, "Another session of the same identity has taken over.", "Nothing: the token of the other session asked for it.";
    Removed = "removed", 410, Closes(C::Removed), false, false, "A moderator removed this peer.", "Do not reconnect by yourself.";
    Draining = "draining", 503, Http, true, false, "The server is shutting down.", "Connect again after `Retry-After`.";
    Overloaded = "overloaded", 503, Closes(C::Overload), true, false, "The server takes nobody new for now: it has as many connections as it can hold, or does not reach the other nodes.", "Connect again after `Retry-After`.";
    Gone = "gone", 410, Http, true, false, "No such connection is here, or none that this token may use.", "Connect again and resume; what was not answered with 204 may not have arrived.";
    OutOfOrder = "out-of-order", 425, Http, true, false, "An earlier POST of the connection is missing.", "Send the one with the next `seq` first, then this one again.";
    NotFound = "not-found", 404, Http, false, false, "Nothing is here.", "The signaling endpoint is /v1/signal.";
    MethodNotAllowed = "method-not-allowed", 405, Http, false, false, "The endpoint does not know this method.", "Use one that the header `Allow` names.";
    NotAcceptable = "not-acceptable", 406, Http, false, false, "The endpoint cannot answer in the form that `Accept` asks for.", "Connect by WebSocket, or POST `hello` with `Accept: text/event-stream`.";
    UpgradeInvalid = "upgrade-invalid", 426, Http, false, false, "The WebSocket handshake is not one of RFC 6455.", "Send `Upgrade: websocket`, `Sec-WebSocket-Version: 13` and a 16-byte `Sec-WebSocket-Key`.";
    Internal = "internal", 500, Closes(C::Internal), true, false, "The server failed; nothing is wrong with the request.", "Try again; tell the operator if it stays.";
}

impl ErrorCode {
    /// Finds a code by its wire name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of the message an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It never left this node, or had no receiver.
    NotDelivered,
    /// It may have arrived.
    Unknown,
}

/// An error as a client gets it: in an `error` message, or as the body of a refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireError {
    /// What went wrong.
    pub code: ErrorCode,
    /// One sentence that names the field or limit.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The peer the refused message was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PeerId>,
    /// The `msg` of the refused message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<MsgId>,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What became of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl WireError {
    /// An error with the table's own sentence.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self::with(code, code.meaning())
    }

    /// An error with a sentence that says more than the table's.
    #[must_use]
    pub fn with(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: Some(code.hint().to_owned()),
            to: None,
            re: None,
            retry_after_ms: None,
            outcome: None,
        }
    }

    /// Names the message the error is about.
    #[must_use]
    pub fn about(mut self, to: Option<PeerId>, re: Option<MsgId>) -> Self {
        self.to = to;
        self.re = re;
        self
    }

    /// Says what became of the message.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for WireError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tombstone_and_a_refused_grant_end_a_stream() {
        let ending: Vec<_> = ErrorCode::ALL.iter().filter(|code| code.ends_stream()).collect();
        assert_eq!(ending, [&ErrorCode::PeerGone, &ErrorCode::Forbidden]);
    }

    #[test]
    fn only_what_no_correct_client_sends_is_a_strike() {
        let strikes: Vec<_> =
            ErrorCode::ALL.iter().filter(|code| code.effect() == Strike).map(|c| c.as_str()).collect();
        assert_eq!(strikes, ["bad-json", "bad-envelope", "unknown-type", "too-deep"]);
    }

    #[test]
    fn the_wire_name_and_the_table_agree() {
        for &code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(&code).expect("serialises"), format!("\"{code}\""));
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
        }
    }
}
