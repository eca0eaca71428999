//! `check`: is the signaling of a peer alive?

use serde_json::json;

use crate::support::{Frame, Peer, Rig, Token};

async fn ask(peer: &mut Peer, id: &str) {
    peer.send(json!({ "type": "check", "id": id })).await;
}

async fn answer(peer: &mut Peer, id: &str, presence: &str) {
    assert_eq!(peer.next().await, json!({ "type": "checked", "id": id, "presence": presence }));
}

#[tokio::test]
async fn a_peer_that_answers_is_here_and_one_that_has_left_is_gone() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.raw("bob").await);
    let stranger = rig.raw(Token::of("eve").room("cellar")).await;
    ann.expect("peer-joined").await;
    let id = bob.id.clone();
    ask(&mut ann, &id).await;
    assert_eq!(bob.frame().await, Frame::Ping);
    // Any byte is a sign of life.
    bob.send(json!({ "type": "ping" })).await;
    answer(&mut ann, &id, "here").await;
    bob.expect("pong").await;
    bob.close(1000).await;
    ann.expect("peer-left").await;
    for gone in [id, stranger.id.clone(), ann.id.clone(), "nobody".to_owned()] {
        ask(&mut ann, &gone).await;
        answer(&mut ann, &gone, "gone").await;
    }
}

#[tokio::test]
async fn a_half_open_peer_is_found_out_by_the_probe() {
    let rig = Rig::start(|config| config.limits.probe_ms = 60);
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    ask(&mut ann, &bob.id).await;
    // Nothing comes back from him.
    answer(&mut ann, &bob.id, "away").await;
    ask(&mut ann, &bob.id).await;
    answer(&mut ann, &bob.id, "away").await;
    assert_eq!(rig.metric("aldis_closed_total{code=\"4408\"}"), 1);
    // A raw one has left.
    let carol = rig.raw("carol").await;
    ann.expect("peer-joined").await;
    ask(&mut ann, &carol.id).await;
    answer(&mut ann, &carol.id, "gone").await;
    ann.expect_about("peer-left", &carol.id).await;
}

#[tokio::test]
async fn a_peer_whose_connection_broke_is_away() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let id = bob.id.clone();
    ask(&mut ann, &id).await;
    bob.into_socket().reset();
    let mut said = [ann.next().await, ann.next().await];
    said.sort_by_key(|message| message["type"].to_string());
    assert_eq!(said[0], json!({ "type": "checked", "id": id, "presence": "away" }));
    assert_eq!(said[1]["type"], "peer-away");
}
