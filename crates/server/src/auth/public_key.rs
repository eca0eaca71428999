//! A key that checks signatures and cannot make them: ES256, EdDSA, RS256.
//!
//! What a key is decides its algorithm: a point on P-256 is for ES256, one on Ed25519 for EdDSA, an RSA modulus for RS256. So a token
//! cannot have a key used for what it is not, and there is nothing to configure that could contradict it. A key is parsed once, when
//! it is loaded; what is no key is refused then.

use std::fmt;

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    },
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use thiserror::Error;

use super::Algorithm;

/// The fewest bits of an RSA key (RFC 7518, section 3.3), and the most that are worth the work.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// Bytes of a coordinate on P-256, and of a point on Ed25519.
const POINT_BYTES: usize = 32;

/// A public key, and with it its algorithm.
#[derive(Clone)]
pub struct PublicKey {
    alg: Algorithm,
    key: ParsedPublicKey,
}

/// Why something is no public key that tokens can be checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PublicKeyError {
    /// The PEM text is something else.
    #[error("holds no public key; it must be PEM with BEGIN PUBLIC KEY (`openssl pkey -in PRIVATE -pubout` makes it)")]
    NoKey,
    /// The private key does not belong on the server.
    #[error(
        "holds a private key, which nobody but the signer should have; give the public one (`openssl pkey -pubout`)"
    )]
    Private,
    /// It is a key of another kind, or none at all.
    #[error("is no key on P-256 or Ed25519 and no RSA key")]
    Kind,
    /// It is too short to be safe, or so long that checking with it is an attack.
    #[error("is an RSA key of {0} bits; 2048 to 8192 are accepted")]
    RsaBits(usize),
}

impl PublicKey {
    /// Reads `BEGIN PUBLIC KEY` (RFC 7468, section 13).
    ///
    /// # Errors
    /// It is something else, or of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PublicKeyError> {
        if let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(pem) {
            return Self::from_der(der.as_ref());
        }
        let is_private = rustls::pki_types::PrivateKeyDer::from_pem_slice(pem).is_ok();
        Err(if is_private { PublicKeyError::Private } else { PublicKeyError::NoKey })
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    ///
    /// # Errors
    /// It is of another kind.
    pub fn from_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        if let Ok(key) = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der) {
            return Ok(Self { alg: Algorithm::Es256, key });
        }
        if let Ok(key) = ParsedPublicKey::new(&ED25519, der) {
            return Ok(Self { alg: Algorithm::EdDsa, key });
        }
        let rsa = rsa::PublicKey::from_der(der).map_err(|_| PublicKeyError::Kind)?;
        let components = RsaPublicKeyComponents::<Vec<u8>>::from(&rsa);
        Self::rsa(&components.n, &components.e)
    }

    /// A point on P-256 by its coordinates.
    ///
    /// # Errors
    /// It is not on the curve.
    pub fn p256(x: &[u8], y: &[u8]) -> Result<Self, PublicKeyError> {
        if x.len() != POINT_BYTES || y.len() != POINT_BYTES {
            return Err(PublicKeyError::Kind);
        }
        let point = [&[4], x, y].concat();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| PublicKeyError::Kind)?;
        Ok(Self { alg: Algorithm::Es256, key })
    }

    /// A point on Ed25519.
    ///
    /// # Errors
    /// It is none.
    pub fn ed25519(x: &[u8]) -> Result<Self, PublicKeyError> {
        if x.len() != POINT_BYTES {
            return Err(PublicKeyError::Kind);
        }
        let key = ParsedPublicKey::new(&ED25519, x).map_err(|_| PublicKeyError::Kind)?;
        Ok(Self { alg: Algorithm::EdDsa, key })
    }

    /// An RSA key by modulus and exponent.
    ///
    /// # Errors
    /// It is too short, too long or none.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, PublicKeyError> {
        let [n, e] = [n, e].map(|number| &number[number.iter().take_while(|byte| **byte == 0).count()..]);
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(PublicKeyError::RsaBits(bits));
        }
        let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
        let key = key.map_err(|_| PublicKeyError::Kind)?;
        // The checks of the exponent are those of the parser.
        rsa::PublicKey::from_der(key.as_ref()).map_err(|_| PublicKeyError::Kind)?;
        Ok(Self { alg: Algorithm::Rs256, key })
    }

    /// The algorithm it is for.
    #[must_use]
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("alg", &self.alg).finish_non_exhaustive()
    }
}
