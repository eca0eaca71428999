//! What the operator, proxies, identity providers and TURN providers say is in no log, no metric and no answer to others either.

use aldis_core::Permission;
use aldis_server::auth::{Algorithm, KeyRing, SigningKey};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{
    Aldis, Answer, Peer, Provider, Request, Rig, Token,
    fake::{self, Fake},
    within,
};

const KEY: &str = "k:canary-key-0123456789abcdef0123456789";
const ADMIN: &str = "canary-admin-0123456789abcdef-0123456789";

/// Of somebody at 192.0.2.1, version 2.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x34\x01\xbb";

/// Credentials of a provider.
const MINTED: &str = r#"{"iceServers":[{"urls":["turn:turn.cloudflare.com:3478"],
    "username":"canary-username","credential":"canary-credential"}]}"#;

/// A connection through a proxy that begins it like this.
async fn after(aldis: &Aldis, first: &[u8]) -> TcpStream {
    let mut stream = aldis.dial("listen").await;
    stream.write_all(first).await.expect("sent");
    stream
}

/// The same, of somebody at an address that nobody else has.
async fn behind(aldis: &Aldis) -> TcpStream {
    after(aldis, b"PROXY TCP4 203.0.113.77 198.51.100.9 4711 443\r\n").await
}

async fn ask(aldis: &Aldis, request: Request) -> Answer {
    let request = request.header("X-Forwarded-For", "198.51.100.77, 203.0.113.78");
    request.ask(&mut behind(aldis).await).await.0
}

async fn join(aldis: &Aldis, token: &str) -> Peer {
    Peer::greeting(behind(aldis).await, token, json!({ "type": "hello", "protocol": 1 })).await
}

/// An issuer's set with a private key among its keys.
fn careless_set() -> fake::Answer {
    let key = SigningKey::generate(Algorithm::Es256).expect("random").expect("a pair");
    let public: Value = serde_json::to_value(key.public_jwk("good")).expect("JSON");
    let mut private = public.clone();
    private["kid"] = "careless".into();
    private["d"] = "canary-private-key".into();
    let secret = json!({ "kty": "oct", "kid": "worse", "k": "canary-shared-key" });
    fake::Answer::Body(json!({ "keys": [private, secret, public] }).to_string())
}

#[tokio::test]
async fn no_canary_of_those_inside_is_ever_heard() {
    let mut turn = Provider::start().await;
    let failing = Fake::start(fake::Answer::Raw(
        "HTTP/1.1 500 canary-status\r\ncontent-length: 13\r\nx-canary: canary-header\r\n\r\ncanary-answer".to_owned(),
    ))
    .await;
    let careless = Fake::start(careless_set()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let authorities = folder.path().join("ca.pem");
    let certificates = [turn.outbound().ca_file.expect("a file"), failing.ca().to_owned(), careless.ca().to_owned()];
    let certificates = certificates.map(|file| std::fs::read_to_string(file).expect("a certificate"));
    std::fs::write(&authorities, certificates.concat()).expect("written");
    let providers = format!(
        "[{{kind = 'cloudflare', key_id = 'key-1', api_token = 'canary-api-token', url = '{}'}},
          {{kind = 'twilio', account_sid = 'AC1', auth_token = 'canary-auth-token', url = '{0}', weight = 0}},
          {{kind = 'static', urls = ['turn:a'], username = 'u', credential = 'canary-static', weight = 0}}]",
        turn.url()
    );
    let issuers = format!(
        "https://failing.example/ {},https://careless.example/ {}",
        failing.url("/keys"),
        careless.url("/keys")
    );
    let _providing = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let asked = turn.next().await;
            match asked.head.contains("/revoke ") {
                true => asked.answer("500 canary-status", "canary-answer"),
                false => asked.answer("201 Created", MINTED),
            }
        }
    }));
    let revocations = folder.path().join("revocations");
    let env = [
        ("ALDIS_AUTH_KEYS", KEY),
        ("ALDIS_AUTH_AUDIENCE", "aldis"),
        ("ALDIS_AUTH_JWKS_URLS", &issuers),
        ("ALDIS_ADMIN_KEY", ADMIN),
        ("ALDIS_REVOCATIONS_FILE", &revocations.display().to_string()),
        ("ALDIS_TURN_PROVIDERS", &providers),
        ("ALDIS_OUTBOUND_NETWORKS", "127.0.0.0/8,::1"),
        ("ALDIS_OUTBOUND_CA_FILE", &authorities.display().to_string()),
        ("ALDIS_TRUSTED_PROXIES", "127.0.0.1"),
        ("ALDIS_PROXY_PROTOCOL", "true"),
        ("ALDIS_LIMITS_TURN_WAIT_MS", "60000"),
        ("ALDIS_LOG", "trace"),
        ("ALDIS_LOG_FORMAT", "json"),
        ("ALDIS_DRAIN_WINDOW_MS", "200"),
    ];
    let aldis = Aldis::serve(&[], &env).await;
    let signer = Rig::start(|config| {
        config.auth.keys = KeyRing::parse([KEY]).expect("a key");
        config.auth.rules.audience = Some("aldis".to_owned());
    });
    let sub = |number: u64| format!("canary-sub-{number}");
    let mut bodies = String::new();

    // Whoever is removed or revoked loses what a provider made, and the provider does not do it.
    let mut judge = join(&aldis, &signer.mint(Token::of("judge").all())).await;
    assert_eq!(judge.welcome["iceServers"][0]["credential"], "canary-credential", "{}", judge.welcome);
    let mut bob = join(&aldis, &signer.mint("bob")).await;
    judge.expect("peer-joined").await;
    judge.send(json!({ "type": "remove", "id": bob.id, "reason": "canary-reason", "forMs": 60_000 })).await;
    bob.closed_with(4410, "removed").await;

    // The operator revokes whom it likes, and somebody guesses at its key.
    let revoked = signer.mint(Token::of("ann").jti("canary-jti").can(&[Permission::Signal]));
    let mut ann = join(&aldis, &revoked).await;
    let order = |body: Value| Request::new("POST", "/v1/revocations").bearer(ADMIN).json(&body);
    for body in [
        json!({ "jti": "canary-jti", "reason": "canary-reason" }),
        json!({ "identity": sub(1), "reason": "canary-reason" }),
        json!({ "identity": sub(2), "notBefore": 1_767_225_700_000_u64 }),
        json!({ "identity": sub(3), "room": "canary-room" }),
        json!({ "room": "canary-room" }),
    ] {
        let answer = ask(&aldis, order(body)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        let lift = Request::new("DELETE", format!("/v1/revocations/{id}")).bearer(ADMIN);
        if answer.json().get("jti").is_none() {
            assert_eq!(ask(&aldis, lift).await.status, 204);
        }
    }
    ann.closed_with(4403, "token-revoked").await;
    assert_eq!(ask(&aldis, Request::get("/v1/signal").bearer(&revoked)).await.problem(), "token-revoked");
    assert_eq!(ask(&aldis, Request::get("/v1/revocations").bearer(ADMIN)).await.status, 200);
    for (request, status) in [
        (Request::get("/v1/revocations").bearer("canary-guess"), 401),
        (Request::get(format!("/v1/revocations?token={ADMIN}")), 401),
        (Request::get("/v1/revocations").bearer(&revoked), 401),
        (Request::new("DELETE", "/v1/revocations/canary-id").bearer(ADMIN), 404),
        (order(json!({ "room": "canary-room", "until": 1 })), 400),
        (Request::get("/v1/signal").bearer("canary.forged.token"), 401),
        (Request::get("/v1/ice-servers").bearer("canary.forged.token"), 401),
        (Request::get("/turn?service=turn&username=canary-user&key=canary-key"), 401),
    ] {
        let answer = ask(&aldis, request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        bodies.push_str(&answer.text());
    }

    // Proxies that say what they should, and what they should not.
    let probe = Request::get("/v1/signal").bearer("canary.forged.token");
    assert_eq!(probe.ask(&mut after(&aldis, V2).await).await.0.status, 401);
    for junk in
        [&b"PROXY TCP4 203.0.113.77 canary-address 1 2\r\n"[..], b"GET /canary-path HTTP/1.1\r\n\r\n", &V2[..15]]
    {
        let mut stream = after(&aldis, junk).await;
        stream.shutdown().await.expect("said");
        let mut said = Vec::new();
        let _reset = within("the end", tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut said)).await;
        assert_eq!(said, b"");
    }

    let metric = |text: &str, name: &str| text.lines().any(|line| line == name);
    let metrics = within("the refusals of the provider", async {
        loop {
            let text = ask(&aldis, Request::get("/metrics")).await.text();
            if metric(&text, "aldis_turn_revocations_total{provider=\"cloudflare\",outcome=\"failed\"} 1") {
                return text;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(metric(&metrics, "aldis_jwks_fetches_total{result=\"ok\"} 1"), "{metrics}");
    let listen = aldis.ports()["listen"].as_str().expect("an address").to_owned();
    aldis.signal("TERM").await;
    assert_eq!(judge.closed().await.0, 1012);
    let (status, said) = aldis.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    // It did speak of all of this.
    for spoken in ["TURN credentials were not taken back", "a key does not count", "the keys of an issuer"] {
        assert!(said.contains(spoken), "{spoken}: {said}");
    }
    assert!(!said.contains("\"ERROR\"") && !said.contains("panicked"), "{said}");
    assert!(said.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{said}");
    let everything = (said + &metrics + &bodies).replace(&listen, "");
    let addresses = ["127.0.0.1", "203.0.113.", "198.51.100.", "192.0.2."];
    for secret in addresses.into_iter().chain(["canary", &revoked, &judge.resume_token()]) {
        let at = everything.find(secret);
        assert!(at.is_none(), "`{secret}` in {}", &everything[at.unwrap_or(0).saturating_sub(500)..]);
    }
}
