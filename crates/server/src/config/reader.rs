//! What the sections read with: values come out typed, mistakes are kept, and every key is noted with its source.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::backplane::Address;

use super::{ConfigError, MIN_SECRET_BYTES, Mistake, Secret, Source, raw::Raw};

/// One key as `aldis config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key's path.
    pub key: &'static str,
    /// Its value, masked where it is a secret; empty where there is none.
    pub value: String,
    /// Where it came from.
    pub source: Source,
    /// What `value` does not show: only whether it has changed is anybody's business.
    pub(crate) hidden: Option<Secret>,
}

/// Reads keys one by one. A key with a mistake reads as its default or as nothing; [`finish`](Self::finish) then fails.
pub(super) struct Reader {
    sources: BTreeMap<String, Source>,
    mistakes: Vec<Mistake>,
    rows: Vec<Row>,
}

impl Reader {
    pub(super) fn new(sources: BTreeMap<String, Source>, mistakes: Vec<Mistake>) -> Self {
        Self { sources, mistakes, rows: Vec::new() }
    }

    /// Every key that was read, or every mistake.
    pub(super) fn finish(self) -> Result<Vec<Row>, ConfigError> {
        if self.mistakes.is_empty() { Ok(self.rows) } else { Err(ConfigError { mistakes: self.mistakes }) }
    }

    /// Notes a mistake in a key.
    pub(super) fn refuse(&mut self, key: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake { key: key.to_owned(), source: self.source(key), problem: problem.into() });
    }

    /// Notes a mistake in what is within the value of a key.
    pub(super) fn refuse_in(&mut self, key: &str, within: String, problem: impl Into<String>) {
        self.mistakes.push(Mistake { key: within, source: self.source(key), problem: problem.into() });
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str, raw: Option<Raw>) -> Option<String> {
        self.note(key, raw.as_ref().map(ToString::to_string));
        self.convert(key, raw, Raw::text)
    }

    /// A string with a default.
    pub(super) fn text_or(&mut self, key: &'static str, raw: Option<Raw>, default: &str) -> String {
        self.note(key, Some(raw.as_ref().map_or_else(|| default.to_owned(), ToString::to_string)));
        self.convert(key, raw, Raw::text).unwrap_or_else(|| default.to_owned())
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        raw: Option<Raw>,
        default: u64,
        range: &RangeInclusive<u64>,
    ) -> u64 {
        self.note(key, Some(raw.as_ref().map_or_else(|| default.to_string(), ToString::to_string)));
        let number = self.convert(key, raw, Raw::number).unwrap_or(default);
        if range.contains(&number) {
            return number;
        }
        self.refuse(key, format!("{number} is not from {} to {}", range.start(), range.end()));
        default
    }

    /// Yes or no; no by default.
    pub(super) fn switch(&mut self, key: &'static str, raw: Option<Raw>) -> bool {
        self.note(key, Some(raw.as_ref().map_or_else(|| false.to_string(), ToString::to_string)));
        self.convert(key, raw, Raw::switch).unwrap_or_default()
    }

    /// Several strings.
    pub(super) fn list(&mut self, key: &'static str, raw: Option<Raw>) -> Vec<String> {
        self.note(key, raw.as_ref().map(ToString::to_string));
        self.convert(key, raw, Raw::list).unwrap_or_default()
    }

    /// Several strings with a default.
    pub(super) fn list_or(&mut self, key: &'static str, raw: Option<Raw>, default: &str) -> Vec<String> {
        let raw = raw.unwrap_or_else(|| Raw::Text(default.to_owned()));
        self.list(key, Some(raw))
    }

    /// Several strings that nobody may see.
    pub(super) fn secret_list(&mut self, key: &'static str, raw: Option<Raw>) -> Option<Vec<String>> {
        self.note_masked(key, raw.as_ref());
        self.convert(key, raw, Raw::list)
    }

    /// A string that nobody may see.
    pub(super) fn secret(&mut self, key: &'static str, raw: Option<Raw>) -> Option<Secret> {
        self.note_masked(key, raw.as_ref());
        let text = self.convert(key, raw, Raw::text)?;
        if text.trim() != text || text.is_empty() {
            self.refuse(key, "is empty, or begins or ends with white space, which would be part of the secret");
        }
        Some(Secret::new(text))
    }

    /// A secret that cannot be guessed.
    pub(super) fn strong_secret(&mut self, key: &'static str, raw: Option<Raw>) -> Option<Secret> {
        let secret = self.secret(key, raw)?;
        self.check_strength(key, &secret);
        Some(secret)
    }

    /// Several of them.
    pub(super) fn strong_secrets(&mut self, key: &'static str, raw: Option<Raw>) -> Vec<Secret> {
        let secrets: Vec<_> = self.secret_list(key, raw).unwrap_or_default().into_iter().map(Secret::new).collect();
        secrets.iter().for_each(|secret| self.check_strength(key, secret));
        secrets
    }

    fn check_strength(&mut self, key: &str, secret: &Secret) {
        let bytes = secret.expose().len();
        if bytes < MIN_SECRET_BYTES {
            self.refuse(
                key,
                format!(
                    "is {bytes} bytes; at least {MIN_SECRET_BYTES} are needed (`openssl rand -base64 48` makes one)"
                ),
            );
        }
    }

    /// The address of a backplane, which is shown without its login; none where there is a mistake in it.
    pub(super) fn address(&mut self, key: &'static str, raw: Option<Raw>) -> Option<Address> {
        let text = match raw.map(Raw::text).transpose() {
            Ok(Some(text)) => text,
            Ok(None) => {
                self.note(key, Some(Address::Memory.to_string()));
                return Some(Address::Memory);
            }
            Err(problem) => {
                self.note(key, None);
                self.refuse(key, problem);
                return None;
            }
        };
        let address = Address::parse(&text).map_err(|error| format!("is no address: {error}"));
        let address =
            address.and_then(|address| address.supported().map(|()| address).map_err(|error| error.to_string()));
        match address {
            Ok(address) => {
                self.note_in_part(key, Some(address.to_string()), Some(Secret::new(text)));
                Some(address)
            }
            Err(problem) => {
                self.note(key, None);
                self.refuse(key, problem);
                None
            }
        }
    }

    /// Where a key's value came from.
    fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or_default()
    }

    /// Notes what a key came to, for whoever asks.
    pub(super) fn note(&mut self, key: &'static str, value: Option<String>) {
        self.note_in_part(key, value, None);
    }

    /// Notes that a key has a value that nobody may see.
    fn note_masked(&mut self, key: &'static str, raw: Option<&Raw>) {
        let hidden = raw.map(|raw| Secret::new(raw.to_string()));
        self.note_in_part(key, raw.map(|_| "[redacted]".to_owned()), hidden);
    }

    /// Notes what may be seen of a key's value, and what may not.
    fn note_in_part(&mut self, key: &'static str, value: Option<String>, hidden: Option<Secret>) {
        let source = self.source(key);
        self.rows.push(Row { key, value: value.unwrap_or_default(), source, hidden });
    }

    fn convert<T>(
        &mut self,
        key: &'static str,
        raw: Option<Raw>,
        read: impl FnOnce(Raw) -> Result<T, String>,
    ) -> Option<T> {
        match read(raw?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(key, problem);
                None
            }
        }
    }
}
