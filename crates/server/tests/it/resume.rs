//! Sessions of `aldis.v1` clients: they survive a broken connection.

use serde_json::json;

use crate::support::{Rig, Token};

#[tokio::test]
async fn a_client_resumes_after_its_connection_broke() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    let mut carol = rig.raw("carol").await;
    ann.expect("peer-joined").await;
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    assert_eq!(bob.welcome["resume"]["windowMs"], 30_000);

    bob.into_socket().reset();
    ann.expect_about("peer-away", &id).await;
    carol.expect_about("peer-away", &id).await;
    for number in 0..10 {
        ann.tell_with_receipt(&id, number, &number.to_string()).await;
        assert_eq!(ann.expect("receipt").await["status"], "parked");
    }
    // Neither is parked.
    ann.send(json!({ "type": "ack", "to": id, "x": {} })).await;
    carol.close(1000).await;
    ann.expect("peer-left").await;

    let mut again = rig.resume("bob", &token).await;
    let welcome = &again.welcome;
    assert_eq!((&welcome["resumed"], &again.id), (&json!(true), &id));
    assert_eq!(welcome["left"], json!([carol.id]));
    assert_eq!(welcome["peers"].as_array().expect("peers").len(), 1);
    assert_eq!(welcome["peers"][0]["polite"], true, "the order is kept");
    assert_ne!(again.resume_token(), token);
    for number in 0..10 {
        again.told(&ann.id, number).await;
    }
    again.is_quiet().await;
    ann.expect_about("peer-back", &id).await;
    for number in 0..10 {
        let receipt = ann.expect("receipt").await;
        assert_eq!((&receipt["re"], &receipt["status"]), (&json!(number.to_string()), &json!("written")));
    }
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_half_open_connection_is_fenced() {
    let rig = Rig::usual();
    let (mut ann, mut old) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let mut new = rig.resume("bob", &old.resume_token()).await;
    assert_eq!((&new.welcome["resumed"], &new.id), (&json!(true), &old.id));
    // A blip is no event, and what follows goes to the new connection only.
    ann.is_quiet().await;
    let to = ann.id.clone();
    ann.tell(&new.id, "hello").await;
    new.told(&ann.id, "hello").await;
    old.tell(&to, "from the grave").await;
    old.closed_with(4419, "superseded").await;
    ann.is_quiet().await;
    new.tell(&to, "from here").await;
    ann.told(&new.id, "from here").await;
    assert_eq!(rig.metric("aldis_closed_total{code=\"4419\"}"), 1);
    // Any unexpired token of a living session counts: a lost welcome locks nobody out.
    let third = rig.resume("bob", &old.resume_token()).await;
    assert_eq!(third.welcome["resumed"], true);
    new.closed_with(4419, "superseded").await;
}

#[tokio::test]
async fn nobody_hears_of_a_blip() {
    let rig = Rig::usual();
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    let mut socket = bob.into_socket();
    socket.close(3001).await;
    assert_eq!(socket.closed().await.0, 3001);
    rig.resume("bob", &token).await;
    ann.is_quiet().await;
    ann.tell(&id, 1).await;
}

#[tokio::test]
async fn who_does_not_come_back_has_left() {
    let rig = Rig::start(|config| {
        config.limits.away_notice_ms = 10;
        config.limits.resume_window_ms = 400;
    });
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    bob.into_socket().reset();
    // The server was idle: its timers wake for this alone.
    ann.expect_about("peer-away", &id).await;
    ann.tell_with_receipt(&id, 1, "m").await;
    assert_eq!(ann.expect("receipt").await["status"], "parked");
    let left = ann.expect_about("peer-left", &id).await;
    assert_eq!((&left["reason"], &left["final"]), (&json!("timeout"), &json!(true)));
    assert_eq!(ann.refused("peer-gone").await["re"], "m");
    let late = rig.resume("bob", &token).await;
    assert_eq!((&late.welcome["resumed"], &late.welcome["peer"]["previous"]), (&json!(false), &json!(id)));
    assert_eq!(ann.expect_about("peer-joined", &late.id).await["peer"]["previous"], id);
}

#[tokio::test]
async fn a_page_that_goes_away_may_return_and_one_that_leaves_does_not() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let mut ann = rig.raw("ann").await;
    let mut bob = rig.v1("bob").await;
    ann.expect("peer-joined").await;
    bob.close(1001).await;
    assert_eq!(bob.closed().await.0, 1001);
    ann.expect_about("peer-away", &bob.id).await;
    let mut bob = rig.resume("bob", &bob.resume_token()).await;
    assert_eq!(bob.welcome["resumed"], true);
    ann.expect_about("peer-back", &bob.id).await;
    bob.close(1000).await;
    assert_eq!(bob.closed().await.0, 1000);
    assert_eq!(ann.expect_about("peer-left", &bob.id).await["reason"], "left");
    let fresh = rig.resume("bob", &bob.resume_token()).await;
    assert_eq!((&fresh.welcome["resumed"], &fresh.welcome["left"]), (&json!(false), &json!([])));
}

#[tokio::test]
async fn a_token_that_is_not_its_own_proves_nothing() {
    let rig = Rig::usual();
    let ann = rig.v1("ann").await;
    let token = ann.resume_token();
    for (who, resume) in [
        (Token::of("bob"), token.as_str()),
        (Token::of("ann").room("cellar"), &token),
        (Token::of("ann"), "nonsense"),
        (Token::of("ann"), ""),
    ] {
        let other = rig.resume(who, resume).await;
        assert_eq!(other.welcome["resumed"], false);
        assert!(other.id != ann.id && other.welcome["peer"].get("previous").is_none(), "{}", other.welcome);
    }
}

#[tokio::test]
async fn a_frozen_page_is_away_on_an_open_connection() {
    let rig = Rig::start(|config| {
        config.limits.away_notice_ms = 0;
        config.limits.heartbeat_interval_ms = 100;
        config.limits.heartbeat_timeout_ms = 100;
        config.limits.silent_ms = 1;
        config.limits.probe_ms = 50;
        config.limits.resume_window_ms = 400;
    });
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    bob.send(json!({ "type": "frozen" })).await;
    ann.expect_about("peer-away", &bob.id).await;
    ann.tell(&bob.id, "parked").await;
    ann.send(json!({ "type": "check", "id": bob.id })).await;
    assert_eq!(ann.expect("checked").await["presence"], "away");
    // A message thaws it. It was not probed: that is the first thing it reads.
    bob.send(json!({ "type": "ping" })).await;
    bob.told(&ann.id, "parked").await;
    assert_eq!(bob.pings(), 0);
    bob.expect("pong").await;
    ann.expect_about("peer-back", &bob.id).await;
    // Frozen for longer than the window, with no ping before.
    bob.send(json!({ "type": "frozen" })).await;
    ann.expect_about("peer-away", &bob.id).await;
    assert_eq!(ann.expect_about("peer-left", &bob.id).await["reason"], "timeout");
    bob.closed_with(4408, "heartbeat-timeout").await;
}
