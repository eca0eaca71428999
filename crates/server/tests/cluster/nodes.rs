//! Nodes at one broker, each a whole server.

use std::{future::Future, time::Duration};

use aldis_server::{
    backplane::{Address, Health},
    config::{Config, Secret},
    server::{Mode, Server},
};

use crate::{
    brokers::{Broker, Way, within},
    support::{Over, Rig},
};

/// The secret of every cluster here.
const SECRET: &str = "cluster-0123456789abcdef-0123456789";

/// A node at a broker.
pub(crate) fn node(broker: &impl Broker, change: impl FnOnce(&mut Config)) -> Rig {
    let way = broker.way();
    let configure = |config: &mut Config| {
        config.cluster_secret = Some(Secret::new(SECRET));
        if let Way::Address(address) = &way {
            config.backplane.address = Address::parse(address).expect("an address");
        }
        change(config);
    };
    Rig::launch(Over::Plain, configure, |config| match &way {
        Way::Address(_) => Server::start(config, Mode::Serve),
        Way::Bus(bus) => Server::start_on(bus, config, Mode::Serve),
    })
}

/// So many nodes at a broker, which reach each other.
pub(crate) async fn nodes<const N: usize>(broker: &impl Broker) -> [Rig; N] {
    let nodes = std::array::from_fn(|_| node(broker, |_| {}));
    for rig in &nodes {
        sees(rig, N - 1).await;
    }
    nodes
}

/// Waits until the backplane of a node is up, and it knows so many others.
pub(crate) async fn sees(rig: &Rig, others: usize) {
    let membership = rig.server.node().membership.as_ref().expect("a membership");
    let seen = || membership.health() == Health::Up && membership.others() == others;
    until("the other nodes", || async { seen().then_some(()) }).await;
}

/// Looks again and again until something is there: for what comes without an event.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, found).await
}
