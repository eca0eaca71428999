//! `[auth]`: who may come in.

use conf::Conf;

use super::{Purpose, raw::Raw, reader::Reader};
use crate::auth::{KeyRing, Rules};

/// The keys of tokens and what tokens have to say besides.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// `auth.keys` and `auth.allow_patterns`: the keys that sign tokens, and which of them may sign for many rooms at once.
    pub keys: KeyRing,
    /// `auth.issuer` and `auth.audience`.
    pub rules: Rules,
}

/// The section, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct AuthSection {
    #[conf(env, secret)]
    pub(super) keys: Option<Raw>,
    #[conf(env)]
    pub(super) issuer: Option<Raw>,
    #[conf(env)]
    pub(super) audience: Option<Raw>,
    #[conf(env)]
    pub(super) allow_patterns: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, section: AuthSection, purpose: Purpose) -> AuthConfig {
    let mut keys = read_keys(reader, section.keys, purpose);
    let rules = Rules {
        issuer: reader.text("auth.issuer", section.issuer),
        audience: reader.text("auth.audience", section.audience),
    };
    for kid in reader.list("auth.allow_patterns", section.allow_patterns) {
        if !keys.allow_patterns(&kid) {
            reader.refuse("auth.allow_patterns", format!("`{kid}` is no key id of auth.keys"));
        }
    }
    AuthConfig { keys, rules }
}

fn read_keys(reader: &mut Reader, raw: Option<Raw>, purpose: Purpose) -> KeyRing {
    const KEY: &str = "auth.keys";
    let Some(entries) = reader.secret_list(KEY, raw) else {
        match purpose {
            Purpose::Dev => return KeyRing::dev(),
            Purpose::Lan => return KeyRing::random(),
            Purpose::Serve => reader.refuse(
                KEY,
                "is missing: nobody could come in; set ALDIS_AUTH_KEYS=kid:secret (`aldis keys generate --env` makes it)",
            ),
            Purpose::Tool => {}
        }
        return KeyRing::default();
    };
    KeyRing::parse(entries.iter().map(String::as_str)).unwrap_or_else(|errors| {
        for error in errors {
            reader.refuse(KEY, error.to_string());
        }
        KeyRing::default()
    })
}
