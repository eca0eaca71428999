//! Who may hold a connection: counted per node, per identity, and per address as long as no valid token was shown.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aldis_core::Moment;
use aldis_protocol::Identity;
use parking_lot::Mutex;

/// The counts of one node.
#[derive(Debug)]
pub struct Admission {
    connections: AtomicU64,
    identities: Counts<Identity>,
    addresses: Counts<IpAddr>,
    /// When the operator was last told that the node is full.
    warned: AtomicU64,
}

/// How often the operator is told that the node is full, at most, in milliseconds.
const WARNING_MS: u64 = 60_000;

/// How many there are of each key; a key without any takes no room.
#[derive(Debug)]
pub struct Counts<K>(Mutex<HashMap<K, u64>>);

/// One counted thing, until it is dropped.
#[derive(Debug)]
pub struct Counted<K: Hash + Eq + 'static> {
    key: K,
    of: fn(&Admission) -> &Counts<K>,
    admission: Arc<Admission>,
}

/// One counted connection of the node, until it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Admission>);

impl Default for Admission {
    fn default() -> Self {
        Self {
            connections: AtomicU64::new(0),
            identities: Counts(Mutex::new(HashMap::new())),
            addresses: Counts(Mutex::new(HashMap::new())),
            warned: AtomicU64::new(0),
        }
    }
}

impl Admission {
    /// Takes one of `max` connections of the node, if there is one left.
    #[must_use]
    pub fn connection(self: &Arc<Self>, max: u64) -> Option<Slot> {
        let taken = self.connections.fetch_add(1, Ordering::AcqRel);
        // Dropped at once where there was none left.
        let slot = Slot(Arc::clone(self));
        (taken < max).then_some(slot)
    }

    /// Takes one of `max` connections of an identity, if there is one left.
    #[must_use]
    pub fn identity(self: &Arc<Self>, identity: Identity, max: u64) -> Option<Counted<Identity>> {
        Counted::take(identity, |admission| &admission.identities, self, max)
    }

    /// Takes one of `max` unauthenticated requests of an IPv4 address or an IPv6 /64, if there is one left.
    #[must_use]
    pub fn address(self: &Arc<Self>, address: IpAddr, max: u64) -> Option<Counted<IpAddr>> {
        Counted::take(network(address), |admission| &admission.addresses, self, max)
    }

    /// Whether it is time to tell the operator again that the node is full.
    #[must_use]
    pub fn warns(&self, now: Moment) -> bool {
        let last = self.warned.load(Ordering::Relaxed);
        let due = last == 0 || now.since(Moment(last)) >= WARNING_MS;
        due && self.warned.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// How many connections the node has.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Acquire)
    }
}

impl<K: Hash + Eq + Clone> Counted<K> {
    fn take(key: K, of: fn(&Admission) -> &Counts<K>, admission: &Arc<Admission>, max: u64) -> Option<Self> {
        let mut counts = of(admission).0.lock();
        let count = counts.entry(key.clone()).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Self { key, of, admission: Arc::clone(admission) })
    }
}

impl<K: Hash + Eq + 'static> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = (self.of)(&self.admission).0.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What counts as one address: a provider gives a household a /64, so single IPv6 addresses mean nothing.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_is_dropped_is_given_back() {
        let admission = Arc::new(Admission::default());
        let ann = || Identity::parse("ann").expect("an identity");
        let first = admission.identity(ann(), 1);
        assert!(first.is_some());
        assert!(admission.identity(ann(), 1).is_none());
        assert!(admission.identity(Identity::parse("bob").expect("an identity"), 1).is_some());
        drop(first);
        assert!(admission.identity(ann(), 1).is_some());

        let slot = admission.connection(1);
        assert!(admission.connection(1).is_none());
        assert_eq!(admission.connections(), 1);
        drop(slot);
        assert_eq!(admission.connections(), 0);
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_one_is_ipv4() {
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), network(ip("2001:db8:1:2::1")));
        assert_ne!(network(ip("2001:db8:1:2::1")), network(ip("2001:db8:1:3::1")));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_ne!(network(ip("192.0.2.1")), network(ip("192.0.2.2")));
    }
}
