//! The credentials of coturn's `use-auth-secret`, as in draft-uberti-behave-turn-rest-00.

use std::time::Duration;

use aldis_protocol::Identity;
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

/// coturn subtracts times as 32-bit signed numbers and answers 401 to anything later.
const LAST_EXPIRY: u64 = (1 << 31) - 1;

/// How many base32 characters of the HMAC a tag has: 80 bits.
const TAG_CHARS: usize = 16;

/// The secret of `static-auth-secret`, ready to sign.
#[derive(Debug, Clone)]
pub(super) struct Coturn(hmac::Key);

impl Coturn {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret))
    }

    /// Username and password. coturn's `user-quota` counts by what follows the colon, so the tag has to be stable per identity.
    pub(super) fn credential(&self, expiry: u64, tag: &str) -> (String, String) {
        let username = format!("{expiry}:{tag}");
        let password = self.password(&username);
        (username, password)
    }

    fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.0, username.as_bytes()))
    }
}

/// When credentials made now expire, in Unix seconds.
pub(super) fn expiry(now_unix_s: u64, ttl: Duration) -> u64 {
    now_unix_s.saturating_add(ttl.as_secs()).min(LAST_EXPIRY)
}

/// A pseudonym: the logs of a TURN server then name nobody.
pub(super) fn tag(key: &hmac::Key, identity: &Identity) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mac = hmac::sign(key, identity.as_str().as_bytes());
    let bits = mac.as_ref().iter().take(TAG_CHARS * 5 / 8).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let digits = (0..TAG_CHARS).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]));
    std::iter::once('u').chain(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_that_coturn_computes() {
        // The first two are well known from implementations of the draft, the last two were accepted by a real coturn.
        let cases = [
            ("1375043487:abcd1234", "SS", "9X0z3ah2gUHDwIq9Z9NXMRFJRWo="),
            ("1433895918:foobar", "north", "4d8ernKrRmbgkIV9XXRRYQMDpkw="),
            ("1893456000:alice", "north", "MME/7rvfb/gOjpkB59+7AxlCLvk="),
            ("1893456000", "north", "sqdTDrNuKKg7b57nGt21S56Eu5s="),
            ("1893456000:r1.p_8f3a", "s3cr3t-CURRENT-0123456789abcdef", "ouRBLylegsAQ08WT4Mz4v8hTZUU="),
            ("1893456000:r1.p_8f3a", "s3cr3t-PREVIOUS-0123456789abcde", "r7KOiUXsRPBT+IPzcm0WLA7JNe0="),
        ];
        for (username, secret, password) in cases {
            assert_eq!(Coturn::new(secret.as_bytes()).password(username), password, "{username}");
        }
        let (username, password) = Coturn::new(b"north").credential(1_893_456_000, "alice");
        assert_eq!((username.as_str(), password.as_str()), ("1893456000:alice", "MME/7rvfb/gOjpkB59+7AxlCLvk="));
    }

    #[test]
    fn an_expiry_fits_in_31_bits() {
        let day = Duration::from_secs(86_400);
        assert_eq!(expiry(1_767_225_700, day), 1_767_312_100);
        assert_eq!(expiry(2_147_483_000, day), 2_147_483_647);
        assert_eq!(expiry(u64::MAX, Duration::MAX), 2_147_483_647);
    }
}
