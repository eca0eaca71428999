//! What an operator should know of a refusal besides its sentence: for `aldis token verify`, never for a client.
//!
//! Here a token is tried against keys it does not name, and compared with secrets. A server that did so for strangers would answer
//! questions nobody should ask it.

use super::{
    Key, TokenError, Verifier, error::shorten, header::Header, key::DEV_KID, signature::is_mac, verify::Parts,
};
use base64::{Engine, engine::general_purpose::STANDARD};

impl Verifier {
    /// One sentence that says more about why this token was refused, if there is more to say.
    #[must_use]
    pub fn diagnose(&self, token: &str, error: &TokenError) -> Option<String> {
        match error {
            TokenError::UnknownKid | TokenError::KidMissing => Some(self.about_the_kid(token)),
            TokenError::Signature => Some(self.about_the_signature(token)),
            _ => None,
        }
    }

    fn known(&self) -> String {
        match self.keys().keys() {
            [] => "no key is configured (ALDIS_AUTH_KEYS, ALDIS_AUTH_PUBLIC_KEYS)".to_owned(),
            keys => format!("known: {}", keys.iter().map(Key::kid).collect::<Vec<_>>().join(", ")),
        }
    }

    fn about_the_kid(&self, token: &str) -> String {
        let known = self.known();
        match self.open(token) {
            Some((Header { kid: None, .. }, _)) => format!("no kid; {known}."),
            Some((Header { kid: Some(kid), .. }, _)) if self.is_secret(&kid) => {
                format!("its `kid` is the secret of a key: key id and secret were swapped; {known}.")
            }
            Some((Header { kid: Some(kid), .. }, parts)) => {
                let is_dev = kid == DEV_KID && parts.is_signed_by(&Key::dev());
                let hint = if is_dev { " It is signed with the development key: check it with --dev." } else { "" };
                format!("unknown kid `{}`; {known}.{hint}", shorten(&kid))
            }
            None => format!("{known}."),
        }
    }

    fn about_the_signature(&self, token: &str) -> String {
        let Some((header, parts)) = self.open(token) else {
            return "nothing more can be said.".to_owned();
        };
        let own = header.kid.as_deref().and_then(|kid| self.keys().get(kid)).or_else(|| self.keys().first());
        let Some(own) = own else {
            return format!("{}.", self.known());
        };
        if let Some(other) = self.keys().keys().iter().find(|key| parts.is_signed_by(key)) {
            return format!("it is signed with the key `{}`: its `kid` should say so.", other.kid());
        }
        let Some(secret) = own.secret() else {
            return format!(
                "it is not of the private key whose public part this configuration has for `{}`, or was changed after it was signed.",
                own.kid()
            );
        };
        let secret = secret.expose();
        let mut with_newline = secret.to_vec();
        with_newline.push(b'\n');
        let suspects = [
            (
                Some(own.kid().as_bytes().to_vec()),
                "it matches when the key id is used as the secret: key and secret were swapped.",
            ),
            (
                Some(with_newline),
                "it matches with a newline behind the secret: the signer read the secret from a file without trimming it.",
            ),
            (
                decoded(secret),
                "it matches with the secret decoded from base64: the signer must use the text itself as the key.",
            ),
            (Some(Vec::new()), "it matches with an empty secret: the signer's variable is not set."),
        ];
        let found = suspects.into_iter().find(|(bytes, _)| {
            bytes.as_ref().is_some_and(|bytes| parts.is_by(|message, signature| is_mac(bytes, message, signature)))
        });
        match found {
            Some((_, sentence)) => sentence.to_owned(),
            None => format!(
                "signed with another secret than the one this configuration has for `{}`, or changed after it was signed.",
                own.kid()
            ),
        }
    }

    fn open<'a>(&self, token: &'a str) -> Option<(Header, Parts<'a>)> {
        let parts = Parts::split(token, self.limits()).ok()?;
        let header = Header::parse(&parts.header().ok()?, self.types()).ok()?;
        Some((header, parts))
    }

    fn is_secret(&self, text: &str) -> bool {
        self.keys().keys().iter().any(|key| key.secret().is_some_and(|secret| secret.expose() == text.as_bytes()))
    }
}

/// The secret as a library reads it that takes secrets for base64, of either alphabet.
fn decoded(secret: &[u8]) -> Option<Vec<u8>> {
    let standard: Vec<u8> = secret
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let padded = [standard.as_slice(), &b"==="[..(4 - standard.len() % 4) % 4]].concat();
    STANDARD.decode(padded).ok()
}
