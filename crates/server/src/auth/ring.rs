//! All keys of a configuration.
//!
//! A list from the start: with two keys an operator can change one while tokens of the other are still about.

use std::sync::Arc;

use super::{Key, KeyError, RoomScope};

/// All keys, in the order of the configuration. The first that can signs.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<Key>);

impl KeyRing {
    /// Reads entries of the form `kid:secret`, and refuses what the whole world knows: the development key.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, without the secrets.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<KeyError>> {
        let mut ring = Self::default();
        let mut errors = Vec::new();
        for entry in entries {
            let added = Key::parse(entry).and_then(|key| match key.is_public() {
                true => Err(KeyError::Public { kid: key.kid().to_owned() }),
                false => ring.add(key),
            });
            errors.extend(added.err());
        }
        if errors.is_empty() { Ok(ring) } else { Err(errors) }
    }

    /// Adds a key behind the others.
    ///
    /// # Errors
    /// There is one with its id.
    pub fn add(&mut self, key: Key) -> Result<(), KeyError> {
        if self.get(key.kid()).is_some() {
            return Err(KeyError::Duplicate { kid: key.kid().to_owned() });
        }
        self.0.push(key);
        Ok(())
    }

    /// Has this key sign, and its public part checked with: before any other, or in the place of one of its id.
    pub fn put_first(&mut self, key: Key) {
        self.0.retain(|other| other.kid() != key.kid());
        self.0.insert(0, key);
    }

    /// Only the public key of `aldis dev`.
    #[must_use]
    pub fn dev() -> Self {
        Self(vec![Key::dev()])
    }

    /// Only a key that nobody else has ever seen.
    #[must_use]
    pub fn random() -> Self {
        Self(vec![Key::random()])
    }

    /// The same keys, whose tokens must have this `iss`.
    #[must_use]
    pub fn of_issuer(self, issuer: &Arc<str>) -> Self {
        Self(self.0.into_iter().map(|key| key.of_issuer(Arc::clone(issuer))).collect())
    }

    /// Lets the tokens of every key name rooms by prefix.
    pub fn allow_patterns_of_all(&mut self) {
        self.0.iter_mut().for_each(|key| key.set_scope(RoomScope::Patterns));
    }

    /// Lets the tokens of a key name rooms by prefix. Says whether there is such a key.
    pub fn allow_patterns(&mut self, kid: &str) -> bool {
        let key = self.0.iter_mut().find(|key| key.kid() == kid);
        key.map(|key| key.set_scope(RoomScope::Patterns)).is_some()
    }

    /// The key of an id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.kid() == kid)
    }

    /// The first key.
    #[must_use]
    pub fn first(&self) -> Option<&Key> {
        self.0.first()
    }

    /// The key that signs: the first one that can.
    #[must_use]
    pub fn signer(&self) -> Option<&Key> {
        self.0.iter().find(|key| key.can_sign())
    }

    /// The keys, in order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const A: &str = "a:0123456789abcdef0123456789abcdef";
    const B: &str = "b:fedcba9876543210:with:colons:in:it";

    #[test]
    fn the_text_behind_the_first_colon_is_the_key() {
        let ring = KeyRing::parse([A, B]).expect("two keys");
        assert_eq!(ring.keys().iter().map(Key::kid).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            ring.get("b").and_then(Key::secret).map(Secret::expose),
            Some(&b"fedcba9876543210:with:colons:in:it"[..])
        );
        assert_eq!(ring.first().map(Key::kid), Some("a"));
        assert!(ring.get("c").is_none());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_never_the_secret() {
        let kid = |kid: &str| kid.to_owned();
        let long = "x".repeat(129);
        let cases: &[(String, &[KeyError])] = &[
            (String::new(), &[KeyError::NoColon]),
            ("canary".repeat(8), &[KeyError::NoColon]),
            (format!(":{}", "canary".repeat(8)), &[KeyError::Kid]),
            (format!("a b:{}", "canary".repeat(8)), &[KeyError::Kid]),
            (format!("{long}:{}", "canary".repeat(8)), &[KeyError::Kid]),
            ("a:canary".into(), &[KeyError::TooShort { kid: kid("a"), bytes: 6 }]),
            (format!("a:{}\n", "canary".repeat(8)), &[KeyError::WhiteSpace { kid: kid("a") }]),
            ("d:aldis-dev-canary-0123456789-0123456789".into(), &[KeyError::Public { kid: kid("d") }]),
            (format!("{A},{A}"), &[KeyError::Duplicate { kid: kid("a") }]),
            (
                format!("b:canary,{A},{A},"),
                &[
                    KeyError::TooShort { kid: kid("b"), bytes: 6 },
                    KeyError::Duplicate { kid: kid("a") },
                    KeyError::NoColon,
                ],
            ),
        ];
        for (text, expected) in cases {
            let errors = KeyRing::parse(text.split(',')).expect_err(text);
            assert_eq!(errors, *expected, "{text}");
            assert!(!errors.iter().any(|error| error.to_string().contains("canary")), "{errors:?}");
        }
    }
}
