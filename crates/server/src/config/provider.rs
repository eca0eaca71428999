//! One table of `turn.providers`: which keys it may have depends on its `kind`.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ProviderConfig, ProviderKind, Secret,
    raw::Raw,
    reader::Reader,
    suggest::closest,
    turn::{PROVIDERS, TTL_RANGE_S, secret_of_file, url_problems},
};
use crate::outbound::HttpsUrl;

/// What Cloudflare makes, in seconds. Below a minute they are asked for more often than they are worth.
const CLOUDFLARE_TTL_S: RangeInclusive<u64> = 60..=172_800;

/// What Twilio makes, in seconds.
const TWILIO_TTL_S: RangeInclusive<u64> = 60..=86_400;

/// Where Cloudflare's API is.
const CLOUDFLARE: &str = "https://rtc.live.cloudflare.com";

/// Where Twilio's API is.
const TWILIO: &str = "https://api.twilio.com";

/// How much a provider may weigh.
const WEIGHTS: RangeInclusive<u64> = 0..=1_000;

/// A table, of which keys are taken out one by one.
pub(super) struct Entry<'a> {
    reader: &'a mut Reader,
    key: String,
    table: toml::Table,
    /// The keys that were asked for: all that there are for this kind.
    known: Vec<&'static str>,
    /// The files that secrets came from.
    files: &'a mut Vec<PathBuf>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(reader: &'a mut Reader, key: String, table: toml::Table, files: &'a mut Vec<PathBuf>) -> Self {
        Self { reader, key, table, known: Vec::new(), files }
    }

    /// Reads all of it; nothing where a mistake leaves no provider. The TTL is that of whoever names none.
    pub(super) fn provider(&mut self, ttl_s: u64) -> Option<ProviderConfig> {
        let called = self.needed("kind")?;
        let (kind, ttls, cuts) = match called.as_str() {
            "coturn" => (self.coturn(), TTL_RANGE_S, false),
            "cloudflare" => (self.cloudflare(), CLOUDFLARE_TTL_S, true),
            // It does not say; whoever is prepared for it loses nothing.
            "twilio" => (self.twilio(), TWILIO_TTL_S, true),
            "static" => (self.fixed(), TTL_RANGE_S, false),
            other => {
                self.refuse("kind", format!("`{other}` is not coturn, cloudflare, twilio or static"));
                return None;
            }
        };
        let is_for_ever = called == "static";
        let name = self.name(called);
        let weight = u32::try_from(self.number("weight", 1, &WEIGHTS)).unwrap_or(1);
        let (ttl_s, cuts_at_expiry) = if is_for_ever {
            (ttl_s, false)
        } else {
            (self.number("ttl", ttl_s, &ttls), self.switch("cuts_at_expiry", cuts))
        };
        self.refuse_the_rest();
        let ttl = Duration::from_secs(ttl_s);
        Some(ProviderConfig { key: self.key.clone(), name, weight, ttl, cuts_at_expiry, kind: kind? })
    }

    /// Notes a mistake in one of its keys.
    pub(super) fn refuse(&mut self, name: &str, problem: impl Into<String>) {
        self.reader.refuse_in(PROVIDERS, format!("{}.{name}", self.key), problem);
    }

    fn coturn(&mut self) -> Option<ProviderKind> {
        let (urls, secret) = (self.urls(), self.secret("secret", "secret_file"));
        Some(ProviderKind::Coturn { urls: urls?, secret: secret? })
    }

    fn fixed(&mut self) -> Option<ProviderKind> {
        let (urls, username) = (self.urls(), self.needed("username"));
        let credential = self.secret("credential", "credential_file");
        Some(ProviderKind::Static { urls: urls?, username: username?, credential: credential? })
    }

    fn cloudflare(&mut self) -> Option<ProviderKind> {
        let (key_id, url) = (self.id("key_id"), self.base(CLOUDFLARE));
        let api_token = self.secret("api_token", "api_token_file");
        Some(ProviderKind::Cloudflare { url: url?, key_id: key_id?, api_token: api_token? })
    }

    fn twilio(&mut self) -> Option<ProviderKind> {
        let (account_sid, url) = (self.id("account_sid"), self.base(TWILIO));
        let api_key = self.text("api_key");
        let auth_token = self.secret("auth_token", "auth_token_file");
        Some(ProviderKind::Twilio { url: url?, account_sid: account_sid?, api_key, auth_token: auth_token? })
    }

    /// How metrics and logs call it: by its kind, unless it has a name.
    fn name(&mut self, kind: String) -> String {
        let name = self.text("name").unwrap_or(kind);
        let is_name = (1..=32).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            self.refuse("name", format!("`{name}` is not 1 to 32 of a to z, 0 to 9 and `-`"));
        }
        name
    }

    /// Its TURN servers.
    fn urls(&mut self) -> Option<Vec<String>> {
        let urls = self.take("urls", Raw::list)?.filter(|urls| !urls.is_empty());
        let Some(urls) = urls else {
            self.refuse("urls", "is missing; name its TURN servers: [\"turn:HOST:3478\"]");
            return None;
        };
        let problems: Vec<_> = url_problems(&urls).collect();
        let is_good = problems.is_empty();
        problems.into_iter().for_each(|problem| self.refuse("urls", problem));
        is_good.then_some(urls)
    }

    /// Something that becomes a part of a path.
    fn id(&mut self, name: &'static str) -> Option<String> {
        let id = self.needed(name)?;
        if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Some(id);
        }
        self.refuse(name, "may hold letters, digits, `-` and `_`; copy it from the provider's page");
        None
    }

    /// Where its API is.
    fn base(&mut self, usual: &str) -> Option<HttpsUrl> {
        let text = self.text("url").unwrap_or_else(|| usual.to_owned());
        let url = if text.contains('?') {
            Err("must not have a query".to_owned())
        } else {
            text.parse().map_err(|error: crate::outbound::UrlError| error.to_string())
        };
        url.map_err(|problem| self.refuse("url", format!("`{text}` {problem}"))).ok()
    }

    /// A secret, in the table or alone in a file.
    fn secret(&mut self, name: &'static str, file: &'static str) -> Option<Secret> {
        let secret = self.take(name, Raw::text)?;
        let path = self.take(file, Raw::text)?;
        self.files.extend(path.as_deref().map(PathBuf::from));
        let secret = match (secret, path) {
            (Some(secret), None) if secret.is_empty() || secret.trim() != secret => {
                Err((name, "is empty, or begins or ends with white space, which would be part of it".to_owned()))
            }
            (Some(secret), None) => Ok(Secret::new(secret)),
            (None, Some(path)) => secret_of_file(Path::new(&path)).map_err(|problem| (file, problem)),
            (Some(_), Some(_)) => Err((file, format!("is set beside `{name}`; one of the two is enough"))),
            (None, None) => Err((name, format!("is missing; set it, or `{file}` to a file that holds it alone"))),
        };
        secret.map_err(|(name, problem)| self.refuse(name, problem)).ok()
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.take(name, Raw::text).flatten()
    }

    fn needed(&mut self, name: &'static str) -> Option<String> {
        let text = self.take(name, Raw::text)?.filter(|text| !text.is_empty());
        if text.is_none() {
            self.refuse(name, "is missing");
        }
        text
    }

    fn number(&mut self, name: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        let number = self.take(name, Raw::number).flatten().unwrap_or(default);
        if range.contains(&number) {
            return number;
        }
        self.refuse(name, format!("{number} is not from {} to {}", range.start(), range.end()));
        *range.start()
    }

    fn switch(&mut self, name: &'static str, default: bool) -> bool {
        self.take(name, Raw::switch).flatten().unwrap_or(default)
    }

    /// A key's value, if it has one; nothing at all where that is a mistake, which is then noted.
    #[expect(clippy::option_option, reason = "a key that is wrong is not one that is missing")]
    fn take<T>(&mut self, name: &'static str, read: fn(Raw) -> Result<T, String>) -> Option<Option<T>> {
        self.known.push(name);
        let value = self.table.remove(name).map(|value| read(Raw::Toml(value))).transpose();
        value.map_err(|problem| self.refuse(name, problem)).ok()
    }

    fn refuse_the_rest(&mut self) {
        for (name, _) in std::mem::take(&mut self.table) {
            let problem = match closest(&name, self.known.iter().copied()) {
                Some(meant) => format!("is no key of this kind; did you mean {meant}?"),
                None => format!("is no key of this kind; it has {}", self.known.join(", ")),
            };
            self.refuse(&name, problem);
        }
    }
}
