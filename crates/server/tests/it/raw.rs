//! Raw clients: they just connect, and leave with their connection.

use serde_json::json;

use crate::support::{Rig, Token};

#[tokio::test]
async fn two_raw_clients_meet() {
    let rig = Rig::usual();
    let mut ann = rig.raw(Token::of("auth0|ann").name("Ann").metadata(&json!({ "role": "host" }))).await;
    let welcome = &ann.welcome;
    assert_eq!((&welcome["protocol"], &welcome["resumed"], &welcome["peers"]), (&json!(1), &json!(false), &json!([])));
    assert_eq!((&welcome["room"]["id"], &welcome["room"]["maxPeers"]), (&json!("lobby"), &json!(100)));
    assert!(welcome.get("resume").is_none(), "{welcome}");
    assert_eq!(welcome["limits"]["messageBytes"], 65_536);
    let mut bob = rig.raw("bob").await;

    // The newcomer yields: of the pair exactly one is polite.
    let ann_as_seen = &bob.welcome["peers"][0];
    let expected = json!({
        "id": ann.id, "identity": "auth0|ann", "name": "Ann", "metadata": { "role": "host" },
        "presence": "here", "polite": true, "features": [],
    });
    assert_eq!(ann_as_seen, &expected);
    let bob_as_seen = ann.expect("peer-joined").await;
    assert_eq!(bob_as_seen["peer"]["polite"], false);
    let (from, to) = (ann.id.clone(), bob.id.clone());

    // What any tutorial sends.
    ann.send(json!({ "type": "offer", "sdp": "v=0\r\n", "to": to })).await;
    assert_eq!(bob.next().await, json!({ "type": "offer", "from": from, "sdp": "v=0\r\n" }));
    bob.send(json!({ "type": "answer", "sdp": "", "to": from, "msg": "7", "receipt": true, "x": { "a": [1] } })).await;
    let answer = json!({ "type": "answer", "from": to, "sdp": "", "msg": "7", "receipt": true, "x": { "a": [1] } });
    assert_eq!(ann.next().await, answer);
    assert_eq!(bob.next().await, json!({ "type": "receipt", "re": "7", "status": "written" }));
    ann.send(json!({ "type": "ice-candidate", "candidate": null, "to": to })).await;
    assert_eq!(bob.next().await, json!({ "type": "ice-candidate", "from": from, "candidate": null }));
    ann.send(json!({ "type": "hangup", "to": to, "reason": "bye" })).await;
    assert_eq!(bob.next().await, json!({ "type": "hangup", "from": from, "reason": "bye" }));
    ann.is_quiet().await;
    assert_eq!(rig.metric("aldis_relayed_total{type=\"offer\"}"), 1);
}

#[tokio::test]
async fn every_goodbye_ends_the_stay_with_its_reason() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    for (code, reason) in [(1000, "left"), (1001, "left"), (3001, "timeout"), (4999, "timeout")] {
        let mut bob = rig.raw("bob").await;
        ann.expect_about("peer-joined", &bob.id).await;
        bob.close(code).await;
        let left = ann.expect_about("peer-left", &bob.id).await;
        assert_eq!((&left["reason"], &left["final"]), (&json!(reason), &json!(true)), "{code}");
        let (answered, _) = bob.closed().await;
        assert_eq!(answered, code);
    }
    let mut leaver = rig.raw("bob").await;
    ann.expect("peer-joined").await;
    leaver.send(json!({ "type": "leave" })).await;
    assert_eq!(leaver.closed().await.0, 1000);
    assert_eq!(ann.expect_about("peer-left", &leaver.id).await["reason"], "left");

    for how in ["reset", "hung up"] {
        let bob = rig.raw("bob").await;
        ann.expect("peer-joined").await;
        let id = bob.id.clone();
        let socket = bob.into_socket();
        if how == "reset" {
            socket.reset();
        } else {
            drop(socket);
        }
        assert_eq!(ann.expect_about("peer-left", &id).await["reason"], "timeout", "{how}");
        // The id is dead for ever.
        ann.tell(&id, 1).await;
        assert_eq!(ann.refused("peer-gone").await["to"], id);
    }
}

#[tokio::test]
async fn whom_one_may_not_reach_cannot_be_told_apart() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    let mut stranger = rig.raw(Token::of("eve").room("cellar")).await;
    let mut answers = Vec::new();
    for to in [ann.id.clone(), stranger.id.clone(), "nobody".to_owned()] {
        ann.send(json!({ "type": "offer", "to": to, "sdp": "", "msg": "m" })).await;
        let mut error = ann.refused("unknown-peer").await;
        assert_eq!((&error["to"], &error["re"], &error["outcome"]), (&json!(to), &json!("m"), &json!("not-delivered")));
        error["to"] = json!(null);
        answers.push(error);
    }
    assert!(answers[0] == answers[1] && answers[1] == answers[2], "{answers:#?}");
    stranger.is_quiet().await;
}

#[tokio::test]
async fn a_moderator_removes() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.raw(Token::of("ann").all()).await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    bob.send(json!({ "type": "remove", "id": ann.id })).await;
    bob.refused("forbidden").await;
    ann.send(json!({ "type": "remove", "id": bob.id, "reason": "spam" })).await;
    let told = bob.closed_with(4410, "removed").await;
    assert!(told["message"].as_str().expect("text").contains("spam"), "{told}");
    assert_eq!(ann.expect_about("peer-left", &bob.id).await["reason"], "removed");
}
