//! The keys that issuers publish: fetched, kept, fetched anew.
//!
//! One task an issuer fetches, so there is never more than one fetch of it under way, whoever asks. What came last is a snapshot behind
//! an `Arc`; checking a token takes a copy of the pointer and waits for nobody. Only a token whose key is not there waits, for at most
//! two seconds, and only where a fetch is under way or may begin.
//!
//! | module | holds |
//! |---|---|
//! | `schedule` | when, as a pure function of time |
//! | [`source`] | [`Source`]: one issuer, its keys and its task |
//! | [`metrics`] | what is counted |

pub mod metrics;
mod schedule;
pub mod source;
#[cfg(test)]
mod tests;

pub use metrics::JwksMetrics;
pub use source::{JwksConfig, Source};
