//! The operator's endpoint for revoked tokens.

use aldis_core::revocation::LONGEST_MS;
use aldis_server::config::Secret;
use serde_json::{Value, json};

use crate::support::{Aldis, Answer, KEY, Request, Rig, Token, within};

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
        (json!({ "identity": "ann", "notBefore": rig.server.node().clock.unix_ms() + 60_000 }), "issued"),
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

#[tokio::test]
async fn what_a_file_keeps_outlives_a_restart_of_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("revoked");
    let start = || {
        Rig::start(|config| {
            config.admin_key = Some(Secret::new(ADMIN));
            config.revocations_file = Some(path.clone());
        })
    };
    let rig = start();
    let answer = post(&rig, &json!({ "identity": "ann", "reason": "spam" })).await;
    assert_eq!((answer.status, &answer.json()["kept"]), (201, &json!(true)), "{answer:?}");
    let other = post(&rig, &json!({ "room": "cellar" })).await.json();
    let lift = Request::new("DELETE", format!("{PATH}/{}", other["id"].as_str().expect("an id"))).bearer(ADMIN);
    assert_eq!(rig.ask(lift).await.status, 204);
    // A moderator's, which nobody waits for but the end of the server.
    let mut mia = rig.v1(Token::of("mia").all()).await;
    let bob = rig.v1("bob").await;
    mia.expect("peer-joined").await;
    mia.send(json!({ "type": "remove", "id": bob.id, "forMs": 60_000 })).await;
    mia.expect("peer-left").await;
    drop((mia, bob));
    rig.server.drain().await;
    drop(rig);

    let rig = start();
    for name in ["ann", "bob"] {
        assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint(name))).await.problem(), "token-revoked");
    }
    assert_eq!(list(&rig).await["revocations"].as_array().map(Vec::len), Some(2), "what was lifted is not held");
    // Without the file it is gone.
    let rig = Rig::usual();
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint("ann"))).await.status, 200);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_said_and_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).expect("a folder");
    let rig = Rig::start(|config| {
        config.admin_key = Some(Secret::new(ADMIN));
        config.revocations_file = Some(inside.join("revoked"));
    });
    std::fs::remove_dir_all(&inside).expect("gone");
    let answer = post(&rig, &json!({ "identity": "ann" })).await;
    assert_eq!((answer.status, &answer.json()["kept"]), (201, &json!(false)), "{answer:?}");
    // It counts all the same.
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint("ann"))).await.problem(), "token-revoked");
    std::fs::create_dir(&inside).expect("a folder");
    within("the file", async {
        while !std::fs::read_to_string(inside.join("revoked")).is_ok_and(|text| text.contains("ann")) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Runs `aldis revoke` against a server: how it ended, and what it said on both streams.
async fn revoke(aldis: &Aldis, args: &[&str]) -> (i32, String, String) {
    let url = format!("http://{}", aldis.ports()["admin"].as_str().expect("an address"));
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_aldis"))
        .env_clear()
        .env("ALDIS_ADMIN_KEY", ADMIN)
        .args(["revoke", "--url", &url])
        .args(args)
        .output();
    let output = within("its end", output).await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_program_revokes_lists_and_lifts() {
    let env = [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_ADMIN_KEY", ADMIN), ("ALDIS_LOG_FORMAT", "json")];
    let aldis = Aldis::serve(&["--admin", "127.0.0.1:0"], &env).await;
    let signer = Rig::usual();
    let probe = async || aldis.ask("listen", Request::get("/v1/signal").bearer(&signer.mint("canary"))).await;
    assert_eq!(probe().await.status, 200);
    let (code, said, talk) =
        revoke(&aldis, &["--identity", "canary", "--for", "90m", "--reason", "spam\u{1b}[2J"]).await;
    assert_eq!((code, talk.as_str()), (0, ""));
    assert!(said.contains("identity canary") && said.contains("for 1 h") && said.contains("spam\\u{1b}"), "{said}");
    assert_eq!(probe().await.problem(), "token-revoked");
    let (code, said, _) = revoke(&aldis, &["--identity", "canary", "--not-before", "now", "--json"]).await;
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<Value>(&said).expect("JSON")["notBefore"].is_u64(), "{said}");
    let (code, listed, _) = revoke(&aldis, &["--list"]).await;
    assert_eq!((code, listed.lines().count()), (0, 2), "{listed}");
    for line in listed.lines() {
        let id = line.split_whitespace().next().expect("an id");
        assert_eq!(revoke(&aldis, &["--lift", id]).await, (0, String::new(), String::new()));
    }
    assert_eq!(probe().await.status, 200);
    let (code, said, talk) = revoke(&aldis, &["--lift", "0"]).await;
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(talk.starts_with("refused (not-found): "), "{talk}");
    let (code, _, talk) = revoke(&aldis, &["--jti", "t", "--for", "2d"]).await;
    assert_eq!(code, 1);
    assert!(talk.contains("`forMs`"), "{talk}");
    // Whom it was about is in no log, and neither is the key.
    aldis.signal("TERM").await;
    let (status, log) = aldis.ended().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("tokens were revoked") && log.contains("a revocation was lifted"), "{log}");
    assert!(!log.contains("canary") && !log.contains(ADMIN) && !log.contains("spam"), "{log}");
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_no_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("revoked");
    std::fs::write(&path, "{\"jti\":\"t\",\"until\":9}\n{\"jti\":\"canary\"}\n").expect("written");
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_aldis"))
        .env_clear()
        .envs([("ALDIS_AUTH_KEYS", KEY), ("ALDIS_LISTEN", "127.0.0.1:0")])
        .env("ALDIS_REVOCATIONS_FILE", &path)
        .arg("serve")
        .output();
    let output = within("its end", output).await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("line 2: it is no revocation") && !said.contains("canary"), "{said}");
}
