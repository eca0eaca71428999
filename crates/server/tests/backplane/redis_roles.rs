//! Redis with replicas: who is the primary, and who was.

use aldis_server::backplane::Cause;

use crate::{
    brokers::{Broker, Redis, Sentinel, Signal, within},
    support::{Hears, Node},
};

/// A replica that has all its primary has.
async fn replica_of(primary: &Redis) -> Redis {
    let mut replica = Redis::with(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]).await;
    replica.daemon().logged("Finished with success").await;
    replica
}

#[tokio::test]
async fn a_replica_is_named_and_passed_over() {
    let primary = Redis::start().await;
    let replica = replica_of(&primary).await;
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

/// A primary, its replica, three sentinels that know both, and the address.
async fn watched() -> (Redis, Redis, Vec<Sentinel>, String) {
    let primary = Redis::start().await;
    let replica = replica_of(&primary).await;
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Sentinel::watch(&primary, 2).await);
    }
    for sentinel in &mut sentinels {
        sentinel.daemon.logged("+sentinel sentinel").await;
        sentinel.daemon.logged("+sentinel sentinel").await;
    }
    let seeds: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    let address = format!("redis+sentinel://{}/mymaster", seeds.join(","));
    (primary, replica, sentinels, address)
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
    let (mut primary, _replica, mut sentinels, address) = watched().await;
    let (mut north, mut south) = lobby(&address).await;
    primary.kill().await;
    for node in [&mut north, &mut south] {
        node.degraded().await;
    }
    sentinels[0].daemon.logged("+switch-master").await;
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}

#[tokio::test]
async fn a_primary_that_was_replaced_while_it_slept_is_left() {
    let (mut primary, _replica, mut sentinels, address) = watched().await;
    let (mut north, mut south) = lobby(&address).await;
    primary.daemon().signal(Signal::Stop);
    within("the failover", sentinels[0].daemon.logged("+switch-master")).await;
    // It goes on as if it were still the one, with all its connections.
    primary.daemon().signal(Signal::Continue);
    for node in [&mut north, &mut south] {
        node.degraded().await;
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}
