//! Brokers as processes, and nodes that listen.

mod daemon;
mod nats;
mod node;
mod ports;
mod redis;

use std::{future::Future, time::Duration};

pub(crate) use daemon::{Daemon, Signal};
pub(crate) use nats::Nats;
pub(crate) use node::{Node, room};
pub(crate) use ports::free_port;
pub(crate) use redis::{Redis, Sentinel};

/// Longer than anything here takes on a busy machine: whoever waits for it waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for an event that must come.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// What the contract needs of a broker.
pub(crate) trait Broker: Sized {
    /// Starts one.
    fn start() -> impl Future<Output = Self>;

    /// One that does not run yet, though its address is known.
    fn planned() -> Self;

    /// A node at it.
    fn node(&self, name: &str) -> Node {
        self.node_with(name, "aldis", "north")
    }

    /// A node at it, of a deployment with this prefix and secret.
    fn node_with(&self, name: &str, prefix: &str, secret: &str) -> Node;

    /// Ends it without a word.
    fn kill(&mut self) -> impl Future<Output = ()>;

    /// Starts it where it was.
    fn revive(&mut self) -> impl Future<Output = ()>;
}

/// A broker to which anybody can write anything.
pub(crate) trait Open: Broker {
    /// Publishes bytes as a client that is no node.
    fn inject(&self, name: &str, bytes: &[u8]) -> impl Future<Output = ()>;
}
