//! The operator's endpoint for revoked tokens.

use aldis_core::revocation::LONGEST_MS;
use aldis_server::config::Secret;
use serde_json::{Value, json};

use crate::support::{Answer, Request, Rig, Token};

const ADMIN: &str = "admin-0123456789abcdef-0123456789";
const PATH: &str = "/v1/revocations";

fn rig() -> Rig {
    Rig::start(|config| config.admin_key = Some(Secret::new(ADMIN)))
}

async fn post(rig: &Rig, body: &Value) -> Answer {
    rig.ask(Request::new("POST", PATH).bearer(ADMIN).json(body)).await
}

async fn list(rig: &Rig) -> Value {
    let answer = rig.ask(Request::get(PATH).bearer(ADMIN)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn what_is_revoked_there_is_out_and_comes_back_when_it_is_lifted() {
    let rig = rig();
    let cases = [
        (json!({ "jti": "t" }), "token"),
        (json!({ "identity": "ann" }), "identity"),
        (json!({ "identity": "ann", "notBefore": rig.server.node().clock.unix_ms() + 1 }), "issued"),
        (json!({ "room": "lobby" }), "room"),
        (json!({ "identity": "ann", "room": "lobby" }), "member"),
    ];
    for (body, kind) in cases {
        let mut ann = rig.v1(Token::of("ann").jti("t")).await;
        let answer = post(&rig, &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let (code, errors) = ann.closed().await;
        let expected = if kind == "member" { (4410, "removed") } else { (4403, "token-revoked") };
        assert_eq!((code, errors.last().and_then(|error| error["code"].as_str())), (expected.0, Some(expected.1)));
        let probe = || Request::get("/v1/signal").bearer(&rig.mint(Token::of("ann").jti("t")));
        assert_eq!(rig.ask(probe()).await.problem(), "token-revoked", "{kind}");
        // It is shown as it was sent, and lasts as long as any token may.
        let held = list(&rig).await;
        assert_eq!((&held["most"], held["revocations"].as_array().map(Vec::len)), (&json!(10_000), Some(1)));
        let shown = &held["revocations"][0];
        assert_eq!(shown, &answer.json());
        for (field, value) in body.as_object().expect("an object") {
            assert_eq!(&shown[field], value, "{kind}");
        }
        let left = shown["until"].as_u64().expect("an end") - rig.server.node().clock.unix_ms();
        assert!(left <= LONGEST_MS && left > LONGEST_MS - 60_000, "{left}");
        assert_eq!(rig.metric(&format!("aldis_revocations{{kind=\"{kind}\"}}")), 1);

        let id = shown["id"].as_str().expect("an id");
        let lift = || Request::new("DELETE", format!("{PATH}/{id}")).bearer(ADMIN);
        assert_eq!(rig.ask(lift()).await.status, 204);
        let again = rig.ask(lift()).await;
        assert_eq!((again.status, again.problem().as_str()), (404, "not-found"));
        assert_eq!(list(&rig).await["revocations"], json!([]));
        assert_eq!(rig.ask(probe()).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn only_the_admin_key_counts() {
    let rig = rig();
    let user = rig.mint(Token::of("ann").all());
    let body = json!({ "identity": "ann" });
    let cases = [
        (Request::get(PATH), "token-missing"),
        (Request::get(PATH).header("Authorization", format!("Basic {ADMIN}")), "token-invalid"),
        (Request::get(format!("{PATH}?token={ADMIN}")), "token-missing"),
        (Request::get(PATH).bearer(&user), "token-invalid"),
        (Request::get(PATH).bearer(&format!("{ADMIN}x")), "token-invalid"),
        (Request::get(PATH).bearer(&ADMIN.to_uppercase()), "token-invalid"),
        (Request::get(PATH).bearer(ADMIN).bearer(&user), "token-invalid"),
        (Request::new("POST", PATH).bearer(&user).json(&body), "token-invalid"),
        (Request::new("DELETE", format!("{PATH}/0")).bearer(&user), "token-invalid"),
    ];
    for (request, code) in cases {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, code));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.text().contains(ADMIN), "{answer:?}");
    }
    // Each of them is a failed authentication of this address.
    assert_eq!(rig.server.node().throttle.lock().tracked(), 1);
    assert_eq!(list(&rig).await["revocations"], json!([]));
}

#[tokio::test]
async fn a_wrong_key_waits_and_the_right_one_does_not() {
    let rig = Rig::start(|config| {
        config.admin_key = Some(Secret::new(ADMIN));
        config.limits.auth_failures_free = 1;
        config.limits.auth_delay_ms = 1;
        config.limits.auth_delay_max_ms = 4;
    });
    for _ in 0..4 {
        assert_eq!(rig.ask(Request::get(PATH).bearer("guess")).await.status, 401);
    }
    assert_eq!(rig.limit_hits("auth_failures_free"), 3);
    list(&rig).await;
    assert_eq!(rig.limit_hits("auth_failures_free"), 3);
}

#[tokio::test]
async fn without_a_key_there_is_no_such_endpoint() {
    let rig = Rig::usual();
    for request in [
        Request::get(PATH).bearer(ADMIN),
        Request::new("POST", PATH).bearer("").json(&json!({ "room": "lobby" })),
        Request::new("DELETE", format!("{PATH}/0")).bearer(ADMIN),
    ] {
        let answer = rig.ask(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"));
    }
}

#[tokio::test]
async fn it_is_where_the_operators_endpoints_are() {
    let rig = Rig::start(|config| {
        config.admin_key = Some(Secret::new(ADMIN));
        config.admin = Some("127.0.0.1:0".parse().expect("an address"));
    });
    assert_eq!(rig.ask(Request::get(PATH).bearer(ADMIN)).await.problem(), "not-found");
    let admin = rig.server.admin().expect("a listener");
    let mut stream = tokio::net::TcpStream::connect(admin).await.expect("connected");
    let answer = Request::new("POST", PATH).bearer(ADMIN).json(&json!({ "room": "lobby" })).ask(&mut stream).await.0;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint("ann"))).await.problem(), "token-revoked");
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_named() {
    let rig = rig();
    let long = "x".repeat(5_000);
    let cases = [
        (r#"{"jti":"t","room":"lobby"}"#, 400, "bad-request", "`jti` stands alone"),
        (r#"{"sub":"ann"}"#, 400, "bad-request", "unknown field `sub`"),
        (r#"{"jti":"t","forMs":86490001}"#, 400, "bad-request", "`forMs`"),
        ("nonsense", 400, "bad-request", "is no revocation"),
        ("", 400, "bad-request", "is no revocation"),
        (long.as_str(), 413, "too-large", "4096"),
    ];
    for (body, status, code, says) in cases {
        let answer = rig.ask(Request::new("POST", PATH).bearer(ADMIN).body(body)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{body}");
        let message = answer.json()["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(says), "{body}: {message}");
    }
    for (method, path, allow) in [("PUT", PATH.to_owned(), "GET, POST"), ("GET", format!("{PATH}/0"), "DELETE")] {
        let answer = rig.ask(Request::new(method, path).bearer(ADMIN)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)));
    }
    let full = Rig::start(|config| {
        config.admin_key = Some(Secret::new(ADMIN));
        config.limits.revocations = 1;
    });
    assert_eq!(post(&full, &json!({ "room": "a" })).await.status, 201);
    let refused = post(&full, &json!({ "room": "b" })).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    // What is held may be made to last longer.
    assert_eq!(post(&full, &json!({ "room": "a" })).await.status, 201);
}
