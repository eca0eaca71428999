//! A token becomes what it allows.

use std::sync::Arc;

use aldis_core::{Duplicates, Grant, Stamp};
use aldis_protocol::{Identity, Json, Limits, RoomId, TokenId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Key, KeyRing, MintError, Minted, NewToken, Rules, TokenError,
    claims::{Claims, Rooms},
    header::Header,
};

/// How far clocks may differ: a token is accepted that long after `exp`, and that long before `nbf` and `iat`. Milliseconds.
pub const LEEWAY_MS: u64 = 30_000;

/// How far ahead `exp` may be, apart from a minute for a clock that is ahead. Milliseconds.
pub const MAX_LIFE_MS: u64 = 86_400_000;

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
    /// The id of the key that signed it.
    pub kid: String,
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

/// The keys that issuers have published, at some moment.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// A ring for each issuer whose keys are known.
    pub rings: Vec<Arc<KeyRing>>,
    /// How many issuers may have keys that are not known: they were never fetched, or the last fetch has brought none yet.
    pub behind: usize,
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

    /// Checks a token for a request that names `room`, at `now_unix_ms`, with the keys of the configuration alone.
    ///
    /// The room may be left out where the token names exactly one. Nothing of the claims is believed before the signature was found
    /// good, so only a token that was really signed is ever called expired.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn verify(&self, token: &str, room: Option<&RoomId>, now_unix_ms: u64) -> Result<Verified, TokenError> {
        self.verify_with(&Published::default(), token, room, now_unix_ms)
    }

    /// The same with keys that issuers have published besides.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn verify_with(
        &self,
        published: &Published,
        token: &str,
        room: Option<&RoomId>,
        now_unix_ms: u64,
    ) -> Result<Verified, TokenError> {
        let parts = Parts::split(token, &self.limits)?;
        let header = Header::parse(&parts.header()?, &self.rules.types)?;
        let key = self.signer(published, &header, &parts)?;

        let payload = parts.claims()?;
        let claims = Claims::parse(&payload, &self.rules.names)?;
        let (expires_at, issued_at) = claims.life(now_unix_ms)?;
        claims.provenance(&self.rules, key.issuer())?;
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
            kid: key.kid().to_owned(),
            // Last: only a token that is good in every other way is told that it is for another room.
            room: rooms.choose(room)?,
        })
    }

    /// Signs a token with the first key that can.
    ///
    /// # Errors
    /// There is no such key, or the token would be refused by this very verifier.
    pub fn mint(&self, token: &NewToken, now_unix_ms: u64) -> Result<Minted, MintError> {
        let key = self.keys.signer().ok_or(MintError::NoKey)?;
        token.sign(key, &self.rules, now_unix_ms)
    }

    /// The keys, for who explains a refusal.
    pub(super) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(super) fn types(&self) -> &[String] {
        &self.rules.types
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The key that the header names, if it signed the token.
    ///
    /// Two issuers may have chosen the same key id. Then both keys are tried: each is bound to its algorithm and its issuer.
    fn signer<'a>(
        &'a self,
        published: &'a Published,
        header: &Header,
        parts: &Parts<'_>,
    ) -> Result<&'a Key, TokenError> {
        let is_lone = published.rings.is_empty() && published.behind == 0;
        let named: Vec<&Key> = match (&header.kid, self.keys.keys()) {
            (Some(kid), _) => {
                let rings = std::iter::once(&self.keys).chain(published.rings.iter().map(AsRef::as_ref));
                rings.filter_map(|ring| ring.get(kid)).collect()
            }
            (None, [only]) if is_lone => vec![only],
            (None, _) => return Err(TokenError::KidMissing),
        };
        let Some(first) = named.first() else {
            return Err(if published.behind > 0 { TokenError::KeysUnavailable } else { TokenError::UnknownKid });
        };
        let mut fitting = named.iter().filter(|key| key.alg().as_str() == header.alg).peekable();
        if fitting.peek().is_none() {
            return Err(TokenError::WrongAlgorithm { expected: first.alg() });
        }
        fitting.find(|key| parts.is_signed_by(key)).copied().ok_or(TokenError::Signature)
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
        self.is_by(|message, signature| key.has_signed(message, signature))
    }

    /// Whether the signature is what somebody takes for one of what is signed. One that is not even base64url is not.
    pub(super) fn is_by(&self, matches: impl FnOnce(&[u8], &[u8]) -> bool) -> bool {
        URL_SAFE_NO_PAD.decode(self.signature).is_ok_and(|signature| matches(self.signed.as_bytes(), &signature))
    }
}
