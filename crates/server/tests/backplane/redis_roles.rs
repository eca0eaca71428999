//! Redis with replicas: who is the primary, and who was.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use aldis_server::backplane::{Cause, Event};

use crate::{
    brokers::{Broker, Redis, Sentinels, Signal, within},
    support::{Hears, Node, heal},
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
    heal(&mut north, &mut south).await;
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

#[tokio::test]
async fn sentinels_get_the_login_if_they_ask_for_it() {
    const PROTECTED: &[&str] = &["--requirepass", "c@nary"];
    let own = "requirepass c@nary\n";
    let of_primary = "sentinel auth-pass mymaster c@nary\n";
    // What the primary and the sentinel ask for, and the login in the address.
    let cases = [
        (PROTECTED, format!("{own}{of_primary}"), ":c%40nary@"),
        (PROTECTED, format!("{own}{of_primary}"), "default:c%40nary@"),
        (PROTECTED, of_primary.to_owned(), ":c%40nary@"),
        (&[], own.to_owned(), ":c%40nary@"),
    ];
    for (options, config, login) in cases {
        let primary = Redis::with(options).await;
        let sentinel = primary.sentinel(&config).await;
        let at = |login: &str| format!("redis+sentinel://{login}127.0.0.1:{}/mymaster", sentinel.port);
        let mut north = Node::at(&at(login), "north", "aldis", "north");
        north.up().await;
        if config.contains(own) {
            for wrong in ["", ":wrong@"] {
                let mut stranger = Node::at(&at(wrong), "stranger", "aldis", "north");
                stranger.degraded_by(Cause::Refused).await;
            }
        }
    }
}

/// Servers that accept connections and never say anything.
fn silent(count: usize) -> Vec<TcpListener> {
    (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect()
}

/// Their addresses and that of one that answers, by comma.
fn seeds(silent: &[TcpListener], last: u16) -> String {
    let ports = silent.iter().map(|listener| listener.local_addr().expect("an address").port());
    let seeds: Vec<String> = ports.chain([last]).map(|port| format!("127.0.0.1:{port}")).collect();
    seeds.join(",")
}

#[tokio::test]
async fn the_last_of_many_servers_is_found() {
    let redis = Redis::start().await;
    let sentinel = redis.sentinel("").await;
    // Each of them takes a second, and an attempt five.
    let silent = silent(6);
    let direct = format!("redis://{}", seeds(&silent, redis.port));
    let watched = format!("redis+sentinel://{}/mymaster", seeds(&silent, sentinel.port));
    let [mut north, mut south] =
        [("north", direct), ("south", watched)].map(|(name, address)| Node::at(&address, name, "aldis", "north"));
    north.up().await;
    south.up().await;
    // Whoever answered is asked first from then on: no probe waits for those that do not.
    for node in [&mut north, &mut south] {
        node.until("a probe", |event| matches!(event, Event::ProbeReturned(_)).then_some(())).await;
        assert_eq!(node.metric("probe_misses_total"), 0.0);
    }
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    for node in [&mut north, &mut south] {
        node.degraded_by(Cause::Lost).await;
        let lost = Instant::now();
        node.up().await;
        assert!(lost.elapsed() < Duration::from_secs(1), "the silent ones were asked first");
    }
}
