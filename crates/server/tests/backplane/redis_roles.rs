//! Redis with replicas: who is the primary, and who was.

use aldis_server::backplane::Cause;

use crate::{
    brokers::{Broker, Redis, Sentinels, Signal, within},
    support::{Hears, Node},
};

#[tokio::test]
async fn a_replica_is_named_and_passed_over() {
    let primary = Redis::start().await;
    let replica = Redis::replica_of(&primary).await;
    let mut lost = replica.node("lost");
    lost.degraded_by(Cause::ReadOnly).await;
    let both = format!("{},127.0.0.1:{}", replica.address(), primary.port);
    let mut north = Node::at(&both, "north", "aldis", "north");
    north.up().await;
    let mut south = primary.node("south");
    south.up().await;
    for node in [&mut north, &mut south] {
        node.subscribe("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_left() {
    let primary = Redis::start().await;
    let other = Redis::start().await;
    let mut north = primary.node("north");
    north.up().await;
    // No connection is closed by this, and publishing is still answered.
    primary.command(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]).await;
    north.degraded_by(Cause::ReadOnly).await;
    primary.command(&["REPLICAOF", "NO", "ONE"]).await;
    north.up().await;
}

/// Two nodes at an address, in the room `lobby`.
async fn lobby(address: &str) -> (Node, Node) {
    let [mut north, mut south] = ["north", "south"].map(|name| Node::at(address, name, "aldis", "north"));
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribe("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
    (north, south)
}

#[tokio::test]
async fn a_failover_is_followed() {
    let mut watched = Sentinels::watching().await;
    let (mut north, mut south) = lobby(&watched.address()).await;
    watched.primary.kill().await;
    for node in [&mut north, &mut south] {
        node.degraded().await;
    }
    watched.sentinels[0].daemon.logged("+switch-master").await;
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}

#[tokio::test]
async fn a_primary_that_was_replaced_while_it_slept_is_left() {
    let mut watched = Sentinels::watching().await;
    let (mut north, mut south) = lobby(&watched.address()).await;
    watched.primary.daemon().signal(Signal::Stop);
    within("the failover", watched.sentinels[0].daemon.logged("+switch-master")).await;
    // It goes on as if it were still the one, with all its connections.
    watched.primary.daemon().signal(Signal::Continue);
    for node in [&mut north, &mut south] {
        node.degraded().await;
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}
