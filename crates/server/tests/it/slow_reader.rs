//! Somebody who does not read: closed with 4420, and nobody else notices. What never left is parked, and nothing comes twice.

use std::{collections::BTreeSet, time::Duration};

use aldis_server::config::Config;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Frame, Opcode, Over, Peer, Rig, Token, within};

/// More than the kernel keeps for a connection whose other end has a small buffer.
const MESSAGES: u64 = 400;
const BYTES: usize = 30_000;

/// Limits under which a flood passes.
fn generous(config: &mut Config) {
    let limits = &mut config.limits;
    limits.message_burst = 1_000_000;
    limits.byte_burst = 1 << 30;
    limits.outbound_bytes = 1 << 30;
    limits.parked_messages = 1_000_000;
    limits.parked_bytes = 1 << 30;
    limits.away_notice_ms = 0;
}

fn data(number: u64) -> Value {
    json!([number, "x".repeat(BYTES)])
}

fn number(message: &Value) -> u64 {
    message["data"][0].as_u64().unwrap_or_else(|| panic!("no number: {message}"))
}

/// The numbers of the messages that a connection brings until it closes, and its code.
async fn drain(peer: &mut Peer) -> (Vec<u64>, Option<u16>) {
    let mut numbers = Vec::new();
    loop {
        match peer.frame().await {
            Frame::Text(message) if message["type"] == "message" => numbers.push(number(&message)),
            Frame::Text(_) | Frame::Ping | Frame::Pong(_) => {}
            Frame::Close(code) => return (numbers, Some(code)),
            Frame::End => return (numbers, None),
        }
    }
}

/// The numbers that were parked, up to the last of the flood.
async fn collect(peer: &mut Peer, last: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        numbers.push(number(&peer.expect("message").await));
    }
    numbers
}

async fn a_slow_reader_is_closed_with_4420(over: Over) {
    let rig = Rig::start_over(over, |config| {
        generous(config);
        config.limits.outbound_bytes = 400_000;
        config.limits.parked_bytes = 200_000;
    });
    let (mut ann, mut carol) = (rig.v1("ann").await, rig.raw("carol").await);
    let mut bob = slow(&rig).await;
    ann.expect("peer-joined").await;
    ann.expect("peer-joined").await;
    carol.expect("peer-joined").await;
    for sent in 0..MESSAGES {
        ann.send(json!({ "type": "message", "to": bob.id, "data": data(sent), "msg": sent.to_string() })).await;
        if sent % 50 == 0 {
            // The others go on talking.
            ann.tell(&carol.id, sent).await;
            while carol.next().await["data"] != sent {}
        }
    }
    let heard = ann.heard().await;
    let refusals = heard.iter().filter(|message| message["type"] == "error");
    let refused: Vec<u64> = refusals
        .inspect(|error| {
            assert_eq!((&error["code"], &error["outcome"]), (&json!("queue-full"), &json!("not-delivered")));
        })
        .map(|error| error["re"].as_str().and_then(|re| re.parse().ok()).expect("a number"))
        .collect();
    assert_eq!(rig.limit_hits("outbound_bytes"), 1);
    assert_eq!(rig.limit_hits("parked_bytes"), refused.len() as u64);

    let (written, code) = drain(&mut bob).await;
    assert_eq!(code, Some(4420));
    let mut again = rig.resume("bob", &bob.resume_token()).await;
    assert_eq!(again.welcome["resumed"], true);
    let parked: Vec<u64> = again.heard().await.iter().map(number).collect();
    assert!(!written.is_empty() && !parked.is_empty() && !refused.is_empty());
    // In order, each exactly once: written, parked or refused.
    let mut all = [written, parked].concat();
    assert!(all.is_sorted(), "{all:?}");
    all.extend(refused);
    all.sort_unstable();
    assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>());
}

async fn a_stalled_reader_is_closed_with_4420(over: Over) {
    let rig = Rig::start_over(over, |config| {
        generous(config);
        config.limits.outbound_stall_ms = 100;
    });
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.raw_on(rig.dial_narrow().await, "bob").await;
    ann.expect("peer-joined").await;
    for sent in 0..MESSAGES {
        ann.tell_with_receipt(&bob.id, data(sent), &sent.to_string()).await;
    }
    // What left is called written and what did not is given back; he is raw, so he has left.
    let (mut written, mut returned, mut received) = (BTreeSet::new(), BTreeSet::new(), None);
    while written.len() + returned.len() < MESSAGES as usize || received.is_none() {
        let answer = ann.next().await;
        let re = || answer["re"].as_str().and_then(|re| re.parse::<u64>().ok()).expect("a number");
        match answer["type"].as_str() {
            Some("receipt") => assert!(written.insert(re())),
            Some("error") => {
                assert_eq!((&answer["code"], &answer["outcome"]), (&json!("peer-gone"), &json!("not-delivered")));
                assert!(returned.insert(re()));
            }
            // Now he reads: what is called written, the frame that had begun, and why he was closed.
            Some("peer-left") => received = Some(drain(&mut bob).await),
            _ => panic!("{answer}"),
        }
    }
    assert!(!written.is_empty() && !returned.is_empty());
    assert_eq!(rig.limit_hits("outbound_stall_ms"), 1);
    assert_eq!(received, Some((written.into_iter().collect(), Some(4420))));
}

async fn a_receipt_is_settled_in_time(over: Over) {
    let rig = Rig::start_over(over, |config| {
        generous(config);
        config.limits.receipt_ms = 100;
    });
    let mut ann = rig.v1("ann").await;
    let mut bob = slow(&rig).await;
    ann.expect("peer-joined").await;
    for sent in 0..MESSAGES {
        ann.tell(&bob.id, data(sent)).await;
    }
    // He is known not to read before the receipt is asked for.
    ann.is_quiet().await;
    let asked = Instant::now();
    ann.tell_with_receipt(&bob.id, data(MESSAGES), "last").await;
    let error = ann.refused("unavailable").await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!((&error["re"], &error["outcome"]), (&json!("last"), &json!("unknown")), "{error}");
    assert_eq!(rig.limit_hits("receipt_ms"), 1);
    // It arrives all the same, and is not answered again.
    assert_eq!(collect(&mut bob, MESSAGES).await, (0..=MESSAGES).collect::<Vec<_>>());
    ann.is_quiet().await;
}

async fn nothing_that_never_left_is_lost_when_the_connection_dies(over: Over) {
    let rig = Rig::start_over(over, generous);
    let mut ann = rig.v1(Token::of("ann")).await;
    let bob = slow(&rig).await;
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    for sent in 0..MESSAGES {
        ann.tell(&id, data(sent)).await;
    }
    ann.is_quiet().await;
    bob.into_socket().reset();
    ann.expect_about("peer-away", &id).await;
    let mut bob = rig.resume("bob", &token).await;
    let received = collect(&mut bob, MESSAGES - 1).await;
    // What the kernels had is gone with the connection; from the first that had not left whole, everything is here.
    let first = received[0];
    assert!(first < MESSAGES - 1, "some were queued");
    assert_eq!(received, (first..MESSAGES).collect::<Vec<_>>());
}

async fn what_waits_for_a_fenced_connection_goes_to_the_next(over: Over) {
    let rig = Rig::start_over(over, generous);
    let mut ann = rig.v1("ann").await;
    let mut bob = slow(&rig).await;
    ann.expect("peer-joined").await;
    for sent in 0..MESSAGES {
        ann.tell(&bob.id, data(sent)).await;
    }
    ann.is_quiet().await;
    // Half open: the old connection is not known to be dead when the new one comes.
    let mut again = rig.resume("bob", &bob.resume_token()).await;
    let rest = collect(&mut again, MESSAGES - 1).await;
    let (mut received, code) = drain(&mut bob).await;
    assert_eq!(code, Some(4419));
    assert!(!rest.is_empty() && !received.is_empty());
    received.extend(rest);
    assert_eq!(received, (0..MESSAGES).collect::<Vec<_>>());
    ann.is_quiet().await;
}

async fn a_frame_that_had_begun_is_given_back_when_a_closing_connection_breaks(over: Over) {
    let rig = Rig::start_over(over, |config| {
        generous(config);
        config.limits.outbound_stall_ms = 500;
        config.limits.outbound_bytes = 64 << 20;
    });
    let mut ann = rig.v1("ann").await;
    let bob = slow(&rig).await;
    ann.expect("peer-joined").await;
    let (id, token) = (bob.id.clone(), bob.resume_token());
    for sent in 0..MESSAGES {
        ann.tell_with_receipt(&id, data(sent), &sent.to_string()).await;
    }
    // He never reads his 4420. Then the frame that had begun is known not to have arrived, and is parked like the rest.
    let (mut settled, mut bob) = (BTreeSet::new(), Some(bob));
    while settled.len() < MESSAGES as usize {
        let answer = ann.next().await;
        if answer["type"] == "peer-away" {
            bob.take().expect("once").into_socket().reset();
        } else {
            assert_eq!(answer["type"], "receipt", "{answer}");
            assert!(settled.insert(answer["re"].to_string()), "{answer}");
        }
    }
    assert!(bob.is_none(), "he was away");
    let mut bob = rig.resume("bob", &token).await;
    let mut received: Vec<_> = bob.heard().await.iter().map(number).collect();
    received.sort_unstable();
    let first = received[0];
    assert_eq!(received, (first..MESSAGES).collect::<Vec<_>>(), "no gap, nothing twice");
}

async fn a_closing_connection_settles_the_receipt_of_a_frame_that_had_begun(over: Over) {
    let rig = Rig::start_over(over, |config| {
        generous(config);
        config.limits.outbound_stall_ms = 50;
        config.limits.receipt_ms = 1_000;
    });
    let mut ann = rig.v1("ann").await;
    let bob = rig.raw_on(rig.dial_narrow().await, "bob").await;
    ann.expect("peer-joined").await;
    for sent in 0..MESSAGES {
        ann.tell_with_receipt(&bob.id, data(sent), &sent.to_string()).await;
    }
    // He neither reads nor hangs up. All is settled long before his connection is given up.
    let started = Instant::now();
    let mut settled = BTreeSet::new();
    while settled.len() < MESSAGES as usize {
        let answer = ann.next().await;
        if answer["re"].is_string() {
            assert!(settled.insert(answer["re"].to_string()), "{answer}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    drop(bob);
}

async fn pings_that_are_answered_unread_fill_no_queue(over: Over) {
    let rig = Rig::start_over(over, |config| {
        generous(config);
        config.limits.outbound_stall_ms = 300;
        // Room for some thirty pongs.
        config.limits.outbound_bytes = 4_096;
    });
    let mut bob = rig.raw_on(rig.dial_narrow().await, "bob").await;
    let pings = Opcode::Ping.frame(&[b'x'; 125]).repeat(500);
    within("the end of the server's patience", async {
        while rig.limit_hits("outbound_stall_ms") == 0 {
            bob.write(&pings).await;
        }
    })
    .await;
    assert_eq!((drain(&mut bob).await.1, rig.limit_hits("outbound_bytes")), (Some(4420), 0));
}

/// Each story over plain sockets and over TLS, where what has become a record cannot be taken back.
macro_rules! over_both {
    ($($story:ident)*) => {
        mod plain {
            $(#[tokio::test]
            async fn $story() {
                super::$story(super::Over::Plain).await;
            })*
        }

        mod tls {
            $(#[tokio::test]
            async fn $story() {
                super::$story(super::Over::Tls).await;
            })*
        }
    };
}

over_both! {
    a_slow_reader_is_closed_with_4420
    a_stalled_reader_is_closed_with_4420
    a_receipt_is_settled_in_time
    nothing_that_never_left_is_lost_when_the_connection_dies
    what_waits_for_a_fenced_connection_goes_to_the_next
    a_frame_that_had_begun_is_given_back_when_a_closing_connection_breaks
    a_closing_connection_settles_the_receipt_of_a_frame_that_had_begun
    pings_that_are_answered_unread_fill_no_queue
}

/// Bob, whose socket takes little.
async fn slow(rig: &Rig) -> Peer {
    rig.v1_on(rig.dial_narrow().await, "bob", json!({ "type": "hello", "protocol": 1 })).await
}
