//! The backplane over real brokers: each test has a broker of its own, on free ports, with its data in a temporary folder.
//!
//! What every broker must do is in `contract`, once; what is special to one is in its own file.

#[path = "../brokers/mod.rs"]
mod brokers;
mod contract;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod nats_cluster;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_roles;
mod support;
