//! Tokens on a fixed clock: what is accepted, what is refused, and as what.

use aldis_core::{Duplicates, Grant, Permission};
use aldis_protocol::{ErrorCode, Json, Limits, RoomId, WireError};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:01:40Z.
const NOW_S: u64 = 1_767_225_700;
const NOW: u64 = NOW_S * 1_000;

const A: &str = "0123456789abcdef0123456789abcdef";
const B: &str = "fedcba9876543210fedcba9876543210";

fn verifier_of(keys: &str, rules: Rules) -> Verifier {
    let mut keys = KeyRing::parse(keys.split(',')).expect("keys");
    keys.allow_patterns("wide");
    Verifier::new(keys, rules, &Limits::default())
}

/// Two exact keys and one for patterns.
fn verifier() -> Verifier {
    verifier_of(&format!("a:{A},b:{B},wide:{A}{B}"), Rules::default())
}

fn sign_text(header: &str, claims: &str, secret: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).expect("a signature");
    format!("{signed}.{signature}")
}

fn good_claims() -> Value {
    json!({ "sub": "auth0|ann", "room": "lobby", "exp": NOW_S + 600 })
}

/// The good claims with some replaced, or with `null` removed.
fn claims(changes: Value) -> String {
    let mut claims = good_claims();
    let (Value::Object(own), Value::Object(changes)) = (&mut claims, changes) else { panic!("objects") };
    for (name, value) in changes {
        if value.is_null() {
            own.remove(&name)
        } else {
            own.insert(name, value)
        };
    }
    claims.to_string()
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT","kid":"a"}"#;

fn room(text: &str) -> RoomId {
    RoomId::parse(text).expect("a room")
}

fn verify(token: &str) -> Result<Verified, TokenError> {
    verifier().verify(token, Some(&room("lobby")), NOW)
}

#[test]
fn a_good_token_says_all_it_has_to_say() {
    let text = r#"{"sub":"auth0|ann","room":"lobby","exp":1767226300,"nbf":1767225690,"iat":1767225690,"jti":"01J",
        "iss":"x","aud":["y"],"name":"Ann ♥","metadata":{ "b":1, "a":[null,1.50] },"can":["signal","moderate"],
        "maxPeers":8,"duplicates":"replace","email":"ignored","scope":{"x":[1]}}"#;
    let verified = verify(&sign_text(HEADER, text, A)).expect("good");
    assert_eq!((verified.identity.as_str(), verified.room.as_str()), ("auth0|ann", "lobby"));
    assert_eq!(verified.name.as_deref(), Some("Ann ♥"));
    assert_eq!(verified.metadata.as_ref().map(Json::get), Some(r#"{ "b":1, "a":[null,1.50] }"#));
    assert_eq!(verified.grant, Grant::NONE.with(Permission::Signal).with(Permission::Moderate));
    assert_eq!((verified.max_peers, verified.duplicates), (Some(8), Duplicates::Replace));
    assert_eq!(verified.expires_at, 1_767_226_300_000);

    let least = verify(&sign_text(HEADER, &claims(json!({})), A)).expect("good");
    assert_eq!((least.name, least.metadata, least.max_peers), (None, None, None));
    assert_eq!((least.grant, least.duplicates), (Grant::default(), Duplicates::Allow));
}

#[test]
fn what_is_accepted() {
    let cases = [
        ("no typ", sign_text(r#"{"alg":"HS256","kid":"a"}"#, &claims(json!({})), A)),
        ("another key", sign_text(r#"{"kid":"b","alg":"HS256"}"#, &claims(json!({})), B)),
        ("expired within the leeway", sign_text(HEADER, &claims(json!({ "exp": NOW_S - 29 })), A)),
        ("a day and a minute", sign_text(HEADER, &claims(json!({ "exp": NOW_S + 86_460 })), A)),
        ("nbf within the leeway", sign_text(HEADER, &claims(json!({ "nbf": NOW_S + 30 })), A)),
        ("iat within the leeway", sign_text(HEADER, &claims(json!({ "iat": NOW_S + 30 })), A)),
        ("iat nearly a day ago", sign_text(HEADER, &claims(json!({ "iat": NOW_S - 85_000 })), A)),
        ("an aud that nobody asked for", sign_text(HEADER, &claims(json!({ "aud": 7 })), A)),
        ("sub of 128", sign_text(HEADER, &claims(json!({ "sub": "s".repeat(128) })), A)),
        ("name of 128", sign_text(HEADER, &claims(json!({ "name": "ä".repeat(128) })), A)),
        ("no permission", sign_text(HEADER, &claims(json!({ "can": [] })), A)),
        ("metadata of any kind", sign_text(HEADER, &claims(json!({ "metadata": "text" })), A)),
        ("unknown claims", sign_text(HEADER, &claims(json!({ "max_peers": "x", "aldis": {} })), A)),
        ("a float elsewhere", sign_text(HEADER, &claims(json!({ "auth_time": 1.5 })), A)),
    ];
    for (name, token) in cases {
        assert_eq!(verify(&token).map(|_| ()), Ok(()), "{name}");
    }
}

/// (what, token, the code, a part of the sentence)
type Refusal = (&'static str, String, ErrorCode, &'static str);

fn check_refusals(verifier: &Verifier, cases: Vec<Refusal>) {
    for (name, token, code, part) in cases {
        let error = verifier.verify(&token, Some(&room("lobby")), NOW).expect_err(name);
        let wire = WireError::from(&error);
        assert_eq!(wire.code, code, "{name}: {error}");
        assert!(error.to_string().contains(part), "{name}: {error}");
        assert!(!format!("{wire:?}").contains(A) && !format!("{error:?}").contains(A), "{name}");
        assert!(wire.hint.is_some_and(|hint| hint.ends_with('.')), "{name}");
    }
}

#[test]
fn headers_that_are_refused() {
    use ErrorCode::TokenInvalid as I;
    let signed = |header: &str| sign_text(header, &claims(json!({})), A);
    let with = |field: &str| signed(&format!(r#"{{"alg":"HS256","kid":"a",{field}}}"#));
    check_refusals(
        &verifier(),
        vec![
            ("crit", with(r#""crit":["exp"]"#), I, "`crit` is not accepted"),
            ("b64", with(r#""b64":false"#), I, "`b64`"),
            ("jku", with(r#""jku":"https://evil.example/keys""#), I, "`jku`"),
            ("jwk", with(r#""jwk":{"kty":"oct","k":"AAAA"}"#), I, "`jwk`"),
            ("x5u", with(r#""x5u":"https://evil.example/cert""#), I, "`x5u`"),
            ("x5c", with(r#""x5c":[]"#), I, "`x5c`"),
            ("zip", with(r#""zip":"DEF""#), I, "`zip`"),
            ("cty", with(r#""cty":"JWT""#), I, "`cty`"),
            ("an own one", with(r#""x-team":1"#), I, "`x-team`"),
            ("a foreign typ", with(r#""typ":"at+jwt""#), I, "`typ`"),
            ("typ in lower case", with(r#""typ":"jwt""#), I, "`typ`"),
            ("typ of null", with(r#""typ":null"#), I, "`typ`"),
            ("a doubled alg", with(r#""alg":"none""#), I, "header fields hold `alg` twice"),
            ("an escaped doubled kid", with(r#""\u006bid":"b""#), I, "`kid` twice"),
            ("an array", signed(r#"["HS256","a"]"#), I, "header is not a JSON object"),
            ("no alg", signed(r#"{"kid":"a"}"#), I, "`alg` is missing"),
            ("alg none", signed(r#"{"alg":"none","kid":"a"}"#), I, "`alg` must be HS256"),
            ("alg HS512", signed(r#"{"alg":"HS512","kid":"a"}"#), I, "`alg` must be HS256"),
            ("alg RS256", signed(r#"{"alg":"RS256","kid":"a"}"#), I, "`alg` must be HS256"),
            ("alg of a number", signed(r#"{"alg":1,"kid":"a"}"#), I, "`alg` must be a string"),
            ("no kid among several", signed(r#"{"alg":"HS256"}"#), I, "no `kid`"),
            ("an unknown kid", signed(r#"{"alg":"HS256","kid":"c"}"#), I, "`kid` names no key"),
            ("a kid of SQL", signed(r#"{"alg":"HS256","kid":"' OR 1=1 --"}"#), I, "`kid` names no key"),
            ("a kid of a path", signed(r#"{"alg":"HS256","kid":"../../dev/null"}"#), I, "`kid` names no key"),
            ("a kid of null", signed(r#"{"alg":"HS256","kid":null}"#), I, "`kid` must be a string"),
            ("a kid of a number", signed(r#"{"alg":"HS256","kid":1}"#), I, "`kid` must be a string"),
            ("another key's kid", signed(r#"{"alg":"HS256","kid":"b"}"#), I, "signature"),
        ],
    );
}

#[test]
fn claims_that_are_refused() {
    use ErrorCode::{Forbidden as F, TokenExpired as E, TokenInvalid as I};
    let with = |changes: Value| sign_text(HEADER, &claims(changes), A);
    let text = |claims: &str| sign_text(HEADER, claims, A);
    let doubled = r#"{"sub":"a","room":"lobby","exp":1767226300,"room":"cellar"}"#;
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    let deep = format!(r#"{{"sub":"a","room":"lobby","exp":1767226300,"metadata":{deep}}}"#);
    let lone = r#"{"sub":"a","room":"lobby","exp":1767226300,"metadata":"\ud800"}"#;
    let lone_name = r#"{"sub":"a","room":"lobby","exp":1767226300,"name":"\ud800"}"#;
    let exponent = r#"{"sub":"a","room":"lobby","exp":1.7672263e9}"#;
    check_refusals(
        &verifier(),
        vec![
            ("an array", text(r#"["a","lobby"]"#), I, "claims are not a JSON object"),
            ("a doubled claim", text(doubled), I, "claims hold `room` twice"),
            ("no exp", with(json!({ "exp": null })), I, "`exp` is missing"),
            ("exp of null", text(r#"{"sub":"a","room":"lobby","exp":null}"#), I, "`exp`"),
            ("exp as text", with(json!({ "exp": "1767226300" })), I, "`exp` must be whole Unix seconds"),
            ("exp as a float", with(json!({ "exp": 1_767_226_300.5 })), I, "`exp`"),
            ("exp as a whole float", with(json!({ "exp": 1_767_226_300.0 })), I, "`exp`"),
            ("exp with an exponent", text(exponent), I, "`exp`"),
            ("a negative exp", with(json!({ "exp": -1 })), I, "`exp`"),
            ("exp beyond 64 bits", text(r#"{"sub":"a","room":"lobby","exp":1e400}"#), I, "`exp`"),
            ("the largest exp", with(json!({ "exp": u64::MAX })), I, "`exp`"),
            ("exp in milliseconds", with(json!({ "exp": NOW + 600_000 })), I, "`exp`"),
            (
                "a month, on its last day",
                with(json!({ "iat": NOW_S - 29 * 86_400, "exp": NOW_S + 3_600 })),
                I,
                "lives at most 1 d",
            ),
            ("a day and 61 s", with(json!({ "exp": NOW_S + 86_461 })), I, "lives at most 1 d"),
            ("expired", with(json!({ "exp": NOW_S - 30 })), E, "expired 30 s ago"),
            ("expired long ago", with(json!({ "exp": NOW_S - 192 })), E, "expired 3 m 12 s ago"),
            ("exp of zero", with(json!({ "exp": 0 })), E, "expired"),
            ("nbf ahead", with(json!({ "nbf": NOW_S + 31 })), I, "`nbf` is 31 s in the future"),
            ("nbf as text", with(json!({ "nbf": "0" })), I, "`nbf`"),
            ("nbf as a float", with(json!({ "nbf": 1.5 })), I, "`nbf`"),
            ("iat ahead", with(json!({ "iat": NOW_S + 31 })), I, "`iat` is 31 s in the future"),
            ("iat as text, expired", with(json!({ "iat": "0", "exp": 1 })), I, "`iat`"),
            ("no sub", with(json!({ "sub": null })), I, "`sub` is missing"),
            ("an empty sub", with(json!({ "sub": "" })), I, "`sub` must be 1 to 128"),
            ("sub of 129", with(json!({ "sub": "s".repeat(129) })), I, "`sub`"),
            ("sub with a control character", with(json!({ "sub": "a\u{0}b" })), I, "`sub`"),
            ("sub as a number", with(json!({ "sub": 42 })), I, "`sub` must be a string"),
            ("no room", with(json!({ "room": null })), I, "`room` is missing"),
            ("an empty room", with(json!({ "room": "" })), I, "`room` must be 1 to 128"),
            ("a room with a slash", with(json!({ "room": "a/b" })), I, "`room`"),
            ("several rooms", with(json!({ "room": ["lobby"] })), I, "`room` must be a string"),
            ("a pattern of an exact key", with(json!({ "room": "lob*" })), I, "`auth.allow_patterns`"),
            ("another room", with(json!({ "room": "cellar" })), F, "allows the room `cellar`, not `lobby`"),
            ("another room, expired", with(json!({ "room": "cellar", "exp": 1 })), E, "expired"),
            ("another room and no sub", with(json!({ "room": "cellar", "sub": null })), I, "`sub`"),
            ("a long name", with(json!({ "name": "ä".repeat(129) })), I, "`name` must be at most 128"),
            ("a name with a newline", with(json!({ "name": "a\nb" })), I, "`name` must not hold control"),
            ("a name with half a character", text(lone_name), I, "`name`"),
            ("name as a number", with(json!({ "name": 1 })), I, "`name`"),
            ("large metadata", with(json!({ "metadata": "m".repeat(1_023) })), I, "1025 bytes; limits.metadata_bytes"),
            ("deep metadata", text(&deep), I, "`metadata` nests deeper"),
            ("metadata with half a character", text(lone), I, "`metadata` holds a lone surrogate"),
            ("an unknown permission", with(json!({ "can": ["signal", "fly"] })), I, "unknown permission `fly`"),
            ("permissions as text", with(json!({ "can": "signal" })), I, "`can` must be an array"),
            ("permissions of null", text(r#"{"sub":"a","room":"lobby","exp":1767226300,"can":null}"#), I, "`can`"),
            ("maxPeers of zero", with(json!({ "maxPeers": 0 })), I, "`maxPeers`"),
            ("negative maxPeers", with(json!({ "maxPeers": -1 })), I, "`maxPeers`"),
            ("maxPeers of a float", with(json!({ "maxPeers": 2.0 })), I, "`maxPeers`"),
            ("unknown duplicates", with(json!({ "duplicates": "kick" })), I, "`duplicates`"),
            ("jti as a number", with(json!({ "jti": 1 })), I, "`jti`"),
        ],
    );
}

#[test]
fn shapes_that_are_refused() {
    use ErrorCode::{TokenInvalid as I, TokenMissing as M};
    let good = sign_text(HEADER, &claims(json!({})), A);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    let other = URL_SAFE_NO_PAD.encode(claims(json!({ "sub": "admin" })));
    let large = sign_text(HEADER, &claims(json!({ "pad": "x".repeat(4_096) })), A);
    check_refusals(
        &verifier(),
        vec![
            ("nothing", String::new(), M, "no token"),
            ("garbage", "garbage".into(), I, "not three parts"),
            ("two parts", signed.into(), I, "not three parts"),
            ("four parts", format!("{good}.x"), I, "not three parts"),
            ("dots", "..".into(), I, "header is not a JSON object"),
            ("no base64url", format!("#.{other}.{signature}"), I, "header is not base64url"),
            ("no signature", format!("{signed}."), I, "signature"),
            ("half a signature", format!("{signed}.{}", &signature[..20]), I, "signature"),
            ("a padded signature", format!("{good}="), I, "signature"),
            ("a trailing newline", format!("{good}\n"), I, "signature"),
            ("other claims", format!("{header}.{other}.{signature}"), I, "signature"),
            ("another secret", sign_text(HEADER, &claims(json!({})), B), I, "signature"),
            ("an expired forgery", sign_text(HEADER, &claims(json!({ "exp": 1 })), B), I, "signature"),
            ("a large one", large, I, "limits.token_bytes is 4096"),
        ],
    );
}

#[test]
fn a_lone_key_needs_no_kid() {
    let lone = verifier_of(&format!("a:{A}"), Rules::default());
    let without = sign_text(r#"{"alg":"HS256"}"#, &claims(json!({})), A);
    assert!(lone.verify(&without, None, NOW).is_ok());
    let unknown = sign_text(r#"{"alg":"HS256","kid":"b"}"#, &claims(json!({})), A);
    assert_eq!(lone.verify(&unknown, None, NOW), Err(TokenError::UnknownKid));
    let none = Verifier::new(KeyRing::default(), Rules::default(), &Limits::default());
    assert_eq!(none.verify(&without, None, NOW), Err(TokenError::KidMissing));
}

#[test]
fn issuer_and_audience_are_required_where_they_are_configured() {
    let rules =
        Rules { issuer: Some("https://app.example".into()), audience: Some("aldis".into()), ..Rules::default() };
    let strict = verifier_of(&format!("a:{A}"), rules);
    let check = |iss: Value, aud: Value| {
        let token = sign_text(HEADER, &claims(json!({ "iss": iss, "aud": aud })), A);
        strict.verify(&token, None, NOW).map(|_| ()).map_err(|error| match error {
            TokenError::Claim { claim, .. } => claim,
            other => panic!("{other}"),
        })
    };
    let iss = json!("https://app.example");
    let cases = [
        (iss.clone(), json!("aldis"), Ok(())),
        (iss.clone(), json!(["other", "aldis"]), Ok(())),
        (Value::Null, json!("aldis"), Err("iss")),
        (json!("https://app.example/"), json!("aldis"), Err("iss")),
        (json!(["https://app.example"]), json!("aldis"), Err("iss")),
        (iss.clone(), Value::Null, Err("aud")),
        (iss.clone(), json!("Aldis"), Err("aud")),
        (iss.clone(), json!([]), Err("aud")),
        (iss.clone(), json!({ "aldis": 1 }), Err("aud")),
    ];
    for (iss, aud, expected) in cases {
        assert_eq!(check(iss.clone(), aud.clone()), expected, "{iss} {aud}");
    }
}

#[test]
fn the_room_of_the_request_and_of_the_token() {
    let wide = |room: &str| {
        let header = r#"{"alg":"HS256","kid":"wide"}"#;
        sign_text(header, &claims(json!({ "room": room })), &format!("{A}{B}"))
    };
    let exact = sign_text(HEADER, &claims(json!({})), A);
    let check = |token: &str, asked: Option<&str>| {
        let asked = asked.map(room);
        verifier().verify(token, asked.as_ref(), NOW).map(|verified| verified.room.to_string()).map_err(|e| e.code())
    };
    use ErrorCode::{BadRequest, Forbidden, TokenInvalid};
    let cases = [
        (&exact, None, Ok("lobby")),
        (&exact, Some("lobby"), Ok("lobby")),
        (&exact, Some("Lobby"), Err(Forbidden)),
        (&wide("lobby"), None, Ok("lobby")),
        (&wide("team-7-*"), Some("team-7-a"), Ok("team-7-a")),
        (&wide("team-7-*"), Some("team-7-"), Ok("team-7-")),
        (&wide("team-7-*"), Some("team-70"), Err(Forbidden)),
        (&wide("team-7-*"), None, Err(BadRequest)),
        // Every room at once, and anything but a prefix, is refused.
        (&wide("*"), Some("lobby"), Err(TokenInvalid)),
        (&wide("**"), Some("lobby"), Err(TokenInvalid)),
        (&wide("a*b"), Some("a*b".split('*').next()).flatten(), Err(TokenInvalid)),
    ];
    for (token, asked, expected) in cases {
        assert_eq!(check(token, asked), expected.map(str::to_owned), "{asked:?}");
    }
}

#[test]
fn what_is_minted_is_accepted() {
    let rules =
        Rules { issuer: Some("https://app.example".into()), audience: Some("aldis".into()), ..Rules::default() };
    let verifier = verifier_of(&format!("a:{A},b:{B}"), rules);
    let mut new = NewToken::new(
        aldis_protocol::Identity::parse("ann").expect("an identity"),
        room("lobby"),
        std::time::Duration::from_secs(600),
    );
    new.name = Some("Ann".into());
    new.can = Some(vec![Permission::Signal, Permission::Broadcast]);
    new.max_peers = Some(2);
    new.duplicates = Some(Duplicates::Reject);
    new.metadata = Some(aldis_protocol::Json::parse(r#"{"a":1}"#).expect("JSON"));
    let minted = verifier.mint(&new, NOW + 999).expect("minted");
    assert_eq!(minted.expires_at, NOW + 600_000);
    let verified = verifier.verify(&minted.token, None, NOW).expect("good");
    assert_eq!(verified.expires_at, minted.expires_at);
    assert_eq!((verified.name, verified.max_peers), (new.name.clone(), Some(2)));
    assert_eq!((verified.metadata, verified.duplicates), (new.metadata.clone(), Duplicates::Reject));
    assert_eq!(verified.grant, Grant::NONE.with(Permission::Signal).with(Permission::Broadcast));
    assert!(!format!("{minted:?}").contains(&minted.token));

    for ttl in [0, 86_401] {
        new.ttl = std::time::Duration::from_secs(ttl);
        assert_eq!(verifier.mint(&new, NOW), Err(MintError::Ttl), "{ttl}");
    }
    let none = Verifier::new(KeyRing::default(), Rules::default(), &Limits::default());
    new.ttl = std::time::Duration::from_secs(1);
    assert_eq!(none.mint(&new, NOW), Err(MintError::NoKey));
}

#[test]
fn an_operator_learns_more_than_a_client() {
    let base64_key = format!("c:{}", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo");
    let verifier = verifier_of(&format!("a:{A},b:{B},{base64_key}"), Rules::default());
    let good = claims(json!({}));
    let header = |kid: &str| format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
    let cases = [
        (sign_text(&header("x"), &good, A), "unknown kid `x`; known: a, b, c."),
        (sign_text(r#"{"alg":"HS256"}"#, &good, A), "no kid; known: a, b, c."),
        (sign_text(&header(A), &good, "a"), "its `kid` is the secret of a key"),
        (sign_text(&header("dev"), &good, DEV_SECRET), "development key: check it with --dev"),
        (sign_text(&header("a"), &good, "a"), "key and secret were swapped"),
        (sign_text(&header("a"), &good, B), "it is signed with the key `b`"),
        (sign_text(&header("a"), &good, &format!("{A}\n")), "with a newline behind the secret"),
        (sign_text(&header("c"), &good, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "decoded from base64"),
        (sign_text(&header("a"), &good, ""), "with an empty secret"),
        (sign_text(&header("a"), &good, "something else"), "signed with another secret than"),
    ];
    for (token, expected) in cases {
        let error = verifier.verify(&token, None, NOW).expect_err(expected);
        let more = verifier.diagnose(&token, &error).expect(expected);
        assert!(more.contains(expected), "{expected}: {more}");
        assert!(!more.contains(A), "{more}");
    }
    let expired = sign_text(HEADER, &claims(json!({ "exp": 1 })), A);
    let error = verifier.verify(&expired, None, NOW).expect_err("expired");
    assert_eq!(verifier.diagnose(&expired, &error), None);
}

proptest::proptest! {
    #[test]
    fn no_text_panics_it(text in "[A-Za-z0-9_.=-]{0,80}", header in ".{0,40}", claims in ".{0,60}") {
        let _ = verify(&text);
        let _ = verify(&sign_text(&header, &claims, A));
        let _ = verify(&sign_text(HEADER, &claims, A));
        let verifier = verifier();
        let _ = verifier.diagnose(&text, &TokenError::Signature);
        let _ = verifier.diagnose(&text, &TokenError::UnknownKid);
    }
}
