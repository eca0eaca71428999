//! What the operator sees: metrics, logs, and panics in them.

pub mod log;
pub mod metrics;
pub mod panic;
pub(crate) mod registering;
