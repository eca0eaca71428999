//! Tokens, as the backend of an application makes them, and as somebody without its key does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The name of the key.
pub(crate) const KID: &str = "attack";

/// Longer than any run.
const LIFE: Duration = Duration::from_secs(3_600);

/// A token for somebody in a room, with more claims than those that every token has.
pub(crate) fn sign(secret: &str, identity: &str, room: &str, more: &Value) -> anyhow::Result<String> {
    let exp = (SystemTime::now().duration_since(UNIX_EPOCH)? + LIFE).as_secs();
    let mut claims = json!({ "sub": identity, "room": room, "exp": exp });
    if let (Value::Object(claims), Value::Object(more)) = (&mut claims, more) {
        claims.extend(more.clone());
    }
    let header = Header { kid: Some(KID.to_owned()), ..Header::default() };
    encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())).context("a token cannot be signed")
}

/// A token with any header and claims, and a signature that is none.
pub(crate) fn forge(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([7; 32]))
}
