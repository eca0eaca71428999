//! The life of a token on a connection: announced, renewed, shrunk, expired.

use aldis_core::Permission;
use serde_json::json;

use crate::support::{Rig, Token};

#[tokio::test]
async fn an_expired_token_closes_with_4401_unless_it_is_renewed() {
    let rig = Rig::usual();
    let mut ann = rig.v1(Token::of("ann").ttl_s(30)).await;
    // It lives for less than a minute: announced at once.
    let expiring = ann.expect("token-expiring").await;
    assert_eq!(expiring["tokenExpiresAt"], ann.welcome["tokenExpiresAt"]);
    let mut bob = rig.raw(Token::of("bob").ttl_s(2)).await;
    ann.expect_about("peer-joined", &bob.id).await;
    bob.expect("token-expiring").await;
    ann.send(json!({ "type": "auth", "token": rig.mint("ann") })).await;
    let renewed = ann.expect("auth-ok").await;
    assert!(renewed["tokenExpiresAt"].as_u64() > expiring["tokenExpiresAt"].as_u64(), "{renewed}");
    bob.closed_with(4401, "token-expired").await;
    // Who renewed in time is still here when the other is gone.
    ann.expect_about("peer-left", &bob.id).await;
    ann.is_quiet().await;
}

#[tokio::test]
async fn another_identity_or_room_is_refused_and_the_old_token_lives() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;
    let expired = rig.mint_ago(Token::of("ann").ttl_s(60), 120_000);
    let cases = [
        (rig.mint("eve"), "forbidden"),
        (rig.mint(Token::of("ann").room("cellar")), "forbidden"),
        (expired, "token-expired"),
        ("nonsense".to_owned(), "token-invalid"),
        (String::new(), "token-missing"),
    ];
    for (token, code) in cases {
        ann.send(json!({ "type": "auth", "token": token })).await;
        ann.refused(code).await;
        let to = bob.id.clone();
        ann.tell(&to, code).await;
        bob.told(&ann.id, code).await;
    }
}

#[tokio::test]
async fn a_new_grant_counts_at_once_and_the_others_see_the_new_profile() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;
    let to = bob.id.clone();
    ann.send(json!({ "type": "message", "data": 1, "msg": "m" })).await;
    assert_eq!(ann.refused("forbidden").await["re"], "m");
    ann.send(json!({ "type": "auth", "token": rig.mint(Token::of("ann").all().name("Ann")) })).await;
    ann.send(json!({ "type": "message", "data": 1 })).await;
    ann.expect("auth-ok").await;
    assert_eq!(bob.expect_about("peer-updated", &ann.id).await["peer"]["name"], "Ann");
    bob.told(&ann.id, 1).await;
    // In one packet: the next message is judged by the smaller grant.
    ann.send(json!({ "type": "auth", "token": rig.mint(Token::of("ann").name("Ann").can(&[Permission::Message])) }))
        .await;
    ann.send(json!({ "type": "offer", "to": to, "sdp": "" })).await;
    ann.expect("auth-ok").await;
    ann.refused("forbidden").await;
    ann.tell(&to, 2).await;
    bob.told(&ann.id, 2).await;
    bob.is_quiet().await;
}
