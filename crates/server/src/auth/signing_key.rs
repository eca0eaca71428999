//! A private key, for the command line: what an application's backend has and a server never needs.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use thiserror::Error;

use super::{Algorithm, PublicKey, PublicKeyError};

/// A private key of one of the algorithms that have one.
pub struct SigningKey(Pair);

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// Why a text is no private key that tokens can be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// It is something else.
    #[error("holds no private key; it must be PEM with BEGIN PRIVATE KEY and without a passphrase")]
    NoKey,
    /// It is in an older form.
    #[error("is not in PKCS#8 form; `openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW` changes that")]
    Form,
    /// It is a key of another kind.
    #[error("is no key on P-256 or Ed25519 and no RSA key of at least 2048 bits")]
    Kind,
}

impl SigningKey {
    /// Makes a new one; none for [`Algorithm::Hs256`], whose keys are no pairs.
    ///
    /// # Errors
    /// The cryptography library failed.
    pub fn generate(alg: Algorithm) -> Result<Option<Self>, Unspecified> {
        Ok(Some(Self(match alg {
            Algorithm::Hs256 => return Ok(None),
            Algorithm::Es256 => Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate()?),
            Algorithm::Rs256 => Pair::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa3072)?)),
        })))
    }

    /// Reads `BEGIN PRIVATE KEY` (PKCS#8, RFC 5958).
    ///
    /// # Errors
    /// It is something else, or of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let der = match PrivateKeyDer::from_pem_slice(pem) {
            Ok(PrivateKeyDer::Pkcs8(der)) => der,
            Ok(_) => return Err(SigningKeyError::Form),
            Err(_) => return Err(SigningKeyError::NoKey),
        };
        let der = der.secret_pkcs8_der();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Self(Pair::Es256(pair)));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Self(Pair::EdDsa(pair)));
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| SigningKeyError::Kind)?;
        Ok(Self(Pair::Rs256(Box::new(pair))))
    }

    /// The algorithm it is for.
    #[must_use]
    pub fn alg(&self) -> Algorithm {
        match &self.0 {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The private key as PEM.
    ///
    /// # Errors
    /// The cryptography library failed.
    pub fn to_pem(&self) -> Result<String, Unspecified> {
        let der = match &self.0 {
            Pair::Es256(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Pair::Rs256(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(&**pair)?.as_ref().to_vec(),
        };
        Ok(pem("PRIVATE KEY", &der))
    }

    /// The public key as PEM.
    ///
    /// # Errors
    /// The cryptography library failed.
    pub fn public_pem(&self) -> Result<String, Unspecified> {
        Ok(pem("PUBLIC KEY", &self.public_der()?))
    }

    /// The public key as a JWK of this key id (RFC 7517), for a JWKS.
    #[must_use]
    pub fn public_jwk(&self, kid: &str) -> Value {
        let mut jwk = match &self.0 {
            Pair::Es256(pair) => {
                // After the mark of an uncompressed point come two coordinates of equal length.
                let point = pair.public_key().as_ref().split_first().map_or(&[][..], |(_, point)| point);
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Pair::EdDsa(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) }),
            Pair::Rs256(pair) => {
                let components = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": text(&components.n), "e": text(&components.e) })
            }
        };
        jwk["kid"] = kid.into();
        jwk["alg"] = self.alg().as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public part.
    ///
    /// # Errors
    /// It could not be read back, as with an RSA key of another size than tokens may be signed with.
    pub fn public(&self) -> Result<PublicKey, PublicKeyError> {
        PublicKey::from_der(&self.public_der().map_err(|_| PublicKeyError::Kind)?)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.0 {
            Pair::Es256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::EdDsa(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }

    fn public_der(&self) -> Result<Vec<u8>, Unspecified> {
        let der: PublicKeyX509Der<'_> = match &self.0 {
            Pair::Es256(pair) => pair.public_key().as_der()?,
            Pair::EdDsa(pair) => pair.public_key().as_der()?,
            Pair::Rs256(pair) => pair.public_key().as_der()?,
        };
        Ok(der.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg()).finish_non_exhaustive()
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Base64 in lines of 64 characters between the two marks (RFC 7468, section 3).
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
