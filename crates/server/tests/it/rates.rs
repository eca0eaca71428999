//! Whoever sends too much is told so, message by message; only whoever does not stop is closed.
//!
//! A flood is one write, so that it is one read: the server looks at the clock once for it.

use std::time::{Duration, Instant};

use aldis_server::config::Config;
use serde_json::{Value, json};

use crate::support::{Frame, Opcode, Peer, Rig, Token};

/// Sends all of them in one packet.
async fn flood(peer: &mut Peer, messages: impl IntoIterator<Item = Value>) {
    let bytes: Vec<u8> =
        messages.into_iter().flat_map(|message| Opcode::Text.frame(message.to_string().as_bytes())).collect();
    peer.write(&bytes).await;
}

async fn pair(change: impl FnOnce(&mut Config)) -> (Rig, Peer, Peer) {
    let rig = Rig::start(change);
    let mut ann = rig.raw(Token::of("ann").all()).await;
    let bob = rig.raw("bob").await;
    ann.expect("peer-joined").await;
    (rig, ann, bob)
}

fn message(to: &str, number: u64, data: &str) -> Value {
    json!({ "type": "message", "to": to, "data": [number, data], "msg": number.to_string() })
}

#[tokio::test]
async fn a_flood_is_rate_limited() {
    let (rig, mut ann, mut bob) = pair(|config| {
        config.limits.messages_per_second = 1;
        config.limits.message_burst = 5;
        config.limits.message_burst_per_peer = 0;
    })
    .await;
    let to = bob.id.clone();
    flood(&mut ann, (0..8).map(|number| message(&to, number, ""))).await;
    for number in 0..5 {
        bob.told(&ann.id, json!([number, ""])).await;
    }
    for number in 5..8 {
        let error = ann.refused("rate-limited").await;
        assert_eq!((&error["re"], &error["to"]), (&json!(number.to_string()), &json!(to)), "{error}");
        assert_eq!(error["outcome"], "not-delivered");
        let wait = error["retryAfterMs"].as_u64().expect("a time");
        assert!((1..=1_000).contains(&wait), "{error}");
    }
    assert_eq!(rig.limit_hits("messages_per_second"), 3);
    bob.is_quiet().await;
}

#[tokio::test]
async fn a_bigger_room_allows_a_bigger_burst() {
    let (rig, mut ann, mut bob) = pair(|config| {
        config.limits.messages_per_second = 1;
        config.limits.message_burst = 2;
        config.limits.message_burst_per_peer = 3;
    })
    .await;
    let mut carol = rig.raw("carol").await;
    ann.expect("peer-joined").await;
    bob.expect("peer-joined").await;
    let to = bob.id.clone();
    flood(&mut ann, (0..9).map(|number| message(&to, number, ""))).await;
    for number in 0..8 {
        bob.told(&ann.id, json!([number, ""])).await;
    }
    assert_eq!(ann.refused("rate-limited").await["re"], "8");
    // And it shrinks again: carol's bucket is untouched, but only as large as her room.
    bob.close(1000).await;
    ann.close(1000).await;
    carol.expect("peer-left").await;
    carol.expect("peer-left").await;
    flood(&mut carol, (0..3).map(|t| json!({ "type": "ping", "t": t }))).await;
    carol.expect("pong").await;
    carol.expect("pong").await;
    carol.refused("rate-limited").await;
}

#[tokio::test]
async fn a_flood_of_bytes_is_rate_limited() {
    let (rig, mut ann, mut bob) = pair(|config| {
        config.limits.bytes_per_second = 1;
        config.limits.byte_burst = 5_000;
    })
    .await;
    let (to, data) = (bob.id.clone(), "x".repeat(2_000));
    flood(&mut ann, (0..3).map(|number| message(&to, number, &data))).await;
    bob.told(&ann.id, json!([0, data])).await;
    bob.told(&ann.id, json!([1, data])).await;
    let error = ann.refused("rate-limited").await;
    assert_eq!(error["re"], "2", "{error}");
    assert!(error["message"].as_str().expect("text").contains("limits.bytesPerSecond"), "{error}");
    assert_eq!(rig.limit_hits("bytes_per_second"), 1);
    bob.is_quiet().await;
}

#[tokio::test]
async fn an_ack_flood_is_dropped_and_counted() {
    let (rig, mut ann, mut bob) = pair(|config| {
        config.limits.acks_per_second = 3;
        config.limits.acks_per_second_per_peer = 1;
    })
    .await;
    let to = bob.id.clone();
    flood(&mut ann, (0..10).map(|n| json!({ "type": "ack", "to": to, "x": { "n": n } }))).await;
    ann.is_quiet().await;
    for n in 0..4 {
        assert_eq!(bob.expect("ack").await["x"]["n"], n);
    }
    bob.is_quiet().await;
    assert_eq!(rig.limit_hits("acks_per_second"), 6);
    // They cost nothing of what messages may be.
    ann.tell(&to, "a message").await;
    bob.told(&ann.id, "a message").await;
}

#[tokio::test]
async fn an_update_flood_is_rate_limited() {
    let (rig, mut ann, mut bob) = pair(|_| {}).await;
    flood(&mut ann, (0..3).map(|n| json!({ "type": "update", "attributes": { "n": n } }))).await;
    for n in 0..2 {
        assert_eq!(bob.expect("peer-updated").await["peer"]["attributes"]["n"], n);
    }
    ann.refused("rate-limited").await;
    assert_eq!(rig.limit_hits("updates_per_second"), 1);
    bob.is_quiet().await;
}

#[tokio::test]
async fn a_broadcast_costs_as_much_as_it_reaches() {
    let (rig, mut ann, mut bob) = pair(|config| {
        config.limits.messages_per_second = 1;
        config.limits.message_burst = 4;
        config.limits.message_burst_per_peer = 0;
    })
    .await;
    let mut carol = rig.raw("carol").await;
    ann.expect("peer-joined").await;
    bob.expect("peer-joined").await;
    flood(&mut ann, (0..3).map(|n| json!({ "type": "message", "data": n }))).await;
    for peer in [&mut bob, &mut carol] {
        peer.told(&ann.id, 0).await;
        peer.told(&ann.id, 1).await;
        peer.is_quiet().await;
    }
    ann.refused("rate-limited").await;
}

#[tokio::test]
async fn sustained_excess_closes_with_4429() {
    let rig = Rig::start(|config| {
        config.limits.messages_per_second = 1;
        config.limits.message_burst = 1;
        config.limits.excess_ms = 30;
    });
    let mut ann = rig.raw("ann").await;
    ann.send(json!({ "type": "ping" })).await;
    ann.expect("pong").await;
    // One refusal after the other, for as long as it takes.
    let mut refused = 0;
    let code = loop {
        ann.send(json!({ "type": "ping" })).await;
        match ann.frame().await {
            Frame::Text(error) => assert_eq!(error["code"], "rate-limited", "{error}"),
            Frame::Close(code) => break code,
            other => panic!("{other:?}"),
        }
        refused += 1;
    };
    assert_eq!((code, rig.limit_hits("excess_ms")), (4429, 1));
    assert!(refused > 1, "not at the first");
}

#[tokio::test]
async fn a_flood_of_control_frames_closes_too() {
    let rig = Rig::start(|config| {
        config.limits.messages_per_second = 1;
        config.limits.message_burst = 1;
        config.limits.excess_ms = 20;
    });
    let mut ann = rig.raw("ann").await;
    loop {
        ann.write(&Opcode::Ping.frame(b"again")).await;
        match ann.frame().await {
            Frame::Pong(payload) => assert_eq!(payload, b"again"),
            Frame::Text(error) => assert_eq!(error["code"], "rate-limited"),
            Frame::Close(code) => break assert_eq!(code, 4429),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_exceeds_its_rates_is_read_slowly() {
    let rig = Rig::start(|config| {
        config.limits.messages_per_second = 1;
        config.limits.message_burst = 1;
    });
    let mut ann = rig.raw("ann").await;
    let began = Instant::now();
    // After a first large read at least 12 of 4 KiB, after each of which the server leaves the rest in the socket for a while.
    let data = "x".repeat(1_000);
    flood(&mut ann, (0..140).map(|number| message("nobody", number, &data))).await;
    for number in 0..140 {
        // Now and then one is within the rate, and there is nobody to get it.
        let error = ann.expect("error").await;
        assert_eq!(error["re"], number.to_string(), "nothing is left out");
    }
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
}

#[tokio::test]
async fn ten_strikes_close_with_4400() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.raw("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;
    // Mistakes that a correct client can make are no strikes.
    for _ in 0..20 {
        bob.tell("nobody", 1).await;
        bob.refused("unknown-peer").await;
    }
    let deep = format!(r#"{{"type":"message","to":"a","data":{}{}}}"#, "[".repeat(33), "]".repeat(33));
    let strikes = [
        ("{", "bad-json"),
        ("[]", "bad-envelope"),
        (r#"{"type":"offer","to":"a","sdp":"","from":"b"}"#, "bad-envelope"),
        (r#"{"type":"offer","type":"offer","to":"a","sdp":""}"#, "bad-envelope"),
        (r#"{"type":"offer","to":"a","sdp":1}"#, "bad-envelope"),
        (r#"{"type":"offer","to":"a","sdp":"\ud800"}"#, "bad-json"),
        (r#"{"type":"hello","protocol":1}"#, "bad-envelope"),
        (r#"{"type":"nonsense"}"#, "unknown-type"),
        (&deep, "too-deep"),
    ];
    for (text, code) in strikes {
        bob.send_text(text).await;
        bob.refused(code).await;
    }
    bob.is_quiet().await;
    bob.send_text("nonsense").await;
    bob.closed_with(4400, "bad-json").await;
    assert_eq!(rig.limit_hits("strikes"), 1);
    ann.expect_about("peer-left", &bob.id.clone()).await;
    ann.is_quiet().await;
}
