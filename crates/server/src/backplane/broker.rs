//! What the supervisor needs of a broker: one trait to reach it, one for the link that stands until it fails.
//!
//! A link does not heal. Whatever goes wrong ends it, by the name of a [`Failure`], and the supervisor builds another one: there is
//! one way back for every broker, and it is taken often enough to work.

use std::{convert::Infallible, future::Future, sync::Arc};

use super::{health::Failure, inlet::Inlet, outgoing::Queue};

/// A broker that can be reached.
pub(super) trait Broker: Send + Sync + 'static {
    type Link: Link;

    /// Opens the connections. What arrives on them goes to `inlet`, and so does their end.
    fn connect(&self, inlet: &Inlet) -> impl Future<Output = Result<Self::Link, Failure>> + Send;
}

/// The connections to a broker; dropping it closes them.
pub(super) trait Link: Send + Sync {
    /// Sends what is in the queue, in its order, until the link fails.
    fn publish(&self, queue: &mut Queue) -> impl Future<Output = Result<Infallible, Failure>> + Send;

    /// Subscribes: done when the broker has confirmed all. What is subscribed already stays so.
    fn subscribe(&self, names: &[Arc<str>]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Unsubscribes.
    fn unsubscribe(&self, names: &[Arc<str>]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Asks, with every probe, whether this is still the right broker.
    fn check(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }
}
