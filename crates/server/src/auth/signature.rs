//! HMAC with SHA-256, the signature of a shared secret (RFC 7518, section 3.2).

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};

/// Whether this is the MAC of a message, compared in constant time.
pub(super) fn is_mac(secret: &[u8], message: &[u8], mac: &[u8]) -> bool {
    hmac::verify(&Key::new(HMAC_SHA256, secret), message, mac).is_ok()
}

/// The MAC of a message.
pub(super) fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&Key::new(HMAC_SHA256, secret), message).as_ref().to_vec()
}
