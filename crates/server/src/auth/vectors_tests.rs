//! Public keys on a fixed clock: tokens that another implementation signed, and every way in which somebody might pass one key off as
//! another.

use std::sync::Arc;

use aldis_protocol::{Limits, RoomId};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:01:40Z.
const NOW_S: u64 = 1_767_225_700;
const NOW: u64 = NOW_S * 1_000;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A key of each kind, made once: those of RSA take their time.
struct Keys {
    ec: SigningKey,
    other_ec: SigningKey,
    ed: SigningKey,
    rsa: SigningKey,
}

fn make(alg: Algorithm) -> SigningKey {
    SigningKey::generate(alg).expect("random").expect("a pair")
}

static KEYS: std::sync::LazyLock<Keys> = std::sync::LazyLock::new(|| Keys {
    ec: make(Algorithm::Es256),
    other_ec: make(Algorithm::Es256),
    ed: make(Algorithm::EdDsa),
    rsa: make(Algorithm::Rs256),
});

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_pem(key.public_pem().expect("PEM").as_bytes()).expect("a public key")
}

fn pkcs8(key: &SigningKey) -> Vec<u8> {
    use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
    let pem = key.to_pem().expect("PEM");
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PKCS#8").secret_pkcs8_der().to_vec()
}

/// One key of each kind: `hs`, `ec`, `ed`, `rsa`.
fn ring() -> KeyRing {
    let mut ring = KeyRing::parse([format!("hs:{SECRET}").as_str()]).expect("a key");
    for (kid, key) in [("ec", &KEYS.ec), ("ed", &KEYS.ed), ("rsa", &KEYS.rsa)] {
        ring.add(Key::public(kid, public(key))).expect("another id");
    }
    ring
}

fn verifier() -> Verifier {
    Verifier::new(ring(), Rules::default(), &Limits::default())
}

fn claims() -> Value {
    json!({ "sub": "ann", "room": "lobby", "exp": NOW_S + 600 })
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn header(alg: &str, kid: &str) -> Value {
    json!({ "alg": alg, "typ": "JWT", "kid": kid })
}

fn with(signed: &str, signature: &[u8]) -> String {
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn sign_as(key: &SigningKey, header: &Value) -> String {
    let signed = unsigned(header, &claims());
    with(&signed, &key.sign(signed.as_bytes()).expect("a signature"))
}

fn mac(secret: &[u8], header: &Value) -> String {
    let signed = unsigned(header, &claims());
    with(&signed, &signature::mac(secret, signed.as_bytes()))
}

fn outcome(verifier: &Verifier, token: &str) -> Result<String, TokenError> {
    let room = RoomId::parse("lobby").expect("a room");
    verifier.verify(token, Some(&room), NOW).map(|verified| verified.identity.to_string())
}

#[test]
fn what_another_implementation_signs_is_accepted() {
    use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
    let cases = [
        ("hs", Alg::HS256, EncodingKey::from_secret(SECRET.as_bytes())),
        ("ec", Alg::ES256, EncodingKey::from_ec_der(&pkcs8(&KEYS.ec))),
        ("ed", Alg::EdDSA, EncodingKey::from_ed_der(&pkcs8(&KEYS.ed))),
    ];
    for (kid, alg, key) in cases {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(alg) };
        let token = encode(&header, &claims(), &key).expect("signed");
        assert_eq!(outcome(&verifier(), &token), Ok("ann".to_owned()), "{kid}");
    }
}

#[test]
fn another_implementation_accepts_what_is_minted() {
    use jsonwebtoken::{Algorithm as Alg, DecodingKey, Validation, decode, jwk::Jwk};
    let new = NewToken::new(
        aldis_protocol::Identity::parse("ann").expect("an identity"),
        RoomId::parse("lobby").expect("a room"),
        std::time::Duration::from_secs(600),
    );
    for (alg, name) in [(Algorithm::Es256, Alg::ES256), (Algorithm::EdDsa, Alg::EdDSA), (Algorithm::Rs256, Alg::RS256)]
    {
        let key = make(alg);
        let jwk: Jwk = serde_json::from_value(key.public_jwk("k")).expect("a JWK");
        let again = SigningKey::from_pem(key.to_pem().expect("PEM").as_bytes()).expect("the same key");
        let mut ring = KeyRing::default();
        ring.put_first(Key::pair("k", again).expect("a pair"));
        let minted = Verifier::new(ring, Rules::default(), &Limits::default()).mint(&new, NOW).expect("minted");
        let mut validation = Validation::new(name);
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(&jwk).expect("a key");
        let read = decode::<Value>(&minted.token, &key, &validation).expect("accepted");
        assert_eq!((read.claims["sub"].as_str(), read.header.kid.as_deref()), (Some("ann"), Some("k")), "{alg}");
        // The server has only the public part, and cannot sign.
        let mut ring = KeyRing::default();
        let public = jwk::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), &Algorithm::ALL).expect("a set");
        ring.add(public.ring.keys()[0].clone()).expect("the only one");
        let server = Verifier::new(ring, Rules::default(), &Limits::default());
        assert_eq!(outcome(&server, &minted.token), Ok("ann".to_owned()), "{alg}");
        assert_eq!(server.mint(&new, NOW), Err(MintError::NoKey));
    }
}

#[test]
fn a_token_cannot_choose_how_its_key_is_used() {
    let spki = |key: &SigningKey| key.public_pem().expect("PEM").into_bytes();
    let raw = |key: &SigningKey, name: &str| {
        let jwk = key.public_jwk("k");
        URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("text")).expect("base64url")
    };
    let wrong = |expected| Err(TokenError::WrongAlgorithm { expected });
    let ec_signed = unsigned(&header("ES256", "ec"), &claims());
    let rsa_signed = unsigned(&header("RS256", "rsa"), &claims());
    let (random, der) = (SystemRandom::new(), pkcs8(&KEYS.ec));
    let asn1 = |alg| EcdsaKeyPair::from_pkcs8(alg, &der).expect("a pair").sign(&random, ec_signed.as_bytes());
    let rsa_pair = RsaKeyPair::from_pkcs8(&pkcs8(&KEYS.rsa)).expect("a pair");
    let rsa = |padding| {
        let mut signature = vec![0; rsa_pair.public_modulus_len()];
        rsa_pair.sign(padding, &random, rsa_signed.as_bytes(), &mut signature).expect("signed");
        signature
    };
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a pair");
    let p384 = p384.sign(&random, ec_signed.as_bytes()).expect("signed");
    let own = KEYS.ec.sign(ec_signed.as_bytes()).expect("signed");
    let swapped = [&own[32..], &own[..32]].concat();
    let cases: Vec<(&str, String, Result<(), TokenError>)> = vec![
        ("ES256", sign_as(&KEYS.ec, &header("ES256", "ec")), Ok(())),
        ("EdDSA", sign_as(&KEYS.ed, &header("EdDSA", "ed")), Ok(())),
        ("RS256", sign_as(&KEYS.rsa, &header("RS256", "rsa")), Ok(())),
        // The public key as a shared secret, in each form in which somebody may have it.
        ("HS256 by the PEM of ES256", mac(&spki(&KEYS.ec), &header("HS256", "ec")), wrong(Algorithm::Es256)),
        ("HS256 by the PEM of EdDSA", mac(&spki(&KEYS.ed), &header("HS256", "ed")), wrong(Algorithm::EdDsa)),
        ("HS256 by the PEM of RS256", mac(&spki(&KEYS.rsa), &header("HS256", "rsa")), wrong(Algorithm::Rs256)),
        ("HS256 by the point", mac(&raw(&KEYS.ed, "x"), &header("HS256", "ed")), wrong(Algorithm::EdDsa)),
        ("HS256 by the modulus", mac(&raw(&KEYS.rsa, "n"), &header("HS256", "rsa")), wrong(Algorithm::Rs256)),
        // The same, and the header says what the key is for.
        ("a MAC as ES256", mac(&spki(&KEYS.ec), &header("ES256", "ec")), Err(TokenError::Signature)),
        ("a MAC as RS256", mac(&spki(&KEYS.rsa), &header("RS256", "rsa")), Err(TokenError::Signature)),
        // The key of another, or another algorithm of the same key.
        ("ES256 by the secret's id", sign_as(&KEYS.ec, &header("ES256", "hs")), wrong(Algorithm::Hs256)),
        ("ES256 by the id of EdDSA", sign_as(&KEYS.ec, &header("ES256", "ed")), wrong(Algorithm::EdDsa)),
        ("EdDSA by the id of ES256", sign_as(&KEYS.ed, &header("EdDSA", "ec")), wrong(Algorithm::Es256)),
        ("EdDSA as ES256", sign_as(&KEYS.ed, &header("ES256", "ec")), Err(TokenError::Signature)),
        ("another key on P-256", sign_as(&KEYS.other_ec, &header("ES256", "ec")), Err(TokenError::Signature)),
        ("ES384", sign_as(&KEYS.ec, &header("ES384", "ec")), wrong(Algorithm::Es256)),
        ("RS512", sign_as(&KEYS.rsa, &header("RS512", "rsa")), wrong(Algorithm::Rs256)),
        ("PS256", sign_as(&KEYS.rsa, &header("PS256", "rsa")), wrong(Algorithm::Rs256)),
        ("Ed25519", sign_as(&KEYS.ed, &header("Ed25519", "ed")), wrong(Algorithm::EdDsa)),
        ("es256", sign_as(&KEYS.ec, &header("es256", "ec")), wrong(Algorithm::Es256)),
        ("none", format!("{}.", unsigned(&header("none", "ec"), &claims())), wrong(Algorithm::Es256)),
        ("None", format!("{}.", unsigned(&header("None", "rsa"), &claims())), wrong(Algorithm::Rs256)),
        ("no signature", format!("{ec_signed}."), Err(TokenError::Signature)),
        // Another form, hash, padding or curve behind the right name.
        (
            "ASN.1",
            with(&ec_signed, asn1(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("signed").as_ref()),
            Err(TokenError::Signature),
        ),
        ("P-384 as ES256", with(&ec_signed, p384.as_ref()), Err(TokenError::Signature)),
        ("PSS as RS256", with(&rsa_signed, &rsa(&RSA_PSS_SHA256)), Err(TokenError::Signature)),
        ("SHA-512 as RS256", with(&rsa_signed, &rsa(&RSA_PKCS1_SHA512)), Err(TokenError::Signature)),
        ("r and s swapped", with(&ec_signed, &swapped), Err(TokenError::Signature)),
        ("zeros (CVE-2022-21449)", with(&ec_signed, &[0; 64]), Err(TokenError::Signature)),
        ("half of it", with(&ec_signed, &own[..32]), Err(TokenError::Signature)),
        ("and more", with(&ec_signed, &[own.clone(), vec![0]].concat()), Err(TokenError::Signature)),
        ("RSA of zeros", with(&rsa_signed, &[0; 384]), Err(TokenError::Signature)),
        ("Ed25519 of zeros", with(&unsigned(&header("EdDSA", "ed"), &claims()), &[0; 64]), Err(TokenError::Signature)),
        // Keys that come with the token.
        (
            "jwk",
            sign_as(&KEYS.other_ec, &json!({ "alg": "ES256", "kid": "ec", "jwk": KEYS.other_ec.public_jwk("ec") })),
            Err(TokenError::Header { field: "jwk".into(), problem: "is not accepted" }),
        ),
        (
            "jku",
            sign_as(&KEYS.ec, &json!({ "alg": "ES256", "kid": "ec", "jku": "https://evil.example/" })),
            Err(TokenError::Header { field: "jku".into(), problem: "is not accepted" }),
        ),
        (
            "x5c",
            sign_as(&KEYS.ec, &json!({ "alg": "ES256", "kid": "ec", "x5c": ["AA"] })),
            Err(TokenError::Header { field: "x5c".into(), problem: "is not accepted" }),
        ),
        (
            "crit",
            sign_as(&KEYS.ec, &json!({ "alg": "ES256", "kid": "ec", "crit": ["exp"], "exp": 1 })),
            Err(TokenError::Header { field: "crit".into(), problem: "is not accepted" }),
        ),
        ("no kid", sign_as(&KEYS.ec, &json!({ "alg": "ES256" })), Err(TokenError::KidMissing)),
        ("another kid", sign_as(&KEYS.ec, &header("ES256", "EC")), Err(TokenError::UnknownKid)),
    ];
    for (name, token, expected) in cases {
        assert_eq!(outcome(&verifier(), &token).map(|_| ()), expected, "{name}");
    }
}

#[test]
fn what_is_no_key_for_tokens_is_not_loaded() {
    let pem = |der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    };
    use aws_lc_rs::{
        encoding::{AsDer as _, PublicKeyX509Der},
        signature::{ECDSA_P521_SHA512_FIXED_SIGNING, KeyPair as _},
    };
    let ec = |alg| {
        let pair = EcdsaKeyPair::generate(alg).expect("a pair");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
        pem(der.as_ref())
    };
    // 1024 bits, as `openssl genrsa 1024` made them.
    let short = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCvh/JroZqJU1q+GFH5H5xU54OV
QI30XTb/s8pRYY7N3U2OpzVQBkWLDO7+rU69qX8xtUyILQzuT6eTuV1C+ulSYZJ2
qvDhS/0SyNqlQhcgtFfhUnXHX4z1K/sFDxYxzGywU6SGC4yzr3VnIrlRHXpU5K5Z
G0Raxmeq3b+LPp3C8QIDAQAB
-----END PUBLIC KEY-----
";
    let cases = [
        (short.to_owned(), PublicKeyError::RsaBits(1_024)),
        (ec(&ECDSA_P384_SHA384_FIXED_SIGNING), PublicKeyError::Kind),
        (ec(&ECDSA_P521_SHA512_FIXED_SIGNING), PublicKeyError::Kind),
        (pem(b"nonsense"), PublicKeyError::Kind),
        (KEYS.ec.to_pem().expect("PEM"), PublicKeyError::Private),
        (String::new(), PublicKeyError::NoKey),
        (SECRET.to_owned(), PublicKeyError::NoKey),
    ];
    for (text, expected) in cases {
        assert_eq!(PublicKey::from_pem(text.as_bytes()).expect_err("refused"), expected, "{text}");
    }
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a pair");
    let der: PublicKeyX509Der<'_> = rsa.public_key().as_der().expect("DER");
    assert_eq!(PublicKey::from_pem(pem(der.as_ref()).as_bytes()).map(|key| key.alg()), Ok(Algorithm::Rs256));

    assert_eq!(SigningKey::from_pem(b"x").expect_err("refused"), SigningKeyError::NoKey);
    assert_eq!(SigningKey::from_pem(KEYS.ec.public_pem().expect("PEM").as_bytes()).err(), Some(SigningKeyError::NoKey));
    let shown = format!("{:?} {:?} {:?}", KEYS.ec, public(&KEYS.ec), ring());
    assert!(!shown.contains(SECRET) && shown.contains("Es256"), "{shown}");
}

#[test]
fn a_key_of_an_issuer_is_good_for_its_issuer_alone() {
    let ring_of = |issuer: &str, kid: &str, key: &SigningKey| {
        let mut ring = KeyRing::default();
        ring.add(Key::public(kid, public(key))).expect("the only one");
        Arc::new(ring.of_issuer(&Arc::from(issuer)))
    };
    // Two issuers with the same key id, and ours of it as well.
    let published = Published {
        rings: vec![ring_of("https://a.example", "1", &KEYS.ec), ring_of("https://b.example", "1", &KEYS.other_ec)],
        behind: 0,
    };
    let mut own = ring();
    own.add(Key::public("1", public(&KEYS.ed))).expect("another id");
    let rules = Rules { issuer: Some("https://own.example".into()), ..Rules::default() };
    let verifier = Verifier::new(own, rules, &Limits::default());
    let token = |key: &SigningKey, issuer: Option<&str>, kid: &str| {
        let mut claims = claims();
        if let Some(issuer) = issuer {
            claims["iss"] = issuer.into();
        }
        let signed = unsigned(&header(key.alg().as_str(), kid), &claims);
        with(&signed, &key.sign(signed.as_bytes()).expect("signed"))
    };
    let check = |published: &Published, token: &str| {
        verifier.verify_with(published, token, None, NOW).map(|_| ()).map_err(|error| match error {
            TokenError::Claim { claim, .. } => claim,
            TokenError::UnknownKid => "kid",
            TokenError::KeysUnavailable => "later",
            TokenError::KidMissing => "no kid",
            other => panic!("{other}"),
        })
    };
    let (a, b, own) = (Some("https://a.example"), Some("https://b.example"), Some("https://own.example"));
    let cases = [
        (&KEYS.ec, a, "1", Ok(())),
        (&KEYS.other_ec, b, "1", Ok(())),
        (&KEYS.ed, own, "1", Ok(())),
        (&KEYS.ec, b, "1", Err("iss")),
        (&KEYS.other_ec, a, "1", Err("iss")),
        (&KEYS.ec, own, "1", Err("iss")),
        (&KEYS.ed, a, "1", Err("iss")),
        (&KEYS.ec, None, "1", Err("iss")),
        (&KEYS.ec, a, "2", Err("kid")),
    ];
    for (key, issuer, kid, expected) in cases {
        assert_eq!(check(&published, &token(key, issuer, kid)), expected, "{issuer:?} {kid}");
    }
    // Where keys may be missing, one that is not there is no reason to turn somebody away for good.
    let behind = Published { behind: 1, ..published.clone() };
    assert_eq!(check(&behind, &token(&KEYS.ec, a, "2")), Err("later"));
    assert_eq!(check(&behind, &token(&KEYS.ec, a, "1")), Ok(()));
    assert_eq!(check(&Published { rings: vec![], behind: 1 }, &token(&KEYS.ec, a, "9")), Err("later"));
    // A lone key needs no id, but there may be others by tomorrow.
    let mut lone = KeyRing::default();
    lone.add(Key::public("ec", public(&KEYS.ec))).expect("the only one");
    let lone = Verifier::new(lone, Rules::default(), &Limits::default());
    let nameless = sign_as(&KEYS.ec, &json!({ "alg": "ES256" }));
    assert!(lone.verify(&nameless, None, NOW).is_ok());
    assert_eq!(lone.verify_with(&behind, &nameless, None, NOW), Err(TokenError::KidMissing));
}

#[test]
fn claims_may_have_other_names_and_then_their_own_count_no_more() {
    let mut rules = Rules { types: vec!["at+jwt".into(), "JWT".into()], ..Rules::default() };
    for (claim, name) in [("room", "https://aldis.example/room"), ("can", "https://aldis.example/can")] {
        assert!(rules.names.rename(claim, name));
    }
    assert!(!rules.names.rename("exp", "x"));
    let verifier = Verifier::new(ring(), rules, &Limits::default());
    let token = |typ: &str, claims: &Value| {
        let signed = unsigned(&json!({ "alg": "EdDSA", "typ": typ, "kid": "ed" }), claims);
        with(&signed, &KEYS.ed.sign(signed.as_bytes()).expect("signed"))
    };
    let good = json!({ "sub": "auth0|ann", "exp": NOW_S + 60, "https://aldis.example/room": "lobby",
        "https://aldis.example/can": ["message"], "can": ["moderate"], "room": 7 });
    let verified = verifier.verify(&token("at+jwt", &good), None, NOW).expect("good");
    assert_eq!((verified.room.as_str(), verified.identity.as_str()), ("lobby", "auth0|ann"));
    assert_eq!(verified.grant, aldis_core::Grant::NONE.with(aldis_core::Permission::Message));

    let own = json!({ "sub": "ann", "exp": NOW_S + 60, "room": "lobby" });
    let error = verifier.verify(&token("JWT", &own), None, NOW).expect_err("no room");
    assert_eq!(error.to_string(), "the claim `room` (read from `https://aldis.example/room`) is missing");
    let error = verifier.verify(&token("id+jwt", &good), None, NOW).expect_err("another type");
    assert!(error.to_string().contains("`typ` is not in `auth.types`"), "{error}");
}
