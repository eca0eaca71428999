//! `[auth]`: who may come in.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use conf::Conf;

use super::{Purpose, raw::Raw, reader::Reader};
use crate::auth::{
    Algorithm, ClaimNames, Key, KeyRing, PublicKey, RoomScope, Rules, SigningKey, jwk, jwks::JwksConfig,
    rules::RENAMABLE,
};

/// The most issuers whose keys are fetched.
const MAX_ISSUERS: usize = 8;

/// The keys of tokens and what tokens have to say besides.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// `auth.keys`, `auth.keys_file`, `auth.public_keys`, `auth.jwks_file` and `auth.allow_patterns`: the keys that sign tokens, and
    /// which of them may sign for many rooms at once. For tools also `auth.signing_key`, which comes first.
    pub keys: KeyRing,
    /// `auth.jwks_urls`: the issuers whose keys are fetched.
    pub jwks: Vec<JwksConfig>,
    /// `auth.issuer`, `auth.audience`, `auth.types` and `auth.claims`.
    pub rules: Rules,
    /// The files that the keys came from.
    pub files: Vec<PathBuf>,
}

/// The section, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct AuthSection {
    #[conf(env, secret)]
    pub(super) keys: Option<Raw>,
    #[conf(env)]
    pub(super) keys_file: Option<Raw>,
    #[conf(env)]
    pub(super) public_keys: Option<Raw>,
    #[conf(env)]
    pub(super) jwks_file: Option<Raw>,
    #[conf(env)]
    pub(super) jwks_urls: Option<Raw>,
    #[conf(env)]
    pub(super) algorithms: Option<Raw>,
    #[conf(env)]
    pub(super) issuer: Option<Raw>,
    #[conf(env)]
    pub(super) audience: Option<Raw>,
    #[conf(env)]
    pub(super) types: Option<Raw>,
    #[conf(env)]
    pub(super) claims: Option<Raw>,
    #[conf(env)]
    pub(super) allow_patterns: Option<Raw>,
    #[conf(env)]
    pub(super) signing_key: Option<Raw>,
}

/// What is read from the section, piece by piece.
struct Pieces {
    keys: KeyRing,
    algorithms: Vec<Algorithm>,
    files: Vec<PathBuf>,
}

pub(super) fn read(reader: &mut Reader, section: AuthSection, purpose: Purpose) -> AuthConfig {
    let algorithms = read_algorithms(reader, section.algorithms);
    let mut pieces = Pieces { keys: KeyRing::default(), algorithms, files: Vec::new() };
    let are_secrets = pieces.read_secrets(reader, section.keys, section.keys_file);
    let are_public = pieces.read_public(reader, section.public_keys, section.jwks_file);
    let rules = Rules {
        issuer: reader.text("auth.issuer", section.issuer),
        audience: reader.text("auth.audience", section.audience),
        types: read_types(reader, section.types),
        names: read_names(reader, section.claims),
    };
    let urls = reader.list("auth.jwks_urls", section.jwks_urls);
    let mut jwks = read_urls(reader, &urls, &rules, &pieces.algorithms);
    if !(are_secrets || are_public || !urls.is_empty()) {
        match purpose {
            Purpose::Dev => pieces.keys = KeyRing::dev(),
            Purpose::Lan => pieces.keys = KeyRing::random(),
            Purpose::Serve => reader.refuse(
                "auth.keys",
                "is missing: nobody could come in; set ALDIS_AUTH_KEYS=kid:secret (`aldis keys generate --env` makes it), or name \
                 public keys (auth.public_keys, auth.jwks_file, auth.jwks_urls)",
            ),
            Purpose::Tool => {}
        }
    }
    for entry in reader.list("auth.allow_patterns", section.allow_patterns) {
        let issuers = jwks.iter_mut().filter(|jwks| *jwks.issuer == *entry);
        let issuers = issuers.map(|jwks| jwks.scope = RoomScope::Patterns).count();
        if !pieces.keys.allow_patterns(&entry) && issuers == 0 {
            let problem = format!("`{entry}` is the id of no key here, and no issuer of auth.jwks_urls");
            reader.refuse("auth.allow_patterns", problem);
        }
    }
    // A server only checks; whoever signs is a tool.
    let signing_key = reader.text("auth.signing_key", section.signing_key);
    if let (Some(entry), Purpose::Tool) = (signing_key, purpose) {
        match signer(&entry) {
            Ok(key) => pieces.keys.put_first(key),
            Err(problem) => reader.refuse("auth.signing_key", problem),
        }
    }
    AuthConfig { keys: pieces.keys, jwks, rules, files: pieces.files }
}

/// A private key by `kid:file`.
///
/// # Errors
/// Says what is wrong with the entry or the file.
pub fn signer(entry: &str) -> Result<Key, String> {
    let (kid, path) = named(entry)?;
    let pem = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    let key = SigningKey::from_pem(&pem).map_err(|error| format!("{} {error}", path.display()))?;
    Key::pair(kid, key).map_err(|error| format!("{} {error}", path.display()))
}

impl Pieces {
    /// Reads the shared secrets. Says whether the configuration names any.
    fn read_secrets(&mut self, reader: &mut Reader, keys: Option<Raw>, file: Option<Raw>) -> bool {
        let listed = reader.secret_list("auth.keys", keys);
        let file = reader.text("auth.keys_file", file).map(PathBuf::from);
        let are_any = listed.is_some() || file.is_some();
        self.add_secrets(reader, "auth.keys", listed.unwrap_or_default().iter().map(String::as_str));
        if let Some(path) = file {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
                    self.add_secrets(reader, "auth.keys_file", lines);
                }
                Err(error) => reader.refuse("auth.keys_file", unreadable(&path, &error)),
            }
            self.files.push(path);
        }
        are_any
    }

    fn add_secrets<'a>(&mut self, reader: &mut Reader, key: &str, entries: impl Iterator<Item = &'a str>) {
        let ring = KeyRing::parse(entries).unwrap_or_else(|errors| {
            errors.iter().for_each(|error| reader.refuse(key, error.to_string()));
            KeyRing::default()
        });
        if !ring.keys().is_empty() && !self.algorithms.contains(&Algorithm::Hs256) {
            reader.refuse(key, "has a shared secret, and HS256 is not in auth.algorithms");
        }
        self.add(reader, key, &ring);
    }

    /// Reads the public keys. Says whether the configuration names any.
    fn read_public(&mut self, reader: &mut Reader, keys: Option<Raw>, set: Option<Raw>) -> bool {
        const KEYS: &str = "auth.public_keys";
        const SET: &str = "auth.jwks_file";
        let entries = reader.list(KEYS, keys);
        let set = reader.text(SET, set).map(PathBuf::from);
        let are_any = !entries.is_empty() || set.is_some();
        for entry in entries {
            match named(&entry) {
                Ok((kid, path)) => {
                    match self.public(&path) {
                        Ok(key) => {
                            let added = self.keys.add(Key::public(kid, key));
                            added.unwrap_or_else(|error| reader.refuse(KEYS, error.to_string()));
                        }
                        Err(problem) => reader.refuse(KEYS, problem),
                    }
                    self.files.push(path);
                }
                Err(problem) => reader.refuse(KEYS, problem),
            }
        }
        if let Some(path) = set {
            match self.set(&path) {
                Ok(set) => {
                    // Whoever writes the file can leave out what does not belong there.
                    for jwk::PassedOver { kid, why } in set.passed_over {
                        reader.refuse(SET, format!("{}: the key `{kid}` {why}", path.display()));
                    }
                    self.add(reader, SET, &set.ring);
                }
                Err(problem) => reader.refuse(SET, problem),
            }
            self.files.push(path);
        }
        are_any
    }

    fn public(&self, path: &Path) -> Result<PublicKey, String> {
        let pem = fs::read(path).map_err(|error| unreadable(path, &error))?;
        let key = PublicKey::from_pem(&pem).map_err(|error| format!("{} {error}", path.display()))?;
        if self.algorithms.contains(&key.alg()) {
            return Ok(key);
        }
        Err(format!("{} is a key for {}, which is not in auth.algorithms", path.display(), key.alg()))
    }

    fn set(&self, path: &Path) -> Result<jwk::KeySet, String> {
        let text = fs::read(path).map_err(|error| unreadable(path, &error))?;
        jwk::parse(&text, &self.algorithms).map_err(|error| format!("{} {error}", path.display()))
    }

    fn add(&mut self, reader: &mut Reader, key: &str, ring: &KeyRing) {
        for one in ring.keys() {
            if let Err(error) = self.keys.add(one.clone()) {
                reader.refuse(key, error.to_string());
            }
        }
    }
}

fn read_algorithms(reader: &mut Reader, raw: Option<Raw>) -> Vec<Algorithm> {
    const KEY: &str = "auth.algorithms";
    let usual = Algorithm::USUAL.map(Algorithm::as_str).join(",");
    let mut algorithms = Vec::new();
    for name in reader.list_or(KEY, raw, &usual) {
        match Algorithm::from_name(&name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => {
                let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
                reader.refuse(KEY, format!("`{name}` is no algorithm that tokens are checked with; known are {known}"));
            }
        }
    }
    algorithms
}

fn read_types(reader: &mut Reader, raw: Option<Raw>) -> Vec<String> {
    const KEY: &str = "auth.types";
    let types = reader.list_or(KEY, raw, "JWT");
    if types.iter().any(|name| name.trim().is_empty()) {
        reader.refuse(KEY, "has an empty entry; a type is the `typ` of a token's header, as `JWT` or `at+jwt`");
    }
    types
}

fn read_names(reader: &mut Reader, raw: Option<Raw>) -> ClaimNames {
    const KEY: &str = "auth.claims";
    let mut names = ClaimNames::default();
    let entries = reader.list(KEY, raw);
    for entry in &entries {
        match entry.split_once('=') {
            Some((claim, name)) if !name.is_empty() => {
                if !names.rename(claim, name) {
                    let known = RENAMABLE.join(", ");
                    reader.refuse(KEY, format!("`{claim}` is no claim that may have another name; {known} may"));
                }
            }
            _ => reader.refuse(KEY, format!("`{entry}` is not `claim=name`, as `room=https://app.example.org/room`")),
        }
    }
    for (_, name) in entries.iter().filter_map(|entry| entry.split_once('=')) {
        if names.is_ambiguous(name) {
            reader.refuse(KEY, format!("`{name}` is the name of another claim too"));
        }
    }
    names
}

/// `ISSUER URL`, or the URL alone for `auth.issuer`.
fn read_urls(reader: &mut Reader, entries: &[String], rules: &Rules, algorithms: &[Algorithm]) -> Vec<JwksConfig> {
    const KEY: &str = "auth.jwks_urls";
    let mut jwks: Vec<JwksConfig> = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        let (issuer, url) = match entry.trim().split_once(' ') {
            Some((issuer, url)) => (Some(issuer.to_owned()), url.trim()),
            None => (rules.issuer.clone(), entry.trim()),
        };
        let Some(issuer) = issuer else {
            reader.refuse(KEY, format!("entry {number} has no issuer: write `ISSUER URL`, or set auth.issuer"));
            continue;
        };
        match url.parse() {
            Ok(_) if jwks.iter().any(|other| *other.issuer == *issuer) => {
                reader.refuse(KEY, format!("names the issuer `{issuer}` twice"));
            }
            Ok(url) => {
                let algorithms = algorithms.iter().copied().filter(|algorithm| *algorithm != Algorithm::Hs256);
                let (issuer, scope) = (Arc::from(issuer), RoomScope::Exact);
                jwks.push(JwksConfig { issuer, url, algorithms: algorithms.collect(), scope });
            }
            // Not shown: it may hold a password.
            Err(error) => reader.refuse(KEY, format!("entry {number}: the URL {error}")),
        }
    }
    if jwks.len() > MAX_ISSUERS {
        reader.refuse(KEY, format!("names {} issuers; at most {MAX_ISSUERS} are fetched", jwks.len()));
    }
    if !entries.is_empty() && rules.audience.is_none() {
        reader.refuse(
            "auth.audience",
            "is missing although auth.jwks_urls names an issuer: it signs tokens for other applications too, and each of them would \
             be let in; set ALDIS_AUTH_AUDIENCE to what this server is called there",
        );
    }
    jwks
}

/// `kid:file`.
fn named(entry: &str) -> Result<(&str, PathBuf), String> {
    match entry.split_once(':') {
        Some((kid, path)) if !kid.is_empty() && !path.is_empty() => Ok((kid, PathBuf::from(path))),
        _ => Err(format!("`{entry}` is not `kid:file`, as `k-1:/etc/aldis/k-1.pem`")),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}
