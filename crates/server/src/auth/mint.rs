//! Signing a token: what an application's backend does, for development and for the command line.

use std::time::Duration;

use aldis_core::{Duplicates, Permission};
use aldis_protocol::{Identity, Json, RoomId, TokenId};
use jsonwebtoken::Header;
use serde::Serialize;
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
        let claims = Claims {
            sub: &self.identity,
            room: &self.room,
            iat,
            exp,
            iss: rules.issuer.as_deref(),
            aud: rules.audience.as_deref(),
            name: self.name.as_deref(),
            metadata: self.metadata.as_ref(),
            can: self.can.as_ref().map(|can| can.iter().map(|permission| permission.as_str()).collect()),
            max_peers: self.max_peers,
            duplicates: self.duplicates.map(duplicates_name),
            jti: self.id.as_ref(),
        };
        let header = Header { kid: Some(key.kid().to_owned()), ..Header::new(key.alg().library()) };
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding()).map_err(|_| MintError::Signing)?;
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
    /// No key is configured.
    #[error("no key is configured to sign with: set ALDIS_AUTH_KEYS (`aldis keys generate --env` makes it)")]
    NoKey,
    /// The server would refuse the token.
    #[error("a token lives from one second to one day")]
    Ttl,
    /// The cryptography library failed.
    #[error("the token could not be signed")]
    Signing,
}

/// The claims as they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    sub: &'a Identity,
    room: &'a RoomId,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    can: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_peers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a TokenId>,
}

const fn duplicates_name(duplicates: Duplicates) -> &'static str {
    match duplicates {
        Duplicates::Allow => "allow",
        Duplicates::Replace => "replace",
        Duplicates::Reject => "reject",
    }
}
