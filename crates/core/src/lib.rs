//! The pure core of Aldis: rooms, sessions, rosters and the relay, as a state machine without IO.
//!
//! ```text
//!        Input ──► Hub::handle_input(now, …) ─┐
//!                  Hub::handle_timeout(now) ──┤      rooms ─ sessions ─ parking
//!   poll_timeout() ◄──────────────────────────┤
//!        Output ◄── Hub::poll_output() ◄──────┘
//! ```
//!
//! The hub reads no clock, draws no random number, waits for nothing and knows no socket: time comes in as a [`Moment`], peer ids
//! come in with the join, and a connection is whatever handle `C` its owner chose. The same inputs give the same outputs, so its
//! tests are tables on a virtual clock. Its owner drains the outputs after every input, before it lets go of the lock around the
//! hub: that is what makes the order of a room.
//!
//! | module | holds |
//! |---|---|
//! | [`hub`] | [`Hub`]: dispatch, timers |
//! | `room` | one room: roster, order, politeness, tombstones |
//! | `session` | one stay: here, away, and what is parked for it |
//! | `join` | admission and resume, in two steps |
//! | `expel` | who is put out, and kept out |
//! | `relay` | the road of one signal |
//! | [`input`], [`output`] | what goes in and what comes out |
//! | [`grant`] | what a token allows |
//! | [`revocation`] | tokens that do not count any more |
//! | [`cluster`] | many nodes as one |

pub mod cluster;
mod expel;
pub mod grant;
pub mod hub;
pub mod input;
mod join;
pub mod output;
mod relay;
pub mod revocation;
mod room;
mod session;
pub mod time;

pub use cluster::{Cluster, shared::Reach};
pub use grant::{Duplicates, Grant, Permission};
pub use hub::Hub;
pub use input::{Age, Departure, Dialect, Input, Join, Profile, Seat, Ticket};
pub use output::{Admission, Event, Output, Parcel};
pub use revocation::{Revocation, Revocations, Stamp};
pub use time::Moment;
