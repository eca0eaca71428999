//! A revocation as JSON: what the operator's programs send and get.

use aldis_core::revocation::{LONGEST_MS, Revocation, Target, Terms};
use aldis_protocol::{Identity, RoomId, TokenId, client::MAX_REASON};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// How many bytes of a hash name a revocation.
const NAME_BYTES: usize = 16;

/// Which tokens: one of `jti`, `identity` and `room`, or `identity` with `notBefore` or `room`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Which {
    /// Those with this `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// Those of this `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Those for this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Those that were issued before, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which tokens.
    pub target: Target,
    /// When it ends, Unix milliseconds.
    pub until: u64,
    /// Of [`Target::Issued`], else zero.
    pub not_before: u64,
    /// Why, for those whom it concerns.
    pub reason: Option<String>,
}

/// The body of an order, unjudged.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    /// As in [`Which`], spelled out: a flattened struct would let unknown fields pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// The `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// The time of issue, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// When it ends, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Or for how long, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A revocation as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Its name.
    pub id: String,
    /// Which tokens.
    #[serde(flatten)]
    pub which: Which,
    /// When it ends, Unix milliseconds.
    pub until: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Which {
    /// The target, if it is one.
    ///
    /// # Errors
    /// A sentence about the fields.
    pub fn target(self) -> Result<(Target, u64), &'static str> {
        let Self { jti, identity, room, not_before } = self;
        match (jti, identity, room, not_before) {
            (Some(id), None, None, None) => Ok((Target::Token { id }, 0)),
            (None, Some(identity), None, None) => Ok((Target::Identity { identity }, 0)),
            (None, Some(identity), None, Some(not_before)) => Ok((Target::Issued { identity }, not_before)),
            (None, None, Some(room), None) => Ok((Target::Room { room }, 0)),
            (None, Some(identity), Some(room), None) => Ok((Target::Member { room, identity }, 0)),
            (None, None, _, Some(_)) => Err("`notBefore` needs `identity`: it is about the tokens of somebody."),
            (None, None, None, None) => Err("One of `jti`, `identity` and `room` must say which tokens."),
            (Some(_), ..) => Err("`jti` stands alone: it names one token already."),
            (None, Some(_), Some(_), Some(_)) => Err("`notBefore` and `room` cannot stand together."),
        }
    }

    pub(super) fn of(target: &Target, not_before: u64) -> Self {
        match target.clone() {
            Target::Token { id } => Self { jti: Some(id), ..Self::default() },
            Target::Identity { identity } => Self { identity: Some(identity), ..Self::default() },
            Target::Issued { identity } => {
                Self { identity: Some(identity), not_before: Some(not_before), ..Self::default() }
            }
            Target::Room { room } => Self { room: Some(room), ..Self::default() },
            Target::Member { room, identity } => Self { identity: Some(identity), room: Some(room), ..Self::default() },
        }
    }
}

impl Body {
    /// Judges it at this time.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn judge(self, unix_ms: u64) -> Result<Order, String> {
        let Self { jti, identity, room, not_before, until, for_ms, reason } = self;
        let (target, not_before) = Which { jti, identity, room, not_before }.target()?;
        let latest = unix_ms.saturating_add(LONGEST_MS);
        let until = match (until, for_ms) {
            (Some(_), Some(_)) => return Err("Of `until` and `forMs` only one may be there.".to_owned()),
            (None, None) => latest,
            (Some(until), None) if unix_ms < until && until <= latest => until,
            (Some(_), None) => {
                return Err(format!(
                    "`until` must be in the future, Unix milliseconds, and at most {LONGEST_MS} ms ahead: no token lives longer."
                ));
            }
            (None, Some(for_ms)) if (1..=LONGEST_MS).contains(&for_ms) => unix_ms.saturating_add(for_ms),
            (None, Some(_)) => {
                return Err(format!("`forMs` must be from 1 to {LONGEST_MS} milliseconds: no token lives longer."));
            }
        };
        if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON) {
            return Err(format!("`reason` must have at most {MAX_REASON} bytes."));
        }
        Ok(Order { target, until, not_before, reason })
    }
}

impl Written {
    /// As it is shown.
    #[must_use]
    pub fn of(revocation: &Revocation) -> Self {
        let Revocation { target, terms: Terms { until, not_before, reason, .. } } = revocation;
        Self { id: name(target), which: Which::of(target, *not_before), until: *until, reason: reason.clone() }
    }
}

/// The name of a revocation, the same on every node: it stands in URLs, so it shows nothing of what is revoked.
#[must_use]
pub fn name(target: &Target) -> String {
    let hash = digest(&SHA256, &target.to_bytes());
    hash.as_ref().iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_792_368_000_000;

    fn judge(text: &str) -> Result<Order, String> {
        serde_json::from_str::<Body>(text).map_err(|error| error.to_string())?.judge(NOW)
    }

    #[test]
    fn an_order_says_which_tokens_and_for_how_long() {
        let ann = || Identity::parse("ann").expect("an identity");
        let room = || RoomId::parse("lobby").expect("a room");
        let cases = [
            (r#"{"jti":"t"}"#, Target::Token { id: TokenId::parse("t").expect("a jti") }, 0),
            (r#"{"identity":"ann"}"#, Target::Identity { identity: ann() }, 0),
            (r#"{"identity":"ann","notBefore":7}"#, Target::Issued { identity: ann() }, 7),
            (r#"{"room":"lobby"}"#, Target::Room { room: room() }, 0),
            (r#"{"room":"lobby","identity":"ann"}"#, Target::Member { room: room(), identity: ann() }, 0),
        ];
        for (text, target, not_before) in cases {
            let order = judge(text).expect(text);
            assert_eq!(order, Order { target: target.clone(), until: NOW + LONGEST_MS, not_before, reason: None });
            let terms = Terms {
                round: 0,
                standing: aldis_core::revocation::Standing::Held,
                until: 5,
                not_before,
                reason: None,
            };
            let shown = serde_json::to_value(Written::of(&Revocation { target, terms })).expect("JSON");
            let asked: serde_json::Value = serde_json::from_str(text).expect("JSON");
            for (field, value) in asked.as_object().expect("an object") {
                assert_eq!(&shown[field], value, "{text}");
            }
            assert_eq!(shown["id"].as_str().map(str::len), Some(2 * NAME_BYTES));
        }
        let until = |text: &str| judge(text).map(|order| order.until - NOW);
        assert_eq!(until(r#"{"jti":"t","forMs":1}"#), Ok(1));
        assert_eq!(until(&format!(r#"{{"jti":"t","until":{}}}"#, NOW + 9)), Ok(9));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(257);
        let cases = [
            ("{}".to_owned(), "`jti`, `identity` and `room`"),
            (r#"{"notBefore":1}"#.to_owned(), "`notBefore` needs `identity`"),
            (r#"{"jti":"t","room":"r"}"#.to_owned(), "`jti` stands alone"),
            (r#"{"identity":"a","room":"r","notBefore":1}"#.to_owned(), "`notBefore` and `room`"),
            (r#"{"jti":"t","until":1,"forMs":1}"#.to_owned(), "only one"),
            (format!(r#"{{"jti":"t","until":{NOW}}}"#), "`until` must be"),
            (format!(r#"{{"jti":"t","until":{}}}"#, NOW + LONGEST_MS + 1), "`until` must be"),
            (r#"{"jti":"t","forMs":0}"#.to_owned(), "`forMs` must be"),
            (format!(r#"{{"jti":"t","forMs":{}}}"#, LONGEST_MS + 1), "`forMs` must be"),
            (r#"{"jti":"t","forMs":-1}"#.to_owned(), "invalid value"),
            (format!(r#"{{"jti":"t","reason":"{long}"}}"#), "`reason` must have"),
            (r#"{"jti":""}"#.to_owned(), "must be 1 to 128"),
            (r#"{"sub":"ann"}"#.to_owned(), "unknown field `sub`"),
            ("[]".to_owned(), "One of"),
        ];
        for (text, expected) in cases {
            let error = judge(&text).expect_err(&text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
