//! Getting in: the handshake, the three ways of a token, and refusals that each kind of client can read.

use aldis_protocol::BEARER_PREFIX;
use serde_json::json;

use crate::support::{Request, Rig, Token};

#[tokio::test]
async fn a_malformed_handshake_is_refused_by_name() {
    let rig = Rig::usual();
    let good = || Request::upgrade("/v1/signal").bearer(&rig.mint("ann"));
    let cases = [
        (good().without("Connection"), "`Connection`"),
        (good().without("Sec-WebSocket-Version"), "`Sec-WebSocket-Version`"),
        (good().without("Sec-WebSocket-Version").header("Sec-WebSocket-Version", "8"), "`Sec-WebSocket-Version`"),
        (good().without("Sec-WebSocket-Key"), "`Sec-WebSocket-Key`"),
        (good().without("Sec-WebSocket-Key").header("Sec-WebSocket-Key", "c2hvcnQ="), "`Sec-WebSocket-Key`"),
        (good().header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), "`Sec-WebSocket-Key`"),
    ];
    for (request, named) in cases {
        let answer = rig.refusal(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (426, "upgrade-invalid"));
        assert!(answer.text().contains(named), "{named}: {answer:?}");
        assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), (Some("websocket"), Some("13")));
    }
    for (query, token) in [("room=a&room=b", "ann"), ("room=a%20b", "ann")] {
        let request = Request::upgrade(format!("/v1/signal?{query}")).bearer(&rig.mint(token));
        let answer = rig.refusal(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"), "{query}");
    }
    rig.open(good()).await;
}

#[tokio::test]
async fn a_token_travels_in_three_ways() {
    let rig = Rig::usual();
    let token = rig.mint("ann");
    let other = rig.mint(Token::of("ann").name("other"));
    let query = |token: &str| Request::upgrade(format!("/v1/signal?room=lobby&token={token}"));
    for request in [
        query(&token),
        Request::upgrade("/v1/signal").bearer(&token),
        Request::upgrade("/v1/signal").v1(&token),
        query(&token).bearer(&token).v1(&token),
    ] {
        rig.open(request).await;
    }
    for request in [
        query(&token).bearer(&other),
        query(&token).v1(&other),
        Request::upgrade("/v1/signal").v1(&token).bearer(&other),
    ] {
        let answer = rig.refusal(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"));
    }
}

#[tokio::test]
async fn the_bearer_entry_is_never_selected() {
    let rig = Rig::usual();
    let only = format!("{BEARER_PREFIX}{}", rig.mint("ann"));
    let mut stream = rig.dial().await;
    let request = Request::upgrade("/v1/signal").header("Sec-WebSocket-Protocol", only);
    let (answer, _) = request.ask(&mut stream).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn a_refused_token_is_told_in_band_to_v1_and_by_http_to_raw() {
    let rig = Rig::usual();
    let expired = rig.mint_ago(Token::of("ann").ttl_s(60), 120_000);
    let forged = rig.mint("ann") + "x";
    let cases = [
        (expired.as_str(), "token-expired", 401, 4401),
        (&forged, "token-invalid", 401, 4401),
        ("nonsense", "token-invalid", 401, 4401),
        ("", "token-missing", 401, 4401),
    ];
    for (token, code, status, close) in cases {
        rig.open(Request::upgrade("/v1/signal").v1(token)).await.closed_with(close, code).await;
        let answer = rig.refusal(Request::upgrade(format!("/v1/signal?token={token}"))).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(rig.metric(&format!("aldis_closed_total{{code=\"{close}\"}}")) > 0);
    }
    let token = rig.mint("ann");
    rig.open(Request::upgrade("/v1/signal?room=cellar").v1(&token)).await.closed_with(4403, "forbidden").await;
    let answer = rig.refusal(Request::upgrade("/v1/signal?room=cellar").bearer(&token)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"));
    // Each refusal is counted once, whichever way it went.
    assert_eq!(rig.metric("aldis_refused_total{code=\"forbidden\"}"), 2);
    assert_eq!(rig.metric("aldis_refused_total{code=\"token-expired\"}"), 2);
}

#[tokio::test]
async fn an_unknown_protocol_version_closes_with_4426() {
    let rig = Rig::usual();
    let mut ann = rig.greeting("ann").await;
    ann.send(json!({ "type": "hello", "protocol": 2 })).await;
    let told = ann.closed_with(4426, "protocol-unsupported").await;
    assert!(told["message"].as_str().expect("text").contains("speaks 1"), "{told}");
}

#[tokio::test]
async fn ipv6_and_ipv4_share_a_port() {
    let rig = Rig::start(|config| config.listen = "localhost:0".parse().expect("an address"));
    let ports: Vec<_> = rig.server.listen().iter().map(std::net::SocketAddr::port).collect();
    assert!(!ports.is_empty() && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    for address in rig.server.listen() {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        assert_eq!(Request::get("/livez").ask(&mut stream).await.0.status, 200);
    }
}
