//! What is too large is refused by name, and only what cannot be read past ends the connection.

use serde_json::json;

use crate::support::{Frame, Opcode, Request, Rig, Token};

#[tokio::test]
async fn an_oversize_message_closes_with_1009() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.raw("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;
    // Only the head: the server does not wait for what it will not take.
    bob.write(&Opcode::Text.head(true, 65_537)).await;
    let told = bob.closed_with(1009, "too-large").await;
    assert!(told["message"].as_str().expect("text").contains("limits.messageBytes"), "{told}");
    ann.expect_about("peer-left", &bob.id.clone()).await;
    ann.is_quiet().await;
    assert_eq!(rig.limit_hits("message_bytes"), 1);
}

#[tokio::test]
async fn the_reason_arrives_although_the_payload_keeps_coming() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    let mut bytes = Opcode::Text.head(true, 4 << 20);
    bytes.resize(bytes.len() + (4 << 20), b'a');
    ann.write(&bytes).await;
    assert_eq!(ann.expect("error").await["code"], "too-large");
    assert_eq!(ann.frame().await, Frame::Close(1009));
}

#[tokio::test]
async fn fragments_count_together() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    ann.write(&Opcode::Text.part(false, &[b' '; 40_000])).await;
    ann.write(&Opcode::Continuation.head(true, 30_000)).await;
    ann.closed_with(1009, "too-large").await;
}

#[tokio::test]
async fn what_is_too_large_within_a_message_is_refused_and_counted() {
    let rig = Rig::usual();
    let mut ann = rig.raw(Token::of("ann").all()).await;
    let mut bob = rig.raw("bob").await;
    ann.expect("peer-joined").await;
    let (to, long) = (bob.id.clone(), "x".repeat(9_000));
    let deep = "[".repeat(40) + &"]".repeat(40);
    let cases = [
        ("small_message_bytes", json!({ "type": "ice-candidate", "to": to, "candidate": { "candidate": long } })),
        ("x_bytes", json!({ "type": "offer", "to": to, "sdp": "", "x": { "y": long } })),
        ("attributes_bytes", json!({ "type": "update", "attributes": { "a": "x".repeat(1_100) } })),
    ];
    for (limit, message) in cases {
        ann.send(message).await;
        ann.refused("too-large").await;
        assert_eq!(rig.limit_hits(limit), 1, "{limit}");
    }
    ann.send_text(&format!(r#"{{"type":"message","to":"{to}","data":{deep}}}"#)).await;
    ann.refused("too-deep").await;
    assert_eq!(rig.limit_hits("json_depth"), 1);
    ann.tell(&to, "still here").await;
    bob.told(&ann.id, "still here").await;
}

#[tokio::test]
async fn an_oversize_token_is_token_invalid() {
    let rig = Rig::start(|config| config.limits.token_bytes = 400);
    let long = Token::of("ann").metadata(&json!("x".repeat(300)));
    let answer = rig.ask(Request::get("/v1/signal").bearer(&rig.mint(long))).await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "token-invalid"));
    assert_eq!(rig.limit_hits("token_bytes"), 1);
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint("ann"))).await.status, 200);
}

#[tokio::test]
async fn oversize_metadata_is_token_invalid() {
    let rig = Rig::usual();
    let metadata = |bytes: usize| Token::of("ann").metadata(&json!("x".repeat(bytes - 2)));
    let answer = rig.ask(Request::get("/v1/signal").bearer(&rig.mint(metadata(1_025)))).await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "token-invalid"));
    assert_eq!(rig.limit_hits("metadata_bytes"), 1);
    // In band too, and the old token stays.
    let mut ann = rig.v1(metadata(1_024)).await;
    ann.send(json!({ "type": "auth", "token": rig.mint(metadata(1_025)) })).await;
    ann.refused("token-invalid").await;
    assert_eq!(rig.limit_hits("metadata_bytes"), 2);
    ann.is_quiet().await;
}

#[tokio::test]
async fn oversize_headers_are_431() {
    let rig = Rig::usual();
    let request = Request::get("/v1/signal").header("X-Padding", "x".repeat(16_384));
    assert_eq!(rig.ask(request).await.status, 431);
    assert_eq!(rig.limit_hits("header_bytes"), 1);
    let request = Request::get("/v1/signal").header("X-Padding", "x".repeat(15_000));
    assert_eq!(rig.ask(request).await.status, 401);
}
