//! The probe: what a browser cannot see of a failed handshake, and what pages of which origins may ask.

use aldis_server::config::Origins;

use crate::support::{Request, Rig, Token};

#[tokio::test]
async fn the_probe_says_what_would_happen() {
    let rig = Rig::usual();
    let token = rig.mint(Token::of("ann").max_peers(1));
    let good = || Request::get("/v1/signal?room=lobby").bearer(&token);
    let answer = rig.ask(good()).await;
    assert_eq!((answer.status, answer.json()["room"].as_str()), (200, Some("lobby")));
    // It reserves nothing.
    assert_eq!((rig.metric("aldis_sessions"), rig.server.node().admission.connections()), (0, 0));
    let _bob = rig.raw("bob").await;

    let post = |accept: &str| Request::new("POST", "/v1/signal").header("Accept", accept).header("Content-Length", "0");
    let cases = [
        (Request::get("/v1/signal"), 401, "token-missing"),
        (Request::get("/v1/signal?token=nonsense"), 401, "token-invalid"),
        (Request::get("/v1/signal").header("Authorization", "Basic YTpi"), 400, "bad-request"),
        (Request::get("/v1/signal?room=cellar").bearer(&token), 403, "forbidden"),
        (good(), 409, "room-full"),
        (good().header("Accept", "text/event-stream"), 406, "not-acceptable"),
        (post("text/event-stream"), 401, "token-missing"),
        (post("*/*"), 406, "not-acceptable"),
        (Request::new("DELETE", "/v1/signal"), 405, "method-not-allowed"),
        (Request::new("POST", "/livez").header("Content-Length", "0"), 405, "method-not-allowed"),
        (Request::get("/v2/signal"), 404, "not-found"),
        (Request::get("/dev/token?room=a&identity=b"), 404, "not-found"),
        (Request::get("/"), 404, "not-found"),
    ];
    for (request, status, code) in cases {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    }
    assert_eq!(rig.metric("aldis_refused_total{code=\"not-found\"}"), 3);
}

#[tokio::test]
async fn any_page_may_ask_by_default() {
    let rig = Rig::usual();
    let preflight = Request::new("OPTIONS", "/v1/signal")
        .header("Origin", "https://app.example.org")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization");
    let answer = rig.ask(preflight).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
    let allowed = answer.header("access-control-allow-headers").expect("headers");
    assert!(allowed.contains("authorization"), "{allowed}");
    let answer = rig.ask(Request::get("/v1/signal").header("Origin", "https://app.example.org")).await;
    assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after,date"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn only_pages_of_the_listed_origins_connect() {
    let own = "https://app.example.org";
    let rig = Rig::start(|config| config.origins = Origins::Only(vec![own.to_owned()]));
    let token = rig.mint("ann");
    let suffixed =
        ["https://app.example.org.evil.example", "https://evil-app.example.org", "https://x.app.example.org"];
    let differing = ["https://App.example.org", "https://app.example.org/", "https://app.example.org:443", "null", ""];
    for origin in suffixed.into_iter().chain(differing) {
        let upgrade = Request::upgrade("/v1/signal").v1(&token).header("Origin", origin);
        for request in [upgrade, Request::get("/v1/signal").bearer(&token).header("Origin", origin)] {
            let answer = rig.refusal(request).await;
            assert_eq!((answer.status, answer.problem().as_str()), (403, "origin-forbidden"), "{origin}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    let answer = rig.ask(Request::get("/v1/signal").bearer(&token).header("Origin", own)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(own)));
    rig.open(Request::upgrade("/v1/signal").v1(&token).header("Origin", own)).await;
    // Programs have no origin.
    rig.raw("bob").await;
}
