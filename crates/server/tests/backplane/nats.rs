//! One NATS server, and what can happen to it.

use aldis_server::backplane::{Cause, Refused, Subject};

use crate::{
    brokers::{Broker, Nats, Signal},
    contract::contract,
    support::{Hears, Node},
};

contract!(Nats);
contract!(Nats: junk_is_dropped_and_counted);

/// Two nodes in the room `lobby`.
async fn lobby(nats: &Nats) -> (Node, Node) {
    let (mut north, mut south) = (nats.node("north"), nats.node("south"));
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribe("lobby").await;
    }
    (north, south)
}

#[tokio::test]
async fn a_stopped_server_is_deafness_and_heals() {
    let mut nats = Nats::start().await;
    let (mut north, mut south) = lobby(&nats).await;
    nats.daemon().signal(Signal::Stop);
    for node in [&mut north, &mut south] {
        node.degraded_by(Cause::Deaf).await;
        assert_eq!(node.say(&Subject::Nodes, "lost"), Err(Refused::Down));
        assert_eq!(node.metric("probe_misses_total"), 2.0);
    }
    nats.daemon().signal(Signal::Continue);
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}

#[tokio::test]
async fn a_lame_duck_is_left_and_its_successor_found() {
    let mut nats = Nats::start().await;
    let (mut north, mut south) = lobby(&nats).await;
    nats.daemon().signal(Signal::User2);
    for node in [&mut north, &mut south] {
        node.degraded_by(Cause::LameDuck).await;
    }
    nats.kill().await;
    nats.revive().await;
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(&mut south, "lobby").await;
}

#[tokio::test]
async fn logins_let_in_and_wrong_ones_are_named() {
    let nats = Nats::with(&["--auth", "t@ken"]).await;
    let mut wrong = Node::at(&format!("nats://wrong@127.0.0.1:{}", nats.port), "wrong", "aldis", "north");
    wrong.degraded_by(Cause::Refused).await;
    let mut right = Node::at(&format!("nats://t%40ken@127.0.0.1:{}", nats.port), "right", "aldis", "north");
    right.up().await;
    let nats = Nats::with(&["--user", "ann", "--pass", "secret"]).await;
    let mut named = Node::at(&format!("nats://ann:secret@127.0.0.1:{}", nats.port), "named", "aldis", "north");
    named.up().await;
}
