//! Who may come in: JSON Web Tokens, signed by the application's backend.
//!
//! ```text
//!  token ─► size ─► header (ours: a short allow-list) ─► key by kid ─► signature (aws-lc-rs) ─► claims (ours) ─► Verified
//! ```
//!
//! The cryptography library verifies signatures and nothing else. What libraries for JWT check besides lets through what must not pass
//! (`crit`, `b64`, a foreign `typ`, a float `exp`, a missing `aud`), so header and claims are read here, each claim by a rule of its
//! own, and all of it fails closed. What a key is decides its algorithm; a token decides nothing.
//!
//! | module | holds |
//! |---|---|
//! | [`key`], [`ring`] | [`Key`], [`KeyRing`]: the keys by `kid` |
//! | [`public_key`], [`signing_key`], `signature` | what keys are made of |
//! | [`jwk`] | a JWKS, read to keys |
//! | [`jwks`] | the JWKS of issuers, fetched and kept |
//! | [`rules`] | [`Rules`]: what every token has to say besides, and under which names |
//! | [`tokens`] | [`Tokens`]: all of it as a server has it, replaced by a reload |
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
pub mod jwk;
pub mod jwks;
pub mod key;
pub mod mint;
mod object;
pub mod public_key;
pub mod ring;
pub mod rules;
mod signature;
pub mod signing_key;
pub mod tokens;
#[cfg(test)]
mod vectors_tests;
pub mod verify;
#[cfg(test)]
mod verify_tests;

pub use error::TokenError;
pub use key::{Algorithm, DEV_KID, DEV_SECRET, Key, KeyError, RoomScope};
pub use mint::{MintError, Minted, NewToken};
pub use public_key::{PublicKey, PublicKeyError};
pub use ring::KeyRing;
pub use rules::{ClaimNames, Rules};
pub use signing_key::{SigningKey, SigningKeyError};
pub use tokens::Tokens;
pub use verify::{LEEWAY_MS, MAX_LIFE_MS, Published, Verified, Verifier};
