//! Keys that a server on loopback publishes: slow, large, elsewhere, changing, gone.

use std::{sync::Arc, time::Duration};

use aldis_protocol::{Identity, Limits, RoomId};
use serde_json::json;

use crate::{
    auth::{
        Algorithm, Key, KeyRing, NewToken, RoomScope, Rules, SigningKey, TokenError, Tokens, Verifier,
        jwks::{JwksConfig, JwksMetrics},
    },
    clock::{Clock, unix_ms},
    config::AuthConfig,
    outbound::{
        OutboundConfig,
        fake::{Answer, Fake},
    },
};

const ISSUER: &str = "https://id.example";

/// An issuer with a key, and its private part.
struct Signer {
    kid: &'static str,
    key: SigningKey,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self { kid, key: SigningKey::generate(Algorithm::EdDsa).expect("random").expect("a pair") }
    }

    fn token(&self) -> String {
        let mut ring = KeyRing::default();
        let again = SigningKey::from_pem(self.key.to_pem().expect("PEM").as_bytes()).expect("the same key");
        ring.put_first(Key::pair(self.kid, again).expect("a pair"));
        let rules = Rules { issuer: Some(ISSUER.to_owned()), ..Rules::default() };
        let (identity, room) = (Identity::parse("ann").expect("an identity"), RoomId::parse("lobby").expect("a room"));
        let new = NewToken::new(identity, room, Duration::from_secs(3_600));
        Verifier::new(ring, rules, &Limits::default()).mint(&new, unix_ms()).expect("minted").token
    }
}

fn set(signers: &[&Signer]) -> Answer {
    let keys: Vec<_> = signers.iter().map(|signer| signer.key.public_jwk(signer.kid)).collect();
    Answer::Body(json!({ "keys": keys }).to_string())
}

fn auth(fake: &Fake) -> AuthConfig {
    let jwks = JwksConfig {
        issuer: Arc::from(ISSUER),
        url: fake.url("/jwks.json").parse().expect("a URL"),
        algorithms: Algorithm::ALL.to_vec(),
        scope: RoomScope::Exact,
    };
    AuthConfig { jwks: vec![jwks], ..AuthConfig::default() }
}

fn outbound(fake: &Fake) -> OutboundConfig {
    let networks = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("a network"));
    OutboundConfig { reach: networks.into_iter().collect(), ca_file: Some(fake.ca().to_owned()) }
}

fn start(fake: &Fake) -> Tokens {
    let metrics = Arc::new(JwksMetrics::default());
    let limits = Arc::new(Limits::default());
    Tokens::start(&auth(fake), &outbound(fake), &limits, Clock::start(), metrics).expect("started")
}

/// What a join is told.
async fn join(tokens: &Tokens, token: &str) -> Result<(), TokenError> {
    let verified = tokens.verify(token, None);
    if let Some(fetched) = verified.as_ref().err().and_then(|error| tokens.fetching(error)) {
        fetched.await;
        return tokens.verify(token, None).map(|_| ());
    }
    verified.map(|_| ())
}

/// Lets so much time pass, as far as anybody here can tell.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_join_waits_for_the_first_fetch_and_a_hundred_wait_for_the_same_one() {
    let ann = Signer::new("k");
    let fake = Fake::start(set(&[&ann])).await;
    let (tokens, token) = (start(&fake), ann.token());
    let joins = (0..100).map(|_| join(&tokens, &token));
    assert_eq!(futures_util::future::join_all(joins).await, vec![Ok(()); 100]);
    assert_eq!(fake.asked(), 1);
    // From then on nobody waits.
    assert_eq!(tokens.verify(&token, None).map(|_| ()), Ok(()));
    assert_eq!(fake.heads()[0].lines().next(), Some("GET /jwks.json HTTP/1.1"));
}

#[tokio::test]
async fn a_flood_of_unknown_key_ids_is_one_fetch_in_thirty_seconds() {
    let (ann, stranger) = (Signer::new("k"), Signer::new("unknown"));
    let fake = Fake::start(set(&[&ann])).await;
    let tokens = start(&fake);
    assert_eq!(join(&tokens, &ann.token()).await, Ok(()));
    let token = stranger.token();
    for asked in 1..4 {
        for _ in 0..500 {
            assert_eq!(join(&tokens, &token).await, Err(TokenError::UnknownKid));
        }
        assert_eq!(fake.asked(), asked);
        pass(31).await;
    }
}

#[tokio::test]
async fn keys_change_with_and_without_an_overlap() {
    let (old, new, last) = (Signer::new("old"), Signer::new("new"), Signer::new("last"));
    let fake = Fake::start(set(&[&old])).await;
    let tokens = start(&fake);
    assert_eq!(join(&tokens, &old.token()).await, Ok(()));
    fake.answers(set(&[&new, &old]));
    pass(31).await;
    // The first token of a new key brings it.
    assert_eq!(join(&tokens, &new.token()).await, Ok(()));
    assert_eq!(join(&tokens, &old.token()).await, Ok(()));
    fake.answers(set(&[&last]));
    pass(31).await;
    assert_eq!(join(&tokens, &last.token()).await, Ok(()));
    assert_eq!(join(&tokens, &old.token()).await, Err(TokenError::UnknownKid));
    assert_eq!(fake.asked(), 3);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_said_to_be_so_and_what_was_counts_for_a_day() {
    let (ann, bob) = (Signer::new("k"), Signer::new("later"));
    let fake = Fake::start(set(&[&ann])).await;
    let tokens = start(&fake);
    let (token, later) = (ann.token(), bob.token());
    assert_eq!(join(&tokens, &token).await, Ok(()));
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1/\r\ncontent-length: 0\r\n\r\n".to_owned();
    let failed = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned();
    let many: Vec<_> = (0..21).map(|number| bob.key.public_jwk(&number.to_string())).collect();
    let many = Answer::Body(json!({ "keys": many }).to_string());
    let nothing = Answer::Body(json!({ "keys": [] }).to_string());
    let broken =
        [Answer::Huge, Answer::Endless, Answer::Raw(moved), Answer::Raw(failed), Answer::Nothing, many, nothing];
    for answer in broken {
        fake.answers(answer);
        pass(31).await;
        // There may be a key that nobody has seen: try again later.
        assert_eq!(join(&tokens, &later).await, Err(TokenError::KeysUnavailable));
        assert_eq!(join(&tokens, &token).await, Ok(()));
    }
    pass(86_000).await;
    assert_eq!(join(&tokens, &token).await, Ok(()));
    pass(500).await;
    assert_eq!(join(&tokens, &token).await, Err(TokenError::KeysUnavailable));
    fake.answers(set(&[&bob]));
    pass(31).await;
    assert_eq!(join(&tokens, &later).await, Ok(()));
    assert_eq!(join(&tokens, &token).await, Err(TokenError::UnknownKid));
}

#[tokio::test]
async fn nobody_waits_longer_than_two_seconds_and_a_reload_keeps_what_is_known() {
    let ann = Signer::new("k");
    let fake = Fake::start(Answer::Silence).await;
    let (tokens, token) = (start(&fake), ann.token());
    let begun = tokio::time::Instant::now();
    assert_eq!(join(&tokens, &token).await, Err(TokenError::KeysUnavailable));
    let waited = begun.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");

    // A reload with another URL begins anew; one without a change does not.
    fake.answers(set(&[&ann]));
    let mut elsewhere = auth(&fake);
    elsewhere.jwks[0].url = fake.url("/other.json").parse().expect("a URL");
    tokens.replace(&elsewhere, &outbound(&fake)).expect("replaced");
    assert_eq!(join(&tokens, &token).await, Ok(()));
    let asked = fake.asked();
    tokens.replace(&elsewhere, &outbound(&fake)).expect("replaced");
    assert_eq!(tokens.verify(&token, None).map(|_| ()), Ok(()));
    assert_eq!(fake.asked(), asked);
    // Without the issuer its tokens count no more.
    tokens.replace(&AuthConfig::default(), &OutboundConfig::default()).expect("replaced");
    assert_eq!(join(&tokens, &token).await, Err(TokenError::UnknownKid));
}

#[tokio::test]
async fn a_private_address_is_not_asked_unless_it_is_listed() {
    let ann = Signer::new("k");
    let fake = Fake::start(set(&[&ann])).await;
    let shut = OutboundConfig { reach: crate::outbound::Reach::default(), ..outbound(&fake) };
    let metrics = Arc::new(JwksMetrics::default());
    let limits = Arc::new(Limits::default());
    let tokens = Tokens::start(&auth(&fake), &shut, &limits, Clock::start(), metrics).expect("started");
    assert_eq!(join(&tokens, &ann.token()).await, Err(TokenError::KeysUnavailable));
    assert_eq!(fake.asked(), 0);
}
