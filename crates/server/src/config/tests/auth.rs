//! `[auth]`: keys out of files, and issuers.

use super::*;

#[test]
fn public_keys_come_from_files_and_each_mistake_in_them_is_named() {
    use crate::auth::{Algorithm, SigningKey};
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    let make = |alg| SigningKey::generate(alg).expect("random").expect("a pair");
    let (ec, ed, rsa) = (make(Algorithm::Es256), make(Algorithm::EdDsa), make(Algorithm::Rs256));
    let ec_file = write("ec.pem", &ec.public_pem().expect("PEM"));
    let rsa_file = write("rsa.pem", &rsa.public_pem().expect("PEM"));
    let private = write("private.pem", &ec.to_pem().expect("PEM"));
    let set = write("jwks.json", &serde_json::json!({ "keys": [ed.public_jwk("ed")] }).to_string());
    let secrets = write("keys", "# ours\nhs:0123456789abcdef0123456789abcdef\n\n");
    let public = format!("ec:{ec_file}");
    let good = [
        ("ALDIS_AUTH_PUBLIC_KEYS", public.as_str()),
        ("ALDIS_AUTH_JWKS_FILE", &set),
        ("ALDIS_AUTH_KEYS_FILE", &secrets),
        ("ALDIS_AUTH_ALLOW_PATTERNS", "ed"),
    ];
    let loaded = Loaded::load(&Flags::default(), env(&good), Purpose::Serve).expect("good");
    let kids: Vec<_> = loaded.config.auth.keys.keys().iter().map(|key| (key.kid(), key.alg())).collect();
    assert_eq!(kids, [("hs", Algorithm::Hs256), ("ec", Algorithm::Es256), ("ed", Algorithm::EdDsa)]);
    let files: Vec<_> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    assert_eq!(files, [secrets.as_str(), &ec_file, &set]);

    let public = format!("rsa:{rsa_file},p:{private},gone:{private}.not,x,ec:{ec_file},ec:{ec_file}");
    let wrong = [
        ("ALDIS_AUTH_PUBLIC_KEYS", public.as_str()),
        ("ALDIS_AUTH_JWKS_FILE", &ec_file),
        ("ALDIS_AUTH_KEYS_FILE", &ec_file),
        ("ALDIS_AUTH_ALGORITHMS", "ES256,none"),
        ("ALDIS_AUTH_KEYS", KEYS),
        ("ALDIS_AUTH_CLAIMS", "exp=x,room,name=can,sub=u,can=u"),
    ];
    let found = mistakes(&Flags::default(), &wrong, Purpose::Serve);
    let from = |key: &str, variable: &str, problem: &str| format!("auth.{key} (from ALDIS_AUTH_{variable}): {problem}");
    let expected = [
        from(
            "algorithms",
            "ALGORITHMS",
            "`none` is no algorithm that tokens are checked with; known are HS256, ES256, EdDSA, RS256",
        ),
        from("keys", "KEYS", "has a shared secret, and HS256 is not in auth.algorithms"),
        from("keys_file", "KEYS_FILE", "an entry must be `kid:secret`; this one has no colon"),
        from("public_keys", "PUBLIC_KEYS", &format!("{rsa_file} is a key for RS256, which is not in auth.algorithms")),
        from(
            "public_keys",
            "PUBLIC_KEYS",
            &format!("{private} holds a private key, which nobody but the signer should have"),
        ),
        from("public_keys", "PUBLIC_KEYS", &format!("{private}.not cannot be read")),
        from("public_keys", "PUBLIC_KEYS", "`x` is not `kid:file`"),
        from("public_keys", "PUBLIC_KEYS", "two keys have the id `ec`"),
        from("jwks_file", "JWKS_FILE", &format!("{ec_file} is no JWKS")),
        from("claims", "CLAIMS", "`exp` is no claim that may have another name"),
        from("claims", "CLAIMS", "`room` is not `claim=name`"),
        from("claims", "CLAIMS", "`u` is the name of another claim too"),
    ];
    for expected in &expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected}\n  is not in\n{found:#?}");
    }
    // An RSA key is accepted where somebody asks for it.
    let rsa = format!("rsa:{rsa_file}");
    let asked = [("ALDIS_AUTH_PUBLIC_KEYS", rsa.as_str()), ("ALDIS_AUTH_ALGORITHMS", "RS256")];
    assert_eq!(Config::load(&Flags::default(), env(&asked)).expect("good").auth.keys.keys()[0].alg(), Algorithm::Rs256);
}

#[test]
fn an_issuer_is_named_with_its_url_and_needs_an_audience() {
    let load = |variables: &[(&str, &str)]| Config::load(&Flags::default(), env(variables));
    let audience = ("ALDIS_AUTH_AUDIENCE", "aldis");
    let two = "https://a.example/ https://a.example/jwks.json, https://b.example https://b.example/keys?x=1";
    let config = load(&[("ALDIS_AUTH_JWKS_URLS", two), audience, ("ALDIS_AUTH_ALLOW_PATTERNS", "https://b.example")]);
    let jwks = config.expect("good").auth.jwks;
    let found: Vec<_> = jwks.iter().map(|jwks| (&*jwks.issuer, jwks.url.to_string())).collect();
    let expected = [
        ("https://a.example/", "https://a.example/jwks.json".to_owned()),
        ("https://b.example", "https://b.example/keys?x=1".to_owned()),
    ];
    assert_eq!(found, expected);
    let scopes: Vec<_> = jwks.iter().map(|jwks| jwks.scope).collect();
    assert_eq!(scopes, [crate::auth::RoomScope::Exact, crate::auth::RoomScope::Patterns]);

    let alone = [("ALDIS_AUTH_JWKS_URLS", "https://a.example/k"), ("ALDIS_AUTH_ISSUER", "me"), audience];
    assert_eq!(&*load(&alone).expect("good").auth.jwks[0].issuer, "me");
    let cases = [
        ("https://a.example/k", "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): entry 1 has no issuer"),
        (
            "i http://a.example/k",
            "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): entry 1: the URL must begin with `https://`",
        ),
        // Neither the URL nor the password in it is shown.
        (
            "i https://ann:canary@a.example/k",
            "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): entry 1: the URL must not hold a login",
        ),
        ("i https://a/1,i https://a/2", "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): names the issuer `i` twice"),
    ];
    for (urls, problem) in cases {
        let found = mistakes(&Flags::default(), &[("ALDIS_AUTH_JWKS_URLS", urls), audience], Purpose::Serve);
        assert!(found[0].starts_with(problem) && !found[0].contains("canary"), "{found:#?}");
    }
    let found = mistakes(&Flags::default(), &[("ALDIS_AUTH_JWKS_URLS", "i https://a/1")], Purpose::Serve);
    assert!(found[0].starts_with("auth.audience: is missing although auth.jwks_urls names an issuer"), "{found:#?}");
}
