//! What tokens have to say besides who signed them, and under which names they say it.

use std::collections::BTreeMap;

/// What every token has to say besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Where it is set, `iss` must be this. Keys that an issuer published have their own instead.
    pub issuer: Option<String>,
    /// Where it is set, `aud` must be this or an array that holds it. A token that has an `aud` although none is set is accepted.
    pub audience: Option<String>,
    /// What the header's `typ` may be where it is present; the first is what is signed.
    pub types: Vec<String>,
    /// Where claims are looked for.
    pub names: ClaimNames,
}

impl Default for Rules {
    fn default() -> Self {
        Self { issuer: None, audience: None, types: vec![TYPE.to_owned()], names: ClaimNames::default() }
    }
}

/// The usual `typ` of a JWT.
const TYPE: &str = "JWT";

/// The claims whose names may be others: identity providers give only names that look like URLs to what is not theirs.
pub const RENAMABLE: [&str; 7] = ["sub", "room", "name", "metadata", "can", "maxPeers", "duplicates"];

/// Where claims are looked for: under their own names, or under others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimNames(BTreeMap<&'static str, String>);

impl ClaimNames {
    /// Has a claim looked for under another name, and no longer under its own. Says whether that is possible.
    pub fn rename(&mut self, claim: &str, name: &str) -> bool {
        let own = RENAMABLE.into_iter().find(|own| *own == claim);
        own.map(|own| self.0.insert(own, name.to_owned())).is_some()
    }

    /// Whether two claims are looked for under this name, or it is another claim's own.
    #[must_use]
    pub fn is_ambiguous(&self, name: &str) -> bool {
        let mapped = self.0.values().filter(|mapped| *mapped == name).count();
        let is_own = RENAMABLE.into_iter().any(|own| own == name && !self.0.contains_key(own));
        mapped + usize::from(is_own) > 1 || ["exp", "nbf", "iat", "iss", "aud", "jti"].contains(&name)
    }

    /// The other name of a claim.
    #[must_use]
    pub fn other(&self, claim: &str) -> Option<&str> {
        self.0.get(claim).map(String::as_str)
    }

    /// The name under which a claim is looked for.
    #[must_use]
    pub fn of<'a>(&'a self, claim: &'a str) -> &'a str {
        self.other(claim).unwrap_or(claim)
    }
}
