//! A token's claims: one rule a claim, and null is never a value.

use std::borrow::Cow;

use aldis_core::{Duplicates, Grant, Permission};
use aldis_protocol::{
    Identity, Json, Limits, RoomId, TokenId,
    scan::{Refused, scan},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ClaimNames, LEEWAY_MS, MAX_LIFE_MS, RoomScope, Rules, TokenError,
    error::shorten,
    object::{Object, ObjectError},
};

/// How much further ahead than a day `exp` may be, for a backend whose clock is ahead.
const LIFE_SLACK_MS: u64 = 60_000;

/// The longest `name`, in characters.
const MAX_NAME: usize = 128;

/// The rooms a token is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rooms {
    One(RoomId),
    Prefix(String),
}

/// The claims of one token.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    object: Object<'a>,
    names: &'a ClaimNames,
}

impl<'a> Claims<'a> {
    pub(super) fn parse(json: &'a [u8], names: &'a ClaimNames) -> Result<Self, TokenError> {
        Object::parse(json).map(|object| Self { object, names }).map_err(|error| match error {
            ObjectError::NotAnObject => TokenError::Malformed("its claims are not a JSON object"),
            ObjectError::Doubled(name) => TokenError::Doubled { part: "claims", name: shorten(&name) },
        })
    }

    /// Checks `exp`, `nbf` and `iat` against the clock and returns when the token expires, and when it was issued if it says so, in
    /// Unix milliseconds.
    pub(super) fn life(&self, now_ms: u64) -> Result<(u64, Option<u64>), TokenError> {
        let exp = self.time("exp")?.ok_or_else(|| self.wrong("exp", "is missing; a token must expire"))?;
        // Every date is read before any is judged, so that a malformed one is never reported as an expired token.
        let (nbf, iat) = (self.time("nbf")?, self.time("iat")?);
        if now_ms >= exp.saturating_add(LEEWAY_MS) {
            return Err(TokenError::Expired { ago_ms: now_ms.saturating_sub(exp) });
        }
        for (claim, from) in [("nbf", nbf), ("iat", iat)] {
            if let Some(from) = from
                && from > now_ms.saturating_add(LEEWAY_MS)
            {
                return Err(TokenError::NotYet { claim, in_ms: from.saturating_sub(now_ms) });
            }
        }
        // From its issue where it names one: else a token of a month, revoked today for a day, would come in on its last.
        let life_ms = exp.saturating_sub(iat.unwrap_or(now_ms).min(now_ms));
        if life_ms > MAX_LIFE_MS + LIFE_SLACK_MS {
            return Err(TokenError::TooLongLived { life_ms });
        }
        Ok((exp, iat))
    }

    pub(super) fn identity(&self) -> Result<Identity, TokenError> {
        let sub: String = self.required("sub", "a string")?;
        Identity::parse(&sub).map_err(|error| self.wrong("sub", error.to_string()))
    }

    pub(super) fn rooms(&self, scope: RoomScope) -> Result<Rooms, TokenError> {
        let room: String = self.required("room", "a string")?;
        let Some(prefix) = room.strip_suffix('*') else {
            return RoomId::parse(&room).map(Rooms::One).map_err(|error| self.wrong("room", error.to_string()));
        };
        if scope == RoomScope::Exact {
            return Err(self.wrong("room", "is a pattern, and its key is not in `auth.allow_patterns`"));
        }
        RoomId::check(prefix).map_err(|error| self.wrong("room", format!("{error}, before its `*`")))?;
        Ok(Rooms::Prefix(prefix.to_owned()))
    }

    pub(super) fn name(&self) -> Result<Option<String>, TokenError> {
        let name: Option<String> = self.optional("name", "a string")?;
        match name {
            Some(name) if name.chars().count() > MAX_NAME => {
                Err(self.wrong("name", format!("must be at most {MAX_NAME} characters")))
            }
            Some(name) if name.chars().any(char::is_control) => {
                Err(self.wrong("name", "must not hold control characters"))
            }
            name => Ok(name),
        }
    }

    /// The metadata as it was signed: other clients get this very text.
    pub(super) fn metadata(&self, limits: &Limits) -> Result<Option<Json>, TokenError> {
        let Some(raw) = self.object.get(self.names.of("metadata")) else {
            return Ok(None);
        };
        let bytes = raw.get().len();
        if bytes as u64 > limits.metadata_bytes {
            return Err(TokenError::MetadataTooLarge { bytes, limit: limits.metadata_bytes });
        }
        let depth = usize::try_from(limits.json_depth).unwrap_or(usize::MAX);
        scan(raw.get(), depth).map_err(|refused| match refused {
            Refused::TooDeep => self.wrong("metadata", format!("nests deeper than limits.json_depth, {depth}")),
            Refused::LoneSurrogate => self.wrong("metadata", "holds a lone surrogate escape, which is no text"),
        })?;
        Ok(Some(Json::from_raw(raw)))
    }

    pub(super) fn grant(&self) -> Result<Grant, TokenError> {
        let Some(names) = self.optional::<Vec<String>>("can", "an array of strings")? else {
            return Ok(Grant::default());
        };
        names
            .iter()
            .map(|name| {
                Permission::from_name(name).ok_or_else(|| {
                    let known = Permission::ALL.map(Permission::as_str).join(", ");
                    self.wrong("can", format!("names the unknown permission `{}`; known are {known}", shorten(name)))
                })
            })
            .collect()
    }

    pub(super) fn max_peers(&self) -> Result<Option<u64>, TokenError> {
        match self.optional("maxPeers", "a positive integer")? {
            Some(0) => Err(self.wrong("maxPeers", "must be a positive integer")),
            count => Ok(count),
        }
    }

    pub(super) fn duplicates(&self) -> Result<Duplicates, TokenError> {
        match self.optional::<String>("duplicates", "a string")?.as_deref() {
            None => Ok(Duplicates::default()),
            Some("allow") => Ok(Duplicates::Allow),
            Some("replace") => Ok(Duplicates::Replace),
            Some("reject") => Ok(Duplicates::Reject),
            Some(_) => Err(self.wrong("duplicates", "must be allow, replace or reject")),
        }
    }

    /// What the token calls itself: `jti`.
    pub(super) fn id(&self) -> Result<Option<TokenId>, TokenError> {
        let id: Option<String> = self.optional("jti", "a string")?;
        id.map(|id| TokenId::parse(&id).map_err(|error| self.wrong("jti", error.to_string()))).transpose()
    }

    /// Checks `iss`, which may be the key's to say, and `aud`.
    pub(super) fn provenance(&self, rules: &Rules, of_key: Option<&str>) -> Result<(), TokenError> {
        if let Some(issuer) = of_key.or(rules.issuer.as_deref())
            && self.required::<String>("iss", "a string")? != issuer
        {
            let problem =
                if of_key.is_some() { "is not the issuer whose key signed it" } else { "is not `auth.issuer`" };
            return Err(self.wrong("iss", problem));
        }
        if let Some(audience) = &rules.audience
            && !self.required::<Audience>("aud", "a string or an array of strings")?.holds(audience)
        {
            return Err(self.wrong("aud", "does not name `auth.audience`"));
        }
        Ok(())
    }

    /// A date: whole Unix seconds in the token, milliseconds here.
    fn time(&self, claim: &'static str) -> Result<Option<u64>, TokenError> {
        let seconds: Option<u64> = self.optional(claim, "whole Unix seconds, without a fraction or quotes")?;
        Ok(seconds.map(|seconds| seconds.saturating_mul(1_000)))
    }

    fn required<T: Deserialize<'a>>(&self, claim: &'static str, expected: &str) -> Result<T, TokenError> {
        self.optional(claim, expected)?.ok_or_else(|| self.wrong(claim, "is missing"))
    }

    fn optional<T: Deserialize<'a>>(&self, claim: &'static str, expected: &str) -> Result<Option<T>, TokenError> {
        self.object
            .get(self.names.of(claim))
            .map(|raw: &'a RawValue| {
                serde_json::from_str(raw.get()).map_err(|_| self.wrong(claim, format!("must be {expected}")))
            })
            .transpose()
    }

    /// A mistake in a claim, which also names where it was looked for.
    fn wrong(&self, claim: &'static str, problem: impl Into<Cow<'static, str>>) -> TokenError {
        let problem = problem.into();
        let problem = match self.names.other(claim) {
            Some(name) => format!("(read from `{}`) {problem}", shorten(name)).into(),
            None => problem,
        };
        TokenError::Claim { claim, problem }
    }
}

/// `aud`, in either of its forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}
