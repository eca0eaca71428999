//! WebSocket, RFC 6455: the opening handshake and the frames.
//!
//! The upgrade itself is hyper's; the frames are ours, because an idle connection must hold no buffer
//! (`docs/adr/0002-own-frame-codec-and-direct-writes.md`). No extension is negotiated, so there is no compression.

pub mod codec;
pub mod handshake;
