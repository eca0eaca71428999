//! Sessions go on over another transport, and the older connection is fenced.

use serde_json::{Value, json};

use crate::support::Rig;

fn away_at_once() -> Rig {
    Rig::start(|config| config.limits.away_notice_ms = 0)
}

#[tokio::test]
async fn a_websocket_that_broke_goes_on_as_an_event_stream() {
    let rig = away_at_once();
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    bob.into_socket().reset();
    ann.expect_about("peer-away", &id).await;
    for number in 0..10 {
        ann.tell_with_receipt(&id, number, &number.to_string()).await;
        assert_eq!(ann.expect("receipt").await["status"], "parked");
    }
    let mut bob = rig.events_resuming("bob", &token).await;
    assert_eq!((&bob.welcome["resumed"], &bob.id), (&json!(true), &id));
    for number in 0..10 {
        bob.told(&ann.id, number).await;
    }
    ann.expect_about("peer-back", &id).await;
    for number in 0..10 {
        let receipt = ann.expect("receipt").await;
        assert_eq!((&receipt["re"], &receipt["status"]), (&json!(number.to_string()), &json!("written")));
    }
    let to = ann.id.clone();
    bob.tell(&rig, &to, "from here").await;
    ann.told(&id, "from here").await;
    bob.is_quiet(&rig).await;
}

#[tokio::test]
async fn an_event_stream_that_was_dropped_goes_on_as_a_websocket() {
    let rig = away_at_once();
    let (mut ann, bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let (id, token, path) = (bob.id.clone(), bob.resume_token(), bob.path.clone());
    let upward = bob.request(1, &[json!({ "type": "message", "to": ann.id, "data": "late" })]);
    drop(bob.into_stream());
    ann.expect_about("peer-away", &id).await;
    for number in 0..10 {
        ann.tell(&id, number).await;
    }
    ann.is_quiet().await;
    // A POST for what is over comes to nothing.
    rig.everybody_left_but(1).await;
    let answer = rig.ask(upward).await;
    assert_eq!((answer.status, answer.problem().as_str()), (410, "gone"), "{path}");
    let mut bob = rig.resume("bob", &token).await;
    assert_eq!((&bob.welcome["resumed"], &bob.id), (&json!(true), &id));
    assert_eq!(bob.welcome["post"], Value::Null);
    for number in 0..10 {
        bob.told(&ann.id, number).await;
    }
    ann.expect_about("peer-back", &id).await;
    bob.is_quiet().await;
}

#[tokio::test]
async fn an_event_stream_fences_a_websocket() {
    let rig = Rig::usual();
    let (mut ann, mut old) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let mut new = rig.events_resuming("bob", &old.resume_token()).await;
    assert_eq!((&new.welcome["resumed"], &new.id), (&json!(true), &old.id));
    ann.is_quiet().await;
    ann.tell(&new.id, "hello").await;
    new.told(&ann.id, "hello").await;
    let to = ann.id.clone();
    old.tell(&to, "from the grave").await;
    old.closed_with(4419, "superseded").await;
    // The signal was refused, and the newer connection is told.
    assert_eq!(new.refused("superseded").await["to"], json!(to));
    new.tell(&rig, &to, "from here").await;
    ann.told(&new.id, "from here").await;
    ann.is_quiet().await;
}

#[tokio::test]
async fn an_event_stream_is_fenced_by_a_websocket_and_by_another_event_stream() {
    let rig = Rig::usual();
    let (mut ann, mut old) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let mut new = rig.resume("bob", &old.resume_token()).await;
    assert_eq!((&new.welcome["resumed"], &new.id), (&json!(true), &old.id));
    let to = ann.id.clone();
    let late = json!({ "type": "message", "to": to, "data": "from the grave" });
    for seq in [1, 2, 1] {
        // In the order that is due, and what is early does not wait for it.
        let answer = old.post(&rig, seq, std::slice::from_ref(&late)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (409, "superseded"), "{seq}");
    }
    old.closed_with(4419, "superseded").await;
    ann.is_quiet().await;
    new.is_quiet().await;
    new.tell(&to, "from here").await;
    ann.told(&new.id, "from here").await;

    let third = rig.events_resuming("bob", &old.resume_token()).await;
    assert_eq!(third.welcome["resumed"], true);
    new.closed_with(4419, "superseded").await;
    let mut fourth = rig.events_resuming("bob", &third.resume_token()).await;
    let answer = third.post(&rig, 1, &[late]).await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "superseded"));
    assert_eq!(third.into_stream().closed_with(4419, "superseded").await["code"], "superseded");
    fourth.is_quiet(&rig).await;
    assert_eq!(rig.metric("aldis_closed_total{code=\"4419\"}"), 3);
    // None of the old ones is kept once their clients have hung up.
    drop(old);
    drop(new);
    rig.everybody_left_but(2).await;
}

#[tokio::test]
async fn a_frozen_page_is_parked_for_and_thaws_by_a_message() {
    let rig = away_at_once();
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    bob.send(&rig, json!({ "type": "frozen" })).await;
    ann.expect_about("peer-away", &bob.id).await;
    ann.tell_with_receipt(&bob.id, "parked", "1").await;
    assert_eq!(ann.expect("receipt").await["status"], "parked");
    bob.send(&rig, json!({ "type": "ping" })).await;
    ann.expect_about("peer-back", &bob.id).await;
    assert_eq!(ann.expect("receipt").await["status"], "written");
    let mut heard = [bob.next().await, bob.next().await];
    heard.sort_by_key(|message| message["type"].to_string());
    assert_eq!((&heard[0]["data"], &heard[1]["type"]), (&json!("parked"), &json!("pong")));
}
