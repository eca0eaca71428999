//! What the operator sees: metrics and logs.

pub mod log;
pub mod metrics;
