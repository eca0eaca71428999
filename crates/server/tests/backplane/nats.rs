//! One NATS server, and what can happen to it.

use aldis_protocol::NodeId;
use aldis_server::backplane::{Cause, Refused, Subject};

use crate::{
    brokers::{Broker, Nats, Signal},
    contract::contract,
    support::{Hears, Node, heal, lobby},
};

contract!(Nats);
contract!(Nats: junk_is_dropped_and_counted, what_did_not_go_out_is_handed_back, a_stopped_one_refuses_what_is_too_much);

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
    heal(&mut north, &mut south).await;
}

#[tokio::test]
async fn only_who_sees_the_question_can_claim_that_nobody_reads() {
    let mut nats = Nats::start().await;
    let mut north = nats.node("north");
    north.up().await;
    let nobody = Subject::Inbox(NodeId::parse("nobody").expect("an id"));
    let mut seen = Vec::new();
    for tag in [1, 2] {
        let mut tap = nats.tap("aldis.i.*").await;
        north.ask(&nobody, "read by the tap alone", tag);
        let reply = tap.reply().await;
        let parts: Vec<_> = reply.split('.').map(str::to_owned).collect();
        let [prefix, kind, secret, to, last] = &parts[..] else { panic!("{reply}") };
        assert_eq!((&prefix[..], &kind[..], &to[..], &last[..]), ("aldis", "unread", "inbox", &tag.to_string()[..]));
        assert_eq!(secret.len(), 22, "128 bits");
        // Everything but the secret can be guessed; that of an earlier link is of no use either.
        for guess in seen.iter().chain([&"A".repeat(22)]) {
            tap.claim_unread(&format!("aldis.unread.{guess}.inbox.{tag}")).await;
        }
        tap.claim_unread(&format!("aldis.unread.{secret}.inbox.9{tag}")).await;
        assert_eq!(north.unread().await, 90 + tag, "a guess counted, or whoever sees the subject is not believed");
        seen.push(secret.clone());
        drop(tap);
        nats.kill().await;
        north.degraded().await;
        nats.revive().await;
        north.up().await;
    }
    assert_ne!(seen[0], seen[1], "each link has its own");
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
    heal(&mut north, &mut south).await;
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
