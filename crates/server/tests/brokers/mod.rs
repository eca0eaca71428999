//! Brokers as processes, each on a free port and with its data in a temporary folder, and the one inside a process.

mod daemon;
mod memory;
mod nats;
mod ports;
mod redis;
mod server;

use std::{future::Future, time::Duration};

use aldis_server::backplane::MemoryBus;

pub(crate) use daemon::{Daemon, Signal};
pub(crate) use nats::Nats;
pub(crate) use ports::free_port;
pub(crate) use redis::{Redis, Sentinels};

/// Longer than anything here takes on a busy machine: whoever waits for it waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for an event that must come.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Where a broker is.
pub(crate) enum Way {
    /// At this address.
    Address(String),
    /// In this process.
    Bus(MemoryBus),
}

/// A broker that can die.
pub(crate) trait Broker: Sized {
    /// Starts one.
    fn start() -> impl Future<Output = Self>;

    /// One that does not run yet, though its address is known.
    fn planned() -> Self;

    /// Where it is.
    fn way(&self) -> Way;

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

/// A broker that can be stopped without closing a connection.
pub(crate) trait Stops: Broker {
    /// From now on it takes nothing.
    fn stop(&mut self);

    /// It goes on as if nothing had been.
    fn go_on(&mut self);
}
