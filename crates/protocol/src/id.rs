//! Ids: strings that were checked once, so that nothing behind the parser holds a maybe-valid one.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest room, peer, node or identity id, in bytes.
pub const MAX_ID: usize = 128;

/// The longest `msg`, in bytes.
pub const MAX_MSG: usize = 64;

/// Why a string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId {
    /// What a valid one looks like, for a sentence that begins with the field's name.
    pub expected: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be {}", self.expected)
    }
}

impl std::error::Error for InvalidId {}

/// The alphabet of room, peer and node ids: `[A-Za-z0-9._:@-]`.
fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'-')
}

/// Space to tilde: visible in a log line, harmless in a header.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $check:expr, $expected:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and takes it.
            ///
            /// # Errors
            /// Says what a valid one looks like.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                Self::check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// Checks `text` without taking it: for a look-up by a borrowed id.
            ///
            /// # Errors
            /// Says what a valid one looks like.
            pub fn check(text: &str) -> Result<(), InvalidId> {
                if (1..=$max).contains(&text.len()) && text.bytes().all($check) {
                    Ok(())
                } else {
                    Err(InvalidId { expected: $expected })
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A room: where peers meet. 1 to 128 of `[A-Za-z0-9._:@-]`.
    RoomId, MAX_ID, is_id_byte, "1 to 128 characters of [A-Za-z0-9._:@-]"
);
id!(
    /// One stay of somebody in a room: minted by the server, never reused. 1 to 128 of `[A-Za-z0-9._:@-]`.
    PeerId, MAX_ID, is_id_byte, "1 to 128 characters of [A-Za-z0-9._:@-]"
);
id!(
    /// One server process: random at each start. 1 to 128 of `[A-Za-z0-9._:@-]`.
    NodeId, MAX_ID, is_id_byte, "1 to 128 characters of [A-Za-z0-9._:@-]"
);
id!(
    /// Who a peer is: the token's `sub`, stable over stays. 1 to 128 printable ASCII bytes.
    Identity, MAX_ID, is_printable, "1 to 128 printable ASCII characters"
);
id!(
    /// What a token calls itself: its `jti`. 1 to 128 bytes of any text.
    TokenId, MAX_ID, |_| true, "1 to 128 bytes of text"
);
id!(
    /// The sender's own name for a message, up to 64 printable ASCII characters: errors and receipts about it name it in `re`.
    MsgId, MAX_MSG, is_printable, "1 to 64 printable ASCII characters"
);

/// The id of a peer, checked and still borrowed from the message it came in: a look-up needs no copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRef<'a>(Cow<'a, str>);

impl<'a> PeerRef<'a> {
    /// Checks `text` and takes it.
    ///
    /// # Errors
    /// Says what a valid one looks like.
    pub fn parse(text: Cow<'a, str>) -> Result<Self, InvalidId> {
        PeerId::check(&text)?;
        Ok(Self(text))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id on its own.
    #[must_use]
    pub fn to_id(&self) -> PeerId {
        PeerId(Arc::from(&*self.0))
    }
}

/// How many characters [`PeerId::from_random`] makes of 128 bits: five bits each.
const RANDOM_CHARS: usize = 26;

impl PeerId {
    /// Writes 128 random bits as 26 lower-case base32 characters.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        Self(base32(bits))
    }
}

impl NodeId {
    /// Writes 128 random bits as 26 lower-case base32 characters.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        Self(base32(bits))
    }
}

fn base32(bits: u128) -> Arc<str> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(RANDOM_CHARS);
    for place in 0..RANDOM_CHARS {
        let digit = (bits >> (5 * place)) & 31;
        text.push(char::from(ALPHABET[digit as usize]));
    }
    Arc::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_at_the_door() {
        let long = "x".repeat(128);
        for good in ["a", "room-1", "A.b_c:d@e-f", long.as_str()] {
            assert!(RoomId::parse(good).is_ok(), "{good}");
        }
        let longer = "x".repeat(129);
        for bad in ["", "a b", "ü", "a/b", "a\u{0}", "a\n", longer.as_str()] {
            assert!(RoomId::parse(bad).is_err(), "{bad:?}");
            assert!(PeerId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_identity_is_any_printable_text() {
        for good in ["auth0|5f7c8ec7c33c6c004bbafe82", "Ann Example", "a@b.c"] {
            assert!(Identity::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a\tb", "\u{1b}[31m", "ä", "\u{202e}x"] {
            assert!(Identity::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            MsgId::parse(&"m".repeat(65)).expect_err("too long").to_string(),
            "must be 1 to 64 printable ASCII characters"
        );
    }

    #[test]
    fn random_ids_hold_all_128_bits() {
        assert_eq!(PeerId::from_random(0).as_str(), "a".repeat(26));
        assert_ne!(PeerId::from_random(1), PeerId::from_random(1 << 127));
        assert!(PeerId::check(PeerId::from_random(u128::MAX).as_str()).is_ok());
    }
}
