//! The event stream: how it opens, what it refuses, and that its client is a peer like any other.

use aldis_server::config::Origins;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Answer, EventPeer, EventStream, Over, Request, Rig, Token, events_request, within};

fn hello() -> Value {
    json!({ "type": "hello", "protocol": 1 })
}

async fn a_client_joins_and_speaks_both_ways(over: Over) {
    let rig = Rig::start_over(over, |_| {});
    let mut ann = rig.v1("ann").await;
    let mut bob =
        rig.events_on(rig.dial().await, "bob", json!({ "type": "hello", "protocol": 1, "features": ["x"] })).await;
    let joined = ann.expect_about("peer-joined", &bob.id.clone()).await;
    assert_eq!((&joined["peer"]["features"], &joined["peer"]["polite"]), (&json!(["x"]), &json!(false)));
    assert_eq!(bob.welcome["peers"][0]["id"], ann.id);
    assert_eq!((&bob.welcome["resumed"], &bob.welcome["resume"]["windowMs"]), (&json!(false), &json!(30_000)));
    assert_eq!(ann.welcome["post"], Value::Null);
    let node = bob.welcome["node"].as_str().expect("a node");
    assert!(bob.path.starts_with(&format!("/v1/signal/{node}.")), "{}", bob.path);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("content-encoding", "identity"),
        ("x-accel-buffering", "no"),
        ("connection", "close"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(bob.head().header(name), Some(value), "{:?}", bob.head());
    }
    for name in ["content-length", "transfer-encoding"] {
        assert_eq!(bob.head().header(name), None);
    }
    assert!(bob.head().header("date").expect("a date").ends_with(" GMT"));
    assert_eq!(rig.metric("aldis_connections{transport=\"sse\"}"), 1);

    for number in 0..20 {
        bob.tell(&rig, &ann.id, number).await;
        ann.told(&bob.id, number).await;
        ann.tell(&bob.id, number).await;
        let from = ann.id.clone();
        bob.told(&from, number).await;
    }
    // Receipts, errors and answers come down the stream.
    let to = ann.id.clone();
    let offer = json!({ "type": "offer", "to": to, "sdp": "v=0\r\n", "msg": "1", "receipt": true });
    let nobody = json!({ "type": "hangup", "to": "nobody", "msg": "2" });
    bob.seq += 1;
    let posted = bob.post(&rig, bob.seq, &[offer, nobody, json!({ "type": "ice-servers" })]).await;
    assert_eq!(posted.status, 204);
    assert_eq!(ann.expect("offer").await["sdp"], "v=0\r\n");
    let mut answers = [bob.next().await, bob.next().await, bob.next().await];
    answers.sort_by_key(|answer| answer["type"].to_string());
    assert_eq!((&answers[0]["code"], &answers[0]["re"]), (&json!("unknown-peer"), &json!("2")));
    assert_eq!(answers[1]["type"], "ice-servers");
    assert_eq!((&answers[2]["status"], &answers[2]["re"]), (&json!("written"), &json!("1")));
    bob.is_quiet(&rig).await;

    bob.send(&rig, json!({ "type": "leave" })).await;
    assert_eq!(bob.closed().await.0, 1000);
    assert_eq!(ann.expect_about("peer-left", &bob.id).await["reason"], "left");
    rig.everybody_left_but(1).await;
    assert_eq!(rig.metric("aldis_connections{transport=\"sse\"}"), 0);
}

#[tokio::test]
async fn a_client_joins_and_speaks_both_ways_plain() {
    a_client_joins_and_speaks_both_ways(Over::Plain).await;
}

#[tokio::test]
async fn a_client_joins_and_speaks_both_ways_over_tls() {
    a_client_joins_and_speaks_both_ways(Over::Tls).await;
}

#[tokio::test]
async fn two_event_streams_call_each_other() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.events("ann").await, rig.events("bob").await);
    ann.expect_about("peer-joined", &bob.id).await;
    // A payload with line breaks between its tokens is one event all the same, and the same value.
    let payload = "{\n\t\"a\": [1,\r\n 2],\r\"b\": \"\\n\\r\"\n}";
    let body =
        format!("{{\"seq\":1,\"messages\":[{{\"type\":\"message\",\"to\":\"{}\",\"data\":{payload}}}]}}", bob.id);
    let request = Request::new("POST", &ann.path).bearer(&ann.token).body(body);
    assert_eq!(rig.ask(request).await.status, 204);
    bob.told(&ann.id, json!({ "a": [1, 2], "b": "\n\r" })).await;
    bob.tell(&rig, &ann.id, "back").await;
    ann.told(&bob.id, "back").await;
}

#[tokio::test]
async fn what_the_probe_refuses_is_refused_with_a_status_that_a_page_can_read() {
    let rig = Rig::start(|config| config.limits.connections_per_identity = 1);
    let token = rig.mint(Token::of("ann").max_peers(1));
    let open = |token: &str, hello: Value| events_request(token, &hello);
    let bad = |body: &'static str| events_request(&token, &json!(0)).without("Content-Length").body(body);
    let big = json!({ "type": "hello", "protocol": 1, "resume": "x".repeat(66_000) });
    let cases = [
        (open("nonsense", hello()), 401, "token-invalid"),
        (open(&token, hello()).without("Authorization"), 401, "token-missing"),
        (open(&rig.mint_ago(Token::of("ann").ttl_s(60), 120_000), hello()), 401, "token-expired"),
        (open(&token, hello()).without("Accept"), 406, "not-acceptable"),
        (open(&token, hello()).without("Accept").header("Accept", "application/json"), 406, "not-acceptable"),
        (open(&token, json!({ "type": "hello", "protocol": 2 })), 400, "protocol-unsupported"),
        (open(&token, json!({ "type": "ping" })), 400, "bad-envelope"),
        (open(&token, json!([1])), 400, "bad-envelope"),
        (bad("{"), 400, "bad-json"),
        (bad(""), 400, "bad-json"),
        (open(&token, big), 413, "too-large"),
    ];
    for (request, status, code) in cases {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    }
    let ann = rig.events("ann").await;
    assert_eq!(rig.ask(open(&token, hello())).await.problem(), "connection-limit");
    let bob = rig.mint(Token::of("bob").max_peers(1));
    let answer = rig.ask(open(&bob, hello())).await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "room-full"));
    let cellar = rig.mint(Token::of("bob").room("cellar"));
    let elsewhere = Request::new("POST", "/v1/signal?room=lobby").bearer(&cellar).header("Accept", "text/event-stream");
    assert_eq!(rig.ask(elsewhere.json(&hello())).await.problem(), "forbidden");
    // Nobody of them took a place; a resume takes none either.
    assert_eq!((rig.metric("aldis_sessions"), rig.server.node().admission.connections()), (1, 1));
    assert_eq!(rig.events_resuming("ann", &ann.resume_token()).await.welcome["resumed"], true);
    assert_eq!(rig.metric("aldis_refused_total{code=\"room-full\"}"), 1);
}

#[tokio::test]
async fn a_hello_that_does_not_come_is_not_waited_for() {
    let rig = Rig::start(|config| config.limits.hello_ms = 50);
    let request = events_request(&rig.mint("ann"), &hello()).without("Content-Length").header("Content-Length", "900");
    let answer = rig.ask(request).await;
    assert_eq!((answer.status, answer.problem().as_str()), (408, "hello-timeout"));
    assert_eq!((rig.limit_hits("hello_ms"), rig.server.node().admission.connections()), (1, 0));
}

#[tokio::test]
async fn the_hello_may_come_in_chunks_and_behind_other_requests() {
    let rig = Rig::usual();
    let token = rig.mint("ann");
    let mut stream = rig.dial().await;
    assert_eq!(Request::get("/livez").ask(&mut stream).await.0.status, 200);
    let head = events_request(&token, &hello()).without("Content-Length").header("Transfer-Encoding", "chunked");
    let text = String::from_utf8(head.bytes()).expect("text");
    let head = text.split_inclusive("\r\n\r\n").next().expect("a head").to_owned();
    for part in [head.as_str(), "e\r\n{\"type\":\"hello\r\n", "f\r\n\",\"protocol\":1}\r\n", "0\r\n\r\n"] {
        stream.write_all(part.as_bytes()).await.expect("sent");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let (head, inbox) = within("an answer", Answer::read(&mut stream)).await;
    assert_eq!(head.status, 200, "{head:?}");
    let opened = EventStream::behind(stream, head, inbox);
    let mut ann = EventPeer::seated(opened, token).await;
    // What is pipelined behind it is not answered, and hurts nobody.
    let probe = Request::get("/livez").bytes();
    ann.socket().write_all(&probe).await.expect("sent");
    ann.is_quiet(&rig).await;
}

#[tokio::test]
async fn a_client_of_an_old_proxy_is_served_too() {
    let rig = Rig::usual();
    let token = rig.mint("ann");
    let request =
        String::from_utf8(events_request(&token, &hello()).bytes()).expect("text").replace("HTTP/1.1", "HTTP/1.0");
    let mut stream = rig.dial().await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (head, inbox) = within("an answer", Answer::read(&mut stream)).await;
    let mut ann = EventPeer::seated(EventStream::behind(stream, head, inbox), token).await;
    ann.is_quiet(&rig).await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_and_others_may_not() {
    let own = "https://app.example.org";
    let rig = Rig::start(|config| config.origins = Origins::Only(vec![own.to_owned()]));
    let token = rig.mint("ann");
    let request = events_request(&token, &hello());
    let answer = rig.ask(request.clone().header("Origin", "https://evil.example")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "origin-forbidden"));
    let opened = EventStream::open(rig.dial().await, &request.header("Origin", own)).await;
    let ann = EventPeer::seated(opened.unwrap_or_else(|answer| panic!("{answer:?}")), token).await;
    assert_eq!(ann.head().header("access-control-allow-origin"), Some(own));
    let ping = ann.request(1, &[]);
    let answer = rig.ask(ping.clone().header("Origin", "https://evil.example")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "origin-forbidden"));
    let answer = rig.ask(ping.header("Origin", own)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(own)));

    // What a browser asks first.
    for target in ["/v1/signal", ann.path.as_str()] {
        let preflight = Request::new("OPTIONS", target)
            .header("Origin", own)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization,content-type");
        let answer = rig.ask(preflight).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(own)));
        for (name, has) in [
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "authorization,content-type"),
            ("access-control-max-age", "7200"),
        ] {
            assert!(answer.header(name).is_some_and(|value| value.contains(has)), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let rig = Rig::usual();
    let ann = rig.events("ann").await;
    for (request, allow) in [
        (Request::new("DELETE", "/v1/signal"), "GET, POST"),
        (Request::get(&ann.path), "POST"),
        (Request::new("PUT", &ann.path).body("{}"), "POST"),
    ] {
        let answer = rig.ask(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str(), answer.header("allow")),
            (405, "method-not-allowed", Some(allow))
        );
    }
}

#[tokio::test]
async fn the_door_is_the_same_for_every_transport() {
    let rig = Rig::start(|config| {
        config.limits.connections = 2;
        config.limits.unauthenticated_per_address = 2;
        config.limits.auth_failures_free = 1;
        config.limits.auth_delay_ms = 1;
        config.limits.auth_delay_max_ms = 1;
    });
    let (ann, _bob) = (rig.events("ann").await, rig.raw("bob").await);
    let full = rig.ask(events_request(&rig.mint("carol"), &hello())).await;
    assert_eq!((full.status, full.problem().as_str()), (503, "overloaded"));
    // A POST of somebody who is here takes no place.
    assert_eq!(ann.post(&rig, 1, &[]).await.status, 204);
    // A guess is one on each of the two paths.
    let mut guess = ann.request(2, &[]).without("Authorization");
    for delays in 0..3 {
        assert_eq!(rig.ask(guess.clone()).await.problem(), "token-missing");
        assert_eq!(rig.limit_hits("auth_failures_free"), delays);
        guess = guess.header("X-Again", "1");
    }
    let _strangers = [rig.dial().await, rig.dial().await];
    let late = within("an address that is full", async {
        loop {
            let answer = rig.ask(guess.clone()).await;
            if answer.status != 401 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((late.status, late.problem().as_str()), (429, "address-limit"));
    assert_eq!(ann.post(&rig, 2, &[]).await.status, 204);
}

#[tokio::test]
async fn a_head_without_its_end_begins_nothing() {
    let rig = Rig::usual();
    let mut streams = Vec::new();
    for cut in [1, 20] {
        let mut stream = rig.dial().await;
        let bytes = events_request(&rig.mint("ann"), &hello()).bytes();
        stream.write_all(&bytes[..bytes.len() - cut]).await.expect("sent");
        streams.push(stream);
    }
    drop(streams);
    let mut bob = rig.events("bob").await;
    assert_eq!(bob.welcome["peers"], json!([]));
    bob.is_quiet(&rig).await;
}
