//! A page that is closed: its browser breaks the stream before it sends the last POST. The goodbye is heard all the same.

use serde_json::{Value, json};

use crate::support::{EventPeer, Request, Rig, Token};

fn leave() -> Value {
    json!({ "type": "leave" })
}

/// Breaks the stream, and waits until nothing of it is left; then this POST.
async fn after_the_break(rig: &Rig, gone: EventPeer, others: u64, messages: &[Value]) -> Request {
    let upward = gone.request(gone.seq + 1, messages);
    drop(gone.into_stream());
    rig.everybody_left_but(others).await;
    upward
}

#[tokio::test]
async fn a_goodbye_is_heard_after_its_stream_broke() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    bob.send(&rig, json!({ "type": "ping" })).await;
    let upward = after_the_break(&rig, bob, 1, &[leave()]).await;
    ann.expect_about("peer-away", &id).await;
    ann.tell_with_receipt(&id, "parked", "1").await;
    assert_eq!(ann.expect("receipt").await["status"], "parked");
    let answer = rig.ask(upward.clone()).await;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{answer:?}");
    assert_eq!(ann.expect_about("peer-left", &id).await["reason"], "left");
    assert_eq!(ann.refused("peer-gone").await["re"], "1");
    // It is for good, and it is over.
    assert_eq!(rig.ask(upward).await.problem(), "gone");
    let again = rig.events_resuming("bob", &token).await;
    assert_eq!((&again.welcome["resumed"], &again.welcome["peer"]["previous"]), (&json!(false), &json!(id)));
}

#[tokio::test]
async fn a_goodbye_is_heard_while_the_connection_closes() {
    let rig = Rig::usual();
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events(Token::of("bob").ttl_s(1)).await;
    ann.expect("peer-joined").await;
    bob.expect("token-expiring").await;
    bob.token = rig.mint("bob");
    bob.closed_with(4401, "token-expired").await;
    assert_eq!(bob.post(&rig, 1, &[leave()]).await.status, 204);
    assert_eq!(ann.expect_about("peer-left", &bob.id).await["reason"], "left");
}

#[tokio::test]
async fn a_goodbye_that_waits_for_its_turn_is_heard_when_the_stream_breaks() {
    let rig = Rig::usual();
    let (mut ann, bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let id = bob.id.clone();
    let waiting = rig.ask(bob.request(7, &[leave()]));
    let breaking = async {
        ann.is_quiet().await;
        drop(bob.into_stream());
        assert_eq!(ann.expect_about("peer-left", &id).await["reason"], "left");
    };
    let (answer, ()) = tokio::join!(waiting, breaking);
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn what_else_is_said_then_is_not_handled() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let (mut ann, bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let id = bob.id.clone();
    let said = json!({ "type": "message", "to": ann.id, "data": "late" });
    let [nothing, wrong, only_said, with_leave] = [
        bob.request(1, &[]),
        bob.upward(&json!({ "seq": 1 })),
        bob.request(1, &[leave(), said.clone()]),
        bob.request(1, &[said, leave()]),
    ];
    drop(bob.into_stream());
    ann.expect_about("peer-away", &id).await;
    rig.everybody_left_but(1).await;
    for upward in [nothing, wrong, only_said] {
        assert_eq!(rig.ask(upward).await.problem(), "gone");
    }
    ann.is_quiet().await;
    // A goodbye is, and the answer says that it was not all.
    assert_eq!(rig.ask(with_leave).await.problem(), "gone");
    assert_eq!(ann.expect_about("peer-left", &id).await["reason"], "left");
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_goodbye_of_a_superseded_stream_ends_nothing() {
    let rig = Rig::usual();
    let (mut ann, bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let token = bob.resume_token();
    let of_first = after_the_break(&rig, bob, 1, &[leave()]).await;
    let second = rig.events_resuming("bob", &token).await;
    assert_eq!(second.welcome["resumed"], true);
    assert_eq!(
        (rig.ask(of_first.clone()).await.problem().as_str(), rig.ask(of_first.clone()).await.status),
        ("superseded", 409)
    );
    // Nor does it once nobody is connected.
    let (id, token) = (second.id.clone(), second.resume_token());
    let of_second = after_the_break(&rig, second, 1, &[leave()]).await;
    assert_eq!(rig.ask(of_first.clone()).await.status, 409);
    ann.is_quiet().await;
    let third = rig.resume("bob", &token).await;
    assert_eq!((&third.welcome["resumed"], &third.id), (&json!(true), &id));
    for upward in [of_first, of_second] {
        assert_eq!(rig.ask(upward).await.status, 409);
    }
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_goodbye_is_its_own_clients() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let (mut ann, bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let (id, path) = (bob.id.clone(), bob.path.clone());
    let upward = after_the_break(&rig, bob, 1, &[leave()]).await;
    ann.expect_about("peer-away", &id).await;
    let post =
        |token: &str| Request::new("POST", &path).bearer(token).json(&json!({ "seq": 1, "messages": [leave()] }));
    let forged = rig.mint("bob").replace('.', ".x");
    for (token, refused) in [
        (rig.mint("ann"), (410, "gone")),
        (rig.mint(Token::of("bob").room("elsewhere")), (410, "gone")),
        (forged, (401, "token-invalid")),
    ] {
        let answer = rig.ask(post(&token)).await;
        assert_eq!((answer.status, answer.problem().as_str()), refused);
    }
    assert_eq!(rig.ask(upward.clone().without("Authorization")).await.status, 401);
    ann.is_quiet().await;
    assert_eq!(rig.ask(upward).await.status, 204);
    ann.expect_about("peer-left", &id).await;
}

#[tokio::test]
async fn a_goodbye_comes_too_late_when_the_window_has_passed() {
    let rig = Rig::start(|config| config.limits.resume_window_ms = 50);
    let (mut ann, bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let id = bob.id.clone();
    let upward = after_the_break(&rig, bob, 1, &[leave()]).await;
    assert_eq!(ann.expect_about("peer-left", &id).await["reason"], "timeout");
    assert_eq!(rig.ask(upward).await.problem(), "gone");
    ann.is_quiet().await;
}

#[tokio::test]
async fn only_so_many_streams_that_broke_may_say_leave() {
    let rig = Rig::start(|config| config.limits.parted_streams = 1);
    let (ann, bob) = (rig.events("ann").await, rig.events("bob").await);
    let mut carol = rig.v1("carol").await;
    let of_ann = after_the_break(&rig, ann, 2, &[leave()]).await;
    assert_eq!(rig.limit_hits("parted_streams"), 0);
    let id = bob.id.clone();
    let of_bob = after_the_break(&rig, bob, 1, &[leave()]).await;
    assert_eq!(rig.limit_hits("parted_streams"), 1);
    assert_eq!(rig.ask(of_ann).await.problem(), "gone");
    assert_eq!(rig.ask(of_bob).await.status, 204);
    carol.expect_about("peer-left", &id).await;
}
