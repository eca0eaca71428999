//! ICE servers: fresh where they are given, renewed in time, and TURN only for whom it is for.

use std::time::Duration;

use aldis_core::Permission;
use aldis_server::config::{Config, IceConfig, ProviderConfig, ProviderKind, Secret};
use serde_json::{Value, json};

use crate::support::{Rig, Token};

const DAY: Duration = Duration::from_secs(86_400);

fn turn(ttl: Duration) -> impl FnOnce(&mut Config) {
    move |config| {
        let urls = vec!["turn:turn.example.org:3478".to_owned()];
        let kind = ProviderKind::Coturn { urls, secret: Secret::new("north") };
        let (key, name) = ("turn".to_owned(), "coturn".to_owned());
        let turn = ProviderConfig { key, name, weight: 1, ttl, cuts_at_expiry: false, kind };
        config.ice =
            IceConfig { stun_urls: vec!["stun:stun.example.org".to_owned()], turn: vec![turn], files: Vec::new() };
    }
}

/// Whether the credentials of a message have at least nine tenths of their time left.
fn are_fresh(rig: &Rig, message: &Value, ttl: Duration) -> bool {
    let server = &message["iceServers"][1];
    let expiry = message["iceExpiresAt"].as_u64().expect("a time");
    let named = server["username"].as_str().and_then(|name| name.split_once(':')).expect("expiry:tag").0;
    assert_eq!(named.parse::<u64>().expect("seconds") * 1_000, expiry, "{message}");
    assert!(server["credential"].is_string(), "{message}");
    let left = Duration::from_millis(expiry.saturating_sub(rig.server.node().clock.unix_ms()));
    left >= ttl * 9 / 10 && left <= ttl
}

#[tokio::test]
async fn every_welcome_and_every_request_brings_fresh_ones() {
    let rig = Rig::start(turn(DAY));
    let mut ann = rig.v1("ann").await;
    assert!(are_fresh(&rig, &ann.welcome, DAY), "{}", ann.welcome);
    assert_eq!(ann.welcome["iceServers"][0], json!({ "urls": ["stun:stun.example.org"] }));
    assert_eq!(ann.welcome["iceCutsAtExpiry"], false);
    ann.send(json!({ "type": "ice-servers" })).await;
    let asked = ann.expect("ice-servers").await;
    assert!(are_fresh(&rig, &asked, DAY), "{asked}");
    let again = rig.resume("ann", &ann.resume_token()).await;
    assert!(are_fresh(&rig, &again.welcome, DAY), "{}", again.welcome);
}

#[tokio::test]
async fn a_turn_server_that_cuts_at_expiry_is_announced_with_each_of_its_credentials() {
    let cutting = |config: &mut Config| {
        turn(DAY)(config);
        config.ice.turn[0].cuts_at_expiry = true;
    };
    let rig = Rig::start(cutting);
    let mut ann = rig.v1("ann").await;
    assert_eq!(ann.welcome["iceCutsAtExpiry"], true);
    ann.send(json!({ "type": "ice-servers" })).await;
    assert_eq!(ann.expect("ice-servers").await["iceCutsAtExpiry"], true);
    // Who gets no credential has nothing that could be cut.
    let bob = rig.raw(Token::of("bob").can(&[Permission::Signal])).await;
    assert_eq!(bob.welcome["iceCutsAtExpiry"], false);
}

#[tokio::test]
async fn they_are_pushed_again_at_three_quarters_of_their_time() {
    // Short enough to see it twice.
    let ttl = Duration::from_millis(80);
    let rig = Rig::start(turn(ttl));
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.raw(Token::of("bob").can(&[Permission::Signal])).await);
    let started = tokio::time::Instant::now();
    let mut pushed = 0;
    while pushed < 2 {
        if ann.next().await["type"] == "ice-servers" {
            pushed += 1;
        }
    }
    assert!(started.elapsed() < 40 * ttl, "in time: {:?}", started.elapsed());
    // Who may not have them has nothing to renew.
    bob.is_quiet().await;
}

#[tokio::test]
async fn without_turn_there_is_only_stun() {
    let rig = Rig::start(turn(DAY));
    let stun = json!([{ "urls": ["stun:stun.example.org"] }]);
    let token = |can: &[Permission]| Token::of("ann").can(can);
    let mut ann = rig.v1(token(&[Permission::Signal])).await;
    assert_eq!((&ann.welcome["iceServers"], ann.welcome.get("iceExpiresAt")), (&stun, None));
    ann.send(json!({ "type": "ice-servers" })).await;
    assert_eq!(ann.expect("ice-servers").await["iceServers"], stun);
    // A new grant takes effect at once, in both directions.
    ann.send(json!({ "type": "auth", "token": rig.mint(token(&[Permission::Turn])) })).await;
    ann.expect("auth-ok").await;
    let granted = ann.expect("ice-servers").await;
    assert!(are_fresh(&rig, &granted, DAY), "{granted}");
    ann.send(json!({ "type": "auth", "token": rig.mint(token(&[Permission::Signal])) })).await;
    ann.expect("auth-ok").await;
    assert_eq!(ann.expect("ice-servers").await["iceServers"], stun);
    let none = Rig::usual();
    assert_eq!(none.raw("ann").await.welcome["iceServers"], json!([]));
}

#[tokio::test]
async fn an_identity_has_one_tag_and_each_its_own() {
    let rig = Rig::start(turn(DAY));
    let tag = |welcome: &Value| {
        let name = welcome["iceServers"][1]["username"].as_str().expect("a name").to_owned();
        name.split_once(':').expect("expiry:tag").1.to_owned()
    };
    let (first, second, other) = (rig.raw("ann").await, rig.v1("ann").await, rig.raw("bob").await);
    assert_eq!(tag(&first.welcome), tag(&second.welcome));
    assert_ne!(tag(&first.welcome), tag(&other.welcome));
}
