//! Any text as a resume token: it never panics, and only what is signed for this identity and this room counts.
//!
//! The body is signed here as well, so that the fuzzer gets past the MAC.

#![no_main]

use aldis_protocol::{Identity, Limits, RoomId};
use aldis_server::{
    config::Secret,
    resume::{ClusterKeys, MAX_RESUME_TOKEN, ResumeClaims, ResumeTokens},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_767_225_700_000;

fuzz_target!(|bytes: &[u8]| {
    let keys = ClusterKeys::new(Some(&Secret::new("0123456789abcdef0123456789abcdef"))).expect("keys");
    let tokens = ResumeTokens::new(&keys, &Limits::default());
    let (identity, room) =
        (Identity::parse("auth0|ann").expect("an identity"), RoomId::parse("lobby").expect("a room"));

    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(tokens.verify(text, &identity, &room, NOW).is_err(), "nobody signed it");
    }

    let who = [&[identity.as_str().len() as u8], identity.as_str().as_bytes(), room.as_str().as_bytes()].concat();
    let mac = keys.resume.sign(&[bytes, &who]);
    let token = URL_SAFE_NO_PAD.encode([bytes, mac.as_ref()].concat());
    let Ok(ticket) = tokens.verify(&token, &identity, &room, NOW) else { return };
    assert!(token.len() <= MAX_RESUME_TOKEN);
    // What was understood is what would be signed.
    let issued_at = bytes[1..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).expect("a time");
    let (peer, seq, generation) = (&ticket.peer, ticket.seq, ticket.generation);
    let claims = ResumeClaims { peer, identity: &identity, room: &room, seq, generation, issued_at };
    assert_eq!(tokens.sign(&claims), token);
    // It is nobody else's.
    let other = Identity::parse("auth0|bob").expect("an identity");
    assert!(tokens.verify(&token, &other, &room, NOW).is_err());
});
