//! What holds over every broker: each story runs over memory, NATS and Redis.

use std::{future::Future, time::Duration};

use aldis_core::{Duplicates, revocation::Target};
use aldis_protocol::Identity;
use aldis_server::{backplane::MemoryBus, config::DegradedJoins};
use serde_json::{Value, json};

#[cfg(feature = "nats")]
use crate::brokers::Nats;
#[cfg(feature = "redis")]
use crate::brokers::Redis;
use crate::{
    brokers::Broker,
    nodes::{hears, node, nodes, reached, sees, until},
    support::{Peer, Request, Rig, Token},
};

/// The ids and the parts that a `welcome` or the messages so far show of others.
fn order(welcome: &Value) -> Vec<(String, bool)> {
    let peers = welcome["peers"].as_array().expect("peers");
    let part = |peer: &Value| {
        (peer["identity"].as_str().expect("an identity").to_owned(), peer["polite"].as_bool().expect("a part"))
    };
    peers.iter().map(part).collect()
}

fn own(pairs: &[(&str, bool)]) -> Vec<(String, bool)> {
    pairs.iter().map(|(name, polite)| ((*name).to_owned(), *polite)).collect()
}

async fn clients_of_different_nodes_meet<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    let mut bob = south.v1("bob").await;
    assert_eq!(order(&bob.welcome), own(&[("ann", true)]), "the newcomer yields");
    assert!(ann.welcome.get("degraded").is_none(), "{}", ann.welcome);
    assert_eq!(ann.expect_about("peer-joined", &bob.id).await["peer"]["polite"], false);
    let (to_ann, to_bob) = (ann.id.clone(), bob.id.clone());
    for number in 0..100 {
        ann.tell_with_receipt(&to_bob, number, &number.to_string()).await;
    }
    for number in 0..100 {
        bob.told(&to_ann, number).await;
        let receipt = ann.expect("receipt").await;
        assert_eq!((&receipt["re"], &receipt["status"]), (&json!(number.to_string()), &json!("written")));
    }
    bob.tell(&to_ann, "and back").await;
    ann.told(&to_bob, "and back").await;
    ready(&north).await;
    assert_eq!(north.metric("aldis_cluster_nodes"), 1);
}

async fn everybody_sees_one_room<B: Broker>() {
    let broker = B::start().await;
    let [north, south, east] = nodes(&broker).await;
    let mut ann = north.v1(Token::of("ann").all()).await;
    let mut bob = south.v1(Token::of("bob").all()).await;
    let mut cat = east.raw(Token::of("cat").all()).await;
    let dan = north.v1("dan").await;
    assert_eq!(order(&bob.welcome), own(&[("ann", true)]));
    assert_eq!(order(&cat.welcome), own(&[("ann", true), ("bob", true)]));
    assert_eq!(order(&dan.welcome), own(&[("ann", true), ("bob", true), ("cat", true)]));
    for peer in [&mut ann, &mut bob, &mut cat] {
        hears(peer, "peer-joined", &dan.id).await;
    }
    // What one says reaches all nodes.
    ann.send(json!({ "type": "message", "data": "all" })).await;
    for peer in [&mut bob, &mut cat] {
        peer.told(&ann.id, "all").await;
    }
    bob.send(json!({ "type": "update", "attributes": { "muted": true } })).await;
    let updated = hears(&mut cat, "peer-updated", &bob.id).await;
    assert_eq!(updated["peer"]["attributes"], json!({ "muted": true }));
    hears(&mut ann, "peer-updated", &bob.id).await;
    // A moderator removes whom another node has, and is asked whether it lives.
    ann.send(json!({ "type": "check", "id": cat.id })).await;
    let asked = cat.id.clone();
    assert_eq!(while_alive(&mut cat, hears(&mut ann, "checked", &asked)).await["presence"], "here");
    ann.send(json!({ "type": "remove", "id": cat.id })).await;
    cat.closed_with(4410, "removed").await;
    assert_eq!(hears(&mut bob, "peer-left", &cat.id).await["reason"], "removed");
    assert_eq!(hears(&mut ann, "peer-left", &cat.id).await["final"], true);
    // A goodbye is final everywhere.
    bob.send(json!({ "type": "leave" })).await;
    assert_eq!(hears(&mut ann, "peer-left", &bob.id).await["reason"], "left");
    ann.tell_with_receipt(&bob.id, 1, "late").await;
    assert_eq!(ann.refused("peer-gone").await["re"], "late");
}

async fn what_a_newcomer_says_at_once_is_understood<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    for round in 0..20 {
        let mut bob = south.raw("bob").await;
        bob.tell(&ann.id, round).await;
        hears(&mut ann, "peer-joined", &bob.id).await;
        ann.told(&bob.id, round).await;
        bob.close(1000).await;
        hears(&mut ann, "peer-left", &bob.id).await;
    }
}

async fn a_session_resumes_on_another_node<B: Broker>() {
    let broker = B::start().await;
    let [north, south, east] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    let mut old = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &old.id).await;
    // The old connection is half open: nobody knows that it is dead.
    let mut new = east.resume("bob", &old.resume_token()).await;
    assert_eq!((&new.welcome["resumed"], &new.id), (&json!(true), &old.id));
    assert_eq!(order(&new.welcome), own(&[("ann", true)]), "its place is kept");
    old.closed_with(4419, "superseded").await;
    assert_eq!(east.metric("aldis_joins_total{reason=\"moved\"}"), 1);
    tell_whoever_moved(&mut ann, &new.id, "there?").await;
    new.told(&ann.id, "there?").await;
    new.tell(&ann.id, "here").await;
    ann.told(&new.id, "here").await;
    // And back, with the oldest token: a lost `welcome` locks nobody out.
    let third = south.resume("bob", &old.resume_token()).await;
    assert_eq!(third.welcome["resumed"], true);
    new.closed_with(4419, "superseded").await;
    ann.is_quiet().await;
}

async fn a_connection_that_broke_is_found_elsewhere<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    let bob = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &bob.id).await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    bob.into_socket().reset();
    hears(&mut ann, "peer-away", &id).await;
    let again = north.resume("bob", &token).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &id));
    hears(&mut ann, "peer-back", &id).await;
}

async fn a_post_that_came_to_another_node_may_try_again<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut bob = south.v1("bob").await;
    let ann = north.events("ann").await;
    hears(&mut bob, "peer-joined", &ann.id).await;
    let post = || ann.request(1, &[json!({ "type": "message", "to": bob.id, "data": "up" })]);
    let astray = south.ask(post()).await;
    assert_eq!((astray.status, astray.problem().as_str()), (503, "unavailable"));
    assert!(astray.header("retry-after").is_some());
    assert_eq!(north.ask(post()).await.status, 204);
    bob.told(&ann.id, "up").await;
}

async fn an_identity_is_one_over_all_nodes<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let token = |rule| Token::of("ann").duplicates(rule);
    let mut first = north.v1("ann").await;
    let mut second = south.v1(token(Duplicates::Replace)).await;
    first.closed_with(4409, "replaced").await;
    let mut socket = north.greeting(token(Duplicates::Reject)).await;
    socket.send(json!({ "type": "hello", "protocol": 1 })).await;
    assert_eq!(socket.closed_with(4423, "identity-taken").await["type"], "error");
    second.heard().await;
    let allowed = north.v1("ann").await;
    hears(&mut second, "peer-joined", &allowed.id).await;
}

async fn a_room_is_full_over_all_nodes<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let token = |name| Token::of(name).max_peers(2);
    let ann = north.v1(token("ann")).await;
    let _bob = south.v1(token("bob")).await;
    for rig in [&north, &south] {
        let mut socket = rig.greeting(token("cat")).await;
        socket.send(json!({ "type": "hello", "protocol": 1 })).await;
        socket.closed_with(4423, "room-full").await;
    }
    // Whoever was inside comes back, on whichever node.
    let again = south.resume(token("ann"), &ann.resume_token()).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &ann.id));
}

async fn two_who_come_at_once_share_the_last_seat<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let join = async |rig: &Rig, name: &str| {
        let mut socket = rig.greeting(Token::of(name).max_peers(1)).await;
        socket.send(json!({ "type": "hello", "protocol": 1 })).await;
        let first = socket.next().await;
        (first["type"] == "welcome", socket)
    };
    let (ann, bob) = tokio::join!(join(&north, "ann"), join(&south, "bob"));
    assert!(ann.0 != bob.0, "one of them is in: {} {}", ann.0, bob.0);
}

async fn without_its_broker_a_node_serves_its_own<B: Broker>() {
    let mut broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    let mut bob = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &bob.id).await;
    ready(&north).await;
    broker.kill().await;
    for peer in [&mut ann, &mut bob] {
        assert_eq!(peer.expect("notice").await["code"], "backplane-degraded");
    }
    let ready = north.ask(Request::get("/readyz")).await;
    assert_eq!((ready.status, ready.text().starts_with("degraded: the backplane is ")), (200, true), "{ready:?}");
    // What crosses nodes is refused by name, and what does not goes on.
    ann.tell_with_receipt(&bob.id, 1, "m").await;
    let refused = ann.refused("unavailable").await;
    assert_eq!((&refused["re"], &refused["outcome"]), (&json!("m"), &json!("not-delivered")));
    let mut cat = north.v1("cat").await;
    assert_eq!(cat.welcome["degraded"], true);
    hears(&mut ann, "peer-joined", &cat.id).await;
    ann.tell(&cat.id, "near").await;
    cat.told(&ann.id, "near").await;

    broker.revive().await;
    for peer in [&mut ann, &mut bob, &mut cat] {
        hears_notice(peer, "backplane-restored").await;
    }
    // Nobody was said to have left, and who came meanwhile is seen.
    hears(&mut bob, "peer-joined", &cat.id).await;
    reached(&mut ann, &mut bob).await;
    assert_eq!(north.ask(Request::get("/readyz")).await.text(), "ok\n");
}

async fn a_node_that_is_set_to_it_takes_nobody_new_without_its_broker<B: Broker>() {
    let mut broker = B::start().await;
    let north = node(&broker, |config| config.backplane.degraded = DegradedJoins::Refused);
    sees(&north, 0).await;
    let mut ann = north.v1("ann").await;
    broker.kill().await;
    assert_eq!(ann.expect("notice").await["code"], "backplane-degraded");

    let probe = north.ask(Request::get(format!("/v1/signal?token={}", north.mint("bob")))).await;
    assert_eq!((probe.status, probe.problem().as_str()), (503, "overloaded"));
    assert_eq!(probe.header("retry-after"), Some("5"));
    let mut bob = north.open(Request::upgrade("/v1/signal").v1(&north.mint("bob"))).await;
    bob.send(json!({ "type": "hello", "protocol": 1 })).await;
    bob.closed_with(1013, "overloaded").await;
    // Whoever is here already stays, also over a reconnect.
    let mut again = north.resume("ann", &ann.resume_token()).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &ann.id));

    broker.revive().await;
    hears_notice(&mut again, "backplane-restored").await;
    let cat = north.v1("cat").await;
    hears(&mut again, "peer-joined", &cat.id).await;
}

/// Waits until a node takes clients.
async fn ready(rig: &Rig) {
    until("a ready node", async || {
        let answer = rig.ask(Request::get("/readyz")).await;
        let starts = answer.status == 503 && answer.text().starts_with("starting: ");
        assert!(starts || answer.text() == "ok\n", "{answer:?}");
        (!starts).then_some(())
    })
    .await;
}

/// Revokes something for a minute, at a node.
fn revoke(rig: &Rig, target: Target) {
    let node = rig.server.node();
    node.driver.revoke(target, node.clock.unix_ms() + 60_000, 0, None).expect("a place");
}

fn of(name: &str) -> Target {
    Target::Identity { identity: Identity::parse(name).expect("an identity") }
}

/// The code that a node refuses somebody's new token with; none where it lets it in.
async fn refused(rig: &Rig, name: &str) -> Option<String> {
    let answer = rig.ask(Request::get("/v1/signal").bearer(&rig.mint(name))).await;
    (answer.status != 200).then(|| answer.problem())
}

async fn what_is_revoked_on_one_node_counts_on_all<B: Broker>() {
    let broker = B::start().await;
    let [north, south, east] = nodes(&broker).await;
    let mut ann = north.v1(Token::of("ann").all()).await;
    let mut bob = south.v1("bob").await;
    let mut cat = east.v1("cat").await;
    for peer in [&bob.id, &cat.id] {
        hears(&mut ann, "peer-joined", peer).await;
    }
    revoke(&north, of("bob"));
    bob.closed_with(4403, "token-revoked").await;
    let left = hears(&mut ann, "peer-left", &bob.id).await;
    assert_eq!((&left["reason"], &left["final"]), (&json!("removed"), &json!(true)));
    for rig in [&north, &south, &east] {
        until("the news", async || (refused(rig, "bob").await.as_deref() == Some("token-revoked")).then_some(())).await;
    }
    // It comes back nowhere, and what is lifted is lifted everywhere.
    let mut back = east.greeting("bob").await;
    back.send(json!({ "type": "hello", "protocol": 1, "resume": bob.resume_token() })).await;
    back.closed_with(4403, "token-revoked").await;
    assert!(south.server.node().driver.lift(&of("bob")));
    for rig in [&north, &south, &east] {
        until("the end of it", async || refused(rig, "bob").await.is_none().then_some(())).await;
    }
    // A moderator keeps somebody of another node out.
    ann.send(json!({ "type": "remove", "id": cat.id, "forMs": 60_000 })).await;
    cat.closed_with(4410, "removed").await;
    until("the news", async || (refused(&south, "cat").await.as_deref() == Some("token-revoked")).then_some(())).await;
}

async fn a_node_that_starts_has_what_the_others_hold<B: Broker>() {
    let broker = B::start().await;
    let north = node(&broker, |_| {});
    ready(&north).await;
    (0..2_000).for_each(|number| revoke(&north, of(&format!("somebody-{number}"))));
    let south = node(&broker, |_| {});
    ready(&south).await;
    assert_eq!(south.metric("aldis_revocations{kind=\"identity\"}"), 2_000);
    assert_eq!(refused(&south, "somebody-1999").await.as_deref(), Some("token-revoked"));
}

async fn who_missed_it_gets_it_when_the_broker_is_back<B: Broker>() {
    let mut broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut bob = south.v1("bob").await;
    broker.kill().await;
    hears_notice(&mut bob, "backplane-degraded").await;
    revoke(&north, of("bob"));
    assert_eq!(refused(&north, "bob").await.as_deref(), Some("token-revoked"));
    assert_eq!(refused(&south, "bob").await, None, "it cannot have heard of it");
    broker.revive().await;
    hears_notice(&mut bob, "backplane-restored").await;
    bob.closed_with(4403, "token-revoked").await;
    assert_eq!(refused(&south, "bob").await.as_deref(), Some("token-revoked"));
    assert!(south.metric("aldis_cluster_revocation_copies_total") > 0);
}

/// Sends until it is written: as long as news of a move is under way, what goes to the node of before is refused by name.
async fn tell_whoever_moved(peer: &mut Peer, to: &str, data: &str) {
    for attempt in 0.. {
        peer.tell_with_receipt(to, data, &attempt.to_string()).await;
        let answer = peer.next().await;
        if answer["type"] == "receipt" {
            assert_eq!(answer["status"], "written", "{answer}");
            return;
        }
        assert_eq!((&answer["code"], &answer["outcome"]), (&json!("unavailable"), &json!("not-delivered")), "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for something while a client answers what its server asks.
async fn while_alive<T>(peer: &mut Peer, event: impl Future<Output = T>) -> T {
    let alive = async {
        loop {
            peer.heard().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        event = event => event,
        () = alive => unreachable!("it has no end"),
    }
}

async fn hears_notice(peer: &mut Peer, code: &str) {
    loop {
        let message = peer.next().await;
        assert_ne!(message["type"], "peer-left", "{message}");
        if message["type"] == "notice" {
            assert_eq!(message["code"], code);
            return;
        }
    }
}

async fn a_broker_may_come_after_its_nodes<B: Broker>() {
    let mut broker = B::planned();
    let (north, south) = (node(&broker, |_| {}), node(&broker, |_| {}));
    let mut ann = north.v1("ann").await;
    let mut bob = south.v1("bob").await;
    assert_eq!((&ann.welcome["degraded"], &bob.welcome["degraded"]), (&json!(true), &json!(true)));
    broker.revive().await;
    for peer in [&mut ann, &mut bob] {
        hears_notice(peer, "backplane-restored").await;
    }
    hears(&mut ann, "peer-joined", &bob.id).await;
    hears(&mut bob, "peer-joined", &ann.id).await;
    reached(&mut ann, &mut bob).await;
}

async fn a_node_that_leaves_says_goodbye<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    let bob = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &bob.id).await;
    // Bob does as SDKs do: the next connection stands before the old one is let go.
    let mut old = bob;
    let draining = async {
        let hint = old.expect("reconnect").await;
        assert_eq!(hint["reason"], "drain");
        let refused = south.refusal(Request::upgrade("/v1/signal").v1(&south.mint("cat"))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "draining"));
        let new = north.resume("bob", &old.resume_token()).await;
        assert_eq!((&new.welcome["resumed"], &new.id), (&json!(true), &old.id));
        old.closed_with(4419, "superseded").await;
        new
    };
    let ((), mut new) = tokio::join!(south.server.drain(), draining);
    sees(&north, 0).await;
    ann.is_quiet().await;
    reached(&mut ann, &mut new).await;
}

/// The stories, over one broker.
macro_rules! stories {
    ($module:ident: $broker:ty) => {
        mod $module {
            use super::*;
            stories!($broker:
                clients_of_different_nodes_meet,
                everybody_sees_one_room,
                what_a_newcomer_says_at_once_is_understood,
                a_session_resumes_on_another_node,
                a_connection_that_broke_is_found_elsewhere,
                a_post_that_came_to_another_node_may_try_again,
                an_identity_is_one_over_all_nodes,
                a_room_is_full_over_all_nodes,
                two_who_come_at_once_share_the_last_seat,
                without_its_broker_a_node_serves_its_own,
                a_node_that_is_set_to_it_takes_nobody_new_without_its_broker,
                a_broker_may_come_after_its_nodes,
                a_node_that_leaves_says_goodbye,
                what_is_revoked_on_one_node_counts_on_all,
                a_node_that_starts_has_what_the_others_hold,
                who_missed_it_gets_it_when_the_broker_is_back,
            );
        }
    };
    ($broker:ty: $($story:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story::<$broker>().await;
            }
        )+
    };
}

stories!(memory: MemoryBus);
#[cfg(feature = "nats")]
stories!(nats: Nats);
#[cfg(feature = "redis")]
stories!(redis: Redis);
