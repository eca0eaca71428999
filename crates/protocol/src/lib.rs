//! The wire protocol of Aldis, version 1: what clients and servers say to each other.
//!
//! JSON text messages with a `type`, over WebSocket or an event stream. `docs/protocol.md` is the normative text; this crate is its Rust form,
//! and every JSON block of that page is parsed by this crate's tests.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | [`RoomId`], [`PeerId`], [`Identity`], [`MsgId`]: strings that were checked once |
//! | [`client`] | [`ClientMessage`]: what a client sends, its payload borrowed and unread |
//! | [`post`] | [`Post`]: how a client of the event stream sends it |
//! | [`server`] | [`ServerMessage`]: what a server sends |
//! | [`received`] | [`Received`]: what a client gets of either kind |
//! | [`relay`] | how a signal becomes the text its receiver gets |
//! | [`error`], [`close`] | the one table of error codes and the one of close codes |
//! | [`limits`] | every limit, its default, its configuration key and the test that hits it |
//! | [`docs`] | the tables of `docs/`, rendered from those of the code |
//! | [`scan`] | one linear pass that refuses what would crash a receiver |
//!
//! Nothing here does IO, reads a clock or draws a random number.

pub mod client;
pub mod close;
pub mod docs;
pub mod error;
pub mod id;
pub mod json;
pub mod limits;
pub mod post;
pub mod received;
pub mod relay;
pub mod scan;
pub mod server;

pub use client::{ClientMessage, Hello, Naming, Signal, SignalKind};
pub use close::CloseCode;
pub use error::{ErrorCode, Outcome, WireError};
pub use id::{Identity, InvalidId, MsgId, NodeId, PeerId, PeerRef, RoomId, TokenId};
pub use json::Json;
pub use limits::Limits;
pub use post::Post;
pub use received::{Received, Relayed, Unreadable};
pub use server::{IceServer, LeaveReason, PeerInfo, Presence, ServerMessage, Welcome};

/// The version of the protocol this crate speaks: `hello.protocol` and `welcome.protocol`.
pub const PROTOCOL: u32 = 1;

/// The WebSocket subprotocol of a client that speaks first and may resume.
pub const SUBPROTOCOL: &str = "aldis.v1";

/// The prefix of the subprotocol entry that carries a token: `aldis.bearer.<jwt>`.
///
/// It is never selected by the server; it only keeps the token out of URLs and so out of proxy logs.
pub const BEARER_PREFIX: &str = "aldis.bearer.";

/// What this version of the server understands beyond the base protocol: `welcome.features`.
pub const FEATURES: &[&str] = &["resume", "receipts", "check", "frozen", "broadcast", "remove", "sse"];
