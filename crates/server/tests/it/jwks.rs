//! Tokens whose keys an identity provider publishes: what a client sees while they come, change and are gone.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aldis_protocol::{Identity, Limits, RoomId};
use aldis_server::{
    auth::{Algorithm, ClaimNames, Key, KeyRing, NewToken, RoomScope, Rules, SigningKey, Verifier, jwks::JwksConfig},
    clock::unix_ms,
    outbound::OutboundConfig,
};
use serde_json::json;

use crate::support::{
    Peer, Request, Rig, Token,
    fake::{Answer, Fake},
};

const ISSUER: &str = "https://id.example/";

/// A key of the provider.
struct Provider {
    kid: &'static str,
    key: SigningKey,
}

impl Provider {
    fn new(kid: &'static str) -> Self {
        Self { kid, key: SigningKey::generate(Algorithm::Es256).expect("random").expect("a pair") }
    }

    fn set(&self) -> Answer {
        Answer::Body(json!({ "keys": [self.key.public_jwk(self.kid)] }).to_string())
    }

    fn token(&self, identity: &str) -> String {
        let mut ring = KeyRing::default();
        let again = SigningKey::from_pem(self.key.to_pem().expect("PEM").as_bytes()).expect("the same key");
        ring.put_first(Key::pair(self.kid, again).expect("a pair"));
        let (identity, room) =
            (Identity::parse(identity).expect("an identity"), RoomId::parse("lobby").expect("a room"));
        let new = NewToken::new(identity, room, Duration::from_secs(600));
        Verifier::new(ring, rules(), &Limits::default()).mint(&new, unix_ms()).expect("minted").token
    }
}

/// As Auth0 has it: names that look like URLs, and a type of its own.
fn rules() -> Rules {
    let mut names = ClaimNames::default();
    assert!(names.rename("room", "https://aldis.example/room"));
    let (issuer, audience) = (Some(ISSUER.to_owned()), Some("aldis".to_owned()));
    Rules { issuer, audience, types: vec!["at+jwt".to_owned()], names }
}

fn rig(fake: &Fake) -> Rig {
    Rig::start(|config| {
        let jwks = JwksConfig {
            issuer: Arc::from(ISSUER),
            url: fake.url("/.well-known/jwks.json").parse().expect("a URL"),
            algorithms: Algorithm::USUAL.to_vec(),
            scope: RoomScope::Exact,
        };
        config.auth.jwks = vec![jwks];
        config.auth.rules = rules();
        let networks = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("a network"));
        let ca_file: PathBuf = fake.ca().to_owned();
        config.outbound = OutboundConfig { reach: networks.into_iter().collect(), ca_file: Some(ca_file) };
    })
}

async fn join(rig: &Rig, token: &str) -> Peer {
    Peer::greeting(rig.dial().await, token, json!({ "type": "hello", "protocol": 1 })).await
}

#[tokio::test]
async fn the_first_joins_wait_for_the_keys() {
    let provider = Provider::new("1");
    let fake = Fake::start(provider.set()).await;
    let rig = rig(&fake);
    let (ann, bob) = (provider.token("auth0|ann"), provider.token("auth0|bob"));
    let (mut ann, bob) = tokio::join!(join(&rig, &ann), join(&rig, &bob));
    let to = bob.id.clone();
    ann.tell(&to, 1).await;
    // The backend's own keys go on beside them, by the same rules.
    rig.v1(Token::of("carol")).await;
    assert_eq!(fake.asked(), 1);
    assert_eq!(rig.metric("aldis_jwks_fetches_total{result=\"ok\"}"), 1);
    assert_eq!(rig.metric("aldis_jwks_keys"), 1);
}

#[tokio::test]
async fn keys_that_do_not_come_are_no_fault_of_the_token() {
    let provider = Provider::new("1");
    let fake = Fake::start(Answer::Nothing).await;
    let rig = rig(&fake);
    let token = provider.token("auth0|ann");
    // Over HTTP also for an `aldis.v1` client: nothing is wrong with it that it should be told in band.
    for request in [Request::upgrade("/v1/signal").v1(&token), Request::upgrade("/v1/signal").bearer(&token)] {
        let refused = rig.refusal(request).await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert!(refused.json()["message"].as_str().is_some_and(|text| text.contains("keys of an issuer")));
    }
    assert!(rig.metric("aldis_jwks_fetches_total{result=\"failed\"}") >= 1);
    // What nobody can have signed is refused as ever.
    let refused = rig.refusal(Request::upgrade("/v1/signal").bearer("nonsense")).await;
    assert_eq!((refused.status, refused.problem().as_str()), (401, "token-invalid"));
    // Whoever the server knows by itself comes in.
    rig.v1(Token::of("bob")).await;
}

#[tokio::test]
async fn a_token_of_a_new_key_renews_in_band_and_nobody_waits_meanwhile() {
    let (old, new) = (Provider::new("old"), Provider::new("new"));
    let fake = Fake::start(old.set()).await;
    let rig = rig(&fake);
    let (mut ann, mut bob) = (join(&rig, &old.token("ann")).await, join(&rig, &old.token("bob")).await);
    ann.expect("peer-joined").await;
    let (to, from) = (bob.id.clone(), ann.id.clone());
    let auth = |token: String| json!({ "type": "auth", "token": token });

    // Just fetched: the key is not there, and the old token goes on.
    ann.send(auth(new.token("ann"))).await;
    ann.refused("token-invalid").await;

    // Half a minute later the provider is asked again, and takes its time.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    fake.answers(Answer::Silence);
    ann.send(auth(new.token("ann"))).await;
    ann.tell(&to, 1).await;
    bob.told(&from, 1).await;
    bob.tell(&from, 2).await;
    ann.told(&to, 2).await;
    let refused = ann.refused("unavailable").await;
    assert!(refused["message"].as_str().is_some_and(|text| text.starts_with("`auth`: ")), "{refused}");

    // The fetch ends at its deadline, and the next one brings the key.
    fake.answers(new.set());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    ann.send(auth(new.token("ann"))).await;
    ann.expect("auth-ok").await;
    ann.tell(&to, 3).await;
    bob.told(&from, 3).await;
}
