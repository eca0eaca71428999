//! The pure core of Aldis.

pub mod grant;

pub use grant::{Duplicates, Grant, Permission};
