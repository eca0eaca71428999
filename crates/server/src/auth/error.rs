//! Why a token was refused.

use std::borrow::Cow;

use aldis_core::revocation::Finding;
use aldis_protocol::{ErrorCode, RoomId, WireError, limits::Limit};
use thiserror::Error;

use super::{Algorithm, MAX_LIFE_MS};

/// Why a token was refused. Its text is safe to send to the client and to log: it holds nothing of a key and nothing of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is none.
    #[error("the request carries no token")]
    Missing,
    /// It is larger than `limits.token_bytes`.
    #[error("the token is {bytes} bytes; limits.token_bytes is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: u64,
    },
    /// It has not the shape of a JWT.
    #[error("the token is not a JWT: {0}")]
    Malformed(&'static str),
    /// Its header or its claims hold a name twice.
    #[error("the token's {part} hold `{name}` twice")]
    Doubled {
        /// `header fields` or `claims`.
        part: &'static str,
        /// The name, shortened.
        name: String,
    },
    /// Its header holds something that is not allowed there.
    #[error("the header field `{field}` {problem}")]
    Header {
        /// The field, shortened.
        field: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Its header names no key and there are several.
    #[error("the header has no `kid`, and this server has several keys")]
    KidMissing,
    /// Its header names a key that is not there.
    #[error("the header's `kid` names no key of this server")]
    UnknownKid,
    /// The keys of an issuer that might have signed it are not known at the moment.
    #[error("the keys of an issuer cannot be fetched at the moment, and the token may be signed with one of them")]
    KeysUnavailable,
    /// It is signed by another algorithm than its key is for.
    #[error("the header's `alg` must be {expected}: the algorithm is the key's, not the token's, to choose")]
    WrongAlgorithm {
        /// The key's.
        expected: Algorithm,
    },
    /// Its signature does not match.
    #[error("the signature does not match the key that `kid` names")]
    Signature,
    /// A claim is missing or wrong.
    #[error("the claim `{claim}` {problem}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What is wrong.
        problem: Cow<'static, str>,
    },
    /// Its metadata is larger than `limits.metadata_bytes`.
    #[error("the claim `metadata` is {bytes} bytes; limits.metadata_bytes is {limit}")]
    MetadataTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: u64,
    },
    /// It was good once.
    #[error("the token expired {} ago", span(*ago_ms))]
    Expired {
        /// How long ago, in milliseconds.
        ago_ms: u64,
    },
    /// It will be good.
    #[error("the claim `{claim}` is {} in the future", span(*in_ms))]
    NotYet {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// How far ahead, in milliseconds.
        in_ms: u64,
    },
    /// It lives too long.
    #[error("the claim `exp` is {} after `iat`, or ahead; a token lives at most {}", span(*life_ms), span(MAX_LIFE_MS))]
    TooLongLived {
        /// From `iat`, or from now where it has none, to `exp`, in milliseconds.
        life_ms: u64,
    },
    /// It is good for many rooms and the request names none.
    #[error("the token allows every room that begins with `{prefix}`, and the request names none")]
    RoomNeeded {
        /// What the rooms begin with.
        prefix: String,
    },
    /// It is good in every way, and was revoked.
    #[error("the token has been revoked")]
    Revoked(Finding),
    /// It is good, but for another room.
    #[error("the token allows the room `{allowed}`, not `{asked}`")]
    OtherRoom {
        /// The room of the request.
        asked: RoomId,
        /// The token's `room`.
        allowed: String,
    },
}

impl TokenError {
    /// The code a client gets.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Missing => ErrorCode::TokenMissing,
            Self::Expired { .. } => ErrorCode::TokenExpired,
            Self::OtherRoom { .. } => ErrorCode::Forbidden,
            Self::Revoked(_) => ErrorCode::TokenRevoked,
            Self::RoomNeeded { .. } => ErrorCode::BadRequest,
            Self::KeysUnavailable => ErrorCode::Unavailable,
            Self::TooLong { .. }
            | Self::Malformed(_)
            | Self::Doubled { .. }
            | Self::Header { .. }
            | Self::KidMissing
            | Self::UnknownKid
            | Self::WrongAlgorithm { .. }
            | Self::Signature
            | Self::Claim { .. }
            | Self::MetadataTooLarge { .. }
            | Self::NotYet { .. }
            | Self::TooLongLived { .. } => ErrorCode::TokenInvalid,
        }
    }

    /// Whether it may be one of many guesses, which are answered ever more slowly.
    ///
    /// Whoever shows a token that a key of this server signed was given it by the backend: it does not guess, however late, early or
    /// wrong the token is, and a clock or a bug at the backend must not slow down everybody behind one address.
    #[must_use]
    pub fn is_guess(&self) -> bool {
        match self {
            Self::Missing
            | Self::TooLong { .. }
            | Self::Malformed(_)
            | Self::Header { .. }
            | Self::KidMissing
            | Self::UnknownKid
            | Self::WrongAlgorithm { .. }
            | Self::Signature
            // Of the header mostly; that of signed claims is a bug which its developer sees at once.
            | Self::Doubled { .. } => true,
            // It is not known whether it is one, and nothing was compared.
            Self::KeysUnavailable
            | Self::Claim { .. }
            | Self::MetadataTooLarge { .. }
            | Self::Expired { .. }
            | Self::NotYet { .. }
            | Self::TooLongLived { .. }
            | Self::RoomNeeded { .. }
            | Self::Revoked(_)
            | Self::OtherRoom { .. } => false,
        }
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing | Self::Expired { .. } | Self::OtherRoom { .. } | Self::Revoked(_) => self.code().hint(),
            Self::TooLong { .. } | Self::MetadataTooLarge { .. } => {
                "Put less into `metadata`, or keep it at your backend and look it up by `sub`."
            }
            Self::Malformed(_) => "Send the three parts of a signed JWT as the backend made them.",
            Self::Doubled { .. } => "Sign a JSON object whose names differ.",
            Self::Header { .. } => "Sign with only `alg`, `typ` and `kid` in the header.",
            Self::KidMissing | Self::UnknownKid => {
                "Sign with the header's `kid` set to the id of a key that this server knows (`auth.keys`, `auth.public_keys`, a JWKS)."
            }
            Self::KeysUnavailable => {
                "Send the same again after a moment; the operator finds the reason in the server's log."
            }
            Self::WrongAlgorithm { .. } => "Sign with the algorithm of the key.",
            Self::Signature => {
                "Sign with the key that this server knows by that `kid`; a shared secret is used as text, not decoded."
            }
            Self::Claim { .. } => "Compare the token with docs/protocol.md, section \"JWT claims\".",
            Self::NotYet { .. } => "Compare the clocks of your backend and of this server.",
            Self::TooLongLived { .. } => "Sign a shorter `exp`, in seconds, and renew the token with `auth`.",
            Self::RoomNeeded { .. } => "Name the room in the request: `?room=`.",
        }
    }

    /// The limit that refused it, for the metric.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::TooLong { .. } => Some(Limit::token_bytes),
            Self::MetadataTooLarge { .. } => Some(Limit::metadata_bytes),
            _ => None,
        }
    }
}

impl From<&TokenError> for WireError {
    fn from(error: &TokenError) -> Self {
        if let TokenError::Revoked(finding) = error {
            return finding.refusal();
        }
        let mut message = error.to_string();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        message.push('.');
        Self { hint: Some(error.hint().to_owned()), ..Self::with(error.code(), message) }
    }
}

/// A length of time for people: `3 m 12 s`.
pub(crate) fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if rest >= unit && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    if parts.is_empty() { format!("{ms} ms") } else { parts.join(" ") }
}

/// A stranger's text, short and printable.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 32;
    let mut short: String = text.chars().take(LONGEST).collect::<String>().escape_debug().collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_for_people() {
        let cases = [(0, "0 ms"), (999, "999 ms"), (192_000, "3 m 12 s"), (86_460_000, "1 d 1 m"), (3_600_000, "1 h")];
        for (ms, expected) in cases {
            assert_eq!(span(ms), expected);
        }
    }

    #[test]
    fn the_wire_gets_a_sentence_and_a_hint() {
        let wire = WireError::from(&TokenError::Expired { ago_ms: 192_000 });
        assert_eq!((wire.code, wire.message.as_str()), (ErrorCode::TokenExpired, "The token expired 3 m 12 s ago."));
        assert!(wire.hint.is_some());
        assert_eq!(shorten("a\nb"), "a\\nb");
        assert_eq!(shorten(&"ä".repeat(40)), format!("{}…", "ä".repeat(32)));
    }
}
