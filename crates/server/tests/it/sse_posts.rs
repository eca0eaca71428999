//! What a client of an event stream says: each POST once, in order, and only by who is the client.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Request, Rig, Token, within};

fn to(peer: &str, data: impl Into<Value>) -> Value {
    let data: Value = data.into();
    json!({ "type": "message", "to": peer, "data": data })
}

#[tokio::test]
async fn many_posts_at_once_are_handled_in_order_and_each_once() {
    const POSTS: u64 = 60;
    let rig = Rig::start(|config| config.limits.posts_waiting = 2 * POSTS);
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    // The last first, each with three messages, and every third twice.
    let mut answers = Vec::new();
    for seq in (1..=POSTS).rev() {
        let messages = [3 * seq, 3 * seq + 1, 3 * seq + 2].map(|number| to(&ann.id, number));
        for _ in 0..1 + usize::from(seq % 3 == 0) {
            answers.push((bob.request(seq, &messages), rig.dial().await));
        }
    }
    let sending =
        answers.into_iter().map(|(request, mut stream)| async move { request.ask(&mut stream).await.0.status });
    let statuses = futures_util::future::join_all(sending).await;
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
    for number in 3..3 * POSTS + 3 {
        ann.told(&bob.id, number).await;
    }
    bob.seq = POSTS;
    bob.is_quiet(&rig).await;
    ann.is_quiet().await;
}

#[tokio::test]
async fn one_connection_carries_post_after_post() {
    let rig = Rig::usual();
    let mut ann = rig.v1("ann").await;
    let bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let mut stream = rig.dial().await;
    for seq in 1..=3 {
        assert_eq!(bob.request(seq, &[to(&ann.id, seq)]).ask(&mut stream).await.0.status, 204);
    }
    // Pipelined: one behind the other in one packet, and one of them in chunks.
    let chunked = bob.request(5, &[]).without("Content-Length").header("Transfer-Encoding", "chunked");
    let text = String::from_utf8(chunked.bytes()).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let chunked = format!("{head}\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let requests =
        [bob.request(4, &[to(&ann.id, 4)]).bytes(), chunked.into_bytes(), bob.request(6, &[to(&ann.id, 6)]).bytes()];
    stream.write_all(&requests.concat()).await.expect("sent");
    let mut answered = Vec::new();
    within("three answers", async {
        while answered.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count() < 3 {
            stream.read_buf(&mut answered).await.expect("an answer");
        }
    })
    .await;
    let text = String::from_utf8(answered).expect("text");
    assert_eq!(text.matches("HTTP/1.1 204").count(), 3, "{text}");
    for number in [1, 2, 3, 4, 6] {
        ann.told(&bob.id, number).await;
    }
}

#[tokio::test]
async fn a_repeated_post_is_answered_and_not_handled_again() {
    let rig = Rig::usual();
    let mut ann = rig.v1("ann").await;
    let bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    // Its answer is lost with its connection.
    let mut stream = rig.dial().await;
    stream.write_all(&bob.request(1, &[to(&ann.id, "once")]).bytes()).await.expect("sent");
    ann.told(&bob.id, "once").await;
    drop(stream);
    for seq in [1, 1, 2, 1, 2] {
        assert_eq!(bob.post(&rig, seq, &[to(&ann.id, "once")]).await.status, 204);
    }
    ann.told(&bob.id, "once").await;
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_post_waits_only_so_long() {
    let rig = Rig::start(|config| config.limits.post_ms = 60);
    let mut ann = rig.v1("ann").await;
    let bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let early = bob.post(&rig, 2, &[to(&ann.id, 2)]).await;
    assert_eq!((early.status, early.problem().as_str()), (425, "out-of-order"));
    assert_eq!(rig.limit_hits("post_ms"), 1);
    // It is not handled behind its sender's back.
    assert_eq!(bob.post(&rig, 1, &[to(&ann.id, 1)]).await.status, 204);
    ann.told(&bob.id, 1).await;
    ann.is_quiet().await;
    assert_eq!(bob.post(&rig, 2, &[to(&ann.id, "again")]).await.status, 204);
    ann.told(&bob.id, "again").await;
    // Neither is half a body.
    let half = bob.request(3, &[]).without("Content-Length").header("Content-Length", "1000");
    let answer = rig.ask(half).await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"));
    assert_eq!(rig.limit_hits("post_ms"), 2);
    assert_eq!(bob.post(&rig, 3, &[]).await.status, 204);
}

#[tokio::test]
async fn only_so_many_posts_wait() {
    let rig = Rig::start(|config| config.limits.posts_waiting = 2);
    let mut ann = rig.v1("ann").await;
    let bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let mut waiting = [rig.dial().await, rig.dial().await];
    for (seq, stream) in [3, 2].into_iter().zip(&mut waiting) {
        stream.write_all(&bob.request(seq, &[to(&ann.id, seq)]).bytes()).await.expect("sent");
    }
    // Whichever of the three comes last finds no place; it is one of those that nobody waits for.
    let refused = within("a POST that finds no place", async {
        loop {
            let request = bob.request(4, &[]);
            let asked = tokio::time::timeout(Duration::from_millis(50), rig.ask(request)).await;
            if let Ok(answer) = asked {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((refused.status, refused.problem().as_str()), (425, "out-of-order"));
    assert_eq!(rig.limit_hits("posts_waiting"), 1);
    assert_eq!(bob.post(&rig, 1, &[to(&ann.id, 1)]).await.status, 204);
    for (number, stream) in [1, 2, 3].into_iter().zip([None, Some(1), Some(0)]) {
        ann.told(&bob.id, number).await;
        if let Some(at) = stream {
            assert_eq!(within("an answer", Answer::read(&mut waiting[at])).await.0.status, 204);
        }
    }
}

#[tokio::test]
async fn only_the_client_itself_is_heard() {
    let rig = Rig::usual();
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let good = rig.mint(Token::of("bob").ttl_s(1_800));
    let say = |path: &str, token: &str| {
        let body = json!({ "seq": 1, "messages": [to(&ann.id, "not from bob")] });
        Request::new("POST", path).bearer(token).json(&body)
    };
    let node = bob.welcome["node"].as_str().expect("a node").to_owned();
    let shouted = bob.path.replace(&node, &node.to_uppercase());
    let cut = &bob.path[..bob.path.len() - 1];
    let stranger = format!("/v1/signal/{node}.{}", "0".repeat(32));
    let elsewhere = rig.mint(Token::of("bob").room("cellar"));
    let mallory = rig.mint("mallory");
    let mut gone = Vec::new();
    for (path, token) in [
        (stranger.as_str(), good.as_str()),
        (&stranger, &mallory),
        (&shouted, &good),
        (cut, &good),
        (&format!("{}0", bob.path), &good),
        ("/v1/signal/x", &good),
        // There, and not theirs: the same answer to the byte.
        (&bob.path, &mallory),
        (&bob.path, &elsewhere),
    ] {
        let answer = rig.ask(say(path, token)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (410, "gone"), "{path}");
        gone.push(answer.text());
    }
    assert!(gone.iter().all(|body| *body == gone[0]), "{gone:?}");
    for (request, status, code) in [
        (say(&bob.path, "nonsense"), 401, "token-invalid"),
        (say(&stranger, "nonsense"), 401, "token-invalid"),
        (say(&bob.path, &(good.clone() + "x")), 401, "token-invalid"),
        (say(&bob.path, &rig.mint_ago(Token::of("bob").ttl_s(60), 120_000)), 401, "token-expired"),
        (say(&bob.path, "x").without("Authorization"), 401, "token-missing"),
        (say(&bob.path, "x").header("Authorization", "Basic YTpi"), 400, "bad-request"),
    ] {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
    }
    ann.is_quiet().await;
    // Another token of the same identity and room is as good as the first, and does not change the grant.
    assert_ne!(good, bob.token);
    bob.token = rig.mint(Token::of("bob").ttl_s(600).all());
    bob.tell(&rig, &ann.id, "from bob").await;
    ann.told(&bob.id, "from bob").await;
    bob.send(&rig, json!({ "type": "message", "data": "to all" })).await;
    bob.refused("forbidden").await;
    let token = bob.token.clone();
    bob.send(&rig, json!({ "type": "auth", "token": token })).await;
    bob.expect("auth-ok").await;
    bob.send(&rig, json!({ "type": "message", "data": "to all" })).await;
    ann.told(&bob.id, "to all").await;
}

#[tokio::test]
async fn an_oversize_post_is_413() {
    let rig = Rig::start(|config| {
        config.limits.post_bytes = 4_096;
        config.limits.message_bytes = 2_048;
        config.limits.small_message_bytes = 2_000;
    });
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events("bob").await;
    assert_eq!(bob.welcome["limits"]["postBytes"], 4_096);
    ann.expect("peer-joined").await;
    let full =
        json!({ "seq": 1, "messages": [to(&ann.id, "x".repeat(1_000)), to(&ann.id, "x".repeat(1_000))] }).to_string();
    let exact = full.clone() + &" ".repeat(4_096 - full.len());
    for (body, status) in [(exact.clone() + " ", 413), (exact, 204)] {
        let answer = rig.ask(Request::new("POST", &bob.path).bearer(&bob.token).body(body)).await;
        assert_eq!(answer.status, status);
    }
    for _ in 0..2 {
        ann.told(&bob.id, "x".repeat(1_000)).await;
    }
    assert_eq!(rig.limit_hits("post_bytes"), 1);
    // A message that is too large in a body that is not closes the connection, as over WebSocket.
    assert_eq!(bob.post(&rig, 2, &[to(&ann.id, "x".repeat(2_048)), to(&ann.id, 2)]).await.problem(), "gone");
    bob.closed_with(1009, "too-large").await;
    assert_eq!(rig.limit_hits("message_bytes"), 1);
    ann.is_quiet().await;
}

#[tokio::test]
async fn what_is_no_post_is_refused_and_counts_as_a_strike() {
    let rig = Rig::start(|config| config.limits.strikes = 6);
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let body = |body: &[u8]| Request::new("POST", &bob.path).bearer(&bob.token).body(body);
    let nine = format!("{{\"seq\":1,\"messages\":[{}1{}]}}", "[".repeat(40), "]".repeat(40));
    for (request, code) in [
        (body(b"{\"seq\":1,\"messages\":[}"), "bad-json"),
        (body(b"{\"seq\":1,\"messages\":[\"\xff\"]}"), "bad-json"),
        (body(b"{\"seq\":0,\"messages\":[]}"), "bad-envelope"),
        (body(b""), "bad-json"),
    ] {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, code));
    }
    // None of them took a place; a message that is none is told of on the stream, and spoils no other.
    let (sends, deep) = (to(&ann.id, "good"), nine.into_bytes());
    assert_eq!(bob.post(&rig, 1, &[json!({ "type": "nonsense" }), sends.clone()]).await.status, 204);
    bob.refused("unknown-type").await;
    ann.told(&bob.id, "good").await;
    let deep = String::from_utf8(deep).expect("text").replace("\"seq\":1", "\"seq\":2");
    // The last of the six: the rest of its body is not handled.
    let deep = deep.replace("]}", &format!(",{sends}]}}"));
    let answer = rig.ask(Request::new("POST", &bob.path).bearer(&bob.token).body(deep)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (410, "gone"));
    let (code, last) = bob.closed().await;
    assert_eq!((code, &last[0]["code"]), (4400, &json!("too-deep")));
    assert_eq!(rig.limit_hits("strikes"), 1);
    ann.is_quiet().await;
}

#[tokio::test]
async fn rates_are_those_of_a_websocket() {
    let rig = Rig::start(|config| {
        config.limits.message_burst = 5;
        config.limits.message_burst_per_peer = 0;
        config.limits.messages_per_second = 1;
    });
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let messages: Vec<_> = (0..8).map(|number| to(&ann.id, number)).collect();
    assert_eq!(bob.post(&rig, 1, &messages).await.status, 204);
    for number in 0..5 {
        ann.told(&bob.id, number).await;
    }
    for _ in 5..8 {
        let error = bob.refused("rate-limited").await;
        assert_eq!(error["outcome"], "not-delivered");
        assert!(error["retryAfterMs"].is_u64(), "{error}");
    }
    assert_eq!(rig.limit_hits("messages_per_second"), 3);
}

/// POSTs without a message, in the order that `next` counts, until the connection is closed for it.
async fn a_flood_is_closed(next: impl Fn(u64) -> u64) {
    let rig = Rig::start(|config| {
        config.limits.message_burst = 1;
        config.limits.message_burst_per_peer = 0;
        config.limits.messages_per_second = 1;
        config.limits.excess_ms = 100;
    });
    let mut bob = rig.events("bob").await;
    let mut stream = rig.dial().await;
    let mut seq = 1;
    let last = within("a close", async {
        loop {
            let answer = bob.request(seq, &[]).ask(&mut stream).await.0;
            if answer.status != 204 {
                return answer;
            }
            seq = next(seq);
        }
    })
    .await;
    assert_eq!((last.status, last.problem().as_str()), (410, "gone"));
    bob.closed_with(4429, "rate-limited").await;
}

#[tokio::test]
async fn a_flood_of_posts_that_say_nothing_is_closed() {
    a_flood_is_closed(|seq| seq + 1).await;
}

#[tokio::test]
async fn a_flood_of_repeated_posts_is_closed() {
    a_flood_is_closed(|seq| seq).await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_a_post_has_said_nothing() {
    let rig = Rig::usual();
    let mut ann = rig.v1("ann").await;
    let mut bob = rig.events("bob").await;
    ann.expect("peer-joined").await;
    let bytes = bob.request(1, &[to(&ann.id, 1)]).bytes();
    let mut stream = rig.dial().await;
    stream.write_all(&bytes[..bytes.len() - 3]).await.expect("sent");
    drop(stream);
    bob.tell(&rig, &ann.id, "whole").await;
    ann.told(&bob.id, "whole").await;
    ann.is_quiet().await;
    assert!(bob.heard(&rig).await.is_empty());
}
