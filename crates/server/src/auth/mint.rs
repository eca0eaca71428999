//! Signing a token: what an application's backend does, for development and for the command line.

use std::time::Duration;

use aldis_core::{Duplicates, Permission};
use aldis_protocol::{Identity, Json, RoomId, TokenId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::json;
use thiserror::Error;

use super::{Key, MAX_LIFE_MS, Rules};

/// What a new token shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Who it is for.
    pub identity: Identity,
    /// Which room it opens.
    pub room: RoomId,
    /// How long it lives: from a second to a day.
    pub ttl: Duration,
    /// A name to show.
    pub name: Option<String>,
    /// The backend's own.
    pub metadata: Option<Json>,
    /// What it allows; without it the default of `can`.
    pub can: Option<Vec<Permission>>,
    /// How many may be in the room.
    pub max_peers: Option<u64>,
    /// What happens to others of the identity; without it both stay.
    pub duplicates: Option<Duplicates>,
    /// What it calls itself: by this it can be revoked alone.
    pub id: Option<TokenId>,
}

impl NewToken {
    /// A token that says only who, where and for how long.
    #[must_use]
    pub fn new(identity: Identity, room: RoomId, ttl: Duration) -> Self {
        Self { identity, room, ttl, name: None, metadata: None, can: None, max_peers: None, duplicates: None, id: None }
    }

    pub(super) fn sign(&self, key: &Key, rules: &Rules, now_unix_ms: u64) -> Result<Minted, MintError> {
        let ttl_s = self.ttl.as_secs();
        if ttl_s == 0 || ttl_s > MAX_LIFE_MS / 1_000 {
            return Err(MintError::Ttl);
        }
        let iat = now_unix_ms / 1_000;
        let exp = iat.saturating_add(ttl_s);
        let claims = Claims { token: self, rules, iat, exp };
        let header = json!({ "typ": rules.types.first(), "alg": key.alg().as_str(), "kid": key.kid() });
        let claims = serde_json::to_vec(&claims).map_err(|_| MintError::Signing)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        let signature = key.sign(signed.as_bytes()).ok_or(MintError::NoKey)?;
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        Ok(Minted { token, expires_at: exp.saturating_mul(1_000) })
    }
}

/// A signed token.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The JWT.
    pub token: String,
    /// When it expires, in Unix milliseconds.
    pub expires_at: u64,
}

impl std::fmt::Debug for Minted {
    /// Never shows the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Why no token could be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MintError {
    /// No key is configured, or none with a private part.
    #[error(
        "no key to sign with: set ALDIS_AUTH_KEYS (`aldis keys generate --env` makes it), or ALDIS_AUTH_SIGNING_KEY=KID:FILE where \
         the server has public keys"
    )]
    NoKey,
    /// The server would refuse the token.
    #[error("a token lives from one second to one day")]
    Ttl,
    /// The cryptography library failed.
    #[error("the token could not be signed")]
    Signing,
}

/// The claims as they are written, under the names under which they are read.
struct Claims<'a> {
    token: &'a NewToken,
    rules: &'a Rules,
    iat: u64,
    exp: u64,
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { token, rules, iat, exp } = self;
        let name = |claim| rules.names.of(claim);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(name("sub"), &token.identity)?;
        map.serialize_entry(name("room"), &token.room)?;
        map.serialize_entry("iat", iat)?;
        map.serialize_entry("exp", exp)?;
        if let Some(issuer) = &rules.issuer {
            map.serialize_entry("iss", issuer)?;
        }
        if let Some(audience) = &rules.audience {
            map.serialize_entry("aud", audience)?;
        }
        if let Some(shown) = &token.name {
            map.serialize_entry(name("name"), shown)?;
        }
        if let Some(metadata) = &token.metadata {
            map.serialize_entry(name("metadata"), metadata)?;
        }
        if let Some(can) = &token.can {
            let can: Vec<_> = can.iter().map(|permission| permission.as_str()).collect();
            map.serialize_entry(name("can"), &can)?;
        }
        if let Some(count) = token.max_peers {
            map.serialize_entry(name("maxPeers"), &count)?;
        }
        if let Some(duplicates) = token.duplicates {
            map.serialize_entry(name("duplicates"), duplicates_name(duplicates))?;
        }
        if let Some(id) = &token.id {
            map.serialize_entry("jti", id)?;
        }
        map.end()
    }
}

const fn duplicates_name(duplicates: Duplicates) -> &'static str {
    match duplicates {
        Duplicates::Allow => "allow",
        Duplicates::Replace => "replace",
        Duplicates::Reject => "reject",
    }
}
