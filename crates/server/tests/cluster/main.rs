//! Several nodes over a real broker, and clients on each of them: what holds over every broker is in `stories`, once.

#[cfg(all(feature = "redis", feature = "nats"))]
mod authority;
#[path = "../brokers/mod.rs"]
#[expect(dead_code, reason = "the tests of the backplane use all of it")]
mod brokers;
#[cfg(feature = "redis")]
mod dev;
#[cfg(all(feature = "redis", feature = "nats"))]
mod faults;
#[cfg(feature = "redis")]
mod held_up;
#[cfg(feature = "redis")]
mod killed;
mod nodes;
#[cfg(feature = "redis")]
mod redis;
mod stories;
#[cfg(feature = "redis")]
mod strangers;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of one node use all of it")]
mod support;
#[cfg(all(feature = "redis", feature = "nats"))]
mod tls;
