//! A token that was revoked: at every door, and inside.

use aldis_core::revocation::{LONGEST_MS, Target};
use aldis_protocol::{Identity, RoomId, TokenId};
use serde_json::json;

use crate::support::{Over, Request, Rig, Token, events_request, within};

fn token(name: &str) -> Target {
    Target::Token { id: TokenId::parse(name).expect("a jti") }
}

fn of(name: &str) -> Target {
    Target::Identity { identity: Identity::parse(name).expect("an identity") }
}

/// Revokes something for a minute, at the node itself.
fn revoke(rig: &Rig, target: Target, reason: Option<&str>) {
    let node = rig.server.node();
    let until = node.clock.unix_ms() + 60_000;
    node.driver.revoke(target, until, 0, reason.map(str::to_owned)).expect("a place");
}

#[tokio::test]
async fn no_door_opens_to_it() {
    for over in [Over::Plain, Over::Tls] {
        let rig = Rig::start_over(over, |_| {});
        let bad = rig.mint(Token::of("ann").jti("bad"));
        let mut ann = rig.events(Token::of("ann").jti("good")).await;
        let resume = ann.resume_token();
        revoke(&rig, token("bad"), Some("stolen"));
        let refused = rig.ask(Request::get("/v1/signal").bearer(&bad)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (403, "token-revoked"));
        assert_eq!(refused.json()["message"], "This token has been revoked: stolen");
        assert_eq!(refused.header("www-authenticate"), None);
        let refused = rig.refusal(Request::upgrade(format!("/v1/signal?token={bad}"))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (403, "token-revoked"));
        rig.open(Request::upgrade("/v1/signal").v1(&bad)).await.closed_with(4403, "token-revoked").await;
        for hello in
            [json!({ "type": "hello", "protocol": 1 }), json!({ "type": "hello", "protocol": 1, "resume": resume })]
        {
            let refused = rig.ask(events_request(&bad, &hello)).await;
            assert_eq!((refused.status, refused.problem().as_str()), (403, "token-revoked"));
        }
        // It proves nothing to a connection that is there, and does not end it.
        let path = ann.welcome["post"].as_str().expect("a path").to_owned();
        let post = Request::new("POST", path).bearer(&bad).json(&json!({ "seq": 1, "messages": [] }));
        let refused = rig.ask(post).await;
        assert_eq!((refused.status, refused.problem().as_str()), (403, "token-revoked"));
        ann.send(&rig, json!({ "type": "auth", "token": bad })).await;
        let error = ann.refused("token-revoked").await;
        assert!(error["hint"].is_string(), "{error}");
        ann.is_quiet(&rig).await;
        // Nobody guesses here.
        assert_eq!(rig.server.node().throttle.lock().tracked(), 0);
        assert_eq!(rig.metric("aldis_revoked_refused_total{kind=\"token\"}"), 7);
        assert_eq!(rig.metric("aldis_revocations{kind=\"token\"}"), 1);
    }
}

#[tokio::test]
async fn whoever_is_inside_is_put_out_at_once() {
    let rig = Rig::usual();
    let mut watcher = rig.v1("watcher").await;
    let mut v1 = rig.v1("ann").await;
    let mut raw = rig.raw("ann").await;
    let mut events = rig.events("ann").await;
    let away = rig.v1("ann").await;
    let (gone, resume) = (away.id.clone(), away.resume_token());
    for _ in 0..4 {
        watcher.expect("peer-joined").await;
    }
    away.into_socket().reset();
    watcher.expect_about("peer-away", &gone).await;
    revoke(&rig, of("ann"), None);
    for (code, error) in [v1.closed().await, raw.closed().await, events.closed().await] {
        assert_eq!((code, &error.last().expect("an error")["code"]), (4403, &json!("token-revoked")));
    }
    for _ in 0..4 {
        let left = watcher.expect("peer-left").await;
        assert_eq!((&left["reason"], &left["final"]), (&json!("removed"), &json!(true)));
    }
    assert_eq!(rig.metric("aldis_revoked_total{kind=\"identity\"}"), 4);
    // The one that was away does not come back either.
    let hello = json!({ "type": "hello", "protocol": 1, "resume": resume });
    let mut back = rig.greeting("ann").await;
    back.send(hello).await;
    back.closed_with(4403, "token-revoked").await;
    watcher.is_quiet().await;
}

#[tokio::test]
async fn a_token_that_was_issued_since_is_another_one() {
    let rig = Rig::usual();
    let node = rig.server.node();
    let mut old = rig.v1_on(rig.dial().await, "ann", json!({ "type": "hello", "protocol": 1 })).await;
    let now = node.clock.unix_ms();
    let stale = rig.mint_ago("ann", 10_000);
    // Whole seconds are in a token: what was issued in this one is older.
    let target = Target::Issued { identity: Identity::parse("ann").expect("an identity") };
    node.driver.revoke(target, now + LONGEST_MS, now + 1, None).expect("a place");
    old.closed_with(4403, "token-revoked").await;
    let refused = rig.ask(Request::get("/v1/signal").bearer(&stale)).await;
    assert_eq!(refused.problem(), "token-revoked");
    within("the next second", async {
        while node.clock.unix_ms() / 1_000 <= now / 1_000 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint("ann"))).await.status, 200);
}

#[tokio::test]
async fn between_the_door_and_the_room_it_counts_too() {
    let rig = Rig::usual();
    // Its token was good when it was shown.
    let mut waiting = rig.greeting(Token::of("ann").jti("t")).await;
    let mut seated = rig.v1(Token::of("ann").jti("old")).await;
    revoke(&rig, token("t"), None);
    waiting.send(json!({ "type": "hello", "protocol": 1 })).await;
    waiting.closed_with(4403, "token-revoked").await;
    seated.is_quiet().await;
    // With `auth` the newest token counts, and the older ones do not any more.
    seated.send(json!({ "type": "auth", "token": rig.mint(Token::of("ann").jti("new")) })).await;
    seated.expect("auth-ok").await;
    revoke(&rig, token("old"), None);
    seated.is_quiet().await;
    revoke(&rig, token("new"), None);
    seated.closed_with(4403, "token-revoked").await;
}

#[tokio::test]
async fn a_moderator_removes_for_a_while() {
    let rig = Rig::usual();
    let mut ann = rig.v1(Token::of("ann").all()).await;
    let mut bob = rig.v1("bob").await;
    let mut second = rig.raw("bob").await;
    let (first_id, second_id) = (bob.id.clone(), second.id.clone());
    for _ in 0..2 {
        ann.expect("peer-joined").await;
    }
    ann.send(json!({ "type": "remove", "id": first_id, "reason": "spam", "forMs": 400 })).await;
    let told = bob.closed_with(4410, "removed").await;
    assert_eq!(told["message"], "Removed by a moderator: spam");
    // Whoever else is there as the same identity goes, too.
    second.closed_with(4410, "removed").await;
    for id in [&first_id, &second_id] {
        assert_eq!(ann.expect_about("peer-left", id).await["reason"], "removed");
    }
    let probe = || Request::get("/v1/signal").bearer(&rig.mint("bob"));
    assert_eq!(rig.ask(probe()).await.problem(), "token-revoked");
    // Another room is none of the moderator's business.
    let elsewhere = rig.mint(Token::of("bob").room("cellar"));
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&elsewhere)).await.status, 200);
    within("the end of it", async { while rig.ask(probe()).await.status != 200 {} }).await;
    let refused = json!({ "type": "remove", "id": first_id, "forMs": 86_400_001 });
    ann.send(refused).await;
    let error = ann.refused("bad-envelope").await;
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`forMs`")), "{error}");
    let mut powerless = rig.v1("cat").await;
    powerless.send(json!({ "type": "remove", "id": ann.id, "forMs": 60_000 })).await;
    powerless.refused("forbidden").await;
}

#[tokio::test]
async fn a_full_list_refuses_the_next() {
    let rig = Rig::start(|config| config.limits.revocations = 1);
    revoke(&rig, Target::Room { room: RoomId::parse("other").expect("a room") }, None);
    let until = rig.server.node().clock.unix_ms() + 60_000;
    rig.server.node().driver.revoke(of("bob"), until, 0, None).expect_err("it is full");
    assert_eq!(rig.limit_hits("revocations"), 1);
    // A moderator hears that the peer may come back.
    let mut ann = rig.v1(Token::of("ann").all()).await;
    let mut bob = rig.v1("bob").await;
    ann.expect("peer-joined").await;
    ann.send(json!({ "type": "remove", "id": bob.id, "forMs": 60_000 })).await;
    bob.closed_with(4410, "removed").await;
    ann.expect("peer-left").await;
    let error = ann.refused("unavailable").await;
    assert!(error["message"].as_str().is_some_and(|text| text.contains("limits.revocations")), "{error}");
    assert_eq!((&error["to"], rig.limit_hits("revocations")), (&json!(bob.id), 2));
    rig.v1("bob").await;
}

#[test]
fn the_longest_revocation_outlives_every_token() {
    let leeway = aldis_server::auth::LEEWAY_MS;
    assert_eq!(LONGEST_MS, aldis_server::auth::MAX_LIFE_MS + 60_000 + leeway);
}
