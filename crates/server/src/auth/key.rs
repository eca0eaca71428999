//! A key that signs tokens.

use std::{fmt, sync::Arc};

use aldis_protocol::RoomId;
use thiserror::Error;

use super::{PublicKey, PublicKeyError, SigningKey, signature};
use crate::{
    config::{MIN_SECRET_BYTES, Secret},
    node::random_bits,
};

/// The key id of the development key.
pub const DEV_KID: &str = "dev";

/// The key id of the random key of `aldis dev --lan`.
const LAN_KID: &str = "lan";

/// The development key. It is public, so `aldis serve` refuses it, and every other secret that begins as it does.
pub const DEV_SECRET: &str = "aldis-dev-key-not-for-production-0123456789";

const DEV_PREFIX: &str = "aldis-dev-";

/// The signature algorithm of a key. A token cannot choose another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: the backend and the server share a secret.
    Hs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA PKCS#1 v1.5 with SHA-256, of 2048 to 8192 bits. Only where the configuration asks for it.
    Rs256,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Es256, Self::EdDsa, Self::Rs256];

    /// Those that are accepted unless the configuration says otherwise.
    pub const USUAL: [Self; 3] = [Self::Hs256, Self::Es256, Self::EdDsa];

    /// The name in a token's `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// Finds one by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which rooms a key's tokens may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomScope {
    /// One room a token.
    #[default]
    Exact,
    /// One room, or every room that begins with a prefix: `"room": "team-7-*"`.
    Patterns,
}

/// What a key is made of.
#[derive(Clone)]
enum Material {
    /// The backend and the server share it.
    Shared(Secret),
    /// The server can only check with it.
    Public(PublicKey),
    /// A tool that stands in for the backend has both parts.
    Pair(PublicKey, Arc<SigningKey>),
}

/// One key.
#[derive(Clone)]
pub struct Key {
    kid: String,
    material: Material,
    scope: RoomScope,
    issuer: Option<Arc<str>>,
}

impl Key {
    /// Reads `kid:secret`. The text behind the first colon is the key, byte for byte.
    ///
    /// # Errors
    /// Says what is wrong with the entry, without the secret.
    pub fn parse(entry: &str) -> Result<Self, KeyError> {
        let (kid, secret) = entry.split_once(':').ok_or(KeyError::NoColon)?;
        // A room id's alphabet; a colon cannot be in it here.
        RoomId::check(kid).map_err(|_| KeyError::Kid)?;
        let kid = kid.to_owned();
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort { kid, bytes: secret.len() });
        }
        if secret.trim() != secret {
            return Err(KeyError::WhiteSpace { kid });
        }
        Ok(Self::shared(kid, secret))
    }

    /// The public key of `aldis dev`.
    #[must_use]
    pub fn dev() -> Self {
        Self { scope: RoomScope::Patterns, ..Self::shared(DEV_KID.to_owned(), DEV_SECRET) }
    }

    /// A key that nobody else has ever seen, for `aldis dev --lan`.
    #[must_use]
    pub fn random() -> Self {
        let secret = format!("{:032x}{:032x}", random_bits(), random_bits());
        Self { scope: RoomScope::Patterns, ..Self::shared(LAN_KID.to_owned(), &secret) }
    }

    fn shared(kid: String, secret: &str) -> Self {
        Self { kid, material: Material::Shared(Secret::new(secret)), scope: RoomScope::Exact, issuer: None }
    }

    /// A key whose private part somebody else has.
    #[must_use]
    pub fn public(kid: impl Into<String>, key: PublicKey) -> Self {
        Self { kid: kid.into(), material: Material::Public(key), scope: RoomScope::Exact, issuer: None }
    }

    /// A key with its private part, for tools that sign.
    ///
    /// # Errors
    /// The server would not accept the public part.
    pub fn pair(kid: impl Into<String>, key: SigningKey) -> Result<Self, PublicKeyError> {
        let material = Material::Pair(key.public()?, Arc::new(key));
        Ok(Self { kid: kid.into(), material, scope: RoomScope::Exact, issuer: None })
    }

    /// The same key, whose tokens must have this `iss`, whatever `auth.issuer` says.
    #[must_use]
    pub fn of_issuer(self, issuer: Arc<str>) -> Self {
        Self { issuer: Some(issuer), ..self }
    }

    /// The key id: a token names it in its header's `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm.
    #[must_use]
    pub fn alg(&self) -> Algorithm {
        match &self.material {
            Material::Shared(_) => Algorithm::Hs256,
            Material::Public(key) | Material::Pair(key, _) => key.alg(),
        }
    }

    /// Which rooms its tokens may name.
    #[must_use]
    pub fn scope(&self) -> RoomScope {
        self.scope
    }

    pub(super) fn set_scope(&mut self, scope: RoomScope) {
        self.scope = scope;
    }

    /// What its tokens must have as `iss`, if that is the key's to say.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whether it is the published development key, or looks like one.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.secret().is_some_and(|secret| secret.expose().starts_with(DEV_PREFIX.as_bytes()))
    }

    /// The shared secret, to find out whether it is used for something else too.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        match &self.material {
            Material::Shared(secret) => Some(secret),
            Material::Public(_) | Material::Pair(..) => None,
        }
    }

    /// Whether it can sign, and not only check.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        !matches!(self.material, Material::Public(_))
    }

    /// Whether the signature of a message is of this key.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Shared(secret) => signature::is_mac(secret.expose(), message, signature),
            Material::Public(key) | Material::Pair(key, _) => key.has_signed(message, signature),
        }
    }

    /// Signs, if it can.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.material {
            Material::Shared(secret) => Some(signature::mac(secret.expose(), message)),
            Material::Public(_) => None,
            Material::Pair(_, key) => key.sign(message),
        }
    }
}

impl fmt::Debug for Key {
    /// Never shows the material.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("alg", &self.alg()).finish_non_exhaustive()
    }
}

/// Why an entry of `auth.keys` is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The separator is missing.
    #[error("an entry must be `kid:secret`; this one has no colon")]
    NoColon,
    /// The key id is not one.
    #[error("a key id must be 1 to 128 characters of [A-Za-z0-9._@-]")]
    Kid,
    /// The secret could be guessed.
    #[error(
        "the secret of key `{kid}` is {bytes} bytes; at least {MIN_SECRET_BYTES} are needed (`aldis keys generate` makes one)"
    )]
    TooShort {
        /// The key id.
        kid: String,
        /// Its length.
        bytes: usize,
    },
    /// The secret has a stray newline or space, which would be part of the key.
    #[error("the secret of key `{kid}` begins or ends with white space, which would be part of the key")]
    WhiteSpace {
        /// The key id.
        kid: String,
    },
    /// Two keys share an id.
    #[error("two keys have the id `{kid}`")]
    Duplicate {
        /// The key id.
        kid: String,
    },
    /// The key is published in the source code of this program.
    #[error("the secret of key `{kid}` is the public development key; make your own with `aldis keys generate`")]
    Public {
        /// The key id.
        kid: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_key_is_long_enough_and_known_as_public() {
        assert!(Key::parse(&format!("{DEV_KID}:{DEV_SECRET}")).expect("a key").is_public());
        assert!(Key::dev().is_public());
        assert!(!Key::parse("a:0123456789abcdef0123456789abcdef").expect("a key").is_public());
        assert!(!format!("{:?}", Key::dev()).contains("0123456789"));
    }
}
