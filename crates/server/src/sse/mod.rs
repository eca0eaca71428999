//! The second transport: an event stream down, POSTs up, for networks that let no WebSocket through.
//!
//! ```text
//!  POST /v1/signal                    ──► http/stream.rs ──► takeover: the socket is ours ──► Connection ──► Outlet
//!  POST /v1/signal/{connection}  ──► http/post.rs ──► Mailbox (order) ──wakes──► Connection (rates, strikes, hub) ──204──► POST
//! ```
//!
//! The [`connection`](crate::connection) is the same as over WebSocket, and so is everything behind it: only the frames that it
//! writes ([`event`]) and where its messages come from ([`mailbox`]) differ.

pub mod event;
pub mod mailbox;
pub mod mailboxes;
pub mod parted;
