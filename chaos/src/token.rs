//! Tokens, as the backend of an application makes them.

use std::{
    fmt,
    iter::repeat_with,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

/// The name of the key.
const KID: &str = "chaos";

/// Longer than any run: what expires is not what is looked for here.
const LIFE: Duration = Duration::from_secs(12 * 3_600);

/// A key that signs tokens. Displayed as `ALDIS_AUTH_KEYS` takes it.
#[derive(Clone)]
pub(crate) struct Key(String);

/// What a token says.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    room: &'a str,
    exp: u64,
}

impl Key {
    /// Another one for each run, so that two runs cannot disturb each other.
    pub(crate) fn random() -> Self {
        Self(repeat_with(fastrand::alphanumeric).take(48).collect())
    }

    /// A token for this identity and room.
    pub(crate) fn sign(&self, identity: &str, room: &str) -> anyhow::Result<String> {
        let exp = (SystemTime::now().duration_since(UNIX_EPOCH)? + LIFE).as_secs();
        let header = Header { kid: Some(KID.to_owned()), ..Header::default() };
        Ok(encode(&header, &Claims { sub: identity, room, exp }, &EncodingKey::from_secret(self.0.as_bytes()))?)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KID}:{}", self.0)
    }
}
