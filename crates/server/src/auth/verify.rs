//! A token becomes what it allows.

use aldis_core::{Duplicates, Grant, Stamp};
use aldis_protocol::{Identity, Json, Limits, RoomId, TokenId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;

use super::{
    Algorithm, Key, KeyRing, MintError, Minted, NewToken, TokenError,
    claims::{Claims, Rooms},
    header::Header,
};

/// How far clocks may differ: a token is accepted that long after `exp`, and that long before `nbf` and `iat`. Milliseconds.
pub const LEEWAY_MS: u64 = 30_000;

/// How far ahead `exp` may be, apart from a minute for a clock that is ahead. Milliseconds.
pub const MAX_LIFE_MS: u64 = 86_400_000;

/// What every token has to say besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Where it is set, `iss` must be this.
    pub issuer: Option<String>,
    /// Where it is set, `aud` must be this or an array that holds it. A token that has an `aud` although none is set is accepted.
    pub audience: Option<String>,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who it is: `sub`.
    pub identity: Identity,
    /// The room of the request, which the token allows.
    pub room: RoomId,
    /// A name to show.
    pub name: Option<String>,
    /// The backend's own, verbatim.
    pub metadata: Option<Json>,
    /// What it allows: `can`.
    pub grant: Grant,
    /// `maxPeers`: how many may be in the room for this one to come in; the smaller of it and the server's limit counts.
    pub max_peers: Option<u64>,
    /// What happens to others of its identity.
    pub duplicates: Duplicates,
    /// `exp`, in Unix milliseconds. The token is accepted until [`LEEWAY_MS`] after it, so this may be a little in the past.
    pub expires_at: u64,
    /// `iat`, in Unix milliseconds, where the token has one.
    pub issued_at: Option<u64>,
    /// `jti`, where the token has one.
    pub id: Option<TokenId>,
}

impl Verified {
    /// By which a revocation knows it, besides its identity and its room.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { id: self.id.clone(), issued_at: self.issued_at }
    }
}

/// Checks tokens against the keys of the configuration.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: KeyRing,
    rules: Rules,
    limits: Limits,
}

impl Verifier {
    /// A verifier with these keys. Of the limits it heeds `token_bytes`, `metadata_bytes` and `json_depth`.
    #[must_use]
    pub fn new(keys: KeyRing, rules: Rules, limits: &Limits) -> Self {
        Self { keys, rules, limits: limits.clone() }
    }

    /// Checks a token for a request that names `room`, at `now_unix_ms`.
    ///
    /// The room may be left out where the token names exactly one. Nothing of the claims is believed before the signature was found
    /// good, so only a token that was really signed is ever called expired.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn verify(&self, token: &str, room: Option<&RoomId>, now_unix_ms: u64) -> Result<Verified, TokenError> {
        let parts = Parts::split(token, &self.limits)?;
        let header = Header::parse(&parts.header()?)?;
        let key = self.key(&header)?;
        if header.alg != key.alg().as_str() {
            return Err(TokenError::WrongAlgorithm { expected: key.alg() });
        }
        if !parts.is_signed_by(key) {
            return Err(TokenError::Signature);
        }

        let payload = parts.claims()?;
        let claims = Claims::parse(&payload)?;
        let (expires_at, issued_at) = claims.life(now_unix_ms)?;
        claims.provenance(&self.rules)?;
        let rooms = claims.rooms(key.scope())?;
        Ok(Verified {
            identity: claims.identity()?,
            name: claims.name()?,
            metadata: claims.metadata(&self.limits)?,
            grant: claims.grant()?,
            max_peers: claims.max_peers()?,
            duplicates: claims.duplicates()?,
            expires_at,
            issued_at,
            id: claims.id()?,
            // Last: only a token that is good in every other way is told that it is for another room.
            room: rooms.choose(room)?,
        })
    }

    /// Signs a token with the first key.
    ///
    /// # Errors
    /// There is no key, or the token would be refused by this very verifier.
    pub fn mint(&self, token: &NewToken, now_unix_ms: u64) -> Result<Minted, MintError> {
        let key = self.keys.first().ok_or(MintError::NoKey)?;
        token.sign(key, &self.rules, now_unix_ms)
    }

    /// The keys, for who explains a refusal.
    pub(super) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn key(&self, header: &Header) -> Result<&Key, TokenError> {
        match (&header.kid, self.keys.keys()) {
            (Some(kid), _) => self.keys.get(kid).ok_or(TokenError::UnknownKid),
            (None, [only]) => Ok(only),
            (None, _) => Err(TokenError::KidMissing),
        }
    }
}

impl Rooms {
    /// The room of the request, if the token is for it.
    fn choose(self, asked: Option<&RoomId>) -> Result<RoomId, TokenError> {
        match (self, asked) {
            (Self::One(own), None) => Ok(own),
            (Self::One(own), Some(asked)) if own == *asked => Ok(own),
            (Self::One(own), Some(asked)) => {
                Err(TokenError::OtherRoom { asked: asked.clone(), allowed: own.to_string() })
            }
            (Self::Prefix(prefix), None) => Err(TokenError::RoomNeeded { prefix }),
            (Self::Prefix(prefix), Some(asked)) if asked.as_str().starts_with(&prefix) => Ok(asked.clone()),
            (Self::Prefix(prefix), Some(asked)) => {
                Err(TokenError::OtherRoom { asked: asked.clone(), allowed: format!("{prefix}*") })
            }
        }
    }
}

/// The three parts of a token, still encoded.
pub(super) struct Parts<'a> {
    /// Header, dot, claims: what is signed.
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Cuts a token at its two dots.
    pub(super) fn split(token: &'a str, limits: &Limits) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() as u64 > limits.token_bytes {
            return Err(TokenError::TooLong { bytes: token.len(), limit: limits.token_bytes });
        }
        let parts = token.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, claims) = signed.split_once('.')?;
            (!claims.contains('.')).then_some(Self { signed, header, claims, signature })
        });
        parts.ok_or(TokenError::Malformed("it has not three parts between dots"))
    }

    /// The header's JSON.
    pub(super) fn header(&self) -> Result<Vec<u8>, TokenError> {
        URL_SAFE_NO_PAD.decode(self.header).map_err(|_| TokenError::Malformed("its header is not base64url"))
    }

    fn claims(&self) -> Result<Vec<u8>, TokenError> {
        URL_SAFE_NO_PAD.decode(self.claims).map_err(|_| TokenError::Malformed("its claims are not base64url"))
    }

    /// Whether this key signed it.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        self.matches(key.alg(), key.decoding())
    }

    /// Whether the signature matches. One that is not even base64url does not.
    pub(super) fn matches(&self, alg: Algorithm, key: &DecodingKey) -> bool {
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, alg.library()).unwrap_or(false)
    }
}
