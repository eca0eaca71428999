//! Who asks: a connection is a stranger's from its first byte on, until it shows a good token.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aldis_protocol::{ErrorCode, WireError, limits::Limit};
use parking_lot::Mutex;

use crate::{
    admission::{Counted, network},
    node::Node,
};

/// How long a client is told to wait where its address has too many strangers, in milliseconds.
const RETRY_AFTER_MS: u64 = 5_000;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Remote {
    address: IpAddr,
    place: Place,
}

/// A place among the strangers of an address, if one was left.
type Place = Arc<Mutex<Option<Counted<IpAddr>>>>;

/// Who makes a request.
#[derive(Debug, Clone)]
pub struct Caller {
    address: IpAddr,
    place: Place,
}

impl Remote {
    /// A connection from an address.
    #[must_use]
    pub fn new(node: &Node, address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, place: Arc::new(Mutex::new(stranger(node, address))) }
    }

    /// Who makes a request on the connection.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller { address: self.address, place: Arc::clone(&self.place) }
    }
}

impl Caller {
    /// Takes a place among the strangers of the address, if it has none and there is one left.
    pub(super) fn admit(&self, node: &Node) -> Result<(), WireError> {
        let mut place = self.place.lock();
        if place.is_none() {
            *place = stranger(node, self.address);
        }
        if place.is_some() {
            return Ok(());
        }
        node.metrics.limit(Limit::unauthenticated_per_address);
        Err(WireError::new(ErrorCode::AddressLimit).retry_after(RETRY_AFTER_MS))
    }

    /// It has shown a good token.
    pub(super) fn recognise(&self) {
        *self.place.lock() = None;
    }

    /// Waits before a guess is answered, the longer the more its address has failed; not beyond the beginning of a drain. Whoever
    /// waits keeps its place, so that an address has only so many answers outstanding.
    pub(super) async fn pause(&self, node: &Node) {
        let failed = node.throttle.lock().fail(network(self.address), node.clock.now());
        if failed.forgotten > 0 {
            node.metrics.limit(Limit::auth_failures_tracked);
        }
        if failed.delay_ms == 0 {
            return;
        }
        node.metrics.limit(Limit::auth_failures_free);
        let is_longest = failed.delay_ms == node.limits.auth_delay_max_ms;
        node.metrics.limit(if is_longest { Limit::auth_delay_max_ms } else { Limit::auth_delay_ms });
        let abort = node.abort.token();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(failed.delay_ms)) => {}
            () = node.closing.cancelled() => {}
            () = abort.cancelled() => {}
        }
    }
}

fn stranger(node: &Node, address: IpAddr) -> Option<Counted<IpAddr>> {
    node.admission.address(address, node.limits.unauthenticated_per_address)
}
