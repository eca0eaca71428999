//! Who asks: where a connection comes from, and which client a request on it counts for.
//!
//! A connection of a client is a stranger's from its first byte on, until it shows a good token. A connection of a trusted proxy
//! carries the requests of many clients: each of those counts for itself, and the proxy for nothing.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aldis_protocol::{ErrorCode, WireError, limits::Limit};
use axum::http::HeaderMap;
use parking_lot::Mutex;

use super::{forwarded, problem::RETRY_AFTER_MS};
use crate::{
    admission::{Counted, network},
    node::Node,
};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Remote {
    address: IpAddr,
    hop: Hop,
}

#[derive(Debug, Clone)]
enum Hop {
    /// A client, with its place.
    Client(Place),
    /// A proxy whose word is taken.
    Proxy,
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
        let hop = if node.trusted_proxies.contain(address) {
            Hop::Proxy
        } else {
            Hop::Client(Arc::new(Mutex::new(stranger(node, address))))
        };
        Self { address, hop }
    }

    /// A connection of a client that a proxy could not name: it counts for the proxy's address, and is not believed as the proxy is.
    #[must_use]
    pub fn unnamed(node: &Node, proxy: IpAddr) -> Self {
        let address = proxy.to_canonical();
        Self { address, hop: Hop::Client(Arc::new(Mutex::new(stranger(node, address)))) }
    }

    /// Who makes a request with these headers on the connection.
    #[must_use]
    pub fn caller(&self, node: &Node, headers: &HeaderMap) -> Caller {
        match &self.hop {
            Hop::Proxy => {
                let address = forwarded::client(self.address, headers, &node.trusted_proxies);
                Caller { address, place: Place::default() }
            }
            Hop::Client(place) => {
                if forwarded::is_told(headers) && is_private(self.address) {
                    node.unlisted_proxy.call_once(|| {
                        tracing::warn!(
                            "a private address sends X-Forwarded-For or Forwarded and is not believed: if it is your proxy, list it in \
                             trusted_proxies (ALDIS_TRUSTED_PROXIES), else all of its clients count as one address"
                        );
                    });
                }
                Caller { address: self.address, place: Arc::clone(place) }
            }
        }
    }

    /// The connection is no stranger's: of the operator.
    pub(super) fn recognise(&self) {
        if let Hop::Client(place) = &self.hop {
            *place.lock() = None;
        }
    }
}

impl Caller {
    /// Takes a place among the strangers of the address, if it has none and there is one left.
    pub(super) fn admit(&self, node: &Node) -> Result<(), WireError> {
        if self.has_place(node) {
            return Ok(());
        }
        node.metrics.limit(Limit::unauthenticated_per_address);
        Err(WireError::new(ErrorCode::AddressLimit).retry_after(RETRY_AFTER_MS))
    }

    /// The same, for what is no refusal.
    pub(super) fn has_place(&self, node: &Node) -> bool {
        let mut place = self.place.lock();
        if place.is_none() {
            *place = stranger(node, self.address);
        }
        place.is_some()
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

/// Whether an address is of this machine or its network, as a proxy in front of the server usually is.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // Not stable in the standard library: the addresses of a provider's own network, 100.64.0.0/10.
            let is_shared = a == 100 && b & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_what_the_internet_does_not_route() {
        let private = ["127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.1"];
        for text in private.into_iter().chain(["100.127.255.255", "fd00::1", "fc00::1", "fe80::1"]) {
            assert!(is_private(text.parse().expect(text)), "{text}");
        }
        for text in ["192.0.2.1", "172.32.0.1", "100.128.0.1", "100.63.0.1", "2001:db8::1", "fec0::1"] {
            assert!(!is_private(text.parse().expect(text)), "{text}");
        }
    }
}
