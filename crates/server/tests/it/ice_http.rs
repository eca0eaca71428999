//! ICE servers for whoever has a token and no connection: our form, and that of the draft.

use aldis_core::Permission;
use aldis_server::config::{Config, ProviderConfig, ProviderKind, Secret};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::support::{Aldis, KEY, Request, Rig, Token, within};

fn coturn(config: &mut Config) {
    let urls = vec!["turn:turn.example.org:3478".to_owned(), "turns:turn.example.org:5349".to_owned()];
    config.ice.stun_urls = vec!["stun:stun.example.org".to_owned()];
    config.ice.turn = vec![ProviderConfig {
        key: "turn".to_owned(),
        name: "coturn".to_owned(),
        weight: 1,
        ttl: std::time::Duration::from_secs(3_600),
        cuts_at_expiry: false,
        kind: ProviderKind::Coturn { urls, secret: Secret::new("north") },
    }];
}

#[tokio::test]
async fn a_token_gets_what_a_welcome_has() {
    let rig = Rig::start(coturn);
    let token = rig.mint("ann");
    let ann = rig.v1("ann").await;
    for request in [
        Request::get("/v1/ice-servers").bearer(&token),
        Request::get(format!("/v1/ice-servers?room=lobby&token={token}")),
    ] {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        let ice = answer.json();
        // The half minute of a credential may have turned in between; the servers are the same.
        assert_eq!(ice["iceServers"][1]["urls"], ann.welcome["iceServers"][1]["urls"]);
        assert_eq!(ice["iceServers"][0], ann.welcome["iceServers"][0]);
        assert_eq!(ice["iceCutsAtExpiry"], false);
        let tag = |name: &serde_json::Value| {
            name.as_str().and_then(|name| name.split_once(':')).map(|(_, tag)| tag.to_owned())
        };
        assert_eq!(tag(&ice["iceServers"][1]["username"]), tag(&ann.welcome["iceServers"][1]["username"]));
        assert!(ice["iceExpiresAt"].is_u64());
    }
    let without = rig.mint(Token::of("ann").can(&[Permission::Signal]));
    let answer = rig.ask(Request::get("/v1/ice-servers").bearer(&without)).await;
    assert_eq!(
        answer.json(),
        json!({ "iceServers": [{ "urls": ["stun:stun.example.org"] }], "iceCutsAtExpiry": false })
    );
}

#[tokio::test]
async fn the_draft_gets_its_own_form() {
    let rig = Rig::start(coturn);
    let token = rig.mint("ann");
    for request in [
        Request::get("/turn").bearer(&token),
        Request::get(format!("/turn?service=turn&username=somebody&key={token}")),
        Request::get(format!("/turn?service=turn&token={token}")),
    ] {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        let found = answer.json();
        assert_eq!(found["uris"], json!(["turn:turn.example.org:3478", "turns:turn.example.org:5349"]));
        let ttl = found["ttl"].as_u64().expect("seconds");
        assert!((3_500..=3_600).contains(&ttl), "{found}");
        assert_eq!(found["password"].as_str().map(str::len), Some(28));
        assert!(found["username"].as_str().is_some_and(|name| name.contains(":u")), "{found}");
        assert_eq!(found.as_object().map(serde_json::Map::len), Some(4));
    }
}

#[tokio::test]
async fn everybody_else_is_told_why_not() {
    let rig = Rig::start(coturn);
    let token = rig.mint("ann");
    let signals = rig.mint(Token::of("ann").can(&[Permission::Signal]));
    let old = rig.mint_ago("ann", 7_200_000);
    for path in ["/v1/ice-servers", "/turn"] {
        for (request, status, code) in [
            (Request::get(path), 401, "token-missing"),
            (Request::get(path).bearer("a.b.c"), 401, "token-invalid"),
            (Request::get(path).bearer(&old), 401, "token-expired"),
            (Request::get(format!("{path}?room=other")).bearer(&token), 403, "forbidden"),
            (Request::get(format!("{path}?room=a%20b")).bearer(&token), 400, "bad-request"),
            (Request::get(format!("{path}?token={signals}")).bearer(&token), 400, "bad-request"),
        ] {
            let answer = rig.ask(request).await;
            assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{path}");
        }
        let answer = rig.ask(Request::new("POST", path).bearer(&token)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    }
    for (target, status, code) in [
        (format!("/turn?service=stun&key={token}"), 400, "bad-request"),
        (format!("/turn?key={token}&token={signals}"), 400, "bad-request"),
        (format!("/turn?key={signals}"), 403, "forbidden"),
    ] {
        let answer = rig.ask(Request::get(target)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
    }
    let none = Rig::usual();
    let answer = none.ask(Request::get("/turn").bearer(&none.mint("ann"))).await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"));
    let answer = none.ask(Request::get("/v1/ice-servers").bearer(&none.mint("ann"))).await;
    assert_eq!(answer.json(), json!({ "iceServers": [], "iceCutsAtExpiry": false }));
}

#[tokio::test]
async fn the_door_is_that_of_a_connection() {
    let rig = Rig::start(|config| {
        coturn(config);
        config.origins = aldis_server::config::Origins::Only(vec!["https://a.example".to_owned()]);
        config.limits.auth_failures_free = 1;
    });
    let token = rig.mint("ann");
    let from = |origin: &str| Request::get("/v1/ice-servers").bearer(&token).header("Origin", origin);
    assert_eq!(rig.ask(from("https://a.example")).await.status, 200);
    assert_eq!(rig.ask(from("https://b.example")).await.problem(), "origin-forbidden");
    for _ in 0..2 {
        assert_eq!(rig.ask(Request::get("/turn").bearer("a.b.c")).await.status, 401);
    }
    // A guess waits; who has a good token does not.
    assert_eq!(rig.limit_hits("auth_failures_free"), 1);
    rig.server.node().closing.cancel();
    assert_eq!(rig.ask(from("https://a.example")).await.problem(), "draining");
}

/// What coturn computes for a username.
fn password(secret: &str, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

#[tokio::test]
async fn another_secret_counts_after_a_hangup() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "north\n").expect("written");
    let path = secret.path().display().to_string();
    let env = [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_TURN_URLS", "turn:a"), ("ALDIS_TURN_SECRET_FILE", &path)];
    let aldis = Aldis::serve(&[], &env).await;
    let token = Rig::usual().mint("ann");
    let is_of = async |secret: &str| {
        let found = aldis.ask("listen", Request::get("/turn").bearer(&token)).await.json();
        let [username, given] = ["username", "password"].map(|name| found[name].as_str().expect("text").to_owned());
        given == password(secret, &username)
    };
    assert!(is_of("north").await);
    std::fs::write(secret.path(), "south\n").expect("written");
    aldis.signal("HUP").await;
    within("the other secret", async {
        while !is_of("south").await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What is no secret changes nothing.
    std::fs::write(secret.path(), "\n").expect("written");
    aldis.signal("HUP").await;
    within("the refusal", async {
        let failed = "aldis_reloads_total{result=\"failed\"} 1";
        while !aldis.ask("listen", Request::get("/metrics")).await.text().contains(failed) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(is_of("south").await);
}

#[tokio::test]
async fn whoever_asks_counts_as_a_connection_meanwhile() {
    let rig = Rig::start(|config| {
        coturn(config);
        config.limits.connections_per_identity = 1;
    });
    let ann = rig.v1("ann").await;
    for path in ["/v1/ice-servers", "/turn?service=turn"] {
        let refused = rig.ask(Request::get(path).bearer(&rig.mint("ann"))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (429, "connection-limit"), "{path}");
        assert_eq!(rig.ask(Request::get(path).bearer(&rig.mint("bob"))).await.status, 200, "{path}");
    }
    drop(ann);
}
