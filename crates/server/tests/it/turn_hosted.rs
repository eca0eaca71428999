//! TURN credentials of Cloudflare and Twilio: local servers speak what the two document, well and badly, and when a test says so.

use aldis_core::Permission;
use aldis_server::config::{Config, ProviderConfig, ProviderKind, Secret};
use serde_json::{Value, json};

use crate::support::{Answer, Asked, EventPeer, EventStream, Provider, Request, Rig, Token, events_request, within};

/// What Cloudflare documents, shortened.
const CLOUDFLARE: &str = r#"{"iceServers":[{"urls":["stun:stun.cloudflare.com:3478"]},
    {"urls":["turn:turn.cloudflare.com:3478?transport=udp","turns:turn.cloudflare.com:443?transport=tcp"],
     "username":"bc91b6","credential":"ebd71f"}]}"#;

/// What Twilio documents.
const TWILIO: &str = r#"{"username":"dc2d","password":"tE2D","ttl":"3600","account_sid":"AC1",
    "date_created":"Fri, 01 May 2020 01:42:57 +0000","date_updated":"Fri, 01 May 2020 01:42:57 +0000","ice_servers":[
    {"url":"stun:global.stun.twilio.com:3478","urls":"stun:global.stun.twilio.com:3478"},
    {"url":"turn:global.turn.twilio.com:3478?transport=udp","urls":"turn:global.turn.twilio.com:3478?transport=udp",
     "username":"dc2d","credential":"tE2D"}]}"#;

/// Longer than a test takes: nothing happens because it was waited for long enough.
const NEVER_MS: u64 = 60_000;

/// A join waits as long as the provider takes.
fn patient(change: impl FnOnce(&mut Config)) -> impl FnOnce(&mut Config) {
    move |config| {
        config.limits.turn_wait_ms = NEVER_MS;
        config.limits.turn_request_ms = NEVER_MS;
        change(config);
    }
}

/// The provider takes as long as it likes, and no join waits long for it.
fn impatient(change: impl FnOnce(&mut Config)) -> impl FnOnce(&mut Config) {
    move |config| {
        config.limits.turn_request_ms = NEVER_MS;
        change(config);
    }
}

fn stun() -> Value {
    json!([{ "urls": ["stun:stun.example.org"] }])
}

/// The username of ICE servers, if there is one.
fn username(message: &Value) -> Option<&str> {
    message["iceServers"].as_array()?.iter().find_map(|server| server["username"].as_str())
}

async fn ask(rig: &Rig, who: &str) -> Answer {
    rig.ask(Request::get("/v1/ice-servers").bearer(&rig.mint(who))).await
}

#[tokio::test]
async fn a_join_waits_only_so_long_for_turn() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(impatient(provider.as_cloudflare()));
    let mut ann = rig.v1("ann").await;
    // The provider has not said anything yet.
    let asked = provider.asked().await;
    assert_eq!((&ann.welcome["iceServers"], ann.welcome.get("iceExpiresAt")), (&stun(), None));
    assert_eq!(ann.expect("notice").await["code"], "turn-delayed");
    ann.is_quiet().await;
    assert_eq!((rig.limit_hits("turn_wait_ms"), rig.metric("aldis_turn_delayed_total")), (1, 1));

    asked.answer("201 Created", CLOUDFLARE);
    let pushed = ann.expect("ice-servers").await;
    assert_eq!((username(&pushed), &pushed["iceCutsAtExpiry"]), (Some("bc91b6"), &true.into()));
    // Once.
    ann.is_quiet().await;
    // Whoever comes back has them at once, and there is no second request.
    let again = rig.resume("ann", &ann.resume_token()).await;
    assert_eq!(username(&again.welcome), Some("bc91b6"));
    provider.is_quiet();
}

#[tokio::test]
async fn every_kind_of_client_is_told_that_turn_is_late() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(impatient(provider.as_cloudflare()));
    let mut ann = rig.raw("ann").await;
    let of_ann = provider.asked().await;
    assert_eq!(ann.welcome["iceServers"], stun());
    assert_eq!(ann.expect("notice").await["code"], "turn-delayed");

    let token = rig.mint(Token::of("bob").room("b"));
    let hello = json!({ "type": "hello", "protocol": 1 });
    let opened = EventStream::open(rig.dial().await, &events_request(&token, &hello)).await;
    let mut bob = EventPeer::seated(opened.unwrap_or_else(|answer| panic!("{answer:?}")), token).await;
    let of_bob = provider.asked().await;
    assert_eq!(bob.expect("notice").await["code"], "turn-delayed");
    for asked in [of_ann, of_bob] {
        asked.answer("201 Created", CLOUDFLARE);
    }
    assert!(username(&ann.expect("ice-servers").await).is_some());
    assert!(username(&bob.expect("ice-servers").await).is_some());
    ann.is_quiet().await;
}

#[tokio::test]
async fn what_comes_in_time_is_in_the_welcome() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(provider.as_cloudflare()));
    let mut socket = rig.greeting("ann").await;
    // What is sent meanwhile is heard behind the welcome.
    socket.send(json!({ "type": "hello", "protocol": 1 })).await;
    socket.send(json!({ "type": "ping", "t": 1 })).await;
    let asked = provider.asked().await;
    assert!(asked.head.starts_with("POST /v1/turn/keys/key-1/credentials/generate-ice-servers HTTP/1.1\r\n"));
    assert_eq!(asked.header("authorization"), Some("Bearer api-token"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.body, r#"{"ttl":3600}"#);
    asked.answer("201 Created", CLOUDFLARE);
    let welcome = socket.expect("welcome").await;
    let servers = json!([
        { "urls": ["stun:stun.example.org"] },
        { "urls": ["stun:stun.cloudflare.com:3478"] },
        {
            "urls": ["turn:turn.cloudflare.com:3478?transport=udp", "turns:turn.cloudflare.com:443?transport=tcp"],
            "username": "bc91b6", "credential": "ebd71f",
        },
    ]);
    assert_eq!(welcome["iceServers"], servers);
    let left = welcome["iceExpiresAt"].as_u64().expect("a time").saturating_sub(rig.server.node().clock.unix_ms());
    assert!((3_540_000..=3_600_000).contains(&left), "{left}");
    assert_eq!(socket.expect("pong").await["t"], 1);
    socket.is_quiet().await;
    assert_eq!(rig.metric("aldis_turn_mints_total{provider=\"cloudflare\",outcome=\"ok\"}"), 1);
}

#[tokio::test]
async fn older_answers_of_cloudflare_are_understood() {
    let mixed = r#"{"iceServers":[{"urls":["stun:a:3478","stun:a:53","turn:a:3478?transport=udp","turn:a:53?transport=udp"],
        "username":"u","credential":"c"}]}"#;
    let object = r#"{"iceServers":{"urls":["turn:a:3478?transport=udp"],"username":"u","credential":"c"}}"#;
    let cases = [
        (mixed, json!({ "urls": ["stun:a:3478", "turn:a:3478?transport=udp"], "username": "u", "credential": "c" })),
        (object, json!({ "urls": ["turn:a:3478?transport=udp"], "username": "u", "credential": "c" })),
    ];
    for (body, expected) in cases {
        let mut provider = Provider::start().await;
        let rig = Rig::start(patient(provider.as_cloudflare()));
        let (answer, ()) = tokio::join!(ask(&rig, "ann"), async { provider.asked().await.answer("201 Created", body) });
        assert_eq!((answer.status, &answer.json()["iceServers"][1]), (200, &expected), "{body}");
    }
}

#[tokio::test]
async fn twilio_says_how_long_and_its_fields_are_not_handed_on() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(provider.as_twilio()));
    let answer = async {
        let asked = provider.asked().await;
        assert!(asked.head.starts_with("POST /2010-04-01/Accounts/AC1/Tokens.json HTTP/1.1\r\n"), "{}", asked.head);
        // SK1:auth-token
        assert_eq!(asked.header("authorization"), Some("Basic U0sxOmF1dGgtdG9rZW4="));
        assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(asked.body, "Ttl=3600");
        asked.answer("201 Created", &TWILIO.replace(r#""ttl":"3600""#, r#""ttl":"1800""#));
    };
    let (ann, ()) = tokio::join!(rig.v1("ann"), answer);
    let servers = json!([
        { "urls": ["stun:stun.example.org"] },
        { "urls": ["stun:global.stun.twilio.com:3478"] },
        { "urls": ["turn:global.turn.twilio.com:3478?transport=udp"], "username": "dc2d", "credential": "tE2D" },
    ]);
    assert_eq!(ann.welcome["iceServers"], servers);
    let left = ann.welcome["iceExpiresAt"].as_u64().expect("a time").saturating_sub(rig.server.node().clock.unix_ms());
    assert!((1_740_000..=1_800_000).contains(&left), "{left}");
}

/// What a provider does instead of what it documents.
type Misbehave = fn(Asked);

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let huge: Misbehave = |asked| {
        let mut answer = b"HTTP/1.1 201 Created\r\n\r\n".to_vec();
        answer.resize(10 * 1_024 * 1_024, b' ');
        asked.raw(answer);
    };
    // (what it does, how often it is asked, what that is called)
    let cases: [(Misbehave, u64, &str); 10] = [
        (|asked| asked.answer("429 Too Many Requests", "{}"), 1, "limited"),
        (|asked| asked.answer("401 Unauthorized", "{}"), 1, "refused"),
        (|asked| asked.answer("500 Internal Server Error", "{}"), 2, "failed"),
        (|asked| asked.answer("200 OK", "<html>maintenance</html>"), 2, "unreadable"),
        (|asked| asked.answer("201 Created", r#"{"iceServers":[]}"#), 2, "unreadable"),
        (|asked| asked.answer("201 Created", r#"{"iceServers":[{"urls":["stun:a"]}]}"#), 2, "unreadable"),
        (huge, 2, "unreadable"),
        (|asked| asked.answer("302 Found", ""), 2, "unreachable"),
        (|asked| asked.raw("nonsense"), 2, "unreachable"),
        (drop, 2, "unreachable"),
    ];
    for (number, (misbehave, times, outcome)) in cases.into_iter().enumerate() {
        let mut provider = Provider::start().await;
        let rig = Rig::start(patient(provider.as_cloudflare()));
        let answers = async {
            for _ in 0..times {
                misbehave(provider.asked().await);
            }
        };
        let (refused, ()) = tokio::join!(ask(&rig, "ann"), answers);
        assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"), "case {number}");
        let name = format!("aldis_turn_mints_total{{provider=\"cloudflare\",outcome=\"{outcome}\"}}");
        assert_eq!(rig.metric(&name), times, "case {number}: {outcome}");
        provider.is_quiet();
    }
}

#[tokio::test]
async fn one_that_is_not_there_or_says_nothing_is_given_up() {
    let provider = Provider::start().await;
    let change = provider.as_twilio();
    let late = Rig::start(|config| {
        config.limits.turn_request_ms = 50;
        change(config);
    });
    let name = |outcome| format!("aldis_turn_mints_total{{provider=\"twilio\",outcome=\"{outcome}\"}}");
    assert_eq!(ask(&late, "ann").await.status, 503);
    assert_eq!(late.metric(&name("late")), 2);
    let gone = Rig::start(patient(provider.as_twilio()));
    drop(provider);
    // Its certificate went with it, but that was read before.
    assert_eq!(ask(&gone, "ann").await.status, 503);
    assert_eq!(gone.metric(&name("unreachable")), 2);
}

#[tokio::test]
async fn one_that_may_not_be_reached_is_not_asked() {
    let mut provider = Provider::start().await;
    let change = provider.as_cloudflare();
    let rig = Rig::start(|config| {
        change(config);
        config.outbound.reach = std::iter::empty().collect();
    });
    assert_eq!(ask(&rig, "ann").await.status, 503);
    assert_eq!(rig.metric("aldis_turn_mints_total{provider=\"cloudflare\",outcome=\"unreachable\"}"), 2);
    provider.is_quiet();
}

#[tokio::test]
async fn coturn_stands_in_for_a_provider_that_fails() {
    let mut provider = Provider::start().await;
    let change = provider.as_cloudflare();
    let rig = Rig::start(patient(|config| {
        change(config);
        let kind = ProviderKind::Coturn { urls: vec!["turn:here".to_owned()], secret: Secret::new("north") };
        let first = config.ice.turn[0].clone();
        config.ice.turn.push(ProviderConfig { name: "here".into(), weight: 0, cuts_at_expiry: false, kind, ..first });
    }));
    let (ann, ()) = tokio::join!(rig.v1("ann"), async { provider.asked().await.answer("403 Forbidden", "") });
    assert_eq!(ann.welcome["iceServers"][1]["urls"], json!(["turn:here"]));
    assert_eq!(ann.welcome["iceCutsAtExpiry"], false);
}

#[tokio::test]
async fn who_asks_is_answered_with_what_there_is() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(|config| {
        provider.as_cloudflare()(config);
        config.limits.turn_mints_per_identity = 1;
    }));
    let (mut ann, ()) = tokio::join!(rig.v1("ann"), async { provider.asked().await.answer("201 Created", CLOUDFLARE) });
    // Within half a minute it has the same ones.
    ann.send(json!({ "type": "ice-servers" })).await;
    assert_eq!(ann.expect("ice-servers").await["iceServers"], ann.welcome["iceServers"]);
    // Somebody else of whom nothing can be made is answered with STUN.
    let answers = async {
        for _ in 0..2 {
            provider.asked().await.answer("500 Internal Server Error", "");
        }
    };
    let (mut bob, ()) = tokio::join!(rig.v1(Token::of("bob").room("b")), answers);
    assert_eq!(bob.welcome["iceServers"], stun());
    assert_eq!(bob.expect("notice").await["code"], "turn-delayed");
    bob.send(json!({ "type": "ice-servers" })).await;
    assert_eq!(bob.expect("ice-servers").await["iceServers"], stun());
    assert_eq!(rig.limit_hits("turn_mints_per_identity"), 1);
    provider.is_quiet();
}

#[tokio::test]
async fn who_may_not_have_turn_makes_nobody_ask() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(impatient(provider.as_cloudflare()));
    let token = |can: &[Permission]| Token::of("ann").can(can);
    let mut ann = rig.v1(token(&[Permission::Signal])).await;
    assert_eq!(ann.welcome["iceServers"], stun());
    ann.is_quiet().await;
    provider.is_quiet();
    // Once it may, it gets them when they are there.
    ann.send(json!({ "type": "auth", "token": rig.mint(token(&[Permission::Turn])) })).await;
    ann.expect("auth-ok").await;
    let asked = provider.asked().await;
    ann.is_quiet().await;
    // It asks too; one answer is enough for both.
    ann.send(json!({ "type": "ice-servers" })).await;
    ann.is_quiet().await;
    asked.answer("201 Created", CLOUDFLARE);
    assert!(username(&ann.expect("ice-servers").await).is_some());
    ann.is_quiet().await;
    provider.is_quiet();
}

#[tokio::test]
async fn whoever_is_removed_loses_its_credentials() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(provider.as_cloudflare()));
    let mut judge = rig.v1(Token::of("judge").can(&[Permission::Moderate])).await;
    let named = CLOUDFLARE.replace("bc91b6", "bc/91 b6");
    let (mut bob, ()) = tokio::join!(rig.v1("bob"), async { provider.asked().await.answer("201 Created", &named) });
    judge.expect("peer-joined").await;
    judge.send(json!({ "type": "remove", "id": bob.id })).await;
    bob.closed_with(4410, "removed").await;
    let asked = provider.asked().await;
    let path = "POST /v1/turn/keys/key-1/credentials/bc%2F91%20b6/revoke HTTP/1.1\r\n";
    assert!(asked.head.starts_with(path), "{}", asked.head);
    assert_eq!(asked.header("authorization"), Some("Bearer api-token"));
    asked.answer("204 No Content", "");
    let counted = "aldis_turn_revocations_total{provider=\"cloudflare\",outcome=\"ok\"}";
    within("the count", async {
        while rig.metric(counted) < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Its token is as good as before, so it may come again: with others.
    let (again, ()) = tokio::join!(rig.v1("bob"), async { provider.asked().await.answer("201 Created", CLOUDFLARE) });
    assert_eq!(username(&again.welcome), Some("bc91b6"));
}

#[tokio::test]
async fn so_does_whoever_is_revoked_also_where_it_is_in_no_room() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(provider.as_cloudflare()));
    let (answer, ()) =
        tokio::join!(ask(&rig, "bob"), async { provider.asked().await.answer("201 Created", CLOUDFLARE) });
    assert_eq!(username(&answer.json()), Some("bc91b6"));
    let identity = aldis_protocol::Identity::parse("bob").expect("an identity");
    let until = rig.server.node().clock.unix_ms() + 60_000;
    let target = aldis_core::revocation::Target::Identity { identity };
    rig.server.node().driver.revoke(target, until, 0, None).expect("room for one");
    let asked = provider.asked().await;
    assert!(asked.head.starts_with("POST /v1/turn/keys/key-1/credentials/bc91b6/revoke "), "{}", asked.head);
    asked.answer("204 No Content", "");
    assert_eq!(ask(&rig, "bob").await.status, 403);
}

#[tokio::test]
async fn who_goes_while_it_waits_leaves_nothing_behind() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(|config| {
        provider.as_cloudflare()(config);
        config.limits.turn_wait_ms = 100;
    }));
    let mut socket = rig.greeting("ann").await;
    socket.send(json!({ "type": "hello", "protocol": 1 })).await;
    let asked = provider.asked().await;
    socket.reset();
    rig.everybody_left().await;
    // Nobody waits for them any more, and whoever comes next has them.
    asked.answer("201 Created", CLOUDFLARE);
    let answer = ask(&rig, "ann").await;
    assert_eq!(username(&answer.json()), Some("bc91b6"));
    provider.is_quiet();
}

#[tokio::test]
async fn a_drain_begins_for_who_waits_once_it_is_in() {
    let mut provider = Provider::start().await;
    let rig = Rig::start(patient(|config| {
        provider.as_cloudflare()(config);
        config.drain_window_ms = 400;
    }));
    let mut socket = rig.greeting("ann").await;
    socket.send(json!({ "type": "hello", "protocol": 1 })).await;
    let asked = provider.asked().await;
    rig.server.node().draining.ring();
    asked.answer("201 Created", CLOUDFLARE);
    socket.expect("welcome").await;
    socket.expect("reconnect").await;
    assert_eq!(socket.closed().await.0, 1012);
}

#[tokio::test]
async fn a_node_among_others_tells_it_too() {
    let mut provider = Provider::start().await;
    let change = impatient(provider.as_cloudflare());
    let bus = aldis_server::backplane::MemoryBus::default();
    let rig = Rig::launch(crate::support::Over::Plain, change, |config| {
        let mut config = config.clone();
        config.cluster_secret = Some(Secret::new("c".repeat(32)));
        aldis_server::server::Server::start_on(&bus, &config, aldis_server::server::Mode::Serve)
    });
    let mut ann = rig.v1("ann").await;
    assert_eq!(ann.welcome["iceServers"], stun());
    assert_eq!(ann.expect("notice").await["code"], "turn-delayed");
    provider.asked().await.answer("201 Created", CLOUDFLARE);
    assert!(username(&ann.expect("ice-servers").await).is_some());
    ann.is_quiet().await;
}
