//! Nodes at one broker, each a whole server.

use std::{future::Future, time::Duration};

use aldis_server::{
    backplane::{Address, Health},
    config::{Config, Secret},
    server::{Mode, Server},
};

use serde_json::{Value, json};

use crate::{
    brokers::{Broker, Way, within},
    support::{Aldis, Over, Peer, Request, Rig},
};

/// The secret of every cluster here.
pub(crate) const SECRET: &str = "cluster-0123456789abcdef-0123456789";

/// A node at a broker.
pub(crate) fn node(broker: &impl Broker, change: impl FnOnce(&mut Config)) -> Rig {
    launch(&broker.way(), change)
}

/// A node at an address.
pub(crate) fn node_at(address: &str, change: impl FnOnce(&mut Config)) -> Rig {
    launch(&Way::Address(address.to_owned()), change)
}

fn launch(way: &Way, change: impl FnOnce(&mut Config)) -> Rig {
    let configure = |config: &mut Config| {
        config.cluster_secret = Some(Secret::new(SECRET));
        if let Way::Address(address) = way {
            config.backplane.address = Address::parse(address).expect("an address");
        }
        change(config);
    };
    Rig::launch(Over::Plain, configure, |config| match way {
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

/// A metric of a node that is a process.
pub(crate) async fn figure(process: &Aldis, name: &str) -> u64 {
    let figures = process.ask("admin", Request::get("/metrics")).await.text();
    figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0)
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

/// Waits for a message of this type about this peer; only news of others may come before.
pub(crate) async fn hears(peer: &mut Peer, kind: &str, id: &str) -> Value {
    loop {
        let message = peer.next().await;
        let about = if message["peer"].is_object() { &message["peer"]["id"] } else { &message["id"] };
        if message["type"] == kind && about == id {
            return message;
        }
        let news = ["peer-joined", "peer-updated", "peer-away", "peer-back"];
        assert!(news.iter().any(|kind| message["type"] == *kind), "{message} instead of {kind} of {id}");
    }
}

/// Both reach each other.
pub(crate) async fn reached(one: &mut Peer, other: &mut Peer) {
    let (to_one, to_other) = (one.id.clone(), other.id.clone());
    one.tell(&to_other, "there?").await;
    told(other, &to_one, "there?").await;
    other.tell(&to_one, "here").await;
    told(one, &to_other, "here").await;
}

/// Waits for a message of a peer; only news of others may come before.
async fn told(peer: &mut Peer, from: &str, data: &str) {
    loop {
        let message = peer.next().await;
        if message["type"] == "message" {
            assert_eq!((&message["from"], &message["data"]), (&json!(from), &json!(data)));
            return;
        }
        assert!(message["type"].as_str().is_some_and(|kind| kind.starts_with("peer-")), "{message}");
    }
}
