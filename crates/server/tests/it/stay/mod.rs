//! The Rust client that stays in a room: it reconnects, resumes, and loses nothing.

mod connections;
mod delivery;
mod guest;
