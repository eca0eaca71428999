//! Any header and any claims of a JSON Web Token, signed well: the verifier never panics, and what it accepts keeps every promise that the
//! rest of the server builds on. The two are cut at the first line feed; without one the whole is a token as it is.

#![no_main]

use aldis_protocol::{Identity, Limits, RoomId};
use aldis_server::auth::{KeyRing, LEEWAY_MS, MAX_LIFE_MS, Rules, Verifier};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_767_225_700_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let mut keys = KeyRing::parse([&*format!("a:{SECRET}")]).expect("a key");
    assert!(keys.allow_patterns("a"));
    let verifier = Verifier::new(keys, Rules::default(), &limits);
    let room = RoomId::parse("lobby").expect("a room");

    let Some((header, claims)) = text.split_once('\n') else {
        assert!(verifier.verify(text, Some(&room), NOW).is_err(), "nobody signed it");
        return;
    };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
    for asked in [None, Some(&room)] {
        match verifier.verify(&token, asked, NOW) {
            Ok(verified) => {
                assert!(token.len() as u64 <= limits.token_bytes);
                assert!(verified.expires_at + LEEWAY_MS > NOW && verified.expires_at <= NOW + MAX_LIFE_MS + 60_000);
                assert!(verified.issued_at.is_none_or(|at| at <= NOW + LEEWAY_MS));
                assert!(asked.is_none_or(|asked| *asked == verified.room));
                assert!(Identity::parse(verified.identity.as_str()).is_ok());
                assert!(verified.metadata.is_none_or(|json| json.get().len() as u64 <= limits.metadata_bytes));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
