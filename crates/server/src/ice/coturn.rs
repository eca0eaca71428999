//! The credentials of coturn's `use-auth-secret`, as in draft-uberti-behave-turn-rest-00.
//!
//! The username says when it expires and the password is an HMAC of the username, so the two servers share a secret and nothing else.
//! coturn looks at the expiry when it first sees a username, and does not end live relays after it.
//!
//! They are made here and now, and not kept: their time begins at whole multiples of [`reuse_for`], so that whoever asks again within
//! it gets the same ones, from any node.

use std::time::Duration;

use aldis_protocol::{IceServer, Identity};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::provider::{Life, Minted, Minting, Order, Place, Provider, Revoking, reuse_for};
use crate::mac_ring::MacRing;

/// coturn subtracts times as 32-bit signed numbers and answers 401 to anything later.
const LAST_EXPIRY: u64 = (1 << 31) - 1;

/// How many base32 characters of the HMAC a tag has: 80 bits.
const TAG_CHARS: usize = 16;

/// coturn servers that share a secret with us.
pub(super) struct Coturn {
    urls: Vec<String>,
    key: hmac::Key,
    ttl: Duration,
    cuts_at_expiry: bool,
}

impl Coturn {
    pub(super) fn new(urls: Vec<String>, secret: &[u8], ttl: Duration, cuts_at_expiry: bool) -> Self {
        Self { urls, key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), ttl, cuts_at_expiry }
    }

    fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.key, username.as_bytes()))
    }
}

impl Provider for Coturn {
    fn place(&self) -> Place {
        Place::Here
    }

    /// coturn's `user-quota` counts by what follows the colon of the username, so the tag has to be stable per identity.
    fn mint(&self, order: &Order<'_>) -> Minting {
        let age = order.now_unix_s.checked_rem(reuse_for(self.ttl).as_secs()).unwrap_or(0);
        let expires_at_unix_s = expiry(order.now_unix_s - age, self.ttl);
        let username = format!("{expires_at_unix_s}:{}", order.tag);
        let credential = self.password(&username);
        let server = IceServer { urls: self.urls.clone(), username: Some(username), credential: Some(credential) };
        Minting::Done(Minted {
            servers: vec![server],
            life: Some(Life { ttl: self.ttl, age: Duration::from_secs(age), expires_at_unix_s }),
            cuts_at_expiry: self.cuts_at_expiry,
        })
    }

    fn revoke(&self, _: &str) -> Revoking {
        Revoking::Impossible
    }
}

/// When credentials made at a time expire, in Unix seconds.
fn expiry(from_unix_s: u64, ttl: Duration) -> u64 {
    from_unix_s.saturating_add(ttl.as_secs()).min(LAST_EXPIRY)
}

/// A pseudonym: the logs of a TURN server then name nobody.
pub(super) fn tag(key: &MacRing, identity: &Identity) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mac = key.sign(&[identity.as_str().as_bytes()]);
    let bits = mac.as_ref().iter().take(TAG_CHARS * 5 / 8).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let digits = (0..TAG_CHARS).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]));
    std::iter::once('u').chain(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coturn(secret: &str, ttl_s: u64) -> Coturn {
        Coturn::new(vec!["turn:turn.example.org".to_owned()], secret.as_bytes(), Duration::from_secs(ttl_s), false)
    }

    fn mint(coturn: &Coturn, tag: &str, now_unix_s: u64) -> Minted {
        match coturn.mint(&Order { tag, now_unix_s }) {
            Minting::Done(minted) => minted,
            Minting::Underway(_) => panic!("coturn's are made here"),
        }
    }

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
            assert_eq!(coturn(secret, 60).password(username), password, "{username}");
        }
        let minted = mint(&coturn("north", 60), "alice", 1_893_456_000 - 60);
        let server = &minted.servers[0];
        assert_eq!(server.username.as_deref(), Some("1893456000:alice"));
        assert_eq!(server.credential.as_deref(), Some("MME/7rvfb/gOjpkB59+7AxlCLvk="));
    }

    #[test]
    fn an_expiry_fits_in_31_bits() {
        let day = Duration::from_secs(86_400);
        assert_eq!(expiry(1_767_225_700, day), 1_767_312_100);
        assert_eq!(expiry(2_147_483_000, day), 2_147_483_647);
        assert_eq!(expiry(u64::MAX, Duration::MAX), 2_147_483_647);
    }

    #[test]
    fn who_asks_again_within_half_a_minute_gets_the_same_ones() {
        let day = coturn("north", 86_400);
        let [first, second, third] = [1_767_225_600, 1_767_225_629, 1_767_225_630].map(|now| mint(&day, "ann", now));
        assert_eq!(first.servers, second.servers);
        assert_ne!(second.servers, third.servers);
        assert_eq!(second.life.expect("a life").age, Duration::from_secs(29));
        // Of a short life never more than a tenth has passed.
        let short = coturn("north", 20);
        let lives = (0..60).map(|passed| mint(&short, "ann", 1_767_225_600 + passed).life.expect("a life"));
        let oldest = lives.map(|life| life.age).max();
        assert_eq!(oldest, Some(Duration::from_secs(1)));
    }
}
