//! Who may come in: JSON Web Tokens, signed by the application's backend.
//!
//! ```text
//!  token ─► size ─► header (ours: a short allow-list) ─► key by kid ─► signature (jsonwebtoken) ─► claims (ours) ─► Verified
//! ```
//!
//! The library verifies signatures and nothing else. Its own checks let through what must not pass (`crit`, `b64`, a foreign `typ`, a
//! float `exp`, a missing `aud`), so header and claims are read here, each claim by a rule of its own, and all of it fails closed.
//!
//! | module | holds |
//! |---|---|
//! | [`key`], [`ring`] | [`Key`], [`KeyRing`]: the keys by `kid` |
//! | `object` | a JSON object without doubled names |
//! | `header` | what a token's header may say |
//! | `claims` | what its claims must say |
//! | [`verify`] | [`Verifier`]: a token becomes [`Verified`] |
//! | [`mint`] | [`NewToken`]: signing one, for development and for the command line |
//! | [`error`] | [`TokenError`]: why a token was refused |
//! | [`diagnose`] | what else an operator should know of a refusal |

mod claims;
pub mod diagnose;
pub mod error;
mod header;
pub mod key;
pub mod mint;
mod object;
pub mod ring;
pub mod verify;
#[cfg(test)]
mod verify_tests;

pub use error::TokenError;
pub use key::{Algorithm, DEV_KID, DEV_SECRET, Key, KeyError, RoomScope};
pub use mint::{MintError, Minted, NewToken};
pub use ring::KeyRing;
pub use verify::{LEEWAY_MS, MAX_LIFE_MS, Rules, Verified, Verifier};
