//! A text that must not be seen.

use std::fmt;

/// The fewest bytes of a secret that signs or encrypts: as long as the output of SHA-256, after RFC 7518 section 3.2.
pub const MIN_SECRET_BYTES: usize = 32;

/// A secret from the environment or the configuration file. `Debug` never shows it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into care.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The bytes, for the function that computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Secret::new("canary"))), "Some([redacted])");
    }
}
