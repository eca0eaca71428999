//! What a server sends.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::{Identity, Json, MsgId, NodeId, PeerId, RoomId, WireError, limits::WireLimits};

/// Whether a peer's connection is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Connected.
    Here,
    /// Its connection broke or its page is frozen; it may come back.
    Away,
    /// Not in the room, or no more. Only in `checked`.
    Gone,
}

/// Somebody in a room, as another peer sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// This stay's id.
    pub id: PeerId,
    /// Who it is: the token's `sub`.
    pub identity: Identity,
    /// A name to show, from the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Signed in the token; only the backend changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// The peer's own, by `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Json>,
    /// Whether it is here or away.
    pub presence: Presence,
    /// `true`: you yield to this peer and wait for its first offer. Of yourself it is always `false`.
    pub polite: bool,
    /// What it understands: `hello.features`, empty for a raw client.
    pub features: Vec<String>,
    /// The id of an earlier stay that this one proved to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PeerId>,
}

/// One entry for `RTCConfiguration.iceServers`, as <https://www.w3.org/TR/webrtc/#rtciceserver-dictionary> has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// The TURN username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The TURN password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    /// Never prints the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// ICE servers and how long they serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceServers {
    /// For `RTCConfiguration.iceServers`.
    pub ice_servers: Vec<IceServer>,
    /// When the credentials expire, Unix milliseconds; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_expires_at: Option<u64>,
    /// Whether the provider ends live relays when credentials expire. coturn does not.
    pub ice_cuts_at_expiry: bool,
}

/// Why a peer left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveReason {
    /// It said so.
    Left,
    /// It did not come back in time.
    Timeout,
    /// A moderator removed it.
    Removed,
    /// Another session of the same identity took its place.
    Replaced,
    /// Its node cannot be reached; the one reason that is not final.
    Unreachable,
}

/// What became of a message that asked for a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptStatus {
    /// Its bytes left for the peer's connection.
    Written,
    /// The peer is away; the message waits, and a second answer follows within 35 s.
    Parked,
}

/// Why a client should connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReconnectReason {
    /// The node is shutting down.
    Drain,
}

/// What a server has to say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeCode {
    /// Its node does not reach the others: their peers are out of reach, and nobody who joins there is seen here.
    BackplaneDegraded,
    /// It does again. What was missed follows.
    BackplaneRestored,
    /// TURN credentials are late: `iceServers` names STUN servers at most, and `ice-servers` follows once there are some.
    TurnDelayed,
}

/// The room, as `welcome` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// Its id.
    pub id: RoomId,
    /// How many peers fit for this client: the smaller of its token's and the server's number.
    pub max_peers: u64,
}

/// How to come back to this session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// For `hello.resume`.
    pub token: String,
    /// How long the server waits for it, in milliseconds.
    pub window_ms: u64,
}

impl fmt::Debug for Resume {
    /// Never prints the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("window_ms", &self.window_ms).finish_non_exhaustive()
    }
}

/// When the server pings and how long it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// Silence after which it pings, in milliseconds.
    pub interval_ms: u64,
    /// How long it waits for any sign of life, in milliseconds.
    pub timeout_ms: u64,
}

/// The first message of the server: the whole state, every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The protocol version.
    pub protocol: u32,
    /// What this server understands.
    pub features: Vec<String>,
    /// Which node this is.
    pub node: NodeId,
    /// You.
    pub peer: PeerInfo,
    /// The room.
    pub room: RoomInfo,
    /// The others, oldest first.
    pub peers: Vec<PeerInfo>,
    /// On a resume: ids that are gone for good.
    pub left: Vec<PeerId>,
    /// Whether the session of `hello.resume` goes on.
    pub resumed: bool,
    /// How to come back; absent for a raw client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// ICE servers, fresh.
    #[serde(flatten)]
    pub ice: IceServers,
    /// The heartbeat.
    pub heartbeat: Heartbeat,
    /// What a client may send.
    pub limits: WireLimits,
    /// When the token expires, Unix milliseconds.
    pub token_expires_at: u64,
    /// `true` while the node does not reach the others: their peers may be missing. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<bool>,
    /// Where a client of the event stream POSTs to: the path of its connection. Absent over WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
}

/// What a server sends, apart from relayed signals, which are spliced text ([`crate::relay`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The whole state, first.
    Welcome(Box<Welcome>),
    /// Somebody came.
    PeerJoined {
        /// Who.
        peer: Box<PeerInfo>,
    },
    /// Somebody's attributes, name or metadata changed.
    PeerUpdated {
        /// As it is now.
        peer: Box<PeerInfo>,
    },
    /// A peer's connection has been gone for 2 s.
    PeerAway {
        /// Whose.
        id: PeerId,
    },
    /// It is back.
    PeerBack {
        /// Who.
        id: PeerId,
    },
    /// A peer left.
    PeerLeft {
        /// Who.
        id: PeerId,
        /// Why.
        reason: LeaveReason,
        /// Whether the id is dead for ever; if not, the same id may come back by `peer-joined`.
        #[serde(rename = "final")]
        is_final: bool,
    },
    /// Fresh ICE servers.
    IceServers(IceServers),
    /// A fresh resume token.
    Resume {
        /// For the next `hello.resume`.
        token: String,
    },
    /// What became of a message.
    Receipt {
        /// Its `msg`.
        re: MsgId,
        /// Its fate so far.
        status: ReceiptStatus,
    },
    /// Something was refused.
    Error(Box<WireError>),
    /// The token of `auth` was taken.
    AuthOk {
        /// When it expires, Unix milliseconds.
        token_expires_at: u64,
    },
    /// The token will expire soon.
    TokenExpiring {
        /// When it expires, Unix milliseconds.
        token_expires_at: u64,
    },
    /// The answer to `check`.
    Checked {
        /// Whom it is about.
        id: PeerId,
        /// How the server found it.
        presence: Presence,
    },
    /// Connect again within that time, then this connection closes.
    Reconnect {
        /// Why.
        reason: ReconnectReason,
        /// Milliseconds.
        within_ms: u64,
    },
    /// Something about the server itself that a client may want to show.
    Notice {
        /// What.
        code: NoticeCode,
    },
    /// The answer to `ping`.
    Pong {
        /// The `t` of the ping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        t: Option<Number>,
    },
}

impl ServerMessage {
    /// The JSON text of the message.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and raw JSON under string keys have no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<WireError> for ServerMessage {
    fn from(error: WireError) -> Self {
        Self::Error(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_passes_verbatim_and_comes_back() {
        let peer = PeerInfo {
            id: PeerId::parse("p1").expect("an id"),
            identity: Identity::parse("auth0|1").expect("an identity"),
            name: None,
            metadata: Some(Json::parse(r#"{ "b":1,"a":[null] }"#).expect("JSON")),
            attributes: None,
            presence: Presence::Here,
            polite: true,
            features: vec![],
            previous: None,
        };
        let message = ServerMessage::PeerJoined { peer: Box::new(peer) };
        let text = message.to_json();
        assert_eq!(
            text,
            r#"{"type":"peer-joined","peer":{"id":"p1","identity":"auth0|1","metadata":{ "b":1,"a":[null] },"presence":"here","polite":true,"features":[]}}"#
        );
        let back: ServerMessage = serde_json::from_str(&text).expect("parses");
        assert!(matches!(back, ServerMessage::PeerJoined { .. }));
    }

    #[test]
    fn a_number_comes_back_as_it_was_sent() {
        let t: Number = serde_json::from_str("12345678901").expect("a number");
        assert_eq!(ServerMessage::Pong { t: Some(t) }.to_json(), r#"{"type":"pong","t":12345678901}"#);
        assert_eq!(ServerMessage::Pong { t: None }.to_json(), r#"{"type":"pong"}"#);
    }
}
