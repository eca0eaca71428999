//! A JWKS (RFC 7517), read to keys.
//!
//! A set may hold keys for other purposes and of other kinds, which are passed over, each with its reason: they are somebody's, only
//! not ours. A shared secret that somebody publishes (`kty: oct`) is a key of nobody.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use thiserror::Error;

use super::{Algorithm, Key, KeyRing, PublicKey, PublicKeyError, error::shorten};

/// The most keys of a set.
pub const MAX_KEYS: usize = 20;

/// The longest key id, in bytes.
const MAX_KID: usize = 256;

/// What a set comes to.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// The keys that tokens can be checked with.
    pub ring: KeyRing,
    /// The others.
    pub passed_over: Vec<PassedOver>,
}

/// A key of a set that tokens are not checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its id, shortened, or its place in the set where it has none.
    pub kid: String,
    /// Why.
    pub why: Why,
}

/// Why a key of a set counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Why {
    /// No token could name it.
    #[error("has no `kid` of 1 to 256 characters")]
    Kid,
    /// It is for encryption, say.
    #[error("is not for checking signatures (`use`, `key_ops`)")]
    Use,
    /// Another kind, curve or `alg` than those that are known here.
    #[error("is for none of ES256 (P-256), EdDSA (Ed25519) and RS256 (RSA)")]
    Kind,
    /// Its algorithm is not accepted here.
    #[error("is for {0}, which is not in auth.algorithms")]
    NotEnabled(Algorithm),
    /// Its numbers are no key.
    #[error(transparent)]
    Broken(#[from] PublicKeyError),
    /// The set gives away its private part.
    #[error("is published with its private part: whoever reads the set can sign with it")]
    Private,
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JwksError {
    /// It is something else.
    #[error("is no JWKS: a JSON object with the array `keys`")]
    Form,
    /// It is larger than any of these has a reason to be.
    #[error("has {0} keys; at most {MAX_KEYS} are accepted")]
    TooMany(usize),
    /// It is not clear which key a token means.
    #[error("has two keys with the id `{0}`")]
    Doubled(String),
    /// Nothing could be checked with it.
    #[error("has no key that tokens can be checked with{0}")]
    Empty(String),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
}

/// Reads a set, of keys for these algorithms.
///
/// # Errors
/// It is none, or holds nothing of use.
pub fn parse(json: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, JwksError> {
    let set: Jwks = serde_json::from_slice(json).map_err(|_| JwksError::Form)?;
    if set.keys.len() > MAX_KEYS {
        return Err(JwksError::TooMany(set.keys.len()));
    }
    let (mut ring, mut passed_over) = (KeyRing::default(), Vec::new());
    for (place, value) in set.keys.into_iter().enumerate() {
        let kid = value.get("kid").and_then(Value::as_str).map(str::to_owned);
        match read(value, algorithms) {
            Ok(key) => ring.add(key).map_err(|_| JwksError::Doubled(shorten(&kid.unwrap_or_default())))?,
            Err(why) => {
                let kid = kid.map_or_else(|| format!("number {}", place + 1), |kid| shorten(&kid));
                passed_over.push(PassedOver { kid, why });
            }
        }
    }
    if ring.keys().is_empty() {
        let first = passed_over.first().map(|first| format!("; `{}` {}", first.kid, first.why));
        return Err(JwksError::Empty(first.unwrap_or_default()));
    }
    Ok(KeySet { ring, passed_over })
}

fn read(value: Value, algorithms: &[Algorithm]) -> Result<Key, Why> {
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| Why::Kind)?;
    let is_for_signatures = jwk.r#use.as_ref().is_none_or(|r#use| r#use == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !is_for_signatures {
        return Err(Why::Use);
    }
    let alg = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        ("RSA", _) => Algorithm::Rs256,
        _ => return Err(Why::Kind),
    };
    if jwk.alg.as_ref().is_some_and(|own| own != alg.as_str()) {
        return Err(Why::Kind);
    }
    if !algorithms.contains(&alg) {
        return Err(Why::NotEnabled(alg));
    }
    if jwk.d.is_some() {
        return Err(Why::Private);
    }
    let kid = jwk.kid.filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID).ok_or(Why::Kid)?;
    let key = match alg {
        Algorithm::Es256 => PublicKey::p256(&number(jwk.x)?, &number(jwk.y)?)?,
        Algorithm::EdDsa => PublicKey::ed25519(&number(jwk.x)?)?,
        Algorithm::Rs256 => PublicKey::rsa(&number(jwk.n)?, &number(jwk.e)?)?,
        Algorithm::Hs256 => return Err(Why::Kind),
    };
    Ok(Key::public(kid, key))
}

fn number(text: Option<String>) -> Result<Vec<u8>, Why> {
    let text = text.ok_or(PublicKeyError::Kind)?;
    Ok(URL_SAFE_NO_PAD.decode(text).map_err(|_| PublicKeyError::Kind)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::SigningKey;

    fn jwk(alg: Algorithm, kid: &str) -> Value {
        SigningKey::generate(alg).expect("random").expect("a pair").public_jwk(kid)
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    fn read_set(keys: &[Value], algorithms: &[Algorithm]) -> Result<KeySet, JwksError> {
        parse(json!({ "keys": keys, "more": 1 }).to_string().as_bytes(), algorithms)
    }

    #[test]
    fn keys_of_each_kind_are_read_and_others_passed_over() {
        let (ec, ed, rsa) = (jwk(Algorithm::Es256, "ec"), jwk(Algorithm::EdDsa, "ed"), jwk(Algorithm::Rs256, "rsa"));
        let set = read_set(&[ec.clone(), ed.clone(), rsa.clone()], &Algorithm::ALL).expect("keys");
        let found: Vec<_> = set.ring.keys().iter().map(|key| (key.kid(), key.alg())).collect();
        assert_eq!(found, [("ec", Algorithm::Es256), ("ed", Algorithm::EdDsa), ("rsa", Algorithm::Rs256)]);
        assert!(set.passed_over.is_empty());

        let short = json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
        let long = json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xff; 1_025]), "e": "AQAB" });
        let even = json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AA" });
        let broken = |why| Why::Broken(why);
        let cases = [
            (with(ec.clone(), "use", json!("enc")), Why::Use),
            (with(ec.clone(), "key_ops", json!(["sign"])), Why::Use),
            (with(ec.clone(), "crv", json!("P-384")), Why::Kind),
            (with(ec.clone(), "crv", json!("secp256k1")), Why::Kind),
            (with(ec.clone(), "alg", json!("ES384")), Why::Kind),
            (with(rsa.clone(), "alg", json!("PS256")), Why::Kind),
            (with(ed.clone(), "crv", json!("X25519")), Why::Kind),
            (with(ec.clone(), "x", json!(1)), Why::Kind),
            (with(ec.clone(), "kid", json!("")), Why::Kid),
            (with(ec.clone(), "kid", json!("k".repeat(257))), Why::Kid),
            (with(ec.clone(), "d", json!("AAAA")), Why::Private),
            (with(ec.clone(), "x", ec["y"].clone()), broken(PublicKeyError::Kind)),
            (with(ec.clone(), "x", json!("AAAA")), broken(PublicKeyError::Kind)),
            (with(ec.clone(), "y", Value::Null), broken(PublicKeyError::Kind)),
            (with(ed.clone(), "x", json!("AAAA")), broken(PublicKeyError::Kind)),
            (with(ed.clone(), "x", json!("=")), broken(PublicKeyError::Kind)),
            (short, broken(PublicKeyError::RsaBits(1_024))),
            (long, broken(PublicKeyError::RsaBits(8_200))),
            (even, broken(PublicKeyError::Kind)),
            (json!({ "kty": "oct", "kid": "k", "k": "c2VjcmV0" }), Why::Kind),
            (json!("text"), Why::Kind),
        ];
        for (key, why) in cases {
            let set = read_set(&[jwk(Algorithm::EdDsa, "other"), key.clone()], &Algorithm::ALL).expect("one is good");
            assert_eq!((set.ring.keys().len(), set.passed_over.len()), (1, 1), "{key}");
            assert_eq!(set.passed_over[0].why, why, "{key}");
        }
        let set = read_set(&[ed, rsa], &Algorithm::USUAL).expect("one is good");
        assert_eq!(set.passed_over, [PassedOver { kid: "rsa".into(), why: Why::NotEnabled(Algorithm::Rs256) }]);
    }

    #[test]
    fn what_is_no_set_or_an_unclear_one_is_refused() {
        let ed = jwk(Algorithm::EdDsa, "ed");
        assert_eq!(read_set(&[ed.clone(), ed.clone()], &Algorithm::ALL).err(), Some(JwksError::Doubled("ed".into())));
        let many: Vec<_> = (0..21).map(|number| jwk(Algorithm::EdDsa, &number.to_string())).collect();
        assert!(read_set(&many[..20], &Algorithm::ALL).is_ok());
        assert_eq!(read_set(&many, &Algorithm::ALL).err(), Some(JwksError::TooMany(21)));
        assert_eq!(read_set(&[], &Algorithm::ALL).err(), Some(JwksError::Empty(String::new())));
        let error = read_set(&[jwk(Algorithm::Rs256, "r")], &Algorithm::USUAL).expect_err("none");
        assert!(error.to_string().ends_with("`r` is for RS256, which is not in auth.algorithms"), "{error}");
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert_eq!(parse(text.as_bytes(), &Algorithm::ALL).err(), Some(JwksError::Form), "{text}");
        }
    }
}
