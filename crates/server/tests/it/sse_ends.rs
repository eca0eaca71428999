//! How an event stream is kept alive, and how it ends.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::{EventPeer, Frame, Over, Rig, within};

#[tokio::test]
async fn a_silent_stream_is_pinged_and_any_post_is_life() {
    let rig = Rig::start(|config| config.limits.heartbeat_interval_ms = 40);
    let mut ann = rig.events("ann").await;
    for seq in 1..=3 {
        assert_eq!(ann.frame().await, Frame::Ping);
        assert_eq!(ann.post(&rig, seq, &[]).await.status, 204);
    }
    // A repeat is one too, and so is a body that is none.
    assert_eq!(ann.frame().await, Frame::Ping);
    assert_eq!(ann.post(&rig, 1, &[]).await.status, 204);
    assert_eq!(ann.frame().await, Frame::Ping);
    assert_eq!(rig.ask(ann.upward(&json!({ "seq": 4 }))).await.status, 400);
    assert_eq!(ann.frame().await, Frame::Ping);
}

#[tokio::test]
async fn a_stream_on_which_nothing_is_written_is_kept_alive_though_its_client_speaks() {
    let rig = Rig::start(|config| config.limits.heartbeat_interval_ms = 100);
    let (mut ann, bob) = (rig.events("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    let mut seq = 0;
    let speaks = async {
        loop {
            seq += 1;
            let ack = json!({ "type": "ack", "to": bob.id, "x": {} });
            assert_eq!(rig.ask(json_post(&ann.path, &ann.token, seq, &ack)).await.status, 204);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = speaks => {}
        () = tokio::time::sleep(Duration::from_millis(400)) => {}
    }
    let mut pings = 0;
    while let Ok(Frame::Ping) = tokio::time::timeout(Duration::from_millis(20), ann.frame()).await {
        pings += 1;
    }
    assert!(pings > 0);
}

fn json_post(path: &str, token: &str, seq: u64, message: &Value) -> crate::support::Request {
    crate::support::Request::new("POST", path).bearer(token).json(&json!({ "seq": seq, "messages": [message] }))
}

#[tokio::test]
async fn an_unanswered_ping_event_makes_the_peer_away() {
    let rig = Rig::start(|config| {
        config.limits.heartbeat_interval_ms = 60;
        config.limits.heartbeat_timeout_ms = 60;
        config.limits.away_notice_ms = 0;
    });
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect_about("peer-joined", &bob.id).await;
    // Reading is no sign of life, however much is read.
    assert_eq!(bob.frame().await, Frame::Ping);
    ann.expect_about("peer-away", &bob.id).await;
    bob.closed_with(4408, "heartbeat-timeout").await;
    assert_eq!(rig.limit_hits("heartbeat_timeout_ms"), 1);
    assert_eq!(rig.events_resuming("bob", &bob.resume_token()).await.welcome["resumed"], true);
}

#[tokio::test]
async fn a_check_probes_a_stream_at_once() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.events("bob").await);
    ann.expect("peer-joined").await;
    ann.send(json!({ "type": "check", "id": bob.id })).await;
    assert_eq!(bob.frame().await, Frame::Ping);
    assert_eq!(bob.post(&rig, 1, &[]).await.status, 204);
    assert_eq!(ann.expect("checked").await, json!({ "type": "checked", "id": bob.id, "presence": "here" }));
    // And asks by it.
    bob.seq = 1;
    let id = ann.id.clone();
    bob.send(&rig, json!({ "type": "check", "id": id })).await;
    assert_eq!(ann.heard().await, Vec::<Value>::new());
    assert_eq!(bob.expect("checked").await["presence"], "here");
}

#[tokio::test]
async fn a_drain_sends_streams_elsewhere_and_ends_them() {
    let rig = Rig::start(|config| config.drain_window_ms = 400);
    let (mut ann, mut bob) = (rig.events("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let clients = async {
        let reconnect = ann.expect("reconnect").await;
        assert_eq!(reconnect["reason"], "drain");
        assert!(reconnect["withinMs"].as_u64().expect("a time") <= 400, "{reconnect}");
        // Nobody new, and whoever is here goes on.
        let refused =
            rig.ask(crate::support::events_request(&ann.token, &json!({ "type": "hello", "protocol": 1 }))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "draining"));
        let (code, _) = ann.closed().await;
        drop(ann);
        bob.expect("reconnect").await;
        (code, bob.closed().await.0)
    };
    let ((), codes) = tokio::join!(rig.server.drain(), clients);
    assert_eq!(codes, (1012, 1012));
    assert_eq!(rig.metric("aldis_connections{transport=\"sse\"}"), 0);
}

#[tokio::test]
async fn whoever_is_removed_or_replaced_is_told() {
    let rig = Rig::usual();
    let mut ann = rig.v1(crate::support::Token::of("ann").all()).await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    ann.send(json!({ "type": "remove", "id": bob.id, "reason": "spam" })).await;
    assert_eq!(bob.closed_with(4410, "removed").await["code"], "removed");
    assert_eq!(bob.post(&rig, 1, &[]).await.problem(), "gone");
    ann.expect("peer-left").await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let token = crate::support::Token::of("bob").duplicates(aldis_core::Duplicates::Replace);
    let other = rig.events(token).await;
    bob.closed_with(4409, "replaced").await;
    ann.expect("peer-left").await;
    ann.expect_about("peer-joined", &other.id).await;
}

#[tokio::test]
async fn a_token_that_expires_ends_the_stream() {
    let rig = Rig::usual();
    let mut ann = rig.events(crate::support::Token::of("ann").ttl_s(1)).await;
    ann.expect("token-expiring").await;
    let fresh = rig.mint("ann");
    ann.closed_with(4401, "token-expired").await;
    ann.token = fresh;
    assert_eq!(ann.post(&rig, 1, &[]).await.problem(), "gone");
}

/// A payload that fills buffers.
fn data(number: u64) -> Value {
    json!({ "number": number, "filling": "x".repeat(30_000) })
}

async fn a_slow_reader_of_events_is_closed_with_4420(over: Over) {
    const MESSAGES: u64 = 300;
    let rig = Rig::start_over(over, |config| {
        config.limits.message_burst = 1_000_000;
        config.limits.byte_burst = 1 << 30;
        config.limits.parked_bytes = 200_000;
        // However long a busy machine takes, it is the bytes that close him.
        config.limits.outbound_stall_ms = 3_600_000;
    });
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events_on(rig.dial_narrow().await, "bob", json!({ "type": "hello", "protocol": 1 })).await;
    ann.expect("peer-joined").await;
    for number in 0..MESSAGES {
        let message = json!({ "type": "message", "to": bob.id, "data": data(number), "msg": number.to_string() });
        ann.send(message).await;
    }
    let number = |message: &Value| message["data"]["number"].as_u64().expect("a number");
    let refused: BTreeSet<u64> = ann
        .heard()
        .await
        .iter()
        .filter(|message| message["type"] == "error")
        .map(|error| error["re"].as_str().and_then(|re| re.parse().ok()).expect("a number"))
        .collect();
    assert_eq!(rig.limit_hits("outbound_bytes"), 1);
    let (code, mut last) = bob.closed().await;
    assert_eq!((code, &last.pop().expect("an error")["code"]), (4420, &json!("slow-reader")));
    let written: Vec<_> = last.iter().map(number).collect();
    let mut again = rig.events_resuming("bob", &bob.resume_token()).await;
    let parked: Vec<_> = again.heard(&rig).await.iter().map(number).collect();
    assert!(!written.is_empty() && !parked.is_empty() && !refused.is_empty());
    let mut all = [written, parked].concat();
    assert!(all.is_sorted(), "{all:?}");
    all.extend(refused);
    all.sort_unstable();
    assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_reader_of_events_is_closed_with_4420_plain() {
    a_slow_reader_of_events_is_closed_with_4420(Over::Plain).await;
}

#[tokio::test]
async fn a_slow_reader_of_events_is_closed_with_4420_over_tls() {
    a_slow_reader_of_events_is_closed_with_4420(Over::Tls).await;
}

#[tokio::test]
async fn a_stalled_stream_is_closed_and_its_frames_are_given_back() {
    let rig = Rig::start(|config| {
        config.limits.message_burst = 1_000_000;
        config.limits.byte_burst = 1 << 30;
        config.limits.outbound_bytes = 64 << 20;
        config.limits.parked_bytes = 64 << 20;
        config.limits.parked_messages = 1_000;
        config.limits.outbound_stall_ms = 100;
        config.limits.away_notice_ms = 0;
    });
    let mut ann = rig.v1("ann").await;
    let bob = rig.events_on(rig.dial_narrow().await, "bob", json!({ "type": "hello", "protocol": 1 })).await;
    ann.expect("peer-joined").await;
    for number in 0..200 {
        ann.tell(&bob.id, data(number)).await;
    }
    ann.expect_about("peer-away", &bob.id).await;
    assert_eq!(rig.limit_hits("outbound_stall_ms"), 1);
    let token = bob.resume_token();
    bob.into_stream().reset();
    let mut again: EventPeer = rig.events_resuming("bob", &token).await;
    let heard = again.heard(&rig).await;
    let numbers: Vec<_> = heard.iter().filter_map(|message| message["data"]["number"].as_u64()).collect();
    assert!(!numbers.is_empty());
    let first = numbers[0];
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert!(first > 0 && sorted.last() == Some(&199), "{numbers:?}");
}

#[tokio::test]
async fn a_server_that_is_dropped_leaves_no_stream_and_no_post_behind() {
    let rig = Rig::usual();
    let mut ann = rig.events("ann").await;
    let mut waiting = rig.dial().await;
    tokio::io::AsyncWriteExt::write_all(&mut waiting, &ann.request(2, &[]).bytes()).await.expect("sent");
    let node = std::sync::Arc::clone(rig.server.node());
    drop(rig);
    assert_eq!(ann.frame().await, Frame::End);
    within("the end of all tasks", async {
        node.connections.close();
        node.connections.wait().await;
    })
    .await;
    assert_eq!(node.admission.connections(), 0);
}
