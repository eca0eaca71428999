//! Keys for one purpose: the first signs, and what any of them signed counts.
//!
//! With two keys an operator can change one while what the other signed is still about: first the new one is accepted everywhere, then
//! it signs, then the old one goes.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{Context, Key, Tag},
};
use parking_lot::RwLock;

/// Such keys. A clone shares them: what replaces them replaces them for everybody.
#[derive(Clone)]
pub struct MacRing(Arc<RwLock<Arc<Keys>>>);

#[derive(Debug, Clone)]
struct Keys {
    first: Key,
    others: Vec<Key>,
}

impl MacRing {
    /// Signs with the first and accepts the others too.
    #[must_use]
    pub fn new(first: Key, others: Vec<Key>) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Keys { first, others }))))
    }

    /// Signs what these parts are together.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Tag {
        mac(&self.keys().first, parts)
    }

    /// Whether one of the keys signed what these parts are together.
    #[must_use]
    pub fn has_signed(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let keys = self.keys();
        let mut all = std::iter::once(&keys.first).chain(&keys.others);
        all.any(|key| verify_slices_are_equal(mac(key, parts).as_ref(), tag).is_ok())
    }

    /// Has everybody who shares these keys use those from now on.
    pub fn replace(&self, those: &Self) {
        let those = those.keys();
        *self.0.write() = those;
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read())
    }
}

impl From<Key> for MacRing {
    fn from(key: Key) -> Self {
        Self::new(key, Vec::new())
    }
}

impl fmt::Debug for MacRing {
    /// Never shows a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacRing").finish_non_exhaustive()
    }
}

fn mac(key: &Key, parts: &[&[u8]]) -> Tag {
    let mut context = Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac::HMAC_SHA256;

    use super::*;

    fn key(text: &str) -> Key {
        Key::new(HMAC_SHA256, text.as_bytes())
    }

    #[test]
    fn keys_change_without_a_moment_at_which_one_side_refuses_the_other() {
        let signed_by = |ring: &MacRing| ring.sign(&[b"a", b"bc"]).as_ref().to_vec();
        let counts = |ring: &MacRing, tag: &[u8]| ring.has_signed(&[b"ab", b"c"], tag);
        let steps = [
            MacRing::new(key("old"), vec![]),
            MacRing::new(key("old"), vec![key("new")]),
            MacRing::new(key("new"), vec![key("old")]),
            MacRing::new(key("new"), vec![]),
        ];
        for pair in steps.windows(2) {
            let [before, after] = pair else { panic!("two") };
            assert!(counts(after, &signed_by(before)) && counts(before, &signed_by(after)));
        }
        assert!(!counts(&steps[3], &signed_by(&steps[0])) && !counts(&steps[0], &signed_by(&steps[3])));

        // Whoever has a clone signs with the new one too.
        let shared = steps[0].clone();
        steps[0].replace(&steps[3]);
        assert!(counts(&steps[3], &signed_by(&shared)));
        assert!(!format!("{shared:?}").contains("old"));
    }
}
