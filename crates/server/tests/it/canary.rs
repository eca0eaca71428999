//! Nothing that must not be in a log or a metric is in one, at the loudest level, whatever happens.

use aldis_core::Permission;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::support::{
    Aldis, EventPeer, EventStream, KEY, Opcode, Peer, Provider, Request, Rig, Socket, Token, events_request,
};

const CLUSTER: &str = "canary-cluster-0123456789abcdef-0123456789";
const TURN: &str = "canary-turn-0123456789abcdef";

/// A WebSocket of the process.
async fn open(aldis: &Aldis, request: Request) -> Socket {
    let mut stream = aldis.dial("listen").await;
    let (answer, behind) = request.ask(&mut stream).await;
    assert_eq!(answer.status, 101);
    Socket::new(stream, behind)
}

async fn join(aldis: &Aldis, token: &str, resume: Option<&str>) -> Peer {
    let mut socket = open(aldis, Request::upgrade("/v1/signal?canary-query=1").v1(token)).await;
    let mut hello = json!({ "type": "hello", "protocol": 1, "features": ["canary-feature"] });
    if let Some(resume) = resume {
        hello["resume"] = resume.into();
    }
    socket.send(hello).await;
    Peer::seated(socket).await
}

#[tokio::test]
async fn no_canary_is_ever_heard() {
    // Signs with the same key as the process; its tokens are canaries by themselves.
    let rig = Rig::usual();
    let key = KEY.replace("0123", "canary-key-0123");
    // A provider that fails, and coturn in its place.
    let mut provider = Provider::start().await;
    let outbound = provider.outbound().ca_file.expect("a certificate").display().to_string();
    let providers = format!(
        "[{{kind = 'cloudflare', key_id = 'canary-key-id', api_token = 'canary-api-token', url = '{}'}},
          {{kind = 'coturn', urls = ['turn:turn.example.org:3478'], secret = '{TURN}', weight = 0}}]",
        provider.url()
    );
    let _failing = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            provider.next().await.answer("500 Internal Server Error", "canary-answer");
        }
    }));
    let env = [
        ("ALDIS_AUTH_KEYS", key.as_str()),
        ("ALDIS_CLUSTER_SECRET", CLUSTER),
        ("ALDIS_TURN_PROVIDERS", &providers),
        ("ALDIS_OUTBOUND_NETWORKS", "127.0.0.0/8,::1"),
        ("ALDIS_OUTBOUND_CA_FILE", &outbound),
        ("ALDIS_LIMITS_TURN_WAIT_MS", "60000"),
        ("ALDIS_LIMITS_TURN_FAILURES", "2"),
        ("ALDIS_LOG", "trace"),
        ("ALDIS_LOG_FORMAT", "json"),
        ("ALDIS_DRAIN_WINDOW_MS", "200"),
    ];
    let aldis = Aldis::serve(&[], &env).await;
    let signer = Rig::start(|config| {
        let keys = aldis_server::auth::KeyRing::parse([key.as_str()]).expect("a key");
        config.auth.keys = keys;
    });
    let named = |who: &str| {
        let metadata = json!({ "is": "canary-metadata" });
        signer.mint(Token::of(who).all().name("canary-name").metadata(&metadata))
    };
    let (ann_token, bob_token) = (named("ann"), named("bob"));
    let mut secrets = vec![
        ann_token.clone(),
        bob_token.clone(),
        key.clone(),
        CLUSTER.to_owned(),
        TURN.to_owned(),
        "canary".to_owned(),
        // The address of every client here; where the server listens is no secret, so it comes with its port.
        "127.0.0.1".to_owned(),
    ];

    let (mut ann, mut bob) = (join(&aldis, &ann_token, None).await, join(&aldis, &bob_token, None).await);
    ann.expect("peer-joined").await;
    secrets.extend([ann.resume_token(), bob.resume_token()]);
    for welcome in [&ann.welcome, &bob.welcome] {
        let turn = &welcome["iceServers"][0];
        secrets.extend([&turn["username"], &turn["credential"]].map(|text| text.as_str().expect("text").to_owned()));
    }
    let to = bob.id.clone();
    let x = json!({ "canary-x": 1 });
    for message in [
        json!({ "type": "offer", "to": to, "sdp": "canary-sdp", "msg": "canary-msg", "receipt": true, "x": x }),
        json!({ "type": "ice-candidate", "to": to, "candidate": { "candidate": "canary-candidate 192.0.2.7" } }),
        json!({ "type": "message", "to": to, "data": "canary-data" }),
        json!({ "type": "hangup", "to": to, "reason": "canary-reason" }),
        json!({ "type": "message", "to": "canary-peer", "data": "canary-data" }),
        json!({ "type": "update", "attributes": { "canary": "canary-attributes" } }),
        json!({ "type": "auth", "token": "canary.auth.token" }),
        json!({ "type": "canary-type" }),
    ] {
        ann.send(message).await;
    }
    ann.send_text("canary, no JSON").await;
    ann.write(&Opcode::Ping.frame(b"canary-ping")).await;
    // The refusals, and a receipt, which comes when Bob's connection has taken the offer.
    for _ in 0..5 {
        ann.next().await;
    }
    ann.heard().await;
    bob.heard().await;

    // Refusals of every kind.
    let forged = rig.mint(Token::of("eve").can(&[Permission::Signal]));
    secrets.push(forged.clone());
    let mut bodies = String::new();
    for request in [
        Request::get(format!("/v1/signal?token={forged}&canary-query=1")),
        Request::get("/v1/signal?room=canary%20room").bearer(&ann_token),
        Request::get("/canary-path?canary-query=1"),
        Request::upgrade("/v1/signal").bearer(&forged).header("X-Canary", "canary-header"),
    ] {
        let answer = aldis.ask("listen", request).await;
        assert!(answer.status >= 400);
        bodies.push_str(&answer.text());
    }
    open(&aldis, Request::upgrade("/v1/signal").v1("canary.forged.token"))
        .await
        .closed_with(4401, "token-invalid")
        .await;
    let mut binary = join(&aldis, &named("carol"), None).await;
    binary.write(&Opcode::Binary.frame(b"canary-binary")).await;
    assert_eq!(binary.closed().await.0, 1003);

    // The same over an event stream, whose name is nobody's business either.
    let frank_token = named("frank");
    let hello = json!({ "type": "hello", "protocol": 1, "features": ["canary-feature"] });
    let opened = EventStream::open(aldis.dial("listen").await.into(), &events_request(&frank_token, &hello)).await;
    let opened = opened.unwrap_or_else(|answer| panic!("{answer:?}"));
    let mut frank = EventPeer::seated(opened, frank_token.clone()).await;
    secrets.extend([frank_token.clone(), frank.resume_token()]);
    secrets.push(frank.path.rsplit_once('.').expect("a name").1.to_owned());
    let said = [
        json!({ "type": "message", "to": to, "data": "canary-data", "msg": "canary-msg", "receipt": true }),
        json!({ "type": "canary-type" }),
    ];
    assert_eq!(aldis.ask("listen", frank.request(1, &said)).await.status, 204);
    frank.refused("unknown-type").await;
    frank.expect("receipt").await;
    bob.heard().await;
    for (request, status) in [
        (frank.upward(&json!({ "seq": 2, "canary-field": 1 })), 400),
        (frank.request(2, &[]).without("Authorization").bearer(&forged), 401),
        (Request::new("POST", "/v1/signal/canary-name").bearer(&frank_token).json(&json!({})), 410),
    ] {
        let answer = aldis.ask("listen", request).await;
        assert_eq!(answer.status, status);
        if status != 400 {
            // Whoever sends a field that is none is told its name, and nobody else is.
            bodies.push_str(&answer.text());
        }
    }

    // A resume, of a connection that is fenced by it, and one with a token that is none.
    let token = bob.resume_token();
    let mut again = join(&aldis, &bob_token, Some(&token)).await;
    assert_eq!(again.welcome["resumed"], true);
    bob.closed_with(4419, "superseded").await;
    join(&aldis, &named("dave"), Some("canary-resume")).await;

    let metrics = aldis.ask("listen", Request::get("/metrics")).await.text();
    assert!(metrics.contains("aldis_relayed_total{type=\"offer\"} 1"), "{metrics}");
    aldis.signal("TERM").await;
    for peer in [&mut ann, &mut again] {
        assert_eq!(peer.closed().await.0, 1012);
    }
    let listen = aldis.ports()["listen"].as_str().expect("an address").to_owned();
    let (status, said) = aldis.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    // It did speak, and of these very clients.
    assert!(said.contains("the TURN provider is left alone for a while"), "{said}");
    assert!(said.contains(&again.id) && said.lines().count() > 10, "{said}");
    assert!(said.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{said}");
    let everything = said.replace(&listen, "") + &metrics + &bodies;
    for secret in secrets {
        assert!(!everything.contains(&secret), "`{secret}` in {everything}");
    }
}
